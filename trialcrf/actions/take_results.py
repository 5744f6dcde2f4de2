"""Laboratory results of a table: what each line would record, judged beside what stands, and the saving of one form of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from trialcrf.actions import Impossible, enter
from trialcrf.actions.enter import Opened, Typed
from trialcrf.core import schedule
from trialcrf.core.checks import Finding
from trialcrf.core.definition.model import FormDef, ItemDef, Severity
from trialcrf.core.document import Answer, Document, FormKey, Place
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.outside.lab_file import Reading, occasions
from trialcrf.core.oversight import personal
from trialcrf.core.typed import Span
from trialcrf.core.values import Raw, typed
from trialcrf.core.wording import N_, Message
from trialcrf.store import audit, definitions, forms, locks, subjects
from trialcrf.store.audit import Entry
from trialcrf.store.definitions import Published
from trialcrf.store.forms import StoredForm
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

ENTITY = "file_entry"
MOST_FORMS = 100
"""Forms in one file: what one request judges, and saves, within seconds."""
LONGEST_NAME = 120

_SAMPLED = "LBDAT"


class Outcome(StrEnum):
    """What becomes of a line: it is new, it stands already, what stands is another value, or it cannot be taken."""

    NEW = "new"
    STANDS = "stands"
    CONFLICT = "conflict"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its outcome; `why` says it in words (of a new one: which query it would open), `stands` is the value that stays."""

    reading: Reading
    outcome: Outcome
    why: tuple[Message, ...] = ()
    stands: str = ""
    key: FormKey | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """One form as it would be saved: what is typed into it, and from which line each value comes."""

    subject: Subject
    published: Published
    key: FormKey
    form: FormDef
    sent: Typed
    lines: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """Every line in the order of the file, and the forms that have something new, in order of appearance."""

    lines: tuple[Line, ...]
    forms: tuple[Taken, ...]

    def digest(self) -> str:
        """What was shown, in a few letters: who saves must have seen this very plan."""
        told = [
            [one.reading.line, one.outcome, one.reading.subject, str(one.key), one.reading.target.code, one.reading.text, one.stands]
            for one in self.lines
        ]
        versions = [[one.subject.id, str(one.key), one.sent.version] for one in self.forms]
        return hashlib.sha256(json.dumps([told, versions]).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Origin:
    """The file that the lines are of."""

    name: str
    sha256: str

    @classmethod
    def of(cls, name: str, content: bytes) -> Origin:
        """Raises Impossible where the name itself tells who somebody is: it is recorded."""
        plain = name.replace("\\", "/").rpartition("/")[2].strip()[:LONGEST_NAME]
        kept = "".join(mark for mark in plain if mark.isprintable()) or "-"
        refused = personal.refusal(kept)
        if refused is not None:
            raise Impossible(Message(N_("The name of the file is recorded. %(why)s"), {"why": refused}), "file")
        return cls(kept, hashlib.sha256(content).hexdigest())


@dataclass(frozen=True, slots=True)
class Eyes:
    """What whoever asks may know of: a subject of the site, and a form of the study by reading and by entering it."""

    knows: Callable[[Subject], bool]
    enters: Callable[[FormDef], bool]


class NotTaken(Exception):
    """A line that no form takes: `message` says why."""

    def __init__(self, message: Message) -> None:
        super().__init__(message.msgid)
        self.message = message


@dataclass
class _Known:
    """A subject with what its lines are placed by. Forms and records are read once for all of its lines."""

    subject: Subject
    published: Published
    record: SubjectRecord
    stored: Sequence[StoredForm]


@dataclass
class _Open:
    """A form while lines are put into it."""

    of: _Known
    key: FormKey
    opened: Opened
    closed: Message | None
    raws: dict[Place, Raw] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    day: str = ""
    disputed: set[str] = field(default_factory=set)

    @property
    def sampled(self) -> str:
        """The item of the day of the sample; empty where the form has none."""
        item = self.opened.form.with_alias(_SAMPLED)
        return item.oid if item else ""

    @property
    def before(self) -> Document:
        return self.opened.stored.document if self.opened.stored else Document()


def plan(tx: Transaction, study_oid: str, site: Site, readings: Sequence[Reading], eyes: Eyes, now: datetime) -> Plan:
    """What each line would do now; nothing is written. Raises Impossible where the lines are of too many forms."""
    known: dict[str, _Known | None] = {}
    places: dict[tuple[str, str, str, str], _Open | Message] = {}
    opened: dict[tuple[int, FormKey], _Open] = {}
    lines: list[Line] = []
    for reading in readings:
        if reading.subject not in known:
            known[reading.subject] = _known(tx, study_oid, site, reading.subject, eyes)
        where = (reading.subject, reading.day, reading.visit, reading.target.form.oid)
        if where not in places:
            places[where] = _placed(tx, known[reading.subject], reading, eyes, opened, now)
            if len(opened) > MOST_FORMS:
                raise Impossible(
                    Message(N_("The file has values for more than %(most)s forms: divide it."), {"most": str(MOST_FORMS)}), "file"
                )
        at = places[where]
        if isinstance(at, Message):
            lines.append(Line(reading, Outcome.WRONG, (at,)))
        else:
            lines.append(_put(at, reading))
    told = _judged(tx, lines, opened, now)
    return Plan(tuple(told), tuple(_taken(one) for one in opened.values() if one.lines))


def save(tx: Transaction, taken: Taken, origin: Origin, now: datetime) -> enter.Saved:
    """Save one form as its page would, and record beside it which lines of which file it comes from.

    Raises Refused, StaleSave, Locked, Impossible.
    """
    saved = enter.save_form(tx, taken.published, taken.subject, taken.key, taken.sent, now)
    if not saved.decision.empty:
        number = str(saved.form_id)
        held = {"file": origin.name, "sha256": origin.sha256, "lines": dict(taken.lines)}
        said = json.dumps(held | {"text": told_of(held)}, ensure_ascii=False, sort_keys=True)
        first = not audit.history(tx.connection, ENTITY, number)
        tx.entries.append(Entry(taken.subject.site.chain, ENTITY, ENTITY, number, "", said, taken.subject.key, first=first))
    return saved


def told_of(held: Mapping[str, object]) -> str:
    """Where values come from, as a reader of the trail sees it: the file, its hash, and the line of each item."""
    lines = held.get("lines")
    of_items = ", ".join(f"{item} {line}" for item, line in lines.items()) if isinstance(lines, dict) else ""
    return f"{held.get('file')} (SHA-256 {held.get('sha256')}): {of_items}"


def _known(tx: Transaction, study_oid: str, site: Site, key: str, eyes: Eyes) -> _Known | None:
    """The subject of this key at the site; None where there is none that the person may know of: that it is elsewhere is not told."""
    found = subjects.find(tx, study_oid, key)
    if found is None or found.site.code != site.code or not eyes.knows(found):
        return None
    stored = forms.all_of(tx, [found.id])
    return _Known(found, definitions.for_subject(tx, found), subjects.records(tx, [found])[0], stored)


def _placed(
    tx: Transaction, of: _Known | None, reading: Reading, eyes: Eyes, opened: dict[tuple[int, FormKey], _Open], now: datetime
) -> _Open | Message:
    if of is None:
        return Message(N_("There is no subject %(subject)s at this site."), {"subject": reading.subject[:40]})
    if of.subject.error:
        return Message(N_("This subject was marked entered in error."))
    form = of.published.study.form.get(reading.target.form.oid)
    if form is None or not eyes.enters(form) or form.items.get(reading.target.item.oid) is None:
        return Message(N_("This is not asked of this subject."))
    try:
        key = _occasion(tx, of, reading)
        if (of.subject.id, key) not in opened:
            it = enter.open_form(tx, of.published, of.subject, key, now)
            shut = locks.closed(tx, locks.over_form(of.subject, key, it.stored.id if it.stored else None))
            said = Message(N_("The form is frozen or locked.")) if shut else None
            opened[of.subject.id, key] = _Open(of, key, it, said, day=_sampled_on(it.form, it.stored.document) if it.stored else "")
    except NotTaken as refused:
        return refused.message
    except Impossible as refused:
        return refused.message
    return opened[of.subject.id, key]


def _occasion(tx: Transaction, of: _Known, reading: Reading) -> FormKey:
    """Which form of which visit a line belongs to. By the visit that it names, else by its day: the form with a sample of that day, the
    visit that took place then, or the only planned one whose window holds it. Raises NotTaken: a visit is never guessed among several."""
    study, form_oid = of.published.study, reading.target.form.oid
    asking = [event for event in study.events_for(of.subject.subject_type) if any(ref.form_oid == form_oid for ref in event.forms)]
    if reading.visit:
        named = set(occasions(study, reading.visit))
        asking = [event for event in asking if event.oid in named]
        if not asking:
            raise NotTaken(Message(N_("No visit of this subject that asks for it is called “%(visit)s”."), {"visit": reading.visit[:60]}))
    at: set[tuple[str, int]] = {(event.oid, 1) for event in asking if reading.visit and not event.repeating}
    if not at and reading.day:
        at = _by_day(of, reading, {event.oid for event in asking})
    if len(at) != 1:
        params = {"day": date.fromisoformat(reading.day) if reading.day else reading.visit[:60]}
        several = N_("Several visits of this subject could be meant on %(day)s: name the visit in a column.")
        nothing = N_("No visit of this subject belongs to %(day)s: record its date first, or name the visit in a column.")
        raise NotTaken(Message(several if at else nothing, params))
    ((event_oid, repeat),) = at
    same = [one.key for one in of.stored if (one.key.event_oid, one.key.event_repeat, one.key.form_oid) == (event_oid, repeat, form_oid)]
    return same[0] if same else FormKey(event_oid, form_oid, repeat, forms.next_repeat(tx, of.subject.id, event_oid, form_oid, repeat))


def _by_day(of: _Known, reading: Reading, asking: set[str]) -> set[tuple[str, int]]:
    study = of.published.study
    sampled = {
        (one.key.event_oid, one.key.event_repeat)
        for one in of.stored
        if one.key.form_oid == reading.target.form.oid and _sampled_on(reading.target.form, one.document) == reading.day
    }
    if sampled:
        return {at for at in sampled if at[0] in asking}
    held = {
        (one.event_oid, one.event_repeat)
        for one in of.record.records
        if one.event_oid in asking and one.values.get(study.event[one.event_oid].date_alias) == reading.day
    }
    if held:
        return held
    waiting = schedule.standings(study, of.record)
    return {
        (one.event.oid, 1)
        for one in waiting
        if one.event.oid in asking and not one.held_on and one.opens and one.closes
        and one.opens.isoformat() <= reading.day <= one.closes.isoformat()
    }  # fmt: skip


def _put(at: _Open, reading: Reading) -> Line:
    """Put a line into its form, or say why it stays out. What stands is never written over."""
    if at.closed is not None:
        return Line(reading, Outcome.WRONG, (at.closed,), key=at.key)
    if reading.day and at.day and at.day != reading.day:
        said = Message(N_("The form has a sample of %(day)s: another day is another form."), {"day": date.fromisoformat(at.day)})
        return Line(reading, Outcome.CONFLICT, (said,), key=at.key)
    target = reading.target
    wanted: list[tuple[ItemDef, str]] = [(target.item, reading.text)]
    wanted += [(target.unit_item, reading.unit)] if target.unit_item is not None and reading.unit else []
    wanted += [(target.high_item, reading.high)] if target.high_item is not None and reading.high else []
    fresh: dict[Place, str] = {}
    for item, text in wanted:
        place = Place(item.oid)
        stands, put = at.before.at(place), at.raws.get(place)
        held = stands.text or stands.missing if stands else put.parts[""] if put else ""
        if held and not _same(item, held, text):
            msgid = N_("%(item)s stands already, with another value.") if stands else N_("Another line of the file says otherwise.")
            outcome = Outcome.CONFLICT if stands else Outcome.WRONG
            at.disputed |= set() if stands else {item.oid}
            return Line(reading, outcome, (Message(msgid, {"item": item.label} if stands else {}),), held, at.key)
        if not held:
            fresh[place] = text
    if not fresh:
        return Line(reading, Outcome.STANDS, key=at.key)
    at.raws |= {place: Raw({"": text}) for place, text in fresh.items()}
    at.lines |= {place.item: reading.line for place in fresh}
    if reading.day and not at.day:
        at.day = reading.day
        if at.sampled:
            year, month, day = reading.day.split("-")
            at.raws[Place(at.sampled)] = Raw({"d": day, "m": month, "y": year})
            at.lines[at.sampled] = reading.line
    return Line(reading, Outcome.NEW, key=at.key)


def _same(item: ItemDef, held: str, text: str) -> bool:
    """Whether two texts are the same answer: 9.50 and 9.5 are one number, and so are two bounds."""
    one, other = (typed(item, Answer(each)) for each in (held, text))
    return held == text or (isinstance(one, Decimal | Span) and one == other)


def _judged(tx: Transaction, lines: Sequence[Line], opened: Mapping[tuple[int, FormKey], _Open], now: datetime) -> list[Line]:
    """The lines with what the checks of their forms say; a value that a check stops, or that two lines dispute, is not taken."""
    at = {(one.of.subject.key, one.key): one for one in opened.values()}
    said = {where: _said(tx, one, now) for where, one in at.items() if one.lines}
    told = []
    for line in lines:
        one = at.get((line.reading.subject, line.key)) if line.key else None
        if line.outcome is not Outcome.NEW or one is None or line.key is None:
            told.append(line)
            continue
        day = one.sampled
        items = [item for item, number in one.lines.items() if number == line.reading.line and item != day]
        findings = [each for item in (*items, day) for each in said[line.reading.subject, line.key].get(item, ())]
        stopping = [_as_message(each.message) for each in findings if each.severity is Severity.HARD]
        if one.disputed.intersection(items):
            stopping.append(Message(N_("Another line of the file says otherwise.")))
        if stopping:
            for item in items:
                one.raws.pop(Place(item))
                one.lines.pop(item)
            told.append(replace(line, outcome=Outcome.WRONG, why=tuple(stopping)))
        else:
            doubts = tuple(_as_message(each.message) for each in findings if each.severity is Severity.SOFT)
            told.append(replace(line, why=doubts))
    for one in at.values():
        if set(one.lines) <= {one.sampled}:  # The day alone is no result.
            one.raws.clear()
            one.lines.clear()
    return told


def _said(tx: Transaction, one: _Open, now: datetime) -> Mapping[str, Sequence[Finding]]:
    """What the checks say of a form with its lines in it, by item."""
    sent = Typed(one.raws, version=one.opened.stored.version if one.opened.stored else None)
    found: dict[str, list[Finding]] = {}
    for finding in enter.preview(tx, one.of.published, one.of.subject, one.key, sent, now)[1]:
        found.setdefault(finding.place.item, []).append(finding)
    return found


def _sampled_on(form: FormDef, document: Document) -> str:
    """The day of the sample as the form itself gives it."""
    item = form.with_alias(_SAMPLED)
    answer = document.at(Place(item.oid)) if item else None
    return answer.text if answer else ""


def _as_message(said: object) -> Message:
    return said if isinstance(said, Message) else Message("%(said)s", {"said": said})


def _taken(one: _Open) -> Taken:
    version = one.opened.stored.version if one.opened.stored else None
    lines = dict(sorted(one.lines.items(), key=lambda each: each[1]))
    return Taken(one.of.subject, one.of.published, one.key, one.opened.form, Typed(dict(one.raws), version=version), lines)
