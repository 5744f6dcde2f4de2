"""Records of the trail for reading: in words, at the time of their site, and only those that this person may read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from flask import g, url_for

from trialcrf.core.access import ROLES, may
from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.document import FormKey, Place
from trialcrf.core.lock import LOCK_STATES
from trialcrf.core.oversight.personal import WITHHELD
from trialcrf.core.packs.casebook_told import WORDS
from trialcrf.core.sight import eyes_of, seen_at
from trialcrf.core.signature import MEANINGS
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.core.workflow import QUERY_STATES
from trialcrf.store import definitions, trail_places
from trialcrf.store.audit import Past
from trialcrf.store.sites import Site
from trialcrf.store.trail_places import InForm, Key
from trialcrf.store.transaction import Transaction
from trialcrf.web.forms.history import reason_for_reading, value_for_reading
from trialcrf.web.queries.lines import field_url, form_label, place_label, visit_label

Texts = tuple[Sayable | str, ...]

KINDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "values": (N_("Values and forms"), ("form", "enclosure", "late_entry", "entry_time", "file_entry", "draft")),
    "queries": (N_("Queries and comments"), ("query", "comment", "visit_comment")),
    "verification": (N_("Verification and monitoring"), ("verification", "monitoring", "monitoring_entry")),
    "signatures": (N_("Signatures and decisions"), ("signature", "study_decision", "decision")),
    "locks": (N_("Freezes, locks and requests to a second person"), ("lock", "four_eyes")),
    "redactions": (N_("Erased personal data"), ("redaction",)),
    "refusals": (N_("What was refused"), ("refusal",)),
    "subjects": (N_("Subjects and visits"), ("subject", "label")),
    "cases": (N_("Serious events"), ("safety_case", "case_entry", "attachment")),
    "study": (
        N_("Study, sites, delegations, laboratory limits"),
        ("study", "definition", "site_release", "delegation", "site_names", "lab_range"),
    ),
}
"""What a reader can ask for, by the name in the address: its label, and the entities of the trail that it is."""

MORE_WORDS: Mapping[tuple[str, str], str] = {
    ("draft", "discard"): N_("What was typed was discarded"),
    ("draft", "restore"): N_("What was discarded was taken back"),
    ("draft", "expire"): N_("What was typed ended unsaved: nobody came back"),
    ("redaction", "redact"): N_("Value erased: personal data"),
    ("study", "create"): N_("Study made"),
    ("definition", "publish"): N_("Definition published"),
    ("lab_range", "create"): N_("Laboratory limit recorded"),
    ("lab_range", "end"): N_("Laboratory limit ended"),
    ("lab_range", "error"): N_("Laboratory limit marked entered in error"),
    ("monitoring", "create"): N_("Monitoring visit planned"),
    ("monitoring_entry", "create"): N_("Written into the monitoring visit"),
    ("delegation", "create"): N_("Tasks delegated"),
    ("delegation", "end"): N_("Delegation ended"),
    ("site_names", "names"): N_("List of names replaced"),
    ("site_names", "confirm_name"): N_("A listed name confirmed as harmless"),
    ("four_eyes", "withdrawn"): N_("Request withdrawn"),
    ("refusal", "override"): N_("Let through by a decision"),
}
_SET = {True: N_("Value entered"), False: N_("Value changed")}
_CLEARED, ERASED = N_("Value cleared"), N_("Erased: personal data")

PLAIN = frozenset({"comment", "visit_comment", "label"})
"""Entities whose value is what a person reads."""


@dataclass(frozen=True, slots=True)
class TrailLine:
    """One record for reading. `moment` and `offset` are the time at its site; `about` what it is about and `url` where that is shown."""

    chain: str
    seq: int
    moment: str
    offset: str
    at: datetime
    actor: str
    role: Sayable
    organisation: str
    address: str
    what: Sayable | str
    subject: str
    about: Texts
    url: str
    was: Texts
    now: Texts
    why: Sayable | str
    prompted_by: Sayable | str
    erase_url: str = ""


class Reader:
    """Reads records of one study for the person of this request. `places` are the sites whose chains are read, by chain."""

    def __init__(self, tx: Transaction, study: Study, places: Mapping[str, Site]) -> None:
        self._tx, self._study, self._places = tx, study, places
        self._about: dict[Key, InForm] = {}
        self._visits: dict[Key, str] = {}

    def readable(self, pasts: Sequence[Past], form_oid: str = "") -> list[Past]:
        """Those that the person may read, and of them (`form_oid`) those about this form only."""
        self._about |= trail_places.of_records(self._tx, pasts)
        self._visits |= trail_places.of_visits(self._tx, pasts)
        return [past for past in pasts if self._may(past) and form_oid in ("", self._form_oid(past))]

    def _form_oid(self, past: Past) -> str:
        about = self._about.get((past.chain, past.seq))
        refused = trail_places.form_refused(past)
        return about.key.form_oid if about else refused[2] if refused else ""

    def _form(self, past: Past) -> FormDef | None:
        about = self._about.get((past.chain, past.seq))
        study = definitions.read(self._tx, about.definition_id).study if about else self._study
        return study.form.get(self._form_oid(past))

    def _may(self, past: Past) -> bool:
        site = self._places.get(past.chain)
        code = site.code if site else None
        if past.op == "look_back":  # It names whom a donor's finding reaches.
            return may(g.session.actor, "trace.read", self._study.oid, code)
        if past.entity in ("safety_case", "case_entry", "attachment") and not may(g.session.actor, "case.read", self._study.oid, code):
            return False
        visit = self._visits.get((past.chain, past.seq))
        if visit is not None and not seen_at(self._study, visit, eyes_of(g.session.actor, self._study.oid, code)):
            return False
        form = self._form(past)
        if form is None:
            # What it was about is not known any more: it is told to whoever may read every kind of form there.
            return not trail_places.form_refused(past) or self._may_all(code)
        return may(g.session.actor, f"{form.access}.read", self._study.oid, code)

    def _may_all(self, code: str | None) -> bool:
        return all(may(g.session.actor, f"{form.access}.read", self._study.oid, code) for form in self._study.forms)

    def line(self, past: Past) -> TrailLine:
        about, form = self._about.get((past.chain, past.seq)), self._form(past)
        local = past.at.astimezone(self._zone(past))
        place = about.place if about else Place.parse(past.place) if past.entity == "refusal" else None
        return TrailLine(
            past.chain,
            past.seq,
            f"{g.language.day(local.date())} {local:%H:%M:%S}",
            f"UTC{local.isoformat()[-6:]}" if local.utcoffset() else "UTC",
            past.at,
            past.actor,
            role_in_words(past.role),
            past.organisation,
            past.address,
            what_in_words(past),
            past.subject,
            self._whereabouts(past, about, form, place),
            self._url(past, about),
            self._value(past, form, place, past.old),
            (Message(ERASED),) if past.erased else self._value(past, form, place, past.new),
            reason_for_reading(self._study, past.reason),
            _prompted(past),
            self._erase_url(past),
        )

    def _zone(self, past: Past) -> tzinfo:
        return self._places[past.chain].zone if past.chain in self._places else UTC

    def _whereabouts(self, past: Past, about: InForm | None, form: FormDef | None, place: Place | None) -> Texts:
        refused = trail_places.form_refused(past)
        if about is None and not refused:
            event = self._study.event.get(past.place.partition("/")[2 if past.op == "replan" else 0])
            return (event.label,) if event and past.entity in ("subject", "visit_comment") else ()
        key = about.key if about else FormKey(refused[0], refused[2], int(refused[1]), int(refused[3]))
        study = definitions.read(self._tx, about.definition_id).study if about else self._study
        named = (visit_label(study, key), form_label(study, key))
        return (*named, place_label(form, place)) if place is not None and place.item else named

    def _url(self, past: Past, about: InForm | None) -> str:
        if about is not None:
            return field_url(self._study.oid, about.subject, about.key, about.id, about.place)
        return url_for("subjects.one", study=self._study.oid, subject=past.subject) if past.subject and past.chain in self._places else ""

    def _value(self, past: Past, form: FormDef | None, place: Place | None, value: str | None) -> Texts:
        if value is None:
            return (Message(N_("blank")),) if past.entity == "form" and past.op == "set" and value is past.new else ()
        if past.entity == "form":
            return value_for_reading(form, place, value) if past.op == "set" and form else ()
        if past.entity in PLAIN or past.place in ("assignee", "due_on", "valid_to", "low", "high", "unit"):
            return (value,)
        # The word of a query that is open is another than that of a lock.
        own = QUERY_STATES if past.entity == "query" else LOCK_STATES
        states = {str(state): label for state, label in (*QUERY_STATES.items(), *LOCK_STATES.items(), *own.items())}
        if past.place == "state" or past.entity == "lock":
            return (Message(states[value]),) if value in states else (value,)
        said = _json(value)
        if said.get("withheld"):
            return (Message(WITHHELD),)
        if past.entity in ("entry_time", "draft"):
            begun = datetime.fromisoformat(str(said["begun_at"])).astimezone(self._zone(past))
            return (Message(N_("begun %(at)s"), {"at": begun}),)
        told = said.get("typed") or said.get("text") or said.get("paper_on") or ""
        signed = MEANINGS.get(str(said.get("meaning")))
        return (Message(signed),) if signed else (str(told),) if told else ()

    def _erase_url(self, past: Past) -> str:
        """Where a second person is asked to erase what the record says; a value is erased from its own history instead."""
        site = self._places.get(past.chain)
        if past.entity not in ("comment", "visit_comment", "refusal") or past.new is None or site is None or not past.subject:
            return ""
        if not may(g.session.actor, "redaction.ask", self._study.oid, site.code):
            return ""
        return url_for("redaction.ask_record", study=self._study.oid, subject=past.subject, seq=past.seq)


def what_in_words(past: Past) -> Sayable | str:
    if past.op == "set":
        return Message(_CLEARED if past.new is None and not past.erased else _SET[past.old is None])
    if past.op == "refused":
        why = {"lock": N_("Refused: frozen or locked"), "password": N_("Refused: wrong password")}
        if past.prompted_by in why:
            return Message(why[past.prompted_by])
        return Message(N_("Stopped by check %(check)s"), {"check": past.prompted_by})
    known = {**WORDS, **MORE_WORDS}.get((past.entity, past.op))
    return Message(known) if known else f"{past.entity}: {past.op}"


def role_in_words(role: str) -> Sayable:
    if role in ROLES:
        return Message(ROLES[role])
    return Message({"system": N_("the program"), "self": N_("on their own account")}[role]) if role in ("system", "self") else Message(role)


def _prompted(past: Past) -> Sayable | str:
    kind, _, number = past.prompted_by.partition("/")
    if kind == "query" and number:
        return Message(N_("because of query %(number)s"), {"number": number})
    if kind == "four_eyes" and number:
        return Message(N_("because of request %(number)s"), {"number": number})
    if kind == "copy" and number:
        return Message(N_("copied from form no. %(number)s"), {"number": number})
    return ""


def _json(value: str) -> Mapping[str, object]:
    try:
        said = json.loads(value)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
