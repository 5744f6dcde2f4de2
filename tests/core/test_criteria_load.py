"""What can be wrong in an eligibility.yaml is told with its file and line, all of it at once, and never published."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from trialcrf.core.definition.load import DefinitionProblems, load
from trialcrf.core.definition.model import Study
from trialcrf.core.definition.source import Problem, in_english
from trialcrf.external.files import read_study

SHIPPED = Path(__file__).resolve().parents[2] / "trialcrf/studies/msc_ssc"
PARTNER = "    partner: {alias: RSUBJID, input: donor_linked_consenting}\n"


def problems(folder: Path, *changes: tuple[str, str]) -> list[Problem]:
    shutil.copytree(SHIPPED, folder)
    path = folder / "eligibility.yaml"
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path.write_text(text, encoding="utf-8")
    try:
        load(read_study(folder))
    except DefinitionProblems as told:
        return list(told.problems)
    return []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  - subject_type: recipient\n", "  - subject_type: martian\n", "There is no subject type “martian”"),
        ("        valid: FUNCTION_VALIDITY\n", "        valid: FOR_EVER\n", "There is no parameter “FOR_EVER”"),
        ("        valid: FUNCTION_VALIDITY\n", "", "give both “valid” and “dated”"),
        ("        value: SSCHIST.SEVERE_VISCERAL\n", "        value: SSCHIST.NOWHERE\n", "no item NOWHERE"),
        ("        value: SSCHIST.SEVERE_VISCERAL\n", "", "“value” is missing"),
        ("        rule: mrss >= 15 and skin_rapid_progression\n", "        rule: mrss >=\n", "cannot be read"),
        ("        rule: mrss >= 15 and skin_rapid_progression\n", "        rule: nothing >= 15\n", "no item nothing"),
        ("        rule: mrss >= 15 and skin_rapid_progression\n", "        rule: mrss >= 'many'\n", "a text has no order"),
        ("        rule: donor_linked_consenting\n", "        rule: R_I4 and donor_linked_consenting\n", "in a circle"),
        ("        rule: sex = 'M' or", "        rule: sex = 'X' or", "has no code “X”"),
        ("        assumptions: [A-05]\n", "        assumptions: [A-99]\n", "“A-99” is not explained"),
        ("      - id: R-I2\n", "      - id: R-I1\n", "“R-I1” stands here twice"),
        ("      - id: R-I2\n", "      - id: second\n", "does not name a criterion"),
        ("        kind: inclusion\n", "        kind: maybe\n", "“maybe” is not known here"),
        ("        bounds: [age_min, age_max]\n", "", "names its two bounds"),
        ("        codes: [F, M]\n", "", "names its codes"),
        ("    unit: day\n", "    unit: week\n", "“week” is not known here"),
        ("alias: RSUBJID", "alias: NOBODY", "No form asks NOBODY"),
        ("input: donor_linked_consenting}", "input: nobody}", "There is no input “nobody”"),
        ("    consent: DENROL.DICF_DATE\n", "    consent: DENROL.DICF_DATE\n" + PARTNER, "judged by a partner too"),
    ],
)
def test_a_mistake_is_told_with_its_file(tmp_path: Path, old: str, new: str, said: str) -> None:
    found = problems(tmp_path / "study", (old, new))
    assert [one for one in found if said in in_english(one.message) and one.file == "eligibility.yaml" and one.line > 0], [
        in_english(one.message) for one in found
    ]


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path / "study",
        ("        valid: FUNCTION_VALIDITY\n", "        valid: FOR_EVER\n"),
        ("        rule: mrss >= 15 and skin_rapid_progression\n", "        rule: nothing >= 15\n"),
        ("alias: RSUBJID", "alias: NOBODY"),
    )
    assert len({one.line for one in found}) == 3


def test_a_study_without_criteria_is_a_study(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path / "study")
    (tmp_path / "study" / "eligibility.yaml").unlink()
    found: Study = load(read_study(tmp_path / "study"))
    assert (found.eligibility, found.parameters) == ((), ())
