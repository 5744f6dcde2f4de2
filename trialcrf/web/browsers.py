"""Which family of browsers a request comes from, as far as it says so: enough for a person to know a session of theirs again."""

from __future__ import annotations

FAMILIES = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrom", "Chrome"), ("Safari/", "Safari"))
"""The first whose mark is found: most browsers name those before them as well."""

OTHER = "?"


def family(agent: str) -> str:
    """The family that a User-Agent tells, OTHER where it tells none: nothing of what was sent is kept."""
    return next((name for mark, name in FAMILIES if mark in agent), OTHER)
