"""Enrolling a subject: the next number of the site and the form that enrols, in one step; and marking a subject entered in error."""

from __future__ import annotations

from datetime import date, datetime

from trialcrf.actions import Impossible
from trialcrf.actions.cells import rules
from trialcrf.actions.enter import Saved, Typed, save_form
from trialcrf.actions.safety.follow_case import nullify
from trialcrf.core.document import FormKey
from trialcrf.core.lock import Locked
from trialcrf.core.wording import N_, Message
from trialcrf.store import cases, definitions, locks, plans, subjects
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

    Raises Refused (and then there is no subject either), Impossible, and Locked where the site or the study is frozen or locked.
    """
    kind = published.study.subject_type.get(subject_type)
    if kind is None:
        raise Impossible(Message(N_("This study has no such kind of subject.")))
    _refuse_closed(tx, site)
    subject = subjects.create(tx, site, kind.oid, kind.key, on or site.today(now), number, once)
    saved = save_form(tx, published, subject, FormKey(kind.event_oid, kind.form_oid), sent, now)
    plans.replan(tx, subject)
    return subject, saved


def _refuse_closed(tx: Transaction, site: Site) -> None:
    """Only a look: the next number holds the site, and the save that follows asks again under that hold."""
    closed = locks.closed(tx, locks.over_site(site))
    if closed is not None:
        raise Locked(*closed)


def already(tx: Transaction, site: Site, once: str) -> Subject | None:
    """The subject that was enrolled by a page with this token, if it was sent before."""
    return subjects.by_token(tx, site, once)


def check_subject_error(tx: Transaction, subject: Subject, reason: str) -> None:
    """Whether a subject may be marked entered in error, with this reason, as things stand. Raises Impossible, Locked."""
    if not reason.strip():
        raise Impossible(Message(N_("Say why it was entered in error.")))
    if subject.error:
        raise Impossible(Message(N_("It was marked entered in error before.")))
    locks.refuse_whole(tx, subject)
    published = definitions.current(tx, subject.site.study_oid)
    assert published is not None
    rules.check_subject_error(tx, published.study, subject)


def mark_subject_error(tx: Transaction, subject: Subject, reason: str) -> None:
    """Mark a subject entered in error: it leaves every list and count and stays in the trail. Raises Impossible, Locked.

    Carried out where a second person granted it (`actions.second`), and by the program's own shells.
    """
    check_subject_error(tx, subject, reason)
    subjects.mark_error(tx, subject, reason.strip())
    nullify(tx, subject, cases.of_subject(tx, subject.id), reason.strip())
