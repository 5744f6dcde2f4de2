"""Our own labels: the code of a bag, a wristband, a donation or a batch, made and read, and what an identity field takes from a scanner.

A label reads `TC1.<STUDY>.<K>.<KEY>.<C>`: the study's OID in capitals, the kind, the key as the study writes it, and one check
character over everything before it. A scanner types like a keyboard (a wedge), so a label may arrive as another keyboard layout writes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from trialcrf.core.product import sec
from trialcrf.core.wording import N_, Message

PREFIX = "TC1."


class Kind(StrEnum):
    """What a label is on; the letter stands in its code."""

    BAG = "B"
    WRISTBAND = "S"
    DONATION = "D"
    BATCH = "L"


SAID: Mapping[Kind, str] = {
    Kind.BAG: N_("Bag"),
    Kind.WRISTBAND: N_("Wristband"),
    Kind.DONATION: N_("Donation"),
    Kind.BATCH: N_("Batch"),
}
"""Each kind in words, to be translated."""

_KEY = re.compile(r"[A-Za-z0-9\-_./]{1,40}")
_LABEL = re.compile(rf"TC1\.([A-Z][A-Z0-9_]{{0,39}})\.([BSDL])\.({_KEY.pattern})\.([0-9A-Z*])")
_STUDY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")

_SYMBOLOGY = re.compile(r"^\][A-Za-z][0-9A-Za-z]")
"""What some scanners are set to send before the text: which sort of code they read (ISO/IEC 15424)."""

_OTHER_KEYBOARD = re.compile(r"TC[&!][:;<>.]|TC1[:;<>]|^tc1\.", re.IGNORECASE)
"""The beginning of a label in another layout: keys of `1` and `.` give `&` and `:` or `;` in French; the other way round `!` and `<`."""

_DIGIT_KEYS = "&é\"'(-è_çà"
"""What the digit keys of a French keyboard give without the shift key, from 1 to 0."""

_CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*"

_OTHER_LAYOUT = N_(
    "The scanner and this computer do not use the same keyboard layout (French or English), or Caps Lock is on: digits and points "
    "arrive as other signs. Set both to the same layout and scan again."
)
_DAMAGED = N_(
    "The check character of this label is wrong: the label is damaged or was not read whole, or the keyboard layout of the scanner "
    "is not that of this computer. Scan it again; if it fails again, print a new label."
)
_TWICE = N_("More than one scan stands in this field. Empty it and scan once.")
_NOT_OURS = N_("This is no label of this trial.")
_OTHER_STUDY = N_("This label belongs to another study (%(study)s).")
_OTHER_KIND = N_("This is not the label that is expected here. Scanned: %(scanned)s. Expected: %(expected)s.")


class NoLabel(ValueError):
    """A key that no label can carry; `message` says why."""

    def __init__(self, message: Message) -> None:
        super().__init__(message)
        self.message = message


class NotThisLabel(ValueError):
    """What was scanned is not the label that is wanted; `message` says why, in plain words."""

    def __init__(self, message: Message) -> None:
        super().__init__(message)
        self.message = message


def check_character(text: str) -> str:
    """The check character after ISO/IEC 7064, MOD 37-2: of digits and letters (a small letter counts as its capital), others are skipped.

    It tells every exchanged character and every swap of two neighbours, which the hybrid system MOD 37,36 does not (it misses
    one swap in 400). The price is that it may be `*`. Blood banks know it from the donation numbers of ISBT 128.
    """
    sum_ = 0
    for sign in text.upper():
        value = _CHARACTERS.find(sign)
        if 0 <= value < 36:
            sum_ = (sum_ + value) * 2 % 37
    return _CHARACTERS[(1 - sum_) % 37]


def label(study_oid: str, kind: Kind, key: str) -> str:
    """The code to print. Raises NoLabel for a key that has other signs than letters without accents, digits and `- _ . /`."""
    if not _STUDY.fullmatch(study_oid):
        raise ValueError(f"{study_oid!r} is no OID of a study")
    if not _KEY.fullmatch(key) or PREFIX in key.upper():
        said = N_("No label can be printed for “%(key)s”: 1 to 40 letters without accents, digits and - _ . / are possible.")
        raise NoLabel(Message(said, {"key": key}))
    body = f"{PREFIX}{study_oid.upper()}.{kind.value}.{key}"
    return f"{body}.{check_character(body)}"


def read_label(text: str, study_oid: str, wanted: Kind) -> str:
    """The key on one of our labels, of this study and of this kind. Raises NotThisLabel."""
    given = _given(text)
    if _in_another_layout(given):
        raise NotThisLabel(Message(_OTHER_LAYOUT))
    if given.count(PREFIX) > 1:
        raise NotThisLabel(Message(_TWICE))
    if not given.startswith(PREFIX):
        raise NotThisLabel(Message(_DAMAGED if _begins_late(given, study_oid) else _NOT_OURS))
    found = _LABEL.fullmatch(given)
    if found is None or check_character(given[:-2]) != found[4]:
        raise NotThisLabel(Message(_DAMAGED))
    if found[1] != study_oid.upper():
        raise NotThisLabel(Message(_OTHER_STUDY, {"study": found[1]}))
    if found[2] != wanted:
        raise NotThisLabel(_other_kind(Message(SAID[Kind(found[2])]), wanted))
    return found[3]


def scanned(text: str, study_oid: str, wanted: Kind) -> str:
    """What an identity field takes: the key of one of our labels, a Single European Code, or what a person typed, without spaces around.

    A Single European Code stands for a bag by its 40 characters, for a donation by the first 21. What looks like a label or such a
    code and is wrong is refused, never taken as a key. Raises NotThisLabel.
    """
    given = _given(text)
    if given.upper().startswith(PREFIX) or given.count(PREFIX) > 1 or _begins_late(given, study_oid) or _in_another_layout(given):
        return read_label(given, study_oid, wanted)
    if _as_european_code(given):
        return _european(given, wanted)
    return given


def _given(text: str) -> str:
    return _SYMBOLOGY.sub("", text.strip()).strip()


def _european(text: str, wanted: Kind) -> str:
    if wanted not in (Kind.BAG, Kind.DONATION):
        raise NotThisLabel(_other_kind(Message(N_("Single European Code")), wanted))
    try:
        code = sec.parse(text)
    except sec.BadCode as error:
        raise NotThisLabel(error.message) from error
    return code.text if wanted is Kind.BAG else code.donation_identification


def _as_european_code(text: str) -> bool:
    """Whether it can only be meant as one, if a character too long or short: no key of ours is that long without any separator."""
    return re.fullmatch("[A-Za-z]{2}[A-Za-z0-9]{36,42}", text.replace(" ", "")) is not None


def _begins_late(text: str, study_oid: str) -> bool:
    """A label of this study whose first characters were lost, or went into a field with something in it already."""
    return re.search(rf"(^|\.){re.escape(study_oid.upper())}\.[BSDL]\.", text) is not None


def _in_another_layout(text: str) -> bool:
    if text.startswith(PREFIX):
        return False
    if _OTHER_KEYBOARD.search(text):
        return True
    # Any other code in the French layout: no digit at all, and two neighbours that only its digit keys give.
    return not re.search("[0-9]", text) and re.search(rf"[{re.escape(_DIGIT_KEYS)}]{{2}}", text) is not None and _strange(text) > 1


def _strange(text: str) -> int:
    """How many signs no key has and a French digit key gives."""
    return sum(sign in "&é\"'(èçà" for sign in text)


def _other_kind(scanned_: Message, wanted: Kind) -> Message:
    return Message(_OTHER_KIND, {"scanned": scanned_, "expected": Message(SAID[wanted])})
