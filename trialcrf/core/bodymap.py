"""The sites of a body map: where a score's items stand on the body, and what the sites that were scored add up to."""

from __future__ import annotations

from dataclasses import dataclass

from trialcrf.core.definition.model import ItemDef, ItemGroupDef
from trialcrf.core.document import Document

LAYOUT = "body_map"
PAIRED = ("FINGERS", "HAND", "FOREARM", "UPPERARM", "THIGH", "LEG", "FOOT")
MIDLINE = ("FACE", "CHEST", "ABDOMEN")
SITES = frozenset((*(f"MRSS_{part}_{side}" for part in PAIRED for side in "RL"), *(f"MRSS_{part}" for part in MIDLINE)))
"""The aliases by which an item names its site: the 17 of the modified Rodnan skin score (clinical reference, D.1).

R and L are the participant's own right and left. CDISC has no codes for the sites of this score, so the names are ours.
"""
GRADES = ("0", "1", "2", "3")
"""The codes that the figure has a pattern for, the mildest first."""
ASSESSOR = "QSEVALID"
"""The alias of the item that says who assessed (SDTM QS)."""


@dataclass(frozen=True, slots=True)
class Tally:
    """`total` is None while a site is not scored: it is never prorated (A-31). `partial` adds up those that are."""

    total: int | None
    partial: int
    scored: int
    sites: int


def site_of(item: ItemDef) -> str:
    """The site of an item, one of SITES without its prefix; empty where it names none."""
    return next((alias.removeprefix("MRSS_") for alias in item.aliases if alias in SITES), "")


def tally(group: ItemGroupDef, document: Document) -> Tally:
    """What the sites of this group add up to in this document; an answer that is no grade is not scored."""
    answers = (document.items.get(item.oid) for item in group.items)
    grades = [GRADES.index(answer.text) for answer in answers if answer is not None and answer.text in GRADES]
    whole = len(grades) == len(group.items)
    return Tally(sum(grades) if whole else None, sum(grades), len(grades), len(group.items))
