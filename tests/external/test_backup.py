"""Backups of both databases: whole and restorable or not there at all, the newest kept, no password where others read it."""

from __future__ import annotations

import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, make_url, text

from tests.actions.world import CAST, ROOT, open_world
from tests.actions.world import filling as filling_of
from tests.conftest import postgresql_programs
from trialcrf.external import backup, clock
from trialcrf.external.backup import CannotBackUp

AT = datetime(2026, 12, 3, 2, 0, 5, tzinfo=UTC)


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


def restored(databases, made: backup.Backup, kind: str, scratch: Path) -> str:
    """The URL of a new database with what the backup holds."""
    if kind == "sqlite":
        copy = scratch / "restored.sqlite3"
        copy.write_bytes(made.path.read_bytes())
        return f"sqlite:///{copy}"
    url = databases.empty("postgresql")
    address, _ = backup.libpq(url)
    done = subprocess.run(
        [postgresql_programs() / "pg_restore", "--exit-on-error", f"--dbname={address}", made.path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return url


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


# --- What is there ---------------------------------------------------------------------------------------------------------------------


def test_a_backup_restores_to_the_same_rows(world, database_url, database_kind, databases, folder, tmp_path):
    made = backup.make(database_url, folder, AT)
    assert made.path.name == f"trialcrf-20261203T020005Z.{'sqlite3' if database_kind == 'sqlite' else 'pgdump'}"
    assert made.size == made.path.stat().st_size > 10_000
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert names(folder) == [made.path.name], "neither a journal nor an unfinished file is left"
    before = counted(database_url)
    assert before["account"] == len(CAST)
    url = restored(databases, made, database_kind, tmp_path)
    assert counted(url) == before
    if database_kind == "postgresql":
        databases.drop(url)


def test_a_backup_waits_for_no_writer_and_holds_none_up(world, database_url, database_kind, databases, folder, tmp_path):
    before = counted(database_url)
    with world.write("trialcrf") as tx:
        tx.work(text("INSERT INTO secret (name, value) VALUES ('unfinished', 'x')"))
        made = backup.make(database_url, folder, AT)
    url = restored(databases, made, database_kind, tmp_path)
    assert counted(url) == before, "what was not committed is not in it"
    assert counted(database_url)["secret"] == before["secret"] + 1
    if database_kind == "postgresql":
        databases.drop(url)


def test_the_newest_are_kept_and_what_is_not_ours_is_left_alone(world, database_url, folder):
    folder.mkdir()
    ours = [f"trialcrf-{(AT - timedelta(days=day)).strftime('%Y%m%dT%H%M%SZ')}.sqlite3" for day in range(1, 17)]
    for name in (*ours, "before-the-move.sqlite3", "trialcrf-yesterday.sqlite3", "xtrialcrf-20200101T020000Z.sqlite3"):
        (folder / name).write_text("x")
    made = backup.make(database_url, folder, AT)
    kept = [one.path.name for one in backup.all_of(folder)]
    assert kept == [made.path.name, *ours[:13]]
    assert names(folder) == sorted([*kept, "before-the-move.sqlite3", "trialcrf-yesterday.sqlite3", "xtrialcrf-20200101T020000Z.sqlite3"])


# --- What is not there -----------------------------------------------------------------------------------------------------------------

MAKES = """
import sys
from datetime import datetime
from pathlib import Path
from trialcrf.external import backup
backup.make(sys.argv[1], Path(sys.argv[2]), datetime.fromisoformat(sys.argv[3]))
"""


def test_a_disk_that_is_full_in_the_middle_leaves_no_file(world, database_url, folder):
    done = subprocess.run(
        [sys.executable, "-c", MAKES, database_url, folder, AT.isoformat()],
        cwd=ROOT, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, 16_384)),
    )  # fmt: skip
    assert "CannotBackUp: There is no backup: " in done.stderr
    assert names(folder) == []


