"""Step-up: what would hurt most in other hands asks for the password again where the last proof is old, and goes on with what was typed."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, current_app, g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from trialcrf.actions import prove, sign
from trialcrf.actions.prove import WrongProof
from trialcrf.actions.sign import Proof
from trialcrf.store.audit import Who
from trialcrf.web import guard, held_back
from trialcrf.web.account import by_hospital_alone, safe_next
from trialcrf.web.frame import shell
from trialcrf.web.guard import SAFE, SELF, page

blueprint = Blueprint("step_up", __name__)

BOX = "proof_password"
"""The box of the proof; a page that has a box `password` of its own is proved by that one, so nobody types it twice."""


BY_PASSWORD = frozenset(
    {"account.begin_codes", "account.begin_passkey", "account.renew_recovery", "account.revoke_factor", "account.change_email"}
)
"""Routes that ask for the password in a box of their own: of whoever has none, the hospital's sign-in is asked in its place."""


def look() -> AnyResponse | None:
    """Before a view that needs a fresh proof: let it pass, or ask for the password on a page that carries every field along."""
    if request.endpoint is None or g.session is None or current_app.config["ARCHIVE"] or g.session.fresh(g.now):
        return None
    if not (guard.needs_fresh(request.endpoint) or (request.endpoint in BY_PASSWORD and by_hospital_alone())):
        return None
    box = "password" if "password" in request.form else BOX
    typed, problem = request.form.get(box, ""), None
    if typed:
        try:
            _prove(typed)
        except WrongProof as wrong:
            problem = wrong
        else:
            return None
    return make_response(_asked(box, problem), 401)


def _prove(password: str) -> None:
    """Check the password; the session then goes on, fresh, under a new token. Raises WrongProof, which is counted."""
    actor = g.session.actor
    try:
        with guard.read() as tx:
            prove.by_password(tx, actor, password, guard.address(), g.now)
    except WrongProof:
        with guard.write(Who.nobody()) as tx:
            prove.note_wrong(tx, actor, guard.address())
        raise
    guard.renew()


def signer(password: str | None) -> Proof:
    """Check the password that a signature asks for; the session then goes on, fresh, under a new token, signed or not (ASVS 7.2.4).

    Raises sign.WrongPassword, which the shell puts into the trail, and WrongProof.
    """
    with guard.read() as tx:
        proof = sign.reauthenticate(tx, g.session.actor, password or "", guard.address(), g.now)
    guard.renew()
    return proof


def _asked(box: str, problem: WrongProof | None) -> str:
    """The page in place of what was asked for. A file is fetched, and a page read, after a detour that proves and leads back."""
    here = request.full_path.rstrip("?")
    reading = request.method in SAFE
    return render_template(
        "step_up.html",
        # The language is chosen on a page that can be read again: this one cannot, where something was sent.
        shell=replace(shell(), here=here if reading else url_for("account.home")),
        address=url_for("step_up.prove_") if reading else here,
        fields=[("next", here)] if reading else held_back.fields(),
        box=box,
        problem=problem,
        hospital=current_app.config["HOSPITAL"] if by_hospital_alone() else "",
        reading=reading,
    )


@page(blueprint, "/account/proof", SELF, methods=["POST"], fresh=True)
def prove_() -> AnyResponse:
    """Whoever comes here has proved who they are: back to what they wanted to read."""
    return redirect(safe_next(request.form.get("next", "")), 303)
