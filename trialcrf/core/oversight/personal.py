"""Personal data that no free text may hold: social-security and telephone numbers, e-mail, full birth dates; names on a list."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from enum import StrEnum

from trialcrf.core.wording import N_, Message

LONGEST = 12_000
"""Characters that are looked at: more than any box takes."""


class Personal(StrEnum):
    """What a text looks like it holds."""

    NIR = "nir"
    EMAIL = "email"
    TELEPHONE = "telephone"
    BIRTH = "birth"


REFUSED: dict[Personal, str] = {
    Personal.NIR: N_("This looks like a social-security number. It identifies the person: leave it out. The subject’s key is enough."),
    Personal.EMAIL: N_("This looks like an e-mail address. It identifies a person: leave it out."),
    Personal.TELEPHONE: N_("This looks like a telephone number. It identifies a person: leave it out."),
    Personal.BIRTH: N_("This looks like a full date of birth. It identifies the person: leave it out. Month and year stand in the data."),
}
NAMED = N_("This looks like a name on the list of the site. Write the subject’s key instead, or confirm that it is not that person.")

WITHHELD = N_("not kept: it looked like personal data")
"""What is told in place of a refused text that the trail does not hold."""

CHECK, NAME_CHECK, NAME_IN_REASON = "personal", "name", "name_in_reason"
"""How findings about personal data are called: what is refused, a name in an answer, a name in a reason."""


def found_in(text: str, birth_year: int | None = None) -> tuple[Personal, ...]:
    """What personal data a text looks like it holds; `birth_year` is the subject's, where it is recorded: any whole date of it counts.

    Total and linear in the length of the text, of which the first 12,000 characters are looked at.
    """
    plain = _plain(text)
    return tuple(kind for kind, looks in _LOOKS.items() if looks(plain)) + ((Personal.BIRTH,) if _birth(plain, birth_year) else ())


def refusal(text: str, birth_year: int | None = None) -> Message | None:
    """Why a text is refused, in words for who typed it: the first reason; None for one that may be kept."""
    found = found_in(text, birth_year)
    return Message(REFUSED[found[0]]) if found else None


_WIDE = re.compile("[\u00a0\u2000-\u200a\u202f\u205f\u3000]")
_HYPHENS = re.compile("[\u2010-\u2015\u2212\u00ad]")


def _plain(text: str) -> str:
    """The text in small letters without accents, its spaces and hyphens of one kind, nothing invisible between its signs."""
    text = text[:LONGEST]
    if not text.isascii():
        text = _HYPHENS.sub("-", _WIDE.sub(" ", text))
        marks = unicodedata.normalize("NFKD", text)
        text = "".join(mark for mark in marks if not unicodedata.combining(mark) and unicodedata.category(mark) != "Cf")
    return text.casefold()[:LONGEST]


# --- Social-security number -------------------------------------------------------------------------------------------

# Sex, year, month (20 and more: not known), department or territory, commune, order, key: INSEE, répertoire national d'identification.
_PARTS = ("[1-478]", r"\d\d", r"(?:0[1-9]|1[0-2]|[2-9]\d)", r"(?:\d\d|2[ab])", r"\d\d\d", r"\d\d\d", r"\d\d")
_GROUPED = re.compile(rf"(?<!\d)({'[ ./-]{0,2}'.join(_PARTS)})(?!\d)")
# Written in other groups, the number stands alone: no further digits before or after it, or it would be part of a longer row of numbers.
_LOOSE = re.compile(r"(?<!\d)(?<!\d[ .])([1-478](?:[ .]?\d){5}(?:(?:[ .]?\d){9}|[ .]?[ab](?:[ .]?\d){8}))(?![ .]?\d)")


def _nir(text: str) -> bool:
    for pattern in (_GROUPED, _LOOSE):
        for one in pattern.finditer(text):
            if _valid(re.sub("[^0-9ab]", "", one[1])):
                return True
    return False


def _valid(digits: str) -> bool:
    """Whether the two last digits are the key of the other thirteen: 97 less their rest by 97; 2A counts as 19, 2B as 18."""
    if len(digits) != 15 or not re.fullmatch("".join(_PARTS), digits):
        return False
    number = digits[:13].replace("2a", "19", 1) if digits[5:7] == "2a" else digits[:13]
    number = number.replace("2b", "18", 1) if digits[5:7] == "2b" else number
    return number.isdigit() and 97 - int(number) % 97 == int(digits[13:])


# --- E-mail and telephone ---------------------------------------------------------------------------------------------

_AT = re.compile(r"[\w+-] ?(?:@|\(at\)|\[at\]|\(arobase\)) ?([a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,8}?\.[a-z]{2,24})(?![a-z0-9-])")


def _email(text: str) -> bool:
    return _AT.search(text) is not None


_BEFORE = r"(?:(?<=tel)|(?<=fax)|(?<=port)|(?<![\w+]))(?<!\d[ .,/-])(?<!\d[.,/-] )"
_GAP = r"[ .\-/]{0,2}"
_FRENCH = re.compile(
    _BEFORE
    + r"(?:0[1-9](?P<s>[ .\-/]| - | / )\d\d(?P=s)\d\d(?P=s)\d\d(?P=s)\d\d"
    + r"|0[1-9]\d\d[ .]\d\d\d[ .]\d\d\d|0[1-9]\d\d[ .]\d\d[ .]\d\d[ .]\d\d|0[1-9][ .]\d{8})(?!\w)(?![.,/-]\d)(?! \d\d?(?!\w))"
)
_RUN = re.compile(_BEFORE + r"0[1-9]\d{8}(?!\w)(?![.,/-]\d)")
_FRANCE_ABROAD = re.compile(rf"(?<![\d.,])(?:\+|(?<![\w])00) ?33\)?{_GAP}(?:\( ?0 ?\))?{_GAP}0?[1-9](?:{_GAP}\d){{8}}(?!\d)")
_ABROAD = re.compile(rf"(?<![\w+.,])\+ ?[1-9]\d{{0,2}}{_GAP}(?:\(\d{{1,4}}\))?(?:{_GAP}\d){{6,13}}(?!\d)")
_THOUSANDS = re.compile(r"\+ ?\d{1,3}(?:[ .]\d{3})+")
# A number that says of itself what it numbers is no telephone: laboratories count with ten digits too.
_NUMBERED = re.compile(
    r"(?:lot|batch|echantillon|sample|specimen|prelevement|tube|poche|bag|code|ref|reference|serie|serial|dossier|donation|don|barcode|"
    r"code-barres|accession|compte rendu|protocole|id|examen|demande)s?(?: (?:number|no|num|numero|n°|n|du|de|of|the|labo|laboratoire))*"
    r"[ .:°#=]{0,4}$"
)


def _telephone(text: str) -> bool:
    if _FRANCE_ABROAD.search(text) or _FRENCH.search(text):
        return True
    if any(not _NUMBERED.search(text[max(0, one.start() - 40) : one.start()]) for one in _RUN.finditer(text)):
        return True
    return any(_dialled(one[0]) for one in _ABROAD.finditer(text))


def _dialled(text: str) -> bool:
    """Whether what follows a plus has as many digits as a telephone number: a large number with its sign and thousands has fewer."""
    digits = sum(mark.isdigit() for mark in text)
    return digits >= (10 if _THOUSANDS.fullmatch(text.rstrip()) else 9)


_LOOKS: dict[Personal, Callable[[str], bool]] = {Personal.NIR: _nir, Personal.EMAIL: _email, Personal.TELEPHONE: _telephone}


# --- Dates of birth ---------------------------------------------------------------------------------------------------

_MONTHS = (
    ("january", "janvier", "janv", "jan"),
    ("february", "fevrier", "fevr", "fev", "feb"),
    ("march", "mars", "mar"),
    ("april", "avril", "avr", "apr"),
    ("may", "mai"),
    ("june", "juin", "jun"),
    ("july", "juillet", "juil", "jul"),
    ("august", "aout", "aug"),
    ("september", "septembre", "sept", "sep"),
    ("october", "octobre", "oct"),
    ("november", "novembre", "nov"),
    ("december", "decembre", "dec"),
)
_NUMBER_OF = {name: number for number, names in enumerate(_MONTHS, 1) for name in names}
_NAME = "|".join(sorted(_NUMBER_OF, key=len, reverse=True))
_DATE = re.compile(
    rf"(?<![\d])(?:(?P<iso>(?:18|19|20)\d\d)(?P<i>[-/. ])(?P<im>\d\d?)(?P=i)(?P<id>\d\d?)"
    rf"|(?P<d>\d\d?) ?(?P<s>[-/. ]) ?(?P<m>\d\d?) ?(?P=s) ?(?P<y>(?:18|19|20)\d\d|\d\d)"
    rf"|(?P<wd>\d\d?)(?:er|st|nd|rd|th)?[ .-]{{0,2}}(?:of )?(?P<wm>{_NAME})[ .,-]{{0,2}}(?P<wy>(?:18|19|20)\d\d)"
    rf"|(?P<c>[0-3]\d[01]\d(?:18|19|20)\d\d))(?!\d)"
    rf"|\b(?P<am>{_NAME})[ .]{{1,2}}(?P<ad>\d\d?)(?:st|nd|rd|th)?,? {{1,2}}(?P<ay>(?:18|19|20)\d\d)(?!\d)"
)
_OF_BIRTH = re.compile(
    r"\b(?:nee?s?(?:\([es]{1,2}\))?|ne\.e|date de naiss\w*|naissance|ddn|d\.d\.n\.?|ddnaiss|born|d\.?o\.?b\.?|birth ?dates?|birthdays?|"
    r"date of birth|birth)(?![\w])"
)
_LITTLE = re.compile(
    r"l[ea]s?|l|on|the|d[eu]s?|d|of|is|was|est|etait|patiente?s?|sujets?|subjects?|s|date|jour|day|who|donneur|donneuse|donor|son|sa|her|his"
)
_PLACE = re.compile("a|aux?|en|in|at")


def _birth(text: str, birth_year: int | None) -> bool:
    """Whether a whole date is introduced as one of birth, or is of the subject's year of birth."""
    dates = [(one, _days(one)) for one in _DATE.finditer(text)]
    if birth_year is not None and any(day.year == birth_year and not short for one, (days, short) in dates for day in days):
        return True
    said = [one.end() for one in _OF_BIRTH.finditer(text)] if dates else []
    return any(days and _introduced(text, said, one.start()) for one, (days, _) in dates)


