"""Seals of forms: which stand, which a change broke, what waits for a signature; and whether they are what the signatures say."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, case, func, or_, select

from trialcrf.core.document import FormKey
from trialcrf.core.signature import SEALS, Covered, SealState, with_documents
from trialcrf.store import signatures, subjects
from trialcrf.store.models import form, signature, site, study, subject
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

AT_ONCE = 500
"""Things that are asked for in one statement."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which forms are looked at: living ones of people at these sites; `only_at` are forms that count at the sites named there alone.

    `subject` narrows it to one key, `state` to those that were never signed or whose seal is broken.
    """

    places: Sequence[Site]
    only_at: Mapping[str, Collection[str]] = field(default_factory=dict)
    products: Collection[str] = ()
    subject: str = ""
    state: SealState | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A form that bears no seal."""

    form_id: int
    subject: Subject
    key: FormKey
    definition_id: int
    complete: bool
    state: SealState
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Counted:
    """How many forms of a subject bear no seal: never signed, seal broken; and how many of both are not complete."""

    subject: Subject
    never: int
    broken: int
    incomplete: int


@dataclass(frozen=True, slots=True)
class Seal:
    """How one form stands, with the newest signature over it: that which seals it, or that which a change broke."""

    state: SealState
    name: str = ""
    at: datetime | None = None
    meaning: str = ""


_BROKEN = func.sum(case((form.c.signed_by.is_not(None), 1), else_=0))
_INCOMPLETE = func.sum(case((form.c.complete.is_(False), 1), else_=0))


def count(tx: Transaction, asked: Asked, at_most: int | None = None) -> int:
    """How many forms wait for a signature; counting ends at `at_most`."""
    inner = _waiting(select(form.c.id), asked)
    inner = inner.limit(at_most) if at_most is not None else inner
    return int(tx.read(select(func.count()).select_from(inner.subquery())).scalar_one())


def all_of(tx: Transaction, asked: Asked) -> list[Waiting]:
    """The forms that wait, by subject and oldest first: asked for one subject, or few sites."""
    mine = (form.c.id, form.c.event_oid, form.c.event_repeat, form.c.form_oid, form.c.form_repeat, form.c.definition_id, form.c.complete)
    columns = (*subjects.COLUMNS, *(one.label(f"form_{one.name}") for one in mine), form.c.updated_at, form.c.signed_by)
    found = []
    for row in tx.read(_waiting(select(*columns), asked).order_by(subject.c.key, form.c.id)):
        key = FormKey(row.form_event_oid, row.form_form_oid, row.form_event_repeat, row.form_form_repeat)
        state = SealState.NEVER if row.signed_by is None else SealState.BROKEN
        complete = bool(row.form_complete)
        found.append(Waiting(row.form_id, subjects.made(row), key, row.form_definition_id, complete, state, row.updated_at))
    return found


def by_subject(tx: Transaction, asked: Asked, offset: int, limit: int) -> list[Counted]:
    """The subjects of whom forms wait: broken seals first, then by key."""
    columns = (*subjects.COLUMNS, func.count().label("waiting"), _BROKEN.label("broken"), _INCOMPLETE.label("incomplete"))
    statement = _waiting(select(*columns), asked).group_by(subject.c.id, site.c.id, study.c.id)
    rows = tx.read(statement.order_by(_BROKEN.desc(), subject.c.key).offset(offset).limit(limit))
    return [Counted(subjects.made(row), row.waiting - row.broken, int(row.broken), int(row.incomplete)) for row in rows]


def by_site(tx: Transaction, asked: Asked) -> dict[str, tuple[int, int, int]]:
    """(subjects, never signed, seal broken) by the code of every site that is asked for."""
    columns = (site.c.code, func.count(subject.c.id.distinct()).label("people"), func.count().label("waiting"), _BROKEN.label("broken"))
    found = {one.code: (0, 0, 0) for one in asked.places}
    for row in tx.read(_waiting(select(*columns), asked).group_by(site.c.code)):
        found[row.code] = (row.people, row.waiting - int(row.broken), int(row.broken))
    return found


