"""Certificates: every signature on the records of a subject, whose, when, why, over what, and whether it still stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, g, render_template, url_for

from trialcrf.actions import sign
from trialcrf.core.access import ROLES
from trialcrf.core.definition.model import Study
from trialcrf.core.document import Place
from trialcrf.core.enclosure import ENTITY as ENCLOSURE
from trialcrf.core.enclosure import parsed
from trialcrf.core.signature import MEANINGS, STANDINGS, Standing
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.store import definitions, forms, signatures
from trialcrf.store.forms import StoredForm
from trialcrf.store.signatures import Signature, Stood
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.casebooks import casebook_crumb, subject_url
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.oversight import reading
from trialcrf.web.page import Crumb
from trialcrf.web.subjects import form_url

blueprint = Blueprint("certificates", __name__)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A signature with everything that a reader must be shown (21 CFR 11.50), what it covers, and what broke it.

    `at` is written in the zone that the signer's clock showed; `hidden` says that it covers forms that the reader may not read.
    """

    number: int
    name: str
    role: Sayable | str
    organisation: str
    meaning: Message
    at: str
    zone: str
    hash: str
    covers: Sequence[tuple[Sayable | str, str]]
    hidden: bool
    standing: Message
    icon: str
    void: bool
    broken_by: Sequence[tuple[Sayable | str, str, datetime | None]]


@page(blueprint, "/studies/<study>/subjects/<subject>/signatures", "signature.read")
def shown(study: str, subject: str) -> str:
    """Every signature on the records of a subject, the newest first: whose, when, why, over what, and whether it stands."""
    which, definition = g.place.subject, g.place.published.study
    with guard.read() as tx:
        made = signatures.all_of(tx, which.id)
        stood = signatures.standings(tx, made)
        named = {id_: _named(tx, id_) for id_ in {id_ for one in made for entity, id_ in _covered(one) if entity == "form"}}
        lines = [_certificate(one, stood[one.id], named) for one in reversed(made)]
    return render_template(
        "oversight/certificates.html",
        shell=shell(),
        crumbs=[casebook_crumb(definition, which.subject_type), Crumb(which.key, subject_url(definition, which))],
        which=which,
        lines=lines,
        sign_url=url_for("signing.casebook", study=study, subject=subject)
        if guard.may_here(sign.VERB) and not definition.is_product(which.subject_type) and not which.error
        else "",
    )


@dataclass(frozen=True, slots=True)
class _Named:
    """A covered form, as the reader may know it."""

    stored: StoredForm
    study: Study
    label: Message
    url: str


def _named(tx: Transaction, entity_id: str) -> _Named | None:
    """None for a form that the reader may not read, another subject's among them: then not even its name is told."""
    stored = forms.by_id(tx, int(entity_id)) if entity_id.isdecimal() else None
    if stored is None:
        return None
    study = definitions.read(tx, stored.definition_id).study
    if stored.subject_id != g.place.subject.id or not guard.may_here(f"{study.form[stored.key.form_oid].access}.read"):
        return None
    return _Named(
        stored,
        study,
        Message("%(visit)s, %(form)s", {"visit": reading.visit_name(study, stored.key), "form": reading.form_name(study, stored.key)}),
        form_url(g.place.subject, stored.key),
    )


def _certificate(one: Signature, stood: Stood, named: dict[str, _Named | None]) -> Certificate:
    covered = _covered(one)
    known = [found for entity, id_ in covered if entity == "form" and (found := named.get(id_))]
    return Certificate(
        one.id,
        one.name,
        Message(ROLES[one.role]) if one.role in ROLES else one.role,
        one.organisation,
        Message(MEANINGS[one.meaning]) if one.meaning in MEANINGS else Message("%(code)s", {"code": one.meaning}),
        g.language.moment(one.at, ZoneInfo(one.zone)),
        one.zone,
        one.hash,
        [(found.label, found.url) for found in known],
        len(known) < len(covered),
        Message(STANDINGS[stood.standing]),
        {Standing.VALID: "sealed", Standing.VOID: "broken", Standing.BROKEN: "overdue"}[stood.standing],
        stood.standing is not Standing.VALID,
        list(_broken_by(stood, named)),
    )


def _covered(one: Signature) -> Sequence[tuple[str, str]]:
    try:
        # Documents are those of their forms, which are covered with them: who reads the form reads them.
        return sorted({(part.entity, part.entity_id) for part in one.signed if part.entity != ENCLOSURE})
    except (ValueError, TypeError, AttributeError):
        return []  # A forged row may say anything: its standing tells that it is not genuine.


def _broken_by(stood: Stood, named: dict[str, _Named | None]) -> Iterator[tuple[Sayable | str, str, datetime | None]]:
    for change in stood.changes:
        found = named.get(change.entity_id) if change.entity in ("form", ENCLOSURE) else None
        where: Sayable = Message(N_("a form or record that your role does not read"))
        if found:
            paper = change.entity == ENCLOSURE
            at = parsed(change.place)[0] if paper else Place.parse(change.place)
            place = reading.place_name(found.study.form[found.stored.key.form_oid], at)
            said = N_("%(form)s: a document at “%(place)s”") if paper else N_("%(form)s: %(place)s")
            where = Message(said, {"form": found.label, "place": place})
        yield where, change.name or change.actor or g.language.gettext(N_("the program")), change.at
