"""Reports: an order is a row, the data behind it is what was known at one moment, and the drawing is archived with its hash."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from trialcrf.actions import Impossible, quality
from trialcrf.actions.cells import documents
from trialcrf.actions.safety import case_documents, packs
from trialcrf.core.chain import Checkpoint
from trialcrf.core.cut import Cut
from trialcrf.core.definition.cells import CellSettings
from trialcrf.core.definition.model import Study
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.packs.product import NO_CHAIN
from trialcrf.core.packs.report import NoSafetySettings, SafetyReport, tabulate
from trialcrf.core.quality import QualityReport
from trialcrf.core.wording import N_, Message
from trialcrf.external import archive
from trialcrf.external import drawing as drawings
from trialcrf.external.drawing import Annex, Drawing
from trialcrf.store import audit, cases, definitions, replay, reports, sites, subjects
from trialcrf.store.audit import Who
from trialcrf.store.definitions import Published
from trialcrf.store.reports import AnnexFile, Report
from trialcrf.store.transaction import Transaction

SAFETY, QUALITY = "safety", "quality"
CIOMS, LETTER, NARRATIVE = "cioms", "letter", "narrative"
SAE, DSUR, DSMB, DSMB_CLOSED = "sae", "dsur", "dsmb", "dsmb_closed"
BATCH, INFUSION, DOSSIER, ACCOUNTABILITY = "batch", "infusion", "dossier", "accountability"
EASTMOST, WESTMOST = timedelta(hours=14), timedelta(hours=12)
"""How far the calendar at a site can be ahead of, and behind, that of universal time."""

NOT_DRAWN = N_("The document could not be drawn; the log of the scheduler says why.")
NOT_COUNTED = N_("This study does not say how its adverse events are counted: it has no safety report.")
NOT_BLINDED = N_("This study is open-label: its safety board pack has both parts.")
BLINDED = N_("This study is blinded: the record of an infusion would tell the arm.")


class Drawable(Protocol):
    """What a document is drawn from: one frozen value with its cut."""

    @property
    def cut(self) -> Cut: ...


class About(StrEnum):
    """What a kind of report is about: the whole study; every site or a single one; one subject; one serious event."""

    STUDY = "study"
    SITE = "site"
    SUBJECT = "subject"
    CASE = "case"


@dataclass(frozen=True, slots=True)
class Asked:
    """What an order names of the study: a site, a subject or a case, by the kind of report; nothing: all of it."""

    site: str = ""
    subject: str = ""
    case_number: int | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """What of it is named, for a file's name and a key."""
        return tuple(part for part in (self.site, self.subject, f"case{self.case_number}" if self.case_number is not None else "") if part)


LONGEST_WHY = 500
"""In characters."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """The data of a report, read from the trail: what was understood of every subject, under the definition of that moment."""

    study: Study
    subjects: Sequence[SubjectRecord]
    cut: Cut


@dataclass(frozen=True, slots=True)
class Known:
    """What every report stands on: the definition of its moment, the heads of the chains, and the cut that it prints."""

    study: Study
    upto: Checkpoint
    cut: Cut


_EVERYTHING = Asked()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of report; its document is the folder of `reports/` with its code. `value` makes what is drawn, `refusal` says why a study
    has no such report, if it has none, and `about` what of the study an order must name. `verb` is what a person must be allowed to do,
    besides reading reports, to order or read one: the arms of a blinded study are not for everybody. `subject_types` says of which kinds
    the subject may be that it is about; without it of any."""

    label: str
    value: Callable[[Transaction, Known, Asked], Drawable]
    refusal: Callable[[Study], Message | None]
    about: About = About.STUDY
    verb: str = ""
    subject_types: Callable[[CellSettings], tuple[str, ...]] | None = None


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
) -> int | None:
    """Order a report; returns its id, or None where this `key` was ordered before. Without a key every order is a new one.

    `as_of` is the last day that is reported, at each site; `known_at` the moment whose knowledge it is made from: now (None) or
    earlier, and resolved here once. `why` is a sentence, which only the program itself may leave out. Raises Impossible with what
    cannot be ordered.
    """
    study, moment, asked = published.study, known_at or tx.at, Asked(site, subject, case_number)
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
    why = " ".join(why.split())
    if by != Who.system().actor and not why:
        raise Impossible(Message(N_("Say why the report is ordered.")), "why")
    if len(why) > LONGEST_WHY:
        raise Impossible(Message(N_("Say it in at most %(most)s characters."), {"most": LONGEST_WHY}), "why")
    about = "/".join((kind, *asked.parts))
    key = key or "|".join([about, study.oid, as_of.isoformat(), language, moment.isoformat(), tx.at.isoformat()])
    return reports.order(tx, key, published.study_id, kind, language, as_of, moment, by, site, subject, case_number, why)


