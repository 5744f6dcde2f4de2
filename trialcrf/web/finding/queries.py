"""Queries by their number, or by the words of what is asked, within what the list of queries shows to the person."""

from __future__ import annotations

from collections.abc import Sequence

from flask import g

from trialcrf.core.access import may
from trialcrf.core.definition.model import Study
from trialcrf.core.search import folded
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.core.workflow import UNSETTLED, QueryState
from trialcrf.external.language import LANGUAGES, Language
from trialcrf.store import query_lists, sites
from trialcrf.store.queries import Query
from trialcrf.store.query_lists import Narrower
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.finding import MOST, Hit
from trialcrf.web.queries import guarded_forms
from trialcrf.web.queries.lines import line_of, study_of

SHORTEST, LOOKED_AT = 3, 200
"""Letters that a word needs to be looked for; queries of which each search looks at the words."""

_ORDER = (
    tuple(state for state in QueryState if state in UNSETTLED),
    tuple(state for state in QueryState if state not in UNSETTLED),
)
"""What waits comes first."""


def found(tx: Transaction, study: Study, number: int | None, words: Sequence[str], which: Subject | None) -> list[Hit]:
    """The queries with this number, and those with all these words, of one subject where one is named besides."""
    if not may(g.session.actor, "query.read", study.oid):
        return []
    mine = guard.my_sites("query.read")
    known = {one.code: one for one in sites.all_of(tx, study.oid) if mine is None or one.code in mine}
    said = tuple(folded(word) for word in words)
    wanted = []
    if number is not None:
        wanted.append(Narrower(number=number))
    elif said and all(len(word) >= SHORTEST for word in said):
        wanted.append(Narrower(words=said, subject=which.key if which else ""))
    only_at = guarded_forms(tx, study.oid, known)
    hits: list[Query] = []
    for narrower in wanted:
        for states in _ORDER:
            if len(hits) <= MOST:
                some = query_lists.all_of(tx, study.oid, sorted(known), states, 0, LOOKED_AT, only_at, narrower)
                hits += [one for one in some if narrower.number is not None or _says(one.message, said)]
    return [_hit(tx, one, known[one.site]) for one in hits[: MOST + 1]]


def _says(message: Sayable, words: Sequence[str]) -> bool:
    said = folded(" ".join(Language(code).say(message) for code in LANGUAGES))
    return all(word in said for word in words)


def _hit(tx: Transaction, one: Query, site: sites.Site) -> Hit:
    line = line_of(one, study_of(tx, one), site)
    label = Message(N_("Query %(number)s, %(subject)s"), {"number": str(one.id), "subject": one.subject})
    about = tuple(said for said in (line.visit, line.form, line.message) if said)
    return Hit(label, line.url, (*about, line.word), "query")
