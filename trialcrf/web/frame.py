"""The frame of every page, from who is signed in and where: navigation by permission, and what was just done."""

from __future__ import annotations

import secrets

from flask import current_app, g, request, url_for

from trialcrf.core.access import ROLES, VERBS, may, role_for
from trialcrf.core.definition.model import Study
from trialcrf.core.glossary import words_of
from trialcrf.core.rhythm import RHYTHMS, health
from trialcrf.core.rotation import is_old
from trialcrf.core.wording import N_, Message
from trialcrf.external import backup_folder
from trialcrf.store import runs
from trialcrf.web import guard, navigation, refusing
from trialcrf.web.page import Crumb, Shell
from trialcrf.web.paging import view

DONE = {
    "saved": N_("Saved."),
    "once": N_("This page was sent twice: it is saved, and it is saved once."),
    "same": N_("Nothing was different: nothing was saved."),
    "queries": N_("Saved. Some values raised a query: correct them or confirm them below."),
    "reading_queries": N_("Saved. Some values raised a query: correct them or confirm them at the value."),
    "error": N_("Marked entered in error."),
    "answered": N_("The query is answered."),
    "accepted": N_("The answer is accepted: the query is closed."),
    "rejected": N_("The answer is not accepted: the query is open again."),
    "query_cancelled": N_("The query is cancelled."),
    "reopened": N_("The query is open again."),
    "asked": N_("The query is open: it waits for an answer of the site."),
    "commented": N_("The comment is written."),
    "attached": N_("The document is attached. A form that was being filled in another tab stands there as it was left."),
    "paper_withdrawn": N_("The document is withdrawn: it stays here with its reason."),
    "signed": N_("The verdict is signed."),
    "sealed": N_("Signed. What is signed bears the seal until something in it changes."),
    "reviewed": N_("The review is signed and recorded."),
    "frozen": N_("It is frozen: no value in it changes."),
    "thawed": N_("It is thawed: values may change again."),
    "locked": N_("It is locked: nothing in it changes any more."),
    "database": N_("The database is locked, and the lock is signed."),
    "discarded": N_("What was typed is discarded; that there was something stays in the trail."),
    "taken_back": N_("What was discarded is back."),
    "too_late": N_("There is nothing to take back any more."),
    "requested": N_("Your request waits for a second person."),
    "granted": N_("The request is granted and carried out."),
    "refused": N_("The request is refused."),
    "withdrawn": N_("The request is withdrawn."),
    "limits": N_("The limits are recorded."),
    "ended": N_("The last day of the limits is recorded."),
    "case": N_("Written into the case."),
    "decided": N_("The decision is signed and recorded."),
    "missed": N_("The visit is marked missed."),
    "deviation": N_("The deviation is recorded: complete it below."),
    "ordered": N_("The report is ordered: it appears here when it is drawn."),
    "cancelled": N_("The report is cancelled: nothing of it is archived."),
    "invited": N_("The invitation is on its way."),
    "changed": N_("Changed."),
    "arrived": N_("The mail counts as sent."),
    "again": N_("The mail is queued again."),
    "password": N_("The password is changed. Every other session of yours is ended."),
    "old_password": N_("A study of yours asks for a newer password: change it here, then go on."),
    "email": N_("The e-mail address is changed. The old one and the new one are told."),
    "factor": N_("The factor is set up: it is asked for at the next sign-in."),
    "factor_revoked": N_("The factor is revoked: it opens nothing any more."),
    "factors_removed": N_("The factors are removed, and every session of the person is ended. The person is told."),
    "reset_sent": N_("The link for a new password is on its way to the person."),
    "welcome": N_("The password is set: sign in with it."),
    "session_ended": N_("The session is ended: whoever used it is signed out."),
    "sessions_ended": N_("Every other session is ended."),
    "hospital_linked": N_("The sign-in of the hospital is linked: you can sign in by it from now on."),
    "hospital_unlinked": N_("The sign-in of the hospital opens this account no longer."),
    "out": N_("You are signed out."),
    "revoked": N_("The address is revoked: whoever has it reads nothing any more."),
    "approved": N_("The approval is recorded: the version takes effect at the site on its day."),
    "in_force": N_("The approval is recorded: the version is in force at the site."),
    "names": N_("The list of names is replaced."),
    "delegated": N_("The delegation is recorded."),
    "delegation_ended": N_("The end of the delegation is recorded."),
    "access_reviewed": N_("The review of access is recorded."),
    "verified": N_("Verified."),
    "verified_queries": N_("Verified. What was left out with a text raised a query."),
    "unverified": N_("The verification of this value is taken back."),
    "monitoring": N_("Written into the monitoring visit."),
    "recalled_mails": N_("The mails of the recall are on their way. Of what is frozen or locked no incident could be recorded: see below."),
    "recalled": N_("Every batch that the finding reaches is recalled: see below."),
}
"""What a page may say on top after a save: the address carries only the code, never the text."""


UNGUARDED = N_("This database is set up for trying out (TRIALCRF_DATABASE_UNGUARDED): it is not safe for the data of a trial.")


def done_notices(with_categories: bool = True) -> list[tuple[str, str]]:
    code = request.args.get("done", "") if request.method in guard.SAFE else ""
    return [("good", g.language.gettext(DONE[code]))] if code in DONE else []


