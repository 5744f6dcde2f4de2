"""The bedside check on a tablet: three scans, two persons, one outcome; what stops it is told in large letters, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from flask import Blueprint, abort, current_app, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, sign
from trialcrf.actions.cells import attempts, bedside, infusion
from trialcrf.actions.cells.bedside import EMERGENCY, Person, Sent, Stopped
from trialcrf.actions.cells.infusion import Given
from trialcrf.core.definition.model import Study
from trialcrf.core.product.bedside import OVERRIDABLE, STOPS, Scanned, Stop, may_be_overridden, stops, told
from trialcrf.core.product.stock import BAG_STATES, BagState
from trialcrf.core.product.thaw import Thaw
from trialcrf.core.signature import Standing
from trialcrf.core.wording import N_, Message, Sayable, Words
from trialcrf.store import signatures
from trialcrf.store.forms import StoredForm
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard, step_up
from trialcrf.web.casebooks import casebook_crumb, subject_url
from trialcrf.web.cells.ways import ways
from trialcrf.web.fixed import BedsideForm, EmergencyForm
from trialcrf.web.forms import beginning
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb
from trialcrf.web.safety import stopping
from trialcrf.web.subjects import form_url

blueprint = Blueprint("bedside", __name__)

RULE = "/studies/<study>/subjects/<subject>/bedside"

NEEDED: Mapping[str, str] = {
    "bag": N_("Scan the bag."),
    "wristband": N_("Scan the wristband."),
    "donation": N_("Scan the donation on the bag."),
    "cohort": N_("Choose the dose cohort."),
    "password": N_("The first person types the password."),
    "second_username": N_("The second person types the user name."),
    "second_password": N_("The second person types the password."),
}
"""What is asked for where a box is blank. A scanner ends with Enter: a page that is sent half filled in is not an attempt yet."""

SHOWN_AT_MOST = 20
"""Refused attempts on the page; the trail holds them all."""


@dataclass(frozen=True, slots=True)
class CheckLine:
    """An accepted check. `stands` is whether both signatures are valid, `since` what came up against the bag after it."""

    number: int
    at: datetime
    bag: str
    cohort: Sayable | str
    first: str
    second: str
    lifted: tuple[Message, ...]
    stands: bool
    state: Message | None
    waiting: bool
    since: tuple[Message, ...]
    url: str


@dataclass(frozen=True, slots=True)
class Deviation:
    """An emergency deviation that stands and no check has used yet."""

    bag: str
    name: str
    at: datetime
    lifted: tuple[Message, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class HardStop:
    """What is told in large letters: every reason, whether an investigator may sign it away, the bag and the scans that it is about."""

    reasons: tuple[Message, ...]
    overridable: bool
    sent: Sent
    bag: str


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a press: a hard stop, or boxes that are wrong or blank. `heading` says which."""

    heading: Message | None = None
    stop: HardStop | None = None
    problems: Mapping[str, Message] = field(default_factory=dict)
    emergency: Mapping[str, Message] = field(default_factory=dict)


@page(blueprint, RULE, "bedside.check")
def shown(study: str, subject: str) -> str:
    return _page(BedsideForm(), Told())


@page(blueprint, RULE, "bedside.check", methods=["POST"], endpoint="check")
def check(study: str, subject: str) -> Response | tuple[str, int]:
    """Check a bag, in these steps:

    1. labels that cannot be read, and what is still blank, are told at their boxes;
    2. both passwords are checked in a transaction that reads;
    3. one transaction judges and records; what stops it, or a wrong password, goes into the trail by another.
    """
    which = _recipient()
    form, actor = BedsideForm(request.form), g.session.actor
    sent, second = _sent(), form.second_username.data or ""
    wrong = bedside.unreadable(g.place.published.study, sent)
    blank = {name: Message(said) for name, said in NEEDED.items() if not request.form.get(name, "").strip()}
    if wrong:
        with guard.write() as tx:
            attempts.record(tx, which, actor, second, sent, [f"label_{name}" for name in wrong])
        heading = Message(N_("A label was refused"))
        return _page(form, Told(heading, problems={**blank, **wrong})), 422
    if blank:
        return _page(form, Told(Message(N_("Not complete yet: nothing was recorded")), problems=blank)), 422
    try:
        first, other = _two_persons(form, second)
        with guard.write() as tx:
            done = bedside.check(tx, g.place.published, which, sent, first, other, g.now)
    except sign.WrongPassword as problem:
        with guard.write() as tx:
            attempts.note_wrong_password(tx, which, actor, second, sent, problem.field)
        return _page(form, Told(Message(N_("Not confirmed: nothing was recorded")), problems={problem.field: problem.message})), 422
    except Stopped as stopped:
        before = _recorded_before(which, sent, stopped, {actor.username, other.actor.username})
        if before is not None:
            return redirect(_url(which, accepted=str(before.key.form_repeat), again="1"), 303)
        with guard.write() as tx:
            attempts.record(tx, which, actor, second, sent, list(stopped.stops))
        return _page(form, Told(stop=HardStop(stopped.messages, stopped.overridable, sent, stopped.read.bag))), 422
    except Impossible as problem:
        with guard.write() as tx:
            reason = "second_person" if problem.field.startswith("second") else "not_recorded"
            attempts.record(tx, which, actor, second, sent, [reason])
        return _page(form, Told(Message(N_("Not confirmed: nothing was recorded")), problems={problem.field: problem.message})), 422
    return redirect(_url(which, accepted=str(done.key.form_repeat)), 303)


