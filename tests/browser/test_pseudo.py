"""A run in the pseudo-language: on no page, in no mail and on no PDF does a text stand that was never given to the translators.

The pseudo-language writes every message and every study text between ⟦ and ⟧. What is left besides must be data: what people typed,
names, keys, numbers, codes.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path

import polib
import pytest
from flask import Flask
from lxml import html
from playwright.sync_api import StorageState
from werkzeug.serving import make_server

from config import Settings
from tests.browser.conftest import AtBrowser
from tests.browser.pages import PAGES, Known
from tests.browser.person import Person
from tests.browser.program import ROOT, STUDY, Program, free_port
from trialcrf.actions.reminding.letters import Tally
from trialcrf.core.definition.criteria import Parameter
from trialcrf.core.expr import Expr
from trialcrf.core.wording import Words
from trialcrf.external import mail, pdf
from trialcrf.external.language import PSEUDO, catalogue_path
from trialcrf.store import definitions
from trialcrf.web import create_app

OURS = re.compile(r"⟦[^⟦⟧]*⟧")
LETTERS = re.compile(r"[^\W\d_]{2,}")
HASH = re.compile(r"\b[0-9a-f]{8}(?: [0-9a-f]{8}){7}\b")
PROGRAM = {
    "trialcrf",
    "Français",
    "English",
    "fr",
    "en",
    "SHA",
    "PDF",
    "kB",
    "UTC",
    "ZIP",
    "CSV",
    "CET",
    "CEST",
    "AST",
    "CTCAE",
    "Chrome",
    "Firefox",
    "Alt",
    "Ctrl",
}
"""Written as they are in every language: names, and abbreviations that are the same in both."""

NOT_OURS = ("script", "style", "textarea", "datalist", "code", "time")
SAID = ("aria-label", "title", "placeholder", "alt", "data-leave")
"""Elements whose text nobody wrote for reading, and attributes that are read."""


@pytest.fixture(scope="module")
def pseudo(program: Program) -> Iterator[str]:
    """The address of the same trial in the pseudo-language: the cookies of one server open the other."""
    settings = Settings.from_env(program.environment)
    app: Flask = create_app(settings, PSEUDO)
    server = make_server("127.0.0.1", free_port(), app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    app.extensions["trialcrf.engine"].dispose()


def words_in(thing: object) -> Iterator[str]:
    """Every French text of a study definition, with what is data in it: codes, units, OIDs.

    A page in the pseudo-language shows what a study says in the first language of the study; our own messages are English, so the one
    does not hide the other.
    """
    if isinstance(thing, Words):
        yield thing.in_("fr")
    elif isinstance(thing, str) and not isinstance(thing, Enum):
        yield thing
    elif is_dataclass(thing) and not isinstance(thing, Expr):
        for one in fields(thing):
            if one.name not in ("access", "identity", "layout", "state", "when", "delivery", "concerns", "starts", "sender") and not (
                one.name == "unit" and isinstance(thing, Parameter)
            ):
                yield from words_in(getattr(thing, one.name))
    elif isinstance(thing, dict):
        for key, value in thing.items():
            yield from words_in(key)
            yield from words_in(value)
    elif isinstance(thing, (tuple, list, frozenset)):
        for one in thing:
            yield from words_in(one)


CODES = ("stops", "signature", "level", "state", "checklist")
"""Names in a record under which the program's own codes stand."""


def leaves(plain: object) -> Iterator[str]:
    """The texts within a JSON value, not the names that they go by, nor the program's own codes."""
    if isinstance(plain, dict):
        for name, one in plain.items():
            yield from () if name in CODES else leaves(one)
    elif isinstance(plain, list):
        for one in plain:
            yield from leaves(one)
    else:
        yield str(plain)


def known_texts(program: Program) -> list[str]:
    """Whatever is data: texts of the study, and what people typed; the longest first."""
    found: set[str] = set()
    with program.world.read() as tx:
        published = definitions.current(tx, STUDY)
        assert published
    found |= set(words_in(published.study))
    typed = "SELECT v.value FROM audit_value v JOIN audit_record r ON r.chain = v.chain AND r.seq = v.seq WHERE r.op IN ('set', 'refused')"
    for (value,) in program.ask(typed):
        found |= set(leaves(json.loads(str(value))))
    for (content,) in program.ask("SELECT content FROM study_decision"):
        found |= set(json.loads(content).get("explained", {}).values())
    people = [f"SELECT {column} FROM account" for column in ("username", "name", "email", "organisation")]
    places = ["SELECT name FROM site", "SELECT zone FROM site", "SELECT key FROM subject"]
    reports = ["SELECT ordered_by FROM report", "SELECT why FROM report"]
    documents = ["SELECT name FROM enclosure", "SELECT description FROM enclosure"]
    for statement in (*people, *places, *documents, *reports, "SELECT DISTINCT reason FROM audit_record"):
        found |= {str(one) for (one,) in program.ask(statement)}
    return sorted((text for text in found if LETTERS.search(text)), key=len, reverse=True)


