"""Data queries: the list, each with its thread, several at once, and how long they wait. Here is what the pages share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask import Blueprint

from trialcrf.core.definition.model import ACCESS
from trialcrf.core.workflow import QueryState
from trialcrf.store import definitions
from trialcrf.store.query_lists import OnlyAt
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard

blueprint = Blueprint("queries", __name__)


def guarded_forms(tx: Transaction, study: str, known: Sequence[str] | Mapping[str, Site], what: str = "read") -> OnlyAt:
    """The forms that have a permission of their own in any version of the study, each with the sites at which the person may read it
    (or `enter` it).

    A visit of which every form is guarded is known (`EVENT/`) where one of them is: what is asked about it may tell what they hold.
    """
    mine = {access: guard.my_sites(f"{access}.{what}") for access in ACCESS if access != "form"}
    found: dict[str, tuple[str, ...]] = {}
    for version in definitions.versions_of(tx, study):
        for form in version.study.forms:
            if form.access in mine:
                at = mine[form.access]
                found[form.oid] = tuple(code for code in found.get(form.oid, known) if at is None or code in at)
        for event in version.study.events:
            held = [version.study.form[ref.form_oid] for ref in event.forms]
            if held and all(form.access in mine for form in held):
                any_ = {code for form in held for code in found[form.oid]}
                found[f"{event.oid}/"] = tuple(code for code in found.get(f"{event.oid}/", known) if code in any_)
    return found


def waiting_for(answers: bool) -> tuple[QueryState, ...]:
    """The states of what waits for who answers queries, or for who judges the answers."""
    return (QueryState.OPEN,) if answers else (QueryState.ANSWERED, QueryState.MODIFIED)
