"""Guarding free texts: what of a save must not be recorded of a person, what looks like a name, and the list of names itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from trialcrf.actions import Impossible
from trialcrf.core.checks import Finding
from trialcrf.core.definition.model import DataType, FormDef, Severity
from trialcrf.core.document import Answer, Document, Place
from trialcrf.core.entry import StandingQuery, Submitted, typed_in
from trialcrf.core.oversight import personal
from trialcrf.core.oversight.personal import CHECK, NAME_CHECK, NAME_IN_REASON, NAMED, names_listed
from trialcrf.core.values import asks_day
from trialcrf.core.wording import N_, Message
from trialcrf.core.workflow import UNSETTLED
from trialcrf.store import site_names, subjects
from trialcrf.store.audit import Entry
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

BORN = "BRTHDAT"


def findings(
    tx: Transaction, form: FormDef, subject: Subject, before: Document, submitted: Submitted, standing: Sequence[StandingQuery]
) -> list[Finding]:
    """What the guard says of a save: hard where a text that is new looks like personal data, soft where one contains a listed name.

    A text that stands already stops no save: it was recorded before, and is redacted, not refused. A name is looked for in every answer
    of the form, so that its query goes when the name does; one in a reason stays until somebody settles it, for reasons cannot be changed.
    """
    after = typed_in(before, submitted)
    found = _Guarded(tx, form, subject, after)
    reasons = list(_reasons(form, before, submitted))
    answers = list(_free(form, after))
    fresh = [(place, text) for place, text in answers if text not in _texts(before.at(place))]
    told = [
        Finding(place, Severity.HARD, CHECK, message) for place, text in (*fresh, *reasons) if (message := found.refusal(text)) is not None
    ]
    named = site_names.which_have(tx, [text for _, text in (*answers, *reasons)], subject.site.study_id, subject.site)
    places = dict.fromkeys((place, NAME_CHECK) for place, text in answers if text in named)
    places |= dict.fromkeys((place, NAME_IN_REASON) for place, text in reasons if text in named)
    places |= dict.fromkeys((one.place, NAME_IN_REASON) for one in standing if one.check == NAME_IN_REASON and one.state in UNSETTLED)
    return told + [Finding(place, Severity.SOFT, check, Message(NAMED)) for place, check in places]


class _Guarded:
    """The subject whose texts are judged; the year of birth is looked up only where a text has a number that could be a year."""

    def __init__(self, tx: Transaction, form: FormDef, subject: Subject, after: Document) -> None:
        self._tx, self._form, self._subject, self._after = tx, form, subject, after

    def refusal(self, text: str) -> Message | None:
        return personal.refusal(text, self._year if sum(mark.isdigit() for mark in text) >= 5 else None)

    @cached_property
    def _year(self) -> int | None:
        born = self._form.with_alias(BORN)
        here = self._after.at(Place(born.oid)) if born is not None and not self._form.items[born.oid][0].repeating else None
        texts = [here.text] if here is not None else subjects.answers(self._tx, self._subject, BORN)
        years = [int(text[:4]) for text in texts if text[:4].isdigit()]
        return years[0] if years else None


def _free(form: FormDef, document: Document) -> Iterator[tuple[Place, str]]:
    """Every free text of a form with its place: what is typed in words, and why something is missing. A scanner's code is none."""
    for place, answer in document.places():
        known = form.items.get(place.item)
        row = document.row(place.group, place.row) if place.row else None
        if known is None or (row is not None and row.error):
            continue
        if answer.note:
            yield place, answer.note
        if answer.text and known[1].type is DataType.TEXT and not known[1].identity:
            yield place, answer.text


def _texts(answer: Answer | None) -> tuple[str, ...]:
    return () if answer is None else (answer.text, answer.note)


def _reasons(form: FormDef, before: Document, submitted: Submitted) -> Iterator[tuple[Place, str]]:
    """What was said beside the answers: why they change, why they are right, why a row is in error."""
    for place, text in submitted.reasons.items():
        yield place, text
    for (place, _), text in submitted.confirmations.items():
        yield place, text
    for (group, row_id), text in submitted.removed.items():
        row = before.row(group, row_id)
        if row is not None and text:
            yield Place(next(iter(row.items), next(iter(form.items))), group, row_id), text


def withheld(form: FormDef | None, place: Place, check: str, text: str) -> bool:
    """Whether what was typed at a place must not be told by the trail either, where a save of it was refused."""
    known = form.items.get(place.item) if form is not None else None
    birth = known is not None and not asks_day(known[1])
    return check == CHECK or birth or bool(personal.found_in(text))


def keep_names(tx: Transaction, where: Site, pasted: str) -> int:
    """Replace the site's list of names by what was pasted, one name a line; returns how many there are. Raises Impossible."""
    names = names_listed(pasted)
    if len(names) > site_names.MOST:
        raise Impossible(Message(N_("At most %(count)s names."), {"count": site_names.MOST}), "names")
    if pasted.strip() and not names:
        raise Impossible(Message(N_("No name was found in it: write one name a line.")), "names")
    site_names.replace(tx, where, names)
    return len(names)


def confirm_names(tx: Transaction, chain: str, page: str, reason: str, subject: str = "") -> None:
    """Record that a person saw that a text contains a listed name and why it may stay; the text itself is recorded where it belongs."""
    tx.entries.append(Entry(chain, "confirm_name", site_names.ENTITY, page, "", None, subject, reason, first=True))
