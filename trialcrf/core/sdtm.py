"""SDTM tables as forms of a study: which row becomes which form of which subject, judged as a whole before anything is written.

Source: CDISC SDTM 1.4. An item is filled from the column that has its OID; what the forms are is found by their aliases.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, tzinfo
from decimal import Decimal

from trialcrf.core import checks
from trialcrf.core.checks import Context
from trialcrf.core.definition.model import DataType, EventType, FormDef, ItemDef, Severity, Study, StudyEventDef, SubjectType
from trialcrf.core.definition.source import Problem
from trialcrf.core.document import Answer, Document
from trialcrf.core.entry import Occasion, before_anchor
from trialcrf.core.values import Raw, Unreadable, asks_day, interval, read
from trialcrf.core.wording import N_, Message, Sayable

DOMAINS: Mapping[str, str] = {"DM": "BRTHDAT", "EX": "EXSTDAT", "SV": "SVSTDAT", "AE": "AETERM", "DS": "DSDECOD"}
"""The tables that are read and the alias that tells a domain's form, in the order of writing: visits are judged beside the first dose."""

NOT_AVAILABLE = frozenset({"", "NA"})
"""How the tables write that there is nothing. It says not why, so it is a blank and no missing code."""

Rows = Sequence[tuple[int, Mapping[str, str]]]
"""Rows of one table: the line in the file, and the cells by column."""


@dataclass(frozen=True, slots=True)
class SourceForm:
    """One row as the form that it becomes. `mark` (item, text) tells it apart from its repeats, whatever number those have."""

    file: str
    line: int
    event_oid: str
    form_oid: str
    raws: Mapping[str, Raw]
    answers: Mapping[str, Answer | None]
    mark: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class SourceSubject:
    """A subject with all its forms, the enrolling one first. `enrolled_on` is the day of consent, else of the first collection."""

    key: str
    site: str
    number: int
    subject_type: str
    enrolled_on: date | None
    forms: tuple[SourceForm, ...]


def file_of(domain: str) -> str:
    return f"{domain.lower()}.csv"


def columns_of(study: Study, domain: str) -> tuple[str, ...]:
    """The columns that a table must have: who, which, and one for every item that the study asks."""
    own = ("SITEID", "SUBJID") if domain == "DM" else ("VISITNUM", "VISIT") if domain == "SV" else (f"{domain}SEQ",)
    return tuple(dict.fromkeys(("STUDYID", "USUBJID", *own, *(_column(item) for item in _items(_form(study, domain))))))


def subjects_of(study: Study, tables: Mapping[str, Rows], zone: tzinfo, today: date) -> tuple[tuple[SourceSubject, ...], list[Problem]]:
    """The subjects that these tables tell of, by key, and everything that stands against writing them, by file and line.

    What cannot be read or is refused by a hard check is a problem here already; contradictions that only raise a question are not.
    """
    reading = _Reading(study, zone, today)
    kind = _population(study)
    for line, cells in tables["DM"]:
        reading.subject(kind, line, cells)
    for domain in DOMAINS:
        for line, cells in tables[domain]:
            reading.row(kind, domain, line, cells)
    found = tuple(reading.judged(kind, person) for _, person in sorted(reading.people.items()))
    return found, sorted(reading.problems, key=lambda problem: (problem.file, problem.line))


@dataclass
class _Person:
    site: str
    number: int
    forms: list[SourceForm] = field(default_factory=list)
    keys: dict[tuple[str, ...], int] = field(default_factory=dict)


