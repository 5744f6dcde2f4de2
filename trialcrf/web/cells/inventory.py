"""The stock of bags: how many are where and in which state, each batch reconciled, every doubt on top; every number leads to its bags."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from flask import Blueprint, Response, abort, g, render_template, request, url_for

from trialcrf.actions.cells import gather
from trialcrf.core.access import may
from trialcrf.core.cells import NodeKind
from trialcrf.core.definition.model import Study
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.product.accountability import ACCOUNTS, Account, Accountability, Reconciled, account_of, accountability
from trialcrf.core.product.stock import BAG_STATES, Bag, BagState, MoveKind
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.external.tables import harmless
from trialcrf.store import sites
from trialcrf.web import guard
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb, Pages
from trialcrf.web.paging import last_page

blueprint = Blueprint("inventory", __name__)

VERB = "stock.read"
ON_A_PAGE = 100
NOWHERE, UNCLEAR = "-", "unclear"
"""In the address: the bags without a place, and those whose state contradicts something."""

STATES = (*BagState, None)
MARKS: Mapping[str, str] = {
    "doubt": N_("contradictory"),
    "expired": N_("expired, neither given nor discarded"),
    "recalled": N_("recalled, neither given nor discarded"),
}


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address asks for; empty is everything. What was not understood is left out."""

    place: str = ""
    state: str = ""
    batch: str = ""
    account: str = ""
    mark: str = ""
    bag: str = ""

    def url(self, endpoint: str = "inventory.shown", page: int = 1) -> str:
        asked = {name: getattr(self, name) for name in self.__slots__ if getattr(self, name)}
        more = {"page": str(page)} if page > 1 else {}
        anchor = {"_anchor": "bags"} if endpoint == "inventory.shown" else {}
        return url_for(endpoint, study=g.place.published.study.oid, **asked, **more, **anchor)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number and the bags behind it; `url` is empty where there are none."""

    count: int
    url: str = ""


@dataclass(frozen=True, slots=True)
class PlaceRow:
    place: Sayable | str
    figures: Sequence[Figure]


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch and its reconciliation; `filled` and the four accounts are numbers, `difference` what is left."""

    key: str
    lot: str
    url: str
    filled: Figure
    figures: Sequence[Figure]
    difference: int


@dataclass(frozen=True, slots=True)
class BagLine:
    """A bag in the list; `whom` for who may trace, `trace_url` too."""

    bag: Bag
    lot: str
    place: Sayable | str
    state: Message
    marks: Sequence[Message]
    expires: date | None
    whom: str
    trace_url: str


@page(blueprint, "/studies/<study>/inventory", VERB)
def shown(study: str) -> str:
    """Filters are in the address: place, state, batch, account, mark, bag, page."""
    held = _Held()
    found, filters = held.counted, held.filters
    asked = held.bags()
    text = request.args.get("page", "")
    last = last_page(len(asked), ON_A_PAGE)
    number = max(1, min(int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 1, last))
    states = [state for state in STATES if any(one.state is state for one in found.counts)]
    return render_template(
        "cells/inventory.html",
        shell=shell(),
        crumbs=[Crumb(held.study.title), Crumb(Message(N_("Batches of cells")), url_for("batches.listed", study=study))],
        doubts=[(one.message, Filters(bag=one.bag).url() if one.batch else "") for one in found.doubts],
        expired=Figure(len(found.expired), Filters(mark="expired").url()),
        recalled=Figure(len(found.recalled), Filters(mark="recalled").url()),
        states=[_state(one) for one in states],
        rows=[held.row(place, states) for place in found.places],
        total=[_figure(sum(len(found.at(place, state)) for place in found.places), Filters(state=_code(state))) for state in states],
        accounts=[Message(ACCOUNTS[one]) for one in Account],
        batches=[_batch(held.study, one) for one in found.batches],
        difference=found.difference,
        filters=filters,
        places=[(place or NOWHERE, held.place(place)) for place in found.places],
        state_choices=[(_code(state), _state(state)) for state in states],
        batch_choices=[(one.batch.key, one.batch.lot or one.batch.key) for one in found.batches],
        said=held.said(),
        lines=[held.line(one) for one in asked[(number - 1) * ON_A_PAGE : number * ON_A_PAGE]],
        pages=_pages(filters, number, last, len(asked)),
        every=len(found.bags),
        csv_url=filters.url("inventory.file"),
        trace_url=url_for("tracing.shown", study=study) if may(g.session.actor, "trace.read", study) else "",
        narrow=sorted(guard.my_sites(VERB) or ()),
    )


@page(blueprint, "/studies/<study>/inventory.csv", VERB, endpoint="file")
def file_(study: str) -> Response:
    """The bags of the same view as a file."""
    held = _Held()
    response = Response("\ufeff" + "".join(_lines(held)), mimetype="text/csv")
    response.headers.set("Content-Disposition", "attachment", filename=f"{study}-stock-{g.now.date().isoformat()}.csv")
    return response


