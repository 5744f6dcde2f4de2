"""Subjects of a study, and what the program understands of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from heapq import merge, nsmallest
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, bindparam, false, func, or_, select, update

from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.store import sites as store_sites
from trialcrf.store import tallies, unique_codes
from trialcrf.store.audit import Entry
from trialcrf.store.models import fact, form, site, study, subject
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction

NONE: list[Any] = []


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject at its site. `error` is the reason it was marked entered in error: such a subject is in no list and no count."""

    id: int
    key: str
    subject_type: str
    number: int
    enrolled_on: date
    error: str
    site: Site


COLUMNS = (
    subject.c.id,
    subject.c.key,
    subject.c.subject_type,
    subject.c.number,
    subject.c.enrolled_on,
    subject.c.error,
    site.c.id.label("site_id"),
    site.c.study_id,
    study.c.oid,
    site.c.code,
    site.c.name,
    site.c.zone,
)


JOINED = subject.join(site, site.c.id == subject.c.site_id).join(study, study.c.id == subject.c.study_id)
"""What a Subject is read from: `made` makes one of a row with these columns."""


def _select() -> Select[Any]:
    return select(*COLUMNS).select_from(JOINED)


def made(row: Any) -> Subject:
    at = Site(row.site_id, row.study_id, row.oid, row.code, row.name, row.zone)
    return Subject(row.id, row.key, row.subject_type, row.number, row.enrolled_on, row.error, at)


def naming(tx: Transaction, but: Subject, alias: str, text: str) -> list[str]:
    """The keys of the other living subjects of the study whose living forms give this answer to this alias."""
    joined = fact.join(form, form.c.id == fact.c.form_id).join(subject, subject.c.id == form.c.subject_id)
    joined = joined.join(site, site.c.id == subject.c.site_id)
    where = (fact.c.alias == alias, fact.c.text == text, form.c.error == "", subject.c.error == "", subject.c.id != but.id)
    asked = select(subject.c.key).select_from(joined).where(*where, site.c.study_id == but.site.study_id).distinct().order_by(subject.c.key)
    return [row.key for row in tx.read(asked)]


def naming_any(tx: Transaction, study_oid: str, alias: str, texts: Collection[str]) -> set[int]:
    """The ids of the living subjects of the study whose living forms give one of these answers to the alias."""
    joined = fact.join(form, form.c.id == fact.c.form_id).join(subject, subject.c.id == form.c.subject_id)
    joined = joined.join(site, site.c.id == subject.c.site_id).join(study, study.c.id == site.c.study_id)
    where = (fact.c.alias == alias, fact.c.text.in_(sorted(texts)), form.c.error == "", subject.c.error == "", study.c.oid == study_oid)
    return set(tx.read(select(subject.c.id).select_from(joined).where(*where)).scalars())


_BY_KEY = _select().where(study.c.oid == bindparam("study_oid"), subject.c.key == bindparam("key"))


def find(tx: Transaction, study_oid: str, key: str) -> Subject | None:
    """The subject with this key, one marked in error too: its trail stays readable."""
    row = tx.read(_BY_KEY, {"study_oid": study_oid, "key": key}).first()
    return made(row) if row else None


def by_id(tx: Transaction, subject_id: int) -> Subject | None:
    row = tx.read(_select().where(subject.c.id == subject_id)).first()
    return made(row) if row else None


def by_ids(tx: Transaction, ids: Collection[int]) -> dict[int, Subject]:
    """These subjects by their ids, those marked in error too."""
    wanted = sorted(ids)
    found: dict[int, Subject] = {}
    for start in range(0, len(wanted), 500):
        rows = tx.read(_select().where(subject.c.id.in_(wanted[start : start + 500])))
        found |= {row.id: made(row) for row in rows}
    return found


