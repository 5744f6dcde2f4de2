"""What a laboratory value means beside its limits, and which CTCAE grade it proposes: never more than a proposal, never a guess."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from trialcrf.core.kleene import Truth, compare, either
from trialcrf.core.safety.grading_rules import (
    ABNORMAL,
    BASELINE,
    CLASSES,
    INVESTIGATIONS,
    LLN,
    NORMAL,
    PERSISTING,
    PRESSURE,
    RISE,
    RULED,
    RULES,
    V5,
    V6,
    Rule,
    Step,
)
from trialcrf.core.typed import UNDETERMINED, Span, Undetermined
from trialcrf.core.wording import N_, Message

__all__ = ["HYPERTENSION", "RULED", "Baseline", "Flag", "Limits", "Proposal", "edition", "flag", "pressure", "propose", "unit_key"]

Number = Decimal | Span
HYPERTENSION = "Hypertension"


class Flag(StrEnum):
    """Where a value lies beside the limits that are known (CDISC LBNRIND)."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Limits:
    """The laboratory's limits of normal, both inclusive, in the unit of the value; None where one is not known."""

    low: Decimal | None = None
    high: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Baseline:
    """The value before treatment, in the unit of the value, with the upper limit of then (None: that of now)."""

    value: Decimal
    high: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """The grade that a value proposes for a term. `grade` 0: none; None: it cannot be told, `why` says what is missing.

    `at_least` is certain even then; `by_limits` is what the limits alone would say where only the baseline is missing. `provided` is what
    the grade takes for granted, `note` what a person must add.
    """

    version: str
    term: str
    grade: int | None
    why: Message
    at_least: int = 0
    by_limits: int | None = None
    provided: Message | None = None
    note: Message | None = None

    @property
    def source(self) -> str:
        return f"CTCAE v{self.version}, {self.term}"

    @property
    def soc(self) -> str:
        """The system organ class of the term."""
        return CLASSES.get(self.term, INVESTIGATIONS)

    @property
    def likely(self) -> int:
        """The grade that is worth a look: the proposed one, else what is certain or what the limits alone say."""
        return self.grade if self.grade is not None else max(self.at_least, self.by_limits or 0)


def edition(version: str) -> str:
    """The edition whose rules a study's CTCAE version names: `5`, `v5.0` and `5.0` are one; empty where there are no rules for it."""
    plain = version.strip().casefold().removeprefix("ctcae").strip().removeprefix("v")
    return {"5": V5, "5.0": V5, "6": V6, "6.0": V6}.get(plain, "")


def unit_key(unit: str) -> str:
    """A unit as it is compared: 10⁹/L and 10^9/L, µmol/L and umol/L are the same."""
    plain = unicodedata.normalize("NFKC", unit).casefold().replace(" ", "")
    plain = "".join(sign for sign in plain if sign not in "^*×")
    return "μ" + plain[1:] if plain.startswith("umol") else plain


def flag(value: Number, low: Decimal | None, high: Decimal | None) -> Flag | Undetermined | None:
    """Low, normal or high; UNDETERMINED where a qualified value (`<0.5`) lies on both sides of a limit; None without any limit.

    A value at its limit is normal. With one limit only, normal means: not beyond that one.
    """
    if low is None and high is None:
        return None
    below: Truth = compare("<", value, low) if low is not None else False
    above: Truth = compare(">", value, high) if high is not None else False
    if below is True:
        return Flag.LOW
    if above is True:
        return Flag.HIGH
    return Flag.NORMAL if below is False and above is False else UNDETERMINED


def propose(
    version: str, analyte: str, value: Number, unit: str = "", limits: Limits | None = None, baseline: Baseline | None = None
) -> tuple[Proposal, ...]:
    """What each rule of this edition says of the value; none where the edition has no rule for the analyte.

    `unit` is that of the value, the limits and the baseline. An analyte with several terms (too low, too high) has a proposal for each.
    """
    rules = [rule for rule in RULES if rule.version == edition(version) and rule.analyte == analyte]
    fitting = [rule for rule in rules if not rule.units or unit_key(unit) in rule.units]
    if rules and not fitting:
        terms = {rule.term: rule for rule in rules}
        why = Message(N_("the rule does not know the unit “%(unit)s”"), {"unit": unit})
        return tuple(Proposal(rule.version, rule.term, None, why) for rule in terms.values())
    known = limits or Limits()
    return tuple(_by_rule(rule, value, rule.units.get(unit_key(unit), Decimal(1)), known, baseline) for rule in fitting)


def _by_rule(rule: Rule, value: Number, factor: Decimal, limits: Limits, baseline: Baseline | None) -> Proposal:
    judged = _Judged(rule, value, factor, limits, baseline)
    found = judged.proposal(rule.steps)
    if found.grade is None and baseline is None and judged.lacks_baseline:
        # The limits alone, as if the baseline had been normal: to be read, not to be taken.
        alone = [replace(step, baseline="") for step in rule.steps if step.of != BASELINE]
        found = replace(found, by_limits=_Judged(rule, value, factor, limits, baseline).proposal(alone).grade)
    return found


