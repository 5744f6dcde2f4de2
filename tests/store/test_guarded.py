"""A database that could lose or be made to lose what is recorded is refused at the start; PostgreSQL by three roles and their grants."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, make_url, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from tests import certificates
from tests.actions.screening import screen_donor, screen_recipient
from tests.actions.world import World, make_world, typed
from tests.conftest import LOSSY, running_postgresql, scratch, scratch_folder
from trialcrf.cli import database, main
from trialcrf.external import backup
from trialcrf.external.language import Language
from trialcrf.external.queue import DRAW_REPORT, Queue
from trialcrf.jobs.verify import verify
from trialcrf.store import damage, guarded, migrations, privileges
from trialcrf.store.guarded import NotGuarded
from trialcrf.store.migrations import SchemaAhead
from trialcrf.store.models import metadata
from trialcrf.store.transaction import open_engine, reading
from trialcrf.store.triggers import APPEND_ONLY, FROZEN

LASTING = {"fsync": "off", "synchronous_commit": "on", "full_page_writes": "off"}
"""The cluster of the tests keeps nothing: these three are found beside whatever else is."""


def found(url: str) -> str:
    engine = open_engine(url)
    try:
        return " | ".join(Language("en").say(one) for one in guarded.findings(engine))
    finally:
        engine.dispose()


def as_role(url: str, role: str, options: str = "") -> str:
    more = {"options": options} if options else {}
    return make_url(url).set(username=role).update_query_dict(more).render_as_string(hide_password=False)


def run(url: str, *arguments: str, code: int = 0, given: str = "", **env: str) -> str:
    settings = {"DATABASE_URL": url, "DATABASE_OWNER_URL": "", "LC_ALL": "en_GB.UTF-8", "TRIALCRF_DATA": str(env.pop("data", "/nowhere"))}
    result = CliRunner(env={**settings, **env}).invoke(main, arguments, input=given, prog_name="trialcrf")
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr


@pytest.fixture(scope="module")
def guarded_url(databases, tmp_path_factory):
    """An empty database that `trialcrf db init` made ready, twice: the second time nothing changes."""
    data = tmp_path_factory.mktemp("data")
    url = databases.empty("postgresql")
    passwords = data / "passwords.json"
    passwords.write_text(json.dumps({"owner": "a long one of 16", "app": "another of 16 ch"}))
    for _ in range(2):
        said = run(url, "db", "init", "--name", "trial", "--passwords", str(passwords), data=data, DATABASE_OWNER_URL=url)
        assert "trial_app" in said
        assert "a long one" not in said
    yield url
    databases.drop(url)


@pytest.fixture(scope="module")
def world(guarded_url) -> World:
    """A small world, all of it written as the application."""
    made = make_world(as_role(guarded_url, "trial_app", "-c synchronous_commit=on"))
    yield made
    made.engine.dispose()


def test_every_table_is_of_a_class():
    assert privileges.unclassed() == set()


def test_no_column_that_keeps_a_secret_is_open_to_a_reader():
    for name, table in metadata.tables.items():
        read = privileges.of_reader(name).get("SELECT")
        open_ = [] if read is None else (read or [column.name for column in table.columns])
        assert not [one for one in open_ if one.endswith("_hash") or "token" in one or "csrf" in one or "secret" in one], name
    assert "password_hash" not in privileges.of_reader("account")["SELECT"]


def test_the_application_does_all_its_work(world):
    donor = screen_donor(world)
    recipient = screen_recipient(world, donor.key)
    sent = typed(version=1, reason="SOURCE", WT="63")
    world.save(recipient, "VITALS", "SCR", sent)
    with world.read() as tx:
        verify(tx)
    assert found(str(world.engine.url.render_as_string(hide_password=False))).count("|") == 1  # fsync and full_page_writes of the tests


def test_the_application_copies_the_database_for_a_backup(world, tmp_path):
    # pg_dump reads the state of every sequence, which to use one gives no right to.
    backup.copy(world.engine.url.render_as_string(hide_password=False), tmp_path / "dump")
    assert (tmp_path / "dump").read_bytes().startswith(b"PGDMP")


@pytest.mark.parametrize("table", sorted({*APPEND_ONLY, *FROZEN}))
def test_the_application_changes_nothing_that_only_grows(world, table):
    column = (
        "id" if table in privileges.WRITABLE_COLUMNS and "id" in metadata.tables[table].c else next(iter(metadata.tables[table].c)).name
    )
    with pytest.raises(DBAPIError, match=r"permission denied|may never be changed|not owner|must be owner"):
        rows = do(world.engine, f"UPDATE {table} SET {column} = {column}")
        assert rows == 0  # A trigger has nothing to refuse where there is no row, and only those columns may be named.
        raise DBAPIError("", {}, Exception("permission denied"))
    for statement in (f"DELETE FROM {table}", f"TRUNCATE {table}", f"ALTER TABLE {table} DISABLE TRIGGER ALL", f"DROP TABLE {table}"):
        with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
            do(world.engine, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TRIGGER audit_record_no_delete ON audit_record",
        "SET session_replication_role = replica",
        "CREATE TABLE public.mine (x int)",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$",
        "DELETE FROM subject",
        "DELETE FROM account",
        "TRUNCATE session",
        "SET ROLE trial_owner",
        "UPDATE alembic_version SET version_num = '0001'",
    ],
)
def test_the_application_takes_no_guard_away(world, statement):
    with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
        do(world.engine, statement)


def test_a_reader_reads_what_a_report_needs_and_no_secret(world, guarded_url):
    engine = open_engine(as_role(guarded_url, "trial_read"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM audit_record")).scalar_one() > 0
        connection.execute(text("SELECT document FROM form")).all()
        assert connection.execute(text("SELECT username FROM account")).first()
    for statement in (
        "SELECT password_hash FROM account",
        "SELECT * FROM session",
        "SELECT * FROM secret",
        "SELECT token_hash FROM calendar_feed",
        "INSERT INTO secret VALUES ('x', 'y')",
        "SET default_transaction_read_only = off; COMMIT; UPDATE form SET version = 1",
    ):
        with pytest.raises(DBAPIError, match=r"permission denied|read-only"):
            do(engine, statement)
    engine.dispose()


def test_the_program_starts_as_the_application_and_as_nobody_above_it(guarded_url, postgresql):
    quiet = found(as_role(guarded_url, "trial_app"))
    assert "owns" not in quiet and "may " not in quiet
    assert "fsync = off" in quiet and "synchronous_commit = off" in quiet
    assert "is a superuser" in found(guarded_url)
    assert "owns tables" in found(as_role(guarded_url, "trial_owner"))
    postgresql.execute("ALTER ROLE trial_app CREATEDB BYPASSRLS")
    try:
        said = found(as_role(guarded_url, "trial_app"))
        assert "allowed to make databases" in said and "row security" in said
    finally:
        postgresql.execute("ALTER ROLE trial_app NOCREATEDB NOBYPASSRLS")
    assert "session_replication_role is replica" in found(as_role(guarded_url, "postgres", "-c session_replication_role=replica"))


def test_a_privilege_too_many_is_named_and_taken_away_again(guarded_url, tmp_path):
    owner = open_engine(as_role(guarded_url, "trial_owner"))
    do(owner, "GRANT DELETE ON audit_record TO trial_app")
    owner.dispose()
    app = as_role(guarded_url, "trial_app")
    assert "may DELETE on audit_record" in found(app)
    said = run(app, "db", "check", code=1, data=tmp_path, TRIALCRF_DATABASE_UNGUARDED="no")
    assert "may DELETE on audit_record" in said
    assert "audit_record" in run(app, "jobs", "run", "tick", code=1, data=tmp_path, TRIALCRF_DATABASE_UNGUARDED="no")
    run(app, "db", "upgrade", "--name", "trial", data=tmp_path, DATABASE_OWNER_URL=as_role(guarded_url, "trial_owner"))
    assert "may DELETE" not in found(app)


def test_the_web_refuses_a_superuser_unless_it_is_told_so(databases, tmp_path):
    from dataclasses import replace

    from tests.web.site import settings_for
    from trialcrf.web import create_app

    url = databases.fresh("postgresql")
    with pytest.raises(NotGuarded):
        create_app(replace(settings_for(url, tmp_path), database_unguarded=False))
    create_app(settings_for(url, tmp_path)).extensions["trialcrf.engine"].dispose()
    databases.drop(url)


def test_a_schema_of_a_later_program_is_refused(database_url, tmp_path):
    engine = open_engine(database_url)
    do(engine, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaAhead):
        migrations.check(engine)
    engine.dispose()
    assert "later version" in run(database_url, "outbox", "list", code=1, data=tmp_path)


def test_the_application_copies_its_database_and_uses_its_queue(guarded_url, tmp_path):
    url = as_role(guarded_url, "trial_app")
    backup.copy(url, tmp_path / "copy")
    Queue(tmp_path, url).put(DRAW_REPORT, 17)
    assert len(Queue(tmp_path, url)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["copy"], "the queue is where every machine sees it"
    engine = open_engine(as_role(guarded_url, "trial_read"))
    with pytest.raises(DBAPIError, match="permission denied"):
        do(engine, "SELECT * FROM queue.huey_task")
    engine.dispose()


def test_an_upgrade_that_the_version_before_cannot_go_on_beside_waits_until_it_is_stopped(databases, tmp_path):
    """All since 0008 are such that it can go on beside them, 0007 is none."""
    url = databases.fresh("postgresql")
    passwords = tmp_path / "passwords.json"
    passwords.write_text("{}")
    run(url, "db", "init", "--name", "beside", "--passwords", str(passwords), data=tmp_path, DATABASE_OWNER_URL=url)
    at_work, administrator = open_engine(as_role(url, "beside_app")), open_engine(url)
    with at_work.connect(), administrator.connect() as connection:
        do(administrator, "UPDATE alembic_version SET version_num = '0006'")
        said = run(url, "db", "upgrade", "--name", "beside", code=1, data=tmp_path, DATABASE_OWNER_URL=url)
        assert "stop every web server" in said
        assert migrations.revision(connection) == "0006"
    assert migrations.additive("0007")
    assert not migrations.additive("0006")
    do(administrator, f"UPDATE alembic_version SET version_num = '{migrations.newest()}'")
    with administrator.connect() as connection:
        assert migrations.serves_from(connection) == "0007"
    at_work.dispose()
    administrator.dispose()
    databases.drop(url)


def test_an_upgrade_gives_way_to_whoever_uses_a_table_and_tries_again(databases, tmp_path, monkeypatch):
    url = databases.empty("postgresql")
    migrations.upgrade(url, "0007")
    administrator = open_engine(url)
    with administrator.begin() as connection:
        privileges.prepare(connection, privileges.Roles.named("patient"), {})
    reader, waits = administrator.connect(), []
    reader.exec_driver_sql("SELECT count(*) FROM report")

    def let_go(seconds: float) -> None:
        waits.append(seconds)
        reader.close()

    monkeypatch.setattr(database, "time", SimpleNamespace(sleep=let_go))
    said = run(url, "db", "upgrade", "--name", "patient", data=tmp_path, DATABASE_OWNER_URL=url)
    assert (len(waits), "tried again until it is free" in said) == (1, True)
    migrations.check(administrator)
    administrator.dispose()
    databases.drop(url)


def test_a_statement_prepared_before_a_column_changed_its_type_fails_once_and_can_be_sent_again(databases):
    url = databases.fresh("postgresql")
    engine = open_engine(url)

    def browsers() -> list[str]:
        with reading(engine) as tx:
            return list(tx.read(select(metadata.tables["session"].c.browser)).scalars())

    for _ in range(8):  # From the fifth time on a connection has it prepared.
        browsers()
    other = open_engine(url)  # On its own connection the driver would see what is done, and prepare anew.
    do(other, "ALTER TABLE session ALTER COLUMN browser TYPE varchar(999)")
    with pytest.raises(DBAPIError, match="cached plan") as failed:
        browsers()
    assert damage.is_passing(failed.value)
    assert browsers() == []
    engine.dispose()
    other.dispose()
    databases.drop(url)


def test_sqlite_that_keeps_no_log_is_refused(databases):
    url = databases.fresh("sqlite")
    file = Path(make_url(url).database)
    assert found(url) == ""
    # A file system without shared memory, as many network drives are, keeps no write-ahead log.
    plain = sqlite3.connect(file)
    plain.execute("PRAGMA journal_mode=DELETE")
    plain.close()
    engine = open_engine(f"sqlite:///file:{file}?vfs=unix-dotfile&uri=true")
    with pytest.raises(NotGuarded) as refused:
        guarded.check(engine, unguarded=True)  # What is said for PostgreSQL lets no SQLite pass.
    assert [one.msgid for one in refused.value.findings] == [guarded.JOURNAL]
    engine.dispose()
    databases.drop(url)


def do(engine: Engine, statement: str) -> int:
    with engine.begin() as connection:
        connection.info["mode"] = "none"
        return connection.exec_driver_sql(statement).rowcount


@pytest.fixture(scope="module")
def far():
    """A PostgreSQL that speaks TLS on this machine: an address for it that counts as another machine's, and whoever vouches for it."""
    folder = scratch_folder(scratch())
    files = certificates.made(folder, "0.0.0.0", "127.0.0.1")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if os.geteuid() == 0:
        for path in (folder, files.certificate, files.key):
            shutil.chown(path, "postgres", "postgres")
    settings = {"listen_addresses": "127.0.0.1", "port": str(port), "ssl": "on"}
    settings |= {"ssl_cert_file": str(files.certificate), "ssl_key_file": str(files.key)}
    with running_postgresql({**LOSSY, **settings}, scratch(), port) as cluster:
        yield f"postgresql+psycopg://postgres@0.0.0.0:{port}/postgres", cluster.folder, files.authority
    shutil.rmtree(folder)


