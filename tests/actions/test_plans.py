"""How the database finds what saves and lists need: by an index, however long the trail and however many the forms."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from tests.actions.world import World, filling, open_world, typed
from trialcrf.store import forms

GROWING = ("audit_record", "audit_value", "fact", "form", "query")
"""Tables that grow with every save: reading one whole would make every save slower than the last."""


@pytest.fixture
def world(databases: Any) -> Any:
    url = databases.fresh("sqlite", filling("salt"))
    made = open_world(url, "salt")
    yield made
    made.engine.dispose()
    databases.drop(url)


def test_neither_a_save_nor_a_list_reads_a_growing_table_whole(world: World) -> None:
    subject = world.enrol("volunteer", AGREED=(1, 11, 2026), BORN=("", 5, 1980), GENDER="F")
    world.save(subject, "ALLOT", "LOTTERY", typed(DRAWN=(2, 11, 2026), TO="LOW"))
    world.save(subject, "PLATE", "MEALS", typed(EATEN=(2, 11, 2026, "12:00"), GRAMS="20"))  # doubted: a query opens
    asked: list[tuple[str, Any]] = []

    @event.listens_for(world.engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            asked.append((statement, parameters[0] if many else parameters))

    world.save(subject, "PLATE", "MEALS", typed(1, "SLIP", GRAMS="2"))  # changed: the query closes
    world.save(subject, "SCALES", "WEIGH1", typed(CAME="Y", CAME_ON=(9, 11, 2026), KILOS="70"))
    with world.read() as tx:
        assert [one.open_queries for one in forms.standings(tx, [subject.id])] == [0, 0, 0, 0]
    event.remove(world.engine, "before_cursor_execute", note)
    assert any("audit_record" in statement for statement, _ in asked)
    with world.read() as tx:
        for statement, parameters in asked:
            plan = [row.detail for row in tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            assert not [step for step in plan if step.startswith("SCAN") and step.split()[1] in GROWING], (statement, plan)
