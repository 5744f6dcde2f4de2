"""What a study says of signing in, as data: which roles need a second factor, and how long a password is good."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SigningIn:
    """Whoever holds one of the roles `second_factor` gets in only with one. `password_days` 0: a password is never too old.

    `assumption` says what both rest on.
    """

    second_factor: tuple[str, ...] = ()
    password_days: int = 0
    assumption: str = ""
