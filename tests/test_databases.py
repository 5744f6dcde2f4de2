"""The databases that the tests stand on are real, and every test has its own."""

from __future__ import annotations

from sqlalchemy import create_engine, inspect, text

from tests.conftest import Databases


def _tables(url: str) -> set[str]:
    engine = create_engine(url)
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


def _execute(url: str, statement: str) -> str:
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            result = connection.execute(text(statement))
            return str(result.scalar()) if result.returns_rows else ""
    finally:
        engine.dispose()


def test_a_test_runs_on_the_database_that_its_name_says(database_kind: str, empty_database_url: str) -> None:
    version = "SELECT sqlite_version()" if database_kind == "sqlite" else "SELECT version()"
    assert _execute(empty_database_url, version).startswith("3." if database_kind == "sqlite" else "PostgreSQL 1")
    assert _tables(empty_database_url) == set()


def test_a_fresh_database_has_been_migrated(database_url: str) -> None:
    assert "alembic_version" in _tables(database_url)
    assert len(_tables(database_url)) > 1


def test_what_one_test_writes_no_other_sees(database_kind: str, database_url: str, databases: Databases) -> None:
    _execute(database_url, "CREATE TABLE left_behind (id INTEGER)")
    other = databases.fresh(database_kind)
    assert "left_behind" in _tables(database_url)
    assert "left_behind" not in _tables(other)


def test_a_clone_keeps_the_triggers_that_guard_the_trail(database_kind: str, database_url: str) -> None:
    count = "SELECT count(*) FROM sqlite_master WHERE type = 'trigger'"
    if database_kind == "postgresql":
        count = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"
    assert int(_execute(database_url, count)) > 0
