"""The release of a batch on a page: its results judged by every specification that is offered, and the decisions that are signed on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, sign
from trialcrf.actions.cells import release
from trialcrf.actions.cells.gather import chain_now
from trialcrf.actions.cells.release import Decided, Reviewed
from trialcrf.core.access import ROLES
from trialcrf.core.definition.cells import ReleaseCriterion, Specification
from trialcrf.core.definition.model import ItemDef, Study
from trialcrf.core.document import Answer, Place
from trialcrf.core.product.release import FULFILLED, Fulfilled, JudgedCriterion, condition, overall
from trialcrf.core.signature import STANDINGS, Standing
from trialcrf.core.wording import N_, Message, Sayable, Words
from trialcrf.store import signatures
from trialcrf.store.signatures import Signature
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web import fixed_drafts, guard, step_up
from trialcrf.web.casebooks import casebook_crumb, subject_url
from trialcrf.web.cells.batches import state_of
from trialcrf.web.fixed import ReleaseForm
from trialcrf.web.forms.history import value_for_reading
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb
from trialcrf.web.subjects import form_url, may_form

blueprint = Blueprint("release", __name__)

RULE = "/studies/<study>/cells/<subject>/release"

ICONS = {Fulfilled.MET: "done", Fulfilled.NOT_MET: "overdue", Fulfilled.UNDETERMINED: "planned"}


@dataclass(frozen=True, slots=True)
class CriterionLine:
    """A criterion beside its result; `result` is empty where nothing is recorded."""

    label: Words
    condition: Sayable
    result: tuple[Sayable | str, ...]
    unit: str
    verdict: Message
    icon: str
    informative: bool


@dataclass(frozen=True, slots=True)
class SpecificationCard:
    """A specification with the batch judged by it. `counted` are the criteria that are met, of all that count."""

    oid: str
    label: Words
    source: str
    published: bool
    lines: tuple[CriterionLine, ...]
    overall: Message
    icon: str
    met: int
    counted: int


@dataclass(frozen=True, slots=True)
class DecisionLine:
    """A decision that was signed, and whether it still is as it was signed."""

    word: Message
    icon: str
    specification: Words | str
    verdict: Message
    why: str
    name: str
    role: Message
    at: datetime
    standing: Message
    void: bool
    changes: tuple[tuple[Sayable | str, str, datetime], ...]
    hash: str


@page(blueprint, RULE, "release.read")
def shown(study: str, subject: str) -> str:
    return _page(ReleaseForm(), None)


@page(blueprint, RULE, "release.sign", methods=["POST"], endpoint="sign")
def sign_(study: str, subject: str) -> Response | tuple[str, int]:
    """Sign a decision: the password is checked outside any write, then the decision is made and signed in one transaction."""
    form, which, actor = ReleaseForm(request.form), _batch_here(), g.session.actor
    sent = Decided(form.decision.data or "", form.specification.data or "", form.why.data or "", form.seen.data or "")
    try:
        proof = step_up.signer(form.password.data)
        with guard.write() as tx:
            release.decide(tx, g.place.published, which, actor, proof, sent, g.now)
    except sign.WrongPassword as problem:
        with guard.write() as tx:
            sign.note_refusal(tx, actor, which, release.MEANING)
        return _page(form, problem), 422
    except Impossible as problem:
        return _page(form, problem), 422
    return redirect(url_for("release.shown", study=study, subject=subject, done="decided"), 303)


def _page(form: ReleaseForm, problem: Impossible | None) -> str:
    study, which = g.place.published.study, _batch_here()
    with guard.read() as tx:
        found = release.review(tx, g.place.published, which)
        held = chain_now(tx, study).stock
        batch = held.batches.get(which.key)
        decisions = _decisions(tx, study, found, signatures.all_of(tx, which.id, release.MEANING))
    form.seen.data = found.seen
    # Nothing is chosen beforehand: neither what is decided nor the specification that it rests on.
    form.decision.choices = [("", "")] + [(code, g.language.gettext(said)) for code, said in release.DECISIONS.items()]
    form.specification.choices = [("", "")] + [(one.oid, g.language.say(one.label)) for one in found.specifications]
    may_sign = guard.may_here("release.sign") and bool(found.forms)
    fixed_drafts.beside({url_for("release.sign", study=study.oid, subject=which.key): form if may_sign else None})
    return render_template(
        "cells/release.html",
        shell=shell(),
        crumbs=[casebook_crumb(study, which.subject_type), Crumb(which.key, subject_url(study, which))],
        which=which,
        lot=batch.lot if batch else "",
        state=state_of(held, which.key),
        chosen=bool(study.cells and study.cells.specification),
        cards=[_card(study, found, one) for one in found.specifications],
        forms=_forms(study, which, found),
        decisions=decisions,
        may_sign=may_sign,
        form=form,
        problem=problem,
    )


def _batch_here() -> Subject:
    """The batch of the address: what is no batch, or was marked in error, is not released."""
    which: Subject = g.place.subject
    if which.error or not g.place.published.study.is_product(which.subject_type):
        abort(404)
    return which


def _card(study: Study, found: Reviewed, one: Specification) -> SpecificationCard:
    judged = found.judged(one)
    verdict = overall(judged)
    counted = [each for each in judged if each.counts]
    return SpecificationCard(
        one.oid,
        one.label,
        one.source,
        one.published,
        tuple(_line(study, found.results, each) for each in judged),
        _overall(verdict),
        ICONS[verdict],
        sum(each.verdict is Fulfilled.MET for each in counted),
        len(counted),
    )


def _overall(verdict: Fulfilled) -> Message:
    said = {
        Fulfilled.MET: N_("fulfilled"),
        Fulfilled.NOT_MET: N_("not fulfilled"),
        Fulfilled.UNDETERMINED: N_("undetermined: results are missing"),
    }
    return Message(said[verdict])


def _line(study: Study, results: Mapping[str, Answer], judged: JudgedCriterion) -> CriterionLine:
    criterion, answer = judged.criterion, results.get(judged.criterion.alias)
    read: tuple[Sayable | str, ...] = ()
    unit = ""
    if answer is not None:
        form, item = next((form, item) for form in study.forms_with(criterion.alias) if (item := form.with_alias(criterion.alias)))
        read = value_for_reading(form, Place(item.oid), answer.canonical())
        unit = _unit(item, answer)
    return CriterionLine(
        criterion.label,
        _condition(study, criterion),
        read,
        unit,
        Message(FULFILLED[judged.verdict]),
        ICONS[judged.verdict],
        criterion.informative,
    )


def _unit(item: ItemDef, answer: Answer) -> str:
    return item.unit if answer.text and not answer.missing else ""


def _condition(study: Study, criterion: ReleaseCriterion) -> Message:
    """The condition in words, a coded result by its label."""
    said = condition(criterion)
    return Message(said.msgid, {**said.params, "code": study.meaning(criterion.alias, criterion.equals)}) if criterion.equals else said


def _forms(study: Study, which: Subject, found: Reviewed) -> list[tuple[Words, str]]:
    """The forms that the results are in, as links for who may open them."""
    if not guard.may_here("casebook.open"):
        return []
    readable = [(study.form[one.key.form_oid], one.key) for one in found.forms if may_form(study.form[one.key.form_oid], "read")]
    return [(form.label, form_url(which, key)) for form, key in readable]


def _decisions(tx: Transaction, study: Study, found: Reviewed, made: Sequence[Signature]) -> list[DecisionLine]:
    """Every signed decision, the newest first, with what was changed since."""
    stood = signatures.standings(tx, list(made))
    named = {str(one.id): study.form[one.key.form_oid] for one in found.forms}
    icons = {"RELEASED": "done", "CONDITIONAL": "done_out", "REJECTED": "overdue"}
    settings, lines = study.cells, []
    for one in reversed(made):
        said, now = one.said, stood[one.id]
        specification = settings.specification_of(said["specification"]) if settings else None
        changes = []
        for change in now.changes:
            form = named.get(change.entity_id) if change.entity == "form" else None
            if form is not None and change.at is not None:
                item = form.items.get(Place.parse(change.place).item)
                what = Message("%(form)s, %(item)s", {"form": form.label, "item": item[1].label if item else change.place})
                changes.append((what, change.name or change.actor, change.at))
        lines.append(
            DecisionLine(
                Message(release.DECISIONS[said["decision"]]),
                icons[said["decision"]],
                specification.label if specification else said["specification"],
                _overall(Fulfilled(said["verdict"])),
                str(said.get("why", "")),
                one.name,
                Message(ROLES.get(one.role, one.role)),
                one.at,
                Message(STANDINGS[now.standing]),
                now.standing is not Standing.VALID,
                tuple(changes),
                one.hash,
            )
        )
    return lines
