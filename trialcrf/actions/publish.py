"""Publishing a study definition, a new frozen version or nothing where it says what the newest says; and what it changes for subjects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from trialcrf.actions import judge
from trialcrf.core import schedule
from trialcrf.core.definition.criteria import Assumption
from trialcrf.core.definition.model import Study
from trialcrf.core.dictionary import Term
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.wording import Words
from trialcrf.store import definitions, dictionaries, plans, sessions, subjects
from trialcrf.store.definitions import Published
from trialcrf.store.dictionaries import Dictionary
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction


def publish(tx: Transaction, study: Study) -> tuple[Published, bool]:
    """The published version, and whether it is new. A new one plans every visit anew: lists and reminders follow it at once, and so do
    open sessions where they may last less long."""
    before = definitions.current(tx, study.oid)
    published = definitions.publish(tx, study)
    new = before is None or before.id != published.id
    if new:
        plans.replan_all(tx, subjects.all_of(tx, study.oid))
        sessions.tighten(tx, study.oid, study.sessions)
    return published, new


def plan_where_missing(tx: Transaction) -> int:
    """Plan the visits of those who were recorded before planned visits were kept as rows; returns how many subjects."""
    return sum(plans.replan_all(tx, plans.unplanned(tx, one.study.oid)) for one in definitions.all_of(tx))


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A criterion (or, with no id, the whole) that reads otherwise for a subject. Nobody who is enrolled is judged anew: the version
    in force at the consent stays; this says what the new version would say."""

    subject: str
    site: str
    criterion: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class WindowChange:
    """A planned visit whose window moves for a subject; lists and reminders follow the new version at once."""

    subject: str
    site: str
    visit: Words
    old: tuple[date | None, date | None]
    new: tuple[date | None, date | None]


@dataclass(frozen=True, slots=True)
class CodingChange:
    """A recorded event whose term, or whose grade of it, is not in the version of CTCAE that a new definition names.

    It stays as it is, under the version that it was recorded in. `instead` is what the new version calls the same code, if it has it;
    `grades` are those that the term has there, none where the term is gone.
    """

    subject: str
    site: str
    term: str
    grade: str
    grades: tuple[str, ...] = ()
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a new version changes: assumptions (old and new, None where it is not in a version), verdicts, windows and codings.

    `dictionary` is the version of CTCAE where it is another one than before, and `loaded` whether its terms are there to compare with.
    """

    assumptions: tuple[tuple[str, Assumption | None, Assumption | None], ...]
    verdicts: tuple[VerdictChange, ...]
    windows: tuple[WindowChange, ...]
    subjects: int
    codings: tuple[CodingChange, ...] = ()
    dictionary: str = ""
    loaded: bool = True


def effect(tx: Transaction, old: Study, new: Study, sites: frozenset[str] | None, now: datetime) -> Effect:
    """The effect of a version on the enrolled subjects of these sites (None: of all), those marked in error left out."""
    names = sorted(old.assumptions.keys() | new.assumptions.keys())
    changed = tuple(
        (name, old.assumptions.get(name), new.assumptions.get(name))
        for name in names
        if old.assumptions.get(name) != new.assumptions.get(name)
    )
    people = [one for one in subjects.all_of(tx, new.oid, sites) if not new.is_product(one.subject_type)]
    verdicts: list[VerdictChange] = []
    windows: list[WindowChange] = []
    codings: list[CodingChange] = []
    terms = _Terms(tx, old, new)
    for start in range(0, len(people), 200):
        some = people[start : start + 200]
        for one, record in zip(some, subjects.records(tx, some), strict=True):
            verdicts.extend(_verdicts(tx, old, new, one, now))
            windows.extend(_windows(old, new, one, record, now))
            codings.extend(terms.changes(one, record))
    return Effect(changed, tuple(verdicts), tuple(windows), len(people), tuple(codings), terms.named, terms.loaded)


def _verdicts(tx: Transaction, old: Study, new: Study, one: Subject, now: datetime) -> Iterator[VerdictChange]:
    if (old.eligibility, old.parameters, old.forms) == (new.eligibility, new.parameters, new.forms):
        return
    before, after = (judge.under(tx, study, one, now) for study in (old, new))
    if before is None or after is None:
        return
    said = {each.criterion.id: each.verdict.value for each in before.judged}
    for each in after.judged:
        if said.get(each.criterion.id, "") != each.verdict.value:
            yield VerdictChange(one.key, one.site.code, each.criterion.id, said.get(each.criterion.id, ""), each.verdict.value)
    if before.overall is not after.overall:
        yield VerdictChange(one.key, one.site.code, "", before.overall.value, after.overall.value)


def _windows(old: Study, new: Study, one: Subject, record: SubjectRecord, now: datetime) -> Iterator[WindowChange]:
    today = one.site.today(now)
    before = {visit.event.oid: visit for visit in schedule.plan(old, record, today)}
    for visit in schedule.plan(new, record, today):
        was = before.get(visit.event.oid)
        opened = (was.opens, was.closes) if was is not None else (None, None)
        if (visit.opens, visit.closes) != opened:
            yield WindowChange(one.key, one.site.code, visit.event.label, opened, (visit.opens, visit.closes))


class _Terms:
    """Compares recorded events with the version of CTCAE that a new definition names; each term is looked up once."""

    def __init__(self, tx: Transaction, old: Study, new: Study) -> None:
        self.tx, self.new = tx, new
        was, now = (study.safety.ctcae if study.safety else "" for study in (old, new))
        self.named = now if now != was else ""
        self.then = dictionaries.find(tx, "ctcae", was) if self.named and was else None
        self.there = dictionaries.find(tx, "ctcae", now) if self.named else None
        self.loaded = not self.named or self.there is not None
        self.known: dict[str, tuple[Term | None, str]] = {}

    def changes(self, one: Subject, record: SubjectRecord) -> Iterator[CodingChange]:
        if self.there is None:
            return
        for event in record.records:
            form = self.new.form.get(event.form_oid)
            item = form.with_alias("AEDECOD") if form else None
            text = event.values.get("AEDECOD", "") if item is not None and item.dictionary == "ctcae" else ""
            if not text:
                continue
            term, instead = self.known[text] if text in self.known else self.known.setdefault(text, self._look(text, self.there))
            grade = event.values.get("AETOXGR", "")
            if term is None or (grade and grade not in term.grades):
                yield CodingChange(one.key, one.site.code, text, grade, tuple(term.grades) if term else (), instead)

    def _look(self, text: str, there: Dictionary) -> tuple[Term | None, str]:
        """The term in the new version; where it is not in it, what the new version calls its code."""
        term = dictionaries.term_of(self.tx, there, text)
        before = dictionaries.term_of(self.tx, self.then, text) if self.then and term is None else None
        renamed = dictionaries.term_with_code(self.tx, there, before.code) if before and before.code else None
        return term, renamed.term if renamed else ""
