"""Bedside checks that were refused, from the trail: every attempt is kept with its reasons, a mistyped label and a wrong password too."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from trialcrf.actions import sign, sign_in
from trialcrf.actions.cells.bedside import MEANING, Sent, record_stop
from trialcrf.core.access import Actor
from trialcrf.core.product.bedside import STOPS, Stop
from trialcrf.core.wording import N_, Message
from trialcrf.store import accounts, audit
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

REASONS: Mapping[str, str] = {
    "label_bag": N_("The label of the bag could not be read."),
    "label_wristband": N_("The label of the wristband could not be read."),
    "label_donation": N_("The label of the donation could not be read."),
    "password": N_("The password of the first person was wrong."),
    "second_password": N_("The user name and password of the second person did not go together."),
    "second_person": N_("The second person may not confirm here, or was the first."),
    "not_recorded": N_("The check could not be recorded."),
}
"""Why an attempt came to nothing, beside the stops of `core.product.bedside`."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A refused attempt: the scans as they came, everything that stood against it, the user names of who stood there."""

    at: datetime
    bag: str
    wristband: str
    donation: str
    cohort: str
    reasons: tuple[Message, ...]
    by: tuple[str, ...]


def refused(tx: Transaction, subject: Subject) -> list[Attempt]:
    """The refused attempts on this recipient, newest first."""
    found = []
    for past in audit.history(tx.connection, "refusal", str(subject.id), "bedside"):
        # A value that was redacted is no longer there; that there was an attempt stays.
        said = json.loads(past.new or "{}")
        reasons = tuple(_said(str(code)) for code in said.get("stops", ()))
        bag, wristband, donation, cohort = (str(said.get(name, "")) for name in ("bag", "wristband", "donation", "cohort"))
        found.append(Attempt(past.at, bag, wristband, donation, cohort, reasons, tuple(said.get("by", (past.actor,)))))
    return found[::-1]


def record(tx: Transaction, subject: Subject, actor: Actor, second: str, sent: Sent, reasons: Sequence[str]) -> None:
    """A refused attempt, with the second person where such an account exists: what else was typed there may be anything, a password too."""
    other = accounts.find(tx, second.replace("\x00", "").strip().lower()[:80]) if second.strip() else None
    record_stop(tx, subject, sent, reasons, [actor.username, *([other.username] if other else [])])


def note_wrong_password(tx: Transaction, subject: Subject, actor: Actor, second: str, sent: Sent, field: str) -> None:
    """After sign.WrongPassword, in a transaction of its own: the failure counts against whose password it was, and the attempt is kept."""
    reason = {"second_password": "second_password", "second_username": "second_person"}.get(field, "password")
    if reason == "password":
        sign.note_refusal(tx, actor, subject, MEANING)
    elif reason == "second_password":
        sign_in.note_failure(tx, second, tx.who.address)
    record(tx, subject, actor, second, sent, [reason])


def _said(code: str) -> Message:
    return Message(STOPS[Stop(code)] if code in set(Stop) else REASONS.get(code, REASONS["not_recorded"]))
