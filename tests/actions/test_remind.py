"""Reminders on a real database: the day at the site decides, one mail a visit, step and person, and none that is not due any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from tests.actions.world import World, typed
from trialcrf.actions import administer, enrol, enter, remind
from trialcrf.actions.enter import Typed
from trialcrf.actions.sign_in import hash_of
from trialcrf.core.document import FormKey
from trialcrf.store import accounts, forms, outbox, sites
from trialcrf.store.models import outbox as outbox_table

CONSENT = {
    "ICF_DATE": (2, 11, 2026), "ICF_VERSION": "1.0", "ICF_LANG": "fr", "ICF_SIGNED": "Y", "BIRTH_MONTH": ("", 5, 1980), "SEX_BIRTH": "F",
}  # fmt: skip
ENROLLED = datetime(2026, 11, 2, 22, 0, tzinfo=UTC)
"""The screening window of a consent on 2 November ends 28 days later, on the 30th."""

BASE = "https://crf.example.org"


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def recipient(world: World, site: str = "01"):
    return world.enrol("recipient", site, now=ENROLLED, **CONSENT)


def scan(world: World, now: datetime) -> int:
    with world.write("trialcrf", now) as tx:
        return remind.scan_overdue(tx, now)


def queued(world: World) -> list[tuple[str, str, str]]:
    """(user name, step, state) of every reminder."""
    with world.read() as tx:
        rows = tx.read(select(outbox_table.c.key, outbox_table.c.state).order_by(outbox_table.c.id)).all()
    return [(row.key.split("|")[6], row.key.split("|")[5], row.state) for row in rows]


def deliver_next(world: World, now: datetime, post=None):
    """What one delivery does, step by step; returns the letter, None where there was nothing to send."""
    with world.write("trialcrf", now) as tx:
        mail = remind.claim(tx)
    assert mail is not None
    with world.write("trialcrf", now) as tx:
        letter = remind.compose(tx, mail, BASE, now)
    if letter is not None:
        with world.write("trialcrf", now) as tx:
            remind.settle(tx, mail, None)
    return letter


@pytest.mark.parametrize(
    ("site", "zone", "still_open", "over"),
    [
        ("01", "Europe/Paris", utc(2026, 11, 30, 22, 59), utc(2026, 11, 30, 23, 0)),
        ("02", "Pacific/Tahiti", utc(2026, 12, 1, 9, 59), utc(2026, 12, 1, 10, 0)),
        ("03", "America/Guadeloupe", utc(2026, 12, 1, 3, 59), utc(2026, 12, 1, 4, 0)),
        ("04", "Pacific/Kiritimati", utc(2026, 11, 30, 9, 59), utc(2026, 11, 30, 10, 0)),
    ],
)
def test_a_visit_is_overdue_on_the_day_after_its_window_at_the_site(world, site, zone, still_open, over):
    with world.write("trialcrf") as tx:
        if sites.find(tx, world.study, site) is None:
            administer.create_site(tx, world.study, site, "Elsewhere", zone)
        account_id = administer.create_account(tx, "petra", "Petra", "petra@example.org", "Hospital", "en")
        administer.give_role(tx, account_id, "coordinator", world.study, site)
    recipient(world, site)
    assert scan(world, still_open) == 0
    assert scan(world, over) > 0
    assert ("petra", "1", "waiting") in queued(world)


def test_scanning_twice_queues_once(world):
    recipient(world)
    now = utc(2026, 12, 1, 6)
    assert [scan(world, now), scan(world, now), scan(world, now + timedelta(hours=12))] == [1, 0, 0]
    assert queued(world) == [("cora", "1", "waiting")]


def test_every_step_is_told_once_to_those_it_concerns(world):
    recipient(world)
    for day in range(31):
        scan(world, utc(2026, 11, 25, 6) + timedelta(days=day))
    told = [(name, step) for name, step, _ in queued(world)]
    assert sorted(told) == [("cora", "1"), ("cora", "21"), ("cora", "7"), ("ivan", "21"), ("ivan", "7"), ("mona", "21")]


def test_after_days_of_silence_each_person_gets_one_mail_for_the_highest_step(world):
    recipient(world)
    assert scan(world, utc(2026, 12, 25, 6)) == 3
    assert sorted(queued(world)) == [("cora", "21", "waiting"), ("ivan", "21", "waiting"), ("mona", "21", "waiting")]
    assert scan(world, utc(2026, 12, 26, 6)) == 0, "the lower steps are not made up for"


def test_only_the_staff_of_the_site_is_told(world):
    recipient(world, "02")
    scan(world, utc(2026, 12, 3, 6))
    assert [name for name, _, _ in queued(world)] == ["olga"]


@pytest.mark.parametrize("mark", ["subject", "form"])
def test_what_was_entered_in_error_is_not_reminded(world, mark):
    subject = recipient(world)
    with world.write() as tx:
        if mark == "subject":
            enrol.mark_subject_error(tx, subject, "twice")
        else:  # without the consent there is no anchor, and so no window
            enter.mark_form_error(tx, subject, forms.read(tx, subject.id, FormKey("SCR", "RENROL")), "wrong person")
    assert scan(world, utc(2026, 12, 3, 6)) == 0


def test_a_mail_that_waits_for_a_visit_done_meanwhile_is_dropped(world):
    subject = recipient(world)
    now = utc(2026, 12, 3, 6)
    scan(world, now)
    world.save(subject, "VISIT", "SCR", typed(VIS_DONE="Y", VIS_DATE=(2, 11, 2026)), now=now)
    assert deliver_next(world, now) is None
    assert queued(world) == [("cora", "1", "dropped")]
    assert scan(world, now) == 0


def test_a_window_that_moved_drops_the_old_mail_and_reminds_anew(world):
    subject = recipient(world)
    now = utc(2026, 12, 3, 6)
    scan(world, now)
    world.save(subject, "RENROL", "SCR", typed(1, "TYPO", ICF_DATE=(1, 11, 2026)), now=now)
    assert scan(world, now) == 1
    assert deliver_next(world, now) is None
    assert deliver_next(world, now) is not None


@pytest.mark.parametrize("change", ["inactive", "no role"])
def test_who_has_no_business_there_any_more_gets_no_mail(world, change):
    recipient(world)
    now = utc(2026, 12, 3, 6)
    scan(world, now)
    with world.write("trialcrf") as tx:
        cora = accounts.find(tx, "cora")
        if change == "inactive":
            administer.set_active(tx, cora.id, False, "left")
        else:
            administer.take_role(tx, cora.id, accounts.grants_of(tx, cora.id)[0].id, "moved")
    assert deliver_next(world, now) is None
    assert queued(world) == [("cora", "1", "dropped")]


def test_a_reminder_names_study_site_and_count_and_nothing_of_any_subject(world):
    first, second = recipient(world), recipient(world)
    now = utc(2026, 12, 3, 6)
    scan(world, now)
    letter = deliver_next(world, now)
    text = letter.subject + letter.body
    assert letter.to == "cora@example.org"
    assert "MSC-SSc" in text and "01" in text and "2" in letter.subject
    assert f"{BASE}/studies/msc_ssc/subjects?kind=recipient&site=01&state=overdue" in letter.body.splitlines()
    for secret in (first.key, second.key, "SCR", "Sélection", "30", "2026"):
        assert secret.lower() not in text.lower(), secret


def test_a_reminder_is_written_in_the_language_of_its_reader(world):
    recipient(world)
    now = utc(2026, 12, 3, 6)
    with world.write("trialcrf") as tx:
        administer.set_preferences(tx, accounts.find(tx, "cora").id, language="en")
    scan(world, now)
    assert "a visit is overdue at site 01" in deliver_next(world, now).subject


SERIOUS = {"AE_WORDS": "Sepsis", "AE_GRADE": "4", "AE_ONSET": (20, 11, 2026), "AE_SERIOUS": "Y", "AE_HOSPITAL": "Y"}


def serious_event(world: World, subject):
    world.save(subject, "ADVERSE", "AE", typed(**SERIOUS))
    with world.read() as tx:
        return forms.read(tx, subject.id, FormKey("AE", "ADVERSE"))


def test_a_serious_event_is_told_without_data_and_each_is_led_to_what_they_may_read(world):
    stored = serious_event(world, recipient(world))
    letters = {}
    for _ in range(2):
        letter = deliver_next(world, utc(2026, 11, 21, 10))
        letters[letter.to] = letter
    assert set(letters) == {"ivan@example.org", "sam@example.org"}
    assert f"{BASE}/studies/msc_ssc/forms/{stored.id}" in letters["ivan@example.org"].body
    assert f"{BASE}/studies/msc_ssc/reports" in letters["sam@example.org"].body.splitlines()
    for letter in letters.values():
        assert "R-01-001" not in letter.subject + letter.body and "Sepsis" not in letter.subject + letter.body


@pytest.mark.parametrize("mark", ["form", "subject"])
def test_an_event_entered_in_error_is_not_told(world, mark):
    subject = recipient(world)
    stored = serious_event(world, subject)
    with world.write() as tx:
        if mark == "form":
            enter.mark_form_error(tx, subject, stored, "wrong person")
        else:
            enrol.mark_subject_error(tx, subject, "wrong person")
    assert deliver_next(world, utc(2026, 11, 21, 10)) is None


def test_an_event_that_is_a_row_is_told_unless_the_row_was_entered_in_error(salt):
    subject = salt.enrol("volunteer", now=ENROLLED, AGREED=(1, 11, 2026), BORN=("", 5, 1980), GENDER="F")
    boxes = {
        "OUCH": "Fainted",
        "WHERE": "HEAD",
        "HOW_BAD": "AWFUL",
        "SINCE": (2, 11, 2026),
        "HOW_IT_ENDED": "RECOVERED/RESOLVED",
        "GRAVE": "Y",
    }
    rows = {f"LIST__new{number}__{oid}": text for number in (1, 2) for oid, text in boxes.items()}
    salt.save(subject, "COMPLAINTS", "WOES", typed(**rows))
    salt.save(subject, "COMPLAINTS", "WOES", Typed(removed={("LIST", "1"): "twice"}, version=1))
    now = utc(2026, 11, 21, 10)
    letters = [deliver_next(salt, now) for _ in range(4)]
    assert [letter and letter.to for letter in letters] == [None, None, "ivan@example.org", "sam@example.org"]


def test_an_invitation_carries_a_token_that_is_stored_nowhere_and_opens_the_account_once(world):
    with world.write("trialcrf") as tx:
        administer.invite(tx, accounts.find(tx, "cora").id)
    now = utc(2026, 11, 21, 10)
    letter = deliver_next(world, now)
    link = next(line for line in letter.body.splitlines() if line.startswith(BASE))
    token = link.rpartition("/")[2]
    with world.read() as tx:
        stored = [str(value) for row in tx.read(select(outbox_table)) for value in row]
        assert not any(token in value for value in stored)
        assert accounts.by_invitation(tx, hash_of(token), now).username == "cora"
    with world.write("trialcrf", now) as tx:
        administer.accept_invitation(tx, token, "a long enough one", now)
    with world.read() as tx:
        assert accounts.by_invitation(tx, hash_of(token), now) is None


def test_what_was_refused_is_tried_again_and_what_is_uncertain_is_not(world):
    recipient(world)
    now = utc(2026, 12, 3, 6)
    scan(world, now)
    with world.write("trialcrf", now) as tx:
        mail = remind.claim(tx)
        assert remind.settle(tx, mail, remind.NotTaken("no room")) == outbox.WAITING
    later = now + timedelta(minutes=3)
    with world.write("trialcrf", later) as tx:
        again = remind.claim(tx)
        assert (again.key, again.attempts) == (mail.key, 2)
        assert remind.settle(tx, again, TimeoutError("no answer")) == outbox.UNCERTAIN
    with world.write("trialcrf", later + timedelta(days=1)) as tx:
        assert remind.claim(tx) is None
