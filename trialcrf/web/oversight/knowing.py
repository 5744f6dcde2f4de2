"""Which things that are closed, and which requests about them, the person of this request may know of: one rule for every page."""

from __future__ import annotations

from flask import g

from trialcrf.actions.oversight.lock import Thing, find, may_act
from trialcrf.core.access import may
from trialcrf.core.definition.model import FormDef
from trialcrf.store import definitions, subjects
from trialcrf.store.requests import Request
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard


def thing(tx: Transaction, address: str, verb: str) -> Thing | None:
    """The thing at the address, where the person holds the verb there and may know of it: another site's does not exist."""
    found = find(tx, g.place.published, address)
    if found is None:
        return None
    study, actor = found.study_oid, g.session.actor
    if found.site is not None and not may_act(actor, verb, study, found.site.code):
        return None
    if found.subject is not None and not guard.may_know(found.subject):
        return None
    if found.event is not None and found.site is not None and not guard.may_know_visit(found.event[0], found.site.code):
        return None
    form = form_of(tx, found)
    if form is not None and found.site is not None and not may(actor, f"{form.access}.read", study, found.site.code):
        return None
    return found


def form_of(tx: Transaction, of: Thing) -> FormDef | None:
    """The form that it is, or lies in, under the version that it was filled under."""
    return definitions.read(tx, of.stored.definition_id).study.form[of.stored.key.form_oid] if of.stored else None


def of_request(tx: Transaction, one: Request) -> bool:
    """Whether the person may know of a request: of their sites, and of nothing that they may not read."""
    actor, study = g.session.actor, one.study_oid
    if one.site and not may(actor, "casebook.open", study, one.site):
        return False
    which = subjects.find(tx, study, one.subject) if one.subject else None
    if which is not None and not guard.may_know(which):
        return False
    if not one.site:
        return may(actor, "lock.read", study)
    if one.address.startswith(("visit/", "form/", "item/")):
        return which is None or bool(which.error) or thing(tx, one.address, "casebook.open") is not None
    return True
