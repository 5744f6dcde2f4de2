"""What the trail tells of one subject, record by record, and which records are for whose eyes."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from functools import cached_property
from typing import Any

from trialcrf.core.access import ROLES
from trialcrf.core.definition.model import FormDef, ItemDef, Study
from trialcrf.core.document import Document, FormKey, Place
from trialcrf.core.enclosure import ENTITY as ENCLOSURE
from trialcrf.core.enclosure import parsed
from trialcrf.core.lock import LOCK_STATES, Address, Level, visit_of
from trialcrf.core.oversight.four_eyes import REQUEST_STATES
from trialcrf.core.oversight.personal import WITHHELD
from trialcrf.core.packs.reading import Said, read_canonical, read_reason
from trialcrf.core.signature import MEANINGS
from trialcrf.core.wording import N_, Message, Sayable, Words
from trialcrf.core.workflow import QUERY_STATES


@dataclass(frozen=True, slots=True)
class Told:
    """One record of the trail. `old` and `new` are canonical texts, None where there was or is no value; `redacted`: it was erased."""

    chain: str
    seq: int
    at: datetime
    actor: str
    role: str
    organisation: str
    op: str
    entity: str
    entity_id: str
    place: str
    reason: str
    prompted_by: str
    old: str | None
    new: str | None
    redacted: bool = False


@dataclass(frozen=True)
class Held:
    """A form as it stood at the checkpoint, with the version of the definition that it was filled under."""

    id: int
    key: FormKey
    study: Study
    version: int
    document: Document
    error: str = ""

    @cached_property
    def form(self) -> FormDef:
        return self.study.form[self.key.form_oid]

    def item(self, place: Place) -> ItemDef | None:
        found = self.form.items.get(place.item)
        return found[1] if found else None

    def question(self, place: Place) -> Sayable:
        """What is asked at a place: an item, one of a row, a row, or (empty) the whole form."""
        item = self.item(place)
        label: Sayable = item.label if item else Words({"": place.item})
        if not place.item and not place.row:
            return Message(N_("the whole form"))
        if not place.item:
            return Message(N_("row %(row)s"), {"row": place.row})
        return Message(N_("%(item)s, row %(row)s"), {"item": label, "row": place.row}) if place.row else label

    @property
    def called(self) -> Sayable:
        """The visit and the form, with their numbers where there can be several."""
        event = self.study.event.get(self.key.event_oid)
        visit: Sayable = event.label if event else Words({"": self.key.event_oid})
        if event and event.repeating:
            visit = Message(N_("%(label)s no. %(number)s"), {"label": visit, "number": str(self.key.event_repeat)})
        return Message(N_("%(visit)s, %(form)s"), {"visit": visit, "form": self.named})

    @property
    def named(self) -> Sayable:
        if not self.form.repeating and self.key.form_repeat == 1:
            return self.form.label
        return Message(N_("%(label)s no. %(number)s"), {"label": self.form.label, "number": str(self.key.form_repeat)})


@dataclass(frozen=True, slots=True)
class TrailLine:
    """One record for reading. `local` is the time at the site with its offset; `before`, `after` as read, `raw_...` as recorded."""

    chain: str
    seq: int
    at: datetime
    local: str
    actor: str
    role: Sayable
    organisation: str
    op: Sayable
    where: Sayable
    question: Sayable
    before: Said
    after: Said
    reason: Said
    prompted_by: str
    entity: str
    entity_id: str
    place: str
    raw_before: str
    raw_after: str


WORDS: Mapping[tuple[str, str], str] = {
    ("subject", "create"): N_("Subject enrolled"),
    ("subject", "error"): N_("Subject marked entered in error"),
    ("subject", "replan"): N_("Visit planned anew"),
    ("subject", "look_back"): N_("Look-back from the donor"),
    ("form", "create"): N_("Form begun"),
    ("form", "error"): N_("Form marked entered in error"),
    ("form", "row_error"): N_("Row marked entered in error"),
    ("form", "review"): N_("Queries worked on"),
    ("form", "migrate"): N_("Form moved to another definition version"),
    ("late_entry", "late_entry"): N_("Entered late, from paper"),
    ("entry_time", "entry_time"): N_("First typed"),
    ("draft", "discard"): N_("What was typed was discarded"),
    ("draft", "expire"): N_("What was typed ended unsaved: nobody came back"),
    ("file_entry", "file_entry"): N_("Taken from a file"),
    (ENCLOSURE, "attach"): N_("Document attached"),
    (ENCLOSURE, "withdraw"): N_("Document withdrawn"),
    ("comment", "comment"): N_("Comment"),
    ("visit_comment", "comment"): N_("Comment"),
    ("query", "create"): N_("Query"),
    ("query", "open"): N_("Query opened"),
    ("query", "answer"): N_("Query answered"),
    ("query", "accept"): N_("Answer accepted"),
    ("query", "reject"): N_("Answer not accepted"),
    ("query", "resolve"): N_("Query closed: the value is now right"),
    ("query", "cancel"): N_("Query cancelled"),
    ("query", "reopen"): N_("Query opened again"),
    ("query", "modify"): N_("Value changed after the query was closed"),
    ("query", "assign"): N_("Query assigned"),
    ("query", "due"): N_("Day by which to answer"),
    ("verification", "verify"): N_("Verified against its source"),
    ("verification", "unverify"): N_("No longer verified"),
    ("signature", "sign"): N_("Signed"),
    ("lock", "freeze"): N_("Frozen"),
    ("lock", "thaw"): N_("Thawed"),
    ("lock", "lock"): N_("Locked"),
    ("lock", "unlock"): N_("Unlocked"),
    ("four_eyes", "create"): N_("Request to a second person"),
    ("four_eyes", "ask"): N_("Asked of a second person"),
    ("four_eyes", "granted"): N_("Granted by a second person"),
    ("four_eyes", "refused"): N_("Refused by a second person"),
    ("refusal", "refused"): N_("Stopped"),
    ("safety_case", "create"): N_("Case of a serious event opened"),
    ("case_entry", "create"): N_("Written into the case"),
    ("attachment", "create"): N_("Paper of a case kept"),
    ("label", "print_label"): N_("Label printed"),
}
"""What happened, by kind of thing and operation. What is not here is told by its own names, never left out."""

STATES: Mapping[str, Mapping[str, str]] = {
    "query": {str(state): label for state, label in QUERY_STATES.items()},
    "lock": {str(state): label for state, label in LOCK_STATES.items()},
    "four_eyes": {str(state): label for state, label in REQUEST_STATES.items()},
}
"""How the states of things are said, by the kind of thing."""

BLANKS = (N_("Entered"), N_("Changed"), N_("Cleared"))
REDACTED = N_("erased as personal data entered by mistake")
LOOK_BACK = "donor"
"""What a look-back reached is for whoever reads what a donor's tests found."""


