"""What a person types becomes canonical text or a refusal that says why; canonical text becomes a typed value."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, tzinfo
from decimal import Decimal

from trialcrf.core.definition.model import DataType, ItemDef
from trialcrf.core.document import REDACTED, Answer
from trialcrf.core.moments import DAY, OFFSET, NotRead, calendar_day, clock_time, offset_of
from trialcrf.core.typed import DateInterval, Missing, Span, Value, interval
from trialcrf.core.wording import N_, Message

__all__ = [
    "MISSING_CODES",
    "MISSING_WORDS",
    "DateInterval",
    "Missing",
    "Raw",
    "Unreadable",
    "Value",
    "asks_day",
    "fits",
    "interval",
    "read",
    "typed",
]


@dataclass(frozen=True, slots=True)
class Raw:
    """What a person typed, as it was typed.

    Keys of `parts`: "" (a single box), "d" "m" "y" (the boxes of a date), "t" (the time box of a datetime), "missing", "note".
    `choices` are the ticked codes of a multiple choice.
    """

    parts: Mapping[str, str] = field(default_factory=dict)
    choices: tuple[str, ...] = ()

    @property
    def blank(self) -> bool:
        """Whether nothing was typed."""
        return not self.choices and not any(text.strip() for text in self.parts.values())


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What was typed cannot be recorded; it is kept as it is, for the person to correct."""

    raw: Raw
    message: Message


MISSING_CODES: Mapping[str, str] = {
    "ND": N_("Not done"),
    "NA": N_("Not applicable"),
    "UNK": N_("Unknown"),
    "NASK": N_("Not asked"),
    "NRET": N_("Cannot be collected retrospectively"),
}
"""The missing codes of the program and their labels; a code of this table is an answer, distinct from not yet entered."""

MISSING_WORDS: Mapping[str, str] = {**MISSING_CODES, REDACTED.missing: N_("Erased: personal data")}
"""How every missing code is shown: beside what can be answered, what stands where a value was erased."""

REASON_NEEDED = frozenset({"ND"})
LONGEST_NOTE = 2000
LONGEST_BOX = 200  # of anything but a text; long enough for every number and date, short enough to be read at once
MOST_DIGITS = 28
_LEAST, _MOST = Decimal("-Infinity"), Decimal("Infinity")

# A space of any width that people and French typography put between thousands.
_SPACES = "[ \u00a0\u2007\u2009\u202f]"
_DIGITS = rf"[0-9]{{1,3}}(?:{_SPACES}[0-9]{{3}})+|[0-9]+"
_INTEGER = re.compile(rf"([+\-\u2212]?)({_DIGITS})")
_DECIMAL = re.compile(rf"([+\-\u2212]?)({_DIGITS}|)(?:[.,]([0-9]+))?")
CANONICAL_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_CANONICAL_TIME = re.compile(r"[0-9]{2}:[0-9]{2}(?::[0-9]{2})?")
_CANONICAL_DATETIME = re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{_CANONICAL_TIME.pattern}[+-]{_CANONICAL_TIME.pattern}")


def asks_day(item: ItemDef) -> bool:
    """Whether a date of this item has a day. Of a birth date only month and year are recorded, so that nobody is identified by it."""
    return "BRTHDAT" not in item.aliases


def read(item: ItemDef, raw: Raw, zone: tzinfo) -> Answer | Unreadable | None:
    """The answer that was typed, None when nothing was, or why it cannot be recorded. Total: any text is read or refused.

    Only the form of the text is judged here; ranges and rules are `core.checks`. `zone` is the site's, for datetimes.
    """
    try:
        code = raw.parts.get("missing", "").strip() if "missing" in raw.parts else ""
        note = _text(raw.parts["note"], LONGEST_NOTE) if "note" in raw.parts else ""
        if code:
            return _missing(item, raw, code, note)
        if note:
            raise NotRead(N_("A reason was given but no missing code was chosen: choose the code, or clear the reason."))
        text = _READERS[item.type](item, raw, zone)
        return Answer(text) if text else None
    except NotRead as refusal:
        return Unreadable(raw, refusal.message)


