"""A line of a ledger: what was done about something, and by whom. Ledgers grow line by line, and no line is ever changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=StrEnum)


# Not `slots`: a generic alias that is called (`CaseEntry(...)`) sets an attribute, and must be refused the usual way.
@dataclass(frozen=True)
class Line(Generic[K]):
    """`at` is when it was written (UTC), `name` the printed name, `role` the role it was done in; `content` is plain JSON, by its kind."""

    number: int
    kind: K
    at: datetime
    actor: str
    name: str
    role: str
    organisation: str
    content: Mapping[str, Any] = field(default_factory=dict)
