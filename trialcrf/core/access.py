"""Who may do what: one table of verbs and roles. What the table does not allow is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trialcrf.core.wording import N_

ROLES: Mapping[str, str] = {
    "coordinator": N_("Coordinator"),
    "investigator": N_("Investigator"),
    "donor_physician": N_("Donor physician"),
    "monitor": N_("Monitor"),
    "data_manager": N_("Data manager"),
    "cell_lab": N_("Cell laboratory"),
    "qualified_person": N_("Qualified Person"),
    "sponsor": N_("Sponsor"),
    "administrator": N_("Administrator"),
    "inspector": N_("Inspector"),
}
"""Role codes and what the screen calls them. `system` is no role that a person can hold."""

_SITE_STAFF = frozenset({"coordinator", "investigator", "donor_physician"})
_PHYSICIANS = frozenset({"investigator", "donor_physician"})
_CONTROLLERS = frozenset({"monitor", "data_manager"})
_READERS = _SITE_STAFF | _CONTROLLERS
_MAKERS = frozenset({"cell_lab", "qualified_person"})
_BEDSIDE = frozenset({"coordinator", "investigator"})
_SEES = _READERS | {"inspector"}

VERBS: Mapping[str, frozenset[str]] = {
    "study.read": _SEES | {"sponsor"},
    "study.compare": _SEES,
    "day.read": _READERS | {"sponsor"},
    "subject.list": _SEES,
    "casebook.open": _SEES | _MAKERS,  # which of its forms are read and entered is each form's own pair of verbs
    "casebook.print": _SEES,  # a file of one subject, with the forms that whoever orders it may read
    "casebook.export": frozenset({"investigator", "data_manager", "inspector"}),  # those of a whole site; never the sponsor's
    "subject.enrol": _SITE_STAFF | {"cell_lab"},
    "removal.ask": _SITE_STAFF | {"cell_lab"},
    "removal.approve": frozenset({"investigator", "data_manager", "qualified_person"}),
    "form.read": _SEES,
    "form.enter": _SITE_STAFF,
    "form.error": _SITE_STAFF | _MAKERS,
    "document.read": _SEES | _MAKERS,  # what is attached to an item: with the pair of verbs of its form, as the item itself
    "document.attach": _SITE_STAFF | _MAKERS,
    "link.read": _SEES - {"donor_physician"},
    "link.enter": _SITE_STAFF - {"donor_physician"},
    "donor.read": _CONTROLLERS | {"donor_physician"} | {"inspector"},
    "donor.enter": frozenset({"donor_physician"}),
    "statement.read": _SEES,
    "statement.enter": frozenset(),  # a verdict is never typed into its form: it is signed
    "cell.read": _SEES | _MAKERS | {"sponsor"},
    "cell.enter": frozenset({"cell_lab"}),
    "stock.read": _SEES | _MAKERS | {"sponsor"},
    "stock.enter": _MAKERS | _BEDSIDE,
    "release.read": _SEES | _MAKERS | {"sponsor"},
    "release.enter": frozenset(),  # decided by a signature, never typed into its form
    "release.sign": frozenset({"qualified_person"}),
    "label.print": _MAKERS | _BEDSIDE,
    "bedside.check": _BEDSIDE,
    "bedside.override": frozenset({"investigator"}),
    "trace.read": frozenset({"investigator", "data_manager", "qualified_person", "inspector"}),
    "look_back.run": frozenset({"qualified_person", "donor_physician"}),
    "query.read": _SEES,
    "query.answer": _SITE_STAFF,
    "query.review": _CONTROLLERS,
    "query.write": _READERS,  # a comment in a thread; whoever controls opens and judges queries by `query.review`
    "version.read": _SEES,
    "version.release": frozenset({"data_manager"}),
    "verification.read": _SEES,
    "verification.verify": frozenset({"monitor"}),
    "monitoring.read": _SEES | {"sponsor"},
    "monitoring.write": frozenset({"monitor"}),
    "lock.read": _SEES,
    "lock.freeze": _CONTROLLERS,
    "lock.lock": frozenset({"data_manager"}),
    "lock.unlock": frozenset({"data_manager"}),
    "lock.approve": frozenset({"data_manager", "investigator"}),
    "audit.read": _SEES,
    "audit.export": frozenset({"data_manager", "inspector"}),
    "audit.review": frozenset({"data_manager"}),
    "redaction.ask": _SITE_STAFF | {"data_manager"},
    "redaction.approve": frozenset({"data_manager"}),
    "names.keep": _SITE_STAFF,
    "delegation.read": _SEES,
    "delegation.sign": frozenset({"investigator"}),
    "access.read": frozenset({"administrator", "data_manager", "inspector"}),
    "access.review": frozenset({"administrator"}),
    "signature.read": _SEES,
    "signature.sign": _PHYSICIANS,
    "quality.read": _SEES | {"sponsor"},
    "dictionary.read": _SEES | {"sponsor"},
    "lab.read": _SEES,
    "lab.administer": frozenset({"data_manager"}),
    "case.read": _SEES | {"sponsor"},
    "case.inform": _SITE_STAFF,
    "case.assess": frozenset({"sponsor"}),
    "decision.read": _SEES | {"sponsor"},
    "decision.sign": frozenset({"sponsor"}),
    "data.export": frozenset({"data_manager"}),
    "report.read": frozenset({"sponsor", "data_manager", "inspector"}),
    "report.order": frozenset({"sponsor", "data_manager"}),
    "user.administer": frozenset({"administrator"}),
    "site.administer": frozenset({"administrator"}),
    "job.administer": frozenset({"administrator"}),
}
"""Only site staff write what a site records (EMA/INS/GCP/112288/2023 section 6.6); administrators see no clinical data (annex 3).

