"""Published study definitions, read back from their canonical text and kept in memory by hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Select, select

from trialcrf.core.definition.canonical import canonical, from_canonical
from trialcrf.core.definition.model import Study
from trialcrf.store.audit import Entry
from trialcrf.store.models import definition, study
from trialcrf.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Published:
    """One published version of a study. `id` is what a form pins, `hash` the SHA-256 of the canonical text."""

    id: int
    study_id: int
    version: int
    hash: str
    study: Study


@lru_cache(maxsize=64)
def _study_of(hash_: str, text: str) -> Study:
    return from_canonical(text)


def _select() -> Select[tuple[int, int, int, str, str]]:
    return select(definition.c.id, definition.c.study_id, definition.c.version, definition.c.hash, definition.c.canonical)


@lru_cache(maxsize=256)
def _published(id_: int, study_id: int, version: int, hash_: str, text: str) -> Published:
    return Published(id_, study_id, version, hash_, _study_of(hash_, text))


def current(tx: Transaction, oid: str) -> Published | None:
    """The newest published version of the study."""
    row = tx.read(
        _select().join(study, study.c.id == definition.c.study_id).where(study.c.oid == oid).order_by(definition.c.version.desc()).limit(1)
    ).first()
    return _published(*row) if row else None


def read(tx: Transaction, definition_id: int) -> Published:
    """A version by its id: the one that a form was filled under."""
    return _published(*tx.read(_select().where(definition.c.id == definition_id)).one())


def version_at(tx: Transaction, oid: str, moment: object) -> Published | None:
    """The newest version that was published by that moment."""
    row = tx.read(
        _select()
        .join(study, study.c.id == definition.c.study_id)
        .where(study.c.oid == oid, definition.c.published_at <= moment)
        .order_by(definition.c.version.desc())
        .limit(1)
    ).first()
    return _published(*row) if row else None


def all_of(tx: Transaction) -> list[Published]:
    """The newest version of every study, by OID."""
    oids = tx.read(select(study.c.oid).order_by(study.c.oid)).scalars().all()
    return [published for oid in oids if (published := current(tx, oid))]


def publish(tx: Transaction, new: Study) -> Published:
    """Store a new frozen version. A definition equal to the newest version is that version: nothing is written."""
    text = canonical(new)
    digest = hashlib.sha256(text.encode()).hexdigest()
    newest = current(tx, new.oid)
    if newest and newest.hash == digest:
        return newest
    study_id = tx.read(select(study.c.id).where(study.c.oid == new.oid)).scalar()
    if study_id is None:
        study_id = tx.create(
            study,
            {"oid": new.oid, "created_at": tx.at},
            lambda key: [Entry(new.oid, "create", "study", str(key), "oid", new.oid, first=True)],
        )
    version = newest.version + 1 if newest else 1
    definition_id = tx.create(
        definition,
        {"study_id": study_id, "version": version, "hash": digest, "canonical": text, "published_at": tx.at},
        lambda key: [Entry(new.oid, "publish", "definition", str(key), "hash", digest, first=True)],
    )
    return _published(definition_id, study_id, version, digest, text)


def versions_of(tx: Transaction, oid: str) -> list[Published]:
    """Every published version of the study, newest first: an export needs the questions of all of them."""
    rows = tx.read(
        _select().join(study, study.c.id == definition.c.study_id).where(study.c.oid == oid).order_by(definition.c.version.desc())
    )
    return [_published(*row) for row in rows]
