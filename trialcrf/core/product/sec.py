"""The Single European Code of tissues and cells: composed, read and checked (Directive 2006/86/EC, Annex VII).

Its form is checked, not its content: neither the lists of countries and tissue establishments nor the product tables, which are
licensed, are part of this program.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from datetime import date

from trialcrf.core.wording import N_, Message

LENGTH, DONATION_LENGTH = 40, 21

NO_EXPIRY = "00000000"


class BadCode(ValueError):
    """A text that is no such code: `message` says which part is wrong, at which characters (counted from 1)."""

    def __init__(self, message: Message) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of the code: how long it is, what may stand there, and the same in words."""

    length: int
    form: re.Pattern[str]
    said: str


_PARTS = (
    _Part(2, re.compile("[A-Z]{2}"), N_("the country is two capital letters")),
    _Part(6, re.compile("[A-Z0-9]{6}"), N_("the tissue establishment is six digits or capital letters")),
    _Part(13, re.compile("[A-Z0-9]{13}"), N_("the donation number is thirteen digits or capital letters")),
    _Part(1, re.compile("[EAB]"), N_("the product coding system is E (EUTC), A (ISBT 128) or B (Eurocode)")),
    _Part(7, re.compile("[A-Z0-9]{7}"), N_("the product number is seven digits or capital letters")),
    _Part(3, re.compile("[A-Z0-9]{3}"), N_("the split number is three digits or capital letters")),
    _Part(8, re.compile("[0-9]{8}"), N_("the expiry date is eight digits (YYYYMMDD), or 00000000 where there is none")),
)
_DONATION = _PARTS[:3]

_NO_DAY = N_("the expiry date is no day of the calendar")
_SMALL = N_("it has small letters, and this code has capital letters only (a scanner gives none: compare it with the label)")


@dataclass(frozen=True, slots=True)
class SingleEuropeanCode:
    """The code by its parts, each as it is written: `expiry` is YYYYMMDD, or 00000000 for none. Raises BadCode."""

    country: str
    establishment: str
    donation: str
    system: str
    product: str
    split: str
    expiry: str

    def __post_init__(self) -> None:
        _check(_PARTS, astuple(self))
        if self.expiry != NO_EXPIRY:
            try:
                _day(self.expiry)
            except ValueError:
                raise _bad(LENGTH - 8, 8, self.expiry, _NO_DAY) from None

    @property
    def donation_identification(self) -> str:
        """The 21 characters that follow the cells from the donor on, and are never altered after release (clinical reference F.6)."""
        return self.country + self.establishment + self.donation

    @property
    def text(self) -> str:
        """All 40 characters, as a machine reads them."""
        return "".join(astuple(self))

    @property
    def expires(self) -> date | None:
        """The last day of use, None where the code names none."""
        return None if self.expiry == NO_EXPIRY else _day(self.expiry)

    def printed(self) -> str:
        """For a person to read and to compare: its parts with a space between them. `parse` reads it back."""
        return " ".join(astuple(self))


def compose(
    country: str, establishment: str, donation: str, system: str, product: str, split: str, expires: date | None
) -> SingleEuropeanCode:
    """The code of these parts; nothing is filled up with zeros or put in capitals. Raises BadCode."""
    expiry = NO_EXPIRY if expires is None else f"{expires.year:04}{expires.month:02}{expires.day:02}"
    return SingleEuropeanCode(country, establishment, donation, system, product, split, expiry)


def parse(text: str) -> SingleEuropeanCode:
    """The code as a scanner gives it, or as it is printed for people: with a space between its parts, or between its two halves.

    Raises BadCode.
    """
    compact = _compact(text, LENGTH, ([part.length for part in _PARTS], [DONATION_LENGTH, LENGTH - DONATION_LENGTH]))
    return SingleEuropeanCode(*_cut(compact, [part.length for part in _PARTS]))


def check_donation(text: str) -> str:
    """A donation identification of 21 characters, without the spaces with which `printed_donation` writes it. Raises BadCode."""
    lengths = [part.length for part in _DONATION]
    compact = _compact(text, DONATION_LENGTH, (lengths,))
    _check(_DONATION, tuple(_cut(compact, lengths)))
    return compact


def printed_donation(text: str) -> str:
    """A donation identification with a space between its parts. Any other text (a number of the hospital's own) stays as it is."""
    try:
        return " ".join(_cut(check_donation(text), [part.length for part in _DONATION]))
    except BadCode:
        return text


def _compact(text: str, length: int, groupings: Sequence[Sequence[int]]) -> str:
    """Without its spaces, where they stand between groups and nowhere else."""
    compact = text.replace(" ", "")
    if len(compact) != length:
        said = N_("A Single European Code has 40 characters. This text has %(count)s.")
        if length == DONATION_LENGTH:
            said = N_("A donation identification has 21 characters. This text has %(count)s.")
        raise BadCode(Message(said, {"count": len(compact)}))
    if text != compact and not any(text == " ".join(_cut(compact, lengths)) for lengths in groupings):
        raise BadCode(
            Message(
                N_("The spaces of this code do not stand between its parts. Scan it, or write it without any space, or as it is printed.")
            )
        )
    return compact


def _cut(compact: str, lengths: Sequence[int]) -> Iterator[str]:
    start = 0
    for length in lengths:
        yield compact[start : start + length]
        start += length


def _check(parts: Sequence[_Part], found: Sequence[str]) -> None:
    start = 0
    for part, text in zip(parts, found, strict=True):
        if not part.form.fullmatch(text):
            small = len(text) == part.length and re.search("[a-z]", text)
            raise _bad(start, part.length, text, _SMALL if small else part.said)
        start += part.length


def _bad(start: int, length: int, found: str, why: str) -> BadCode:
    params = {"first": start + 1, "last": start + length, "found": found, "why": Message(why)}
    if length == 1:
        return BadCode(Message(N_("The code is wrong at character %(first)s (“%(found)s”): %(why)s."), params))
    return BadCode(Message(N_("The code is wrong at characters %(first)s to %(last)s (“%(found)s”): %(why)s."), params))


def _day(expiry: str) -> date:
    return date(int(expiry[:4]), int(expiry[4:6]), int(expiry[6:]))
