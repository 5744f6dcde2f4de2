"""The E2B(R3) message: each element at its place, the same bytes for the same case, and no file where something mandatory is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.core.case_documents import ASSESSED, EVENT, a_case, documented_study, donor, entry, event_of, subject
from trialcrf.core.packs.e2b import Coding, Exchange, Incomplete, coding_of, missing
from trialcrf.core.packs.e2b_message import e2b
from trialcrf.core.safety.case import Kind
from trialcrf.external.language import Language

SPACES = {"h": "urn:hl7-org:v3"}
TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
CODING = Coding("10013963", "20.1")
EXCHANGE = Exchange("INVENTED-SENDER", "INVENTED-RECEIVER", "6", "FR")
EVENT_PATH = "h:PORR_IN049016UV/h:controlActProcess/h:subject/h:investigationEvent"
ROLE = f"{EVENT_PATH}/h:component/h:adverseEventAssessment/h:subject1/h:primaryRole"


def message(
    event: dict[str, str] | None = None, *more: Any, exchange: Exchange = EXCHANGE, coding: Coding | None = CODING, **change: Any
) -> bytes:
    study, record = documented_study(**change.pop("settings", {})), subject(event)
    case = a_case(record, *more, **change)
    version = case.versions[-1] if case.versions else None
    return e2b(study, record, event_of(study, record), case, version, coding, exchange, "en", Language("en").say)


def read(content: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(content)


def coded(parent: ElementTree.Element, path: str, code: str) -> ElementTree.Element:
    """The one observation of a path that has this code of the ICH list."""
    found = [one for one in parent.iterfind(path, SPACES) if one.find("h:code", SPACES).get("code") == code]  # type: ignore[union-attr]
    assert len(found) == 1, (path, code)
    return found[0]


def value(observation: ElementTree.Element) -> ElementTree.Element:
    found = observation.find("h:value", SPACES)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("path", "attribute", "said"),
    [
        ("h:id[@root='2.16.840.1.113883.3.989.2.1.3.22']", "extension", "FR-INVENTEDSENDER-MSC-DEMO-0007-1"),  # N.1.2
        ("h:creationTime", "value", "20260302093000+0000"),  # N.1.5
        ("h:sender/h:device/h:id[@root='2.16.840.1.113883.3.989.2.1.3.13']", "extension", "INVENTED-SENDER"),  # N.1.3
        ("h:receiver/h:device/h:id[@root='2.16.840.1.113883.3.989.2.1.3.14']", "extension", "INVENTED-RECEIVER"),  # N.1.4
        ("h:name[@codeSystem='2.16.840.1.113883.3.989.2.1.1.1']", "code", "1"),  # N.1.1
        ("h:PORR_IN049016UV/h:id", "extension", "FR-INVENTEDSENDER-MSC-DEMO-0007"),  # N.2.r.1
        ("h:PORR_IN049016UV/h:sender/h:device/h:id[@root='2.16.840.1.113883.3.989.2.1.3.11']", "extension", "INVENTED-SENDER"),  # N.2.r.2
        ("h:PORR_IN049016UV/h:receiver/h:device/h:id[@root='2.16.840.1.113883.3.989.2.1.3.12']", "extension", "INVENTED-RECEIVER"),
        ("h:PORR_IN049016UV/h:controlActProcess/h:effectiveTime", "value", "20260302093000+0000"),  # C.1.2
        (f"{EVENT_PATH}/h:id[@root='2.16.840.1.113883.3.989.2.1.3.1']", "extension", "FR-INVENTEDSENDER-MSC-DEMO-0007"),  # C.1.1
        (f"{EVENT_PATH}/h:id[@root='2.16.840.1.113883.3.989.2.1.3.2']", "extension", "FR-INVENTEDSENDER-MSC-DEMO-0007"),  # C.1.8.1
        (f"{EVENT_PATH}/h:effectiveTime/h:low", "value", "20260208172000+0000"),  # C.1.4
        (f"{EVENT_PATH}/h:availabilityTime", "value", "20260302093000+0000"),  # C.1.5
        (f"{ROLE}/h:player1/h:name", "nullFlavor", "MSK"),  # D.1
        (f"{ROLE}/h:player1/h:administrativeGenderCode", "code", "2"),  # D.5
        (f"{ROLE}/h:player1/h:birthTime", "nullFlavor", "MSK"),  # D.2.1
        (f"{ROLE}/h:player1/h:asIdentifiedEntity/h:id", "extension", "R-01-004"),  # D.1.1.4
        (f"{ROLE}/h:subjectOf1/h:researchStudy/h:id", "extension", "MSC-DEMO"),  # C.5.3
        (f"{ROLE}/h:subjectOf1/h:researchStudy/h:code", "code", "1"),  # C.5.4
    ],
)
def test_an_element_stands_at_its_place(path: str, attribute: str, said: str) -> None:
    found = read(message()).find(path, SPACES)
    assert found is not None and found.get(attribute) == said


def test_the_reaction_with_its_coding_seriousness_and_outcome() -> None:
    reaction = coded(read(message()), f"{ROLE}/h:subjectOf2/h:observation", "29")
    term = value(reaction)
    assert (term.get("code"), term.get("codeSystem"), term.get("codeSystemVersion")) == ("10013963", "2.16.840.1.113883.6.163", "20.1")
    words = term.find("h:originalText", SPACES)
    assert words is not None and words.text == EVENT["AETERM"] and words.get("language") == "fra"
    assert [one.get("value") for one in reaction.iterfind("h:effectiveTime/*", SPACES)] == ["20260208", "20260220"]
    about = "h:outboundRelationship2/h:observation"
    serious = {code: value(coded(reaction, about, code)) for code in ("34", "21", "33", "35", "12", "26")}
    assert {code for code, one in serious.items() if one.get("value") == "true"} == {"21", "33"}
    assert all(one.get("value") == "true" or one.get("nullFlavor") == "NI" for one in serious.values())
    assert value(coded(reaction, about, "27")).get("code") == "1"


def test_the_product_with_batch_dates_indication_action_and_interval() -> None:
    root = read(message())
    drugs = [one for one in root.iterfind(f"{ROLE}/h:subjectOf2/h:organizer", SPACES) if one.find("h:code", SPACES).get("code") == "4"]  # type: ignore[union-attr]
    drug = drugs[0].find("h:component/h:substanceAdministration", SPACES)
    assert drug is not None
    assert drug.findtext("h:consumable/h:instanceOfKind/h:kindOfProduct/h:name", "", SPACES) == "Allogeneic mesenchymal stromal cells"
    dosage = drug.find("h:outboundRelationship2[@typeCode='COMP']/h:substanceAdministration", SPACES)
    assert dosage is not None and dosage.findtext("h:text", "", SPACES) == "62.40 × 10⁶/kg, once"
    assert [one.get("value") for one in dosage.iterfind("h:effectiveTime/h:comp/*", SPACES)] == [
        "20260202100000+0100",
        "20260202104000+0100",
    ]
    assert dosage.findtext("h:routeCode/h:originalText", "", SPACES) == "Intravenous"
    assert dosage.findtext(".//h:lotNumberText", "", SPACES) == "MSC-0107"
    assert drug.findtext("h:inboundRelationship[@typeCode='RSON']/h:observation/h:value/h:originalText", "", SPACES) == "Systemic sclerosis"
    assert drug.find("h:inboundRelationship[@typeCode='CAUS']/h:act/h:code", SPACES).get("code") == "9"  # type: ignore[union-attr]
    pause = drug.find("h:outboundRelationship1[@typeCode='SAS']/h:pauseQuantity", SPACES)
    assert pause is not None and (pause.get("value"), pause.get("unit")) == ("6", "d")
    assert value(coded(drug, "h:outboundRelationship2/h:observation", "31")).get("code") == "4"


def test_roles_and_causality_refer_to_the_drug_and_the_reaction() -> None:
    root = read(message())
    made = f"{EVENT_PATH}/h:component/h:adverseEventAssessment/h:component/h:causalityAssessment"
    roles = [value(one).get("code") for one in root.iterfind(made, SPACES) if one.find("h:code", SPACES).get("code") == "20"]  # type: ignore[union-attr]
    assert roles == ["1", "2"]
    judged = [one for one in root.iterfind(made, SPACES) if one.find("h:code", SPACES).get("code") == "39"]  # type: ignore[union-attr]
    assert [(one.findtext("h:author//h:originalText", "", SPACES), value(one).text) for one in judged] == [
        ("Investigator", "Reasonable possibility"),
        ("Sponsor", "Reasonable possibility"),
    ]
    reaction = coded(root, f"{ROLE}/h:subjectOf2/h:observation", "29").find("h:id", SPACES)
    named = {one.find(f"h:{who}/*/h:id", SPACES).get("root") for one in judged for who in ("subject1",)}  # type: ignore[union-attr]
    assert reaction is not None and named == {reaction.get("root")}
    drug = root.find(".//h:organizer/h:component/h:substanceAdministration/h:id", SPACES)
    assert drug is not None and {one.find("h:subject2/*/h:id", SPACES).get("root") for one in judged} == {drug.get("root")}  # type: ignore[union-attr]


def test_narrative_comment_reporter_sender_and_type() -> None:
    root = read(message())
    event = root.find(EVENT_PATH, SPACES)
    assert event is not None
    assert event.findtext("h:text", "", SPACES).startswith("Participant. Recipients R-01-004")  # H.1
    comment = event.find("h:component/h:adverseEventAssessment/h:component1/h:observationEvent", SPACES)
    assert comment is not None and value(comment).text == "A causal role cannot be excluded."  # H.4
    assert value(coded(event, "h:component/h:observationEvent", "23")).get("value") == "true"  # C.1.7
    assert value(coded(event, "h:component/h:observationEvent", "1")).get("value") == "false"  # C.1.6.1
    source = event.find("h:outboundRelationship[h:priorityNumber]", SPACES)
    assert source is not None and source.find(".//h:asQualifiedEntity/h:code", SPACES).get("code") == "1"  # type: ignore[union-attr]
    assert source.find(".//h:asLocatedEntity/h:location/h:code", SPACES).get("code") == "FR"  # type: ignore[union-attr]
    who = event.find("h:subjectOf1/h:controlActEvent/h:author/h:assignedEntity", SPACES)
    assert who is not None and who.find("h:code", SPACES).get("code") == "6"  # type: ignore[union-attr]
    assert who.findtext(".//h:name", "", SPACES) == "Invented sponsor"
    assert value(coded(event, "h:subjectOf2/h:investigationCharacteristic", "1")).get("code") == "2"  # C.1.3: report from study
    assert value(coded(event, "h:subjectOf2/h:investigationCharacteristic", "2")).get("nullFlavor") == "NI"


def test_the_sponsors_own_narrative_goes_before_the_draft() -> None:
    own = entry(4, Kind.NARRATIVE, {"language": "en", "text": "She became <short> of breath & recovered."}, 2)
    assert read(message(None, own)).findtext(f"{EVENT_PATH}/h:text", "", SPACES) == "She became <short> of breath & recovered."


def test_an_expected_reaction_is_not_expedited() -> None:
    root = read(message(assessed={**ASSESSED, "expected": True}))
    assert value(coded(root, f"{EVENT_PATH}/h:component/h:observationEvent", "23")).get("value") == "false"


def test_documents_are_announced_without_the_names_of_their_files() -> None:
    content = message(None, entry(4, Kind.DOCUMENT, {"attachment": 1, "name": "Letter of Mrs Secret.pdf", "sha256": "", "size": 1}, 2))
    root = read(content)
    assert value(coded(root, f"{EVENT_PATH}/h:component/h:observationEvent", "1")).get("value") == "true"
    assert root.findtext(f"{EVENT_PATH}/h:reference/h:document/h:title", "", SPACES) == "Document 1 of the case"
    assert b"Secret" not in content


def test_the_month_of_birth_and_names_are_nowhere() -> None:
    content = message()
    assert b"1979-06" not in content and b"197906" not in content and b"Sam Sponsor" not in content


def test_an_onset_within_two_days_is_told_in_minutes() -> None:
    pause = read(message({**EVENT, "AESTDAT": "2026-02-02", "AESTTIM": "16:35"})).find(".//h:pauseQuantity", SPACES)
    assert pause is not None and (pause.get("value"), pause.get("unit")) == ("395", "min")


def test_an_onset_before_the_treatment_has_no_interval() -> None:
    assert read(message({**EVENT, "AESTDAT": "2026-01-30", "AESTTIM": ""})).find(".//h:pauseQuantity", SPACES) is None


def test_a_blinded_study_says_so_and_tells_no_dose() -> None:
    content = message(settings={"blinded": True})
    assert value(coded(read(content), ".//h:outboundRelationship2/h:observation", "6")).get("value") == "true"
    assert b"MSC-0107" not in content and b"62.40" not in content


def test_the_same_case_gives_the_same_bytes_and_every_type_is_named() -> None:
    content = message()
    assert content == message()
    typed = [one for one in read(content).iter("{urn:hl7-org:v3}value") if TYPE not in one.attrib]
    assert typed == []


LACKING = {
    "sender": (replace(EXCHANGE, sender=""), "N.1.3"),
    "receiver": (replace(EXCHANGE, receiver=""), "N.1.4"),
    "type": (replace(EXCHANGE, sender_type="9"), "C.3.1"),
    "country": (replace(EXCHANGE, country="France"), "C.2.r.3"),
}


@pytest.mark.parametrize("what", LACKING)
def test_what_only_the_sponsor_knows_is_asked_for(what: str) -> None:
    exchange, element = LACKING[what]
    with pytest.raises(Incomplete) as refused:
        message(exchange=exchange)
    assert [one.msgid.split(":")[0] for one in refused.value.missing] == [element]


@pytest.mark.parametrize("coding", [None, Coding("", "20.1"), Coding("1001396", "20.1"), Coding("10013963", "")])
def test_without_a_meddra_code_there_is_no_file(coding: Coding | None) -> None:
    with pytest.raises(Incomplete) as refused:
        message(coding=coding)
    assert [one.msgid.split(":")[0] for one in refused.value.missing] == ["E.i.2.1"]


def test_everything_missing_is_listed_at_once() -> None:
    study = documented_study()
    assert study.safety is not None
    bare = replace(study, safety=replace(study.safety, sponsor=None, product=None))
    record = subject({"AESER": "Y", "AEOUT": "STRANGE"}, course=False)
    record = replace(record, records=record.records[-1:])
    case = a_case(record, assessed=None, frozen=False)
    found = missing(bare, record, event_of(bare, record), case, None, None, Exchange("", "", "", ""))
    elements = "N.1.3 N.1.4 C.1.2 C.1.7 C.2.r.3 C.3.1 C.3.2 C.1.1 E.i.1.1 E.i.2.1 E.i.7 E.i.3.2 G.k.1 G.k.2.2"
    assert [one.msgid.split(":")[0] for one in found] == elements.split()


def test_a_donor_without_product_has_no_file() -> None:
    study, record = documented_study(), donor()
    case = a_case(record)
    found = missing(study, record, event_of(study, record), case, case.versions[0], CODING, EXCHANGE)
    assert "G.k.1" in [one.msgid.split(":")[0] for one in found]


@pytest.mark.parametrize(
    ("ctcae", "version"), [("5.0", "20.1"), ("5", "20.1"), ("6.0", "28.0"), ("4.03", None), ("", None)]
)  # fmt: skip
def test_a_ctcae_term_brings_the_code_of_its_meddra(ctcae: str, version: str | None) -> None:
    assert coding_of(ctcae, "10013963") == (Coding("10013963", version) if version else None)
    assert coding_of(ctcae, "") is None


def test_the_judgement_of_the_product_goes_before_the_overall_one() -> None:
    root = read(message({**EVENT, "AEREL": "RELATED", "AERELPRD": "NOT RELATED"}))
    made = root.iterfind(f"{EVENT_PATH}/h:component/h:adverseEventAssessment/h:component/h:causalityAssessment[h:methodCode]", SPACES)
    assert [value(one).text for one in made] == ["Not related", "Reasonable possibility"]
