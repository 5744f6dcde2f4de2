"""Importing a trial's SDTM tables through the same entry as people use: checks, trail and queries; safe to run again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import available_timezones

from trialcrf.actions import Impossible, administer
from trialcrf.actions.enrol import enrol
from trialcrf.actions.enter import StaleSave, Typed, save_form
from trialcrf.actions.oversight import amend
from trialcrf.actions.oversight.lock import note_refusal
from trialcrf.core import sdtm
from trialcrf.core.definition.model import Study
from trialcrf.core.definition.source import Problem, in_english
from trialcrf.core.document import FormKey, Place
from trialcrf.core.entry import Refused
from trialcrf.core.lock import Address, Level, Locked
from trialcrf.core.sdtm import DOMAINS, SourceForm, SourceSubject, file_of
from trialcrf.core.values import Raw
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.external.tables import read_table
from trialcrf.store import definitions, forms, locks, plans, sites, subjects
from trialcrf.store.audit import Who
from trialcrf.store.definitions import Published
from trialcrf.store.forms import StoredForm
from trialcrf.store.sites import Site, zone_of
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

REASON = "IMPORT"
"""The code of the study's reasons that a value changed by a later delivery of the data gets."""

Begin = Callable[[], AbstractContextManager[Transaction]]
"""Opens a write transaction that commits when it is left."""


