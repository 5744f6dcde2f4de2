"""Protocol deviations that the program records for a person: through the study's own form, as if it had been filled in by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from trialcrf.actions import Impossible, enter
from trialcrf.actions.enter import Typed
from trialcrf.core.boxes import raw_of
from trialcrf.core.document import Answer, FormKey, Place
from trialcrf.core.wording import N_, Message
from trialcrf.store import forms
from trialcrf.store.definitions import Published
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

TERM = "DVTERM"
"""The alias by which the form of a deviation is found (CDISC SDTM, domain DV)."""


def record(tx: Transaction, published: Published, subject: Subject, said: Mapping[str, str], now: datetime) -> FormKey:
    """A new deviation of the subject, its answers by alias; those that the form does not ask are left out. One that says the very same
    as the newest is that one: a page sent twice records one deviation.

    Raises Impossible where the study has no form for deviations, and Refused as any save does.
    """
    study = published.study
    for event in study.events_for(subject.subject_type):
        for form in (study.form[ref.form_oid] for ref in event.forms):
            if form.with_alias(TERM) is not None:
                named = {alias: form.with_alias(alias) for alias in said}
                raws = {Place(item.oid): raw_of(item, Answer(said[alias]), "en", None) for alias, item in named.items() if item}
                number = forms.next_repeat(tx, subject.id, event.oid, form.oid, 1)
                newest = FormKey(event.oid, form.oid, 1, number - 1)
                stored = forms.read(tx, subject.id, newest)
                if stored and not stored.error and enter.says_what_stands(tx, published, subject, newest, Typed(raws), now):
                    return newest
                key = FormKey(event.oid, form.oid, 1, number)
                enter.save_form(tx, published, subject, key, Typed(raws), now)
                return key
    raise Impossible(Message(N_("This study has no form for protocol deviations: it cannot be recorded here.")))
