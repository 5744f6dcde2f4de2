"""Backing up: what is in a backup, what it is called, how a failed proof is kept, and what is refused when one is opened or restored."""

from __future__ import annotations

import json
import random
import resource
import shutil
import sqlite3
import zipfile
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url
from sqlalchemy import text as sql

from tests.actions.world import filling as filling_of
from tests.actions.world import open_world, typed
from trialcrf.actions.records import back_up, restore
from trialcrf.actions.records.back_up import Place
from trialcrf.core.rotation import Keep
from trialcrf.core.wording import from_plain
from trialcrf.external import age, backup_folder, bundle, clock
from trialcrf.external.backup import CannotBackUp, CannotRestore
from trialcrf.external.backup_folder import Proof
from trialcrf.external.bundle import BadArchive
from trialcrf.external.checkpoints import Kept
from trialcrf.store import audit, migrations
from trialcrf.store.migrations import SchemaBehind
from trialcrf.store.transaction import open_engine

AT = datetime(2026, 12, 3, 2, 0, 5, tzinfo=UTC)


@pytest.fixture
def database_kind() -> str:
    """Each kind of database is backed up and restored in tests/test_cli_backup.py; here its kind does not matter."""
    return "sqlite"


@pytest.fixture
def filling():
    return filling_of("salt")


@pytest.fixture
def world(database_url):
    made = open_world(database_url, "salt")
    yield made
    made.engine.dispose()


@pytest.fixture
def place(database_url, tmp_path) -> Place:
    data = tmp_path / "data"
    data.mkdir()
    return Place(database_url, data, data / "backups", (), None, database_url, Keep(), "0.1.0")


@pytest.fixture
def made(world, place, tmp_path) -> Path:
    """A backup that nothing was proved of."""
    file = tmp_path / "made"
    back_up.write(place, AT, tmp_path, file)
    return file


def opened(file: Path, folder: Path, key: Path | None = None):
    folder.mkdir()
    return restore.open_(file, folder, key)


def altered(file: Path, folder: Path, **manifest: object) -> Path:
    """The same backup with another manifest, as a program of another version could have written it."""
    unpacked, out = folder / "unpacked", folder / "other"
    unpacked.mkdir()
    said = {**bundle.unpack(file, unpacked), **manifest}
    bundle.write(out, said, {path.relative_to(unpacked).as_posix(): path for path in unpacked.rglob("*") if path.is_file()})
    return out


# --- What is in it ---------------------------------------------------------------------------------------------------------------------


def test_it_holds_the_database_and_every_file_that_cannot_be_made_again(world, place, tmp_path):
    keep = ["checkpoints.jsonl", "mail/letter.eml", "reports/one.pdf", "reports/one/annex.pdf", "signing_key.pem"]
    leave = ["queue.db", "queue.db-wal", "reports/.parts/half", "backups/other", "trialcrf-20261130T020000Z.sqlite3"]
    for name in keep + leave:
        (place.data / name).parent.mkdir(parents=True, exist_ok=True)
        (place.data / name).write_text(name)
    inside = place.data / "trialcrf.sqlite3"
    shutil.copy(str(make_url(place.url).database), inside)
    file = tmp_path / "file"
    back_up.write(replace(place, url=f"sqlite:///{inside}"), AT, tmp_path, file)
    told, folder = opened(file, tmp_path / "opened")
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == sorted(
        ["database.sqlite3", *keep]
    )
    assert (folder / "reports/one/annex.pdf").read_text() == "reports/one/annex.pdf"
    with world.read() as tx:
        assert told.chains == tuple(audit.chains(tx.connection))
    assert (told.studies, told.schema, told.made_at) == (("salt",), migrations.newest(), AT)
    assert told.rows["account"] > 0 < told.records


def test_a_file_that_it_cannot_hold_is_named_and_not_left_out(world, place, tmp_path):
    (place.data / "a/b/c").mkdir(parents=True)
    (place.data / "a/b/c/d").write_text("x")
    with pytest.raises(CannotBackUp, match="a/b/c/d"):
        back_up.write(place, AT, tmp_path, tmp_path / "file")


def test_its_name_tells_studies_time_chain_heads_and_schema():
    name = backup_folder.name_of(["msc_ssc", "other trial"], AT, "abcdef0123456789", "0006", encrypted=True)
    assert name == "trialcrf-msc_ssc+other_trial-20261203T020005Z-abcdef012345-0006.trialcrf-backup.age"
    assert backup_folder.is_ours(name)
    assert backup_folder.is_ours(backup_folder.name_of([], AT, "ab" * 32, "0006", encrypted=False))
    assert backup_folder.is_ours("trialcrf-20261203T020005Z.pgdump"), "what an earlier version wrote is still looked after"
    assert not backup_folder.is_ours("before-the-move.sqlite3")


# --- What cannot be proved -------------------------------------------------------------------------------------------------------------