class _Reading:
    def __init__(self, study: Study, zone: tzinfo, today: date) -> None:
        self.study, self.zone, self.today = study, zone, today
        self.people: dict[str, _Person] = {}
        self.problems: list[Problem] = []
        self.forms = {domain: _form(study, domain) for domain in DOMAINS}

    def say(self, domain: str, line: int, msgid: str, **params: object) -> None:
        self.problems.append(Problem(file_of(domain), line, Message(msgid, params)))

    def subject(self, kind: SubjectType, line: int, cells: Mapping[str, str]) -> None:
        """Make a subject of a row of DM. The study's own pattern must give the identifier that the other tables use."""
        given, site, number = (cells[column].strip() for column in ("USUBJID", "SITEID", "SUBJID"))
        if given in self.people:
            self.say("DM", line, N_("The subject %(subject)s stands here twice."), subject=given)
        elif not (number.isascii() and number.isdecimal() and len(number) < 10):
            self.say("DM", line, N_("%(column)s: %(text)s is not a whole number."), column="SUBJID", text=number)
        elif (key := kind.key.format(site=site, number=int(number))) != given:
            said = N_("The identifier %(given)s is not the one that site and number give: %(key)s.")
            self.say("DM", line, said, given=given, key=key)
        else:
            self.people[given] = _Person(site, int(number))

    def row(self, kind: SubjectType, domain: str, line: int, cells: Mapping[str, str]) -> None:
        """Make a form of a row."""
        if cells["STUDYID"].strip() != self.study.protocol:
            said = N_("These are data of the study %(given)s, not of %(expected)s.")
            self.say(domain, line, said, given=cells["STUDYID"].strip(), expected=self.study.protocol)
            return
        given = cells["USUBJID"].strip()
        person = self.people.get(given)
        if person is None:
            if domain != "DM":  # In DM it was said why.
                self.say(domain, line, N_("The subject %(subject)s is not in DM."), subject=given)
            return
        form = self.forms[domain]
        raws = {item.oid: Raw({"": _cell(item, cells)}) for item in _items(form)}
        answers: dict[str, Answer | None] = {}
        for item in _items(form):
            answer = read(item, raws[item.oid], self.zone)
            if isinstance(answer, Unreadable):
                self.say(domain, line, N_("%(column)s: %(what)s"), column=_column(item), what=answer.message)
            else:
                answers[item.oid] = answer
        event = self._event(kind, domain, line, cells)
        if event is None:
            return
        marking = "VISITNUM" if domain == "SV" else f"{domain}SEQ"
        mark = None
        if event.repeating or form.repeating:
            told = answers.get(marking)
            if told is None or not told.text:
                if marking in answers:
                    self.say(domain, line, N_("%(column)s: a number is needed here, it tells the rows apart."), column=marking)
                return
            mark = (marking, told.text)
        key = (event.oid, form.oid, *(mark or ()))
        if domain != "DM" and person.keys.setdefault(key, line) != line:
            said = N_("The row has the same key as the one in line %(first)s: %(key)s.")
            shown = f"{given} {cells['VISITNUM'] if domain == 'SV' else cells[marking]}"
            self.say(domain, line, said, first=person.keys[key], key=shown)
            return
        if domain != "DM" or not any(one.form_oid == form.oid for one in person.forms):
            person.forms.append(SourceForm(file_of(domain), line, event.oid, form.oid, raws, answers, mark))

    def _event(self, kind: SubjectType, domain: str, line: int, cells: Mapping[str, str]) -> StudyEventDef | None:
        """The visit of the row. Visits are numbered as VISITNUM; one number may be that of a planned and of an unscheduled visit."""
        if domain == "DM":
            return self.study.event[kind.event_oid]
        holding = [event for event in self.study.events if any(ref.form_oid == self.forms[domain].oid for ref in event.forms)]
        if domain != "SV":
            fitting = [event for event in holding if event.type is EventType.COMMON]
        elif cells["VISIT"].strip().upper().startswith("UNSCHEDULED"):
            fitting = [event for event in holding if event.repeating]
        else:
            wanted = f"V{_shortest(cells['VISITNUM'].strip())}".replace(".", "_")
            fitting = [event for event in holding if event.oid == wanted]
        if not fitting:
            visit = " ".join(cells[column].strip() for column in ("VISITNUM", "VISIT") if column in cells)
            self.say(domain, line, N_("The study has no visit for this row: %(visit)s."), visit=visit)
            return None
        return fitting[0]

    def judged(self, kind: SubjectType, named: _Person) -> SourceSubject:
        """The subject with its forms, each judged by the same checks as a saved page."""
        key = kind.key.format(site=named.site, number=named.number)
        about = {"type": kind.oid, "site": named.site, "key": key}
        context = Context(self.today, self.zone, about)
        anchors = dict(self._anchors(named.forms))
        for one in named.forms:
            form, event = self.study.form[one.form_oid], self.study.event[one.event_oid]
            document = Document({oid: answer for oid, answer in one.answers.items() if answer is not None})
            findings = checks.run(form, checks.derive(form, document, context), context)
            for finding in (*findings, *before_anchor(form, document, Occasion(event, anchors.get(event.anchor)))):
                if finding.severity is Severity.HARD:
                    self._against(one, finding.place.item, finding.message)
        enrolling = next((one for one in named.forms if one.form_oid == kind.form_oid), None)
        return SourceSubject(key, named.site, named.number, kind.oid, self._enrolled_on(enrolling), tuple(named.forms))

    def _against(self, one: SourceForm, item: str, what: Sayable) -> None:
        said = Message(N_("%(column)s: %(what)s"), {"column": item, "what": what})
        self.problems.append(Problem(one.file, one.line, said))

    def _anchors(self, forms: Sequence[SourceForm]) -> Iterator[tuple[str, date]]:
        for anchor in self.study.anchors:
            days = [interval(text) for one in forms if (text := self._told(one, anchor.alias))]
            exact = [day.earliest for day in days if day.exact]
            if exact:
                yield anchor.oid, min(exact)

    def _told(self, one: SourceForm, alias: str) -> str:
        item = self.study.form[one.form_oid].with_alias(alias)
        answer = one.answers.get(item.oid) if item else None
        return answer.text if answer else ""

    def _enrolled_on(self, one: SourceForm | None) -> date | None:
        days = [interval(text) for alias in ("RFICDAT", "DMDAT") if one and (text := self._told(one, alias))]
        return next((day.earliest for day in days if day.exact), None)


