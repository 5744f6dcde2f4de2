"""A recorded answer as a person reads it on paper: codes in words, days and moments in the reader's language, what is missing with why."""

from __future__ import annotations

import json
from datetime import date, datetime

from trialcrf.core.definition.model import DataType, ItemDef, Study
from trialcrf.core.document import Answer
from trialcrf.core.packs.dossier import on
from trialcrf.core.values import CANONICAL_NUMBER, MISSING_CODES
from trialcrf.core.wording import N_, Message, Sayable, Words

YES_NO = {"Y": N_("Yes"), "N": N_("No")}

Said = tuple[Sayable | str, ...]
"""Something read aloud, in parts that a comma separates."""


def read_canonical(item: ItemDef | None, canonical: str | None) -> Said:
    """The canonical JSON of an answer (`Answer.canonical`) as it is read; nothing for a blank, and as it is where the item is not known."""
    if canonical is None:
        return ()
    return read_answer(item, Answer.from_plain(json.loads(canonical)))


def read_answer(item: ItemDef | None, answer: Answer | None) -> Said:
    """An answer as it is read: every label of a choice, a missing code in words with its note."""
    if answer is None:
        return ()
    if answer.missing:
        said: Sayable | str = Message(MISSING_CODES[answer.missing]) if answer.missing in MISSING_CODES else answer.missing
        return (said, answer.note) if answer.note else (said,)
    if item is None:
        return (answer.text,)
    if item.codelist is not None:
        return tuple(item.codelist.label_of(code) or code for code in answer.text.split("|"))
    if item.type in (DataType.BOOLEAN, DataType.DERIVED) and answer.text in YES_NO:
        return (Message(YES_NO[answer.text]),)
    return (_written(item.type, answer.text),)


def read_reason(study: Study, reason: str) -> Said:
    """A coded reason by its label, with what was added to it; any other as it was written."""
    code, _, text = reason.partition(":")
    label = study.reasons.label_of(code) or study.confirmations.label_of(code)
    if label is None:
        return (reason,) if reason else ()
    return (label, text.strip()) if text.strip() else (label,)


def _written(kind: DataType, text: str) -> Sayable | str:
    try:
        if kind is DataType.DATE:
            return Message("%(day)s", {"day": date.fromisoformat(text)})
        if kind is DataType.PARTIAL_DATE:
            return Message("%(day)s", {"day": on(text)})
        if kind is DataType.DATETIME:
            return Message("%(at)s", {"at": datetime.fromisoformat(text)})
    except ValueError:
        return text
    if kind in (DataType.DECIMAL, DataType.DERIVED) and CANONICAL_NUMBER.fullmatch(text.lstrip("<>")) and "." in text:
        # Digits as they were recorded, no groups: only the sign is the reader's.
        return Words({"fr": text.replace(".", ","), "en": text})
    return text