def untranslated(texts: list[str], known: list[str]) -> list[str]:
    """The texts in which words are left that are neither ours nor data."""
    wrong = []
    data = {text.strip() for text in known}
    for text in texts:
        rest, before = HASH.sub(" ", text), ""
        while rest != before:
            before, rest = rest, OURS.sub(" ", rest)
        if " ".join(rest.split()) in data:
            continue
        for one in known:
            if one in rest:
                rest = re.sub(rf"(?<!\w){re.escape(one)}(?!\w)", " ", rest)
        left = [word for word in LETTERS.findall(rest) if word not in PROGRAM and not re.fullmatch(r"v\d*|d\d", word)]
        if left:
            wrong.append(f"{left} in {text!r}")
    return sorted(set(wrong))


def test_the_net_catches_every_message_of_the_program(program: Program) -> None:
    """Without this a data text that happens to say the same could hide a message that nobody translated."""
    known = known_texts(program)
    msgids = [entry.msgid for entry in polib.pofile(str(catalogue_path("en"))) if LETTERS.search(entry.msgid)]
    # What both languages write alike ("Date") cannot be told from data, and nobody would notice either.
    alike = {entry.msgid for entry in polib.pofile(str(catalogue_path("fr"))) if entry.msgid == entry.msgstr}
    slips = [msgid for msgid in msgids if msgid not in alike and not untranslated([msgid], known)]
    assert slips == []


def test_no_page_shows_a_text_that_was_not_translated(
    at_browser: AtBrowser, program: Program, pseudo: str, signed_in: dict[str, StorageState]
) -> None:
    shown: dict[str, set[str]] = {}
    for name in sorted({one.name for one in PAGES}):
        at_browser(name)  # So that a session is there whose cookie opens the other server too.
        reader = at_browser(name, url=pseudo)
        for one in PAGES:
            if one.name == name and not lost(one):
                shown[str(one)] = set(seen(reader, program, one))
    # Only now: opening a page may have recorded what it shows. Most texts stand on many pages: each is looked at once.
    known = known_texts(program)
    told = {text: untranslated([text], known) for text in set().union(*shown.values())}
    wrong = {page: left for page, seen in shown.items() if (left := sorted(each for text in seen for each in told[text]))}
    assert wrong == {}


def seen(reader: Person, program: Program, known: Known) -> list[str]:
    """Every text of the page. Only what is done on a page needs a browser: the others are read as they are sent, which is much faster."""
    if known.then:
        known.open(reader, program)
        page = reader.page.content()
    else:
        answer = reader.page.request.get(reader.url + known.at(program), headers={"Sec-Fetch-Site": "same-origin"})
        assert answer.status == known.status, (known, answer.status)
        page = answer.text()
    assert "⟦" in page, known
    tree = html.document_fromstring(page)
    # A guide is a document for each language, and no message: tests/browser/test_guides.py holds both together.
    passed = tree.xpath(f"//text()[not(ancestor::*[{' or '.join(f'self::{name}' for name in NOT_OURS)} or @data-study or @data-document])]")
    texts = [*passed, *(text for name in SAID for text in tree.xpath(f"//@{name}[not(ancestor::*[@data-document])]"))]
    return [text.strip() for text in texts if text.strip()]


def lost(known: Known) -> bool:
    """A page that ends the session would end it for the pages after it."""
    return known.then is not None and known.then.__name__ == "session_lost"


@pytest.mark.parametrize("kind", sorted(path.stem for path in (ROOT / "templates" / "mail").glob("*.txt")))
@pytest.mark.parametrize("count", [1, 3])
def test_no_mail_says_a_word_that_was_not_translated(kind: str, count: int) -> None:
    values = {"study": "MSC-SSC", "site": "01", "name": "CORA", "username": "CORA", "count": count, "days": 7, "link": "http://127.0.0.1/"}
    values |= {"number": 7, "obligation": "", "over": count > 1, "at_once": False, "hours": count}
    values |= {
        "hour": "2026-11-22T10",
        "at": "2026-11-22 10:05",
        "day": "2026-11-22",
        "job": "audit-verify",
        "size": 7,
        "address": "192.0.2.1",
        "minutes": 60 * count,
    }
    values |= {"stop": "http://127.0.0.1/", "text": "", "sites": [Tally("01", "7", count, count, count)], "checkpoint": "0" * 64}
    changes = ("password", "email", "factor_add", "factor_revoke", "factors_removed", "recovery_codes", "recovery_used")
    for state in {"account": changes, "suspect": ("guessed", "strange")}.get(kind, ("due_soon", "due", "overdue")):
        said = {**values, "at": "2026-11-22 10:31", "state": state, "what": state, "known_at": "2026-11-22"}
        letter = mail.write(kind, PSEUDO, "cora@example.org", "<a@b>", said)
        for line in (letter.subject, *letter.body.splitlines()):
            rest = OURS.sub("", line).replace("http://127.0.0.1/", "")
            assert not LETTERS.search(rest), line


def test_the_printed_report_says_no_word_that_was_not_translated(tmp_path: Path) -> None:
    sample = json.loads((ROOT / "reports/safety/sample.json").read_text(encoding="utf-8"))
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf.render("safety", sample, PSEUDO))
    said = subprocess.run(["pdftotext", str(path), "-"], capture_output=True, text=True, check=True).stdout
    assert "⟦" in said
    known = sorted((text for text in words_in(sample) if LETTERS.search(text)), key=len, reverse=True)
    # A word broken at the end of a line is put together again before it is looked up.
    joined = " ".join(said.replace("-\n", "").split())
    assert untranslated([joined], known) == []