def by_token(tx: Transaction, at_site: Site, once: str) -> Subject | None:
    """The subject that a page with this token enrolled at the site."""
    row = tx.read(_select().where(subject.c.site_id == at_site.id, subject.c.once == once)).first() if once else None
    return made(row) if row else None


def all_of(
    tx: Transaction,
    study_oid: str,
    sites: Collection[str] | None = None,
    subject_type: str | None = None,
    containing: str = "",
    offset: int = 0,
    limit: int | None = None,
) -> list[Subject]:
    """Subjects by key, those in error left out; `sites=None` is every site."""
    statement = _where(_select(), study_oid, sites, subject_type, containing)
    return [made(row) for row in tx.read(statement.order_by(subject.c.key).offset(offset).limit(limit))]


def count(
    tx: Transaction,
    study_oid: str,
    sites: Collection[str] | None = None,
    subject_type: str | None = None,
    containing: str = "",
    but: Collection[str] = (),
) -> int:
    """How many there are, those of the kinds `but` left out."""
    statement = _where(select(func.count()).select_from(JOINED), study_oid, sites, subject_type, containing)
    return int(tx.read(statement.where(subject.c.subject_type.not_in(sorted(but)))).scalar_one())


def _where(statement: Select[Any], study_oid: str, sites: Collection[str] | None, subject_type: str | None, containing: str) -> Select[Any]:
    statement = statement.where(study.c.oid == study_oid, subject.c.error == "")
    if sites is not None:
        statement = statement.where(site.c.code.in_(sorted(sites)))
    if subject_type:
        statement = statement.where(subject.c.subject_type == subject_type)
    if containing:
        statement = statement.where(subject.c.key.icontains(containing, autoescape=True))
    return statement


Known = Mapping[str, Collection[str] | None]
"""Kinds of subjects, each with the sites at which the reader may know of them; None is every site."""


def _known(known: Known) -> ColumnElement[bool]:
    """Living subjects of these kinds at these sites."""
    each = (
        and_(subject.c.subject_type == kind, *(() if at is None else (site.c.code.in_(sorted(at)),))) for kind, at in sorted(known.items())
    )
    return and_(subject.c.error == "", or_(*each, false()))


def like(tx: Transaction, study_oid: str, part: str, known: Known, limit: int) -> list[tuple[int, Subject]]:
    """The known subjects whose key holds `part` (letters and digits in capitals), each with how far it is from it: 0 it is the key, 1 its
    number, 2 the key begins with it, 3 ends with it, 4 holds it. The nearest first, then by key."""
    number = int(part) if part.isdecimal() and len(part) < 9 else -1
    found = []
    for place, keys in _kept(tx, store_sites.all_of(tx, study_oid)):
        if number < 0 and part not in keys.said:
            continue
        kinds = {kind for kind, at in known.items() if at is None or place.code in at}
        for key, said, own, kind, id_ in keys.all:
            if (own == number or part in said) and kind in kinds:
                away = 0 if said == part else 1 if own == number else 2 if said.startswith(part) else 3 if said.endswith(part) else 4
                found.append((away, key, id_))
    nearest = nsmallest(limit, found)
    people = by_ids(tx, [id_ for _, _, id_ in nearest])
    return [(away, people[id_]) for away, _, id_ in nearest]


def by_key(tx: Transaction, places: Sequence[Site], kind: str, offset: int, limit: int | None) -> list[Subject]:
    """The living subjects of a kind at these sites, by key."""
    mine = [((one.key, one.id) for one in keys.all if one.kind == kind) for _, keys in _kept(tx, places)]
    wanted = [id_ for _, id_ in islice(merge(*mine), offset, None if limit is None else offset + limit)]
    people = by_ids(tx, wanted)
    return [people[id_] for id_ in wanted]


class _Key(NamedTuple):
    """`said` is the key as `core.search.compact` makes it."""

    key: str
    said: str
    number: int
    kind: str
    id: int


