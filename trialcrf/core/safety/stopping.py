"""The stopping rule on the data: who is evaluable, who had a toxicity, what cannot be decided yet, and which holds that asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from trialcrf.core import facts
from trialcrf.core.definition.model import Study
from trialcrf.core.definition.safety import SafetySettings, StoppingRule
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.safety.betabinomial import boundary, exceeded, operating_characteristics, posterior, posterior_of
from trialcrf.core.safety.event import FATAL_GRADE, AdverseEvent, Flaw
from trialcrf.core.safety.participant import Participant, read_participant
from trialcrf.core.wording import N_, Message, Sayable, Words, alphabetical

__all__ = ["Cause", "CohortLine", "Status", "ToxicEvent", "UndecidedEvent", "Wanted", "boundary", "exceeded", "judged"]
__all__ += ["operating_characteristics", "posterior", "posterior_of", "rule_of", "status"]


class Cause(StrEnum):
    """Why a hold is wanted: more toxicities than the rule allows, or a death that is related (clinical reference, E.12)."""

    BOUNDARY = "boundary"
    DEATH = "death"


@dataclass(frozen=True, slots=True)
class ToxicEvent:
    """An event that makes its subject a toxicity (or, among the deaths, a related death). `event` is its address, "form:row"."""

    subject: str
    site: str
    arm: Sayable
    event: str
    term: Sayable
    onset: str


@dataclass(frozen=True, slots=True)
class UndecidedEvent:
    """An event that may be a toxicity or a related death: `why` says what is missing. It is counted apart, never left out."""

    subject: str
    site: str
    arm: Sayable
    event: str
    term: Sayable
    why: tuple[Message, ...]
    death: bool


@dataclass(frozen=True, slots=True)
class CohortLine:
    """A dose cohort in numbers of subjects. `code` empty: treated in no cohort of the study."""

    code: str
    label: Sayable
    planned: int
    gated: bool
    treated: int
    evaluable: int
    toxicities: int
    undecided: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A hold that the data ask for. `concerns` are the subjects with a toxicity, or the addresses of the deaths, sorted."""

    cause: Cause
    n: int
    x: int
    concerns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """The rule at a cut-off, in numbers of subjects. `n` are evaluable, `x` of them had a toxicity.

    `undecided` subjects have no certain toxicity and at least one event that may be one: `n_if_all` and `x_if_all` is how it would be
    if they all were. `waiting` are treated and not evaluable yet. `look` is the last number of subjects at which the rule looks (0: none
    was reached), with `look_x` toxicities among the first so many treated; `least` the boundary there.
    """

    as_of: date
    rule: StoppingRule
    n: int
    x: int
    undecided: int
    n_if_all: int
    x_if_all: int
    waiting: int
    posterior: Decimal
    posterior_if_all: Decimal
    look: int
    look_x: int
    least: int | None
    reached: bool
    reached_if_all: bool
    toxic: tuple[ToxicEvent, ...]
    deaths: tuple[ToxicEvent, ...]
    unsure: tuple[UndecidedEvent, ...]
    wanted: tuple[Wanted, ...]
    cohorts: tuple[CohortLine, ...]

    def plain(self) -> dict[str, object]:
        """What a decision rests on, as plain values for canonical JSON: numbers as they are, the posterior to six places, no words."""
        return {
            "as_of": self.as_of.isoformat(),
            "rule": rule_plain(self.rule),
            "n": self.n,
            "x": self.x,
            "undecided": self.undecided,
            "n_if_all": self.n_if_all,
            "x_if_all": self.x_if_all,
            "waiting": self.waiting,
            "posterior": f"{self.posterior:.6f}",
            "look": self.look,
            "look_x": self.look_x,
            "least": self.least,
            "toxic": sorted({one.subject for one in self.toxic}),
            "deaths": sorted(one.event for one in self.deaths),
            "unsure": sorted({one.event for one in self.unsure}),
            "cohorts": [[one.code, one.treated, one.evaluable, one.toxicities, one.undecided] for one in self.cohorts],
        }


def rule_plain(rule: StoppingRule) -> dict[str, object]:
    """The parameters of a rule as plain values: whoever reads a decision later must know under which rule it was made."""
    return {
        "prior_a": rule.prior_a,
        "prior_b": rule.prior_b,
        "limit": rule.limit,
        "threshold": rule.threshold,
        "grade_from": rule.grade_from,
        "looks": list(rule.looks),
    }


