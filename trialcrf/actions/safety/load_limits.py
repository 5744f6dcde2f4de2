"""Loading limits of laboratories from a file: all of it, or nothing and everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date

from trialcrf.actions import Impossible
from trialcrf.actions.safety import keep_limits
from trialcrf.actions.safety.keep_limits import TypedLimits
from trialcrf.core.definition.model import DataType, ItemDef, Study
from trialcrf.core.definition.source import Problem
from trialcrf.core.document import Answer
from trialcrf.core.values import Raw, Unreadable, read
from trialcrf.core.wording import N_, Message, Words
from trialcrf.external.limit_files import LimitProblems
from trialcrf.store import lab_ranges, sites
from trialcrf.store.lab_ranges import LabRange
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction

_DAY = ItemDef("day", Words(), DataType.DATE)


def load(tx: Transaction, study: Study, name: str, lines: Sequence[tuple[int, Mapping[str, str]]]) -> tuple[int, int]:
    """Record every line of the file; those that stand already are left as they are. Returns how many are new and how many stood.

    Raises LimitProblems with every line that cannot be taken; the shell then rolls everything back.
    """
    places = {site.code: site for site in sites.all_of(tx, study.oid)}
    held = {_same(one) for one in lab_ranges.all_of(tx, [site.id for site in places.values()]) if not one.error}
    problems: list[Problem] = []
    new = stood = 0
    for number, line in lines:
        try:
            if _add(tx, study, places, held, line):
                new += 1
            else:
                stood += 1
        except Impossible as wrong:
            problems.append(Problem(name, number, wrong.message))
    if not lines:
        problems.append(Problem(name, 1, Message(N_("The file has no limits in it."))))
    if problems:
        raise LimitProblems(problems)
    return new, stood


def _add(tx: Transaction, study: Study, places: Mapping[str, Site], held: set[LabRange], line: Mapping[str, str]) -> bool:
    site = places.get(line["site"])
    if site is None:
        raise Impossible(Message(N_("There is no site “%(site)s”."), {"site": line["site"]}))
    first, last = _day(line["from"]), _day(line["to"])
    if first is None:
        raise Impossible(Message(N_("Give the day from which the limits hold.")))
    typed = TypedLimits(
        line["laboratory"], line["analyte"].upper(), line["unit"], line["sex"].upper(), line["low"], line["high"], first, last
    )  # fmt: skip
    if _same(keep_limits.checked(study, site, typed)) in held:
        return False
    keep_limits.add(tx, study, site, typed)
    return True


def _same(one: LabRange) -> LabRange:
    """The line without its number: two of them say the same."""
    return LabRange(
        0, one.site_id, one.laboratory, one.analyte, one.sex, one.unit, one.low, one.high, one.valid_from, one.valid_to, ""
    )  # fmt: skip


def _day(text: str) -> date | None:
    answer = read(_DAY, Raw({"": text}), UTC)
    if isinstance(answer, Unreadable):
        raise Impossible(answer.message)
    return date.fromisoformat(answer.text) if isinstance(answer, Answer) else None
