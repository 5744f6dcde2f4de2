"""Signing in and out: name and password, then a second factor where there is one; or a passkey in place of both."""

from __future__ import annotations

from flask import g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import sign_in
from trialcrf.actions.sign_in import SignedIn
from trialcrf.actions.signing_in import second
from trialcrf.actions.signing_in.second import Answer, Asked
from trialcrf.core.wording import Message
from trialcrf.store.audit import Who
from trialcrf.web import guard
from trialcrf.web.account import blueprint, frame, going_on, safe_next
from trialcrf.web.fixed import SignInForm
from trialcrf.web.guard import PUBLIC, SELF, page


@page(blueprint, "/sign-in", PUBLIC)
def sign_in_page() -> str:
    return _page(request.args.get("next", ""))


def _page(after: str, problem: Message | None = None, username: str = "", asked: Asked | None = None) -> str:
    return render_template(
        "sign_in.html",
        shell=frame("account.sign_in_page"),
        problem=problem,
        username=username,
        next=safe_next(after) if after else "",
        replay=False,
        fields=[],
        asked=asked,
    )


def second_page(after: str, step: str) -> str:
    """What the second step asks of whom another house has let through its first one."""
    return _page(after, asked=going_on.asked_by(step))


@page(blueprint, "/sign-in", PUBLIC, methods=["POST"])
def sign_in_post() -> Response | tuple[str, int] | str:
    form = SignInForm(request.form)
    after, username = form.next.data or "", form.username.data or ""
    try:
        begun = going_on.check_and_begin(username, form.password.data or "")
    except sign_in.WrongSignIn as wrong:
        return _page(after, wrong.message, username), 401
    return _signed_in(begun, after) if isinstance(begun, SignedIn) else _page(after, asked=begun)


@page(blueprint, "/sign-in/second", PUBLIC, methods=["POST"])
def second_step() -> Response | tuple[str, int]:
    """The second factor after a right password."""
    after, step = request.form.get("next", ""), request.form.get("step", "")
    try:
        begun = going_on.check_step(step, Answer(request.form.get("code", ""), request.form.get("passkey", "")))
    except sign_in.WrongSignIn as wrong:
        return _page(after, wrong.message, asked=going_on.asked_by(step)), 401
    return _signed_in(begun, after)


@page(blueprint, "/sign-in/passkey", PUBLIC, methods=["POST"])
def passkey() -> str:
    """Ask the browser for a passkey, whosever it is: nothing was typed, so nothing is told of any account."""
    with guard.write(Who.nobody()) as tx:
        step = second.begin_alone(tx)
    with guard.read() as tx:
        asked = second.asked_alone(tx, step, going_on.place(), g.now)
    return render_template(
        "account/passkey.html", shell=frame("account.sign_in_page"), step=step, asked=asked, next=request.form.get("next", "")
    )


@page(blueprint, "/sign-in/passkey/proof", PUBLIC, methods=["POST"])
def passkey_proof() -> Response | tuple[str, int]:
    after, answer = request.form.get("next", ""), request.form.get("passkey", "")
    with guard.read() as tx:
        account = second.whose_alone(tx, answer)
        by = sign_in.who_signs_in(tx, account, guard.address()) if account is not None else Who.nobody()
    with guard.write(by) as tx:
        done = second.finish_alone(tx, request.form.get("step", ""), answer, going_on.place(), g.now)
    return _signed_in(done, after) if isinstance(done, SignedIn) else (_page(after, done), 401)


def _signed_in(begun: SignedIn, after: str) -> Response:
    response = redirect(safe_next(after), 303)
    guard.give_cookie(response, begun.token)
    return response


@page(blueprint, "/sign-out", SELF, methods=["POST"])
def sign_out() -> Response:
    with guard.write() as tx:
        sign_in.end(tx, g.session)
    response = redirect(url_for("account.sign_in_page", done="out"), 303)
    guard.take_cookie(response)
    return response
