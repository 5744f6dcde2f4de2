"""Published study definitions, read back from their canonical text and kept in memory by hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select

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


_STUDIES: dict[str, Study] = {}
"""By hash; of the few versions that a study has, those that this process met."""


def _made(tx: Transaction, row: Any) -> Published:
    """The text is long and never changes, so it is fetched only for a version that this process has not met yet."""
    known = _STUDIES.get(row.hash)
    if known is None:
        text = tx.read(select(definition.c.canonical).where(definition.c.id == row.id)).scalar_one()
        known = _STUDIES[row.hash] = from_canonical(text)
    return Published(row.id, row.study_id, row.version, row.hash, known)


_SELECT = select(definition.c.id, definition.c.study_id, definition.c.version, definition.c.hash)
_OF_STUDY = (
    _SELECT.join(study, study.c.id == definition.c.study_id).where(study.c.oid == bindparam("oid")).order_by(definition.c.version.desc())
)
_CURRENT = _OF_STUDY.limit(1)
_BY_ID = _SELECT.where(definition.c.id == bindparam("definition_id"))


def current(tx: Transaction, oid: str) -> Published | None:
    """The newest published version of the study."""
    row = tx.read(_CURRENT, {"oid": oid}).first()
    return _made(tx, row) if row else None


def read(tx: Transaction, definition_id: int) -> Published:
    """A version by its id: the one that a form was filled under."""
    return _made(tx, tx.read(_BY_ID, {"definition_id": definition_id}).one())


def version_at(tx: Transaction, oid: str, moment: object) -> Published | None:
    """The newest version that was published by that moment."""
    row = tx.read(_CURRENT.where(definition.c.published_at <= moment), {"oid": oid}).first()
    return _made(tx, row) if row else None


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
    return read(tx, definition_id)


def versions_of(tx: Transaction, oid: str) -> list[Published]:
    """Every published version of the study, newest first: an export needs the questions of all of them."""
    return [_made(tx, row) for row in tx.read(_OF_STUDY, {"oid": oid}).all()]
