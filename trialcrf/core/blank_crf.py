"""The blank case report form on paper as one frozen value: every form once, with boxes to write in, every question annotated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from trialcrf.core.cut import Cut
from trialcrf.core.definition.codes import CodeList
from trialcrf.core.definition.model import DataType, FormDef, ItemDef, ItemGroupDef, Range, Study
from trialcrf.core.explain import written
from trialcrf.core.registers import in_order
from trialcrf.core.specification import IDENTITIES, Edition, edition, spoken_range
from trialcrf.core.values import MISSING_CODES, REASON_NEEDED, asks_day
from trialcrf.core.wording import N_, Message, Sayable, Words

MOST_DIGIT_BOXES = 9
"""A number with more digits than this gets a line to write on, not a box a digit."""

LETTER_BOXES = 10
"""A text of at most this many characters gets a box a character."""

ONE_LINE = 200
"""A longer text gets several lines to write on."""

MANY_CHOICES = 8
"""More choices than this stand in columns below their question."""

ROW_COLUMNS = 8
"""A repeating section of at most this many questions gets a table for its further rows."""

FURTHER_ROWS = 4

FEWEST_LINES, MOST_COLUMNS = 3, 8
"""Questions with the same choices stand in a table from so many lines on, where the choices make no more columns than this."""

TYPES: dict[DataType, str] = {
    DataType.TEXT: N_("text"),
    DataType.INTEGER: N_("whole number"),
    DataType.DECIMAL: N_("decimal number"),
    DataType.BOOLEAN: N_("yes or no"),
    DataType.CODELIST: N_("one choice"),
    DataType.MULTICHOICE: N_("several choices"),
    DataType.DATE: N_("date"),
    DataType.PARTIAL_DATE: N_("date, may be partial"),
    DataType.TIME: N_("time"),
    DataType.DATETIME: N_("date and time"),
    DataType.REFERENCE: N_("reference"),
    DataType.DERIVED: N_("computed"),
}
"""What the paper calls each data type."""
_TYPE_NAMES = frozenset(TYPES.values())


@dataclass(frozen=True, slots=True)
class Option:
    """A choice; `told` is false where the code says what the label says and need not be printed beside it."""

    code: str
    label: Sayable
    told: bool = True


@dataclass(frozen=True, slots=True)
class Note:
    """One annotation of a question."""

    name: Message
    text: Sayable | str


@dataclass(frozen=True, slots=True)
class Question:
    """One item on paper.

    `boxes` says what there is to write in: digits, letters, line, lines, date, partial_date, month, time, datetime, choices,
    computed. `whole` and `decimals` count the boxes of a number, `whole` those of letters; `columns` is 0 where the choices run on
    in a line, and they stand below the question where `wide`.
    """

    oid: str
    label: Words
    help: Words
    unit: str
    boxes: str
    whole: int
    decimals: int
    signed: bool
    qualified: bool
    several: bool
    options: tuple[Option, ...]
    columns: int
    wide: bool
    missing: tuple[Option, ...]
    reason: bool
    optional: bool
    rule: str
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A group of questions: a list, a table with the choices as columns, or rows.

    Of a table, `absent` are the missing codes after the choices, `kinds` the annotations that all questions share; of rows,
    `further` are the columns of the further rows.
    """

    oid: str
    label: Words
    help: Words
    condition: str
    layout: str
    columns: tuple[Option, ...]
    absent: tuple[Option, ...]
    kinds: tuple[Note, ...]
    questions: tuple[Question, ...]
    further: tuple[Question, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Occasion:
    """A visit in which a form is filled."""

    oid: str
    label: Words
    mandatory: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    """One form, with the visits to tick; `numbered` where one visit can hold it more than once."""

    oid: str
    label: Words
    help: Words
    numbered: bool
    visits: tuple[Occasion, ...]
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class BlankCrf:
    """The whole booklet: forms in the order in which the visits ask for them. `cut` says which published version it is of; none of one
    that was read from its files."""

    edition: Edition
    missing: tuple[Option, ...]
    sheets: tuple[Sheet, ...]
    cut: Cut | None = None


def blank_crf(study: Study, cut: Cut | None = None) -> BlankCrf:
    """The blank CRF of a definition, of a published one with its cut. Equal definitions give equal values."""
    sheets = tuple(_sheet(study, form) for form in in_order(study))
    return BlankCrf(edition(study), tuple(_absent(MISSING_CODES)), sheets, cut)


def _sheet(study: Study, form: FormDef) -> Sheet:
    visits = [(event, ref) for event in study.events for ref in event.forms if ref.form_oid == form.oid]
    return Sheet(
        oid=form.oid,
        label=form.label,
        help=form.help,
        numbered=form.repeating or any(event.repeating for event, _ in visits),
        visits=tuple(Occasion(event.oid, event.label, ref.mandatory) for event, ref in visits),
        sections=tuple(_section(form, group) for group in form.groups),
    )


def _section(form: FormDef, group: ItemGroupDef) -> Section:
    questions = tuple(_question(form, item) for item in group.items)
    codes = {code for item in group.items for code in item.missing}
    absent = tuple(_absent(code for code in MISSING_CODES if code in codes))
    table = not group.repeating and _alike(questions) and len(questions[0].options) + len(absent) <= MOST_COLUMNS
    asked = tuple(each for each in questions if each.boxes != "computed")
    kinds = tuple(note for note in questions[0].notes if note.name.msgid in _TYPE_NAMES) if table else ()
    if table:
        questions = tuple(replace(each, notes=tuple(note for note in each.notes if note not in kinds)) for each in questions)
    return Section(
        oid=group.oid,
        label=group.label,
        help=group.help,
        condition=written(group.when.tree) if group.when else "",
        layout="table" if table else "rows" if group.repeating else "list",
        columns=questions[0].options if table else (),
        absent=absent if table else (),
        kinds=kinds,
        questions=questions,
        further=asked if group.repeating and len(asked) <= ROW_COLUMNS else (),
        rows=FURTHER_ROWS,
    )


def _alike(questions: tuple[Question, ...]) -> bool:
    """Whether all are answered by ticking one of the same choices: on paper they make a table, whatever they are on the screen."""
    return len(questions) >= FEWEST_LINES and all(
        each.boxes == "choices" and not each.several and each.options == questions[0].options for each in questions
    )


def _question(form: FormDef, item: ItemDef) -> Question:
    boxes, whole, decimals = _boxes(item)
    options = _choices(item)
    wide = len(options) > MANY_CHOICES
    return Question(
        oid=item.oid,
        label=item.label,
        help=item.help,
        unit=item.unit,
        boxes=boxes,
        whole=whole,
        decimals=decimals,
        signed=boxes == "digits" and item.hard.low is not None and Decimal(item.hard.low) < 0,
        qualified=item.qualifier,
        several=item.type is DataType.MULTICHOICE,
        options=options,
        columns=_columns(options, wide),
        wide=wide,
        missing=tuple(_absent(item.missing)),
        reason=any(code in REASON_NEEDED for code in item.missing),
        optional=not item.mandatory and item.derive is None,
        rule=written(item.derive.tree) if item.derive else "",
        notes=tuple(_notes(form, item)),
    )


def _boxes(item: ItemDef) -> tuple[str, int, int]:
    """What there is to write in, and how many boxes: of letters, or of digits before and after the decimal sign."""
    if item.type in (DataType.INTEGER, DataType.DECIMAL):
        return _digits(item)
    if item.type is DataType.TEXT and item.max_length <= LETTER_BOXES:
        return "letters", item.max_length, 0
    if item.type is DataType.PARTIAL_DATE and not asks_day(item):
        return "month", 0, 0
    plain = {
        DataType.TEXT: "line" if item.max_length <= ONE_LINE else "lines",
        DataType.REFERENCE: "line",
        DataType.DERIVED: "computed",
        DataType.BOOLEAN: "choices",
        DataType.CODELIST: "choices",
        DataType.MULTICHOICE: "choices",
    }
    return plain.get(item.type, item.type.value), 0, 0


def _digits(item: ItemDef) -> tuple[str, int, int]:
    """A box a digit where the hard range bounds the number, a line where nothing does."""
    bounds = [bound for bound in (item.hard.low, item.hard.high) if bound is not None]
    decimals = 0 if item.type is DataType.INTEGER else item.decimals
    if item.hard.high is None or decimals is None:
        return "line", 0, 0
    whole = max(len(str(abs(int(Decimal(bound))))) for bound in bounds)
    return ("digits", whole, decimals) if whole + decimals <= MOST_DIGIT_BOXES else ("line", 0, 0)


def _choices(item: ItemDef) -> tuple[Option, ...]:
    if item.type is DataType.BOOLEAN:
        return (Option("Y", Message(N_("Yes")), False), Option("N", Message(N_("No")), False))
    return _options(item.codelist) if item.codelist is not None else ()


def _options(codelist: CodeList | None) -> tuple[Option, ...]:
    if codelist is None:
        return ()
    return tuple(
        Option(each.code, each.label, any(text.casefold() != each.code.casefold() for text in each.label.texts.values()))
        for each in codelist.items
    )


def _absent(codes: Iterable[str]) -> Iterator[Option]:
    return (Option(code, Message(MISSING_CODES[code])) for code in codes if code in MISSING_CODES)


def _columns(options: tuple[Option, ...], wide: bool) -> int:
    """In how many columns choices stand so that the longest fits, in the longest of the languages; 0 where one line holds them all."""
    lengths = [max(map(len, each.label.texts.values()), default=0) if isinstance(each.label, Words) else 4 for each in options]
    if not lengths or (not wide and sum(lengths) + sum(len(each.code) + 5 for each in options) <= 2 * 44):
        return 0
    longest = max(lengths)
    if wide:
        return 3 if longest <= 26 else 2
    whole = max(length + len(each.code) * each.told for length, each in zip(lengths, options, strict=True))
    return 2 if longest <= 14 and whole <= 26 else 1


def _notes(form: FormDef, item: ItemDef) -> Iterator[Note]:
    """The annotations of a question: names for programs, type, list, ranges, condition, checks."""
    if item.aliases:
        yield Note(Message(N_("CDASH/SDTM")), ", ".join(item.aliases))
    yield Note(Message(TYPES[item.type]), item.codelist.oid if item.codelist is not None else "")
    if item.type is DataType.DECIMAL and item.decimals is not None:
        yield Note(Message(N_("decimals")), str(item.decimals))
    if item.type is DataType.TEXT:
        yield Note(Message(N_("characters at most")), str(item.max_length))
    if item.refers_to:
        yield Note(Message(N_("refers to")), item.refers_to)
    if item.hard != Range():
        yield Note(Message(N_("hard range")), spoken_range(item.hard))
    if item.soft != Range():
        yield Note(Message(N_("soft range")), spoken_range(item.soft))
    if item.identity:
        yield Note(Message(N_("scanned or typed, the code of")), Message(IDENTITIES[item.identity]))
    if item.unique:
        yield Note(Message(N_("once in the study")), "")
    if item.documents:
        yield Note(Message(N_("documents may be attached")), "")
    if item.not_future:
        yield Note(Message(N_("not in the future")), "")
    if item.when is not None:
        yield Note(Message(N_("only if")), written(item.when.tree))
    checks = [check.oid for check in form.checks if item.oid in check.items]
    if checks:
        yield Note(Message(N_("checks")), ", ".join(checks))
