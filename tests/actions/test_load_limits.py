"""A file of limits: all of it or nothing, every problem at once with its line, and safe to run again."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.actions.world import World
from trialcrf.cli import main
from trialcrf.external.limit_files import LimitProblems, read_limits
from trialcrf.store import lab_ranges

HEAD = "site;laboratory;analyte;unit;sex;low;high;from;to\n"
GOOD = HEAD + "01;Central;NEUT;10⁹/L;;1,8;7,5;2026-01-01;\n\n01;Central;CREAT;umol/L;f;45;90;2026-01-01;2026-06-30\n"


def run(url: str, folder: Path, text: str) -> Result:
    file = folder / "limits.csv"
    file.write_text(text, encoding="utf-8-sig")
    env = {"TRIALCRF_DATA": str(folder), "DATABASE_URL": url, "LC_ALL": "en_GB.UTF-8", "SMTP_URL": "", "TRIALCRF_DEMO": ""}
    return CliRunner(env=env).invoke(main, ["lab-limits", "load", str(file), "--study", "msc_ssc"])


def test_a_file_is_loaded_once_and_a_bad_one_is_told_in_full_and_changes_nothing(world: World, database_url: str, tmp_path: Path) -> None:
    bad = GOOD + "99;Central;ALT;U/L;;;40;2026-01-01;\n01;Central;NOPE;U/L;;;40;2026-01-01;\n01;Central;NEUT;10⁹/L;F;2;8;2026-02-01;\n"
    bad += "01;Central;AST;U/L;;40;5;2026-01-01;\n01;Central;AST;U/L;;;40;yesterday;\n01;Central;AST;U/L;;;40;;\n"
    told = run(database_url, tmp_path, bad)
    assert told.exit_code == 1 and "Traceback" not in told.output
    assert [line.split(":")[1] for line in told.stderr.splitlines() if line.startswith("limits.csv:")] == ["5", "6", "7", "8", "9", "10"]
    assert "There is no site “99”." in told.stderr and "overlap" in told.stderr
    with world.read() as tx:
        assert lab_ranges.all_of(tx, [1, 2]) == []
    assert "2 new, 0 stood already" in run(database_url, tmp_path, GOOD).stdout
    assert "0 new, 2 stood already" in run(database_url, tmp_path, GOOD).stdout
    with world.read() as tx:
        assert [(one.analyte, one.sex, one.low, str(one.valid_to)) for one in lab_ranges.all_of(tx, [1, 2])] == [
            ("CREAT", "F", "45", "2026-06-30"),
            ("NEUT", "", "1.8", "None"),
        ]
    assert "no limits in it" in run(database_url, tmp_path, HEAD).stderr


@pytest.mark.parametrize("text", [b"site,laboratory\n", b"\xff\xfe\x00", b"", HEAD.encode() + b'01;"Cen\n'])
def test_what_is_no_list_of_limits_is_said_so(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "limits.csv"
    file.write_bytes(text)
    with pytest.raises(LimitProblems) as wrong:
        read_limits(file)
    assert len(wrong.value.problems) == 1
