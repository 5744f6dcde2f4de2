"""What a stored form has still to be told when it is opened: doubts, notes and what is missing, with the queries that stand beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from trialcrf.actions.enter import Opened
from trialcrf.actions.safety import coding
from trialcrf.core import checks
from trialcrf.core.checks import Finding
from trialcrf.core.definition.model import Severity, Study
from trialcrf.core.document import Document, Place
from trialcrf.core.wording import Sayable
from trialcrf.core.workflow import QueryState
from trialcrf.store.queries import Query
from trialcrf.store.transaction import Transaction
from trialcrf.store.verifications import Verified
from trialcrf.web.forms.drawn import Mark


def standing_findings(tx: Transaction, opened: Opened, document: Document, held: Sequence[Query]) -> tuple[Finding, ...]:
    """What a stored form has still to be told: its doubts, its notes, and what is missing. A blank form is not scolded."""
    if opened.stored is None:
        return ()
    accepted = {(one.place, one.check) for one in held if one.state in (QueryState.CLOSED, QueryState.CANCELLED)}
    coded = coding.findings(tx, opened.published.study, opened.form, document, opened.stored.document)
    return tuple(
        finding
        for finding in (*checks.run(opened.form, document, opened.context), *coded)
        if (finding.place, finding.check) not in accepted and finding.severity is not Severity.HARD
    )


def confirmed(study: Study, held: Sequence[Query]) -> dict[tuple[Place, str], Sayable | str]:
    found: dict[tuple[Place, str], Sayable | str] = {}
    for one in held:
        if one.state is not QueryState.OPEN and one.answer:
            found[one.place, one.check] = study.confirmations.label_of(one.answer) or one.answer
    return found


def marks(document: Document, held: Sequence[Query]) -> dict[Place, Mark]:
    found = {place: Mark("history") for place, _ in document.places()}
    for state in (QueryState.CLOSED, QueryState.MODIFIED, QueryState.ANSWERED, QueryState.OPEN):
        for one in held:
            if one.state is state:
                found[one.place] = Mark(state.value, sum(1 for other in held if other.place == one.place))
    return found


def proven(found: Mapping[Place, Mark], checked: Mapping[Place, Verified]) -> dict[Place, Mark]:
    """The same markers, with what became of the verification of each value."""
    said = {place: "verified" if one.standing else "changed" for place, one in checked.items()}
    return {**found, **{place: replace(found.get(place, Mark()), verified=state) for place, state in said.items()}}
