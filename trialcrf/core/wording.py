"""Words for people: messages of the program (translated by gettext) and texts of a study (bilingual in its definition)."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal


def N_(msgid: str) -> str:
    """Mark a message for the catalogues; it is translated where it is shown."""
    return msgid


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence of the program: a gettext msgid with named `%(name)s` parameters.

    A parameter may be text, a number, a date, another Message or Words; the shell writes it in the reader's language.
    """

    msgid: str
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Words:
    """A text of a study definition in each of its languages, keyed by language code."""

    texts: Mapping[str, str] = field(default_factory=dict)

    def in_(self, language: str) -> str:
        """The text in this language, else in the first language that has one, else nothing."""
        found = self.texts.get(language)
        return found if found is not None else next(iter(self.texts.values()), "")


Sayable = Message | Words


def alphabetical(text: str) -> tuple[str, str]:
    """A sort key that depends on no locale: letters without case and accents first, code points to tell the rest apart."""
    letters = (mark for mark in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(mark))
    return "".join(letters), text


def to_plain(said: Sayable) -> dict[str, object]:
    """As plain JSON values, for storage; `from_plain` is its inverse."""
    if isinstance(said, Words):
        return {"texts": dict(said.texts)}
    return {"msgid": said.msgid, "params": {name: _plain(value) for name, value in said.params.items()}}


def from_plain(plain: Mapping[str, object]) -> Sayable:
    texts = plain.get("texts")
    if isinstance(texts, dict):
        return Words(texts)
    params = plain["params"]
    assert isinstance(params, dict)
    return Message(str(plain["msgid"]), {name: _param(value) for name, value in params.items()})


def _plain(value: object) -> object:
    if isinstance(value, Message | Words):
        return to_plain(value)
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    return value


def _param(plain: object) -> object:
    if not isinstance(plain, dict):
        return plain
    if "date" in plain:
        return date.fromisoformat(plain["date"])
    if "decimal" in plain:
        return Decimal(plain["decimal"])
    return from_plain(plain)
