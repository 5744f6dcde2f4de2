"""Bringing a record to a newer version of its form: what is carried over as it stands, or why it cannot be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo

from trialcrf.core.boxes import raw_of
from trialcrf.core.checks import Context, Finding
from trialcrf.core.definition.model import FormDef, Severity
from trialcrf.core.document import Document, Place
from trialcrf.core.entry import Decision, Refused, StandingQuery, Submitted, decide
from trialcrf.core.values import read
from trialcrf.core.wording import N_, Message

MIGRATE = "migrate"
"""The check that keeps a record under the version that it was recorded in."""


def carried(old: FormDef, new: FormDef, before: Document, standing: Sequence[StandingQuery], context: Context, zone: tzinfo) -> Decision:
    """What the newer version makes of a record: every answer as it stands, sums anew, queries of its own checks.

    Raises Refused with every reason why it stays under its own version: an answer to a question that is asked no longer, one that the
    question would not take any more, or one that a hard check now refuses. Nothing recorded is lost to an amendment.
    """
    lost = list(_lost(old, new, before, zone))
    try:
        decision = decide(new, before, Submitted(), standing, context)
    except Refused as refused:
        raise Refused([*lost, *refused.findings]) from None
    if lost:
        raise Refused(lost)
    return decision


def new_questions(old: FormDef, new: FormDef) -> tuple[str, ...]:
    """The items that only the newer version asks."""
    return tuple(oid for oid in new.items if oid not in old.items)


def _lost(old: FormDef, new: FormDef, before: Document, zone: tzinfo) -> Iterator[Finding]:
    for place, answer in before.places():
        asked, now = old.items.get(place.item), new.items.get(place.item)
        if asked is None:
            continue  # It was kept from an earlier version already, with its record.
        if now is None:
            said = N_("“%(item)s” has an answer and is asked no longer.")
        elif (now[0].repeating, now[0].oid if now[0].repeating else "") != (asked[0].repeating, place.group):
            said = N_("“%(item)s” stands in another table now.")
        elif read(now[1], raw_of(asked[1], answer, "en"), zone) != answer:
            said = N_("“%(item)s” has an answer that it does not take any more.")
        else:
            continue
        yield Finding(Place(place.item, place.group, place.row), Severity.HARD, MIGRATE, Message(said, {"item": asked[1].label}))
