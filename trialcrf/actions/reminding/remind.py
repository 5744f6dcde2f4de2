"""Reminders: a scan decides who is written to and queues it; a delivery checks that it is still due, writes the letter, settles it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from trialcrf.actions.reminding import letters
from trialcrf.actions.reminding.letters import NoLongerDue, Quiet
from trialcrf.core import reminder
from trialcrf.core.definition.model import ReminderStep, Study
from trialcrf.core.wording import N_
from trialcrf.external import mail as post
from trialcrf.external.mail import Letter, NotTaken, Refused
from trialcrf.store import accounts, choices, definitions, outbox, sites, visits
from trialcrf.store.accounts import Account
from trialcrf.store.outbox import Mail, New
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction
from trialcrf.store.visits import Asked, Line

__all__ = ["NoLongerDue", "claim", "compose", "scan_digests", "scan_reminders", "settle"]

AT_ONCE = 2000
"""Visits of a scan that are held in memory together: a site may have thousands."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody whom a study reminds, with the roles held at one site. Who has a weekly digest is told singly of escalations only."""

    account: Account
    roles: frozenset[str]
    weekly: bool


def scan_reminders(tx: Transaction, now: datetime) -> int:
    """Queue a reminder for every visit, step and recipient that is due on that day at the site; returns how many are new.

    A recipient is told of a visit once a step. Where several steps were reached since the last scan (the program stood still for
    days) only the gravest one that concerns the recipient is queued: one mail, not one for every day of silence.
    """
    queued = 0
    for published in definitions.all_of(tx):
        study = published.study
        if study.reminders.steps:
            chosen = choices.all_of(tx, study.oid)
            queued += sum(_scan_site(tx, study, site, chosen, now) for site in sites.all_of(tx, study.oid))
    return queued


def _scan_site(tx: Transaction, study: Study, site: Site, chosen: dict[int, str], now: datetime) -> int:
    people, today = _recipients(tx, study, site, chosen), site.today(now)
    if not people:
        return 0
    asked = Asked([site], now, study.due_soon, windows=reminder.earliest(study.reminders.steps, today))
    told: dict[tuple[str, ...], list[tuple[Recipient, ReminderStep]]] = {}
    queued = 0
    for lot in visits.each(tx, asked, AT_ONCE):
        new = []
        for line in lot:
            held = _held(study, line, today)
            oids = tuple(step.oid for step in held)
            if oids not in told:
                told[oids] = list(_told(people, held))
            new += [_mail(study, line, *each) for each in told[oids]]
        queued += outbox.add_many(tx, new, again=True)
    return queued


def _held(study: Study, line: Line, today: date) -> tuple[ReminderStep, ...]:
    assert line.opens is not None and line.closes is not None  # An open visit has its window.
    return reminder.reached(study.reminders.steps, line.opens, line.closes, today)


def _told(people: Sequence[Recipient], held: Sequence[ReminderStep]) -> Iterator[tuple[Recipient, ReminderStep]]:
    for one in people:
        step = reminder.gravest(held, one.roles, one.weekly)
        if step is not None:
            yield one, step


def _recipients(tx: Transaction, study: Study, site: Site, chosen: dict[int, str]) -> list[Recipient]:
    """Who is reminded of this site's visits at all, by username; those who chose to be left alone are not among them."""
    found: dict[int, tuple[Account, set[str]]] = {}
    for role in sorted({role for step in study.reminders.steps for role in step.roles}):
        for account in accounts.holders(tx, [role], study.oid, site.code):
            found.setdefault(account.id, (account, set()))[1].add(role)
    people = []
    for account, roles in sorted(found.values(), key=lambda each: each[0].username):
        choice = chosen.get(account.id, study.reminders.delivery)
        if choice != choices.NONE:
            people.append(Recipient(account, frozenset(roles), choice == choices.WEEKLY))
    return people