@page(blueprint, RULE + "/emergency", "bedside.override", methods=["POST"], endpoint="emergency")
def emergency(study: str, subject: str) -> Response | tuple[str, int]:
    """An investigator signs a deviation for this bag and these reasons. It gives nothing: the check is made again by two persons."""
    which = _recipient()
    form, actor, sent = EmergencyForm(request.form), g.session.actor, _sent()
    try:
        proof = step_up.signer(form.password.data)
        with guard.write() as tx:
            bedside.sign_emergency(tx, g.place.published, which, actor, proof, sent, form.reason.data or "", g.now)
    except sign.WrongPassword as problem:
        with guard.write() as tx:
            sign.note_refusal(tx, actor, which, EMERGENCY)
            attempts.record(tx, which, actor, "", sent, ["password"])
        return _refused_emergency(which, sent, problem), 422
    except Impossible as problem:
        return _refused_emergency(which, sent, problem), 422
    return redirect(_url(which, signed="1"), 303)


def _recipient() -> Subject:
    """The recipient of the address; for anybody else there is no such page."""
    study: Study = g.place.published.study
    which: Subject = g.place.subject
    if study.cells is None or which.subject_type != study.cells.recipient:
        abort(404)
    return which


def _sent() -> Sent:
    return Sent(*(request.form.get(name, "") for name in ("bag", "wristband", "donation", "cohort")))


def _two_persons(form: BedsideForm, second: str) -> tuple[Person, Person]:
    """Both by their passwords, which take their time: in a transaction that reads. Raises sign.WrongPassword."""
    actor, demo_allowed = g.session.actor, bool(current_app.config["LOOPBACK"]) and guard.address() in ("127.0.0.1", "::1")
    proof, typed = step_up.signer(form.password.data), form.second_password.data or ""
    with guard.read() as tx:
        other, other_proof = sign.reauthenticate_other(tx, actor, second, typed, guard.address(), g.now, demo_allowed)
    return Person(actor, proof), Person(other, other_proof)


def _recorded_before(which: Subject, sent: Sent, stopped: Stopped, signers: set[str]) -> StoredForm | None:
    with guard.read() as tx:
        return bedside.recorded_before(tx, g.place.published.study, which, sent, stopped, signers)


def _refused_emergency(which: Subject, sent: Sent, problem: Impossible) -> str:
    """The page of the stop again, as it stands now, with what is wrong at the box of the deviation."""
    try:
        with guard.read() as tx:
            found = bedside.against(tx, g.place.published, which, sent, g.now)
    except Impossible as unread:
        return _page(BedsideForm(request.form), Told(Message(N_("A label was refused")), problems={unread.field: unread.message}))
    if not found:
        return _page(BedsideForm(request.form), Told(problem.message))
    at = problem.field if problem.field in ("reason", "password") else "reason"
    stop = HardStop(told(found), may_be_overridden(found), sent, bedside.read_scans(g.place.published.study, sent).bag)
    return _page(BedsideForm(request.form), Told(stop=stop, emergency={at: problem.message}))


def _url(which: Subject, **more: str) -> str:
    return url_for("bedside.shown", study=which.site.study_oid, subject=which.key, **more)  # type: ignore[arg-type]