def alter_a_row(world) -> None:
    """What somebody with every right on the database could do."""
    with world.engine.begin() as connection:
        assert connection.execute(sql("UPDATE form SET document = replace(document, '13.7', '31.7')")).rowcount


def test_one_that_does_not_hold_is_kept_says_why_and_never_removes_the_last_proved_one(world, place):
    place.folder.mkdir()
    old = place.folder / backup_folder.name_of(["salt"], clock.now() - timedelta(days=800), "ab" * 32, "0006", encrypted=False)
    proof = Proof(AT.isoformat(), 1.0, ("bytes",), 1, 1, True, "ab" * 32)
    for path in (old, place.folder / "trialcrf-20200101T020000Z.sqlite3"):
        path.write_text("x")
    backup_folder.write_proof(old, proof)
    volunteer = world.enrol("volunteer", now=clock.now(), AGREED=(20, 1, 2026), BORN=("", 5, 1980), GENDER="F")
    world.save(volunteer, "PLATE", "MEALS", typed(None, EATEN=(1, 2, 2026, "12:00"), GRAMS="13.7"), now=clock.now())
    alter_a_row(world)
    found = back_up.back_up(place, clock.now)
    assert not found.proved
    assert from_plain(found.proof.problems[0]).msgid.endswith("what is stored is not what the trail tells.")
    assert restore.TRIGGERS in found.proof.checks and restore.STARTED not in found.proof.checks
    there = backup_folder.all_of(place.folder)
    assert {one.path for one in there} >= {found.path, old}
    assert backup_folder.newest_proved(there).path == old
    assert found.path.stat().st_mode & 0o077 == 0


def test_nothing_is_made_for_a_key_that_is_none(world, place):
    with pytest.raises(age.CannotUseKey, match="no public key"):
        back_up.back_up(replace(place, recipients=("age1nobody",)), clock.now)
    assert not place.folder.exists()


def test_a_full_disk_is_said_to_be_full_and_leaves_no_file(world, place):
    place.data.joinpath("report.pdf").write_bytes(random.Random(1).randbytes(3_000_000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, before[1]))  # No file may grow beyond: to a program, that is a full disk.
    try:
        with pytest.raises(CannotBackUp, match=r"There is no backup: the disk of .*backups is full"):
            back_up.back_up(place, clock.now)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(place.folder.iterdir()) == []


@pytest.mark.parametrize("check", ["rows", "chains"])
def test_a_database_that_is_not_the_one_that_was_copied_is_not_proved(made, tmp_path, check):
    told, _ = opened(made, tmp_path / "first")
    if check == "rows":
        other = altered(made, tmp_path, rows={**told.rows, "account": told.rows["account"] + 1})
        said = "Table account has"
    else:
        other = altered(made, tmp_path, chains=[{"chain": chain, "size": size + 1, "head": head} for chain, size, head in told.chains])
        said = "does not end as it did when it was copied"
    told, folder = opened(other, tmp_path / "second")
    checked = restore.prove(told, folder, "", AT)
    assert said in checked.problems[0].msgid % checked.problems[0].params
    assert restore.STARTED not in checked.checks


def test_a_restored_database_without_its_triggers_is_not_proved(made, tmp_path):
    told, folder = opened(made, tmp_path / "opened")
    with closing(sqlite3.connect(folder / "database.sqlite3")) as held:
        (name,) = held.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' LIMIT 1").fetchone()
        held.execute(f"DROP TRIGGER {name}")
    checked = restore.prove(told, folder, "", AT)
    assert name in str(checked.problems[0].params)


def test_a_backup_of_postgresql_takes_a_server_to_prove_it(made, tmp_path):
    told, folder = opened(altered(made, tmp_path, database="postgresql"), tmp_path / "opened")
    with pytest.raises(CannotRestore, match="address of a PostgreSQL server"):
        restore.prove(told, folder, "sqlite:////tmp/x", AT)


# --- What is refused when it is opened -------------------------------------------------------------------------------------------------


