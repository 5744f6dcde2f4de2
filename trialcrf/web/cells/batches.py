"""Batches of cells: the list of them, and the one page of each with its state, its forms, and its bags as their movements tell of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible
from trialcrf.actions.cells.gather import chain_now
from trialcrf.actions.oversight import second
from trialcrf.core.access import may
from trialcrf.core.cells import Chain, NodeId, NodeKind, batch_state
from trialcrf.core.definition.cells import CellSettings
from trialcrf.core.definition.model import Study
from trialcrf.core.lock import Address, Level
from trialcrf.core.product.stock import CONDITIONAL, REJECTED, RELEASED, BagState, Incident, Stock
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.store import forms, sites, subjects
from trialcrf.store.subjects import Subject
from trialcrf.web import fixed_drafts, guard
from trialcrf.web.casebooks import casebook_crumb
from trialcrf.web.cells.ledger import BagLine, bag_lines, moment_of
from trialcrf.web.cells.ways import traces
from trialcrf.web.enrolment import may_enrol
from trialcrf.web.fixed import ReasonForm
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.oversight import closing
from trialcrf.web.page import Chip, Crumb
from trialcrf.web.subjects import EventBlock, may_form, occasion

blueprint = Blueprint("batches", __name__)

LIST, ONE = "/studies/<study>/cells", "/studies/<study>/cells/<subject>"

_ICONS = {RELEASED: "done", CONDITIONAL: "done_out", REJECTED: "overdue"}


@dataclass(frozen=True, slots=True)
class Sign:
    """Something that is said of a batch: a word, the shape beside it, what is added in a few words, and where it is recorded."""

    word: Sayable
    icon: str
    more: Sayable | str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """Bags of a batch: how many there are, are neither given nor destroyed, were given, are recalled, are on hand and expired."""

    bags: int
    on_hand: int
    given: int
    recalled: int
    expired: int


@dataclass(frozen=True, slots=True)
class BatchLine:
    """A batch in the list. `doubts` are contradictions in what is recorded of its bags."""

    key: str
    lot: str
    site: str
    url: str
    state: Sign
    counts: Counts
    incidents: int
    doubts: int


@page(blueprint, LIST, "cell.read")
def listed(study: str) -> str:
    """The batches of the person's sites, by key; `site` in the address narrows them to one."""
    definition, settings = _with_cells()
    kind, wanted = definition.subject_type[settings.product], request.args.get("site", "")
    mine = guard.my_sites("cell.read")
    with guard.read() as tx:
        places = [one for one in sites.all_of(tx, study) if mine is None or one.code in mine]
        at = [one.code for one in places if wanted in ("", one.code)]
        found = subjects.all_of(tx, study, at, kind.oid)
        whole = chain_now(tx, definition)
    chips = [Chip(Message(N_("Every site")), url_for("batches.listed", study=study), not wanted)] if len(places) > 1 else []
    for one in places if len(places) > 1 else ():
        label = Message(N_("Site %(site)s"), {"site": one.code})
        chips.append(Chip(label, url_for("batches.listed", study=study, site=one.code), one.code == wanted))
    return render_template(
        "cells/batches.html",
        shell=shell(),
        crumbs=[Crumb(definition.title)],
        chips=chips,
        rows=[_row(whole, one) for one in found],
        stock_url=url_for("inventory.shown", study=study) if may(g.session.actor, "stock.read", study) else "",
        trace_url=url_for("tracing.shown", study=study) if may(g.session.actor, "trace.read", study) else "",
        enrol_url=url_for("enrolment.where", study=study, kind=kind.oid) if may_enrol(definition, kind.oid) else "",
    )


@page(blueprint, ONE, "cell.read")
def one(study: str, subject: str) -> str:
    return page_of()


@page(blueprint, ONE + "/error", "removal.ask", methods=["POST"])
def mark_error(study: str, subject: str) -> Response | tuple[str, int]:
    """Ask to mark a batch entered in error: for whoever records batches, and only while no cells are traced through it."""
    _batch_here()
    if not _may_error():
        abort(403)
    form = ReasonForm(request.form)
    try:
        with guard.write() as tx:
            second.ask_removal(tx, g.place.published, g.place.subject, form.reason.data or "")
    except Impossible as problem:
        problem.field = "reason"
        return page_of(form, problem), 422
    return redirect(url_for("batches.one", study=study, subject=subject, done="requested"), 303)


