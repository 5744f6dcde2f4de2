"""Planned review of the audit trail: choose a period, see its signals, write a conclusion and sign it; and the reviews made so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, sign
from trialcrf.actions.oversight import review_trail
from trialcrf.actions.oversight.review_trail import Looked, Period
from trialcrf.actions.safety.decide import today_of
from trialcrf.core.access import ROLES, may
from trialcrf.core.definition.model import Study
from trialcrf.core.definition.oversight import ReviewPlan
from trialcrf.core.oversight.trail_review import SIGNALS, Save, Signal, Tally, looked_for, next_due
from trialcrf.core.safety.decision import DECISION_MEANINGS, DecisionEntry, DecisionKind
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.store import audit, definitions, forms, sites, subjects
from trialcrf.store.transaction import Transaction
from trialcrf.web import fixed_drafts, guard, step_up
from trialcrf.web.fixed import ReviewPeriodForm, TrailReviewForm
from trialcrf.web.forms.history import reason_for_reading
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.oversight import reading
from trialcrf.web.page import Crumb

blueprint = Blueprint("review", __name__)

RULE = "/studies/<study>/audit-review"


@dataclass(frozen=True, slots=True)
class SaveLine:
    """One save of a signal: who, when, where, and what about it. `url` leads to the history of the form, for who may read it."""

    at: str
    by: str
    subject: str
    form: Sayable | str
    detail: Message | None
    url: str


@dataclass(frozen=True, slots=True)
class SignalBlock:
    """A signal with its counts, the highest first, and its first saves."""

    name: str
    label: Message
    means: Message
    total: int
    by_site: Sequence[tuple[str, int]]
    by_person: Sequence[tuple[str, int]]
    lines: Sequence[SaveLine]
    reasons: Sequence[tuple[str, Sayable | str, int]]


@dataclass(frozen=True, slots=True)
class PastReview:
    """A review that was signed."""

    number: int
    period: tuple[date, date]
    at: datetime
    name: str
    role: Message
    counts: Sequence[tuple[Message, int]]
    saves: int
    conclusion: str
    hash: str
    checkpoint: str


@page(blueprint, RULE, "audit.export")
def shown(study: str) -> str | tuple[str, int]:
    """The reviews made; and, for who reviews, the signals of a period once one is chosen."""
    asked = ReviewPeriodForm(request.args)
    try:
        looked = _looked(asked) if request.args.get("show") == "signals" and may(g.session.actor, review_trail.VERB, study) else None
    except Impossible as problem:
        return _page(asked, None, TrailReviewForm(), problem), 422
    return _page(asked, looked, TrailReviewForm(), None)


@page(blueprint, RULE, review_trail.VERB, methods=["POST"], endpoint="sign")
def sign_(study: str) -> Response | tuple[str, int]:
    """Sign the review of a period: the trail is looked at again, in a transaction that reads, and must say what the page said."""
    asked, sent, actor, published = ReviewPeriodForm(request.form), TrailReviewForm(request.form), g.session.actor, g.place.published
    looked = None
    try:
        looked = _looked(asked)
        proof = step_up.signer(sent.password.data)
        with guard.write() as tx:
            review_trail.sign_review(tx, published, actor, proof, looked, sent.conclusion.data or "", sent.seen.data or "")
    except sign.WrongPassword as problem:
        with guard.write() as tx:
            review_trail.note_refusal(tx, published, actor)
        return _page(asked, looked, sent, problem), 422
    except sign.Changed as problem:
        return _page(asked, looked, sent, problem), 409
    except Impossible as problem:
        return _page(asked, looked, sent, problem), 422
    return redirect(url_for("review.shown", study=study, done="reviewed"), 303)


def _looked(asked: ReviewPeriodForm) -> Looked:
    study = g.place.published.study
    period = review_trail.period_of(study, asked.first_day(), asked.last_day(), g.now)
    with guard.read() as tx:
        return review_trail.look(tx, g.place.published, period, g.now)


def _page(asked: ReviewPeriodForm, looked: Looked | None, sent: TrailReviewForm, problem: Impossible | None) -> str:
    published, study = g.place.published, g.place.published.study
    with guard.read() as tx:
        made = review_trail.reviews(tx, study.oid)
        since = today_of(study, audit.history_since(tx.connection, study.oid, 0, 1)[0].at)  # when the study was made known
        blocks = [_block(tx, study, signal, tally) for signal, tally in looked.outcome.found.items()] if looked else []
    plan, today = study.oversight.review, today_of(study, g.now)
    due = next_due([one.at.date() for one in made], plan, since)
    if not asked.given():
        asked.fill(_usual(made, since, today))
    if looked:
        sent.seen.data = looked.seen
    may_review = may(g.session.actor, review_trail.VERB, study.oid)
    fixed_drafts.beside({url_for("review.sign", study=study.oid): sent if looked and may_review else None})
    return render_template(
        "oversight/review.html",
        shell=shell(),
        crumbs=[Crumb(study.title)],
        asked=asked,
        looked=looked,
        blocks=blocks,
        plan=_plan_lines(plan),
        assumption=study.assumptions.get(plan.assumption),
        assumption_code=plan.assumption,
        due=due,
        late=due is not None and due < today,
        made=[_past(one) for one in reversed(made)],
        may_review=may_review,
        meaning=Message(DECISION_MEANINGS[DecisionKind.AUDIT_REVIEW]),
        form=sent,
        problem=problem,
        version=published.version,
    )


def _usual(made: Sequence[DecisionEntry], since: date, today: date) -> Period:
    """From the day after the last period that was reviewed until today."""
    ends = [date.fromisoformat(one.content["period"]["to"]) for one in made]
    return Period(min(max(ends) + timedelta(days=1), today) if ends else min(since, today), today)


def _plan_lines(plan: ReviewPlan) -> list[tuple[Message, Message]]:
    """Each signal that is looked for, with what it means under this plan."""
    return [(Message(SIGNALS[signal]), _means(signal, plan)) for signal in looked_for(plan)]


def _means(signal: Signal, plan: ReviewPlan) -> Message:
    said: Mapping[Signal, tuple[str, Mapping[str, object]]] = {
        Signal.LATE: (N_("a form begun more than %(days)s days after its visit"), {"days": plan.late_days}),
        Signal.AFTER_SIGNATURE: (N_("a recorded value changed after a signature covered its form"), {}),
        Signal.NEAR_LOCK: (N_("a recorded value changed in the %(days)s days before a lock"), {"days": plan.before_lock_days}),
        Signal.NIGHT: (N_("a save between %(start)s:00 and %(end)s:00 at the site"), {"start": plan.night[0], "end": plan.night[1]}),
        Signal.MANY_SITES: (N_("a person who saved forms at more than one site"), {}),
        Signal.SAME_REASON: (N_("one reason given by one person, word for word, %(count)s times or more"), {"count": plan.same_reason}),
    }
    return Message(*said[signal])


def _block(tx: Transaction, study: Study, signal: Signal, tally: Tally) -> SignalBlock:
    reasons = [(who, reason_for_reading(study, reason), count) for who, reason, count in tally.reasons]
    lines = list(_lines(tx, study, signal, tally.examples))
    means = _means(signal, study.oversight.review)
    by_site, by_person = list(tally.by_site.items()), list(tally.by_person.items())
    return SignalBlock(signal.value, Message(SIGNALS[signal]), means, tally.total, by_site, by_person, lines, reasons)


def _lines(tx: Transaction, study: Study, signal: Signal, examples: Sequence[Save]) -> Iterator[SaveLine]:
    """The saves that the person may read: of a form of which they may not, nothing but its count is told."""
    zones = {one.code: one.zone for one in sites.all_of(tx, study.oid)}
    for save in examples:
        stored = forms.by_id(tx, save.form_id)
        which = subjects.by_id(tx, stored.subject_id) if stored else None
        if stored is None or which is None:
            continue
        pinned = definitions.read(tx, stored.definition_id).study
        if not may(g.session.actor, f"{pinned.form[stored.key.form_oid].access}.read", study.oid, save.site):
            continue
        key = stored.key
        url = url_for(
            "history.form", study=study.oid, subject=which.key, event=key.event_oid, repeat=key.event_repeat, form=key.form_oid,
            n=key.form_repeat,
        )  # fmt: skip
        name = Message("%(visit)s, %(form)s", {"visit": reading.visit_name(pinned, key), "form": reading.form_name(pinned, key)})
        yield SaveLine(g.language.moment(save.at, zones[save.site]), save.actor, save.subject, name, _detail(signal, save), url)


def _detail(signal: Signal, save: Save) -> Message | None:
    if signal is Signal.LATE and save.held_on is not None:
        return Message(N_("%(days)s days after the visit"), {"days": (save.at.date() - save.held_on).days})
    if signal is Signal.NEAR_LOCK and save.locked_at is not None:
        return Message(N_("locked %(at)s"), {"at": save.locked_at.astimezone(save.at.tzinfo)})
    return None


def _past(one: DecisionEntry) -> PastReview:
    said = one.content
    counts = [(Message(SIGNALS[Signal(name)]), tally["total"]) for name, tally in said["outcome"]["signals"].items() if name in set(Signal)]
    period = date.fromisoformat(said["period"]["from"]), date.fromisoformat(said["period"]["to"])
    return PastReview(
        one.number, period, one.at, one.name, Message(ROLES.get(one.role, one.role)), counts, said["outcome"]["saves"], said["conclusion"],
        one.hash, said["checkpoint"],
    )  # fmt: skip
