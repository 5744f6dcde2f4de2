"""Coding events while they are entered: the dictionary that a study names, what it says of a form, the class a term brings along."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from trialcrf.core.checks import Finding
from trialcrf.core.definition.model import FormDef, ItemDef, Severity, Study
from trialcrf.core.dictionary import KINDS, Coded, Doubt, Index, Term, folded, judge, no_such_grade
from trialcrf.core.document import Answer, Document, Place
from trialcrf.core.entry import Submitted, typed_in
from trialcrf.core.values import Unreadable
from trialcrf.core.wording import Words
from trialcrf.external import term_files
from trialcrf.store import dictionaries
from trialcrf.store.dictionaries import Dictionary
from trialcrf.store.transaction import Transaction

MOST = 20
"""How many terms a search gives."""


@dataclass(frozen=True, slots=True)
class Book:
    """What a study codes by. Nothing `loaded`: the starter list of our own serves, which CTCAE alone has."""

    kind: str
    version: str
    loaded: Dictionary | None
    starter: tuple[Term, ...] = ()

    @property
    def named(self) -> str:
        """What people read: “CTCAE 5.0”."""
        return f"{KINDS[self.kind]} {self.version}".strip()


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a coded term stands, and what is judged beside it: in the same row, or outside rows. `course` are grades of a course."""

    item: ItemDef
    term: Place
    grade: Place | None
    class_: Place | None
    words: Place | None
    course: tuple[Place, ...] = ()


def book_of(tx: Transaction, study: Study, kind: str, version: str = "") -> Book | None:
    """The dictionary of this kind in the version that the study names (or in this one); None where none serves."""
    if kind not in KINDS:
        return None
    named = version or (getattr(study.safety, kind) if study.safety else "")
    loaded = dictionaries.find(tx, kind, named) if named else None
    if loaded is None and kind != "ctcae":
        return None
    return Book(kind, named, loaded, () if loaded else term_files.starter(named))


def term_of(tx: Transaction, book: Book, text: str) -> Term | None:
    """The term that is written so, in the dictionary's own language or (starter list) in French."""
    if book.loaded is not None:
        return dictionaries.term_of(tx, book.loaded, text)
    wanted = folded(text)
    return next((one for one in book.starter if wanted and wanted in (folded(one.term), folded(one.also))), None)


def search(tx: Transaction, book: Book, query: str, limit: int = MOST) -> list[Term]:
    """The terms that a query finds, the best first."""
    if book.loaded is not None:
        return dictionaries.search(tx, book.loaded, query, limit)
    return [book.starter[number] for number in Index.of(book.starter).find(query, limit)]


def spots(form: FormDef, document: Document) -> Iterator[Spot]:
    """Every place of a coded term in a form as it stands; rows in error are left out."""
    for group, item in form.items.values():
        if not item.dictionary:
            continue
        if not group.repeating:
            yield spot(form, item, Place(item.oid), document)
            continue
        for row in document.rows.get(group.oid, ()):
            if not row.error:
                yield spot(form, item, Place(item.oid, group.oid, row.id), document)


def spot(form: FormDef, item: ItemDef, term: Place, document: Document) -> Spot:
    """What is judged beside the term at this place; words are those for “Other, specify”, else the event as the site told it."""

    def beside(alias: str) -> Place | None:
        found = form.with_alias(alias)
        group = form.items[found.oid][0] if found else None
        if found is None or group is None or (group.repeating and group.oid != term.group):
            return None
        return Place(found.oid, group.oid, term.row) if group.repeating else Place(found.oid)

    return Spot(
        item,
        term,
        beside("AETOXGR"),
        beside("AEBODSYS"),
        beside("AESPEC") or beside("AETERM"),
        () if term.row else tuple(_course(form, document)),
    )


def _course(form: FormDef, document: Document) -> Iterator[Place]:
    found = form.with_alias("AECGRADE")
    group = form.items[found.oid][0] if found else None
    if found is not None and group is not None and group.repeating:
        yield from (Place(found.oid, group.oid, row.id) for row in document.rows.get(group.oid, ()) if not row.error)


def filled(tx: Transaction, study: Study, form: FormDef, before: Document, submitted: Submitted) -> Submitted:
    """What was typed, with each known term in the spelling of its dictionary and its class where the box of the class is blank.

    Only where the term or the class was on the page. A form without a coded item is given back as it is, and costs no query.
    """
    typed = typed_in(before, submitted)
    more: dict[Place, Answer | Unreadable | None] = {}
    for one in spots(form, typed):
        text = _text(typed, one.term)
        if not text or (one.term not in submitted.answers and one.class_ not in submitted.answers):
            continue
        book = book_of(tx, study, one.item.dictionary)
        known = term_of(tx, book, text) if book else None
        if known is None:
            continue
        if one.term in submitted.answers and text != known.term:
            more[one.term] = Answer(known.term)
        if one.class_ and typed.at(one.class_) is None and not isinstance(submitted.answers.get(one.class_), Unreadable):
            code = _class_code(form, one.class_, known)
            if code:
                more[one.class_] = Answer(code)
    return replace(submitted, answers={**submitted.answers, **more}) if more else submitted


def findings(tx: Transaction, study: Study, form: FormDef, document: Document, before: Document | None = None) -> list[Finding]:
    """What the dictionaries say of a form.

    What stood so before this save is doubted at most: a file that was loaded later must not lock what a site recorded earlier.
    """
    found: list[Finding] = []
    for one in spots(form, document):
        text = _text(document, one.term)
        book = book_of(tx, study, one.item.dictionary) if text else None
        if book is None:
            continue
        known = term_of(tx, book, text)
        coded = Coded(text, _text(document, one.grade), _text(document, one.class_), _text(document, one.words))
        doubts = judge(coded, known, book.named, book.loaded is not None, _class_label(form, one.class_, known))
        places = {"term": one.term, "grade": one.grade, "words": one.words, "class": one.class_}
        told = [(places[doubt.about] or one.term, doubt) for doubt in doubts]
        if known is not None and known.grades:
            course = ((place, _text(document, place)) for place in one.course)
            told += [
                (place, Doubt("grade", Severity.HARD, no_such_grade(known, grade, book.named)))
                for place, grade in course
                if grade and grade not in known.grades
            ]
        for place, doubt in told:
            stood = before is not None and all(before.at(at) == document.at(at) for at in (one.term, place))
            severity = Severity.SOFT if stood and doubt.severity is Severity.HARD else doubt.severity
            found.append(Finding(place, severity, doubt.check, doubt.message))
    return found


def class_labels(study: Study) -> dict[str, Words]:
    """The classes as the study's own words have them, by their folded code."""
    items = (form.with_alias("AEBODSYS") for form in study.forms)
    lists = (item.codelist for item in items if item is not None and item.codelist is not None)
    return {folded(each.code): each.label for codes in lists for each in codes.items}


def _text(document: Document, place: Place | None) -> str:
    answer = document.at(place) if place else None
    return answer.text if answer else ""


def _class_code(form: FormDef, place: Place, known: Term) -> str:
    codes = form.items[place.item][1].codelist
    return next((one.code for one in codes.items if folded(one.code) == folded(known.soc)), "") if codes else ""


def _class_label(form: FormDef, place: Place | None, known: Term | None) -> Words | None:
    codes = form.items[place.item][1].codelist if place else None
    code = _class_code(form, place, known) if place and known else ""
    return codes.label_of(code) if codes and code else None
