"""The trail as it is read: page by page by what somebody looks for, and all of it for an export."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Subquery, and_, bindparam, func, literal, select, tuple_, union_all

from trialcrf.core.chain import Leaf
from trialcrf.store import tallies
from trialcrf.store.audit import ERASED, Past
from trialcrf.store.models.base import moment_of, moment_text
from trialcrf.store.models.trail import audit_record, audit_value
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction

Row = Sequence[Any]
"""A record as it is exported: a cell for each of COLUMNS, None where there is no value."""

COLUMNS = (*Leaf.__slots__, "hash", "salt", "value", "old_salt", "old_value")
"""What is exported of a record: all that its hash is taken over, the hash, its value, and the value that stood there before."""

BATCH = 1000

_prior, _old = audit_record.alias("prior"), audit_value.alias("old")
# By ranges of positions: as one result of millions, a server would hold or sort them, and each record looks up its predecessor.
_DRAWN = select(
    *(audit_record.c[name] for name in (*Leaf.__slots__, "hash")),
    audit_value.c.salt,
    audit_value.c.value,
    _old.c.salt.label("old_salt"),
    _old.c.value.label("old_value"),
).select_from(
    audit_record.outerjoin(audit_value, (audit_value.c.chain == audit_record.c.chain) & (audit_value.c.seq == audit_record.c.seq))
    .outerjoin(
        _prior,
        and_(
            audit_record.c.old_commit != "",
            _prior.c.entity == audit_record.c.entity,
            _prior.c.entity_id == audit_record.c.entity_id,
            _prior.c.place == audit_record.c.place,
            _prior.c.new_commit == audit_record.c.old_commit,
        ),
    )
    .outerjoin(_old, (_old.c.chain == _prior.c.chain) & (_old.c.seq == _prior.c.seq))
)
_BATCH = _DRAWN.where(
    audit_record.c.chain == bindparam("of_chain"), audit_record.c.seq > bindparam("after"), audit_record.c.seq <= bindparam("upto")
).order_by(audit_record.c.seq)


def all_of(tx: Transaction, chain: str, size: int) -> Iterator[Sequence[Row]]:
    """Every record of a chain up to this position, in batches, by position. Nothing but a batch is held."""
    for after in range(0, size, BATCH):
        yield tx.read(_BATCH, {"of_chain": chain, "after": after, "upto": min(size, after + BATCH)}).all()


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page of the trail ends: by time, then chain, then position. Texts as they are stored."""

    at: str
    chain: str
    seq: int


@dataclass(frozen=True, slots=True)
class Sought:
    """What somebody looks for. Chains are always named; empty is everything. `since` is the first moment, `before` the first one after.

    Subject, person, and the time are looked up; what happened, to what, and the words of a reason are read for, so many records a page.
    """

    chains: tuple[str, ...]
    subject: str = ""
    actor: str = ""
    since: datetime | None = None
    before: datetime | None = None
    ops: frozenset[str] = frozenset()
    entities: frozenset[str] = frozenset()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TrailPage:
    """A page of the trail, newest first. `rest`: where the next one begins, None at the end; a page may be short and still have a rest."""

    lines: tuple[Past, ...]
    rest: Position | None
    read: int


Keep = Callable[[Sequence[Past]], Sequence[Past]]
"""Leaves out the records that the reader may not see, or does not look for."""

FIRST, MORE, MOST = 60, 2_000, 20_000
"""How many records of each chain are read at first, then at a time; and in all, before a page is shown with what was found so far."""


