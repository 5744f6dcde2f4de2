"""DataMatrix symbols (ECC 200, ISO/IEC 16022) as inline SVG. It shares pystrich with external/qr.py."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from xml.sax.saxutils import escape

from pystrich.datamatrix import DataMatrixData, DataMatrixEncoder
from pystrich.exceptions import PyStrichError

QUIET_ZONE = 2
"""White modules around the symbol; the standard asks for one."""


class CannotEncode(ValueError):
    """A text that a label does not carry, with why."""


def svg(text: str, title: str) -> str:
    """The symbol of this ASCII text, black on white, one unit for a module; `title` is what is read out instead of it.

    It has no size of its own: the page gives one. Equal texts give equal symbols. Raises CannotEncode.
    """
    return drawn(modules(text), title, QUIET_ZONE)


def drawn(rows: Sequence[Sequence[bool]], title: str, quiet_zone: int) -> str:
    """A square of modules as SVG, with so many white ones around it."""
    size = len(rows) + 2 * quiet_zone
    bars = "".join(_bars(row, line + quiet_zone, quiet_zone) for line, row in enumerate(rows))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" role="img" shape-rendering="crispEdges">'
        f"<title>{escape(title)}</title>"
        f'<rect width="{size}" height="{size}" fill="#fff"/><path fill="#000" d="{bars}"/></svg>'
    )


def modules(text: str) -> list[list[bool]]:
    """The square symbol with its finder pattern and without quiet zone, by rows from the top: True is black. Raises CannotEncode."""
    if not (text and text.isascii() and text.isprintable()):
        raise CannotEncode(f"{text!r}: a label has printable ASCII characters only")
    try:
        symbol = DataMatrixEncoder(DataMatrixData(text, encoding="ascii"), quiet_zone=0)
    except PyStrichError as error:
        raise CannotEncode(f"{text[:40]!r}: {error}") from error
    return [[bool(module) for module in row] for row in symbol.init_renderer().matrix]


def _bars(row: Sequence[bool], line: int, first: int) -> str:
    """The black runs of a row as parts of one path: drawn as a whole, no hairline shows between its rows."""
    parts, start = [], first
    for black, run in groupby(row):
        length = len(list(run))
        if black:
            parts.append(f"M{start} {line}h{length}v1h-{length}z")
        start += length
    return "".join(parts)
