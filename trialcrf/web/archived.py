"""The door of an opened archive: whoever sits at this machine reads all of it as an inspector, and nobody writes or signs in."""

from __future__ import annotations

from flask import abort, current_app, g, request
from werkzeug.wrappers import Response as AnyResponse

from trialcrf.core.access import Actor, Grant
from trialcrf.core.wording import N_, Message
from trialcrf.external.language import LANGUAGES, Language
from trialcrf.store.sessions import Session
from trialcrf.web import guard

READ_ONLY = N_("This is an archive: everything in it can be read, and nothing can be changed.")
NO_ACCOUNTS = N_("An archive has no accounts of its own: nobody signs in here.")

WITHOUT_VERB = frozenset({"account.home", "account.studies", "find.shown", "glossary.shown"})
"""The pages that are open though they name no verb: they lead to the studies, or find in them what an inspector reads.

Every other one of its kind is about one’s own account."""

HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""Names of this machine. A page of another server that has its own name lead here is refused: there is no password to stop it."""


def open_door() -> AnyResponse | None:
    """Before every request of an archive. The pages tell of the moment at which it was made: what was due then is due."""
    g.now = current_app.config["ARCHIVE"]
    g.session = None
    g.place = guard.Place()
    chosen = request.args.get("lang", "")
    g.language = Language(chosen if chosen in LANGUAGES else guard.preferred())
    if request.host.rpartition(":")[0] not in HOSTS and request.host not in HOSTS:
        abort(403, description=Message(N_("An archive is only read on the machine on which it was opened.")))
    if request.method not in guard.SAFE:
        abort(403, description=Message(READ_ONLY))
    if request.endpoint is None or request.endpoint == "static":
        return None
    inspector = Actor(0, "inspector", g.language.gettext(N_("Inspector")), "", (Grant("inspector", "*"),))
    needed = guard.needed_by(request.endpoint)
    if needed in (guard.PUBLIC, guard.SELF) and request.endpoint not in WITHOUT_VERB:
        abort(404, description=Message(NO_ACCOUNTS))
    g.session = Session(0, "", g.now, inspector, g.language.code, "auto", False)
    if needed not in (guard.PUBLIC, guard.SELF):
        with guard.read() as tx:
            guard.find_place(tx, needed)
    return None
