"""The hospital's sign-in on the pages: led there, come back, and the pages that link an account with it. Off where no provider is set."""

from __future__ import annotations

import secrets

from flask import Blueprint, abort, current_app, g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from config import Settings
from trialcrf.actions import Impossible, hospital
from trialcrf.actions.hospital import LASTS, NoWayIn
from trialcrf.actions.sign_in import who_signs_in
from trialcrf.actions.signing_in import second
from trialcrf.core.wording import N_, Message
from trialcrf.external.openid import Client, Identity, Provider, Refused, Unreachable
from trialcrf.store import accounts
from trialcrf.store import hospital as links
from trialcrf.store.audit import Who
from trialcrf.store.hospital import Try
from trialcrf.web import guard
from trialcrf.web.account import safe_next
from trialcrf.web.account.signing_in import second_page
from trialcrf.web.frame import shell
from trialcrf.web.guard import PUBLIC, SELF, page
from trialcrf.web.page import Crumb

blueprint = Blueprint("hospital", __name__)

BACK, MINE = "/hospital/back", "/account/hospital"

NO_ANSWER = N_("The sign-in of the hospital does not answer as it should. Try again later, or sign in with your password.")
GIVEN_UP = N_("The hospital let nobody in. Try again, or sign in with your password.")


def provider_of(settings: Settings) -> Provider | None:
    """The hospital's provider as the settings name it; None where nobody signs in by it."""
    if not settings.oidc_issuer:
        return None
    back = settings.base_url + BACK
    return Provider(Client(settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret, back, settings.oidc_acr))


def _provider() -> Provider:
    found: Provider | None = current_app.extensions["trialcrf.hospital"]
    if found is None:
        abort(404)
    return found


def _cookie() -> str:
    return guard.cookie_name() + "-hospital"


@page(blueprint, "/hospital", PUBLIC, methods=["POST"])
def begin() -> Response | tuple[str, int]:
    """Lead somebody who is not signed in to the hospital, with the code of an administrator where they have one."""
    return _led(request.form.get("next", ""), code=request.form.get("code", "").strip())


@page(blueprint, MINE + "/link", SELF, methods=["POST"], fresh=True)
def link() -> Response | tuple[str, int]:
    """Lead the owner of an account to the hospital, to link it with who they are there."""
    return _led("", links_account_id=g.session.actor.id)


@page(blueprint, "/account/proof/hospital", SELF, methods=["POST"])
def prove() -> Response | tuple[str, int]:
    """Lead whoever is signed in, and has no password, to the hospital, to show there anew who they are."""
    return _led(request.form.get("next", ""), proves=g.session.actor.id)


def _led(next_: str, links_account_id: int | None = None, code: str = "", proves: int | None = None) -> Response | tuple[str, int]:
    """A page that leads to the hospital. Not a redirect: a form of ours may lead nowhere else, and the browsers hold it to that."""
    provider, secret, address = _provider(), secrets.token_urlsafe(32), guard.address()
    try:
        with guard.read() as tx:
            hospital.check_tries(tx, address, g.now)
        with guard.write(Who.nobody()) as tx:
            one = hospital.begin(tx, secret, next_, links_account_id, code, proves)
        guard.end_view()
        where = provider.address(one, g.now, anew=proves is not None)
    except NoWayIn as refused:
        return _refused(refused)
    except Unreachable:
        return _nothing(Message(NO_ANSWER), 503)
    response = make_response(render_template("hospital/leaving.html", shell=shell(), where=where, name=current_app.config["HOSPITAL"]))
    response.headers["Refresh"] = f"0; url={where}"
    secure = current_app.config["SECURE_COOKIES"]
    response.set_cookie(_cookie(), secret, max_age=int(LASTS.total_seconds()), httponly=True, samesite="Lax", secure=secure, path="/")
    return response


@page(blueprint, BACK, PUBLIC)
def back() -> Response | tuple[str, int]:
    """Come back from the hospital: what it says is believed or refused, and then opens or links one account."""
    provider, address = _provider(), guard.address()
    try:
        with guard.read() as tx:
            hospital.check_tries(tx, address, g.now)
        with guard.write(Who.nobody()) as tx:
            one, secrets_ = hospital.take(tx, request.args.get("state", ""), request.cookies.get(_cookie(), ""))
        if request.args.get("iss", provider.client.issuer) != provider.client.issuer:
            raise hospital.refused("issuer")
        if "error" in request.args:
            return _nothing(Message(GIVEN_UP), 401)
        guard.end_view()  # The hospital may take seconds: no transaction is open meanwhile.
        identity = provider.identity(request.args.get("code", ""), secrets_, g.now)
        response = _opened(one, identity, address)
    except Refused as lie:
        return _refused(hospital.refused(lie.why))
    except NoWayIn as refused:
        return _refused(refused)
    except Unreachable:
        return _nothing(Message(NO_ANSWER), 503)
    response.delete_cookie(_cookie(), path="/", secure=current_app.config["SECURE_COOKIES"], httponly=True, samesite="Lax")
    return response