def _missing(item: ItemDef, raw: Raw, code: str, note: str) -> Answer:
    if any(choice.strip() for choice in raw.choices) or any(
        text.strip() for part, text in raw.parts.items() if part not in ("missing", "note")
    ):
        raise NotRead(N_("There is both a value and a missing code: keep one of them."))
    if code not in item.missing:
        raise NotRead(N_("The missing code %(code)s is not offered for this question."), code=code[:LONGEST_BOX])
    if code in REASON_NEEDED and not note:
        raise NotRead(N_("Say why it was not done."))
    return Answer(missing=code, note=note)


def _text(typed_text: str, longest: int) -> str:
    """A text without surrounding space, composed (NFC), with plain line ends; characters that no document can carry are refused."""
    # Ten times the length before composing: enough for every decomposed text, and ten megabytes are refused without work.
    if len(typed_text) > 10 * longest + 100:
        raise NotRead(N_("The text is longer than %(most)s characters."), most=longest)
    text = typed_text if typed_text.isascii() else unicodedata.normalize("NFC", typed_text)
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not text.isprintable() and any(mark not in "\n\t" and unicodedata.category(mark) in ("Cc", "Cs") for mark in text):
        raise NotRead(N_("The text contains a control character; type it again without it."))
    if len(text) > longest:
        raise NotRead(N_("The text is longer than %(most)s characters."), most=longest)
    return text


def _single(raw: Raw, longest: int = LONGEST_BOX) -> str:
    """The text of the one box, or the one choice of a group of radio buttons."""
    text = _text(raw.parts.get("", ""), longest)
    if not raw.choices:
        return text
    chosen = {choice for each in raw.choices if (choice := _text(each, longest))} | ({text} if text else set())
    if len(chosen) > 1:
        raise NotRead(N_("Only one answer can be given here."))
    return chosen.pop() if chosen else ""


def _read_text(item: ItemDef, raw: Raw, zone: tzinfo) -> str:
    return _single(raw, item.max_length)


def _read_line(item: ItemDef, raw: Raw, zone: tzinfo) -> str:
    text = _single(raw)
    if "\n" in text:
        raise NotRead(N_("Only one line can be given here."))
    return text


def _read_integer(item: ItemDef, raw: Raw, zone: tzinfo) -> str:
    text = _single(raw)
    if not text:
        return ""
    found = _INTEGER.fullmatch(text)
    if found is None:
        raise NotRead(N_("%(text)s is not a whole number."), text=text)
    return _signed(found[1], found[2])


def _read_decimal(item: ItemDef, raw: Raw, zone: tzinfo) -> str:
    text = _single(raw)
    if not text:
        return ""
    if item.qualifier and text[0] in "<>":
        return text[0] + _decimal(text[1:].strip())
    return _decimal(text)


def _decimal(text: str) -> str:
    if sum(text.count(separator) for separator in ".,") > 1:
        raise NotRead(N_("%(text)s has more than one decimal separator: write 1234.5 or 1234,5."), text=text)
    found = _DECIMAL.fullmatch(text)
    if found is None or not (found[2] or found[3]):
        raise NotRead(N_("%(text)s is not a number."), text=text)
    return _signed(found[1], found[2] or "0", found[3])


def _signed(sign: str, digits: str, decimals: str | None = None) -> str:
    """A number in canonical form: no leading zeros, no minus before zero, the decimals as they were typed."""
    if not digits.isdigit():
        digits = re.sub(_SPACES, "", digits)
    if len(digits) + len(decimals or "") > MOST_DIGITS:
        raise NotRead(N_("The number has more than %(most)s digits."), most=MOST_DIGITS)
    number = digits.lstrip("0") or "0"
    if decimals is not None:
        number = f"{number}.{decimals}"
    return number if sign in ("", "+") or not number.strip("0.") else f"-{number}"


