"""Published study definitions, read back from their canonical text and kept in memory by hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from trialcrf.core.definition.amendment import InForce, seen, whole
from trialcrf.core.definition.canonical import canonical, from_canonical
from trialcrf.core.definition.model import Study
from trialcrf.store.audit import Entry
from trialcrf.store.models import definition, site, site_release, study
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Published:
    """One published version of a study. `id` is what a form pins, `hash` the SHA-256 of the canonical text.

    Where `study` is what one subject's casebook sees of it, `origins` names the older versions that some of its forms come from.
    """

    id: int
    study_id: int
    version: int
    hash: str
    study: Study
    origins: Mapping[str, int] = field(default_factory=dict)


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
_UNTIL = _OF_STUDY.where(definition.c.published_at <= bindparam("moment")).limit(1)
_BY_ID = _SELECT.where(definition.c.id == bindparam("definition_id"))


def _versions(tx: Transaction, oid: str) -> Sequence[Any]:
    """The few rows of a study's versions, newest first. Every request asks more than once: the session, its demands, the door."""
    return tx.once((definition.name, oid), lambda: tx.read(_OF_STUDY, {"oid": oid}).all())


def current(tx: Transaction, oid: str) -> Published | None:
    """The newest published version of the study."""
    rows = _versions(tx, oid)
    return _made(tx, rows[0]) if rows else None


def read(tx: Transaction, definition_id: int) -> Published:
    """A version by its id: the one that a form was filled under."""
    return tx.once((definition.name, definition_id), lambda: _made(tx, tx.read(_BY_ID, {"definition_id": definition_id}).one()))


def version_at(tx: Transaction, oid: str, moment: object) -> Published | None:
    """The newest version that was published by that moment."""
    row = tx.read(_UNTIL, {"oid": oid, "moment": moment}).first()
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
    return [_made(tx, row) for row in _versions(tx, oid)]


def everywhere(tx: Transaction, oid: str) -> Published | None:
    """The newest published version with the names of whatever only an older one has: for lists over sites that are not all as far."""
    rows = _versions(tx, oid)
    if len(rows) < 2:
        return _made(tx, rows[0]) if rows else None
    key = tuple(row.hash for row in rows)
    newest = _made(tx, rows[0])
    if key not in _WHOLE:
        _WHOLE[key] = whole([_made(tx, row).study for row in reversed(rows)])
    return replace(newest, study=_WHOLE[key])


@dataclass(frozen=True, slots=True)
class Effect:
    """A version in force at a site, since which day there."""

    published: Published
    since: date


_WHOLE: dict[tuple[str, ...], Study] = {}
_SEEN: dict[tuple[tuple[str, bool], ...], tuple[Study, Mapping[str, int]]] = {}

_AT_SITES = (
    select(
        site.c.id.label("site_id"), definition.c.id, definition.c.study_id, definition.c.version, definition.c.hash,
        definition.c.published_at, site_release.c.effective_on, site_release.c.in_force,
    )
    .select_from(site.join(definition, definition.c.study_id == site.c.study_id))
    .outerjoin(site_release, (site_release.c.definition_id == definition.c.id) & (site_release.c.site_id == site.c.id))
    .where(site.c.id.in_(bindparam("site_ids", expanding=True)))
    .order_by(site.c.id, definition.c.version)
)  # fmt: skip


def in_force(tx: Transaction, where: Site) -> list[Effect]:
    """The versions that took effect at a site, oldest first: a version with an amendment from the day of its approval there, any other
    with the one before it; none once the approval of an earlier one is missing. Empty: nothing is released to the site."""
    return in_force_at(tx, [where])[where.id]


def in_force_at(tx: Transaction, places: Iterable[Site]) -> dict[int, list[Effect]]:
    """The same of several sites, by the id of each."""
    at = {one.id: one for one in places}
    found: dict[int, list[Effect]] = {id_: [] for id_ in at}
    missing: set[int] = set()
    for row in tx.read(_AT_SITES, {"site_ids": sorted(at)}):
        held, published = found[row.site_id], _made(tx, row)
        amendment = published.study.amendment
        if row.site_id in missing:
            continue
        if amendment is None or not amendment.approval:
            since = at[row.site_id].today(row.published_at)
            held.append(Effect(published, max(since, held[-1].since) if held else since))
        elif row.in_force:
            held.append(Effect(published, row.effective_on))
        else:
            missing.add(row.site_id)
    return found