def ways(url: str, unencrypted: bool = False) -> str:
    engine = open_engine(url)
    try:
        told = [Language("en").say(one) for one in guarded.findings(engine, unencrypted)]
        return " | ".join(one for one in told if "another machine" in one)
    finally:
        engine.dispose()


def test_a_postgresql_on_another_machine_is_reached_by_a_certificate_that_is_checked_or_not_at_all(far, tmp_path):
    url, folder, authority = far
    assert "0.0.0.0" in ways(f"{url}?sslmode=disable")
    for unproved in ("prefer", "require", f"verify-ca&sslrootcert={authority}"):
        assert "verify-full" in ways(f"{url}?sslmode={unproved}"), "TLS alone may end at anybody's machine"
    assert ways(f"{url}?sslmode=verify-full&sslrootcert={authority}") == ""
    assert ways(f"{url}?sslmode=disable", unencrypted=True) == "", "the house says that the way is safe otherwise"
    stranger = certificates.made(tmp_path / "stranger", "0.0.0.0").authority
    with pytest.raises(OperationalError, match="certificate verify failed"):
        ways(f"{url}?sslmode=verify-full&sslrootcert={stranger}")
    port = make_url(url).port
    assert ways(f"postgresql+psycopg://postgres@/postgres?host={folder}&port={port}") == ""
    assert ways(f"{url.replace('0.0.0.0', 'localhost')}?sslmode=disable") == "", "nobody listens on this machine itself"


def test_the_program_starts_on_no_postgresql_whose_way_is_unproved(far):
    engine = open_engine(f"{far[0]}?sslmode=prefer")
    with pytest.raises(NotGuarded, match="another machine"):
        guarded.check(engine)
    engine.dispose()