def shell(alone: bool = False, counted: bool = True) -> Shell:
    """The frame for this request, as far as the door let it come; `alone` asks nothing of the database, for when that is what failed.

    Not `counted` it says nowhere how much waits: whoever knocks at a thousand closed doors costs the database nothing.
    """
    session, place = g.get("session"), g.get("place") or guard.Place()
    here = request.full_path.rstrip("?") if request.method in guard.SAFE else view()
    archive, hospital = _archive(), current_app.config["HOSPITAL"]
    language_url = "" if archive else url_for("account.choose_language")
    if session is None:
        return Shell(
            g.language.code, "auto", here=here, home_url="/", language_url=language_url, archive=archive, tongues=_tongues(),
            hospital=hospital, stopped=refusing.stopped(),
        )  # fmt: skip
    study = place.published.study if place.published else None
    role = None
    if study is not None:
        code = role_for(session.actor, place.verb, study.oid, place.site.code if place.site else None) if place.verb in VERBS else None
        role = Message(ROLES[code]) if code else None
    return Shell(
        language=g.language.code,
        theme=session.theme,
        density=session.density,
        token=session.csrf,
        save_token=secrets.token_urlsafe(16),
        stood=_stood(place),
        here=here,
        home_url=url_for("account.home"),
        study=study.oid if study else "",
        study_label=study.protocol if study else "",
        study_title=study.title.in_(g.language.code) if study else "",
        version=place.published.version if place.published else None,
        site=place.site.code if place.site else "",
        person=session.actor.name or session.actor.username,
        person_id=session.actor.id,
        username=session.actor.username,
        role=role,
        nav=() if alone else navigation.shown(counted),
        banner=None if alone else _banner(),
        banner_url=url_for("jobs.listed"),
        stopped=refusing.stopped(),
        language_url=language_url,
        account_url="" if archive else url_for("account.mine"),
        sign_out_url="" if archive else url_for("account.sign_out"),
        at=_at(study),
        words=() if alone else words_of((request.endpoint or "").partition(".")[0]),
        words_url=url_for("glossary.shown"),
        guides_url="" if alone or archive or (request.endpoint or "").startswith("guides.") else url_for("guides.listed"),
        search_url="" if request.endpoint == "find.shown" else url_for("find.shown"),
        archive=archive,
        tongues=_tongues(),
        hospital=hospital,
        keys_url="" if archive else url_for("account.keys"),
        single_keys="single" in session.shortcuts.split(),
        enter_next="next" in session.shortcuts.split(),
    )


OF_ADMINISTRATION, OF_ACCOUNT = frozenset({"access", "admin", "backups", "jobs", "mails"}), frozenset({"account", "feed", "hospital"})
"""The areas of pages that belong to no study."""


def _at(study: Study | None) -> tuple[Crumb, ...]:
    """Where a page is that names nothing above itself: in its study, in the administration, or in what is one's own."""
    area, mine = (request.endpoint or "").partition(".")[0], url_for("account.mine")
    if study is not None:
        return (Crumb(study.title),)
    if area in OF_ADMINISTRATION:
        return (Crumb(Message(N_("Administration"))),)
    if area in OF_ACCOUNT and request.path != mine and request.endpoint != "account.studies":
        return (Crumb(Message(N_("My account")), mine),)
    return (Crumb(Message(N_("Home")), url_for("account.home")),)


def _stood(place: guard.Place) -> Message:
    """Of which moment a printed page tells, by the clocks of its site."""
    return Message(N_("as it stood on %(at)s"), {"at": g.language.moment(g.now, place.site.zone if place.site else None)})


def _archive() -> Message | None:
    at = current_app.config["ARCHIVE"]
    said = N_("Archive of %(at)s: the pages tell what stood then. Everything can be read, nothing can be changed.")
    return Message(said, {"at": g.language.moment(at)}) if at else None


def _tongues() -> dict[str, str]:
    """In an archive nothing is written, not even which language was chosen: the address says it."""
    if not current_app.config["ARCHIVE"] or request.endpoint is None or request.method not in guard.SAFE:
        return {}
    asked = {**request.args.to_dict(), **(request.view_args or {})}
    return {code: url_for(request.endpoint, **{**asked, "lang": code}) for code in ("fr", "en")}


def _banner() -> Message | None:
    """What an administrator must be told on every page: nobody else pays for the look, or can do anything about it."""
    if not may(g.session.actor, "job.administer", "*"):
        return None
    if current_app.config["UNGUARDED"]:
        return Message(UNGUARDED)
    little = refusing.little_room()
    if little is not None:
        return little
    with guard.read() as tx:
        found = health(runs.standings(tx, RHYTHMS), g.now)
    if found.tick_age is None:
        return Message(N_("The scheduler has never run: no reminder is sent, and no backup is made."))
    if found.silent:
        said = N_("The scheduler has been silent for %(count)s minutes: no reminder is sent, and no backup is made.")
        return Message(said, {"count": int(found.tick_age // 60)})
    if found.late:
        return Message(N_("Jobs that failed or are late: %(names)s."), {"names": ", ".join(found.late)})
    return _banner_of_backups()


def _banner_of_backups() -> Message | None:
    """Nothing is said before there is a backup: the job says what keeps it from being made."""
    kept = backup_folder.all_of(current_app.config["BACKUPS"])
    if not kept:
        return None
    proved = backup_folder.newest_proved(kept)
    if is_old(proved.at if proved else None, g.now) and is_old(kept[-1].at, g.now):
        return Message(N_("The newest backup of which it is proved that it can be restored is older than two nights."))
    if not kept[0].encrypted and not current_app.config["DEMO"]:
        return Message(N_("Backups are not encrypted: whoever gets hold of one reads every record of the trial."))
    return None
