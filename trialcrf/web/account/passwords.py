"""The first password of an invited person, and a new one for who forgot theirs."""

from __future__ import annotations

from collections.abc import Callable

from flask import g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, administer
from trialcrf.actions.signing_in import resets
from trialcrf.store.audit import Who
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.account import blueprint, frame
from trialcrf.web.fixed import FirstPasswordForm, ForgottenForm
from trialcrf.web.frame import shell
from trialcrf.web.guard import PUBLIC, page


@page(blueprint, "/invitation/<invitation>", PUBLIC)
def invitation_page(invitation: str) -> str:
    return _choosing(FirstPasswordForm())


@page(blueprint, "/invitation/<invitation>", PUBLIC, methods=["POST"])
def accept(invitation: str) -> Response | tuple[str, int]:
    return _chosen("invited", lambda tx, password: administer.accept_invitation(tx, invitation, password, g.now))


@page(blueprint, "/forgotten", PUBLIC)
def forgotten() -> str:
    return render_template("account/forgotten.html", shell=frame("account.forgotten"), form=ForgottenForm(), asked=False)


@page(blueprint, "/forgotten", PUBLIC, methods=["POST"])
def ask_reset() -> str:
    """The same answer to everybody: whether there is such an account is told by its mail alone."""
    form = ForgottenForm(request.form)
    with guard.write(Who.nobody()) as tx:
        resets.ask(tx, form.who.data or "", guard.address())
    return render_template("account/forgotten.html", shell=frame("account.forgotten"), form=form, asked=True)


@page(blueprint, "/reset/<link>", PUBLIC)
def reset_page(link: str) -> str:
    return _choosing(FirstPasswordForm())


@page(blueprint, "/reset/<link>", PUBLIC, methods=["POST"])
def reset(link: str) -> Response | tuple[str, int]:
    return _chosen("forgot", lambda tx, password: resets.reset(tx, link, password, g.now))


# --- What both of them are ---------------------------------------------------------------------------------------------------


def _choosing(form: FirstPasswordForm, problem: Impossible | None = None) -> str:
    """The page on which whoever came by a link of a mail chooses a password. Nothing on it says of what kind the link is, or was."""
    return render_template("account/choose_password.html", shell=shell(), form=form, problem=problem)


def _chosen(who: str, act: Callable[[Transaction, str], object]) -> Response | tuple[str, int]:
    """Set the password by the link, and lead to the sign-in page; or the page again, with what is wrong."""
    form = FirstPasswordForm(request.form)
    try:
        with guard.write(Who(who, "self", "", guard.address())) as tx:
            act(tx, form.new.data or "")
    except Impossible as problem:
        return _choosing(form, problem), 422
    return redirect(url_for("account.sign_in_page", done="welcome"), 303)
