"""People and sites: accounts, invitations, roles, and the sites of each study. No clinical data is shown or reached from here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from zoneinfo import available_timezones

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, administer, prove, who
from trialcrf.core.access import ROLES, Grant, may
from trialcrf.core.definition.model import Study
from trialcrf.core.wording import N_, Message
from trialcrf.store import accounts, definitions, factors, sessions, sites
from trialcrf.store.accounts import Account
from trialcrf.store.audit import Who
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.administration.account_trail import lines_of, role_held
from trialcrf.web.fixed import AccountForm, ReasonForm, RoleForm, SiteForm, TrainingForm
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Chip, Crumb
from trialcrf.web.paging import asked_page, here, pages

blueprint = Blueprint("admin", __name__)

ON_A_PAGE = 50
PERSON = "/people/<int(max=2147483647):account>"
EVERY_STUDY = "*"

STATES: Mapping[str, str] = {
    "active": N_("active"),
    "invited": N_("no password yet"),
    "inactive": N_("deactivated"),
}
_VIEWS: Mapping[str, str] = {"": N_("All"), "active": N_("Active"), "invited": N_("No password yet"), "inactive": N_("Deactivated")}


@dataclass(frozen=True, slots=True)
class Person:
    """An account for reading: never its password hash, nor anything that it recorded."""

    id: int
    username: str
    name: str
    email: str
    organisation: str
    state: str
    word: Message
    demo: bool
    mine: bool
    roles: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """A role of a person with the forms that take it away and record its training; no form where the reader may not.

    `waits`: it opens nothing yet, for the study asks for a training that is not recorded.
    """

    id: int
    label: Message
    trained_on: date | None
    waits: bool
    form: ReasonForm | None
    training: TrainingForm | None


@page(blueprint, "/people", "user.administer")
def people() -> str:
    """Every account with its roles and state. Filter in the address: state, page."""
    state = request.args.get("state", "")
    if state not in _VIEWS:
        abort(404)
    with guard.read() as tx:
        everyone, held, named = accounts.all_of(tx), accounts.held_by_each(tx), _named(tx)
    shown = [one for one in everyone if state in ("", _state(one))]
    number = asked_page(len(shown), ON_A_PAGE)
    counts = {name: sum(1 for one in everyone if name in ("", _state(one))) for name in _VIEWS}
    return render_template(
        "admin/people.html",
        shell=shell(),
        views=[Chip(Message(label), here(state=name or None), name == state, counts[name]) for name, label in _VIEWS.items()],
        people=[
            _person(one, [each.grant for each in held.get(one.id, [])], named) for one in shown[(number - 1) * ON_A_PAGE :][:ON_A_PAGE]
        ],
        may_all=_may_all(),
        pages=pages(number, len(shown), ON_A_PAGE),
    )


@page(blueprint, "/people/new", "user.administer")
def new() -> str:
    return _new_page(AccountForm())


@page(blueprint, "/people/new", "user.administer", methods=["POST"], endpoint="create", fresh=True)
def create() -> Response | tuple[str, int]:
    """A new account and its invitation: both or neither."""
    form = AccountForm(request.form)
    username, name, email, organisation, language = (
        box.data or "" for box in (form.username, form.name, form.email, form.organisation, form.language)
    )
    try:
        with guard.write() as tx:
            account = administer.create_account(tx, username, name, email, organisation, language)
            administer.invite(tx, account)
    except Impossible as problem:
        return _new_page(form, problem), 422
    return redirect(url_for("admin.person", account=account, done="invited"), 303)


def _new_page(form: AccountForm, problem: Impossible | None = None) -> str:
    return render_template("admin/new.html", shell=shell(), crumbs=[_people()], form=form, problem=problem)


@page(blueprint, PERSON, "user.administer")
def person(account: int) -> str:
    """One account: its roles, its state, its trail."""
    return _person_page(account)


@page(blueprint, PERSON + "/invitation", "user.administer", methods=["POST"], fresh=True)
def invite(account: int) -> Response | tuple[str, int]:
    """Invite again; an earlier invitation is void when the mail is written."""
    return done_to(account, "invited", "", lambda tx: administer.invite(tx, account))


@page(blueprint, PERSON + "/state", "user.administer", methods=["POST"], fresh=True)
def set_state(account: int) -> Response | tuple[str, int]:
    """Deactivate the account or activate it again, with a reason."""
    active = request.form.get("active", "")
    if active not in ("yes", "no"):
        abort(400)
    form = ReasonForm(request.form, prefix="state-")

    def act(tx: Transaction) -> None:
        administer.set_active(tx, account, active == "yes", form.reason.data or "")

    return done_to(account, "changed", "state-", act, state=form)


@page(blueprint, PERSON + "/sessions/end", "user.administer", methods=["POST"], fresh=True)
def end_sessions(account: int) -> Response | tuple[str, int]:
    """End every session of the account, with a reason: a lost telephone, a doubt."""
    form = ReasonForm(request.form, prefix="sessions-")
    return done_to(account, "changed", "sessions-", lambda tx: prove.end_of_other(tx, account, form.reason.data or ""), ended=form)


@page(blueprint, PERSON + "/roles", "user.administer", methods=["POST"], fresh=True)
def give(account: int) -> Response | tuple[str, int]:
    """Give a role; an administrator of one study gives the roles of that study."""
    form = RoleForm(request.form)
    role, study, site = form.role.data or "", form.study.data or "", form.site.data or ""
    return done_to(account, "changed", "", lambda tx: administer.give_role(tx, account, role, study, site), _by(study), role=form)


@page(blueprint, PERSON + "/roles/<int(max=2147483647):grant>/training", "user.administer", methods=["POST"], fresh=True)
def train(account: int, grant: int) -> Response | tuple[str, int]:
    """Record the day of the training for a role; a correction needs a reason."""
    prefix = f"train-{grant}-"
    form = TrainingForm(request.form, prefix=prefix)

    def act(tx: Transaction) -> None:
        try:
            day = form.read_day(Message(N_("Give the day of the training.")))
            administer.record_training(tx, account, grant, day, form.reason.data or "")
        except Impossible as problem:
            problem.field = "on" if problem.field == "day" else problem.field
            raise

    return done_to(account, "changed", prefix, act, _by(_study_of(account, grant)), trained={grant: form})


def _study_of(account: int, grant: int) -> str:
    """The study of a role that the person holds: whoever administers only that one may change it."""
    with guard.read() as tx:
        return next((held.grant.study for held in accounts.grants_of(tx, account) if held.id == grant), EVERY_STUDY)


@page(blueprint, PERSON + "/roles/<int(max=2147483647):grant>/end", "user.administer", methods=["POST"], fresh=True)
def take(account: int, grant: int) -> Response | tuple[str, int]:
    """Take a role away, with a reason; it ends at once."""
    prefix = f"take-{grant}-"
    form = ReasonForm(request.form, prefix=prefix)

    def act(tx: Transaction) -> None:
        administer.take_role(tx, account, grant, form.reason.data or "")

    return done_to(account, "changed", prefix, act, _by(_study_of(account, grant)), taken={grant: form})


def done_to(
    account: int,
    done: str,
    prefix: str,
    act: Callable[[Transaction], None],
    by: Who | None = None,
    *,
    role: RoleForm | None = None,
    state: ReasonForm | None = None,
    taken: Mapping[int, ReasonForm] | None = None,
    trained: Mapping[int, TrainingForm] | None = None,
    ended: ReasonForm | None = None,
) -> Response | tuple[str, int]:
    """Do something to an account and go back to its page, or draw the page with the forms as they were typed and what was wrong."""
    with guard.read() as tx:
        _known(tx, account)
    try:
        with guard.write(by, account) as tx:
            act(tx)
    except Impossible as problem:
        # Several forms of the page have a box of this name: the prefix says which one is meant.
        problem.field = prefix + problem.field if problem.field else ""
        return _person_page(account, problem, role, state, taken, trained, ended), 422
    return redirect(url_for("admin.person", account=account, done=done), 303)


def _person_page(
    account: int,
    problem: Impossible | None = None,
    role: RoleForm | None = None,
    state: ReasonForm | None = None,
    taken: Mapping[int, ReasonForm] | None = None,
    trained: Mapping[int, TrainingForm] | None = None,
    ended: ReasonForm | None = None,
) -> str:
    with guard.read() as tx:
        found = _known(tx, account)
        held = accounts.grants_of(tx, account)
        open_sessions = len(sessions.of_account(tx, account, g.now))
        past = lines_of(accounts.trail(tx, account))
        with_factors = len(factors.all_of(tx, account))
        named = _named(tx)
        giving = _role_form(tx, role)
        waiting = {one.id for one in held if not accounts.in_force(tx, one.grant, one.trained_on, g.now)}
        mine = [one for one in held if _may(one.grant.study)]
        asked = {one.id for one in mine if accounts.asks_training(tx, one.grant.role, one.grant.study)}
    number = asked_page(len(past), ON_A_PAGE)
    return render_template(
        "admin/person.html",
        shell=shell(),
        crumbs=[_people()],
        who=_person(found, [one.grant for one in held], named),
        held=[
            Held(
                one.id,
                role_held(one.grant, named),
                one.trained_on,
                one.id in waiting,
                ((taken or {}).get(one.id) or ReasonForm(prefix=f"take-{one.id}-")) if _may(one.grant.study) else None,
                ((trained or {}).get(one.id) or TrainingForm(prefix=f"train-{one.id}-")) if one.id in asked else None,
            )
            for one in held
        ],
        giving=giving if found.active else None,
        factors=with_factors,
        factors_form=ReasonForm(prefix="factors-"),
        state_form=state or ReasonForm(prefix="state-"),
        sessions_form=ended or ReasonForm(prefix="sessions-"),
        open_sessions=open_sessions,
        may_all=_may_all(),
        problem=problem,
        past=past[(number - 1) * ON_A_PAGE :][:ON_A_PAGE],
        pages=pages(number, len(past), ON_A_PAGE),
    )


def _role_form(tx: Transaction, typed: RoleForm | None) -> RoleForm:
    """The form that gives a role, with the studies that the reader administers and their sites."""
    form, say = typed or RoleForm(), g.language
    form.role.choices = {"": "", **{code: say.gettext(label) for code, label in ROLES.items()}}
    mine = [one.study for one in definitions.all_of(tx) if _may(one.study.oid)]
    form.study.choices = {"": "", **_titles(mine)}
    if _may_all():
        form.study.choices[EVERY_STUDY] = say.gettext(N_("every study (administrators only)"))
    form.site.choices = {"": say.gettext(N_("every site"))}
    for one in mine:
        form.site.choices[one.oid] = {at.code: f"{at.code} {at.name}" for at in sites.all_of(tx, one.oid)}
    return form


def _titles(studies: Iterable[Study]) -> dict[str, str]:
    return {one.oid: g.language.say(Message(N_("%(field)s: %(what)s"), {"field": one.protocol, "what": one.title})) for one in studies}


@page(blueprint, "/sites", "site.administer")
def sites_page() -> str:
    """The sites of each study, and the form that creates one."""
    return _sites_page(SiteForm())


@page(blueprint, "/sites", "site.administer", methods=["POST"], endpoint="create_site")
def create_site() -> Response | tuple[str, int]:
    form = SiteForm(request.form)
    study, code, name, zone = (box.data or "" for box in (form.study, form.code, form.name, form.zone))
    try:
        with guard.write(_by(study, "site.administer")) as tx:
            administer.create_site(tx, study, code, name, zone)
    except Impossible as problem:
        return _sites_page(form, problem), 422
    return redirect(url_for("admin.sites_page", done="saved"), 303)


def _sites_page(form: SiteForm, problem: Impossible | None = None) -> str:
    with guard.read() as tx:
        mine = [one.study for one in definitions.all_of(tx) if _may(one.study.oid, "site.administer")]
        found = [(one, sites.all_of(tx, one.oid)) for one in mine]
    form.study.choices = _titles(mine)
    return render_template(
        "admin/sites.html",
        shell=shell(),
        studies=[(study, [(one, g.language.moment(g.now, one.zone)) for one in places]) for study, places in found],
        form=form if mine else None,
        zones=sorted(available_timezones()),
        problem=problem,
    )


def _named(tx: Transaction) -> dict[str, str]:
    """The studies as every other page names them."""
    return {one.study.oid: one.study.protocol for one in definitions.all_of(tx)}


def _person(one: Account, held: list[Grant], named: Mapping[str, str]) -> Person:
    state = _state(one)
    roles = tuple(role_held(grant, named) for grant in held)
    mine = one.id == g.session.actor.id
    return Person(one.id, one.username, one.name, one.email, one.organisation, state, Message(STATES[state]), one.demo, mine, roles)


def _state(one: Account) -> str:
    return "inactive" if not one.active else "active" if one.password_hash else "invited"


def _known(tx: Transaction, account: int) -> Account:
    found = accounts.by_id(tx, account)
    if found is None:
        abort(404)
    return found


def _may(study: str, verb: str = "user.administer") -> bool:
    return may(g.session.actor, verb, study)


def _may_all() -> bool:
    """Accounts belong to no study: who administers only some studies gives roles there and does nothing else to an account."""
    return _may(EVERY_STUDY)


def _by(study: str, verb: str = "user.administer") -> Who:
    """The administrator as the trail names them for this study. Raises NotAllowed where they administer another one."""
    return who(g.session.actor, verb, study or EVERY_STUDY, None, guard.address())


def _people() -> Crumb:
    return Crumb(Message(N_("People")), url_for("admin.people"))
