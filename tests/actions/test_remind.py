"""Reminders on a real database: the day at the site decides, one mail a visit, step and person, and none that is not due any more."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from tests.actions.world import TRAINED, World, study_of, typed
from trialcrf.actions import administer, enrol, enter, publish
from trialcrf.actions.enter import Typed
from trialcrf.actions.reminding import choose, remind
from trialcrf.actions.sign_in import hash_of
from trialcrf.core.definition.model import ReminderStep
from trialcrf.core.document import FormKey
from trialcrf.core.wording import Words
from trialcrf.store import accounts, choices, forms, outbox, sites
from trialcrf.store.models import outbox as outbox_table

CONSENT = {
    "ICF_DATE": (2, 11, 2026), "ICF_VERSION": "1.0", "ICF_LANG": "fr", "ICF_SIGNED": "Y", "BIRTH_MONTH": ("", 5, 1980), "SEX_BIRTH": "F",
}  # fmt: skip
ENROLLED = datetime(2026, 11, 2, 22, 0, tzinfo=UTC)
"""The screening window of a consent on 2 November ends 28 days later, on the 30th."""

BASE = "https://crf.example.org"


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def recipient(world: World, site: str = "01", consent: tuple[int, int, int] = (2, 11, 2026)):
    day, month, year = consent
    return world.enrol("recipient", site, now=utc(year, month, day, 22), **CONSENT | {"ICF_DATE": consent})


def scan(world: World, now: datetime) -> int:
    with world.write("trialcrf", now) as tx:
        return remind.scan_reminders(tx, now)


def queued(world: World) -> list[tuple[str, str, str]]:
    """(user name, step, state) of every reminder."""
    with world.read() as tx:
        rows = tx.read(select(outbox_table.c.key, outbox_table.c.state).order_by(outbox_table.c.id)).all()
    return [(row.key.split("|")[5], row.key.split("|")[4], row.state) for row in rows]


def reasons(world: World) -> list[str]:
    with world.read() as tx:
        return list(tx.read(select(outbox_table.c.said).order_by(outbox_table.c.id)).scalars())


def deliver_next(world: World, now: datetime):
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


def deliver_all(world: World, now: datetime) -> list:
    letters = []
    while True:
        with world.write("trialcrf", now) as tx:
            waiting = outbox.counts(tx).get(outbox.QUEUED, 0)
        if not waiting:
            return [letter for letter in letters if letter]
        letters.append(deliver_next(world, now))


def choose_(world: World, name: str, choice: str) -> None:
    with world.write(name) as tx:
        choose.reminders(tx, accounts.find(tx, name).id, world.study, choice)


def remind_by(world: World, **changes) -> None:
    """Publish the study anew with other reminders."""
    study = world.published.study
    with world.write("trialcrf") as tx:
        publish.publish(tx, replace(study, reminders=replace(study.reminders, **changes)))


# --- The scan --------------------------------------------------------------------------------------------------------------------------


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
        administer.give_role(tx, account_id, "coordinator", world.study, site, TRAINED)
    recipient(world, site)
    scan(world, still_open)
    assert ("petra", "LAST7", "queued") in queued(world)
    assert ("petra", "OVERDUE1", "queued") not in queued(world)
    scan(world, over)
    assert ("petra", "OVERDUE1", "queued") in queued(world)


def test_scanning_twice_queues_once(world):
    recipient(world)
    now = utc(2026, 12, 1, 6)
    assert [scan(world, now), scan(world, now), scan(world, now + timedelta(hours=12))] == [1, 0, 0]
    assert queued(world) == [("cora", "OVERDUE1", "queued")]


def test_every_step_is_told_once_to_those_it_concerns(world):
    recipient(world)
    for day in range(60):
        scan(world, utc(2026, 11, 1, 6) + timedelta(days=day))
    told = [(name, step) for name, step, _ in queued(world)]
    assert sorted(told) == [
        ("cora", "BEFORE7"), ("cora", "LAST7"), ("cora", "OPENS"), ("cora", "OVERDUE1"), ("cora", "OVERDUE21"), ("cora", "OVERDUE7"),
        ("ivan", "OVERDUE21"), ("ivan", "OVERDUE7"), ("mona", "ESCALATE21"), ("sam", "ESCALATE21"),
    ]  # fmt: skip


def test_a_mail_is_queued_for_the_role_that_its_step_names(world):
    recipient(world)
    scan(world, utc(2026, 12, 25, 6))
    with world.read() as tx:
        roles = {row.username: row.role for row in outbox.all_of(tx)}
    assert roles == {"cora": "coordinator", "ivan": "investigator", "mona": "monitor", "sam": "sponsor"}


def test_before_the_window_opens_it_is_told_too(salt):
    before = ReminderStep("SOON", "before", 5, ("coordinator",), Words({"fr": "Bientôt.", "en": "Soon."}))
    remind_by(salt, steps=(before,))
    volunteer = salt.enrol("volunteer", now=utc(2026, 2, 1, 9), AGREED=(20, 1, 2026), BORN=("", 5, 1980), GENDER="F")
    salt.save(volunteer, "ALLOT", "LOTTERY", typed(None, DRAWN=(31, 1, 2026), TO="LOW"), now=utc(2026, 2, 1, 9))
    # The window of WEIGH2 opens on 2 March: a month after 31 January is 28 February.
    assert [scan(salt, utc(2026, 2, day, 9)) for day in (20, 24, 25, 26)] == [0, 0, 1, 0]
    letter = deliver_next(salt, utc(2026, 3, 1, 9))
    assert "Bientôt." in letter.body
    assert scan(salt, utc(2026, 3, 2, 9)) == 0


@pytest.mark.parametrize(
    ("consent", "still_open", "over"), [((1, 2, 2028), (2028, 2, 29), (2028, 3, 1)), ((1, 2, 2027), (2027, 3, 1), (2027, 3, 2))]
)
def test_the_29_february_is_a_day_where_there_is_one(world, consent, still_open, over):
    recipient(world, consent=consent)
    scan(world, utc(*still_open, 12))
    assert queued(world) == [("cora", "LAST7", "queued")]
    scan(world, utc(*over, 12))
    assert queued(world)[1:] == [("cora", "OVERDUE1", "queued")]


def test_after_days_of_silence_each_person_gets_one_mail_for_the_gravest_step(world):
    recipient(world)
    assert scan(world, utc(2026, 12, 25, 6)) == 4
    assert sorted(queued(world)) == [
        ("cora", "OVERDUE21", "queued"), ("ivan", "OVERDUE21", "queued"), ("mona", "ESCALATE21", "queued"), ("sam", "ESCALATE21", "queued"),
    ]  # fmt: skip
    assert scan(world, utc(2026, 12, 26, 6)) == 0, "the milder steps are not made up for"


def test_a_clock_put_back_over_midnight_sends_nothing_milder_and_nothing_twice(world):
    recipient(world)
    midnight = utc(2026, 12, 20, 23, 10)  # In Paris it is the 21st day after the window.
    scan(world, midnight)
    scan(world, midnight - timedelta(hours=1))
    morning = utc(2026, 12, 21, 9)
    sent = deliver_all(world, morning)
    assert sorted(letter.to for letter in sent) == [f"{name}@example.org" for name in ("cora", "ivan", "mona", "sam")]
    assert scan(world, morning - timedelta(hours=24)) == 2, "by a clock that is a whole day slow the step of a week would be the one"
    assert deliver_all(world, morning - timedelta(hours=24)) == []


def test_a_scan_in_many_lots_forgets_nobody(world, monkeypatch):
    monkeypatch.setattr(remind, "AT_ONCE", 2)
    for _ in range(5):
        recipient(world)
    now = utc(2026, 12, 3, 6)
    assert [scan(world, now), scan(world, now)] == [5, 0]


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


def test_a_visit_of_somebody_who_left_after_its_window_is_overdue_and_reminds_nobody(salt):
    volunteer = salt.enrol("volunteer", now=utc(2026, 2, 1, 9), AGREED=(20, 1, 2026), BORN=("", 5, 1980), GENDER="F")
    salt.save(volunteer, "ALLOT", "LOTTERY", typed(None, DRAWN=(31, 1, 2026), TO="LOW"), now=utc(2026, 2, 1, 9))
    now = utc(2026, 3, 20, 9)
    assert scan(salt, now) == 4
    salt.save(volunteer, "FAREWELL", "GOODBYE", typed(None, REASON="WITHDRAWAL BY SUBJECT", LEFT_ON=(15, 3, 2026)), now=now)
    assert deliver_all(salt, now) == []
    assert set(reasons(salt)) == {"The visit does not wait any more."}
    assert scan(salt, now) == 0


# --- Choices ---------------------------------------------------------------------------------------------------------------------------


def test_who_wants_no_reminders_gets_none_and_who_wants_a_digest_gets_escalations_only(world):
    for name, choice in (("cora", choices.NONE), ("ivan", choices.WEEKLY), ("mona", choices.WEEKLY), ("sam", choices.NONE)):
        choose_(world, name, choice)
    recipient(world)
    scan(world, utc(2026, 12, 25, 6))
    assert queued(world) == [("mona", "ESCALATE21", "queued")]
    assert deliver_next(world, utc(2026, 12, 25, 9)).to == "mona@example.org"


def test_a_study_that_gathers_by_itself_sends_singly_to_those_who_chose_so(world):
    remind_by(world, delivery="weekly")
    choose_(world, "ivan", choices.EACH)
    recipient(world)
    scan(world, utc(2026, 12, 25, 6))
    assert [(name, step) for name, step, _ in queued(world)] == [("ivan", "OVERDUE21"), ("mona", "ESCALATE21"), ("sam", "ESCALATE21")]


@pytest.mark.parametrize(
    ("choice", "reason"),
    [(choices.NONE, "The recipient wants no reminders."), (choices.WEEKLY, "The recipient gets a weekly digest instead.")],
)
def test_a_choice_holds_for_the_mails_that_wait_already(world, choice, reason):
    recipient(world)
    now = utc(2026, 12, 3, 6)
    scan(world, now)
    choose_(world, "cora", choice)
    assert deliver_next(world, now) is None
    assert reasons(world) == [reason]
    choose_(world, "cora", choices.EACH)
    assert scan(world, now) == 1, "who wants them again is told of what still waits"
    assert deliver_next(world, now) is not None


def test_the_link_that_stops_reminders_names_person_and_study_and_opens_nothing_else(world):
    recipient(world)
    now = utc(2026, 12, 3, 6)
    scan(world, now)
    letter = deliver_next(world, now)
    assert letter.stop_url.startswith(f"{BASE}/reminders/stop/") and letter.stop_url in letter.body.splitlines()
    with world.write("trialcrf", now) as tx:
        link = choose.linked(tx, letter.stop_url.rpartition("/")[2])
        assert (link.account.username, link.study.oid) == ("cora", world.study)
        choose.stop(tx, link)
    assert scan(world, utc(2026, 12, 7, 6)) == 1, "ivan alone"


# --- Checked once more before it goes --------------------------------------------------------------------------------------------------


def test_a_mail_that_waits_for_a_visit_done_meanwhile_is_cancelled_and_comes_back_with_its_reason(world):
    subject = recipient(world)
    now = utc(2026, 12, 3, 6)
    scan(world, now)
    world.save(subject, "VISIT", "SCR", typed(VIS_DONE="Y", VIS_DATE=(2, 11, 2026)), now=now)
    assert deliver_next(world, now) is None
    assert queued(world) == [("cora", "OVERDUE1", "cancelled")]
    assert scan(world, now) == 0
    with world.write(now=now) as tx:
        enter.mark_form_error(tx, subject, forms.read(tx, subject.id, FormKey("SCR", "VISIT")), "of another person")
    assert scan(world, now) == 1
    assert deliver_next(world, now) is not None
    assert scan(world, now) == 0


def test_a_window_that_moved_cancels_the_old_mail_and_reminds_anew_and_so_does_one_that_moved_back(world):
    subject = recipient(world)
    now = utc(2026, 12, 3, 6)
    scan(world, now)
    world.save(subject, "RENROL", "SCR", typed(1, "TYPO", ICF_DATE=(1, 11, 2026)), now=now)
    assert scan(world, now) == 1
    assert deliver_next(world, now) is None
    assert reasons(world)[0] == "The window of the visit moved."
    world.save(subject, "RENROL", "SCR", typed(2, "TYPO", ICF_DATE=(2, 11, 2026)), now=now)
    assert scan(world, now) == 1
    assert [letter and letter.to for letter in (deliver_next(world, now), deliver_next(world, now))] == ["cora@example.org", None]
    assert scan(world, now) == 0


def test_the_rule_decides_and_not_the_rows_of_the_lists(world):
    """A row that lags behind queues a mail in vain; it sends none."""
    subject = recipient(world)
    now = utc(2026, 12, 3, 6)
    scan(world, now)
    with world.write() as tx:
        enrol.mark_subject_error(tx, subject, "twice")
    assert deliver_next(world, now) is None
    assert reasons(world) == ["The visit does not wait any more."]


def test_a_mail_that_waited_until_the_next_step_makes_way_for_it(world):
    recipient(world)
    scan(world, utc(2026, 11, 30, 10))
    later = utc(2026, 12, 2, 10)
    scan(world, later)
    assert [letter and "retard" in letter.subject for letter in (deliver_next(world, later), deliver_next(world, later))] == [None, True]
    assert queued(world) == [("cora", "LAST7", "cancelled"), ("cora", "OVERDUE1", "sent")]


def test_a_step_that_the_study_gave_up_is_not_sent(world):
    recipient(world)
    now = utc(2026, 12, 3, 6)
    scan(world, now)
    remind_by(world, steps=study_of("msc_ssc").reminders.steps[:2])
    assert deliver_next(world, now) is None
    assert reasons(world) == ["The study does not remind of this any more."]


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
    assert queued(world) == [("cora", "OVERDUE1", "cancelled")]


# --- Quiet hours -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("consent", "evening", "morning"),
    [
        ((2, 11, 2026), utc(2026, 12, 3, 19, 0), utc(2026, 12, 4, 6, 0)),
        ((2, 3, 2026), utc(2026, 3, 28, 19, 0), utc(2026, 3, 29, 5, 0)),  # Clocks go forward in this night, ...
        ((1, 10, 2026), utc(2026, 10, 24, 18, 0), utc(2026, 10, 25, 6, 0)),  # ... and back in this one.
    ],
)
def test_in_quiet_hours_a_mail_waits_until_the_morning_of_the_site(world, consent, evening, morning):
    recipient(world, consent=consent)
    scan(world, evening)
    assert deliver_next(world, evening) is None
    assert [state for _, _, state in queued(world)] == ["queued"]
    with world.write("trialcrf", morning - timedelta(seconds=1)) as tx:
        assert remind.claim(tx) is None
    assert deliver_next(world, morning) is not None
    with world.read() as tx:
        assert [row.attempts for row in outbox.all_of(tx)] == [1], "to wait is no attempt"


def test_before_the_evening_at_the_site_a_mail_goes(world):
    recipient(world)
    scan(world, utc(2026, 12, 3, 18, 59))
    assert deliver_next(world, utc(2026, 12, 3, 18, 59)) is not None


def test_a_mail_whose_visit_is_done_in_the_night_is_not_sent_in_the_morning(world):
    subject = recipient(world)
    evening, morning = utc(2026, 12, 3, 20), utc(2026, 12, 4, 6)
    scan(world, evening)
    assert deliver_next(world, evening) is None
    world.save(subject, "VISIT", "SCR", typed(VIS_DONE="Y", VIS_DATE=(2, 11, 2026)), now=morning)
    assert deliver_next(world, morning) is None
    assert [state for _, _, state in queued(world)] == ["cancelled"]


# --- What is in it ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_reminder_names_study_site_and_count_and_nothing_of_any_subject(world, language):
    first, second = recipient(world), recipient(world)
    with world.write("trialcrf") as tx:
        for name in ("cora", "ivan", "mona", "sam"):
            administer.set_preferences(tx, accounts.find(tx, name).id, language=language)
    seen = set()
    for now in (utc(2026, 11, 5, 10), utc(2026, 11, 28, 10), utc(2026, 12, 3, 10), utc(2026, 12, 9, 10), utc(2026, 12, 25, 10)):
        scan(world, now)
        for letter in deliver_all(world, now):
            text = letter.subject + letter.body.replace(letter.stop_url, "")
            seen.add(letter.subject)
            assert "MSC-SSc" in text and "01" in text and "2" in letter.subject
            assert f"{BASE}/studies/msc_ssc/today?site=01" in letter.body.splitlines()
            for secret in (first.key, second.key, "SCR", "Sélection", "Screening", "30", "2026", f"/{first.id}"):
                assert secret.lower() not in text.lower(), secret
    assert {state for _, _, state in queued(world)} == {"sent"}
    assert len(queued(world)) == 18 and len(seen) == 2, "due and overdue"


def test_a_reminder_is_written_in_the_language_of_its_reader_with_the_studys_own_words(world):
    recipient(world)
    now = utc(2026, 12, 25, 10)
    with world.write("trialcrf") as tx:
        administer.set_preferences(tx, accounts.find(tx, "cora").id, language="en")
    scan(world, now)
    letters = {letter.to.partition("@")[0]: letter for letter in deliver_all(world, now)}
    assert "a visit is overdue at site 01" in letters["cora"].subject
    assert "A visit has been overdue for three weeks or more; the monitor and the sponsor are told." in letters["cora"].body
    assert "Une visite est en retard depuis trois semaines au moins ; le moniteur" in letters["ivan"].body
    assert "Une visite de ce centre est en retard" in letters["sam"].body


def test_the_number_in_a_mail_is_the_number_of_the_list_at_that_site(world):
    for site in ("01", "01", "01", "02"):
        recipient(world, site)
    now = utc(2026, 12, 3, 6)
    scan(world, now)
    assert deliver_next(world, now).subject.count("3") == 1


# --- Other mails -----------------------------------------------------------------------------------------------------------------------


SERIOUS = {"AE_WORDS": "Sepsis", "AE_GRADE": "4", "AE_ONSET": (20, 11, 2026), "AE_SERIOUS": "Y", "AE_HOSPITAL": "Y"}


def serious_event(world: World, subject):
    world.save(subject, "ADVERSE", "AE", typed(**SERIOUS))
    with world.read() as tx:
        return forms.read(tx, subject.id, FormKey("AE", "ADVERSE"))


def test_a_serious_event_is_told_without_data_and_each_is_led_to_what_they_may_read(world):
    stored = serious_event(world, recipient(world))
    letters = {}
    for _ in range(2):
        letter = deliver_next(world, utc(2026, 11, 21, 23))  # Such news knows no quiet hours.
        letters[letter.to] = letter
    assert set(letters) == {"ivan@example.org", "sam@example.org"}
    assert f"{BASE}/studies/msc_ssc/forms/{stored.id}" in letters["ivan@example.org"].body
    assert f"{BASE}/studies/msc_ssc/cases/1" in letters["sam@example.org"].body.splitlines()
    assert {letter.stop_url for letter in letters.values()} == {""}, "these are not for choosing"
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
        assert remind.settle(tx, mail, remind.NotTaken("no room")) == outbox.QUEUED
    later = now + timedelta(minutes=3)
    with world.write("trialcrf", later) as tx:
        again = remind.claim(tx)
        assert (again.key, again.attempts) == (mail.key, 2)
        assert remind.settle(tx, again, TimeoutError("no answer")) == outbox.UNCERTAIN
    with world.write("trialcrf", later + timedelta(days=1)) as tx:
        assert remind.claim(tx) is None
