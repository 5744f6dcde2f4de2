"""Signing in again over a page whose session ended: its dialog asks here, so that the page and what is typed in it stay where they are."""

from __future__ import annotations

from typing import Any

from flask import g, jsonify, request
from flask.typing import ResponseReturnValue

from trialcrf.actions import sign_in
from trialcrf.actions.sign_in import SignedIn
from trialcrf.actions.signing_in.second import Answer, Asked
from trialcrf.core.wording import N_, Message
from trialcrf.store import sessions
from trialcrf.store.audit import Who
from trialcrf.web import guard
from trialcrf.web.account import blueprint, going_on
from trialcrf.web.guard import PUBLIC, page

OF_SOMEBODY_ELSE = N_("This page is somebody else’s: only who typed in it can save it.")


@page(blueprint, "/sign-in/over", PUBLIC, methods=["POST"])
def over() -> ResponseReturnValue:
    """One step of it, answered as JSON: a problem (401), what is asked next (202), or the token that the page goes on with (200).

    `whose` is the account that the page was drawn for. Whoever else signs in there is refused (409): the words on it are not theirs.
    """
    step = request.form.get("step", "")
    begun: SignedIn | Asked
    try:
        if step:
            begun = going_on.check_step(step, Answer(request.form.get("code", ""), request.form.get("passkey", "")))
        else:
            begun = going_on.check_and_begin(request.form.get("username", ""), request.form.get("password", ""))
    except sign_in.WrongSignIn as wrong:
        return jsonify(problem=g.language.say(wrong.message), **_next(going_on.asked_by(step) if step else None)), 401
    if not isinstance(begun, SignedIn):
        return jsonify(**_next(begun)), 202
    with guard.read() as tx:
        session = sessions.find(tx, sign_in.hash_of(begun.token), g.now)
    assert session is not None, "it was begun by this request"
    if str(session.actor.id) != request.form.get("whose", ""):
        with guard.write(Who.nobody()) as tx:
            sign_in.end(tx, session)
        return jsonify(problem=g.language.say(Message(OF_SOMEBODY_ELSE))), 409
    response = jsonify(token=session.csrf)
    guard.give_cookie(response, begun.token)
    return response


def _next(asked: Asked | None) -> dict[str, Any]:
    if asked is None:
        return {}
    return {"step": asked.token, "passkey": asked.passkey, "codes": asked.codes, "recovery": asked.recovery}
