"""The bags of every batch as their movements tell of them: where each is, in which state, for whom. No balance is ever recorded.

A movement is read from the form that records it: a bag is filled by its row in the batch's form, checked for a recipient by the bedside
check, given by the infusion, and moved by movement forms (clinical reference, F.6). What contradicts the table of moves is kept as a flaw.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum

from trialcrf.core.definition.model import Study
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.wording import N_, Message

RELEASED, CONDITIONAL, REJECTED = "RELEASED", "CONDITIONAL", "REJECTED"


class BagState(StrEnum):
    STORED = "stored"
    IN_TRANSIT = "in_transit"
    THAWED = "thawed"
    CHECKED = "checked"  # confirmed at the bedside for one recipient: for nobody else any more
    INFUSED = "infused"
    DISCARDED = "discarded"


BAG_STATES: Mapping[BagState, str] = {
    BagState.STORED: N_("in stock"),
    BagState.IN_TRANSIT: N_("in transit"),
    BagState.THAWED: N_("thawed"),
    BagState.CHECKED: N_("checked for a recipient"),
    BagState.INFUSED: N_("infused"),
    BagState.DISCARDED: N_("discarded"),
}

USED = frozenset({BagState.INFUSED, BagState.DISCARDED})
"""From here a bag goes nowhere."""


class MoveKind(StrEnum):
    """What happens to a bag. SHIPPED to DISCARDED are the codes of movement forms; the others follow from forms of their own."""

    FILLED = "FILLED"
    SHIPPED = "SHIPPED"
    RECEIVED = "RECEIVED"
    MOVED = "MOVED"
    THAWED = "THAWED"
    CHECKED = "CHECKED"
    INFUSED = "INFUSED"
    RETURNED = "RETURNED"
    DISCARDED = "DISCARDED"


MOVE_KINDS: Mapping[MoveKind, str] = {
    MoveKind.FILLED: N_("filled"),
    MoveKind.SHIPPED: N_("shipped"),
    MoveKind.RECEIVED: N_("received"),
    MoveKind.MOVED: N_("moved"),
    MoveKind.THAWED: N_("thawed"),
    MoveKind.CHECKED: N_("checked at the bedside"),
    MoveKind.INFUSED: N_("infused"),
    MoveKind.RETURNED: N_("returned to stock"),
    MoveKind.DISCARDED: N_("discarded"),
}

_S, _K = BagState, MoveKind
MOVES: Mapping[tuple[BagState | None, MoveKind], BagState] = {
    (None, _K.FILLED): _S.STORED,
    (_S.STORED, _K.SHIPPED): _S.IN_TRANSIT,
    (_S.STORED, _K.MOVED): _S.STORED,
    (_S.STORED, _K.THAWED): _S.THAWED,
    (_S.STORED, _K.CHECKED): _S.CHECKED,  # a fresh product is never frozen
    (_S.STORED, _K.DISCARDED): _S.DISCARDED,
    (_S.IN_TRANSIT, _K.RECEIVED): _S.STORED,
    (_S.IN_TRANSIT, _K.DISCARDED): _S.DISCARDED,  # lost or destroyed on the way
    (_S.THAWED, _K.MOVED): _S.THAWED,
    (_S.THAWED, _K.CHECKED): _S.CHECKED,
    (_S.THAWED, _K.DISCARDED): _S.DISCARDED,
    (_S.CHECKED, _K.THAWED): _S.CHECKED,
    (_S.CHECKED, _K.INFUSED): _S.INFUSED,
    (_S.CHECKED, _K.DISCARDED): _S.DISCARDED,
    # What was done must be recordable: an infusion without its check is a grave finding, not an impossible one.
    (_S.STORED, _K.INFUSED): _S.INFUSED,
    (_S.THAWED, _K.INFUSED): _S.INFUSED,
    (_S.INFUSED, _K.CHECKED): _S.INFUSED,  # the infusion is recorded to have begun before its check: doubted, never accepted by a check
    (_S.STORED, _K.RETURNED): _S.STORED,
}
"""(state, move) to state; what is not in the table contradicts what is recorded already."""

ORDER = {kind: place for place, kind in enumerate(MoveKind)}
"""Of two movements of one moment the earlier of MoveKind is the first: a bag is filled before it leaves."""


@dataclass(frozen=True, slots=True)
class Movement:
    """One movement. `at` is the canonical moment, empty where it is not recorded; `to` the code of a place; `subject` who recorded it:
    the batch, or the recipient that the bag was checked for or given to. `form_id` and `row` are where it is recorded."""

    bag: str
    kind: MoveKind
    at: str
    to: str
    subject: str
    form_id: int
    row: str = ""
    viability: str = ""

    @property
    def moment(self) -> datetime | None:
        return datetime.fromisoformat(self.at) if "T" in self.at else None


@dataclass(frozen=True, slots=True)
class Flaw:
    """A movement that the table refuses after those before it."""

    movement: Movement
    state: BagState | None
    message: Message


@dataclass(frozen=True, slots=True)
class Incident:
    """A product incident. `bag` is empty where the whole batch is concerned."""

    batch: str
    kind: str
    at: str
    bag: str
    recall: bool
    form_id: int


@dataclass(frozen=True, slots=True)
class Release:
    """The latest decision on a batch."""

    decision: str
    at: str
    specification: str
    form_id: int

    @property
    def given(self) -> bool:
        return self.decision in (RELEASED, CONDITIONAL)


@dataclass(frozen=True, slots=True)
class Bag:
    """A bag with its movements in order. `state` is None where its filling is not recorded rightly. Cells in 10^6, volume in mL."""

    code: str
    batch: str
    site: str
    split: str = ""
    cells: str = ""
    volume: str = ""
    expires: str = ""
    movements: tuple[Movement, ...] = ()
    flaws: tuple[Flaw, ...] = ()
    state: BagState | None = None
    place: str = ""
    incidents: tuple[Incident, ...] = ()

    @property
    def recipient(self) -> str:
        """For whom it was checked, or who got it; empty for nobody."""
        checked = [one.subject for one in self.movements if one.kind is MoveKind.CHECKED]
        found = [*checked, *self.given_to]  # who got it outweighs whom it was checked for, whichever is recorded to be earlier
        return found[-1] if found and self.state in (BagState.CHECKED, BagState.INFUSED, BagState.DISCARDED) else ""

    @property
    def given_to(self) -> tuple[str, ...]:
        """Everybody of whom an infusion of it is recorded, rightly or not."""
        return tuple(dict.fromkeys(one.subject for one in self.movements if one.kind is MoveKind.INFUSED))

    @property
    def recalled(self) -> Incident | None:
        """The first incident by which it is recalled."""
        return next((one for one in self.incidents if one.recall), None)

    @property
    def thawed(self) -> Movement | None:
        return next((one for one in reversed(self.movements) if one.kind is MoveKind.THAWED), None)

    @property
    def on_hand(self) -> bool:
        """Whether it is neither given nor destroyed."""
        return self.state is not None and self.state not in USED

    def expired(self, today: date) -> bool:
        """Its expiry date is the last day on which it may be given; without one it may not be given at all."""
        return not self.expires or today > date.fromisoformat(self.expires)


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch with its number, its origins (donations as addresses of their forms, batches by key), its release and its incidents."""

    key: str
    site: str
    lot: str = ""
    pool: str = ""
    donations: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    release: Release | None = None
    incidents: tuple[Incident, ...] = ()