def at_site(tx: Transaction, where: Site) -> Published | None:
    """The version under which a site enrols now."""
    held = in_force(tx, where)
    return held[-1].published if held else None


def for_subject(tx: Transaction, which: Subject) -> Published:
    """What is asked of a subject now. Raises LookupError where nothing is released to the site any more."""
    return for_each(tx, [which])[0]


def for_each(tx: Transaction, people: Sequence[Subject]) -> list[Published]:
    """The same for lists, one for each subject: their sites are looked up together."""
    held = in_force_at(tx, {one.site.id: one.site for one in people}.values())
    return [of_casebook(held[one.site.id], one.enrolled_on) for one in people]


def of_casebook(held: Sequence[Effect], enrolled_on: date) -> Published:
    """What is asked of somebody enrolled on this day where these versions are in force. Raises LookupError for none."""
    if not held:
        raise LookupError("no version is in force at the site")
    newest = held[-1].published
    if all(one.published.study.amendment is None for one in held):
        return newest
    chain = [InForce(one.published.id, one.published.study, enrolled_on < one.since) for one in held]
    key = tuple((one.published.hash, link.before) for one, link in zip(held, chain, strict=True))
    if key not in _SEEN:
        made = seen(chain)
        _SEEN[key] = made.study, made.origins
    study_, origins = _SEEN[key]
    return replace(newest, study=study_, origins=origins)


@dataclass(frozen=True, slots=True)
class Release:
    """The approval of a version at a site. `in_force`: it has taken effect there."""

    site: Site
    definition_id: int
    reference: str
    approved_on: date
    effective_on: date
    in_force: bool


def releases(tx: Transaction, sites: Iterable[Site]) -> dict[tuple[int, int], Release]:
    """The approvals at these sites, by (site id, definition id)."""
    known = {one.id: one for one in sites}
    rows = tx.read(select(site_release).where(site_release.c.site_id.in_(sorted(known))))
    return {(row.site_id, row.definition_id): Release(known[row.site_id], *tuple(row)[1:]) for row in rows}


def release(tx: Transaction, where: Site, definition_id: int, reference: str, approved_on: date, effective_on: date) -> None:
    """Record the approval of a version at a site. Raises IntegrityError where it is recorded already."""
    said = {"approved_on": approved_on.isoformat(), "effective_on": effective_on.isoformat(), "reference": reference}
    key = f"{where.id}/{definition_id}"
    values = {
        "site_id": where.id, "definition_id": definition_id, "reference": reference, "approved_on": approved_on,
        "effective_on": effective_on, "in_force": False,
    }  # fmt: skip
    entries = [
        Entry(where.chain, "create", "site_release", key, "", json.dumps(said, ensure_ascii=False, sort_keys=True), first=True),
        Entry(where.chain, "create", "site_release", key, "in_force", "false", first=True),
    ]
    tx.change(site_release, insert(site_release).values(**values), entries)


def take_effect(tx: Transaction, one: Release) -> None:
    """From this transaction's end the version is in force at the site."""
    entry = Entry(one.site.chain, "take_effect", "site_release", f"{one.site.id}/{one.definition_id}", "in_force", "true")
    where = (site_release.c.site_id == one.site.id, site_release.c.definition_id == one.definition_id, ~site_release.c.in_force)
    tx.change(site_release, update(site_release).where(*where).values(in_force=True), [entry])


def release_differences(tx: Transaction, told: dict[str, dict[str, str | None]]) -> Iterator[tuple[str, str]]:
    """(id, column) where a stored approval is not what the trail tells; `told` is the newest value by place, by id."""
    for row in tx.read(select(site_release)):
        key = f"{row.site_id}/{row.definition_id}"
        said = {name: getattr(row, name) for name in ("reference", "approved_on", "effective_on")}
        stored = {
            "": json.dumps({name: str(value) for name, value in said.items()}, ensure_ascii=False, sort_keys=True),
            "in_force": str(row.in_force).lower(),
        }
        known = told.pop(key, {})
        wrong = [place for place, value in stored.items() if known.get(place) != value]
        if wrong:
            yield key, wrong[0]
    for key in sorted(told):
        yield key, ""