def _mail(study: Study, line: Line, to: Recipient, step: ReminderStep) -> New:
    assert line.opens is not None and line.closes is not None
    params = {
        "study": study.oid,
        "site": line.subject.site.code,
        "subject": line.subject.id,
        "event": line.event_oid,
        "step": step.oid,
        "opens": line.opens.isoformat(),
        "closes": line.closes.isoformat(),
    }
    role = next(role for role in step.roles if role in to.roles)
    return New(letters.key_of(step, params, to.account.username), "remind", to.account.id, params, role)


def scan_digests(tx: Transaction, now: datetime) -> int:
    """Queue the digest of this week for everyone who gets one and whose day and hour have come; returns how many are new.

    The week, the day and the hour are those at the recipient's first site. A week that passed unnoticed is not made up for.
    """
    queued = 0
    for published in definitions.all_of(tx):
        study = published.study
        chosen = choices.all_of(tx, study.oid)
        # The first of a recipient's sites, by code: as the letter takes them.
        first: dict[int, tuple[Account, Site]] = {}
        for site in sites.all_of(tx, study.oid):
            for one in _recipients(tx, study, site, chosen):
                if one.weekly:
                    first.setdefault(one.account.id, (one.account, site))
        queued += sum(_queue_digest(tx, study, account, site, now) for account, site in first.values())
    return queued


def _queue_digest(tx: Transaction, study: Study, account: Account, site: Site, now: datetime) -> bool:
    here = now.astimezone(site.zone)
    if now < reminder.digest_moment(study.reminders, here):
        return False
    week = reminder.week_of(here)
    params = {"study": study.oid, "week": week}
    return outbox.add(tx, outbox.key("digest", study.oid, account.username, week), "digest", account.id, params)


def claim(tx: Transaction) -> Mail | None:
    """Take the next mail that waits, for one sender alone. To be committed before anything else is done with it."""
    return outbox.claim(tx)


def compose(tx: Transaction, mail: Mail, base_url: str, now: datetime) -> Letter | None:
    """Write a claimed mail in its recipient's language; None where it is not to go now: cancelled with the reason, or put back until
    the quiet hours of its site are over.

    A letter names the study and the site, counts, and links; no key, visit or day of any subject is ever in it. An invitation's token
    is made here, so it must be committed before the letter is handed over.
    """
    try:
        account = accounts.by_id(tx, mail.account_id)
        if account is None or not account.active:
            raise NoLongerDue(N_("The recipient's account is not active any more."))
        written = letters.write(tx, mail.kind, account, mail.params, now)
    except NoLongerDue as reason:
        outbox.settle(tx, mail, outbox.CANCELLED, str(reason))
        return None
    except Quiet as quiet:
        outbox.postpone(tx, mail, quiet.until)
        return None
    values = {**written.values, "name": account.name, "link": base_url + written.path}
    if written.stop_path:
        values["stop"] = base_url + written.stop_path
    return post.write(mail.kind, account.language, written.to or account.email, post.message_id(mail.key, base_url), values)


def settle(tx: Transaction, mail: Mail, failure: Exception | None, reply: str = "") -> str:
    """Say what became of a mail that was to be handed over, with what the server replied to it; returns its state.

    Only what was certainly not taken over (NotTaken) is tried again, and given up in the end; what was refused for good has failed;
    whatever else went wrong leaves it uncertain: a person looks at it, and it is never sent twice.
    """
    if failure is None:
        outbox.settle(tx, mail, outbox.SENT, reply[:500])
        return outbox.SENT
    said = str(failure)[:500] or type(failure).__name__
    if isinstance(failure, Refused):
        outbox.settle(tx, mail, outbox.FAILED, said)
        return outbox.FAILED
    if isinstance(failure, NotTaken):
        return outbox.retry(tx, mail, said)
    outbox.settle(tx, mail, outbox.UNCERTAIN, said)
    return outbox.UNCERTAIN