class _Held:
    """What is recorded, as far as this person may read it: the bags of their sites, recipients only for who may trace."""

    def __init__(self) -> None:
        self.study: Study = g.place.published.study
        if self.study.cells is None:
            abort(404)
        with guard.read() as tx:
            people = gather.records(tx, self.study)
            self.today = {one.code: one.today(g.now) for one in sites.all_of(tx, self.study.oid)}
        self.counted: Accountability = accountability(self.study, people, self.today, guard.my_sites(VERB))
        self.lots = {one.batch.key: one.batch.lot or one.batch.key for one in self.counted.batches}
        self.known = _known(self.study, people)
        self.doubtful = {one.bag for one in self.counted.doubts}
        self.filters = _filters(self.counted)

    def bags(self) -> list[Bag]:
        """The bags that the address asks for, by code."""
        asked = self.filters
        marked = {
            "doubt": self.doubtful,
            "expired": {one.code for one in self.counted.expired},
            "recalled": {one.code for one in self.counted.recalled},
        }
        return [
            one
            for one in self.counted.bags
            if asked.place in ("", one.place or NOWHERE)
            and asked.state in ("", _code(one.state))
            and asked.batch in ("", one.batch)
            and asked.account in ("", account_of(one))
            and (not asked.mark or one.code in marked[asked.mark])
            and asked.bag in ("", one.code)
        ]

    def row(self, place: str, states: Sequence[BagState | None]) -> PlaceRow:
        where = place or NOWHERE
        return PlaceRow(self.place(place), [_figure(len(self.counted.at(place, state)), Filters(where, _code(state))) for state in states])

    def place(self, code: str) -> Sayable | str:
        return self.study.meaning("CTPLACE", code) if code else Message(N_("no place recorded"))

    def line(self, bag: Bag) -> BagLine:
        given = [one.subject for one in bag.movements if one.kind in (MoveKind.CHECKED, MoveKind.INFUSED)]
        traced = may(g.session.actor, "trace.read", self.study.oid, bag.site)
        return BagLine(
            bag,
            self.lots.get(bag.batch, bag.batch),
            self.place(bag.place) if bag.place else "",
            _state(bag.state),
            self.marks(bag),
            date.fromisoformat(bag.expires) if bag.expires else None,
            ", ".join(dict.fromkeys(key for key in given if key in self.known)),
            url_for("tracing.shown", study=self.study.oid, key=bag.code, kind=NodeKind.BAG.value) if traced else "",
        )

    def marks(self, bag: Bag) -> list[Message]:
        stands = (
            (N_("recalled"), bag.recalled is not None),
            (N_("expired"), bag.on_hand and bag.expired(self.today[bag.site])),
            (N_("contradictory"), bag.code in self.doubtful),
        )
        return [Message(word) for word, holds in stands if holds]

    def said(self) -> list[Sayable | str]:
        """The filters of this view in words."""
        asked = self.filters
        said: list[Sayable | str] = []
        if asked.place:
            said.append(self.place("" if asked.place == NOWHERE else asked.place))
        if asked.state:
            said.append(_state(None if asked.state == UNCLEAR else BagState(asked.state)))
        if asked.batch:
            said.append(Message(N_("batch number %(batch)s"), {"batch": self.lots[asked.batch]}))
        if asked.account:
            said.append(Message(ACCOUNTS[Account(asked.account)]))
        if asked.mark:
            said.append(Message(MARKS[asked.mark]))
        if asked.bag:
            said.append(Message(N_("bag %(bag)s"), {"bag": asked.bag}))
        return said


def _known(study: Study, people: Sequence[SubjectRecord]) -> frozenset[str]:
    """The recipients whose keys the person may read: those of the sites at which they may trace."""
    if not may(g.session.actor, "trace.read", study.oid):
        return frozenset()
    mine = guard.my_sites("trace.read")
    return frozenset(one.key for one in people if mine is None or one.site in mine)


def _filters(counted: Accountability) -> Filters:
    offered: Mapping[str, Collection[str]] = {
        "place": {place or NOWHERE for place in counted.places},
        "state": {_code(state) for state in STATES},
        "batch": {one.batch.key for one in counted.batches},
        "account": set(Account),
        "mark": set(MARKS),
        "bag": {one.code for one in counted.bags},
    }
    return Filters(**{name: text for name, known in offered.items() if (text := request.args.get(name, "")) in known})


def _code(state: BagState | None) -> str:
    return state.value if state is not None else UNCLEAR


def _state(state: BagState | None) -> Message:
    return Message(BAG_STATES[state]) if state is not None else Message(N_("not clear"))


def _figure(count: int, filters: Filters) -> Figure:
    return Figure(count, filters.url() if count else "")


def _batch(study: Study, one: Reconciled) -> BatchRow:
    key = one.batch.key
    return BatchRow(
        key,
        one.batch.lot,
        url_for("batches.one", study=study.oid, subject=key) if may(g.session.actor, "cell.read", study.oid, one.batch.site) else "",
        _figure(one.filled, Filters(batch=key)),
        [_figure(len(one.of(account)), Filters(batch=key, account=account)) for account in Account],
        one.difference,
    )


def _pages(filters: Filters, number: int, last: int, total: int) -> Pages:
    return Pages(
        number,
        last,
        min(total, (number - 1) * ON_A_PAGE + 1),
        min(total, number * ON_A_PAGE),
        total,
        filters.url(page=number - 1) if number > 1 else "",
        filters.url(page=number + 1) if number < last else "",
    )


def _lines(held: _Held) -> Iterator[str]:
    say, language = g.language.say, g.language
    heading = (
        *(N_("Site"), N_("Batch"), N_("Batch number"), N_("Bag"), N_("Place"), N_("State"), N_("Expires")),
        *(N_("Remarks"), N_("Total cells (10⁶)"), N_("Volume (mL)"), N_("Recipient of cells")),
    )
    yield _line([language.gettext(one) for one in heading])
    for bag in held.bags():
        line = held.line(bag)
        marks = ", ".join(say(one) for one in line.marks)
        yield _line(
            [
                bag.site, bag.batch, line.lot, bag.code, say(line.place), say(line.state), bag.expires, marks,
                bag.cells, bag.volume, line.whom,
            ]
        )  # fmt: skip


def _line(cells: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow([harmless(text) for text in cells])
    return buffer.getvalue()
