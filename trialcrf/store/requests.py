"""Requests that a second person must decide: who asked for what and why, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, update

from trialcrf.core.oversight.four_eyes import RequestKind, RequestState, decided
from trialcrf.core.signature import canonical
from trialcrf.store.audit import Entry
from trialcrf.store.models import four_eyes, site, study, subject
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Request:
    """A request with what it is about: `address` as `core.lock.Address` writes it, `content` whatever else was said, `reason` among it."""

    id: int
    study_oid: str
    site: str
    subject: str
    kind: RequestKind
    address: str
    content: Mapping[str, Any]
    state: RequestState
    asked_at: datetime
    asked_by: str
    decided_at: datetime | None
    decided_by: str


def _select() -> Select[Any]:
    joined = four_eyes.join(study, study.c.id == four_eyes.c.study_id).outerjoin(site, site.c.id == four_eyes.c.site_id)
    joined = joined.outerjoin(subject, subject.c.id == four_eyes.c.subject_id)
    names = ("kind", "address", "content", "state", "asked_at", "asked_by", "decided_at", "decided_by")
    return select(four_eyes.c.id, study.c.oid, site.c.code, subject.c.key, *(four_eyes.c[name] for name in names)).select_from(joined)


def _made(row: Any) -> Request:
    return Request(
        row.id, row.oid, row.code or "", row.key or "", RequestKind(row.kind), row.address, json.loads(row.content),
        RequestState(row.state), row.asked_at, row.asked_by, row.decided_at, row.decided_by,
    )  # fmt: skip


def find(tx: Transaction, request_id: int) -> Request | None:
    row = tx.read(_select().where(four_eyes.c.id == request_id)).first()
    return _made(row) if row else None


def all_of(tx: Transaction, study_oid: str, states: Collection[RequestState], sites: frozenset[str] | None = None) -> list[Request]:
    """Requests of the study, oldest first; at these sites only (None: all, those about the whole study too)."""
    wanted = [state.value for state in states]
    rows = tx.read(_select().where(study.c.oid == study_oid, four_eyes.c.state.in_(wanted)).order_by(four_eyes.c.id))
    return [one for one in map(_made, rows) if sites is None or one.site in sites]


def ask(
    tx: Transaction, kind: RequestKind, address: str, where: Site | None, which: Subject | None, study_id: int, chain: str,
    content: Mapping[str, Any],
) -> int:  # fmt: skip
    """Ask for something that a second person decides. `content` has a canonical text and a `reason`."""
    text = canonical(content)
    values = {
        "study_id": study_id, "site_id": where.id if where else None, "subject_id": which.id if which else None, "kind": kind.value,
        "address": address, "content": text, "state": RequestState.WAITING.value, "asked_at": tx.at, "asked_by": tx.who.actor,
    }  # fmt: skip
    said = canonical({"address": address, "asked_by": tx.who.actor, "content": content, "kind": kind.value})
    key = which.key if which else ""
    reason = str(content.get("reason", ""))
    return tx.create(
        four_eyes,
        values,
        lambda id_: [
            Entry(chain, "create", "four_eyes", str(id_), "", said, key, reason, first=True),
            Entry(chain, "ask", "four_eyes", str(id_), "state", RequestState.WAITING.value, key, reason, first=True),
        ],
    )


def decide(tx: Transaction, one: Request, chain: str, decision: RequestState, reason: str) -> None:
    """Settle a request in the name of whoever acts. Raises SamePerson, where somebody else settled it meanwhile too."""
    row = tx.read(select(four_eyes.c.state).where(four_eyes.c.id == one.id).with_for_update()).one()
    state = decided(RequestState(row.state), one.asked_by, tx.who.actor, decision)
    values = {"state": state.value, "decided_at": tx.at, "decided_by": tx.who.actor}
    entry = Entry(chain, decision.value, "four_eyes", str(one.id), "state", state.value, one.subject, reason)
    tx.change(four_eyes, update(four_eyes).where(four_eyes.c.id == one.id).values(**values), [entry])


def differences(tx: Transaction, told: dict[str, dict[str, str | None]]) -> Iterator[tuple[str, str]]:
    """(id, column) where a stored request is not what the trail tells; `told` is the newest value by place, by id."""
    for one in map(_made, tx.read(_select().order_by(four_eyes.c.id))):
        said = told.pop(str(one.id), None)
        if said is None:
            yield str(one.id), ""
            continue
        asked = canonical({"address": one.address, "asked_by": one.asked_by, "content": one.content, "kind": one.kind.value})
        if said.get("") != asked:
            yield str(one.id), "content"
        elif said.get("state") != one.state.value:
            yield str(one.id), "state"
    for id_ in sorted(told):
        yield id_, ""
