"""Raw study files as plain values that know where they stand, and the list of problems found while reading them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from trialcrf.core.wording import N_, Message, Words


@dataclass(frozen=True, slots=True)
class Located:
    """A node of a study file and where it stands: a text as written (None is an empty one), a list, or a mapping.

    Scalars stay text, so that a code such as NO or 01 is what the author wrote and never a boolean or a number.
    `keys` holds the line of each key of a mapping, for a problem is best shown where its key stands.
    """

    value: str | tuple[Located, ...] | Mapping[str, Located] | None
    file: str
    line: int
    keys: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a study file. `file` is relative to the study's folder; lines count from 1."""

    file: str
    line: int
    message: Message


@dataclass(frozen=True, slots=True)
class Source:
    """The files of a study as they were read. A file that could not be read is absent, and `problems` says why."""

    study: Located | None
    schedule: Located | None
    forms: tuple[Located, ...] = ()
    problems: tuple[Problem, ...] = ()
    eligibility: Located | None = None


class DefinitionProblems(Exception):
    """Every problem of a definition at once, by file and line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set_of(problems), key=lambda problem: (problem.file, problem.line, problem.message.msgid)))
        super().__init__("; ".join(f"{p.file}:{p.line}: {in_english(p.message)}" for p in self.problems))


def in_english(message: Message) -> str:
    """The message as its author wrote it, for a log; people read it in their own language."""
    return message.msgid % {name: in_english(p) if isinstance(p, Message) else p for name, p in message.params.items()}


def set_of(problems: Iterable[Problem]) -> list[Problem]:
    """The problems without repetitions; a message holds a mapping and so cannot be hashed."""
    found: list[Problem] = []
    for problem in problems:
        if problem not in found:
            found.append(problem)
    return found


Places = dict[tuple[str, ...], Located]
"""Where the parts of a definition stand, by kind and OIDs: ("item", form, item), ("item", form, item, "when"), ("event", event), ..."""

OID = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,8})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,10})?")
_TRUE = frozenset({"true", "True", "yes", "Yes", "on", "On"})
_FALSE = frozenset({"false", "False", "no", "No", "off", "Off"})


class Reading:
    """Takes typed values out of raw nodes, notes what is wrong and goes on, so that every problem is found in one run.

    What cannot be taken is replaced by an empty value; nobody sees it, because a reading with problems gives no study.
    """

    def __init__(self, problems: Iterable[Problem] = ()) -> None:
        self.problems: list[Problem] = list(problems)
        self.languages: tuple[str, ...] = ("fr", "en")

    def say(self, at: Located, msgid: str, /, **params: object) -> None:
        self.say_at(at.file, at.line, msgid, **params)

    def say_at(self, file: str, line: int, msgid: str, /, **params: object) -> None:
        self.problems.append(Problem(file, line, Message(msgid, params)))

    def fields(self, node: Located, known: str, required: str = "") -> Mapping[str, Located]:
        """The entries of a mapping; keys outside `known` and absent ones of `required` (space-separated) are problems."""
        if not isinstance(node.value, Mapping):
            self.say(node, N_("A list of named entries is expected here."))
            return {}
        names = known.split()
        for key in node.value:
            if key not in names:
                line = node.keys.get(key, node.line)
                self.say_at(node.file, line, N_("Unknown key “%(key)s”. Known here: %(known)s."), key=key, known=", ".join(names))
        for key in required.split():
            if key not in node.value:
                self.say(node, N_("The key “%(key)s” is missing."), key=key)
        return {key: value for key, value in node.value.items() if key in names}

    def entries(self, node: Located) -> Mapping[str, Located]:
        """The entries of a mapping whose keys are the author's own."""
        if isinstance(node.value, Mapping):
            return node.value
        self.say(node, N_("A list of named entries is expected here."))
        return {}

    def many(self, node: Located | None) -> tuple[Located, ...]:
        """The elements of a list; an absent one is empty."""
        if node is None:
            return ()
        if isinstance(node.value, tuple):
            return node.value
        self.say(node, N_("A list is expected here."))
        return ()

    def one_or_many(self, node: Located | None) -> tuple[Located, ...]:
        return (node,) if node is not None and isinstance(node.value, str) else self.many(node)

    def text(self, node: Located | None, default: str = "") -> str:
        """A text of one or more characters."""
        if node is None:
            return default
        if isinstance(node.value, str) and node.value.strip():
            return node.value.strip()
        self.say(node, N_("A text is expected here."))
        return default

    def oid(self, node: Located | None) -> str:
        text = self.text(node)
        if node is not None and text and not OID.fullmatch(text):
            self.say(node, N_("“%(oid)s” is no identifier: a letter, then at most 39 letters, digits or underscores."), oid=text)
        return text

    def integer(self, node: Located | None, low: int, high: int, default: int = 0) -> int:
        if node is None:
            return default
        if isinstance(node.value, str) and _INTEGER.fullmatch(node.value) and low <= int(node.value) <= high:
            return int(node.value)
        self.say(node, N_("A whole number from %(low)s to %(high)s is expected here."), low=low, high=high)
        return default

    def decimal(self, node: Located) -> str | None:
        """A number as canonical text, or None where the bound is open (null)."""
        if node.value is None:
            return None
        if isinstance(node.value, str) and _DECIMAL.fullmatch(node.value):
            return node.value
        self.say(node, N_("A number written with a decimal point is expected here, or null for an open bound."))
        return None

    def boolean(self, node: Located | None, default: bool = False) -> bool:
        if node is None:
            return default
        if isinstance(node.value, str) and node.value in _TRUE | _FALSE:
            return node.value in _TRUE
        self.say(node, N_("Yes or no is expected here."))
        return default

    def one_of(self, node: Located | None, choices: Iterable[str], default: str = "") -> str:
        """One of the choices, which the message lists; anything else is a problem and becomes the default."""
        text = self.text(node, default)
        choices = tuple(choices)
        if node is None or text in choices:
            return text
        if isinstance(node.value, str) and text:
            self.say(node, N_("“%(text)s” is not known here. Known: %(known)s."), text=text, known=", ".join(choices))
        return default

    def words(self, node: Located | None) -> Words:
        """A text in every language of the study; a language that is missing, unknown or empty is a problem."""
        if node is None:
            return Words()
        if not isinstance(node.value, Mapping):
            self.say(node, N_("A text in each language is expected here (%(languages)s)."), languages=", ".join(self.languages))
            return Words()
        for language in node.value:
            if language not in self.languages:
                line = node.keys.get(language, node.line)
                self.say_at(node.file, line, N_("“%(language)s” is no language of this study."), language=language)
        for language in self.languages:
            if language not in node.value:
                self.say(node, N_("The text in “%(language)s” is missing."), language=language)
        return Words({language: self.text(node.value[language]) for language in self.languages if language in node.value})
