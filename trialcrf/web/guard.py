"""The door of every page: who comes, what they may do here, in which language; and what a browser is told to keep to."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, TypeVar

from flask import Blueprint, Response, abort, current_app, g, redirect, request, url_for
from sqlalchemy import Engine
from werkzeug.wrappers import Response as AnyResponse

from trialcrf.actions import NotAllowed, prove, sign_in, who
from trialcrf.actions.oversight.amend import NOT_RELEASED
from trialcrf.core.access import VERBS, may, sites_of
from trialcrf.core.sight import eyes_of, seen_at
from trialcrf.core.wording import N_, Message
from trialcrf.external import clock
from trialcrf.external.language import LANGUAGES, Language
from trialcrf.external.queue import Queue
from trialcrf.store import accounts, damage, definitions, sessions, sites, subjects
from trialcrf.store.audit import Who
from trialcrf.store.definitions import Published
from trialcrf.store.sessions import Session
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction, reading, writing
from trialcrf.web import headers
from trialcrf.web.browsers import family

PUBLIC, SELF = "public", "self"
"""What a route names in place of a verb: open to all, or to whoever is signed in about their own account."""

WITHOUT_SESSION = frozenset({"health.healthz", "feed.ics", "violations.take"})
"""Read by programs: whoever is signed in on the same browser is not looked at."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

OURS, LED = (None, "same-origin", "none"), ("navigate", "document")
"""What a browser says of a request that comes from a page of ours or from the person, and of a page that is opened by following a link."""

UNATTENDED = "Trialcrf-Unattended"
"""The header of what a page asks by itself: nobody's session lasts longer for it."""

LARGER = {"cases.attach": 21 * 1024 * 1024, "enclosures.attach": 21 * 1024 * 1024}
"""Bytes that may be sent to the few pages that take files; everywhere else the application's own limit holds."""

LARGEST_NUMBER = 2**31 - 1
"""What a column of whole numbers holds: a larger one in an address is the number of nothing."""

WHOEVER = frozenset({"look_back.run"})
"""Verbs that reach people and batches alike: a look-back begins at a donor, and the Qualified Person runs it without opening a casebook."""

View = TypeVar("View", bound=Callable[..., Any])
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Place:
    """Where a request is: the study, site and subject that its address names, each already found and permitted."""

    published: Published | None = None
    site: Site | None = None
    subject: Subject | None = None
    verb: str = field(default=PUBLIC)


def verb(name: str) -> Callable[[View], View]:
    """Every route names the verb of `core.access` that it needs, or PUBLIC or SELF; a route without one does not start."""
    if name not in VERBS and name not in (PUBLIC, SELF):
        raise ValueError(f"no such verb: {name}")

    def named(view: View) -> View:
        view.verb = name  # type: ignore[attr-defined]
        return view

    return named


def needed_by(endpoint: str) -> str:
    """The verb that a route named."""
    return str(getattr(current_app.view_functions[endpoint], "verb"))  # noqa: B009 (a function's own attribute, unknown to types)


def needs_fresh(endpoint: str) -> bool:
    """Whether a route asks for a proof of who is there that is not old."""
    return bool(getattr(current_app.view_functions[endpoint], "fresh", False))


def engine() -> Engine:
    found: Engine = current_app.extensions["trialcrf.engine"]
    return found


def queue() -> Queue:
    return Queue(current_app.config["DATA"], engine().url.render_as_string(hide_password=False))


@contextmanager
def read() -> Iterator[Transaction]:
    """The read-only transaction of this request, so that all that a page tells is of one moment. A write ends it, and so does a failure."""
    if "view" not in g:
        held = ExitStack()
        g.view = (held, held.enter_context(reading(engine())))
    try:
        yield g.view[1]
    except BaseException:
        end_view()
        raise


def end_view(_error: BaseException | None = None) -> None:
    """After every request, and before every write: what is read later is what stands then."""
    held, _ = g.pop("view", (None, None))
    if held is not None:
        held.close()


@contextmanager
def write(by: Who | None = None, changing: int | None = None) -> Iterator[Transaction]:
    """A write transaction in the name of whoever asks, under the role that the route's verb needs; leaving it commits.

    `changing` is the account whose roles may be changed.
    What was asked `alongside` is written in the first of them that goes through: with it or not at all.
    """
    end_view()
    with writing(engine(), g.now, by or acting()) as tx:
        _still_given(tx, changing)
        for first in g.pop("before_writing", ()):
            first(tx)
        yield tx
        for also in g.get("alongside", ()):
            also(tx)
    g.pop("alongside", None)


def _still_given(tx: Transaction, changing: int | None) -> None:
    """What the person may do was judged before the write began: a role that was taken away meanwhile lets nothing through any more."""
    session: Session | None = g.get("session")
    if session is not None and not set(session.actor.grants) <= accounts.hold_grants(tx, session.actor.id, changing):
        raise NotAllowed(f"a role of {session.actor.username} was taken away meanwhile")


