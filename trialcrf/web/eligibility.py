"""Eligibility of one subject: every criterion with its clause, its verdict and what it rests on; and the verdict that is signed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, judge, plain, sign
from trialcrf.actions.judge import Screening, Signing
from trialcrf.core.access import ROLES
from trialcrf.core.casebook import Found
from trialcrf.core.definition.criteria import Assumption, CriterionKind, InputType
from trialcrf.core.definition.model import Study
from trialcrf.core.document import FormKey, Place
from trialcrf.core.eligibility import VERDICTS, Given, Judged, Overall, State, Verdict
from trialcrf.core.expr import Ref
from trialcrf.core.signature import STANDINGS, Standing, fingerprint
from trialcrf.core.typed import Span
from trialcrf.core.wording import N_, Message, Sayable, Words
from trialcrf.store import signatures
from trialcrf.store.signatures import Signature
from trialcrf.store.transaction import Transaction
from trialcrf.web import fixed_drafts, guard, step_up
from trialcrf.web.fixed import VerdictForm
from trialcrf.web.forms.history import value_for_reading
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb
from trialcrf.web.subjects import form_url

blueprint = Blueprint("eligibility", __name__)

RULE = "/studies/<study>/subjects/<subject>/eligibility"

ICONS = {
    Verdict.MET: "done", Verdict.ABSENT: "done", Verdict.NOT_MET: "overdue", Verdict.PRESENT: "overdue", Verdict.UNDETERMINED: "planned",
    Overall.ELIGIBLE: "done", Overall.NOT_ELIGIBLE: "overdue", Overall.PENDING: "planned",
}  # fmt: skip
_WHY = {
    State.AWAITED: N_("not entered yet"),
    State.UNDATED: N_("its date is not known well enough"),
    State.UNDECIDED: N_("entered, and says nothing certain"),
}


@dataclass(frozen=True, slots=True)
class Origin:
    """A form where a value was entered, as a link; `said` are the recorded answers in words."""

    form: Sayable
    said: str
    url: str


@dataclass(frozen=True, slots=True)
class ValueLine:
    """One input of a criterion: what it is, what it came to, how old it is, and where it comes from."""

    label: Words
    text: Sayable | str
    unit: str
    why: Sayable | None
    dated: date | None
    origins: tuple[Origin, ...]
    known: bool
    enter_url: str = ""


@dataclass(frozen=True, slots=True)
class CriterionLine:
    id: str
    clause: Words
    note: Words
    verdict: Verdict
    word: Message
    icon: str
    route: bool
    assumptions: tuple[tuple[str, Assumption], ...]
    values: tuple[ValueLine, ...]
    parts: tuple[tuple[str, Message, str], ...] = ()  # the criteria that its rule names, with their verdicts

    @property
    def origins(self) -> dict[str, Origin]:
        """Every form that its values were entered in, once."""
        return {origin.url: origin for value in self.values for origin in value.origins}

    @property
    def proposed(self) -> bool:
        """Whether any assumption behind it is still to be confirmed."""
        return any(one.state != "confirmed" for _, one in self.assumptions)


@dataclass(frozen=True, slots=True)
class SignedLine:
    """A verdict that was signed, and whether it still stands."""

    name: str
    role: Message
    at: datetime
    verdict: Message
    computed: Message
    differs: bool
    comment: str
    standing: Message
    void: bool
    changes: tuple[tuple[Sayable | str, str, datetime], ...]
    hash: str


@page(blueprint, RULE, "statement.read")
def criteria(study: str, subject: str) -> str:
    return _page(VerdictForm(), None)


@page(blueprint, RULE, "signature.sign", methods=["POST"], endpoint="sign")
def sign_(study: str, subject: str) -> Response | tuple[str, int]:
    """Sign a verdict: the password is checked outside any write, then everything happens in one transaction."""
    form, which, actor = VerdictForm(request.form), g.place.subject, g.session.actor
    try:
        verdict, comment = _verdict(form), plain(form.comment.data or "", 500, "comment")
        day = form.read_day(Message(N_("Give the day of inclusion as day, month and year.")))
        proof = step_up.signer(form.password.data)
        sent = Signing(verdict, day, comment, form.reason.data or "", form.seen.data or "")
        with guard.write() as tx:
            judge.sign_verdict(tx, g.place.published, which, actor, proof, sent, g.now)
    except sign.WrongPassword as problem:
        with guard.write() as tx:
            sign.note_refusal(tx, actor, which, judge.MEANING)
        return _page(form, problem), 422
    except Impossible as problem:
        return _page(form, problem), 422
    return redirect(url_for("eligibility.criteria", study=study, subject=subject, done="signed"), 303)


def _verdict(form: VerdictForm) -> Overall:
    if form.verdict.data not in (Overall.ELIGIBLE, Overall.NOT_ELIGIBLE):
        raise Impossible(Message(N_("Say whether the participant is eligible.")), "verdict")
    return Overall(form.verdict.data)


def _page(form: VerdictForm, problem: Impossible | None) -> str:
    which = g.place.subject
    with guard.read() as tx:
        found = judge.screen(tx, g.place.published, which, g.now)
        if found is None:
            abort(404)
        signed = _signed(tx, found, signatures.all_of(tx, which.id, judge.MEANING))
        if found.used:
            form.seen.data = fingerprint(sign.covered(tx, which, found.used))
    evaluation, study = found.evaluation, found.published.study
    lines = [_line(found, each) for each in evaluation.judged]
    form.verdict.choices = [("", "")] + [(one.value, g.language.gettext(VERDICTS[one])) for one in (Overall.ELIGIBLE, Overall.NOT_ELIGIBLE)]
    form.reason.choices = [("", "")] + [(one.code, one.label.in_(g.language.code)) for one in study.reasons.items]
    required = [one for one in lines if not one.route]
    kind = study.subject_type[which.subject_type]
    may_sign = guard.may_here("signature.sign") and bool(found.used) and not which.error
    fixed_drafts.beside({url_for("eligibility.sign", study=study.oid, subject=which.key): form if may_sign else None})
    return render_template(
        "subjects/eligibility.html",
        shell=shell(),
        crumbs=[
            Crumb(Message(N_("Subjects")), url_for("subjects.matrix", study=study.oid, kind=kind.oid)),
            Crumb(which.key, url_for("subjects.one", study=study.oid, subject=which.key)),
        ],
        which=which,
        version=found.published,
        overall=evaluation.overall,
        overall_word=Message(VERDICTS[evaluation.overall]),
        overall_icon=ICONS[evaluation.overall],
        decided=sum(one.verdict is not Verdict.UNDETERMINED for one in required),
        required=len(required),
        on=evaluation.on,
        missing=[_value(found, evaluation.given[name]) for name in evaluation.missing],
        inclusions=[one for one, each in zip(lines, evaluation.judged, strict=True) if each.criterion.kind is not CriterionKind.EXCLUSION],
        exclusions=[one for one, each in zip(lines, evaluation.judged, strict=True) if each.criterion.kind is CriterionKind.EXCLUSION],
        signed=signed,
        again=bool(signed),
        may_sign=may_sign,
        form=form,
        problem=problem,
    )


def _line(found: Screening, judged: Judged) -> CriterionLine:
    criterion = judged.criterion
    own = {ref.item for ref in criterion.rule.references}
    given = [found.evaluation.given[one.oid] for one in found.evaluation.definition.inputs if one.oid in own]
    # What is not entered and not needed either would only hide what is.
    values = tuple(_value(found, one) for one in given if one.state is not State.AWAITED or one.input.oid in judged.missing)
    named = tuple((name, found.published.study.assumptions[name]) for name in criterion.assumptions)
    return CriterionLine(
        criterion.id,
        criterion.clause,
        criterion.note,
        judged.verdict,
        Message(VERDICTS[judged.verdict]),
        ICONS[judged.verdict],
        criterion.kind is CriterionKind.ROUTE,
        named,
        values,
        tuple(
            (each.criterion.id, Message(VERDICTS[each.verdict]), ICONS[each.verdict])
            for each in found.evaluation.judged
            if each.criterion.name in own
        ),
    )


def _value(found: Screening, given: Given) -> ValueLine:
    """An input for reading. What a donor's tests found is told to nobody who may not read the form."""
    each, study = given.input, found.published.study
    hidden = not guard.may_here(f"{each.access}.read")
    why: Sayable | None = Message(_WHY[given.state]) if given.state in _WHY else None
    if given.state is State.EXPIRED and given.valid_until:
        why = Message(N_("expired: valid until %(day)s"), {"day": given.valid_until})
    if hidden:
        return ValueLine(each.label, Message(N_("your role does not read this value")), "", None, None, (), given.state is State.KNOWN)
    known = given.state is State.KNOWN
    text = _written(study, given) if known else ""
    return ValueLine(
        each.label,
        text,
        each.unit if known and each.type in (InputType.NUMBER, InputType.BOUNDS) else "",
        why,
        given.dated.earliest if given.dated else None,
        tuple(_origins(study, [one for one in given.found if one.key in found.forms])),
        known,
        _enter_url(study, given),
    )


