"""Late entry on the page of a form: the boxes for the day on the paper, and what is recorded of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import request

from trialcrf.actions import Impossible
from trialcrf.actions.oversight import late_entry
from trialcrf.core.document import FormKey
from trialcrf.core.wording import N_, Message
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web.fixed import DayForm


class Unclear(Exception):
    """The day on the paper was not understood: nothing was saved, and nothing typed is lost. `message` says why."""

    def __init__(self, problem: Impossible) -> None:
        super().__init__(problem.message.msgid)
        self.message = problem.message


@dataclass(frozen=True, slots=True)
class Late:
    """`told` are sentences about what is recorded; `form` holds the boxes as they were typed."""

    told: tuple[Message, ...]
    form: DayForm


def mark(tx: Transaction, which: Subject, key: FormKey, form_id: int, now: datetime) -> bool:
    """Record the day that was typed beside the form, if one was; says whether anything was recorded. Raises Unclear, and Locked."""
    try:
        day = _boxes().read_day_if_any()
        return day is not None and late_entry.mark(tx, which, key, form_id, day, now)
    except Impossible as problem:
        raise Unclear(problem) from None


def late(tx: Transaction, form_id: int | None) -> Late:
    """What a page shows of a form."""
    said = N_("Late entry from paper of %(day)s, said by %(who)s, %(at)s.")
    known = late_entry.of_form(tx, form_id) if form_id else []
    told = tuple(Message(said, {"day": one.paper_on, "who": one.actor, "at": one.at}) for one in known)
    return Late(told, _boxes())


def _boxes() -> DayForm:
    return DayForm(request.form, prefix="paper_")
