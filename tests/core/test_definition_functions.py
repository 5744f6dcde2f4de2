"""Loading holds a definition to the kinds that a function takes: an argument that can never fit is told, not silently undetermined."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.test_definition_load import FILES, MEASURE, changed, loaded, problems

DERIVE = "derive: KG / (CM * CM / 10000)"
ROWS = """\
      - {oid: HIGH, label: {fr: Haut, en: High}, type: derived, derive: UPPER >= 160 or LOWER > 110}
      - {oid: ON, label: {fr: Le, en: "On"}, type: partial_date}
      - {oid: AT, label: {fr: A, en: At}, type: time}
checks:
"""


def with_rows(derive: str) -> dict[str, str]:
    files = changed(MEASURE, "checks:\n", ROWS)
    return {**files, MEASURE: files[MEASURE].replace(DERIVE, f"derive: '{derive}'")}


@pytest.mark.parametrize(
    ("derive", "words"),
    [
        ("age(KG, SEEN.ON)", "age takes dates"),
        ("medsger_skin(SEEN.ON)", "days are not counted"),
        ("medsger_skin(SEEN.CAME)", "a number is expected, and this is yes or no"),
        ("ara_1980(SEEN.CAME, SEEN.CAME, KG, SEEN.CAME)", "yes or no is expected, and this is a number"),
        ("ara_1980(SEEN.CAME, SEEN.CAME, SCORED, SEEN.CAME)", "yes or no is expected, and this is a text"),
        ("umol(KG, CM)", "a text is expected, and this is a number"),
        ("given(KG, CM)", "a condition is expected, and this is a number"),
        ("drop(KG, SEEN.CAME)", "a number is expected, and this is yes or no"),
        ("lowest(KG, SEEN.CAME)", "a number is expected, and this is yes or no"),
        ("medsger_joint(UPPER)", "UPPER has one value in each row"),
        ("pair_hours(HIGH, ON, ON, 12)", "a time is expected, and this is a date"),
        ("pair_days(HIGH, AT, 12)", "a date is expected, and this is a time"),
        ("pair_days(UPPER > 1, ON, 12)", "UPPER has one value in each row"),
        ("if(given(SEEN.CAME, KG), 1, 2)", "a condition is expected, and this is a number"),
        ("mrss(KG)", "mrss takes 17 to 17 arguments, not 1"),
    ],
)
def test_an_argument_that_never_fits_is_told(tmp_path: Path, derive: str, words: str) -> None:
    found = problems(tmp_path, with_rows(derive))
    assert len(found) == 1, found
    assert words in found[0]


@pytest.mark.parametrize(
    "derive",
    [
        "age(SEEN.ON, DOSE.GIVEN)",
        "medsger_muscle(SCORED, SEEN.CAME)",
        "ara_1980(SEEN.CAME, KG > 80, true, SEEN.CAME)",
        "given(SEEN.CAME, KG)",
        "lowest(UPPER, LOWER)",
        "pair_hours(HIGH, ON, AT, 12)",
        "pair_days(HIGH, ON, 7)",
        "high(medsger_skin(KG)) - low(medsger_skin(CM))",
    ],
)
def test_an_argument_that_fits_is_taken(tmp_path: Path, derive: str) -> None:
    assert loaded(tmp_path, with_rows(derive)).form["MEASURE"]


def test_a_list_of_codes_that_has_y_answers_a_yes_or_no_question(tmp_path: Path) -> None:
    files = with_rows("ara_1980(SEEN.CAME, SEEN.CAME, SCORED, SEEN.CAME)")
    codes = FILES["study.yaml"].replace('"1": {fr: "1", en: "1"}', '"Y": {fr: Oui, en: "Yes"}')
    assert loaded(tmp_path, {**files, "study.yaml": codes}).form["MEASURE"]
