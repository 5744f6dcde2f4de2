"""Every table, by what it is about. `metadata` is what the migrations must have built."""

from trialcrf.store.models.base import metadata
from trialcrf.store.models.data import enclosure, enclosure_content, fact, form, query, subject, unique_code, verification
from trialcrf.store.models.oversight import delegation, four_eyes, lock, monitoring, monitoring_entry, site_name
from trialcrf.store.models.people import (
    account,
    calendar_feed,
    factor,
    grant,
    hospital_link,
    hospital_try,
    link_code,
    recovery_code,
    reminder_choice,
    secret,
    session,
    sign_in_address,
    sign_in_attempt,
    sign_in_step,
)
from trialcrf.store.models.safety import attachment, case_entry, dictionary, dictionary_term, lab_range, safety_case, study_decision
from trialcrf.store.models.signature import signature
from trialcrf.store.models.study import definition, site, site_release, study
from trialcrf.store.models.trail import audit_record, audit_value, chain_head
from trialcrf.store.models.work import draft, job_run, outbox, report, save_token, visit

__all__ = [
    "account",
    "attachment",
    "audit_record",
    "audit_value",
    "calendar_feed",
    "case_entry",
    "chain_head",
    "definition",
    "delegation",
    "dictionary",
    "dictionary_term",
    "draft",
    "enclosure",
    "enclosure_content",
    "fact",
    "factor",
    "form",
    "four_eyes",
    "grant",
    "hospital_link",
    "hospital_try",
    "job_run",
    "lab_range",
    "link_code",
    "lock",
    "metadata",
    "monitoring",
    "monitoring_entry",
    "outbox",
    "query",
    "recovery_code",
    "reminder_choice",
    "report",
    "safety_case",
    "save_token",
    "secret",
    "session",
    "sign_in_address",
    "sign_in_attempt",
    "sign_in_step",
    "signature",
    "site",
    "site_name",
    "site_release",
    "study",
    "study_decision",
    "subject",
    "unique_code",
    "verification",
    "visit",
]
