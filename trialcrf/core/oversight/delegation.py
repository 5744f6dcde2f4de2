"""What an investigator may delegate at a site: the tasks, by code, and when a delegation stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from enum import StrEnum

from trialcrf.core.wording import N_


class Task(StrEnum):
    """A task of the trial at a site (ICH E6(R3) section 2.3: who was authorised to what, and when)."""

    CONSENT = "consent"
    ELIGIBILITY = "eligibility"
    EXAMINATION = "examination"
    DONOR_CARE = "donor_care"
    HARVEST = "harvest"
    INFUSION = "infusion"
    SAMPLES = "samples"
    CELLS = "cells"
    ADVERSE_EVENTS = "adverse_events"
    SERIOUS_EVENTS = "serious_events"
    DATA_ENTRY = "data_entry"
    QUERIES = "queries"
    SITE_FILE = "site_file"


TASKS: Mapping[Task, str] = {
    Task.CONSENT: N_("information and consent"),
    Task.ELIGIBILITY: N_("judging eligibility"),
    Task.EXAMINATION: N_("examinations and scores at the visits"),
    Task.DONOR_CARE: N_("care of donors"),
    Task.HARVEST: N_("marrow harvest"),
    Task.INFUSION: N_("infusion and its surveillance"),
    Task.SAMPLES: N_("taking and sending samples"),
    Task.CELLS: N_("receiving, storing and handling cells"),
    Task.ADVERSE_EVENTS: N_("judging adverse events"),
    Task.SERIOUS_EVENTS: N_("reporting serious events"),
    Task.DATA_ENTRY: N_("entering data"),
    Task.QUERIES: N_("answering queries"),
    Task.SITE_FILE: N_("keeping the site file"),
}
"""Codes and what the log calls them."""

MEANING = N_("I delegate these tasks to this person, who is trained for them, and remain responsible")
END_MEANING = N_("I end this delegation")
"""What the password that is typed says."""


def known(tasks: Collection[str]) -> tuple[Task, ...]:
    """The tasks that are known, in the order of the list."""
    return tuple(task for task in Task if task.value in tasks)


def stands(starts_on: date, ends_on: date | None, day: date) -> bool:
    """Whether a delegation holds on a day; first and last day count."""
    return starts_on <= day and (ends_on is None or day <= ends_on)
