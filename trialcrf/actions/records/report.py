"""Reports: an order is a row, the data behind it is what was known at one moment, and the drawing is archived with its hash."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from trialcrf.actions import Impossible, plain
from trialcrf.actions.records.report_kinds import (
    ACCOUNTABILITY,
    BATCH,
    CASEBOOK,
    CASEBOOKS,
    CIOMS,
    CRF,
    DOSSIER,
    DSMB,
    DSMB_CLOSED,
    DSUR,
    INFUSION,
    KINDS,
    LETTER,
    NARRATIVE,
    OF_CASEBOOKS,
    QUALITY,
    SAE,
    SAFETY,
    About,
    Asked,
    Drawable,
    Kind,
    Known,
)
from trialcrf.core.cut import Cut
from trialcrf.core.definition.model import Study
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.packs.report import SafetyReport
from trialcrf.core.quality import QualityReport
from trialcrf.core.wording import N_, Message
from trialcrf.external import archive, seal
from trialcrf.external import drawing as drawings
from trialcrf.external.drawing import Annex, Drawing
from trialcrf.store import audit, cases, definitions, replay, reports, sites, subjects
from trialcrf.store.audit import Who
from trialcrf.store.definitions import Published
from trialcrf.store.reports import AnnexFile, Report
from trialcrf.store.transaction import Transaction

__all__ = [
    "ACCOUNTABILITY",
    "BATCH",
    "CASEBOOK",
    "CASEBOOKS",
    "CIOMS",
    "CRF",
    "DOSSIER",
    "DSMB",
    "DSMB_CLOSED",
    "DSUR",
    "INFUSION",
    "KINDS",
    "LETTER",
    "NARRATIVE",
    "OF_CASEBOOKS",
    "QUALITY",
    "SAE",
    "SAFETY",
    "About",
    "Asked",
    "Drawable",
    "Kind",
    "Known",
]
"""What the kinds are called: whoever works with reports asks here for them."""

EASTMOST, WESTMOST = timedelta(hours=14), timedelta(hours=12)
"""How far the calendar at a site can be ahead of, and behind, that of universal time."""

NOT_DRAWN = N_("The document could not be drawn; the log of the scheduler says why.")
LONGEST_WHY = 500
"""In characters."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """The data of a report, read from the trail: what was understood of every subject, under the definition of that moment."""

    study: Study
    subjects: Sequence[SubjectRecord]
    cut: Cut


_EVERYTHING = Asked()


def order(
    tx: Transaction,
    published: Published,
    language: str,
    as_of: date,
    known_at: datetime | None,
    by: str,
    key: str = "",
    kind: str = SAFETY,
    site: str = "",
    subject: str = "",
    case_number: int | None = None,
    why: str = "",
    eyes: tuple[str, ...] = (),
) -> int | None:
    """Order a report; returns its id, or None where this `key` was ordered before. Without a key every order is a new one.

    `as_of` is the last day that is reported, at each site; `known_at` the moment whose knowledge it is made from: now (None) or
    earlier, and resolved here once. `why` is a sentence, which only the program itself may leave out. `eyes` are the kinds of forms that
    a casebook is drawn with: those that whoever orders it may read. Raises Impossible with what cannot be ordered.
    """
    study, moment, asked = published.study, known_at or tx.at, Asked(site, subject, case_number, eyes)
    if kind not in KINDS:
        raise Impossible(Message(N_("Choose one of the reports offered.")), "kind")
    refusal = KINDS[kind].refusal(study)
    if refusal is not None:
        raise Impossible(refusal)
    check_asked(tx, study.oid, KINDS[kind].about, asked)
    check_kind(tx, study, KINDS[kind], asked)
    if language not in study.languages:
        raise Impossible(Message(N_("Choose one of the languages offered.")))
    check_cut(tx, study.oid, as_of, moment, tx.at)
    why = plain(" ".join(why.split()), 10 * LONGEST_WHY, "why")
    if by != Who.system().actor and not why:
        raise Impossible(Message(N_("Say why the report is ordered.")), "why")
    if len(why) > LONGEST_WHY:
        raise Impossible(Message(N_("Say it in at most %(most)s characters."), {"most": LONGEST_WHY}), "why")
    about = "/".join((kind, *asked.parts))
    key = key or "|".join([about, study.oid, as_of.isoformat(), language, moment.isoformat(), tx.at.isoformat()])
    return reports.order(tx, key, published.study_id, kind, language, as_of, moment, by, site, subject, case_number, why, " ".join(eyes))


def check_asked(tx: Transaction, study_oid: str, about: About, asked: Asked) -> None:
    """Refuse an order that names what its kind is not about, or nothing where it must. Raises Impossible."""
    if asked.site and about not in (About.SITE, About.ONE_SITE, About.MONITORING):
        raise Impossible(Message(N_("This report is about every site: choose no single one.")), "site")
    if (asked.site or about in (About.ONE_SITE, About.MONITORING)) and sites.find(tx, study_oid, asked.site) is None:
        raise Impossible(Message(N_("Choose one of the sites offered.")), "site")
    if bool(asked.subject) != (about is About.SUBJECT):
        said = N_("Say which subject the report is about.") if about is About.SUBJECT else N_("This report is about no single subject.")
        raise Impossible(Message(said), "subject")
    if asked.subject and subjects.find(tx, study_oid, asked.subject) is None:
        raise Impossible(Message(N_("There is no subject %(subject)s."), {"subject": asked.subject}), "subject")
    if (asked.case_number is not None) != (about in (About.CASE, About.MONITORING)):
        said = N_("Say which case the report is about.") if about is About.CASE else N_("This report is about no single case.")
        raise Impossible(Message(said), "case_number")
    if about is About.CASE and asked.case_number is not None and cases.find(tx, study_oid, asked.case_number) is None:
        raise Impossible(Message(N_("There is no case %(number)s."), {"number": str(asked.case_number)}), "case_number")


def check_kind(tx: Transaction, study: Study, kind: Kind, asked: Asked) -> None:
    """Refuse a subject of a kind that the document is not about: a summary of a batch needs a batch. Raises Impossible."""
    if kind.subject_types is None or study.cells is None:
        return
    which, kinds = subjects.find(tx, study.oid, asked.subject), kind.subject_types(study.cells)
    if which is None or which.subject_type not in kinds:
        said = N_("This report is not about %(subject)s: choose one of %(kinds)s.")
        labels = tuple(study.subject_type[oid].label for oid in kinds if oid in study.subject_type)
        raise Impossible(Message(said, {"subject": asked.subject, "kinds": labels}), "subject")


def check_cut(tx: Transaction, study_oid: str, as_of: date, known_at: datetime, now: datetime) -> None:
    """Refuse a cut that lies in the future: what is not known yet would change the report later. Raises Impossible."""
    if known_at > now:
        raise Impossible(Message(N_("What will be known later cannot be reported now.")))
    if as_of > (known_at + EASTMOST).date():
        raise Impossible(Message(N_("The cut-off %(as_of)s is after the day at which the data are known."), {"as_of": as_of}))
    if definitions.version_at(tx, study_oid, known_at) is None:
        raise Impossible(Message(N_("No definition of this study was published by that moment.")))


def known(tx: Transaction, study_oid: str, as_of: date, known_at: datetime) -> Known:
    """What was known at that moment, whatever was recorded since. Raises Impossible where no definition was published by then."""
    published = definitions.version_at(tx, study_oid, known_at)
    if published is None:
        raise Impossible(Message(N_("No definition of this study was published by that moment.")))
    chains = [study_oid, *(site.chain for site in sites.all_of(tx, study_oid))]
    checkpoint = audit.heads_at(tx.connection, known_at, chains)
    return Known(published.study, checkpoint, Cut(as_of, known_at, published.version, published.hash, checkpoint.digest(), study_oid))


def gather(tx: Transaction, study_oid: str, as_of: date, known_at: datetime) -> Gathered:
    """What a safety report counts: every subject as it was understood at that moment. Raises as `known` does."""
    base = known(tx, study_oid, as_of, known_at)
    return Gathered(base.study, replay.subjects_at(tx, base.upto), base.cut)


def safety_report(tx: Transaction, study_oid: str, as_of: date, known_at: datetime) -> SafetyReport:
    """The report as one frozen value, to be drawn when the transaction is closed. Raises Impossible."""
    value = KINDS[SAFETY].value(tx, known(tx, study_oid, as_of, known_at), Asked())
    assert isinstance(value, SafetyReport)
    return value


def quality_report(tx: Transaction, study_oid: str, as_of: date, known_at: datetime, site: str = "") -> QualityReport:
    """As `safety_report`: the quality of one site, or (site empty) of all of them. Raises Impossible."""
    value = KINDS[QUALITY].value(tx, known(tx, study_oid, as_of, known_at), Asked(site))
    assert isinstance(value, QualityReport)
    return value


def value_of(tx: Transaction, ordered: Report) -> Drawable:
    """What the order is drawn from. Raises Impossible."""
    return KINDS[ordered.kind].value(tx, known(tx, ordered.study_oid, ordered.as_of, ordered.known_at), asked_of(ordered))


def asked_of(ordered: Report) -> Asked:
    return Asked(ordered.site, ordered.subject, ordered.case_number, tuple(ordered.eyes.split()))


def draw(value: Drawable, language: str, kind: str = SAFETY) -> bytes:
    """The document alone. Raises CannotDraw."""
    return drawing(value, language, kind).pdf


def drawing(
    value: Drawable,
    language: str,
    kind: str,
    asked: Asked = _EVERYTHING,
    kept: Path | None = None,
    tell: Callable[[str], None] | None = None,
    wanted: Callable[[], bool] | None = None,
) -> Drawing:
    """The document with its annexes, drawn in processes of their own. Raises CannotDraw, and Cancelled once `wanted` says no."""
    return drawings.draw(kind, value, language, identity(value.cut, kind, language, asked), kept, tell or (lambda step: None), wanted)


@dataclass(frozen=True, slots=True)
class Order:
    """What is drawn: the kind, of what, known when, in which language."""

    kind: str
    study_oid: str
    as_of: date
    known_at: datetime
    language: str
    asked: Asked = _EVERYTHING


def order_of(ordered: Report) -> Order:
    return Order(ordered.kind, ordered.study_oid, ordered.as_of, ordered.known_at, ordered.language, asked_of(ordered))


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where a report is drawn: `read` opens a read-only transaction, `put` keeps one of the documents that a report lists and returns
    its SHA-256, `kept` is the folder of drawn parts; `tell` hears each step begin, `count` how many documents of how many are done."""

    read: Callable[[], AbstractContextManager[Transaction]]
    put: Callable[[str, bytes], str]
    kept: Path | None = None
    tell: Callable[[str], None] = lambda step: None
    count: Callable[[int, int], None] = lambda done, of: None
    wanted: Callable[[], bool] | None = None