def rule_of(study: Study) -> StoppingRule | None:
    return study.safety.stopping if study.safety else None


Events = frozenset[tuple[int, str]]
"""Adverse events by form and row."""


def status(study: Study, subjects: Sequence[SubjectRecord], as_of: date, raised: Events = frozenset()) -> Status:
    """The study's rule on what these subjects' records tell by the cut-off (entered in error: not given).

    A subject becomes evaluable on the day after the last one of its primary window: a day is over when the next one begins.
    `raised` are the events that the sponsor relates to the trial: they are related, whatever the investigator says (E.4).
    Raises ValueError where the study has no rule.
    """
    if study.safety is None:
        raise ValueError(f"{study.oid} has no stopping rule")
    counted = [read_participant(study, study.safety, one, as_of) for one in facts.people(study, subjects)]
    return judged(study.safety, counted, as_of, raised)


def judged(settings: SafetySettings, people: Sequence[Participant], as_of: date, raised: Events = frozenset()) -> Status:
    """As `status`, of participants that were read at this cut-off before. Raises ValueError where there is no rule."""
    rule = settings.stopping
    if rule is None:
        raise ValueError("no stopping rule")
    seen = [_as_raised(one, raised) for one in people]
    ordered = sorted(seen, key=lambda one: (one.treated_on.earliest if one.treated_on else date.max, alphabetical(one.key)))
    found = [_Seen.of(settings, rule, one, as_of) for one in ordered if one.treated]
    evaluable = [one for one in found if one.evaluable]
    if_all = [one for one in found if one.evaluable or one.unsure]
    x, x_if_all = sum(one.toxic for one in evaluable), sum(one.toxic or one.unsure for one in if_all)
    look = _last_look(rule, len(evaluable))
    looked = evaluable[:look]
    look_x, least = sum(one.toxic for one in looked), _least(rule, look)
    reached = least is not None and look_x >= least
    look_if_all = _last_look(rule, len(if_all))
    least_if_all = _least(rule, look_if_all)
    reached_if_all = least_if_all is not None and sum(one.toxic or one.unsure for one in if_all[:look_if_all]) >= least_if_all
    deaths = tuple(line for one in ordered for line in _deaths(settings, one))
    wanted = []
    if reached:
        wanted.append(Wanted(Cause.BOUNDARY, look, look_x, tuple(sorted(one.person.key for one in looked if one.toxic))))
    if deaths:
        wanted.append(Wanted(Cause.DEATH, len(evaluable), x, tuple(sorted(line.event for line in deaths))))
    return Status(
        as_of=as_of,
        rule=rule,
        n=len(evaluable),
        x=x,
        undecided=sum(one.unsure for one in found),
        n_if_all=len(if_all),
        x_if_all=x_if_all,
        waiting=len(found) - len(evaluable),
        posterior=posterior_of(rule, x, len(evaluable)),
        posterior_if_all=posterior_of(rule, x_if_all, len(if_all)),
        look=look,
        look_x=look_x,
        least=least,
        reached=reached,
        reached_if_all=reached_if_all,
        toxic=tuple(line for one in found for line in one.certain),
        deaths=deaths,
        unsure=(*(line for one in found for line in one.doubtful), *(line for one in ordered for line in _doubtful_deaths(settings, one))),
        wanted=tuple(wanted),
        cohorts=tuple(_cohorts(settings, found)),
    )


