"""New subjects by the thousand: the rows, audit records, facts and queries that `subjects`, `forms` and `queries` would write one by one.

A subject is packed into plain texts first, in whichever process decided its saves: those cross to the one that writes at little cost.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

from sqlalchemy import Table, func, select, text

from trialcrf.core.definition.model import FormDef
from trialcrf.core.document import FormKey
from trialcrf.core.entry import Decision
from trialcrf.core.facts import Fact, unique_codes
from trialcrf.core.wording import to_plain
from trialcrf.core.workflow import QueryState
from trialcrf.store import locks
from trialcrf.store.audit import Entry, Who
from trialcrf.store.models import fact, form, query, subject, unique_code, visit
from trialcrf.store.models.base import moment_text
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction


class PackedForm(NamedTuple):
    """A new form. `changes` are (place, canonical value, derived), `facts` the columns of a fact, `queries` (place, check, message),
    `codes` (item, text, row) of answers that stand once in the study."""

    key: tuple[str, str, int, int]
    document: str
    complete: bool
    changes: tuple[tuple[str, str | None, bool], ...]
    facts: tuple[tuple[str, str, str, str, str, str], ...]
    queries: tuple[tuple[str, str, str], ...]
    codes: tuple[tuple[str, str, str], ...] = ()


class PackedSubject(NamedTuple):
    """A new subject with its forms in the order in which they were entered. `number` is its number within type and site, `visits` the
    columns of its planned visits but for subject and site."""

    subject_type: str
    number: int
    key: str
    enrolled_on: str
    forms: tuple[PackedForm, ...]
    visits: tuple[tuple[str, str, str | None, str | None, str | None, str], ...]


Added = tuple[Subject, list[tuple[int, PackedForm]]]
"""A subject as it is stored, with its forms by their ids."""


def packed(key: FormKey, asked: FormDef, decision: Decision, facts: Iterable[Fact]) -> PackedForm:
    """A form that did not exist before, with what its save decided."""
    return PackedForm(
        (key.event_oid, key.form_oid, key.event_repeat, key.form_repeat),
        decision.document.to_json(),
        decision.complete,
        tuple((str(one.place), one.new.canonical() if one.new else None, one.derived) for one in decision.changes),
        tuple((one.alias, one.item, one.group, one.row, one.text, one.missing) for one in facts),
        tuple(
            (str(one.place), one.check, json.dumps(to_plain(one.message), ensure_ascii=False, sort_keys=True)) for one in decision.opened
        ),
        tuple((one.item, one.text, one.place.row) for one in unique_codes(asked, decision.document)),
    )


def nobody_else(form_oid: str) -> None:
    """Whoever the transaction names entered every form."""


def add(
    tx: Transaction, site: Site, definition_id: int, people: Sequence[PackedSubject], by: Callable[[str], Who | None] = nobody_else
) -> list[Added]:
    """Write the subjects of one site. Returns them with the ids of their forms, for what else a save does.

    `by` names who entered a form where it was not who the transaction names. Their numbers must be free: the caller counts them,
    under the lock of the site. Raises Locked where the site or the study is frozen or locked.
    """
    locks.refuse_change(tx, locks.over_site(site))
    numbers = _Ids(tx, subject, len(people))
    forms = _Ids(tx, form, sum(len(one.forms) for one in people))
    queries = _Ids(tx, query, sum(len(filled.queries) for one in people for filled in one.forms))
    rows = _Rows(tx, site, definition_id, by)
    added = [rows.take(one, next(numbers.left), forms.left, queries.left) for one in people]
    rows.write()
    return added


class _Ids:
    """Ids that nobody else can take: of PostgreSQL's own sequence; in SQLite the write lock is held already."""

    def __init__(self, tx: Transaction, table: Table, count: int) -> None:
        self.left: Iterator[int] = iter(())
        if not count:
            return
        if tx.connection.dialect.name == "postgresql":
            asked = text(f"SELECT nextval(pg_get_serial_sequence('{table.name}', 'id')) FROM generate_series(1, :count)")
            self.left = iter(sorted(tx.read(asked, {"count": count}).scalars().all()))
            return
        last = tx.read(select(func.max(table.c.id))).scalar() or 0
        self.left = iter(range(last + 1, last + count + 1))


