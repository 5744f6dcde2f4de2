"""The shapes that the templates of a study form draw: plain values, already in the reader's language where a study says them.

A text is `str` when it is the study's own and already chosen by language, `Sayable` when the `say` filter writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from trialcrf.core.bodymap import Tally
from trialcrf.core.document import Place
from trialcrf.core.wording import Message, Sayable


@dataclass(frozen=True, slots=True)
class Box:
    """One input. `label` is its own visible label where the item has several boxes."""

    id: str
    name: str
    value: str
    part: str = ""
    label: Message | None = None
    size: str = ""
    inputmode: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """One option of a set or of a drop-down box."""

    id: str
    value: str
    label: Sayable | str
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Select:
    """A drop-down box beside a field: reason of a change, confirmation, missing code, removal of a row."""

    id: str
    name: str
    choices: tuple[Choice, ...]

    @property
    def chosen(self) -> Choice | None:
        return next((choice for choice in self.choices if choice.chosen and choice.value), None)


@dataclass(frozen=True, slots=True)
class Said:
    """A finding under its field; `confirm` is offered for a doubt, `confirmed` when it was answered before."""

    id: str
    check: str
    text: Sayable
    confirm: Select | None = None
    confirmed: Sayable | str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """The marker beside a field: `state` is none, history, open, answered, modified or closed; `count` the queries behind it.

    `verified` is what became of its verification: verified, changed (since), or empty where it never was.
    """

    state: str = "none"
    count: int = 0
    verified: str = ""


@dataclass(frozen=True, slots=True)
class Lookup:
    """What makes a text a search in a dictionary: where it is asked (`url` by script, `page` by a link), and the fields beside it by name.

    `graded` is the id of what tells the grades of the term, `known` the term that stands there now with its grades, for the script.
    """

    url: str
    page: str
    named: str
    grade: str = ""
    class_: str = ""
    graded: str = ""
    known: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Graded:
    """What the grades of a coded term say, beside the choice of the grade: (code, what it says) and `absent`, those that it has not."""

    id: str
    term: str = ""
    said: tuple[tuple[str, str], ...] = ()
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Papers:
    """The documents at an item: those that stand, as (name, where it is taken), how many are withdrawn, and the page about them.

    `later`: the form or the row is not saved yet. `tab`: the page opens in a tab of its own, beside what is being typed.
    """

    url: str
    standing: tuple[tuple[str, str], ...] = ()
    withdrawn: int = 0
    attach: bool = False
    later: bool = False
    tab: bool = False


@dataclass(frozen=True, slots=True)
class FieldView:
    """One item as it is drawn. `target` is where the error summary leads; `described` lists the ids of hint and messages.

    `shown` is the recorded value where it is only read; `absent` says that it is a missing code. `scan`: its code may come from a scanner.
    `copied`: the form that the answer was copied from and not saved yet, by its id.
    """

    place: Place
    key: str
    id: str
    target: str
    name: str
    widget: str
    label: str
    hints: tuple[Sayable, ...] = ()
    unit: str = ""
    boxes: tuple[Box, ...] = ()
    choices: tuple[Choice, ...] = ()
    side_by_side: bool = False
    missing: Select | None = None
    note: Box | None = None
    errors: tuple[Said, ...] = ()
    doubts: tuple[Said, ...] = ()
    notes: tuple[Said, ...] = ()
    why: Select | None = None
    optional: bool = False
    shown: tuple[Sayable | str, ...] = ()
    absent: bool = False
    before: tuple[Sayable, ...] = ()
    mark: Mark = Mark()
    url: str = ""
    chosen: bool = False
    lookup: Lookup | None = None
    graded: Graded | None = None
    scan: bool = False
    copied: int = 0
    papers: Papers | None = None

    @property
    def described(self) -> str:
        said = [said.id for said in (*self.errors, *self.doubts, *self.notes)]
        hints = [self.id + "-hint"] if self.hints else []
        return " ".join((*hints, *said))


@dataclass(frozen=True, slots=True)
class RowView:
    """One row of a repeating group. `error` is why it was entered in error; `gone` the box that would say so."""

    id: str
    key: str
    number: int
    new: bool
    fields: tuple[FieldView, ...]
    error: str = ""
    gone: Select | None = None


@dataclass(frozen=True, slots=True)
class Region:
    """One site on the figure of a body map. `grade` is recorded, where the form is only read; `before` that of the occasion before.

    A grade is a code, `x` for a missing code, or empty. `at` and `ghost` are where the two are written, in units of the figure.
    """

    site: str
    path: str
    mirrored: bool
    at: tuple[int, int]
    ghost: tuple[int, int]
    field: FieldView
    grade: str = ""
    before: str = ""


@dataclass(frozen=True, slots=True)
class BodyMap:
    """The figure beside the sites of a score. `earlier` is what the occasion before added up to, `assessor` that it was someone else."""

    regions: tuple[Region, ...]
    outline: str
    grades: tuple[tuple[str, Sayable], ...]
    tally: Tally
    earlier: Tally | None = None
    earlier_event: Sayable | str = ""
    earlier_day: date | None = None
    assessor: Message | None = None

    @property
    def change(self) -> int | None:
        """From total to total; None where either is not there."""
        if self.earlier is None or self.earlier.total is None or self.tally.total is None:
            return None
        return self.tally.total - self.earlier.total


@dataclass(frozen=True, slots=True)
class GroupView:
    """Items shown together. `asked_later` counts questions whose condition does not hold with the answers so far.

    `conditional`: what is asked of it may change while one types.
    """

    oid: str
    id: str
    label: str
    help: str
    layout: str
    repeating: bool
    fields: tuple[FieldView, ...] = ()
    rows: tuple[RowView, ...] = ()
    columns: tuple[Choice, ...] = ()
    asked_later: int = 0
    pasted: str = ""
    conditional: bool = False
    body: BodyMap | None = None

    @property
    def worded(self) -> bool:
        """Whether the codes of a table are words, which only its head spells out, and no short scores."""
        return any(len(column.value) > 3 for column in self.columns)

    @property
    def answered(self) -> bool:
        """Whether any of its sets offers to take its answer back."""
        return any(not choice.value for field in self.fields for choice in field.choices)


@dataclass(frozen=True, slots=True)
class SummaryLine:
    href: str
    label: str
    text: Sayable


@dataclass(frozen=True, slots=True)
class Summary:
    """Findings counted for the top of the page: what stops the save, what becomes a query, what is missing."""

    blocking: tuple[SummaryLine, ...] = ()
    queries: tuple[SummaryLine, ...] = ()
    missing: tuple[SummaryLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check says when it does not hold; `hard`: it stops the save."""

    text: str
    hard: bool


@dataclass(frozen=True, slots=True)
class FormView:
    """A form. `computed` are the questions that the program answers, `checked` what it looks at in the others: both for the help.
    `reasons` and `confirmations` are patterns of boxes, for what is found while the page stands."""

    oid: str
    label: str
    help: str
    groups: tuple[GroupView, ...]
    summary: Summary
    editable: bool
    unsaved: bool
    version: int = 0
    why: Select | None = None
    computed: tuple[str, ...] = ()
    checked: tuple[Checked, ...] = ()
    reasons: Select | None = None
    confirmations: Select | None = None

    @property
    def scans(self) -> bool:
        """Whether any of its fields may be filled by a scanner."""
        fields = (field for group in self.groups for field in (*group.fields, *(field for row in group.rows for field in row.fields)))
        return self.editable and any(field.scan for field in fields)
