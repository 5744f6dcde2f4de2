"""What regulators ask, row by row: each names a source, a status and tests that exist, and a sabotage under which one of them fails."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.sabotage import FILE, Sabotage, exists, sabotages

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "docs" / "requirements.csv"
STATUSES = {"met", "in part"}


def rows() -> list[dict[str, str]]:
    with REQUIREMENTS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_row_of_the_checklist_is_there_once_with_its_source() -> None:
    assert [row["id"] for row in rows()] == [str(number) for number in range(1, 36)]
    for row in rows():
        assert list(row) == ["id", "requirement", "source", "status", "test"]
        assert all(row.values()), row
        assert row["status"].partition(":")[0] in STATUSES, row["status"]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["id"])
def test_every_row_names_tests_that_exist_and_a_sabotage_that_one_of_them_catches(row: dict[str, str]) -> None:
    tests = row["test"].split()
    assert tests and all(exists(test) for test in tests), [test for test in tests if not exists(test)]
    mine = [one for one in sabotages() if one.id == row["id"]]
    assert mine, f"no sabotage of row {row['id']} in {FILE.name}"
    assert all(one.test in tests for one in mine)


@pytest.mark.parametrize("one", sabotages(), ids=lambda one: f"{one.id}-{one.file}")
def test_what_a_sabotage_changes_stands_in_the_program_once(one: Sabotage) -> None:
    assert (ROOT / one.file).read_text(encoding="utf-8").count(one.old) == 1
    assert one.old != one.new and "\n" not in one.old + one.new
