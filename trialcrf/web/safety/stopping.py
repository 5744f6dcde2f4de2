"""The stopping rule on a page: where it stands in words and in a figure, what it would do, and the decisions that were signed on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, sign
from trialcrf.actions.safety import decide
from trialcrf.actions.safety.decide import Standing
from trialcrf.actions.sign import Proof
from trialcrf.core.access import ROLES, may
from trialcrf.core.definition.model import Study
from trialcrf.core.safety import decision
from trialcrf.core.safety.betabinomial import boundary, looked_at, operating_characteristics
from trialcrf.core.safety.decision import CAUSES, DECISION_MEANINGS, DECISIONS, DecisionEntry, DecisionKind, HoldState
from trialcrf.core.safety.stopping import Cause, Status, ToxicEvent, UndecidedEvent, rule_of
from trialcrf.core.wording import N_, Message, Sayable, Words
from trialcrf.store import decisions
from trialcrf.store.transaction import Transaction
from trialcrf.web import fixed_drafts, guard, step_up
from trialcrf.web.fixed import DecisionForm
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb

blueprint = Blueprint("stopping", __name__)

RULE = "/studies/<study>/stopping"

JUDGED = {
    HoldState.RAISED: (DecisionKind.HOLD_CONFIRMED, DecisionKind.HOLD_DISMISSED),
    HoldState.CONFIRMED: (DecisionKind.HOLD_LIFTED,),
}
_ACTS = {
    DecisionKind.HOLD_CONFIRMED: N_("Confirm the hold"),
    DecisionKind.HOLD_DISMISSED: N_("Dismiss the hold"),
    DecisionKind.HOLD_LIFTED: N_("Lift the hold"),
}


@dataclass(frozen=True, slots=True)
class Notice:
    """A hold that stands or waits, as other pages tell it."""

    text: Message
    url: str


@dataclass(frozen=True, slots=True)
class EventLine:
    """An event in a list; `url` where the person may open it. `why` is empty for one that counts."""

    subject: str
    arm: Sayable
    term: Sayable
    onset: str
    why: Sequence[Sayable]
    url: str


@dataclass(frozen=True, slots=True)
class DecisionLine:
    """A line of the ledger for reading."""

    number: int
    kind: Message
    icon: str
    what: Sayable
    said: str
    meaning: Message | None
    name: str
    role: Message | None
    at: datetime
    on: Message
    hash: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A decision that the person may sign: a hold to be judged, or a cohort to be opened. `form` has a prefix of its own."""

    title: Sayable
    url: str
    form: DecisionForm
    hints: Sequence[Message]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was wrong with a decision that was sent, with the form that it was sent in; its boxes have a prefix, so the fault has it too."""

    form: DecisionForm
    problem: Impossible

    def __post_init__(self) -> None:
        if self.problem.field in self.form:
            self.problem.field = self.form[self.problem.field].name


@dataclass(frozen=True, slots=True)
class Point:
    """A place of the figure, in its own units; `title` says it in words."""

    x: float
    y: float
    title: Message


@dataclass(frozen=True, slots=True)
class Plot:
    """The boundary as a figure: numbers of subjects to the right, toxicities upwards, the region to stop in above the steps."""

    region: str
    steps: str
    marks: Sequence[Point]
    across: Sequence[tuple[float, int]]
    upwards: Sequence[tuple[float, int]]
    now: Point | None
    if_all: Point | None


@page(blueprint, RULE, "decision.read")
def shown(study: str) -> str:
    return _page(None)


@page(blueprint, RULE + "/holds/<int:number>", "decision.sign", methods=["POST"])
def judge(study: str, number: int) -> Response | tuple[str, int]:
    form = DecisionForm(request.form, prefix=f"hold{number}-")

    def signed(tx: Transaction, proof: Proof) -> None:
        if form.act.data not in _ACTS:
            raise Impossible(Message(N_("Choose what you decide.")), "act")
        kind = DecisionKind(form.act.data)
        decide.judge_hold(tx, g.place.published, g.session.actor, proof, kind, number, form.reason.data or "", form.seen.data or "")

    return _sign(form, form.act.data or "", signed)


@page(blueprint, RULE + "/cohorts/<cohort>", "decision.sign", methods=["POST"], endpoint="open")
def open_(study: str, cohort: str) -> Response | tuple[str, int]:
    form = DecisionForm(request.form, prefix="cohort-")

    def signed(tx: Transaction, proof: Proof) -> None:
        decide.open_cohort(tx, g.place.published, g.session.actor, proof, cohort, form.reason.data or "", form.seen.data or "")

    return _sign(form, DecisionKind.COHORT_OPENED, signed)


def _sign(form: DecisionForm, meaning: str, signed: Callable[[Transaction, Proof], None]) -> Response | tuple[str, int]:
    """Check the password outside any write, then decide in one transaction."""
    published, actor = g.place.published, g.session.actor
    try:
        proof = step_up.signer(form.password.data)
        with guard.write() as tx:
            signed(tx, proof)
    except sign.WrongPassword as problem:
        with guard.write() as tx:
            decide.note_refusal(tx, published, actor, meaning[:40])
        return _page(Refusal(form, problem)), 422
    except Impossible as problem:
        problem.field = problem.field if problem.field in form else ""
        return _page(Refusal(form, problem)), 422
    return redirect(url_for("stopping.shown", study=published.study.oid, done="decided"), 303)


def notice(tx: Transaction) -> Notice | None:
    """What other pages say of the study's holds, for who may read decisions: one that stands outweighs one that waits."""
    study: Study = g.place.published.study
    if rule_of(study) is None or not guard.may_here("decision.read"):
        return None
    found = decision.standing(decisions.all_of(tx, study.oid))
    confirmed = next((one for one in found if one.state is HoldState.CONFIRMED), None)
    url = url_for("stopping.shown", study=study.oid)
    if confirmed is not None:
        said, at = N_("A hold stands since %(at)s: nobody else is to be treated."), confirmed.last.at
    elif found:
        said, at = N_("The program raised a hold on %(at)s: it waits for the sponsor to confirm or dismiss it."), found[0].raised.at
    else:
        return None
    return Notice(Message(said, {"at": at.astimezone(g.place.site.zone) if g.place.site else at}), url)


