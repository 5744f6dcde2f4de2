"""Language: the program's messages, numbers and dates as a reader of French or English expects them (gettext and Babel)."""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, tzinfo
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_percent, get_decimal_symbol, get_group_symbol

from trialcrf.core.wording import N_, Message, Words

LANGUAGES = ("fr", "en")
PSEUDO = "qps"
"""A made-up language for tests: English with accents between ⟦ and ⟧, so a text that was never translated stands out."""

LOCALE_FOLDER = Path(__file__).resolve().parent.parent / "locale"

# British English, because its dates name the day first, as every site of a European trial does.
_LOCALES = {"fr": "fr", "en": "en_GB", PSEUDO: "en_GB"}
_YES, _NO = N_("yes"), N_("no")
_NOTHING = "–"
_DAY = "d MMM y"
_MOMENT = "d MMM y, HH:mm"


class Language:
    """One reader's language. Immutable and cheap to make: the catalogues are read once per process.

    Raises ValueError for a code that is not in LANGUAGES and not PSEUDO.
    """

    __slots__ = ("_catalogue", "_locale", "_signs", "code")

    def __init__(self, code: str) -> None:
        if code not in _LOCALES:
            raise ValueError(f"no such language: {code!r}")
        self.code = code
        self._locale = Locale.parse(_LOCALES[code])
        self._signs = str.maketrans({",": get_group_symbol(self._locale), ".": get_decimal_symbol(self._locale)})
        self._catalogue = _catalogue(code)

    @property
    def tag(self) -> str:
        """The BCP 47 tag, for the `lang` attribute of pages and documents."""
        return "en" if self.code == PSEUDO else self.code

    def gettext(self, msgid: str) -> str:
        """The sentence in this language, its parameters not yet put in. An empty text stays empty (gettext would give the header)."""
        if not msgid:
            return ""
        return _accented(msgid) if self.code == PSEUDO else self._catalogue.gettext(msgid)

    def ngettext(self, singular: str, plural: str, n: int) -> str:
        """As `gettext`, the form chosen by this language's plural rule (0 is singular in French, plural in English)."""
        if self.code == PSEUDO:
            return _accented(singular if n == 1 else plural)
        return self._catalogue.ngettext(singular, plural, n)

    def say(self, said: Message | Words | str) -> str:
        """A message with its parameters, a study's text, or a plain text as it is, ready to be shown (not escaped).

        Parameters are written by their type. Numbers are grouped, so what only looks like a number (a year, a key) is passed as text.
        Raises KeyError when a message lacks a parameter that its sentence names.
        """
        if isinstance(said, Message):
            return self.gettext(said.msgid) % _Written(self, said.params)
        if isinstance(said, Words):
            return self._marked(self._spaced(said.in_(self.tag)))
        return said

    def _spaced(self, text: str) -> str:
        return spaced(text) if self.code == "fr" else text

    def number(self, value: Decimal | int | float, decimals: int | None = None) -> str:
        """A number with its groups: `1 191,50` in French (U+202F between groups), `1,191.50` in English.

        `decimals` None keeps the decimals that the value has, zeros included; otherwise halves are rounded away from zero,
        as statistical packages do and as a reader checking by hand expects.
        """
        if isinstance(value, int) and not decimals:
            return f"{value:,d}".translate(self._signs)  # Most numbers: a table of a large trial has thousands of them.
        exact = value if isinstance(value, Decimal) else Decimal(str(value))
        if not exact.is_finite():
            return str(value)
        places = max(0, -int(exact.as_tuple().exponent)) if decimals is None else decimals
        # Only the signs come from Babel: its own formatting fails beyond the 28 digits of the default context.
        return f"{_rounded(exact, places):,f}".translate(self._signs)

    def percent(self, n: int | Decimal, d: int | Decimal, decimals: int = 1) -> str:
        """The share `n` of `d`: `12,5 %` in French, `12.5%` in English; a dash when there is nothing to take a share of."""
        if not d:
            return _NOTHING
        share = _rounded(Decimal(n) * 100 / Decimal(d), decimals) / 100
        return format_percent(share, format=self._percent_pattern(decimals), locale=self._locale)

    def day(self, on: date) -> str:
        """A day with its month in letters, so that no reader can swap day and month: `5 janv. 2026`, `5 Jan 2026`."""
        return self._marked(self._ordinal(_day(on, self._locale)))

    def _ordinal(self, day: str) -> str:
        """French writes the first of a month as an ordinal, `1er janv. 2026`, and every other day as a number."""
        return "1er " + day[2:] if self.code == "fr" and day.startswith("1 ") else day

    def full_day(self, on: date) -> str:
        """A day in words, for headings and for patients: `lundi 7 décembre 2026`, `Monday 7 December 2026`."""
        return self._marked(
            f"{format_date(on, 'EEEE', locale=self._locale)} {self._ordinal(format_date(on, 'd MMMM y', locale=self._locale))}"
        )

    def weekday(self, on: date) -> str:
        """The name of the day of the week: `lundi`, `Monday`."""
        return self._marked(format_date(on, "EEEE", locale=self._locale))

    def month(self, on: date) -> str:
        """The month of a day: `janvier 2026`, `January 2026`."""
        return self._marked(format_skeleton("yMMMM", on, locale=self._locale))

    def moment(self, at: datetime, zone: tzinfo | None = None) -> str:
        """A moment as the clocks of `zone` (else its own) show it, with the name of the offset: `29 mars 2026, 14:05 CEST`.

        Raises ValueError for a datetime without zone: it is no moment.
        """
        if at.tzinfo is None:
            raise ValueError("a moment needs a zone")
        local = at.astimezone(zone or at.tzinfo)
        day = self._ordinal(format_datetime(local, _MOMENT, locale=self._locale))
        return self._marked(f"{day} {local.tzname() or ''}".rstrip())

    def written(self, value: object) -> str:
        """A parameter of a message, by its type; what is not known here is written as `str` writes it."""
        if isinstance(value, (Message, Words)):
            return self.say(value)
        if isinstance(value, bool):
            return self.gettext(_YES if value else _NO)
        if isinstance(value, (Decimal, int, float)):
            return self.number(value)
        if isinstance(value, datetime) and value.tzinfo:
            return self.moment(value)
        if isinstance(value, datetime):
            return self._marked(format_datetime(value, _MOMENT, locale=self._locale))
        if isinstance(value, date):
            return self.day(value)
        if isinstance(value, time):
            return value.strftime("%H:%M")
        if isinstance(value, (tuple, list)):
            return format_list([self.written(each) for each in value], style="standard", locale=self._locale)
        return str(value)

    def _marked(self, text: str) -> str:
        # Months, zones and study texts do not come from the catalogues; in the pseudo-language they are marked as translated all the same.
        return f"⟦{text}⟧" if self.code == PSEUDO and text else text

    def _percent_pattern(self, decimals: int) -> str:
        pattern: str = self._locale.percent_formats[None].pattern
        return pattern.replace("#,##0", "#,##0." + "0" * decimals) if decimals else pattern