def page_of(form: ReasonForm | None = None, problem: Impossible | None = None, stopped: Message | None = None) -> str:
    """The page of the batch of the address. `problem` is what was wrong with the reason of an error, `stopped` why no label was printed."""
    (definition, _), which = _with_cells(), _batch_here()
    with guard.read() as tx:
        whole = chain_now(tx, definition)
        record = subjects.records(tx, [which])[0]
        standing = forms.standings(tx, [which.id])
        gone = forms.standings(tx, [which.id], in_error=True)
        bags = bag_lines(tx, definition, which, whole)
        closed, removal_url = closing.of_subject(tx, which), closing.removal_url(tx, which)
    events = definition.events_for(which.subject_type)
    blocks = [block for event in events if (block := occasion(definition, which, event, standing, gone, record)) is not None]
    batch = whole.stock.batches.get(which.key)
    reason, may_error = form or ReasonForm(), _may_error() and not which.error
    fixed_drafts.beside({url_for("batches.mark_error", study=definition.oid, subject=which.key): reason if may_error else None})
    return render_template(
        "cells/batch.html",
        shell=shell(),
        crumbs=[casebook_crumb(definition, which.subject_type)],
        which=which,
        kind=definition.subject_type[which.subject_type].label,
        batch=batch,
        state=state_of(whole.stock, which.key),
        decided=moment_of(batch.release.at) if batch and batch.release else None,
        signs=_signs(definition, which, whole, bags),
        doubts=doubts_of(whole, which.key),
        origins=_origins(definition, which, whole),
        bags=bags,
        blocks=blocks if guard.may_here("casebook.open") else [_unlinked(block) for block in blocks],
        ways=traces(definition, which),
        release_url=_release_url(definition, which),
        may_sign=guard.may_here("release.sign") and not which.error,
        may_print=guard.may_here("label.print") and not which.error,
        may_error=may_error,
        closed=closed,
        removal_url=removal_url,
        lock_url=closing.link(Address(Level.SUBJECT, which.id)),
        reason=reason,
        stopped=stopped,
        problem=problem,
    )


def state_of(held: Stock, key: str) -> Sign:
    """The one word that decides whether bags may be given: a recall of the whole batch, or of one that it was made of, outweighs every
    decision."""
    batch = held.batches.get(key)
    if any(one.recall and not one.bag for one in held.concerning(key)):
        return Sign(Message(N_("whole batch recalled")), "overdue")
    decision = batch.release.decision if batch is not None and batch.release is not None else ""
    return Sign(batch_state(decision), _ICONS.get(decision, "planned"))


def doubts_of(whole: Chain, key: str) -> tuple[Message, ...]:
    """What is recorded of the batch's bags and contradicts itself, and what is missing of its origin."""
    held = whole.stock
    own = held.of_batch(key)
    found = [flaw.message for bag in own for flaw in bag.flaws]
    said = N_("Bag %(bag)s is recorded as filled twice.")
    found += [Message(said, {"bag": bag.code}) for bag in own if bag.code in held.twice]
    missing = N_("A movement names bag %(bag)s, and no batch is recorded to have filled it.")
    found += [Message(missing, {"bag": one.bag}) for one in held.unknown if one.subject == key]
    return (*found, *(gap.message for gap in whole.gaps if gap.at == NodeId(NodeKind.BATCH, key)))


def _row(whole: Chain, which: Subject) -> BatchLine:
    batch = whole.stock.batches.get(which.key)
    return BatchLine(
        which.key,
        batch.lot if batch else "",
        which.site.code,
        url_for("batches.one", study=which.site.study_oid, subject=which.key),
        state_of(whole.stock, which.key),
        _counts(which, whole),
        len(batch.incidents) if batch else 0,
        len(doubts_of(whole, which.key)),
    )


