"""Passwords: argon2id with the OWASP profile (19 MiB, two passes), about 40 ms a sign-in on one core."""

from __future__ import annotations

import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def normal(password: str) -> str:
    """The same characters however a keyboard writes them (NFKC, as NIST SP 800-63B asks); nothing is cut off."""
    return unicodedata.normalize("NFKC", password)


def _bytes(password: str) -> bytes:
    # Half a character, which a forged request may hold, is nobody's password and no fault of the program.
    return normal(password).encode("utf-8", "surrogatepass")


def hash_of(password: str) -> str:
    return _HASHER.hash(_bytes(password))


@cache
def _nobodys() -> str:
    return _HASHER.hash("nobody has this password")


def matches(password_hash: str | None, password: str) -> bool:
    """Whether the password is the one hashed. Without a hash the same work is done and the answer is no: time tells nothing."""
    try:
        return _HASHER.verify(password_hash or _nobodys(), _bytes(password)) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


def outdated(password_hash: str) -> bool:
    """Whether a hash was made with less work than is asked now."""
    try:
        return _HASHER.check_needs_rehash(password_hash)
    except InvalidHashError:
        return False
