"""Judging the results of a saved form: flag, limits, proposed CTCAE grade, and the adverse event that records it. Nothing is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from trialcrf.actions.enter import Opened
from trialcrf.core.definition.model import FormDef, ItemDef, Study
from trialcrf.core.document import Answer, Document, FormKey, Place
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.results import Result, exact_day, results, unit_text
from trialcrf.core.safety import grading
from trialcrf.core.safety.grading import RULED, Baseline, Flag, Limits, Proposal, unit_key
from trialcrf.core.schedule import earliest_exact
from trialcrf.core.typed import Span, interval
from trialcrf.core.values import typed
from trialcrf.core.wording import N_, Message, Words
from trialcrf.store import forms, lab_ranges, subjects
from trialcrf.store.lab_ranges import LabRange
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

FLAGS: Mapping[Flag, str] = {Flag.LOW: N_("Low"), Flag.NORMAL: N_("Within the limits"), Flag.HIGH: N_("High")}
SYSTOLIC, DIASTOLIC = "SYSBP", "DIABP"
NEAR = timedelta(days=1)
"""How far from the day of the sample an adverse event of the same term may begin to be the one that records the value."""


@dataclass(frozen=True, slots=True)
class Event:
    """The adverse event that records a value: where it is, its grade as recorded, and whether that is lower than the proposed one."""

    key: FormKey
    grade: str
    lower: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One result. `flag` is None for what no laboratory has limits for; `limits` and `source` are None where none are known.

    `proposals` are those worth reading, the worst first; `day` is canonical, empty where it is not known.
    """

    place: Place
    label: Words
    value: Message
    unit: str
    day: str
    flag: Message | None
    abnormal: bool
    limits: Message | None
    source: Message | None
    proposals: tuple[Proposal, ...]
    event: Event | None = None

    @property
    def proposal(self) -> Proposal | None:
        """The proposal that an adverse event would be begun from; None where no grade is likely."""
        return next((one for one in self.proposals if one.likely), None)

    @property
    def forgotten(self) -> bool:
        """Whether a grade is proposed that no adverse event records."""
        return self.proposal is not None and self.event is None


@dataclass(frozen=True, slots=True)
class Graded:
    """The results of a form. `version` is the CTCAE version of the study, empty where it names none."""

    lines: tuple[Line, ...]
    version: str


def grade(tx: Transaction, opened: Opened, subject: Subject) -> Graded | None:
    """What the results of the form say, as it is stored; None where it is not saved yet, in error, or holds no result to judge."""
    stored = opened.stored
    return grade_typed(tx, opened, subject, stored.key, stored.document) if stored is not None and not stored.error else None


def grade_typed(tx: Transaction, opened: Opened, subject: Subject, key: FormKey, document: Document) -> Graded | None:
    """What the results of the form at `key` say with these answers; None where there is no result to judge.

    The baseline is the latest value before the day of treatment: one of that day may be from before or after it, and is not taken.
    """
    study = opened.published.study
    held = [one for one in results(opened.form, document) if one.laboratory_result or one.analyte in RULED]
    if not held:
        return None
    beside = _Beside(tx, study, subject, {one.analyte for one in held})
    visit = beside.visit_day(key)
    version = study.safety.ctcae if study.safety else ""
    lines = []
    for one in held:
        other = _pressure_beside(one, held)
        if one.analyte != DIASTOLIC or other is None:
            lines.append(
                _line(beside, version, one, document.at(one.place), other, document.at(other.place) if other else None, one.day or visit)
            )
    return Graded(tuple(lines), version)


def event_form(study: Study, subject_type: str) -> tuple[str, FormDef] | None:
    """Where adverse events of this kind of subject are recorded: the OID of the occasion and the form, found by AETERM."""
    for event in study.events_for(subject_type):
        for ref in event.forms:
            form = study.form[ref.form_oid]
            if form.repeating and form.with_alias("AETERM"):
                return event.oid, form
    return None


def _pressure_beside(one: Result, held: Sequence[Result]) -> Result | None:
    """The other pressure of the same reading."""
    if one.analyte not in (SYSTOLIC, DIASTOLIC):
        return None
    return next((two for two in held if two.analyte in (SYSTOLIC, DIASTOLIC) and two is not one and two.place.row == one.place.row), None)


