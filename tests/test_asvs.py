"""OWASP ASVS 5.0.0, row by row: each of its requirements has a status, and what is met names tests and a change that they notice."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from pathlib import Path

from tests.sabotage import FILE, exists, sabotages
from trialcrf.actions import sign_in
from trialcrf.actions.take_paper import LARGEST_PAPER, MEDIA
from trialcrf.external import term_files, workbook

ROOT = Path(__file__).resolve().parents[1]
REGISTER = ROOT / "docs" / "asvs.csv"
PAGE = ROOT / "docs" / "decisions" / "0027-asvs.md"

STATUSES = {"met", "not applicable", "in part", "open"}
LEVELS = {"1": 70, "2": 183}
LEVELS_1_AND_2 = "bd544a55fbfb04b9a7a9b253e88449d351d8081706247b14827f8d4f817a1343"
"""SHA-256 of the lines `id,level` of all requirements of these levels, in the order of the standard."""
OF_LEVEL_3 = {
    "1.2.10", "1.3.12", "2.3.5", "3.4.7", "3.4.8", "3.5.8", "3.6.1", "4.1.4", "6.3.5", "6.3.6", "6.3.7", "6.3.8", "6.4.6", "6.5.6", "7.5.3",
    "8.3.2", "14.2.8", "15.4.2", "16.5.4",
}  # fmt: skip
"""The rows of the third level that the program keeps to as well; more may be there."""


def rows() -> list[dict[str, str]]:
    with REGISTER.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_requirement_of_the_standard_is_there_once_with_its_level() -> None:
    found = rows()
    assert len({row["id"] for row in found}) == len(found)
    assert [row["id"] for row in found] == sorted((row["id"] for row in found), key=lambda id_: [int(part) for part in id_.split(".")])
    levels = Counter(row["level"] for row in found)
    assert {level: levels[level] for level in LEVELS} == LEVELS
    lines = "\n".join(f"{row['id']},{row['level']}" for row in found if row["level"] in LEVELS)
    assert hashlib.sha256(lines.encode()).hexdigest() == LEVELS_1_AND_2
    assert {row["id"] for row in found if row["level"] == "3"} >= OF_LEVEL_3


def test_every_row_has_a_status_and_says_why_where_it_is_not_met() -> None:
    for row in rows():
        assert list(row) == ["id", "level", "status", "test"]
        word, _, why = row["status"].partition(": ")
        assert word in STATUSES, row
        assert (word == "met") == (why.strip() == ""), row


def test_what_is_met_names_tests_that_exist_and_a_change_that_one_of_them_notices() -> None:
    wrong = []
    for row in rows():
        tests = row["test"].split()
        wrong += [f"{row['id']}: there is no {test}" for test in tests if not exists(test)]
        if row["status"] == "met":
            mine = [one for one in sabotages() if one.id == f"asvs {row['id']}"]
            if not tests or not mine or any(one.test not in tests for one in mine):
                wrong.append(f"{row['id']}: no sabotage of it by one of its tests in {FILE.name}")
    assert wrong == []


def test_every_sabotage_belongs_to_a_row_that_is_met() -> None:
    met = {f"asvs {row['id']}" for row in rows() if row["status"] == "met"}
    assert {one.id for one in sabotages() if one.id.startswith("asvs ")} == met


def test_every_way_in_is_written_down_with_what_holds_for_it() -> None:
    """By the names that the trail has for them: whoever adds another one says here what it is worth."""
    firsts, seconds = (sign_in.PASSWORD, sign_in.HOSPITAL), (sign_in.CODE, sign_in.PASSKEY, sign_in.RECOVERY)
    ways = {*firsts, sign_in.PASSKEY, *(f"{first}+{second}" for first in firsts for second in seconds)}
    said = re.findall(r"^\| `([a-z+]+)`", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(said) == sorted(ways)
    names = {value for name, value in vars(sign_in).items() if name.isupper() and isinstance(value, str)}
    assert names == {*firsts, *seconds, sign_in.GUESSED, sign_in.STRANGE}


def test_what_may_be_uploaded_is_written_down_as_it_is() -> None:
    said = PAGE.read_text(encoding="utf-8")
    for media_type in MEDIA.values():
        assert media_type in said
    for name, most in (
        ("A document of a case", LARGEST_PAPER // 1024**2),
        ("A workbook", workbook.LARGEST_FILE // 10**6),
        ("Unpacked", workbook.LARGEST_UNPACKED // 10**6),
        ("Files of MedDRA", term_files.LARGEST_FILE // 10**6),
    ):
        (line,) = (line for line in said.splitlines() if line.startswith(f"| {name}"))
        assert f"{most} MB" in line
    assert f"{workbook.MOST_MEMBERS} files" in said
