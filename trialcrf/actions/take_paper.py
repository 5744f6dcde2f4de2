"""Taking a document that somebody sends: told by its content what it is, bounded, and kept under a cleaned name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from trialcrf.actions import Impossible
from trialcrf.core.wording import N_, Message

LARGEST_PAPER = 20 * 1024 * 1024
"""Bytes of one document."""

PICTURES: Mapping[str, str] = {"pdf": "application/pdf", "png": "image/png", "jpg": "image/jpeg"}
"""What proves an answer, by the ending that the stored name gets: told by the content, never by the name that was sent."""

MEDIA: Mapping[str, str] = {**PICTURES, "txt": "text/plain"}
"""What a case of safety may have besides."""


def taken(name: str, content: bytes, kinds: Mapping[str, str]) -> tuple[str, str]:
    """The name under which a document is kept, and what it is: one of these kinds. Raises Impossible."""
    if not content:
        raise Impossible(Message(N_("Choose a document: this one is empty, or none was sent.")), "file")
    if len(content) > LARGEST_PAPER:
        raise Impossible(Message(N_("A document has at most %(count)s megabytes."), {"count": LARGEST_PAPER // 1024**2}), "file")
    ending = kind_of(content)
    if ending not in kinds:
        text = N_("A document is a PDF, a PNG or JPEG picture, or a plain text (UTF-8). This is none of them.")
        picture = N_("A document is a PDF, or a PNG or JPEG picture. This is none of them, whatever its name says.")
        raise Impossible(Message(text if "txt" in kinds else picture), "file")
    return clean_name(name, ending), kinds[ending]


def kind_of(content: bytes) -> str:
    """The ending for what this content is, empty for what is not taken."""
    if content.startswith(b"%PDF-"):
        return "pdf"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if content.startswith(b"\xff\xd8\xff"):
        return "jpg"
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    # A browser that is told "text" still guesses: markup is no plain text, whatever it is called.
    if any(sign < " " and sign not in "\t\r\n\f" for sign in text) or text.lstrip("\ufeff \t\r\n").startswith("<"):
        return ""
    return "txt"


def clean_name(name: str, ending: str) -> str:
    """The last part of the name that was sent, of letters, digits and a few signs, with the ending of what it is."""
    last = re.split(r"[\\/]", unicodedata.normalize("NFC", name))[-1].strip()
    stem = last.rpartition(".")[0] or last
    kept = "".join(sign if sign.isalnum() or sign in " -_.()" else "_" for sign in stem).strip(" .")[:100]
    return f"{kept or 'document'}.{ending}"
