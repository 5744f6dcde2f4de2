"""Amendments at work: approval of a version at a site, its taking effect, records brought to it, and who must consent again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy.exc import IntegrityError

from trialcrf.actions import Impossible, plain
from trialcrf.actions.enter import context_of
from trialcrf.core.checks import Finding
from trialcrf.core.definition.amendment import Policy
from trialcrf.core.definition.compare import DefChange, compare
from trialcrf.core.definition.model import Study
from trialcrf.core.document import FormKey, Place
from trialcrf.core.entry import Decision, Refused
from trialcrf.core.lock import Locked
from trialcrf.core.oversight.migration import carried, new_questions
from trialcrf.core.schedule import ending
from trialcrf.core.values import interval
from trialcrf.core.wording import N_, Message
from trialcrf.store import definitions, forms, plans, queries, sites, subjects
from trialcrf.store.definitions import Effect, Published, Release
from trialcrf.store.forms import Stale, StoredForm
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.store.unique_codes import Taken

VERB = "version.release"
LONGEST_REFERENCE = 200
CONSENTED, CONSENTED_AGAIN = "RFICDAT", "RECONDAT"
NOT_RELEASED = N_("No version of the study is released to site %(site)s yet.")
AT_ONCE = 200
"""Subjects whose records are held in memory together."""

Begin = Callable[[], AbstractContextManager[Transaction]]


def release(tx: Transaction, where: Site, version: Published, reference: str, approved_on: date, effective_on: date, now: datetime) -> bool:
    """Record that a version is approved at a site, and from which day it holds there; returns whether that is today already.

    Raises Impossible with the box: an approval that is not yet given, a version that needs none, one whose predecessor waits.
    """
    today = where.today(now)
    if version.study.amendment is None or not version.study.amendment.approval:
        raise Impossible(Message(N_("This version needs no approval of its own: it holds with the one before it.")))
    said = plain(reference, LONGEST_REFERENCE, "reference")
    if not said:
        raise Impossible(Message(N_("Name the approval: its number, or the letter that grants it.")), "reference")
    if approved_on > today:
        raise Impossible(Message(N_("This day lies in the future: an approval is recorded once it is given.")), "approved_on")
    if effective_on < approved_on:
        raise Impossible(Message(N_("A version takes effect on the day of its approval or later.")), "effective_on")
    known = definitions.releases(tx, [where])
    for one in definitions.versions_of(tx, where.study_oid):
        earlier = one.version < version.version and one.study.amendment is not None and one.study.amendment.approval
        held = known.get((where.id, one.id))
        if earlier and held is None:
            told = N_("Version %(version)s must be approved at this site first.")
            raise Impossible(Message(told, {"version": str(one.version)}))
        if earlier and held is not None and held.effective_on > effective_on:
            told = N_("Version %(version)s takes effect on %(day)s: this one cannot come before it.")
            raise Impossible(Message(told, {"version": str(one.version), "day": held.effective_on}), "effective_on")
    try:
        definitions.release(tx, where, version.id, said, approved_on, effective_on)
    except IntegrityError:
        raise Impossible(Message(N_("The approval of this version is recorded already.")), "reference") from None
    if effective_on > today:
        return False
    _take_effect(tx, definitions.releases(tx, [where])[where.id, version.id])
    return True


def released(tx: Transaction, where: Site) -> Published:
    """The version under which a site enrols now. Raises Impossible where none is released to it."""
    found = definitions.at_site(tx, where)
    if found is None:
        raise Impossible(Message(NOT_RELEASED, {"site": where.code}))
    return found


def scan(tx: Transaction, now: datetime) -> int:
    """Let every approved version take effect whose day has come at its site; returns how many."""
    due = 0
    for published in definitions.all_of(tx):
        found = definitions.releases(tx, sites.all_of(tx, published.study.oid)).values()
        waiting = [one for one in found if not one.in_force and one.effective_on <= one.site.today(now)]
        for one in sorted(waiting, key=lambda one: (one.site.chain, one.definition_id)):
            _take_effect(tx, one)
            due += 1
    return due


def _take_effect(tx: Transaction, one: Release) -> None:
    definitions.take_effect(tx, one)
    plans.replan_all(tx, subjects.all_of(tx, one.site.study_oid, [one.site.code]))


@dataclass(frozen=True, slots=True)
class Touched:
    """A difference, and what it touches: living records of the form under an older version, those with an answer there, their subjects."""

    change: DefChange
    subjects: int
    records: int
    answered: int


def touched(tx: Transaction, old: Study, new: Published, codes: frozenset[str] | None) -> list[Touched]:
    """What a version changes and which records and subjects it meets, at these sites (None: at all)."""
    changes = compare(old, new.study)
    wanted = {one.form for one in changes if one.form}
    subject_ids: dict[str, set[int]] = {form: set() for form in wanted}
    records: dict[str, int] = dict.fromkeys(wanted, 0)
    answered: dict[tuple[str, str], int] = {}
    asked = {form: {one.item for one in changes if one.form == form and one.item} for form in wanted}
    for one in _older(tx, new, subjects.all_of(tx, new.study.oid, codes), wanted):
        form = one.key.form_oid
        subject_ids[form].add(one.subject_id)
        records[form] += 1
        for item in {place.item for place, _ in one.document.places()} & asked[form]:
            answered[form, item] = answered.get((form, item), 0) + 1
    return [
        Touched(
            one, len(subject_ids.get(one.form, ())), records.get(one.form, 0), answered.get((one.form, one.item), 0)
        )
        for one in changes
    ]  # fmt: skip


def _older(tx: Transaction, new: Published, people: Sequence[Subject], form_oids: set[str]) -> Iterator[StoredForm]:
    """The living records of these forms that are under a version before this one."""
    ids = {one.id for one in definitions.versions_of(tx, new.study.oid) if one.version < new.version}
    for start in range(0, len(people) if form_oids else 0, AT_ONCE):
        some = people[start : start + AT_ONCE]
        yield from (one for one in forms.all_of(tx, [each.id for each in some], form_oids) if one.definition_id in ids)


class Outcome(StrEnum):
    """What becomes of a record."""

    MOVED = "moved"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Line:
    """One record of a migration. `why` says why it stays; `missing` counts new questions without an answer, `opened` new queries."""

    subject: str
    site: str
    key: FormKey
    outcome: Outcome
    was: int
    now: int
    why: tuple[Message, ...] = ()
    missing: int = 0
    opened: int = 0


@dataclass
class Migration:
    """The account of a migration, or of its rehearsal."""

    lines: list[Line] = field(default_factory=list)

    def count(self, outcome: Outcome) -> int:
        return sum(one.outcome is outcome for one in self.lines)


def rehearse(tx: Transaction, oid: str, codes: frozenset[str] | None, now: datetime) -> Migration:
    """What a migration would do now to every record that the policies say must follow; nothing is written."""
    found = Migration()
    for which in subjects.all_of(tx, oid, codes):
        found.lines.extend(line for line, _ in _of_subject(tx, which, now))
    return found


def migrate(begin: Begin, oid: str, codes: frozenset[str] | None, now: datetime) -> Migration:
    """Bring those records to the version that their site has, one transaction a subject: what is stopped goes on where it was.

    A record that cannot follow stays under its own version, and the account says why.
    """
    found = Migration()
    with begin() as tx:
        people = subjects.all_of(tx, oid, codes)
    for which in people:
        tried: list[Line] = []
        try:
            with begin() as tx:
                subjects.hold(tx, [which.id])
                steps = list(_of_subject(tx, which, now))
                tried = [line for line, _ in steps]
                done = [_done(tx, which, line, step) if step else line for line, step in steps]
        except Taken:
            # Nothing of this subject was written: another form holds a number that stands once.
            said = Message(N_("A number that stands once in the study is in use: nothing of this subject was changed."))
            done = [Line(*_fields(line)[:3], Outcome.KEPT, line.was, line.now, (said,)) for line in tried]
        found.lines.extend(done)
    return found


@dataclass(frozen=True, slots=True)
class _Step:
    stored: StoredForm
    was: Published
    now: Published
    decision: Decision
    reason: str


def _of_subject(tx: Transaction, which: Subject, now: datetime) -> Iterator[tuple[Line, _Step | None]]:
    held = definitions.in_force(tx, which.site)
    if not any(one.published.study.amendment for one in held):
        return
    versions = {one.published.id: one.published for one in held}
    for stored in forms.all_of(tx, [which.id]):
        was = versions.get(stored.definition_id)
        target = _target(held, was, stored.key.form_oid) if was else None
        if was is None or target is None:
            continue
        line = Line(which.key, which.site.code, stored.key, Outcome.MOVED, was.version, target.version)
        try:
            decision = _carried(tx, which, stored, was, target, now)
        except Refused as refused:
            yield _kept(line, refused.findings), None
            continue
        fresh = {Place(oid) for oid in new_questions(was.study.form[stored.key.form_oid], target.study.form[stored.key.form_oid])}
        missing = sum(one.check == "mandatory" and one.place in fresh for one in decision.findings)
        moved = Line(*_fields(line), missing=missing, opened=len(decision.opened))
        assert target.study.amendment is not None
        reason = f"{target.study.amendment.label.in_('en')} ({target.version})"
        yield moved, _Step(stored, was, target, decision, reason)


def _target(held: Sequence[Effect], was: Published, form_oid: str) -> Published | None:
    """The version that a record must be brought to: the newest in force that says so of its form and asks it otherwise."""
    for one in reversed(held):
        published = one.published
        amendment = published.study.amendment
        if published.version <= was.version:
            return None
        if amendment is not None and amendment.of(form_oid) is Policy.ALL and form_oid in published.study.form:
            return published if published.study.form[form_oid] != was.study.form.get(form_oid) else None
    return None


def _carried(tx: Transaction, which: Subject, stored: StoredForm, was: Published, target: Published, now: datetime) -> Decision:
    form_oid = stored.key.form_oid
    context = context_of(tx, target.study, which, stored.key, now)
    standing = queries.standing(tx, stored.id)
    return carried(was.study.form[form_oid], target.study.form[form_oid], stored.document, standing, context, which.site.zone)


def _done(tx: Transaction, which: Subject, line: Line, step: _Step) -> Line:
    try:
        forms.migrate(tx, which, step.stored, step.was, step.now, step.decision, step.reason)
    except Locked as locked:
        return Line(*_fields(line)[:3], Outcome.KEPT, line.was, line.now, (locked.message,))
    except Stale:
        said = Message(N_("Somebody saved it meanwhile: it stays as it is."))
        return Line(*_fields(line)[:3], Outcome.KEPT, line.was, line.now, (said,))
    return line


def _kept(line: Line, findings: Sequence[Finding]) -> Line:
    why = tuple(one.message if isinstance(one.message, Message) else Message("%(said)s", {"said": one.message}) for one in findings)
    return Line(line.subject, line.site, line.key, Outcome.KEPT, line.was, line.now, why)


def _fields(line: Line) -> tuple[str, str, FormKey, Outcome, int, int]:
    return line.subject, line.site, line.key, line.outcome, line.was, line.now


@dataclass(frozen=True, slots=True)
class Consent:
    """Somebody who consented before an amendment took effect at the site, and has not consented again since."""

    subject: Subject
    consented: str
    again: str


def to_consent_again(tx: Transaction, version: Published, codes: frozenset[str] | None) -> list[Consent]:
    """Who takes part still and must consent again to this version, at the sites where it is in force. Empty for one that asks for none."""
    if version.study.amendment is None or not version.study.amendment.reconsent:
        return []
    since: dict[int, date] = {}
    for place in sites.all_of(tx, version.study.oid):
        if codes is None or place.code in codes:
            since.update((place.id, one.since) for one in definitions.in_force(tx, place) if one.published.id == version.id)
    known = (one for one in subjects.all_of(tx, version.study.oid, codes) if one.site.id in since)
    people = [one for one in known if not version.study.is_product(one.subject_type)]
    found = []
    for start in range(0, len(people), AT_ONCE):
        some = people[start : start + AT_ONCE]
        records = subjects.records(tx, some, frozenset({CONSENTED, CONSENTED_AGAIN, "DSDECOD", "DSSTDAT", "DTHDAT", "DTHFL"}))
        for one, record in zip(some, records, strict=True):
            first = min((text for text in _days(record.records, CONSENTED)), default="")
            again = max((text for text in _days(record.records, CONSENTED_AGAIN)), default="")
            before = bool(first) and interval(first).earliest < since[one.site.id]
            later = bool(again) and interval(again).earliest >= since[one.site.id]
            if before and not later and ending(record) is None:
                found.append(Consent(one, first, again))
    return found


def _days(records: Sequence[subjects.Recorded], alias: str) -> Iterator[str]:
    return (one.values[alias] for one in records if one.values.get(alias))
