"""Whether a batch fulfils a specification: each criterion judged over its test results, three-valued."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from trialcrf.core.definition.cells import ReleaseCriterion, Specification
from trialcrf.core.document import Answer
from trialcrf.core.wording import N_, Message


class Fulfilled(StrEnum):
    MET = "met"
    NOT_MET = "not_met"
    UNDETERMINED = "undetermined"


FULFILLED: Mapping[Fulfilled, str] = {
    Fulfilled.MET: N_("met"),
    Fulfilled.NOT_MET: N_("not met"),
    Fulfilled.UNDETERMINED: N_("undetermined"),
}

WAITING = "PENDING"
"""The code of a result that is still to come: no result yet."""


@dataclass(frozen=True, slots=True)
class JudgedCriterion:
    """A criterion with the result that it was judged by: its canonical text, a missing code, or nothing."""

    criterion: ReleaseCriterion
    result: str
    verdict: Fulfilled

    @property
    def counts(self) -> bool:
        return not self.criterion.informative


def judge(specification: Specification, results: Mapping[str, Answer]) -> tuple[JudgedCriterion, ...]:
    """Every criterion over these results, by alias. What was not measured, or only beyond a limit of detection that does not decide it,
    is undetermined, never met."""
    return tuple(_judged(one, results.get(one.alias)) for one in specification.criteria)


def overall(judged: tuple[JudgedCriterion, ...]) -> Fulfilled:
    """Not met where one that counts is not met; met where all that count are; without any that count, undetermined."""
    verdicts = {one.verdict for one in judged if one.counts}
    if Fulfilled.NOT_MET in verdicts:
        return Fulfilled.NOT_MET
    return Fulfilled.MET if verdicts == {Fulfilled.MET} else Fulfilled.UNDETERMINED


def condition(criterion: ReleaseCriterion) -> Message:
    """The condition in words; numbers are written in the reader's language."""
    numbers = {name: Decimal(text) for name in ("low", "high", "above", "below") if (text := getattr(criterion, name))}
    params: dict[str, object] = {**numbers, "unit": criterion.unit, "code": criterion.equals}
    if criterion.low and criterion.high:
        return Message(N_("from %(low)s to %(high)s %(unit)s"), params)
    for name, said in (
        ("low", N_("≥ %(low)s %(unit)s")),
        ("high", N_("≤ %(high)s %(unit)s")),
        ("above", N_("> %(above)s %(unit)s")),
        ("below", N_("< %(below)s %(unit)s")),
    ):
        if name in numbers:
            return Message(said, params)
    return Message(N_("= %(code)s"), params)


def _judged(criterion: ReleaseCriterion, answer: Answer | None) -> JudgedCriterion:
    if answer is None or answer.missing or answer.text == WAITING:
        return JudgedCriterion(criterion, answer.missing or answer.text if answer else "", Fulfilled.UNDETERMINED)
    if criterion.equals:
        verdict = Fulfilled.MET if answer.text == criterion.equals else Fulfilled.NOT_MET
    else:
        verdict = _in_bounds(criterion, answer.text)
    return JudgedCriterion(criterion, answer.text, verdict)


def _in_bounds(criterion: ReleaseCriterion, text: str) -> Fulfilled:
    """A result below or above a limit of detection (`<0.5`) is every value on that side of it, open at the limit itself."""
    sign, number = (text[0], Decimal(text[1:])) if text[0] in "<>" else ("", Decimal(text))
    verdicts = [
        _side(sign, number, Decimal(limit), upward, inclusive)
        for limit, upward, inclusive in (
            (criterion.low, True, True),
            (criterion.above, True, False),
            (criterion.high, False, True),
            (criterion.below, False, False),
        )
        if limit
    ]
    if Fulfilled.NOT_MET in verdicts:
        return Fulfilled.NOT_MET
    return Fulfilled.MET if verdicts and set(verdicts) == {Fulfilled.MET} else Fulfilled.UNDETERMINED


def _side(sign: str, number: Decimal, limit: Decimal, upward: bool, inclusive: bool) -> Fulfilled:
    """Whether the value is on the right side of one limit; `upward`: it must be greater."""
    if not sign:
        good = (number > limit or (inclusive and number == limit)) if upward else (number < limit or (inclusive and number == limit))
        return Fulfilled.MET if good else Fulfilled.NOT_MET
    if (sign == ">") == upward:
        # Everything beyond the limit of detection lies beyond the bound as well.
        return Fulfilled.MET if (number >= limit if upward else number <= limit) else Fulfilled.UNDETERMINED
    beyond = number <= limit if upward else number >= limit
    return Fulfilled.NOT_MET if beyond else Fulfilled.UNDETERMINED
