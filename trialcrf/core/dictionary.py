"""Terms that events are coded by (CTCAE, MedDRA): finding one as it is typed, and what is wrong with a term beside its grade and class."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from trialcrf.core.definition.model import Severity
from trialcrf.core.wording import N_, Message, Words

KINDS: Mapping[str, str] = {"ctcae": "CTCAE", "meddra": "MedDRA"}
"""The dictionaries that the program reads, and what they call themselves."""

GRADES = ("1", "2", "3", "4", "5")
FATAL_GRADE = "5"

CHECKS = ("dictionary_term", "dictionary_grade", "dictionary_words", "dictionary_class")
"""The names of the findings of `judge`."""

_OTHER = "other specify"


@dataclass(frozen=True, slots=True)
class Term:
    """One term. `grades` are those that exist, in their order, each with its text, which is empty in a list that ships none.

    A term may lack grades in the middle (Asystole of CTCAE 5.0 has 1, 4 and 5), so each is asked for and never a range. `parent_code`
    and `parent_term` are the preferred term of a lowest level term of MedDRA. `also` is another wording that finds it.
    """

    code: str
    term: str
    soc: str
    grades: Mapping[str, str] = field(default_factory=dict)
    definition: str = ""
    note: str = ""
    parent_code: str = ""
    parent_term: str = ""
    also: str = ""

    @property
    def asks_words(self) -> bool:
        """Whether the term says only that none fits: “Other, specify” of its class."""
        return folded(self.term).endswith(_OTHER)


def folded(text: str) -> str:
    """The text for searching: without case, accents and punctuation, single spaces, British and American spellings alike."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("œ", "oe").replace("æ", "ae"))
    letters = "".join(sign if sign.isalnum() else " " for sign in plain if not unicodedata.combining(sign))
    return " ".join(letters.replace("ae", "e").replace("oe", "e").split())


class Index:
    """Finds terms by what was typed so far. Everything is in two texts, so eighty thousand terms are searched in milliseconds.

    `lines` are (folded wording, number of the term), `beside` the folded definitions in the same manner. A query gives, in this order,
    the terms that begin with it, those with a word that does, those in which each word of it begins one, those that contain it,
    those that contain each word of it, and those whose definition contains each word; within these by alphabet.
    """

    def __init__(self, lines: Iterable[tuple[str, int]], beside: Iterable[tuple[str, int]] = ()) -> None:
        self._terms = _Lines(lines)
        self._beside = _Lines(beside)

    @classmethod
    def of(cls, terms: Sequence[Term]) -> Index:
        """The index of these terms; they are numbered from 0."""
        wordings = [(folded(text), number) for number, one in enumerate(terms) for text in (one.term, one.also) if text]
        return cls(wordings, [(folded(one.definition), number) for number, one in enumerate(terms) if one.definition])

    def find(self, query: str, limit: int) -> list[int]:
        """The numbers of at most so many terms, the best first; none for a query without letters and digits."""
        asked = folded(query)
        found: dict[int, None] = {}
        if not asked:
            return []
        for number in self._ranked(asked):
            found[number] = None
            if len(found) == limit:
                break
        return list(found)

    def _ranked(self, asked: str) -> Iterator[int]:
        words, whole = asked.split(), asked in self._terms
        if whole:
            yield from self._terms.holding("\n " + asked)
            yield from self._terms.holding(" " + asked)
        if len(words) > 1:
            yield from self._terms.holding_all(words, asked)
        elif whole:
            yield from self._terms.holding(asked)
        yield from self._beside.holding_all(words, asked)


