"""Freezes and locks on pages: what is closed by whom and why, closing and opening, and the checklist over which a database is locked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response
from wtforms import Form, HiddenField, PasswordField, TextAreaField

from trialcrf.actions import Impossible, sign
from trialcrf.actions.oversight import lock, lock_database, second
from trialcrf.actions.oversight.lock import Thing, may_act
from trialcrf.core.access import ROLES
from trialcrf.core.lock import LOCK_MOVES, LOCK_STATES, MOVE_VERBS, WITH_CHECKLIST, Address, Level, LockState, visit_address
from trialcrf.core.oversight.database_lock import LINES, Checklist, Line
from trialcrf.core.oversight.four_eyes import RequestKind, RequestState
from trialcrf.core.safety.decision import DECISIONS, DecisionEntry, DecisionKind
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.store import audit, decisions, forms, locks, requests, sites
from trialcrf.store.locks import Told
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction
from trialcrf.web import fixed_drafts, guard, step_up
from trialcrf.web.fixed import ReasonForm
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.oversight import knowing, things
from trialcrf.web.oversight.closing import CLOSINGS
from trialcrf.web.page import Crumb
from trialcrf.web.paging import asked_page, pages
from trialcrf.web.subjects import may_form

blueprint = Blueprint("locks", __name__)

RULE = "/studies/<study>/locks"
ON = RULE + "/on/<path:address>"
ON_A_PAGE = 100
LONGEST = {"rows": "2", "maxlength": str(lock.LONGEST_REASON)}

DOES = {
    "freeze": N_("Freeze it"),
    "thaw": N_("Thaw it"),
    "lock": N_("Lock it"),
    "unlock": N_("Ask to unlock it"),
}
DID = {"freeze": N_("was frozen"), "thaw": N_("was thawed"), "lock": N_("was locked"), "unlock": N_("was unlocked")}
MEANS = {
    LockState.OPEN: N_("Values may change, each with its reason."),
    LockState.FROZEN: N_("No value changes. Queries, verification and signatures go on."),
    LockState.LOCKED: N_("Nothing changes. It is unlocked by two persons."),
}
ICONS = {LockState.OPEN: "planned", LockState.FROZEN: "frozen", LockState.LOCKED: "locked"}


class ChecklistForm(Form):
    """An explanation for each line that is not clean, by the line’s name; why the database is locked; the signature."""

    queries = TextAreaField(N_("Explanation"), render_kw=LONGEST)
    visits = TextAreaField(N_("Explanation"), render_kw=LONGEST)
    incomplete = TextAreaField(N_("Explanation"), render_kw=LONGEST)
    unsigned = TextAreaField(N_("Explanation"), render_kw=LONGEST)
    unverified = TextAreaField(N_("Explanation"), render_kw=LONGEST)
    cases = TextAreaField(N_("Explanation"), render_kw=LONGEST)
    requests = TextAreaField(N_("Explanation"), render_kw=LONGEST)
    reason = TextAreaField(N_("Why it is locked"), render_kw=LONGEST)
    password = PasswordField(N_("Password"), render_kw={"autocomplete": "current-password"})
    seen = HiddenField()


@dataclass(frozen=True, slots=True)
class Closable:
    """A thing in a list with its own state; `told` says who closed it and why, None where it is open."""

    label: Sayable | str
    icon: str
    word: Message
    told: Told | None
    url: str
    checklist_url: str = ""


@dataclass(frozen=True, slots=True)
class Past:
    """A move that was made, for reading."""

    what: Message
    at: datetime
    name: str
    role: Message | str
    reason: str


@dataclass(frozen=True, slots=True)
class Signed:
    """A line of the study's ledger about a database lock."""

    number: int
    what: Message
    site: str
    at: datetime
    name: str
    role: Message | str
    reason: str
    explained: Sequence[tuple[Message, int, str]]
    checkpoint: str


@dataclass(frozen=True, slots=True)
class Check:
    """A line of the checklist: how many stand open, and where they are found."""

    line: Line
    label: Message
    count: int
    url: str