def _waiting(statement: Select[Any], asked: Asked) -> Select[Any]:
    codes = {one.id: one.code for one in asked.places}
    statement = statement.select_from(form.join(subjects.JOINED, subject.c.id == form.c.subject_id)).where(
        form.c.site_id.in_(sorted(codes)), form.c.sealed_by.is_(None), form.c.error == "", subject.c.error == ""
    )
    if asked.products:
        statement = statement.where(subject.c.subject_type.not_in(sorted(asked.products)))
    for form_oid, at in sorted(asked.only_at.items()):
        statement = statement.where(
            or_(form.c.form_oid != form_oid, form.c.site_id.in_(sorted(i for i, code in codes.items() if code in at)))
        )
    if asked.subject:
        statement = statement.where(subject.c.key == asked.subject)
    if asked.state is not None:
        broken = form.c.signed_by.is_not(None)
        statement = statement.where(broken if asked.state is SealState.BROKEN else ~broken)
    return statement


def of_form(tx: Transaction, form_id: int) -> Seal:
    """How a form stands, for the page that shows it: what the signature covers is not read."""
    joined = form.join(signature, signature.c.id == form.c.signed_by)
    asked = select(form.c.sealed_by, signature.c.name, signature.c.at, signature.c.meaning).select_from(joined).where(form.c.id == form_id)
    row = tx.read(asked).first()
    return Seal(_state(row.sealed_by, 1), row.name, row.at, row.meaning) if row else Seal(SealState.NEVER)


def of_subject(tx: Transaction, subject_id: int) -> dict[int, SealState]:
    """How the living forms of a subject stand, by form id."""
    asked = select(form.c.id, form.c.sealed_by, form.c.signed_by).where(form.c.subject_id == subject_id, form.c.error == "")
    return {row.id: _state(row.sealed_by, row.signed_by) for row in tx.read(asked)}


def _state(sealed_by: int | None, signed_by: int | None) -> SealState:
    if sealed_by is not None:
        return SealState.SEALED
    return SealState.NEVER if signed_by is None else SealState.BROKEN


def hold_forms(tx: Transaction, which: Subject) -> None:
    """Hold the forms of a subject until this transaction ends. A save holds its form before the chain: a signature does the same, so that
    the two wait for each other and never lock each other out."""
    tx.read(select(form.c.id).where(form.c.subject_id == which.id).order_by(form.c.id).with_for_update()).all()


def differences(tx: Transaction) -> Iterator[tuple[int, str]]:
    """(form, column) where a seal is not what the signatures say: of the genuine ones the newest over a form is the one it was signed by,
    and the one that seals it where nothing in it changed since."""
    newest: dict[int, int] = {}
    asked = select(signature.c.id).where(signature.c.meaning.in_(SEALS)).order_by(signature.c.id)
    ids = list(tx.read(asked).scalars())
    for start in range(0, len(ids), AT_ONCE):
        for one in signatures.genuine(tx, ids[start : start + AT_ONCE]):
            newest |= {int(part.entity_id): one.id for part in one.signed if part.entity == "form"}
    unchanged = _unchanged(tx, newest)
    for form_id, sealed_by, signed_by in tx.read(select(form.c.id, form.c.sealed_by, form.c.signed_by).order_by(form.c.id)):
        if signed_by != newest.get(form_id):
            yield form_id, "signed_by"
        if sealed_by != (newest[form_id] if form_id in unchanged else None):
            yield form_id, "sealed_by"


def _unchanged(tx: Transaction, newest: Mapping[int, int]) -> set[int]:
    """Those of these forms that are as the newest signature over each covers them."""
    by_signature: dict[int, list[int]] = {}
    for form_id, signature_id in newest.items():
        by_signature.setdefault(signature_id, []).append(form_id)
    found = set()
    for signature_id, form_ids in sorted(by_signature.items()):
        (one,) = signatures.genuine(tx, [signature_id])
        was = _by_form(one.signed)
        things = with_documents([("form", str(form_id)) for form_id in form_ids], one.meaning)
        now = _by_form(signatures.covered_now(tx, things))
        found |= {form_id for form_id in form_ids if was[str(form_id)] == now.get(str(form_id))}
    return found


def _by_form(covered: Covered) -> dict[str, set[tuple[str, str]]]:
    """What a seal covers of each form; its documents are told under its number, at places of their own."""
    found: dict[str, set[tuple[str, str]]] = {}
    for part in covered:
        found.setdefault(part.entity_id, set()).add((part.place, part.commitment))
    return found