def test_a_truncated_altered_or_foreign_file_is_refused_in_words(made, tmp_path):
    whole = made.read_bytes()
    for number, (content, said) in enumerate(
        [
            (whole[:-10], "its end was cut off"),
            (whole[: len(whole) // 2], "its end was cut off"),
            (whole[:500] + bytes([whole[500] ^ 1]) + whole[501:], "The seal does not fit"),
            (b"", "has only 0 bytes"),
            (b"hello" * 100, "does not begin as one"),
        ]
    ):
        file = tmp_path / f"file{number}"
        file.write_bytes(content)
        with pytest.raises(BadArchive, match=said):
            opened(file, tmp_path / f"opened{number}")


def test_an_archive_of_a_trial_is_no_backup(made, tmp_path):
    with pytest.raises(BadArchive, match="no backup of this program"):
        opened(altered(made, tmp_path, kind="archive"), tmp_path / "opened")


def test_a_backup_of_a_newer_schema_is_refused_with_the_version_that_is_needed(made, tmp_path):
    with pytest.raises(CannotRestore, match=r"newer version of the program \(9\.1\).*schema 9999"):
        opened(altered(made, tmp_path, schema="9999", program="9.1"), tmp_path / "opened")


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "link"])
def test_no_member_leads_out_of_the_folder_into_which_it_is_unpacked(tmp_path, name):
    source, file = tmp_path / "x", tmp_path / "file"
    source.write_text("/etc/passwd")
    bundle.write(file, {"kind": "backup"}, {"link": source})
    with zipfile.ZipFile(file) as held:
        said = json.loads(held.read(bundle.MANIFEST))
    crafted = tmp_path / "crafted"
    with zipfile.ZipFile(crafted, "w") as made:
        info = zipfile.ZipInfo(name)
        info.create_system, info.external_attr = 3, (0o120777 if name == "link" else 0o100600) << 16
        made.writestr(info, "/etc/passwd")
        said["members"][0]["name"] = name
        made.writestr(bundle.MANIFEST, json.dumps(said))
    with pytest.raises(BadArchive, match="it was not unpacked"):
        opened(crafted, tmp_path / "opened")
    assert [path for path in (tmp_path / "opened").rglob("*") if not path.is_dir()] == []
    assert not (tmp_path / "outside").exists()


def test_an_encrypted_one_is_opened_by_its_key_alone(made, tmp_path):
    mine, stranger, closed = tmp_path / "mine", tmp_path / "stranger", tmp_path / "closed"
    public = age.new_key(mine)
    age.new_key(stranger)
    age.encrypt(made, closed, [public])
    with pytest.raises(CannotRestore, match="file of a private key"):
        opened(closed, tmp_path / "a")
    with pytest.raises(age.CannotUseKey, match="No private key in"):
        opened(closed, tmp_path / "b", stranger)
    told, _ = opened(closed, tmp_path / "c", mine)
    assert told.studies == ("salt",)


# --- What is refused when it is restored -----------------------------------------------------------------------------------------------


def test_nothing_is_restored_over_a_database_or_into_a_folder_that_is_not_empty(world, made, tmp_path):
    target = tmp_path / "target"
    url, backups = f"sqlite:///{target}/trialcrf.sqlite3", target / "backups"
    with pytest.raises(CannotRestore, match="a database already"):
        restore.restore(made, str(world.engine.url), target, backups, None, AT)
    backups.mkdir(parents=True)
    (target / "signing_key.pem").write_text("mine")
    with pytest.raises(CannotRestore, match=r"is not empty \(signing_key\.pem\)"):
        restore.restore(made, url, target, backups, None, AT)
    assert (target / "signing_key.pem").read_text() == "mine"
    assert sorted(one.name for one in target.iterdir()) == ["backups", "signing_key.pem"]


def test_a_file_that_is_refused_leaves_the_place_empty(made, tmp_path):
    target, bad = tmp_path / "target", tmp_path / "bad"
    bad.write_bytes(made.read_bytes()[:-1])
    with pytest.raises(BadArchive):
        restore.restore(bad, f"sqlite:///{target}/trialcrf.sqlite3", target, target / "backups", None, AT)
    assert list(target.iterdir()) == []


def test_an_older_schema_is_restored_as_it_was_and_init_migrates_it(databases, place, tmp_path):
    old = databases.empty("sqlite")
    migrations.upgrade(old, "0005")
    file, target = tmp_path / "file", tmp_path / "target"
    manifest = back_up.write(replace(place, url=old), AT, tmp_path, file)
    assert manifest["schema"] == "0005"
    url = f"sqlite:///{target}/trialcrf.sqlite3"
    done = restore.restore(file, url, target, target / "backups", None, AT)
    assert (done.behind, done.checked.problems) == (True, ())
    assert restore.HEADS in done.checked.checks and restore.TRAIL not in done.checked.checks
    engine = open_engine(url)
    with pytest.raises(SchemaBehind):
        migrations.check(engine)
    migrations.upgrade(url)
    migrations.check(engine)
    engine.dispose()
    databases.drop(old)


def test_what_a_checkpoint_knows_and_the_backup_lacks_is_named(world, tmp_path):
    with world.read() as tx:
        heads = audit.chains(tx.connection)
    chain, size, _ = heads[0]
    url = str(world.engine.url)
    assert restore.missing_since(url, Kept(AT, "", tuple(heads))) == []
    later = Kept(AT, "", ((chain, size + 3, "ab" * 32), ("gone/02", 5, "cd" * 32), (heads[1][0], heads[1][1], "ef" * 32)))
    said = [one.msgid % one.params for one in restore.missing_since(url, later)]
    assert (
        said[0] == f"Chain {chain}: records {size + 1} to {size + 3}, which the checkpoint of 2026-12-03T02:00:05+00:00 knows, are missing."
    )
    assert "gone/02: records 1 to 5" in said[1]
    assert "is another one" in said[2]