@page(blueprint, RULE, "lock.read")
def listed(study: str) -> str:
    """What is frozen or locked in the study, as far as the person's sites go."""
    published, mine = g.place.published, guard.my_sites("lock.read")
    with guard.read() as tx:
        held = locks.all_of(tx, published.study_id, mine)
        at = {one.address: one for one in held}
        narrow = [one for one in held if one.address.level not in WITH_CHECKLIST]
        number = asked_page(len(narrow), ON_A_PAGE)
        part = narrow[(number - 1) * ON_A_PAGE : number * ON_A_PAGE]
        told = locks.told(tx, [one.id for one in (*part, *(one for one in held if one.address.level in WITH_CHECKLIST))])
        wide = [None, *(one for one in sites.all_of(tx, study) if mine is None or one.code in mine)]
        upper = []
        for where in wide:
            address = lock_database.address_of(published, where)
            one = at.get(address)
            thing = knowing.thing(tx, address.text, "lock.read")
            assert thing is not None
            upper.append(_line(tx, thing, one.state if one else LockState.OPEN, told[one.id] if one else None, where))
        lower = [
            _line(tx, thing, one.state, told[one.id])
            for one in part
            if (thing := knowing.thing(tx, one.address.text, "lock.read")) is not None
        ]
        kinds = (DecisionKind.DATABASE_LOCKED, DecisionKind.DATABASE_UNLOCKED)
        ledger = [_signed(one) for one in reversed(decisions.all_of(tx, study, kinds)) if _mine(one, mine)]
    return render_template(
        "locks/listed.html",
        shell=shell(),
        crumbs=[Crumb(published.study.title)],
        upper=upper,
        lower=lower,
        ledger=ledger,
        pages=pages(number, len(narrow), ON_A_PAGE),
    )


def _mine(one: DecisionEntry, mine: frozenset[str] | None) -> bool:
    return mine is None or not one.content["site"] or one.content["site"] in mine


def _line(tx: Transaction, thing: Thing, state: LockState, told: Told | None, where: Site | None = None) -> Closable:
    study, actor = thing.study_oid, g.session.actor
    checklist = ""
    if (
        thing.address.level in WITH_CHECKLIST
        and state is not LockState.LOCKED
        and may_act(actor, "lock.lock", study, where.code if where else "")
    ):
        checklist = checklist_url(study, where)
    url = url_for("locks.one", study=study, address=thing.address.text)
    return Closable(things.label(tx, thing), ICONS[state], Message(LOCK_STATES[state]), told, url, checklist)


def checklist_url(study: str, where: Site | None) -> str:
    return url_for("locks.site_checklist", study=study, site=where.code) if where else url_for("locks.checklist", study=study)


def _signed(one: DecisionEntry) -> Signed:
    content = one.content
    why = [(Message(LINES[Line(line)]), content["checklist"][line], said) for line, said in content.get("explained", {}).items()]
    role = Message(ROLES[one.role]) if one.role in ROLES else one.role
    what = Message(DECISIONS[one.kind])
    return Signed(one.number, what, content["site"], one.at, one.name, role, content["reason"], why, content["checkpoint"])


@page(blueprint, ON, "lock.read")
def one(study: str, address: str) -> str:
    return _page(_thing(address, "lock.read"))


@page(blueprint, ON + "/freeze", "lock.freeze", methods=["POST"])
def freeze(study: str, address: str) -> Response | tuple[str, int]:
    """Freeze something."""
    return _act(address, "freeze")


@page(blueprint, ON + "/thaw", "lock.freeze", methods=["POST"], fresh=True)
def thaw(study: str, address: str) -> Response | tuple[str, int]:
    """Let values change again."""
    return _act(address, "thaw")


@page(blueprint, ON + "/lock", "lock.lock", methods=["POST"], endpoint="lock")
def lock_(study: str, address: str) -> Response | tuple[str, int]:
    """Lock an item, form, visit or subject; a site and the study have their checklist."""
    return _act(address, "lock")


@page(blueprint, ON + "/unlock", "lock.unlock", methods=["POST"], fresh=True)
def unlock(study: str, address: str) -> Response | tuple[str, int]:
    """Ask to unlock: another person decides."""
    return _act(address, "unlock")


