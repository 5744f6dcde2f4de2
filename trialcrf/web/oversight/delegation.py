"""The delegation log of the sites: who was given which tasks by whom, from when to when; an investigator writes it with a password."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, sign
from trialcrf.actions.oversight import delegate
from trialcrf.actions.sign import Proof
from trialcrf.core.oversight.delegation import END_MEANING, MEANING, TASKS, stands
from trialcrf.core.wording import N_, Message
from trialcrf.store import delegations, sites
from trialcrf.store.delegations import Delegation
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction
from trialcrf.web import fixed_drafts, guard, step_up
from trialcrf.web.fixed import DelegationEndForm, DelegationForm
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Chip, Crumb
from trialcrf.web.paging import here

blueprint = Blueprint("delegation", __name__)

READ, SIGN = "delegation.read", "delegation.sign"
LIST, SITE = "/studies/<study>/delegation", "/studies/<study>/sites/<site>/delegation"
LINE = SITE + "/<int(max=2147483647):line>/end"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the log for reading: `state` is now, later or ended."""

    delegation: Delegation
    state: str
    word: Message
    tasks: tuple[Message, ...]
    end_url: str


STATES = {"now": N_("in force"), "later": N_("not yet in force"), "ended": N_("ended")}


@dataclass(frozen=True, slots=True)
class Place:
    """A site with its log; `add_url` where the person may delegate there."""

    site: Site
    lines: Sequence[Line]
    add_url: str


@page(blueprint, LIST, READ)
def shown(study: str) -> str:
    """The log at the person's sites, ended lines too: they are its history."""
    mine, every = guard.my_sites(READ), request.args.get("show", "") != "now"
    with guard.read() as tx:
        places = [one for one in sites.all_of(tx, study) if mine is None or one.code in mine]
        log = delegations.all_of(tx, study, {one.code for one in places})
    signing = guard.my_sites(SIGN)
    shown_ = []
    for one in places:
        may = signing is None or one.code in signing
        lines = [_line(each, one, may) for each in log if each.site == one.code]
        add_url = url_for("delegation.add_page", study=study, site=one.code) if may else ""
        shown_.append(Place(one, [line for line in lines if every or line.state != "ended"], add_url))
    views = [Chip(Message(N_("All")), here(show=None), every), Chip(Message(N_("In force or to come")), here(show="now"), not every)]
    return render_template("oversight/delegation.html", shell=shell(), crumbs=_crumbs(), places=shown_, views=views)


@page(blueprint, SITE, SIGN)
def add_page(study: str, site: str) -> str:
    return _add_page(DelegationForm(), (), None)


@page(blueprint, SITE, SIGN, methods=["POST"])
def add(study: str, site: str) -> Response | tuple[str, int]:
    """Delegate tasks to somebody of the site, signed."""
    form, tasks = DelegationForm(request.form), tuple(request.form.getlist("tasks"))

    def act(tx: Transaction, proof: Proof, day: date) -> None:
        delegate.delegate(tx, g.place.site, g.session.actor, proof, form.username.data or "", tasks, day, g.now)

    problem = _signed(form, act, Message(N_("Give the first day of the delegation.")))
    if problem is not None:
        return _add_page(form, tasks, problem), 422
    return redirect(url_for("delegation.shown", study=study, done="delegated"), 303)


@page(blueprint, LINE, SIGN)
def end_page(study: str, site: str, line: int) -> str:
    return _end_page(_found(line), DelegationEndForm(), None)


@page(blueprint, LINE, SIGN, methods=["POST"])
def end(study: str, site: str, line: int) -> Response | tuple[str, int]:
    """Say until when a delegation holds, signed."""
    form, one = DelegationEndForm(request.form), _found(line)

    def act(tx: Transaction, proof: Proof, day: date) -> None:
        delegate.end(tx, g.place.site, g.session.actor, proof, one, day, form.reason.data or "", g.now)

    problem = _signed(form, act, Message(N_("Give the last day of the delegation.")))
    if problem is not None:
        return _end_page(one, form, problem), 422
    return redirect(url_for("delegation.shown", study=study, done="delegation_ended"), 303)


def _signed(
    form: DelegationForm | DelegationEndForm, act: Callable[[Transaction, Proof, date], None], no_day: Message
) -> Impossible | None:
    """Check the password outside any write, then act in one transaction; what was wrong, if anything."""
    try:
        day = form.read_day(no_day)
        proof = step_up.signer(form.password.data)
        with guard.write() as tx:
            act(tx, proof, day)
    except sign.WrongPassword as problem:
        with guard.write() as tx:
            delegate.note_refusal(tx, g.place.site, g.session.actor)
        return problem
    except Impossible as problem:
        return problem
    return None


def _found(line: int) -> Delegation:
    with guard.read() as tx:
        found = delegations.by_id(tx, line)
        log = delegations.all_of(tx, g.place.published.study.oid, {g.place.site.code})
    if found is None or found not in log:
        abort(404)
    return found


def _line(one: Delegation, where: Site, may: bool) -> Line:
    today = where.today(g.now)
    state = "now" if stands(one.starts_on, one.ends_on, today) else "later" if one.starts_on > today else "ended"
    url = url_for("delegation.end_page", study=where.study_oid, site=where.code, line=one.id) if may and one.ends_on is None else ""
    return Line(one, state, Message(STATES[state]), tuple(Message(TASKS[task]) for task in one.tasks), url)


def _add_page(form: DelegationForm, tasks: Sequence[str], problem: Impossible | None) -> str:
    where: Site = g.place.site
    with guard.read() as tx:
        people = delegate.may_be_given(tx, where)
    form.username.choices = [("", ""), *((one.username, f"{one.name} ({one.username})") for one in people)]
    return render_template(
        "oversight/delegate.html",
        shell=shell(),
        crumbs=_crumbs(back=True),
        where=where,
        form=form,
        chosen=set(tasks),
        tasks={str(task): Message(label) for task, label in TASKS.items()},
        meaning=Message(MEANING),
        problem=problem,
    )


def _end_page(one: Delegation, form: DelegationEndForm, problem: Impossible | None) -> str:
    at = {"study": g.place.published.study.oid, "site": g.place.site.code, "line": one.id}
    fixed_drafts.beside({url_for("delegation.end", **at): form})
    return render_template(
        "oversight/delegation_end.html",
        shell=shell(),
        crumbs=_crumbs(back=True),
        where=g.place.site,
        line=_line(one, g.place.site, False),
        form=form,
        meaning=Message(END_MEANING),
        problem=problem,
    )


def _crumbs(back: bool = False) -> list[Crumb]:
    study = g.place.published.study
    crumbs = [Crumb(study.title)]
    return [*crumbs, Crumb(Message(N_("Delegation log")), url_for("delegation.shown", study=study.oid))] if back else crumbs
