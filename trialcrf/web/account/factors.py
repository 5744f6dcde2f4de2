"""One's own factors: one-time codes of an app, passkeys, recovery codes; and the door that leads here whoever lacks one."""

from __future__ import annotations

from pathlib import Path

from flask import current_app, g, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible
from trialcrf.actions.signing_in import demands, own_factors
from trialcrf.core.wording import N_, Message
from trialcrf.external import qr
from trialcrf.external.webauthn import Here
from trialcrf.store import factors as stored
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard, held_back
from trialcrf.web.account import blueprint, by_hospital_alone, confirm_person, frame, going_on
from trialcrf.web.fixed import CodeForm, FactorForm, NameForm, ProofForm
from trialcrf.web.guard import SAFE, SELF, page

ONE = "/account/factors/<int(max=2147483647):number>"

SETTING_UP = frozenset(
    {
        "account.factors", "account.begin_codes", "account.codes", "account.confirm_codes", "account.begin_passkey", "account.add_passkey",
        "account.sign_out", "hospital.prove",
    }
)  # fmt: skip
"""All that is open to somebody whose role needs a second factor, as long as there is none."""

FACTOR_FIRST = N_(
    "Your role asks for a second factor now. Set one up on the page that opens beside this one, then go on here: what was typed is kept."
)
PASSWORD_FIRST = N_(
    "The study asks for a newer password. Change it on the page that opens beside this one, then go on here: what was typed is kept."
)
SET_UP = N_("Set up a second factor (in a new window)")
CHANGE = N_("Change the password (in a new window)")


def demanded(tx: Transaction) -> Response | None:
    """Before anything is opened: whoever lacks a second factor that is asked of them is led to where one is set up."""
    if g.session.demo or request.endpoint in SETTING_UP:
        return None
    if not demands.lacks_factor(tx, g.session.actor, current_app.config["ADMIN_SECOND_FACTOR"]):
        return None
    if request.method in SAFE:
        return redirect(url_for("account.factors"), 303)
    return held_back.answer(Message(FACTOR_FIRST), 403, held_back.Way(url_for("account.factors"), Message(SET_UP)))


def look() -> Response | None:
    """Before the pages of a study: whoever has a password that is too old for it is led to where it is changed."""
    session, place = g.get("session"), g.get("place")
    if session is None or session.demo or place is None or place.published is None or current_app.config["ARCHIVE"]:
        return None
    with guard.read() as tx:
        if not demands.password_too_old(tx, session.actor, place.published.study, g.now):
            return None
    where = url_for("account.mine", done="old_password", _anchor="new-password")
    if request.method in SAFE:
        return redirect(where, 303)
    return held_back.answer(Message(PASSWORD_FIRST), 403, held_back.Way(where, Message(CHANGE)))


def _key_file() -> Path:
    return going_on.place().key_file


def _here() -> Here:
    return going_on.place().here


@page(blueprint, "/account/factors", SELF)
def factors() -> str:
    return _page()


def _page(problem: Impossible | None = None, prefix: str = "", **typed: FactorForm | ProofForm | NameForm) -> str:
    """The list with its forms. Several of them have a box of one name: the prefix says which one a problem is about."""
    if problem is not None and problem.field:
        problem.field = prefix + problem.field
    actor = g.session.actor
    with guard.read() as tx:
        held = stored.all_of(tx, actor.id)
        left = stored.codes_left(tx, actor.id)
        needed = demands.needs_factor(tx, actor, current_app.config["ADMIN_SECOND_FACTOR"]) and not g.session.demo
    return render_template(
        "account/factors.html",
        shell=frame("account.factors", alone=needed and not held),
        held=[(one, NameForm(prefix=f"name-{one.id}-", data={"name": one.name}), ProofForm(prefix=f"revoke-{one.id}-")) for one in held],
        left=left,
        needed=needed,
        with_password=not by_hospital_alone(),
        problem=problem,
        app=typed.get("app") or FactorForm(prefix="app-"),
        key=typed.get("key") or FactorForm(prefix="key-"),
        renewing=ProofForm(prefix="codes-"),
    )


@page(blueprint, "/account/codes", SELF, methods=["POST"])
def begin_codes() -> Response | tuple[str, int]:
    """A key for an authenticator app."""
    form = FactorForm(request.form, prefix="app-")
    try:
        confirm_person(form.password.data or "")
        with guard.write() as tx:
            own_factors.begin_codes(tx, g.session.actor.id, form.name.data or "", _key_file())
    except Impossible as problem:
        return _page(problem, "app-", app=form), 422
    return redirect(url_for("account.codes"), 303)


