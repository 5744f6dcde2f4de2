"""Enrolling a subject: the next number of the site and the form that enrols, in one step; and marking a subject entered in error."""

from __future__ import annotations

from datetime import date, datetime

from trialcrf.actions import Impossible
from trialcrf.actions.cells import rules
from trialcrf.actions.enter import Saved, Typed, save_form
from trialcrf.actions.safety.follow_case import nullify
from trialcrf.core.document import FormKey
from trialcrf.core.wording import N_, Message
from trialcrf.store import cases, definitions, subjects, visits
from trialcrf.store.definitions import Published
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction


def enrol(
    tx: Transaction,
    published: Published,
    site: Site,
    subject_type: str,
    sent: Typed,
    now: datetime,
    number: int | None = None,
    on: date | None = None,
    once: str = "",
) -> tuple[Subject, Saved]:
    """A new subject with its first form, enrolled today at the site; `number` and the day `on` are given by imports and the demo only.
    `once` is the token of the page: a page sent twice enrols once.

    Raises Refused (and then there is no subject either) and Impossible.
    """
    kind = published.study.subject_type.get(subject_type)
    if kind is None:
        raise Impossible(Message(N_("This study has no such kind of subject.")))
    subject = subjects.create(tx, site, kind.oid, kind.key, on or site.today(now), number, once)
    saved = save_form(tx, published, subject, FormKey(kind.event_oid, kind.form_oid), sent, now)
    visits.replan(tx, subject)
    return subject, saved


def already(tx: Transaction, site: Site, once: str) -> Subject | None:
    """The subject that was enrolled by a page with this token, if it was sent before."""
    return subjects.by_token(tx, site, once)


def mark_subject_error(tx: Transaction, subject: Subject, reason: str) -> None:
    """Mark a subject entered in error: it leaves every list and count and stays in the trail. Raises Impossible."""
    if not reason.strip():
        raise Impossible(Message(N_("Say why it was entered in error.")))
    if subject.error:
        raise Impossible(Message(N_("It was marked entered in error before.")))
    published = definitions.current(tx, subject.site.study_oid)
    assert published is not None
    rules.check_subject_error(tx, published.study, subject)
    subjects.mark_error(tx, subject, reason.strip())
    nullify(tx, subject, cases.of_subject(tx, subject.id), reason.strip())
