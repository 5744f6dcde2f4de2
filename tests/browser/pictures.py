"""Pages as pictures: how bright a theme is on the whole, and files to look at (`make pictures`)."""

from __future__ import annotations

import base64
import os
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

FOLDER = os.environ.get("PICTURES", "")
"""Where the pictures of all pages are put, in both languages and themes; empty where nobody is to look at them."""

BRIGHT = 170
"""Of 255: what is brighter is paper, what is darker is not."""


def brightness(page: Page) -> float:
    """The share of what is seen that is bright. A quarter of the size is enough: letters vanish into what they stand on."""
    size = page.viewport_size
    assert size
    session = page.context.new_cdp_session(page)
    clip = {"x": 0, "y": page.evaluate("scrollY"), **size, "scale": 0.25}
    drawn = session.send("Page.captureScreenshot", {"format": "jpeg", "quality": 60, "clip": clip, "optimizeForSpeed": True})
    session.detach()
    shades = Image.open(BytesIO(base64.b64decode(drawn["data"]))).convert("L").histogram()
    return sum(shades[BRIGHT:]) / sum(shades)


def kept(page: Page, name: str) -> None:
    """Put the whole page into the folder, if there is one."""
    if FOLDER:
        Path(FOLDER).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(FOLDER) / f"{name}.png", full_page=True)