def _thing(address: str, verb: str) -> Thing:
    """The thing of the address; 404 where there is none for this person. The request is about its site and subject from here on."""
    with guard.read() as tx:
        thing = knowing.thing(tx, address, verb)
    if thing is None:
        abort(404)
    if verb != "lock.read" and not may_act(g.session.actor, verb, thing.study_oid, thing.site.code if thing.site else ""):
        abort(403)
    g.place.site, g.place.subject = thing.site, thing.subject
    return thing


def _act(address: str, act: str) -> Response | tuple[str, int]:
    thing, form = _thing(address, MOVE_VERBS[act]), ReasonForm(request.form)
    reason = form.reason.data or ""
    try:
        with guard.write() as tx:
            if act == "unlock":
                second.ask_unlock(tx, g.place.published, thing, reason)
            else:
                {"freeze": lock.freeze, "thaw": lock.thaw, "lock": lock.lock}[act](tx, thing, reason)
    except Impossible as problem:
        return _page(thing, form, problem), 422
    done = {"freeze": "frozen", "thaw": "thawed", "lock": "locked", "unlock": "requested"}[act]
    return redirect(url_for("locks.one", study=thing.study_oid, address=address, done=done), 303)


def _page(thing: Thing, form: ReasonForm | None = None, problem: Impossible | None = None) -> str:
    study, actor = g.place.published.study, g.session.actor
    with guard.read() as tx:
        state, number = locks.state_of(tx, thing.address), locks.id_of(tx, thing.address)
        past = [_past(one) for one in reversed(audit.history(tx.connection, "lock", str(number)))] if number else []
        above = locks.closed(tx, thing.above)
        waiting = requests.all_of(tx, study.oid, [RequestState.WAITING])
        asked = next((one for one in waiting if (one.kind, one.address) == (RequestKind.UNLOCK, thing.address.text)), None)
        label = things.label(tx, thing)
        within = _within(tx, thing)
    code = thing.site.code if thing.site else ""
    shut = above is not None and above[1] is LockState.LOCKED
    acts = [] if shut else [act for (before, act) in LOCK_MOVES if before is state and may_act(actor, MOVE_VERBS[act], study.oid, code)]
    with_list = "lock" in acts and thing.address.level in WITH_CHECKLIST
    offered = [act for act in acts if not (act == "lock" and with_list) and not (act == "unlock" and asked is not None)]
    form = form or ReasonForm()
    urls = [url_for(f"locks.{act}", study=thing.study_oid, address=thing.address.text) for act in offered]
    fixed_drafts.beside(dict.fromkeys(urls[:1], form))
    return render_template(
        "locks/one.html",
        shell=shell(),
        crumbs=[Crumb(study.title), Crumb(Message(N_("Locks")), url_for("locks.listed", study=study.oid))],
        label=label,
        page_url=things.page_url(thing),
        icon_name=ICONS[state],
        word=Message(LOCK_STATES[state]),
        means=Message(MEANS[state]),
        above=(ICONS[above[1]], Message(CLOSINGS[above])) if above else None,
        shut=shut,
        acts=[(Message(DOES[act]), url) for act, url in zip(offered, urls, strict=True)],
        checklist_url=checklist_url(study.oid, thing.site) if with_list else "",
        asked_url=url_for("requests.one", study=study.oid, number=asked.id) if asked else "",
        past=past,
        within=within,
        reason=form,
        problem=problem,
    )


def _past(past: audit.Past) -> Past:
    role = Message(ROLES[past.role]) if past.role in ROLES else past.role
    return Past(Message(DID.get(past.op, past.op)), past.at, past.actor, role, past.reason)


def _within(tx: Transaction, thing: Thing) -> list[Closable]:
    """What lies in it and can be closed by itself: visits of a subject, forms of a visit, of a form the questions that are closed."""
    if thing.subject is None or thing.address.level is Level.ITEM:
        return []
    study, which, held = g.place.published.study, thing.subject, locks.of_subject(tx, thing.subject)
    if thing.stored is not None:
        inner = [one for one in held if one.level is Level.ITEM and one.id == thing.stored.id]
    else:
        living = [
            one
            for one in forms.standings(tx, [which.id])
            if one.key.form_oid in study.form and may_form(study.form[one.key.form_oid], "read")
        ]
        visits = dict.fromkeys((one.key.event_oid, one.key.event_repeat) for one in living)
        if thing.event is None:
            inner = [visit_address(which.id, *one) for one in visits]
        else:
            inner = [Address(Level.FORM, one.id) for one in living if (one.key.event_oid, one.key.event_repeat) == thing.event]
    found = [knowing.thing(tx, one.text, "lock.read") for one in inner]
    return [_line(tx, one, held.get(one.address, LockState.OPEN), None) for one in found if one is not None]


