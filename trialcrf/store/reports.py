"""Reports ordered and archived: what was asked, over which data, and the hash of the file that came of it."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from trialcrf.store.models import report, site, study, subject
from trialcrf.store.transaction import Transaction

ORDERED, DRAWN, FAILED, CANCELLED = "ordered", "drawn", "failed", "cancelled"

LEASE = timedelta(seconds=40)
"""How long a worker that draws is believed to be alive after it last said so; then another may begin from the beginning."""


@dataclass(frozen=True, slots=True)
class AnnexFile:
    """A file beside an archived report: its name, how many lines it lists, its SHA-256."""

    name: str
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Report:
    """An ordered report. What came of it is empty until it is drawn: definition version, checkpoint, SHA-256, file name."""

    id: int
    study_oid: str
    kind: str
    language: str
    as_of: date
    known_at: datetime
    state: str
    ordered_by: str
    ordered_at: datetime
    definition_version: int | None
    checkpoint: str | None
    sha256: str | None
    file: str | None
    said: str
    site: str = ""  # the only site that it is about; empty: every site
    why: str = ""
    subject: str = ""  # the only subject that it is about
    case_number: int | None = None  # the only serious event that it is about
    dictionary: str = ""  # the dictionaries of its terms: "CTCAE 5.0; MedDRA 28.0"
    progress: int = 0  # per cent of the drawing
    step: str = ""  # what of it is being done
    annexes: tuple[AnnexFile, ...] = ()
    eyes: str = ""  # the kinds of forms that are in it, by their access, sorted; empty: every kind


_COLUMNS = (
    report.c.id, study.c.oid, report.c.kind, report.c.language, report.c.as_of, report.c.known_at, report.c.state, report.c.ordered_by,
    report.c.ordered_at, report.c.definition_version, report.c.checkpoint, report.c.sha256, report.c.file, report.c.said,
    report.c.site, report.c.why, report.c.subject, report.c.case_number, report.c.dictionary, report.c.progress, report.c.step,
    report.c.annexes, report.c.eyes,
)  # fmt: skip


def _select() -> Select[Any]:
    return select(*_COLUMNS).select_from(report.join(study, study.c.id == report.c.study_id))


def _made(row: Any) -> Report:
    made = Report(*row)
    return replace(made, annexes=tuple(AnnexFile(*one) for one in json.loads(str(made.annexes))))


def order(
    tx: Transaction,
    key: str,
    study_id: int,
    kind: str,
    language: str,
    as_of: date,
    known_at: datetime,
    ordered_by: str,
    site: str = "",
    subject: str = "",
    case_number: int | None = None,
    why: str = "",
    eyes: str = "",
) -> int | None:
    """A new order, or None where this key was ordered before. Its id is what the queue's message carries."""
    dialect = postgresql if tx.connection.dialect.name == "postgresql" else sqlite
    new = {
        "key": key, "study_id": study_id, "kind": kind, "language": language, "as_of": as_of, "known_at": known_at,
        "state": ORDERED, "ordered_by": ordered_by, "ordered_at": tx.at, "site": site,
        "subject": subject, "case_number": case_number, "why": why, "eyes": eyes,
    }  # fmt: skip
    statement = dialect.insert(report).values(**new).on_conflict_do_nothing(index_elements=["key"]).returning(report.c.id)
    made = tx.work(statement).first()
    return int(made.id) if made else None


def find(tx: Transaction, report_id: int) -> Report | None:
    row = tx.read(_select().where(report.c.id == report_id)).first()
    return _made(row) if row else None


def all_of(tx: Transaction, study_oid: str, limit: int = 100, offset: int = 0, but: Collection[str] = ()) -> list[Report]:
    """The newest first; those of the kinds `but` are left out."""
    rows = tx.read(_of_study(study_oid, but).order_by(report.c.id.desc()).offset(offset).limit(limit))
    return [_made(row) for row in rows]


def known_since(tx: Transaction, study_oid: str, moment: datetime) -> list[Report]:
    """The archived reports over data known at this moment or later, oldest first."""
    where = (study.c.oid == study_oid, report.c.state == DRAWN, report.c.known_at >= moment)
    return [_made(row) for row in tx.read(_select().where(*where).order_by(report.c.id))]


def count(tx: Transaction, study_oid: str, but: Collection[str] = ()) -> int:
    return int(tx.read(select(func.count()).select_from(_of_study(study_oid, but).subquery())).scalar_one())


def _of_study(study_oid: str, but: Collection[str]) -> Select[Any]:
    return _select().where(study.c.oid == study_oid, report.c.kind.not_in(sorted(but)))


Seen = tuple[str, str]
"""At which site a report is, and the kinds of forms that are in it (`Report.eyes`)."""


def seen_by(tx: Transaction, study_oid: str, kinds: Collection[str]) -> set[Seen]:
    """At which sites the reports of these kinds are, and for whose eyes."""
    return {(row.code, row.eyes) for row in tx.read(_placed(study_oid, kinds, report.c.eyes).distinct())}


