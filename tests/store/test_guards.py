"""The three nets under the audit trail, attacked by SQL, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, insert, text, update
from sqlalchemy.exc import DBAPIError

from trialcrf.store import audit, migrations, sites, triggers
from trialcrf.store.audit import Entry, Who
from trialcrf.store.models import audit_record, site, study
from trialcrf.store.transaction import Unaudited, open_engine, reading, writing

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
CORA = Who("cora", "coordinator", "Hospital", "127.0.0.1")


@pytest.fixture
def engine(database_url):
    made = open_engine(database_url)
    with writing(made, NOW, CORA) as tx:
        entries = [Entry("s", "create", "study", "1", "oid", "s", first=True)]
        study_id = tx.create(study, {"oid": "s", "created_at": NOW}, lambda _: entries)
        sites.create(tx, study_id, "01", "Paris", "Europe/Paris")
    yield made
    made.dispose()


def test_a_change_without_an_audit_record_is_refused_and_rolled_back(engine):
    for statement in (update(site).values(name="x"), delete(site), insert(site).values(code="9"), text("UPDATE site SET name = 'x'")):
        with pytest.raises(Unaudited), writing(engine, NOW, CORA) as tx:
            tx.work(statement)
    with pytest.raises(Unaudited), writing(engine, NOW, CORA) as tx:
        tx.change(site, update(site).values(name="x"), [])
    with reading(engine) as tx:
        assert [one.name for one in sites.all_of(tx, "s")] == ["Paris"]


def test_a_page_that_reads_cannot_write(engine):
    with pytest.raises((Unaudited, DBAPIError)), reading(engine) as tx:
        tx.work(update(site).values(name="x"))
    with pytest.raises((Unaudited, DBAPIError)), reading(engine) as tx:
        tx.work(text("DELETE FROM session"))


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE audit_record SET actor = 'mallory'",
        "UPDATE audit_value SET value = 'forged'",
        "DELETE FROM audit_record",
        "DELETE FROM audit_value",
        "DELETE FROM form",
        "DELETE FROM site",
        "DELETE FROM study",
    ],
)
def test_the_database_itself_refuses_to_change_or_delete(engine, attack):
    with engine.connect() as connection, connection.begin():
        if "form" in attack:
            # A row trigger needs a row: the study's row stands for every kept table, so give the form table one too.
            values = "1, 1, 'E', 1, 'F', 1, 1, 1, '{}', false, '', '', ''"
            columns = "site_id, subject_id, event_oid, event_repeat, form_oid, form_repeat, definition_id, version, document, complete"
            for parent in (
                "INSERT INTO definition (id, study_id, version, hash, canonical, published_at) VALUES (1, 1, 1, '', '', '')",
                "INSERT INTO subject (id, study_id, site_id, subject_type, number, key, enrolled_on, error) "
                "VALUES (1, 1, 1, 't', 1, 'k', '', '')",
                f"INSERT INTO form ({columns}, error, created_at, updated_at) VALUES ({values})",
            ):
                connection.execute(text(parent))
        with pytest.raises(DBAPIError, match="never be changed or deleted"), connection.begin_nested():
            connection.execute(text(attack))


def test_a_record_cannot_be_replaced_through_its_key(engine, database_kind):
    verb = "INSERT OR REPLACE INTO" if database_kind == "sqlite" else "INSERT INTO"
    with pytest.raises(DBAPIError), engine.begin() as connection:
        connection.execute(text(f"{verb} audit_value (chain, seq, salt, value) VALUES ('s', 1, 's', 'forged')"))
    if database_kind == "sqlite":
        # Another connection, without our pragmas: the trigger must hold there too.
        import sqlite3

        raw = sqlite3.connect(engine.url.database)
        with pytest.raises(sqlite3.DatabaseError, match="never be changed"):
            raw.execute("INSERT OR REPLACE INTO audit_value (chain, seq, salt, value) VALUES ('s', 1, 's', 'forged')")
        raw.close()
    else:
        with pytest.raises(DBAPIError, match="never be changed"), engine.begin() as connection:
            connection.execute(text("TRUNCATE audit_value"))


def test_a_missing_or_altered_trigger_stops_the_start(engine, database_kind):
    migrations.check(engine)
    on = " ON audit_record" if database_kind == "postgresql" else ""
    with engine.begin() as connection:
        connection.execute(text(f"DROP TRIGGER audit_record_no_update{on}"))
    with pytest.raises(triggers.TriggersDiffer, match="audit_record_no_update"):
        migrations.check(engine)
    with engine.begin() as connection:
        triggers.renew(connection)
    migrations.check(engine)
    if database_kind == "postgresql":
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE audit_record DISABLE TRIGGER audit_record_no_update"))
        with pytest.raises(triggers.TriggersDiffer):
            migrations.check(engine)


def test_a_database_of_another_version_is_not_written_to(empty_database_url):
    engine = open_engine(empty_database_url)
    with pytest.raises(migrations.SchemaBehind):
        migrations.check(engine)
    engine.dispose()


def test_the_migrations_make_the_tables_that_the_program_uses(engine):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from trialcrf.store.models import metadata

    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_old_and_new_values_and_every_who_when_where_are_told(engine):
    with writing(engine, NOW, CORA) as tx:
        entry = Entry("system", "set", "site", "1", "name", "Lyon", reason="moved")
        tx.change(site, update(site).where(site.c.code == "01").values(name="Lyon"), [entry])
    with reading(engine) as tx:
        last = audit.history(tx.connection, "site", "1", "name")[-1]
    assert (last.actor, last.role, last.organisation, last.address, last.at) == ("cora", "coordinator", "Hospital", "127.0.0.1", NOW)
    assert (last.old, last.new, last.reason) == ("Paris", "Lyon", "moved")


def test_a_record_altered_behind_the_programs_back_is_named(engine, database_kind):
    with reading(engine) as tx:
        assert audit.broken(tx.connection) is None
    with engine.begin() as connection:
        if database_kind == "sqlite":
            connection.execute(text("DROP TRIGGER audit_record_no_update"))
        else:
            connection.execute(text("ALTER TABLE audit_record DISABLE TRIGGER audit_record_no_update"))
        connection.execute(update(audit_record).where(audit_record.c.chain == "system", audit_record.c.seq == 2).values(actor="mallory"))
    with reading(engine) as tx:
        found = audit.broken(tx.connection)
    assert (found.chain, found.seq, found.kind) == ("system", 2, "altered")


def test_the_chain_has_no_gap_when_two_people_write_at_once(engine):
    import threading

    def work(number):
        for turn in range(10):
            with writing(engine, NOW, CORA) as tx:
                name = f"{number}-{turn}"
                tx.change(site, update(site).values(name=name), [Entry("system", "set", "site", "1", "name", name)])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(engine) as tx:
        assert audit.broken(tx.connection) is None
        assert {chain: size for chain, size, _ in audit.chains(tx.connection)}["system"] == 3 + 40


@pytest.mark.parametrize("pragma,expected", [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("recursive_triggers", 1)])
def test_sqlite_keeps_what_it_acknowledged(databases, pragma, expected):
    engine = open_engine(databases.fresh("sqlite"))
    with engine.connect() as connection:
        assert connection.execute(text(f"PRAGMA {pragma}")).scalar() == expected
    engine.dispose()
