"""Ledgers as stored: the lines about a case or a monitoring visit. Each is committed to in its site's chain, and compared with it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from sqlalchemy import Table, and_, func, select

from trialcrf.core.ledger import K, Line
from trialcrf.core.signature import canonical
from trialcrf.store.audit import Entry, Who
from trialcrf.store.models import account, audit_record, audit_value
from trialcrf.store.models.base import moment_text
from trialcrf.store.transaction import Transaction

AT_ONCE = 500
"""Ids in one statement."""

Told = dict[tuple[str, str], Any]
"""What the trail says was created, by entity and id."""


class Stale(Exception):
    """Somebody wrote into the ledger since it was read: nothing was written."""


@dataclass(frozen=True, slots=True)
class Ledger(Generic[K]):
    """The ledgers of one kind of thing: the table of their lines, the column that says whose a line is, and the table of the things."""

    lines: Table
    of: str
    things: Table
    kind: type[K]

    def hold(self, tx: Transaction, thing: int) -> None:
        """Nobody else writes into the ledger of this thing until this transaction ends."""
        tx.read(select(self.things.c.id).where(self.things.c.id == thing).with_for_update(key_share=True))

    def take(self, tx: Transaction, thing: int, before: Sequence[Line[K]]) -> None:
        """Hold the ledger to write its next line. Raises Stale where `before` are not all its lines by now."""
        self.hold(tx, thing)
        written = tx.read(select(func.count()).select_from(self.lines).where(self.lines.c[self.of] == thing)).scalar_one()
        if written != len(before):
            raise Stale

    def read(self, tx: Transaction, things: Iterable[int], only: Collection[int] | None = None) -> dict[int, tuple[Line[K], ...]]:
        """The lines of each of these things, oldest first; of the lines with these ids `only`, where they are given."""
        ids = sorted(things)
        held: dict[int, list[Line[K]]] = {thing: [] for thing in ids}
        whose = self.lines.c[self.of]
        for start in range(0, len(ids), AT_ONCE):
            asked = select(self.lines).where(whose.in_(ids[start : start + AT_ONCE])).order_by(whose, self.lines.c.number)
            for row in tx.read(asked):
                if only is None or row.id in only:
                    held[row._mapping[self.of]].append(self._line(row))
        return {thing: tuple(lines) for thing, lines in held.items()}

    def write(
        self, tx: Transaction, chain: str, thing: int, before: Sequence[Line[K]], kind: K, content: Mapping[str, Any], subject: str = "",
        who: Who | None = None,
    ) -> Line[K]:  # fmt: skip
        """Write the line that follows on those `before`, in a ledger that was taken."""
        by = who or tx.who
        name = tx.read(select(account.c.name).where(account.c.username == by.actor)).scalar() or by.actor
        line = Line(len(before) + 1, kind, tx.at, by.actor, name, by.role, by.organisation, dict(content))
        values: dict[str, Any] = {
            self.of: thing, "number": line.number, "kind": kind.value, "at": line.at, "actor": line.actor, "name": line.name,
            "role": line.role, "organisation": line.organisation, "content": canonical(dict(content)),
        }  # fmt: skip
        said = canonical({**{column: values[column] for column in self._said}, "content": json.loads(values["content"])})

        def entries(id_: int) -> list[Entry]:
            return [Entry(chain, "create", self.lines.name, str(id_), "", said, subject=subject, first=True, who=who)]

        tx.create(self.lines, values, entries)
        return line

    def differences(self, tx: Transaction, told: Told) -> Iterator[tuple[str, str, str]]:
        """(entity, id, column) where a line is not what the trail tells; what was found is taken out of `told`."""
        for row in tx.read(select(self.lines).order_by(self.lines.c.id)):
            record = told.pop((self.lines.name, str(row.id)), None)
            if record is None or not self._says(record.value, row._asdict()):
                wrong = ["content"]
            else:
                wrong = ["at"] if record.at != moment_text(row.at) else []
                wrong += [name for name in ("actor", "role", "organisation") if record._mapping[name] != row._mapping[name]]
            yield from ((self.lines.name, str(row.id), name) for name in wrong[:1])

    @property
    def _said(self) -> tuple[str, ...]:
        """What the record of a line tells beside its content and what every record tells."""
        return (self.of, "number", "kind", "name")

    def _says(self, told: str | None, values: Mapping[str, Any]) -> bool:
        """Whether the trail tells of this line; an altered content need not even be JSON."""
        if told is None:
            return False
        plain = json.loads(told)
        same = canonical(plain.pop("content")) == values["content"]
        return same and bool(plain == {name: values[name] for name in self._said})

    def _line(self, row: Any) -> Line[K]:
        return Line(row.number, self.kind(row.kind), row.at, row.actor, row.name, row.role, row.organisation, json.loads(row.content))


def told(tx: Transaction, entities: Collection[str]) -> Told:
    """The records of the trail about these entities, each with the value that it commits to."""
    joined = audit_record.outerjoin(audit_value, and_(audit_value.c.chain == audit_record.c.chain, audit_value.c.seq == audit_record.c.seq))
    columns = (*(audit_record.c[name] for name in ("entity", "entity_id", "at", "actor", "role", "organisation")), audit_value.c.value)
    asked = select(*columns).select_from(joined).where(audit_record.c.entity.in_(sorted(entities)))
    return {(row.entity, row.entity_id): row for row in tx.read(asked)}
