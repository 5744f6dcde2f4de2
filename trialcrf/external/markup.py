"""Printed documents as HTML: a folder of `reports/` and one frozen value become the text that is drawn."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError
from markupsafe import Markup

from trialcrf.core.wording import Message, Words, alphabetical
from trialcrf.external import datamatrix, svg
from trialcrf.external.language import Language

REPORTS = Path(__file__).resolve().parents[2] / "reports"
BASE = "_base"
"""The folder beside the documents that they share: `base.html` with macros, `base.css`."""

_LONG_PART = re.compile(r"<!--annex (\w+)-->(.*?)<!--instead \1-->(.*?)<!--end \1-->", re.DOTALL)


class CannotDraw(Exception):
    """A document could not be drawn; the text says why, for the log and the person who ordered it."""


def page(document: str, value: object, language: str) -> str:
    """The HTML of `reports/<document>` for one value, its long parts still marked. Raises CannotDraw.

    The value is a frozen dataclass or a mapping of the same shape (`sample.json`, where days and moments are ISO texts).
    """
    try:
        return _environment(folder_of(document), language).get_template("report.html").render(report=value)
    except TemplateError as error:
        raise CannotDraw(f"{document}: {type(error).__name__}: {error}") from error


def long_parts(html: str) -> dict[str, str]:
    """What a document says may stand in an annex, by its name. A text of the value cannot make a mark: it is escaped."""
    return {found[1]: found[2] for found in _LONG_PART.finditer(html)}


def without(html: str, annexed: Mapping[str, str]) -> str:
    """The document with these parts replaced by what it says instead, after a paragraph of HTML each; all other parts stay inside."""
    return _LONG_PART.sub(lambda found: annexed[found[1]] + found[3] if found[1] in annexed else found[2], html)


def folder_of(document: str) -> Path:
    """Raises CannotDraw for what is no document."""
    folder = REPORTS / document
    if not document.isidentifier() or document.startswith("_") or not (folder / "report.html").is_file():
        raise CannotDraw(f"there is no document {document!r}")
    return folder


@cache
def _environment(folder: Path, language: str) -> Environment:
    """Strict on purpose: an unknown name stops the drawing, everything is escaped, and there is no request, session or url_for."""
    words = Language(language)
    environment = Environment(
        loader=FileSystemLoader([folder, folder.parent / BASE]),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    # newstyle: parameters are escaped, the sentence around them is not.
    environment.install_gettext_callables(words.gettext, words.ngettext, newstyle=True)  # type: ignore[attr-defined]
    environment.globals["language"] = words.tag
    printed = _Printed(words)
    environment.filters.update(
        say=printed.say,
        listed=printed.listed,
        number=printed.number,
        percent=printed.percent,
        day=printed.day,
        partial=printed.partial,
        moment=printed.moment,
        utc=_utc,
        alphabetical=printed.alphabetical,
        quads=quads,
        drawn=printed.drawn,
        cell=printed.cell,
        datamatrix=_symbol,
    )
    return environment


class _Printed:
    """The filters of the templates: a value of the report, or its twin in `sample.json`, as it is written in one language."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def say(self, value: object) -> str:
        """A Message or Words (or `{"msgid", "params"}` or `{language: text}`); the study's own words fall back to its first language."""
        if isinstance(value, Message | Words):
            return self._language.say(value)
        if isinstance(value, Mapping):
            if "msgid" in value:
                return self.say(svg.revived(value))
            return self._language.say(Words(value))
        return self._language.say(str(value))

    def drawn(self, figure: object) -> Markup:
        """A figure as an SVG with its alternative text, empty where it has nothing to draw."""
        try:
            return Markup(svg.draw(figure, self._language.code))
        except svg.CannotPlot as error:
            raise CannotDraw(str(error)) from error

    def cell(self, value: object) -> str:
        """A cell of the table beside a figure, by its type: a dash for nothing. Exact numbers of `sample.json` are texts."""
        if value is None:
            return "–"
        if isinstance(value, int | Decimal | str):
            return self.number(value)
        return self.say(value)

    def listed(self, values: Iterable[object]) -> str:
        return ", ".join(self.say(value) for value in values)

    def number(self, value: int | Decimal | str, decimals: int | None = None) -> str:
        return self._language.number(Decimal(value) if isinstance(value, str) else value, decimals)

    def percent(self, numerator: int, denominator: int) -> str:
        return self._language.percent(numerator, denominator)

    def day(self, value: date | str) -> str:
        return self._language.day(date.fromisoformat(value) if isinstance(value, str) else value)

    def partial(self, value: str) -> str:
        """A canonical day, partial day or date-time; what is unknown of it is left out, not guessed."""
        day, _, clock = value.partition("T")
        if len(day) == len("2026-01-05"):
            return f"{self.day(day)} {clock[:5]}".strip()
        year, _, month = day.partition("-")
        return self._language.month(date(int(year), int(month), 1)) if month else year

    def moment(self, value: datetime | str) -> str:
        return self._language.moment(_moment(value), UTC)

    def alphabetical(self, lines: Iterable[Any]) -> list[Any]:
        """Lines of a table by their label in this language, those without a recorded one last."""

        def key(line: Any) -> tuple[bool, tuple[str, str]]:
            told = line if isinstance(line, Mapping) else {"recorded": line.recorded, "label": line.label}
            return not told["recorded"], alphabetical(self.say(told["label"]))

        return sorted(lines, key=key)


def _symbol(code: str, title: str) -> Markup:
    try:
        return Markup(datamatrix.svg(code, title))
    except datamatrix.CannotEncode as error:
        raise CannotDraw(str(error)) from error


def quads(value: str, groups: int = 0) -> str:
    """A hash in groups of four, which a person can compare with another print: all of it, or its first groups. Other texts stay."""
    compact = value.replace(" ", "")
    if not compact.isalnum():
        return value
    parts = [compact[start : start + 4] for start in range(0, len(compact), 4)]
    return " ".join(parts[:groups] if groups else parts)


def _moment(value: datetime | str) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _utc(value: datetime | str) -> str:
    """The form that PDF metadata are made from."""
    return _moment(value).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def documents() -> Iterator[str]:
    """The documents that can be drawn: the folders of `reports/`."""
    return (folder.name for folder in sorted(REPORTS.iterdir()) if (folder / "report.html").is_file())
