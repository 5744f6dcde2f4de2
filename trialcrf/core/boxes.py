"""Canonical text as the boxes that a person sees: the way back from `core.values.read`."""

from __future__ import annotations

from datetime import tzinfo

from trialcrf.core.definition.model import DataType, ItemDef
from trialcrf.core.document import Answer
from trialcrf.core.moments import DAY, OFFSET, NotRead, offset_of
from trialcrf.core.values import CANONICAL_NUMBER, Raw, asks_day


def raw_of(item: ItemDef, answer: Answer | None, language: str, zone: tzinfo | None = None) -> Raw:
    """The boxes that show an answer for correction; reading them again gives the same answer.

    With the site's `zone`, a datetime shows its offset only where the clocks show that time twice; without, always.
    """
    if answer is None:
        return Raw()
    if answer.missing:
        return Raw({"missing": answer.missing, "note": answer.note})
    text = answer.text
    if item.type is DataType.MULTICHOICE:
        return Raw({}, tuple(text.split("|")))
    if item.type in (DataType.DECIMAL, DataType.DERIVED) and language.startswith("fr") and CANONICAL_NUMBER.fullmatch(text.lstrip("<>")):
        return Raw({"": text.replace(".", ",")})
    if item.type in (DataType.DATE, DataType.PARTIAL_DATE):
        return Raw(_boxes(text, asks_day(item)))
    if item.type is DataType.DATETIME:
        day, _, clock = text.partition("T")
        if zone is not None and (shown := OFFSET.fullmatch(clock)):
            try:
                offset_of(f"{day}T{shown[1]}", "", zone)
                clock = shown[1] if f"{shown[1]}{offset_of(f'{day}T{shown[1]}', '', zone)}" == clock else clock
            except (NotRead, ValueError):
                pass
        return Raw({**_boxes(day, True), "t": clock})
    return Raw({"": text})


def _boxes(text: str, day_asked: bool) -> dict[str, str]:
    found = DAY.fullmatch(text)
    if found is None:
        return {"": text}
    day = found[3] or ("UNK" if day_asked else "")
    return {"d": day, "m": found[2] or "UNK", "y": found[1]}
