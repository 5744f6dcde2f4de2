"""Whether a subject may enter the study: every criterion judged in three values, with what it rests on and what is still missing.

Kleene's strong logic throughout (clinical reference, A.1): missing, indeterminate, expired and partial values make a criterion
undetermined, never false.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from trialcrf.core.calendar import add_months
from trialcrf.core.casebook import Casebook, Found
from trialcrf.core.definition.criteria import Criterion, CriterionKind, EligibilityDef, InputDef, InputType, Parameter
from trialcrf.core.definition.model import Study
from trialcrf.core.explain import explain, undecided
from trialcrf.core.expr import Expr, Ref, result
from trialcrf.core.kleene import Result, Truth, days_of, truth
from trialcrf.core.typed import AWAITED, UNDETERMINED, DateInterval, Missing, Span, Value
from trialcrf.core.wording import N_


class Verdict(StrEnum):
    """What is said of one criterion; the words are those of the clinical reference."""

    MET = "MET"
    NOT_MET = "NOT_MET"
    PRESENT = "PRESENT"
    ABSENT = "ABSENT"
    UNDETERMINED = "UNDETERMINED"


class Overall(StrEnum):
    """What is said of a subject."""

    ELIGIBLE = "ELIGIBLE"
    NOT_ELIGIBLE = "NOT_ELIGIBLE"
    PENDING = "PENDING"


VERDICTS: Mapping[str, str] = {
    Verdict.MET: N_("Met"),
    Verdict.NOT_MET: N_("Not met"),
    Verdict.PRESENT: N_("Present"),
    Verdict.ABSENT: N_("Absent"),
    Verdict.UNDETERMINED: N_("Undetermined"),
    Overall.ELIGIBLE: N_("Eligible"),
    Overall.NOT_ELIGIBLE: N_("Not eligible"),
    Overall.PENDING: N_("Pending"),
}


class State(StrEnum):
    """Why an input is known or not."""

    KNOWN = "known"
    AWAITED = "awaited"  # nothing entered yet
    EXPIRED = "expired"  # dated too long before the day that counts
    UNDATED = "undated"  # it has a validity, and its date is not known well enough
    UNDECIDED = "undecided"  # entered, and says nothing certain: not done, indeterminate, in conflict


@dataclass(frozen=True, slots=True)
class Given:
    """An input as it was found: what counts (UNDETERMINED where it may not be used), why, and the recorded answers behind it."""

    input: InputDef
    value: Result
    state: State
    found: tuple[Found, ...] = ()
    dated: DateInterval | None = None
    valid_until: date | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """One criterion with its verdict, the inputs that it rests on, and those that keep it undetermined."""

    criterion: Criterion
    verdict: Verdict
    inputs: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All criteria of one subject. `on` is the day that validity was counted back from, None while it is not known."""

    definition: EligibilityDef
    given: Mapping[str, Given]
    judged: tuple[Judged, ...]
    on: date | None = None

    @property
    def overall(self) -> Overall:
        """ELIGIBLE when every inclusion is met and every exclusion absent; NOT_ELIGIBLE as soon as one certainly is not."""
        required = [each for each in self.judged if each.criterion.kind is not CriterionKind.ROUTE]
        if any(each.verdict in (Verdict.NOT_MET, Verdict.PRESENT) for each in required):
            return Overall.NOT_ELIGIBLE
        return Overall.ELIGIBLE if all(each.verdict in (Verdict.MET, Verdict.ABSENT) for each in required) else Overall.PENDING

    @property
    def against(self) -> tuple[Judged, ...]:
        """The required criteria that certainly speak against entry."""
        return tuple(
            each
            for each in self.judged
            if each.criterion.kind is not CriterionKind.ROUTE and each.verdict in (Verdict.NOT_MET, Verdict.PRESENT)
        )

    @property
    def missing(self) -> tuple[str, ...]:
        """The inputs that keep required criteria undetermined, in the order of the definition."""
        wanted = {
            name
            for each in self.judged
            if each.criterion.kind is not CriterionKind.ROUTE and each.verdict is Verdict.UNDETERMINED
            for name in each.missing
        }
        return tuple(each.oid for each in self.definition.inputs if each.oid in wanted)