def made(one: Order, at: Workshop) -> tuple[Drawable, Drawing]:
    """Gather and draw a report; the documents that it lists first, one by one, so that memory holds one of them. No transaction is open
    while anything is drawn. Raises Impossible, CannotDraw, Cancelled."""
    value, tell = _gathered(one, at), at.tell
    listed: list[Annex] = []
    if KINDS[one.kind].each:
        value, listed = _each(one, value, at)
        tell = _quiet  # Drawing the list is the least of it.
    drawn = drawing(value, one.language, one.kind, one.asked, at.kept, tell, at.wanted)
    return value, replace(drawn, annexes=(*drawn.annexes, *listed))


def _quiet(step: str) -> None: ...


def _gathered(one: Order, at: Workshop) -> Drawable:
    with at.read() as tx:
        return KINDS[one.kind].value(tx, known(tx, one.study_oid, one.as_of, one.known_at), one.asked)


def _each(one: Order, value: Any, at: Workshop) -> tuple[Drawable, list[Annex]]:
    listed = []
    for number, book in enumerate(value.books):
        at.count(number, len(value.books))
        own = replace(one, kind=KINDS[one.kind].each, asked=Asked(subject=book.subject, eyes=one.asked.eyes))
        found = _gathered(own, at)
        sha256 = at.put(book.file, drawing(found, own.language, own.kind, own.asked, at.kept, wanted=at.wanted).pdf)
        value = value.with_book(number, sha256, found)
        listed.append(Annex(book.file, value.books[number].records, sha256, b""))
    return value, listed


