"""A study with other OIDs, other visits, another anchor and adverse events as rows works without a line of code: nothing is hard-wired."""

from __future__ import annotations

from datetime import UTC, date, datetime

from sqlalchemy import text

from tests.actions.world import NOW as LATER
from tests.actions.world import World, raw, typed
from trialcrf.actions.enter import Typed
from trialcrf.actions.records import report
from trialcrf.actions.reminding import remind
from trialcrf.core import schedule
from trialcrf.core.document import Place
from trialcrf.core.packs import report as safety
from trialcrf.core.schedule import State
from trialcrf.store import audit, replay, subjects

NOW = datetime(2026, 3, 20, 9, 0, tzinfo=UTC)


def volunteer(world: World):
    """Drawn on 31 January 2026, so that a month later is the last of February."""
    subject = world.enrol("volunteer", now=NOW, AGREED=(20, 1, 2026), BORN=("", 5, 1980), GENDER="F")
    world.save(subject, "ALLOT", "LOTTERY", typed(None, DRAWN=(31, 1, 2026), TO="LOW"), now=NOW)
    return subject


def states(world: World, key: str, today: date) -> dict[str, State]:
    with world.read() as tx:
        (record,) = subjects.records(tx, subjects.all_of(tx, "salt", containing=key))
    return {visit.event.oid: visit.state for visit in schedule.plan(world.published.study, record, today)}


def test_its_visits_are_counted_from_its_own_anchor(salt):
    subject = volunteer(salt)
    assert subject.key == "V0001.01"
    with salt.read() as tx:
        (record,) = subjects.records(tx, [subject])
    weigh2 = next(visit for visit in schedule.plan(salt.published.study, record, date(2026, 3, 1)) if visit.event.oid == "WEIGH2")
    assert (weigh2.target, weigh2.opens, weigh2.closes) == (date(2026, 3, 2), date(2026, 3, 2), date(2026, 3, 7))
    assert states(salt, subject.key, date(2026, 3, 7))["WEIGH2"] is State.DUE
    assert states(salt, subject.key, date(2026, 3, 8))["WEIGH2"] is State.OVERDUE


def test_its_reminders_go_to_the_roles_that_it_names(salt):
    volunteer(salt)
    with salt.write("trialcrf", NOW) as tx:
        assert remind.scan_reminders(tx, NOW) == 4  # Two visits, each to the coordinator of the site and the monitor.
        assert remind.scan_reminders(tx, NOW) == 0
    with salt.read() as tx:
        names = tx.read(text("SELECT DISTINCT a.username FROM outbox o JOIN account a ON a.id = o.account_id ORDER BY 1")).scalars().all()
    assert names == ["cora", "mona"]


def test_a_serious_row_is_mailed_once_and_counted_in_its_report(salt):
    subject = volunteer(salt)
    salt.save(subject, "PLATE", "MEALS", typed(None, EATEN=(1, 2, 2026, "12:00"), GRAMS="3"), now=NOW)

    def event(row: str, words: str, bother: str, grave: str) -> dict[Place, object]:
        boxes = {
            "OUCH": words,
            "WHERE": "HEAD",
            "HOW_BAD": bother,
            "SINCE": ("UNK", 2, 2026),
            "HOW_IT_ENDED": "RECOVERED/RESOLVED",
            "GRAVE": grave,
        }
        return {Place(item, "LIST", row): raw(value) for item, value in boxes.items()}

    first = salt.save(
        subject, "COMPLAINTS", "WOES", Typed({**event("new1", "dizzy", "BIT", "N"), **event("new2", "fainted", "AWFUL", "Y")}), now=NOW
    )
    with salt.read() as tx:
        assert tx.read(text("SELECT count(*) FROM outbox WHERE kind = 'serious'")).scalar() == 2  # Investigator and sponsor.
    salt.save(subject, "COMPLAINTS", "WOES", Typed(event("new3", "dizzy", "LOT", "N"), version=first.version), now=NOW)
    with salt.read() as tx:
        found = report.gather(tx, "salt", date(2026, 3, 20), LATER)
        assert tx.read(text("SELECT count(*) FROM outbox WHERE kind = 'serious'")).scalar() == 2
    value = safety.tabulate(found.study, found.subjects, found.cut)
    assert len(value.listing) == 3
    assert sum("fainted" in str(line) for line in value.serious_listing) == 1
    with salt.read() as tx:
        assert list(replay.differences(tx)) == []
        assert audit.broken(tx.connection) is None


def test_leaving_ends_what_is_due(salt):
    subject = volunteer(salt)
    salt.save(subject, "FAREWELL", "GOODBYE", typed(None, REASON="WITHDRAWAL BY SUBJECT", LEFT_ON=(1, 3, 2026)), now=NOW)
    assert states(salt, subject.key, date(2026, 3, 20))["WEIGH2"] is State.CANCELLED
    with salt.write("trialcrf", NOW) as tx:
        assert remind.scan_reminders(tx, NOW) == 0
