"""Copies of both databases and backups of them: whole and restorable or not there at all, no password where others read it."""

from __future__ import annotations

import resource
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, make_url, text

from tests.actions.world import CAST, ROOT, open_world
from tests.actions.world import filling as filling_of
from trialcrf.external import backup, backup_folder, clock
from trialcrf.external.backup import CannotBackUp


@pytest.fixture
def filling(request):
    return filling_of() if "world" in request.fixturenames else None


@pytest.fixture
def world(database_url):
    made = open_world(database_url)
    yield made
    made.engine.dispose()


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "backups"


def counted(url: str) -> dict[str, int]:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            tables = inspect(connection).get_table_names()
            return {table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in tables}
    finally:
        engine.dispose()


def restored(databases, made: Path, kind: str) -> str:
    """The URL of a new database with what the copy holds."""
    if kind == "sqlite":
        return f"sqlite:///{made}"
    url = databases.empty("postgresql")
    backup.load(url, made)
    return url


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


# --- What is there ---------------------------------------------------------------------------------------------------------------------


def test_a_backup_restores_to_the_same_rows(world, database_url, database_kind, databases, tmp_path):
    made = tmp_path / "copy"
    backup.copy(database_url, made)
    assert names(tmp_path) == ["copy"], "no journal is left"
    before = counted(database_url)
    assert before["account"] == len(CAST)
    url = restored(databases, made, database_kind)
    assert counted(url) == before
    if database_kind == "postgresql":
        databases.drop(url)


def test_a_backup_waits_for_no_writer_and_holds_none_up(world, database_url, database_kind, databases, tmp_path):
    before = counted(database_url)
    with world.write("trialcrf") as tx:
        tx.work(text("INSERT INTO secret (name, value) VALUES ('unfinished', 'x')"))
        backup.copy(database_url, tmp_path / "copy")
    url = restored(databases, tmp_path / "copy", database_kind)
    assert counted(url) == before, "what was not committed is not in it"
    assert counted(database_url)["secret"] == before["secret"] + 1
    if database_kind == "postgresql":
        databases.drop(url)


# --- What is not there -----------------------------------------------------------------------------------------------------------------

MAKES = """
import sys
from pathlib import Path
from trialcrf.actions.records import back_up
from trialcrf.core.rotation import Keep
from trialcrf.external import clock
url, data = sys.argv[1], Path(sys.argv[2])
back_up.back_up(back_up.Place(url, data, data / "backups", (), None, url, Keep(), "0"), clock.now)
"""


def test_a_disk_that_is_full_in_the_middle_leaves_no_file(world, database_url, folder, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", MAKES, database_url, tmp_path],
        cwd=ROOT, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, 16_384)),
    )  # fmt: skip
    assert "CannotBackUp: There is no backup: " in done.stderr
    assert names(folder) == []


def test_a_backup_whose_process_was_killed_is_never_taken_for_one_and_is_cleared_away_at_once(
    world, database_url, database_kind, folder, tmp_path
):
    if database_kind == "sqlite":
        _fill(database_url)
    process = subprocess.Popen([sys.executable, "-c", MAKES, database_url, str(tmp_path)], cwd=ROOT)
    end = time.monotonic() + 60
    # The lock is there, and beside it what must not stay.
    while len([*folder.glob(".unfinished-*/*")]) < 2 and time.monotonic() < end:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = [name for name in names(folder) if name.startswith(".unfinished-")]
    assert backup_folder.all_of(folder) == []
    assert left, "it was killed too late to tell"
    backup_folder.clear_away(folder, clock.now())
    assert names(folder) == []