def _page(refused: Refusal | None) -> str:
    study: Study = g.place.published.study
    rule, settings = rule_of(study), study.safety
    if rule is None or settings is None:
        abort(404)
    with guard.read() as tx:
        found = decide.standing_now(tx, g.place.published, g.now)
        checkpoint = decide.checkpoint(tx, study.oid)
    status = found.status
    mine = guard.my_sites("decision.read")
    places = [one.site for one in (*status.toxic, *status.deaths)] + [one.site for one in status.unsure]
    blind = settings.blinded
    limits, looks = boundary(rule), looked_at(rule)
    asked = _asked(found, refused) if guard.may_here("decision.sign") else []
    fixed_drafts.beside({one.url: one.form for one in asked})
    return render_template(
        "stopping/shown.html",
        shell=shell(),
        crumbs=[Crumb(study.title)],
        status=status,
        rule=rule,
        limit=Decimal(rule.limit),
        threshold=Decimal(rule.threshold),
        prior=(Decimal(rule.prior_a), Decimal(rule.prior_b)),
        days=settings.primary_days,
        known_at=found.known_at,
        checkpoint=checkpoint,
        assumption=study.assumptions.get(rule.assumption),
        # In a blinded study no table is by arm: that would be the way to unblind it.
        cohorts=() if blind else status.cohorts,
        opened=decision.opened(found.entries),
        toxic=[_line(one, (), blind) for one in status.toxic if mine is None or one.site in mine],
        deaths=[_line(one, (), blind) for one in status.deaths if mine is None or one.site in mine],
        unsure=[_line(one, one.why, blind) for one in status.unsure if mine is None or one.site in mine],
        elsewhere=0 if mine is None else sum(site not in mine for site in places),
        holds=decision.standing(found.entries),
        causes={cause: Message(said) for cause, said in CAUSES.items()},
        lines=[_told(study, one) for one in reversed(found.entries)],
        asked=asked,
        refused=refused,
        plot=_plot(status, limits, looks),
        table=[(n, least, n in looks) for n, least in enumerate(limits, start=1)],
        operating=operating_characteristics(rule),
    )


def _line(one: ToxicEvent | UndecidedEvent, why: Sequence[Sayable], blind: bool) -> EventLine:
    form_id = one.event.partition(":")[0]
    study = g.place.published.study.oid
    url = url_for("entry.by_number", study=study, form_id=int(form_id)) if may(g.session.actor, "form.read", study, one.site) else ""
    onset = one.onset if isinstance(one, ToxicEvent) else ""
    return EventLine(one.subject, Words() if blind else one.arm, one.term, onset, why, url)


