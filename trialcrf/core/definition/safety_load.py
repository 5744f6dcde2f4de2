"""The `safety` part of a study file: what is counted, who must be told by when, what is expected, when it is too much."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import TypeVar

from trialcrf.core.access import ROLES
from trialcrf.core.definition.codes import CodeList
from trialcrf.core.definition.criteria_load import CriteriaReading
from trialcrf.core.definition.safety import (
    CONCERNS,
    STARTS,
    Cohort,
    Emergence,
    ExpectedTerm,
    Obligation,
    ReferenceSafety,
    SafetySettings,
    SponsorParty,
    StoppingRule,
    SuspectProduct,
)
from trialcrf.core.definition.source import Located
from trialcrf.core.wording import N_

KEYS = (
    "population severity_alias severities severe_from arm_alias arms dictionary notes ctcae meddra consent emergence primary_days regime "
    "obligations reference_safety stopping cohorts product sponsor blinded related"
)
REQUIRED = "population severity_alias severities severe_from"
OBLIGATION_KEYS = "oid label concerns starts sender recipient regime subject_types hours days at_once after source assumption"
STOPPING_KEYS = "prior limit threshold subjects grade_from looks assumption"

_ZONE = re.compile(r"[A-Za-z_+-]+(/[A-Za-z0-9_+-]+)*")
_COUNTRY = re.compile(r"[A-Z]{2}")
_VERSION = re.compile(r"[0-9]{1,2}\.[0-9]")


_T = TypeVar("_T")
_Read = Callable[[CriteriaReading, Located], _T]
_NOTHING = CodeList("", ())


def safety(reading: CriteriaReading, node: Located | None) -> SafetySettings | None:
    """The settings; None for a study that does not say how its events are counted."""
    if node is None:
        return None
    raw = reading.fields(node, KEYS, REQUIRED)
    for key in KEYS.split():
        reading.places["safety", key] = raw.get(key, node)
    return SafetySettings(
        population=reading.text(raw.get("population")),
        severity_alias=reading.one_of(raw.get("severity_alias"), ("AETOXGR", "AESEV"), "AETOXGR"),
        severities=reading.codelist(raw.get("severities")) or _NOTHING,
        severe_from=reading.text(raw.get("severe_from")),
        arm_alias=reading.text(raw.get("arm_alias"), "ACTARM"),
        arms=reading.codelist(raw.get("arms")),
        dictionary=reading.words(raw.get("dictionary")),
        notes=tuple(reading.words(each) for each in reading.many(raw.get("notes"))),
        ctcae=_version(reading, raw.get("ctcae")),
        meddra=_version(reading, raw.get("meddra")),
        consent=reading.text(raw.get("consent")),
        emergence=tuple(_emergence(reading, each) for each in reading.many(raw.get("emergence"))),
        primary_days=reading.integer(raw.get("primary_days"), 0, 3650),
        regime=reading.text(raw.get("regime")),
        obligations=_unique(reading, raw.get("obligations"), _obligation, lambda one: one.oid),
        reference_safety=_unique(reading, raw.get("reference_safety"), _reference_safety, lambda one: one.version),
        stopping=_stopping(reading, raw.get("stopping")),
        cohorts=_unique(reading, raw.get("cohorts"), _cohort, lambda one: one.code),
        product=_product(reading, raw.get("product")),
        sponsor=_sponsor(reading, raw.get("sponsor")),
        blinded=reading.boolean(raw.get("blinded")),
        related=tuple(reading.text(each) for each in reading.many(raw["related"])) if "related" in raw else ("RELATED",),
    )


def _unique(
    reading: CriteriaReading, node: Located | None, read: Callable[[CriteriaReading, Located], _T], key: Callable[[_T], str]
) -> tuple[_T, ...]:
    found: dict[str, _T] = {}
    for each in reading.many(node):
        one = read(reading, each)
        if key(one) in found:
            reading.say(each, N_("“%(text)s” stands here twice."), text=key(one))
        found[key(one)] = one
    return tuple(found.values())


def _version(reading: CriteriaReading, node: Located | None) -> str:
    text = reading.text(node)
    if node is not None and text and not _VERSION.fullmatch(text):
        reading.say(node, N_("The version of a dictionary is written as “5.0”, in quotation marks."))
    return text


def _emergence(reading: CriteriaReading, node: Located) -> Emergence:
    raw = reading.fields(node, "subject_type anchor", "subject_type anchor")
    return Emergence(reading.text(raw.get("subject_type")), reading.text(raw.get("anchor")))


def _obligation(reading: CriteriaReading, node: Located) -> Obligation:
    raw = reading.fields(node, OBLIGATION_KEYS, "oid label concerns starts sender recipient")
    given = [key for key in ("hours", "days", "at_once") if key in raw]
    if len(given) != 1:
        reading.say(node, N_("An obligation has one term: hours, days, or at_once."))
    starts, after = reading.one_of(raw.get("starts"), STARTS, STARTS[0]), reading.text(raw.get("after"))
    if (starts == "submission") != bool(after):
        reading.say(node, N_("A clock that starts with a submission names the obligation that was met by it (“after”); no other does."))
    return Obligation(
        oid=reading.oid(raw.get("oid")),
        label=reading.words(raw.get("label")),
        concerns=reading.one_of(raw.get("concerns"), CONCERNS, CONCERNS[0]),
        starts=starts,
        sender=reading.one_of(raw.get("sender"), tuple(ROLES), "sponsor"),
        recipient=reading.words(raw.get("recipient")),
        regime=reading.text(raw.get("regime")),
        subject_types=tuple(reading.text(each) for each in reading.many(raw.get("subject_types"))),
        hours=reading.integer(raw.get("hours"), 1, 720) if "hours" in raw else 0,
        days=reading.integer(raw.get("days"), 1, 366) if "days" in raw else 0,
        at_once=reading.boolean(raw.get("at_once")),
        after=after,
        source=reading.text(raw.get("source")),
        assumption=reading.assumption(raw.get("assumption")),
    )


def _day(reading: CriteriaReading, node: Located | None) -> str:
    text = reading.text(node)
    if node is not None and text:
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError:
            reading.say(node, N_("A day is written as 2026-01-31."))
    return text


def _reference_safety(reading: CriteriaReading, node: Located) -> ReferenceSafety:
    raw = reading.fields(node, "version valid_from valid_to terms", "version valid_from")
    valid_from, valid_to = _day(reading, raw.get("valid_from")), _day(reading, raw.get("valid_to"))
    if valid_from and valid_to and valid_to < valid_from:
        reading.say(raw["valid_to"], N_("The end lies before the beginning."))
    return ReferenceSafety(reading.text(raw.get("version")), valid_from, valid_to, tuple(_terms(reading, raw.get("terms"))))


def _terms(reading: CriteriaReading, node: Located | None) -> list[ExpectedTerm]:
    found = []
    for each in reading.many(node):
        raw = reading.fields(each, "term most fatal", "term most")
        found.append(ExpectedTerm(reading.text(raw.get("term")), reading.text(raw.get("most")), reading.boolean(raw.get("fatal"))))
    return found


def _stopping(reading: CriteriaReading, node: Located | None) -> StoppingRule | None:
    if node is None:
        return None
    raw = reading.fields(node, STOPPING_KEYS, "prior limit threshold subjects grade_from")
    prior = reading.many(raw.get("prior"))
    if "prior" in raw and len(prior) != 2:
        reading.say(raw["prior"], N_("A beta prior has two parameters, such as [0.2, 0.8]."))
    a, b = ([_positive(reading, each) for each in prior] + ["1", "1"])[:2]
    limit, threshold = (_share(reading, raw.get(key)) for key in ("limit", "threshold"))
    subjects = reading.integer(raw.get("subjects"), 1, 1000, 1)
    looks = tuple(reading.integer(each, 1, 1000) for each in reading.many(raw.get("looks")))
    if list(looks) != sorted(set(looks)) or any(look > subjects for look in looks):
        reading.say(raw["looks"], N_("The looks are numbers of subjects, in ascending order, none greater than all of them."))
    return StoppingRule(
        a, b, limit, threshold, subjects, reading.text(raw.get("grade_from")), looks, reading.assumption(raw.get("assumption"))
    )


def _positive(reading: CriteriaReading, node: Located) -> str:
    text = reading.decimal(node) or ""
    if not text or float(text) <= 0:
        reading.say(node, N_("A number greater than 0 is expected here."))
        return "1"
    return text


def _share(reading: CriteriaReading, node: Located | None) -> str:
    if node is None:
        return "0.5"
    text = reading.decimal(node) or ""
    if not text or not 0 < float(text) < 1:
        reading.say(node, N_("A number between 0 and 1 is expected here."))
        return "0.5"
    return text


def _cohort(reading: CriteriaReading, node: Located) -> Cohort:
    raw = reading.fields(node, "code planned gated", "code planned")
    return Cohort(reading.text(raw.get("code")), reading.integer(raw.get("planned"), 1, 10000, 1), reading.boolean(raw.get("gated")))


def _product(reading: CriteriaReading, node: Located | None) -> SuspectProduct | None:
    if node is None:
        return None
    raw = reading.fields(node, "name route indication", "name route indication")
    return SuspectProduct(*(reading.words(raw.get(key)) for key in ("name", "route", "indication")))


def _sponsor(reading: CriteriaReading, node: Located | None) -> SponsorParty | None:
    if node is None:
        return None
    raw = reading.fields(node, "name address zone country", "name zone")
    zone, country = reading.text(raw.get("zone")), reading.text(raw.get("country"))
    if zone and not _ZONE.fullmatch(zone):
        reading.say(raw["zone"], N_("A time zone is written by its IANA name, such as Europe/Paris."))
    if country and not _COUNTRY.fullmatch(country):
        reading.say(raw["country"], N_("A country is written as two capital letters, such as FR."))
    return SponsorParty(reading.text(raw.get("name")), reading.text(raw.get("address")), zone, country)
