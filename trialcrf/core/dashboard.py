"""Dashboards: which figures each role is shown, in which order, and at which sites somebody may be told their numbers.

The way of a number is that of the pages and reports that tell it already: the conduct of the trial is for who reads the quality of a site,
what was recorded of patients for who reads forms at the site or the reports of the whole study. Arms are on no dashboard, of no study.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from trialcrf.core.access import ROLES, Actor, may, sites_of
from trialcrf.core.definition.model import Study
from trialcrf.core.sight import eyes_of

CONDUCT, READ_FORMS, READ_REPORTS = "quality.read", "form.read", "report.read"
"""The verbs by which numbers are told."""


class Plate(StrEnum):
    """A figure of a dashboard."""

    ENROLMENT = "enrolment"
    VISITS = "visits"
    COMPLETENESS = "completeness"
    QUERIES = "queries"
    EVENTS = "events"
    SKIN = "skin"
    LUNG = "lung"


CLINICAL = frozenset({Plate.EVENTS, Plate.SKIN, Plate.LUNG})
"""What is counted from answers about patients."""

_OF_SITES = (Plate.VISITS, Plate.QUERIES, Plate.COMPLETENESS, Plate.ENROLMENT, Plate.EVENTS, Plate.SKIN, Plate.LUNG)
_OF_CONTROL = (Plate.QUERIES, Plate.COMPLETENESS, Plate.VISITS, Plate.ENROLMENT, Plate.EVENTS, Plate.SKIN, Plate.LUNG)
_OF_SPONSOR = (Plate.ENROLMENT, Plate.EVENTS, Plate.SKIN, Plate.LUNG, Plate.VISITS, Plate.QUERIES, Plate.COMPLETENESS)

OF_ROLE: Mapping[str, tuple[Plate, ...]] = {
    "coordinator": _OF_SITES,
    "investigator": (Plate.EVENTS, Plate.SKIN, Plate.LUNG, Plate.VISITS, Plate.QUERIES, Plate.COMPLETENESS, Plate.ENROLMENT),
    "donor_physician": (Plate.VISITS, Plate.QUERIES, Plate.COMPLETENESS),  # who looks after donors reads nothing of recipients here
    "monitor": (Plate.QUERIES, Plate.COMPLETENESS, Plate.VISITS, Plate.ENROLMENT, Plate.EVENTS),
    "data_manager": _OF_CONTROL,
    "sponsor": _OF_SPONSOR,
    "inspector": _OF_SPONSOR,
}
"""What each role is shown, what it acts on first. Other roles have no dashboard: who makes cells and who administers see no patients."""


def plates_of(actor: Actor, study_oid: str) -> tuple[Plate, ...]:
    """The figures of all the roles that the person has in this study, in the order of the first of them; each only if permitted."""
    held = {grant.role for grant in actor.grants if grant.study in (study_oid, "*")}
    wanted = dict.fromkeys(plate for role in ROLES if role in held for plate in OF_ROLE.get(role, ()))
    return tuple(plate for plate in wanted if scope(actor, study_oid, plate) != frozenset())


def scope(actor: Actor, study_oid: str, plate: Plate) -> frozenset[str] | None:
    """The codes of the sites whose numbers this figure may tell the person, all of them together; None is every site of the study."""
    if plate not in CLINICAL:
        return sites_of(actor, CONDUCT, study_oid)
    return None if may(actor, READ_REPORTS, study_oid) else sites_of(actor, READ_FORMS, study_oid)


def eyes(actor: Actor, study_oid: str, site: str) -> frozenset[str]:
    """The kinds of forms that may be counted at a site: those that the person opens there, and those that nothing guards but the verb of
    the figure: a sponsor opens no form, and reads reports about them."""
    return eyes_of(actor, study_oid, site) | {"form"}


def narrowed(actor: Actor, study_oid: str) -> bool:
    """Whether the person may ask for one site at a time: who reads no form sees the sites pooled."""
    return may(actor, READ_FORMS, study_oid)


def planned_subjects(study: Study) -> int | None:
    """How many subjects the study plans to treat, by its cohorts or its stopping rule; None where it does not say: nothing is guessed."""
    settings = study.safety
    if settings is None:
        return None
    if settings.cohorts:
        return sum(one.planned for one in settings.cohorts) or None
    return settings.stopping.subjects if settings.stopping else None