def identity(cut: Cut, kind: str, language: str, asked: Asked = _EVERYTHING) -> str:
    """What a file says it is, as canonical JSON: the same for the same order, whoever gives it and when."""
    told = {
        "about": list(asked.parts), "as_of": cut.as_of.isoformat(), "checkpoint": cut.checkpoint, "kind": kind,
        "known_at": cut.known_at.astimezone(UTC).isoformat(), "language": language, "study": cut.study_oid,
        "version": cut.definition_version, **({"eyes": list(asked.eyes)} if asked.eyes else {}),
    }  # fmt: skip
    return json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def file_of(ordered: Report) -> str:
    """The name of the archived file: the same for the same order, so a drawing begun twice is one file."""
    about = "-".join((ordered.study_oid, ordered.kind, *asked_of(ordered).parts))
    return f"{about}-{ordered.as_of.isoformat()}-{ordered.language}-{ordered.id}.pdf"


def folder_of_annexes(file: str) -> str:
    """The name of the folder beside an archived file in which its annexes are."""
    return file.removesuffix(".pdf")


def keep_file(ordered: Report, drawn: Drawing, folder: Path) -> str:
    """Write the archived files and return the SHA-256 of the report. Done before the row is: a row never names a file that is not there."""
    for annex in drawn.annexes:
        if annex.content:  # What a report lists and was drawn before it is kept already.
            archive.keep(folder / folder_of_annexes(file_of(ordered)) / annex.name, annex.content)
    return archive.keep(folder / file_of(ordered), drawn.pdf)


