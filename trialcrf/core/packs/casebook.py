"""The casebook of one subject as one frozen value: every answer, everything the trail tells of them, queries, signatures, locks."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from trialcrf.core.cut import Cut
from trialcrf.core.definition.model import ItemGroupDef, Study
from trialcrf.core.document import Answer, Place, Row
from trialcrf.core.enclosure import ENTITY as ENCLOSURE
from trialcrf.core.enclosure import parsed
from trialcrf.core.lock import LEVELS, LOCK_STATES, Address, Level, LockState, visit_of
from trialcrf.core.packs.casebook_parts import (
    Answered,
    AttachedLine,
    Casebook,
    Figures,
    FormPart,
    LockLine,
    Person,
    QueryLine,
    RowInError,
    Section,
    SignatureLine,
    Signed,
    Thread,
    ThreadLine,
    VisitPart,
)
from trialcrf.core.packs.casebook_told import Held, Told, Trail, TrailLine
from trialcrf.core.packs.reading import read_answer
from trialcrf.core.sight import seen_at
from trialcrf.core.signature import MEANINGS, STANDINGS, Standing
from trialcrf.core.wording import N_, Message, Sayable, Words
from trialcrf.core.workflow import QUERY_STATES, UNSETTLED, QueryState


def casebook(
    study: Study,
    cut: Cut,
    person: Person,
    records: Sequence[Told],
    forms: Mapping[int, Held],
    messages: Mapping[int, Sayable],
    signed: Sequence[Signed],
    closed: Mapping[Address, tuple[LockState, datetime]],
    eyes: Collection[str] = (),
) -> Casebook:
    """The casebook as it was at a checkpoint: `records` are everything that the trail tells of the subject within it, by position.

    `messages` are the questions of the queries by number; `eyes` the kinds of forms (`FormDef.access`) that are in it, all where empty.
    """
    trail = Trail(records, forms, study, person.zone, {str(one.id): one.forms for one in signed})
    open_to = (lambda needed: True) if not eyes else (lambda needed: needed <= frozenset(eyes))
    shown = [one for one in records if open_to(trail.needs(one)) and _visited(study, trail, one, eyes)]
    seen = {id_: held for id_, held in forms.items() if open_to({held.form.access})}
    kept = [one for one in signed if open_to(frozenset(forms[id_].form.access for id_ in one.forms if id_ in forms))]
    over = {at: state for at, state in closed.items() if not eyes or not visit_of(at.text) or seen_at(study, visit_of(at.text), eyes)}
    book = _Book(study, person, shown, seen, trail, messages, kept, over)
    visits, threads = tuple(book.visits()), tuple(book.threads())
    parts = [part for visit in visits for part in visit.forms]
    answers = [one for part in parts for section in part.sections for one in section.answers if one.raw]
    queries = [one for thread in threads for one in thread.queries]
    kind = study.subject_type.get(person.subject_type)
    own = {study.form[ref.form_oid].access for event in study.events_for(person.subject_type) for ref in event.forms}
    return Casebook(
        cut=cut,
        title=study.title,
        protocol=study.protocol,
        subject=person.key,
        subject_type=kind.label if kind else Words({"": person.subject_type}),
        site=person.site,
        enrolled_on=person.enrolled_on,
        error=person.error,
        partial=bool(eyes) and bool(own - set(eyes)),
        figures=Figures(
            forms=len(parts),
            answers=len(answers),
            verified=sum(bool(one.verified) for one in answers),
            changes=sum(one.changes for one in answers),
            queries=len(queries),
            unsettled=sum(one.unsettled for one in queries),
            signatures=len(kept),
            valid=sum(one.standing is Standing.VALID for one in kept),
            records=len(shown),
            withheld=len(records) - len(shown),
        ),
        visits=visits,
        threads=threads,
        signatures=tuple(book.signatures()),
        locks=tuple(book.locks()),
        trail=tuple(trail.lines(shown)),
    )


class _Book:
    """What the parts of a casebook are read from, looked up once."""

    def __init__(
        self,
        study: Study,
        person: Person,
        records: Sequence[Told],
        forms: Mapping[int, Held],
        trail: Trail,
        messages: Mapping[int, Sayable],
        signed: Sequence[Signed],
        closed: Mapping[Address, tuple[LockState, datetime]],
    ) -> None:
        self.study, self.person, self.records, self.forms, self.trail = study, person, records, forms, trail
        self.messages, self.signed, self.closed = messages, signed, closed
        self.of_form: dict[int, list[Told]] = {}
        self.verified: dict[tuple[int, str], str] = {}
        self.changes: dict[tuple[int, str], int] = {}
        self.late: dict[int, list[str]] = {}
        self.documents: dict[int, dict[str, tuple[Told, Told | None]]] = {}
        self.states: dict[int, QueryState] = {}
        self.asked: dict[tuple[int | None, str], list[int]] = {}
        for one in records:
            self._take(one)

    def _take(self, one: Told) -> None:
        form_id = int(one.entity_id) if one.entity in ("form", "verification", "late_entry", "entry_time", ENCLOSURE) else 0
        at = (form_id, one.place)
        if one.entity == "form":
            self.of_form.setdefault(form_id, []).append(one)
            if one.op == "set" and one.old is not None:
                self.changes[at] = self.changes.get(at, 0) + 1
        elif one.entity == "verification":
            self.verified[at] = self.local(one.at) if one.op == "verify" else ""
        elif one.entity == "late_entry":
            self.late.setdefault(form_id, []).append(str(json.loads(one.new or "{}").get("paper_on", "")))
        elif one.entity == ENCLOSURE:
            of_form = self.documents.setdefault(form_id, {})
            of_form[one.place] = (one, None) if one.op == "attach" else (of_form[one.place][0], one)
        elif one.entity == "query" and one.op == "create":
            self.asked.setdefault(_place_of(self.trail, one), []).append(int(one.entity_id))
        elif one.entity == "query" and one.place == "state":
            self.states[int(one.entity_id)] = QueryState(one.new or "open")

    def local(self, at: datetime) -> str:
        return at.astimezone(self.person.zone).isoformat(" ", "seconds")

    def visits(self) -> Iterator[VisitPart]:
        """The occasions in the order of the study, each with its forms."""
        order = {event.oid: place for place, event in enumerate(self.study.events)}
        inside = {(event.oid, ref.form_oid): place for event in self.study.events for place, ref in enumerate(event.forms)}
        last = len(order)

        def turn(held: Held) -> tuple[int, int, int, int]:
            key = held.key
            return order.get(key.event_oid, last), key.event_repeat, inside.get((key.event_oid, key.form_oid), 99), key.form_repeat

        grouped: dict[tuple[str, int], list[Held]] = {}
        for held in sorted(self.forms.values(), key=turn):
            grouped.setdefault((held.key.event_oid, held.key.event_repeat), []).append(held)
        for (oid, repeat), held_here in grouped.items():
            event = held_here[0].study.event.get(oid) or self.study.event.get(oid)
            label: Sayable = event.label if event else Words({"": oid})
            if event and event.repeating:
                label = Message(N_("%(label)s no. %(number)s"), {"label": label, "number": str(repeat)})
            yield VisitPart(oid, label, tuple(self._form(held) for held in held_here))

    def _form(self, held: Held) -> FormPart:
        saves: dict[datetime, Told] = {}
        for one in self.of_form.get(held.id, ()):
            # All records of one save have the same moment; what the program derived within it is the person's save.
            if one.actor != PROGRAM or one.at not in saves:
                saves[one.at] = one
        moments = sorted(saves)
        first, last = (saves[moments[0]], saves[moments[-1]]) if moments else (None, None)
        state = self.closed.get(Address(Level.FORM, held.id))
        return FormPart(
            id=held.id,
            oid=held.form.oid,
            label=held.named,
            version=held.version,
            saves=len(moments),
            first_at=self.local(first.at) if first else "",
            first_by=first.actor if first else "",
            last_at=self.local(last.at) if last else "",
            last_by=last.actor if last else "",
            late=tuple(self.late.get(held.id, ())),
            error=held.error,
            lock=Message(LOCK_STATES[state[0]]) if state and state[0] is not LockState.OPEN else Words(),
            signed=self._signed(held.id),
            sections=tuple(self._section(held, group) for group in held.form.groups),
            documents=tuple(self._attached(held, *pair) for pair in self.documents.get(held.id, {}).values()),
        )

    def _attached(self, held: Held, attached: Told, gone: Told | None) -> AttachedLine:
        said = json.loads(attached.new or "{}")
        return AttachedLine(
            held.question(parsed(attached.place)[0]), str(said.get("name", "")), str(said.get("description", "")), int(said.get("size", 0)),
            str(said.get("sha256", "")), self.local(attached.at), attached.actor, gone.reason if gone else "",
            self.local(gone.at) if gone else "", gone.actor if gone else "",
        )  # fmt: skip

    def _signed(self, form_id: int) -> Sayable:
        over = [one for one in self.signed if form_id in one.forms]
        if not over:
            return Words()
        newest = over[-1]
        said = {"name": newest.name, "at": self.local(newest.at), "standing": Message(STANDINGS[newest.standing])}
        return Message(N_("signed by %(name)s, %(at)s: %(standing)s"), said)

    def _section(self, held: Held, group: ItemGroupDef) -> Section:
        rows = held.document.rows.get(group.oid, ()) if group.repeating else ()
        answers: list[Answered] = []
        for row in rows if group.repeating else (None,):
            mine = [self._answered(held, group, one.oid, row) for one in group.items]
            answers += mine if any(one.raw for one in mine) or (row and row.error) else []
        gone = tuple(RowInError(row.id, row.error) for row in rows if row.error)
        return Section(group.oid, group.label, len(group.items), tuple(answers), gone)

    def _answered(self, held: Held, group: ItemGroupDef, oid: str, row: Row | None) -> Answered:
        place = Place(oid, group.oid, row.id) if row else Place(oid)
        item = held.form.items[oid][1]
        answer: Answer | None = held.document.at(place)
        at = (held.id, str(place))
        return Answered(
            oid, row.id if row else "", item.label, read_answer(item, answer), item.unit if answer and not answer.missing else "",
            answer.canonical() if answer else "", self.verified.get(at, ""), self.changes.get(at, 0), tuple(self.asked.get(at, ())),
        )  # fmt: skip

    def threads(self) -> Iterator[Thread]:
        """Everything asked and said, place by place, in the order in which it began."""
        lines: dict[tuple[int | None, str], list[tuple[Told, TrailLine]]] = {}
        said = [one for one in self.records if one.entity in ("query", "comment", "visit_comment") and (one.entity, one.op) != CREATED]
        for one, line in zip(said, self.trail.lines(said), strict=True):
            lines.setdefault(_place_of(self.trail, one), []).append((one, line))
        for at, told in lines.items():
            numbers = self.asked.get(at, [])
            first = told[0][1]
            yield Thread(first.where, first.question, tuple(map(self._query, numbers)), tuple(_thread_line(*pair) for pair in told))

    def _query(self, number: int) -> QueryLine:
        state = self.states.get(number, QueryState.OPEN)
        return QueryLine(number, Message(QUERY_STATES[state]), state in UNSETTLED, self.messages.get(number, Words()))

    def signatures(self) -> Iterator[SignatureLine]:
        for one in self.signed:
            covers = tuple(self.forms[id_].called for id_ in one.forms if id_ in self.forms)
            meaning: Sayable = Message(MEANINGS[one.meaning]) if one.meaning in MEANINGS else Words({"": one.meaning})
            yield SignatureLine(
                self.local(one.at), one.name, one.role, one.organisation, meaning, covers, Message(STANDINGS[one.standing]),
                one.standing is Standing.VALID, one.hash,
            )  # fmt: skip

    def locks(self) -> Iterator[LockLine]:
        """What is frozen or locked over the subject or of it, the widest first."""
        wide = list(Level)
        for address, (state, since) in sorted(self.closed.items(), key=lambda one: (-wide.index(one[0].level), one[0].text)):
            if state is LockState.OPEN:
                continue
            held = self.forms.get(address.id) if address.level in (Level.FORM, Level.ITEM) else None
            if held is None and address.level in (Level.FORM, Level.ITEM):
                continue  # of a form that is not in this casebook
            yield LockLine(Message(LEVELS[address.level]), self._what(address, held), Message(LOCK_STATES[state]), self.local(since))

    def _what(self, address: Address, held: Held | None) -> Sayable:
        if held is not None and address.level is Level.ITEM:
            return Message(N_("%(visit)s, %(form)s"), {"visit": held.called, "form": held.question(Place.parse(address.rest))})
        if held is not None:
            return held.called
        if address.level is Level.VISIT:
            event = self.study.event.get(visit_of(address.text))
            return event.label if event else Words({"": address.rest})
        names = {Level.SUBJECT: self.person.key, Level.SITE: self.person.site, Level.STUDY: self.study.oid}
        return Words({"": names.get(address.level, "")})


def _visited(study: Study, trail: Trail, one: Told, eyes: Collection[str]) -> bool:
    """Whether a record about a whole visit is for these eyes: one of its forms is."""
    event_oid = trail.event_of(one)
    return not eyes or not event_oid or seen_at(study, event_oid, eyes)


PROGRAM = "trialcrf"
CREATED = ("query", "create")


def _place_of(trail: Trail, one: Told) -> tuple[int | None, str]:
    """Which place a query or a comment is about: the form, and where in it; of a whole visit no form, and the visit."""
    if one.entity == "comment":
        return int(one.entity_id), one.place
    if one.entity == "visit_comment":
        return None, one.place
    said = trail.created.get(("query", one.entity_id)) or {}
    if said.get("form") is None:
        return None, f"{said.get('event', '')}/{said.get('repeat', '')}"
    return int(said["form"]), str(said.get("place", ""))


def _thread_line(one: Told, line: TrailLine) -> ThreadLine:
    said = tuple(part for part in (*(line.after if one.place != "state" else ()), *line.reason))
    return ThreadLine(line.local, line.actor, line.role, line.op, one.entity_id if one.entity == "query" else "", said)
