"""Subjects whose visits are planned from a given day of infusion, for the tests of calendars."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from tests.actions.world import World
from tests.browser import made_up
from trialcrf.actions import enrol
from trialcrf.actions.enter import Typed
from trialcrf.core.document import Place
from trialcrf.store import sites
from trialcrf.store.subjects import Subject


def sent(values: made_up.Values) -> Typed:
    return Typed({Place(oid): made_up.typed_as(value) for oid, value in values.items()})


def at_noon(day: date) -> datetime:
    """Noon UTC: the same day at both sites of the world."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def consented(world: World, on: date, site: str = "01") -> Subject:
    """A recipient of whom nothing is known but the consent: one window, the screening's."""
    with world.write("cora", at_noon(on)) as tx:
        where = sites.find(tx, world.study, site)
        assert where
        boxes = sent(made_up.recipient_consent(0, on))
        return enrol.enrol(tx, world.published, where, "recipient", boxes, at_noon(on))[0]


def infused(world: World, on: date, site: str = "01") -> Subject:
    """A recipient screened on the day of the consent, a week before the infusion."""
    subject = consented(world, on - timedelta(days=7), site)
    held(world, subject, "SCR", on - timedelta(days=7), "VISIT")
    held(world, subject, "BAS", on, "VISIT")
    held(world, subject, "D0", on, "VISIT")
    world.save(subject, "INFUSION", "D0", sent(made_up.infusion(0, "MSC1", on)), now=at_noon(on))
    return subject


def held(world: World, subject: Subject, event: str, on: date, form: str = "FVISIT") -> None:
    """A visit that took place."""
    world.save(subject, form, event, sent({"VIS_DONE": "Y", "VIS_DATE": on}), now=at_noon(on))


def fill(world: World, today: date) -> None:
    """Enough for a look: overdue, due and planned visits at two sites, more on one day than are drawn, and one done."""
    one = infused(world, today - timedelta(days=40))
    held(world, one, "D1", today - timedelta(days=39))
    held(world, one, "D10", today - timedelta(days=28))
    infused(world, today - timedelta(days=3))
    for _ in range(6):
        infused(world, today - timedelta(days=25))
    infused(world, today - timedelta(days=92), "02")
    consented(world, today - timedelta(days=5), "02")