def test_what_somebody_works_at_is_not_cleared_away_and_what_has_no_lock_waits_a_day(tmp_path):
    """Another process that holds the lock is another open file, as here; a folder without one is of a disk without locks."""
    now = clock.now()
    with backup_folder.unfinished(tmp_path, now) as mine:
        (mine / "clear").write_bytes(b"rows")
        backup_folder.clear_away(tmp_path, now + timedelta(days=30))
        assert (mine / "clear").is_file()
        with backup_folder.unfinished(tmp_path, now) as other:
            assert mine.is_dir() and other != mine
    assert names(tmp_path) == []
    (tmp_path / ".unfinished-trialcrf-old").mkdir()
    backup_folder.clear_away(tmp_path, now + timedelta(hours=23))
    assert names(tmp_path) == [".unfinished-trialcrf-old"]
    backup_folder.clear_away(tmp_path, now + timedelta(hours=25))
    assert names(tmp_path) == []


def test_a_link_to_elsewhere_is_followed_nowhere(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "held").write_bytes(b"")
    (tmp_path / ".unfinished-trialcrf-link").symlink_to(tmp_path / "precious")
    backup_folder.clear_away(tmp_path, clock.now() + timedelta(days=30))
    assert (tmp_path / "precious" / "held").is_file()


def _fill(url: str) -> None:
    """So many pages that copying them takes a while."""
    with closing(sqlite3.connect(str(make_url(url).database))) as connection:
        connection.execute("CREATE TABLE filler AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)"
                           " SELECT i, randomblob(1000) AS what FROM n")  # fmt: skip
        connection.commit()


def test_a_database_that_is_not_sound_has_no_backup(databases, tmp_path):
    url = databases.fresh("sqlite", filling_of())
    path = Path(str(make_url(url).database))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'account'").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096 + 8)
        file.write(b"\xff" * 200)
    with pytest.raises(CannotBackUp, match="There is no backup: "):
        backup.copy(url, tmp_path / "copy")
    databases.drop(url)


def test_a_database_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(CannotBackUp, match="not there"):
        backup.copy(f"sqlite:///{tmp_path}/nothing.sqlite3", tmp_path / "copy")
    assert not (tmp_path / "nothing.sqlite3").exists()


# --- pg_dump ---------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def programs(tmp_path, monkeypatch) -> Path:
    """A folder that is the only one in which programs are looked for."""
    made = tmp_path / "programs"
    made.mkdir()
    monkeypatch.setenv("PATH", str(made))
    return made


def test_a_missing_pg_dump_is_said_in_a_sentence(programs, tmp_path):
    with pytest.raises(CannotBackUp, match="the program pg_dump is missing"):
        backup.copy("postgresql+psycopg://someone:secret@127.0.0.1:1/nothing", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_the_password_reaches_pg_dump_by_its_environment_and_not_by_its_command_line(programs, tmp_path):
    said = tmp_path / "said"
    program = programs / "pg_dump"
    program.write_text(f'#!/bin/sh\necho "$PGPASSWORD" "$@" > {said}\necho "pg_dump: no such server" >&2\nexit 1\n')
    program.chmod(0o755)
    with pytest.raises(CannotBackUp) as told:
        backup.copy("postgresql+psycopg://someone:pa%40ss@db.example.org:5433/trial?sslmode=require", tmp_path / "copy")
    password, *arguments = said.read_text().split()
    assert password == "pa@ss"
    assert "--dbname=postgresql://someone@db.example.org:5433/trial?sslmode=require" in arguments
    assert "--format=custom" in arguments
    assert not [one for one in arguments if "pa@ss" in one or "pa%40ss" in one]
    assert str(told.value) == "There is no backup: pg_dump: no such server"


@pytest.mark.parametrize(
    ("url", "address", "password"),
    [
        ("postgresql+psycopg://u@/d?host=/run/pg", "postgresql://u@/d?host=%2Frun%2Fpg", ""),
        ("postgresql+psycopg://u:p@h/d?sslmode=require", "postgresql://u@h/d?sslmode=require", "p"),
        ("postgresql+psycopg://u@h/d?password=p%2F1&sslmode=require", "postgresql://u@h/d?sslmode=require", "p/1"),
        ("postgresql+psycopg://h:5433/d", "postgresql://h:5433/d", ""),
    ],
)
def test_an_address_is_told_as_libpq_reads_it_without_its_password(url, address, password):
    assert backup.libpq(url) == (address, password)
