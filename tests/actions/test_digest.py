"""The weekly digest: one mail a person, study and week, on its day and hour at the site, with numbers, a checkpoint and no subject."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from tests.actions.test_remind import BASE, choose_, deliver_all, deliver_next, recipient, remind_by, utc
from tests.actions.world import World, typed
from trialcrf.actions import administer
from trialcrf.actions.reminding import remind
from trialcrf.store import accounts, audit, choices, outbox, sites
from trialcrf.store.models import outbox as outbox_table

MONDAY = utc(2026, 12, 7, 6)
"""Seven o'clock in Paris, in the week 50 of 2026."""


def scan(world: World, now: datetime) -> int:
    with world.write("trialcrf", now) as tx:
        return remind.scan_digests(tx, now)


def keys(world: World) -> list[str]:
    with world.read() as tx:
        return list(tx.read(select(outbox_table.c.key).where(outbox_table.c.kind == "digest").order_by(outbox_table.c.id)).scalars())


def why(world: World) -> list[tuple[str, str]]:
    with world.read() as tx:
        return [(row.state, row.said) for row in outbox.all_of(tx)]


def test_a_digest_is_queued_once_a_week_from_its_hour_at_the_site_on(world):
    choose_(world, "cora", choices.WEEKLY)
    assert scan(world, MONDAY - timedelta(seconds=1)) == 0
    assert [scan(world, MONDAY), scan(world, MONDAY), scan(world, MONDAY + timedelta(days=6, hours=16))] == [1, 0, 0]
    assert scan(world, MONDAY - timedelta(hours=1)) == 0, "a clock put back"
    assert scan(world, MONDAY + timedelta(days=7)) == 1
    assert keys(world) == ["digest|msc_ssc|cora|2026-W50", "digest|msc_ssc|cora|2026-W51"]


def test_the_hour_is_that_of_the_first_site_of_its_reader(world):
    choose_(world, "olga", choices.WEEKLY)  # Her site is in Papeete, ten hours behind universal time.
    choose_(world, "mona", choices.WEEKLY)  # Hers are all of them, the first is Paris.
    scan(world, MONDAY - timedelta(days=3))
    assert [scan(world, MONDAY), scan(world, MONDAY + timedelta(hours=10, minutes=59)), scan(world, MONDAY + timedelta(hours=11))] == [
        1,
        0,
        1,
    ]
    assert keys(world)[2:] == ["digest|msc_ssc|mona|2026-W50", "digest|msc_ssc|olga|2026-W50"]


def test_weeks_of_silence_are_not_made_up_for(world):
    choose_(world, "cora", choices.WEEKLY)
    scan(world, MONDAY)
    assert scan(world, MONDAY + timedelta(days=30)) == 1
    assert keys(world)[1:] == ["digest|msc_ssc|cora|2027-W01"]


def test_the_day_and_the_hour_are_the_studys(world):
    remind_by(world, delivery="weekly", digest_day=4, digest_at="16:30")
    friday = utc(2026, 12, 11, 15, 30)
    assert scan(world, friday - timedelta(seconds=1)) == 0
    assert scan(world, friday) == 4, "everyone whom the study reminds, but for olga, whose site is behind"


def test_nobody_gets_a_digest_who_did_not_choose_it_or_is_not_reminded_at_all(world):
    choose_(world, "dana", choices.WEEKLY)  # No step names data managers.
    choose_(world, "ivan", choices.NONE)
    choose_(world, "sam", choices.EACH)
    assert scan(world, MONDAY) == 0


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_digest_tells_each_site_by_numbers_and_the_checkpoint_and_nothing_of_any_subject(world, language):
    with world.write("trialcrf") as tx:
        administer.set_preferences(tx, accounts.find(tx, "mona").id, language=language)
    choose_(world, "mona", choices.WEEKLY)
    # Three windows of screening have ended, two are open; at the other site one has ended.
    people = [recipient(world, consent=(day, 11, 2026)) for day in (1, 2, 3, 10, 10)] + [recipient(world, "02")]
    scan(world, MONDAY)
    now = MONDAY + timedelta(minutes=3, microseconds=7)
    letter = deliver_next(world, now)
    assert letter.to == "mona@example.org" and "MSC-SSc" in letter.subject
    lines = letter.body.splitlines()
    numbers = [
        [line.rpartition(" ")[2] for line in lines[start + 1 : start + 4]]
        for start, line in enumerate(lines)
        if "01, Paris" in line or "02, Papeete" in line
    ]
    assert numbers == [["0", "2", "3"], ["0", "0", "1"]]
    with world.read() as tx:
        chains = [world.study, *(site.chain for site in sites.all_of(tx, world.study))]
        assert audit.heads_at(tx.connection, now, chains).digest() in lines
        assert len(audit.heads_at(tx.connection, now, chains).heads) == 3
    assert "2026-12-07 06:03:00 UTC" in letter.body
    assert f"{BASE}/studies/msc_ssc/today" in lines and letter.stop_url in lines
    for secret in [person.key for person in people] + ["SCR", "Sélection", "Screening", "2026-11"]:
        assert secret.lower() not in letter.body.replace(letter.stop_url, "").lower(), secret


def test_a_checkpoint_in_a_digest_changes_with_what_is_recorded(world):
    choose_(world, "mona", choices.WEEKLY)
    subject = recipient(world)
    told = []
    for week in (0, 1, 2):
        now = MONDAY + timedelta(days=7 * week)
        scan(world, now)
        # A visit that is overdue for long is told of singly besides.
        told += [
            lines
            for letter in deliver_all(world, now)
            if (lines := [line for line in letter.body.splitlines() if re.fullmatch("[0-9a-f]{64}", line)])
        ]
        if week == 1:
            world.save(subject, "RENROL", "SCR", typed(1, "TYPO", ICF_DATE=(1, 11, 2026)), now=now + timedelta(hours=1))
    assert len(told[0]) == 1
    assert told[0] == told[1] != told[2]


def test_with_nothing_to_tell_no_digest_goes(world):
    choose_(world, "cora", choices.WEEKLY)
    scan(world, MONDAY)
    assert deliver_next(world, MONDAY) is None
    assert why(world) == [("cancelled", "There is nothing to tell.")]
    assert scan(world, MONDAY) == 0


@pytest.mark.parametrize("change", ["each", "no role", "next week"])
def test_a_digest_is_checked_once_more_before_it_goes(world, change):
    recipient(world)
    choose_(world, "cora", choices.WEEKLY)
    scan(world, MONDAY)
    now = MONDAY
    if change == "each":
        choose_(world, "cora", choices.EACH)
    elif change == "no role":
        with world.write("trialcrf") as tx:
            cora = accounts.find(tx, "cora")
            administer.take_role(tx, cora.id, accounts.grants_of(tx, cora.id)[0].id, "moved")
    else:
        now = MONDAY + timedelta(days=7)
    assert deliver_next(world, now) is None
    assert [state for state, _ in why(world)] == ["cancelled"]


def test_a_digest_of_the_night_waits_for_the_morning(world):
    recipient(world)
    remind_by(world, digest_at="05:00")
    choose_(world, "cora", choices.WEEKLY)
    early = utc(2026, 12, 7, 4)
    assert scan(world, early) == 1
    assert deliver_next(world, early) is None
    assert deliver_next(world, MONDAY) is not None