def _introduced(text: str, said: Sequence[int], start: int) -> bool:
    """Whether only little words, or a place, stand between a word of birth and the date."""
    end = max((end for end in said if end <= start), default=None)
    if end is None or start - end > 80:
        return False
    between = text[end:start]
    if any(mark.isdigit() or mark in ";\n" for mark in between):
        return False
    strangers, at_place = 0, False
    for word in re.findall(r"\w+", between):
        if _PLACE.fullmatch(word):
            at_place = True
        elif _LITTLE.fullmatch(word):
            continue
        elif at_place and strangers < 4:
            strangers += 1
        else:
            return False
    return True


def _days(one: re.Match[str]) -> tuple[list[date], bool]:
    """The days that a date may mean (day or month first), and whether its year has two digits only."""
    if one["iso"]:
        parts = [(one["iso"], one["im"], one["id"])]
    elif one["d"]:
        parts = [(one["y"], one["m"], one["d"]), (one["y"], one["d"], one["m"])]
    elif one["wd"]:
        parts = [(one["wy"], str(_NUMBER_OF[one["wm"]]), one["wd"])]
    elif one["c"]:
        parts = [(one["c"][4:], one["c"][2:4], one["c"][:2])]
    else:
        parts = [(one["ay"], str(_NUMBER_OF[one["am"]]), one["ad"])]
    short = len(parts[0][0]) == 2
    found = []
    for year, month, day in parts:
        try:
            found.append(date(int(year) + (1900 if short else 0), int(month), int(day)))
        except ValueError:
            continue
    return found, short


# --- Names of a list --------------------------------------------------------------------------------------------------

MOST_WORDS = 4
"""Words of the longest name that is looked for."""


def folded(text: str) -> list[str]:
    """The words of a text without case and accents, parts of a double name apart."""
    return re.findall(r"[^\W\d_]+", _plain(text))


def name_of(words: Sequence[str]) -> str:
    """A name as it is compared: its words in one order, whichever of them the family's is."""
    return " ".join(sorted(words))


def names_listed(text: str) -> frozenset[str]:
    """The names that were pasted, one a line (or apart by commas or semicolons), as they are compared; of one letter none is one."""
    lines = (folded(line) for line in re.split(r"[\n\r,;\t]", text))
    return frozenset(name_of(words) for words in lines if 0 < len(words) <= MOST_WORDS and sum(map(len, words)) > 1)


def may_be_names(text: str) -> Iterator[str]:
    """Every run of up to four words of a text, as names are compared."""
    words = folded(text)
    for length in range(1, MOST_WORDS + 1):
        for start in range(len(words) - length + 1):
            yield name_of(words[start : start + length])
