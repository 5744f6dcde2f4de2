"""The narrative of an event: what the data tell, in both languages, what is missing said, nothing invented."""

from __future__ import annotations

import pytest

from tests.core.case_documents import EVENT, a_case, documented_study, donor, entry, event_of, subject
from trialcrf.core.packs.narrative import draft, text
from trialcrf.core.safety.case import Kind
from trialcrf.external.language import Language

ENGLISH, FRENCH = Language("en"), Language("fr")
PLAIN = {"AETERM": "Short of breath", "AESER": "N"}


def told(language: Language = ENGLISH, event: dict[str, str] | None = None, assessed: bool = True, **more: object) -> str:
    study, record = documented_study(**more), subject(event, course=event is None)
    case = a_case(record) if assessed else a_case(record, assessed=None)
    return text(draft(study, record, event_of(study, record), case), language.say)


@pytest.mark.parametrize(
    "sentence",
    [
        "Recipients R-01-004 of site 01.",
        "Sex: Female.",
        "Born in 1979, aged 46 at onset.",
        "Indication: Systemic sclerosis.",
        "Medical history: Arterial hypertension (since 2018) and Appendicectomy (from July 1994 to July 1994).",
        "Allogeneic mesenchymal stromal cells: from 2 Feb 2026 at 10:00 to 2 Feb 2026 at 10:40.",
        "Dose: 62.40 × 10⁶/kg.",
        "Batch: MSC-0107.",
        "Concomitant treatment at onset: Nifedipine 20 mg (since January 2019, ongoing).",
        "In the words of the site: “Détresse respiratoire <après> & pendant la perfusion”.",
        "Coded term: Dyspnea (General disorders).",
        "Severity: Grade 4.",
        "Onset: 8 Feb 2026 at 16:30, after the start of treatment (days: 6).",
        "The onset lies in the primary window of 10 days.",
        "Serious by: Life-threatening and Hospitalisation.",
        "Course of the severity: Grade 3 from 8 Feb 2026, Grade 4 from 9 Feb 2026 and Grade 2 (date not recorded).",
        "Linked laboratory result: CRP 182 mg/L, 2026-02-09.",
        "Other measures: Oxygen and corticosteroids.",
        "Outcome: Recovered.",
        "Date of end: 20 Feb 2026.",
        "Causality by the investigator: Reasonable possibility.",
        "Factor by factor, by the investigator: Cell product: Reasonable possibility and Disease under study: Not related.",
        "Factor by factor, by the sponsor: Cell product: Reasonable possibility.",
        "Unexpected by the reference safety information IB 2.",
        "Comment of the sponsor: A causal role cannot be excluded.",
    ],
)
def test_the_draft_tells_what_is_recorded(sentence: str) -> None:
    assert sentence in told()


@pytest.mark.parametrize(
    "sentence",
    [
        "The severity is not recorded.",
        "The date of onset is not recorded.",
        "The course of the severity is not recorded.",
        "The action taken with the treatment is not recorded.",
        "No other measure is recorded.",
        "The outcome is not recorded.",
        "The date of end is not recorded.",
        "The investigator’s assessment of causality is not recorded.",
        "No laboratory result is linked to the event.",
        "Recorded as not serious.",
        "The sponsor has not assessed the event yet.",
        "Born in 1979; the age at onset cannot be told.",
    ],
)
def test_what_is_missing_is_said(sentence: str) -> None:
    assert sentence in told(event=PLAIN, assessed=False)


def test_nothing_recorded_tells_nothing_but_that() -> None:
    study = documented_study()
    record = donor()
    words = text(draft(study, record, event_of(study, record)), ENGLISH.say)
    for missing in ("The sex is not recorded.", "The year of birth is not recorded.", "No medical history is recorded.",
                    "No concomitant treatment at onset is recorded.", "The outcome is not recorded."):  # fmt: skip
        assert missing in words
    assert "Indication" not in words and "Batch" not in words


def test_a_donor_is_counted_from_the_harvest() -> None:
    study = documented_study()
    words = text(draft(study, donor(), event_of(study, donor())), ENGLISH.say)
    assert "Marrow harvest: 20 Jan 2026 at 09:00." in words
    assert "Onset: 21 Jan 2026, after the start of treatment (days: 1)." in words


@pytest.mark.parametrize(
    ("onset", "time", "said"),
    [
        ("2026-02-02", "16:35", "6 h 35 min after the start of treatment"),
        ("2026-02-02", "09:00", "on the day of treatment, before its start"),
        ("2026-02-02", "", "Onset: 2 Feb 2026, on the day of treatment."),
        ("2026-02-04", "10:00", "48 h 0 min after the start of treatment"),
        ("2026-02-04", "10:01", "after the start of treatment (days: 2)"),
        ("2026-01-30", "", "before the treatment (days: 3)"),
        ("2026-02", "", "Onset: February 2026."),
    ],
)
def test_the_distance_to_the_treatment(onset: str, time: str, said: str) -> None:
    assert said in told(event={**EVENT, "AESTDAT": onset, **({"AESTTIM": time} if time else {"AESTTIM": ""})})


def test_an_age_that_the_month_of_birth_leaves_open_is_told_as_both() -> None:
    assert "aged 46 or 47 at onset" in told(event={**EVENT, "AESTDAT": "2026-06-10"})


def test_french_is_french() -> None:
    words = told(FRENCH)
    assert "8 févr. 2026" in words and "62,40" in words and "Possibilité raisonnable" in words and "Affections" not in words
    assert "<après> & pendant" in words


def test_a_blinded_study_tells_neither_arm_nor_dose_nor_batch() -> None:
    words = told(blinded=True)
    assert "The study is blinded" in words
    assert "MSC-0107" not in words and "62.4" not in words and "1×10⁶" not in words


def test_the_month_and_day_of_birth_are_never_told() -> None:
    words = told() + told(FRENCH)
    assert "June" not in words and "juin" not in words and "1979-06" not in words


def test_an_event_without_case_has_no_word_of_the_sponsor() -> None:
    study, record = documented_study(), subject()
    assert "ponsor" not in text(draft(study, record, event_of(study, record)), ENGLISH.say)


def test_a_sponsor_who_has_not_judged_expectedness_is_told_so() -> None:
    study, record = documented_study(), subject()
    case = a_case(record, entry(4, Kind.ASSESSED, {"related": {}, "expected": None, "rsi": "", "comment": ""}, 2))
    words = text(draft(study, record, event_of(study, record), case), ENGLISH.say)
    assert "The expectedness is not assessed." in words and "The sponsor has not judged causality." in words


def test_an_onset_after_the_primary_window_is_not_said_to_lie_in_it() -> None:
    assert "primary window" not in told(event={**EVENT, "AESTDAT": "2026-02-13"})
    assert "primary window" in told(event={**EVENT, "AESTDAT": "2026-02-12"})


def test_a_seriousness_that_nobody_recorded_is_not_told_as_none() -> None:
    assert "The seriousness is not recorded." in told(event={"AETERM": "Short of breath"})
