"""How easily a password is guessed, by lists that lie beside the program, no server being asked. The only room that imports zxcvbn.

The lists are the common passwords of published breaches, words and names, keyboard patterns, dates and repetitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

ENOUGH = 3
"""Of zxcvbn's five grades: a hundred million guesses and more, which an offline attack on argon2id with 40 ms a guess takes weeks for."""

LOOKED_AT = 72
"""Characters that are looked at, at each end of a longer password: what it costs grows with the square of the length."""


class Flaw(StrEnum):
    """Why a password is easy to guess: `known` from breaches, made of what is known of the person or study, or by a pattern."""

    KNOWN = "known"
    PERSONAL = "personal"
    PATTERN = "pattern"


def flaw(password: str, about: Sequence[str]) -> Flaw | None:
    """What makes the password easy to guess, None where nothing does. `about` are words that an attacker would try first."""
    words = sorted({word.lower() for word in about if len(word) > 2})
    if personal(password, words):
        return Flaw.PERSONAL
    found = _flaw(password[:LOOKED_AT], words)
    if found is None or len(password) <= LOOKED_AT:
        return found
    return _flaw(password[-LOOKED_AT:], words) and found


def personal(password: str, words: Sequence[str]) -> bool:
    """Whether little is left of the password once those words are taken out of it."""
    rest = password.lower()
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word, "")
    return len(rest) < len(password) and len({sign for sign in rest if sign.isalnum()}) < 6


def _flaw(part: str, words: Sequence[str]) -> Flaw | None:
    # Here: its lists are large, and only whoever chooses a password pays for reading them.
    from zxcvbn import zxcvbn

    told = zxcvbn(part, user_inputs=list(words))
    if told["score"] >= ENOUGH:
        return None
    lists = {one.get("dictionary_name") for one in told["sequence"]}
    return Flaw.PERSONAL if "user_inputs" in lists else Flaw.KNOWN if "passwords" in lists else Flaw.PATTERN
