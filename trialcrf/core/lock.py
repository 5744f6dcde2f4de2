"""Freezing and locking: one state machine for item, form, visit, subject, site and study; the strongest over a value counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from trialcrf.core.document import Place
from trialcrf.core.wording import N_, Message


class LockState(StrEnum):
    """How far something is closed. Frozen: no value changes, while queries, verification and signatures go on. Locked: nothing changes."""

    OPEN = "open"
    FROZEN = "frozen"
    LOCKED = "locked"


LOCK_STATES: Mapping[LockState, str] = {
    LockState.OPEN: N_("open to changes"),
    LockState.FROZEN: N_("frozen"),
    LockState.LOCKED: N_("locked"),
}


class Level(StrEnum):
    ITEM = "item"
    FORM = "form"
    VISIT = "visit"
    SUBJECT = "subject"
    SITE = "site"
    STUDY = "study"


LEVELS: Mapping[Level, str] = {
    Level.ITEM: N_("item"),
    Level.FORM: N_("form"),
    Level.VISIT: N_("visit"),
    Level.SUBJECT: N_("subject"),
    Level.SITE: N_("site"),
    Level.STUDY: N_("study"),
}

LOCK_MOVES: Mapping[tuple[LockState, str], LockState] = {
    (LockState.OPEN, "freeze"): LockState.FROZEN,
    (LockState.FROZEN, "thaw"): LockState.OPEN,
    (LockState.OPEN, "lock"): LockState.LOCKED,
    (LockState.FROZEN, "lock"): LockState.LOCKED,
    (LockState.LOCKED, "unlock"): LockState.OPEN,
}
"""`unlock` is the only move that one person cannot make: it is asked for by one and granted by another (`core.four_eyes`)."""

MOVE_VERBS: Mapping[str, str] = {"freeze": "lock.freeze", "thaw": "lock.freeze", "lock": "lock.lock", "unlock": "lock.unlock"}
"""The verb of `core.access` that whoever makes a move, or asks for it, must hold."""

WITH_CHECKLIST = frozenset({Level.SITE, Level.STUDY})
"""Levels that are locked as a database: over a checklist, by a signature (`core.database_lock`)."""


@dataclass(frozen=True, slots=True)
class Address:
    """What a lock closes, by the numbers of its rows; `text` is how it is stored and how the database's own triggers compare it."""

    level: Level
    id: int  # of the study, site, subject or form; for a visit of the subject, for an item of the form
    rest: str = ""  # EVENT/REPEAT of a visit, the place of an item

    @property
    def text(self) -> str:
        return f"{self.level}/{self.id}" + (f"/{self.rest}" if self.rest else "")

    @classmethod
    def parse(cls, text: str) -> Address:
        """The inverse of `text`. Raises ValueError."""
        level, _, rest = text.partition("/")
        number, _, rest = rest.partition("/")
        found = cls(Level(level), int(number), rest)
        if bool(rest) != (found.level in (Level.ITEM, Level.VISIT)) or found.text != text:
            raise ValueError(text)
        return found


def visit_of(text: str) -> str:
    """Which kind of visit an address closes as a whole; empty where it closes something else, or is none."""
    try:
        found = Address.parse(text)
    except ValueError:
        return ""
    return found.rest.rpartition("/")[0] if found.level is Level.VISIT else ""


def visit_address(subject_id: int, event_oid: str, event_repeat: int) -> Address:
    return Address(Level.VISIT, subject_id, f"{event_oid}/{event_repeat}")


def item_address(form_id: int, place: Place) -> Address:
    return Address(Level.ITEM, form_id, str(place))


class Locked(Exception):
    """What was tried lies under a freeze or lock. Nothing was done; the shell puts the attempt into the trail."""

    def __init__(self, level: Level, state: LockState) -> None:
        super().__init__(f"{level} is {state}")
        self.level, self.state = level, state
        said = {
            LockState.FROZEN: N_("Nothing was changed: %(level)s frozen. A data manager can thaw it."),
            LockState.LOCKED: N_("Nothing was changed: %(level)s locked. It is unlocked by two persons, with a reason."),
        }
        self.message = Message(said[state], {"level": Message(_CLOSED[level])})


_CLOSED: Mapping[Level, str] = {
    Level.ITEM: N_("this question is"),
    Level.FORM: N_("this form is"),
    Level.VISIT: N_("this visit is"),
    Level.SUBJECT: N_("this subject is"),
    Level.SITE: N_("this site is"),
    Level.STUDY: N_("the whole study is"),
}


def strongest(held: Iterable[tuple[Address, LockState]]) -> tuple[Level, LockState] | None:
    """The closing that counts where several cover one thing: a lock before a freeze, the wider level before the narrower. None: open."""
    order, wide = list(LockState), list(Level)
    closed = [(order.index(state), wide.index(address.level)) for address, state in held if state is not LockState.OPEN]
    if not closed:
        return None
    state, level = max(closed)
    return wide[level], order[state]


class NotPossibleNow(Exception):
    """A move that the state table does not have, as a sentence for the person who tried."""

    def __init__(self, state: LockState) -> None:
        self.message = Message(N_("This is %(state)s now: that is no longer possible."), {"state": Message(LOCK_STATES[state])})
        super().__init__(self.message.msgid)


def closed_by(state: LockState, move: str) -> LockState:
    """The state after the move. Raises NotPossibleNow where the table has none."""
    try:
        return LOCK_MOVES[state, move]
    except KeyError:
        raise NotPossibleNow(state) from None