@page(blueprint, RULE + "/checklist", "lock.lock")
def checklist(study: str) -> str:
    """What stands open in the whole study before it is locked."""
    _refuse_part(None)
    return _checklist_page(None)


@page(blueprint, RULE + "/checklist/<site>", "lock.lock")
def site_checklist(study: str, site: str) -> str:
    """What stands open at a site before it is locked."""
    return _checklist_page(g.place.site)


@page(blueprint, RULE + "/checklist", "lock.lock", methods=["POST"])
def lock_study(study: str) -> Response | tuple[str, int]:
    """Lock the whole study over its checklist, by a signature."""
    _refuse_part(None)
    return _sign(None)


@page(blueprint, RULE + "/checklist/<site>", "lock.lock", methods=["POST"])
def lock_site(study: str, site: str) -> Response | tuple[str, int]:
    """Lock a site over its checklist, by a signature."""
    return _sign(g.place.site)


def _refuse_part(where: Site | None) -> None:
    if not may_act(g.session.actor, "lock.lock", g.place.published.study.oid, where.code if where else ""):
        abort(403)


def _sign(where: Site | None) -> Response | tuple[str, int]:
    """Check the password outside any write, then lock in one transaction."""
    published, actor, form = g.place.published, g.session.actor, ChecklistForm(request.form)
    try:
        proof = step_up.signer(form.password.data)
        words = {line.value: form[line.value].data or "" for line in Line}
        with guard.write() as tx:
            lock_database.lock_database(tx, published, actor, proof, where, words, form.reason.data or "", form.seen.data or "")
    except sign.WrongPassword as problem:
        with guard.write() as tx:
            lock_database.note_wrong_password(tx, published, actor, lock_database.VERB, where, "database_locked")
        return _checklist_page(where, form, problem), 422
    except Impossible as problem:
        return _checklist_page(where, form, problem), 422
    return redirect(url_for("locks.listed", study=published.study.oid, done="database"), 303)


def _checklist_page(where: Site | None, form: ChecklistForm | None = None, problem: Impossible | None = None) -> str:
    published = g.place.published
    study, address = published.study, lock_database.address_of(published, where)
    with guard.read() as tx:
        found = lock_database.checklist(tx, published, where, g.now)
        state = locks.state_of(tx, address)
    shown = form or ChecklistForm()
    shown.seen.data = lock_database.seen(found, state is not LockState.LOCKED)
    label = Message(N_("Site %(site)s"), {"site": f"{where.code} {where.name}"}) if where else Message(N_("The whole study"))
    fixed_drafts.beside({checklist_url(study.oid, where): None if state is LockState.LOCKED else shown})
    return render_template(
        "locks/checklist.html",
        shell=shell(),
        crumbs=[Crumb(study.title), Crumb(Message(N_("Locks")), url_for("locks.listed", study=study.oid))],
        label=label,
        checks=_checks(found, where),
        locked=state is LockState.LOCKED,
        form=shown,
        problem=problem,
        action=checklist_url(study.oid, where),
        at=g.now,
    )


def _checks(found: Checklist, where: Site | None) -> list[Check]:
    at = {"site": where.code} if where else {}
    pages_of: dict[Line, tuple[str, dict[str, Any]]] = {
        Line.QUERIES: ("queries.listed", {"state": "all", **at}),
        Line.VISITS: ("today.day", {"show": "overdue", **at}),
        Line.INCOMPLETE: ("subjects.matrix", at),
        Line.UNSIGNED: ("signing.queue", at),
        Line.UNVERIFIED: ("coverage.shown", at),
        Line.CASES: ("cases.listed", at),
        Line.REQUESTS: ("requests.listed", {}),
    }
    lines = []
    for line in Line:
        endpoint, values = pages_of[line]
        url = url_for(endpoint, study=g.place.published.study.oid, **values)
        lines.append(Check(line, Message(LINES[line]), found.counts[line], url))
    return lines
