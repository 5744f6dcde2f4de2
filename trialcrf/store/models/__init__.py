"""Every table, by what it is about. `metadata` is what the migrations must have built."""

from trialcrf.store.models.base import metadata
from trialcrf.store.models.data import fact, form, query, subject
from trialcrf.store.models.people import account, calendar_feed, grant, reminder_choice, secret, session, sign_in_attempt
from trialcrf.store.models.signature import signature
from trialcrf.store.models.study import definition, site, study
from trialcrf.store.models.trail import audit_record, audit_value, chain_head
from trialcrf.store.models.work import job_run, outbox, report, visit

__all__ = [
    "account",
    "audit_record",
    "audit_value",
    "calendar_feed",
    "chain_head",
    "definition",
    "fact",
    "form",
    "grant",
    "job_run",
    "metadata",
    "outbox",
    "query",
    "reminder_choice",
    "report",
    "secret",
    "session",
    "sign_in_attempt",
    "signature",
    "site",
    "study",
    "subject",
    "visit",
]