def _told(study: Study, one: DecisionEntry) -> DecisionLine:
    content, status = one.content, one.content["status"]
    if one.kind is DecisionKind.HOLD_RAISED:
        cause = Message(CAUSES[Cause(content["cause"])])
        what: Sayable = Message(N_("Hold %(number)s: %(cause)s"), {"number": str(one.number), "cause": cause})
    elif one.kind is DecisionKind.COHORT_OPENED:
        what = _cohort(study, content["cohort"])
    else:
        what = Message(N_("Hold %(number)s"), {"number": str(content["hold"])})
    on = Message(
        N_("%(x)s of %(n)s evaluable, %(undecided)s undecided; cut-off %(as_of)s"),
        {"x": status["x"], "n": status["n"], "undecided": status["undecided"], "as_of": datetime.fromisoformat(status["as_of"]).date()},
    )
    by_system = one.kind is DecisionKind.HOLD_RAISED
    return DecisionLine(
        one.number,
        Message(DECISIONS[one.kind]),
        "overdue" if one.kind in (DecisionKind.HOLD_RAISED, DecisionKind.HOLD_CONFIRMED) else "done",
        what,
        content.get("reason", ""),
        None if by_system else Message(DECISION_MEANINGS[one.kind]),
        one.name,
        None if by_system else Message(ROLES.get(one.role, one.role)),
        one.at,
        on,
        one.hash,
    )


def _cohort(study: Study, code: str) -> Words:
    arms = study.safety.arms if study.safety else None
    return (arms.label_of(code) if arms else None) or Words({"": code})


def _asked(found: Standing, refused: Refusal | None) -> list[Asked]:
    """What may be decided now: every hold that waits or stands; a cohort only where no hold does."""
    study = found.published.study
    standing = decision.standing(found.entries)
    asked = []
    for hold in standing:
        form = _form(found, f"hold{hold.number}-", refused)
        kinds = JUDGED[hold.state]
        form.act.choices = [("", "")] * (len(kinds) > 1) + [(str(kind), g.language.gettext(_ACTS[kind])) for kind in kinds]
        title = Message(N_("Hold %(number)s: %(cause)s"), {"number": str(hold.number), "cause": Message(CAUSES[hold.cause])})
        hints = [Message(DECISION_MEANINGS[kind]) for kind in kinds]
        asked.append(Asked(title, url_for("stopping.judge", study=study.oid, number=hold.number), form, hints))
    if not standing and study.safety:
        opened = decision.opened(found.entries)
        # In the order of escalation, one after the other.
        one = next((one for one in study.safety.cohorts if one.gated and one.code not in opened), None)
        if one is not None:
            form = _form(found, "cohort-", refused)
            title = Message(N_("Open the cohort: %(cohort)s"), {"cohort": _cohort(study, one.code)})
            url = url_for("stopping.open", study=study.oid, cohort=one.code)
            asked.append(Asked(title, url, form, [Message(DECISION_MEANINGS[DecisionKind.COHORT_OPENED])]))
    return asked


def _form(found: Standing, prefix: str, refused: Refusal | None) -> DecisionForm:
    """The form as it was sent, where it is the one that was refused; what it rests on is what the page shows now."""
    sent = refused is not None and refused.form.seen.name.startswith(prefix)
    form = refused.form if refused is not None and sent else DecisionForm(prefix=prefix)
    form.seen.data = found.seen
    return form


# --- The figure -------------------------------------------------------------------------------------------------------

LEFT, RIGHT, TOP, BOTTOM = 56.0, 624.0, 16.0, 268.0


def _plot(status: Status, limits: Sequence[int | None], looks: Sequence[int]) -> Plot:
    most = max(len(limits), status.n, status.n_if_all)
    high = max([least for least in limits if least is not None] + [status.x, status.x_if_all], default=1) + 1

    def x(n: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * n / most, 1)

    def y(toxicities: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * toxicities / high, 1)

    # Half a unit to each side of a number: the region begins between two counts, so no point lies on its edge.
    steps = [(n, least) for n, least in enumerate(limits, start=1) if least is not None]
    corners = [f"{x(side)} {y(least - 0.5)}" for n, least in steps for side in (n - 0.5, n + 0.5)]
    line = "M" + "L".join(corners) if corners else ""
    region = f"{line}V{y(high)}H{x(steps[0][0] - 0.5)}Z" if steps else ""
    said = N_("%(n)s evaluable: stop at %(x)s or more")
    marks = [Point(x(n), y(least), Message(said, {"n": n, "x": least})) for n, least in steps if n in looks]
    every = max(1, -(-most // 10))
    here = Message(N_("Now: %(x)s toxicities in %(n)s evaluable"), {"x": status.x, "n": status.n})
    maybe = Message(N_("If all undecided counted: %(x)s in %(n)s"), {"x": status.x_if_all, "n": status.n_if_all})
    return Plot(
        region,
        line,
        marks,
        [(x(n), n) for n in range(0, most + 1, every)],
        [(y(count), count) for count in range(high + 1)],
        Point(x(status.n), y(status.x), here),
        Point(x(status.n_if_all), y(status.x_if_all), maybe) if status.undecided else None,
    )