def check_asked(tx: Transaction, study_oid: str, about: About, asked: Asked) -> None:
    """Refuse an order that names what its kind is not about, or nothing where it must. Raises Impossible."""
    if asked.site and about is not About.SITE:
        raise Impossible(Message(N_("This report is about every site: choose no single one.")), "site")
    if asked.site and sites.find(tx, study_oid, asked.site) is None:
        raise Impossible(Message(N_("Choose one of the sites offered.")), "site")
    if bool(asked.subject) != (about is About.SUBJECT):
        said = N_("Say which subject the report is about.") if about is About.SUBJECT else N_("This report is about no single subject.")
        raise Impossible(Message(said), "subject")
    if asked.subject and subjects.find(tx, study_oid, asked.subject) is None:
        raise Impossible(Message(N_("There is no subject %(subject)s."), {"subject": asked.subject}), "subject")
    if (asked.case_number is not None) != (about is About.CASE):
        said = N_("Say which case the report is about.") if about is About.CASE else N_("This report is about no single case.")
        raise Impossible(Message(said), "case_number")
    if asked.case_number is not None and cases.find(tx, study_oid, asked.case_number) is None:
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
    return _safety(tx, known(tx, study_oid, as_of, known_at), Asked())


def quality_report(tx: Transaction, study_oid: str, as_of: date, known_at: datetime, site: str = "") -> QualityReport:
    """As `safety_report`: the quality of one site, or (site empty) of all of them. Raises Impossible."""
    base = known(tx, study_oid, as_of, known_at)
    return quality.quality_report(tx, base.study, base.upto, base.cut, site)


def value_of(tx: Transaction, ordered: Report) -> Drawable:
    """What the order is drawn from. Raises Impossible."""
    return KINDS[ordered.kind].value(tx, known(tx, ordered.study_oid, ordered.as_of, ordered.known_at), asked_of(ordered))


def asked_of(ordered: Report) -> Asked:
    return Asked(ordered.site, ordered.subject, ordered.case_number)


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


def identity(cut: Cut, kind: str, language: str, asked: Asked = _EVERYTHING) -> str:
    """What a file says it is, as canonical JSON: the same for the same order, whoever gives it and when."""
    told = {
        "about": list(asked.parts), "as_of": cut.as_of.isoformat(), "checkpoint": cut.checkpoint, "kind": kind,
        "known_at": cut.known_at.astimezone(UTC).isoformat(), "language": language, "study": cut.study_oid,
        "version": cut.definition_version,
    }  # fmt: skip
    return json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _safety(tx: Transaction, base: Known, _asked: Asked) -> SafetyReport:
    try:
        return tabulate(base.study, replay.subjects_at(tx, base.upto), base.cut)
    except NoSafetySettings:
        raise Impossible(Message(NOT_COUNTED)) from None


def _quality(tx: Transaction, base: Known, asked: Asked) -> QualityReport:
    return quality.quality_report(tx, base.study, base.upto, base.cut, asked.site)


def _cioms(tx: Transaction, base: Known, asked: Asked) -> Drawable:
    return case_documents.cioms_of(tx, base.study, base.upto, base.cut, asked.case_number or 0)


def _letter(tx: Transaction, base: Known, asked: Asked) -> Drawable:
    return case_documents.letter_of(tx, base.study, base.upto, base.cut, asked.case_number or 0)


