"""What somebody looks for by a few words: a subject by its key, one of its visits or forms, a query by its number or words."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from trialcrf.core.wording import alphabetical

LONGEST = 120
"""Letters of a search that are read; and so many of its words."""
MOST_WORDS = 8

_NUMBERED = re.compile(r"(?:(?:query|demande(?: de correction)?) ?)?(?:(?:no?\.?|n°|numero) ?)?(?:# ?)?([0-9]{1,9})")
_PARTS = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Sought:
    """A search as it was typed, single spaces between its words; `number` is that of a query, where it may be one."""

    text: str
    words: tuple[str, ...]
    number: int | None = None


def read(text: str) -> Sought:
    """What was typed, any text at all."""
    words = text[:LONGEST].split()[:MOST_WORDS]
    plain = " ".join(words)
    numbered = _NUMBERED.fullmatch(folded(plain))
    return Sought(plain, tuple(words), int(numbered[1]) if numbered else None)


def folded(text: str) -> str:
    """Without case and accents: who looks for something types neither."""
    return alphabetical(text)[0]


def compact(text: str) -> str:
    """Letters and digits alone, in capitals: a key is found however it is parted."""
    return "".join(mark for mark in text.upper() if mark.isascii() and mark.isalnum())


def parts(texts: Iterable[str]) -> tuple[str, ...]:
    """The words in these texts, folded, without what stands between them."""
    return tuple(part for text in texts for part in _PARTS.findall(folded(text)))


def fits(words: Collection[str], told: Collection[str]) -> int | None:
    """How far these words are from what is told: 0 where every one stands there as it is, more where some only begin a word or stand in
    one, None where one is missing."""
    away = 0
    for word in words:
        if word in told:
            continue
        if any(one.startswith(word) for one in told):
            away += 1
        elif len(word) > 3 and any(word in one for one in told):
            away += 2
        else:
            return None
    return away
