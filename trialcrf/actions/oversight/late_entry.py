"""Late entry: what was first written on paper while the program could not be reached, and is entered afterwards, is recorded as such."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime

from trialcrf.actions import Impossible
from trialcrf.core.document import FormKey
from trialcrf.core.wording import N_, Message
from trialcrf.store import audit, locks
from trialcrf.store.audit import Entry
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

ENTITY = "late_entry"


@dataclass(frozen=True, slots=True)
class LateEntry:
    """That a form was entered from paper: the day on the paper, who said so and when."""

    paper_on: date
    actor: str
    at: datetime


def mark(tx: Transaction, which: Subject, key: FormKey, form_id: int, paper_on: date, now: datetime) -> bool:
    """Record that a form was entered from paper of this day; False where that was the last thing recorded of it: a page sent twice.

    Raises Impossible for a day that is still to come at the site, and Locked.
    """
    if paper_on > which.site.today(now):
        raise Impossible(Message(N_("The paper cannot be of a day that is still to come.")), "paper")
    known = of_form(tx, form_id)
    if known and known[-1].paper_on == paper_on:
        return False
    locks.refuse_work(tx, locks.over_form(which, key, form_id))
    said = json.dumps({"paper_on": paper_on.isoformat()})
    tx.entries.append(Entry(which.site.chain, ENTITY, ENTITY, str(form_id), "", said, which.key, first=not known))
    return True


def of_form(tx: Transaction, form_id: int) -> list[LateEntry]:
    """Every time that a form was entered from paper, oldest first."""
    found = []
    for past in audit.history(tx.connection, ENTITY, str(form_id)):
        if past.new is not None:
            found.append(LateEntry(date.fromisoformat(json.loads(past.new)["paper_on"]), past.actor, past.at))
    return found