def _as_raised(person: Participant, raised: Events) -> Participant:
    events = tuple(replace(one, related=True) if (one.form_id, one.row) in raised else one for one in person.events)
    return replace(person, events=events)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A treated subject by the rule. `unsure`: no event is certainly a toxicity, and one may be."""

    person: Participant
    evaluable: bool
    certain: tuple[ToxicEvent, ...]
    doubtful: tuple[UndecidedEvent, ...]

    @property
    def toxic(self) -> bool:
        return bool(self.certain)

    @property
    def unsure(self) -> bool:
        return not self.certain and bool(self.doubtful)

    @classmethod
    def of(cls, settings: SafetySettings, rule: StoppingRule, person: Participant, as_of: date) -> _Seen:
        told = [(event, _toxicity(settings, rule, event)) for event in person.events]
        certain = tuple(_line(person, event) for event, toxic in told if toxic is True)
        doubtful = tuple(
            UndecidedEvent(person.key, event.site, person.arm_label, _address(event), event.term, _why(settings, rule, event), False)
            for event, toxic in told
            if toxic is None
        )
        assert person.treated_on is not None
        over = person.treated_on.latest + timedelta(days=settings.primary_days) < as_of
        return cls(person, over or bool(certain), certain, doubtful)


def _toxicity(settings: SafetySettings, rule: StoppingRule, event: AdverseEvent) -> bool | None:
    """Whether the event is a toxicity: in the primary window, related, and severe or serious. None where that is not known yet."""
    return _all(event.primary, event.related, _any(_severe(settings, rule, event), _serious(event)))


def _why(settings: SafetySettings, rule: StoppingRule, event: AdverseEvent) -> tuple[Message, ...]:
    """What must be known to decide about the event."""
    severe, serious = _severe(settings, rule, event), _serious(event)
    open_ = _any(severe, serious) is None
    parts = (
        (event.primary is None, N_("the onset is not known well enough to say whether it lies in the primary window")),
        (event.related is None, N_("the relation is not recorded")),
        (open_ and severe is None, N_("the grade is not recorded")),
        (open_ and serious is None, N_("the seriousness is not recorded, or contradicts its criteria")),
    )
    return tuple(Message(said) for missing, said in parts if missing)


def _severe(settings: SafetySettings, rule: StoppingRule, event: AdverseEvent) -> bool | None:
    codes = [item.code for item in settings.severities.items]
    return None if event.level is None else event.level >= codes.index(rule.grade_from)


def _serious(event: AdverseEvent) -> bool | None:
    return None if {Flaw.SERIOUSNESS_MISSING, Flaw.NOT_SERIOUS} & set(event.flaws) else event.serious


def _deaths(settings: SafetySettings, person: Participant) -> Iterator[ToxicEvent]:
    """Related deaths, of every kind of subject and at any time: each of them is a reason to hold at once."""
    return (_line(person, event) for event in person.events if _fatal(settings, event) and event.related is True)


def _doubtful_deaths(settings: SafetySettings, person: Participant) -> Iterator[UndecidedEvent]:
    why = (Message(N_("a death whose relation is not recorded")),)
    for event in person.events:
        if _fatal(settings, event) and event.related is None:
            yield UndecidedEvent(person.key, event.site, person.arm_label, _address(event), event.term, why, True)


def _fatal(settings: SafetySettings, event: AdverseEvent) -> bool:
    graded = settings.severity_alias == "AETOXGR" and event.level is not None
    return bool(event.deadly) or (graded and settings.severities.items[event.level or 0].code == FATAL_GRADE)


def _line(person: Participant, event: AdverseEvent) -> ToxicEvent:
    return ToxicEvent(person.key, event.site, person.arm_label, _address(event), event.term, event.onset)


def _address(event: AdverseEvent) -> str:
    return f"{event.form_id}:{event.row}"


def _last_look(rule: StoppingRule, n: int) -> int:
    return max((look for look in rule.looks if look <= n), default=0) if rule.looks else n


def _least(rule: StoppingRule, n: int) -> int | None:
    """The boundary at `n`, beyond the planned number too: more subjects than planned are no reason to stop looking."""
    if not n:
        return None
    if n <= rule.subjects:
        return boundary(rule)[n - 1]
    return next((x for x in range(n + 1) if exceeded(rule, x, n)), None)


def _cohorts(settings: SafetySettings, found: Sequence[_Seen]) -> Iterator[CohortLine]:
    """A line a cohort in the order of escalation; a last one for who was treated in none of them, where there is somebody."""
    for one in settings.cohorts:
        label = settings.arms.label_of(one.code) if settings.arms else None
        members = [seen for seen in found if seen.person.arm == one.code]
        yield _cohort(one.code, label or Words({"": one.code}), one.planned, one.gated, members)
    known = {one.code for one in settings.cohorts}
    others = [seen for seen in found if seen.person.arm not in known]
    if others and known:
        yield _cohort("", Message(N_("In no cohort of the study")), 0, False, others)


def _cohort(code: str, label: Sayable, planned: int, gated: bool, members: Sequence[_Seen]) -> CohortLine:
    return CohortLine(
        code,
        label,
        planned,
        gated,
        len(members),
        sum(one.evaluable for one in members),
        sum(one.toxic for one in members),
        sum(one.unsure for one in members),
    )


def _all(*claims: bool | None) -> bool | None:
    """Kleene's and."""
    return False if False in claims else None if None in claims else True


def _any(*claims: bool | None) -> bool | None:
    """Kleene's or."""
    return True if True in claims else None if None in claims else False