class ImportProblems(Exception):
    """The tables cannot be imported: everything that is wrong with them, by file and line. Nothing was written."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{one.file}:{one.line}: {in_english(one.message)}" for one in self.problems))


@dataclass
class Imported:
    """What an import did, counted in forms, audit records and queries; `refused` rows were not written, each with its reason."""

    subjects: int = 0
    subjects_new: int = 0
    forms_new: int = 0
    forms_changed: int = 0
    forms_same: int = 0
    records: int = 0
    queries_opened: int = 0
    refused: list[Problem] = field(default_factory=list)


def import_sdtm(
    folder: Path, study_oid: str, zone: str, begin: Begin, now: datetime, progress: Callable[[int, int], None] = lambda done, total: None
) -> Imported:
    """Load DM, EX, SV, AE and DS of the folder into a published study, one transaction a subject; new sites get the time zone given.

    A form that says what its row says already is left alone, so a second run writes nothing. What is stored and no longer in the
    files stays. Raises ImportProblems before anything is written, Locked where the study is frozen or locked, and Impossible for an
    unknown study or time zone.
    """
    with begin() as tx:
        published = definitions.current(tx, study_oid)
        known = {one.code for one in sites.all_of(tx, study_oid)}
    if published is None:
        raise Impossible(Message(N_("There is no such study.")))
    if zone not in available_timezones():
        raise Impossible(Message(N_("This is not a time zone: write for example Europe/Paris.")))
    study = published.study
    if study.reasons.label_of(REASON) is None or any(next(study.forms_with(alias), None) is None for alias in DOMAINS.values()):
        raise Impossible(Message(N_("This study is not made for such an import.")))
    people = _people(folder, study, zone, now)
    with begin() as tx:
        closed = locks.closed(tx, [Address(Level.STUDY, published.study_id)])
    if closed is not None:
        _note(begin, study_oid, None, Locked(*closed))
        raise Locked(*closed)
    with begin() as tx:
        tx.who = _importer(tx)
        for code in sorted({one.site for one in people} - known):
            administer.create_site(tx, study_oid, code, f"{study.protocol} {code}", zone)
        at = {one.code: one for one in sites.all_of(tx, study_oid)}
    outcome = Imported()
    for done, person in enumerate(people, 1):
        _import_subject(begin, published, at[person.site], person, now, outcome)
        progress(done, len(people))
    return outcome


def _importer(tx: Transaction) -> Who:
    """Whom the trail names: the program, importing, and from where it was told to."""
    return Who.system(f"import {tx.who.address}".strip()[:60])


def _people(folder: Path, study: Study, zone: str, now: datetime) -> Sequence[SourceSubject]:
    """Read and judge the tables as a whole. Raises ImportProblems."""
    problems: list[Problem] = []
    tables: dict[str, sdtm.Rows] = {}
    for domain in DOMAINS:
        rows = read_table(folder, file_of(domain), sdtm.columns_of(study, domain), problems)
        tables[domain] = [(row.line, row.cells) for row in rows]
    usable = zone_of(zone)
    # Without DM every other row would be one of an unknown subject: hundreds of false alarms beside the true one.
    if tables["DM"] or not problems:
        people, more = sdtm.subjects_of(study, tables, usable, now.astimezone(usable).date())
        problems += more
    if problems:
        raise ImportProblems(sorted(problems, key=lambda one: (one.file, one.line)))
    return people


def _import_subject(begin: Begin, published: Published, site: Site, person: SourceSubject, now: datetime, outcome: Imported) -> None:
    """Everything of one subject in one transaction. A row that is refused leaves the subject as it was, and is told."""
    counted = Imported()
    saving: SourceForm | None = None
    try:
        with begin() as tx:
            tx.who = _importer(tx)
            subject = subjects.find(tx, published.study.oid, person.key)
            if subject is not None and subject.error:
                raise Impossible(Message(N_("This was marked entered in error: it can be read and no longer changed.")))
            # What is imported is asked there as it is asked of people: a version that is not released to the site is not filled.
            published = definitions.for_subject(tx, subject) if subject is not None else amend.released(tx, site)
            stored = _Stored(tx, subject)
            for saving in person.forms:
                if subject is None:
                    subject = _enrol(tx, published, site, person, saving, now, counted)
                    published = definitions.for_subject(tx, subject)
                else:
                    _save(tx, published, subject, saving, stored, now, counted)
            if subject is not None and counted.forms_new + counted.forms_changed:
                plans.replan(tx, subject, REASON if counted.forms_changed else "")
            counted.records = len(tx.entries)
    except (Refused, StaleSave, Impossible, Locked) as stopped:
        file, line = (saving.file, saving.line) if saving else (file_of("DM"), 1)
        for said in _reasons_of(stopped):
            outcome.refused.append(Problem(file, line, Message(N_("%(subject)s: %(what)s"), {"subject": person.key, "what": said})))
        counted = Imported()
        if isinstance(stopped, Locked):
            _note(begin, published.study.oid, site, stopped)
    outcome.subjects += 1
    for name in ("subjects_new", "forms_new", "forms_changed", "forms_same", "records", "queries_opened"):
        setattr(outcome, name, getattr(outcome, name) + getattr(counted, name))


def _note(begin: Begin, study_oid: str, site: Site | None, refused: Locked) -> None:
    """An import that stopped at a lock, for the trail."""
    with begin() as tx:
        tx.who = _importer(tx)
        note_refusal(tx, study_oid, site, None, "import", refused)


def _reasons_of(stopped: Refused | StaleSave | Impossible | Locked) -> Iterator[Sayable]:
    if isinstance(stopped, Refused):
        yield from (finding.message for finding in stopped.findings)
    elif isinstance(stopped, Impossible | Locked):
        yield stopped.message
    else:
        yield Message(N_("Someone else saved this form meanwhile: import again."))


class _Stored:
    """The forms of a subject as they stood before the import, found by what marks them and not by their number."""

    def __init__(self, tx: Transaction, subject: Subject | None) -> None:
        self._tx, self._subject = tx, subject
        self._found: dict[tuple[str, str, tuple[str, str] | None], StoredForm] = {}
        self._taken: dict[tuple[str, str], int] = {}
        self._looked: set[tuple[str, str]] = set()
        for one in forms.all_of(tx, [subject.id]) if subject else ():
            self._note(one)

    def _note(self, one: StoredForm) -> None:
        at = (one.key.event_oid, one.key.form_oid)
        self._taken[at] = max(self._taken.get(at, 0), one.key.event_repeat, one.key.form_repeat)
        self._found.setdefault((*at, None), one)
        for place, answer in one.document.places():
            if not place.row:
                self._found.setdefault((*at, (place.item, answer.text)), one)

    def of(self, source: SourceForm) -> StoredForm | None:
        at = (source.event_oid, source.form_oid)
        wanted = (*at, source.mark)
        if wanted not in self._found and self._subject is not None and at not in self._looked:
            # Before a form is made anew: one that was marked entered in error must not come back by an import.
            self._looked.add(at)
            self._look_at_those_in_error(at, source.mark is None)
        return self._found.get(wanted)

    def _look_at_those_in_error(self, at: tuple[str, str], single: bool) -> None:
        assert self._subject is not None
        for key in _keys(*at, 1 if single else self._last(at)):
            one = forms.read(self._tx, self._subject.id, key)
            if one is not None and one.error:
                self._note(one)

    def _last(self, at: tuple[str, str]) -> int:
        assert self._subject is not None
        by_event = forms.next_repeat(self._tx, self._subject.id, at[0], at[1], None) - 1
        return max(by_event, forms.next_repeat(self._tx, self._subject.id, at[0], at[1], 1) - 1)

    def next_key(self, published: Published, source: SourceForm) -> FormKey:
        """Where a new form goes: the number after the last one in use."""
        at = (source.event_oid, source.form_oid)
        if source.mark is None:
            return FormKey(*at)
        number = self._taken[at] = self._taken.get(at, 0) + 1
        event = published.study.event.get(at[0])
        return FormKey(*at, event_repeat=number) if event is not None and event.repeating else FormKey(*at, form_repeat=number)


def _keys(event_oid: str, form_oid: str, last: int) -> Iterator[FormKey]:
    for number in range(1, last + 1):
        yield FormKey(event_oid, form_oid, form_repeat=number)
        if number > 1:
            yield FormKey(event_oid, form_oid, event_repeat=number)


def _enrol(
    tx: Transaction, published: Published, site: Site, person: SourceSubject, source: SourceForm, now: datetime, counted: Imported
) -> Subject:
    sent = Typed(_answered(source))
    subject, saved = enrol(tx, published, site, person.subject_type, sent, now, person.number, person.enrolled_on)
    counted.subjects_new += 1
    counted.forms_new += 1
    counted.queries_opened += len(saved.decision.opened)
    return subject


def _save(
    tx: Transaction, published: Published, subject: Subject, source: SourceForm, stored: _Stored, now: datetime, counted: Imported
) -> None:
    old = stored.of(source)
    if old is None:
        saved = save_form(tx, published, subject, stored.next_key(published, source), Typed(_answered(source)), now, plan=False)
        counted.forms_new += 1
        counted.queries_opened += len(saved.decision.opened)
        return
    different = _different(source, old)
    # What a person marked entered in error stays so, whatever the files go on saying.
    if old.error or not different:
        counted.forms_same += 1
        return
    raws = {place: source.raws[place.item] for place in different}
    sent = Typed(raws, reasons=dict.fromkeys(raws, REASON), version=old.version)
    saved = save_form(tx, published, subject, old.key, sent, now, plan=False)
    counted.forms_changed += 1
    counted.queries_opened += len(saved.decision.opened)


def _answered(source: SourceForm) -> Mapping[Place, Raw]:
    return {Place(oid): raw for oid, raw in source.raws.items() if raw.parts[""]}


def _different(source: SourceForm, old: StoredForm) -> list[Place]:
    """The items that the file tells otherwise. A blank in the file is no news where the site said why there is no value."""
    places = ((Place(oid), answer) for oid, answer in source.answers.items())
    standing = ((place, answer, old.document.at(place)) for place, answer in places)
    return [place for place, answer, was in standing if answer != was and not (answer is None and was is not None and was.missing)]
