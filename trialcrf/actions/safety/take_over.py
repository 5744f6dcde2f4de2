"""Beginning an adverse event from a result or at the bedside: the boxes that are proposed. The person reads, completes and saves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from trialcrf.actions import Impossible, enter
from trialcrf.actions.begin import Prefill, boxes
from trialcrf.actions.enter import Opened
from trialcrf.actions.safety.grade import event_form, grade
from trialcrf.core.document import FormKey, Place
from trialcrf.core.wording import N_, Message
from trialcrf.store import forms
from trialcrf.store.definitions import Published
from trialcrf.store.forms import StoredForm
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction


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
    beside = Message(N_("proposed from a recorded result"))
    return Prefill(boxes(found[1], texts, language, subject), said, beside, (opened.form,))


def reaction(tx: Transaction, published: Published, subject: Subject, opened: Opened, language: str, now: datetime) -> Prefill | None:
    """What an adverse event that is noticed at the bedside would say: that it begins now, at the site's clock, and which infusion it
    follows where that is recorded. Nothing is judged: no grade, no seriousness, no cause. None where this is not the form of events."""
    found = event_form(published.study, subject.subject_type)
    if found is None or found[1].oid != opened.form.oid:
        return None
    local = now.astimezone(subject.site.zone)
    texts = {"AESTDAT": local.date().isoformat(), "AESTTIM": local.strftime("%H:%M")}
    infusion = next((one for one in reversed(forms.all_of(tx, [subject.id])) if _starts_infusion(published, one)), None)
    if infusion is not None:
        key = infusion.key
        address = (subject.key, key.event_oid, key.event_repeat, key.form_oid, key.form_repeat)
        texts["AELNKEX"] = "/".join(str(part) for part in address)
    told = Message(N_("Proposed at the bedside: the reaction begins now, by the clock of the site. Correct the time if it began earlier."))
    return Prefill(boxes(found[1], texts, language, subject), told, Message(N_("proposed from the time at the bedside")))


def _starts_infusion(published: Published, stored: StoredForm) -> bool:
    form = published.study.form.get(stored.key.form_oid)
    return form is not None and form.with_alias("EXSTDAT") is not None
