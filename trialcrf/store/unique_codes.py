"""Answers that stand once in a study, as a projection with a key: the database itself refuses the second of two at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from trialcrf.core.definition.model import FormDef
from trialcrf.core.document import Document, Place
from trialcrf.core.facts import UniqueCode
from trialcrf.core.facts import unique_codes as codes_of
from trialcrf.store.models import form, subject, unique_code
from trialcrf.store.transaction import Transaction


class Taken(Exception):
    """Another form gives this answer. On PostgreSQL nothing more can be read in this transaction."""

    def __init__(self, place: Place) -> None:
        super().__init__(f"taken: {place}")
        self.place = place


def taken(tx: Transaction, study_id: int, codes: Sequence[UniqueCode], but_form: int | None) -> dict[UniqueCode, tuple[str, int]]:
    """Those of the codes that another living form holds: the key of its subject, and its id."""
    found = {}
    for one in codes:
        where = (unique_code.c.study_id == study_id, unique_code.c.item == one.item, unique_code.c.text == one.text)
        joined = unique_code.join(form, form.c.id == unique_code.c.form_id).join(subject, subject.c.id == form.c.subject_id)
        row = tx.read(select(subject.c.key, unique_code.c.form_id).select_from(joined).where(*where)).first()
        if row is not None and row.form_id != but_form:
            found[one] = (row.key, row.form_id)
    return found


def apply(tx: Transaction, study_id: int, form_id: int, before: Iterable[UniqueCode], after: Iterable[UniqueCode]) -> None:
    """Give back what the form no longer says and take what it says now. Raises Taken."""
    was = {(one.item, one.text, one.place.row): one for one in before}
    now = {(one.item, one.text, one.place.row): one for one in after}
    for key in sorted(was.keys() - now.keys()):
        where = (unique_code.c.study_id == study_id, unique_code.c.item == key[0], unique_code.c.text == key[1])
        tx.project(unique_code, delete(unique_code).where(*where, unique_code.c.form_id == form_id, unique_code.c.row == key[2]))
    for item, text, row in sorted(now.keys() - was.keys()):
        values = {"study_id": study_id, "item": item, "text": text, "form_id": form_id, "row": row}
        try:
            tx.project(unique_code, insert(unique_code), values)
        except IntegrityError:
            raise Taken(now[item, text, row].place) from None


def give_back(tx: Transaction, form_id: int) -> None:
    """What a form that was marked in error said is anybody's again."""
    tx.project(unique_code, delete(unique_code).where(unique_code.c.form_id == form_id))


def give_back_all(tx: Transaction, subject_id: int) -> None:
    """The same for every form of a subject that was marked in error."""
    mine = select(form.c.id).where(form.c.subject_id == subject_id)
    tx.project(unique_code, delete(unique_code).where(unique_code.c.form_id.in_(mine)))


def by_form(tx: Transaction) -> dict[int, set[tuple[str, str, str]]]:
    """All that is held: (item, text, row) by form."""
    found: dict[int, set[tuple[str, str, str]]] = {}
    for row in tx.read(select(unique_code)):
        found.setdefault(row.form_id, set()).add((row.item, row.text, row.row))
    return found


def of_document(asked: FormDef, document: Document) -> set[tuple[str, str, str]]:
    """What a living document holds, as `by_form` gives it."""
    return {(one.item, one.text, one.place.row) for one in codes_of(asked, document)}
