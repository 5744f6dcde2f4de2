"""Lines of the log: one JSON object a line (or plain text), in universal time, without a value that anybody typed."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import IO

OURS = "trialcrf"
QUIET = ("alembic", "apscheduler", "huey", "weasyprint", "fontTools", "waitress")
"""Libraries of which only warnings are of interest."""


def told(event: str, **fields: object) -> dict[str, object]:
    """What `extra=` of a line needs: its event and its fields. Fields are numbers, keys of ours or codes, never what a person typed."""
    return {"event": event, "fields": {name: value for name, value in fields.items() if value is not None}}


def start(form: str | None, stream: IO[str] | None = None) -> None:
    """Write this process's log to standard error: `json`, `text`, or (None) text where a person sits there and JSON elsewhere."""
    to = stream or sys.stderr
    writer = logging.StreamHandler(to)
    writer.setFormatter(_Text() if (form or ("text" if to.isatty() else "json")) == "text" else _Json())
    root = logging.getLogger()
    root.handlers[:] = [writer]
    root.setLevel(logging.INFO)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = _line(record)
        if record.exc_info and record.exc_info[1] is not None:
            line["error"], line["trace"] = traced(record.exc_info[1])
        # Everything beyond ASCII is escaped, control characters too: a line is one line, whatever is in it (ASVS 16.4.1).
        return json.dumps(line, default=str)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = _line(record)
        head = f"{line.pop('time')} {line.pop('level')} {line.pop('event')}"
        text = " ".join([head, *(f"{name}={value}" for name, value in line.items())])
        text = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
        if record.exc_info and record.exc_info[1] is not None:
            error, trace = traced(record.exc_info[1])
            text = "\n".join([f"{text} error={error}", *(f"    {one}" for one in trace)])
        return text


def _line(record: logging.LogRecord) -> dict[str, object]:
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line: dict[str, object] = {"time": at, "level": record.levelname.lower(), "event": getattr(record, "event", record.name)}
    said = record.getMessage() if record.name.partition(".")[0] == OURS else str(record.msg)
    # What a library fills into its sentence may be anything, a value of a form too: of others the sentence alone is told.
    if said:
        line["message"] = said
    line.update(getattr(record, "fields", {}))
    return line


def traced(error: BaseException) -> tuple[str, list[str]]:
    """The kind of an error and the places that it came through. What it says is left out: it may quote what somebody typed."""
    chain: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(chain) < 200:
        chain.append(_kind(seen))
        chain.extend(_places(seen.__traceback__))
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return _kind(error), chain


def _kind(error: BaseException) -> str:
    # SQLAlchemy's errors have a code, PostgreSQL's a state: both name the failure and no value.
    cause = getattr(error, "orig", error)
    state = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None)
    return type(error).__name__ + (f" ({state})" if state else "")


def _places(trace: TracebackType | None) -> list[str]:
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]
