"""The delegation log as stored: who delegated which tasks to whom, from when to when; a line is ended and never altered."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, select, update

from trialcrf.core.oversight.delegation import Task, known
from trialcrf.core.signature import canonical
from trialcrf.store.audit import Entry
from trialcrf.store.models import account, delegation, site, study
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction

ENTITY = "delegation"


@dataclass(frozen=True, slots=True)
class Delegation:
    """A line of the log. `by` is the user name of whoever delegated, `by_name` the name that was printed."""

    id: int
    site: str
    account_id: int
    username: str
    name: str
    tasks: tuple[Task, ...]
    starts_on: date
    ends_on: date | None
    at: datetime
    by: str
    by_name: str


def _select() -> Select[Any]:
    columns = (
        delegation.c.id, site.c.code, account.c.id.label("account_id"), account.c.username, account.c.name.label("delegate"),
        *(delegation.c[name] for name in ("tasks", "starts_on", "ends_on", "at", "actor", "name")),
    )  # fmt: skip
    joined = delegation.join(site, site.c.id == delegation.c.site_id).join(study, study.c.id == site.c.study_id)
    return select(*columns).select_from(joined.join(account, account.c.id == delegation.c.account_id)).order_by(delegation.c.id)


def _made(row: Any) -> Delegation:
    return Delegation(
        row.id, row.code, row.account_id, row.username, row.delegate, known(row.tasks.split(",")), row.starts_on, row.ends_on, row.at,
        row.actor, row.name,
    )  # fmt: skip


def all_of(tx: Transaction, study_oid: str, sites: Collection[str] | None = None) -> list[Delegation]:
    """The whole log at these sites (None: at all of them), in the order in which it was written."""
    rows = tx.read(_select().where(study.c.oid == study_oid))
    return [one for one in map(_made, rows) if sites is None or one.site in sites]


def by_id(tx: Transaction, delegation_id: int) -> Delegation | None:
    row = tx.read(_select().where(delegation.c.id == delegation_id)).first()
    return _made(row) if row else None


def add(tx: Transaction, where: Site, username: str, account_id: int, tasks: Collection[Task], starts_on: date, by_name: str) -> int:
    """A new line, in the name of whoever acts."""
    said = _said(username, tasks, starts_on, tx.who.actor, by_name)
    values = {
        "site_id": where.id, "account_id": account_id, "tasks": ",".join(known(tasks)), "starts_on": starts_on, "at": tx.at,
        "actor": tx.who.actor, "name": by_name,
    }  # fmt: skip
    return tx.create(delegation, values, lambda id_: [Entry(where.chain, "create", ENTITY, str(id_), "", said, first=True)])


def end(tx: Transaction, where: Site, one: Delegation, day: date, reason: str) -> bool:
    """The last day on which a delegation holds; False where somebody ended it before."""
    said = Entry(where.chain, "end", ENTITY, str(one.id), "ends_on", day.isoformat(), reason=reason, first=True)
    ending = update(delegation).where(delegation.c.id == one.id, delegation.c.ends_on.is_(None)).values(ends_on=day)
    return tx.change(delegation, ending, [said]) == 1


def differences(tx: Transaction, told: dict[str, dict[str, str | None]]) -> Iterator[tuple[str, str]]:
    """(id, column) where a stored line is not what the trail tells; `told` is the newest value by place, by id."""
    for row in map(_made, tx.read(_select())):
        said = told.pop(str(row.id), {})
        if said.get("") != _said(row.username, row.tasks, row.starts_on, row.by, row.by_name):
            yield str(row.id), "tasks"
        elif (said.get("ends_on") or None) != (row.ends_on.isoformat() if row.ends_on else None):
            yield str(row.id), "ends_on"
    for id_ in sorted(told):
        yield id_, ""


def _said(username: str, tasks: Collection[Task], starts_on: date, by: str, by_name: str) -> str:
    """What the record of a delegation commits to: all of it, so that the trail alone tells the log."""
    return canonical(
        {"account": username, "by": by, "meaning": "delegate", "name": by_name, "starts_on": str(starts_on), "tasks": [*known(tasks)]}
    )