def of_places(tx: Transaction, study_oid: str, kinds: Collection[str], places: Collection[Seen], limit: int, offset: int) -> list[Report]:
    """The reports of these kinds that are at these sites and for these eyes, the newest first."""
    inside = _placed(study_oid, kinds, *_COLUMNS).where(tuple_(_CODE, report.c.eyes).in_(sorted(places)))
    return [_made(row[1:]) for row in tx.read(inside.order_by(report.c.id.desc()).offset(offset).limit(limit))]


def count_at(tx: Transaction, study_oid: str, kinds: Collection[str], places: Collection[Seen]) -> int:
    inside = _placed(study_oid, kinds, report.c.id).where(tuple_(_CODE, report.c.eyes).in_(sorted(places)))
    return int(tx.read(select(func.count()).select_from(inside.subquery())).scalar_one())


_CODE = func.coalesce(site.c.code, report.c.site)


def _placed(study_oid: str, kinds: Collection[str], *columns: Any) -> Select[Any]:
    """Reports about a subject with the site of the subject, reports about a site with that."""
    joined = (
        report.join(study, study.c.id == report.c.study_id)
        .outerjoin(subject, (subject.c.study_id == report.c.study_id) & (subject.c.key == report.c.subject))
        .outerjoin(site, site.c.id == subject.c.site_id)
    )
    asked = select(_CODE.label("code"), *columns).select_from(joined)
    return asked.where(study.c.oid == study_oid, report.c.kind.in_(sorted(kinds)))


def waiting(tx: Transaction, at: datetime) -> list[int]:
    """Orders that are not drawn and that nobody is at: their message may have died with a worker."""
    return list(tx.read(select(report.c.id).where(report.c.state == ORDERED, _free(at)).order_by(report.c.id)).scalars())


def _free(at: datetime) -> ColumnElement[bool]:
    return report.c.taken_until.is_(None) | (report.c.taken_until < at)


def take(tx: Transaction, report_id: int) -> bool:
    """Begin to draw, for LEASE; False where there is nothing (left) to draw, or another worker is at it.

    It spares work and guards nothing: of two that draw one order, each makes the same bytes and one archives them (`drawn`).
    """
    wanted = (report.c.id == report_id, report.c.state == ORDERED, _free(tx.at))
    return tx.work(update(report).where(*wanted).values(taken_until=tx.at + LEASE)).rowcount == 1


def hold(tx: Transaction, report_id: int) -> None:
    """Still at it."""
    tx.work(update(report).where(report.c.id == report_id, report.c.state == ORDERED).values(taken_until=tx.at + LEASE))


def let_go(tx: Transaction, report_id: int) -> None:
    """Not at it any more: what is left undone the next worker may begin at once."""
    tx.work(update(report).where(report.c.id == report_id).values(taken_until=None))


def by_sha256(tx: Transaction, sha256: str) -> list[Report]:
    """Every archived report whose file has this hash, the first one first: equal orders give equal files."""
    return [_made(row) for row in tx.read(_select().where(report.c.sha256 == sha256, report.c.state == DRAWN).order_by(report.c.id))]


def with_annex(tx: Transaction, sha256: str) -> list[Report]:
    """Every archived report that has an annex with this hash."""
    rows = tx.read(_select().where(report.c.annexes.contains(sha256, autoescape=True), report.c.state == DRAWN).order_by(report.c.id))
    found = [_made(row) for row in rows]
    return [one for one in found if any(file.sha256 == sha256 for file in one.annexes)]


def drawn_at(tx: Transaction, study_oid: str, kind: str, known_at: datetime) -> list[Report]:
    """The archived reports of this kind that tell what was known at this moment."""
    where = (study.c.oid == study_oid, report.c.kind == kind, report.c.known_at == known_at, report.c.state == DRAWN)
    return [_made(row) for row in tx.read(_select().where(*where).order_by(report.c.id))]


def progressed(tx: Transaction, report_id: int, progress: int, step: str) -> bool:
    """Tell how far the drawing is; False where it is not wanted any more."""
    wanted = (report.c.id == report_id, report.c.state == ORDERED)
    return tx.work(update(report).where(*wanted).values(progress=progress, step=step)).rowcount == 1


def drawn(
    tx: Transaction,
    report_id: int,
    version: int,
    checkpoint: str,
    sha256: str,
    file: str,
    dictionary: str = "",
    annexes: Sequence[AnnexFile] = (),
) -> bool:
    """Archive the drawing; False where another worker did so first (the bytes are the same), or where it was cancelled."""
    values = {
        "state": DRAWN, "definition_version": version, "checkpoint": checkpoint, "sha256": sha256, "file": file, "said": "",
        "dictionary": dictionary, "progress": 100, "step": "", "annexes": json.dumps([astuple(one) for one in annexes]),
    }  # fmt: skip
    return tx.work(update(report).where(report.c.id == report_id, report.c.state.not_in([DRAWN, CANCELLED])).values(**values)).rowcount == 1


def cancelled(tx: Transaction, report_id: int) -> bool:
    """Nobody wants it any more; False where it is drawn, failed or cancelled already."""
    wanted = (report.c.id == report_id, report.c.state == ORDERED)
    return tx.work(update(report).where(*wanted).values(state=CANCELLED, step="")).rowcount == 1


def failed(tx: Transaction, report_id: int, said: str) -> None:
    tx.work(update(report).where(report.c.id == report_id, report.c.state == ORDERED).values(state=FAILED, said=said, step=""))
