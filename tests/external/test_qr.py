"""The square symbol of a key, read by a reader of its own."""

from __future__ import annotations

import re

import zxingcpp
from PIL import Image, ImageDraw

from trialcrf.external import qr

URI = "otpauth://totp/trialcrf:cora?secret=ABCDEFGHIJKLMNOPQRSTUVWXYZ234567&issuer=trialcrf"


def test_a_telephone_reads_what_was_drawn():
    drawn = qr.svg(URI, "Symbol <of> the key")
    assert "<title>Symbol &lt;of&gt; the key</title>" in drawn and "style" not in drawn
    size = int(re.search(r'viewBox="0 0 (\d+)', drawn)[1])
    picture = Image.new("L", (size * 8, size * 8), 255)
    pen = ImageDraw.Draw(picture)
    for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)", drawn):
        pen.rectangle([int(x) * 8, int(y) * 8, (int(x) + int(length)) * 8 - 1, int(y) * 8 + 7], fill=0)
    assert [one.text for one in zxingcpp.read_barcodes(picture)] == [URI]