A sponsor reads serious events and writes its own assessment of them, never what a site records (ICH E6(R3); EMA guideline, 6.6).

The chain of cells tells who belongs to whom: few read it whole. Batches are made and released by others than those who treat.

What a donor's tests found is read by those who look after donors and by those who check the data, never by the recipient's team.

Inspectors read everything and write nothing (EMA guideline, annex 6.8). What nobody decides alone has one verb to ask and one to decide."""

STUDY_WIDE = frozenset(
    {
        "data.export",
        "report.read",
        "report.order",
        "user.administer",
        "site.administer",
        "job.administer",
        "lab.administer",
        "decision.sign",
        "version.release",
        "audit.export",
        "audit.review",
        "access.read",
        "access.review",
    }
)
"""Verbs whose thing spans every site: a grant for one site is not enough."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A role in a study, at one site or (site empty) at all of them. Study `*` is every study: administrators only."""

    role: str
    study: str
    site: str = ""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is acting, with the grants in force at this moment."""

    id: int
    username: str
    name: str = ""
    organisation: str = ""
    grants: tuple[Grant, ...] = ()


def may(actor: Actor, verb: str, study: str, site: str | None = None) -> bool:
    """Whether the actor may do this in the study, at the site; `site=None` asks whether at any site at all.

    Raises KeyError for a verb that the table does not know: a typing error must not read as a refusal.
    """
    return role_for(actor, verb, study, site) is not None


def role_for(actor: Actor, verb: str, study: str, site: str | None = None) -> str | None:
    """The role under which the actor may do this (the audit trail names it), or None."""
    allowed = VERBS[verb]
    for grant in actor.grants:
        if grant.role not in allowed or grant.study not in (study, "*"):
            continue
        if verb in STUDY_WIDE and grant.site:
            continue
        if site is None or grant.site in ("", site):
            return grant.role
    return None


def sites_of(actor: Actor, verb: str, study: str) -> frozenset[str] | None:
    """The codes of the sites at which the actor may do this; None is every site of the study."""
    grants = [grant for grant in actor.grants if grant.role in VERBS[verb] and grant.study in (study, "*")]
    return None if any(not grant.site for grant in grants) else frozenset(grant.site for grant in grants)
