"""What leads on from a form: where its save leads, and the ways that stand beside it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import g, url_for

from trialcrf.actions import enter
from trialcrf.actions.enter import Opened
from trialcrf.core.document import FormKey
from trialcrf.core.safety.case import Case
from trialcrf.core.wording import N_, Message
from trialcrf.store.subjects import Subject
from trialcrf.web.forms import visit
from trialcrf.web.page import Chip
from trialcrf.web.subjects import form_url


def after_save(key: FormKey, opened: Opened, act: str, saved: enter.Saved, marked: bool) -> str:
    """Where a save leads: to the queries that it raised, to the next form of the visit, or back to its own page."""
    which: Subject = g.place.subject
    if any(not query.confirmed for query in saved.decision.opened):
        return form_url(which, key, done="queries")
    if act == "next" and (following := visit.following(key, opened)) is not None:
        return form_url(which, following, done="saved")
    return form_url(which, key, done="same" if saved.decision.empty and not marked else "saved")


def case_ways(held: Iterable[Case]) -> list[Chip]:
    """Links to the cases of the serious events of a form."""
    said = N_("Serious event no. %(number)s")
    return [Chip(Message(said, {"number": one.number}), url_for("cases.one", study=one.study_oid, number=one.number)) for one in held]


def verification_ways(which: Subject, key: FormKey, form_id: int) -> list[Chip]:
    """The link to where the values of this form are held against their sources."""
    address = {"study": which.site.study_oid, "subject": which.key, "event": key.event_oid, "repeat": key.event_repeat, "form": form_id}
    return [Chip(Message(N_("Verification")), url_for("verification.visit", **address))]  # type: ignore[arg-type]


def parts_of(which: Subject, key: FormKey) -> dict[str, Any]:
    return {
        "study": which.site.study_oid,
        "subject": which.key,
        "event": key.event_oid,
        "repeat": key.event_repeat,
        "form": key.form_oid,
        "n": key.form_repeat,
    }