class _Judged:
    """One value under one rule: what each of its steps comes to, and what was missing on the way."""

    def __init__(self, rule: Rule, value: Number, factor: Decimal, limits: Limits, baseline: Baseline | None) -> None:
        self.rule, self.shown, self.limits, self.baseline, self.factor = rule, _written(value), limits, baseline, factor
        self.value = _times(value, factor)
        self.low, self.high = _scaled(limits.low, factor), _scaled(limits.high, factor)
        self.before = _scaled(baseline.value, factor) if baseline else None
        self.high_then = (_scaled(baseline.high, factor) if baseline and baseline.high is not None else None) or self.high
        self.missing: dict[str, Message] = {}
        self.lacks_baseline = False

    def proposal(self, steps: Iterable[Step]) -> Proposal:
        if any(self._within_gap(low, high) for low, high in self.rule.gaps):
            return self._made(None, Message(N_("CTCAE v%(version)s has no grade for this value"), {"version": self.rule.version}))
        by_grade: dict[int, list[Step]] = {}
        for step in steps:
            by_grade.setdefault(step.grade, []).append(step)
        unsure = False
        for grade in sorted(by_grade, reverse=True):
            held = [(self._holds(step), step) for step in by_grade[grade]]
            passed = next((step for truth, step in held if truth is True), None)
            if passed is not None:
                return self._made(None, self._lack(), at_least=grade) if unsure else self._made(grade, self._reason(passed))
            unsure = unsure or any(truth is not False for truth, _ in held)
        if unsure:
            return self._made(None, self._lack())
        return self._made(0, Message(N_("no threshold is passed")))

    def _made(self, grade: int | None, why: Message, at_least: int = 0) -> Proposal:
        certain = at_least or grade or 0
        return Proposal(self.rule.version, self.rule.term, grade, why, certain, note=self.rule.note if certain else None)

    def _holds(self, step: Step) -> Truth:
        wanted = self._baseline_is(step)
        if wanted is False:
            return False
        bound = self._bound(step)
        if bound is None:
            if step.baseline == ABNORMAL and self.high is not None and compare(">", self.value, step.times * self.high) is False:
                return False  # An abnormal baseline is above the upper limit, so whatever it was, this value is no such multiple of it.
            return self._lacking(step.of, "")
        passed = compare(step.sign, self.value, bound)
        if passed is False:
            return False
        if passed is not True:
            said = Message(N_("the value is only known as %(value)s"), {"value": self.shown})
            return self._lacking("value", said)
        if wanted is not True:
            return wanted
        if step.most is not None and self.before is not None and self.high_then is not None and self.before > step.most * self.high_then:
            silent = N_("CTCAE v%(version)s has no grade for a baseline of more than %(times)s × the upper limit")
            return self._lacking("most", Message(silent, {"version": self.rule.version, "times": step.most}))
        return True

    def _baseline_is(self, step: Step) -> Truth:
        if not step.baseline:
            return True
        if self.before is None:
            return self._lacking(BASELINE, "")
        limit = self.high_then if step.baseline in (NORMAL, ABNORMAL) else self.low
        if limit is None:
            return self._lacking(LLN if step.baseline not in (NORMAL, ABNORMAL) else "ULN", "")
        return {NORMAL: self.before <= limit, ABNORMAL: self.before > limit}.get(step.baseline, self.before < limit)

    def _bound(self, step: Step) -> Decimal | None:
        if not step.of:
            return step.times
        reference = {LLN: self.low, BASELINE: self.before}.get(step.of, self.high)
        return None if reference is None else step.times * reference + step.plus

    def _lacking(self, what: str, said: Message | str) -> Undetermined:
        if isinstance(said, Message):
            self.missing[what] = said
        else:
            self.missing[what] = _LACKS[what]
            self.lacks_baseline = self.lacks_baseline or what == BASELINE
        return UNDETERMINED

    def _lack(self) -> Message:
        """What is missing, the limits first: they are the easiest to come by."""
        ordered = sorted(self.missing, key=lambda what: (what == BASELINE, what))
        if len(ordered) < 2:
            return self.missing[ordered[0]]
        return Message(N_("%(one)s, and %(other)s"), {"one": self.missing[ordered[0]], "other": self.missing[ordered[1]]})

    def _reason(self, step: Step) -> Message:
        """The value, the threshold that it passed, and what that is made of; all as recorded, in the unit of the value."""
        bound = self._bound(step)
        assert bound is not None
        params: dict[str, object] = {"value": self.shown, "bound": _plain(bound / self.factor), "times": _plain(step.times)}
        params["plus"] = _plain(step.plus / self.factor)
        return Message(_REASONS[step.sign, step.of, step.times == 1, bool(step.plus)], params)

    def _within_gap(self, low: Decimal, high: Decimal) -> bool:
        return compare(">", self.value, low) is True and compare("<", self.value, high) is True