def sign_files(one: Order, value: Drawable, name: str, sha256: str, annexes: Sequence[Annex], folder: Path, key_file: Path) -> list[Path]:
    """Write a signature beside each file of casebooks under `folder`, and return where; other reports have none. Done before the row is.

    Raises OSError and ValueError as `seal.sign` does.
    """
    if one.kind not in OF_CASEBOOKS:
        return []
    said = {folder / name: signed(one, value, name, sha256)}
    if KINDS[one.kind].each:
        for annex in annexes:
            own = replace(one, kind=KINDS[one.kind].each, asked=replace(one.asked, subject=_subject_of(value, annex.name)))
            said[folder / folder_of_annexes(name) / annex.name] = signed(own, value, annex.name, annex.sha256)
    for path, words in said.items():
        archive.keep(path.with_name(path.name + seal.ENDING), seal.sign(key_file, words))
    return [path.with_name(path.name + seal.ENDING) for path in said]


def signed(one: Order, value: Any, name: str, sha256: str) -> dict[str, str]:
    """What a signature says of a file of casebooks: which one it is, of whom, and which knowledge it tells."""
    cut = value.cut
    return {
        "checkpoint": cut.checkpoint, "file": name, "forms": " ".join(one.asked.eyes), "kind": one.kind,
        "known_at": cut.known_at.astimezone(UTC).isoformat(), "sha256": sha256, "site": getattr(value, "site", ""), "study": cut.study_oid,
        "subject": one.asked.subject,
    }  # fmt: skip


def _subject_of(value: Any, file: str) -> str:
    return str(next(book.subject for book in value.books if book.file == file))


def discard_file(ordered: Report, folder: Path) -> None:
    """Take away what was written of a report that nobody wants any more."""
    name = file_of(ordered)
    archive.discard((folder / name, folder / (name + seal.ENDING)), folder / folder_of_annexes(name))


def keep(tx: Transaction, ordered: Report, value: Drawable, sha256: str, annexes: Sequence[Annex] = ()) -> bool:
    """Mark the order drawn, with its hashes. False where another worker archived the same bytes before, or it was cancelled."""
    published = definitions.version_at(tx, ordered.study_oid, ordered.known_at)
    dictionary = dictionary_of(published.study) if published else ""
    files = [AnnexFile(annex.name, annex.rows, annex.sha256) for annex in annexes]
    cut = value.cut
    return reports.drawn(tx, ordered.id, cut.definition_version, cut.checkpoint, sha256, file_of(ordered), dictionary, files)


def dictionary_of(study: Study) -> str:
    """The dictionaries of the terms of a study, by name and version."""
    if study.safety is None:
        return ""
    named = (("CTCAE", study.safety.ctcae), ("MedDRA", study.safety.meddra))
    return "; ".join(f"{name} {version}" for name, version in named if version)


def monthly(tx: Transaction, now: datetime) -> list[int]:
    """Order the report of the last month for every study that counts safety, once a month; returns the new orders.

    A month is over when it is over at every site on earth. The report is in the first language of the study.
    """
    as_of = (now - WESTMOST).date().replace(day=1) - timedelta(days=1)
    made = []
    for published in definitions.all_of(tx):
        if published.study.safety is None:
            continue
        language = published.study.languages[0]
        key = "|".join(["monthly", SAFETY, published.study.oid, as_of.isoformat(), language])
        new = order(tx, published, language, as_of, None, "trialcrf", key)
        made += [new] if new is not None else []
    return made
