"""Migrations on a database with data in it, from the first version on: data and trail arrive whole."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from tests.actions.world import study_of
from trialcrf.actions import demo
from trialcrf.actions.publish import publish
from trialcrf.store import audit, migrations, replay
from trialcrf.store.audit import Who
from trialcrf.store.transaction import open_engine, reading, writing

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def revisions() -> list[str]:
    found = ScriptDirectory.from_config(migrations._config("")).walk_revisions()
    return [one.revision for one in found][::-1]


def test_revisions_are_numbered_without_a_gap_and_have_one_head():
    assert revisions() == [f"{number:04d}" for number in range(1, len(revisions()) + 1)]


@pytest.mark.parametrize("start", ["0001"])
def test_data_of_an_old_version_arrives_whole(empty_database_url, start):
    migrations.upgrade(empty_database_url, start)
    engine = open_engine(empty_database_url)
    with writing(engine, NOW, Who.system()) as tx:
        published, _ = publish(tx, study_of("msc_ssc"))
    demo.fill(lambda: writing(engine, NOW, Who.system()), published, NOW)
    with reading(engine) as tx:
        before = audit.chains(tx.connection)
    migrations.upgrade(empty_database_url)
    migrations.check(engine)
    with reading(engine) as tx:
        assert [head[:2] for head in before] == [(chain, size) for chain, size, _ in audit.chains(tx.connection)][: len(before)]
        assert audit.broken(tx.connection) is None
        assert list(replay.differences(tx)) == []
    engine.dispose()


def test_every_table_of_the_program_is_there_and_no_other(empty_database_url):
    from trialcrf.store.models import metadata

    migrations.upgrade(empty_database_url)
    engine = open_engine(empty_database_url)
    assert set(inspect(engine).get_table_names()) == {*metadata.tables, "alembic_version"}
    engine.dispose()


def test_there_is_no_way_back():
    for revision in ScriptDirectory.from_config(migrations._config("")).walk_revisions():
        assert not hasattr(revision.module, "downgrade")
