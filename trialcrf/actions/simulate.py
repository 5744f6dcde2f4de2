"""Filling a trial with synthetic subjects: one by one through the actions of the pages, or in bulk with the very same rows and records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context
from threading import BoundedSemaphore
from zoneinfo import ZoneInfo

from trialcrf.actions import Impossible, administer
from trialcrf.actions.enrol import enrol
from trialcrf.actions.enter import Typed, save_form
from trialcrf.actions.oversight import amend
from trialcrf.actions.oversight.lock import note_refusal
from trialcrf.actions.safety.follow_case import on_save
from trialcrf.core.boxes import raw_of
from trialcrf.core.definition.canonical import canonical, from_canonical
from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.document import Answer, Document, Place
from trialcrf.core.facts import Recorded, SubjectRecord, recorded
from trialcrf.core.lock import Locked
from trialcrf.core.schedule import standings
from trialcrf.core.simulation.script import Script, load_script, plain_script
from trialcrf.core.simulation.story import Seat, Telling, Told, tell, types_of
from trialcrf.core.values import Raw
from trialcrf.core.wording import N_, Message
from trialcrf.external.files import read_script
from trialcrf.store import accounts, bulk, locks, sites, subjects
from trialcrf.store.audit import Entry, Who
from trialcrf.store.bulk import PackedForm, PackedSubject
from trialcrf.store.definitions import Published
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

Begin = Callable[[], AbstractContextManager[Transaction]]
"""Opens a write transaction that commits when it is left."""

BULK_ABOVE = 200
"""Subjects from which a simulation is written in bulk where nobody says otherwise."""

AT_ONCE = 24
"""Pairs written in one transaction."""

AHEAD = 6 * AT_ONCE
"""Pairs told and not yet written, at most: what is ahead waits in memory."""

ZONE = "Europe/Paris"


@dataclass
class Simulated:
    """What a simulation wrote."""

    subjects: int = 0
    forms: int = 0
    records: int = 0
    queries: int = 0


@dataclass(frozen=True, slots=True)
class Case:
    """The nth case of a trial with the seats of its subjects, as it is told in any process."""

    number: int
    zone: str
    site: str
    seats: Mapping[str, tuple[str, int]]  # key and number by subject type


def script_of(study: Study) -> Script:
    """The script that comes with the study, or the one of any study. Raises NoScript, DefinitionProblems."""
    plain = read_script(study.oid)
    return plain_script(study) if plain is None else load_script(study, plain)


def simulate(
    begin: Begin,
    published: Published,
    wanted: int,
    seed: int,
    now: datetime,
    at_sites: int | None = None,
    errors: float = 0.02,
    in_bulk: bool | None = None,
    processes: int = 2,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Simulated:
    """Add about `wanted` subjects (a recipient and its donor stay together), the same ones for the same seed and day.

    Only into a study without subjects, or where every account is one of the synthetic trial: among real subjects, synthetic ones
    could never be told apart again, nor be taken out. Raises Impossible.
    """
    if wanted < 1 or not 0 <= errors <= 1 or (at_sites is not None and not 1 <= at_sites <= 999):
        raise Impossible(Message(N_("There is nothing to simulate: give a number of subjects, and a share of errors from 0 to 1.")))
    telling = Telling(published.study, script_of(published.study), seed, errors)
    with begin() as tx:
        tx.who = _simulator(tx)
        _refuse_real_data(tx, published.study.oid)
        places = _places(tx, published.study.oid, at_sites)
        free = {place.code: subjects.last_numbers(tx, place) for place in places}
        for place in places:
            if amend.released(tx, place).id != published.id:
                raise Impossible(Message(N_("The newest version is not in force at site %(site)s."), {"site": place.code}))
        closed = [(place, found) for place in places if (found := locks.closed(tx, locks.over_site(place))) is not None]
    for place, found in closed[:1]:
        with begin() as tx:
            tx.who = _simulator(tx)
            note_refusal(tx, published.study.oid, place, None, "simulate", Locked(*found))
        raise Locked(*found)
    cases = list(cases_for(telling, places, wanted, free))
    done, total, made = 0, sum(len(case.seats) for case in cases), Simulated()
    in_bulk = wanted > BULK_ABOVE if in_bulk is None else in_bulk
    at = {place.code: place for place in places}
    with _tellers(telling, now, processes if in_bulk else 0) as told_in_order:
        for group in _grouped(zip(cases, told_in_order(cases), strict=True), AT_ONCE if in_bulk else 1):
            with begin() as tx:
                tx.who = _simulator(tx)
                if in_bulk:
                    add(tx, published, at, group, made)
                else:
                    for case, _ in group:
                        _enter(tx, published, at[case.site], telling, case, now, made)
            done += sum(len(case.seats) for case, _ in group)
            progress(done, total)
    return made


def cases_for(telling: Telling, places: list[Site], wanted: int, taken: Mapping[str, dict[str, int]]) -> Iterator[Case]:
    """Cases until there are so many subjects, at the sites in turn, under the numbers after those that are `taken` by site and type."""
    kinds, number, seated = telling.study.subject_type, 0, 0
    last = {code: dict(numbers) for code, numbers in taken.items()}
    while seated < wanted:
        place = places[number % len(places)]
        seats = {}
        for oid in types_of(telling, number):
            mine = last[place.code][oid] = last[place.code].get(oid, 0) + 1
            seats[oid] = (kinds[oid].key.format(site=place.code, number=mine), mine)
        yield Case(number, place.zone_name, place.code, seats)
        seated, number = seated + len(seats), number + 1


def tell_case(telling: Telling, case: Case, now: datetime) -> tuple[Told, ...]:
    zone = ZoneInfo(case.zone)
    seats = {oid: Seat(oid, key, case.site) for oid, (key, _) in case.seats.items()}
    return tell(telling, case.number, seats, now.astimezone(zone).date(), zone)


def pack_case(telling: Telling, case: Case, now: datetime) -> list[PackedSubject]:
    """The subjects of a case as the store writes them."""
    return [
        PackedSubject(
            told.seat.subject_type,
            case.seats[told.seat.subject_type][1],
            told.seat.key,
            told.enrolled_on.isoformat(),
            tuple(bulk.packed(one.key, telling.study.form[one.key.form_oid], one.decision, one.facts) for one in told.entered),
            tuple(_visits(telling.study, told)),
        )
        for told in tell_case(telling, case, now)
    ]


def _visits(study: Study, told: Told) -> Iterator[tuple[str, str, str | None, str | None, str | None, str]]:
    """The columns of the planned visits of a told subject."""
    records: list[Recorded] = []
    for number, one in enumerate(told.entered):
        records += recorded(number, one.key, one.facts)
    seat = told.seat
    for planned in standings(study, SubjectRecord(0, seat.key, seat.site, seat.subject_type, told.enrolled_on, tuple(records))):
        target, opens, closes = (day.isoformat() if day else None for day in (planned.target, planned.opens, planned.closes))
        yield planned.event.oid, planned.course, target, opens, closes, planned.held_on


def add(
    tx: Transaction,
    published: Published,
    at: Mapping[str, Site],
    group: Iterable[tuple[Case, list[PackedSubject]]],
    made: Simulated,
    by: Callable[[str], Who | None] = bulk.nobody_else,
) -> None:
    """Write packed cases: what enrolment and every save of a form would have written, mails of serious events included.

    `by` names who entered a form (by its OID) where it was not who the transaction names.
    """
    by_site: dict[str, list[PackedSubject]] = {}
    for case, people in group:
        by_site.setdefault(case.site, []).extend(people)
    for code in sorted(by_site):
        before = len(tx.entries)
        told: dict[str, list[Entry]] = {}
        for subject, filled in bulk.add(tx, at[code], published.id, by_site[code], by):
            for form_id, one in filled:
                length = len(tx.entries)
                _notify(tx, published, subject, form_id, one)
                told[str(form_id)] = tx.entries[length:]
                del tx.entries[length:]
                made.queries += len(one.queries)
            made.subjects += 1
            made.forms += len(filled)
        tx.entries[before:] = _in_order(tx.entries[before:], told)
        made.records += len(tx.entries) - before


def _in_order(entries: Iterable[Entry], told: Mapping[str, Iterable[Entry]]) -> Iterator[Entry]:
    """The records of many forms with what the save of each wrote besides, at the place where the save would have written it."""
    current = ""
    for entry in entries:
        if entry.op == "create" and entry.entity in ("subject", "form"):
            yield from told.get(current, ())
            current = entry.entity_id if entry.entity == "form" else ""
        yield entry
    yield from told.get(current, ())


def _notify(tx: Transaction, published: Published, subject: Subject, form_id: int, filled: PackedForm) -> None:
    if any(alias == "AESER" and text == "Y" for alias, _, _, _, text, _ in filled.facts):
        form = published.study.form[filled.key[1]]
        on_save(tx, published, subject, form_id, form, Document(), Document.from_json(filled.document))


def _enter(tx: Transaction, published: Published, site: Site, telling: Telling, case: Case, now: datetime, made: Simulated) -> None:
    """Enter a case as people do."""
    before = len(tx.entries)
    for told in tell_case(telling, case, now):
        first, *others = told.entered
        kind = told.seat.subject_type
        sent = Typed(_raws(published.study.form[first.key.form_oid], first.answers, site))
        subject, saved = enrol(tx, published, site, kind, sent, now, case.seats[kind][1], told.enrolled_on)
        made.queries += len(saved.decision.opened)
        for one in others:
            sent = Typed(_raws(published.study.form[one.key.form_oid], one.answers, site))
            made.queries += len(save_form(tx, published, subject, one.key, sent, now).decision.opened)
        made.subjects += 1
        made.forms += len(told.entered)
    made.records += len(tx.entries) - before


def _raws(form: FormDef, answers: Mapping[Place, Answer], site: Site) -> dict[Place, Raw]:
    """What a person types for these answers; the rows are new."""
    return {
        Place(place.item, place.group, f"new{place.row}" if place.row else ""): raw_of(form.items[place.item][1], answer, "fr", site.zone)
        for place, answer in answers.items()
    }


def _simulator(tx: Transaction) -> Who:
    """Whom the trail names: the program, simulating, and from where it was told to."""
    return Who.system(f"simulate {tx.who.address}".strip()[:60])


def _refuse_real_data(tx: Transaction, study_oid: str) -> None:
    people = accounts.all_of(tx)
    if subjects.count(tx, study_oid) and not (people and all(one.demo for one in people)):
        said = N_("This study holds subjects already: synthetic ones among them could never be told apart again. Nothing was written.")
        raise Impossible(Message(said))


def _places(tx: Transaction, study_oid: str, wanted: int | None) -> list[Site]:
    """The sites of the study, with as many more as are wanted; one where there is none."""
    known = {one.code for one in sites.all_of(tx, study_oid)}
    number = 0
    while len(known) < (wanted or 1):
        number += 1
        code = f"{number:02d}"
        if code not in known:
            administer.create_site(tx, study_oid, code, f"Centre {code} (simulation)", ZONE)
            known.add(code)
    return sites.all_of(tx, study_oid)[:wanted]


def _grouped(pairs: Iterable[tuple[Case, list[PackedSubject]]], size: int) -> Iterator[list[tuple[Case, list[PackedSubject]]]]:
    group: list[tuple[Case, list[PackedSubject]]] = []
    for pair in pairs:
        group.append(pair)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


Tellers = Callable[[list[Case]], Iterator[list[PackedSubject]]]


@contextmanager
def _tellers(telling: Telling, now: datetime, processes: int) -> Iterator[Tellers]:
    """Tells and packs cases in their order: in other processes, while this one writes; with none, nothing is told here."""
    if not processes:
        yield lambda cases: ([] for _ in cases)
        return
    ahead = BoundedSemaphore(AHEAD)

    def waiting(cases: list[Case]) -> Iterator[Case]:
        for case in cases:
            ahead.acquire()
            yield case

    # Begun afresh: a copy of this process would share its database connections.
    with get_context("spawn").Pool(processes, _prepare, (canonical(telling.study), telling.seed, telling.errors, now)) as pool:

        def told(cases: list[Case]) -> Iterator[list[PackedSubject]]:
            for packed in pool.imap(_told, waiting(cases)):
                ahead.release()
                yield packed

        yield told


_PREPARED: list[tuple[Telling, datetime]] = []
"""In a process that tells: what all its cases have in common."""


def _prepare(text: str, seed: int, errors: float, now: datetime) -> None:
    study = from_canonical(text)
    _PREPARED[:] = [(Telling(study, script_of(study), seed, errors), now)]


def _told(case: Case) -> list[PackedSubject]:
    telling, now = _PREPARED[0]
    return pack_case(telling, case, now)
