"""One adverse event as it was recorded: its words, days, severity and seriousness, and where they contradict each other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from trialcrf.core.definition.model import DataType, Study
from trialcrf.core.definition.safety import SafetySettings
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.values import MISSING_WORDS, DateInterval, interval
from trialcrf.core.wording import N_, Message, Sayable, Words

CRITERIA: Mapping[str, str] = {
    "AESDTH": N_("Results in death"),
    "AESLIFE": N_("Life-threatening"),
    "AESHOSP": N_("Hospitalisation"),
    "AESDISAB": N_("Disability or incapacity"),
    "AESCONG": N_("Congenital anomaly"),
    "AESMIE": N_("Other medically important event"),
}
"""The criteria of ICH E2A by their SDTM names; AESCAN and AESOD of older studies are not among them (clinical reference, E.3)."""

FATAL_GRADE = "5"

FACTORS: Mapping[str, str] = {
    "AERELPRD": N_("Cell product"),
    "AERELEXC": N_("Excipients or cryoprotectant"),
    "AERELINF": N_("Infusion procedure"),
    "AERELPRE": N_("Premedication"),
    "AERELHAR": N_("Marrow harvest"),
    "AERELCM": N_("Concomitant medication"),
    "AERELDIS": N_("Disease under study"),
    "AERELOTH": N_("Other cause"),
}
"""What may have caused an event, each judged separately (clinical reference, E.4), by the names of our own for its items."""

OF_THE_TRIAL = frozenset({"AERELPRD", "AERELEXC", "AERELINF", "AERELPRE", "AERELHAR"})
"""The factors that the trial brought: a reasonable possibility of one of them makes the event a reaction."""

RELATED, NOT_RELATED = "RELATED", "NOT RELATED"

COURSE = frozenset({"AECGRADE", "AECDAT"})
"""The rows of an event's course of severity: parts of the event beside them, no events."""


class Phase(StrEnum):
    """When an event began (clinical reference, E.2). What may have begun after the start of treatment counts as treatment-emergent."""

    BEFORE_CONSENT = "before_consent"
    PRE_TREATMENT = "pre_treatment"
    TREATMENT_EMERGENT = "treatment_emergent"
    UNKNOWN = "unknown"


PHASES: Mapping[Phase, str] = {
    Phase.BEFORE_CONSENT: N_("before consent"),
    Phase.PRE_TREATMENT: N_("before treatment"),
    Phase.TREATMENT_EMERGENT: N_("treatment-emergent"),
    Phase.UNKNOWN: N_("onset unknown"),
}


class Flaw(StrEnum):
    """Where a recorded event contradicts itself or is incomplete. Listed for a person to resolve, never corrected by the program."""

    NOT_SERIOUS = "not_serious"
    NO_CRITERION = "no_criterion"
    SERIOUSNESS_MISSING = "seriousness_missing"
    FATAL_OUTCOME = "fatal_outcome"
    FATAL_CRITERION = "fatal_criterion"
    FATAL_OUTCOME_GRADE = "fatal_outcome_grade"
    FATAL_GRADE_OUTCOME = "fatal_grade_outcome"
    SEVERITY_MISSING = "severity_missing"
    SEVERITY_UNKNOWN = "severity_unknown"
    TERM_MISSING = "term_missing"
    ONSET_MISSING = "onset_missing"
    ONSET_STRADDLES = "onset_straddles"
    ONSET_PARTIAL = "onset_partial"
    ONSET_TIME = "onset_time"
    ONSET_BEFORE_CONSENT = "onset_before_consent"
    END_BEFORE_ONSET = "end_before_onset"


FLAWS: Mapping[Flaw, str] = {
    Flaw.NOT_SERIOUS: N_("Recorded as not serious, with a seriousness criterion"),
    Flaw.NO_CRITERION: N_("Recorded as serious, without a seriousness criterion"),
    Flaw.SERIOUSNESS_MISSING: N_("Seriousness not recorded"),
    Flaw.FATAL_OUTCOME: N_("Fatal outcome, but the criterion “results in death” is not recorded"),
    Flaw.FATAL_CRITERION: N_("Results in death, but the outcome is not recorded as fatal"),
    Flaw.FATAL_OUTCOME_GRADE: N_("Fatal outcome, but the grade is not 5"),
    Flaw.FATAL_GRADE_OUTCOME: N_("Grade 5, but the outcome is not recorded as fatal"),
    Flaw.SEVERITY_MISSING: N_("Severity not recorded"),
    Flaw.SEVERITY_UNKNOWN: N_("Severity not among the levels of this report"),
    Flaw.TERM_MISSING: N_("Term not recorded"),
    Flaw.ONSET_MISSING: N_("Onset unknown: counted whatever the cut-off"),
    Flaw.ONSET_STRADDLES: N_("Partial onset that may lie after the cut-off: counted"),
    Flaw.ONSET_PARTIAL: N_("Partial onset"),
    Flaw.ONSET_TIME: N_("Onset on the day of the treatment, time not recorded: counted as treatment-emergent"),
    Flaw.ONSET_BEFORE_CONSENT: N_("Onset before consent: medical history, counted here as recorded"),
    Flaw.END_BEFORE_ONSET: N_("End before onset"),
}
"""What the report says of each flaw, in the order of printing."""


