"""The safety settings of a study file: read as written, and everything that is wrong in them at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.test_definition_load import changed, loaded
from trialcrf.core.definition.canonical import canonical, from_canonical
from trialcrf.core.definition.load import DefinitionProblems
from trialcrf.core.definition.safety import Cohort, Emergence, ExpectedTerm, Obligation, ReferenceSafety, StoppingRule
from trialcrf.core.definition.source import in_english
from trialcrf.core.wording import Words

HEAD = "safety: {population: person, severity_alias: AESEV, severities: LEVEL, severe_from: HIGH, arms: ARMS"
WHOLE = (
    HEAD
    + """, ctcae: "5.0", emergence: [{subject_type: person, anchor: START}], primary_days: 10, regime: R1,
  obligations: [{oid: FIRST, label: {fr: Un, en: One}, concerns: serious, starts: site_awareness, hours: 24, sender: investigator,
    recipient: {fr: Promoteur, en: Sponsor}, source: clause 1}, {oid: SECOND, label: {fr: Deux, en: Two}, concerns: susar,
    starts: submission, after: FIRST, days: 8, sender: sponsor, recipient: {fr: Eux, en: Them}, regime: R1, assumption: A-1}],
  reference_safety: [{version: "1", valid_from: "2026-01-01", valid_to: "2026-06-30", terms: [{term: Fever, most: LOW}]}],
  stopping: {prior: [0.2, 0.8], limit: 0.20, threshold: 0.90, subjects: 20, grade_from: HIGH, looks: [10, 20], assumption: A-1},
  cohorts: [{code: A, planned: 10}, {code: B, planned: 10, gated: yes}],
  sponsor: {name: Us, zone: Europe/Paris, country: FR}, related: [POSSIBLE]}"""
)


def test_settings_are_read_as_they_are_written_and_survive_their_canonical_text(tmp_path: Path) -> None:
    study = loaded(tmp_path, changed("study.yaml", HEAD + "}", WHOLE))
    safety = study.safety
    assert safety is not None
    assert (safety.ctcae, safety.primary_days, safety.regime, safety.related) == ("5.0", 10, "R1", ("POSSIBLE",))
    assert safety.emergence == (Emergence("person", "START"),) and safety.anchor_of("person") == "START"
    one = Words({"fr": "Un", "en": "One"})
    told = Words({"fr": "Promoteur", "en": "Sponsor"})
    assert safety.obligations[0] == Obligation("FIRST", one, "serious", "site_awareness", "investigator", told, hours=24, source="clause 1")
    assert (safety.obligations[1].after, safety.obligations[1].days, safety.obligations[1].assumption) == ("FIRST", 8, "A-1")
    assert safety.reference_safety == (ReferenceSafety("1", "2026-01-01", "2026-06-30", (ExpectedTerm("Fever", "LOW"),)),)
    assert safety.stopping == StoppingRule("0.2", "0.8", "0.20", "0.90", 20, "HIGH", (10, 20), "A-1")
    assert safety.cohorts == (Cohort("A", 10), Cohort("B", 10, gated=True))
    assert from_canonical(canonical(study)) == study


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("hours: 24", "hours: 24, days: 1", "An obligation has one term: hours, days, or at_once."),
        (", hours: 24", "", "An obligation has one term: hours, days, or at_once."),
        ("after: FIRST, ", "", "names the obligation that was met by it"),
        ("after: FIRST", "after: THIRD", "There is no obligation “THIRD”"),
        ("oid: SECOND", "oid: FIRST", "“FIRST” stands here twice."),
        ("starts: site_awareness", "starts: sometime", "“sometime” is not known here"),
        ("concerns: serious", "concerns: all", "“all” is not known here"),
        ("sender: investigator", "sender: nobody", "“nobody” is not known here"),
        ("regime: R1,\n", "regime: R2,\n", "No obligation belongs to the regime “R2”."),
        ("assumption: A-1}]", "assumption: A-2}]", "The assumption “A-2” is not explained"),
        ("anchor: START}]", "anchor: NEVER}]", "There is no anchor “NEVER”."),
        ("emergence: [{subject_type: person, anchor: START}], ", "", "A primary window is counted from the start of treatment"),
        ("valid_to: \"2026-06-30\"", "valid_to: \"2025-06-30\"", "The end lies before the beginning."),
        ("valid_from: \"2026-01-01\"", "valid_from: \"2026-13-01\"", "A day is written as 2026-01-31."),
        ("most: LOW", "most: WORST", "has no code “WORST”"),
        ("prior: [0.2, 0.8]", "prior: [0.2]", "A beta prior has two parameters"),
        ("prior: [0.2, 0.8]", "prior: [0, 0.8]", "A number greater than 0 is expected here."),
        ("threshold: 0.90", "threshold: 1", "A number between 0 and 1 is expected here."),
        ("looks: [10, 20]", "looks: [20, 10]", "in ascending order"),
        ("looks: [10, 20]", "looks: [10, 21]", "none greater than all of them"),
        ("grade_from: HIGH, looks", "grade_from: MID, looks", "has no code “MID”"),
        ("code: B, planned", "code: C, planned", "has no code “C”"),
        ("zone: Europe/Paris", "zone: Paris time", "A time zone is written by its IANA name"),
        ("country: FR", "country: France", "two capital letters"),
        ("ctcae: \"5.0\"", "ctcae: \"5\"", "The version of a dictionary is written as “5.0”"),
        ("gated: yes", "gated: maybe", "Yes or no is expected here."),
    ],
)  # fmt: skip
def test_every_mistake_is_told_at_its_line(tmp_path: Path, was: str, becomes: str, said: str) -> None:
    assert was in WHOLE
    with pytest.raises(DefinitionProblems) as stopped:
        loaded(tmp_path, changed("study.yaml", HEAD + "}", WHOLE.replace(was, becomes, 1)))
    told = [(one.file, one.line, in_english(one.message)) for one in stopped.value.problems]
    assert any(said in words and file == "study.yaml" and 13 <= line <= 24 for file, line, words in told), told
