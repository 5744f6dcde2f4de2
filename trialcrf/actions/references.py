"""Items that name other records: what they may name, and what is wrong with what they do."""

from __future__ import annotations

from trialcrf.core.checks import Finding
from trialcrf.core.definition.model import DataType, FormDef, ItemDef, Severity
from trialcrf.core.document import Answer, Document, Place
from trialcrf.core.entry import Submitted
from trialcrf.core.wording import N_, Message
from trialcrf.store import forms, subjects
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction


def choices(tx: Transaction, item: ItemDef, subject: Subject) -> list[str]:
    """The records that a reference item may name, at the same site: subjects of a type by key, or forms (`own`: of this
    subject) by their whole address."""
    return choices_at(tx, item, subject.site, subject)


def choices_at(tx: Transaction, item: ItemDef, site: Site, subject: Subject | None) -> list[str]:
    """The same for a form of a site that nobody is enrolled by yet (`subject` None): it has no forms of its own to name."""
    what, _, target = item.refers_to.partition(":")
    if what == "form":
        return forms.addresses(tx, site.id, target)
    if what == "own":
        return forms.addresses(tx, site.id, target, subject.id) if subject else []
    found = subjects.all_of(tx, site.study_oid, {site.code}, target)
    return [one.key for one in found if subject is None or one.id != subject.id]


def unknown(tx: Transaction, form: FormDef, subject: Subject, submitted: Submitted) -> list[Finding]:
    found = []
    for place, answer in submitted.answers.items():
        item = form.items[place.item][1]
        named = answer.text if item.type is DataType.REFERENCE and isinstance(answer, Answer) else ""
        if named and named not in choices(tx, item, subject):
            message = Message(N_("There is no record %(key)s here."), {"key": named})
            found.append(Finding(place, Severity.HARD, "reference", message))
    return found


def shared(tx: Transaction, form: FormDef, subject: Subject, before: Document, submitted: Submitted) -> list[Finding]:
    """A person who is linked to somebody else already: the protocol plans pairs, so it is asked, not refused."""
    item = form.with_alias("RSUBJID")
    if item is None or form.items[item.oid][0].repeating:
        return []
    place = Place(item.oid)
    answer = submitted.answers.get(place, before.at(place))
    key = answer.text if isinstance(answer, Answer) else ""
    others = subjects.naming(tx, subject, "RSUBJID", key) if key else []
    if not others:
        return []
    message = Message(N_("%(key)s is linked to %(others)s already."), {"key": key, "others": ", ".join(others)})
    return [Finding(place, Severity.SOFT, "shared_reference", message)]