class _Keys(NamedTuple):
    """The living subjects of a site by key, and everything that their keys say."""

    all: Sequence[_Key] = ()
    said: str = ""


def _kept(tx: Transaction, places: Sequence[Site]) -> Iterator[tuple[Site, _Keys]]:
    def look(some: Collection[Site]) -> dict[int, _Keys]:
        mine = (subject.c.site_id, subject.c.number, subject.c.key, subject.c.subject_type, subject.c.id)
        found: dict[int, list[_Key]] = {}
        for row in tx.read(select(*mine).where(subject.c.site_id.in_([one.id for one in some]), subject.c.error == "")):
            said = row.key.upper().translate(_PARTS)
            found.setdefault(row.site_id, []).append(_Key(row.key, said, row.number, row.subject_type, row.id))
        return {id_: _Keys(sorted(keys), "\n".join(one.said for one in keys)) for id_, keys in found.items()}

    return zip(places, tallies.of_sites(tx, places, "keys", look, _Keys()), strict=True)


_PARTS = str.maketrans("", "", "-_/. ")
"""What parts a key."""


def named(tx: Transaction, study_oid: str, keys: Collection[str], known: Known) -> dict[str, Subject]:
    """The known subjects among these keys, by key."""
    rows = tx.read(_select().where(study.c.oid == study_oid, _known(known), subject.c.key.in_(sorted(keys)))) if keys else ()
    return {row.key: made(row) for row in rows}


def create(
    tx: Transaction, at_site: Site, subject_type: str, pattern: str, enrolled_on: date, number: int | None = None, once: str = ""
) -> Subject:
    """Enrol the next subject of this type at the site; its number is never used again. `number` is given by imports only."""
    if number is None:
        # Two people enrolling at one site at once must not be given one number.
        tx.read(select(site.c.id).where(site.c.id == at_site.id).with_for_update())
        last = select(func.max(subject.c.number)).where(subject.c.site_id == at_site.id, subject.c.subject_type == subject_type)
        number = (tx.read(last).scalar() or 0) + 1
    key = pattern.format(site=at_site.code, number=number)
    said = {"key": key, "site": at_site.code, "subject_type": subject_type, "number": number, "enrolled_on": enrolled_on.isoformat()}
    new = tx.create(
        subject,
        {
            "study_id": at_site.study_id,
            "site_id": at_site.id,
            "subject_type": subject_type,
            "number": number,
            "key": key,
            "enrolled_on": enrolled_on,
            "once": once or None,
        },
        lambda id_: [Entry(at_site.chain, "create", "subject", str(id_), "", json.dumps(said, sort_keys=True), subject=key, first=True)],
    )
    return Subject(new, key, subject_type, number, enrolled_on, "", at_site)


def to_come(at_site: Site, subject_type: str, enrolled_on: date) -> Subject:
    """Somebody who is about to be enrolled: nothing is recorded of them, and their key is not known yet."""
    return Subject(0, "", subject_type, 0, enrolled_on, "", at_site)


def last_numbers(tx: Transaction, at_site: Site) -> dict[str, int]:
    """The last number in use at the site, by type. Its row is locked until the transaction ends, as for enrolling."""
    tx.read(select(site.c.id).where(site.c.id == at_site.id).with_for_update())
    last = select(subject.c.subject_type, func.max(subject.c.number)).where(subject.c.site_id == at_site.id)
    return {row[0]: row[1] for row in tx.read(last.group_by(subject.c.subject_type))}


def mark_error(tx: Transaction, which: Subject, reason: str) -> None:
    tx.change(
        subject,
        update(subject).where(subject.c.id == which.id).values(error=reason),
        [Entry(which.site.chain, "error", "subject", str(which.id), "error", reason, subject=which.key, reason=reason)],
    )
    unique_codes.give_back_all(tx, which.id)


