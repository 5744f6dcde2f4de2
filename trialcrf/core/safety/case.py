"""A serious event as a case: its ledger of who knew, judged, wrote and sent what when, and the state that follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from trialcrf.core.access import VERBS
from trialcrf.core.definition.safety import ReferenceSafety, SafetySettings
from trialcrf.core.ledger import Line
from trialcrf.core.safety.event import FACTORS, related_by
from trialcrf.core.typed import interval
from trialcrf.core.wording import N_, Message
from trialcrf.core.workflow import NotPossible


class CaseState(StrEnum):
    OPEN = "open"  # the sponsor's assessment is still missing, or was made before the newest version
    ASSESSED = "assessed"  # assessed, obligations still to be met
    CLOSED = "closed"
    NULLIFIED = "nullified"  # the event was entered in error, or is not serious after all: nothing is due any more


CASE_STATES: Mapping[CaseState, str] = {
    CaseState.OPEN: N_("to be assessed"),
    CaseState.ASSESSED: N_("assessed"),
    CaseState.CLOSED: N_("case closed"),
    CaseState.NULLIFIED: N_("nullified"),
}


class Kind(StrEnum):
    """What a line of the ledger tells. The content of each is given beside it (plain JSON; moments as ISO 8601 with offset, in UTC)."""

    OPENED = "opened"  # {"aware": moment or ""} by the save that first said serious
    INFORMED = "informed"  # {"who": words, "aware": moment, "what": words}: who knew what when
    VERSION = "version"  # {"kind": "initial"|"follow_up", "checkpoint": hex, "known_at": moment, "what": words}: frozen for reporting
    ASSESSED = "assessed"  # {"related": {factor: "RELATED"|"NOT RELATED"}, "expected": bool|None, "rsi": version, "comment": words}
    NARRATIVE = "narrative"  # {"language": code, "text": words}
    DOCUMENT = "document"  # {"attachment": id, "name": words, "sha256": hex, "size": bytes}
    SUBMITTED = "submitted"  # {"obligation": oid, "version": number, "to": words, "at": moment, "reference": words}
    ACKNOWLEDGED = "acknowledged"  # {"submission": entry number, "at": moment, "reference": words}
    CLOSED = "closed"  # {"why": words}
    REOPENED = "reopened"  # {"why": words}
    NULLIFIED = "nullified"  # {"why": words}


CaseEntry = Line[Kind]


@dataclass(frozen=True, slots=True)
class Version:
    """A frozen version: the first is the initial report, every later one a follow-up. Numbered from 1."""

    number: int
    entry: CaseEntry

    @property
    def known_at(self) -> datetime:
        return datetime.fromisoformat(self.entry.content["known_at"])


@dataclass(frozen=True, slots=True)
class Case:
    """A case with its whole ledger, oldest first. `row` is empty where the event is a form of its own."""

    id: int
    number: int
    study_oid: str
    site: str
    subject: str
    form_id: int
    row: str
    opened_at: datetime
    entries: tuple[CaseEntry, ...]

    def all_of(self, kind: Kind) -> Sequence[CaseEntry]:
        return [one for one in self.entries if one.kind is kind]

    def latest(self, kind: Kind) -> CaseEntry | None:
        return next((one for one in reversed(self.entries) if one.kind is kind), None)

    def until(self, known_at: datetime) -> tuple[CaseEntry, ...]:
        """What the ledger told at that moment."""
        return tuple(one for one in self.entries if one.at <= known_at)

    @property
    def state(self) -> CaseState:
        return replay(self.entries)

    @property
    def versions(self) -> tuple[Version, ...]:
        return tuple(Version(number, entry) for number, entry in enumerate(self.all_of(Kind.VERSION), 1))

    def version_at(self, entry: CaseEntry) -> int:
        """The number of the version that this line was written against; 0 where none was frozen before."""
        return sum(one.number < entry.number for one in self.all_of(Kind.VERSION))


_ANY = (Kind.INFORMED, Kind.NARRATIVE, Kind.DOCUMENT, Kind.SUBMITTED, Kind.ACKNOWLEDGED)

MOVES: Mapping[tuple[CaseState | None, Kind], CaseState] = {
    (None, Kind.OPENED): CaseState.OPEN,
    **{(state, kind): state for state in (CaseState.OPEN, CaseState.ASSESSED) for kind in _ANY},
    (CaseState.OPEN, Kind.VERSION): CaseState.OPEN,
    (CaseState.OPEN, Kind.ASSESSED): CaseState.ASSESSED,
    (CaseState.OPEN, Kind.NULLIFIED): CaseState.NULLIFIED,
    (CaseState.ASSESSED, Kind.VERSION): CaseState.OPEN,  # what was assessed is not what is reported next
    (CaseState.ASSESSED, Kind.ASSESSED): CaseState.ASSESSED,
    (CaseState.ASSESSED, Kind.CLOSED): CaseState.CLOSED,
    (CaseState.ASSESSED, Kind.NULLIFIED): CaseState.NULLIFIED,
    (CaseState.CLOSED, Kind.REOPENED): CaseState.OPEN,
    (CaseState.CLOSED, Kind.NULLIFIED): CaseState.NULLIFIED,
    (CaseState.NULLIFIED, Kind.REOPENED): CaseState.OPEN,
    # News, papers and replies come late, and the authorities are told of a nullification, too.
    **{(CaseState.CLOSED, kind): CaseState.CLOSED for kind in (Kind.INFORMED, Kind.DOCUMENT, Kind.ACKNOWLEDGED)},
    **{(CaseState.NULLIFIED, kind): CaseState.NULLIFIED for kind in (Kind.INFORMED, Kind.DOCUMENT, Kind.SUBMITTED, Kind.ACKNOWLEDGED)},
}
"""(state, line) to state; what is not in the table is refused."""

WRITERS: Mapping[Kind, tuple[str, ...]] = {
    Kind.INFORMED: ("case.inform", "case.assess"),
    Kind.DOCUMENT: ("case.inform", "case.assess"),
    Kind.SUBMITTED: ("case.inform", "case.assess"),
    Kind.ACKNOWLEDGED: ("case.inform", "case.assess"),
    Kind.VERSION: ("case.assess",),
    Kind.ASSESSED: ("case.assess",),
    Kind.NARRATIVE: ("case.assess",),
    Kind.CLOSED: ("case.assess",),
    Kind.REOPENED: ("case.assess",),
}
"""The verbs of which a role needs one to write such a line. Who may write OPENED and NULLIFIED is who may save the event's form."""

