"""The archive of a trial: whichever database it came from it says the same, and what does not hold is never archived unsaid."""

from __future__ import annotations

import json
import shutil
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tests.actions.world import CAST, NOW, World, open_world, study_of, typed
from tests.actions.world import filling as filling_of
from tests.conftest import KINDS
from tests.store.make_rows import ROWS
from tests.store.test_migrations import old_database
from trialcrf.actions import Impossible, administer, publish
from trialcrf.actions.records import archive_study, checkpoint
from trialcrf.actions.records.archive_study import Made
from trialcrf.core.chain import Checkpoint
from trialcrf.external import archive as files
from trialcrf.external import bundle, checkpoints
from trialcrf.external.bundle import BadArchive
from trialcrf.store import archives, audit, migrations, replay, reports, secrets, sessions, sites, subjects
from trialcrf.store.archives import Only, Sum
from trialcrf.store.audit import Who
from trialcrf.store.models import metadata
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Archived, open_engine, reading, writing

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def database_kind(request):
    """What is proved of the file does not hang on where it came from: SQLite, but where a test asks for both."""
    return getattr(request, "param", "sqlite")


each_database = pytest.mark.parametrize("database_kind", KINDS, indirect=True)


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def archive_of(world: World, data: Path, folder: Path, **how: object) -> tuple[Path, Made]:
    """Archive the world into a new folder."""
    for name in ("gathered", "opened"):
        (folder / name).mkdir(parents=True)
    with world.read() as tx:
        gathered = archive_study.gather(tx, LATER, "0.1.0", data, folder / "gathered", **how)
    return folder / "archive.zip", archive_study.write(gathered, folder / "archive.zip", folder / "opened")


def fill(world: World, data: Path) -> Subject:
    """Somebody recorded, corrected and reported; what must not travel is there too."""
    volunteer = world.enrol("volunteer", AGREED=(20, 1, 2026), BORN=("", 5, 1980), GENDER="F")
    world.save(volunteer, "PLATE", "MEALS", typed(None, EATEN=(1, 2, 2026, "12:00"), GRAMS="3.7"))
    world.save(volunteer, "PLATE", "MEALS", typed(1, "SLIP", GRAMS="13.7"), now=NOW + timedelta(minutes=5))  # and a query of a check
    with world.write("trialcrf") as tx:
        administer.fresh_invitation(tx, 2)
        sessions.begin(tx, 1, "f" * 64, "a" * 43)
        secrets.link_key(tx)
        kept = reports.order(tx, "k", 1, "quality", "en", NOW.date(), NOW, "dana")
        sha256 = files.keep(data / "reports" / "salt-quality-1.pdf", b"%PDF report")
        reports.drawn(tx, kept, 1, "c" * 64, sha256, "salt-quality-1.pdf", "", [])
    with world.read() as tx:
        checkpoints.append(checkpoints.file_in(data), checkpoint.take(tx, NOW, checkpoints.file_in(data)))
    return volunteer


@pytest.fixture
def filled(salt, data):
    return fill(salt, data)


@pytest.fixture
def made(salt, data, tmp_path):
    """Archives the world of this test, each time into a folder of its own."""
    numbers = iter(range(100))
    return lambda **how: archive_of(salt, data, tmp_path / f"making{next(numbers)}", **how)


@dataclass(frozen=True)
class Standing:
    """An archive that stands, and the world from which it was made."""

    world: World
    original: Path
    made: Made

    def copy(self, folder: Path) -> Path:
        return Path(shutil.copy(self.original, folder / "archive.zip"))


@pytest.fixture(scope="module")
def standing(databases, tmp_path_factory) -> Iterator[Standing]:
    """Made once, for tests that only look at it or at a copy of it."""
    folder, url = tmp_path_factory.mktemp("standing"), databases.fresh("sqlite", filling_of("salt"))
    world = open_world(url, "salt")
    fill(world, folder / "data")
    yield Standing(world, *archive_of(world, folder / "data", folder / "making"))
    world.engine.dispose()
    databases.drop(url)