def _line(
    beside: _Beside, version: str, one: Result, answer: Answer | None, other: Result | None, other_answer: Answer | None, day: str
) -> Line:
    value = _number(one.item, answer)
    limits, written, source = beside.limits(one, exact_day(day)) if one.laboratory_result else (Limits(), None, None)
    label, shown = one.item.label, _shown(answer)
    if one.analyte in (SYSTOLIC, DIASTOLIC):
        two = _number(other.item, other_answer) if other else None
        systolic, diastolic = (value, two) if one.analyte == SYSTOLIC else (two, value)
        found = grading.pressure(version, systolic, diastolic, beside.pressure_before(exact_day(day)))
        if other is not None:
            shown = Message(N_("%(systolic)s/%(diastolic)s"), {"systolic": shown, "diastolic": _shown(other_answer)})
    else:
        before = beside.before(one, exact_day(day))
        found = grading.propose(version, one.analyte, value, one.unit, limits, before) if value is not None else ()
    flagged, abnormal = _flagged(value, limits, shown) if one.laboratory_result else (None, False)
    proposals = _worth_reading(found)
    worst = next((proposal for proposal in proposals if proposal.likely), None)
    event = _event(beside.record, worst, day) if worst else None
    return Line(one.place, label, shown, unit_text(one.unit), day, flagged, abnormal, written, source, proposals, event)


def _worth_reading(found: Sequence[Proposal]) -> tuple[Proposal, ...]:
    """The likely grades, the worst first; where there are none, what is not determined; else that there is no grade."""
    likely = sorted((one for one in found if one.likely), key=lambda one: -one.likely)
    unsure = [one for one in found if one.grade is None]
    return tuple(likely or unsure[:1] or found[:1])


def _flagged(value: Decimal | Span | None, limits: Limits, shown: Message) -> tuple[Message, bool]:
    flag = grading.flag(value, limits.low, limits.high) if value is not None else None
    if isinstance(flag, Flag):
        return Message(FLAGS[flag]), flag is not Flag.NORMAL
    if flag is None:
        return Message(N_("Not judged")), False
    return Message(N_("Not judged: the value is only known as %(value)s"), {"value": shown}), False


def _event(record: SubjectRecord, proposal: Proposal, day: str) -> Event | None:
    """The adverse event of this term that began within a day of the sample, or before it and has not ended by then."""
    same = [one for one in record.records if one.values.get("AEDECOD", "").casefold() == proposal.term.casefold() and not one.row]
    for one in reversed(same):
        if _covers(one, day):
            graded = one.values.get("AETOXGR", "")
            lower = graded.isdecimal() and int(graded) < (proposal.grade or proposal.at_least)
            return Event(FormKey(one.event_oid, one.form_oid, one.event_repeat, one.form_repeat), graded, lower)
    return None


def _covers(event: Recorded, day: str) -> bool:
    if not day or not event.values.get("AESTDAT"):
        return False
    sample, onset = interval(day), interval(event.values["AESTDAT"])
    if onset.earliest <= sample.latest + NEAR and sample.earliest - NEAR <= onset.latest:
        return True
    ended = event.values.get("AEENDAT")
    return onset.latest <= sample.earliest and (ended is None or interval(ended).latest >= sample.earliest)