@dataclass(frozen=True)
class Trail:
    """The records of one subject, with what is needed to read them: its forms, and the definition in force."""

    records: Sequence[Told]
    forms: Mapping[int, Held]
    study: Study
    zone: tzinfo
    signed_forms: Mapping[str, Collection[int]]

    @cached_property
    def created(self) -> Mapping[tuple[str, str], Any]:
        """What the first record of each thing says, where that is JSON."""
        return {(one.entity, one.entity_id): _json(one.new) for one in self.records if one.op == "create"}

    def form_of(self, one: Told) -> Held | None:
        """The form that a record is about, if it is about a single one."""
        return self.forms.get(self._form_id(one.entity, one.entity_id, one.place) or 0)

    def _form_id(self, entity: str, entity_id: str, place: str) -> int | None:
        if entity in ("form", "comment", "verification", "late_entry", "entry_time", "file_entry", ENCLOSURE):
            return int(entity_id) if entity_id.isdecimal() else None
        said = self.created.get((entity, entity_id))
        if entity == "query" and isinstance(said, dict):
            return said.get("form")
        if entity in ("lock", "four_eyes"):
            return _locked_form(place if entity == "lock" else str(said.get("address", "")) if isinstance(said, dict) else "")
        if entity == "safety_case" and isinstance(said, dict):
            return said.get("form_id")
        if entity in ("case_entry", "attachment") and isinstance(said, dict):
            return self._form_id("safety_case", str(said.get("case_id", "")), "")
        return None

    def needs(self, one: Told) -> frozenset[str]:
        """The kinds of forms that a person must be allowed to read to be shown this record; none: everybody who reads casebooks."""
        if one.entity == "signature":
            return frozenset(self.forms[id_].form.access for id_ in self.signed_forms.get(one.entity_id, ()) if id_ in self.forms)
        if one.op == LOOK_BACK_OP:
            return frozenset({LOOK_BACK})
        if one.entity in ("refusal", "draft"):
            said = _json(one.new)
            asked = said.get("form") if isinstance(said, dict) else None
            known = self.study.form.get(str(asked[2])) if isinstance(asked, list) and len(asked) > 2 else None
            return frozenset({known.access}) if known else frozenset()
        held = self.form_of(one)
        return frozenset({held.form.access}) if held else frozenset()

    def event_of(self, one: Told) -> str:
        """The visit that a record is about as a whole; empty where it is about none."""
        said = self.created.get((one.entity, one.entity_id))
        if one.entity == "visit_comment":
            return one.place.rpartition("/")[0]
        if one.op == "replan":
            return one.place.partition("/")[2]
        if one.entity == "query" and isinstance(said, dict) and said.get("form") is None:
            return str(said.get("event", ""))
        if one.entity in ("lock", "four_eyes"):
            return visit_of(one.place if one.entity == "lock" else str(said.get("address", "")) if isinstance(said, dict) else "")
        return ""

    def lines(self, records: Sequence[Told]) -> Iterator[TrailLine]:
        return (self._line(one) for one in records)

    def _line(self, one: Told) -> TrailLine:
        held, place = self.form_of(one), parsed(one.place)[0] if one.entity == ENCLOSURE else Place.parse(one.place)
        if one.entity == "query":
            said = self.created.get(("query", one.entity_id))
            place = Place.parse(str(said.get("place", ""))) if isinstance(said, dict) else Place("")
        in_form = held is not None and one.entity in ("form", "query", "comment", "verification", ENCLOSURE)
        question: Sayable = held.question(place) if held and in_form and str(place) not in ("queries", "error") else Words()
        if one.entity == "form" and one.op != "set" and one.op != "row_error":
            question = Words()
        return TrailLine(
            one.chain,
            one.seq,
            one.at,
            one.at.astimezone(self.zone).isoformat(" ", "seconds"),
            one.actor,
            Message(ROLES[one.role])
            if one.role in ROLES
            else Message(N_("the program"))
            if one.role == "system"
            else Words({"": one.role}),
            one.organisation,
            Message(_word(one)) if (one.entity, one.op) in WORDS or one.op == "set" else Words({"": f"{one.entity}: {one.op}"}),
            held.called if held else self._elsewhere(one),
            question,
            self._read(one, one.old, held, place),
            (Message(REDACTED),) if one.redacted else self._read(one, one.new, held, place),
            read_reason(self.study, one.reason),
            one.prompted_by,
            one.entity,
            one.entity_id,
            one.place,
            one.old or "",
            one.new or "",
        )

    def _elsewhere(self, one: Told) -> Sayable:
        """What a record is about that is about no form that is held: a visit, a form that was refused."""
        said = _json(one.new) if one.entity in ("refusal", "draft") else None
        asked = said.get("form") if isinstance(said, dict) else None
        event_oid = one.place.rpartition("/")[0] if one.entity == "visit_comment" else ""
        event_oid = one.place.partition("/")[2] if one.op == "replan" else event_oid
        if isinstance(asked, list) and len(asked) > 2:
            event, form = self.study.event.get(str(asked[0])), self.study.form.get(str(asked[2]))
            if event and form:
                return Message(N_("%(visit)s, %(form)s"), {"visit": event.label, "form": form.label})
        known = self.study.event.get(event_oid)
        return known.label if known else Words()

    def _read(self, one: Told, value: str | None, held: Held | None, place: Place) -> Said:
        if value is None:
            return ()
        if one.entity == "form":
            return read_canonical(held.item(place) if held else None, value) if one.op == "set" else (value,) if "error" in one.op else ()
        if one.entity in STATES and (one.place == "state" or one.entity == "lock"):
            known = STATES[one.entity]
            return (Message(known[value]),) if value in known else (value,)
        if one.entity == "late_entry":
            return (paper_day(value),)
        if one.entity in ("entry_time", "draft"):
            return (Message(N_("begun %(at)s"), {"at": datetime.fromisoformat(json.loads(value)["begun_at"]).astimezone(self.zone)}),)
        if one.entity in ("comment", "visit_comment", "label") or one.place in ("assignee", "due_on", "error"):
            return (value,)
        said = _json(value)
        if isinstance(said, dict):
            if said.get("withheld"):
                return (Message(WITHHELD),)
            told = said.get("typed") or said.get("text") or ""
            if one.entity == "signature" and said.get("meaning") in MEANINGS:
                return (Message(MEANINGS[said["meaning"]]),)
            return (str(told),) if told else ()
        return ()


LOOK_BACK_OP = "look_back"


def paper_day(value: str) -> Sayable | str:
    """The day on the paper from which a form was entered late, as a record of the trail has it."""
    said = _json(value)
    text = str(said.get("paper_on", "")) if isinstance(said, dict) else ""
    try:
        return Message("%(day)s", {"day": date.fromisoformat(text)})
    except ValueError:
        return text


def role_of(code: str) -> Sayable:
    """A role as it is printed; the program has none of its own."""
    return Message(ROLES[code]) if code in ROLES else Message(N_("the program")) if code == "system" else Words({"": code})


def _word(one: Told) -> str:
    if one.op == "set":
        return BLANKS[2] if one.new is None and not one.redacted else BLANKS[0] if one.old is None else BLANKS[1]
    return WORDS[one.entity, one.op]


def _locked_form(address: str) -> int | None:
    try:
        found = Address.parse(address)
    except ValueError:
        return None
    return found.id if found.level in (Level.FORM, Level.ITEM) else None


def _json(text: str | None) -> Any:
    try:
        return json.loads(text or "null")
    except ValueError:
        return None
