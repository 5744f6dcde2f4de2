"""Searching a dictionary: as JSON while a term is typed, as a page for whoever has no script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, abort, g, jsonify, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions.safety import coding
from trialcrf.actions.safety.coding import Book
from trialcrf.core.dictionary import KINDS, Term, folded
from trialcrf.core.wording import N_, Message, Words
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb

blueprint = Blueprint("dictionaries", __name__)

LONGEST_QUERY = 250
"""In characters: no term is longer."""


@page(blueprint, "/studies/<study>/dictionaries/<kind>", "dictionary.read")
def found(study: str, kind: str) -> Response:
    """At most twenty terms that `q` finds, the best first: a list of term, class, grades with their texts, definition and note.

    `edition` asks for another version than that of the study's newest definition: a form stays with the one it was begun under.
    """
    with guard.read() as tx:
        terms = coding.search(tx, _book(tx, kind), _asked())
    classes = coding.class_labels(g.place.published.study)
    return jsonify([_plain(one, classes) for one in terms])


@page(blueprint, "/studies/<study>/dictionaries/<kind>/search", "dictionary.read")
def shown(study: str, kind: str) -> str:
    """The same for reading: the term is copied into the form by hand."""
    with guard.read() as tx:
        book = _book(tx, kind)
        terms = coding.search(tx, book, _asked())
    classes = coding.class_labels(g.place.published.study)
    name = KINDS[kind]
    return render_template(
        "dictionaries/search.html",
        shell=shell(),
        crumbs=[Crumb(g.place.published.study.title)],
        named=book.named,
        starter=book.loaded is None,
        heading=Message(N_("Look up a term of %(dictionary)s"), {"dictionary": book.named or name}),
        query=_asked(),
        edition=request.args.get("edition", "")[:20],
        terms=[(one, classes.get(folded(one.soc)) or one.soc) for one in terms],
        action=url_for("dictionaries.shown", study=study, kind=kind),
    )


def _asked() -> str:
    return request.args.get("q", "").strip()[:LONGEST_QUERY]


def _book(tx: Transaction, kind: str) -> Book:
    """The dictionary that the address names; 404 where there is none of this kind."""
    book = coding.book_of(tx, g.place.published.study, kind, request.args.get("edition", "")[:20])
    if book is None:
        abort(404)
    return book


def _plain(one: Term, classes: Mapping[str, Words]) -> dict[str, Any]:
    label = classes.get(folded(one.soc))
    return {
        "term": one.term,
        "also": one.also if g.language.code == "fr" else "",
        "parent": one.parent_term if one.parent_term != one.term else "",
        "soc": one.soc,
        "class": label.in_(g.language.code) if label else one.soc,
        "grades": dict(one.grades),
        "definition": one.definition,
        "note": one.note,
    }
