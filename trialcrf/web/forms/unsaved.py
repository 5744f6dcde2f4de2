"""What was typed and not saved, beside what stands: nothing that somebody typed is lost, whatever stopped the save."""

from __future__ import annotations

from collections.abc import Mapping

from flask import g

from trialcrf.core.definition.model import FormDef
from trialcrf.core.document import Answer, Document, Place
from trialcrf.core.values import Unreadable
from trialcrf.core.wording import N_, Message
from trialcrf.web.forms.history import value_for_reading
from trialcrf.web.forms.webform import Posted, is_new
from trialcrf.web.keeping import Beside


def beside(form_def: FormDef, posted: Posted, place: Place, now: Answer | None) -> Beside:
    raw = posted.raws[place]
    said = tuple(text for text in (*raw.parts.values(), *raw.choices) if text)
    label = form_def.items[place.item][1].label.in_(g.language.code)
    return label, said or (Message(N_("blank")),), value_for_reading(form_def, place, now.canonical() if now else None)


def unsaved(form_def: FormDef, posted: Posted, typed: Mapping[Place, Answer | Unreadable | None], stands: Document) -> tuple[Beside, ...]:
    """Every field that was typed otherwise than it stands; new rows with whatever is in them."""
    found = []
    for place, raw in posted.raws.items():
        if place.item not in form_def.items:
            continue
        if is_new(place.row):
            if any((*raw.parts.values(), *raw.choices)):
                found.append(beside(form_def, posted, place, None))
        elif typed.get(place) != stands.at(place):
            found.append(beside(form_def, posted, place, stands.at(place)))
    return tuple(found)
