"""What a casebook consists of: answers, forms, threads, signatures, locks, the trail; and the list of the casebooks of a site."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo

from trialcrf.core.cut import Cut
from trialcrf.core.packs.casebook_told import TrailLine
from trialcrf.core.packs.reading import Said
from trialcrf.core.signature import Standing
from trialcrf.core.wording import Sayable, Words


@dataclass(frozen=True, slots=True)
class Person:
    """Whose casebook it is. `error` is the reason for which the subject was marked entered in error."""

    key: str
    site: str
    zone: tzinfo
    subject_type: str
    enrolled_on: date
    error: str = ""


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature as it stood at the checkpoint. `forms` are the ids of the forms that it covers."""

    id: int
    at: datetime
    name: str
    role: Sayable
    organisation: str
    meaning: str
    hash: str
    forms: tuple[int, ...]
    standing: Standing


@dataclass(frozen=True, slots=True)
class Answered:
    """A question with its answer. `row` is empty outside repeating sections; `raw` is the canonical text, empty for a blank."""

    item: str
    row: str
    question: Words
    value: Said
    unit: str
    raw: str
    verified: str  # the moment at the site, empty where it does not stand verified
    changes: int  # how often the first answer was changed
    queries: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RowInError:
    row: str
    reason: str


@dataclass(frozen=True, slots=True)
class Section:
    """A group of questions; `asked` counts them. Where none is answered, `answers` is empty."""

    oid: str
    label: Words
    asked: int
    answers: tuple[Answered, ...]
    in_error: tuple[RowInError, ...]


@dataclass(frozen=True, slots=True)
class AttachedLine:
    """A document at a question: its name, bytes and SHA-256, who attached it and when at the site; and why it was withdrawn."""

    question: Sayable
    name: str
    description: str
    size: int
    sha256: str
    local: str
    actor: str
    withdrawn: str = ""
    withdrawn_local: str = ""
    withdrawn_by: str = ""


@dataclass(frozen=True, slots=True)
class FormPart:
    """A form as it stood. Moments are texts of the site's clock with its offset; `late` is the day on the paper it was entered from."""

    id: int
    oid: str
    label: Sayable
    version: int
    saves: int
    first_at: str
    first_by: str
    last_at: str
    last_by: str
    late: tuple[str, ...]
    error: str
    lock: Sayable
    signed: Sayable
    sections: tuple[Section, ...]
    documents: tuple[AttachedLine, ...] = ()


@dataclass(frozen=True, slots=True)
class VisitPart:
    oid: str
    label: Sayable
    forms: tuple[FormPart, ...]


@dataclass(frozen=True, slots=True)
class QueryLine:
    number: int
    state: Sayable
    unsettled: bool
    said: Sayable | str


@dataclass(frozen=True, slots=True)
class ThreadLine:
    local: str
    actor: str
    role: Sayable
    op: Sayable
    query: str
    said: Said


@dataclass(frozen=True, slots=True)
class Thread:
    """What was asked and said about one place: queries, comments, and what was done about them, by time."""

    where: Sayable
    question: Sayable
    queries: tuple[QueryLine, ...]
    lines: tuple[ThreadLine, ...]


@dataclass(frozen=True, slots=True)
class SignatureLine:
    local: str
    name: str
    role: Sayable
    organisation: str
    meaning: Sayable
    covers: tuple[Sayable, ...]
    standing: Sayable
    valid: bool
    hash: str


@dataclass(frozen=True, slots=True)
class LockLine:
    level: Sayable
    what: Sayable
    state: Sayable
    since: str


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of what is shown. `records` are those of the trail in this document, `withheld` those of forms that are not in it."""

    forms: int
    answers: int
    verified: int
    changes: int
    queries: int
    unsettled: int
    signatures: int
    valid: int
    records: int
    withheld: int


@dataclass(frozen=True, slots=True)
class Casebook:
    """`partial` says that kinds of forms are left out which whoever ordered it may not read."""

    cut: Cut
    title: Words
    protocol: str
    subject: str
    subject_type: Sayable
    site: str
    enrolled_on: date
    error: str
    partial: bool
    figures: Figures
    visits: tuple[VisitPart, ...]
    threads: tuple[Thread, ...]
    signatures: tuple[SignatureLine, ...]
    locks: tuple[LockLine, ...]
    trail: tuple[TrailLine, ...]


@dataclass(frozen=True, slots=True)
class BookFile:
    """One casebook of a site: how it is called, what it counts, and the file in which it was drawn with its SHA-256."""

    subject: str
    subject_type: Sayable
    enrolled_on: date
    error: str
    file: str
    sha256: str = ""
    records: int = 0


@dataclass(frozen=True, slots=True)
class Casebooks:
    """All casebooks of one site: each is a file of its own, and this is the list that names them by their SHA-256."""

    cut: Cut
    title: Words
    protocol: str
    site: str
    partial: bool
    books: tuple[BookFile, ...]

    def with_book(self, place: int, sha256: str, book: Casebook) -> Casebooks:
        """The list with one more casebook drawn."""
        drawn = replace(self.books[place], sha256=sha256, records=book.figures.records)
        return replace(self, books=(*self.books[:place], drawn, *self.books[place + 1 :]))