def evaluate(
    study: Study, definition: EligibilityDef, casebook: Casebook, about: Mapping[str, str], today: date, partner: Truth = AWAITED
) -> Evaluation:
    """Every criterion of a subject from its forms. `partner` is the linked subject's verdict, AWAITED where nobody is linked."""
    reading = _Reading(study, definition, casebook, about, today)
    given = {each.oid: reading.given(each) for each in definition.inputs}
    if definition.partner_input:
        state = State.KNOWN if isinstance(partner, bool) else State.AWAITED if partner is AWAITED else State.UNDECIDED
        link = casebook.named(definition.partner_alias)
        given[definition.partner_input] = Given(definition.input[definition.partner_input], partner, state, (link,) if link else ())
    judged = judge(definition, {name: each.value for name, each in given.items()}, today)
    return Evaluation(definition, given, judged, reading.reference.latest if reading.reference else None)


def judge(definition: EligibilityDef, values: Mapping[str, Result], today: date) -> tuple[Judged, ...]:
    """Every criterion over values of the inputs by name; what is absent is unknown."""
    answers = answering(definition, values, today)
    return tuple(_judged(definition, each, answers, today) for each in definition.criteria)


def answering(definition: EligibilityDef, values: Mapping[str, Result], today: date) -> Callable[[Ref], Value]:
    """What a name in a rule stands for: an input, or the verdict on another criterion."""
    known: dict[str, Truth] = {}

    def answer(ref: Ref) -> Value:
        criterion = definition.criterion.get(ref.item)
        if criterion is None:
            return values.get(ref.item)  # type: ignore[return-value]  # expressions take every Result as an answer
        if ref.item not in known:
            known[ref.item] = truth(result(criterion.rule.tree, answer, today))
        return known[ref.item]  # type: ignore[return-value]

    return answer


def verdict_of(kind: CriterionKind, holds: Truth) -> Verdict:
    """The word for a rule's truth: an exclusion that holds is PRESENT."""
    if not isinstance(holds, bool):
        return Verdict.UNDETERMINED
    if kind is CriterionKind.EXCLUSION:
        return Verdict.PRESENT if holds else Verdict.ABSENT
    return Verdict.MET if holds else Verdict.NOT_MET


def _judged(definition: EligibilityDef, criterion: Criterion, answers: Callable[[Ref], Value], today: date) -> Judged:
    verdict = verdict_of(criterion.kind, truth(result(criterion.rule.tree, answers, today)))
    missing: dict[str, None] = {}
    if verdict is Verdict.UNDETERMINED:
        missing.update(dict.fromkeys(_missing(definition, criterion, answers, today)))
    return Judged(criterion, verdict, tuple(dict.fromkeys(_inputs(definition, criterion.rule))), tuple(missing))


def _inputs(definition: EligibilityDef, rule: Expr) -> Iterator[str]:
    """The inputs behind a rule in the order of the definition, those of the criteria that it names included."""
    named = {ref.item for ref in rule.references}
    for each in definition.inputs:
        if each.oid in named:
            yield each.oid
    for name in sorted(named & definition.criterion.keys()):
        yield from _inputs(definition, definition.criterion[name].rule)


def _missing(definition: EligibilityDef, criterion: Criterion, answers: Callable[[Ref], Value], today: date) -> Iterator[str]:
    """The unknown inputs of the comparisons that keep the criterion undetermined."""
    for part in undecided(explain(criterion.rule.tree, answers, today)):
        for name in sorted(ref.item for ref in part.refs):
            other = definition.criterion.get(name)
            if other is not None:
                yield from _missing(definition, other, answers, today)
            elif not _certain(answers(Ref(name))):
                yield name


def _certain(value: Result) -> bool:
    return value is not None and value is not AWAITED and value is not UNDETERMINED and not isinstance(value, Missing | Span)