def database_of(file: Path, folder: Path) -> Path:
    bundle.unpack(file, folder)
    return folder / archive_study.DATABASE


def manifest_of(file: Path) -> dict:
    with zipfile.ZipFile(file) as held:
        return json.loads(held.read(bundle.MANIFEST))


def rows_of(engine):
    """Every table as plain rows, by name; what an archive withholds is left out of the comparison."""
    found = {}
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            kept = [column for column in table.columns if column.name not in archives.WITHHELD.get(table.name, {})]
            rows = connection.execute(table.select().with_only_columns(*kept)).mappings()
            found[table.name] = sorted(json.dumps({name: str(value) for name, value in row.items()}, sort_keys=True) for row in rows)
    return found


@each_database
def test_every_row_is_in_the_archive_and_its_hashes_are_those_of_before(salt, filled, made, tmp_path):
    file, told = made()
    engine = open_engine(f"sqlite:///{database_of(file, tmp_path / 'out')}")
    before, after = rows_of(salt.engine), rows_of(engine)
    for name in before:
        assert after[name] == ([] if name in archives.LEFT_OUT else before[name]), name
    with salt.read() as live, reading(engine) as archived:
        assert audit.chains(archived.connection) == audit.chains(live.connection)
        assert told.proof.checkpoint == Checkpoint(tuple(audit.chains(live.connection))).digest()
        assert audit.broken(archived.connection) is None
        assert list(replay.differences(archived)) == []
        kept = subjects.find(archived, "salt", filled.key)
        assert kept and kept.key == filled.key
    migrations.check(engine)
    engine.dispose()
    assert (tmp_path / "out" / "reports" / "salt-quality-1.pdf").read_bytes() == b"%PDF report"
    assert checkpoints.newest(tmp_path / "out" / "checkpoints.jsonl") is not None
    manifest = manifest_of(file)
    assert manifest["studies"] == [{"oid": "salt", "versions": [{"version": 1, "hash": salt.published.hash}]}]
    assert (manifest["schema"], manifest["program"], manifest["broken"]) == (migrations.newest(), "0.1.0", [])
    counted = {one["name"]: one["rows"] for one in manifest["tables"]}
    assert counted == {name: len(rows) for name, rows in after.items()}


def test_what_opens_something_does_not_travel(standing, tmp_path):
    file = standing.original
    with standing.world.engine.connect() as connection:
        asked = (
            "SELECT password_hash FROM account UNION SELECT invitation_hash FROM account UNION SELECT token_hash FROM session "
            "UNION SELECT csrf FROM session UNION SELECT value FROM secret"
        )
        opening = [str(row[0]) for row in connection.execute(text(asked)) if row[0]]
    assert len(opening) == len(CAST) + 4, "passwords; an invitation, a session by two names, a key"
    content = database_of(file, tmp_path / "out").read_bytes()
    assert [secret for secret in opening if secret.encode() in content] == []
    tables = {one["name"]: one for one in manifest_of(file)["tables"]}
    assert tables["account"]["withheld"] == ["invitation_hash", "password_hash", "reset_hash"]
    assert tables["factor"]["left_out"] and tables["recovery_code"]["left_out"]
    assert tables["session"]["withheld"] == ["csrf", "token_hash"]
    assert tables["secret"]["left_out"] and not tables["account"]["left_out"]


def test_nothing_is_ever_written_to_an_archive(standing, tmp_path):
    engine = open_engine(f"sqlite:///{database_of(standing.original, tmp_path / 'out')}")
    with pytest.raises(Archived), writing(engine, LATER, Who.system()) as tx:
        sites.create(tx, 1, "09", "Nowhere", "UTC")
    for statement in ("UPDATE account SET name = 'x'", "DELETE FROM session", "INSERT INTO secret VALUES ('a', 'b')", "DROP TABLE form"):
        with engine.connect() as connection, pytest.raises(OperationalError, match="readonly"):
            connection.exec_driver_sql(statement)
    engine.dispose()


