"""`trialcrf dictionary`: files become dictionaries, and what is wrong with one is told line by line."""

from __future__ import annotations

import zipfile

import pytest

from tests.conftest import Databases
from tests.test_cli import Cli

HEADING = "meddra_code,soc,term,grade1,grade2,grade3,grade4,grade5,definition,navigational_note\r\n"
GOOD = '90000001,Cardiac disorders,Old ague,short,,,"long\nand longer",Death,,\r\n'


@pytest.fixture
def cli(databases: Databases, tmp_path):
    url = databases.fresh("sqlite")
    yield Cli(url, tmp_path / "data")
    databases.drop(url)


def test_dictionaries_are_loaded_listed_and_refused_with_their_lines(cli, tmp_path):
    assert cli("dictionary", "list").strip() == "No dictionary is loaded: the starter list serves."
    file = tmp_path / "ctcae_v5.csv"
    file.write_text(HEADING + GOOD, newline="")
    assert cli("dictionary", "load", "ctcae", str(file)).strip() == "CTCAE 5.0 is loaded. Terms: 1."
    assert cli("dictionary", "load", "ctcae", str(file)).strip() == "CTCAE 5.0 was loaded before: nothing is changed."
    file.write_text(HEADING + GOOD.replace("short", "other"), newline="")
    assert "is loaded already, with other terms, from ctcae_v5.csv" in cli("dictionary", "load", "ctcae", str(file), code=1)
    bad = tmp_path / "terms.csv"
    bad.write_text(HEADING + GOOD + "x,,Other,a,,,,,,\r\n", newline="")
    lines = cli("dictionary", "load", "ctcae", str(bad), "--version", "6.0", code=1).splitlines()
    assert lines == ["terms.csv:4: “x” is no MedDRA code: eight digits.", "terms.csv:4: The cell soc is empty."]
    with zipfile.ZipFile(tmp_path / "meddra.zip", "w") as packed:
        packed.writestr("llt.asc", "80000001$Ague$70000001$$$$$$$Y$$\r\n")
        packed.writestr("mdhier.asc", "70000001$1$2$60000001$Chill$h$g$General$Genrl$$60000001$Y$\r\n")
    assert "MedDRA 28.0 is loaded" in cli("dictionary", "load", "meddra", str(tmp_path / "meddra.zip"), "--version", "28.0")
    listed = cli("dictionary", "list").splitlines()
    assert [line.split(",")[0] for line in listed] == ["CTCAE 5.0. Terms: 1. File: ctcae_v5.csv", "MedDRA 28.0. Terms: 1. File: meddra.zip"]
    assert "CTCAE 6.0" not in "".join(listed), "nothing of a bad file is loaded"
    cli("audit", "verify")
