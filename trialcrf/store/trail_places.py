"""Which form a record of the trail is about, and where in it: whoever may not read the form may not read what the trail says of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select

from trialcrf.core import enclosure
from trialcrf.core.document import FormKey, Place
from trialcrf.core.lock import Address, Level, visit_of
from trialcrf.store.audit import Past
from trialcrf.store.models import account, attachment, case_entry, form, four_eyes, grant, query, safety_case, subject
from trialcrf.store.transaction import Transaction

IN_FORM = frozenset({"form", "comment", "verification", "late_entry", "entry_time", "file_entry", enclosure.ENTITY})
"""Entities whose id is that of a form, and whose place is one of it."""

Key = tuple[str, int]
"""Chain and position of a record."""


@dataclass(frozen=True, slots=True)
class InForm:
    """A form, and the place of it that a record is about: of nothing where it is about the form as a whole."""

    id: int
    subject: str
    key: FormKey
    definition_id: int
    place: Place


def of_records(tx: Transaction, pasts: Iterable[Past]) -> dict[Key, InForm]:
    """The form that each of these records is about; those about none are not in it."""
    found = {(past.chain, past.seq): past for past in pasts}
    about: dict[Key, tuple[int, str]] = {}
    for entity, find in _FINDERS.items():
        of_kind = {key: past for key, past in found.items() if past.entity == entity}
        if of_kind:
            about |= find(tx, of_kind)
    for key, past in found.items():
        if past.entity in IN_FORM and past.entity_id.isdecimal():
            place = str(enclosure.parsed(past.place)[0]) if past.entity == enclosure.ENTITY else past.place
            about[key] = int(past.entity_id), place if place not in ("error", "queries") else ""
    forms = {row.id: row for row in _rows(tx, _FORMS, form.c.id, {id_ for id_, _ in about.values()})}
    return {key: _in_form(forms[id_], place) for key, (id_, place) in about.items() if id_ in forms}


def _in_form(row: Any, place: str) -> InForm:
    key = FormKey(row.event_oid, row.form_oid, row.event_repeat, row.form_repeat)
    return InForm(row.id, row.key, key, row.definition_id, Place.parse(place))


_FORMS = select(
    form.c.id, subject.c.key, form.c.event_oid, form.c.form_oid, form.c.event_repeat, form.c.form_repeat, form.c.definition_id
).select_from(form.join(subject, subject.c.id == form.c.subject_id))


def _rows(tx: Transaction, statement: Select[Any], column: Any, ids: Collection[int]) -> list[Any]:
    known = sorted(ids)
    return [row for start in range(0, len(known), 500) for row in tx.read(statement.where(column.in_(known[start : start + 500])))]


def _number(past: Past) -> int:
    return int(past.entity_id) if past.entity_id.isascii() and past.entity_id.isdecimal() else 0


def _of_queries(tx: Transaction, found: Mapping[Key, Past]) -> dict[Key, tuple[int, str]]:
    asked = select(query.c.id, query.c.form_id, query.c.place).where(query.c.form_id.is_not(None))
    held = {row.id: (row.form_id, row.place) for row in _rows(tx, asked, query.c.id, {_number(past) for past in found.values()})}
    return {key: held[_number(past)] for key, past in found.items() if _number(past) in held}


def _of_locks(_tx: Transaction, found: Mapping[Key, Past]) -> dict[Key, tuple[int, str]]:
    return {key: at for key, past in found.items() if (at := _addressed(past.place)) is not None}


def _of_requests(tx: Transaction, found: Mapping[Key, Past]) -> dict[Key, tuple[int, str]]:
    asked = select(four_eyes.c.id, four_eyes.c.address)
    held = {row.id: _addressed(row.address) for row in _rows(tx, asked, four_eyes.c.id, {_number(past) for past in found.values()})}
    return {key: at for key, past in found.items() if (at := held.get(_number(past))) is not None}


def _addressed(address: str) -> tuple[int, str] | None:
    try:
        found = Address.parse(address)
    except ValueError:
        return None
    return (found.id, found.rest) if found.level in (Level.FORM, Level.ITEM) else None


def _of_redactions(_tx: Transaction, found: Mapping[Key, Past]) -> dict[Key, tuple[int, str]]:
    about = {}
    for key, past in found.items():
        said = json.loads(past.new or "{}")
        if said.get("entity") in IN_FORM and str(said.get("id", "")).isdecimal():
            about[key] = int(said["id"]), past.place
    return about


def _of_cases(statement: Select[Any], column: Any) -> Callable[[Transaction, Mapping[Key, Past]], dict[Key, tuple[int, str]]]:
    def find(tx: Transaction, found: Mapping[Key, Past]) -> dict[Key, tuple[int, str]]:
        held = {row.id: row.form_id for row in _rows(tx, statement, column, {_number(past) for past in found.values()})}
        return {key: (held[_number(past)], "") for key, past in found.items() if _number(past) in held}

    return find


def _beside_case(table: Any) -> Callable[[Transaction, Mapping[Key, Past]], dict[Key, tuple[int, str]]]:
    joined = table.join(safety_case, safety_case.c.id == table.c.case_id)
    return _of_cases(select(table.c.id, safety_case.c.form_id).select_from(joined), table.c.id)


_FINDERS: Mapping[str, Callable[[Transaction, Mapping[Key, Past]], dict[Key, tuple[int, str]]]] = {
    "query": _of_queries,
    "lock": _of_locks,
    "four_eyes": _of_requests,
    "redaction": _of_redactions,
    "safety_case": _of_cases(select(safety_case.c.id, safety_case.c.form_id), safety_case.c.id),
    "case_entry": _beside_case(case_entry),
    "attachment": _beside_case(attachment),
}


def of_visits(tx: Transaction, pasts: Iterable[Past]) -> dict[Key, str]:
    """The visit (its OID) that each of these records is about as a whole; those about none, or about a form, are not in it."""
    found = {(past.chain, past.seq): past for past in pasts}
    about: dict[Key, str] = {}
    for key, past in found.items():
        if past.entity == "visit_comment":
            about[key] = past.place.rpartition("/")[0]
        elif past.op == "replan":
            about[key] = past.place.partition("/")[2]
        elif past.entity == "lock":
            about[key] = visit_of(past.place)
    asked = {key: _number(past) for key, past in found.items() if past.entity == "query"}
    of_query = select(query.c.id, query.c.event_oid).where(query.c.form_id.is_(None))
    events = {row.id: row.event_oid for row in _rows(tx, of_query, query.c.id, set(asked.values()))}
    wanted = {key: _number(past) for key, past in found.items() if past.entity == "four_eyes"}
    of_request = select(four_eyes.c.id, four_eyes.c.address)
    visited = {row.id: visit_of(row.address) for row in _rows(tx, of_request, four_eyes.c.id, set(wanted.values()))}
    about |= {key: events.get(number, "") for key, number in asked.items()}
    about |= {key: visited.get(number, "") for key, number in wanted.items()}
    return {key: event_oid for key, event_oid in about.items() if event_oid}


def form_refused(past: Past) -> Sequence[str]:
    """The address of the form whose save was refused, or whose draft ended, as [event, its repeat, form, its repeat]; nothing where the
    record tells of none."""
    if past.entity not in ("refusal", "draft") or past.new is None:
        return ()
    try:
        said = json.loads(past.new)
    except ValueError:
        return ()
    asked = said.get("form") if isinstance(said, dict) else None
    return [str(part) for part in asked] if isinstance(asked, list) and len(asked) == 4 else ()


def accounts_of(tx: Transaction, study_oid: str) -> tuple[dict[str, str], dict[str, str]]:
    """The accounts that ever held a role in the study (or in every study), and those roles: their numbers as texts, with the user name."""
    joined = grant.join(account, account.c.id == grant.c.account_id)
    rows = tx.read(
        select(grant.c.id, account.c.id.label("account_id"), account.c.username)
        .select_from(joined)
        .where(grant.c.study.in_((study_oid, "*")))
    ).all()
    return {str(row.account_id): row.username for row in rows}, {str(row.id): row.username for row in rows}
