"""Items that are coded by a dictionary, as they are drawn: where the page searches, and what the grades of the term say."""

from __future__ import annotations

from dataclasses import dataclass, field

from flask import url_for

from trialcrf.actions.enter import Opened
from trialcrf.actions.safety import coding
from trialcrf.actions.safety.coding import Book
from trialcrf.core.dictionary import Term
from trialcrf.core.document import Document, Place
from trialcrf.store.transaction import Transaction
from trialcrf.web.forms.drawn import Graded, Lookup
from trialcrf.web.forms.webform import key_of


@dataclass(frozen=True)
class Lookups:
    """What a page of a form knows of the dictionaries of its items; `known` are the terms that stand in it now."""

    opened: Opened
    books: dict[str, Book]
    known: dict[Place, Term] = field(default_factory=dict)

    def lookup(self, place: Place) -> Lookup | None:
        """How the term at this place is looked up; None where no dictionary serves."""
        book = self.books.get(place.item)
        if book is None:
            return None
        spot = coding.spot(self.opened.form, self.opened.form.items[place.item][1], place, Document())
        study, known = self.opened.published.study.oid, self.known.get(place)
        return Lookup(
            url=url_for("dictionaries.found", study=study, kind=book.kind, edition=book.version),
            page=url_for("dictionaries.shown", study=study, kind=book.kind, edition=book.version),
            named=book.named,
            grade=_name(spot.grade) if spot.grade else "",
            class_=_name(spot.class_) if spot.class_ else "",
            graded=_graded_id(spot.grade) if spot.grade else "",
            known={"term": known.term, "grades": dict(known.grades)} if known else None,
        )

    def graded(self, place: Place) -> Graded | None:
        """What the term says of the grades that are chosen at this place; None where no coded term is graded there."""
        form = self.opened.form
        _, item = form.items[place.item]
        if "AETOXGR" not in item.aliases or not self.books:
            return None
        for oid in self.books:
            beside = Place(oid, place.group, place.row) if form.items[oid][0].repeating else Place(oid)
            if coding.spot(form, form.items[oid][1], beside, Document()).grade != place:
                continue
            known = self.known.get(beside)
            if known is None or not known.grades:
                return Graded(_graded_id(place))
            codes = [code.code for code in item.codelist.items] if item.codelist else []
            said = tuple((code, known.grades[code]) for code in codes if known.grades.get(code))
            return Graded(_graded_id(place), known.term, said, tuple(code for code in codes if code not in known.grades))
        return None


def lookups_of(tx: Transaction, opened: Opened, document: Document) -> Lookups:
    """The dictionaries of a form's items, in the version of the definition that the form is filled under."""
    books: dict[str, Book] = {}
    study = opened.published.study
    for _, item in opened.form.items.values():
        book = coding.book_of(tx, study, item.dictionary) if item.dictionary else None
        if book is not None:
            books[item.oid] = book
    known: dict[Place, Term] = {}
    for spot in coding.spots(opened.form, document):
        answer, book = document.at(spot.term), books.get(spot.item.oid)
        term = coding.term_of(tx, book, answer.text) if book and answer and answer.text else None
        if term is not None:
            known[spot.term] = term
    return Lookups(opened, books, known)


def _name(place: Place) -> str:
    return ("r." if place.row else "i.") + key_of(place)


def _graded_id(place: Place) -> str:
    return _name(place).replace(".", "-") + "-grades"
