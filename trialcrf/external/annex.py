"""Long tables as an annex: a part of a document's HTML is drawn by a second, faster engine. The only room that imports typst.

The engine gets the tables as data (JSON), never as markup, so that whatever a text says stays a text. The file is PDF/A-3a and
PDF/UA-1, and it follows from the part alone, not from the moment of the report: an unchanged part is the same file in the next one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import typst

from trialcrf.core import attached
from trialcrf.core.attached import Attachment
from trialcrf.core.wording import N_, Message, Words
from trialcrf.external import markup
from trialcrf.external.language import Language
from trialcrf.external.markup import CannotDraw
from trialcrf.external.tables import harmless

LONG = 200
"""Lines of tables above which a part of a document goes into an annex."""
LEAST, MOST = 400, 1200
"""Rows of one file: a subject's or a class's rows stay together where they can, and memory stays bounded."""
CUTS = 8
"""One in so many of the places where a file may end is an end. The choice hangs on the text of the row alone, so that rows added to one
file do not move the ends of the others."""

_EMPTY = re.compile(r"<(br|col)\b([^>]*)>")
_LAYOUT = Path(__file__).with_name("annex.typ")
_WIDTH = re.compile(r"width: *([\d.]+)%")

Run = str | list[str]
Cell = dict[str, object]


@dataclass(frozen=True, slots=True)
class Part:
    """One file of an annex, ready to be drawn. `key` is the SHA-256 of what it is drawn from and by; `rows` are lines of table bodies."""

    name: str
    rows: int
    data: str
    key: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document before it is drawn: its HTML, its data as attachments, and the files of every part that is too long to stay inside."""

    html: str
    data: tuple[Attachment, ...]
    long: dict[str, tuple[Part, ...]]


def prepare(document: str, value: object, language: str) -> Prepared:
    """Raises CannotDraw."""
    words = Language(language)

    def write(said: str | Message | Words) -> str:
        return harmless(words.say(said))

    html = markup.page(document, value, language)
    long = {name: parts(name, part, words.tag) for name, part in markup.long_parts(html).items() if rows_in(part) > LONG}
    return Prepared(html, attached.attachments(document, value, language, write), long)


def rows_in(html: str) -> int:
    """How many lines the tables of this part have, headings included: whether it is long."""
    return html.count("<tr")


def parts(name: str, html: str, language: str) -> tuple[Part, ...]:
    """The files of one long part of a document, named `<name>.pdf` or `<name>-1.pdf`, `<name>-2.pdf` ...

    The part is one `div`; its `title` and what its pages are headed with (`data-running`) must not tell the cut-off, which changes.
    Raises CannotDraw for HTML that is no table of ours.
    """
    try:
        found = ElementTree.fromstring(_EMPTY.sub(r"<\1\2/>", html.strip()))
    except ElementTree.ParseError as error:
        raise CannotDraw(f"annex {name}: {error}") from error
    words = {
        "title": found.get("data-title", ""),
        "running": found.get("data-running", ""),
        "note": Language(language).gettext(
            N_("The report that names the SHA-256 of this file tells the cut-off and the moment of the data.")
        ),
        "lang": language,
    }
    files = [file for table in found.iter("table") for file in _split(_table(table))]
    made = []
    for number, table in enumerate(files, start=1):
        whole = {**words, "table": table}
        data = json.dumps(whole, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        body = table["body"]
        assert isinstance(body, list)
        key = hashlib.sha256(b"\0".join((version("typst").encode(), _LAYOUT.read_bytes(), data.encode()))).hexdigest()
        made.append(Part(f"{name}-{number}.pdf" if len(files) > 1 else f"{name}.pdf", len(body), data, key))
    return tuple(made)


def draw(part: Part) -> bytes:
    """The file of one part. Raises CannotDraw."""
    try:
        drawn = typst.Compiler(sys_inputs={"data": part.data}).compile(
            input=_LAYOUT.read_bytes(), format="pdf", pdf_standards=["a-3a", "ua-1"], timestamp=0
        )
    except typst.TypstError as error:
        raise CannotDraw(f"annex {part.name}: {error.message}") from error
    if not isinstance(drawn, bytes):
        raise CannotDraw(f"annex {part.name}: nothing was drawn")
    return drawn


def _table(table: Element) -> dict[str, object]:
    widths = [float(found[1]) for column in table.iter("col") if (found := _WIDTH.search(column.get("style", "")))]
    caption = table.find("caption")
    return {
        "caption": _runs(caption) if caption is not None else [],
        "widths": widths,
        "dense": len(widths) > 12,
        "head": [_row(row) for row in table.iterfind("thead/tr")],
        "body": [_row(row) for row in table.iterfind("tbody/tr")],
    }


def _row(row: Element) -> dict[str, object]:
    kinds = row.get("class", "").split()
    cells: list[Cell | str] = []
    for cell in row:
        runs = _runs(cell)
        said: object = runs[0] if len(runs) == 1 and isinstance(runs[0], str) else runs
        told: Cell = {
            name: value
            for name, value in (("c", cell.get("class", "").split()), ("w", cell.get("colspan")), ("h", cell.get("rowspan")))
            if value
        }
        cells.append(said if not told and isinstance(said, str) else {"t": said or "", **told})
    return {"k": kinds[0] if kinds else "", "cells": cells}


def _runs(element: Element) -> list[Run]:
    """The texts inside, with the look of each: [text] or [kind, text]; a line break is ["br"]."""
    found: list[Run] = []
    _collect(element, "", found)
    while found and not found[0]:
        found.pop(0)
    return found


def _collect(element: Element, look: str, found: list[Run]) -> None:
    _add(element.text, look, found)
    for inner in element:
        if inner.tag == "br":
            found.append(["br", ""])
        else:
            _collect(inner, inner.get("class", "").split()[0] if inner.get("class") else inner.tag, found)
        _add(inner.tail, look, found)


def _add(text: str | None, look: str, found: list[Run]) -> None:
    # Breaks of lines in the template are no part of the text; a space between two runs is.
    plain = re.sub(r"\s+", " ", text or "")
    if plain.strip() or (plain and found):
        found.append([look, plain] if look else plain)


def _split(table: dict[str, object]) -> Iterator[dict[str, object]]:
    body = table["body"]
    assert isinstance(body, list)
    start = 0
    for place in range(1, len(body)):
        rows = place - start
        if rows >= MOST or (rows >= LEAST and body[place]["k"] in ("next", "soc") and _is_end(body[place])):
            yield {**table, "body": body[start:place]}
            start = place
    yield {**table, "body": body[start:]}


def _is_end(row: dict[str, object]) -> bool:
    cells = row["cells"]
    assert isinstance(cells, list)
    return hashlib.sha256(json.dumps(cells[0]).encode()).digest()[0] % CUTS == 0
