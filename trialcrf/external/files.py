"""Study definitions on disk: a folder of YAML files read into nodes that know their file and line. Never a stack trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from trialcrf.core.definition.source import DefinitionProblems, Located, Problem, Source
from trialcrf.core.simulation.script import Plain
from trialcrf.core.wording import N_, Message

LARGEST_FILE = 1_000_000
MOST_FORMS = 500
DEEPEST = 30
"""A form nests seven levels deep; far more is an attack on the stack."""

SCRIPT = "simulation.yaml"
_OWN_NAMES = ("study.yaml", "schedule.yaml", "eligibility.yaml", SCRIPT)
SHIPPED = Path(__file__).resolve().parents[1] / "studies"
"""The studies that come with the program, a folder each."""
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Only the events of the safe loader are used: no object is ever constructed, and the C one is ten times faster."""


class _Unreadable(Exception):
    """A file that gives no nodes at all: which line stands in the way, and why."""

    def __init__(self, line: int, msgid: str, /, **params: object) -> None:
        super().__init__(msgid)
        self.line, self.message = line, Message(msgid, params)


def read_study(folder: Path) -> Source:
    """The files of a study: study.yaml, schedule.yaml, eligibility.yaml where it has one, and forms/*.yaml.

    What cannot be read is among the problems, not raised.
    """
    problems: list[Problem] = []
    if not folder.is_dir():
        absent = Problem(folder.name or str(folder), 1, Message(N_("There is no such folder.")))
        return Source(None, None, (), (absent,))
    main = _read(folder, "study.yaml", problems)
    schedule = _read(folder, "schedule.yaml", problems)
    criteria = _read(folder, "eligibility.yaml", problems) if (folder / "eligibility.yaml").exists() else None
    names = sorted(path.relative_to(folder).as_posix() for path in _yaml_files(folder))
    forms: list[Located] = []
    for name in [name for name in names if name not in _OWN_NAMES]:
        inside = name.startswith("forms/") and name.count("/") == 1
        if not inside or not name.endswith(".yaml"):
            said = N_("No file of a study has this name: study.yaml, schedule.yaml, eligibility.yaml or forms/NAME.yaml.")
            problems.append(Problem(name, 1, Message(said)))
        elif len(forms) == MOST_FORMS:
            problems.append(Problem(name, 1, Message(N_("A study has at most %(most)s forms."), {"most": MOST_FORMS})))
            break
        elif (node := _read(folder, name, problems)) is not None:
            forms.append(node)
    return Source(main, schedule, tuple(forms), tuple(problems), criteria)


def read_script(study_oid: str) -> Plain:
    """The script of a shipped study's synthetic subjects as nested texts; None where it has none. Raises DefinitionProblems."""
    folder = SHIPPED / study_oid
    if study_oid not in {path.name for path in SHIPPED.iterdir()} or not (folder / SCRIPT).is_file():
        return None
    problems: list[Problem] = []
    found = _read(folder, SCRIPT, problems)
    if problems or found is None:
        raise DefinitionProblems(problems)
    return _plain(found)


def _plain(node: Located) -> Plain:
    if isinstance(node.value, tuple):
        return tuple(map(_plain, node.value))
    return {name: _plain(each) for name, each in node.value.items()} if isinstance(node.value, Mapping) else node.value


def _yaml_files(folder: Path) -> Iterator[Path]:
    """Every YAML file at any depth, however its ending is written: one that nobody reads would be a silent mistake."""
    return (path for path in folder.rglob("*") if path.suffix.lower() in (".yaml", ".yml"))


def _read(folder: Path, name: str, problems: list[Problem]) -> Located | None:
    try:
        return _Composer(name, problems).compose(_text(folder / name))
    except _Unreadable as error:
        problems.append(Problem(name, error.line, error.message))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = {"what": error.problem or error.context or ""}
        problems.append(Problem(name, mark.line + 1 if mark else 1, Message(N_("This is no YAML: %(what)s"), what)))
    except yaml.YAMLError as error:
        problems.append(Problem(name, 1, Message(N_("This is no YAML: %(what)s"), {"what": str(error)})))
    return None


def _text(path: Path) -> str:
    """The file's text. Raises _Unreadable for what is no readable UTF-8 file of a sensible size."""
    if not path.is_file():  # a folder or a pipe of this name as well: reading a pipe would wait for ever
        raise _Unreadable(1, N_("The file is missing."))
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise _Unreadable(1, N_("The file cannot be opened: %(what)s"), what=error.strerror or "") from None
    if len(raw) > LARGEST_FILE:
        raise _Unreadable(1, N_("The file has more than %(most)s bytes."), most=LARGEST_FILE)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Unreadable(raw.count(b"\n", 0, error.start) + 1, N_("The file is not in UTF-8.")) from None
    for line, content in enumerate(text.split("\n"), 1):
        bad = next((char for char in content if (char < " " and char not in "\t\r") or char == "\x7f"), None)
        if bad is not None:
            raise _Unreadable(line, N_("The character U+%(code)s cannot stand in a study file."), code=f"{ord(bad):04X}")
    return text


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 1


class _Composer:
    """YAML events to nodes. Aliases are refused: written out they can be larger than any memory, and a label is easily repeated."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file, self.problems = file, problems
        self.events: Iterator[yaml.Event] = iter(())

    def compose(self, text: str) -> Located:
        self.events = iter(yaml.parse(text, Loader=_Loader))
        root: Located | None = None
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise _Unreadable(_line(event), N_("A second document begins here: a file holds one."))
                root = self._node(next(self.events), 1)
        if root is None:
            raise _Unreadable(1, N_("The file is empty."))
        return root

    def _node(self, event: yaml.Event, depth: int) -> Located:
        line = _line(event)
        if depth > DEEPEST:
            raise _Unreadable(line, N_("The file is nested too deeply."))
        if isinstance(event, yaml.AliasEvent):
            self._say(line, N_("An alias (*%(name)s) stands here: write out what it means."), name=event.anchor)
            return Located(None, self.file, line)
        assert isinstance(event, yaml.NodeEvent)
        if event.anchor is not None:
            self._say(line, N_("An anchor (&%(name)s) stands here: study files have none."), name=event.anchor)
        if (tag := getattr(event, "tag", None)) is not None:
            self._say(line, N_("A type tag (%(tag)s) stands here: study files have none."), tag=tag)
        if isinstance(event, yaml.ScalarEvent):
            empty = event.implicit[0] and event.value in _NULLS  # quoted, it is a text
            return Located(None if empty else event.value, self.file, line)
        if isinstance(event, yaml.SequenceStartEvent):
            found: list[Located] = []
            while not isinstance(each := next(self.events), yaml.SequenceEndEvent):
                found.append(self._node(each, depth + 1))
            return Located(tuple(found), self.file, line)
        return self._mapping(line, depth)

    def _mapping(self, line: int, depth: int) -> Located:
        found: dict[str, Located] = {}
        lines: dict[str, int] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            value = self._node(next(self.events), depth + 1)
            name = key.value if isinstance(key.value, str) else ""
            if not name:
                self._say(key.line, N_("A key is a word."))
            elif name in found:
                self._say(key.line, N_("The key “%(key)s” stands here twice, first in line %(first)s."), key=name, first=lines[name])
            else:
                found[name], lines[name] = value, key.line
        return Located(found, self.file, line, lines)

    def _say(self, line: int, msgid: str, /, **params: object) -> None:
        self.problems.append(Problem(self.file, line, Message(msgid, params)))
