"""The `amendment` part of a study file: what this version asks of those who take part already."""

from __future__ import annotations

from collections.abc import Collection

from trialcrf.core.definition.amendment import Amendment, FormPolicy, Policy
from trialcrf.core.definition.criteria_load import CriteriaReading
from trialcrf.core.definition.source import Located
from trialcrf.core.wording import N_

KEYS = "label approval reconsent default visits policies"
_ALL = tuple(policy.value for policy in Policy)


def amendment(reading: CriteriaReading, node: Located | None, forms: Collection[str]) -> Amendment | None:
    """The amendment; None for a version that changes nothing for those who take part already. A policy may name a form that is gone."""
    if node is None:
        return None
    raw = reading.fields(node, KEYS, "label")
    policies = tuple(
        FormPolicy(oid, Policy(reading.one_of(each, _ALL, Policy.NEW_RECORDS.value)))
        for oid, each in (reading.entries(raw["policies"]).items() if "policies" in raw else ())
    )
    default = Policy(reading.one_of(raw.get("default"), _ALL, Policy.NEW_RECORDS.value))
    for one in policies:
        if one.form not in forms and one.policy is not Policy.NEW_SUBJECTS:
            reading.say(
                raw["policies"], N_("There is no form “%(form)s”: one that is gone can only be kept for new subjects’ sake."), form=one.form
            )
    return Amendment(
        label=reading.words(raw.get("label")),
        approval=reading.boolean(raw.get("approval"), True),
        reconsent=reading.boolean(raw.get("reconsent")),
        default=default,
        visits=Policy(reading.one_of(raw.get("visits"), (Policy.ALL.value, Policy.NEW_SUBJECTS.value), Policy.ALL.value)),
        policies=policies,
    )
