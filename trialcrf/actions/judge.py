"""Judging whether a subject may enter: what the criteria say of the recorded data, and the verdict that an investigator signs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from trialcrf.actions import Impossible, deviate, enter, sign
from trialcrf.actions.enter import Typed
from trialcrf.core.access import Actor
from trialcrf.core.boxes import raw_of
from trialcrf.core.casebook import Casebook
from trialcrf.core.definition.criteria import EligibilityDef
from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.document import Answer, Document, FormKey, Place
from trialcrf.core.eligibility import Evaluation, Overall, Verdict, evaluate, partner_truth
from trialcrf.core.entry import Refused
from trialcrf.core.expr import result
from trialcrf.core.kleene import days_of
from trialcrf.core.signature import fingerprint
from trialcrf.core.typed import DateInterval
from trialcrf.core.wording import N_, Message
from trialcrf.store import definitions, forms, locks, signatures, subjects
from trialcrf.store.definitions import Published
from trialcrf.store.forms import StoredForm
from trialcrf.store.signatures import Signature
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

MEANING = "eligibility"
STATEMENT_ALIAS = "IEYN"
"""The CDASH names by which the forms of the signed verdict and of a deviation are found."""


@dataclass(frozen=True, slots=True)
class Screening:
    """What the criteria say of a subject now, under the version in force at the consent, and the forms that they rest on."""

    published: Published
    evaluation: Evaluation
    forms: Mapping[FormKey, StoredForm]
    partner: Subject | None = None

    @property
    def used(self) -> tuple[int, ...]:
        """The forms that a verdict on this evaluation covers: every one that gave a value."""
        keys = {found.key for given in self.evaluation.given.values() for found in given.found}
        return tuple(sorted(self.forms[key].id for key in keys & self.forms.keys()))


@dataclass(frozen=True, slots=True)
class Signing:
    """What an investigator decided: the verdict, the day of inclusion, and why where it is not what was computed."""

    verdict: Overall
    day: date
    comment: str = ""
    reason: str = ""  # a code of the study's reasons, where an earlier verdict changes
    seen: str = ""


@dataclass(frozen=True, slots=True)
class _Held:
    key: FormKey
    document: Document


def screen(tx: Transaction, published: Published, subject: Subject, now: datetime, day: date | None = None) -> Screening | None:
    """The criteria judged over the subject's forms; None where the study has none for this kind of subject.

    `day` stands in for the recorded day of inclusion: validity counts back from it.
    """
    stored = forms.all_of(tx, [subject.id])
    in_force = _in_force(tx, published, subject, stored, now)
    definition = in_force.study.eligibility_of(subject.subject_type)
    if definition is None:
        return None
    partner = _partner(tx, in_force.study, definition, subject, stored)
    theirs = screen(tx, published, partner, now) if partner is not None else None
    evaluation = _evaluated(in_force.study, definition, subject, stored, now, day, theirs.evaluation.overall if theirs else None)
    return Screening(in_force, evaluation, {one.key: one for one in stored}, partner)


def under(tx: Transaction, study: Study, subject: Subject, now: datetime) -> Evaluation | None:
    """What the criteria of any version of the study would say of a subject now, its partner judged by the same version."""
    definition = study.eligibility_of(subject.subject_type)
    if definition is None:
        return None
    stored = forms.all_of(tx, [subject.id])
    partner = _partner(tx, study, definition, subject, stored)
    theirs = under(tx, study, partner, now) if partner is not None else None
    return _evaluated(study, definition, subject, stored, now, None, theirs.overall if theirs else None)


def _evaluated(
    study: Study,
    definition: EligibilityDef,
    subject: Subject,
    stored: Sequence[StoredForm],
    now: datetime,
    day: date | None,
    theirs: Overall | None,
) -> Evaluation:
    held: list[StoredForm | _Held] = list(stored)
    where = _statement(study, subject.subject_type)
    if day is not None and where is not None:
        key, form = where
        held = [one for one in held if one.key != key]
        held.append(_Held(key, Document({_item(form, "IEDAT"): Answer(day.isoformat())})))
    about = {"type": subject.subject_type, "site": subject.site.code, "key": subject.key}
    return evaluate(study, definition, casebook_of(study, held), about, subject.site.today(now), partner_truth(theirs))


def casebook_of(study: Study, held: Sequence[StoredForm | _Held]) -> Casebook:
    """The forms of one subject, by form."""
    by_form: dict[str, list[StoredForm | _Held]] = {}
    for one in held:
        by_form.setdefault(one.key.form_oid, []).append(one)
    return Casebook(study, lambda oid: by_form.get(oid, ()))


def _in_force(tx: Transaction, published: Published, subject: Subject, stored: Sequence[StoredForm], now: datetime) -> Published:
    """The version under which the subject is judged: the newest that was in force at the site on the day of consent.

    Data entered late, or before the first publication with criteria, are judged under the first version that has any.
    """
    study = published.study
    definition = study.eligibility_of(subject.subject_type)
    if definition is None:
        return published
    day = days_of(result(definition.consent.tree, casebook_of(study, stored).value, subject.site.today(now)))
    if not isinstance(day, DateInterval):
        return published
    at_site = definitions.in_force(tx, subject.site)
    known = [one for one in at_site if one.published.study.eligibility_of(subject.subject_type) is not None]
    by_then = [one for one in at_site if one.since <= day.latest]
    if by_then and by_then[-1] in known:
        return by_then[-1].published
    return known[0].published if known else published


def _partner(tx: Transaction, study: Study, definition: EligibilityDef, subject: Subject, stored: Sequence[StoredForm]) -> Subject | None:
    """The linked subject, whose own verdict is taken and nothing else."""
    link = casebook_of(study, stored).named(definition.partner_alias) if definition.partner_alias else None
    found = subjects.find(tx, study.oid, link.answer.text) if link is not None else None
    return found if found is not None and not found.error else None


def _statement(study: Study, kind: str) -> tuple[FormKey, FormDef] | None:
    """Where the signed verdict is recorded."""
    return next(
        (
            (FormKey(event.oid, form.oid), form)
            for event in study.events_for(kind)
            for form in (study.form[ref.form_oid] for ref in event.forms)
            if form.with_alias(STATEMENT_ALIAS) is not None
        ),
        None,
    )


def sign_verdict(
    tx: Transaction, published: Published, subject: Subject, actor: Actor, proof: sign.Proof, sent: Signing, now: datetime
) -> Signature:
    """Record and sign a verdict, in these steps:

    1. judge again, with the day of inclusion that was given; what the page showed must still stand;
    2. save the statement: the signed verdict beside the computed one (a soft check of the study opens a query where they differ);
    3. an entry that the criteria do not allow is a protocol deviation, recorded and never an override (ICH E6);
    4. sign every form that the verdict rests on, with the statement itself.

    Raises Impossible (with the box), NotAllowed.
    """
    locks.refuse_change(tx, locks.over_subject(subject))  # Before the chain is held, as every save has it.
    signatures.hold(tx, subject.site)
    shown = screen(tx, published, subject, now)
    where = _statement(published.study, subject.subject_type)
    if shown is None or where is None:
        raise Impossible(Message(N_("This study has no criteria for this kind of participant.")))
    if not shown.used or fingerprint(sign.covered(tx, subject, shown.used)) != sent.seen:
        raise Impossible(Message(N_("The data changed after this page was shown: read it again before signing. Nothing was signed.")))
    if sent.day > subject.site.today(now):
        raise Impossible(Message(N_("The day of inclusion cannot lie in the future.")), "day")
    if sent.verdict is Overall.PENDING:
        raise Impossible(Message(N_("Say whether the participant is eligible.")), "verdict")
    found = screen(tx, published, subject, now, sent.day)
    assert found is not None
    computed = found.evaluation.overall
    if computed is not sent.verdict and not sent.comment.strip():
        raise Impossible(Message(N_("The computed verdict is another one: say why.")), "comment")
    key, form = where
    if key in found.forms and published.study.reasons.label_of(sent.reason) is None:
        raise Impossible(Message(N_("Say why the verdict is given again.")), "reason")
    try:
        saved = enter.save_form(tx, published, subject, key, _typed(found, form, key, sent), now)
    except Refused as refused:
        first = refused.findings[0]
        boxes = {_item(form, alias): box for alias, box in (("IEDAT", "day"), (STATEMENT_ALIAS, "verdict"))}
        said = Message(N_("The verdict was refused: %(why)s"), {"why": first.message})
        raise Impossible(said, boxes.get(first.place.item, "comment")) from None
    if sent.verdict is Overall.ELIGIBLE and computed is not Overall.ELIGIBLE:
        _deviate(tx, published, subject, found, sent, now)
    tx.flush_trail()
    covered = sorted({*found.used, saved.form_id})
    statement = stated(found, subject, sent)
    return sign.sign(tx, subject, actor, proof, MEANING, covered, statement, fingerprint(sign.covered(tx, subject, covered)))


def _typed(found: Screening, form: FormDef, key: FormKey, sent: Signing) -> Typed:
    """The statement as a page would send it; criteria that are not met stand in rows, as SDTM's IE wants them."""
    stored = found.forms.get(key)
    before = stored.document if stored else Document()
    texts = {
        "IEDAT": sent.day.isoformat(),
        STATEMENT_ALIAS: sent.verdict.value,
        "IECOMP": found.evaluation.overall.value,
        "TIVERS": f"{found.published.version} {found.published.hash[:12]}",
        "IEREAS": sent.comment.strip(),
    }
    raws = {}
    for alias, text in texts.items():
        item = form.with_alias(alias)
        if item is not None:
            raws[Place(item.oid)] = raw_of(item, Answer(text) if text else None, "en", None)
    removed = {}
    rows = [item for group, item in form.items.values() if group.repeating]
    if rows:
        group = next(group.oid for group, _ in form.items.values() if group.repeating)
        removed = {(group, row.id): sent.reason for row in before.rows.get(group, ()) if not row.error}
        for number, values in enumerate(_rows(found.evaluation)):
            for item in rows:
                text = next((values[alias] for alias in item.aliases if alias in values), "")
                raws[Place(item.oid, group, f"new{number}")] = raw_of(item, Answer(text) if text else None, "en", None)
    changed = {place: sent.reason for place in raws if sent.reason and before.at(place) is not None}
    return Typed(raws, removed, changed, {}, stored.version if stored else None)


