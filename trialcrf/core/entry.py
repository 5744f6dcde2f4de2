"""What becomes of a save: `decide` takes the form as it was and what was typed, and returns the whole change or raises Refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from trialcrf.core import checks
from trialcrf.core.checks import Context, Finding
from trialcrf.core.definition.model import DataType, FormDef, Severity, StudyEventDef
from trialcrf.core.document import REDACTED, Answer, Document, Place
from trialcrf.core.schedule import bounds
from trialcrf.core.values import Unreadable, interval
from trialcrf.core.wording import N_, Message, Words
from trialcrf.core.workflow import UNSETTLED, QueryState, moved

BLANK = "blank"
"""The check that stops a new form in which nothing was typed."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """What a person sent. `answers` holds only the fields that were present: absent is not blank; None is blank.

    `removed` are rows (group, row) marked entered in error, with reasons; `reasons` tell why a saved value changes;
    `confirmations` are coded reasons why a doubted value is right, by place and check; `origins` name where an answer was copied from.
    """

    answers: Mapping[Place, Answer | Unreadable | None] = field(default_factory=dict)
    removed: Mapping[tuple[str, str], str] = field(default_factory=dict)
    reasons: Mapping[Place, str] = field(default_factory=dict)
    confirmations: Mapping[tuple[Place, str], str] = field(default_factory=dict)
    origins: Mapping[Place, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StandingQuery:
    """A query with its state. `check` is empty where a person asks and no check of the definition."""

    id: int
    place: Place
    check: str
    state: QueryState


@dataclass(frozen=True, slots=True)
class Change:
    """One item changed: an audit record. `derived` is the program's own arithmetic; `prompted_by` names the query that led to it,
    or the form that it was copied from (`copy/` and its id)."""

    place: Place
    old: Answer | None
    new: Answer | None
    reason: str = ""
    prompted_by: str = ""
    derived: bool = False


@dataclass(frozen=True, slots=True)
class QueryOpened:
    place: Place
    check: str
    message: Message | Words
    confirmed: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Everything that a save does, for the store to apply. Nothing changed: no changes, no rows, no queries.

    `corrected` are open queries of people over a value that changes, with the reason for the change: it is their answer. `modified` are
    those that were closed over it.
    """

    document: Document
    changes: tuple[Change, ...]
    removed: Mapping[tuple[str, str], str]
    opened: tuple[QueryOpened, ...]
    answered: Mapping[int, str]
    resolved: tuple[int, ...]
    findings: tuple[Finding, ...]
    complete: bool
    corrected: Mapping[int, str] = field(default_factory=dict)
    modified: tuple[int, ...] = ()

    @property
    def empty(self) -> bool:
        return not (self.changes or self.removed or self.opened or self.answered or self.resolved)


