"""What a monitor may write about a visit to a site: the boxes of each act, what it does, and when it is offered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from flask import g
from wtforms import Form

from trialcrf.actions import Impossible
from trialcrf.actions.oversight import monitor
from trialcrf.actions.records import report
from trialcrf.actions.records.report_kinds import MONITORING
from trialcrf.core.oversight.monitoring import MONITORING_MOVES, OWNERS, SEVERITIES, EntryKind, Monitoring
from trialcrf.core.wording import N_, Message
from trialcrf.store import monitoring, reports
from trialcrf.store.reports import Report
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction
from trialcrf.web.fixed import NAMES
from trialcrf.web.oversight import monitoring_forms as boxes
from trialcrf.web.oversight.verification import readable


def today_boxes() -> dict[str, str]:
    today = g.place.site.today(g.now) if g.place.site else g.now.date()
    return {"day": f"{today.day:02}", "month": f"{today.month:02}", "year": str(today.year)}


def letters_of(tx: Transaction, visit: Monitoring) -> list[Report]:
    return monitoring.letters(tx, visit, MONITORING)


def _sample(tx: Transaction, where: Site, visit: Monitoring, _form: Form) -> object:
    return monitor.draw_sample(tx, g.place.published, where, visit, readable)


def _held(tx: Transaction, where: Site, visit: Monitoring, form: boxes.HeldForm) -> object:
    first = form.read_day(Message(N_("Say on which day.")))
    last = first + timedelta(days=form.read_length() - 1)
    return monitor.held(tx, where, visit, first, last, form.text.data or "")


def _finding(tx: Transaction, where: Site, visit: Monitoring, form: boxes.FindingForm) -> object:
    return monitor.find(tx, where, visit, form.severity.data or "", form.subject.data or "", form.text.data or "")


def _action(tx: Transaction, where: Site, visit: Monitoring, form: boxes.ActionForm) -> object:
    due = form.read_day(Message(N_("Say by which day.")))
    return monitor.agree(tx, where, visit, boxes.number_of(form.finding.data), form.owner.data or "", due, form.text.data or "")


def _done(tx: Transaction, where: Site, visit: Monitoring, form: boxes.DoneForm) -> object:
    return monitor.done(tx, where, visit, boxes.number_of(form.action.data), form.text.data or "")


def _letter(tx: Transaction, where: Site, visit: Monitoring, form: boxes.LetterForm) -> object:
    if visit.latest(EntryKind.HELD) is None:
        raise Impossible(Message(N_("The letter is written when the visit was held.")))
    why = Message(N_("Letter of monitoring visit %(number)s"), {"number": str(visit.number)})
    return report.order(
        tx, g.place.published, form.language.data or "", g.now.date(), None, tx.who.actor,
        kind=MONITORING, site=where.code, case_number=visit.number, why=g.language.say(why),
    )  # fmt: skip


def _sent(tx: Transaction, where: Site, visit: Monitoring, form: boxes.SentForm) -> object:
    on = form.read_day(Message(N_("Say on which day.")))
    archived = boxes.number_of(form.report.data)
    if archived and archived not in {one.id for one in letters_of(tx, visit) if one.state == reports.DRAWN}:
        raise Impossible(Message(N_("Choose one of the answers offered.")), "report")
    return monitor.letter_sent(tx, where, visit, on, form.text.data or "", archived)


def _close(tx: Transaction, where: Site, visit: Monitoring, form: boxes.TextForm) -> object:
    return monitor.close(tx, where, visit, form.text.data or "")


def _cancel(tx: Transaction, where: Site, visit: Monitoring, form: boxes.TextForm) -> object:
    return monitor.cancel(tx, where, visit, form.text.data or "")


@dataclass(frozen=True, slots=True)
class Act:
    """Something that a monitor may write: its boxes, what it does, the line that it writes (None: it writes none), and its words."""

    form: type[Form]
    do: Callable[..., object]
    kind: EntryKind | None
    label: str
    button: str
    text: str = ""


ACTS: Mapping[str, Act] = {
    "held": Act(boxes.HeldForm, _held, EntryKind.HELD, N_("The visit is held"), N_("Record"), N_("Who was present")),
    "sample": Act(boxes.NoForm, _sample, EntryKind.SAMPLE, N_("Draw the sample"), N_("Draw the sample")),
    "finding": Act(boxes.FindingForm, _finding, EntryKind.FINDING, N_("Record a finding"), N_("Record"), N_("What was found")),
    "action": Act(boxes.ActionForm, _action, EntryKind.ACTION, N_("Agree on an action"), N_("Record"), N_("What is to be done")),
    "done": Act(boxes.DoneForm, _done, EntryKind.FOLLOW_UP_DONE, N_("An action is done"), N_("Record"), N_("How it was settled")),
    "letter": Act(boxes.LetterForm, _letter, None, N_("Order the letter"), N_("Order as a PDF")),
    "sent": Act(boxes.SentForm, _sent, EntryKind.LETTER_SENT, N_("The letter is sent"), N_("Record"), N_("Sent to")),
    "close": Act(boxes.TextForm, _close, EntryKind.CLOSED, N_("Close the visit"), N_("Close the visit"), N_("Conclusion")),
    "cancel": Act(
        boxes.TextForm, _cancel, EntryKind.CANCELLED, N_("Cancel the visit"), N_("Cancel the visit"), N_("Why it does not take place")
    ),
}


def possible(visit: Monitoring) -> Iterator[str]:
    """What may be written into a visit as it stands."""
    for name, act in ACTS.items():
        held = visit.latest(EntryKind.HELD) is not None
        offered = held if act.kind is None else (visit.state, act.kind) in MONITORING_MOVES
        if offered and not (name == "done" and not visit.open_actions):
            yield name


def boxes_of(name: str, visit: Monitoring, letters: list[Report], tried: Form | None) -> Form:
    made = tried or ACTS[name].form(data=today_boxes() if name in ("held", "sent") else {})
    say = g.language.gettext
    if isinstance(made, boxes.FindingForm):
        made.severity.choices = {code: say(label) for code, label in SEVERITIES.items()}
    elif isinstance(made, boxes.ActionForm):
        found = enumerate(visit.all_of(EntryKind.FINDING), 1)
        made.finding.choices = {"0": say(N_("no finding"))} | {
            str(one.number): g.language.say(Message(N_("Finding %(number)s"), {"number": str(number)})) for number, one in found
        }
        made.owner.choices = {code: say(label) for code, label in OWNERS.items()}
    elif isinstance(made, boxes.DoneForm):
        made.action.choices = {str(one.number): one.text[:80] for one in visit.open_actions}
    elif isinstance(made, boxes.LetterForm):
        made.language.choices = {code: NAMES.get(code, code) for code in g.place.published.study.languages}
    elif isinstance(made, boxes.SentForm):
        drawn = [one for one in letters if one.state == reports.DRAWN]
        said = N_("Letter %(number)s, data known at %(at)s")
        made.report.choices = {
            str(one.id): g.language.say(Message(said, {"number": str(one.id), "at": g.language.moment(one.known_at, g.place.site.zone)}))
            for one in drawn
        } | {"0": say(N_("written elsewhere"))}
    return made
