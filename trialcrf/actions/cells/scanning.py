"""Identity fields of a form as it is saved: what a scanner typed becomes the key that it names, or a refusal at the field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.document import Answer, Document, Place
from trialcrf.core.entry import Submitted
from trialcrf.core.product import sec
from trialcrf.core.product.identity import Kind, NotThisLabel, scanned
from trialcrf.core.values import Raw, Unreadable

KINDS: Mapping[str, Kind] = {
    "donation": Kind.DONATION,
    "batch": Kind.BATCH,
    "bag": Kind.BAG,
    "subject": Kind.WRISTBAND,
}
DONATION_LENGTH = 21
"""Of a donation identification sequence (Directive 2006/86, Annex VII): a shorter number is the site's own (A-36)."""


def filled(study: Study, form: FormDef, before: Document, submitted: Submitted) -> Submitted:
    """What was sent, with every scan read. An answer that stands already is left as it is."""
    read: dict[Place, Answer | Unreadable | None] = {}
    for place, answer in submitted.answers.items():
        kind = form.items[place.item][1].identity
        if kind and isinstance(answer, Answer) and answer.text and answer != before.at(place):
            read[place] = _read(study, kind, answer)
    return replace(submitted, answers={**submitted.answers, **read}) if read else submitted


def _read(study: Study, kind: str, answer: Answer) -> Answer | Unreadable:
    try:
        text = scanned(answer.text, study.oid, KINDS[kind])
        if kind == "donation" and len(text) == DONATION_LENGTH:
            sec.check_donation(text)
    except (NotThisLabel, sec.BadCode) as refused:
        return Unreadable(Raw({"": answer.text}), refused.message)
    return replace(answer, text=text)