def _population(study: Study) -> SubjectType:
    wanted = study.safety.population if study.safety else ""
    return study.subject_type.get(wanted, study.subject_types[0])


def _form(study: Study, domain: str) -> FormDef:
    """The form of a domain. Raises LookupError for a study that asks no such thing."""
    form = next(study.forms_with(DOMAINS[domain]), None)
    if form is None:
        raise LookupError(domain)
    return form


def _items(form: FormDef) -> Iterator[ItemDef]:
    return (item for group, item in form.items.values() if not group.repeating and item.type is not DataType.DERIVED)


def _column(item: ItemDef) -> str:
    """SDTM has no times of their own: the time of a collection stands in the column of its date."""
    return f"{item.oid[:-3]}DTC" if item.type is DataType.TIME and item.oid.endswith("TIM") else item.oid


def _cell(item: ItemDef, cells: Mapping[str, str]) -> str:
    text = cells[_column(item)].strip()
    if text in NOT_AVAILABLE:
        return ""
    if item.type is DataType.TIME:
        return text.partition("T")[2]
    if item.type in (DataType.DATE, DataType.PARTIAL_DATE):
        text = text.partition("T")[0]
        # Nobody is to be identified by a day of birth, so it does not even reach the entry.
        return text[: len("2026-01")] if not asks_day(item) and len(text) == len("2026-01-05") else text
    return text


def _shortest(number: str) -> str:
    """3.50 and 3.5 are one visit. What is no number stays as it is, and is no visit."""
    try:
        return format(Decimal(number).normalize(), "f") if number.replace(".", "", 1).isdecimal() else number
    except ArithmeticError:
        return number
