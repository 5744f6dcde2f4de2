"""The vital signs of an infusion on a tablet: every planned reading as a card, the one that is due open with large boxes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, enter
from trialcrf.actions.cells import infusion, vitals
from trialcrf.actions.cells.vitals import NEW, Board, Line, Overtaken, Sent
from trialcrf.actions.enter import StaleSave, Typed
from trialcrf.core.definition.model import DataType, FormDef, ItemDef
from trialcrf.core.document import Place, Row
from trialcrf.core.entry import Refused
from trialcrf.core.product.vitals import POINT_STATES, PointState
from trialcrf.core.values import Raw
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.core.workflow import QueryState
from trialcrf.store import queries
from trialcrf.store.queries import Query
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.casebooks import casebook_crumb, subject_url
from trialcrf.web.cells.ways import ways
from trialcrf.web.forms import beginning
from trialcrf.web.forms.history import value_for_reading
from trialcrf.web.forms.webform import key_of
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb
from trialcrf.web.subjects import form_url, may_form

blueprint = Blueprint("vitals", __name__)

RULE = "/studies/<study>/subjects/<subject>/infusion-vitals"

ICONS: Mapping[PointState, str] = {
    PointState.WAITING: "not_plannable",
    PointState.PLANNED: "planned",
    PointState.DUE: "due",
    PointState.TAKEN: "done",
    PointState.LATE: "done_out",
    PointState.NOT_DONE: "cancelled",
    PointState.MISSED: "missed",
}
TRIES = 3
"""How often a reading is saved again where another one came in between: rows of other points are no conflict."""


@dataclass(frozen=True, slots=True)
class Value:
    """A recorded value for reading; `doubts` are its open queries."""

    label: Sayable
    text: tuple[Sayable | str, ...]
    unit: str
    doubts: tuple[Sayable, ...]
    url: str


@dataclass(frozen=True, slots=True)
class Reading:
    at: datetime | None
    values: tuple[Value, ...]
    blank: int
    url: str


@dataclass(frozen=True, slots=True)
class Box:
    item: str
    label: Sayable
    unit: str
    inputmode: str
    value: str = ""
    problem: Sayable | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """One planned reading. `state` is the shape and class, `word` the state in words with minutes; `boxes` where it can be taken."""

    code: str
    label: Sayable
    planned: datetime | None
    state: str
    icon: str
    word: Message
    readings: tuple[Reading, ...]
    boxes: tuple[Box, ...] = ()
    open: bool = False
    seen: str = ""
    clock: str = ""
    why: str = ""
    problems: Mapping[str, Sayable] = field(default_factory=dict)
    overtaken: bool = False


@dataclass(frozen=True, slots=True)
class Tried:
    """A reading that came back: what was sent, what is wrong at which box, whether somebody else was first."""

    sent: Sent
    problems: Mapping[str, Sayable] = field(default_factory=dict)
    overtaken: bool = False


@page(blueprint, RULE, "form.read")
def shown(study: str, subject: str) -> str:
    return _page(None)


@page(blueprint, RULE, "form.enter", methods=["POST"], endpoint="save")
def save(study: str, subject: str) -> Response | tuple[str, int]:
    """Save one reading, again where another one was saved in between; what was typed is on the page again where it is not recorded."""
    which: Subject = g.place.subject
    with guard.read() as tx:
        board = _board(tx, which)
    if not may_form(board.asked.form, "enter"):
        abort(403)
    sent = _sent(board)
    try:
        saved = _saved(board.asked.form, which, sent)
    except (Overtaken, StaleSave):
        return _page(Tried(sent, overtaken=True)), 409
    except Refused as refused:
        with guard.write(guard.acting(f"{board.asked.form.access}.enter")) as tx:
            enter.record_refusal(tx, which, board.key, _typed(board, sent), refused.findings)
        return _page(Tried(sent, {_box_of(board, one.place): one.message for one in refused.findings})), 422
    except Impossible as problem:
        return _page(Tried(sent, {problem.field or "at": problem.message})), 422
    open_now = any(not query.confirmed for query in saved.decision.opened)
    done = "same" if saved.decision.empty else "reading_queries" if open_now else "saved"
    return redirect(url_for("vitals.shown", study=study, subject=subject, done=done) + f"#point-{sent.point}", 303)


def _saved(form: FormDef, which: Subject, sent: Sent) -> enter.Saved:
    for left in reversed(range(TRIES)):
        try:
            with guard.write(guard.acting(f"{form.access}.enter")) as tx:
                return vitals.save(tx, g.place.published, which, sent, g.now)
        except StaleSave:
            if not left:
                raise
    raise AssertionError


def _board(tx: Transaction, which: Subject) -> Board:
    """The readings of the recipient; for whom the study plans none there is no such page."""
    found = vitals.board(tx, g.place.published, which, g.now)
    if found is None or not may_form(found.asked.form, "read"):
        abort(404)
    return found


def _sent(board: Board) -> Sent:
    posted = request.form
    return Sent(
        posted.get("point", "")[:40],
        tuple(row for row in posted.get("seen", "")[:400].split(",") if row),
        {item.oid: posted.get(item.oid, "")[:200] for item in board.asked.values},
        posted.get("at", "")[:40],
        posted.get("why", "")[:1000],
        posted.get("act") == "not_done",
    )


def _typed(board: Board, sent: Sent) -> Typed:
    """What was typed, as a refusal in the trail names it."""
    return Typed({Place(oid, board.asked.group.oid, NEW): Raw({"": text}) for oid, text in (sent.values or {}).items() if text})


def _box_of(board: Board, place: Place) -> str:
    """The box of the page at which a finding stands."""
    if place.item in {item.oid for item in board.asked.values}:
        return place.item
    return "at"


def _page(tried: Tried | None) -> str:
    which, study = g.place.subject, g.place.published.study
    with guard.read() as tx:
        board = _board(tx, which)
        held = queries.of_form(tx, board.stored.id) if board.stored else []
        clocks = infusion.clocks(tx, study, which, g.now) if guard.may_here("stock.read") else ()
        begin_url = beginning.infusion_url(tx, study, which)
        reaction = beginning.reaction_url(tx, which)
    may_enter = may_form(board.asked.form, "enter") and not which.error
    cards = [_card(which, board, line, held, may_enter, tried) for line in board.lines]
    return render_template(
        "cells/vitals.html",
        shell=shell(),
        crumbs=[casebook_crumb(study, which.subject_type), Crumb(which.key, subject_url(study, which))],
        ways=[one for one in ways(study, which) if one.url != url_for("vitals.shown", study=study.oid, subject=which.key)],
        which=which,
        label=board.asked.form.label,
        cards=cards,
        start=board.start,
        clocks=clocks,
        limit=study.cells.thaw_minutes if study.cells else 0,
        infusion_url=begin_url,
        reaction_url=reaction,
        form_url=form_url(which, board.key) if board.stored else "",
        failed=tried is not None,
        overtaken=tried is not None and tried.overtaken,
        save_url=url_for("vitals.save", study=study.oid, subject=which.key),
        now=g.now,
    )


def _card(which: Subject, board: Board, line: Line, held: list[Query], may_enter: bool, tried: Tried | None) -> Card:
    point = line.point
    mine = tried if tried is not None and tried.sent.point == line.code else None
    # A reading that is recorded is corrected in its form, with a reason; another one beside it only where two were taken at once.
    takes = may_enter and point.state is not PointState.WAITING and (not line.rows or mine is not None)
    return Card(
        line.code,
        line.label,
        point.planned_at,
        str(point.state),
        ICONS[point.state],
        _word(line),
        tuple(_reading(which, board, row, held) for row in line.rows),
        tuple(_box(item, mine) for item in board.asked.values) if takes else (),
        open=mine is not None or (tried is None and point.state is PointState.DUE),
        seen=",".join(line.seen),
        clock=mine.sent.clock if mine else "",
        why=mine.sent.why if mine else "",
        problems=mine.problems if mine else {},
        overtaken=mine is not None and mine.overtaken,
    )


def _word(line: Line) -> Message:
    """The state in words; a late reading says by how many minutes."""
    point = line.point
    if point.state is PointState.LATE and point.off is not None:
        return Message(N_("taken %(minutes)s min late"), {"minutes": point.off})
    return Message(POINT_STATES[point.state])


def _box(item: ItemDef, mine: Tried | None) -> Box:
    keys = {DataType.INTEGER: "numeric", DataType.DECIMAL: "decimal"}.get(item.type, "")
    value = (mine.sent.values or {}).get(item.oid, "") if mine else ""
    return Box(item.oid, item.label, item.unit, keys, value, mine.problems.get(item.oid) if mine else None)


def _reading(which: Subject, board: Board, row: Row, held: list[Query]) -> Reading:
    asked, values = board.asked, []
    for item in asked.values:
        place = Place(item.oid, asked.group.oid, row.id)
        answer = row.items.get(item.oid)
        doubts = tuple(query.message for query in held if query.place == place and query.state is not QueryState.CLOSED)
        if answer is not None:
            text = value_for_reading(asked.form, place, answer.canonical())
            url = form_url(which, board.key, field=key_of(place))
            values.append(Value(item.label, text, item.unit if answer.text else "", doubts, url))
    at = row.items.get(asked.at.oid)
    first = Place(asked.at.oid, asked.group.oid, row.id)
    return Reading(
        datetime.fromisoformat(at.text) if at is not None and at.text else None,
        tuple(values),
        len(asked.values) - len(values),
        form_url(which, board.key, field=key_of(first)),
    )