_LACKS = {
    LLN: Message(N_("the lower limit of the laboratory is not known")),
    "ULN": Message(N_("the upper limit of the laboratory is not known")),
    BASELINE: Message(N_("the value before treatment is not known")),
}
_REASONS = {
    ("<", "", False, False): N_("%(value)s is under %(bound)s"),
    ("<", "", True, False): N_("%(value)s is under %(bound)s"),
    ("<=", "", False, False): N_("%(value)s is at most %(bound)s"),
    (">", "", False, False): N_("%(value)s is over %(bound)s"),
    (">=", "", False, False): N_("%(value)s is at least %(bound)s"),
    ("<", LLN, True, False): N_("%(value)s is under the lower limit %(bound)s"),
    (">", "ULN", True, False): N_("%(value)s is over the upper limit %(bound)s"),
    (">", "ULN", False, False): N_("%(value)s is over %(times)s × the upper limit (%(bound)s)"),
    (">", "ULN", True, True): N_("%(value)s is more than %(plus)s over the upper limit (%(bound)s)"),
    (">", BASELINE, True, False): N_("%(value)s is over the value before treatment (%(bound)s)"),
    (">", BASELINE, False, False): N_("%(value)s is over %(times)s × the value before treatment (%(bound)s)"),
    (">=", BASELINE, True, False): N_("%(value)s is at least the value before treatment (%(bound)s)"),
    (">=", BASELINE, False, False): N_("%(value)s is at least %(times)s × the value before treatment (%(bound)s)"),
}


def pressure(
    version: str, systolic: Number | None, diastolic: Number | None, before: tuple[Decimal, Decimal] | None = None
) -> tuple[Proposal, ...]:
    """The grade of hypertension of an adult by one reading in mmHg; `before` is the reading before treatment (systolic, diastolic)."""
    named = edition(version)
    if named not in PRESSURE or (systolic is None and diastolic is None):
        return ()
    params: dict[str, object] = {"systolic": _written(systolic), "diastolic": _written(diastolic)}
    unsure = False
    for grade, from_systolic, from_diastolic in reversed(PRESSURE[named]):
        reached = either([_from(systolic, from_systolic), _from(diastolic, from_diastolic)])
        risen = _risen(named, grade, systolic, diastolic, before)
        if reached is True or risen is True:
            provided = (
                Message(N_("provided that it lasts or comes back: one reading does not tell")) if grade in PERSISTING[named] else None
            )
            if unsure:
                lack = _LACKS[BASELINE] if isinstance(systolic, Decimal) and isinstance(diastolic, Decimal) else _HALF
                return (Proposal(named, HYPERTENSION, None, lack, grade, grade, provided),)
            params |= {"one": from_systolic, "other": from_diastolic}
            why = Message(N_("%(systolic)s/%(diastolic)s mmHg: from %(one)s systolic or %(other)s diastolic on"), params)
            if reached is not True:
                why = Message(N_("%(systolic)s/%(diastolic)s mmHg has risen over the reading before treatment"), params)
            return (Proposal(named, HYPERTENSION, grade, why, grade, provided=provided),)
        unsure = unsure or reached is not False or risen is not False
    if unsure:
        return (Proposal(named, HYPERTENSION, None, _HALF),)
    return (Proposal(named, HYPERTENSION, 0, Message(N_("no threshold is passed"))),)


_HALF = Message(N_("one of the two pressures is not known"))


def _from(reading: Number | None, bound: Decimal) -> Truth:
    return UNDETERMINED if reading is None else compare(">=", reading, bound)


def _risen(version: str, grade: int, systolic: Number | None, diastolic: Number | None, before: tuple[Decimal, Decimal] | None) -> Truth:
    """Whether the pressure has risen so far over the baseline that this alone makes the grade."""
    rule = RISE.get(version)
    if rule is None or rule[0] != grade or not isinstance(systolic, Decimal) or systolic <= rule[1]:
        return False
    if before is None:
        return UNDETERMINED
    if systolic - before[0] > rule[2]:
        return True
    return isinstance(diastolic, Decimal) and _mean(systolic, diastolic) - _mean(*before) > rule[3]


def _mean(systolic: Decimal, diastolic: Decimal) -> Decimal:
    return (systolic + 2 * diastolic) / 3


def _written(value: Number | None) -> object:
    """A value as it was recorded: a number, or a number with its sign."""
    if value is None:
        return "–"
    if isinstance(value, Decimal):
        return value
    return (
        Message(N_("<%(number)s"), {"number": value.high}) if value.high.is_finite() else Message(N_(">%(number)s"), {"number": value.low})
    )


def _times(value: Number, factor: Decimal) -> Number:
    if isinstance(value, Decimal):
        return value * factor
    return replace(value, low=value.low * factor, high=value.high * factor)


def _scaled(number: Decimal | None, factor: Decimal) -> Decimal | None:
    return None if number is None else number * factor


def _plain(number: Decimal) -> Decimal:
    """Without the zeros that computing left behind, and never as a power of ten."""
    short = number.normalize()
    return short.quantize(Decimal(1)) if short == short.to_integral_value() else short


def worst(proposals: Sequence[Proposal]) -> Proposal | None:
    """The proposal that most deserves to be read: the highest grade; one that cannot be told before one that is none."""
    return max(proposals, key=lambda one: (one.likely, one.grade is None), default=None)
