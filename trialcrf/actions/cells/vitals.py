"""The timed vital signs of an infusion: how each planned reading stands, and one reading saved at the bedside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time

from trialcrf.actions import Impossible, enter
from trialcrf.actions.cells import infusion
from trialcrf.actions.enter import Saved, Typed
from trialcrf.core.boxes import raw_of
from trialcrf.core.definition.model import FormDef, ItemDef, ItemGroupDef, Study
from trialcrf.core.document import Answer, Document, FormKey, Place, Row
from trialcrf.core.moments import NotRead, clock_time
from trialcrf.core.product.vitals import Point, PointState, Taken, day_of, points
from trialcrf.core.values import Raw
from trialcrf.core.wording import N_, Message, Words
from trialcrf.store import forms
from trialcrf.store.definitions import Published
from trialcrf.store.forms import StoredForm
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

POINT, AT = "VSTPT", "CTVSDTC"
NEW = "new1"
"""How a save calls the row that it adds."""

NOT_DONE = "ND"
TIMING = frozenset({PointState.WAITING})
"""Nothing can be taken yet: only the start of the infusion times it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The form of the vital signs: where it is filled, the group of its rows, which item is the point, which the time, which are values."""

    event_oid: str
    form: FormDef
    group: ItemGroupDef
    point: ItemDef
    at: ItemDef

    @property
    def values(self) -> tuple[ItemDef, ...]:
        return tuple(item for item in self.group.items if item not in (self.point, self.at))


@dataclass(frozen=True, slots=True)
class Line:
    """A planned reading with what is recorded of it: the living rows that name it."""

    point: Point
    label: Words
    rows: tuple[Row, ...]

    @property
    def code(self) -> str:
        return self.point.code

    @property
    def seen(self) -> tuple[str, ...]:
        """The ids of its rows: a page that knows them all is not behind."""
        return tuple(row.id for row in self.rows)


@dataclass(frozen=True, slots=True)
class Board:
    """Every planned reading of a recipient at one moment. `stored` is None while nothing is recorded."""

    asked: Asked
    key: FormKey
    stored: StoredForm | None
    start: datetime | None
    lines: tuple[Line, ...]

    def line(self, code: str) -> Line | None:
        return next((one for one in self.lines if one.code == code), None)


@dataclass(frozen=True, slots=True)
class Sent:
    """What the page sent of one reading: `seen` are the rows that it showed of this point, `values` boxes by item, `clock` the time of day
    where it is not now, `why` the reason for what is blank. `not_done`: nothing of it was taken."""

    point: str
    seen: tuple[str, ...] = ()
    values: Mapping[str, str] | None = None
    clock: str = ""
    why: str = ""
    not_done: bool = False


class Overtaken(Exception):
    """Somebody else recorded this very reading meanwhile: `line` is how it stands now. Nothing typed is lost: the page shows both."""

    def __init__(self, line: Line) -> None:
        super().__init__(line.code)
        self.line = line


def asked_of(study: Study, subject_type: str) -> Asked | None:
    """Where the vital signs of the infusion are recorded, None where the study does not."""
    for event in study.events_for(subject_type):
        for form in (study.form[ref.form_oid] for ref in event.forms):
            point, at = form.with_alias(POINT), form.with_alias(AT)
            if point is not None and at is not None and form.items[point.oid][0].repeating:
                return Asked(event.oid, form, form.items[point.oid][0], point, at)
    return None


def board(tx: Transaction, published: Published, subject: Subject, now: datetime) -> Board | None:
    """How every planned reading stands; None where the study plans none for this kind of subject."""
    study = published.study
    asked = asked_of(study, subject.subject_type)
    if asked is None or study.cells is None or subject.subject_type != study.cells.recipient:
        return None
    used = [one for one in forms.all_of(tx, [subject.id], [asked.form.oid]) if one.key.event_oid == asked.event_oid]
    stored = used[-1] if used else None
    key = (
        stored.key
        if stored
        else FormKey(asked.event_oid, asked.form.oid, 1, forms.next_repeat(tx, subject.id, asked.event_oid, asked.form.oid, 1))
    )
    by_code = rows_of(asked, stored.document if stored else Document())
    start = infusion.start_of(tx, study, subject)
    taken = {code: _taken(asked, rows) for code, rows in by_code.items()}
    planned = points(study.cells.vitals, start, taken, now, study.cells.vitals_tolerance)
    lines = tuple(Line(point, _label(asked, point.code), by_code.get(point.code, ())) for point in planned)
    return Board(asked, key, stored, start, lines)


def rows_of(asked: Asked, document: Document) -> dict[str, tuple[Row, ...]]:
    """The living rows by the code of the point that they name."""
    found: dict[str, tuple[Row, ...]] = {}
    for row in document.rows.get(asked.group.oid, ()):
        named = row.items.get(asked.point.oid)
        if not row.error and named is not None and named.text:
            found[named.text] = (*found.get(named.text, ()), row)
    return found


def save(tx: Transaction, published: Published, subject: Subject, sent: Sent, now: datetime) -> Saved:
    """Record one reading as a row of the form, in these steps:

    1. the point is planned and can be taken: before the infusion has a start only what lies before it;
    2. nobody recorded it since the page was drawn, unless it says the very same: a page sent twice;
    3. the row is saved as any form is, at the version that stands: rows of other points are no conflict.

    Raises Impossible (with the box: `at`, `why`, or the item), Overtaken, and what `enter.save_form` raises.
    """
    held = board(tx, published, subject, now)
    line = held.line(sent.point) if held else None
    if held is None or line is None:
        raise Impossible(Message(N_("The study plans no such reading.")))
    if line.point.state in TIMING:
        raise Impossible(Message(N_("Record the start of the infusion first: only it times this reading.")))
    raws = _raws(held, line, subject, sent, now)
    typed = {Place(oid, held.asked.group.oid, NEW): raw for oid, raw in raws.items()}
    if line.seen != sent.seen:
        if _says_the_same(tx, published, subject, held, line, raws, sent, now):
            assert held.stored is not None
            return enter.save_form(tx, published, subject, held.key, Typed(version=held.stored.version), now)
        raise Overtaken(line)
    return enter.save_form(tx, published, subject, held.key, Typed(typed, version=held.stored.version if held.stored else None), now)


def _raws(held: Board, line: Line, subject: Subject, sent: Sent, now: datetime) -> dict[str, Raw]:
    """The boxes of the new row by item: what was typed, the time, and a reason at everything that was not done."""
    asked, why = held.asked, sent.why.strip()
    values = {item.oid: (sent.values or {}).get(item.oid, "").strip() for item in asked.values}
    if sent.not_done:
        if not why:
            raise Impossible(Message(N_("Say why it was not done.")), "why")
        if any(values.values()):
            raise Impossible(Message(N_("There are values: take the reading, or empty the boxes.")), "why")
    elif not any(values.values()):
        raise Impossible(Message(N_("Type at least one value, or say why the reading was not done.")), asked.values[0].oid)
    missing = Raw({"missing": NOT_DONE, "note": why})
    raws = {asked.point.oid: Raw({"": line.code})}
    raws[asked.at.oid] = missing if sent.not_done else _moment(asked.at, line.point, subject, sent.clock, now)
    for oid, text in values.items():
        if text:
            raws[oid] = Raw({"": text})
        elif why:
            raws[oid] = missing
    return raws


def _moment(item: ItemDef, point: Point, subject: Subject, clock: str, now: datetime) -> Raw:
    """When it was taken: now, or at the time of day that was typed, on the day that is nearest to its planned moment."""
    local = now.astimezone(subject.site.zone)
    if not clock.strip():
        return raw_of(item, Answer(local.isoformat(timespec="minutes")), "en", subject.site.zone)
    try:
        at = time.fromisoformat(clock_time(clock.strip()))
    except NotRead as wrong:
        raise Impossible(wrong.message, "at") from None
    planned = point.planned_at.astimezone(subject.site.zone) if point.planned_at else None
    day = day_of(at, planned, local)
    return Raw({"d": str(day.day), "m": str(day.month), "y": str(day.year), "t": at.isoformat(timespec="minutes")})


def _says_the_same(
    tx: Transaction, published: Published, subject: Subject, held: Board, line: Line, raws: Mapping[str, Raw], sent: Sent, now: datetime
) -> bool:
    """Whether the newest row of the point has these very values; its time counts only where one was typed, for now has moved on."""
    if not line.rows:
        return False
    row = line.rows[-1]
    compared = {oid: raw for oid, raw in raws.items() if sent.clock.strip() or sent.not_done or oid != held.asked.at.oid}
    places = {Place(oid, held.asked.group.oid, row.id): raw for oid, raw in compared.items()}
    answers = enter.read_typed(tx, published, subject, held.key, Typed(places), now)
    return all(row.items.get(place.item) == answer for place, answer in answers.items())


def _taken(asked: Asked, rows: tuple[Row, ...]) -> Taken:
    """The reading that counts: the first that has a time, else the first."""
    timed = next((row for row in rows if (at := row.items.get(asked.at.oid)) is not None and at.text), None)
    row = timed or rows[0]
    at = row.items.get(asked.at.oid)
    return Taken(row.id, datetime.fromisoformat(at.text) if at is not None and at.text else None, untimed=at is None)


def _label(asked: Asked, code: str) -> Words:
    found = asked.point.codelist.label_of(code) if asked.point.codelist else None
    return found or Words({"": code})
