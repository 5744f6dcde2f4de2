"""Seals where the data are shown: on a form, and on a subject's own page; and the links to where they are signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import url_for

from trialcrf.actions import sign
from trialcrf.actions.enter import Opened
from trialcrf.actions.oversight.sign_data import OWN_ACT
from trialcrf.core.definition.model import Study
from trialcrf.core.document import FormKey
from trialcrf.core.signature import SealState
from trialcrf.store import seals
from trialcrf.store.forms import Standing
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.oversight.waiting import SealLine, seal_line


@dataclass(frozen=True, slots=True)
class Seals:
    """By form id how each stands, how many stand how, and where they are signed: empty for whoever does not sign.

    `visit_urls` are the visits of which a form bears no seal, by event.
    """

    of_form: Mapping[int, SealLine]
    counts: Sequence[tuple[SealLine, int]]
    casebook_url: str
    made_url: str
    visit_urls: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SealOnForm:
    """The seal of one form, where it is signed (empty: not by this person), and where its signatures are shown."""

    line: SealLine
    sign_url: str
    made_url: str


def on_form(tx: Transaction, opened: Opened, which: Subject, key: FormKey) -> SealOnForm | None:
    """The seal of a form; None where none is asked for: nothing is saved, or it has a signing of its own."""
    stored, study = opened.stored, opened.published.study
    if stored is None or stored.error or opened.form.access in OWN_ACT or study.is_product(which.subject_type):
        return None
    if not guard.may_here("signature.read"):
        return None
    seal = seals.of_form(tx, stored.id)
    address: dict[str, Any] = {"study": which.site.study_oid, "subject": which.key}
    at: dict[str, Any] = {"event": key.event_oid, "repeat": key.event_repeat, "form": key.form_oid, "n": key.form_repeat}
    sign_url = url_for("signing.form", **address, **at) if guard.may_here(sign.VERB) and not which.error else ""
    return SealOnForm(seal_line(seal.state, seal), sign_url, url_for("certificates.shown", **address) if seal.at else "")


def seals_of(tx: Transaction, study: Study, which: Subject, standing: Sequence[Standing]) -> Seals | None:
    """Of the forms that the person may read; None for whoever reads no signatures."""
    if not guard.may_here("signature.read"):
        return None
    found = seals.of_subject(tx, which.id)
    held = {one.id: found[one.id] for one in standing if one.id in found and _asked(study, one)}
    signs = guard.may_here(sign.VERB) and not which.error
    address: dict[str, Any] = {"study": study.oid, "subject": which.key}
    visits = {one.key.event_oid for one in standing if held.get(one.id, SealState.SEALED) is not SealState.SEALED}
    return Seals(
        {id_: seal_line(state) for id_, state in held.items()},
        [(seal_line(state), count) for state in SealState if (count := sum(one is state for one in held.values()))],
        url_for("signing.casebook", **address) if signs and held else "",
        url_for("certificates.shown", **address),
        {event: url_for("signing.visit", event=event, repeat=1, **address) for event in visits} if signs else {},
    )


def _asked(study: Study, one: Standing) -> bool:
    form = study.form.get(one.key.form_oid)
    return form is not None and form.access not in OWN_ACT and guard.may_here(f"{form.access}.read")
