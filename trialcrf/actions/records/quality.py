"""Site quality: gathering what `core.quality` counts, from the tables for a page of now, from the trail for a report of one moment."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date, datetime

from trialcrf.actions import Impossible
from trialcrf.core.chain import Checkpoint
from trialcrf.core.cut import Cut
from trialcrf.core.definition.model import ACCESS, Study
from trialcrf.core.facts import people
from trialcrf.core.quality import (
    LONG,
    QualityReport,
    Seen,
    SeenEvent,
    SeenQuery,
    SeenVisit,
    SiteQuality,
    quality,
    seen_subject,
    together,
)
from trialcrf.core.sight import known
from trialcrf.core.wording import N_, Message
from trialcrf.store import first_entries, replay, sites, subjects
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

AT_ONCE = 200
"""Subjects whose visits are held in memory together: there may be thousands."""


EVERY = frozenset(ACCESS)


def of_sites(
    tx: Transaction, study: Study, places: Sequence[Site], now: datetime, eyes: Callable[[Site], Collection[str]] = lambda _site: EVERY
) -> list[SiteQuality]:
    """The numbers of these sites as they stand: the cut-off is today at each of them.

    `eyes` are the kinds of forms (`FormDef.access`) whose queries are counted at a site: those that the reader may open.
    """
    return [quality(place.code, place.name, _seen(tx, study, place, eyes(place)), place.today(now), place.today(now)) for place in places]


def quality_report(tx: Transaction, study: Study, upto: Checkpoint, cut: Cut, site: str = "") -> QualityReport:
    """What was known at the checkpoint about one site, or (site empty) about each that there was then and the whole study.

    Raises Impossible where there was no such site.
    """
    places = [place for place in sites.known_at(tx, study.oid, cut.known_at) if site in ("", place.code)]
    if not places and site:
        raise Impossible(Message(N_("There is no such site.")), "site")
    found = tuple(
        # A site at a time: what is held in memory is what was recorded at the largest of them.
        quality(place.code, place.name, _seen_at(tx, study, place, upto, cut.known_at), cut.as_of, place.today(cut.known_at))
        for place in places
    )
    told = f"{found[0].site} {found[0].name}".strip() if site else Message(N_("Every site"))
    return QualityReport(cut, study.title, study.protocol, told, LONG, found, None if site else together(found))


def _seen(tx: Transaction, study: Study, place: Site, eyes: Collection[str]) -> Iterator[Seen]:
    """What stands in the tables about the people of a site, in lots."""
    by_type: dict[str, list[Subject]] = {}
    for one in subjects.all_of(tx, place.study_oid, [place.code]):
        if not study.is_product(one.subject_type):
            by_type.setdefault(one.subject_type, []).append(one)
    for subject_type, everyone in by_type.items():
        for start in range(0, len(everyone), AT_ONCE):
            lot = everyone[start : start + AT_ONCE]
            ids = [one.id for one in lot]
            yield Seen(
                subject_type,
                [one.enrolled_on for one in lot],
                [
                    SeenVisit(one.course, one.opens, one.closes, one.held_on, place.today(one.at) if one.at else None)
                    for one in first_entries.visits_of(tx, ids)
                ],
                [SeenEvent(onset, place.today(at)) for _, onset, at in first_entries.events_of(tx, ids)],
                [
                    SeenQuery(one.state, place.today(one.opened_at))
                    for one in first_entries.queries_of(tx, ids)
                    if known(study, one.event_oid, one.form_oid, eyes)
                ],
            )


def _seen_at(tx: Transaction, study: Study, place: Site, upto: Checkpoint, known_at: datetime) -> Iterator[Seen]:
    """What the trail tells about the people of a site at the checkpoint, one by one."""
    mine = Checkpoint(tuple(head for head in upto.heads if head[0] == place.chain))
    records = people(study, replay.subjects_at(tx, mine))
    forms = {form_id: place.today(at) for form_id, at in first_entries.forms_at(tx, mine).items()}
    with_rows = [one.form_id for record in records for one in record.records if one.row]
    rows = {key: place.today(at) for key, at in first_entries.rows_at(tx, with_rows, mine).items()}
    queries: dict[tuple[int, int], list[SeenQuery]] = {}
    for form_id, subject_id, state, at in first_entries.queries_at(tx, mine):
        queries.setdefault((form_id, subject_id), []).append(SeenQuery(state, place.today(at)))
    for record in records:
        own = [(0, record.id), *((form_id, 0) for form_id in sorted({one.form_id for one in record.records}))]
        yield seen_subject(study, record, forms, rows, [one for about in own for one in queries.get(about, [])])


def as_of_each(places: Sequence[Site], now: datetime) -> list[date]:
    """The different days that it is today at these sites, for the heading of a page."""
    return sorted({place.today(now) for place in places})
