"""Subjects by a part of their key, and of a subject its visits and forms by their names in either language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flask import g, url_for

from trialcrf.core.access import may
from trialcrf.core.definition.model import Study, StudyEventDef
from trialcrf.core.document import FormKey
from trialcrf.core.search import Sought, compact, fits, parts
from trialcrf.core.sight import eyes_of
from trialcrf.core.wording import N_, Message, Words
from trialcrf.store import definitions, forms, subjects
from trialcrf.store.forms import Standing
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web.finding import MOST, Hit, known_of
from trialcrf.web.queries.lines import form_label, visit_label
from trialcrf.web.subjects import form_line, key_for

EXACT = 0
LOOKED_INTO = 3
"""Subjects whose forms are looked for when a part of a key fits several."""

Near = tuple[int, Subject]


def by_key(tx: Transaction, study: Study, sought: Sought) -> tuple[list[Near], tuple[str, ...]]:
    """The subjects that one of the words names best (or all of them together), and the words that are left."""
    known = known_of(study)
    if not known or not sought.words:
        return [], sought.words
    whole = compact(sought.text)
    best: tuple[list[Near], tuple[str, ...]] = ([], sought.words)
    tried = [(whole, ())] + [(compact(word), (*sought.words[:at], *sought.words[at + 1 :])) for at, word in enumerate(sought.words)]
    for part, rest in tried if len(sought.words) > 1 else tried[:1]:
        # A word without a digit is none of a key's but where it stands alone: "vitals" is no subject.
        if not part or (rest and not any(mark.isdigit() for mark in part)):
            continue
        found = subjects.like(tx, study.oid, part, known, MOST + 1)
        if found and (not best[0] or found[0][0] < best[0][0][0]):
            best = (found, rest)
    return best


def hit_of(study: Study, which: Subject) -> Hit:
    kind = study.subject_type[which.subject_type].label
    return Hit(which.key, url_of(study, which), (kind, Message(N_("Site %(site)s"), {"site": which.site.code})))


def url_of(study: Study, which: Subject) -> str:
    """The page of a person, or of a batch."""
    product = study.is_product(which.subject_type)
    return url_for("batches.one" if product else "subjects.one", study=study.oid, subject=which.key)


def forms_of(tx: Transaction, found: Sequence[Near], words: Sequence[str]) -> list[Hit]:
    """The forms of the nearest subjects whose visit and name answer all these words, the nearest first."""
    asked, hits = parts(words), []
    near = [which for away, which in found if away == found[0][0]][:LOOKED_INTO]
    for which in near if asked else ():
        try:
            study = definitions.for_subject(tx, which).study
        except LookupError:  # Nothing is released to the site any more.
            continue
        if may(g.session.actor, "casebook.open", study.oid, which.site.code):
            hits += list(_forms(tx, study, which, asked))
    return [hit for _, hit in sorted(hits, key=lambda one: one[0])]


def _forms(tx: Transaction, study: Study, which: Subject, asked: Sequence[str]) -> Iterator[tuple[int, Hit]]:
    standing, gone = forms.standings(tx, [which.id]), forms.standings(tx, [which.id], in_error=True)
    eyes = eyes_of(g.session.actor, study.oid, which.site.code)
    for event in study.events_for(which.subject_type):
        of_event = parts((event.oid, *_texts(event.label)))
        for form in (study.form[ref.form_oid] for ref in event.forms):
            away = fits(asked, (*of_event, *parts((form.oid, *_texts(form.label))))) if form.access in eyes else None
            if away is None:
                continue
            for key in _keys(event, form.oid, standing) or [key_for(event, form.oid, 1, standing, gone)]:
                line = form_line(study, which, key, standing)
                label = Message(N_("%(visit)s, %(form)s"), {"visit": visit_label(study, key), "form": form_label(study, key)})
                yield away, Hit(label, line.url, (which.key, Message(STATES[line.state])), line.state)


STATES = {"empty": N_("empty"), "started": N_("begun"), "complete": N_("complete"), "query": N_("with an open query")}
"""How far a form is, in words."""


def _keys(event: StudyEventDef, form_oid: str, standing: Sequence[Standing]) -> list[FormKey]:
    """Where such a form is recorded at the occasion, the latest first."""
    keys = [one.key for one in standing if (one.key.event_oid, one.key.form_oid) == (event.oid, form_oid)]
    return sorted(keys, key=lambda key: (key.event_repeat, key.form_repeat), reverse=True)


def _texts(said: Words) -> tuple[str, ...]:
    return tuple(said.texts.values())
