"""Scratch databases of the proof of a backup: none outlives its process for long, and none is taken from whoever works at it."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import create_engine, make_url, text

from trialcrf.external import clock
from trialcrf.store.restored import scratch_database


def names(url: str) -> set[str]:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return {name for (name,) in connection.execute(text("SELECT datname FROM pg_database WHERE datname LIKE 'trialcrf%'"))}
    finally:
        engine.dispose()


def test_what_a_killed_proof_left_is_dropped_by_the_next_and_what_is_worked_at_stays(databases):
    server, now = databases.empty("postgresql"), clock.now()
    left = "trialcrf_proof_20200101000000_abcdef"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {left}")
    engine.dispose()
    elsewhere = databases.empty("postgresql")  # Another installation on the same server.
    with scratch_database(server, now - timedelta(minutes=5)) as mine:
        assert left not in names(server)
        with scratch_database(elsewhere, now) as other:
            assert {make_url(one).database for one in (mine, other)} <= names(server)
    assert not {name for name in names(server) if name.startswith("trialcrf_proof_")}
    for one in (server, elsewhere):
        databases.drop(one)
