"""One's own account: signing in and out, password, language and theme, accepting an invitation."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, abort, current_app, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, administer, sign_in
from trialcrf.actions.reminding import choose
from trialcrf.core.access import ROLES, may
from trialcrf.core.wording import Message
from trialcrf.store import choices, definitions
from trialcrf.store.audit import Who
from trialcrf.web import guard
from trialcrf.web.fixed import FirstPasswordForm, PasswordForm, SignInForm
from trialcrf.web.frame import shell
from trialcrf.web.guard import PUBLIC, SELF, page

blueprint = Blueprint("account", __name__)


def safe_next(address: str) -> str:
    """An address of ours, or the start: never a way to another server."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return url_for("account.home")
    ours = address.startswith("/") and not address.startswith(("//", "/\\")) and not parts.netloc and not parts.scheme
    # A browser leaves out what is not printed, and may read another address then.
    return address if ours and "\\" not in address and address.isprintable() else url_for("account.home")


@page(blueprint, "/", SELF)
def home() -> Response:
    """Where a person's work is: the list of the day, or the people; a page that says so where there is none."""
    actor = g.session.actor
    with guard.read() as tx:
        studies = [published.study.oid for published in definitions.all_of(tx)]
    for needed, endpoint in (("day.read", "today.day"), ("subject.list", "subjects.matrix"), ("cell.read", "batches.listed")):
        mine = [oid for oid in studies if may(actor, needed, oid)]
        if mine:
            return redirect(url_for(endpoint, study=mine[0]) if len(mine) == 1 else url_for("account.studies"))
    if any(grant.role == "administrator" for grant in actor.grants):
        return redirect(url_for("admin.people"))
    return redirect(url_for("account.studies"))


@page(blueprint, "/studies", SELF)
def studies() -> str:
    """The studies in which the person has a role."""
    actor = g.session.actor
    with guard.read() as tx:
        found = definitions.all_of(tx)
    links = []
    for published in found:
        study = published.study
        if may(actor, "day.read", study.oid):
            links.append((study.title, study.oid, url_for("today.day", study=study.oid)))
        elif may(actor, "subject.list", study.oid):
            links.append((study.title, study.oid, url_for("subjects.matrix", study=study.oid)))
        elif may(actor, "cell.read", study.oid) and study.cells is not None:
            links.append((study.title, study.oid, url_for("batches.listed", study=study.oid)))
    return render_template("account/studies.html", shell=shell(), links=links)


@page(blueprint, "/sign-in", PUBLIC)
def sign_in_page() -> str:
    form = SignInForm(data={"next": request.args.get("next", "")})
    return _sign_in_page(form)


def _sign_in_page(form: SignInForm, problem: object = None) -> str:
    return render_template(
        "sign_in.html", shell=shell(), problem=problem, username=form.username.data, next=form.next.data, replay=False, fields=[]
    )


@page(blueprint, "/sign-in", PUBLIC, methods=["POST"])
def sign_in_post() -> Response | tuple[str, int]:
    form = SignInForm(request.form)
    try:
        signed_in = guard.check_and_begin(form.username.data or "", form.password.data or "")
    except sign_in.WrongSignIn as wrong:
        return _sign_in_page(form, wrong.message), 401
    response = redirect(safe_next(form.next.data or ""), 303)
    guard.give_cookie(response, signed_in.token)
    return response


@page(blueprint, "/sign-out", SELF, methods=["POST"])
def sign_out() -> Response:
    with guard.write() as tx:
        sign_in.end(tx, g.session)
    response = redirect(url_for("account.sign_in_page", done="out"), 303)
    guard.take_cookie(response)
    return response


@page(blueprint, "/language", PUBLIC, methods=["POST"])
def choose_language() -> Response:
    """Change one's language; before signing in it is only remembered by this browser."""
    language = request.form.get("language", "")
    response = redirect(safe_next(request.form.get("next", "")), 303)
    if language not in administer.LANGUAGES:
        return response
    if g.session is not None and request.form.get("token") == g.session.csrf:
        with guard.write(Who(g.session.actor.username, "self", g.session.actor.organisation, guard.address())) as tx:
            administer.set_preferences(tx, g.session.actor.id, language=language)
    response.set_cookie(
        "language", language, max_age=31536000, samesite="Lax", httponly=True, secure=current_app.config["SECURE_COOKIES"], path="/"
    )
    return response


@page(blueprint, "/account", SELF)
def mine() -> str:
    return _mine(PasswordForm(), None)


def _mine(form: PasswordForm, problem: Impossible | None) -> str:
    with guard.read() as tx:
        reminding = choose.reminding(tx, g.session.actor)
    return render_template(
        "account/mine.html",
        shell=shell(),
        actor=g.session.actor,
        form=form,
        problem=problem,
        themes=administer.THEMES,
        reminding=reminding,
        choices={code: Message(label) for code, label in choices.CHOICES.items()},
        roles={code: Message(name) for code, name in ROLES.items()},
    )


@page(blueprint, "/account/theme", SELF, methods=["POST"])
def choose_theme() -> Response:
    try:
        with guard.write() as tx:
            administer.set_preferences(tx, g.session.actor.id, theme=request.form.get("theme", ""))
    except Impossible:
        return redirect(url_for("account.mine"), 303)
    return redirect(url_for("account.mine", done="changed"), 303)


@page(blueprint, "/account/reminders/<study>", SELF, methods=["POST"])
def choose_reminders(study: str) -> Response:
    """How one wants to be reminded in a study that reminds one."""
    with guard.read() as tx:
        mine = {one.oid for one, _ in choose.reminding(tx, g.session.actor)}
    if study not in mine:
        abort(404)
    try:
        with guard.write() as tx:
            choose.reminders(tx, g.session.actor.id, study, request.form.get("choice", ""))
    except Impossible:
        return redirect(url_for("account.mine"), 303)
    return redirect(url_for("account.mine", done="changed"), 303)


@page(blueprint, "/account/password", SELF, methods=["POST"])
def change_password() -> Response | tuple[str, int]:
    form = PasswordForm(request.form)
    try:
        with guard.write() as tx:
            sign_in.change_password(tx, g.session.actor.id, form.old.data or "", form.new.data or "", g.session.id)
    except Impossible as problem:
        return _mine(form, problem), 422
    return redirect(url_for("account.mine", done="password"), 303)


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
