"""A look-back: something was found at a donor after the cells were given. What it reaches is listed, and every batch gets its incident.

What was found is the donor's secret: nothing of it is written anywhere here (clinical reference, A.5 and E.7).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time

from trialcrf.actions import Impossible, enter, plain
from trialcrf.actions.cells.follow import incident, tell
from trialcrf.actions.cells.gather import chain_now
from trialcrf.actions.oversight.lock import note_refusal
from trialcrf.core.cells import LookBack, NodeId, NodeKind, look_back
from trialcrf.core.entry import Refused
from trialcrf.core.lock import Locked
from trialcrf.core.product.stock import Incident
from trialcrf.core.wording import N_, Message
from trialcrf.store import locks, subjects
from trialcrf.store.audit import Entry
from trialcrf.store.definitions import Published
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

VERB = "look_back.run"
LONGEST_REASON = 1000
OPENED = "Recherche descendante depuis le donneur, constat du %(day)s. / Look-back from the donor, found on %(day)s."
"""A text of the incident's form, in both languages: a value that is recorded has no language of its own."""


def reached(tx: Transaction, published: Published, donor: Subject) -> LookBack:
    """What a finding at this donor reaches, as it stands; nothing is written. Raises Impossible for who is no donor of cells."""
    settings = published.study.cells
    node = NodeId(NodeKind.DONOR, donor.key)
    whole = chain_now(tx, published.study)
    if settings is None or donor.subject_type != settings.donor or node not in whole.nodes:
        raise Impossible(Message(N_("No donation of %(donor)s is recorded."), {"donor": donor.key}))
    return look_back(whole, node)


def run(tx: Transaction, published: Published, donor: Subject, found_on: date, told: Sequence[str], note: str, now: datetime) -> LookBack:
    """Open an incident with a recall for every batch that the finding reaches, all at once. Returns what it reaches.

    `told` are the OIDs of the notices that were given, `note` says what was done, never what was found. A batch that has an incident of
    this finding already gets no second one. Of a batch that is frozen or locked none can be recorded: the mails go out all the same, and
    the trail says so (`unrecorded`). Raises Impossible (with the box).
    """
    settings = published.study.cells
    if found_on > donor.site.today(now):
        raise Impossible(Message(N_("The day of the finding cannot lie in the future.")), "day")
    said = plain(note, LONGEST_REASON, "note")
    assert settings is not None
    people = {key: one for key in _batches(tx, published, donor) if (one := subjects.find(tx, published.study.oid, key)) is not None}
    subjects.hold(tx, {donor.id, *(one.id for one in people.values())})
    whole = chain_now(tx, published.study)
    found = look_back(whole, NodeId(NodeKind.DONOR, donor.key))
    if not found.batches:
        raise Impossible(Message(N_("No batch was made of the cells of %(donor)s."), {"donor": donor.key}))
    if {node.key for node in found.batches} != set(people):
        raise Impossible(Message(N_("Another batch was recorded meanwhile: look at the page again. Nothing was done.")))
    labels = [one.label.in_("fr") for one in settings.notices if one.oid in told]
    text = OPENED % {"day": found_on.isoformat()} + (f" {said}" if said else "")
    for batch in people.values():
        if any(_same(one, found_on) for one in whole.stock.batches[batch.key].incidents):
            continue
        # Its day at the site of the batch, by which a second run for the same day is known.
        moment = datetime.combine(found_on, time(), batch.site.zone).isoformat(timespec="minutes")
        answers = {"CTINCKND": "DONOR", "CTINCDTC": moment, "CTINCTXT": text, "CTRECALL": "Y", "CTINCTLD": "; ".join(labels)}
        key, raws = incident(tx, published.study, batch, {alias: value for alias, value in answers.items() if value})
        closed = locks.closed(tx, locks.over_form(batch, key, None))
        if closed is not None:
            note_refusal(tx, published.study.oid, batch.site, batch, "look_back", Locked(*closed), key)
            tell(tx, published, batch, "")
            continue
        try:
            enter.save_form(tx, published, batch, key, enter.Typed(raws), now)
        except Refused as refused:
            raise Impossible(Message(N_("It could not be recorded: %(why)s"), {"why": refused.findings[0].message}), "note") from None
    trail = f"look_back {found_on.isoformat()}"
    tx.entries.append(Entry(donor.site.chain, "look_back", "subject", str(donor.id), "look_back", trail, donor.key, first=True))
    return reached(tx, published, donor)


def unrecorded(tx: Transaction, published: Published, donor: Subject) -> list[str]:
    """The batches that the donor's cells reach and that are frozen or locked: no incident of them can be recorded."""
    found = (subjects.find(tx, published.study.oid, key) for key in _batches(tx, published, donor))
    return [one.key for one in found if one is not None and locks.closed(tx, locks.over_subject(one)) is not None]


def _batches(tx: Transaction, published: Published, donor: Subject) -> list[str]:
    return sorted(node.key for node in reached(tx, published, donor).batches)


def _same(one: Incident, day: date) -> bool:
    return one.kind == "DONOR" and one.at[:10] == day.isoformat()