def _opened(one: Try, identity: Identity, address: str) -> Response:
    """What a proved identity opens: a link for whoever is signed in, else a session or the second step before it. Raises NoWayIn."""
    mine = g.session.actor.id if g.session is not None else None
    if one.links_account_id is not None and one.code_id is None:
        by = Who(g.session.actor.username, "self", g.session.actor.organisation, address) if g.session is not None else Who.nobody()
        if one.proves:
            with guard.write(by) as tx:
                g.fresh_token = hospital.prove(tx, one, identity, g.session, address)
            return redirect(safe_next(one.next), 303)
        with guard.write(by) as tx:
            hospital.link(tx, one, identity, mine)
        return redirect(url_for("hospital.mine", done="hospital_linked"), 303)
    demo_allowed = bool(current_app.config["LOOPBACK"]) and address in ("127.0.0.1", "::1")
    with guard.read() as tx:
        account_id = one.links_account_id if one.links_account_id is not None else hospital.account_of(tx, identity, demo_allowed)
        by = who_signs_in(tx, account_id, address)
    with guard.write(by) as tx:
        if one.links_account_id is not None:
            hospital.link(tx, one, identity, mine)
            hospital.account_of(tx, identity, demo_allowed)
        if hospital.asks_more(tx, account_id, identity):
            step = second.begin_step(tx, account_id, by_hospital=True)
        else:
            step, signed_in = "", hospital.sign_in_by(tx, account_id, address)
    if step:
        return make_response(second_page(one.next, step))
    response = redirect(safe_next(one.next), 303)
    guard.give_cookie(response, signed_in.token)
    return response


def _refused(refused: NoWayIn) -> tuple[str, int]:
    """Tell the person, and put a lie into the trail."""
    if refused.why:
        with guard.write(Who.nobody()) as tx:
            hospital.note_refusal(tx, refused.why, guard.address())
    return _nothing(refused.message, 401)


def _nothing(said: Message, status: int) -> tuple[str, int]:
    return render_template("hospital/refused.html", shell=shell(), said=said, name=current_app.config["HOSPITAL"]), status


@page(blueprint, MINE, SELF)
def mine() -> str:
    """Whether one's account is linked with the hospital, and what that opens and does not."""
    return _mine(None)


@page(blueprint, MINE + "/end", SELF, methods=["POST"], fresh=True)
def unlink() -> Response | tuple[str, int]:
    _provider()
    try:
        with guard.write() as tx:
            hospital.unlink(tx, g.session.actor.id)
    except Impossible as problem:
        return _mine(problem), 422
    return redirect(url_for("hospital.mine", done="hospital_unlinked"), 303)


def _mine(problem: Impossible | None) -> str:
    _provider()
    with guard.read() as tx:
        held = links.link_of(tx, g.session.actor.id)
        account = accounts.by_id(tx, g.session.actor.id)
    return render_template(
        "hospital/mine.html",
        shell=shell(),
        crumbs=[Crumb(Message(N_("My account")), url_for("account.mine"))],
        name=current_app.config["HOSPITAL"],
        held=held,
        with_password=bool(account and account.password_hash),
        problem=problem,
    )


@page(blueprint, "/people/<int(max=2147483647):account>/hospital-code", "user.administer", methods=["POST"], fresh=True)
def code(account: int) -> str | tuple[str, int]:
    """Make a code by which a person links their account; it is shown once."""
    _provider()
    made, problem = "", None
    with guard.read() as tx:
        found = accounts.by_id(tx, account)
    if found is None:
        abort(404)
    try:
        with guard.write() as tx:
            made = hospital.new_code(tx, account)
    except Impossible as refused:
        problem = refused
    crumbs = [Crumb(Message(N_("People")), url_for("admin.people")), Crumb(found.name, url_for("admin.person", account=account))]
    values = {"crumbs": crumbs, "who": found, "code": made, "problem": problem, "name": current_app.config["HOSPITAL"]}
    return render_template("hospital/code.html", shell=shell(), **values), 422 if problem else 200
