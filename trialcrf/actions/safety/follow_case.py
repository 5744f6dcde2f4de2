"""Serious events as their forms tell of them: a save opens, nullifies and reopens cases; a page reads them with their clocks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from trialcrf.actions.reminding.notify import queue_serious
from trialcrf.core.chain import Checkpoint
from trialcrf.core.definition.model import FormDef, ItemDef, Study
from trialcrf.core.document import Answer, Document, FormKey
from trialcrf.core.safety.case import Case, CaseState, Facts, Kind, facts_of
from trialcrf.core.safety.clock import Deadline, History, deadlines, nearest, stands_at
from trialcrf.core.wording import N_
from trialcrf.store import cases, definitions, forms, replay, sites, subjects, tallies
from trialcrf.store.audit import Who
from trialcrf.store.definitions import Published
from trialcrf.store.replay import Stood
from trialcrf.store.sites import zone_of
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

IN_ERROR = N_("The event was marked entered in error.")
NOT_SERIOUS = N_("The event is not serious any more.")
SERIOUS_AGAIN = N_("The event is serious again.")
CHANGED = N_("The event was changed after the case was closed.")


def told_by(form: FormDef, document: Document, row: str) -> dict[str, str]:
    """The answers of one event by alias, without missing codes: of the form, or of the row that it is."""
    found: dict[str, str] = {}
    for place, answer in document.places():
        if place.row == row and answer.text and place.item in form.items:
            found |= dict.fromkeys(form.items[place.item][1].aliases, answer.text)
    return found


def on_save(
    tx: Transaction, published: Published, subject: Subject, form_id: int, form: FormDef, before: Document, after: Document
) -> None:
    """What a save does to cases: open that of an event which became serious, nullify that of one which no longer is; and tell by mail."""
    queue_serious(tx, published, subject, form_id, form, before, after)
    item = form.with_alias("AESER")
    if item is None or form.with_alias("AETERM") is None:
        return
    group = form.items[item.oid][0]
    rows = [row.id for row in after.rows.get(group.oid, ())] if group.repeating else [""]
    held = cases.of_form(tx, form_id)
    for row in rows:
        error = next((one.error for one in after.rows.get(group.oid, ()) if one.id == row), "")
        told = told_by(form, after, row)
        serious, case = told.get("AESER") == "Y" and not error, held.get(row)
        if case is None and serious:
            aware = told.get("AEAWARE", "")
            cases.open_(tx, subject, form_id, row, {"aware": cases.said(datetime.fromisoformat(aware)) if aware else ""})
        elif case is not None and serious and case.state is CaseState.NULLIFIED:
            _by_program(tx, subject, case, Kind.REOPENED, SERIOUS_AGAIN)
        elif case is not None and serious and case.state is CaseState.CLOSED and told != told_by(form, before, row):
            _by_program(tx, subject, case, Kind.REOPENED, CHANGED)
        elif case is not None and not serious and case.state is not CaseState.NULLIFIED:
            _by_program(tx, subject, case, Kind.NULLIFIED, IN_ERROR if error else NOT_SERIOUS, error)


def nullify(tx: Transaction, subject: Subject, held: Collection[Case], reason: str) -> None:
    """The events of these cases were marked entered in error, with their form or their subject."""
    for case in held:
        if case.state is not CaseState.NULLIFIED:
            _by_program(tx, subject, case, Kind.NULLIFIED, IN_ERROR, reason)


def _by_program(tx: Transaction, subject: Subject, case: Case, kind: Kind, why: str, reason: str = "") -> None:
    """A line that follows from what somebody else saved: the program writes it, and says who that was."""
    cases.add(tx, case, subject.site.chain, kind, {"why": why, "reason": reason, "by": tx.who.actor}, Who.system())


# Reading


@dataclass(frozen=True, slots=True)
class Followed:
    """A case with the event as its form tells of it, and the clocks that it brings about.

    `study` is the definition the form was filled under; `told` its answers by alias as they stand, `stood` how the form stood after
    each save, `history` the same as the clocks read it. `deadlines` are in the study's order.
    """

    case: Case
    subject: Subject
    study: Study
    form: FormDef
    key: FormKey
    version: int
    stood: Sequence[Stood]
    told: Mapping[str, str]
    history: History
    deadlines: Sequence[Deadline]

    @property
    def facts(self) -> Facts:
        return self.history[-1][1]

    @property
    def nearest(self) -> Deadline | None:
        return nearest(self.deadlines)

    @property
    def overdue(self) -> bool:
        return any(one.state == "over" for one in self.deadlines)

    def changed_since(self, moment: datetime) -> Sequence[Change]:
        """What differs of the event between what was known then and what stands."""
        return self.changed_between(moment, self.stood[-1].at)

    def changed_between(self, moment: datetime, later: datetime) -> Sequence[Change]:
        """What differs of the event between what was known at two moments."""
        then, now = (next((one.document for one in reversed(self.stood) if one.at <= at), Document()) for at in (moment, later))
        return list(_changes(self.form, self.case.row, then, now))

    @property
    def unreported(self) -> Sequence[Change]:
        """What changed since the newest frozen version; nothing before there is one."""
        versions = self.case.versions
        return self.changed_since(versions[-1].known_at) if versions else ()


@dataclass(frozen=True, slots=True)
class Change:
    """One answer of the event that differs; `row` names a row of the form that belongs to it (the course of the grade)."""

    item: ItemDef
    row: str
    old: Answer | None
    new: Answer | None


def followed(tx: Transaction, published: Published, held: Sequence[Case], now: datetime, upto: Checkpoint | None = None) -> list[Followed]:
    """These cases with their events and clocks, in their order; within the checkpoint if there is one."""
    if upto:
        found = _followed(tx, published, held, now, upto)
    else:
        # The forms of an event are replayed once, until something is recorded at its site; only its clocks run on.
        places = {one.code: one for one in sites.all_of(tx, published.study.oid)}
        by_id = {one.id: one for one in held}
        at, what = {one.id: places[one.site] for one in held}, ("events of cases", published.id)
        found = tallies.of_lines(tx, at, what, now, lambda some: _followed(tx, published, [by_id[one] for one in some], now))
    return [replace(found[one.id], deadlines=[stands_at(clock, now) for clock in found[one.id].deadlines]) for one in held]


def _followed(
    tx: Transaction, published: Published, held: Sequence[Case], now: datetime, upto: Checkpoint | None = None
) -> dict[int, Followed]:
    """These cases, by their ids."""
    settings = published.study.safety
    zone = zone_of(settings.sponsor.zone) if settings and settings.sponsor else UTC
    stored = forms.by_ids(tx, {one.form_id for one in held})
    people = subjects.by_ids(tx, {one.subject_id for one in stored.values()})
    histories = replay.form_histories(tx, set(stored), upto)
    found = {}
    for case in held:
        of, stood = stored[case.form_id], histories[case.form_id]
        subject, study = people[of.subject_id], definitions.read(tx, of.definition_id).study
        form = study.form[of.key.form_oid]
        told = [told_by(form, one.document, case.row) for one in stood]
        history = [(one.at, facts_of(subject.subject_type, said, settings)) for one, said in zip(stood, told, strict=True)]
        clocks = deadlines(settings, case, history, zone, now) if settings else ()
        found[case.id] = Followed(case, subject, study, form, of.key, of.version, stood, told[-1], history, clocks)
    return found


def _changes(form: FormDef, row: str, then: Document, now: Document) -> Iterator[Change]:
    """The answers of the event that differ; of an event that is a form, its rows, too."""
    before, after = dict(then.places()), dict(now.places())
    order = {oid: number for number, oid in enumerate(form.items)}
    places = (place for place in before.keys() | after.keys() if place.item in order and (not row or place.row == row))
    for place in sorted(places, key=lambda one: (order[one.item], one.row)):
        if before.get(place) != after.get(place):
            yield Change(form.items[place.item][1], place.row if place.row != row else "", before.get(place), after.get(place))
