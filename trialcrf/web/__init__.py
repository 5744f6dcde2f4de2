"""The web shell: pages over the actions. `create_app` is the only thing that a server needs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from flask import Flask, Response, g, make_response, render_template, request, url_for
from jinja2 import StrictUndefined
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from config import TEMPLATES, Settings
from trialcrf.actions import NotAllowed
from trialcrf.core.access import VERBS
from trialcrf.core.lock import Locked
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.external.language import Language
from trialcrf.external.metrics import Board
from trialcrf.external.webauthn import Here
from trialcrf.store import damage, guarded, migrations
from trialcrf.store.transaction import Archived, is_archive, open_engine
from trialcrf.web import (
    account,
    amendments,
    archived,
    casebook_files,
    compressing,
    dashboard,
    downloads,
    eligibility,
    enrolment,
    export,
    finding,
    first_day,
    fixed_drafts,
    glossary,
    guard,
    guides,
    headers,
    held_back,
    hospital,
    once,
    own_sessions,
    quality,
    queries,
    record,
    refusing,
    reminders,
    reports,
    specification,
    step_up,
    violations,
)
from trialcrf.web.account import factors, going_on, keys, over, own, passwords, signing_in  # noqa: F401 (they add their routes)
from trialcrf.web.administration import (
    admin,
    backups,
    health,
    jobs_page,
    lost_factors,  # noqa: F401 (it adds its routes)
    mails,
    metrics,
)
from trialcrf.web.cells import batches, bedside, inventory, labels, look_back, release, tracing, vitals
from trialcrf.web.finding import shown  # noqa: F401 (it adds its route)
from trialcrf.web.forms import checking, drafts, enclosures, entry, history, labview, results, threads
from trialcrf.web.frame import done_notices, shell
from trialcrf.web.oversight import (
    access,
    access_log,
    certificates,
    closing,
    coverage,
    delegation,
    locks,
    monitoring,
    names,
    redaction,
    requests,
    review,
    signing,
    trail,
    verification,
)
from trialcrf.web.queries import ageing, bulk, listed, one  # noqa: F401 (they add their routes)
from trialcrf.web.safety import case_documents, cases, dictionaries, laboratory, stopping
from trialcrf.web.visits import calendar, card, feed, follow_up, matrix, timeline, today

LARGEST_POST = 4 * 1024 * 1024

BLUEPRINTS = (
    access,
    delegation,
    names,
    access_log,
    redaction,
    trail,
    account,
    admin,
    backups,
    batches,
    bedside,
    calendar,
    card,
    case_documents,
    casebook_files,
    cases,
    certificates,
    coverage,
    dashboard,
    dictionaries,
    eligibility,
    enrolment,
    checking,
    drafts,
    enclosures,
    entry,
    export,
    feed,
    finding,
    first_day,
    fixed_drafts,
    glossary,
    guides,
    follow_up,
    health,
    history,
    hospital,
    inventory,
    jobs_page,
    laboratory,
    labels,
    locks,
    look_back,
    mails,
    matrix,
    metrics,
    monitoring,
    own_sessions,
    quality,
    queries,
    release,
    reminders,
    reports,
    requests,
    results,
    review,
    signing,
    specification,
    amendments,
    step_up,
    stopping,
    threads,
    timeline,
    today,
    tracing,
    verification,
    violations,
    vitals,
)

_HEADINGS = {
    400: N_("This could not be understood"),
    403: N_("You may not do this"),
    404: N_("There is no such page"),
    405: N_("This cannot be done here"),
    409: N_("Someone else was faster"),
    413: N_("This is too much at once"),
    429: N_("So many files have to wait"),
    500: N_("Something went wrong here"),
    503: N_("The database is busy"),
}
_SENTENCES = {
    400: N_("What the browser sent does not belong to this page. Nothing was changed."),
    403: N_("Your role does not allow it. Nothing was changed."),
    404: N_("It does not exist, or it belongs to a site that is not yours."),
    405: N_("This address does not do that. Nothing was changed."),
    409: N_("What you saw has changed meanwhile. Nothing was changed: open the page again."),
    413: N_("At most 4 megabytes can be sent at once. Nothing was changed."),
    429: N_("Wait a moment and try again. Nothing was changed."),
    500: N_("Nothing was saved. The fault is written down; tell the support the number below."),
    503: N_("Nothing was saved. Go back, wait a moment and try again: what you typed is still there."),
}


def create_app(settings: Settings, pseudo: str = "", ends: bool = False) -> Flask:
    """The WSGI application. Refuses to start on a database that is not at this version, whose triggers differ or that is not safe.

    `pseudo` shows every page in the pseudo-language: the tests find untranslated text with it. `ends` says that the process is a
    server's own, to be ended soon after its database or disk failed it.
    """
    engine = open_engine(settings.database_url)
    try:
        migrations.check(engine)
        guarded.check(engine, settings.database_unguarded, "database" in settings.unencrypted)
    except Exception:
        engine.dispose()
        raise
    if is_archive(engine) is not (settings.archive is not None):
        # Nobody goes on in an archive by mistake, and no database of a trial is ever open without a password.
        raise Archived("this is the database of an archive" if is_archive(engine) else "this is not the database of an archive")
    app = Flask("trialcrf.web", template_folder=str(TEMPLATES), static_folder="static", static_url_path="/static")
    app.config.update(
        SECURE_COOKIES=settings.secure_cookies,
        LOOPBACK=settings.loopback,
        DEMO=settings.demo and settings.loopback,
        PSEUDO=pseudo,
        DATA=settings.data,
        BACKUPS=settings.backup_folder,
        BACKUPS_ENCRYPTED=bool(settings.backup_recipients),
        BASE_URL=settings.base_url,
        CALENDAR_KEYS=settings.calendar_keys,
        ICSR_SCHEMA=settings.icsr_schema,
        ARCHIVE=settings.archive,
        HOSPITAL=settings.oidc_name if settings.oidc_issuer else "",
        ADMIN_SECOND_FACTOR=settings.admin_second_factor,
        UNGUARDED=settings.database_unguarded and bool(guarded.findings(engine, "database" in settings.unencrypted)),
        FOLDERS=settings.kept_in,
        DISK_RESERVE=settings.disk_reserve,
        PROXIES=settings.proxies,
        METRICS_FROM=settings.metrics_from,
        DOWNLOADS=settings.downloads,
        MAX_CONTENT_LENGTH=LARGEST_POST,
        MAX_FORM_MEMORY_SIZE=LARGEST_POST,
        MAX_FORM_PARTS=20_000,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
    )
    app.extensions["trialcrf.engine"] = engine
    app.extensions["trialcrf.shell"] = shell
    app.extensions["trialcrf.hospital"] = hospital.provider_of(settings)
    app.extensions["trialcrf.go_on"] = going_on.go_on
    app.extensions["trialcrf.demands"] = factors.demanded
    app.extensions["trialcrf.other_session"] = held_back.other_session
    app.extensions["trialcrf.bursts"] = {}
    _prepare_templates(app)
    for module in BLUEPRINTS:
        app.register_blueprint(module.blueprint)
    app.view_functions["static"] = guard.verb(guard.PUBLIC)(app.view_functions["static"])
    unnamed = [name for name, view in app.view_functions.items() if not hasattr(view, "verb")]
    if unnamed:
        raise RuntimeError(f"routes that name no verb: {', '.join(unnamed)}")
    app.extensions["trialcrf.board"] = Board((rule.rule for rule in app.url_map.iter_rules()), {*VERBS, guard.SELF}, settings.workers)
    door = guard if settings.archive is None else archived
    app.before_request(record.begin)
    app.after_request(record.end)  # Of these the first is the last that is asked.
    app.after_request(compressing.shrink)
    app.before_request(door.open_door)
    if settings.archive is None:
        app.before_request(refusing.look)
    app.before_request(step_up.look)
    app.before_request(factors.look)
    app.before_request(names.look)
    if settings.archive is None:
        app.before_request(downloads.look)
        app.after_request(downloads.settle)
        app.before_request(once.look)
        app.after_request(once.settle)
        app.before_request(fixed_drafts.look)
        app.after_request(fixed_drafts.settle)
    app.before_request(record.enter)
    app.after_request(guard.close_door)
    app.teardown_request(guard.end_view)
    app.register_error_handler(Exception, _explain)
    app.register_error_handler(Locked, _closed)
    if ends:
        refusing.end_with(engine)
    app.register_error_handler(once.SavedAlready, once.lead)
    stand_behind(app, settings.proxies)
    return app


def stand_behind(app: Flask, proxies: int) -> None:
    """Who asks is who so many servers of the house say that it is, the last of them last; what was sent to them says nothing."""
    if proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies)  # type: ignore[method-assign]


def limit_of(app: Flask) -> Callable[[str, str], int]:
    """How many bytes a request may bring, by its method and path: a server refuses more before it reads it."""
    places = app.url_map.bind("")

    def limit(method: str, path: str) -> int:
        try:
            endpoint, _values = places.match(path.encode("latin-1").decode("utf-8", "replace"), method)
        except HTTPException:
            return LARGEST_POST
        return guard.LARGER.get(endpoint, LARGEST_POST)

    return limit


def _prepare_templates(app: Flask) -> None:
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        lambda msgid: _language().gettext(msgid), lambda single, many, count: _language().ngettext(single, many, count), newstyle=True
    )
    app.jinja_env.filters.update(say=_say, day=_day, moment=_moment, graded=labview.graded)
    app.jinja_env.filters.update(number=lambda value, decimals=None: _language().number(value, decimals))
    app.jinja_env.filters.update(percent=lambda n, of: _language().percent(n, of), clock=_clock)
    app.jinja_env.filters.update(full_day=lambda on: _language().full_day(on), weekday=lambda on: _language().weekday(on))
    app.jinja_env.globals.update(
        passkey_origin=Here.of(app.config["BASE_URL"]).origin, nonce=headers.nonce, get_flashed_messages=done_notices, sprite=_sprite
    )
    app.jinja_env.globals.update(unsaved_here=fixed_drafts.drafted, moment_at=lambda at, site: _language().moment(at, site.zone))


def _sprite() -> str:
    """The address of the pictures of states: a list asks for it hundreds of times."""
    if "sprite" not in g:
        g.sprite = url_for("static", filename="states.svg")
    found: str = g.sprite
    return found


def _language() -> Language:
    found: Language = g.language
    return found


def _say(said: Sayable | str) -> str:
    return said if isinstance(said, str) else _language().say(said)


def _day(day: date | None) -> str:
    return _language().day(day) if day else ""


def _moment(at: datetime | None) -> str:
    """A moment in the time zone of the site that the page is about, else in UTC."""
    if at is None:
        return ""
    site = g.place.site
    return _language().moment(at, site.zone) if site else _language().moment(at)


def _clock(at: datetime) -> str:
    """The time of day at the site of the page, with the day where it is another one than today."""
    zone = g.place.site.zone
    local = at.astimezone(zone)
    return local.strftime("%H:%M") if local.date() == g.now.astimezone(zone).date() else _language().moment(at, zone)


def _closed(refused: Locked) -> tuple[str, int]:
    """What was tried lies under a freeze or lock: told to whoever tried, and put into the trail."""
    closing.note(refused)
    heading, sentences = Message(N_("This is closed")), [refused.message]
    return render_template("error.html", shell=shell(), status=409, heading=heading, sentences=sentences, trace=g.request_id), 409


def _explain(error: Exception) -> tuple[str, int] | Response:
    """A plain page for every error: what happened, that nothing was changed, where to go. No stack trace reaches a person."""
    status, said = 500, None
    told = refusing.sentences(error)
    if told:
        heading = Message(refusing.HEADING)
        return render_template("error.html", shell=shell(alone=True), status=503, heading=heading, sentences=told, trace=g.request_id), 503
    refused = closing.by_database(error)
    if refused is not None:
        return _closed(refused)
    if isinstance(error, HTTPException):
        if error.response is not None or error.code is None or error.code < 400:
            return error.get_response()  # type: ignore[return-value]
        status = error.code
        said = error.description if isinstance(error.description, Message) else None
        if status == 413 and request.endpoint in guard.LARGER:
            said = Message(
                N_("A document has at most %(count)s megabytes. Nothing was changed: go back and choose a smaller one."), {"count": 20}
            )
    elif isinstance(error, NotAllowed):
        status = 403
    elif isinstance(error, Archived):
        status, said = 403, Message(archived.READ_ONLY)
    elif damage.is_passing(error):
        status = 503
    # What else a browser may do wrong (a range that a file does not have) is not a fault of ours, and is told as what is not understood.
    worded = status if status in _HEADINGS else 400 if 400 <= status < 500 else 500
    if worded == 500:
        status = 500
        record.failed(error)
    values: dict[str, Any] = {
        "shell": shell(alone=status >= 500, counted=False),
        "status": status,
        "heading": Message(_HEADINGS[worded]),
        "sentences": [said or Message(_SENTENCES[worded])],
        "trace": g.request_id,
    }
    answer = make_response(render_template("error.html", **values), status)
    if status == 405:
        answer.headers["Allow"] = ", ".join(sorted(headers.METHODS & set(getattr(error, "valid_methods", None) or headers.METHODS)))
    return answer
