"""Whoever may do everything to the database: each change of what is recorded is refused, or it is found and its place is named.

By the database itself; by the nightly job; by the file of checkpoints; by an export with an older checkpoint; by the holder of a PDF.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from tests.actions.test_enter import CONSENT
from tests.actions.world import World, open_world, typed
from tests.actions.world import filling as filling_of
from trialcrf import verify_audit
from trialcrf.actions import NotClean
from trialcrf.actions.records import checkpoint
from trialcrf.actions.records.export_trail import export_trail
from trialcrf.cli import main
from trialcrf.core.chain import GENESIS, Leaf
from trialcrf.external import checkpoints
from trialcrf.jobs.verify import verify
from trialcrf.store import audit, migrations, triggers
from trialcrf.store.models import metadata
from trialcrf.store.triggers import TriggersDiffer

THEN = datetime(2026, 11, 21, 12, tzinfo=UTC)
SITE = "msc_ssc/01"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kind(request) -> str:
    return request.param


def _recorded(url: str) -> None:
    filling_of("msc_ssc")(url)
    world = open_world(url)
    one = world.enrol("recipient", **CONSENT)
    world.save(one, "VITALS", "SCR", typed(WT="70", HT="171"))
    world.save(one, "VITALS", "SCR", typed(version=1, reason="TYPO", WT="71"))
    world.engine.dispose()


@dataclass
class House:
    """A database with records, a checkpoint of it and an export of an earlier day."""

    world: World
    folder: Path

    def do(self, *statements: str) -> None:
        """As an administrator of the database: past the program, and past its triggers where `unguarded` took them off."""
        with self.world.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def unguard(self, table: str) -> None:
        """Take the triggers of a table off, as only its owner can."""
        if self.world.engine.dialect.name == "postgresql":
            self.do(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        else:
            self.do(*(f"DROP TRIGGER {name}" for name in triggers.expected("sqlite") if name.startswith(f"{table}_no_")))

    def nightly(self) -> str:
        try:
            with self.world.read() as tx:
                verify(tx)
        except NotClean as found:
            return found.message.msgid % found.message.params
        return "clean"

    def against_checkpoints(self) -> str:
        try:
            with self.world.read() as tx:
                checkpoint.take(tx, THEN, checkpoints.file_in(self.folder))
        except NotClean as found:
            return found.message.msgid % {name: str(value) for name, value in found.message.params.items()}
        return "clean"

    def export(self, name: str) -> Path:
        with self.world.read() as tx:
            export_trail(tx, "msc_ssc", self.folder / name, THEN, True)
        return self.folder / name

    def by_script(self, folder: Path) -> str:
        try:
            return "clean" if verify_audit.verify(str(folder), str(checkpoints.file_in(self.folder))) else ""
        except verify_audit.Wrong as found:
            return str(found)


@pytest.fixture
def house(kind, databases, tmp_path):
    url = databases.fresh(kind, _recorded)
    made = House(open_world(url), tmp_path)
    file = checkpoints.file_in(tmp_path)
    with made.world.read() as tx:
        checkpoints.append(file, checkpoint.take(tx, THEN, file))
    yield made
    made.world.engine.dispose()
    databases.drop(url)


def test_the_database_itself_refuses(house, kind):
    assert (house.nightly(), house.against_checkpoints(), house.by_script(house.export("again"))) == ("clean", "clean", "clean")
    for table in ("audit_record", "audit_value", "form", "subject", "definition", "account"):
        statements = [f"DELETE FROM {table}"]
        if table in triggers.APPEND_ONLY or table in triggers.FROZEN:
            column = next(iter(metadata.tables[table].c)).name
            statements.append(f"UPDATE {table} SET {column} = {column}")
            # Through another connection than ours, which does not know of recursive triggers, just as well.
            statements += [f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"] if kind == "sqlite" else []
        statements += [f"TRUNCATE {table} CASCADE"] if kind == "postgresql" else []
        for statement in statements:
            with pytest.raises(Exception, match="may never be changed or deleted"):
                house.do(*(["PRAGMA recursive_triggers = OFF"] if kind == "sqlite" else []), statement)
    assert house.nightly() == "clean"


def test_triggers_that_somebody_took_off_stop_the_next_start(house):
    house.unguard("audit_record")
    with pytest.raises(TriggersDiffer, match="audit_record_no_delete"):
        migrations.check(house.world.engine)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE audit_record SET actor = 'olga' WHERE chain = '{site}' AND seq = 3", "record 3: the record was altered"),
        ("DELETE FROM audit_record WHERE chain = '{site}' AND seq = 3", "record 3: the record is missing"),
        ("UPDATE audit_value SET value = '\"72\"' WHERE chain = '{site}' AND seq = 3", "record 3: the value is not the one"),
        ("DELETE FROM audit_record WHERE chain = '{site}' AND seq > 5", "record 6: the end of the chain was cut off"),
        ("UPDATE form SET document = replace(document, '\"71\"', '\"99\"')", "form 2, at “WT”: what is stored is not what the trail tells"),
        ("UPDATE subject SET key = 'R-01-777'", "subject 1, at “key”: what is stored is not what the trail tells"),
    ],
)
def test_a_row_that_an_administrator_altered_is_named_by_the_next_nightly_job(house, statement, named):
    for table in ("audit_record", "audit_value", "form", "subject"):
        house.unguard(table)
    house.do(statement.format(site=chain_of(house)))
    assert named in house.nightly()


def test_a_chain_rewritten_whole_holds_in_itself_and_is_found_by_whoever_kept_anything(house):
    """An administrator who knows how chains are made, changes a record and computes every hash after it anew."""
    site = chain_of(house)
    house.unguard("audit_record")
    _rewrite(house, site)
    assert house.nightly() == "clean", "in itself nothing is wrong with it"
    assert f"Chain {site} does not go on" in house.against_checkpoints()
    assert "ALTERED since the checkpoint" in house.by_script(house.export("after"))


def test_a_tail_that_was_cut_with_its_head_is_found_by_whoever_kept_anything(house):
    site = chain_of(house)
    for table in ("audit_record", "audit_value"):
        house.unguard(table)
    with house.world.read() as tx:
        last = tx.read(text("SELECT max(seq) FROM audit_record WHERE chain = :c"), {"c": site}).scalar_one()
        head = audit.hash_at(tx.connection, site, last - 2)
    house.do(
        f"DELETE FROM audit_value WHERE chain = '{site}' AND seq > {last - 2}",
        f"DELETE FROM audit_record WHERE chain = '{site}' AND seq > {last - 2}",
        f"UPDATE chain_head SET seq = {last - 2}, hash = '{head}' WHERE chain = '{site}'",
    )
    assert "does not go on" in house.against_checkpoints()
    assert "CUT" in house.by_script(house.export("after"))
    assert "what is stored is not what the trail tells" in house.nightly()


def test_an_altered_checkpoint_is_found(house):
    file = checkpoints.file_in(house.folder)
    said = json.loads(file.read_text())
    said["chains"][0]["head"] = "0" * 64
    file.write_text(json.dumps(said) + "\n")
    assert "was altered" in house.against_checkpoints()
    assert "ALTERED" in house.by_script(house.export("after"))


def test_whoever_holds_an_older_pdf_is_told_which_record_is_altered(house, tmp_path):
    if house.world.engine.dialect.name != "sqlite":
        return  # The same reads; drawing a report twice costs more than it proves.
    url = house.world.engine.url.render_as_string(hide_password=False)
    env = {"TRIALCRF_DATA": str(tmp_path / "data"), "DATABASE_URL": url, "LC_ALL": "en_GB.UTF-8"}

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner(env=env).invoke(main, arguments, prog_name="trialcrf")
        return result.exit_code, result.output

    pdf = tmp_path / "quality.pdf"
    order = ["report", "quality", "--study", "msc_ssc", "--as-of", "2026-11-20", "--lang", "en", "--out", str(pdf), "--why", "Kept."]
    assert run(*order)[0] == 0
    assert run("report", "verify", str(pdf))[0] == 0
    site = chain_of(house)
    made = [name for name in triggers.expected("sqlite") if name.startswith("audit_record_no_")]
    statements = {name: triggers.expected("sqlite")[name] for name in made}
    house.unguard("audit_record")
    house.do(f"UPDATE audit_record SET actor = 'olga' WHERE chain = '{site}' AND seq = 3", *statements.values())
    code, said = run("report", "verify", str(pdf))
    assert code == 4
    assert f"Chain {site}, record 3: the record was altered" in said


def chain_of(house: House) -> str:
    with house.world.read() as tx:
        return next(chain for chain, _, _ in audit.chains(tx.connection) if chain not in ("system", "msc_ssc") and "01" in chain)


def _rewrite(house: House, site: str) -> None:
    names = list(Leaf.__slots__)
    with house.world.engine.begin() as connection:
        rows = connection.execute(text(f"SELECT {', '.join(names)} FROM audit_record WHERE chain = :c ORDER BY seq"), {"c": site}).all()
        prev = GENESIS
        for row in rows:
            told = dict(zip(names, row, strict=True)) | {"prev": prev}
            if told["seq"] == 3:
                told["actor"] = "olga"
            prev = Leaf(**told).hash()
            change = text("UPDATE audit_record SET actor = :actor, prev = :prev, hash = :hash WHERE chain = :chain AND seq = :seq")
            connection.execute(change, {"actor": told["actor"], "prev": told["prev"], "hash": prev, "chain": site, "seq": told["seq"]})
        connection.execute(text("UPDATE chain_head SET hash = :h WHERE chain = :c"), {"h": prev, "c": site})
