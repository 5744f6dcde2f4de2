"""Whole documents, each step in a child process: the data attached, long parts drawn apart and kept by their content, then the pages."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from trialcrf.core.attached import Attachment
from trialcrf.core.wording import N_, Message
from trialcrf.external import annex, archive, child, markup, pdf
from trialcrf.external.annex import Part, Prepared
from trialcrf.external.language import Language

TABLES, ANNEX, PAGES = "tables", "annex", "pages"
"""The steps, in their order."""

KEPT = 400
"""How many drawn parts are kept for the next report; the longest unused are forgotten first."""


@dataclass(frozen=True, slots=True)
class Annex:
    """A file that belongs to a document and is attached to it. `sha256` is in hexadecimal, and printed in the document."""

    name: str
    rows: int
    sha256: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Drawing:
    """What came of a value: the document, with its annexes inside and beside it."""

    pdf: bytes
    annexes: tuple[Annex, ...]


def _nothing(_: str) -> None: ...


def draw(
    document: str,
    value: object,
    language: str,
    identity: str = "",
    kept: Path | None = None,
    tell: Callable[[str], None] = _nothing,
    wanted: Callable[[], bool] | None = None,
) -> Drawing:
    """Draw `reports/<document>` for a value with a cut. Equal inputs give equal bytes, whether a part was kept before or not.

    `kept` is the folder of drawn parts, where there is one; `tell` hears each step begin. Raises markup.CannotDraw, and
    child.Cancelled once `wanted` says no.
    """
    tell(TABLES)
    prepared: Prepared = child.run(annex.prepare, document, value, language, wanted=wanted)
    tell(ANNEX)
    drawn = {name: tuple(_annex(part, kept, wanted) for part in parts) for name, parts in prepared.long.items()}
    annexes = tuple(one for some in drawn.values() for one in some)
    tell(PAGES)
    html = markup.without(prepared.html, {name: _said(some, Language(language)) for name, some in drawn.items()})
    files = (*prepared.data, *(Attachment(one.name, "application/pdf", one.name.removesuffix(".pdf"), one.content) for one in annexes))
    return Drawing(child.run(pdf.draw, document, html, files, pdf.known_at(value), identity, wanted=wanted), annexes)


def _annex(part: Part, kept: Path | None, wanted: Callable[[], bool] | None) -> Annex:
    content = _found(part, kept) if kept is not None else None
    if content is None:
        content = child.run(annex.draw, part, wanted=wanted)
        if kept is not None:
            _keep(part, kept, content)
    return Annex(part.name, part.rows, hashlib.sha256(content).hexdigest(), content)


def _found(part: Part, kept: Path) -> bytes | None:
    """A kept part, if it still is what was kept: its name tells what it was drawn from, and its own hash."""
    for path in sorted(kept.glob(f"{part.key}-*.pdf")):
        try:
            content = path.read_bytes()
            if path.stem == f"{part.key}-{hashlib.sha256(content).hexdigest()}":
                os.utime(path)
                return content
        except OSError:
            continue
    return None


def _keep(part: Part, kept: Path, content: bytes) -> None:
    try:
        archive.keep(kept / f"{part.key}-{hashlib.sha256(content).hexdigest()}.pdf", content)
        for old in sorted(kept.glob("*.pdf"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
            old.unlink(missing_ok=True)
    except OSError:
        # Nothing is lost but time: the next report draws it again.
        return


def _said(annexes: tuple[Annex, ...], language: Language) -> str:
    """What a document says where a part of it stands in an annex."""
    sentence = Message(
        N_("This part has %(rows)s lines and stands in full in the annex, which is attached to this document and archived beside it."),
        {"rows": sum(one.rows for one in annexes)},
    )
    line = Message(N_("%(file)s, lines: %(rows)s, SHA-256 %(sha256)s"))
    lines = Markup("").join(
        Markup("<li>{}</li>").format(
            language.say(Message(line.msgid, {"file": one.name, "rows": one.rows, "sha256": markup.quads(one.sha256)}))
        )
        for one in annexes
    )
    return str(Markup('<p class="annexed">{}</p><ul class="rules annexes">{}</ul>').format(language.say(sentence), lines))
