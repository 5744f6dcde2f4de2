"""Figures on pages: drawn in a process of its own, and kept by what they are made from, so that a page seldom waits for one."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

from trialcrf.external import child, svg
from trialcrf.external.markup import CannotDraw

LETTERS = 11
"""The size of letters on a screen, in pixels of the drawing; on a telephone a drawing is shown in its own size."""
MOST = 200
"""Drawings that are kept, some twenty kilobytes each. They are in memory alone: what they show is clinical data."""

LOOKS = 60
"""How often a drawing is waited for, half a second each: somebody holds the line meanwhile."""

_KEPT: OrderedDict[str, str] = OrderedDict()
_LOCK = Lock()
_DRAWING = Lock()
_ROLES = re.compile(r'\s(?:role|aria-roledescription)="[^"]*"')


def kept(figure: object, language: str) -> str | None:
    """The drawing, if there is one already; empty for a figure that has nothing to draw."""
    if not svg.has_drawing(figure):
        return ""
    key = svg.fingerprint(figure, language, LETTERS)
    with _LOCK:
        if key in _KEPT:
            _KEPT.move_to_end(key)
        return _KEPT.get(key)


def draw(figures: Sequence[object], language: str) -> list[str]:
    """The drawings, those that are not kept yet made in one child together. Raises CannotDraw."""
    # One at a time: two people who open a dashboard in one moment cost one drawing.
    with _DRAWING:
        lacking = [one for one in figures if kept(one, language) is None]
        if lacking:
            drawn = _drawn(lacking, language)
            with _LOCK:
                for one, text in zip(lacking, drawn, strict=True):
                    _KEPT[svg.fingerprint(one, language, LETTERS)] = _shown(text)
                while len(_KEPT) > MOST:
                    _KEPT.popitem(last=False)
    return [kept(one, language) or "" for one in figures]


def _drawn(figures: Sequence[object], language: str) -> list[str]:
    patience = iter(range(LOOKS))
    try:
        found: list[str] = child.run(svg.draw_all, figures, language, LETTERS, wanted=lambda: next(patience, None) is not None)
    except child.Cancelled:
        raise CannotDraw("the drawing took too long") from None
    return found


def _shown(text: str) -> str:
    """As a picture in a page: it is one image, whose parts say nothing by themselves, least of all in English."""
    plain = _ROLES.sub("", text)
    return plain.replace("<svg ", '<svg role="img" focusable="false" ', 1)


def forget() -> None:
    """Nothing is kept any more."""
    with _LOCK:
        _KEPT.clear()