def _rows(evaluation: Evaluation) -> Iterator[Mapping[str, str]]:
    for each in evaluation.judged:
        if each.criterion.kind != "route" and each.verdict not in (Verdict.MET, Verdict.ABSENT):
            code = each.criterion.id.replace("-", "")
            yield {"IETESTCD": code.upper(), "IECAT": each.criterion.kind.value.upper(), "IEORRES": each.verdict.value}


def _deviate(tx: Transaction, published: Published, subject: Subject, found: Screening, sent: Signing, now: datetime) -> None:
    """The record of a deviation: which criteria, and why the participant entered all the same."""
    against = " ".join(each["IETESTCD"] for each in _rows(found.evaluation))[:200]
    said = {"DVSTDAT": sent.day.isoformat(), deviate.TERM: sent.comment.strip(), "DVCAT": "ELIGIBILITY", "DVDECOD": against}
    deviate.record(tx, published, subject, said, now)


def stated(found: Screening, subject: Subject, sent: Signing) -> Mapping[str, object]:
    """What was signed, as plain values: the version, every criterion with its verdict, the place and date of every value.

    The values themselves stay where they are: the signature covers their commitments, and a redaction must reach them.
    """
    evaluation = found.evaluation
    return {
        "subject": subject.key,
        "definition": {"version": found.published.version, "hash": found.published.hash},
        "day": sent.day.isoformat(),
        "computed": evaluation.overall.value,
        "signed": sent.verdict.value,
        "comment": sent.comment.strip(),
        "criteria": {each.criterion.id: each.verdict.value for each in evaluation.judged},
        "values": {
            name: {
                "state": given.state.value,
                "dated": given.dated.earliest.isoformat() if given.dated else None,
                "from": [
                    [found.forms[one.key].id, one.key.event_oid, one.key.form_oid, one.ref.item, one.row]
                    for one in given.found
                    if one.key in found.forms
                ],
            }
            for name, given in evaluation.given.items()
        },
    }


def _item(form: FormDef, alias: str) -> str:
    item = form.with_alias(alias)
    if item is None:
        raise Impossible(Message(N_("The form of the verdict has no item %(alias)s."), {"alias": alias}))
    return item.oid


def latest(tx: Transaction, subject: Subject) -> Signature | None:
    """The newest signed verdict."""
    found = signatures.all_of(tx, subject.id, MEANING)
    return found[-1] if found else None
