"""The release of a batch: its tests judged by a specification that somebody chose, and the Qualified Person's signed decision."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from trialcrf.actions import Impossible, enter, plain, sign
from trialcrf.actions.sign import Proof
from trialcrf.core.access import Actor
from trialcrf.core.boxes import raw_of
from trialcrf.core.definition.cells import CellSettings, Specification
from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.document import Answer, FormKey, Place
from trialcrf.core.entry import Refused
from trialcrf.core.product.release import Fulfilled, JudgedCriterion, judge, overall
from trialcrf.core.product.stock import CONDITIONAL, REJECTED, RELEASED
from trialcrf.core.signature import fingerprint
from trialcrf.core.wording import N_, Message
from trialcrf.store import forms, signatures, subjects
from trialcrf.store.definitions import Published
from trialcrf.store.forms import StoredForm
from trialcrf.store.signatures import Signature
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

MEANING = "release"
VERB = "release.sign"
DECISIONS: Mapping[str, str] = {
    RELEASED: N_("Release"),
    CONDITIONAL: N_("Release conditionally"),
    REJECTED: N_("Reject"),
}
LONGEST_REASON = 1000


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A batch as whoever releases it must see it: the specifications to choose from, its results by alias, and the forms they are in.

    `seen` is what a page carries: nobody signs for what the page did not show.
    """

    subject: Subject
    specifications: tuple[Specification, ...]
    results: Mapping[str, Answer]
    forms: tuple[StoredForm, ...]
    seen: str

    def judged(self, specification: Specification) -> tuple[JudgedCriterion, ...]:
        return judge(specification, self.results)


@dataclass(frozen=True, slots=True)
class Decided:
    """What the Qualified Person sent."""

    decision: str
    specification: str
    why: str
    seen: str


def review(tx: Transaction, published: Published, subject: Subject) -> Reviewed:
    """Raises Impossible for what is no batch."""
    study, settings = published.study, _settings(published, subject)
    stored = tuple(one for one in forms.all_of(tx, [subject.id]) if study.form[one.key.form_oid].access == "cell")
    offered = tuple(one for one in settings.specifications if settings.specification in ("", one.oid))
    seen = fingerprint(signatures.covered_now(tx, {("form", str(one.id)) for one in stored})) if stored else ""
    return Reviewed(subject, offered, results(study, stored), stored, seen)


def results(study: Study, stored: Sequence[StoredForm]) -> dict[str, Answer]:
    """The newest answer outside repeating groups to every alias of these forms."""
    found: dict[str, Answer] = {}
    for one in stored:
        form = study.form[one.key.form_oid]
        for oid, answer in one.document.items.items():
            if oid in form.items:
                found |= dict.fromkeys(form.items[oid][1].aliases, answer)
    return found


def decide(tx: Transaction, published: Published, subject: Subject, actor: Actor, proof: Proof, sent: Decided, now: datetime) -> Signature:
    """Record and sign a decision on a batch, in these steps:

    1. the batch is held: a recall at the same moment comes before or after it, never between;
    2. what the page showed must still stand; the specification is one that the study offers;
    3. a batch that does not fulfil it is not released; on conditions it may be, with the conditions in words;
    4. the decision is saved with every criterion as it was judged, and signed with all forms of the batch.

    Raises NotAllowed, Impossible (with the box).
    """
    settings = _settings(published, subject)
    subjects.hold(tx, [subject.id])
    shown = review(tx, published, subject)
    if not shown.forms or shown.seen != sent.seen:
        raise Impossible(Message(N_("The data changed after this page was shown: read it again before signing. Nothing was signed.")))
    if sent.decision not in DECISIONS:
        raise Impossible(Message(N_("Choose what you decide.")), "decision")
    specification = settings.specification_of(sent.specification)
    if specification is None or specification not in shown.specifications:
        raise Impossible(Message(N_("Choose the specification that the batch is judged by.")), "specification")
    judged = shown.judged(specification)
    verdict, why = overall(judged), plain(sent.why, LONGEST_REASON, "why")
    if sent.decision == RELEASED and verdict is not Fulfilled.MET:
        said = N_("The specification is not fulfilled: a batch can be released conditionally, with the conditions, or rejected.")
        raise Impossible(Message(said), "decision")
    if sent.decision != RELEASED and not why:
        raise Impossible(Message(N_("Say why, or on which conditions.")), "why")
    event_oid, form = form_of(published.study, subject)
    told = {
        "CTRELDEC": sent.decision,
        "CTRELDTC": now.astimezone(subject.site.zone).isoformat(timespec="minutes"),
        "CTRELSPC": specification.oid,
        "CTRELJDG": json.dumps({one.criterion.oid: [one.result, str(one.verdict)] for one in judged}, ensure_ascii=False, sort_keys=True),
        "CTRELWHY": why,
    }
    key = FormKey(event_oid, form.oid, 1, forms.next_repeat(tx, subject.id, event_oid, form.oid, 1))
    named = {alias: form.with_alias(alias) for alias, text in told.items() if text}
    raws = {Place(item.oid): raw_of(item, Answer(told[alias]), "en", subject.site.zone) for alias, item in named.items() if item}
    try:
        saved = enter.save_form(tx, published, subject, key, enter.Typed(raws), now)
    except Refused as refused:
        raise Impossible(Message(N_("It could not be recorded: %(why)s"), {"why": refused.findings[0].message}), "decision") from None
    tx.flush_trail()
    covered = sorted({*(one.id for one in shown.forms), saved.form_id})
    statement = {
        "batch": subject.key, "decision": sent.decision, "specification": specification.oid, "source": specification.source,
        "criteria": {one.criterion.oid: [one.result, str(one.verdict)] for one in judged}, "verdict": str(verdict), "why": why,
    }  # fmt: skip
    return sign.sign(tx, subject, actor, proof, MEANING, covered, statement, fingerprint(sign.covered(tx, subject, covered)))


def form_of(study: Study, subject: Subject) -> tuple[str, FormDef]:
    """Where a decision is recorded. Raises Impossible."""
    for event in study.events_for(subject.subject_type):
        for form in (study.form[ref.form_oid] for ref in event.forms):
            if form.with_alias("CTRELDEC") is not None:
                return event.oid, form
    raise Impossible(Message(N_("This is no batch of a product.")))


def _settings(published: Published, subject: Subject) -> CellSettings:
    settings = published.study.cells
    if settings is None or subject.subject_type != settings.product or subject.error:
        raise Impossible(Message(N_("This is no batch of a product.")))
    return settings
