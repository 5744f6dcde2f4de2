"""Printed documents: HTML becomes one file that is PDF/A-3a and PDF/UA-1, with its data attached. The only room that imports weasyprint."""

from __future__ import annotations

import re
import warnings
import zlib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname
from xml.sax.saxutils import escape, unescape

from trialcrf.core.attached import Attachment
from trialcrf.external import child, markup
from trialcrf.external.markup import BASE, CannotDraw, folder_of

VARIANT = "pdf/a-3a"

# PDF/A-3 (ISO 19005-3, 6.6.2.3) asks that an XMP property it does not know be described: that of PDF/UA (ISO 14289-1, 5) is one.
_ACCESSIBLE = """
<rdf:Description rdf:about="" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/"><pdfuaid:part>1</pdfuaid:part></rdf:Description>
<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/" xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
<pdfaSchema:schema>PDF/UA Universal Accessibility Schema</pdfaSchema:schema>
<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">
<pdfaProperty:name>part</pdfaProperty:name>
<pdfaProperty:valueType>Integer</pdfaProperty:valueType>
<pdfaProperty:category>internal</pdfaProperty:category>
<pdfaProperty:description>Part of ISO 14289 to which the file conforms</pdfaProperty:description>
</rdf:li></rdf:Seq></pdfaSchema:property>
</rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>
"""  # noqa: E501
_IDENTITY = (
    '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier>{}</dc:identifier></rdf:Description>\n'
)
_BEGIN, _END = b"\nstream\n", b"\nendstream"
_IDENTIFIER = re.compile(rb"<dc:identifier>([^<]{1,2000})</dc:identifier>")


def render(document: str, value: object, language: str, attachments: Sequence[Attachment] = ()) -> bytes:
    """Draw `reports/<document>` for one value in one language, whole: nothing goes into an annex.

    The value is what `markup.page` takes, with `cut.known_at` as the date of the document and of what is attached to it: the clock,
    the locale and the time zone of the machine leave no trace, so equal inputs give equal bytes. Raises CannotDraw.
    """
    return draw(document, markup.without(markup.page(document, value, language), {}), attachments, known_at(value))


def draw(document: str, html: str, attachments: Sequence[Attachment] = (), at: datetime | None = None, identity: str = "") -> bytes:
    """The file of this HTML, which may use what is in the folder of the document. Raises CannotDraw.

    `at` is the date of the attachments, without which there are none; `identity` what `identity_of` reads from the file again.
    """
    # Here, as below: importing it takes a third of the time in which the program starts, which only whoever draws pays for.
    from weasyprint import HTML
    from weasyprint.urls import FatalURLFetchingError

    folder = folder_of(document)
    try:
        source = HTML(string=html, base_url=folder.as_uri() + "/", url_fetcher=_folder_only(folder))
        with warnings.catch_warnings():
            # The library leaves its colour profile open, to be closed when it is forgotten.
            warnings.simplefilter("ignore", ResourceWarning)
            drawn = source.write_pdf(
                pdf_variant=VARIANT,
                # The names of embedded files are a name tree, which has to be sorted.
                attachments=[_embedded(one, at) for one in sorted(attachments, key=lambda one: one.name)],
                finisher=lambda _, pdf: _finish(pdf, identity),
            )
    except FatalURLFetchingError as error:
        # A BaseException of the library: untranslated, it would end the worker instead of the task.
        raise CannotDraw(f"{document}: {error}: {error.__cause__}") from error
    if not isinstance(drawn, bytes):
        raise CannotDraw(f"{document}: nothing was drawn")
    return drawn


def draw_in_child(document: str, value: object, language: str) -> bytes:
    """The bytes of `render`, drawn in a process of its own that ends with the drawing and gives its memory back. Raises CannotDraw."""
    drawn: bytes = child.run(render, document, value, language)
    return drawn


def known_at(value: Any) -> datetime | None:
    """The moment of the data of a value, or of its twin in `sample.json`; None where it has no cut (a specification)."""
    cut = value.get("cut") if isinstance(value, Mapping) else getattr(value, "cut", None)
    if cut is None:
        return None
    at = cut["known_at"] if isinstance(cut, Mapping) else cut.known_at
    return datetime.fromisoformat(at) if isinstance(at, str) else at


