"""The steps of a sign-in as pages take them, also in the midst of a save whose session ended: nothing that was typed is lost."""

from __future__ import annotations

from pathlib import Path

from flask import current_app, g, make_response, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from trialcrf.actions import sign_in
from trialcrf.actions.signing_in import second
from trialcrf.actions.signing_in.second import Answer, Asked, Place
from trialcrf.core.wording import Message
from trialcrf.external.language import Language
from trialcrf.external.strongbox import KEY_FILE
from trialcrf.external.webauthn import Here
from trialcrf.store import factors, sessions
from trialcrf.store.audit import Who
from trialcrf.web import guard

CARRIED_NAMES = ("sign_in_username", "sign_in_password", "sign_in_step", "sign_in_code", "sign_in_passkey")
"""A save that outlived its session brings these along: it signs in, in one step or in two, and goes through."""


def go_on() -> AnyResponse | None:
    """A save whose session ended: ask to sign in, carrying every field along through both steps; then it goes through."""
    username, password, step, code, passkey = (request.form.get(name, "") for name in CARRIED_NAMES)
    problem, asked = None, None
    if username or password or step:
        try:
            begun = check_step(step, Answer(code, passkey)) if step else check_and_begin(username, password)
        except sign_in.WrongSignIn as wrong:
            problem, asked = wrong.message, asked_by(step) if step else None
        else:
            if isinstance(begun, sign_in.SignedIn):
                g.fresh_token = begun.token
                with guard.read() as tx:
                    g.session = sessions.find(tx, sign_in.hash_of(begun.token), g.now)
                    g.language = Language(current_app.config["PSEUDO"] or g.session.language)
                    elsewhere: AnyResponse | None = current_app.extensions["trialcrf.demands"](tx)
                    if elsewhere is None:
                        guard.find_place(tx, guard.needed_by(request.endpoint or ""))
                return elsewhere
            asked = begun
    fields = [(name, value) for name, values in request.form.lists() for value in values if name not in (*CARRIED_NAMES, "token")]
    page = render_template(
        "sign_in.html",
        shell=current_app.extensions["trialcrf.shell"](),
        replay=True,
        fields=fields,
        problem=problem,
        username=username,
        asked=asked,
    )
    return make_response(page, 401)


def place() -> Place:
    """Where a sign-in happens, for whatever proves more than a password."""
    here, demo = Here.of(current_app.config["BASE_URL"]), bool(current_app.config["LOOPBACK"]) and guard.address() in ("127.0.0.1", "::1")
    return Place(guard.address(), here, Path(current_app.config["DATA"]) / KEY_FILE, demo)


def check_and_begin(username: str, password: str) -> sign_in.SignedIn | Asked:
    """Check a password outside any write transaction (it takes its time), then open the session, or ask for what else is needed.

    Raises WrongSignIn.
    """
    where = place()
    try:
        with guard.read() as tx:
            account_id = sign_in.check_password(tx, username, password, guard.address(), g.now, where.demo_allowed)
            again = sign_in.rehashed(tx, account_id, password)
    except sign_in.WrongSignIn:
        with guard.write(Who.nobody()) as tx:
            sign_in.note_failure(tx, username, guard.address())
        raise
    with guard.read() as tx:
        by, more = sign_in.who_signs_in(tx, account_id, guard.address()), factors.any_of(tx, account_id)
    with guard.write(by) as tx:
        if again is not None:
            sign_in.keep_rehashed(tx, account_id, again)
        if not more:
            return sign_in.begin(tx, account_id, guard.address())
        step = second.begin_step(tx, account_id)
    with guard.read() as tx:
        return second.asked(tx, step, where, g.now)


def check_step(step: str, answer: Answer) -> sign_in.SignedIn:
    """Check the second step of a sign-in, and open the session. Raises WrongSignIn; a wrong answer is counted."""
    with guard.read() as tx:
        by = sign_in.who_signs_in(tx, second.whose(tx, step, g.now), guard.address())
    with guard.write(by) as tx:
        done = second.finish(tx, step, answer, place(), g.now)
    if isinstance(done, Message):
        raise sign_in.WrongSignIn(done)
    return done


def asked_by(step: str) -> Asked | None:
    """What this step asks; None where it is over, and the person begins again."""
    try:
        with guard.read() as tx:
            return second.asked(tx, step, place(), g.now)
    except sign_in.WrongSignIn:
        return None
