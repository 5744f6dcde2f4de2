"""A serious event as its page shows it: clocks in words, the event beside both judgements, the ledger, versions and reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from flask import g, url_for

from trialcrf.actions.safety.follow_case import Change, Followed
from trialcrf.core.access import ROLES, may
from trialcrf.core.document import Answer, Place
from trialcrf.core.safety.case import CASE_STATES, CaseEntry, Expectedness, Judged, Kind, judgements, proposed
from trialcrf.core.safety.clock import CLOCK_STATES, ClockState, Deadline, told_at
from trialcrf.core.safety.event import RELATED
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.store.transaction import Transaction
from trialcrf.web.forms.history import value_for_reading
from trialcrf.web.subjects import form_url

KINDS = {
    Kind.OPENED: N_("Case opened"),
    Kind.INFORMED: N_("Informed"),
    Kind.VERSION: N_("Version frozen"),
    Kind.ASSESSED: N_("Assessed by the sponsor"),
    Kind.NARRATIVE: N_("Narrative"),
    Kind.DOCUMENT: N_("Document"),
    Kind.SUBMITTED: N_("Report sent"),
    Kind.ACKNOWLEDGED: N_("Acknowledged"),
    Kind.CLOSED: N_("Case closed"),
    Kind.REOPENED: N_("Case opened again"),
    Kind.NULLIFIED: N_("Case nullified"),
}
ICONS = {
    ClockState.MET: "done",
    ClockState.LATE: "done_out",
    ClockState.OVER: "overdue",
    ClockState.DUE_SOON: "due",
    ClockState.RUNNING: "due_soon",
    ClockState.NOT_STARTED: "not_applicable",
}
"""A clock looks as a visit in the same state does; the word beside it says which."""

SAID = {RELATED: N_("related"), "NOT RELATED": N_("not related")}


@dataclass(frozen=True, slots=True)
class Clock:
    """One obligation for reading. `last` is the last day, where days are counted: it is the sponsor's."""

    label: Sayable
    source: str
    assumption: str
    recipient: Sayable
    sender: Message
    why: Sayable
    starts: datetime | None
    due: datetime | None
    last: date | None
    at_once: bool
    icon: str
    word: Message
    left: Message | None
    met_at: datetime | None
    met_by: int | None


@dataclass(frozen=True, slots=True)
class Told:
    """A line of the ledger for reading: label and value of what it says."""

    number: int
    what: Message
    name: str
    role: Message
    at: datetime
    facts: Sequence[tuple[Message, Sayable | str | datetime]]
    url: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    question: Sayable
    row: str
    old: Sequence[Sayable | str]
    new: Sequence[Sayable | str]


@dataclass(frozen=True, slots=True)
class VersionLine:
    number: int
    kind: Message
    entry: CaseEntry
    differences: Sequence[Difference]
    first: bool


@dataclass(frozen=True, slots=True)
class Sent:
    """A report that went out, with the reply to it where there is one."""

    number: int
    label: Sayable | str
    to: str
    at: datetime
    version: int
    reference: str
    reply: CaseEntry | None
    replied_at: datetime | None


@dataclass(frozen=True, slots=True)
class CaseView:
    """All that the page of a case tells."""

    state: str
    word: Message
    near: Clock | None
    clocks: Sequence[Clock]
    doubts: Sequence[Message]
    answers: Sequence[tuple[Sayable, Sequence[Sayable | str]]]
    form_url: str
    subject_url: str
    judged: Sequence[Judged]
    investigator: Message
    expected: Message
    proposal: Expectedness | None
    comment: str
    assessed_version: int | None
    ledger: Sequence[Told]
    versions: Sequence[VersionLine]
    unreported: Sequence[Difference]
    since: int
    sent: Sequence[Sent]
    documents: Sequence[Told]
    narratives: Sequence[CaseEntry]


