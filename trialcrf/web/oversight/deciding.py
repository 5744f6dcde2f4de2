"""How many requests wait for the decision of whoever asks: for the navigation, which every page has."""

from __future__ import annotations

from flask import g

from trialcrf.actions.oversight import second
from trialcrf.core.access import may
from trialcrf.core.oversight.four_eyes import DECIDE, RequestState
from trialcrf.store import requests
from trialcrf.store.requests import Request
from trialcrf.store.transaction import Transaction
from trialcrf.web.oversight import knowing


def to_decide(tx: Transaction, study: str) -> int | None:
    """None where the person decides no request at all."""
    actor = g.session.actor
    if not any(may(actor, verb, study) for verb in DECIDE.values()):
        return None
    return sum(decides(tx, one) for one in requests.all_of(tx, study, [RequestState.WAITING]))


def decides(tx: Transaction, one: Request) -> bool:
    """Whether the person grants or refuses this request, and may know of it."""
    return second.may_decide(g.session.actor, one) and knowing.of_request(tx, one)