def renew() -> None:
    """After a right proof the session goes on, fresh, under a new token, whatever becomes of the rest; once a request. Raises WrongProof.

    In a transaction of its own, which is not the one that saves: what comes first in that one, or alongside, waits for it.
    """
    if g.get("fresh_token"):
        return
    end_view()
    actor = g.session.actor
    with writing(engine(), g.now, Who(actor.username, "self", actor.organisation, address())) as tx:
        token = prove.renew(tx, g.session, address())
    g.fresh_token, g.session = token, replace(g.session, proved_at=g.now)


def alongside(also: Callable[[Transaction], None]) -> None:
    """Ask for something to be written with whatever this request writes."""
    g.setdefault("alongside", []).append(also)


def acting(verb_: str | None = None) -> Who:
    """The signed-in person as the trail names them for the verb of this route (or another one). Raises NotAllowed."""
    place: Place = g.place
    needed = verb_ or place.verb
    session: Session = g.session
    if needed in (SELF, PUBLIC):
        return Who(session.actor.username, "self", session.actor.organisation, address())
    study = place.published.study.oid if place.published else "*"
    return who(session.actor, needed, study, place.site.code if place.site else None, address())


def my_sites(verb_: str) -> frozenset[str] | None:
    """The codes of the sites of this study at which the person may do this; None is all of them."""
    return sites_of(g.session.actor, verb_, g.place.published.study.oid)


def may_here(verb_: str) -> bool:
    """Whether the person may do this too at the site that the address names."""
    return may(g.session.actor, verb_, g.place.published.study.oid, g.place.site.code if g.place.site else None)


def may_know(which: Subject) -> bool:
    """Whether the person may know of a subject of this kind: people are for whoever lists them at the site, batches for whoever reads them.

    Whoever makes cells opens casebooks of batches, and sees nothing of people (EMA guideline, 6.6).
    """
    study = g.place.published.study
    needed = "cell.read" if study.is_product(which.subject_type) else "subject.list"
    return may(g.session.actor, needed, study.oid, which.site.code)


def may_know_visit(event_oid: str, site: str) -> bool:
    """Whether the person may know of such a visit at the site: whoever may read none of its forms does not."""
    study = g.place.published.study
    return seen_at(study, event_oid, eyes_of(g.session.actor, study.oid, site))


def address() -> str:
    return (request.remote_addr or "")[:60]


def cookie_name() -> str:
    return "__Host-trialcrf" if current_app.config["SECURE_COOKIES"] else "trialcrf"


def give_cookie(response: AnyResponse, token: str) -> None:
    response.set_cookie(
        cookie_name(), token, httponly=True, samesite="Lax", secure=current_app.config["SECURE_COOKIES"], path="/", max_age=None
    )


def take_cookie(response: AnyResponse) -> None:
    response.delete_cookie(cookie_name(), path="/", secure=current_app.config["SECURE_COOKIES"], httponly=True, samesite="Lax")
    response.headers["Clear-Site-Data"] = '"cache", "cookies", "storage"'


def open_door() -> AnyResponse | None:
    """Before every request: find the session, choose the language, check token and permission; answer itself what must go no further."""
    g.now = clock.now()
    g.session = None
    g.place = Place()
    g.language = Language(preferred())
    if request.method not in headers.METHODS:
        abort(405)
    if request.endpoint is None or request.endpoint == "static":
        return None
    if request.endpoint in LARGER:
        request.max_content_length = LARGER[request.endpoint]
    if "\x00" in request.full_path:
        abort(404)  # No name has a NUL in it, and PostgreSQL would not even look.
    needed = needed_by(request.endpoint)
    if request.endpoint in WITHOUT_SESSION:
        return None
    _check_embedding(needed)
    token = request.cookies.get(cookie_name(), "")
    if token:
        with read() as tx:
            g.session = sessions.find(tx, sign_in.hash_of(token), g.now)
            if g.session is not None:
                return _let_in(tx, needed)
    _check_origin()
    if needed == PUBLIC:
        return None
    if request.method in SAFE:
        return redirect(url_for("account.sign_in_page", next=request.full_path.rstrip("?")))
    return _sign_in_and_go_on()


def _let_in(tx: Transaction, needed: str) -> AnyResponse | None:
    """Someone who is signed in: the token of the page must be that of the session, and the place one of theirs."""
    g.language = Language(current_app.config["PSEUDO"] or g.session.language)
    late = (g.session.due(g.now) and UNATTENDED not in request.headers) or not g.session.browser
    if late and damage.of(engine()) is None:
        with writing(engine(), g.now, Who.nobody()) as touching:
            sessions.touch(touching, g.session.id, address(), family(request.user_agent.string))
    _check_origin()
    if needed == PUBLIC:
        return None
    elsewhere: AnyResponse | None = None
    if request.method not in SAFE and not _same(request.form.get("token", ""), g.session.csrf):
        elsewhere = current_app.extensions["trialcrf.other_session"]()
        if elsewhere is None:
            abort(400, description=Message(N_("This page is from another session: open it again. Nothing was changed.")))
        return elsewhere
    # Before anything is looked for: whoever lacks a second factor learns not even what there is.
    elsewhere = current_app.extensions["trialcrf.demands"](tx)
    if elsewhere is None:
        find_place(tx, needed)
    return elsewhere