@dataclass(frozen=True, slots=True)
class AdverseEvent:
    """One line of the listing. `level` is the place of the severity among the study's levels, None where it is not recorded.

    `primary` and `related` are None where they cannot be decided; `factors` are the investigator's answers by FACTORS, `course` the
    grades with the (partial) days from which they held. `aware` is the canonical moment at which the site knew that it is serious.
    `onset` and `end` are canonical (partial) dates or date-times, empty where unknown; `study_day` counts the day of the first
    exposure as 1 and the day before it as -1, and is None unless both days are known exactly.
    """

    subject: str
    site: str
    form_id: int
    row: str
    soc_key: str
    soc: Sayable
    term_key: str
    term: Sayable
    verbatim: str
    level: int | None
    severity: Sayable
    severe: bool
    serious: bool
    criteria: tuple[Message, ...]
    onset: str
    earliest: date | None
    study_day: int | None
    end: str
    outcome: Sayable
    relation: Sayable
    deadly: tuple[Message, ...]
    flaws: tuple[Flaw, ...]
    phase: Phase = Phase.UNKNOWN
    primary: bool | None = None
    related: bool | None = None
    factors: Mapping[str, str] = field(default_factory=dict)
    course: tuple[tuple[str, str], ...] = ()
    onset_time: str = ""
    aware: str = ""
    biovigilance: bool = False
    fatal: bool = False
    life_threatening: bool = False

    def counts_by(self, as_of: date) -> bool:
        """Whether the event belongs to a report with this clinical cut-off: it may have begun by that day, or nobody knows when it did."""
        return self.earliest is None or self.earliest <= as_of


def is_event(record: Recorded) -> bool:
    """Whether this record tells anything about an adverse event: one answer is enough. A row of an event's course is none."""
    return any(alias.startswith("AE") and alias not in COURSE for alias in (*record.values, *record.missing))


def read_event(
    study: Study, settings: SafetySettings, subject: SubjectRecord, record: Recorded, as_of: date, treated_on: DateInterval | None
) -> AdverseEvent | None:
    """The event that this record holds, or None where it answers nothing about an event.

    One answer is enough: an event saved without its term is incomplete, not absent, and must not leave the count.
    """
    if not is_event(record):
        return None
    when = _when(study, settings, subject, record)
    told = record.values
    term = told.get("AEDECOD") or told.get("AETERM") or ""
    soc = told.get("AEBODSYS", "")
    onset = interval(told["AESTDAT"]) if "AESTDAT" in told else None
    level, severity = _severity(study, settings, record)
    return AdverseEvent(
        subject=subject.key,
        site=subject.site,
        form_id=record.form_id,
        row=record.row,
        # Two spellings of one verbatim text must not make a subject count on two lines.
        soc_key=_line(soc),
        soc=said(study, record, "AEBODSYS") if soc else Message(N_("System organ class not recorded")),
        term_key=_line(term),
        term=said(study, record, "AEDECOD" if told.get("AEDECOD") else "AETERM") if term else Message(N_("Term not recorded")),
        verbatim=told.get("AETERM", ""),
        level=level,
        severity=severity,
        severe=level is not None and level >= severe_level(settings),
        serious=told.get("AESER") == "Y",
        criteria=tuple(Message(msgid) for alias, msgid in CRITERIA.items() if told.get(alias) == "Y"),
        onset=told.get("AESTDAT", ""),
        earliest=onset.earliest if onset else None,
        study_day=study_day(onset, treated_on),
        end=told.get("AEENDAT", ""),
        outcome=said(study, record, "AEOUT"),
        relation=said(study, record, "AEREL"),
        deadly=tuple(_deadly(told)),
        flaws=tuple(flaw for flaw in FLAWS if _RULES[flaw](_Recorded(settings, told, level, onset, as_of, when))),
        phase=when.phase,
        primary=when.primary(settings) if subject.subject_type == settings.population else False,
        related=related_by(told, settings.related),
        factors={alias: told[alias] for alias in FACTORS if alias in told},
        course=tuple(
            (one.values.get("AECGRADE", ""), one.values.get("AECDAT", ""))
            for one in subject.records
            if one.form_id == record.form_id and COURSE & one.values.keys() and one.row != record.row
        ),
        onset_time=told.get("AESTTIM", ""),
        aware=told.get("AEAWARE", ""),
        biovigilance=told.get("AEBIOVIG") == "Y",
        fatal=told.get("AEOUT") == "FATAL" or told.get("AESDTH") == "Y",
        life_threatening=told.get("AESLIFE") == "Y",
    )