def _narrative(tx: Transaction, base: Known, asked: Asked) -> Drawable:
    return case_documents.story_of(tx, base.study, base.upto, base.cut, asked.subject)


def _sae(tx: Transaction, base: Known, _asked: Asked) -> Drawable:
    return packs.serious_events(tx, base.study, base.upto, base.cut)


def _dsur(tx: Transaction, base: Known, _asked: Asked) -> Drawable:
    return packs.annual_update(tx, base.study, base.upto, base.cut)


def _dsmb(tx: Transaction, base: Known, _asked: Asked) -> Drawable:
    return packs.safety_board(tx, base.study, base.upto, base.cut, closed=False)


def _dsmb_closed(tx: Transaction, base: Known, _asked: Asked) -> Drawable:
    return packs.safety_board(tx, base.study, base.upto, base.cut, closed=True)


def of_cells(make: Callable[[Transaction, Study, Checkpoint, Cut, str], Drawable]) -> Callable[[Transaction, Known, Asked], Drawable]:
    """A document of the cell product, which is about a subject or a site."""
    return lambda tx, base, asked: make(tx, base.study, base.upto, base.cut, asked.subject or asked.site)


def _no_cells(study: Study) -> Message | None:
    return Message(NO_CHAIN) if study.cells is None else None


def _open_cells(study: Study) -> Message | None:
    """Cohort, dose and batch tell the arm: of a blinded study there is no record of an infusion."""
    return _no_cells(study) or (Message(BLINDED) if study.safety and study.safety.blinded else None)


def _unblinded(study: Study) -> Message | None:
    """Why there is no closed pack: an open-label study has its closed part in the pack that everybody orders."""
    return _uncounted(study) or (None if study.safety and study.safety.blinded else Message(NOT_BLINDED))


def _uncounted(study: Study) -> Message | None:
    return Message(NOT_COUNTED) if study.safety is None else None


KINDS: Mapping[str, Kind] = {
    SAFETY: Kind(N_("Safety report"), _safety, _uncounted),
    QUALITY: Kind(N_("Site quality"), _quality, lambda study: None, About.SITE),
    SAE: Kind(N_("Serious adverse events"), _sae, _uncounted),
    DSUR: Kind(N_("DSUR tabulations"), _dsur, _uncounted),
    DSMB: Kind(N_("Safety board pack"), _dsmb, _uncounted),
    DSMB_CLOSED: Kind(N_("Safety board pack with the closed part"), _dsmb_closed, _unblinded, verb="decision.sign"),
    CIOMS: Kind(N_("CIOMS I form of a case"), _cioms, _uncounted, About.CASE),
    LETTER: Kind(N_("Letter to investigators about a case"), _letter, _uncounted, About.CASE),
    NARRATIVE: Kind(N_("Safety narrative of a subject"), _narrative, _uncounted, About.SUBJECT),
    BATCH: Kind(N_("Batch summary"), of_cells(documents.batch_of), _no_cells, About.SUBJECT, "cell.read", lambda of: (of.product,)),
    INFUSION: Kind(
        N_("Infusion record"), of_cells(documents.infusion_of), _open_cells, About.SUBJECT, "form.read", lambda of: (of.recipient,)
    ),
    DOSSIER: Kind(
        N_("Traceability dossier"), of_cells(documents.dossier_of), _no_cells, About.SUBJECT, "trace.read",
        lambda of: (of.donor, of.product, of.recipient),
    ),
    ACCOUNTABILITY: Kind(N_("Product accountability"), of_cells(documents.account_of), _no_cells, About.SITE, "stock.read"),
}  # fmt: skip
"""Every report that can be ordered, by the code that its row, its file and its folder have."""


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
        archive.keep(folder / folder_of_annexes(file_of(ordered)) / annex.name, annex.content)
    return archive.keep(folder / file_of(ordered), drawn.pdf)


def discard_file(ordered: Report, folder: Path) -> None:
    """Take away what was written of a report that nobody wants any more."""
    archive.discard(folder / file_of(ordered), folder / folder_of_annexes(file_of(ordered)))


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