class _Beside:
    """What results are judged beside: the sex and the events of the subject, the limits of the site, and the results before treatment."""

    def __init__(self, tx: Transaction, study: Study, subject: Subject, analytes: set[str]) -> None:
        self.study = study
        self.record: SubjectRecord = subjects.records(tx, [subject])[0]
        sex = self.record.first("SEX") or ""
        self.ranges = lab_ranges.in_force(tx, subject.site.id, analytes, sex)
        self.treated = self._treated(subject)
        self.earlier = self._earlier(tx, subject, analytes) if self.treated else []

    def visit_day(self, key: FormKey) -> str:
        """The day of the visit that a form belongs to; empty where it is not recorded."""
        event = self.study.event.get(key.event_oid)
        same = (one for one in self.record.records if (one.event_oid, one.event_repeat) == (key.event_oid, key.event_repeat))
        return next((one.values[event.date_alias] for one in same if event and event.date_alias in one.values), "")

    def _treated(self, subject: Subject) -> date | None:
        """The day on which treatment of this kind of subject began: the anchor after which its events are treatment-emergent."""
        settings = self.study.safety
        oid = settings.anchor_of(subject.subject_type) if settings else ""
        anchor = next((one for one in self.study.anchors if one.oid == oid), None)
        if anchor is None:
            return None
        held = (one for one in self.record.records if not anchor.event or one.event_oid == anchor.event)
        return earliest_exact(one.values[anchor.alias] for one in held if anchor.alias in one.values)

    def _earlier(self, tx: Transaction, subject: Subject, analytes: set[str]) -> list[tuple[date, int, Result, Answer | None]]:
        """The results before the day of treatment, oldest first; one whose day is not known may be later and is not taken."""
        wanted = analytes | ({SYSTOLIC, DIASTOLIC} if analytes & {SYSTOLIC, DIASTOLIC} else set())
        asking = [form.oid for form in self.study.forms if any(wanted.intersection(item.aliases) for _, item in form.items.values())]
        found = []
        for form in forms.all_of(tx, [subject.id], asking):
            for one in results(self.study.form[form.key.form_oid], form.document):
                day = exact_day(one.day or self.visit_day(form.key))
                if one.analyte in wanted and day is not None and self.treated is not None and day < self.treated:
                    found.append((day, form.id, one, form.document.at(one.place)))
        return sorted(found, key=lambda each: each[:2])

    def _counts(self, day: date | None) -> bool:
        """Whether a result of this day has a baseline: what was measured before treatment is not judged by what was measured then."""
        return self.treated is not None and day is not None and day >= self.treated

    def before(self, one: Result, day: date | None) -> Baseline | None:
        """The latest value of the analyte before treatment, where it is one number in the same unit."""
        if not self._counts(day):
            return None
        for then, _, result, answer in reversed(self.earlier):
            if result.analyte == one.analyte:
                value = _number(result.item, answer)
                if not isinstance(value, Decimal) or unit_key(result.unit) != unit_key(one.unit):
                    return None
                return Baseline(value, self.limits(result, then)[0].high)
        return None

    def pressure_before(self, day: date | None) -> tuple[Decimal, Decimal] | None:
        """The latest reading of both pressures before treatment."""
        if not self._counts(day):
            return None
        readings: dict[tuple[int, str], dict[str, Decimal]] = {}
        for _, form_id, result, answer in self.earlier:
            value = _number(result.item, answer)
            if result.analyte in (SYSTOLIC, DIASTOLIC) and isinstance(value, Decimal):
                readings.setdefault((form_id, result.place.row), {})[result.analyte] = value
        whole = [one for one in readings.values() if len(one) == 2]
        return (whole[-1][SYSTOLIC], whole[-1][DIASTOLIC]) if whole else None

    def limits(self, one: Result, day: date | None) -> tuple[Limits, Message | None, Message | None]:
        """The limits of a result, how they are written, and where they come from: those of the form first, then of the laboratory."""
        named, used = Message(N_("recorded on this form")), None
        low, high = one.low, one.high
        held, doubt = self._laboratory(one, day)
        if held is not None and ((held.low and not low) or (held.high and not high)):
            used, low, high = held, low or held.low, high or held.high
        if not low and not high:
            return Limits(), None, doubt
        if used is not None:
            params: dict[str, object] = {"laboratory": used.laboratory, "from": used.valid_from, "to": used.valid_to}
            said = N_("%(laboratory)s, from %(from)s to %(to)s") if used.valid_to else N_("%(laboratory)s, since %(from)s")
            named = Message(said, params)
            if one.low or one.high:
                named = Message(N_("one recorded on this form, the other: %(source)s"), {"source": named})
        return Limits(Decimal(low) if low else None, Decimal(high) if high else None), written(low, high), named

    def _laboratory(self, one: Result, day: date | None) -> tuple[LabRange | None, Message]:
        """The line of the site's laboratory that holds; where several laboratories have one, which it was is not guessed."""
        if day is None:
            return None, Message(N_("the day of the sample is not known"))
        held = [each for each in self.ranges if each.analyte == one.analyte and each.on(day)]
        if one.laboratory:
            held = [each for each in held if each.laboratory.casefold() == one.laboratory.strip().casefold()]
        fitting = [each for each in held if unit_key(each.unit) == unit_key(one.unit)]
        if len({each.laboratory for each in fitting}) > 1:
            return None, Message(N_("several laboratories of the site have limits for that day, and which one it was is not recorded"))
        if fitting:
            return fitting[0], Message("")
        if held:
            return None, Message(N_("the site’s limits for that day are in another unit"))
        return None, Message(N_("no limits of the site hold on that day"))


def written(low: str, high: str) -> Message:
    """Limits in words, without their unit; at least one is given."""
    if low and high:
        return Message(N_("%(low)s to %(high)s"), {"low": Decimal(low), "high": Decimal(high)})
    if low:
        return Message(N_("lower limit %(low)s"), {"low": Decimal(low)})
    return Message(N_("upper limit %(high)s"), {"high": Decimal(high)})


def _number(item: ItemDef, answer: Answer | None) -> Decimal | Span | None:
    value = typed(item, answer)
    return value if isinstance(value, Decimal | Span) else None


def _shown(answer: Answer | None) -> Message:
    """A value as it was recorded, with its sign where it has one."""
    text = answer.text if answer is not None else ""
    if not text or answer is None or answer.missing:
        return Message("–")
    number = Decimal(text.lstrip("<>"))
    signs = {"<": N_("<%(number)s"), ">": N_(">%(number)s")}
    return Message(signs.get(text[0], "%(number)s"), {"number": number})