def _page(form: BedsideForm, what: Told) -> str:
    which, study = _recipient(), g.place.published.study
    cohorts = _cohorts(study)
    form.cohort.choices = [(code, g.language.say(label)) for code, label in cohorts.items()]
    with guard.read() as tx:
        made = bedside.checks_of(tx, study, which)
        lines = _lines(tx, which, made, cohorts)
        wanted = request.args.get("accepted", "") if what == Told() else ""
        accepted = next((line for line in lines if str(line.number) == wanted), None)
        given, clocks = _of_bag(tx, which, made, accepted) if accepted else (None, ())
        refused = attempts.refused(tx, which)
        deviations = _deviations(tx, which, {line.bag for line in lines})
        hold = stopping.notice(tx)
        begin_url = beginning.infusion_url(tx, study, which)
        reads_hold = guard.may_here("decision.read")
    return render_template(
        "cells/bedside.html",
        shell=shell(),
        crumbs=[casebook_crumb(study, which.subject_type), Crumb(which.key, subject_url(study, which))],
        ways=[one for one in ways(study, which) if one.url != _url(which)],
        which=which,
        kind=study.subject_type[which.subject_type].label,
        form=form,
        emergency_form=EmergencyForm(request.form if what.emergency else None),
        what=what,
        first=g.session.actor.name or g.session.actor.username,
        accepted=accepted,
        again=request.args.get("again") == "1",
        signed=request.args.get("signed") == "1" and what == Told(),
        given=given,
        clocks=clocks,
        limit=study.cells.thaw_minutes if study.cells else 0,
        lines=lines,
        refused=refused[:SHOWN_AT_MOST],
        more=max(0, len(refused) - SHOWN_AT_MOST),
        cohorts=cohorts,
        deviations=deviations,
        hold=hold if reads_hold else None,
        infusion_url=begin_url,
        may_override=guard.may_here("bedside.override"),
        may_check=not which.error,
        check_url=_url(which),
        now=g.now,
    )


def _cohorts(study: Study) -> dict[str, Words]:
    item = next((one for form in study.forms_with("ACTARM") if (one := form.with_alias("ACTARM")) is not None), None)
    return {one.code: one.label for one in item.codelist.items} if item is not None and item.codelist is not None else {}


def _lines(tx: Transaction, which: Subject, made: Sequence[StoredForm], cohorts: Mapping[str, Words]) -> list[CheckLine]:
    """The accepted checks, newest first, each with what stands against its bag since."""
    study = g.place.published.study
    stood = signatures.all_of(tx, which.id, bedside.MEANING)
    standings = signatures.standings(tx, stood)
    lines = []
    for stored in reversed(made):
        said = bedside.told_of(study, stored)
        own = [one for one in stood if any((at.entity, at.entity_id) == ("form", str(stored.id)) for at in one.signed)]
        sent = Sent(*(said.get(alias, "") for alias in ("CTCHKBAG", "CTCHKSUB", "CTCHKDON", "CTCHKARM")))
        now = bedside.situation(tx, g.place.published, which, sent.bag, sent.cohort, g.now)
        found = set(stops(now, Scanned(sent.bag, sent.wristband, sent.donation))) - {Stop.RESERVED, Stop.USED}
        waiting = now.bag is not None and now.bag.state is BagState.CHECKED
        lines.append(
            CheckLine(
                stored.key.form_repeat,
                datetime.fromisoformat(said["CTCHKDTC"]),
                sent.bag,
                cohorts.get(sent.cohort, sent.cohort),
                said.get("CTCHKBY1", ""),
                said.get("CTCHKBY2", ""),
                tuple(Message(STOPS[stop]) for stop in Stop if stop in bedside.lifted_by(stored, study)),
                len(own) == 2 and all(standings[one.id].standing is Standing.VALID for one in own),
                Message(BAG_STATES[now.bag.state]) if now.bag is not None and now.bag.state is not None else None,
                waiting,
                told(found - bedside.lifted_by(stored, study)) if waiting else (),
                form_url(which, stored.key),
            )
        )
    return lines


def _of_bag(tx: Transaction, which: Subject, made: Sequence[StoredForm], line: CheckLine) -> tuple[Given | None, tuple[Thaw, ...]]:
    """What the bag holds for this recipient, and since when it is thawed."""
    published = g.place.published
    stored = next(one for one in made if one.key.form_repeat == line.number)
    said = bedside.told_of(published.study, stored)
    bag = bedside.situation(tx, published, which, line.bag, said.get("CTCHKARM", ""), g.now).bag
    given = infusion.dose_of_bags(tx, published.study, which, [bag], said.get("CTCHKARM", "")) if bag is not None else None
    return given, tuple(one for one in infusion.clocks(tx, published.study, which, g.now) if one.bag == line.bag)


def _deviations(tx: Transaction, which: Subject, checked: set[str]) -> list[Deviation]:
    """Emergency deviations that stand and lift something still: whoever makes the check again finds them here."""
    found = []
    for one in signatures.all_of(tx, which.id, EMERGENCY):
        bag = str(one.said.get("bag", ""))
        if bag not in checked and bedside.emergency_of(tx, which, bag) == one:
            lifted = tuple(Message(STOPS[stop]) for stop in Stop if stop in one.said["stops"] and stop in OVERRIDABLE)
            found.append(Deviation(bag, one.name, one.at, lifted, str(one.said.get("reason", ""))))
    return found
