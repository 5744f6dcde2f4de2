"""Reports: an order is a row, the data behind it is what was known at one moment, and the drawing is archived with its hash."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from trialcrf.actions import Impossible, quality
from trialcrf.core.chain import Checkpoint
from trialcrf.core.definition.model import Study
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.quality import QualityReport
from trialcrf.core.safety import Cut, NoSafetySettings, SafetyReport, tabulate
from trialcrf.core.wording import N_, Message
from trialcrf.external import archive, pdf
from trialcrf.store import audit, definitions, replay, reports, sites
from trialcrf.store.definitions import Published
from trialcrf.store.reports import Report
from trialcrf.store.transaction import Transaction

SAFETY, QUALITY = "safety", "quality"
EASTMOST, WESTMOST = timedelta(hours=14), timedelta(hours=12)
"""How far the calendar at a site can be ahead of, and behind, that of universal time."""

NOT_DRAWN = N_("The document could not be drawn; the log of the scheduler says why.")
NOT_COUNTED = N_("This study does not say how its adverse events are counted: it has no safety report.")

Drawable = SafetyReport | QualityReport
"""What a document is drawn from: one frozen value with its cut."""


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


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of report; its document is the folder of `reports/` with its code. `value` makes what is drawn, `refusal` says why a study
    has no such report, if it has none, and `by_site`: it may be about one site alone."""

    label: str
    value: Callable[[Transaction, Known, str], Drawable]
    refusal: Callable[[Study], Message | None]
    by_site: bool = False


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
) -> int | None:
    """Order a report; returns its id, or None where this `key` was ordered before. Without a key every order is a new one.

    `as_of` is the last day that is reported, at each site; `known_at` the moment whose knowledge it is made from: now (None) or
    earlier, and resolved here once. Raises Impossible with what cannot be ordered.
    """
    study, moment = published.study, known_at or tx.at
    if kind not in KINDS:
        raise Impossible(Message(N_("Choose one of the reports offered.")), "kind")
    refusal = KINDS[kind].refusal(study)
    if refusal is not None:
        raise Impossible(refusal)
    if site and not KINDS[kind].by_site:
        raise Impossible(Message(N_("This report is about every site: choose no single one.")), "site")
    if site and sites.find(tx, study.oid, site) is None:
        raise Impossible(Message(N_("Choose one of the sites offered.")), "site")
    if language not in study.languages:
        raise Impossible(Message(N_("Choose one of the languages offered.")))
    check_cut(tx, study.oid, as_of, moment, tx.at)
    about = kind + (f"/{site}" if site else "")
    key = key or "|".join([about, study.oid, as_of.isoformat(), language, moment.isoformat(), tx.at.isoformat()])
    return reports.order(tx, key, published.study_id, kind, language, as_of, moment, by, site)


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
    return _safety(tx, known(tx, study_oid, as_of, known_at), "")


def quality_report(tx: Transaction, study_oid: str, as_of: date, known_at: datetime, site: str = "") -> QualityReport:
    """As `safety_report`: the quality of one site, or (site empty) of all of them. Raises Impossible."""
    base = known(tx, study_oid, as_of, known_at)
    return quality.quality_report(tx, base.study, base.upto, base.cut, site)


def value_of(tx: Transaction, ordered: Report) -> Drawable:
    """What the order is drawn from. Raises Impossible."""
    return KINDS[ordered.kind].value(tx, known(tx, ordered.study_oid, ordered.as_of, ordered.known_at), ordered.site)


def draw(value: Drawable, language: str, kind: str = SAFETY) -> bytes:
    """The document, drawn in a process of its own. Raises pdf.CannotDraw."""
    return pdf.draw_in_child(kind, value, language)


def _safety(tx: Transaction, base: Known, _site: str) -> SafetyReport:
    try:
        return tabulate(base.study, replay.subjects_at(tx, base.upto), base.cut)
    except NoSafetySettings:
        raise Impossible(Message(NOT_COUNTED)) from None


def _quality(tx: Transaction, base: Known, site: str) -> QualityReport:
    return quality.quality_report(tx, base.study, base.upto, base.cut, site)


KINDS: Mapping[str, Kind] = {
    SAFETY: Kind(N_("Safety report"), _safety, lambda study: Message(NOT_COUNTED) if study.safety is None else None),
    QUALITY: Kind(N_("Site quality"), _quality, lambda study: None, by_site=True),
}
"""Every report that can be ordered, by the code that its row, its file and its folder have."""


def file_of(ordered: Report) -> str:
    """The name of the archived file: the same for the same order, so a drawing begun twice is one file."""
    about = "-".join(part for part in (ordered.study_oid, ordered.kind, ordered.site) if part)
    return f"{about}-{ordered.as_of.isoformat()}-{ordered.language}-{ordered.id}.pdf"


def keep_file(ordered: Report, drawing: bytes, folder: Path) -> str:
    """Write the archived file and return its SHA-256. Done before the row is: a row never names a file that is not there."""
    return archive.keep(folder / file_of(ordered), drawing)


def keep(tx: Transaction, ordered: Report, value: Drawable, sha256: str) -> bool:
    """Mark the order drawn, with the hash of its file. False where another worker archived the same bytes before."""
    return reports.drawn(tx, ordered.id, value.cut.definition_version, value.cut.checkpoint, sha256, file_of(ordered))


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
