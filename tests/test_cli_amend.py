"""Amendments at the terminal: publish, compare, release, rehearse, migrate."""

from __future__ import annotations

from tests.actions.amendments import write_amended
from tests.test_cli import Cli


def test_an_amendment_is_published_compared_released_and_its_records_follow(empty_database_url, tmp_path):
    cli = Cli(empty_database_url, tmp_path / "data")
    cli("init")
    cli("study", "publish", "msc_ssc")
    cli("simulate", "--study", "msc_ssc", "--subjects", "2", "--sites", "2", "--no-bulk")
    assert "one version only" in cli("study", "compare", "msc_ssc", code=1)
    cli("study", "publish", str(write_amended(1, tmp_path / "files")))
    told = cli("study", "compare", "msc_ssc")
    assert "VITALS.O2_FLOW  appears" in told and "M1  is planned otherwise" in told and "subjects: " in told
    assert "Would be brought to the new version: 0." in cli("study", "migrate", "msc_ssc", "--dry-run"), "no site has it yet"
    release = ("study", "release", "msc_ssc", "--reference", "CPP 77", "--approved")
    assert "There is no such site" in cli(*release, "2026-11-20", "--site", "99", code=1)
    assert "lies in the future" in cli(*release, "2099-01-01", "--site", "01", code=1)
    assert cli(*release, "2026-11-20", "--site", "01") == "Version 2 is in force at site 01.\n"
    assert "holds at site 02 from" in cli(*release, "2026-11-20", "--effective", "2099-01-01", "--site", "02")
    rehearsed = cli("study", "migrate", "msc_ssc", "--dry-run")
    assert "Would stay: 0." in rehearsed and "moved" in rehearsed
    moved = cli("study", "migrate", "msc_ssc").splitlines()[-1]
    assert moved.startswith("Brought to the new version: ") and not moved.startswith("Brought to the new version: 0.")
    assert "Brought to the new version: 0." in cli("study", "migrate", "msc_ssc")
    assert cli("jobs", "run", "take-effect") == "Versions that took effect: 0.\n"
    assert "The trail is clean" in cli("audit", "verify")