@dataclass(frozen=True, slots=True)
class Stock:
    """All batches by key and all bags by code. `unknown` are movements of bags that nobody filled, `twice` codes filled twice."""

    batches: Mapping[str, Batch] = field(default_factory=dict)
    bags: Mapping[str, Bag] = field(default_factory=dict)
    unknown: tuple[Movement, ...] = ()
    twice: tuple[str, ...] = ()

    def of_batch(self, key: str) -> tuple[Bag, ...]:
        return tuple(one for one in self.bags.values() if one.batch == key)

    def concerning(self, key: str) -> tuple[Incident, ...]:
        """The incidents of a batch, and those of whole batches that it was made of, however far back."""
        return _concerning(self.batches, key)


def stock(study: Study, subjects: Iterable[SubjectRecord]) -> Stock:
    """The stock that these subjects' forms tell of: batches, and recipients for what was checked and given."""
    people = sorted(subjects, key=lambda one: one.key)
    batches: dict[str, Batch] = {}
    filled: dict[str, list[tuple[Bag, Movement]]] = {}
    moves: list[Movement] = []
    for one in people:
        moves += _moves(one)
        if study.is_product(one.subject_type):
            batches[one.key] = _batch(one)
            for bag, movement in _filled(one):
                filled.setdefault(bag.code, []).append((bag, movement))
    by_bag: dict[str, list[Movement]] = {}
    for movement in moves:
        by_bag.setdefault(movement.bag, []).append(movement)
    concerning = {key: _concerning(batches, key) for key in batches}
    bags = {}
    for code in sorted(filled):
        bag, first = filled[code][0]
        incidents = tuple(one for one in concerning[bag.batch] if one.bag in ("", code))
        bags[code] = replace(settled(bag, [first, *by_bag.get(code, ())]), incidents=incidents)
    unknown = tuple(movement for movement in moves if movement.bag not in filled)
    return Stock(batches, bags, unknown, tuple(code for code, rows in sorted(filled.items()) if len(rows) > 1))


