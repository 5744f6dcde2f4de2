"""Clocks of serious events: a scan tells who must report how far each has come, and sponsor and investigator what is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from trialcrf.actions.reminding.notify import SERIOUS_ROLES
from trialcrf.actions.safety.follow_case import Followed, followed
from trialcrf.core.safety.case import CaseState
from trialcrf.core.safety.clock import ESCALATED, Deadline, Step, reached
from trialcrf.store import accounts, cases, definitions, outbox
from trialcrf.store.accounts import Account
from trialcrf.store.outbox import New
from trialcrf.store.transaction import Transaction

ENDED = (CaseState.CLOSED, CaseState.NULLIFIED)


def scan_clocks(tx: Transaction, now: datetime) -> int:
    """Queue a mail for every clock that waits, each step it has come to, and whoever is told of it; returns how many are new.

    Where several steps were reached since the last scan, only the last one is told: one mail, not one for every hour of silence.
    """
    queued = 0
    for published in definitions.all_of(tx):
        held = [one for one in cases.all_of(tx, published.study.oid) if one.state not in ENDED]
        new = [mail for of in followed(tx, published, held, now) for mail in _mails(tx, of, now)]
        queued += outbox.add_many(tx, new, again=True)
    return queued


def _mails(tx: Transaction, of: Followed, now: datetime) -> Iterator[New]:
    if of.subject.error or of.stood[-1].error:
        return
    for deadline in of.deadlines:
        step = reached(deadline, now)
        if step is not None:
            for account, role in _told(tx, of, deadline, step):
                yield mail(of, deadline, step, account, role)


def _told(tx: Transaction, of: Followed, deadline: Deadline, step: Step) -> Iterator[tuple[Account, str]]:
    """Who is told, each once, under the first role that they hold."""
    seen = set()
    for role in roles_told(deadline, step):
        for account in accounts.holders(tx, [role], of.case.study_oid, of.case.site):
            if account.id not in seen:
                seen.add(account.id)
                yield account, role


def roles_told(deadline: Deadline, step: Step) -> tuple[str, ...]:
    """The roles that are told of this step: who must tell, and once it is over, the sponsor and the investigator, too."""
    sender = deadline.obligation.sender
    return (sender, *(role for role in SERIOUS_ROLES if role != sender)) if step in ESCALATED else (sender,)


def mail(of: Followed, deadline: Deadline, step: Step, to: Account, role: str) -> New:
    """A reminder: one a person, case, obligation, start of the clock and step. A corrected start reminds anew."""
    assert deadline.starts is not None
    case, oid, starts = of.case, deadline.obligation.oid, cases.said(deadline.starts)
    params = {
        "study": case.study_oid, "site": case.site, "case": case.number, "obligation": oid, "starts": starts,
        "step": step.value,
    }  # fmt: skip
    key = outbox.key("clock", case.study_oid, str(case.number), oid, starts, step.value, to.username)
    return New(key, "clock", to.id, params, role)