def left_in_words(one: Deadline) -> Message | None:
    """How much time there is: hours up to two days, days beyond; None where nothing waits."""
    hours = one.hours_left
    if hours is None:
        return None
    if one.obligation.at_once:
        return Message(N_("without delay: waiting for %(hours)s h"), {"hours": max(0, -hours - 1)})
    if one.state is ClockState.OVER:
        return (
            Message(N_("over by %(hours)s h"), {"hours": -hours - 1})
            if hours >= -48
            else Message(N_("over by %(days)s days"), {"days": -hours // 24})
        )
    if hours < 48:
        return Message(N_("%(hours)s h left"), {"hours": hours})
    return Message(N_("%(days)s days and %(hours)s h left"), {"days": hours // 24, "hours": hours % 24})


def view(tx: Transaction, of: Followed) -> CaseView:
    """The case for reading, in the place of this request."""
    case, facts = of.case, of.facts
    assessed = case.latest(Kind.ASSESSED)
    settings = g.place.published.study.safety
    reads = may(g.session.actor, f"{of.form.access}.read", case.study_oid, case.site)
    ledger = [_told(of, one) for one in case.entries]
    near = of.nearest
    expected = assessed.content["expected"] if assessed else None
    return CaseView(
        case.state.value,
        Message(CASE_STATES[case.state]),
        _clock(near) if near else None,
        [_clock(one) for one in of.deadlines],
        list(_doubts(of)),
        [(of.form.items[place.item][1].label, _said(of, place, answer)) for place, answer in _answers(of)],
        form_url(of.subject, of.key) if reads else "",
        url_for("subjects.one", study=case.study_oid, subject=case.subject) if may_list(of) else "",
        judgements(facts, assessed),
        Message(N_("not judged yet") if facts.related is None else SAID[RELATED] if facts.related else SAID["NOT RELATED"]),
        Message(N_("not decided yet") if expected is None else N_("expected") if expected else N_("unexpected")),
        proposed(settings.reference_safety, [one.code for one in settings.severities.items], facts) if settings else None,
        assessed.content["comment"] if assessed else "",
        case.version_at(assessed) if assessed else None,
        ledger,
        list(_versions(of)),
        [_difference(of, one) for one in of.unreported],
        len(case.versions),
        list(_sent(of)),
        [told for told, entry in zip(ledger, case.entries, strict=True) if entry.kind is Kind.DOCUMENT],
        case.all_of(Kind.NARRATIVE)[::-1],
    )


def may_list(of: Followed) -> bool:
    return may(g.session.actor, "subject.list", of.case.study_oid, of.case.site)


def _clock(one: Deadline) -> Clock:
    duty = one.obligation
    return Clock(
        duty.label,
        duty.source,
        duty.assumption,
        duty.recipient,
        Message(ROLES.get(duty.sender, duty.sender)),
        one.why,
        one.starts,
        one.due,
        one.day,
        duty.at_once,
        ICONS[one.state],
        Message(CLOCK_STATES[one.state]),
        left_in_words(one),
        one.met_at,
        one.met.number if one.met else None,
    )


def _doubts(of: Followed) -> list[Message]:
    """What a reader should know before anything else."""
    found = []
    aware = of.facts.aware
    if aware and any(told_at(one) < aware for one in of.case.all_of(Kind.SUBMITTED)):
        found.append(Message(N_("The site’s knowledge of seriousness is recorded after a report that went out: one of the two is wrong.")))
    if any(one.disagreed for one in judgements(of.facts, of.case.latest(Kind.ASSESSED))):
        found.append(Message(N_("Investigator and sponsor judge causality differently: the event counts as related.")))
    if of.case.state == "open" and of.case.latest(Kind.ASSESSED):
        found.append(Message(N_("The sponsor’s assessment is older than the newest version: it has to be given again.")))
    if of.unreported:
        found.append(Message(N_("The event changed since version %(number)s."), {"number": len(of.case.versions)}))
    return found


def _answers(of: Followed) -> list[tuple[Place, Answer]]:
    """The answers of the event in the order of its form."""
    order = {oid: number for number, oid in enumerate(of.form.items)}
    mine = [(place, answer) for place, answer in of.stood[-1].document.places() if place.item in order]
    mine = [(place, answer) for place, answer in mine if not of.case.row or place.row == of.case.row]
    return sorted(mine, key=lambda one: (order[one[0].item], one[0].row))


def _said(of: Followed, place: Place, answer: Answer | None) -> Sequence[Sayable | str]:
    return value_for_reading(of.form, place, answer.canonical() if answer else None)


def _difference(of: Followed, one: Change) -> Difference:
    place = Place(one.item.oid)
    return Difference(one.item.label, one.row, _said(of, place, one.old), _said(of, place, one.new))


def _versions(of: Followed) -> list[VersionLine]:
    made = []
    versions = of.case.versions
    for number, version in enumerate(versions):
        before = of.changed_between(versions[number - 1].known_at, version.known_at) if number else ()
        kind = N_("initial") if not number else N_("follow-up")
        made.append(VersionLine(version.number, Message(kind), version.entry, [_difference(of, one) for one in before], not number))
    return made[::-1]


def _sent(of: Followed) -> list[Sent]:
    labels = {one.oid: one.label for one in g.place.published.study.safety.obligations} if g.place.published.study.safety else {}
    replies = {one.content["submission"]: one for one in of.case.all_of(Kind.ACKNOWLEDGED)}
    made = []
    for one in of.case.all_of(Kind.SUBMITTED):
        said, reply = one.content, replies.get(one.number)
        label, replied = labels.get(said["obligation"], said["obligation"]), told_at(reply) if reply else None
        made.append(Sent(one.number, label, said["to"], told_at(one), said["version"], said["reference"], reply, replied))
    return made


def _told(of: Followed, one: CaseEntry) -> Told:
    said = one.content
    facts: list[tuple[Message, Sayable | str | datetime]] = []

    def tell(label: str, value: Sayable | str | datetime) -> None:
        if value != "":
            facts.append((Message(label), value))

    url = ""
    if said.get("aware"):
        known = N_("The site knew that it is serious") if one.kind is Kind.OPENED else N_("Known since")
        tell(known, datetime.fromisoformat(said["aware"]))
    if one.kind is Kind.INFORMED:
        tell(N_("Who learned of it"), said["who"])
        tell(N_("What was learned, and how"), said["what"])
    elif one.kind is Kind.VERSION:
        number = of.case.version_at(one) + 1
        tell(N_("Version"), Message(N_("%(number)s, initial") if number == 1 else N_("%(number)s, follow-up"), {"number": number}))
        tell(N_("What is new"), said["what"])
    elif one.kind is Kind.ASSESSED:
        for judged in judgements(of.facts, one):
            if judged.sponsor:
                tell(judged.label, Message(SAID[judged.sponsor]))
        if said["expected"] is not None:
            tell(N_("Expectedness"), Message(N_("expected") if said["expected"] else N_("unexpected")))
        tell(N_("Reference safety information"), said["rsi"])
        tell(N_("Comment of the sponsor"), said["comment"])
        tell(N_("Assessed"), Message(N_("version %(number)s"), {"number": of.case.version_at(one)}))
    elif one.kind is Kind.NARRATIVE:
        tell(N_("Language"), said["language"])
    elif one.kind is Kind.DOCUMENT:
        tell(N_("Name"), said["name"])
        tell("SHA-256", said["sha256"][:16])
        url = url_for("cases.document", study=of.case.study_oid, number=of.case.number, paper=said["attachment"])
    elif one.kind is Kind.SUBMITTED:
        settings = g.place.published.study.safety
        labels = {duty.oid: duty.label for duty in settings.obligations} if settings else {}
        tell(N_("Obligation"), labels.get(said["obligation"], said["obligation"]))
        tell(N_("Sent to"), said["to"])
        tell(N_("Sent on"), told_at(one))
        tell(N_("Reference"), said["reference"])
    elif one.kind is Kind.ACKNOWLEDGED:
        tell(N_("Report sent"), Message(N_("line %(number)s"), {"number": said["submission"]}))
        tell(N_("Acknowledged on"), told_at(one))
        tell(N_("Reference"), said["reference"])
    elif "why" in said:
        tell(N_("Reason"), Message(said["why"]) if one.role == "system" else said["why"])
        tell(N_("In the words of the site"), said.get("reason", ""))
        tell(N_("Because of a save by"), said.get("by", ""))
    role = Message(ROLES[one.role]) if one.role in ROLES else Message(N_("the program"))
    return Told(one.number, Message(KINDS[one.kind]), one.name, role, one.at, facts, url)
