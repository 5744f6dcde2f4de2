"""The kinds of reports: what each is about, what it is drawn from, and who may have one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, cast

from trialcrf.actions import Impossible
from trialcrf.actions.cells import documents
from trialcrf.actions.oversight import monitor
from trialcrf.actions.records import casebook, quality
from trialcrf.actions.safety import case_documents, packs
from trialcrf.core.blank_crf import blank_crf
from trialcrf.core.chain import Checkpoint
from trialcrf.core.cut import Cut
from trialcrf.core.definition.cells import CellSettings
from trialcrf.core.definition.model import Study
from trialcrf.core.packs.product import NO_CHAIN
from trialcrf.core.packs.report import NoSafetySettings, SafetyReport, tabulate
from trialcrf.core.quality import QualityReport
from trialcrf.core.wording import N_, Message
from trialcrf.store import replay
from trialcrf.store.transaction import Transaction

SAFETY, QUALITY = "safety", "quality"
CIOMS, LETTER, NARRATIVE = "cioms", "letter", "narrative"
SAE, DSUR, DSMB, DSMB_CLOSED = "sae", "dsur", "dsmb", "dsmb_closed"
BATCH, INFUSION, DOSSIER, ACCOUNTABILITY = "batch", "infusion", "dossier", "accountability"
CASEBOOK, CASEBOOKS, CRF = "casebook", "casebooks", "crf"
MONITORING = "monitoring"

NOT_COUNTED = N_("This study does not say how its adverse events are counted: it has no safety report.")
NOT_BLINDED = N_("This study is open-label: its safety board pack has both parts.")
BLINDED = N_("This study is blinded: the record of an infusion would tell the arm.")


class Drawable(Protocol):
    """What a document is drawn from: one frozen value with its cut."""

    @property
    def cut(self) -> Cut: ...


class About(StrEnum):
    """What a kind of report is about: the whole study; every site or a single one; one site; one subject; one serious event;
    one monitoring visit, which is named by its site and (as `case_number`) its number there."""

    STUDY = "study"
    SITE = "site"
    ONE_SITE = "one_site"
    SUBJECT = "subject"
    CASE = "case"
    MONITORING = "monitoring"


@dataclass(frozen=True, slots=True)
class Asked:
    """What an order names of the study: a site, a subject or a case, by the kind of report; nothing: all of it. `eyes` are the kinds of
    forms (`FormDef.access`) that whoever ordered it may read, where the report is drawn for them alone; all where empty."""

    site: str = ""
    subject: str = ""
    case_number: int | None = None
    eyes: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """What of it is named, for a file's name and a key."""
        numbered = f"{'visit' if self.site else 'case'}{self.case_number}" if self.case_number is not None else ""
        return tuple(part for part in (self.site, self.subject, numbered) if part)


@dataclass(frozen=True, slots=True)
class Known:
    """What every report stands on: the definition of its moment, the heads of the chains, and the cut that it prints."""

    study: Study
    upto: Checkpoint
    cut: Cut


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of report; its document is the folder of `reports/` with its code. `value` makes what is drawn, `refusal` says why a study
    has no such report, if it has none, and `about` what of the study an order must name. `verb` is what a person must be allowed to do,
    besides reading reports, to order or read one: the arms of a blinded study are not for everybody. `subject_types` says of which kinds
    the subject may be that it is about; without it of any. `each` is the kind of the documents that it lists, drawn one after the other."""

    label: str
    value: Callable[[Transaction, Known, Asked], Drawable]
    refusal: Callable[[Study], Message | None]
    about: About = About.STUDY
    verb: str = ""
    subject_types: Callable[[CellSettings], tuple[str, ...]] | None = None
    each: str = ""


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


def _casebook(tx: Transaction, base: Known, asked: Asked) -> Drawable:
    return casebook.casebook_of(tx, base.study, base.upto, base.cut, asked.subject, asked.eyes)


def _casebooks(tx: Transaction, base: Known, asked: Asked) -> Drawable:
    return casebook.casebooks_of(tx, base.study, base.upto, base.cut, asked.site, asked.eyes)


def _monitoring(tx: Transaction, base: Known, asked: Asked) -> Drawable:
    return monitor.letter_of(tx, base.study, base.upto, base.cut, asked.site, asked.case_number or 0)


def _blank(tx: Transaction, base: Known, _asked: Asked) -> Drawable:
    """The moment of the order says which version: the one that was the newest then."""
    return cast(Drawable, blank_crf(base.study, base.cut))


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
    CASEBOOK: Kind(N_("Casebook"), _casebook, lambda study: None, About.SUBJECT, "casebook.print"),
    MONITORING: Kind(N_("Letter of a monitoring visit"), _monitoring, lambda study: None, About.MONITORING, "monitoring.read"),
    CRF: Kind(N_("Blank case report form"), _blank, lambda study: None, verb="casebook.print"),
    CASEBOOKS: Kind(N_("Casebooks of a site"), _casebooks, lambda study: None, About.ONE_SITE, "casebook.export", each=CASEBOOK),
}  # fmt: skip
"""Every report that can be ordered, by the code that its row, its file and its folder have."""

OF_CASEBOOKS = frozenset({CASEBOOK, CASEBOOKS, CRF})
"""The kinds that have a page of their own, where sites order and take theirs; every file of them is signed."""
