"""`trialcrf backup`: a night's backup by the real job on both databases, restored elsewhere, and what its user is told on the way."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.actions.world import filling as filling_of
from tests.actions.world import open_world, typed
from tests.conftest import Cluster
from tests.test_cli import Cli
from tests.test_cli_archive import Refusing
from tests.test_cli_reports import Asking
from trialcrf.external import age, backup_folder, bundle, checkpoints, clock
from trialcrf.external.backup_folder import Proof
from trialcrf.store import audit, runs
from trialcrf.store.transaction import open_engine, reading


@pytest.fixture
def filling():
    return filling_of("salt")


@pytest.fixture
def world(database_url):
    made = open_world(database_url, "salt")
    yield made
    made.engine.dispose()


def heads(url: str) -> list[tuple[str, int, str]]:
    engine = open_engine(url)
    try:
        with reading(engine) as tx:
            return audit.chains(tx.connection)
    finally:
        engine.dispose()


def test_the_nightly_backup_is_encrypted_proved_and_restored_elsewhere_with_nothing_missing(
    world, database_url, database_kind, databases, tmp_path
):
    data, key, refused = tmp_path / "data", tmp_path / "key", Refusing(database_url, tmp_path / "data")
    cli = Cli(database_url, data)
    public = re.search(r"TRIALCRF_BACKUP_RECIPIENTS=(age1\w+)", cli("backup", "key", "--out", str(key)))[1]
    cli.env["TRIALCRF_BACKUP_RECIPIENTS"] = public
    data.mkdir(exist_ok=True)
    (data / "signing_key.pem").write_text("the key of the installation")
    assert "There is no backup of which it is proved" in cli("jobs", "list")
    said = cli("jobs", "run", "backup")
    assert re.fullmatch(r"Backup written and proved: [\d,]+ bytes, \d+ records, in [\d.]+ seconds\.\n", said)
    (made,) = backup_folder.all_of(data / "backups")
    assert (made.encrypted, made.proved, made.proof.opened) == (True, True, False), "this machine has no private key"
    assert made.proof.checks == ("bytes", "loaded", "sound", "rows", "heads", "triggers", "trail", "started")
    assert made.path.read_bytes().startswith(b"age-encryption.org/v1")
    assert [one.stat().st_mode & 0o077 for one in (data / "backups", *(data / "backups").iterdir())] == [0, 0, 0]
    assert re.fullmatch(r"trialcrf-salt-\d{8}T\d{6}Z-[0-9a-f]{12}-\d{4}\.trialcrf-backup\.age", made.path.name)
    assert sorted(one.name for one in (data / "backups").iterdir()) == [made.path.name, f"{made.path.name}.proof.json"]
    assert f"Newest proved backup: {made.path.name}" in cli("jobs", "list")
    assert "only the digest was compared" in cli("backup", "verify", str(made.path))

    later = checkpoints.Kept(clock.now(), "", (("system", 10_000, "ab" * 32),))
    checkpoints.append(tmp_path / "elsewhere.jsonl", later)
    elsewhere = databases.empty(database_kind)
    there = tmp_path / "there"
    env = {"DATABASE_URL": elsewhere, "TRIALCRF_DATA": str(there), "TRIALCRF_BACKUP_RECIPIENTS": ""}
    given = ["--identity", str(key), "--checkpoint", str(tmp_path / "elsewhere.jsonl")]
    missing = refused("backup", "restore", str(made.path), *given, **env)
    assert re.search(r"Chain system: records \d+ to 10000, which the checkpoint of .* knows, are missing\.", missing)
    assert heads(elsewhere) == heads(database_url)
    assert (there / "signing_key.pem").read_text() == "the key of the installation"
    assert (there / "signing_key.pem").stat().st_mode & 0o077 == 0
    assert "There is a database already" in refused("backup", "restore", str(made.path), *given, code=1, **env)
    assert "the trail is clean" in cli("audit", "verify", **env).lower()
    if database_kind == "postgresql":
        with world.read() as tx:
            left = tx.read(text("SELECT datname FROM pg_database WHERE datname LIKE 'trialcrf_proof%'")).all()
        assert left == [], "the scratch database of the proof is gone"
        databases.drop(elsewhere)


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_backup_of_data_that_somebody_altered_fails_its_job_and_is_kept(world, database_url, tmp_path):
    volunteer = world.enrol("volunteer", now=clock.now(), AGREED=(20, 1, 2026), BORN=("", 5, 1980), GENDER="F")
    world.save(volunteer, "PLATE", "MEALS", typed(None, EATEN=(1, 2, 2026, "12:00"), GRAMS="13.7"), now=clock.now())
    with world.engine.begin() as connection:
        assert connection.execute(text("UPDATE form SET document = replace(document, '13.7', '31.7')")).rowcount
    refused = Refusing(database_url, tmp_path / "data")
    said = refused("jobs", "run", "backup", code=1)
    assert re.search(
        r"The backup trialcrf-salt-\S+ is kept, but it is not proved: form .* what is stored is not what the trail tells\.", said
    )
    (made,) = backup_folder.all_of(tmp_path / "data" / "backups")
    assert not made.proved
    with world.read() as tx:
        assert runs.standings(tx, ["backup"])["backup"].outcome == "failed"
    assert "There is no backup of which it is proved" in Cli(database_url, tmp_path / "data")("jobs", "list")
    assert "what is stored is not what the trail tells" in refused("backup", "verify", str(made.path))


# --- What needs no database of a kind --------------------------------------------------------------------------------------------------


@pytest.fixture
def closed(tmp_path) -> Path:
    """A file as a backup is encrypted, with what was once proved of it."""
    public, clear, file = age.new_key(tmp_path / "key"), tmp_path / "clear", tmp_path / "backup.age"
    clear.write_bytes(b"x" * 1000)
    age.encrypt(clear, file, [public])
    return file


@pytest.fixture
def alone(tmp_path) -> Refusing:
    return Refusing(f"sqlite:///{tmp_path}/data/trialcrf.sqlite3", tmp_path / "data")


def test_without_its_key_an_encrypted_backup_is_compared_with_its_digest_alone(closed, alone, tmp_path):
    assert "nothing is written beside it" in alone("backup", "verify", str(closed), code=1)
    backup_folder.write_proof(closed, Proof("2026-12-03T02:00:05+00:00", 1.0, ("bytes",), 7, 5, False, bundle.sha256_of(closed)))
    asking = Asking(f"sqlite:///{tmp_path}/data/trialcrf.sqlite3", tmp_path / "data")
    said = asking("backup", "verify", str(closed))
    assert "only the digest was compared" in said
    assert "5 audit records" in said
    closed.write_bytes(closed.read_bytes() + b"x")
    assert "its SHA-256 differs" in alone("backup", "verify", str(closed))


def test_what_is_in_it_is_refused_where_it_is_no_backup_or_the_key_is_anothers(closed, alone, tmp_path):
    age.new_key(tmp_path / "stranger")
    assert "does not begin as one" in alone("backup", "verify", str(closed), "--identity", str(tmp_path / "key"))
    assert "No private key in" in alone("backup", "verify", str(closed), "--identity", str(tmp_path / "stranger"))
    assert "No private key in" in alone("backup", "restore", str(closed), "--identity", str(tmp_path / "stranger"), code=1)
    assert not list((tmp_path / "data").iterdir())


def test_restoring_asks_for_the_file_of_the_key(closed, alone, tmp_path):
    said = alone("backup", "restore", str(closed), given=f"{tmp_path / 'key'}\n")
    assert "The file of the private key" in said
    assert "does not begin as one" in said


def test_a_key_is_never_written_over(alone, tmp_path):
    (tmp_path / "key").write_text("mine")
    assert "File exists" in alone("backup", "key", "--out", str(tmp_path / "key"), code=1)
    assert (tmp_path / "key").read_text() == "mine"


# --- The whole server ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_only_postgresql_has_a_base_backup(database_url, tmp_path):
    assert "names no PostgreSQL" in Refusing(database_url, tmp_path / "data")("backup", "base", "--out", str(tmp_path / "base"), code=1)


def test_a_base_backup_is_every_file_of_the_server_verified(postgresql: Cluster, databases, tmp_path):
    url = databases.fresh("postgresql")
    cli, out = Cli(url, tmp_path / "data"), tmp_path / "base"
    assert "every file is as the server sent it" in cli("backup", "base", "--out", str(out))
    assert (out / "PG_VERSION").read_text() == f"{postgresql.version}\n"
    assert json.loads((out / "backup_manifest").read_text())["Files"]
    assert "is there already" in Refusing(url, tmp_path / "data")("backup", "base", "--out", str(out), code=1)
    databases.drop(url)