class _Reading:
    """Takes the inputs out of a casebook, each as old as it is allowed to be."""

    def __init__(self, study: Study, definition: EligibilityDef, casebook: Casebook, about: Mapping[str, str], today: date) -> None:
        self._study, self._casebook, self._about, self._today = study, casebook, about, today
        self.reference = self._day(definition.inclusion) or self._day(definition.consent)

    def given(self, each: InputDef) -> Given:
        if each.value is None:
            return Given(each, None, State.AWAITED)
        value = self._result(each.value)
        if each.type is InputType.BOOLEAN and isinstance(value, str):
            value = {"Y": True, "N": False}.get(value, UNDETERMINED)  # as a derived truth is recorded
        if isinstance(value, str) and value in each.undecided:
            value = UNDETERMINED
        found = self._found(each.value)
        if value is None or value is AWAITED:
            return Given(each, value, State.AWAITED, found)
        if value is UNDETERMINED or isinstance(value, Missing):
            return Given(each, UNDETERMINED, State.UNDECIDED, found)
        if not each.valid or each.dated is None or value in each.undated:
            return Given(each, value, State.KNOWN, found)
        return self._aged(each, value, found)

    def _aged(self, each: InputDef, value: Result, found: tuple[Found, ...]) -> Given:
        """The value with its date: valid while the whole of what the date may be is recent enough (A-24)."""
        dated = days_of(self._result(each.dated)) if each.dated is not None else None
        reference = self._day(each.until) if each.until is not None else self.reference
        if not isinstance(dated, DateInterval):
            return Given(each, UNDETERMINED, State.UNDATED, found)
        parameter = self._study.parameter[each.valid]
        until = _after(dated.earliest, parameter)
        if reference is None or reference.latest <= until:
            return Given(each, value, State.KNOWN, found, dated, until)
        expired = reference.earliest > _after(dated.latest, parameter)
        return Given(each, UNDETERMINED, State.EXPIRED if expired else State.UNDATED, found, dated, until)

    def _day(self, expr: Expr | None) -> DateInterval | None:
        day = days_of(self._result(expr)) if expr is not None else None
        return day if isinstance(day, DateInterval) else None

    def _result(self, expr: Expr) -> Result:
        return result(expr.tree, self._answer, self._today)

    def _answer(self, ref: Ref) -> Value | tuple[Value, ...]:
        return self._about.get(ref.item) if ref.form == "subject" else self._casebook.value(ref)

    def _found(self, expr: Expr) -> tuple[Found, ...]:
        refs = sorted((ref for ref in expr.references if ref.form != "subject"), key=lambda ref: (ref.form, ref.item, ref.event))
        return tuple(found for ref in refs for found in self._casebook.found(ref))


def _after(day: date, parameter: Parameter) -> date:
    return add_months(day, parameter.value) if parameter.unit == "month" else day + timedelta(days=parameter.value)


class DataProblems(Exception):
    """Values that are not what the inputs are: every problem at once, as (name, what is expected)."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{name}: {what}" for name, what in problems))
        self.problems = problems


def values_of(definition: EligibilityDef, plain: Mapping[str, object]) -> dict[str, Result]:
    """Values by input name from plain data (a JSON object of a data file). Absent and null are unknown.

    A number may be a text with a qualifier ("<0.5"). Raises DataProblems.
    """
    problems: list[tuple[str, str]] = []
    values: dict[str, Result] = {}
    ends = {name: each for each in definition.inputs for name in each.suffixes}
    for name in plain:
        if name not in definition.input and name not in ends:
            problems.append((name, N_("There is no such input.")))
    for each in definition.inputs:
        if each.suffixes:
            low, high = (_number(plain.get(name)) for name in each.suffixes)
            bad = [name for name, end in zip(each.suffixes, (low, high), strict=True) if end is UNDETERMINED]
            problems.extend((name, N_("A number is expected.")) for name in bad)
            if isinstance(low, Decimal) and isinstance(high, Decimal):
                if low > high:
                    problems.append((each.suffixes[0], N_("The lower bound is above the upper one.")))
                values[each.oid] = low if low == high else Span(low, high)
            continue
        found = plain.get(each.oid)
        if found is None:
            continue
        value, said = _plain_value(each, found)
        values[each.oid] = value
        if said:
            problems.append((each.oid, said))
    if problems:
        raise DataProblems(problems)
    return values


def _plain_value(each: InputDef, found: object) -> tuple[Result, str]:
    if each.type is InputType.BOOLEAN:
        return (found, "") if isinstance(found, bool) else (None, N_("True or false is expected."))
    if each.type is InputType.CODE:
        if not isinstance(found, str) or found not in each.codes:
            return None, N_("One of the codes of this input is expected.")
        return (UNDETERMINED if found in each.undecided else found), ""
    number = _number(found)
    return (number, "") if isinstance(number, Decimal | Span) else (None, N_("A number is expected."))


def _number(found: object) -> Result:
    """A plain number, or a text such as `<0.5`; None where there is none, UNDETERMINED for anything else."""
    if found is None:
        return None
    if isinstance(found, bool):
        return UNDETERMINED
    text = str(found).strip() if isinstance(found, int | float | Decimal | str) else ""
    sign = text[:1] if text[:1] in ("<", ">") else ""
    try:
        number = Decimal(text.removeprefix(sign).strip())
    except ArithmeticError:
        return UNDETERMINED
    if not number.is_finite():
        return UNDETERMINED
    if sign == "<":
        return Span(Decimal("-Infinity"), number, True, True)
    return Span(number, Decimal("Infinity"), True, True) if sign else number


def partner_truth(overall: Overall | None) -> Truth:
    """A partner's verdict as the input of another's criterion: pending is undetermined, nobody linked is awaited."""
    if overall is None:
        return AWAITED
    return UNDETERMINED if overall is Overall.PENDING else overall is Overall.ELIGIBLE