def _same(sent: str, token: str) -> bool:
    # As bytes: a forged token may hold letters that the comparison of texts does not take.
    return hmac.compare_digest(sent.encode("utf-8", "replace"), token.encode())


def preferred() -> str:
    """Before anyone signed in: the language that was chosen on this browser, else the one it asks for, else French."""
    pseudo: str = current_app.config["PSEUDO"]
    chosen = request.cookies.get("language", "")
    return pseudo or (chosen if chosen in LANGUAGES else request.accept_languages.best_match(LANGUAGES) or "fr")


def _check_origin() -> None:
    if request.method not in SAFE and request.headers.get("Sec-Fetch-Site") not in OURS:
        abort(403, description=Message(N_("This was sent by another site: it was refused.")))


def _check_embedding(needed: str) -> None:
    """Another site may lead a person here; it may not draw what is behind the door into itself, nor fetch it (ASVS 3.5.8)."""
    asked = (request.headers.get("Sec-Fetch-Mode"), request.headers.get("Sec-Fetch-Dest"))
    if needed != PUBLIC and request.method in SAFE and request.headers.get("Sec-Fetch-Site") not in OURS and asked != LED:
        abort(403, description=Message(N_("This was asked for by another site: it was refused.")))


def _sign_in_and_go_on() -> AnyResponse | None:
    """A save whose session ended: `web/account/going_on.py`, which stands above this module, asks to sign in and lets it through."""
    answer: AnyResponse | None = current_app.extensions["trialcrf.go_on"]()
    return answer


def find_place(tx: Transaction, needed: str, of: Mapping[str, Any] | None = None) -> None:
    """Find the study, site and subject of the address (`of` another than that of the request).

    What the person may do nowhere is 403; what is another site's does not exist.
    """
    g.place.verb = needed
    if needed == SELF:
        return
    args = (request.view_args or {}) if of is None else of
    if any(isinstance(value, int) and value > LARGEST_NUMBER for value in args.values()):
        abort(404)
    actor = g.session.actor
    if "study" not in args:
        if not any(grant.role in VERBS[needed] for grant in actor.grants):
            abort(403)
        return
    published = definitions.everywhere(tx, args["study"])
    if published is None or not any(grant.study in (args["study"], "*") for grant in actor.grants):
        abort(404)
    g.place.published = published
    if not may(actor, needed, published.study.oid):
        abort(403)
    site: Site | None = None
    if "subject" in args:
        subject = subjects.find(tx, published.study.oid, args["subject"])
        if subject is None or not (needed in WHOEVER or may_know(subject)):
            abort(404)
        g.place.subject, site = subject, subject.site
    elif "site" in args:
        site = sites.find(tx, published.study.oid, args["site"])
        if site is None:
            abort(404)
    if site is not None:
        if not may(actor, needed, published.study.oid, site.code):
            abort(404)
        g.place.site = site
        g.place.published = _in_force(tx, published, site, g.place.subject)


def _in_force(tx: Transaction, newest: Published, site: Site, subject: Subject | None) -> Published:
    """What is asked at this site, or of this subject: a new version takes effect there with its approval (ICH E6(R3) 4.3.5)."""
    if newest.version == 1 and newest.study.amendment is None:
        return newest
    try:
        found = definitions.for_subject(tx, subject) if subject is not None else definitions.at_site(tx, site)
    except LookupError:
        found = None
    if found is None:
        abort(409, description=Message(NOT_RELEASED, {"site": site.code}))
    return found


def close_door(response: Response) -> Response:
    """After every request: the strict headers; pages are never kept by a cache; a session begun on the way gets its cookie; and the page
    that asks somebody in again speaks as they last read."""
    headers.add(response)
    if getattr(g, "fresh_token", None):
        give_cookie(response, g.fresh_token)
    if g.get("session") is not None and g.language.code in LANGUAGES and request.cookies.get("language") != g.language.code:
        remember(response, g.language.code)
    return response


def remember(response: AnyResponse, language: str) -> None:
    """The browser keeps the language for whoever has not signed in yet, or not again."""
    response.set_cookie(
        "language", language, max_age=31536000, samesite="Lax", httponly=True, secure=current_app.config["SECURE_COOKIES"], path="/"
    )


def page(blueprint: Blueprint, rule: str, needed: str, *, fresh: bool = False, **options: Any) -> Callable[[View], View]:
    """`@page(blueprint, rule, verb)`: a route and the verb that it needs, in one line; `fresh`: and a proof of late (`web/step_up.py`)."""

    def routed(view: View) -> View:
        @wraps(view)
        def called(*args: Any, **kwargs: Any) -> Any:
            return view(*args, **kwargs)

        called.fresh = fresh  # type: ignore[attr-defined]
        blueprint.add_url_rule(rule, view_func=verb(needed)(called), **options)
        return view

    return routed
