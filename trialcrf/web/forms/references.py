"""What a reference field offers to choose from: records of the same site, by what people call them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trialcrf.actions import references
from trialcrf.core.definition.model import DataType, FormDef, Study
from trialcrf.core.document import FormKey
from trialcrf.store import forms, subjects
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

NAMES = ("BEREFID", "CTLOT")
"""What a harvest and a batch are called: the number of the donation, the number of the batch."""


def references_of(
    tx: Transaction, study: Study, form: FormDef, site: Site, subject: Subject | None
) -> Mapping[str, Sequence[tuple[str, str]]]:
    """The choices of every reference item of the form, as (what is recorded, what is read); `subject` None: nobody is enrolled yet."""
    items = [item for _, item in form.items.values() if item.type is DataType.REFERENCE]
    found = {item.oid: references.choices_at(tx, item, site, subject) for item in items}
    if not any(found.values()):
        return dict.fromkeys(found, ())
    names = _names(tx, study, site)
    return {oid: [(key, f"{names[key]} · {key}" if names.get(key) else key) for key in keys] for oid, keys in found.items()}


def _names(tx: Transaction, study: Study, site: Site) -> dict[str, str]:
    """The names of the site's harvests by the address of their form, and of its batches by key."""
    named = {one.id: one for one in subjects.answering(tx, study.oid, NAMES) if one.site.id == site.id}
    asked = [form.oid for alias in NAMES for form in study.forms_with(alias)]
    names: dict[str, str] = {}
    for stored in forms.all_of(tx, list(named), asked) if named else ():
        which, form = named[stored.subject_id], study.form[stored.key.form_oid]
        for alias in NAMES:
            item = form.with_alias(alias)
            answer = stored.document.items.get(item.oid) if item is not None else None
            if answer is not None and answer.text:
                names[which.key if study.is_product(which.subject_type) else _address(which.key, stored.key)] = answer.text
    return names


def _address(subject: str, key: FormKey) -> str:
    """As a reference records it."""
    return "/".join(str(part) for part in (subject, key.event_oid, key.event_repeat, key.form_oid, key.form_repeat))