def test_a_value_changed_behind_the_programs_back_is_not_archived_unsaid(salt, filled, made, tmp_path):
    with salt.engine.begin() as connection:
        connection.execute(text("UPDATE form SET document = replace(document, '13.7', '31.7')"))
    with pytest.raises(BadArchive) as bad:
        made()
    assert "what is stored is not what the trail tells" in str(bad.value)
    assert "GRAMS" in str(bad.value)
    assert list(tmp_path.rglob("archive.zip")) == []
    file, told = made(even_if_broken=True)
    assert [one.params["place"] for one in told.proof.broken] == ["GRAMS"]
    again = archive_study.prove(file, tmp_path / "again")
    assert [one.params["place"] for one in again.broken] == ["GRAMS"]


def test_a_database_that_was_cut_since_the_last_checkpoint_is_not_archived(salt, filled, made, data):
    noted = checkpoints.newest(checkpoints.file_in(data))
    heads = tuple((chain, size, "e" * 64) for chain, size, _ in noted.chains)
    checkpoints.append(checkpoints.file_in(data), checkpoints.Kept(NOW, Checkpoint(heads).digest(), heads))
    with pytest.raises(BadArchive, match="the database was cut or replaced"):
        made()


def test_a_report_that_is_gone_or_altered_is_told_before_anything_is_written(filled, made, data):
    report = data / "reports" / "salt-quality-1.pdf"
    report.write_bytes(b"%PDF another")
    with pytest.raises(BadArchive, match="is not what was archived"):
        made()
    report.unlink()
    with pytest.raises(BadArchive, match=r"salt-quality-1\.pdf is not there"):
        made()
    _, told = made(even_if_broken=True)
    assert len(told.proof.broken) == 1


@each_database
def test_an_archive_of_one_study_leaves_the_others_out(salt, filled, made, tmp_path):
    with salt.write("trialcrf") as tx:
        other, _ = publish.publish(tx, study_of("msc_ssc"))
        sites.create(tx, other.study_id, "01", "Lyon", "Europe/Paris")
    file, told = made(study="msc_ssc")
    engine = open_engine(f"sqlite:///{database_of(file, tmp_path / 'out')}")
    rows = rows_of(engine)
    engine.dispose()
    assert rows["form"] == rows["subject"] == rows["fact"] == rows["report"] == []
    assert len(rows["definition"]) == 1
    assert len(rows["site"]) == 3  # The system's chain tells of them.
    chains = {json.loads(row)["chain"] for row in rows["audit_record"]}
    assert chains == {"msc_ssc", "system"}
    assert told.proof.study == "msc_ssc"
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name == "reports"] == []
    with pytest.raises(Impossible):
        made(study="nothing")


def test_every_table_says_which_of_its_rows_are_of_a_study():
    for table in metadata.sorted_tables:
        where = archives._where(table, Only(1, "salt"))
        assert bool(where) is not (table.name in archives.WHOLE | archives.LEFT_OUT), table.name


def forge(file: Path, folder: Path, sql: str, honest: bool) -> None:
    """The archive with another database, as somebody makes it who knows the format; `honest`: with the hashes of what is in it now."""
    database = database_of(file, folder)
    manifest = manifest_of(file)
    with closing(sqlite3.connect(database)) as held:
        guarding = held.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guarding:
            held.execute(f"DROP TRIGGER {name}")
        held.execute(sql)
        for _, made in guarding:
            held.execute(made)
        held.commit()
    if honest:
        told = [Sum(**archive_study._tuples(one)) for one in manifest["tables"]]
        manifest["tables"] = [archive_study.asdict(found or one) for one, found in archives.sums(database, told)]
    members = {one["name"]: folder / one["name"] for one in manifest["members"]}
    file.unlink()
    bundle.write(file, {name: value for name, value in manifest.items() if name != "members"}, members)


