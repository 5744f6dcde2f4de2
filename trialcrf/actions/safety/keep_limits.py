"""Keeping the limits of the sites' laboratories: add, end, mark in error. A change of limits is an end and a new line, never an edit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date
from decimal import Decimal

from trialcrf.actions import Impossible, plain
from trialcrf.core.definition.model import DataType, ItemDef, Study
from trialcrf.core.results import RESULT, analyte_of, units_of
from trialcrf.core.safety.grading import unit_key
from trialcrf.core.values import Raw, Unreadable, read
from trialcrf.core.wording import N_, Message, Words
from trialcrf.store import lab_ranges, locks
from trialcrf.store.lab_ranges import LabRange
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction

LONGEST_NAME, LONGEST_REASON = 80, 500
SEXES = ("", "F", "M")
_NUMBER = ItemDef("limit", Words(), DataType.DECIMAL)
"""A limit is read as any number of a form is."""


@dataclass(frozen=True, slots=True)
class TypedLimits:
    """Limits as they were typed; `analyte` is one of `analytes_of`, the numbers are texts."""

    laboratory: str
    analyte: str
    unit: str
    sex: str
    low: str
    high: str
    valid_from: date
    valid_to: date | None = None


@dataclass(frozen=True, slots=True)
class Analyte:
    """What limits can be given for: the SDTM test code, how the forms call it, and a unit that they record it in."""

    code: str
    label: Words
    unit: str


def analytes_of(study: Study) -> list[Analyte]:
    """Every laboratory result of the study that is a number, in the order of its forms, once for each unit."""
    return list(_analytes(study))


def _analytes(study: Study) -> Iterator[Analyte]:
    seen: set[tuple[str, str]] = set()
    for form in study.forms:
        for group in form.groups:
            for item in group.items:
                code = analyte_of(item)
                if RESULT not in item.aliases or not code or item.type not in (DataType.DECIMAL, DataType.INTEGER):
                    continue
                for unit in units_of(group, item):
                    if (code, unit_key(unit)) not in seen:
                        seen.add((code, unit_key(unit)))
                        yield Analyte(code, item.label, unit)


def add(tx: Transaction, study: Study, at_site: Site, typed: TypedLimits) -> int:
    """Record limits of a laboratory of the site. Raises Impossible at the box that is wrong, and where they overlap with others."""
    one = checked(study, at_site, typed)
    held = lab_ranges.overlapping(tx, one)
    if held is not None:
        raise Impossible(Message(_OVERLAP, {"from": held.valid_from, "to": held.valid_to or Message(N_("no end"))}), "day")
    locks.refuse_change(tx, locks.over_site(at_site))
    return lab_ranges.create(tx, at_site, one)


_OVERLAP = N_(
    "These limits overlap with others of this laboratory for this analyte, from %(from)s to %(to)s: give those their last day first, or "
    "mark them entered in error."
)


def checked(study: Study, at_site: Site, typed: TypedLimits) -> LabRange:
    """The line that was typed, canonical. Raises Impossible at the box that is wrong."""
    laboratory = " ".join(plain(typed.laboratory, LONGEST_NAME, "laboratory").split())
    if not laboratory:
        raise Impossible(Message(N_("Name the laboratory.")), "laboratory")
    wanted = (typed.analyte, unit_key(typed.unit))
    known = next((one for one in analytes_of(study) if (one.code, unit_key(one.unit)) == wanted), None)
    if known is None:
        raise Impossible(Message(N_("Choose an analyte of the study, with its unit.")), "analyte")
    if typed.sex not in SEXES:
        raise Impossible(Message(N_("Choose for whom the limits hold.")), "sex")
    low, high = _number(typed.low, "low"), _number(typed.high, "high")
    if not low and not high:
        raise Impossible(Message(N_("Give the lower limit, the upper limit, or both.")), "low")
    if low and high and Decimal(low) >= Decimal(high):
        raise Impossible(Message(N_("The lower limit must be under the upper one.")), "low")
    if high and Decimal(high) == 0:
        raise Impossible(Message(N_("An upper limit is greater than zero.")), "high")
    if typed.valid_to is not None and typed.valid_to < typed.valid_from:
        raise Impossible(Message(N_("The last day cannot be before the first one.")), "day")
    return LabRange(
        0, at_site.id, laboratory, typed.analyte, typed.sex, known.unit, low, high, typed.valid_from, typed.valid_to, ""
    )  # fmt: skip


def end(tx: Transaction, at_site: Site, one: LabRange, last: date) -> None:
    """Say on which day the limits held for the last time. Raises Impossible."""
    if one.error:
        raise Impossible(Message(N_("It was marked entered in error before.")), "day")
    if last < one.valid_from:
        raise Impossible(Message(N_("The last day cannot be before the first one.")), "day")
    held = None
    if one.valid_to is not None and last > one.valid_to:
        later = LabRange(
            one.id, one.site_id, one.laboratory, one.analyte, one.sex, one.unit, one.low, one.high, one.valid_from, last, ""
        )  # fmt: skip
        held = lab_ranges.overlapping(tx, later)
    if held is not None:
        raise Impossible(Message(_OVERLAP, {"from": held.valid_from, "to": held.valid_to or Message(N_("no end"))}), "day")
    locks.refuse_change(tx, locks.over_site(at_site))
    if one.valid_to != last and not lab_ranges.end(tx, at_site, one, last):
        raise Impossible(Message(N_("Somebody changed this line meanwhile: look again.")), "day")


def mark_error(tx: Transaction, at_site: Site, one: LabRange, reason: str) -> None:
    """Take limits out of use that were wrong from the beginning. Raises Impossible."""
    said = plain(reason, LONGEST_REASON, "reason")
    if not said:
        raise Impossible(Message(N_("Say why it was entered in error.")), "reason")
    locks.refuse_change(tx, locks.over_site(at_site))
    if one.error or not lab_ranges.mark_error(tx, at_site, one, said):
        raise Impossible(Message(N_("It was marked entered in error before.")), "reason")


def _number(text: str, field: str) -> str:
    """A limit as a canonical decimal, empty where none was typed."""
    answer = read(_NUMBER, Raw({"": text}), UTC)
    if isinstance(answer, Unreadable):
        raise Impossible(answer.message, field)
    if answer is None:
        return ""
    if Decimal(answer.text) < 0:
        raise Impossible(Message(N_("A limit is not negative.")), field)
    if len(answer.text) > 40:
        raise Impossible(Message(N_("At most %(count)s characters."), {"count": 40}), field)
    return answer.text