def _written(study: Study, given: Given) -> Sayable | str:
    value = given.value
    if isinstance(value, bool):
        return Message(N_("Yes") if value else N_("No"))
    if isinstance(value, Span):
        if value.low_open or value.high_open:
            sign_, end = ("<", value.high) if not value.low.is_finite() else (">", value.low)
            return f"{sign_}{g.language.number(end)}"
        return Message(N_("%(low)s to %(high)s"), {"low": _short(value.low), "high": _short(value.high)})
    if isinstance(value, Decimal):
        return str(g.language.number(_short(value)))
    for one in given.found:
        codelist = study.form[one.key.form_oid].items[one.ref.item][1].codelist
        label = codelist.label_of(str(value)) if codelist else None
        if label is not None:
            return label
    return str(value)


def _short(value: Decimal) -> Decimal:
    """At most two decimals for reading; what is judged is the exact value."""
    exponent = value.as_tuple().exponent
    return round(value, 2) if isinstance(exponent, int) and exponent < -2 else value


def _origins(study: Study, found: list[Found]) -> Iterator[Origin]:
    """Every form that gave a part of the value, once, with what it said."""
    for key in dict.fromkeys(one.key for one in found):
        form = study.form[key.form_oid]
        said = [
            f"{g.language.say(form.items[one.ref.item][1].label)} = {', '.join(g.language.say(part) for part in parts)}"
            for one in found
            if one.key == key and (parts := value_for_reading(form, Place(one.ref.item), one.answer.canonical()))
        ]
        where = Message("%(visit)s, %(form)s", {"visit": study.event[key.event_oid].label, "form": form.label})
        yield Origin(where, "; ".join(said), form_url(g.place.subject, key))


