"""The mistakes that people make when they copy values: what a simulation puts in so that checks and queries have work to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

from trialcrf.core.definition.model import DataType, FormDef, ItemDef
from trialcrf.core.document import Answer, Place
from trialcrf.core.simulation.chance import Chance
from trialcrf.core.values import CANONICAL_NUMBER


def spoiled(form: FormDef, answers: Mapping[Place, Answer], chance: Chance) -> dict[Place, Answer] | None:
    """The answers with one mistake; None where there is nothing to mistake.

    Two digits swapped, a wrong unit (ten times too much or too little), a value beyond the expected range, the wrong box ticked, a date
    of the year before. Whether it is noticed is for the checks of the form.
    """
    items = {place: form.items[place.item][1] for place, answer in answers.items() if answer.text}
    # Whether a visit took place is seen at once: a mistake there would only undo what was to be told.
    prone = [place for place, item in items.items() if item.type in _WAYS and "SVOCCUR" not in item.aliases]
    if not prone:
        return None
    place = chance.one(prone)
    item = items[place]
    text = chance.one(_WAYS[item.type])(item, answers[place].text, chance)
    return {**answers, place: Answer(text)} if text and text != answers[place].text else None


def _swapped(item: ItemDef, text: str, chance: Chance) -> str:
    """Two neighbouring digits in the wrong order."""
    at = [index for index in range(len(text) - 1) if text[index : index + 2].isdigit() and text[index] != text[index + 1]]
    if not at:
        return ""
    index = chance.one(at)
    found = text[:index] + text[index + 1] + text[index] + text[index + 2 :]
    return found if CANONICAL_NUMBER.fullmatch(found) and not (found[0] == "0" and found[1:2].isdigit()) else ""


def _unit(item: ItemDef, text: str, chance: Chance) -> str:
    if not CANONICAL_NUMBER.fullmatch(text):
        return ""
    value = float(text) * (10 if chance.happens(0.5) else 0.1)
    return f"{value:.{_decimals(item)}f}"


def _beyond(item: ItemDef, text: str, chance: Chance) -> str:
    """Outside the expected range and inside the possible one."""
    high, most = item.soft.high, item.hard.high
    if high is None or most is None or float(most) <= float(high):
        return ""
    return f"{chance.between(float(high) + 1, min(float(most), float(high) * 1.3 + 1)):.{_decimals(item)}f}"


def _other_box(item: ItemDef, text: str, chance: Chance) -> str:
    return "N" if text == "Y" else "Y"


def _year_before(item: ItemDef, text: str, chance: Chance) -> str:
    day = date.fromisoformat(text)
    return day.replace(year=day.year - 1, day=min(day.day, 28)).isoformat()


def _decimals(item: ItemDef) -> int:
    return 0 if item.type is DataType.INTEGER else 1 if item.decimals is None else item.decimals


_WAYS: Mapping[DataType, tuple[Callable[[ItemDef, str, Chance], str], ...]] = {
    DataType.DECIMAL: (_swapped, _unit, _beyond),
    DataType.INTEGER: (_swapped, _unit, _beyond),
    DataType.BOOLEAN: (_other_box,),
    DataType.DATE: (_year_before,),
}