def hold(tx: Transaction, ids: Iterable[int]) -> None:
    """Lock these subjects until the transaction ends: what is read of them afterwards is what the one before has left, and what is decided
    on it stands when this one commits. The lock that a row takes which refers to the subject is let in beside it."""
    wanted = sorted(set(ids))
    if wanted:
        tx.read(select(subject.c.id).where(subject.c.id.in_(wanted)).order_by(subject.c.id).with_for_update(key_share=True))


_WITH = (
    _select()
    .where(
        study.c.oid == bindparam("study_oid"),
        subject.c.error == "",
        subject.c.id.in_(
            select(form.c.subject_id)
            .select_from(form.join(fact, fact.c.form_id == form.c.id))
            .where(form.c.error == "", fact.c.alias.in_(bindparam("aliases", expanding=True)))
        ),
    )
    .order_by(subject.c.key)
)


def answering(tx: Transaction, study_oid: str, aliases: Collection[str]) -> list[Subject]:
    """The living subjects of the study of whom something is recorded under one of these aliases, by key."""
    return [made(row) for row in tx.read(_WITH, {"study_oid": study_oid, "aliases": sorted(aliases)})]


_UNDERSTOOD = (
    select(
        form.c.subject_id, form.c.id, form.c.event_oid, form.c.event_repeat, form.c.form_oid, form.c.form_repeat, fact.c.alias, fact.c.row,
        fact.c.text, fact.c.missing,
    )
    .select_from(form.outerjoin(fact, fact.c.form_id == form.c.id))
    .where(and_(form.c.subject_id.in_(bindparam("ids", expanding=True)), form.c.error == ""))
    .order_by(form.c.id)
)  # fmt: skip


_ANSWERS = (
    select(fact.c.text)
    .select_from(form.join(fact, fact.c.form_id == form.c.id))
    .where(form.c.subject_id == bindparam("subject_id"), form.c.error == "", fact.c.alias == bindparam("alias"), fact.c.missing == "")
)

_ANSWERS_AT = _ANSWERS.where(form.c.event_oid == bindparam("event_oid"))


def answers(tx: Transaction, which: Subject, alias: str, event: str = "") -> list[str]:
    """What is recorded of the subject under one alias, anywhere or at one event, in no order: a page that needs one day need not read
    all `records`."""
    asked, of_event = {"subject_id": which.id, "alias": alias}, {"event_oid": event} if event else {}
    return list(tx.read(_ANSWERS_AT if event else _ANSWERS, {**asked, **of_event}).scalars())


_SOME = _UNDERSTOOD.where(fact.c.alias.in_(bindparam("aliases", expanding=True)))


def records(tx: Transaction, subjects: Iterable[Subject], aliases: Collection[str] | None = None) -> list[SubjectRecord]:
    """What is understood of these subjects, in their order; forms and rows in error are not in it.

    With `aliases` only the answers under these, and no form without any: lists of visits need no more (`core.schedule.bearing`).
    """
    wanted = list(subjects)
    asked: dict[str, Any] = {} if aliases is None else {"aliases": sorted(aliases)}
    gathered: dict[int, dict[tuple[int, str], Recorded]] = {one.id: {} for one in wanted}
    ids = list(gathered)
    for start in range(0, len(ids), 500):
        for row in tx.read(_UNDERSTOOD if aliases is None else _SOME, {"ids": ids[start : start + 500], **asked}):
            of_subject = gathered[row.subject_id]
            key = (row.id, row.row or "")
            if key not in of_subject:
                of_subject[key] = Recorded(row.id, row.event_oid, row.event_repeat, row.form_oid, row.form_repeat, row.row or "", {}, {})
            held = of_subject[key]
            if row.alias is not None:
                into = held.missing if row.missing else held.values
                into[row.alias] = row.missing or row.text  # type: ignore[index]
    return [
        SubjectRecord(one.id, one.key, one.site.code, one.subject_type, one.enrolled_on, tuple(gathered[one.id].values())) for one in wanted
    ]
