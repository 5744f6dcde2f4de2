"""The bags of a batch for reading: each with its state, its place and its movements in order, with who recorded them and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from flask import g, url_for

from trialcrf.core.access import ROLES, may
from trialcrf.core.cells import Chain, NodeId, NodeKind
from trialcrf.core.definition.model import Study
from trialcrf.core.document import Place
from trialcrf.core.product.stock import BAG_STATES, MOVE_KINDS, Bag, BagState, MoveKind, Movement
from trialcrf.core.wording import N_, Message, Words
from trialcrf.store import audit
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard

ICONS: Mapping[BagState | None, str] = {
    BagState.STORED: "done",
    BagState.IN_TRANSIT: "started",
    BagState.THAWED: "due",
    BagState.CHECKED: "due_soon",
    BagState.INFUSED: "complete",
    BagState.DISCARDED: "cancelled",
    None: "query",
}


@dataclass(frozen=True, slots=True)
class MoveLine:
    """One movement. `whom` is the recipient's key for who may trace, `url` the form that records it for who may read it."""

    word: Message
    at: datetime | None
    to: Words | str
    by: str
    role: Message | None
    whom: str
    url: str


@dataclass(frozen=True, slots=True)
class BagLine:
    """A bag. `cells` are in 10^6, `volume` in mL, None where not recorded. `label` is (form, row): where its label is printed from."""

    code: str
    split: str
    cells: Decimal | None
    volume: Decimal | None
    expires: date | None
    expired: bool
    on_hand: bool
    state: Message
    icon: str
    recalled: bool
    place: Words | str
    movements: tuple[MoveLine, ...]
    label: tuple[int, str] | None


def bag_lines(tx: Transaction, study: Study, which: Subject, whole: Chain) -> list[BagLine]:
    """The bags of a batch by code."""
    bags = whole.stock.of_batch(which.key)
    by = _recorders(tx, [one for bag in bags for one in bag.movements])
    today = which.site.today(g.now)
    return [_bag(study, whole, bag, by, today) for bag in bags]


def moment_of(text: str) -> datetime | None:
    """A canonical moment; None where none is recorded."""
    return datetime.fromisoformat(text) if "T" in text and not text.startswith("0001") else None


def _bag(study: Study, whole: Chain, bag: Bag, by: Mapping[tuple[int, str], tuple[str, str]], today: date) -> BagLine:
    filled = next((one for one in bag.movements if one.kind is MoveKind.FILLED), None)
    return BagLine(
        bag.code,
        bag.split,
        Decimal(bag.cells) if bag.cells else None,
        Decimal(bag.volume) if bag.volume else None,
        date.fromisoformat(bag.expires) if bag.expires else None,
        bag.expired(today),
        bag.on_hand,
        Message(BAG_STATES[bag.state]) if bag.state else Message(N_("not clear")),
        ICONS[bag.state],
        bag.recalled is not None,
        study.meaning("CTPLACE", bag.place) if bag.place and bag.on_hand else "",
        tuple(_move(study, whole, one, by) for one in bag.movements),
        (filled.form_id, filled.row) if filled and filled.row else None,
    )


def _move(study: Study, whole: Chain, one: Movement, by: Mapping[tuple[int, str], tuple[str, str]]) -> MoveLine:
    actor, role = by.get((one.form_id, one.row)) or by.get((one.form_id, "")) or ("", "")
    bedside = one.kind in (MoveKind.CHECKED, MoveKind.INFUSED)
    known = _may_trace(study, whole, one.subject) if bedside else guard.may_here("casebook.open")
    opened = known and (not bedside or _lists(whole, one.subject))
    return MoveLine(
        Message(MOVE_KINDS[one.kind]),
        moment_of(one.at),
        study.meaning("CTPLACE", one.to) if one.to else "",
        actor,
        Message(ROLES[role]) if role in ROLES else None,
        one.subject if bedside and known else "",
        url_for("entry.by_number", study=study.oid, form_id=one.form_id) if opened else "",
    )


def _may_trace(study: Study, whole: Chain, key: str) -> bool:
    """Whether the person may learn who was given a bag: few read the chain whole, each at the sites of theirs."""
    return may(g.session.actor, "trace.read", study.oid, _site(whole, key))


def _lists(whole: Chain, key: str) -> bool:
    return may(g.session.actor, "subject.list", g.place.published.study.oid, _site(whole, key))


def _site(whole: Chain, key: str) -> str:
    node = whole.nodes.get(NodeId(NodeKind.RECIPIENT, key))
    return node.site if node else "?"


def _recorders(tx: Transaction, movements: Sequence[Movement]) -> dict[tuple[int, str], tuple[str, str]]:
    """Who recorded a form, or a row of it, first, by the trail: (form, row, or empty for the form) to (user name, role)."""
    ids = sorted({str(one.form_id) for one in movements})
    found: dict[tuple[int, str], tuple[str, str]] = {}
    for start in range(0, len(ids), 500):
        for past in audit.of_things(tx.connection, "form", ids[start : start + 500]):
            row = Place.parse(past.place).row if past.op == "set" else ""
            found.setdefault((int(past.entity_id), row), (past.actor, past.role))
    return found
