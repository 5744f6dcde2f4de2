"""What becomes of what was typed and not saved yet: it is settled by a save, discarded by whoever typed it, or ends when nobody came back.

A draft is no record of the trial: nobody but its author reads it, and no check, count or report knows of it. What is recorded is
that there was one: with a save the moment of the first keystroke beside that of storage (EMA guideline on computerised systems and
electronic data in clinical trials, 2023, 6.2.1), without one that it was discarded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from trialcrf.core.document import FormKey
from trialcrf.store import audit, drafts, sites, subjects
from trialcrf.store.audit import Entry
from trialcrf.store.drafts import Draft
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

ENTITY, ENTRY_TIME = "draft", "entry_time"


def begun(tx: Transaction, account_id: int, address: str, pages: Sequence[str], told: datetime | None) -> datetime | None:
    """When the first key was pressed of what is saved now: as the page tells, or earlier as its drafts do. They are taken away."""
    moments = [one.begun_at for one in drafts.take(tx, account_id, address, pages)]
    return min([*moments, *([told] if told else [])], default=None)


def note_entry(tx: Transaction, which: Subject, form_id: int, begun_at: datetime) -> None:
    """Record when what this transaction saves was first typed; the record's own moment is that of storage."""
    said = json.dumps({"begun_at": min(begun_at, tx.at).isoformat()})
    tx.entries.append(Entry(which.site.chain, ENTRY_TIME, ENTRY_TIME, str(form_id), "", said, which.key, first=True))


def entry_times(tx: Transaction, form_id: int) -> Mapping[datetime, datetime]:
    """For each save of a form of which it is known: the moment of the first keystroke, by the moment of storage."""
    found = audit.history(tx.connection, ENTRY_TIME, str(form_id))
    return {past.at: datetime.fromisoformat(json.loads(past.new)["begun_at"]) for past in found if past.new is not None}


def discard(tx: Transaction, account_id: int, address: str, pages: Sequence[str]) -> int:
    """Take these drafts away; returns how many there were. For a while it can be taken back, and the trail tells that too."""
    gone = drafts.discard(tx, account_id, address, pages)
    for one in gone:
        _tell(tx, one, "discard")
    return len(gone)


def restore(tx: Transaction, account_id: int, address: str, page: str) -> bool:
    """Take back that a draft was discarded; False where it is too late for that."""
    one = drafts.restore(tx, account_id, address, page)
    if one is not None:
        _tell(tx, one, "restore")
    return one is not None


def expire(tx: Transaction, now: datetime) -> int:
    """Take away what nobody came back for; returns how many there were. What was discarded has told so when it was."""
    drafts.forget_discarded(tx, now - drafts.TAKEN_BACK)
    gone = drafts.clear(tx, now - drafts.KEPT)
    for one in gone:
        _tell(tx, one, "expire")
    return len(gone)


def _tell(tx: Transaction, one: Draft, op: str) -> None:
    site, subject = sites.by_id(tx, one.site_id), subjects.by_id(tx, one.subject_id) if one.subject_id else None
    key, of_form = form_of(one), any(name == "p" for name, _ in one.fields)
    filled = sum(1 for name, value in one.fields if value and (name.startswith(("i.", "r.")) if of_form else name != drafts.SHOWN_BY))
    # How much there was and when, never what: it was never given as an answer.
    said = {
        "form": [key.event_oid, key.event_repeat, key.form_oid, key.form_repeat] if key else [],
        "boxes": filled,
        "begun_at": one.begun_at.isoformat(),
        "kept_at": one.kept_at.isoformat(),
    }
    chain, about = site.chain, str(subject.id) if subject else f"site/{site.id}"
    if one.version == drafts.OF_STUDY:
        chain, about = site.study_oid, f"study/{site.study_id}"
    text = json.dumps(said, sort_keys=True)
    tx.entries.append(Entry(chain, op, ENTITY, about, "", text, subject.key if subject else "", first=True))


def form_of(one: Draft) -> FormKey | None:
    """The form that a draft was typed in, as its address tells; None on every other page."""
    parts = one.address.rpartition("/subjects/")[2].split("/")
    known = "/subjects/" in one.address and len(parts) == 5 and parts[2].isdecimal() and parts[4].isdecimal()
    return FormKey(parts[1], parts[3], int(parts[2]), int(parts[4])) if known else None


def enrols(one: Draft) -> str:
    """The kind of subject that a draft is about to enrol, as its address tells; nothing on every other page."""
    parts = one.address.rpartition("/enrol/")[2].split("/")
    return parts[0] if "/enrol/" in one.address and len(parts) == 2 else ""