def _counts(which: Subject, whole: Chain) -> Counts:
    bags, today = whole.stock.of_batch(which.key), which.site.today(g.now)
    return Counts(
        len(bags),
        sum(one.on_hand for one in bags),
        sum(one.state is BagState.INFUSED for one in bags),
        sum(one.recalled is not None for one in bags),
        sum(one.on_hand and one.expired(today) for one in bags),
    )


def _signs(study: Study, which: Subject, whole: Chain, bags: Sequence[BagLine]) -> list[Sign]:
    """What decides beside the release: recalls, expiry, incidents."""
    batch = whole.stock.batches.get(which.key)
    signs = [_incident(study, which, one) for one in batch.incidents] if batch else []
    on_hand = [one for one in whole.stock.of_batch(which.key) if one.on_hand]
    expired = sum(one.expired for one in bags if one.on_hand)
    if expired:
        said = N_("Expired and still on hand: 1 bag") if expired == 1 else N_("Expired and still on hand: %(count)s bags")
        signs.append(Sign(Message(said, {"count": expired}), "overdue"))
    good = sorted(one.expires for one in on_hand if one.expires and not one.expired(which.site.today(g.now)))
    if good:
        signs.append(Sign(Message(N_("Next expiry: %(day)s"), {"day": date.fromisoformat(good[0])}), "planned"))
    elif not on_hand:
        signs.append(Sign(Message(N_("No bag is on hand.")), "not_applicable"))
    return signs


def _incident(study: Study, which: Subject, one: Incident) -> Sign:
    about = {"kind": study.meaning("CTINCKND", one.kind) if one.kind else "", "bag": one.bag}
    if one.recall:
        said = N_("Recalled, bag %(bag)s: %(kind)s") if one.bag else N_("Recalled, the whole batch: %(kind)s")
    else:
        said = N_("Incident, bag %(bag)s: %(kind)s") if one.bag else N_("Incident, the whole batch: %(kind)s")
    at = moment_of(one.at)
    more = Message(N_("known since %(at)s"), {"at": at.astimezone(which.site.zone)}) if at else ""
    readable = guard.may_here("casebook.open") and guard.may_here("stock.read")
    url = url_for("entry.by_number", study=study.oid, form_id=one.form_id) if readable else ""
    return Sign(Message(said, about), "overdue" if one.recall else "query", more, url)


def _origins(study: Study, which: Subject, whole: Chain) -> list[tuple[Sayable | str, str, str]]:
    """From what the batch was made: (what it is, its name, where it is shown). Donations are named by their number, never by a result."""
    found: list[tuple[Sayable | str, str, str]] = []
    for edge in whole.edges:
        node = whole.nodes[edge.source]
        if edge.target != NodeId(NodeKind.BATCH, which.key):
            continue
        if node.kind is NodeKind.BATCH:
            here = may(g.session.actor, "cell.read", study.oid, node.site)
            url = url_for("batches.one", study=study.oid, subject=node.key) if here and node.name else ""
            found.append((Message(N_("Batch")), f"{node.key} {node.name}".strip(), url))
        else:
            found.append((Message(N_("Donation")), node.name or node.key, ""))
    return found


def _unlinked(block: EventBlock) -> EventBlock:
    """The same for somebody who may know what there is and opens no casebook."""
    return replace(block, lines=tuple(replace(line, url="") for line in block.lines), add=())


def _release_url(study: Study, which: Subject) -> str:
    shown = guard.may_here("release.read") and not which.error
    return url_for("release.shown", study=study.oid, subject=which.key) if shown else ""


def _may_error() -> bool:
    study, which = g.place.published.study, g.place.subject
    return guard.may_here("removal.ask") and may_form(study.form[study.subject_type[which.subject_type].form_oid], "enter")


def _with_cells() -> tuple[Study, CellSettings]:
    """The study of the address and what it says of cells; one without a chain of cells has no such pages."""
    study: Study = g.place.published.study
    if study.cells is None:
        abort(404)
    return study, study.cells


def _batch_here() -> Subject:
    """The batch of the address; a person has no page among the batches."""
    which: Subject = g.place.subject
    if not _with_cells()[0].is_product(which.subject_type):
        abort(404)
    return which
