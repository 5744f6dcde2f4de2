"""Beginning an adverse event from a result: the boxes that it proposes. The person reads, completes and saves; nothing is written here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from trialcrf.actions import Impossible, enter
from trialcrf.actions.enter import Opened
from trialcrf.actions.safety.grade import event_form, grade
from trialcrf.core.boxes import raw_of
from trialcrf.core.definition.model import FormDef
from trialcrf.core.document import Answer, FormKey, Place
from trialcrf.core.values import Raw, read
from trialcrf.core.wording import N_, Message
from trialcrf.store import forms
from trialcrf.store.definitions import Published
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Prefill:
    """The boxes that a result proposes for an adverse event, and in words what they come from."""

    raws: Mapping[Place, Raw]
    told: Message
    source: Opened


def begin(tx: Transaction, published: Published, subject: Subject) -> FormKey | None:
    """The address of the next adverse event of the subject; None where the study records none for this kind of subject."""
    found = event_form(published.study, subject.subject_type)
    if found is None:
        return None
    event_oid, form = found
    return FormKey(event_oid, form.oid, 1, forms.next_repeat(tx, subject.id, event_oid, form.oid, 1))


def proposed(
    tx: Transaction,
    published: Published,
    subject: Subject,
    form_id: int,
    place: Place,
    language: str,
    say: Callable[[Message], str],
    now: datetime,
) -> Prefill | None:
    """What an adverse event begun from this result of this form of the subject would say.

    None where the form is not the subject's or is in error, and where the result proposes no grade. Every text goes through the reader of
    its own item in the adverse event form; what that does not take is left blank for the person.
    """
    stored = forms.by_id(tx, form_id)
    if stored is None or stored.subject_id != subject.id:
        return None
    try:
        opened = enter.open_form(tx, published, subject, stored.key, now)
    except Impossible:
        return None
    graded, found = grade(tx, opened, subject), event_form(published.study, subject.subject_type)
    line = next((one for one in graded.lines if one.place == place), None) if graded else None
    if line is None or line.proposal is None or found is None:
        return None
    key, params = stored.key, {"label": line.label, "value": line.value, "unit": line.unit}
    address = (subject.key, key.event_oid, key.event_repeat, key.form_oid, key.form_repeat, line.place)
    texts = {
        "AETERM": say(Message(N_("%(label)s %(value)s %(unit)s"), params)),
        "AEDECOD": line.proposal.term,
        "AEBODSYS": line.proposal.soc,
        "AETOXGR": str(line.proposal.grade or ""),
        "AESTDAT": line.day[:10],
        "AELNKLB": "/".join(str(part) for part in address),
    }
    told = N_("Proposed from %(form)s: %(label)s %(value)s %(unit)s (%(source)s).")
    said = Message(told, {**params, "form": opened.form.label, "source": line.proposal.source})
    return Prefill(boxes(found[1], texts, language, subject), said, opened)


def boxes(form: FormDef, texts: Mapping[str, str], language: str, subject: Subject) -> dict[Place, Raw]:
    """The boxes of the form that show these texts, by alias; a text that its item would not take, or has no item for, is left out."""
    found: dict[Place, Raw] = {}
    for alias, text in texts.items():
        item = form.with_alias(alias)
        if item is None or not text.strip() or form.items[item.oid][0].repeating:
            continue
        raw = raw_of(item, Answer(" ".join(text.split())), language, subject.site.zone)
        if isinstance(read(item, raw, subject.site.zone), Answer):
            found[Place(item.oid)] = raw
    return found