def _read_boolean(item: ItemDef, raw: Raw, zone: tzinfo) -> str:
    text = _single(raw).upper()
    if text not in ("", "Y", "N"):
        raise NotRead(N_("Answer yes or no."))
    return text


def _read_code(item: ItemDef, raw: Raw, zone: tzinfo) -> str:
    text = _single(raw)
    if text and (item.codelist is None or all(each.code != text for each in item.codelist.items)):
        raise NotRead(N_("%(text)s is not one of the answers offered."), text=text)
    return text


def _read_codes(item: ItemDef, raw: Raw, zone: tzinfo) -> str:
    known = [each.code for each in item.codelist.items] if item.codelist else []
    if len(raw.choices) > 10 * len(known) + 10:
        raise NotRead(N_("More answers were sent than are offered."))
    longest = sum(len(code) + 1 for code in known) + LONGEST_BOX
    given = {code for each in raw.choices if (code := _text(each, LONGEST_BOX))}
    given |= {code for each in _text(raw.parts.get("", ""), longest).split("|") if (code := each.strip())}
    for code in sorted(given.difference(known)):
        raise NotRead(N_("%(text)s is not one of the answers offered."), text=code)
    return "|".join(code for code in known if code in given)


def _read_date(item: ItemDef, raw: Raw, zone: tzinfo) -> str:
    return _day(raw, partial=False)


def _read_partial_date(item: ItemDef, raw: Raw, zone: tzinfo) -> str:
    text = _day(raw, partial=True, day_asked=asks_day(item))
    if len(text) == len("2026-01-05") and not asks_day(item):
        raise NotRead(N_("Only the month and the year are recorded here: leave the day out."))
    return text


def _day(raw: Raw, partial: bool, day_asked: bool = True) -> str:
    """A date from one box (2026-01-31) or from three, as canonical text; a partial one may lack its day, or day and month."""
    single = _single(raw)
    boxes = [_text(raw.parts.get(part, ""), LONGEST_BOX).upper() for part in "dmy"]
    if single:
        if any(boxes):
            raise NotRead(N_("The date was given twice: keep one of them."))
        found = DAY.fullmatch(single)
        if found is None:
            raise NotRead(N_("%(text)s is not a date: write year-month-day, as 2026-01-31."), text=single)
        year, month, day = found[1], found[2] or "UNK", found[3] or "UNK"
    elif not any(boxes):
        return ""
    else:
        day, month, year = boxes
        # A box that the page does not show asks nothing; a box that was shown and left empty may have been forgotten.
        day = day or ("" if day_asked and "d" in raw.parts else "UNK")
        month = month or ("" if "m" in raw.parts else "UNK")
    return calendar_day(year, month, day, partial)


def _read_time(item: ItemDef, raw: Raw, zone: tzinfo) -> str:
    text = _single(raw) or _text(raw.parts.get("t", ""), LONGEST_BOX)
    return clock_time(text) if text else ""


def _read_datetime(item: ItemDef, raw: Raw, zone: tzinfo) -> str:
    single, clock = _single(raw), _text(raw.parts.get("t", ""), LONGEST_BOX)
    if single:
        day_text, separator, rest = single.partition("T") if "T" in single else single.partition(" ")
        if clock and separator:
            raise NotRead(N_("The time was given twice: keep one of them."))
        day, clock = _day(Raw({**raw.parts, "": day_text}), partial=False), rest.strip() or clock
    else:
        day = _day(raw, partial=False)
    if not day and not clock:
        return ""
    if not day:
        raise NotRead(N_("The day, the month and the year are needed."))
    if not clock:
        raise NotRead(N_("The time is needed."))
    with_offset = OFFSET.fullmatch(clock)
    text = f"{day}T{clock_time(with_offset[1] if with_offset else clock)}"
    return text + offset_of(text, with_offset[2] if with_offset else "", zone)


