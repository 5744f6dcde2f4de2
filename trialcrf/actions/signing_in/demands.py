"""What is asked of whom before they get in: a second factor by role, a password that is not too old where the study insists."""

from __future__ import annotations

from datetime import datetime, timedelta

from trialcrf.core.access import Actor
from trialcrf.core.definition.model import Study
from trialcrf.store import accounts, definitions, factors
from trialcrf.store.transaction import Transaction


def needs_factor(tx: Transaction, actor: Actor, administrators: bool) -> bool:
    """Whether one of the person's roles asks for a second factor; of administrators it is asked where the installation says so."""
    for grant in actor.grants:
        if grant.role == "administrator":
            if administrators:
                return True
            continue
        published = definitions.current(tx, grant.study)
        if published is not None and grant.role in published.study.sign_in.second_factor:
            return True
    return False


def lacks_factor(tx: Transaction, actor: Actor, administrators: bool) -> bool:
    """Whether a second factor is asked of the person and there is none. Asked with every request."""
    return needs_factor(tx, actor, administrators) and not factors.any_of(tx, actor.id)


def password_too_old(tx: Transaction, actor: Actor, study: Study, now: datetime) -> bool:
    """Whether the study wants a newer password than the person has. Of a password from before this was noted the account's day counts."""
    if study.sign_in.password_days == 0:
        return False
    found = accounts.by_id(tx, actor.id)
    assert found is not None
    return (found.password_set_at or found.created_at) + timedelta(days=study.sign_in.password_days) < now