SPONSOR_ROLES, SITE_ROLES = VERBS["case.assess"], VERBS["case.inform"]


def moved(state: CaseState | None, kind: Kind) -> CaseState:
    """The state after such a line. Raises NotPossible where the table has none."""
    try:
        return MOVES[state, kind]
    except KeyError:
        said = Message(CASE_STATES[state]) if state else ""
        raise NotPossible(Message(N_("The state of this case is “%(state)s”: that is no longer possible."), {"state": said})) from None


def replay(entries: Iterable[CaseEntry]) -> CaseState:
    """The state that the ledger leads to. Raises NotPossible for a ledger that no table led to, and for an empty one."""
    state: CaseState | None = None
    for one in entries:
        state = moved(state, one.kind)
    if state is None:
        raise NotPossible(Message(N_("The state of this case is “%(state)s”: that is no longer possible."), {"state": ""}))
    return state


def may_write(role: str, kind: Kind) -> bool:
    """Whether somebody in this role writes such a line by hand."""
    return any(role in VERBS[verb] for verb in WRITERS.get(kind, ()))


# What is judged


@dataclass(frozen=True, slots=True)
class Facts:
    """What clocks and assessment read of the event's form. `related` is the investigator's judgement, None before there is one."""

    subject_type: str
    term: str = ""
    grade: str = ""
    onset: str = ""
    serious: bool = True
    fatal: bool = False
    life_threatening: bool = False
    related: bool | None = None
    factors: Mapping[str, str] = field(default_factory=dict)
    biovigilance: bool = False
    aware: datetime | None = None

    @property
    def grave(self) -> bool:
        return self.fatal or self.life_threatening


