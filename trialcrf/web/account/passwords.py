"""The first password of an invited person, and a new one for who forgot theirs."""

from __future__ import annotations

from flask import g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, administer
from trialcrf.actions.signing_in import resets
from trialcrf.store.audit import Who
from trialcrf.web import guard
from trialcrf.web.account import blueprint, frame
from trialcrf.web.fixed import FirstPasswordForm, ForgottenForm
from trialcrf.web.frame import shell
from trialcrf.web.guard import PUBLIC, page


@page(blueprint, "/invitation/<invitation>", PUBLIC)
def invitation_page(invitation: str) -> str:
    return render_template("account/invitation.html", shell=shell(), form=FirstPasswordForm(), problem=None)


@page(blueprint, "/invitation/<invitation>", PUBLIC, methods=["POST"])
def accept(invitation: str) -> Response | tuple[str, int]:
    form = FirstPasswordForm(request.form)
    try:
        with guard.write(Who("invited", "self", "", guard.address())) as tx:
            administer.accept_invitation(tx, invitation, form.new.data or "", g.now)
    except Impossible as problem:
        return render_template("account/invitation.html", shell=shell(), form=form, problem=problem), 422
    return redirect(url_for("account.sign_in_page", done="welcome"), 303)


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
    return render_template("account/invitation.html", shell=shell(), form=FirstPasswordForm(), problem=None)


@page(blueprint, "/reset/<link>", PUBLIC, methods=["POST"])
def reset(link: str) -> Response | tuple[str, int]:
    form = FirstPasswordForm(request.form)
    try:
        with guard.write(Who("forgot", "self", "", guard.address())) as tx:
            resets.reset(tx, link, form.new.data or "", g.now)
    except Impossible as problem:
        return render_template("account/invitation.html", shell=shell(), form=form, problem=problem), 422
    return redirect(url_for("account.sign_in_page", done="welcome"), 303)
