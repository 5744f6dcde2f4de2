"""Erasing personal data that should never have been recorded: asked for by one person, granted by another, told in the trail for good."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from trialcrf.actions import Impossible, enter, plain
from trialcrf.core.chain import REDACTION
from trialcrf.core.document import REDACTED, Place
from trialcrf.core.entry import erase
from trialcrf.core.lock import Address, Level, item_address
from trialcrf.core.wording import N_, Message
from trialcrf.store import audit, definitions, forms, locks, plans, queries, reports, subjects, trails
from trialcrf.store.audit import Entry, Past
from trialcrf.store.forms import StoredForm
from trialcrf.store.reports import Report
from trialcrf.store.requests import Request
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

LONGEST_REASON = 2000

NOTHING = Message(N_("There is no value here that could be erased."))

ALONE = ("comment", "visit_comment", "refusal")
"""What stands in the trail alone and in no form: a remark, and what was typed when a save was refused. One record of it is erased."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased: of how many records, since when it was recorded, and which archived reports may have shown it meanwhile."""

    records: int
    since: datetime
    reports: tuple[Report, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request of two persons is about: its address, and its content with the reason."""

    address: str
    content: Mapping[str, object]


def want_value(tx: Transaction, which: Subject, stored: StoredForm, place: Place, reason: str) -> Wanted:
    """What asks to erase the value at a place of a form, now and ever before. Raises Impossible, and Locked: it is unlocked first."""
    said = _reason(reason)
    _refuse_closed(tx, which, stored, place)
    if not _values(tx, stored.id, place):
        raise Impossible(NOTHING)
    return Wanted(item_address(stored.id, place).text, {"form": stored.id, "place": str(place), "reason": said})


def want_record(tx: Transaction, which: Subject, seq: int, reason: str) -> Wanted:
    """What asks to erase what one record of the trail holds: a comment, or what a refused save had typed. Raises as `want_value`."""
    said = _reason(reason)
    locks.refuse_work(tx, locks.over_subject(which))
    past = _alone(tx, which, seq)
    about = Address(Level.FORM, int(past.entity_id)) if past.entity == "comment" else Address(Level.SUBJECT, which.id)
    return Wanted(about.text, {"seq": seq, "reason": said})


def carry_out(tx: Transaction, request: Request) -> Erased:
    """Erase what was asked, in the name of whoever granted it. Raises Impossible where it is gone already, Locked where it is closed.

    A value: the form gets an answer that says it was erased, by an ordinary audited change (what is derived, facts, unique codes,
    seals, verifications and queries follow); then every earlier record of that place loses its value and salt, each beside a record
    that says so. The chain goes on verifying, for it holds commitments only (ICH E6(R3) 4.2.2).
    """
    which = subjects.find(tx, request.study_oid, request.subject)
    assert which is not None
    if "seq" in request.content:
        return _erase_record(tx, which, request)
    stored = forms.by_id(tx, int(request.content["form"]))
    assert stored is not None
    place = Place.parse(str(request.content["place"]))
    _refuse_closed(tx, which, stored, place)
    found = _values(tx, stored.id, place)
    if not found:
        raise Impossible(NOTHING)
    if stored.document.at(place) not in (None, REDACTED):
        _change(tx, which, stored, place, request)
    return _erase(tx, which, request, found)


def reports_of(tx: Transaction, request: Request) -> tuple[Report, ...]:
    """The archived reports that may show what a request of erasing is about, before it is granted and after."""
    which = subjects.find(tx, request.study_oid, request.subject)
    if which is None:
        return ()
    if "seq" in request.content:
        found = trails.at(tx, which.site.chain, [int(request.content["seq"])])
    else:
        found = audit.history(tx.connection, "form", str(request.content["form"]), str(request.content["place"]))
    return may_have_shown(tx, request.study_oid, which, found[0].at) if found else ()


def may_have_shown(tx: Transaction, study_oid: str, which: Subject, since: datetime) -> tuple[Report, ...]:
    """The archived reports over data known after this moment that were about this subject, its site, or everybody."""
    about = ("", which.site.code), ("", which.key)
    drawn = reports.known_since(tx, study_oid, since)
    return tuple(one for one in drawn if one.site in about[0] and one.subject in about[1])


def _change(tx: Transaction, which: Subject, stored: StoredForm, place: Place, request: Request) -> None:
    published = definitions.current(tx, request.study_oid)
    assert published is not None
    opened = enter.open_form(tx, published, which, stored.key, tx.at)
    standing = queries.standing(tx, stored.id)
    reason, prompted_by = str(request.content["reason"]), f"four_eyes/{request.id}"
    decision = erase(opened.form, stored.document, place, standing, opened.context, reason, prompted_by)
    forms.apply(tx, which, stored.key, opened.published, stored, decision)
    plans.replan(tx, which, reason)


def _erase_record(tx: Transaction, which: Subject, request: Request) -> Erased:
    locks.refuse_work(tx, locks.over_subject(which))
    return _erase(tx, which, request, [_alone(tx, which, int(request.content["seq"]))])


def _erase(tx: Transaction, which: Subject, request: Request, found: list[Past]) -> Erased:
    chain, reason, prompted_by = which.site.chain, str(request.content["reason"]), f"four_eyes/{request.id}"
    for past in found:
        # Which record it was can be read without looking it up: form and place, never the value.
        said = json.dumps({"entity": past.entity, "id": past.entity_id, "op": past.op}, sort_keys=True)
        tx.entries.append(Entry(chain, "redact", REDACTION, str(past.seq), past.place, said, which.key, reason, prompted_by, first=True))
    tx.flush_trail()
    audit.erase(tx.connection, chain, [past.seq for past in found])
    since = min(past.at for past in found)
    return Erased(len(found), since, may_have_shown(tx, request.study_oid, which, since))


def _values(tx: Transaction, form_id: int, place: Place) -> list[Past]:
    """The records of this place that still hold a value."""
    found = audit.history(tx.connection, "form", str(form_id), str(place))
    return [past for past in found if past.op == "set" and past.new is not None and past.new != audit.ERASED]


def _alone(tx: Transaction, which: Subject, seq: int) -> Past:
    found = trails.at(tx, which.site.chain, [seq])
    if not found or found[0].subject != which.key or found[0].entity not in ALONE or found[0].new is None:
        raise Impossible(NOTHING)
    return found[0]


def _refuse_closed(tx: Transaction, which: Subject, stored: StoredForm, place: Place) -> None:
    locks.refuse_change(tx, (*locks.over_form(which, stored.key, stored.id), item_address(stored.id, place)))


def _reason(text: str) -> str:
    said = plain(text, LONGEST_REASON, "reason")
    if not said:
        raise Impossible(Message(N_("Say why it must be erased, without repeating it.")), "reason")
    return said
