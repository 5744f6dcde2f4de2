"""Column types of our own (canonical texts, so both databases give back what was hashed), and the columns of a ledger."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Column, Integer, MetaData, String, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def moment_text(at: datetime) -> str:
    """An aware datetime as UTC, ISO 8601, always with microseconds: texts sort as times do."""
    if at.tzinfo is None:
        raise ValueError("a moment without a time zone is not stored")
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def moment_of(text: str) -> datetime:
    return datetime.fromisoformat(text)


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime, stored as its canonical text of 27 characters."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return None if value is None else moment_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else moment_of(value)


class Day(TypeDecorator[date]):
    """A calendar day, stored as ISO 8601 text of 10 characters."""

    impl = String(10)
    cache_ok = True

    def process_bind_param(self, value: date | None, dialect: Dialect) -> Any:
        return None if value is None else value.isoformat()

    def process_result_value(self, value: Any, dialect: Dialect) -> date | None:
        return None if value is None else date.fromisoformat(value)


def line_of_ledger() -> list[Column[Any]]:
    """The columns of every table of lines: the line's number in its ledger, what it is about, who wrote it and when."""
    return [
        Column("number", Integer, nullable=False),
        Column("kind", String(20), nullable=False),
        Column("at", Moment, nullable=False),
        Column("actor", String(80), nullable=False),
        Column("name", String(200), nullable=False),
        Column("role", String(20), nullable=False),
        Column("organisation", String(200), nullable=False),
        Column("content", Text, nullable=False),
    ]