_READERS: Mapping[DataType, Callable[[ItemDef, Raw, tzinfo], str]] = {
    DataType.TEXT: _read_text,
    DataType.INTEGER: _read_integer,
    DataType.DECIMAL: _read_decimal,
    DataType.BOOLEAN: _read_boolean,
    DataType.CODELIST: _read_code,
    DataType.MULTICHOICE: _read_codes,
    DataType.DATE: _read_date,
    DataType.PARTIAL_DATE: _read_partial_date,
    DataType.TIME: _read_time,
    DataType.DATETIME: _read_datetime,
    DataType.REFERENCE: _read_line,
    DataType.DERIVED: _read_text,  # Whatever was sent for it: `core.checks.derive` computes it anew.
}


def typed(item: ItemDef, answer: Answer | None) -> Value:
    """The typed value of an answer; a text that does not fit the item's type stays text, which no comparison decides."""
    if answer is None:
        return None
    if answer.missing:
        return Missing(answer.missing)
    try:
        return _TYPES[item.type](item, answer.text)
    except ValueError:
        return answer.text


_TEXTS = frozenset({DataType.TEXT, DataType.CODELIST, DataType.REFERENCE, DataType.DERIVED})


def fits(item: ItemDef, value: Value) -> bool:
    """Whether a typed value is what its item asks; it may not be when the text was recorded under another definition."""
    return item.type in _TEXTS or not isinstance(value, str)


def _as_text(item: ItemDef, text: str) -> Value:
    return text


def _as_number(item: ItemDef, text: str) -> Value:
    if not CANONICAL_NUMBER.fullmatch(text):
        raise ValueError(text)
    return Decimal(text)


def _as_decimal(item: ItemDef, text: str) -> Value:
    """A number; with a qualifier the open interval on that side of it: `<0.5` is any number below 0.5."""
    number = Decimal(str(_as_number(item, text.lstrip("<>") if item.qualifier else text)))
    if text[0] not in "<>":
        return number
    return Span(_LEAST, number, True, True) if text[0] == "<" else Span(number, _MOST, True, True)


def _as_boolean(item: ItemDef, text: str) -> Value:
    if text not in ("Y", "N"):
        raise ValueError(text)
    return text == "Y"


def _as_codes(item: ItemDef, text: str) -> Value:
    return frozenset(text.split("|"))


def _as_date(item: ItemDef, text: str) -> Value:
    if len(text) != len("2026-01-05"):
        raise ValueError(text)
    return interval(text)


def _as_partial_date(item: ItemDef, text: str) -> Value:
    if len(text) > len("2026-01-05"):
        raise ValueError(text)
    return interval(text)


def _as_time(item: ItemDef, text: str) -> Value:
    if not _CANONICAL_TIME.fullmatch(text):
        raise ValueError(text)
    return time.fromisoformat(text)


def _as_datetime(item: ItemDef, text: str) -> Value:
    if not _CANONICAL_DATETIME.fullmatch(text):
        raise ValueError(text)
    return datetime.fromisoformat(text)


def _as_derived(item: ItemDef, text: str) -> Value:
    """What a computed text is: as its expression says, and by its look where only an answer could tell."""
    kind = item.derive.kind if item.derive else ""
    if kind == "text":
        return text
    if kind == "boolean":
        return _as_boolean(item, text)
    if CANONICAL_NUMBER.fullmatch(text) and not (kind == "date" and len(text) == 4):
        return Decimal(text)
    try:
        return _as_datetime(item, text) if "T" in text else interval(text)
    except ValueError:
        return text


_TYPES: Mapping[DataType, Callable[[ItemDef, str], Value]] = {
    DataType.TEXT: _as_text,
    DataType.INTEGER: _as_number,
    DataType.DECIMAL: _as_decimal,
    DataType.BOOLEAN: _as_boolean,
    DataType.CODELIST: _as_text,
    DataType.MULTICHOICE: _as_codes,
    DataType.DATE: _as_date,
    DataType.PARTIAL_DATE: _as_partial_date,
    DataType.TIME: _as_time,
    DataType.DATETIME: _as_datetime,
    DataType.REFERENCE: _as_text,
    DataType.DERIVED: _as_derived,
}
