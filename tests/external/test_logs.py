"""The log: a line is one line, in universal time, and tells nothing that anybody typed."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

from trialcrf.external import logs
from trialcrf.external.logs import told

SECRET = "Dupont 01-007"


@pytest.fixture
def restored() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level, {name: logging.getLogger(name).level for name in logs.QUIET}
    yield
    root.handlers[:], level, levels = before
    root.setLevel(level)
    for name, one in levels.items():
        logging.getLogger(name).setLevel(one)


def started(form: str | None) -> io.StringIO:
    stream = io.StringIO()
    logs.start(form, stream)
    return stream


def test_a_line_is_json_with_its_moment_in_universal_time(restored):
    stream = started(None)
    logging.getLogger("trialcrf.request").info("", extra=told("request", route="/studies/<study>", status=200, site=None))
    line = json.loads(stream.getvalue())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {"level": "info", "event": "request", "route": "/studies/<study>", "status": 200}


@pytest.mark.parametrize("form", ["json", "text"])
def test_nothing_in_a_line_begins_another(restored, form):
    stream = started(form)
    logging.getLogger("trialcrf").warning("a\nb\r\x1b[31m\u2028{}", extra=told("x", said="c\nlevel=critical"))
    assert stream.getvalue().count("\n") == 1
    assert not re.search(r"[\r\x1b\u2028]", stream.getvalue())


@pytest.mark.parametrize("form", ["json", "text"])
def test_an_error_is_told_by_its_kind_and_places_and_never_by_its_words(restored, form):
    stream = started(form)
    try:
        try:
            int(SECRET)
        except ValueError as error:
            raise RuntimeError(f"about {SECRET}") from error
    except RuntimeError:
        logging.getLogger("trialcrf").exception("a request failed")
    said = stream.getvalue()
    assert "RuntimeError" in said and "ValueError" in said and "test_logs.py:" in said
    assert SECRET not in said


def test_an_error_of_the_database_is_told_without_its_values(restored):
    stream = started("json")
    engine = create_engine("sqlite://", hide_parameters=True)
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE t (a TEXT UNIQUE)"))
        connection.execute(text("INSERT INTO t VALUES (:a)"), {"a": SECRET})
        with pytest.raises(IntegrityError) as caught:
            connection.execute(text("INSERT INTO t VALUES (:a)"), {"a": SECRET})
    engine.dispose()
    logging.getLogger("trialcrf").error("a request failed", exc_info=caught.value)
    assert SECRET not in stream.getvalue()
    assert json.loads(stream.getvalue())["error"] == "IntegrityError (SQLITE_CONSTRAINT_UNIQUE)"


def test_of_a_library_the_sentence_is_told_and_not_what_it_fills_in(restored):
    stream = started("json")
    logging.getLogger("werkzeug").warning("cannot read %s", SECRET)
    assert json.loads(stream.getvalue())["message"] == "cannot read %s"
