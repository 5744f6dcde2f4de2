"""The documents of a case on its page: who reads them, what is said to be missing, the orders, and the E2B(R3) file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.actions.world import NOW, TRAINED, World, typed
from tests.web.site import House, text
from tests.web.test_dictionaries import GENERAL, english, load
from trialcrf.actions import Impossible, administer, enter
from trialcrf.actions.records import report
from trialcrf.actions.safety import case, case_documents
from trialcrf.actions.safety.follow_case import Followed, followed
from trialcrf.core.access import Grant
from trialcrf.core.dictionary import Term
from trialcrf.core.document import FormKey
from trialcrf.core.packs.cioms import Cioms
from trialcrf.core.packs.subject_story import SubjectStory
from trialcrf.external.language import Language
from trialcrf.store import accounts, cases, forms, reports, subjects
from trialcrf.store.transaction import Transaction

PAGE = "/studies/msc_ssc/cases/1/reports"
SAY = Language("en").say
EVENT = {
    "AE_WORDS": "Short of breath <b>", "AE_CTCAE": "Dyspnea", "AE_GRADE": "4", "AE_ONSET": (20, 11, 2026), "AE_SERIOUS": "Y",
    "AE_LIFE": "Y", "AE_RELATED": "RELATED", "AE_BY_PRODUCT": "RELATED", "AE_OUTCOME": "RECOVERED/RESOLVED", "AE_STOP": (21, 11, 2026),
}  # fmt: skip
EXCHANGE = {"sender": "SENDER", "receiver": "RECEIVER", "sender_type": "6", "country": "FR", "language": "en"}


def happened(world: World) -> None:
    """A recipient of site 01 with history, an infusion and a serious event 14 days after it."""
    one = world.enrol("recipient", ICF_DATE=(2, 11, 2026), BIRTH_MONTH=("", 5, 1979), SEX_BIRTH="F", now=NOW - timedelta(days=19))
    world.save(
        one, "MEDHIST", "SCR", typed(MH_ANY="Y", MH_ROWS__new1__MH_TERM="Hypertension", MH_ROWS__new1__MH_START=("UNK", "UNK", 2018))
    )
    infusion = typed(INF_COHORT="MSC1", INF_BATCH="MSC-0107", INF_WEIGHT="62.4", INF_DOSE="62.4", INF_START=(6, 11, 2026, "10:00"))
    world.save(one, "INFUSION", "D0", infusion)
    world.save(one, "ADVERSE", "AE", typed(**EVENT), now=NOW - timedelta(hours=1))


def judged(world: World, expected: bool = False) -> None:
    acts: tuple[Callable[[Transaction, Followed], object], ...] = (
        lambda tx, of: case.freeze(tx, world.published, of, "first"),
        lambda tx, of: case.assess(tx, world.published, of, {"AERELPRD": "RELATED"}, expected, "Said why."),
    )
    for act in acts:
        with world.write("sam", NOW) as tx:
            held = cases.find(tx, world.study, 1)
            assert held
            act(tx, followed(tx, world.published, [held], NOW)[0])


def value(world: World, kind: str, **asked: object) -> object:
    with world.read() as tx:
        known = report.known(tx, world.study, NOW.date(), NOW + timedelta(hours=1))
        return report.KINDS[kind].value(tx, known, report.Asked(**asked))


@pytest.fixture
def told(house: House) -> House:
    happened(house.world)
    return house


def test_the_page_lists_what_is_missing_and_offers_the_documents(told: House) -> None:
    read = text(english(told, "sam").get(PAGE))
    assert "No version of this case is frozen" in read and "The sponsor has not assessed the event yet." in read
    assert "No file is written while something mandatory is missing" in read
    for element in ("N.1.3", "N.1.4", "C.1.2", "C.3.1", "E.i.2.1"):
        assert element in read
    assert "C.2.r.3:" not in read, "the site shares the clock of the sponsor, so its country is filled in"
    assert "not validated against the schema" in read


def test_only_the_sponsor_takes_documents(told: House) -> None:
    for name in ("cora", "mona", "dana", "olga", "adam"):
        someone = told.client(name)
        assert someone.get(PAGE).status_code == someone.get(PAGE + "/e2b.xml").status_code == 403, name


def test_a_sponsor_of_another_site_does_not_see_the_case(told: House) -> None:
    with told.world.write("trialcrf") as tx:
        account = administer.create_account(tx, "sara", "Sara", "sara@example.org", "Elsewhere", "en")
        accounts.give(tx, account, Grant("sponsor", "msc_ssc", "02"), TRAINED)
    sara = told.client("sara")
    assert sara.get(PAGE).status_code == 404 and sara.get(PAGE + "/e2b.xml", query_string=EXCHANGE).status_code == 404
    assert told.client("sam").get("/studies/msc_ssc/cases/2/reports").status_code == 404


def test_without_a_code_of_meddra_there_is_no_file(told: House) -> None:
    judged(told.world)
    answer = english(told, "sam").get(PAGE + "/e2b.xml", query_string=EXCHANGE)
    assert answer.status_code == 422 and "E.i.2.1" in text(answer) and "N.1.3" not in text(answer).replace("(N.1.3)", "")


def test_with_everything_there_the_file_is_of_the_frozen_version(told: House) -> None:
    judged(told.world)
    load(told, "5.0", Term("10013963", "Dyspnea", GENERAL, {"4": "x"}))
    sam = english(told, "sam")
    told.world.save(
        told.world.subject("R-01-001"), "ADVERSE", "AE", typed(1, "TYPO", AE_WORDS="Something else"), now=NOW + timedelta(minutes=5)
    )
    answer = sam.get(PAGE + "/e2b.xml", query_string=EXCHANGE)
    assert (answer.status_code, answer.mimetype) == (200, "application/xml")
    assert "msc" in answer.headers["Content-Disposition"].lower() and "-0001-1.xml" in answer.headers["Content-Disposition"]
    words = [one.text for one in ElementTree.fromstring(answer.data).iter("{urn:hl7-org:v3}originalText")]
    assert "Short of breath <b>" in words and "Something else" not in words
    assert b'code="10013963"' in answer.data and b'codeSystemVersion="20.1"' in answer.data and b"1979-05" not in answer.data
    assert sam.get(PAGE + "/e2b.xml", query_string={**EXCHANGE, "language": "xx"}).status_code == 422


def test_the_form_is_ordered_with_its_reason_and_reads_the_frozen_version(told: House) -> None:
    judged(told.world)
    sam = english(told, "sam")
    refused = sam.post(PAGE, {"kind": "cioms", "language": "fr", "why": ""})
    assert refused.status_code == 422 and 'id="error-cioms-why"' in refused.text and 'href="#cioms-why"' in refused.text
    assert sam.post(PAGE, {"kind": "cioms", "language": "fr", "why": "to the authority"}).status_code == 303
    assert sam.post(PAGE, {"kind": "safety", "language": "fr", "why": "x"}).status_code == 422
    with told.world.read() as tx:
        [ordered] = reports.all_of(tx, "msc_ssc")
    assert (ordered.kind, ordered.case_number, ordered.language, ordered.why) == ("cioms", 1, "fr", "to the authority")
    form = value(told.world, "cioms", case_number=1)
    assert isinstance(form, Cioms)
    assert form.version == 1 and form.f2 == "1979" and [SAY(one) for one in form.f23] == ["Hypertension (since 2018)"]
    assert "Batch: MSC-0107." in [SAY(one) for one in form.f14] and form.f1a == "FR"
    assert form.lacking == ()


def test_what_changes_after_the_version_is_not_in_its_form(told: House) -> None:
    judged(told.world)
    which = told.world.subject("R-01-001")
    before = value(told.world, "cioms", case_number=1)
    told.world.save(which, "ADVERSE", "AE", typed(1, "TYPO", AE_WORDS="Something else"), now=NOW + timedelta(minutes=5))
    after = value(told.world, "cioms", case_number=1)
    assert isinstance(before, Cioms) and isinstance(after, Cioms)
    assert after.f7 == before.f7 and after.draft == before.draft


def test_a_letter_is_ordered_of_an_unexpected_reaction_only(told: House) -> None:
    sam = english(told, "sam")
    answer = sam.post(PAGE, {"kind": "letter", "language": "en", "why": "all sites"})
    assert answer.status_code == 422 and "The sponsor has not assessed the event yet." in text(answer)
    judged(told.world)
    assert sam.post(PAGE, {"kind": "letter", "language": "en", "why": "all sites"}).status_code == 303
    assert "Short of breath" not in repr(value(told.world, "letter", case_number=1))


def test_the_story_of_a_subject_holds_its_case(told: House) -> None:
    judged(told.world)
    story = value(told.world, "narrative", subject="R-01-001")
    assert isinstance(story, SubjectStory)
    [one] = story.stories
    assert one.reference.endswith("-0001") and [SAY(each) for each in story.history] == ["Hypertension (since 2018)"]
    with pytest.raises(Impossible):
        value(told.world, "narrative", subject="R-01-999")


def test_a_case_of_an_event_in_error_says_so(told: House) -> None:
    with told.world.write() as tx:
        which = subjects.find(tx, "msc_ssc", "R-01-001")
        assert which
        stored = forms.read(tx, which.id, FormKey("AE", "ADVERSE"))
        assert stored
        enter.mark_form_error(tx, which, stored, "wrong person")
    answer = english(told, "sam").get(PAGE)
    assert answer.status_code == 200 and "cannot be read" in text(answer)
    assert "The case is nullified" not in text(answer)


def test_the_record_of_the_documents_reads_more_than_is_projected(told: House) -> None:
    with told.world.read() as tx:
        which = subjects.find(tx, "msc_ssc", "R-01-001")
        assert which
        found = case_documents.record_of(tx, which)
        assert found.first("MHTERM") == "Hypertension" and subjects.records(tx, [which])[0].first("MHTERM") is None


def test_the_page_of_the_case_leads_there_whoever_may_go(told: House) -> None:
    assert f'href="{PAGE}"' in told.client("sam").get(PAGE.removesuffix("/reports")).text
    assert f'href="{PAGE}"' not in told.client("cora").get(PAGE.removesuffix("/reports")).text


def schema_of(folder: Path, root: str) -> Path:
    """A schema of one line: a document with this root, whatever is in it."""
    file = folder / "message.xsd"
    file.write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:hl7-org:v3">'
        f'<xs:element name="{root}"><xs:complexType><xs:sequence>'
        '<xs:any maxOccurs="unbounded" processContents="skip"/></xs:sequence><xs:anyAttribute processContents="skip"/>'
        "</xs:complexType></xs:element></xs:schema>"
    )
    return file


def test_a_schema_that_the_sponsor_supplies_decides_whether_the_file_is_given_out(told: House, tmp_path: Path) -> None:
    judged(told.world)
    load(told, "5.0", Term("10013963", "Dyspnea", GENERAL, {"4": "x"}))
    sam = english(told, "sam")
    assert "not validated against the schema" in text(sam.get(PAGE))
    told.app.config["ICSR_SCHEMA"] = schema_of(tmp_path, "MCCI_IN200100UV01")
    assert sam.get(PAGE + "/e2b.xml", query_string=EXCHANGE).mimetype == "application/xml"
    told.app.config["ICSR_SCHEMA"] = schema_of(tmp_path, "SOMETHING_ELSE")
    refused = sam.get(PAGE + "/e2b.xml", query_string=EXCHANGE)
    assert refused.status_code == 422 and "the schema that the sponsor supplied refuses the message" in text(refused)
    assert "MCCI_IN200100UV01" in text(refused), "the schema's own words say why"
    (tmp_path / "message.xsd").write_text("no schema at all")
    assert sam.get(PAGE + "/e2b.xml", query_string=EXCHANGE).status_code == 422