@pytest.mark.parametrize(
    ("sql", "honest", "told"),
    [
        ("UPDATE form SET document = replace(document, '13.7', '31.7')", False, "Table form"),
        ("UPDATE form SET document = replace(document, '13.7', '31.7')", True, "what is stored is not what the trail tells"),
        ("UPDATE audit_value SET value = replace(value, '13.7', '31.7')", True, "does not hold at record"),
        ("DELETE FROM audit_record WHERE seq > 5", True, "does not hold at record"),
        ("UPDATE chain_head SET seq = 1 WHERE chain = 'system'", True, "does not end as it did"),
        ("DELETE FROM chain_head WHERE chain = 'system'", True, "is not in both the archive and its manifest"),
        ("DELETE FROM fact", False, "Table fact has 0 rows"),
        ("CREATE TABLE more (id INTEGER)", True, "Table more is in the archive"),
        ("DROP TABLE outbox", False, "Table outbox cannot be read"),
        ("PRAGMA application_id=0", True, "is not sound"),
        ("UPDATE report SET sha256 = 'x'", True, "is not what was archived"),
        ("UPDATE alembic_version SET version_num = '9999'", True, "A newer version of the program"),
    ],
)
def test_an_archive_that_somebody_made_over_is_refused(standing, tmp_path, sql, honest, told):
    file = standing.copy(tmp_path)
    forge(file, tmp_path / "forged", sql, honest)
    with pytest.raises(BadArchive) as bad:
        archive_study.prove(file, tmp_path / "proved")
    assert told in str(bad.value)


def test_an_archive_that_was_made_over_with_care_is_another_file_than_the_one_that_was_noted(standing, tmp_path):
    file, before = standing.copy(tmp_path), standing.made
    archive_study.prove(file, tmp_path / "one", before.sha256.upper())
    forge(file, tmp_path / "forged", "UPDATE session SET csrf = 'x'", True)
    archive_study.prove(file, tmp_path / "two")
    with pytest.raises(BadArchive, match="another one than the one that was noted"):
        archive_study.prove(file, tmp_path / "three", before.sha256)


def test_an_archive_of_an_older_version_is_migrated_beside_its_file(databases, tmp_path):
    """As the program before this one would have written it: its tables, its rows, its hashes."""
    revision = max(path.stem for path in ROWS.iterdir() if path.stem < migrations.newest())
    url = databases.empty("sqlite")
    engine = old_database(url, revision)
    with engine.connect() as connection:
        heads = audit.chains(connection)
        tables = [row[0] for row in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")]
        told = []
        for name in sorted(set(tables) - {"alembic_version", "sqlite_sequence"}):
            columns = connection.exec_driver_sql(f"PRAGMA table_info({name})").all()
            keys = [column.name for column in sorted(columns, key=lambda column: column.pk) if column.pk]
            told.append(Sum(name, tuple(column.name for column in columns), tuple(keys), 0, ""))
    engine.dispose()
    database = Path(url.removeprefix("sqlite:///"))
    archives._finish(database)
    manifest = {
        "program": "0.0.1", "made_at": NOW.isoformat(), "database": "sqlite", "schema": revision, "study": None, "studies": [],
        "chains": [{"chain": chain, "size": size, "head": head} for chain, size, head in heads],
        "checkpoint": Checkpoint(tuple(heads)).digest(), "broken": [],
        "tables": [archive_study.asdict(found) for _, found in archives.sums(database, told) if found],
    }  # fmt: skip
    bundle.write(tmp_path / "old.zip", manifest, {archive_study.DATABASE: database})
    before = bundle.sha256_of(tmp_path / "old.zip")
    proof = archive_study.prove(tmp_path / "old.zip", tmp_path / "out")
    assert (proof.schema, proof.broken) == (revision, ())
    assert bundle.sha256_of(tmp_path / "old.zip") == before
    engine = open_engine(f"sqlite:///{tmp_path / 'out' / archive_study.DATABASE}")
    migrations.check(engine)
    with pytest.raises(Archived), writing(engine, LATER, Who.system()):
        pass
    engine.dispose()
