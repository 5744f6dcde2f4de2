"""Safety reports: an order is a row, the data behind it is what was known at one moment, and the drawing is archived with its hash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from trialcrf.actions import Impossible
from trialcrf.core.definition.model import Study
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.safety import Cut, NoSafetySettings, SafetyReport, tabulate
from trialcrf.core.wording import N_, Message
from trialcrf.external import archive, pdf
from trialcrf.store import audit, definitions, replay, reports, sites
from trialcrf.store.definitions import Published
from trialcrf.store.reports import Report
from trialcrf.store.transaction import Transaction

SAFETY = "safety"
EASTMOST, WESTMOST = timedelta(hours=14), timedelta(hours=12)
"""How far the calendar at a site can be ahead of, and behind, that of universal time."""

NOT_DRAWN = N_("The document could not be drawn; the log of the scheduler says why.")


@dataclass(frozen=True, slots=True)
class Gathered:
    """The data of a report, read from the trail: what was understood of every subject, under the definition of that moment."""

    study: Study
    subjects: Sequence[SubjectRecord]
    cut: Cut


def order(
    tx: Transaction, published: Published, language: str, as_of: date, known_at: datetime | None, by: str, key: str = ""
) -> int | None:
    """Order a safety report; returns its id, or None where this `key` was ordered before. Without a key every order is a new one.

    `as_of` is the last day that is reported, at each site; `known_at` the moment whose knowledge it is made from: now (None) or
    earlier, and resolved here once. Raises Impossible with what cannot be ordered.
    """
    study, known = published.study, known_at or tx.at
    if study.safety is None:
        raise Impossible(Message(N_("This study does not say how its adverse events are counted: it has no safety report.")))
    if language not in study.languages:
        raise Impossible(Message(N_("Choose one of the languages offered.")))
    check_cut(tx, study.oid, as_of, known, tx.at)
    key = key or "|".join([SAFETY, study.oid, as_of.isoformat(), language, known.isoformat(), tx.at.isoformat()])
    return reports.order(tx, key, published.study_id, SAFETY, language, as_of, known, by)


def check_cut(tx: Transaction, study_oid: str, as_of: date, known_at: datetime, now: datetime) -> None:
    """Refuse a cut that lies in the future: what is not known yet would change the report later. Raises Impossible."""
    if known_at > now:
        raise Impossible(Message(N_("What will be known later cannot be reported now.")))
    if as_of > (known_at + EASTMOST).date():
        raise Impossible(Message(N_("The cut-off %(as_of)s is after the day at which the data are known."), {"as_of": as_of}))
    if definitions.version_at(tx, study_oid, known_at) is None:
        raise Impossible(Message(N_("No definition of this study was published by that moment.")))


def gather(tx: Transaction, study_oid: str, as_of: date, known_at: datetime) -> Gathered:
    """What was known at that moment, whatever was recorded since. Raises Impossible where no definition was published by then."""
    published = definitions.version_at(tx, study_oid, known_at)
    if published is None:
        raise Impossible(Message(N_("No definition of this study was published by that moment.")))
    chains = [study_oid, *(site.chain for site in sites.all_of(tx, study_oid))]
    checkpoint = audit.heads_at(tx.connection, known_at, chains)
    cut = Cut(as_of, known_at, published.version, published.hash, checkpoint.digest(), study_oid)
    return Gathered(published.study, replay.subjects_at(tx, checkpoint), cut)


def safety_report(tx: Transaction, study_oid: str, as_of: date, known_at: datetime) -> SafetyReport:
    """The report as one frozen value, to be drawn when the transaction is closed. Raises Impossible."""
    gathered = gather(tx, study_oid, as_of, known_at)
    try:
        return tabulate(gathered.study, gathered.subjects, gathered.cut)
    except NoSafetySettings:
        said = N_("This study does not say how its adverse events are counted: it has no safety report.")
        raise Impossible(Message(said)) from None


def draw(value: SafetyReport, language: str) -> bytes:
    """The document, drawn in a process of its own. Raises pdf.CannotDraw."""
    return pdf.draw_in_child(SAFETY, value, language)


def file_of(ordered: Report) -> str:
    """The name of the archived file: the same for the same order, so a drawing begun twice is one file."""
    return f"{ordered.study_oid}-{ordered.kind}-{ordered.as_of.isoformat()}-{ordered.language}-{ordered.id}.pdf"


def keep_file(ordered: Report, drawing: bytes, folder: Path) -> str:
    """Write the archived file and return its SHA-256. Done before the row is: a row never names a file that is not there."""
    return archive.keep(folder / file_of(ordered), drawing)


def keep(tx: Transaction, ordered: Report, value: SafetyReport, sha256: str) -> bool:
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
