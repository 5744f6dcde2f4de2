"""One adverse event as it was recorded: its words, days, severity and seriousness, and where they contradict each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from trialcrf.core.definition.model import DataType, SafetySettings, Study
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.values import MISSING_CODES, DateInterval, interval
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
    Flaw.END_BEFORE_ONSET: N_("End before onset"),
}
"""What the report says of each flaw, in the order of printing."""


@dataclass(frozen=True, slots=True)
class AdverseEvent:
    """One line of the listing. `level` is the place of the severity among the study's levels, None where it is not recorded.

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

    def counts_by(self, as_of: date) -> bool:
        """Whether the event belongs to a report with this clinical cut-off: it may have begun by that day, or nobody knows when it did."""
        return self.earliest is None or self.earliest <= as_of


def read_event(
    study: Study, settings: SafetySettings, subject: SubjectRecord, record: Recorded, as_of: date, treated_on: DateInterval | None
) -> AdverseEvent | None:
    """The event that this record holds, or None where it answers nothing about an event.

    One answer is enough: an event saved without its term is incomplete, not absent, and must not leave the count.
    """
    if not any(alias.startswith("AE") for alias in (*record.values, *record.missing)):
        return None
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
        flaws=tuple(flaw for flaw in FLAWS if _RULES[flaw](_Recorded(settings, told, level, onset, as_of))),
    )


def said(study: Study, record: Recorded, alias: str) -> Sayable:
    """An answer as people read it: the label of its code, the text itself, or the name of its missing code; empty when not entered."""
    if alias in record.missing:
        code = record.missing[alias]
        return Message(MISSING_CODES[code]) if code in MISSING_CODES else Words({"": code})
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
    Flaw.END_BEFORE_ONSET: lambda seen: seen.end_before_onset,
}