def identity_of(file: bytes) -> str:
    """What the file says it is (`identity` of `draw`); empty where it says nothing. Whoever alters a file can alter this too."""
    found = _IDENTIFIER.search(file)
    return unescape(found[1].decode("utf-8", "replace")) if found else ""


def _embedded(one: Attachment, at: datetime | None) -> Any:
    from weasyprint import Attachment as Embedded

    if at is None:
        raise CannotDraw(f"{one.name}: a document without a moment has no attachments")
    moment = at.astimezone(UTC)
    made = Embedded(string="", name=one.name, description=one.description, created=moment, modified=moment, relationship="Data")
    # The library would guess the media type from the name, and ask the operating system.
    made.source = nullcontext((BytesIO(one.content), None, None, one.media_type))
    return made


def _finish(pdf: Any, identity: str) -> None:
    """What the library leaves undone of PDF/A-3, PDF/UA-1 in the same file, and what the file says it is."""
    _describe(pdf, identity)
    for one in pdf.objects:
        if hasattr(one, "stream"):
            if "Type" not in one.extra:
                one.stream = _flat(one.stream)
            _end_clearly(one)


def _end_clearly(stream: Any) -> None:
    """Leave a stream uncompressed whose last compressed byte would be a carriage return.

    With the line feed that follows, readers take it for the end of a line, and the stream for one byte shorter than it says.
    """
    compress, stream.compress = stream.compress, False
    whole = stream.data
    raw = whole[whole.index(_BEGIN) + len(_BEGIN) : -len(_END)]
    stream.stream = [raw]
    stream.compress = compress and zlib.adler32(raw) & 0xFF != ord("\r")  # A compressed stream ends with this sum of its bytes.


def _flat(operators: list[Any]) -> list[Any]:
    """The same drawing without needless levels of saved states, of which PDF/A allows 28; groups of a figure lie deeper.

    Where a state is restored right before the one around it is, the inner one need not have been saved.
    """
    saved: list[int] = []
    needless: set[int] = set()
    for place, operator in enumerate(operators):
        if operator == b"q":
            saved.append(place)
        elif operator == b"Q" and saved:
            begun = saved.pop()
            if place + 1 < len(operators) and operators[place + 1] == b"Q":
                needless |= {begun, place}
    return [operator for place, operator in enumerate(operators) if place not in needless] if needless else operators


def _describe(pdf: Any, identity: str) -> None:
    """Add to the metadata what makes one file both PDF/A and PDF/UA, and leave them readable without a PDF program."""
    metadata = pdf.objects[int(pdf.catalog["Metadata"].split()[0])]
    told = _ACCESSIBLE + (_IDENTITY.format(escape(identity)) if identity else "")
    metadata.stream = [metadata.stream[0].replace(b"</rdf:RDF>", told.encode() + b"</rdf:RDF>")]
    metadata.compress = False
    for one in pdf.objects:
        # Compressed bytes that happen to end with a carriage return run into the line end that closes a stream (ISO 32000-1, 7.3.8.1).
        if getattr(one, "compress", False) and one.data.endswith(b"\r\nendstream"):
            one.compress = False


def _folder_only(folder: Path) -> Any:
    """Gives a document the files of its own folder and of the shared one, nothing else: no network; whatever fails, fails loudly."""
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    folders = (folder.resolve(), (folder.parent / BASE).resolve())

    class FolderOnly(URLFetcher):
        def fetch(self, url: str, headers: Mapping[str, str] | None = None) -> URLFetcherResponse:
            parts = urlsplit(url)
            # Resolved before it is compared, so that neither `..` nor a symbolic link leads out.
            path = Path(url2pathname(parts.path)).resolve()
            if parts.scheme != "file" or parts.netloc or not any(path.is_relative_to(one) for one in folders):
                raise ValueError("a document may only use files of its own folder and of the shared one")
            return super().fetch(path.as_uri(), headers)

    return FolderOnly(allowed_protocols=("file",), allow_redirects=False, fail_on_errors=True)
