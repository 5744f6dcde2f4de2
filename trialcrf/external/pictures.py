"""Figures on pages: drawn beside the work of the server, in a process of their own, and kept by what they are made from."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock, Thread

from trialcrf.external import child, svg
from trialcrf.external.markup import CannotDraw

LETTERS = 11
"""The size of letters on a screen, in pixels of the drawing; on a telephone a drawing is shown in its own size."""
MOST = 200
"""Drawings that are kept, some twenty kilobytes each. They are in memory alone: what they show is clinical data."""
MOST_WAITING = 30
"""Drawings that wait to be made; who asks for more is told to ask again."""
LOOKS = 120
"""How often a drawing is looked for, twice a second, before it is given up."""

log = logging.getLogger(__name__)
_KEPT: OrderedDict[str, str] = OrderedDict()
_BEGUN: set[str] = set()
_FAILED: set[str] = set()
_LOCK, _DRAWING = Lock(), Lock()
_ROLES = re.compile(r'\s(?:role|aria-roledescription)="[^"]*"')


def look(figures: Sequence[object], language: str, begin: bool) -> list[str | None]:
    """The drawing of each figure: None where it is not made yet; empty where there is nothing to draw or it failed.

    `begin`: what is not made yet is begun. Nobody waits here: a server that has one thread for its people goes on. What failed is tried
    anew when it is asked for again.
    """
    found: list[str | None] = []
    lacking: dict[str, object] = {}
    with _LOCK:
        for one in figures:
            key = svg.fingerprint(one, language, LETTERS) if svg.has_drawing(one) else ""
            if not key or key in _FAILED:
                _FAILED.discard(key)
                found.append("")
                continue
            if key in _KEPT:
                _KEPT.move_to_end(key)
            elif begin and key not in _BEGUN and len(_BEGUN) < MOST_WAITING:
                _BEGUN.add(key)
                lacking[key] = one
            found.append(_KEPT.get(key))
    if lacking:
        Thread(target=_draw, args=(lacking, language), daemon=True).start()
    return found


def forget() -> None:
    """Nothing is kept any more."""
    with _LOCK:
        _KEPT.clear()
        _FAILED.clear()


def _draw(figures: dict[str, object], language: str) -> None:
    """In a thread that only waits for the child: one child at a time, whatever is asked for."""
    patience = iter(range(LOOKS))
    drawn: list[str] = []
    try:
        with _DRAWING:
            drawn = child.run(svg.draw_all, list(figures.values()), language, LETTERS, wanted=lambda: next(patience, None) is not None)
    except (CannotDraw, child.Cancelled, OSError):
        log.exception("figures of a page could not be drawn")
    with _LOCK:
        _BEGUN.difference_update(figures)
        _FAILED.update(list(figures)[len(drawn) :])
        _KEPT.update(zip(figures, map(_shown, drawn), strict=False))
        while len(_KEPT) > MOST:
            _KEPT.popitem(last=False)


def _shown(text: str) -> str:
    """As a picture in a page: it is one image, whose parts say nothing by themselves, least of all in English."""
    plain = _ROLES.sub("", text)
    return plain.replace("<svg ", '<svg role="img" focusable="false" ', 1)
