"""`trialcrf archive`: written, proved and opened from the terminal as its user does it, and what is said of a file that is no archive."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import text as sql

from tests.actions.world import ROOT, open_world, typed
from tests.actions.world import filling as filling_of
from tests.test_cli import Cli
from tests.test_cli_reports import Asking
from trialcrf.external import clock


@pytest.fixture
def database_kind() -> str:
    """Archiving each kind of database is the matter of tests/actions/test_archive.py."""
    return "sqlite"


@pytest.fixture
def filling():
    return filling_of("salt")


@pytest.fixture
def world(database_url):
    made = open_world(database_url, "salt")
    volunteer = made.enrol("volunteer", now=clock.now(), AGREED=(20, 1, 2026), BORN=("", 5, 1980), GENDER="F")
    made.save(volunteer, "PLATE", "MEALS", typed(None, EATEN=(1, 2, 2026, "12:00"), GRAMS="13.7"), now=clock.now())
    yield made
    made.engine.dispose()


class Refusing(Cli):
    """Its problems are on standard error, one a line."""

    def __call__(self, *arguments: str, code: int = 2, given: str | None = None, **env: str) -> str:
        return super().__call__(*arguments, code=code, given=given, **env)


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_archive_is_written_proved_and_refused_when_a_byte_is_another(world, database_url, tmp_path):
    cli, refused = Asking(database_url, tmp_path / "data"), Refusing(database_url, tmp_path / "data")
    out = tmp_path / "out" / "salt.zip"
    said = cli("archive", "create", "--out", str(out))
    assert "the whole installation" in said
    assert "every hash is that of the database" in said
    noted = re.search(r"SHA-256 ([0-9a-f]{64})", said)[1]
    assert leftovers(out.parent) == ["salt.zip"]
    assert out.stat().st_mode & 0o077 == 0
    assert "There is such a file already" in refused("archive", "create", "--out", str(out), code=1)

    elsewhere = {"DATABASE_URL": f"sqlite:///{tmp_path}/nothing.sqlite3", "TRIALCRF_DATA": str(tmp_path / "none")}
    assert "The archive is as it was written." in cli("archive", "verify", str(out), "--sha256", noted, **elsewhere)
    assert not (tmp_path / "none").exists(), "an archive is proved without any installation"
    assert "another one than the one that was noted" in refused("archive", "verify", str(out), "--sha256", "0" * 64)

    whole = out.read_bytes()
    out.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    for command in ("verify", "open"):
        lines = refused("archive", command, str(out)).splitlines()
        assert lines[0] == "The seal does not fit: at least one byte of the file is not as it was written."
        assert any("cannot be read" in line or "SHA-256 differs" in line for line in lines[1:])
    out.write_bytes(whole[:-3000])
    assert "its end was cut off" in refused("archive", "verify", str(out))


def test_what_does_not_hold_is_archived_only_when_it_is_asked_for_and_told_ever_after(world, database_url, tmp_path):
    cli, refused = Asking(database_url, tmp_path / "data"), Refusing(database_url, tmp_path / "data")
    with world.engine.begin() as connection:
        connection.execute(sql("UPDATE form SET document = replace(document, '13.7', '31.7')"))
    out = tmp_path / "salt.zip"
    assert "what is stored is not what the trail tells" in refused("archive", "create", "--out", str(out))
    assert leftovers(tmp_path) == ["data"]
    cli("archive", "create", "--out", str(out), "--even-if-broken", "--study", "salt")
    said = cli("archive", "verify", str(out))
    assert "When it was made, this did not hold" in said
    assert "study salt" in said
    assert "no such study" in refused("archive", "create", "--out", str(tmp_path / "b.zip"), "--study", "none", code=1).lower()


class Opened:
    """`trialcrf archive open` as a process of its own."""

    def __init__(self, file: Path, temporary: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "HOST", "PORT", "BASE_URL")}
        environment |= {"TMPDIR": str(temporary), "LC_ALL": "C.UTF-8", "TRIALCRF_DATA": str(temporary / "none")}
        command = [sys.executable, "-m", "trialcrf.cli", "archive", "open", str(file)]
        self._output = temporary.parent / "output.txt"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        end = time.monotonic() + 90
        while "ready " not in self.said and self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        assert "ready " in self.said, self.said
        self.port = int(re.search(r"ready http://127\.0\.0\.1:(\d+)", self.said)[1])

    @property
    def said(self) -> str:
        return self._output.read_text(encoding="utf-8", errors="replace")

    def ask(self, method: str, address: str, **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, address, headers={"Accept-Language": "en", **headers})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)


def test_an_archive_opens_read_only_on_this_machine_and_leaves_nothing_behind(world, database_url, tmp_path):
    out, temporary = tmp_path / "salt.zip", tmp_path / "temporary"
    temporary.mkdir()
    Asking(database_url, tmp_path / "data")("archive", "create", "--out", str(out))
    before = out.read_bytes()
    opened = Opened(out, temporary)
    try:
        (folder,) = [path for path in temporary.iterdir() if path.name.startswith("trialcrf-archive-")]
        assert folder.stat().st_mode & 0o077 == 0
        status, page = opened.ask("GET", "/studies/salt/subjects/V0001.01/MEALS/1/PLATE/1")
        assert status == 200
        assert "13.7" in page and "Archive of" in page and "Query:" in page
        status, page = opened.ask("POST", "/studies/salt/subjects/V0001.01/MEALS/1/PLATE/1")
        assert status == 403
        assert "nothing can be changed" in page
        assert opened.ask("GET", "/studies/salt/subjects", Host="crf.example.org")[0] == 403
        assert opened.ask("GET", "/sign-in")[0] == 404
        listening = Path(f"/proc/{opened.process.pid}/net/tcp").read_text(encoding="ascii")
        assert f"0100007F:{opened.port:04X}" in listening and f"00000000:{opened.port:04X}" not in listening
    finally:
        code = opened.stop()
    assert code == 0
    assert [path.name for path in temporary.iterdir() if path.name.startswith("trialcrf-")] == []
    assert not (temporary / "none").exists()
    assert out.read_bytes() == before
    assert "Traceback" not in opened.said
    with pytest.raises(ConnectionRefusedError):
        opened.ask("GET", "/")
