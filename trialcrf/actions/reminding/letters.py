"""What the mails say: each kind is checked once more, by the data of this very moment, before a word of it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from trialcrf.actions.administer import INVITATION_LASTS, fresh_invitation
from trialcrf.actions.reminding import choose
from trialcrf.actions.reminding.notify import INCIDENT_ROLES, SERIOUS_ROLES
from trialcrf.actions.safety.escalate import ENDED, roles_told
from trialcrf.actions.safety.follow_case import followed
from trialcrf.actions.signing_in.resets import RESET_LASTS, fresh_reset
from trialcrf.core import reminder, schedule
from trialcrf.core.access import may
from trialcrf.core.definition.model import ReminderStep, Study
from trialcrf.core.document import Place
from trialcrf.core.safety import decision
from trialcrf.core.safety.clock import ClockState, reached
from trialcrf.core.schedule import OPEN, Standing, State
from trialcrf.core.wording import N_
from trialcrf.store import accounts, audit, cases, choices, decisions, definitions, forms, outbox, sites, subjects, visits
from trialcrf.store.accounts import Account
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction
from trialcrf.store.visits import Asked

COUNTED = (State.DUE_SOON, State.DUE, State.OVERDUE)
"""What a digest counts of each site, in the order in which a visit goes through them."""


class NoLongerDue(Exception):
    """The reason for a mail is gone; the text (a msgid) says how, for whoever reads the outbox."""


class Quiet(Exception):
    """The mail is due, but nobody is written to at this hour at the site: it waits `until` then."""

    def __init__(self, until: datetime) -> None:
        super().__init__(until)
        self.until = until


@dataclass(frozen=True, slots=True)
class Written:
    """What a text of `templates/mail` needs, and the paths that its links lead to; only reminders have one that stops them.

    `to` is another address than the account's: the one that was the person's before.
    """

    values: Mapping[str, object]
    path: str
    stop_path: str = ""
    to: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """The visits of one site that wait, by number, as its lists show them."""

    site: str
    name: str
    due_soon: int
    due: int
    overdue: int


def write(tx: Transaction, kind: str, account: Account, params: Mapping[str, Any], now: datetime) -> Written:
    """What a mail of this kind says now. Raises NoLongerDue, Quiet, and KeyError for a kind that there is not."""
    return _WRITERS[kind](tx, account, params, now)


def key_of(step: ReminderStep, params: Mapping[str, Any], username: str) -> str:
    """The key of a reminder: one a person, visit, step and window. A corrected reference day moves the window: that reminds anew."""
    window = (params["opens"], params["closes"])
    return outbox.key("remind", params["study"], str(params["subject"]), params["event"], step.oid, username, *window)


def _remind(tx: Transaction, account: Account, params: Mapping[str, Any], now: datetime) -> Written:
    study, site = _place(tx, params)
    step = next((one for one in study.reminders.steps if one.oid == params["step"]), None)
    if step is None:
        raise NoLongerDue(N_("The study does not remind of this any more."))
    standing = _standing(tx, study, params)
    if standing is None or standing.course != OPEN:
        raise NoLongerDue(N_("The visit does not wait any more."))
    opens, closes = standing.opens, standing.closes
    assert opens is not None and closes is not None
    if (opens.isoformat(), closes.isoformat()) != (params["opens"], params["closes"]):
        raise NoLongerDue(N_("The window of the visit moved."))
    held = reminder.reached(study.reminders.steps, opens, closes, site.today(now))
    choice = choices.of(tx, account.id, study.oid, study.reminders.delivery)
    roles = roles_at(tx, account, study, site)
    if roles.isdisjoint(step.roles):
        raise NoLongerDue(N_("The recipient holds no role any more that is reminded of this."))
    if choice == choices.NONE:
        raise NoLongerDue(N_("The recipient wants no reminders."))
    if choice == choices.WEEKLY and not step.single:
        raise NoLongerDue(N_("The recipient gets a weekly digest instead."))
    if reminder.gravest(held, roles, choice == choices.WEEKLY) != step or _superseded(tx, study, step, account, params):
        raise NoLongerDue(N_("The visit is further on, or not so far any more: another reminder is the one that counts."))
    _not_in_quiet_hours(study, site, now)
    state = reminder.STATES[step.when]
    count = visits.count(tx, Asked([site], now, study.due_soon, state))
    text = step.text.in_(account.language)
    values = {"study": study.protocol, "site": site.code, "state": state.value, "count": count, "text": text}
    path = f"/studies/{quote(study.oid)}/today?{urlencode({'site': site.code})}"
    return Written(values, path, choose.stop_path(tx, account.id, study.oid))


def _standing(tx: Transaction, study: Study, params: Mapping[str, Any]) -> Standing | None:
    """The visit by the rule itself, from the records of its subject; the rows of the lists are not asked."""
    subject = subjects.by_id(tx, params["subject"])
    if subject is None or subject.error:
        return None
    record = subjects.records(tx, [subject])[0]
    at = definitions.for_subject(tx, subject).study
    return next((one for one in schedule.standings(at, record) if one.event.oid == params["event"]), None)


def _superseded(tx: Transaction, study: Study, step: ReminderStep, account: Account, params: Mapping[str, Any]) -> bool:
    """Whether this person was told of a graver step of the same window: where the clock was put back, days come twice."""
    order = reminder.by_gravity(study.reminders.steps)
    states = (outbox.find(tx, key_of(graver, params, account.username)) for graver in order[order.index(step) + 1 :])
    return any(found is not None and found[0] != outbox.CANCELLED for found in states)


def _digest(tx: Transaction, account: Account, params: Mapping[str, Any], now: datetime) -> Written:
    study = _study(tx, params)
    mine = sites_reminded(tx, account, study)
    if not mine:
        raise NoLongerDue(N_("The recipient holds no role any more that is reminded of this."))
    if choices.of(tx, account.id, study.oid, study.reminders.delivery) != choices.WEEKLY:
        raise NoLongerDue(N_("The recipient does not want a weekly digest any more."))
    if reminder.week_of(now.astimezone(mine[0].zone)) != params["week"]:
        raise NoLongerDue(N_("Its week is over: the next digest tells what is due now."))
    tallies = [_tally(tx, study, site, now) for site in mine]
    if not any(one.due_soon or one.due or one.overdue for one in tallies):
        raise NoLongerDue(N_("There is nothing to tell."))
    _not_in_quiet_hours(study, mine[0], now)
    # Whole seconds, so that what is printed is the very moment whose heads these are.
    known_at = now.replace(microsecond=0)
    chains = [study.oid, *(site.chain for site in sites.all_of(tx, study.oid))]
    checkpoint = audit.heads_at(tx.connection, known_at, chains).digest()
    values = {
        "study": study.protocol,
        "sites": tallies,
        "days": study.due_soon,
        "checkpoint": checkpoint,
        "known_at": f"{known_at:%Y-%m-%d %H:%M:%S} UTC",
    }
    return Written(values, f"/studies/{quote(study.oid)}/today", choose.stop_path(tx, account.id, study.oid))


def _tally(tx: Transaction, study: Study, site: Site, now: datetime) -> Tally:
    numbers = (visits.count(tx, Asked([site], now, study.due_soon, state)) for state in COUNTED)
    return Tally(site.code, site.name, *numbers)


def sites_reminded(tx: Transaction, account: Account, study: Study) -> list[Site]:
    """The sites of which the study reminds this person for a role of theirs, by code."""
    reminded = {role for step in study.reminders.steps for role in step.roles}
    return [site for site in sites.all_of(tx, study.oid) if not reminded.isdisjoint(roles_at(tx, account, study, site))]


def roles_at(tx: Transaction, account: Account, study: Study, site: Site) -> set[str]:
    """The roles that an account holds in the study, at this site or at all of them."""
    held = accounts.actor(tx, account).grants
    return {grant.role for grant in held if grant.study == study.oid and grant.site in ("", site.code)}


def _not_in_quiet_hours(study: Study, site: Site, now: datetime) -> None:
    until = reminder.quiet_until(study.reminders, now.astimezone(site.zone))
    if until is not None:
        raise Quiet(until)


def _serious(tx: Transaction, account: Account, params: Mapping[str, Any], now: datetime) -> Written:
    study, site = _place(tx, params)
    if roles_at(tx, account, study, site).isdisjoint(SERIOUS_ROLES):
        raise NoLongerDue(N_("The recipient is not to be told of this any more."))
    stored = forms.by_id(tx, params["form"])
    living = subjects.by_id(tx, stored.subject_id) if stored else None
    place = Place.parse(params["place"])
    row = stored.document.row(place.group, place.row) if stored and place.row else None
    if stored is None or stored.error or living is None or living.error or (row is not None and row.error):
        raise NoLongerDue(N_("The event was marked entered in error."))
    # A sponsor opens no form, but the case; an event that was serious before there were cases has none.
    reads = may(accounts.actor(tx, account, now), "form.read", study.oid, site.code)
    case = cases.of_form(tx, stored.id).get(place.row)
    page = f"forms/{stored.id}" if reads else f"cases/{case.number}" if case else "reports"
    path = f"/studies/{quote(study.oid)}/{page}"
    return Written({"study": study.protocol, "site": site.code}, path)


def _clock(tx: Transaction, account: Account, params: Mapping[str, Any], now: datetime) -> Written:
    """A clock of a serious event: it goes at any hour, for the clock stops at none."""
    published = definitions.current(tx, params["study"])
    case = cases.find(tx, params["study"], params["case"])
    assert published is not None
    if case is None or case.state in ENDED:
        raise NoLongerDue(N_("The case is closed or nullified."))
    of = followed(tx, published, [case], now)[0]
    found = next((one for one in of.deadlines if one.obligation.oid == params["obligation"]), None)
    if found is None or not found.waits or found.starts is None or found.due is None:
        raise NoLongerDue(N_("Nothing is to be reported under this obligation any more."))
    step = reached(found, now)
    if cases.said(found.starts) != params["starts"] or step is None or step != params["step"]:
        raise NoLongerDue(N_("The clock stands elsewhere by now: another reminder is the one that counts."))
    if roles_at(tx, account, published.study, of.subject.site).isdisjoint(roles_told(found, step)):
        raise NoLongerDue(N_("The recipient is not to be told of this any more."))
    values = {
        "study": published.study.protocol,
        "site": case.site,
        "number": case.number,
        "obligation": found.obligation.label.in_(account.language),
        "over": found.state is ClockState.OVER,
        "at_once": found.obligation.at_once,
        "hours": abs(found.hours_left or 0),
    }
    return Written(values, f"/studies/{quote(published.study.oid)}/cases/{case.number}")


def _hold(tx: Transaction, account: Account, params: Mapping[str, Any], now: datetime) -> Written:
    study = _study(tx, params)
    if not any(not roles_at(tx, account, study, site).isdisjoint(SERIOUS_ROLES) for site in sites.all_of(tx, study.oid)):
        raise NoLongerDue(N_("The recipient is not to be told of this any more."))
    if all(one.number != params["number"] for one in decision.standing(decisions.all_of(tx, study.oid))):
        raise NoLongerDue(N_("The hold was dismissed or lifted."))
    return Written({"study": study.protocol}, f"/studies/{quote(study.oid)}/stopping")


def _incident(tx: Transaction, account: Account, params: Mapping[str, Any], now: datetime) -> Written:
    study = _study(tx, params)
    if not any(not roles_at(tx, account, study, site).isdisjoint(INCIDENT_ROLES) for site in sites.all_of(tx, study.oid)):
        raise NoLongerDue(N_("The recipient is not to be told of this any more."))
    batch = subjects.by_id(tx, params["batch"])
    if batch is None or batch.error:
        raise NoLongerDue(N_("The batch was marked entered in error."))
    return Written({"study": study.protocol}, f"/studies/{quote(study.oid)}/cells/{quote(batch.key)}")


def _misuse(tx: Transaction, account: Account, params: Mapping[str, Any], now: datetime) -> Written:
    if not may(accounts.actor(tx, account), "user.administer", "*"):
        raise NoLongerDue(N_("The recipient is not to be told of this any more."))
    return Written({"address": params["address"], "hour": params["hour"]}, "/people")


def _room(tx: Transaction, account: Account, params: Mapping[str, Any], now: datetime) -> Written:
    if not may(accounts.actor(tx, account), "job.administer", "*"):
        raise NoLongerDue(N_("The recipient is not to be told of this any more."))
    return Written({"size": params["size"], "day": params["day"]}, "/admin/jobs")


def _refusals(tx: Transaction, account: Account, params: Mapping[str, Any], now: datetime) -> Written:
    if not may(accounts.actor(tx, account), "user.administer", "*"):
        raise NoLongerDue(N_("The recipient is not to be told of this any more."))
    about = accounts.by_id(tx, params["account"])
    assert about is not None  # An account is never deleted.
    return Written({"username": about.username, "hour": params["hour"], "number": about.id}, "/people")


def _alarm(tx: Transaction, account: Account, params: Mapping[str, Any], now: datetime) -> Written:
    if not may(accounts.actor(tx, account), "job.administer", "*"):
        raise NoLongerDue(N_("The recipient is not to be told of this any more."))
    return Written({"job": params["job"]}, "/admin/jobs")


def _invite(tx: Transaction, account: Account, params: Mapping[str, Any], now: datetime) -> Written:
    token = fresh_invitation(tx, account.id)
    return Written({"username": account.username, "days": INVITATION_LASTS.days}, f"/invitation/{quote(token)}")


def _reset(tx: Transaction, account: Account, params: Mapping[str, Any], now: datetime) -> Written:
    token = fresh_reset(tx, account.id)
    return Written({"username": account.username, "minutes": int(RESET_LASTS.total_seconds() // 60)}, f"/reset/{quote(token)}")


def _account(tx: Transaction, account: Account, params: Mapping[str, Any], now: datetime) -> Written:
    return Written({"username": account.username, "what": params["what"]}, "/account", to=params.get("to", ""))


def _suspect(tx: Transaction, account: Account, params: Mapping[str, Any], now: datetime) -> Written:
    # Of the moment as it is stored, to the minute.
    return Written({"username": account.username, "what": params["what"], "at": params["at"][:16].replace("T", " ")}, "/account")


def _overdue(tx: Transaction, account: Account, params: Mapping[str, Any], now: datetime) -> Written:
    """A reminder that waited while the program learned to remind by steps: the scan queues it anew where it is due."""
    raise NoLongerDue(N_("Reminders are queued in another way now."))


_WRITERS: Mapping[str, Callable[[Transaction, Account, Mapping[str, Any], datetime], Written]] = {
    "remind": _remind,
    "digest": _digest,
    "serious": _serious,
    "clock": _clock,
    "hold": _hold,
    "incident": _incident,
    "misuse": _misuse,
    "room": _room,
    "refusals": _refusals,
    "alarm": _alarm,
    "invite": _invite,
    "reset": _reset,
    "account": _account,
    "suspect": _suspect,
    "overdue": _overdue,
}


def _place(tx: Transaction, params: Mapping[str, Any]) -> tuple[Study, Site]:
    site = sites.find(tx, params["study"], params["site"])
    assert site is not None  # A site is never deleted.
    return _study(tx, params), site


def _study(tx: Transaction, params: Mapping[str, Any]) -> Study:
    published = definitions.everywhere(tx, params["study"])
    assert published is not None  # Nor is a study.
    return published.study
