"""The `sign_in` part of a study file: which roles need a second factor, and how long a password is good; as data."""

from __future__ import annotations

from trialcrf.core.access import ROLES
from trialcrf.core.definition.criteria_load import CriteriaReading
from trialcrf.core.definition.signing_in import SigningIn
from trialcrf.core.definition.source import Located
from trialcrf.core.wording import N_

KEYS = "second_factor password_days assumption"
FEWEST_DAYS, MOST_DAYS = 30, 3650


def signing_in(reading: CriteriaReading, node: Located | None) -> SigningIn:
    """The demands of a study; without any, a password is enough and never too old."""
    if node is None:
        return SigningIn()
    raw = reading.fields(node, KEYS)
    roles: list[str] = []
    for each in reading.many(raw.get("second_factor")):
        role = reading.one_of(each, (code for code in ROLES if code != "administrator"))
        if role in roles:
            reading.say(each, N_("“%(text)s” stands here twice."), text=role)
        elif role:
            roles.append(role)
    return SigningIn(
        second_factor=tuple(roles),
        password_days=reading.integer(raw.get("password_days"), FEWEST_DAYS, MOST_DAYS),
        assumption=reading.assumption(raw.get("assumption")),
    )