def page(tx: Transaction, sought: Sought, after: Position | None, size: int, keep: Keep = tuple) -> TrailPage:
    """At most `size` records, newest first, after this position. The cost does not grow with the trail: no more than MOST are read."""
    found: list[Past] = []
    read, each, where = 0, FIRST, after
    while True:
        keys, where = _round(tx, sought, where, each)
        read += len(keys)
        chosen = [key for key in keys if _is_sought(key, sought)]
        for start in range(0, len(chosen), size):
            part = chosen[start : start + size]
            kept = {(past.chain, past.seq): past for past in keep(_lines(tx, part))}
            for key in part:
                if (key.chain, key.seq) in kept:
                    found.append(kept[key.chain, key.seq])
                if len(found) == size:
                    end = where is None and key is keys[-1]
                    return TrailPage(tuple(found), None if end else Position(key.at, key.chain, key.seq), read)
        if where is None or read >= MOST:
            return TrailPage(tuple(found), where, read)
        each = min(MORE, -(-MOST // len(sought.chains)))


LATEST = 400
"""Records of a person in a chain that are looked at for the subjects of the last days: a save makes a few dozen."""


def worked_on(tx: Transaction, places: Sequence[Site], actor: str, since: datetime, limit: int) -> list[str]:
    """The keys of the subjects about whom this person recorded something at these sites since the day of that moment, the latest first.

    The cost does not grow with the trial: of each site the person's last LATEST records are looked at, once until something is recorded
    there.
    """
    midnight = since.replace(hour=0, minute=0, second=0, microsecond=0)

    def look(some: Sequence[Site]) -> dict[int, list[tuple[str, str]]]:
        each = [select(literal(one.id).label("site"), part.c.subject, part.c.at) for one, part in _latest(some, actor, midnight)]
        found = union_all(*each).subquery()
        asked = select(found.c.site, func.max(found.c.at), found.c.subject).group_by(found.c.site, found.c.subject)
        told: dict[int, list[tuple[str, str]]] = {}
        for site_id, at, subject in tx.read(asked):
            told.setdefault(site_id, []).append((at, subject))
        return told

    none: list[tuple[str, str]] = []
    held = [one for told in tallies.of_sites(tx, places, ("worked_on", actor, midnight), look, none) for one in told]
    newest: dict[str, str] = {}
    for at, subject in held:
        newest[subject] = max(at, newest.get(subject, ""))
    return sorted(sorted(newest), key=lambda subject: newest[subject], reverse=True)[:limit]


def _latest(places: Sequence[Site], actor: str, since: datetime) -> Iterator[tuple[Site, Subquery]]:
    for one in places:
        own = (audit_record.c.chain == one.chain, audit_record.c.actor == actor, audit_record.c.at >= moment_text(since))
        asked = select(audit_record.c.subject, audit_record.c.at).where(*own, audit_record.c.subject != "")
        yield one, asked.order_by(audit_record.c.at.desc(), audit_record.c.seq.desc()).limit(LATEST).subquery()


def _round(tx: Transaction, sought: Sought, after: Position | None, each: int) -> tuple[list[Any], Position | None]:
    """The next records of all chains in their common order, as far as each of them was read; and where to go on, None at the end."""
    keys: list[Any] = []
    frontier: tuple[str, str, int] | None = None
    for chain in sought.chains:
        rows = tx.read(_next_of(sought, chain, after).limit(each)).all()
        keys += rows
        if len(rows) == each:  # There may be more of this chain: what is older than its last record waits for it.
            frontier = max(frontier or _order(rows[-1]), _order(rows[-1]))
    keys = sorted((key for key in keys if frontier is None or _order(key) >= frontier), key=_order, reverse=True)
    return keys, Position(*frontier) if frontier else None


def _order(key: Any) -> tuple[str, str, int]:
    return key.at, key.chain, key.seq


def _next_of(sought: Sought, chain: str, after: Position | None) -> Select[Any]:
    columns = (*(audit_record.c[name] for name in ("chain", "seq", "at", "op", "entity", "reason")),)
    asked = select(*columns).where(audit_record.c.chain == chain)
    if sought.subject:
        asked = asked.where(audit_record.c.subject == sought.subject)
    if sought.actor:
        asked = asked.where(audit_record.c.actor == sought.actor)
    if sought.since is not None:
        asked = asked.where(audit_record.c.at >= moment_text(sought.since))
    if sought.before is not None:
        asked = asked.where(audit_record.c.at < moment_text(sought.before))
    if after is not None and chain == after.chain:
        asked = asked.where(tuple_(audit_record.c.at, audit_record.c.seq) < tuple_(literal(after.at), literal(after.seq)))
    elif after is not None:
        asked = asked.where(audit_record.c.at <= after.at if chain < after.chain else audit_record.c.at < after.at)
    return asked.order_by(audit_record.c.at.desc(), audit_record.c.seq.desc())


def _is_sought(key: Any, sought: Sought) -> bool:
    return (
        (not sought.ops or key.op in sought.ops)
        and (not sought.entities or key.entity in sought.entities)
        and (not sought.reason or sought.reason.casefold() in key.reason.casefold())
    )


def _lines(tx: Transaction, keys: Sequence[Any]) -> list[Past]:
    found: list[Past] = []
    for chain in sorted({key.chain for key in keys}):
        found += at(tx, chain, [key.seq for key in keys if key.chain == chain])
    return found


def at(tx: Transaction, chain: str, seqs: Sequence[int]) -> list[Past]:
    """These records of a chain as people read them, by position."""
    rows = tx.read(_DRAWN.where(audit_record.c.chain == chain, audit_record.c.seq.in_(seqs)).order_by(audit_record.c.seq))
    return [_past(row) for row in rows]


def _past(row: Any) -> Past:
    erased = row.new_commit != "" and row.value is None
    gone = ERASED if row.entity == "form" else None
    return Past(
        row.chain, row.seq, moment_of(row.at), row.actor, row.role, row.organisation, row.address, row.op, row.entity, row.entity_id,
        row.subject, row.place, row.reason, row.prompted_by, gone if row.old_commit and row.old_value is None else row.old_value,
        gone if erased else row.value, erased,
    )  # fmt: skip