_SUBJECT = ("id", "study_id", "site_id", "subject_type", "number", "key", "enrolled_on")
_FORM = (
    *("id", "site_id", "subject_id", "event_oid", "event_repeat", "form_oid", "form_repeat", "definition_id"),
    *("version", "document", "complete", "created_at", "updated_at"),
)
_FACT = ("form_id", "alias", "item", "grp", "row", "text", "missing")
_CODE = ("study_id", "item", "text", "form_id", "row")
_VISIT = ("subject_id", "site_id", "event_oid", "course", "target", "opens", "closes", "held_on")
_QUERY = ("id", "site_id", "subject_id", "event_oid", "event_repeat", "form_id", "place", "check_oid", "state", "message", "opened_at")


class _Rows:
    """What is to be written, gathered over all subjects so that every table is written once."""

    def __init__(self, tx: Transaction, site: Site, definition_id: int, by: Callable[[str], Who | None]) -> None:
        self.tx, self.site, self.definition_id, self.by = tx, site, definition_id, by
        self.at, self.system = moment_text(tx.at), Who.system()
        self.subjects: list[tuple[object, ...]] = []
        self.forms: list[tuple[object, ...]] = []
        self.facts: list[tuple[object, ...]] = []
        self.codes: list[tuple[object, ...]] = []
        self.queries: list[tuple[object, ...]] = []
        self.visits: list[tuple[object, ...]] = []
        self.entries: list[Entry] = []

    def take(self, one: PackedSubject, id_: int, forms: Iterator[int], queries: Iterator[int]) -> Added:
        site = self.site
        self.subjects.append((id_, site.study_id, site.id, one.subject_type, one.number, one.key, one.enrolled_on))
        said = {
            "key": one.key,
            "site": site.code,
            "subject_type": one.subject_type,
            "number": one.number,
            "enrolled_on": one.enrolled_on,
        }
        self._note("create", "subject", id_, "", json.dumps(said, sort_keys=True), one.key)
        self.visits.extend((id_, site.id, *planned) for planned in one.visits)
        found = [(self._form(filled, one.key, id_, next(forms), queries), filled) for filled in one.forms]
        return Subject(id_, one.key, one.subject_type, one.number, date.fromisoformat(one.enrolled_on), "", site), found

    def _form(self, filled: PackedForm, key: str, subject_id: int, id_: int, queries: Iterator[int]) -> int:
        event_oid, form_oid, event_repeat, form_repeat = filled.key
        site, at, person = self.site, self.at, self.by(form_oid)
        self.forms.append(
            (
                *(id_, site.id, subject_id, event_oid, event_repeat, form_oid, form_repeat, self.definition_id),
                *(1, filled.document, filled.complete, at, at),
            )
        )
        said = {
            "subject": subject_id,
            "event": event_oid,
            "event_repeat": event_repeat,
            "form": form_oid,
            "form_repeat": form_repeat,
            "definition": self.definition_id,
        }
        self._note("create", "form", id_, "", json.dumps(said, sort_keys=True), key, who=person)
        for place, value, derived in filled.changes:
            self._note("set", "form", id_, place, value, key, who=self.system if derived else person)
        self.facts.extend((id_, *one) for one in filled.facts)
        self.codes.extend((site.study_id, item, text, id_, row) for item, text, row in filled.codes)
        for place, check, message in filled.queries:
            query_id = next(queries)
            address = (query_id, site.id, subject_id, event_oid, event_repeat, id_)
            self.queries.append((*address, place, check, QueryState.OPEN.value, message, at))
            told = json.dumps({"form": id_, "place": place, "check": check}, sort_keys=True)
            self._note("create", "query", query_id, "", told, key, who=self.system)
            self._note("open", "query", query_id, "state", "open", key, check, self.system)
        return id_

    def _note(
        self, op: str, entity: str, id_: int, place: str, value: str | None, key: str, prompted_by: str = "", who: Who | None = None
    ) -> None:
        entry = Entry(self.site.chain, op, entity, str(id_), place, value, key, prompted_by=prompted_by, first=True, who=who)
        self.entries.append(entry)

    def write(self) -> None:
        if not self.subjects:
            return
        tx = self.tx
        made = [(subject, _SUBJECT, self.subjects), (form, _FORM, self.forms), (query, _QUERY, self.queries)]
        tx.create_many(made, self.entries)
        tx.project_many(fact, _FACT, self.facts)
        tx.project_many(unique_code, _CODE, self.codes)
        tx.project_many(visit, _VISIT, self.visits)
