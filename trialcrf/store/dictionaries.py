"""Dictionaries that were loaded (CTCAE, MedDRA), several versions side by side, and the search in them. What is loaded never changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import bindparam, select, text

from trialcrf.core.dictionary import Index, Term, folded
from trialcrf.store.audit import SYSTEM_CHAIN, Entry
from trialcrf.store.models import audit_record, audit_value, dictionary, dictionary_term
from trialcrf.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Dictionary:
    """A version that is loaded. `source` is the name of the file, `sha256` of its bytes, in hexadecimal; `terms` how many it has."""

    id: int
    kind: str
    version: str
    source: str
    sha256: str
    terms: int
    loaded_at: datetime


class OtherContent(Exception):
    """This version was loaded before, from a file that says otherwise: what events were coded by must not change beneath them."""

    def __init__(self, known: Dictionary) -> None:
        super().__init__(f"{known.kind} {known.version} was loaded from {known.source}")
        self.known = known


_TERM = (
    dictionary_term.c.code,
    dictionary_term.c.term,
    dictionary_term.c.soc,
    dictionary_term.c.grades,
    dictionary_term.c.definition,
    dictionary_term.c.note,
    dictionary_term.c.parent_code,
    dictionary_term.c.parent_term,
)
_COLUMNS = (*("dictionary_id", "number", "code", "term", "folded", "parent_code", "parent_term", "soc", "grades", "definition", "note"),)
_OF = select(*_TERM).where(dictionary_term.c.dictionary_id == bindparam("of"))
_ALL = _OF.order_by(dictionary_term.c.number)
_FOUND = select(*_TERM, dictionary_term.c.number).where(
    dictionary_term.c.dictionary_id == bindparam("of"), dictionary_term.c.number.in_(bindparam("numbers", expanding=True))
)
# Without an order: SQLite would walk through the whole dictionary in it instead of looking into the index.
_BY_TEXT = _OF.add_columns(dictionary_term.c.number).where(dictionary_term.c.folded == bindparam("folded"))
_BY_CODE = _OF.where(dictionary_term.c.code == bindparam("code"))
_FIND = select(*dictionary.c).where(dictionary.c.kind == bindparam("kind"), dictionary.c.version == bindparam("version"))


def find(tx: Transaction, kind: str, version: str) -> Dictionary | None:
    row = tx.read(_FIND, {"kind": kind, "version": version}).first()
    return Dictionary(*row) if row else None


def versions(tx: Transaction, kind: str | None = None) -> list[Dictionary]:
    """What is loaded, of one kind or of all, by kind and version."""
    asked = select(*dictionary.c).order_by(dictionary.c.kind, dictionary.c.version)
    return [Dictionary(*row) for row in tx.read(asked if kind is None else asked.where(dictionary.c.kind == kind))]


def load(tx: Transaction, kind: str, version: str, source: str, sha256: str, terms: Sequence[Term]) -> tuple[Dictionary, bool]:
    """The dictionary, and whether it is new; one record of the trail holds the hash of all its terms.

    A version that is loaded already with the same terms is left alone. Raises OtherContent where they are others.
    """
    known = find(tx, kind, version)
    if known is not None:
        if known.sha256 != sha256 and digest(terms_of(tx, known)) != digest(terms):
            raise OtherContent(known)
        return known, False
    said = {"kind": kind, "version": version, "source": source, "sha256": sha256, "terms": len(terms)}
    told = json.dumps({**said, "content": digest(terms)}, ensure_ascii=False, sort_keys=True)
    id_ = tx.create(
        dictionary,
        {**said, "loaded_at": tx.at},
        lambda key: [Entry(SYSTEM_CHAIN, "create", "dictionary", str(key), "", told, first=True)],
    )
    rows = [
        (
            id_,
            number,
            one.code,
            one.term,
            folded(one.term),
            one.parent_code,
            one.parent_term,
            one.soc,
            _grades(one),
            one.definition,
            one.note,
        )
        for number, one in enumerate(terms)
    ]
    tx.project_many(dictionary_term, _COLUMNS, rows)
    if tx.connection.dialect.name == "postgresql":
        # Its planner believes the table empty until its own housekeeping comes by, and would read all of it at every search.
        tx.work(text("ANALYZE dictionary_term"))
    found = find(tx, kind, version)
    assert found is not None
    return found, True


def terms_of(tx: Transaction, of: Dictionary) -> list[Term]:
    """Every term, in the order of the file."""
    return [_made(row) for row in tx.read(_ALL, {"of": of.id})]


def term_of(tx: Transaction, of: Dictionary, text: str) -> Term | None:
    """The term that is written so, whatever its case, accents and punctuation; written exactly so where there are several."""
    asked = folded(text)
    rows = sorted(tx.read(_BY_TEXT, {"of": of.id, "folded": asked}), key=attrgetter("number")) if asked else []
    return next((_made(row) for row in rows if row.term == text), _made(rows[0]) if rows else None)


def term_with_code(tx: Transaction, of: Dictionary, code: str) -> Term | None:
    row = tx.read(_BY_CODE, {"of": of.id, "code": code}).first()
    return _made(row) if row else None


def search(tx: Transaction, of: Dictionary, query: str, limit: int = 20) -> list[Term]:
    """The terms that a query finds, the best first (`core.dictionary.Index`)."""
    numbers = _index(tx, of).find(query, limit)
    if not numbers:
        return []
    found = {row.number: _made(row) for row in tx.read(_FOUND, {"of": of.id, "numbers": numbers})}
    return [found[number] for number in numbers]


_INDEXES: dict[tuple[str, str, str], Index] = {}
"""By kind, version and hash, of the few that a process is asked about: what is loaded never changes."""


def _index(tx: Transaction, of: Dictionary) -> Index:
    key = (of.kind, of.version, of.sha256)
    known = _INDEXES.get(key)
    if known is None:
        asked = select(dictionary_term.c.number, dictionary_term.c.folded, dictionary_term.c.definition)
        rows = tx.read(asked.where(dictionary_term.c.dictionary_id == of.id)).all()
        beside = [(folded(row.definition), row.number) for row in rows if row.definition]
        known = _INDEXES[key] = Index(((row.folded, row.number) for row in rows), beside)
    return known


def digest(terms: Iterable[Term]) -> str:
    """A hash over the terms as they are stored, in hexadecimal: two files that say the same have the same one."""
    hashed = hashlib.sha256()
    for one in terms:
        parts = (one.code, one.term, one.soc, _grades(one), one.definition, one.note, one.parent_code, one.parent_term)
        hashed.update(json.dumps(parts, ensure_ascii=False).encode() + b"\n")
    return hashed.hexdigest()


def differences(tx: Transaction) -> Iterator[tuple[str, str]]:
    """(dictionary id, column) where a loaded dictionary is not what the trail tells: altered, added to, or lost."""
    asked = (
        select(audit_record.c.entity_id, audit_value.c.value)
        .join(audit_value, (audit_value.c.chain == audit_record.c.chain) & (audit_value.c.seq == audit_record.c.seq))
        .where(audit_record.c.entity == "dictionary", audit_record.c.op == "create")
    )
    told = {row.entity_id: json.loads(row.value or "{}") for row in tx.read(asked)}
    for one in versions(tx):
        said = told.pop(str(one.id), None)
        if said is None:
            yield str(one.id), ""
            continue
        wrong = [column for column in ("kind", "version", "source", "sha256", "terms") if said.get(column) != getattr(one, column)]
        if not wrong and digest(terms_of(tx, one)) != said.get("content"):
            wrong.append("content")
        yield from ((str(one.id), column) for column in wrong[:1])
    yield from ((entity_id, "") for entity_id in told)


def _grades(one: Term) -> str:
    return json.dumps(dict(one.grades), ensure_ascii=False, sort_keys=True)


def _made(row: Any) -> Term:
    return Term(
        row.code, row.term, row.soc, json.loads(row.grades), row.definition, row.note, row.parent_code, row.parent_term
    )  # fmt: skip