class _Lines:
    """Lines in alphabetical order, and as one text in which every word has a space before it and every line a line feed before that."""

    def __init__(self, lines: Iterable[tuple[str, int]]) -> None:
        ordered = sorted(lines)
        self._numbers = [number for _, number in ordered]
        self._lines = [" " + line for line, _ in ordered]
        self._text = "".join(f"\n{line}" for line in self._lines)
        self._starts = [0, *accumulate(len(line) + 1 for line in self._lines)]

    def __contains__(self, wanted: str) -> bool:
        return wanted in self._text

    def holding(self, wanted: str) -> Iterator[int]:
        return (self._numbers[line] for line in self._found(wanted))

    def holding_all(self, words: Sequence[str], whole: str) -> Iterator[int]:
        """Lines with each of the words: first where each begins a word, then where they stand together, then the others."""
        if any(word not in self for word in words):
            return
        longest, *others = sorted(words, key=len, reverse=True)
        together: list[int] = []
        apart: list[int] = []
        for number in self._found(longest):
            line = self._lines[number]
            for word in others:  # A plain loop: thousands of lines may have the longest word and not the others.
                if word not in line:
                    break
            else:
                if all(" " + word in line for word in words):
                    yield self._numbers[number]
                else:
                    (together if whole in line else apart).append(self._numbers[number])
        yield from together
        yield from apart

    def _found(self, wanted: str) -> Iterator[int]:
        at = self._text.find(wanted)
        while at >= 0:
            line = bisect_right(self._starts, at) - 1
            yield line
            at = self._text.find(wanted, self._starts[line + 1])


def search(terms: Sequence[Term], query: str, limit: int = 20) -> list[Term]:
    """The terms that a query finds, the best first."""
    return [terms[number] for number in Index.of(terms).find(query, limit)]


@dataclass(frozen=True, slots=True)
class Coded:
    """How one event is coded: the term, its grade and class as recorded, and what the site wrote where no term fits."""

    term: str
    grade: str = ""
    soc: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is wrong with it; `about` is term, grade, words or class."""

    about: str
    severity: Severity
    message: Message

    @property
    def check(self) -> str:
        return f"dictionary_{self.about}"


def judge(coded: Coded, known: Term | None, named: str, complete: bool, class_: Words | None = None) -> tuple[Doubt, ...]:
    """What the dictionary says of an event that is coded so (clinical reference, E.1). `known` is its term, None where it has none such.

    `named` is what people read, such as “CTCAE 5.0”, `class_` the known term's class in the words of the study. An unknown term is
    doubted where the dictionary is complete; where only a starter list serves, that is said and nothing is asked, for any text is free
    then. A grade that the term has not stops the save; so does “Other, specify” without words. A death in a term without grade 5 is the
    fatal diagnosis, or a term that has grade 5 only.
    """
    if not coded.term:
        return ()
    if known is None:
        said = N_("“%(term)s” is not a term of %(dictionary)s.")
        if not complete:
            said = N_("“%(term)s” is not in the starter list, and %(dictionary)s is not loaded: its grade cannot be checked.")
        told = Message(said, {"term": coded.term, "dictionary": named})
        return (Doubt("term", Severity.SOFT if complete else Severity.NOTE, told),)
    found: list[Doubt] = []
    if known.asks_words and not coded.words.strip():
        told = Message(N_("“%(term)s” says that no term fits: write what it is."), {"term": known.term})
        found.append(Doubt("words", Severity.HARD, told))
    if coded.grade and known.grades and coded.grade not in known.grades:
        found.append(Doubt("grade", Severity.HARD, no_such_grade(known, coded.grade, named)))
    if coded.soc and folded(coded.soc) != folded(known.soc):
        said = N_("%(dictionary)s has “%(term)s” in another class: %(soc)s.")
        told = Message(said, {"dictionary": named, "term": known.term, "soc": class_ or known.soc})
        found.append(Doubt("class", Severity.SOFT, told))
    return tuple(found)


def no_such_grade(known: Term, grade: str, named: str) -> Message:
    """That a term has no such grade, and which it has."""
    said = N_("“%(term)s” has no grade %(grade)s in %(dictionary)s. Its grades: %(grades)s.")
    if grade == FATAL_GRADE:
        said = N_(
            "“%(term)s” has no grade %(grade)s in %(dictionary)s. Its grades: %(grades)s. For a death, record the fatal diagnosis or a "
            "term that has grade 5 only, such as Death NOS."
        )
    return Message(said, {"term": known.term, "grade": grade, "dictionary": named, "grades": ", ".join(known.grades)})