def facts_of(subject_type: str, told: Mapping[str, str], settings: SafetySettings | None) -> Facts:
    """The facts by the answers of the event, keyed by alias, without missing codes, as the study's settings have them read."""
    factors = {alias: told[alias] for alias in FACTORS if alias in told}
    aware = told.get("AEAWARE", "")
    return Facts(
        subject_type,
        told.get("AEDECOD") or told.get("AETERM", ""),
        told.get("AETOXGR", ""),
        told.get("AESTDAT", ""),
        told.get("AESER") == "Y",
        told.get("AESDTH") == "Y" or told.get("AEOUT") == "FATAL" or told.get("AETOXGR") == "5",
        told.get("AESLIFE") == "Y",
        related_by(told, settings.related if settings else ()),
        factors,
        told.get("AEBIOVIG") == "Y",
        datetime.fromisoformat(aware) if aware else None,
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """One factor as both judged it; empty where one of them did not."""

    factor: str
    label: str
    investigator: str
    sponsor: str

    @property
    def disagreed(self) -> bool:
        return bool(self.investigator and self.sponsor) and self.investigator != self.sponsor


def judgements(facts: Facts, assessed: CaseEntry | None) -> tuple[Judged, ...]:
    """Both assessments of every factor that anybody judged."""
    theirs = assessed.content["related"] if assessed else {}
    named = [alias for alias in FACTORS if alias in facts.factors or alias in theirs]
    return tuple(Judged(alias, FACTORS[alias], facts.factors.get(alias, ""), theirs.get(alias, "")) for alias in named)


def reportable(facts: Facts, assessed: CaseEntry | None) -> bool | None:
    """Whether it counts as related: if either says so. A sponsor's "not related" never lowers it (clinical reference, E.4).

    None where the investigator has not judged and the sponsor has not said that it is.
    """
    theirs = related_by(assessed.content["related"], ()) if assessed else None
    return True if facts.related or theirs else facts.related


def raised(cases: Iterable[Case]) -> frozenset[tuple[int, str]]:
    """The events, by form and row, that the sponsor's newest judgement relates to the trial, whatever the investigator says."""
    living = (one for one in cases if one.state is not CaseState.NULLIFIED)
    judged = ((one, one.latest(Kind.ASSESSED)) for one in living)
    return frozenset((one.form_id, one.row) for one, entry in judged if entry is not None and related_by(entry.content["related"], ()))


@dataclass(frozen=True, slots=True)
class Expectedness:
    """A proposal, for the sponsor to decide. `version` is the reference safety information it was read from, empty where none was."""

    expected: bool
    version: str
    why: Message


def proposed(references: Sequence[ReferenceSafety], severities: Sequence[str], facts: Facts) -> Expectedness:
    """Whether the event is expected by the reference safety information in force at its onset (clinical reference, E.5).

    A more severe or a fatal one is unexpected unless it is listed so, and so is everything where nothing is listed. An onset that is
    not known to the day is expected only where every version that may have been in force lists it.
    """
    in_force = _in_force(references, facts.onset)
    if not in_force:
        return Expectedness(False, "", Message(N_("No reference safety information was in force at onset.")))
    found = [_by(one, severities, facts) for one in in_force]
    return next((one for one in found if not one.expected), found[-1])


def _in_force(references: Sequence[ReferenceSafety], onset: str) -> list[ReferenceSafety]:
    if not onset:
        return list(references)
    days = interval(onset)
    first, last = days.earliest.isoformat(), days.latest.isoformat()
    return [one for one in references if one.valid_from <= last and (not one.valid_to or one.valid_to >= first)]


def _by(reference: ReferenceSafety, severities: Sequence[str], facts: Facts) -> Expectedness:
    listed = next((one for one in reference.terms if one.term.casefold() == facts.term.casefold()), None)
    if listed is None:
        return Expectedness(False, reference.version, Message(N_("The term is not listed.")))
    if facts.fatal and not listed.fatal:
        return Expectedness(False, reference.version, Message(N_("It is listed, but not with a fatal outcome.")))
    known = list(severities)
    if not facts.fatal and (facts.grade not in known or listed.most not in known or known.index(facts.grade) > known.index(listed.most)):
        said = N_("It is listed up to grade %(most)s; this one is more severe, or its grade is not known.")
        return Expectedness(False, reference.version, Message(said, {"most": listed.most}))
    return Expectedness(True, reference.version, Message(N_("It is listed, up to this severity.")))
