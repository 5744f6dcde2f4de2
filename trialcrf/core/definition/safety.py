"""How a study counts, reports and judges what happens to its subjects: everything about safety that is the study's to decide, as data."""

from __future__ import annotations

from dataclasses import dataclass

from trialcrf.core.definition.codes import CodeList
from trialcrf.core.wording import Words

STARTS = ("site_awareness", "day_zero", "worsening", "submission")
"""What a clock runs from: the moment the site knew that the event is serious; the day the sponsor had the four minimum items (day 0,
clinical reference E.6); the day a suspected unexpected reaction became fatal or life-threatening; the first submission of another
report."""

CONCERNS = ("serious", "serious_reaction", "susar", "susar_fatal", "biovigilance")
"""Which serious events an obligation is about: every one; those with a reasonable possibility; suspected unexpected serious adverse
reactions; those of them that are fatal or life-threatening; those flagged for biovigilance."""


@dataclass(frozen=True, slots=True)
class Obligation:
    """Who must tell whom by when (clinical reference, E.6). Hours run in UTC; days are calendar days of the sponsor and end with the day.

    Exactly one of `hours`, `days` and `at_once` is given. `regime` empty: under every regime. `after` names the obligation whose
    submission the clock runs from, where `starts` is `submission`. `source` is the clause, `assumption` the reading it hangs on.
    """

    oid: str
    label: Words
    concerns: str
    starts: str
    sender: str  # the role that must tell
    recipient: Words
    regime: str = ""
    subject_types: tuple[str, ...] = ()  # none: every kind of subject
    hours: int = 0
    days: int = 0
    at_once: bool = False
    after: str = ""
    source: str = ""
    assumption: str = ""


@dataclass(frozen=True, slots=True)
class ExpectedTerm:
    """A reaction that the reference safety information lists, up to this grade."""

    term: str
    most: str  # the most severe grade that is expected
    fatal: bool = False  # a fatal outcome is expected only where it is listed so


@dataclass(frozen=True, slots=True)
class ReferenceSafety:
    """A version of the reference safety information, in force from a day to a day (ISO 8601, both included; no end: still in force)."""

    version: str
    valid_from: str
    valid_to: str = ""
    terms: tuple[ExpectedTerm, ...] = ()


@dataclass(frozen=True, slots=True)
class StoppingRule:
    """Beta-binomial rule: hold where P(rate > limit | data) exceeds the threshold (clinical reference, E.12; A-34). Decimals as texts.

    A subject has a toxicity with an event in the primary window that is related and of `grade_from` or worse, or related and serious.
    `looks` are the numbers of evaluable subjects at which it is looked; none: after every one. It raises a hold and locks nothing.
    """

    prior_a: str
    prior_b: str
    limit: str
    threshold: str
    subjects: int  # the most that are treated
    grade_from: str
    looks: tuple[int, ...] = ()
    assumption: str = ""


@dataclass(frozen=True, slots=True)
class Cohort:
    """A dose cohort, in the order of escalation. `planned` subjects; a gated one opens by a signed decision."""

    code: str
    planned: int
    gated: bool = False


@dataclass(frozen=True, slots=True)
class SuspectProduct:
    """What is printed of the product on a report to an authority."""

    name: Words
    route: Words
    indication: Words


@dataclass(frozen=True, slots=True)
class SponsorParty:
    """Who sponsors the trial, as printed. `zone` is whose calendar days the day clocks count (IANA name)."""

    name: str
    address: str
    zone: str
    country: str = ""  # ISO 3166-1 alpha-2


@dataclass(frozen=True, slots=True)
class Emergence:
    """After the start of what an event of this kind of subject is treatment-emergent: the infusion, the harvest (an anchor's OID)."""

    subject_type: str
    anchor: str


@dataclass(frozen=True, slots=True)
class SafetySettings:
    """How the safety report counts, and what else of safety the study decides.

    `severity_alias` is AETOXGR (grades) or AESEV (three levels), `severities` its codes, mild first.
    """

    population: str  # the subject type whose exposure is counted
    severity_alias: str
    severities: CodeList
    severe_from: str  # the first code that counts as severe
    arm_alias: str = "ACTARM"
    arms: CodeList | None = None
    dictionary: Words = Words()
    notes: tuple[Words, ...] = ()
    ctcae: str = ""  # the version whose terms and grades are recorded
    meddra: str = ""
    consent: str = ""  # the anchor before which an event is medical history
    emergence: tuple[Emergence, ...] = ()
    primary_days: int = 0  # the primary window: so many days after the day treatment began, that last day included; 0: none
    regime: str = ""  # the regime whose obligations are in force
    obligations: tuple[Obligation, ...] = ()
    reference_safety: tuple[ReferenceSafety, ...] = ()
    stopping: StoppingRule | None = None
    cohorts: tuple[Cohort, ...] = ()
    product: SuspectProduct | None = None
    sponsor: SponsorParty | None = None
    blinded: bool = False
    related: tuple[str, ...] = ("RELATED",)  # the answers to AEREL that mean a reasonable possibility (clinical reference, E.4)

    def anchor_of(self, subject_type: str) -> str:
        """The OID of the anchor after which events of this kind of subject are treatment-emergent; empty where there is none."""
        return next((one.anchor for one in self.emergence if one.subject_type == subject_type), "")
