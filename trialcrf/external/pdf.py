"""Printed documents: a folder of `reports/` and one frozen value become a tagged PDF/UA-1. The only room that imports weasyprint."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError
from weasyprint import HTML
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from trialcrf.core.wording import Message, Words, alphabetical
from trialcrf.external.language import Language

REPORTS = Path(__file__).resolve().parents[2] / "reports"


class CannotDraw(Exception):
    """A document could not be drawn; the text says why, for the log and the person who ordered it."""


def render(document: str, value: object, language: str) -> bytes:
    """Draw `reports/<document>` for one value, in one language.

    The value is a frozen dataclass or a mapping of the same shape (`sample.json`, where days and moments are ISO texts), with
    `cut.known_at` as the date of the document: the clock, the locale and the time zone of the machine leave no trace, so equal
    inputs give equal bytes. Raises CannotDraw.
    """
    folder = _folder(document)
    try:
        page = _environment(folder, language).get_template("report.html").render(report=value)
        drawn = HTML(string=page, base_url=folder.as_uri() + "/", url_fetcher=_FolderOnly(folder)).write_pdf(pdf_variant="pdf/ua-1")
    except TemplateError as error:
        raise CannotDraw(f"{document}: {type(error).__name__}: {error}") from error
    except FatalURLFetchingError as error:
        # A BaseException of the library: untranslated, it would end the worker instead of the task.
        raise CannotDraw(f"{document}: {error}: {error.__cause__}") from error
    if not isinstance(drawn, bytes):
        raise CannotDraw(f"{document}: nothing was drawn")
    return drawn


def draw_in_child(document: str, value: object, language: str) -> bytes:
    """The same bytes, drawn in a process of its own that ends with the drawing and gives its memory back. Raises CannotDraw.

    The child never collects garbage: it lives for one document, and collecting costs a third of its time.
    """
    # Spawned, not forked: a fork would inherit locks and database connections of the threads around us.
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn"), initializer=gc.disable) as child:
        try:
            return child.submit(_draw, document, value, language).result()
        except BrokenProcessPool as error:
            raise CannotDraw(f"{document}: the drawing process ended before its document (out of memory?)") from error


def _draw(document: str, value: object, language: str) -> bytes:
    try:
        return render(document, value, language)
    except CannotDraw as error:
        raise CannotDraw(str(error)) from None
    except Exception as error:
        # Exceptions of libraries may not survive the way between processes; a text does.
        raise CannotDraw(f"{document}: {type(error).__name__}: {error}") from None


def _folder(document: str) -> Path:
    folder = REPORTS / document
    if not document.isidentifier() or not (folder / "report.html").is_file():
        raise CannotDraw(f"there is no document {document!r}")
    return folder


class _FolderOnly(URLFetcher):
    """Gives a document the files of its own folder and nothing else: no network, no other file; whatever fails, fails loudly."""

    def __init__(self, folder: Path) -> None:
        super().__init__(allowed_protocols=("file",), allow_redirects=False, fail_on_errors=True)
        self._folder = folder.resolve()

    def fetch(self, url: str, headers: Mapping[str, str] | None = None) -> URLFetcherResponse:
        parts = urlsplit(url)
        # Resolved before it is compared, so that neither `..` nor a symbolic link leads out.
        path = Path(url2pathname(parts.path)).resolve()
        if parts.scheme != "file" or parts.netloc or not path.is_relative_to(self._folder):
            raise ValueError("a document may only use files of its own folder")
        return super().fetch(path.as_uri(), headers)


@cache
def _environment(folder: Path, language: str) -> Environment:
    """Strict on purpose: an unknown name stops the drawing, everything is escaped, and there is no request, session or url_for."""
    words = Language(language)
    environment = Environment(
        loader=FileSystemLoader(folder),
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
        quads=_quads,
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
                return self._language.say(Message(value["msgid"], value.get("params", {})))
            return self._language.say(Words(value))
        return self._language.say(str(value))

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


def _quads(value: str, groups: int = 0) -> str:
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