def test_a_backup_whose_process_was_killed_is_never_taken_for_one_and_is_cleared_away_a_day_later(
    world, database_url, database_kind, folder
):
    if database_kind == "sqlite":
        _fill(database_url)
    process = subprocess.Popen([sys.executable, "-c", MAKES, database_url, str(folder), AT.isoformat()], cwd=ROOT)
    end = time.monotonic() + 60
    while not names(folder) and time.monotonic() < end:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = [name for name in names(folder) if name.startswith(".unfinished-")]
    assert backup.all_of(folder) == []
    assert left, "it was killed too late to tell"
    now = datetime.fromtimestamp((folder / left[0]).stat().st_mtime, UTC)
    made = backup.make(database_url, folder, now + timedelta(hours=1))
    assert set(left) < set(names(folder)), "another worker may still be at it"
    made.path.unlink()
    made = backup.make(database_url, folder, now + timedelta(days=1, minutes=1))
    assert names(folder) == [made.path.name]


def _fill(url: str) -> None:
    """So many pages that copying them takes a while."""
    with closing(sqlite3.connect(str(make_url(url).database))) as connection:
        connection.execute("CREATE TABLE filler AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)"
                           " SELECT i, randomblob(1000) AS what FROM n")  # fmt: skip
        connection.commit()


def test_a_database_that_is_not_sound_has_no_backup(databases, folder):
    url = databases.fresh("sqlite", filling_of())
    path = Path(str(make_url(url).database))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'account'").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096 + 8)
        file.write(b"\xff" * 200)
    with pytest.raises(CannotBackUp, match="There is no backup: "):
        backup.make(url, folder, AT)
    assert names(folder) == []
    databases.drop(url)


def test_a_database_that_is_not_there_is_not_made(tmp_path, folder):
    with pytest.raises(CannotBackUp, match="not there"):
        backup.make(f"sqlite:///{tmp_path}/nothing.sqlite3", folder, AT)
    assert not (tmp_path / "nothing.sqlite3").exists()


# --- pg_dump ---------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def programs(tmp_path, monkeypatch) -> Path:
    """A folder that is the only one in which programs are looked for."""
    made = tmp_path / "programs"
    made.mkdir()
    monkeypatch.setenv("PATH", str(made))
    return made


def test_a_missing_pg_dump_is_said_in_a_sentence(programs, folder):
    with pytest.raises(CannotBackUp, match="the program pg_dump is missing"):
        backup.make("postgresql+psycopg://someone:secret@127.0.0.1:1/nothing", folder, AT)
    assert names(folder) == []


def test_the_password_reaches_pg_dump_by_its_environment_and_not_by_its_command_line(programs, folder, tmp_path):
    said = tmp_path / "said"
    program = programs / "pg_dump"
    program.write_text(f'#!/bin/sh\necho "$PGPASSWORD" "$@" > {said}\necho "pg_dump: no such server" >&2\nexit 1\n')
    program.chmod(0o755)
    with pytest.raises(CannotBackUp) as told:
        backup.make("postgresql+psycopg://someone:pa%40ss@db.example.org:5433/trial?sslmode=require", folder, AT)
    password, *arguments = said.read_text().split()
    assert password == "pa@ss"
    assert "--dbname=postgresql://someone@db.example.org:5433/trial?sslmode=require" in arguments
    assert "--format=custom" in arguments
    assert not [one for one in arguments if "pa@ss" in one or "pa%40ss" in one]
    assert str(told.value) == "There is no backup: pg_dump: no such server"
    assert names(folder) == []


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


def test_a_backup_begun_by_two_at_once_is_two_whole_ones(world, database_url, folder):
    made: list[backup.Backup] = []
    now = clock.now()  # Of the files that they are at they read the true age.
    threads = [
        threading.Thread(target=lambda at=at: made.append(backup.make(database_url, folder, at)))
        for at in (now, now + timedelta(seconds=1))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 2
    assert len(names(folder)) == 2
