"""CIOMS I field by field, the letter to investigators and the story of a subject: what is told, what never is."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from tests.core.case_documents import ASSESSED, CUT, EVENT, KNOWN, a_case, documented_study, donor, entry, event_of, subject
from tests.core.safety_cases import form, item
from trialcrf.core.definition.model import DataType, Study
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.packs.cioms import Cioms, cioms, missing
from trialcrf.core.packs.letter import letter, why_not
from trialcrf.core.packs.subject_story import subject_story
from trialcrf.core.safety.case import Case, Kind
from trialcrf.external.language import Language

PARIS = ZoneInfo("Europe/Paris")
SAY = Language("en").say


def form_of(record: SubjectRecord | None = None, case: Case | None = None, study: Study | None = None) -> Cioms:
    study, record = study or documented_study(), record or subject()
    case = case or a_case(record)
    return cioms(study, record, event_of(study, record), case, case.versions[-1] if case.versions else None, CUT, PARIS, "FR")


def test_every_field_says_what_was_recorded() -> None:
    told = form_of()
    assert SAY(told.f1) == "PRIVACY – R-01-004" and told.f1a == "FR"
    assert told.f2 == "1979" and SAY(told.f2a) == "46 years" and SAY(told.f3) == "Female" and told.f3a == Decimal("62.4")
    assert (told.f4, told.f5, told.f6) == ("08", "02", "2026")
    assert SAY(told.f7[0]) == EVENT["AETERM"] and SAY(told.f7[1]) == "Coded term: Dyspnea (General disorders)."
    assert SAY(told.f13) == "Linked laboratory result: CRP 182 mg/L, 2026-02-09."
    assert [SAY(line) for line in told.f14] == [
        "Allogeneic mesenchymal stromal cells",
        "Batch: MSC-0107.",
        "Passage of the cells: not recorded.",
        "Donor: traced through the batch.",
    ]
    assert SAY(told.f15) == "62.40 × 10⁶/kg, once" and SAY(told.f16) == "Intravenous" and SAY(told.f17) == "Systemic sclerosis"
    assert SAY(told.f18) == "from 2 Feb 2026 at 10:00 to 2 Feb 2026 at 10:40" and SAY(told.f19) == "0 h 40 min"
    assert SAY(told.f20) == SAY(told.f21) == "NA (single administration)"
    assert [SAY(one) for one in told.f22] == ["Nifedipine 20 mg (since January 2019, ongoing)"]
    assert [SAY(one) for one in told.f23] == ["Arterial hypertension (since 2018)", "Appendicectomy (from July 1994 to July 1994)"]
    assert told.f24a == "Invented sponsor\n1 rue Imaginaire, 75000 Paris"
    assert told.f24b == "MSC-DEMO-0007" and told.f24c == "MSC-DEMO-0007/1"
    assert told.f24d == date(2026, 2, 8) and told.f25a == date(2026, 3, 2) and told.f25b == "initial"
    assert SAY(told.f26) == "Investigator, site 01 (name and address are held by the sponsor)"
    assert told.lacking == ()


def test_boxes_tell_yes_from_no_from_not_answered() -> None:
    boxes = {SAY(box.label): (box.ticked, box.known) for box in form_of().f8_12}
    assert boxes == {
        "Patient died": (False, True),
        "Involved or prolonged inpatient hospitalisation": (True, True),
        "Involved persistent or significant disability or incapacity": (False, False),
        "Life-threatening": (True, True),
        "Congenital anomaly": (False, False),
        "Other medically important condition": (False, False),
    }


def test_the_days_of_the_sponsor_are_those_of_its_calendar() -> None:
    record = subject()
    case = replace(a_case(record), opened_at=datetime.fromisoformat("2026-02-08T23:30:00+00:00"))
    assert form_of(record, case).f24d == date(2026, 2, 9)


def test_a_follow_up_is_of_its_own_moment_and_number() -> None:
    record = subject()
    later = KNOWN + timedelta(days=3)
    case = a_case(
        record, entry(4, Kind.VERSION, {"kind": "follow_up", "known_at": later.isoformat(), "checkpoint": "", "what": "news"}, 72)
    )
    told = form_of(record, case)
    assert (told.version, told.f25b, told.f25a, told.f24c) == (2, "follow_up", date(2026, 3, 5), "MSC-DEMO-0007/2")
    assert told.data_known_at == later


def test_the_last_narrative_of_each_language_is_printed_by_paragraph() -> None:
    record = subject()
    case = a_case(
        record,
        entry(4, Kind.NARRATIVE, {"language": "fr", "text": "Ancien."}, 2),
        entry(5, Kind.NARRATIVE, {"language": "fr", "text": "Un.\r\n\r\n Deux.\n\n"}, 3),
    )
    assert form_of(record, case).narratives == {"fr": ("Un.", "Deux.")}


def test_a_partial_onset_leaves_its_boxes_empty() -> None:
    told = form_of(subject({**EVENT, "AESTDAT": "2026-02", "AESTTIM": ""}))
    assert (told.f4, told.f5, told.f6) == ("", "02", "2026")


def test_a_donor_has_no_suspect_product() -> None:
    told = form_of(donor(), a_case(donor()))
    assert [SAY(line) for line in told.f14] == ["No suspect product; procedure: Marrow harvest."]
    assert SAY(told.f15) == SAY(told.f16) == SAY(told.f17) == SAY(told.f19) == "not applicable"
    assert SAY(told.f18) == "20 Jan 2026 at 09:00 (procedure)"


def test_a_dose_in_cells_is_told_per_kilogram_too() -> None:
    study, record = documented_study(), subject()
    cells = form("PERFUSION", item("EXSTDAT", DataType.DATETIME), item("EXDOSE", DataType.DECIMAL, unit="10⁶"))
    study = replace(study, forms=(*(one for one in study.forms if one.oid != "PERFUSION"), cells))
    assert SAY(form_of(record, study=study).f15) == "62.40 × 10⁶ in all (1.00 × 10⁶ per kilogram), once"


def test_a_blinded_study_prints_no_dose_and_no_batch() -> None:
    told = form_of(study=documented_study(blinded=True))
    printed = " ".join(SAY(one) for one in (*told.f14, told.f15))
    assert "blinded" in printed and "MSC-0107" not in printed and "62" not in printed


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("AETERM", "The event is not recorded in the words of the site."),
        ("AESTDAT", "The date of onset is not recorded."),
        ("AEOUT", "The outcome is not recorded."),
        ("AEREL", None),
    ],
)
def test_what_a_valid_report_needs_is_listed(gone: str, said: str | None) -> None:
    record = subject({alias: text for alias, text in EVENT.items() if alias != gone})
    study = documented_study()
    found = [SAY(one) for one in missing(study, record, event_of(study, record), a_case(record))]
    assert found == ([said] if said else [])


def test_everything_that_is_missing_is_listed_at_once() -> None:
    study = documented_study()
    assert study.safety is not None
    bare = replace(study, safety=replace(study.safety, sponsor=None))
    record = subject({"AETERM": "Collapse", "AESER": "Y"}, course=False)
    record = replace(record, records=record.records[-1:])
    case = a_case(record, assessed=None, frozen=False)
    found = {SAY(one) for one in missing(bare, record, event_of(bare, record), case)}
    assert found == {
        "Neither year of birth nor sex is recorded: the subject is not identifiable.",
        "No treatment is recorded: there is no suspect product.",
        "The date of onset is not recorded.",
        "No seriousness criterion is recorded.",
        "The outcome is not recorded.",
        "The investigator’s assessment of causality is not recorded.",
        "The sponsor has not assessed the event yet.",
        "The expectedness is not assessed.",
        "The study does not state its sponsor.",
        "No version of the case is frozen: this is a draft.",
    }


def test_the_sponsor_never_lowers_what_the_investigator_said() -> None:
    record = subject()
    case = a_case(record, assessed={**ASSESSED, "related": {"AERELPRD": "NOT RELATED"}})
    study = documented_study()
    assert why_not(record, event_of(study, record), case, study) is None


def test_the_documents_of_a_case_read_causality_in_the_words_of_the_study() -> None:
    study, record = documented_study(), subject({**EVENT, "AEREL": "POSSIBLE", "AERELPRD": "NOT RELATED"})
    case = a_case(record, assessed={**ASSESSED, "related": {"AERELPRD": "NOT RELATED"}})
    assert why_not(record, event_of(study, record), case, study) is not None
    assert study.safety
    other = replace(study, safety=replace(study.safety, related=("POSSIBLE", "PROBABLE")))
    assert why_not(record, event_of(other, record), case, other) is None


# The letter


@pytest.mark.parametrize(
    ("change", "assessed", "said"),
    [
        ({}, ASSESSED, None),
        ({}, None, "The sponsor has not assessed the event yet."),
        ({}, {**ASSESSED, "expected": True}, "The sponsor assessed it as expected: it is no suspected unexpected reaction."),
        ({}, {**ASSESSED, "expected": None}, "The expectedness is not assessed."),
        ({"AESER": "N"}, ASSESSED, "The event is not recorded as serious."),
        (
            {"AEREL": "NOT RELATED", "AERELPRD": "NOT RELATED"},
            {**ASSESSED, "related": {}},
            "Neither the investigator nor the sponsor judges it related.",
        ),
    ],
)
def test_only_a_suspected_unexpected_serious_reaction_is_told(
    change: dict[str, str], assessed: dict[str, object] | None, said: str
) -> None:
    study, record = documented_study(), subject({**EVENT, **change})
    found = why_not(record, event_of(study, record), a_case(record, assessed=assessed), study)
    assert (SAY(found) if found else None) == said


def test_the_letter_holds_no_word_of_the_site_and_no_trait_of_the_subject() -> None:
    study, record = documented_study(), subject()
    case = a_case(record)
    told = letter(study, record, event_of(study, record), case, case.versions[0], CUT, PARIS)
    printed = repr(told)
    assert "R-01-004" in printed and "Dyspnea" in printed
    for secret in (EVENT["AETERM"], "1979", "Female", "Oxygen", "CRP", "hypertension", "Sam Sponsor"):
        assert secret not in printed


def test_the_letter_of_a_blinded_study_tells_no_arm() -> None:
    study, record = documented_study(blinded=True), subject()
    case = a_case(record)
    told = letter(study, record, event_of(study, record), case, case.versions[0], CUT, PARIS)
    assert told.blinded and "MSC-0107" not in repr(told) and "×10⁶" not in repr(told)


# The story of a subject


def test_the_story_has_treatment_visits_and_every_event_in_order() -> None:
    study, record = documented_study(), subject()
    earlier = replace(record.records[-5], form_id=99, values={"AETERM": "Nausea", "AESTDAT": "2026-02-03", "AESER": "N"})
    record = replace(record, records=(*record.records, earlier))
    told = subject_story(study, record, [a_case(record)], CUT)
    assert [one.event.verbatim for one in told.stories] == ["Nausea", EVENT["AETERM"]]
    assert [one.reference for one in told.stories] == ["", "MSC-DEMO-0007"]
    assert [(one.on, one.missed) for one in told.visits] == [("2026-02-28", False)]
    assert [one.batch for one in told.treatments] == ["MSC-0107"] and told.birth_year == "1979"


def test_what_begins_after_the_cut_off_is_only_counted() -> None:
    study, record = documented_study(), subject()
    told = subject_story(study, record, [], replace(CUT, as_of=date(2026, 2, 1)))
    assert told.stories == () and told.later == 1 and told.treatments == () and told.visits == ()


def test_the_letter_of_an_uncoded_event_does_not_fall_back_on_the_words_of_the_site() -> None:
    study, record = documented_study(), subject({alias: text for alias, text in EVENT.items() if alias != "AEDECOD"})
    case = a_case(record)
    told = letter(study, record, event_of(study, record), case, case.versions[0], CUT, PARIS)
    assert SAY(told.term) == "Term not coded" and EVENT["AETERM"] not in repr(told)


def test_of_two_treatments_the_last_before_the_onset_is_the_suspect_one() -> None:
    record = subject()
    given = next(one for one in record.records if "EXSTDAT" in one.values)
    later = [
        replace(given, form_id=90 + place, values={**given.values, "EXSTDAT": start, "EXENDAT": start, "EXLOT": lot})
        for place, (start, lot) in enumerate([("2026-02-06T10:00+01:00", "SECOND"), ("2026-02-20T10:00+01:00", "AFTERWARDS")])
    ]
    told = form_of(replace(record, records=(*record.records, *later)))
    assert "Batch: SECOND." in [SAY(line) for line in told.f14]