class Refused(Exception):
    """The save is stopped; the findings say why, each at its place. Nothing was written."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__(", ".join(f"{finding.place}: {finding.check}" for finding in findings))
        self.findings = tuple(findings)


@dataclass(frozen=True, slots=True)
class Occasion:
    """The visit that a form belongs to: its definition, and the day of its anchor if that is known."""

    event: StudyEventDef
    anchor: date | None = None


def decide(
    form: FormDef,
    before: Document | None,
    submitted: Submitted,
    standing: Sequence[StandingQuery],
    context: Context,
    occasion: Occasion | None = None,
    further: Sequence[Finding] = (),
) -> Decision:
    """The change that this save makes to the form (`before` is None for a form that does not exist yet).

    `further` are findings that only the caller can make, such as a reference to a record that does not exist.
    Raises Refused with every hard finding at once: what cannot be read, what a hard check refuses, a change or removal without
    its reason, a confirmation by an unknown code. A soft finding is no obstacle: the value is taken as typed and a query opens.
    """
    was = before or Document()
    unreadable = tuple(
        Finding(place, Severity.HARD, "unreadable", answer.message)
        for place, answer in submitted.answers.items()
        if isinstance(answer, Unreadable)
    )
    typed = typed_in(was, submitted)
    after = checks.derive(form, typed, context)
    findings = (*checks.run(form, after, context), *further)
    if occasion is not None:
        findings = (*findings, *before_anchor(form, after, occasion))
    changes = _changes(form, was, after, submitted, standing)
    hard = [*unreadable, *(f for f in findings if f.severity is Severity.HARD), *_unreasoned(was, changes, submitted)]
    if hard:
        raise Refused(_in_order(form, hard))
    if before is None and all(change.derived for change in changes):
        # A blank page sent by mistake must not become a form that holds nothing, or only the program's own sums.
        raise Refused(
            [Finding(Place(next(iter(form.items))), Severity.HARD, BLANK, Message(N_("Nothing was typed yet: nothing was saved.")))]
        )
    touched = {change.place for change in changes}
    changed = {change.place: change.reason for change in changes}
    # A row marked entered in error answers what people asked about it, as a changed value does.
    changed |= {
        one.place: submitted.removed[one.place.group, one.place.row]
        for one in standing
        if (one.place.group, one.place.row) in submitted.removed
    }
    opened, answered, resolved = _queries(form, findings, submitted, standing, touched)
    return Decision(
        after,
        changes,
        submitted.removed,
        opened,
        answered,
        resolved,
        findings,
        complete=not any(finding.check == "mandatory" for finding in findings),
        corrected={one.id: changed[one.place] for one in standing if _asked(one, changed) and one.state is QueryState.OPEN},
        modified=tuple(one.id for one in standing if _asked(one, changed) and one.state is QueryState.CLOSED),
    )


def told(refused: Sequence[Finding], others: Sequence[Finding]) -> tuple[Finding, ...]:
    """What stops a save, then what else is found. What could not be read is no answer yet, but it is not a question that was forgotten."""
    stopped = {finding.place for finding in refused}
    beside = (one for one in others if one.severity is not Severity.HARD and not (one.check == "mandatory" and one.place in stopped))
    return (*refused, *beside)


def erase(
    form: FormDef, before: Document, place: Place, standing: Sequence[StandingQuery], context: Context, reason: str, prompted_by: str
) -> Decision:
    """The change that erasing a value makes to its form: what is derived from it and the queries of checks follow, and no check stops it.

    `prompted_by` names the request of two persons that led to it (ICH E6(R3) 4.2.2: redaction is allowed, logged and justified).
    """
    after = checks.derive(form, before.with_answer(place, REDACTED), context)
    findings = checks.run(form, after, context)
    changes = tuple(
        replace(change, prompted_by=prompted_by) if change.place == place else change
        for change in _changes(form, before, after, Submitted(reasons={place: reason}), standing)
    )
    opened, _, resolved = _queries(form, findings, Submitted(), standing, {change.place for change in changes})
    complete = not any(finding.check == "mandatory" for finding in findings)
    return Decision(after, changes, {}, opened, {}, resolved, findings, complete)


def _asked(query: StandingQuery, changed: Mapping[Place, str]) -> bool:
    """Whether a person's query is about a value that changes."""
    return not query.check and query.place in changed


def before_anchor(form: FormDef, document: Document, occasion: Occasion) -> tuple[Finding, ...]:
    """A visit that is planned after its anchor cannot be dated certainly before it."""
    event, item = occasion.event, form.with_alias(occasion.event.date_alias)
    if item is None or occasion.anchor is None or event.target is None or bounds(event, occasion.anchor)[0] <= occasion.anchor:
        return ()
    answer = document.at(Place(item.oid))
    if answer is None or not answer.text or interval(answer.text).latest >= occasion.anchor:
        return ()
    said = N_("%(visit)s cannot take place before %(anchor)s, the day that it is counted from.")
    message = Message(said, {"visit": event.label, "anchor": occasion.anchor})
    return (Finding(Place(item.oid), Severity.HARD, "before_anchor", message),)


