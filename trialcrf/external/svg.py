"""Drawings: a figure of the core becomes an SVG in one language, with its alternative text. The only room that imports vl_convert."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Literal
from xml.sax.saxutils import escape

import vl_convert

from trialcrf.core.wording import Message, Words
from trialcrf.external.language import LANGUAGES, Language

VEGA_LITE = "5.21"
FONT = "DejaVu Sans"
"""The font of the printed documents: the drawing is measured with the letters that it is printed with."""

_FORMATS: Mapping[str, dict[str, Any]] = {
    "fr": {"decimal": ",", "thousands": "\u202f", "grouping": [3], "currency": ["", "\u202f€"], "percent": "\u202f%", "minus": "−"},
    "en": {"decimal": ".", "thousands": ",", "grouping": [3], "currency": ["€", ""], "percent": "%", "minus": "−"},
}
_TIMES: Mapping[str, Literal["fr-FR", "en-GB"]] = {"fr": "fr-FR", "en": "en-GB"}
"""Locales that the library carries within itself."""

PRINTED = 9
"""The size of letters in documents, in pixels of the drawing."""

_INK, _QUIET, _LINE = "#14222e", "#4a5b69", "#d5dee5"
_CONFIG: Mapping[str, Any] = {
    "aria": False,  # the alternative text and the table of the same numbers say it better than every mark by itself
    "background": None,
    "font": FONT,
    "padding": 4,
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 9, "titleFontSize": 9, "titleFontWeight": "normal", "labelColor": _INK, "titleColor": _QUIET, "gridColor": _LINE,
        "domainColor": _QUIET, "tickColor": _QUIET, "titlePadding": 6,
    },
    "legend": {
        "orient": "bottom", "labelFontSize": 9, "titleFontSize": 9, "titleFontWeight": "normal", "titleColor": _QUIET, "labelColor": _INK,
        "labelLimit": 260, "symbolSize": 60, "direction": "horizontal", "symbolOpacity": 1, "offset": 8,
        "layout": {"bottom": {"direction": "vertical", "anchor": "start"}},
    },
    "text": {"font": FONT, "fontSize": 9, "color": _INK},
    "header": {"labelFontSize": 9, "titleFontSize": 9},
}  # fmt: skip


class CannotPlot(ValueError):
    """A figure that cannot be drawn, with why."""


def draw(figure: object, language: str, letters: int = PRINTED) -> str:
    """The figure as an SVG with a title and a description, in this language; empty where the figure has nothing to draw.

    `figure` is a core.packs.figure.Figure or its twin of plain JSON. Equal figures give equal texts: nothing of the machine is in
    them, nothing is fetched. `letters` is the size of those of axes and legends, in pixels of the drawing. Raises CannotPlot.
    """
    spec = _part(figure, "spec")
    if not spec:
        return ""
    words = Language(language)
    made = {**_said(spec, words), "config": _config(letters), "$schema": "https://vega.github.io/schema/vega-lite/v5.json"}
    if "url" in _keys(made):
        raise CannotPlot("a figure brings its own data: it may name no address")
    try:
        drawn = vl_convert.vegalite_to_svg(
            made,
            vl_version=VEGA_LITE,
            allowed_base_urls=[],
            format_locale=_FORMATS[words.tag],
            time_format_locale=_TIMES[words.tag],
        )
    except ValueError as error:
        raise CannotPlot(f"{_part(figure, 'oid')}: {error}") from error
    return _named(
        drawn, str(_part(figure, "oid")), words.say(_reading(_part(figure, "title"))), words.say(_reading(_part(figure, "description")))
    )


def has_drawing(figure: object) -> bool:
    """Whether there is anything to draw: a figure without data says so in words."""
    return bool(_part(figure, "spec"))


def draw_all(figures: Sequence[object], language: str, letters: int) -> list[str]:
    """Several at once, as a process of its own does it. Raises CannotPlot."""
    return [draw(one, language, letters) for one in figures]


def fingerprint(figure: object, language: str, letters: int) -> str:
    """SHA-256 of everything that the drawing is made from: equal ones are one drawing."""
    words = Language(language)
    said = [words.say(_reading(_part(figure, name))) for name in ("title", "description")]
    told = [_part(figure, "oid"), _said(_part(figure, "spec"), words), said, language, letters, VEGA_LITE]
    return hashlib.sha256(json.dumps(told, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def _config(letters: int) -> dict[str, Any]:
    """The look of every figure, with letters of this size where a figure gives them none of their own."""
    sizes = dict.fromkeys(("labelFontSize", "titleFontSize"), letters)
    parts = {name: {**_CONFIG[name], **sizes} for name in ("axis", "legend", "header")}
    return {**_CONFIG, **parts, "text": {**_CONFIG["text"], "fontSize": letters}}


def revived(value: object) -> object:
    """The twin of a value in plain JSON (`sample.json`), with its messages, words, days and decimals made again. Others stay."""
    if isinstance(value, Mapping):
        if "msgid" in value:
            return Message(str(value["msgid"]), {name: revived(each) for name, each in value.get("params", {}).items()})
        if value.keys() == {"decimal"}:
            return Decimal(str(value["decimal"]))
        if value.keys() == {"date"}:
            return date.fromisoformat(str(value["date"]))
        if value and value.keys() <= {*LANGUAGES, ""}:
            return Words(dict(value))
        return {name: revived(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [revived(each) for each in value]
    return value


def _part(figure: object, name: str) -> Any:
    return figure[name] if isinstance(figure, Mapping) else getattr(figure, name)


def _reading(value: object) -> Message | Words:
    found = revived(value)
    if not isinstance(found, Message | Words):
        raise CannotPlot(f"{value!r} is no sentence")
    return found


def _said(spec: object, language: Language) -> Any:
    """The drawing with every text said and every exact number as one that JSON knows."""
    found = revived(spec)

    def written(value: object) -> object:
        if isinstance(value, Message | Words):
            return language.say(value)
        if isinstance(value, Decimal):
            return float(value)
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, Mapping):
            return {name: written(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [written(each) for each in value]
        return value

    return written(found)


def _keys(value: object) -> set[str]:
    if isinstance(value, Mapping):
        return {str(name) for name in value}.union(*(_keys(each) for each in value.values()))
    if isinstance(value, list):
        return set().union(*(_keys(each) for each in value))
    return set()


_OPENING = re.compile(r"<svg\b[^>]*>")
_SIZE = re.compile(r'\s(?:width|height)="[^"]*"')
_NAMES = re.compile(r'\b(id="|url\(#|href="#)([^")]+)')


def _named(drawn: str, oid: str, title: str, description: str) -> str:
    """Without a size of its own (the page gives one, the viewBox the proportions), with names that no other figure of the page has."""
    opening = _OPENING.search(drawn)
    if opening is None or "viewBox" not in opening.group():
        raise CannotPlot(f"{oid}: the drawing has no frame")
    numbers: dict[str, str] = {}

    def renamed(found: re.Match[str]) -> str:
        return found[1] + numbers.setdefault(found[2], f"{oid}-{len(numbers) + 1}")

    words = f"<title>{escape(title)}. {escape(description)}</title><desc>{escape(description)}</desc>"
    body = _NAMES.sub(renamed, drawn[opening.end() :])
    return _SIZE.sub("", opening.group()) + words + body