@dataclass(frozen=True, slots=True)
class When:
    """What tells when an event began: its onset with a time (empty where unknown), the consent, and the start of what it may follow.

    `start` is the canonical day or moment of the first treatment of this kind of subject, empty where there was none, and None where
    the study does not say what counts as treatment.
    """

    onset: DateInterval | None
    clock: str
    consented: DateInterval | None
    start: str | None

    @property
    def phase(self) -> Phase:
        if self.onset is None or self.start is None:
            return Phase.UNKNOWN
        if self.consented is not None and self.onset.latest < self.consented.earliest:
            return Phase.BEFORE_CONSENT
        if not self.start or self.onset.latest < interval(self.start).earliest or self._earlier_that_day:
            return Phase.PRE_TREATMENT
        return Phase.TREATMENT_EMERGENT

    @property
    def same_day(self) -> bool:
        """Whether it began on the very day of the start, as far as days are known."""
        began = interval(self.start) if self.start else None
        return began is not None and self.onset is not None and self.onset == began and began.exact

    @property
    def timed(self) -> bool:
        """Whether both are known by the clock."""
        return bool(self.clock) and self.start is not None and "T" in self.start

    @property
    def _earlier_that_day(self) -> bool:
        # Both are the clock at the site; a start without a time is taken for the beginning of its day.
        return self.same_day and self.timed and self.start is not None and self.clock < self.start.partition("T")[2][:5]

    def primary(self, settings: SafetySettings) -> bool | None:
        """Whether it began within the primary window: from the start of treatment to the end of its last day at the site (A-30)."""
        if not settings.primary_days or self.start is None:
            return None
        if not self.start:
            return False
        if self.onset is None:
            return None
        began = interval(self.start)
        if self.phase is not Phase.TREATMENT_EMERGENT or self.onset.earliest > began.latest + timedelta(days=settings.primary_days):
            return False
        inside = self.onset.earliest >= began.latest and self.onset.latest <= began.earliest + timedelta(days=settings.primary_days)
        return True if inside else None


def _when(study: Study, settings: SafetySettings, subject: SubjectRecord, record: Recorded) -> When:
    consents = [interval(text) for text in _of_anchor(study, subject, settings.consent)]
    anchor = settings.anchor_of(subject.subject_type)
    starts = _of_anchor(study, subject, anchor)
    return When(
        interval(record.values["AESTDAT"]) if "AESTDAT" in record.values else None,
        record.values.get("AESTTIM", ""),
        min(consents, key=lambda day: (day.earliest, day.latest), default=None),
        min(starts, key=lambda text: (interval(text).earliest, text), default="" if anchor else None),
    )


def _of_anchor(study: Study, subject: SubjectRecord, oid: str) -> list[str]:
    return [text for anchor in study.anchors if anchor.oid == oid for text in subject.all_of(anchor.alias)]


def related_by(told: Mapping[str, str], codes: Collection[str]) -> bool | None:
    """Whether a judgement says that the trial may have caused it: by one of its factors or overall. None where nothing was judged.

    `told` has answers by alias, `codes` are the overall answers that mean a reasonable possibility (SafetySettings.related).
    """
    said = [told[alias] for alias in (*OF_THE_TRIAL, "AEREL") if told.get(alias)]
    return any(text == RELATED or text in codes for text in said) if said else None


def said(study: Study, record: Recorded, alias: str) -> Sayable:
    """An answer as people read it: the label of its code, the text itself, or the name of its missing code; empty when not entered."""
    if alias in record.missing:
        code = record.missing[alias]
        return Message(MISSING_WORDS[code]) if code in MISSING_WORDS else Words({"": code})
    text = record.values.get(alias, "")
    if not text:
        return Words()
    form = study.form.get(record.form_oid)
    item = form.with_alias(alias) if form else None
    if item is not None and item.type is DataType.BOOLEAN:
        return Message(N_("Yes")) if text == "Y" else Message(N_("No"))
    if item is not None and item.codelist is not None:
        codes = text.split("|") if item.type is DataType.MULTICHOICE else [text]
        labels = [item.codelist.label_of(code) or Words({"": code}) for code in codes]
        return Words({language: ", ".join(label.in_(language) for label in labels) for language in study.languages})
    return Words({"": text})


