"""Verifications and monitoring visits as stored: whatever is altered behind the program's back is named by the nightly proof."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import text

from tests.actions.test_sign import faults
from tests.actions.world import NOW, World, filling, open_world, typed
from tests.conftest import Databases
from trialcrf.actions.oversight import monitor, verify
from trialcrf.actions.oversight.verify import Asked
from trialcrf.core.oversight.monitoring import EntryKind
from trialcrf.store import audit, monitoring, sites, verifications
from trialcrf.store.ledgers import Stale


@pytest.fixture
def ward(databases: Databases) -> Iterator[World]:
    """A verified visit, and a monitoring visit that was planned and held."""
    url = databases.fresh("sqlite", filling("salt"))
    world = open_world(url, "salt")
    world.enrol("volunteer", AGREED=(20, 1, 2026), BORN=("", 5, 1980), GENDER="F")
    which = world.subject("V0001.01")
    world.save(which, "SCALES", "WEIGH2", typed(None, CAME="Y", CAME_ON=(3, 3, 2026)))
    with world.read() as tx:
        seen = verify.seen(verify.sheets(tx, world.published, which, Asked("WEIGH2"), lambda form: True, NOW))
        where = sites.find(tx, "salt", "01")
    assert where
    with world.write("mona") as tx:
        verify.verify(tx, world.published, which, Asked("WEIGH2"), lambda form: True, seen, {}, None, NOW)
        visit = monitor.plan(tx, where, "routine", date(2026, 11, 21), "")
        monitor.held(tx, where, visit, date(2026, 11, 21), date(2026, 11, 21), "Cora")
    yield world
    world.engine.dispose()
    databases.drop(url)


@pytest.mark.parametrize(
    ("table", "statement", "entity"),
    [
        ("verification", "UPDATE verification SET standing = false WHERE place = 'CAME'", "verification"),
        ("verification", "UPDATE verification SET commitment = 'f' WHERE place = 'CAME'", "verification"),
        ("verification", "DELETE FROM verification WHERE place = 'CAME'", "verification"),
        ("monitoring", "UPDATE monitoring SET planned_on = '2026-11-01'", "monitoring"),
        ("monitoring", "UPDATE monitoring SET created_at = '2026-11-01T00:00:00.000000+00:00'", "monitoring"),
        ("monitoring_entry", "UPDATE monitoring_entry SET content = '{}' WHERE number = 2", "monitoring_entry"),
        ("monitoring_entry", "UPDATE monitoring_entry SET name = 'Somebody' WHERE number = 2", "monitoring_entry"),
        ("monitoring_entry", "UPDATE monitoring_entry SET role = 'sponsor' WHERE number = 2", "monitoring_entry"),
        ("monitoring_entry", "DELETE FROM monitoring_entry WHERE number = 2", "monitoring_entry"),
    ],
)
def test_what_was_altered_behind_the_programs_back_is_named(ward: World, table: str, statement: str, entity: str) -> None:
    assert faults(ward) == []
    with ward.engine.begin() as connection:
        for name in (
            connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :t"), {"t": table})
            .scalars()
            .all()
        ):
            connection.execute(text(f"DROP TRIGGER {name}"))
        connection.connection.execute(statement)
    assert {found[0] for found in faults(ward)} == {entity}


def test_a_ledger_is_not_written_on_from_an_older_reading(ward: World) -> None:
    with ward.read() as tx:
        where = sites.find(tx, "salt", "01")
        assert where
        old = monitoring.find(tx, where, 1)
    assert old
    finding = {"severity": "minor", "subject": "", "text": "x"}
    with ward.write("mona") as tx:
        monitoring.add(tx, where, old, EntryKind.FINDING, finding)
    with pytest.raises(Stale), ward.write("mona") as tx:
        monitoring.add(tx, where, old, EntryKind.FINDING, finding)


def test_a_visit_is_known_as_it_was_at_a_checkpoint(ward: World) -> None:
    with ward.read() as tx:
        where = sites.find(tx, "salt", "01")
        assert where
        then = audit.Checkpoint(tuple(audit.chains(tx.connection)))
        visit = monitoring.find(tx, where, 1)
    assert visit
    with ward.write("mona") as tx:
        monitor.find(tx, where, visit, "minor", "", "Later")
    with ward.read() as tx:
        known, now = monitoring.known_at(tx, where, 1, then), monitoring.find(tx, where, 1)
        held = verifications.of_forms(tx, [1, 2])
    assert known and now and [one.kind.value for one in known.entries] == ["planned", "held"] and len(now.entries) == 3
    assert set(held) == {1, 2}
