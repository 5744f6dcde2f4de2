"""What a study asks of signing in: read as written, and everything that is wrong in it at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.test_definition_load import FILES, MAIN, ROOT, Files, loaded, problems
from trialcrf.core.definition.canonical import canonical, from_canonical
from trialcrf.core.definition.load import load
from trialcrf.core.definition.signing_in import SigningIn
from trialcrf.external.files import read_study

SIGN_IN = """\
sign_in:
  second_factor: [monitor, sponsor]
  password_days: 90
  assumption: A-1
"""
FIRST = MAIN.count("\n") + 1


def files(text: str) -> Files:
    return {**FILES, "study.yaml": MAIN + text}


def test_it_is_read_as_written_and_survives_its_canonical_text(tmp_path: Path) -> None:
    study = loaded(tmp_path, files(SIGN_IN))
    assert study.sign_in == SigningIn(("monitor", "sponsor"), 90, "A-1")
    assert from_canonical(canonical(study)).sign_in == study.sign_in


def test_a_study_that_says_nothing_asks_nothing_and_its_text_is_as_before(tmp_path: Path) -> None:
    study = loaded(tmp_path, FILES)
    assert study.sign_in == SigningIn() and "sign_in" not in canonical(study)


def test_the_shipped_study_asks_a_second_factor_of_all_who_sign_or_see_every_site() -> None:
    study = load(read_study(ROOT / "trialcrf" / "studies" / "msc_ssc"))
    asked = study.sign_in
    assert set(asked.second_factor) == {
        "investigator", "donor_physician", "qualified_person", "data_manager", "monitor", "sponsor", "inspector",
    }  # fmt: skip
    assert asked.password_days == 0 and study.assumptions[asked.assumption].state == "proposed"


@pytest.mark.parametrize(
    ("was", "becomes", "line", "said"),
    [
        ("sign_in:", "sign_in:\n  factors: x", 1, "Unknown key “factors”"),
        ("[monitor, sponsor]", "[monitor, nurse]", 1, "nurse"),
        ("[monitor, sponsor]", "[administrator]", 1, "administrator"),
        ("[monitor, sponsor]", "[monitor, monitor]", 1, "“monitor” stands here twice"),
        ("password_days: 90", "password_days: 7", 2, "30"),
        ("A-1", "A-9", 3, "A-9"),
    ],
)
def test_what_is_wrong_is_told_at_its_line(tmp_path: Path, was: str, becomes: str, line: int, said: str) -> None:
    found = problems(tmp_path, files(SIGN_IN.replace(was, becomes)))
    assert any(one.startswith(f"study.yaml:{FIRST + line}:") and said in one for one in found), found
