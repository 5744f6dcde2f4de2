"""Documents that are attached to items of a form: how the trail names one of them, and what it tells of it."""

from __future__ import annotations

from trialcrf.core.document import Place

ENTITY = "enclosure"
"""What the trail calls them. The number of such a record is that of the form, so whoever may read the form may read it."""

MOST = 20
"""Documents that stand at one item at a time."""


def place_of(at: Place, number: int) -> str:
    """Where the trail tells of one document: the place of its item, and its own number, so that no two share a commitment."""
    return f"{at}#{number}"


def parsed(place: str) -> tuple[Place, int]:
    """The inverse of `place_of`; the number is 0 where there is none."""
    at, _, number = place.partition("#")
    return Place.parse(at), int(number) if number.isascii() and number.isdecimal() else 0


def told(name: str, size: int, sha256: str, description: str = "") -> str:
    """A document in one line for readers of the trail, in no language; its hash in groups, so that a narrow column can hold it."""
    grouped = " ".join(sha256[start : start + 8] for start in range(0, len(sha256), 8))
    return " · ".join(part for part in (name, description, f"{size} B", f"SHA-256 {grouped}") if part)
