"""The catalogues: every message of code and templates is there, in French and in English, with its parameters."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from functools import cache
from pathlib import Path
from types import ModuleType

import polib
import pytest
from babel.messages.catalog import Catalog

from trialcrf.external.language import LANGUAGES, catalogue_path

ROOT = Path(__file__).resolve().parent.parent

each_language = pytest.mark.parametrize("code", LANGUAGES)


@cache
def _messages() -> ModuleType:
    """The program behind `make messages`: the tests collect exactly as it does."""
    spec = importlib.util.spec_from_file_location("messages", ROOT / ".ci" / "messages.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def _template() -> Catalog:
    """Every message of the program, looked for once."""
    found: Catalog = _messages().extracted()
    return found


@cache
def _extracted() -> frozenset[tuple[str, ...]]:
    return frozenset(message.id if isinstance(message.id, tuple) else (message.id,) for message in _template() if message.id)


@cache
def _catalogue(code: str) -> polib.POFile:
    return polib.pofile(str(catalogue_path(code)), encoding="utf-8", check_for_duplicates=True)


def _msgid(entry: polib.POEntry) -> tuple[str, ...]:
    return (entry.msgid, entry.msgid_plural) if entry.msgid_plural else (entry.msgid,)


def _strings(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


def _placeholders(text: str) -> Counter[str]:
    return Counter(re.findall(r"%\(\w+\)[a-z]|%%|%(?![(%])", text))


def test_messages_are_found_in_code_templates_and_documents() -> None:
    files = {file for message in _template() for file, _ in message.locations}
    assert any(file.startswith("trialcrf/core/") for file in files)
    assert any(file.startswith("templates/") for file in files)
    assert any(file.startswith("reports/") for file in files)


@each_language
def test_every_message_is_in_the_catalogue(code: str) -> None:
    missing = _extracted() - {_msgid(entry) for entry in _catalogue(code)}
    assert not missing, f"run `make messages` and translate: {sorted(missing)[:10]} ({len(missing)} in all)"


@each_language
def test_the_catalogue_holds_no_message_that_is_not_used(code: str) -> None:
    unused = {_msgid(entry) for entry in _catalogue(code)} - _extracted()
    assert not unused, f"run `make messages`: {sorted(unused)[:10]}"
    assert not _catalogue(code).obsolete_entries()


@each_language
def test_no_message_is_left_to_translate(code: str) -> None:
    empty = [entry.msgid for entry in _catalogue(code) if not all(_strings(entry)) or not _strings(entry)]
    assert not empty, f"{len(empty)} to translate: {empty[:10]}"
    assert not [entry.msgid for entry in _catalogue(code) if entry.fuzzy]
    assert not _catalogue(code).metadata_is_fuzzy


@each_language
def test_a_translation_has_the_parameters_and_the_markup_of_its_message(code: str) -> None:
    for entry in _catalogue(code):
        for string in _strings(entry):
            # A singular may leave out its number ("one visit"); every other form says all that the message says.
            allowed = [_placeholders(text) for text in _msgid(entry)]
            assert _placeholders(string) in allowed, f"{entry.msgid!r}: {string!r}"
            assert sorted(re.findall(r"</?[a-z]+", string)) == sorted(re.findall(r"</?[a-z]+", entry.msgid)), entry.msgid
            for edge in (str.lstrip, str.rstrip):
                assert (edge(string) == string) == (edge(entry.msgid) == entry.msgid), f"space at an edge: {entry.msgid!r}"


def test_english_says_what_the_message_says() -> None:
    """English messages are their own text: a wording is changed in the code, where a reviewer sees it."""
    assert [entry.msgid for entry in _catalogue("en") if tuple(_strings(entry)) != _msgid(entry)] == []


def test_french_is_not_english() -> None:
    """A long sentence that is the same in both languages was copied, not translated."""
    worded = re.compile(r"[A-Za-z]{3}")  # numbers and units alone are the same in every language
    copied = [
        entry.msgid
        for entry in _catalogue("fr")
        if len(entry.msgid.split()) > 3 and entry.msgstr == entry.msgid and worded.search(re.sub(r"%\(\w+\)\w", "", entry.msgid))
    ]
    assert copied == []


def test_the_catalogues_are_as_make_messages_writes_them() -> None:
    for code in LANGUAGES:
        ids = [message.id for message in _messages().updated(code, _template()) if message.id]
        assert len(ids) == len(_catalogue(code)), "run `make messages`"
