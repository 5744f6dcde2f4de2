"""The look-back: what a finding at a donor reaches, and the recall of all of it at once. What was found has no place here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible
from trialcrf.actions.cells import look_back
from trialcrf.actions.cells.gather import chain_now
from trialcrf.core.access import may
from trialcrf.core.cells import Chain, LookBack, NodeKind, batch_state
from trialcrf.core.definition.cells import LookBackNotice
from trialcrf.core.product.identity import Kind, NotThisLabel, scanned
from trialcrf.core.product.stock import BAG_STATES, Bag, BagState, MoveKind
from trialcrf.core.wording import N_, Message, Sayable, Words
from trialcrf.store.subjects import Subject
from trialcrf.web import fixed_drafts, guard
from trialcrf.web.fixed import LookBackForm
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb

blueprint = Blueprint("look_back", __name__)

RULE = "/studies/<study>/subjects/<subject>/look-back"


@dataclass(frozen=True, slots=True)
class BatchLine:
    """A batch that is reached. `runs` are the days of the findings for which it was recalled, `blocked` whether all its bags are."""

    key: str
    lot: str
    url: str
    state: Message
    runs: Sequence[date]
    blocked: bool


@dataclass(frozen=True, slots=True)
class BagLine:
    """A bag that is reached; `whom` are the recipients, for who may trace."""

    code: str
    lot: str
    state: Message
    place: Words | str
    recalled: bool
    whom: Sequence[str]


@dataclass(frozen=True, slots=True)
class Reached:
    """What a finding reaches, for reading. `keys` are the recipients whose keys the person may know, of `recipients` in all."""

    batches: Sequence[BatchLine]
    groups: Sequence[tuple[Message, Sequence[BagLine], Message]]
    recipients: int
    keys: Sequence[tuple[str, str]]
    checked_only: int
    sites: Sequence[str]
    gaps: Sequence[Message]
    unknown: int


@page(blueprint, RULE, look_back.VERB)
def shown(study: str, subject: str) -> str:
    return _page(LookBackForm(), None, ())


@page(blueprint, RULE, look_back.VERB, methods=["POST"])
def run(study: str, subject: str) -> Response | tuple[str, int]:
    """Recall every batch, after the donor's key was typed again."""
    form, which = LookBackForm(request.form), _donor()
    offered = {one.oid for one in _notices()}
    told = [oid for oid in request.form.getlist("told") if oid in offered]
    try:
        found_on = form.read_day(Message(N_("Give the day of the finding.")))
        if not (form.note.data or "").strip():
            raise Impossible(Message(N_("Say in a few words what was done.")), "note")
        if _as_key(form.confirm.data or "") != which.key:
            raise Impossible(Message(N_("This is not the key of this donor: type or scan it again. Nothing was done.")), "confirm")
        with guard.write() as tx:
            look_back.run(tx, g.place.published, which, found_on, told, form.note.data or "", g.now)
            done = "recalled_mails" if look_back.unrecorded(tx, g.place.published, which) else "recalled"
    except Impossible as problem:
        return _page(form, problem, told), 422
    return redirect(url_for("look_back.shown", study=study, subject=which.key, done=done), 303)


def _page(form: LookBackForm, problem: Impossible | None, told: Sequence[str]) -> str:
    study, which = g.place.published.study, _donor()
    nothing: Message | None = None
    reached: Reached | None = None
    closed: list[str] = []
    with guard.read() as tx:
        try:
            found = look_back.reached(tx, g.place.published, which)
        except Impossible as refusal:
            nothing = refusal.message
        else:
            reached = _told(found, chain_now(tx, study))
            closed = look_back.unrecorded(tx, g.place.published, which)
    may_list = may(g.session.actor, "subject.list", study.oid, which.site.code)
    traced = guard.may_here("trace.read")
    fixed_drafts.beside({url_for("look_back.run", study=study.oid, subject=which.key): form if reached else None})
    return render_template(
        "cells/look_back.html",
        shell=shell(),
        crumbs=[
            Crumb(study.title),
            Crumb(which.key, url_for("subjects.one", study=study.oid, subject=which.key) if may_list else ""),
        ],
        which=which,
        nothing=nothing,
        reached=reached,
        closed=closed,
        notices=_notices(),
        told=set(told),
        form=form,
        problem=problem,
        trace_url=url_for("tracing.shown", study=study.oid, key=which.key, kind=NodeKind.DONOR.value) if traced else "",
    )


def _told(found: LookBack, whole: Chain) -> Reached:
    study = g.place.published.study
    mine = guard.my_sites("trace.read") if may(g.session.actor, "trace.read", study.oid) else frozenset[str]()
    site_of = {node.key: node.site for node in found.trace.of_kind(NodeKind.RECIPIENT)}
    known = {key for key, site in site_of.items() if mine is None or site in mine}
    given = {key for bag in found.given for key in bag.given_to}

    def line(bag: Bag) -> BagLine:
        whom = [one.subject for one in bag.movements if one.kind in (MoveKind.CHECKED, MoveKind.INFUSED) and one.subject in known]
        state = Message(BAG_STATES[bag.state]) if bag.state else Message(N_("not clear"))
        place = study.meaning("CTPLACE", bag.place) if bag.place and bag.on_hand else ""
        return BagLine(bag.code, whole.stock.batches[bag.batch].lot, state, place, bag.recalled is not None, list(dict.fromkeys(whom)))

    here = [one for one in found.on_hand if one.state is not BagState.IN_TRANSIT]
    transit = [one for one in found.on_hand if one.state is BagState.IN_TRANSIT]
    groups = (
        (N_("On hand"), here, N_("No bag is on hand.")),
        (N_("In transit"), transit, N_("No bag is in transit.")),
        (N_("Given"), found.given, N_("No bag was given.")),
        (N_("Discarded"), found.discarded, N_("No bag was discarded.")),
    )
    return Reached(
        [_batch(whole, node.key) for node in found.batches],
        [(Message(title), [line(one) for one in bags], Message(none)) for title, bags, none in groups],
        len(given),
        sorted((key, site_of[key]) for key in given & known),
        len(set(found.recipients) - given),
        found.sites,
        [gap.message for gap in found.trace.gaps],
        len({one.bag for one in whole.stock.unknown if one.kind in (MoveKind.CHECKED, MoveKind.INFUSED)}),
    )


def _batch(whole: Chain, key: str) -> BatchLine:
    study, held = g.place.published.study.oid, whole.stock.batches.get(key)
    decision = held.release.decision if held is not None and held.release is not None else ""
    incidents = held.incidents if held is not None else ()
    runs = sorted({datetime.fromisoformat(one.at).date() for one in incidents if one.kind == "DONOR" and one.at})
    return BatchLine(
        key,
        held.lot if held else "",
        url_for("batches.one", study=study, subject=key) if held and may(g.session.actor, "cell.read", study, held.site) else "",
        batch_state(decision),
        runs,
        any(one.recall and not one.bag for one in whole.stock.concerning(key)),
    )


def _donor() -> Subject:
    """The donor of the address; nobody else has this page."""
    which: Subject = g.place.subject
    settings = g.place.published.study.cells
    if settings is None or which.subject_type != settings.donor or which.error:
        abort(404)
    return which


def _notices() -> Sequence[LookBackNotice]:
    settings = g.place.published.study.cells
    found: Sequence[LookBackNotice] = settings.notices if settings is not None else ()
    return found


def _as_key(text: str) -> Sayable | str:
    try:
        return scanned(text, g.place.published.study.oid, Kind.WRISTBAND)
    except NotThisLabel:
        return ""
