"""One's own account: where one's work is, language, appearance, reminders, password and e-mail address."""

from __future__ import annotations

from flask import abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, administer, sign_in
from trialcrf.actions.reminding import choose
from trialcrf.actions.signing_in import resets
from trialcrf.core.access import ROLES, may
from trialcrf.core.wording import Message
from trialcrf.external.language import Language
from trialcrf.store import accounts, choices, definitions, factors
from trialcrf.store.audit import Who
from trialcrf.web import guard
from trialcrf.web.account import blueprint, confirm_person, frame, safe_next
from trialcrf.web.fixed import EmailForm, PasswordForm
from trialcrf.web.frame import shell
from trialcrf.web.guard import PUBLIC, SELF, page


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
            links.append((study.title, study.protocol, url_for("today.day", study=study.oid)))
        elif may(actor, "subject.list", study.oid):
            links.append((study.title, study.protocol, url_for("subjects.matrix", study=study.oid)))
        elif may(actor, "cell.read", study.oid) and study.cells is not None:
            links.append((study.title, study.protocol, url_for("batches.listed", study=study.oid)))
    return render_template("account/studies.html", shell=shell(), links=links)


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
        g.language = Language(language)
    if g.session is None:
        guard.remember(response, language)
    return response


@page(blueprint, "/account", SELF)
def mine() -> str:
    return _mine()


def _mine(problem: Impossible | None = None, form: PasswordForm | None = None, email: EmailForm | None = None) -> str:
    with guard.read() as tx:
        reminding = choose.reminding(tx, g.session.actor)
        found = accounts.by_id(tx, g.session.actor.id)
        known = {one.study.oid: one.study.protocol for one in definitions.all_of(tx)}
        held = len(factors.all_of(tx, g.session.actor.id))
    return render_template(
        "account/mine.html",
        shell=frame("account.mine"),
        actor=g.session.actor,
        address=found.email if found else "",
        held=held,
        form=form or PasswordForm(),
        email=email or EmailForm(),
        problem=problem,
        themes=administer.THEMES,
        densities=administer.DENSITIES,
        reminding=reminding,
        known=known,
        choices={code: Message(label) for code, label in choices.CHOICES.items()},
        roles={code: Message(name) for code, name in ROLES.items()},
    )


@page(blueprint, "/account/theme", SELF, methods=["POST"])
def choose_theme() -> Response:
    """The appearance of one's pages: the theme, and how close together things stand."""
    try:
        with guard.write() as tx:
            administer.set_preferences(tx, g.session.actor.id, theme=request.form.get("theme"), density=request.form.get("density"))
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
        confirm_person(form.old.data or "", "old")
        with guard.write() as tx:
            sign_in.change_password(tx, g.session.actor.id, form.old.data or "", form.new.data or "", g.session.id)
    except Impossible as problem:
        problem.field = "old" if problem.field == "password" else problem.field
        return _mine(problem, form), 422
    return redirect(url_for("account.mine", done="password"), 303)


@page(blueprint, "/account/email", SELF, methods=["POST"])
def change_email() -> Response | tuple[str, int]:
    form = EmailForm(request.form)
    try:
        confirm_person(form.password.data or "")
        with guard.write() as tx:
            resets.change_email(tx, g.session.actor.id, form.email.data or "")
    except Impossible as problem:
        return _mine(problem, email=form), 422
    return redirect(url_for("account.mine", done="email"), 303)