@page(blueprint, "/account/codes", SELF)
def codes() -> Response | str:
    """The key as a square symbol and as text, until its first code was typed."""
    return _codes_page(CodeForm())


def _codes_page(form: CodeForm, problem: Impossible | None = None) -> Response | str:
    actor = g.session.actor
    with guard.read() as tx:
        found = own_factors.waiting_codes(tx, actor.id, actor.username, _key_file(), g.now)
    if found is None:
        return redirect(url_for("account.factors"), 303)
    title = g.language.gettext(N_("Square symbol of the key, for the app"))
    symbol = Markup(qr.svg(found.uri, title))
    return render_template(
        "account/codes.html",
        shell=frame("account.codes", alone=True),
        key=found.key,
        uri=found.uri,
        symbol=symbol,
        form=form,
        problem=problem,
    )


@page(blueprint, "/account/codes/confirm", SELF, methods=["POST"])
def confirm_codes() -> Response | str | tuple[Response | str, int]:
    form = CodeForm(request.form)
    try:
        with guard.write() as tx:
            fresh = own_factors.confirm_codes(tx, g.session.actor.id, form.code.data or "", _key_file(), g.now)
    except Impossible as problem:
        shown = _codes_page(form, problem)
        return (shown, 422) if isinstance(shown, str) else shown
    return _recovery(fresh)


@page(blueprint, "/account/passkeys", SELF, methods=["POST"])
def begin_passkey() -> str | tuple[str, int]:
    """Ask the browser to make a passkey."""
    form, actor = FactorForm(request.form, prefix="key-"), g.session.actor
    try:
        confirm_person(form.password.data or "")
        with guard.write() as tx:
            step = own_factors.begin_passkey(tx, actor.id)
        with guard.read() as tx:
            asked = own_factors.passkey_asked(tx, actor.id, step, _here(), g.now)
    except Impossible as problem:
        return _page(problem, "key-", key=form), 422
    return render_template(
        "account/new_passkey.html", shell=frame("account.factors", alone=True), step=step, asked=asked, name=form.name.data or ""
    )


@page(blueprint, "/account/passkeys/made", SELF, methods=["POST"])
def add_passkey() -> Response | str | tuple[str, int]:
    step, answer, name = (request.form.get(box, "") for box in ("step", "passkey", "name"))
    try:
        with guard.write() as tx:
            fresh = own_factors.add_passkey(tx, g.session.actor.id, step, answer, name, _here(), g.now)
    except Impossible as problem:
        return _page(problem, "key-"), 422
    return _recovery(fresh)


def _recovery(fresh: tuple[str, ...]) -> Response | str:
    """Recovery codes are shown once, in the answer to what made them."""
    if not fresh:
        return redirect(url_for("account.factors", done="factor"), 303)
    return render_template("account/recovery.html", shell=frame("account.factors", alone=True), codes=fresh)


@page(blueprint, "/account/recovery", SELF, methods=["POST"])
def renew_recovery() -> Response | str | tuple[str, int]:
    form = ProofForm(request.form, prefix="codes-")
    try:
        confirm_person(form.password.data or "")
        with guard.write() as tx:
            if not stored.any_of(tx, g.session.actor.id):
                raise Impossible(Message(N_("Recovery codes stand for a second factor: set one up first.")))
            fresh = own_factors.fresh_codes(tx, g.session.actor.id)
    except Impossible as problem:
        return _page(problem, "codes-"), 422
    return _recovery(fresh)


@page(blueprint, ONE + "/name", SELF, methods=["POST"])
def rename_factor(number: int) -> Response | tuple[str, int]:
    prefix = f"name-{number}-"
    form = NameForm(request.form, prefix=prefix)
    try:
        with guard.write() as tx:
            own_factors.rename(tx, g.session.actor.id, number, form.name.data or "")
    except Impossible as problem:
        return _page(problem, prefix), 422
    return redirect(url_for("account.factors", done="changed"), 303)


@page(blueprint, ONE + "/revoke", SELF, methods=["POST"])
def revoke_factor(number: int) -> Response | tuple[str, int]:
    prefix, actor = f"revoke-{number}-", g.session.actor
    form = ProofForm(request.form, prefix=prefix)
    try:
        confirm_person(form.password.data or "")
        with guard.write() as tx:
            demanded = demands.needs_factor(tx, actor, current_app.config["ADMIN_SECOND_FACTOR"]) and not g.session.demo
            own_factors.revoke(tx, actor.id, number, demanded)
    except Impossible as problem:
        return _page(problem, prefix), 422
    return redirect(url_for("account.factors", done="factor_revoked"), 303)
