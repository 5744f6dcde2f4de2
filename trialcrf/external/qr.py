"""QR symbols (ISO/IEC 18004) as inline SVG, for what a telephone reads from a screen. It shares pystrich with external/datamatrix.py."""

from __future__ import annotations

from pystrich.qrcode import QRCodeEncoder

from trialcrf.external.datamatrix import drawn

QUIET_ZONE = 4
"""White modules around the symbol, as the standard asks."""


def svg(text: str, title: str) -> str:
    """The symbol of this text, black on white, one unit for a module; `title` is what is read out instead of it."""
    return drawn([[bool(module) for module in row] for row in QRCodeEncoder(text).matrix], title, QUIET_ZONE)
