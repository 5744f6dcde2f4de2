"""The `oversight` part of a study file: what is verified, how the trail is reviewed, whether training opens the door; as data."""

from __future__ import annotations

from trialcrf.core.definition.criteria_load import CriteriaReading
from trialcrf.core.definition.model import Study
from trialcrf.core.definition.oversight import Oversight, ReviewPlan, SamplingRule
from trialcrf.core.definition.source import Located, Places
from trialcrf.core.wording import N_

KEYS = "seed sampling assumption review training access_review_days access_assumption"
REVIEW_KEYS = "late_days night before_lock_days same_reason every_days assumption"
MOST_DAYS = 3650


def oversight(reading: CriteriaReading, node: Located | None) -> Oversight:
    """The plan; without any, a study that asks nothing of its oversight."""
    if node is None:
        return Oversight()
    raw = reading.fields(node, KEYS)
    rules = tuple(_rule(reading, each) for each in reading.many(raw.get("sampling")))
    seed = reading.text(raw.get("seed"))
    drawing = [each for each, rule in zip(reading.many(raw.get("sampling")), rules, strict=True) if rule.percent < 100]
    if drawing and not seed:
        reading.say(drawing[0], N_("A share of the subjects is drawn by the seed of the plan: give “seed”."))
    return Oversight(
        seed=seed,
        sampling=rules,
        review=_review(reading, raw.get("review")),
        training=reading.boolean(raw.get("training")),
        access_review_days=reading.integer(raw.get("access_review_days"), 0, MOST_DAYS),
        assumption=reading.assumption(raw.get("assumption")),
        access_assumption=reading.assumption(raw.get("access_assumption")),
    )


def _rule(reading: CriteriaReading, node: Located) -> SamplingRule:
    raw = reading.fields(node, "forms items percent")
    if "forms" in raw and "items" in raw:
        reading.say(node, N_("A sampling rule names whole forms or single items, not both."))
    forms = tuple(reading.text(each) for each in reading.many(raw.get("forms")))
    items = tuple(reading.text(each) for each in reading.many(raw.get("items")))
    for key, names in (("forms", forms), ("items", items)):
        if key in raw and not names:
            reading.say(raw[key], N_("An empty list would verify everything: leave “%(key)s” out if that is meant."), key=key)
        for name, each in zip(names, reading.many(raw.get(key)), strict=True):
            reading.places["sampled", name] = each
            if names.count(name) > 1:
                reading.say(each, N_("“%(text)s” stands here twice."), text=name)
    return SamplingRule(forms, items, reading.integer(raw.get("percent"), 1, 100, 100))


def _review(reading: CriteriaReading, node: Located | None) -> ReviewPlan:
    if node is None:
        return ReviewPlan()
    raw = reading.fields(node, REVIEW_KEYS)
    return ReviewPlan(
        late_days=reading.integer(raw.get("late_days"), 0, MOST_DAYS),
        night=_night(reading, raw.get("night")),
        before_lock_days=reading.integer(raw.get("before_lock_days"), 0, MOST_DAYS),
        same_reason=reading.integer(raw.get("same_reason"), 0, 100_000),
        every_days=reading.integer(raw.get("every_days"), 0, MOST_DAYS),
        assumption=reading.assumption(raw.get("assumption")),
    )


def _night(reading: CriteriaReading, node: Located | None) -> tuple[int, int]:
    if node is None:
        return 0, 0
    hours = [reading.integer(each, 0, 23) for each in reading.many(node)]
    if len(hours) != 2 or hours[0] == hours[1]:
        reading.say(node, N_("A night is two different hours of the day, from and to: [22, 6]."))
        return 0, 0
    return hours[0], hours[1]


def examine_oversight(study: Study, reading: CriteriaReading, places: Places) -> None:
    """Every form and item that a rule samples is one of the study."""
    for rule in study.oversight.sampling:
        for oid in rule.forms:
            if oid and oid not in study.form:
                reading.say(places["sampled", oid], N_("There is no form “%(oid)s”."), oid=oid)
        for name in rule.items:
            form_oid, _, item_oid = name.partition(".")
            form = study.form.get(form_oid)
            if name and (form is None or item_oid not in form.items):
                reading.say(places["sampled", name], N_("There is no item “%(item)s”: write FORM.ITEM."), item=name)
