"""Reminders: a scan decides who is written to and queues it; a delivery checks that it is still due, writes the letter, settles it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Any
from urllib.parse import quote, urlencode

from trialcrf.actions.administer import INVITATION_LASTS, fresh_invitation
from trialcrf.actions.notify import SERIOUS_ROLES
from trialcrf.core import schedule
from trialcrf.core.access import may
from trialcrf.core.definition.model import Study
from trialcrf.core.document import Place
from trialcrf.core.schedule import Visit
from trialcrf.core.wording import N_
from trialcrf.external import mail as letters
from trialcrf.external.mail import Letter, NotTaken
from trialcrf.store import accounts, definitions, forms, outbox, sites, subjects
from trialcrf.store.accounts import Account
from trialcrf.store.outbox import Mail
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

AT_ONCE = 200
"""Subjects whose records are held in memory together: a site may have thousands."""


class NoLongerDue(Exception):
    """The reason for a mail is gone; the text (a msgid) says how, for whoever reads the outbox."""


def scan_overdue(tx: Transaction, now: datetime) -> int:
    """Queue a reminder for every visit, step and recipient that is due on that day at the site; returns how many are new.

    A recipient is told of a visit once a step. Where several steps were reached since the last scan (the program stood still for
    days) only the highest one that concerns the recipient is queued: one mail, not one for every day of silence.
    """
    queued = 0
    for published in definitions.all_of(tx):
        study = published.study
        if not study.reminders:
            continue
        for site in sites.all_of(tx, study.oid):
            for subject, visit in overdue_at(tx, study, site, now):
                for account, step in _recipients(tx, study, site, visit):
                    queued += _queue(tx, study, site, subject, visit, account, step)
    return queued


def overdue_at(tx: Transaction, study: Study, site: Site, now: datetime) -> Iterator[tuple[Subject, Visit]]:
    """Every overdue visit at the site; subjects and forms in error have none."""
    found = subjects.all_of(tx, study.oid, [site.code])
    today = site.today(now)
    for start in range(0, len(found), AT_ONCE):
        some = found[start : start + AT_ONCE]
        for subject, record in zip(some, subjects.records(tx, some), strict=True):
            for visit in schedule.overdue(study, record, today):
                yield subject, visit


def _recipients(tx: Transaction, study: Study, site: Site, visit: Visit) -> Iterator[tuple[Account, int]]:
    """Who is to be told of an overdue visit, each with the highest step (in days) that was reached and concerns them."""
    reached: dict[int, tuple[Account, int]] = {}
    for step in sorted(study.reminders, key=lambda step: step.days_overdue):
        if step.days_overdue <= visit.overdue_by:
            reached |= {account.id: (account, step.days_overdue) for account in accounts.holders(tx, step.roles, study.oid, site.code)}
    yield from reached.values()


def _queue(tx: Transaction, study: Study, site: Site, subject: Subject, visit: Visit, account: Account, step: int) -> bool:
    assert visit.closes is not None
    closes = visit.closes.isoformat()
    # The last day of the window is part of the key: a corrected infusion moves the window, and a moved window reminds anew.
    key = "|".join(["overdue", study.oid, str(subject.id), visit.event.oid, "1", str(step), account.username, closes])
    params = {"study": study.oid, "site": site.code, "subject": subject.id, "event": visit.event.oid, "step": step, "closes": closes}
    return outbox.add(tx, key, "overdue", account.id, params)


def claim(tx: Transaction) -> Mail | None:
    """Take the next mail that waits, for one sender alone. To be committed before anything else is done with it."""
    return outbox.claim(tx)


def compose(tx: Transaction, mail: Mail, base_url: str, now: datetime) -> Letter | None:
    """Write a claimed mail in its recipient's language; None where it is no longer due: then it is settled as dropped, with the reason.

    A letter names the study and the site, counts, and links; no key, visit or day of any subject is ever in it. An invitation's token
    is made here, so it must be committed before the letter is handed over.
    """
    try:
        account = accounts.by_id(tx, mail.account_id)
        if account is None or not account.active:
            raise NoLongerDue(N_("The recipient's account is not active any more."))
        values, path = _WRITERS[mail.kind](tx, account, mail.params, now)
    except NoLongerDue as reason:
        outbox.settle(tx, mail, outbox.DROPPED, str(reason))
        return None
    values = {**values, "name": account.name, "link": base_url + path}
    return letters.write(mail.kind, account.language, account.email, letters.message_id(mail.key, base_url), values)


def settle(tx: Transaction, mail: Mail, failure: Exception | None) -> str:
    """Say what became of a mail that was to be handed over; returns its state.

    Only what was certainly not taken over (NotTaken) is tried again, a few times; whatever else went wrong leaves it uncertain: a
    person looks at it, and it is never sent twice.
    """
    if failure is None:
        outbox.settle(tx, mail, outbox.SENT)
        return outbox.SENT
    said = str(failure)[:500] or type(failure).__name__
    if isinstance(failure, NotTaken):
        outbox.retry(tx, mail, said)
        return outbox.WAITING if mail.attempts < outbox.MAX_ATTEMPTS else outbox.FAILED
    outbox.settle(tx, mail, outbox.UNCERTAIN, said)
    return outbox.UNCERTAIN


Written = tuple[Mapping[str, object], str]
"""What a text of `templates/mail` needs, and the path that its link leads to."""


def _overdue(tx: Transaction, account: Account, params: Mapping[str, Any], now: datetime) -> Written:
    study, site = _place(tx, params)
    steps = [step for step in study.reminders if step.days_overdue == params["step"]]
    if not any(_holds(tx, account, step.roles, params) for step in steps):
        raise NoLongerDue(N_("The recipient is not to be reminded of this any more."))
    late = list(overdue_at(tx, study, site, now))
    wanted = (params["subject"], params["event"], date.fromisoformat(params["closes"]))
    meant = next((one for one, visit in late if (one.id, visit.event.oid, visit.closes) == wanted), None)
    if meant is None:
        raise NoLongerDue(N_("The visit is not overdue any more."))
    # The list shows one kind of subject at a time: the number in the letter is the number of visits that the reader finds there.
    count = sum(one.subject_type == meant.subject_type for one, _ in late)
    query = urlencode({"kind": meant.subject_type, "site": site.code, "state": schedule.State.OVERDUE.value})
    return {"study": study.protocol, "site": site.code, "count": count}, f"/studies/{quote(study.oid)}/subjects?{query}"


def _serious(tx: Transaction, account: Account, params: Mapping[str, Any], now: datetime) -> Written:
    study, site = _place(tx, params)
    if not _holds(tx, account, SERIOUS_ROLES, params):
        raise NoLongerDue(N_("The recipient is not to be told of this any more."))
    stored = forms.by_id(tx, params["form"])
    living = {subject.id for subject in subjects.all_of(tx, study.oid, [site.code])}
    place = Place.parse(params["place"])
    row = stored.document.row(place.group, place.row) if stored and place.row else None
    if stored is None or stored.error or stored.subject_id not in living or (row is not None and row.error):
        raise NoLongerDue(N_("The event was marked entered in error."))
    # A sponsor opens no form: the reports are what a sponsor may read.
    reads = may(accounts.actor(tx, account), "form.read", study.oid, site.code)
    path = f"/studies/{quote(study.oid)}/" + (f"forms/{stored.id}" if reads else "reports")
    return {"study": study.protocol, "site": site.code}, path


def _invite(tx: Transaction, account: Account, params: Mapping[str, Any], now: datetime) -> Written:
    token = fresh_invitation(tx, account.id)
    return {"username": account.username, "days": INVITATION_LASTS.days}, f"/invitation/{quote(token)}"


_WRITERS: Mapping[str, Callable[[Transaction, Account, Mapping[str, Any], datetime], Written]] = {
    "overdue": _overdue,
    "serious": _serious,
    "invite": _invite,
}


def _place(tx: Transaction, params: Mapping[str, Any]) -> tuple[Study, Site]:
    published, site = definitions.current(tx, params["study"]), sites.find(tx, params["study"], params["site"])
    assert published is not None and site is not None  # Neither a study nor a site is ever deleted.
    return published.study, site


def _holds(tx: Transaction, account: Account, roles: tuple[str, ...], params: Mapping[str, Any]) -> bool:
    return any(one.id == account.id for one in accounts.holders(tx, roles, params["study"], params["site"]))
