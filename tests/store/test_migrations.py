"""Migrations on a database with data in it, from the first version on: data and trail arrive whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, select, text

from tests.store.make_rows import ROWS, rows_of, tables_of
from trialcrf.actions import sign
from trialcrf.actions.publish import plan_where_missing
from trialcrf.core.signature import Standing, fingerprint
from trialcrf.store import accounts, audit, migrations, outbox, replay, signatures, subjects, triggers
from trialcrf.store.audit import Who
from trialcrf.store.migrations import SchemaBehind
from trialcrf.store.models.base import moment_text
from trialcrf.store.transaction import open_engine, reading, writing

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def revisions() -> list[str]:
    found = ScriptDirectory.from_config(migrations._config("")).walk_revisions()
    return [one.revision for one in found][::-1]


def old_database(url: str, revision: str) -> Engine:
    """A database as that version of the program left it: its schema, and the rows that it wrote itself."""
    migrations.upgrade(url, revision)
    engine = open_engine(url)
    held = json.loads((ROWS / f"{revision}.json").read_text(encoding="utf-8"))
    tables = tables_of(engine)
    assert set(held) == set(tables.tables)
    with engine.begin() as connection:
        for table in tables.sorted_tables:
            if held[table.name]:
                connection.execute(table.insert(), held[table.name])
            if connection.dialect.name == "postgresql" and "id" in table.c:
                connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), 1000)"))
    return engine


def test_revisions_are_numbered_without_a_gap_and_have_one_head():
    assert revisions() == [f"{number:04d}" for number in range(1, len(revisions()) + 1)]


def test_every_version_before_this_one_left_rows_to_migrate():
    assert sorted(path.stem for path in ROWS.iterdir())[: len(revisions()) - 1] == revisions()[:-1], "run tests.store.make_rows before"


@pytest.mark.parametrize("start", revisions()[:-1])
def test_what_an_old_version_stored_arrives_whole(empty_database_url, start):
    engine = old_database(empty_database_url, start)
    with pytest.raises(SchemaBehind):
        migrations.check(engine)
    before = rows_of(engine)
    migrations.upgrade(empty_database_url)
    migrations.check(engine)
    after = rows_of(engine)
    # No migration so far touches what was recorded. One that does says here which columns, and appends to the trail.
    assert as_before(after, before) == renamed(before)
    assert all(before[name] for name in ("form", "fact", "query", "audit_record", "audit_value", "role_grant"))
    with reading(engine) as tx:
        assert audit.broken(tx.connection) is None
        # Before version 3 visits were not planned yet: that is done when the program starts.
        assert {one.entity for one in replay.differences(tx)} == ({"visit"} if start < "0003" else set())
    with writing(engine, NOW, Who.system()) as tx:
        assert plan_where_missing(tx) == (2 if start < "0003" else 0)
    with reading(engine) as tx:
        assert list(replay.differences(tx)) == []
    engine.dispose()


def as_before(after: dict, before: dict) -> dict:
    """The same tables and columns as before: later ones are not what an old version stored."""
    columns = {name: set().union(*rows) if rows else set() for name, rows in before.items()}
    return {name: [{key: row[key] for key in row if key in columns[name]} for row in after[name]] for name in before}


MAIL_STATES = {"waiting": "queued", "claimed": "sending", "dropped": "cancelled"}


def renamed(before: dict) -> dict:
    """The states of mails were named anew by 0003; a mail is work and no record."""
    mails = [row | {"state": MAIL_STATES.get(row["state"], row["state"])} for row in before["outbox"]]
    return before | {"outbox": mails}


def test_mails_that_waited_before_are_sent_by_this_version(empty_database_url):
    engine = old_database(empty_database_url, "0002")
    with engine.begin() as connection:
        for number, state in enumerate(("waiting", "claimed", "dropped", "sent", "uncertain")):
            row = {"id": 2000 + number, "key": f"k{number}", "kind": "invite", "params": "{}", "state": state, "attempts": 0}
            connection.execute(tables_of(engine).tables["outbox"].insert(), row | {"account_id": 1, "created_at": moment_text(NOW)})
    migrations.upgrade(empty_database_url)
    with reading(engine) as tx:
        mails = {row.key: row.state for row in outbox.all_of(tx)}
    assert [mails[f"k{number}"] for number in range(5)] == ["queued", "sending", "cancelled", "sent", "uncertain"]
    engine.dispose()


def test_a_half_migrated_database_has_the_triggers_of_the_tables_that_it_has(empty_database_url):
    migrations.upgrade(empty_database_url, "0001")
    engine = open_engine(empty_database_url)
    with engine.connect() as connection:
        triggers.check(connection, inspect(connection).get_table_names())
        with pytest.raises(triggers.TriggersDiffer, match="signature_no_delete"):
            triggers.check(connection)
    migrations.upgrade(empty_database_url)
    migrations.check(engine)
    engine.dispose()


def test_a_form_recorded_before_there_were_signatures_can_be_signed(empty_database_url):
    engine = old_database(empty_database_url, "0001")
    migrations.upgrade(empty_database_url)
    with reading(engine) as tx:
        ivan = accounts.find(tx, "ivan")
        one = subjects.find(tx, "salt", "V0001.01")
        assert ivan and one
        forms_ = tx.read(select(tables_of(engine).tables["form"].c.id).where(text("form_oid = 'DIARY'"))).scalars().all()
        actor, proof = accounts.actor(tx, ivan), sign.reauthenticate(tx, accounts.actor(tx, ivan), "a long enough password", "::1", NOW)
        seen = fingerprint(sign.covered(tx, one, forms_))
    with writing(engine, NOW, Who("ivan", "investigator", "Hospital", "::1")) as tx:
        plan_where_missing(tx)
        made = sign.sign(tx, one, actor, proof, "eligibility", forms_, {"verdict": "eligible"}, seen)
    with reading(engine) as tx:
        assert signatures.standing(tx, made).standing is Standing.VALID
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


@pytest.mark.parametrize(("version", "alias"), [("0003", "AESTTIM"), ("0004", "BEREFID")])
def test_answers_that_a_version_does_not_understand_yet_are_projected_by_the_next(empty_database_url, version, alias):
    engine = old_database(empty_database_url, version)
    with engine.begin() as connection:
        one = dict(connection.execute(text("SELECT * FROM definition ORDER BY id LIMIT 1")).mappings().one())
        canonical = json.loads(one["canonical"])
        plate = next(form for form in canonical["study"]["forms"] if form["oid"] == "PLATE")
        grams = next(item for group in plate["groups"] for item in group["items"] if item["oid"] == "GRAMS")
        grams["aliases"] = [alias]
        new = one | {"id": 2001, "version": 99, "canonical": json.dumps(canonical)}
        connection.execute(tables_of(engine).tables["definition"].insert(), new)
        form = dict(connection.execute(text("SELECT * FROM form WHERE form_oid = 'PLATE' ORDER BY id LIMIT 1")).mappings().one())
        held = json.dumps({"items": {"GRAMS": "08:30", "EATEN": "2026-02-01T12:00+01:00"}, "rows": {}})
        later = {"id": 2001, "definition_id": 2001, "form_repeat": 50, "document": held}
        unknown = json.dumps({"items": {"GRAMS": {"missing": "UNK", "note": ""}}, "rows": {}})
        tables = tables_of(engine).tables
        connection.execute(tables["form"].insert(), [form | later, form | later | {"id": 2002, "form_repeat": 51, "document": unknown}])
    migrations.upgrade(empty_database_url)
    with engine.connect() as connection:
        asked = text("SELECT form_id, item, grp, row, text, missing FROM fact WHERE alias = :alias ORDER BY form_id")
        found = [tuple(one) for one in connection.execute(asked, {"alias": alias})]
    assert found == [(2001, "GRAMS", "", "", "08:30", ""), (2002, "GRAMS", "", "", "", "UNK")]
    engine.dispose()
