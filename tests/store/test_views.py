"""A view of the database does not change: what was asked once in it is not asked again; a write asks each time."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event

from trialcrf.core.definition.load import load
from trialcrf.core.wording import Words
from trialcrf.external.files import read_study
from trialcrf.store import definitions
from trialcrf.store.audit import Who
from trialcrf.store.transaction import open_engine, reading, writing

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
DANA = Who("dana", "data_manager", "Hospital", "127.0.0.1")
STUDY = load(read_study(Path(__file__).parent.parent / "studies" / "tiny"))


@pytest.fixture
def engine(database_url):
    made = open_engine(database_url)
    with writing(made, NOW, DANA) as tx:
        definitions.publish(tx, STUDY)
    yield made
    made.dispose()


@contextmanager
def questions(engine, about):
    asked = []

    def note(_connection, _cursor, statement, *_):
        if about in statement:
            asked.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield asked
    event.remove(engine, "before_cursor_execute", note)


def test_a_view_asks_for_the_versions_of_a_study_once(engine):
    with questions(engine, "FROM definition JOIN study") as asked:
        with reading(engine) as tx:
            newest = definitions.current(tx, STUDY.oid)
            assert (definitions.everywhere(tx, STUDY.oid), definitions.versions_of(tx, STUDY.oid)) == (newest, [newest])
            assert definitions.current(tx, "another") is None, "of another study it does not know"
        assert len(asked) == 2
        with reading(engine) as tx:
            definitions.current(tx, STUDY.oid)
        assert len(asked) == 3, "another view asks anew"


def test_a_write_sees_the_version_that_it_published(engine):
    with writing(engine, NOW, DANA) as tx:
        assert definitions.current(tx, STUDY.oid).version == 1
        definitions.publish(tx, replace(STUDY, title=Words({"en": "Another title", "fr": "Un autre titre"})))
        assert [one.version for one in definitions.versions_of(tx, STUDY.oid)] == [2, 1]
        assert definitions.current(tx, STUDY.oid).version == 2