def _enter_url(study: Study, given: Given) -> str:
    """Where a missing value is entered: the first form of its expression that this kind of subject is asked."""
    refs = sorted(given.input.value.references, key=str) if given.input.value is not None else []
    for ref in refs:
        for key in _asked(study, ref):
            return form_url(g.place.subject, key)
    definition = study.eligibility_of(g.place.subject.subject_type)
    if definition is not None and given.input.oid == definition.partner_input:
        for form in study.forms_with(definition.partner_alias):
            for key in _asked(study, Ref("", form.oid)):
                return form_url(g.place.subject, key)
    return ""


def _asked(study: Study, ref: Ref) -> Iterator[FormKey]:
    if ref.form in study.form and guard.may_here(f"{study.form[ref.form].access}.enter"):
        for event in study.events_for(g.place.subject.subject_type):
            if (not ref.event or ref.event == event.oid) and any(one.form_oid == ref.form for one in event.forms):
                yield FormKey(event.oid, ref.form)


def _signed(tx: Transaction, found: Screening, made: list[Signature]) -> list[SignedLine]:
    """Every signed verdict, the newest first, with what was changed since."""
    stood = signatures.standings(tx, made)
    lines = []
    for one in reversed(made):
        said, now = one.said, stood[one.id]
        changes = tuple(
            (_place(found, change.entity_id, change.place), change.name or change.actor, change.at)
            for change in now.changes
            if change.entity == "form" and change.at is not None
        )
        verdict, computed = Overall(str(said["signed"])), Overall(str(said["computed"]))
        lines.append(
            SignedLine(
                one.name,
                Message(ROLES.get(one.role, one.role)),
                one.at,
                Message(VERDICTS[verdict]),
                Message(VERDICTS[computed]),
                verdict is not computed,
                str(said.get("comment", "")),
                Message(STANDINGS[now.standing]),
                now.standing is not Standing.VALID,
                changes,
                one.hash,
            )
        )
    return lines


def _place(found: Screening, form_id: str, place: str) -> Sayable | str:
    """A changed place by the words of its form."""
    for key, stored in found.forms.items():
        if str(stored.id) == form_id:
            form = found.published.study.form.get(key.form_oid)
            item = form.items.get(Place.parse(place).item) if form is not None else None
            if form is not None:
                return Message("%(form)s, %(item)s", {"form": form.label, "item": item[1].label if item else place})
    return place
