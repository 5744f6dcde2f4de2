"""The subjects about whom a person recorded something last, as the trail has it: nobody is followed from page to page for it."""

from __future__ import annotations

from datetime import timedelta

from flask import g

from trialcrf.core.definition.model import Study
from trialcrf.store import sites, subjects, trails
from trialcrf.store.transaction import Transaction
from trialcrf.web.finding import Hit, known_of
from trialcrf.web.finding.subjects import hit_of

SINCE, SHOWN = timedelta(days=30), 6


def recent(tx: Transaction, study: Study) -> list[Hit]:
    """The last few of them, the latest first; of those only whom the person may know of today."""
    known = known_of(study)
    if not known:
        return []
    # Of a few more than are shown some may be in error, or of another site than the person's today.
    at = [places for places in known.values() if places is not None]
    every = len(at) < len(known)
    where = [one for one in sites.all_of(tx, study.oid) if every or any(one.code in places for places in at)]
    keys = trails.worked_on(tx, where, g.session.actor.username, g.now - SINCE, 2 * SHOWN)
    found = subjects.named(tx, study.oid, keys, known)
    return [hit_of(study, found[key]) for key in keys if key in found][:SHOWN]