def typed_in(was: Document, submitted: Submitted) -> Document:
    """The document with what was typed and readable in it, rows removed marked so."""
    readable = {
        place: answer
        for place, answer in submitted.answers.items()
        # The box over an erased value is blank: who leaves it so changes nothing.
        if not isinstance(answer, Unreadable) and not (answer is None and was.at(place) == REDACTED)
    }
    after = was.with_answers({place: answer for place, answer in readable.items() if was.at(place) != answer})
    for (group, row_id), reason in submitted.removed.items():
        row = after.row(group, row_id)
        if row is not None and reason:
            after = after.with_row(group, replace(row, error=reason))
    return after


def _changes(form: FormDef, was: Document, after: Document, submitted: Submitted, standing: Sequence[StandingQuery]) -> tuple[Change, ...]:
    old, new = dict(was.places()), dict(after.places())
    doubted = _doubted(standing)
    changes = []
    order = {oid: index for index, oid in enumerate(form.items)}
    for place in sorted(old.keys() | new.keys(), key=lambda place: (order.get(place.item, len(order)), place)):
        before, now = old.get(place), new.get(place)
        if before != now:
            known = form.items.get(place.item)
            derived = known is not None and known[1].type is DataType.DERIVED
            reason = "" if derived else submitted.reasons.get(place, "")
            changes.append(Change(place, before, now, reason, submitted.origins.get(place) or doubted.get(place, ""), derived))
    return tuple(changes)


def _doubted(standing: Sequence[StandingQuery]) -> dict[Place, str]:
    """What a change at a place is prompted by: the query that waits there, else one of a person that was closed over the value."""
    found: dict[Place, str] = {}
    for query in sorted(standing, key=lambda one: (one.state in UNSETTLED, one.id)):
        if query.state in UNSETTLED or (not query.check and query.state is QueryState.CLOSED):
            found[query.place] = f"query/{query.id}"
    return found


def _unreasoned(was: Document, changes: Sequence[Change], submitted: Submitted) -> list[Finding]:
    missing = [
        Finding(change.place, Severity.HARD, "reason", Message(N_("This value was saved before: say why it changes.")))
        for change in changes
        if change.old is not None and not change.derived and not change.reason
    ]
    for (group, row_id), reason in submitted.removed.items():
        row = was.row(group, row_id)
        if row is None:
            said = N_("This row does not exist.")
        elif not reason:
            said = N_("Say why this row was entered in error.")
        else:
            continue
        first = next(iter(row.items), "") if row else ""
        missing.append(Finding(Place(first, group, row_id), Severity.HARD, "reason", Message(said)))
    return missing


def _queries(
    form: FormDef,
    findings: Sequence[Finding],
    submitted: Submitted,
    standing: Sequence[StandingQuery],
    touched: set[Place],
) -> tuple[tuple[QueryOpened, ...], dict[int, str], tuple[int, ...]]:
    soft = {(finding.place, finding.check): finding for finding in findings if finding.severity is Severity.SOFT}
    watched = {check.oid: set(check.items) | {ref.item for ref in check.holds.references} for check in form.checks}
    held: dict[tuple[Place, str], StandingQuery] = {}
    for query in standing:
        changed = any(_concerns(place, query, watched) for place in touched)
        if query.check and (query.state in UNSETTLED or not changed):
            held[query.place, query.check] = query
    opened, answered = [], {}
    for key, finding in soft.items():
        code = submitted.confirmations.get(key, "")
        if key not in held:
            opened.append(QueryOpened(finding.place, finding.check, finding.message, code))
        elif code and held[key].state is QueryState.OPEN:
            moved(held[key].state, "answer")
            answered[held[key].id] = code
    resolved = tuple(query.id for key, query in held.items() if key not in soft and query.state in UNSETTLED)
    return tuple(opened), answered, resolved


def _concerns(place: Place, query: StandingQuery, watched: Mapping[str, set[str]]) -> bool:
    if place.row and query.place.row and place.row != query.place.row:
        return False
    return place == query.place or place.item in watched.get(query.check, ())


def _in_order(form: FormDef, findings: Sequence[Finding]) -> list[Finding]:
    order = {oid: index for index, oid in enumerate(form.items)}
    return sorted(findings, key=lambda finding: (order.get(finding.place.item, len(order)), finding.place))
