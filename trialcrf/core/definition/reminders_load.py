"""How a study reminds, read from its raw file: steps, quiet hours, the weekly digest; every problem at its line."""

from __future__ import annotations

import re
from collections.abc import Mapping

from trialcrf.core.access import ROLES
from trialcrf.core.definition.model import Reminders, ReminderStep
from trialcrf.core.definition.source import Located, Reading
from trialcrf.core.wording import N_

LEAST_DAYS: Mapping[str, int] = {"before": 1, "opens": 0, "last": 0, "overdue": 1}
"""The moments of a step, and the fewest days that it can count: the day of the opening itself is `opens`, the last day `last: 0`."""

MOST_DAYS = 366
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
RECIPIENTS = tuple(role for role in ROLES if role != "administrator")
"""Who can be reminded: an administrator has nothing to do with visits."""

_HOUR = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")


def reminders(reading: Reading, node: Located | None) -> Reminders:
    """The reminders of a study; without any, a study that reminds nobody."""
    if node is None:
        return Reminders()
    raw = reading.fields(node, "quiet delivery digest steps", "steps")
    steps = _steps(reading, raw.get("steps"))
    quiet_from, quiet_to = _quiet(reading, raw.get("quiet"))
    delivery = reading.one_of(raw.get("delivery"), ("each", "weekly"), "each")
    digest = reading.fields(raw["digest"], "day at") if "digest" in raw else {}
    day = DAYS.index(reading.one_of(digest.get("day"), DAYS, DAYS[0]))
    return Reminders(steps, quiet_from, quiet_to, delivery, day, _hour(reading, digest.get("at"), "07:00"))


def _quiet(reading: Reading, node: Located | None) -> tuple[str, str]:
    if node is None:
        return "", ""
    raw = reading.fields(node, "from to", "from to")
    start, end = _hour(reading, raw.get("from")), _hour(reading, raw.get("to"))
    if start and start == end:
        reading.say(raw["to"], N_("Quiet hours that end when they begin would never let a mail go."))
    return start, end


def _hour(reading: Reading, node: Located | None, default: str = "") -> str:
    text = reading.text(node, default)
    if node is not None and text and not _HOUR.fullmatch(text):
        reading.say(node, N_("An hour is written with two digits for hours and minutes, in quotation marks: “07:00”."))
        return default
    return text


def _steps(reading: Reading, node: Located | None) -> tuple[ReminderStep, ...]:
    found: dict[str, ReminderStep] = {}
    for each in reading.many(node):
        raw = reading.fields(each, "oid when days roles text single", "oid when roles text")
        oid = reading.oid(raw.get("oid"))
        if "oid" in raw and oid in found:
            reading.say(raw["oid"], N_("“%(text)s” stands here twice."), text=oid)
        when = reading.one_of(raw.get("when"), LEAST_DAYS, "opens")
        roles = _roles(reading, raw.get("roles"))
        step = ReminderStep(
            oid, when, _days(reading, each, raw, when), roles, reading.words(raw.get("text")), reading.boolean(raw.get("single"))
        )
        clash = next((one for one in found.values() if _same_day(one, step) and set(one.roles) & set(roles)), None)
        if clash is not None:
            said = N_("The step “%(oid)s” reminds the same role on the same day: put them into one.")
            reading.say(each, said, oid=clash.oid)
        found[oid if oid not in found else f"{oid} in line {each.line}"] = step
    return tuple(found.values())


def _same_day(one: ReminderStep, other: ReminderStep) -> bool:
    return (one.when, one.days) == (other.when, other.days)


def _days(reading: Reading, step: Located, raw: Mapping[str, Located], when: str) -> int:
    least = LEAST_DAYS[when]
    if when == "opens":
        if "days" in raw:
            reading.say(raw["days"], N_("A step on the day when the window opens counts no days."))
        return 0
    if "days" not in raw:
        reading.say(step, N_("The key “%(key)s” is missing."), key="days")
    return reading.integer(raw.get("days"), least, MOST_DAYS, least)


def _roles(reading: Reading, node: Located | None) -> tuple[str, ...]:
    found: list[str] = []
    for each in reading.many(node):
        role = reading.one_of(each, RECIPIENTS)
        if role and role in found:
            reading.say(each, N_("“%(text)s” stands here twice."), text=role)
        found.append(role)
    if node is not None and not found:
        reading.say(node, N_("A reminder without recipients reminds nobody."))
    return tuple(found)