def _concerning(batches: Mapping[str, Batch], key: str) -> tuple[Incident, ...]:
    """What happened to a batch as a whole happened to every batch that was made of it. A circle of batches ends the walk."""
    found = list(batches[key].incidents) if key in batches else []
    waiting, seen = list(batches[key].origins) if key in batches else [], {key}
    while waiting:
        origin = waiting.pop(0)
        if origin in batches and origin not in seen:
            found += [one for one in batches[origin].incidents if not one.bag]
            waiting += batches[origin].origins
        seen.add(origin)
    return tuple(found)


def settled(bag: Bag, movements: Sequence[Movement]) -> Bag:
    """The bag with these movements told in order of their moments; one without a moment comes last."""
    ordered = tuple(sorted(movements, key=_when))
    state: BagState | None = None
    place, flaws = bag.place, []
    for movement in ordered:
        after = MOVES.get((state, movement.kind))
        if after is None:
            flaws.append(Flaw(movement, state, refusal(state, movement)))
            continue
        state, place = after, movement.to or place
    return replace(bag, movements=ordered, flaws=tuple(flaws), state=state, place=place)


def refusal(state: BagState | None, movement: Movement) -> Message:
    """Why this movement contradicts the state before it, for people."""
    said = {"bag": movement.bag, "move": Message(MOVE_KINDS[movement.kind])}
    if state is None:
        return Message(N_("Bag %(bag)s cannot be %(move)s: it was not filled by then."), said)
    return Message(N_("Bag %(bag)s cannot be %(move)s: by then it is %(state)s."), {**said, "state": Message(BAG_STATES[state])})


def _when(movement: Movement) -> tuple[bool, float, int, int, str]:
    moment = movement.moment
    return moment is None, moment.timestamp() if moment else 0.0, ORDER[movement.kind], movement.form_id, movement.row


def _batch(one: SubjectRecord) -> Batch:
    incidents = tuple(_incident(one.key, record) for record in one.records if "CTINCKND" in record.values or "CTRECALL" in record.values)
    return Batch(
        one.key,
        one.site,
        one.first("CTLOT") or "",
        one.first("CTPOOLDI") or "",
        tuple(sorted(set(one.all_of("CTSRCDON")))),
        tuple(sorted(set(one.all_of("CTSRCLOT")) - {one.key})),
        _release(one.records),
        incidents,
    )


def _release(records: Sequence[Recorded]) -> Release | None:
    """The latest decision: a batch may be released, and refused when a result comes later."""
    made = [
        Release(record.values["CTRELDEC"], record.values.get("CTRELDTC", ""), record.values.get("CTRELSPC", ""), record.form_id)
        for record in records
        if "CTRELDEC" in record.values
    ]
    # The program itself writes the moment of a decision, and later decisions have later forms.
    return max(made, key=lambda one: one.form_id, default=None)


def _incident(batch: str, record: Recorded) -> Incident:
    told = record.values
    return Incident(
        batch, told.get("CTINCKND", ""), told.get("CTINCDTC", ""), told.get("CTINCBAG", ""), told.get("CTRECALL") == "Y", record.form_id
    )


def _filled(one: SubjectRecord) -> Iterable[tuple[Bag, Movement]]:
    for record in one.records:
        told = record.values
        code = told.get("CTBAG", "")
        if code:
            bag = Bag(
                code,
                one.key,
                one.site,
                told.get("CTSPLIT", ""),
                told.get("CTBAGCEL", ""),
                told.get("CTBAGVOL", ""),
                told.get("CTEXPDTC", ""),
            )
            at = told.get("CTFILDTC", "")
            yield (
                bag,
                Movement(
                    code, MoveKind.FILLED, at or "0001-01-01T00:00:00+00:00", told.get("CTPLACE", ""), one.key, record.form_id, record.row
                ),
            )


def _moves(one: SubjectRecord) -> list[Movement]:
    found = []
    starts = {record.form_id: record.values["EXSTDAT"] for record in one.records if "EXSTDAT" in record.values}
    for record in one.records:
        told, where = record.values, (one.key, record.form_id, record.row)
        if "CTMVBAG" in told and told.get("CTMVKIND") in MoveKind.__members__:
            kind = MoveKind(told["CTMVKIND"])
            found.append(Movement(told["CTMVBAG"], kind, told.get("CTMVDTC", ""), told.get("CTMVTO", ""), *where, told.get("CTMVVIA", "")))
        if "CTCHKBAG" in told:
            found.append(Movement(told["CTCHKBAG"], MoveKind.CHECKED, told.get("CTCHKDTC", ""), "", *where))
        if "CTINFBAG" in told:
            found.append(Movement(told["CTINFBAG"], MoveKind.INFUSED, starts.get(record.form_id, ""), "", *where))
    return found