@lru_cache(maxsize=5000)
def _day(on: date, locale: Locale) -> str:
    """A list writes the same few days hundreds of times."""
    return format_date(on, _DAY, locale=locale)


class _Written(Mapping[str, str]):
    """The parameters of a message, each written in the reader's language when the sentence asks for it."""

    def __init__(self, language: Language, params: Mapping[str, object]) -> None:
        self._language = language
        self._params = params

    def __getitem__(self, name: str) -> str:
        return self._language.written(self._params[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._params)

    def __len__(self) -> int:
        return len(self._params)


def catalogue_path(code: str) -> Path:
    """Where the messages of a language are kept, as text: the repository holds no compiled catalogue."""
    return LOCALE_FOLDER / code / "LC_MESSAGES" / "messages.po"


@cache
def _catalogue(code: str) -> gettext.NullTranslations:
    if code == PSEUDO:
        return gettext.NullTranslations()
    with catalogue_path(code).open("rb") as text:
        catalogue = read_po(text, locale=code, abort_invalid=True)
    if code == "fr":
        for message in catalogue:
            said = message.string
            message.string = spaced(said) if isinstance(said, str) else tuple(map(spaced, said or ()))
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


_LOOSE = re.compile(r"(?<=\S) (?=[:;!?»](?!\w))|(?<=«) ")


@lru_cache(maxsize=20000)
def spaced(french: str) -> str:
    """A French text with narrow no-break spaces where French has a space before or after a sign: none begins a line without its word."""
    return _LOOSE.sub("\u202f", french)


def _rounded(value: Decimal, places: int) -> Decimal:
    # A context of its own, wide enough for any value: the default one refuses to round beyond 28 digits.
    digits = len(value.as_tuple().digits) + abs(value.adjusted()) + places + 2
    rounded = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP, context=Context(prec=digits))
    return rounded if rounded else rounded.copy_abs()  # Nobody should read "-0".


_KEPT = re.compile(r"%\(\w+\)[a-z]|%[a-z%]|</?[A-Za-z][^>]*>|&#?\w+;")
_ACCENTS = str.maketrans("AEIOUYCNaeiouycn", "ÀÉÎÖÛÝÇÑàéîöûýçñ")


def _accented(msgid: str) -> str:
    """The msgid in the pseudo-language: letters get accents, parameters and markup stay as they are."""
    kept = _KEPT.findall(msgid)
    accented = [part.translate(_ACCENTS) for part in _KEPT.split(msgid)]
    return "⟦" + "".join(part + keep for part, keep in zip(accented, [*kept, ""], strict=True)) + "⟧"