def study_day(day: DateInterval | None, treated_on: DateInterval | None) -> int | None:
    """SDTM's study day, which has no day 0; None unless both days are exact."""
    if day is None or treated_on is None or day.earliest != day.latest or treated_on.earliest != treated_on.latest:
        return None
    days = (day.earliest - treated_on.earliest).days
    return days + 1 if days >= 0 else days


def severe_level(settings: SafetySettings) -> int:
    """The place of the first level that counts as severe; past the last one where the study names none."""
    codes = [item.code for item in settings.severities.items]
    return codes.index(settings.severe_from) if settings.severe_from in codes else len(codes)


def _line(text: str) -> str:
    return " ".join(text.casefold().split())


def _severity(study: Study, settings: SafetySettings, record: Recorded) -> tuple[int | None, Sayable]:
    code = record.values.get(settings.severity_alias, "")
    for place, item in enumerate(settings.severities.items):
        if item.code == code:
            return place, item.label
    return None, said(study, record, settings.severity_alias)


def _deadly(told: Mapping[str, str]) -> Iterator[Message]:
    if told.get("AESDTH") == "Y":
        yield Message(N_("Adverse event that results in death"))
    if told.get("AEOUT") == "FATAL":
        yield Message(N_("Adverse event with a fatal outcome"))


@dataclass(frozen=True, slots=True)
class _Recorded:
    settings: SafetySettings
    told: Mapping[str, str]
    level: int | None
    onset: DateInterval | None
    as_of: date
    when: When

    @property
    def fatal(self) -> bool:
        return self.told.get("AEOUT") == "FATAL"

    @property
    def criterion(self) -> bool:
        return any(self.told.get(alias) == "Y" for alias in CRITERIA)

    @property
    def grade(self) -> str:
        return self.told.get("AETOXGR", "")

    @property
    def partial(self) -> bool:
        return self.onset is not None and self.onset.earliest != self.onset.latest

    @property
    def straddles(self) -> bool:
        return self.onset is not None and self.onset.earliest <= self.as_of < self.onset.latest

    @property
    def end_before_onset(self) -> bool:
        # Only where it is certain: a partial end in the month of the onset may still follow it.
        return self.onset is not None and "AEENDAT" in self.told and interval(self.told["AEENDAT"]).latest < self.onset.earliest


_RULES: Mapping[Flaw, Callable[[_Recorded], bool]] = {
    Flaw.NOT_SERIOUS: lambda seen: seen.told.get("AESER") == "N" and seen.criterion,
    Flaw.NO_CRITERION: lambda seen: seen.told.get("AESER") == "Y" and not seen.criterion,
    Flaw.SERIOUSNESS_MISSING: lambda seen: "AESER" not in seen.told,
    Flaw.FATAL_OUTCOME: lambda seen: seen.fatal and seen.told.get("AESDTH") != "Y",
    Flaw.FATAL_CRITERION: lambda seen: seen.told.get("AESDTH") == "Y" and not seen.fatal,
    Flaw.FATAL_OUTCOME_GRADE: lambda seen: seen.fatal and seen.grade not in ("", FATAL_GRADE),
    Flaw.FATAL_GRADE_OUTCOME: lambda seen: seen.grade == FATAL_GRADE and not seen.fatal,
    Flaw.SEVERITY_MISSING: lambda seen: seen.settings.severity_alias not in seen.told,
    Flaw.SEVERITY_UNKNOWN: lambda seen: seen.settings.severity_alias in seen.told and seen.level is None,
    Flaw.TERM_MISSING: lambda seen: not (seen.told.get("AEDECOD") or seen.told.get("AETERM")),
    Flaw.ONSET_MISSING: lambda seen: seen.onset is None,
    Flaw.ONSET_STRADDLES: lambda seen: seen.straddles,
    Flaw.ONSET_PARTIAL: lambda seen: seen.partial and not seen.straddles,
    Flaw.ONSET_TIME: lambda seen: "AESTTIM" not in seen.told and seen.when.same_day and "T" in (seen.when.start or ""),
    Flaw.ONSET_BEFORE_CONSENT: lambda seen: seen.when.phase is Phase.BEFORE_CONSENT,
    Flaw.END_BEFORE_ONSET: lambda seen: seen.end_before_onset,
}
