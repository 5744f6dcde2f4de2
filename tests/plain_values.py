"""A frozen value as the plain JSON of `sample.json`: the same shape, texts of days and exact numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from trialcrf.core.wording import Words


def plain(value: Any) -> Any:
    if isinstance(value, Words):
        return dict(value.texts)
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value


def as_sample(value: Any) -> str:
    """The text of a `sample.json`: a line for each part of the value."""
    parts = (f"{json.dumps(name)}: {json.dumps(part, ensure_ascii=False)}" for name, part in plain(value).items())
    return "{\n" + ",\n".join(parts) + "\n}\n"
