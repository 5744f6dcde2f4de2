"""The one implementation of what a form must hold: conditions, ranges, rules, derived items; for pages, imports and re-evaluation alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, tzinfo
from decimal import Decimal

from trialcrf.core.checkplan import ItemPlan, Plan, RulePlan, plan_of
from trialcrf.core.definition.model import FormDef, ItemDef, ItemGroupDef, Severity
from trialcrf.core.document import REDACTED, Answer, Document, Place, Row
from trialcrf.core.expr import Expr, Ref, evaluate, verdict
from trialcrf.core.kleene import Truth, rounded
from trialcrf.core.typed import AWAITED, DateInterval, Missing, Undetermined, Value, interval_text
from trialcrf.core.values import typed
from trialcrf.core.wording import N_, Message, Sayable

OWN_CHECKS = frozenset(
    {
        "codelist",
        "cohort_gate",
        "condition",
        "decimals",
        "dictionary_class",
        "dictionary_grade",
        "dictionary_term",
        "dictionary_words",
        "future",
        "hard_range",
        "mandatory",
        "shared_reference",
        "soft_range",
        "study_hold",
        "unreadable",
        "unverifiable",
    }
)
"""The names of the program's own checks; no rule of a study may take one."""

MOST_DERIVED_DECIMALS = 10
"""Where the definition of a derived number does not say how many decimals it has."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check says about an answer. Hard stops the save, soft opens a query, a note only informs."""

    place: Place
    severity: Severity
    check: str
    message: Sayable


def _nothing_known(ref: Ref) -> Value:
    return None


@dataclass(frozen=True, slots=True)
class Context:
    """What a form is judged beside: today at the site, its zone, the subject (`subject.type`, `subject.site`) and other forms."""

    today: date
    zone: tzinfo
    subject: Mapping[str, str] = field(default_factory=dict)
    others: Callable[[Ref], Value | tuple[Value, ...]] = _nothing_known


def run(form: FormDef, document: Document, context: Context) -> tuple[Finding, ...]:
    """Every finding on the live rows and items of a form, in the form's order, then those of its rules.

    A mandatory blank is a note: a form may be saved incomplete, and no query is opened for it. Derive first.
    """
    reading = _Reading(plan_of(form), document, context)
    findings: list[Finding] = []
    for place, each, applies in reading.asked():
        answer = reading.answer(each)
        if answer is None:
            if applies is True and each.demanded:
                findings.append(Finding(place, Severity.NOTE, "mandatory", Message(N_("An answer is needed here."))))
            continue
        if applies is False:
            message = Message(N_("This is no longer asked, because of another answer: clear it, or correct that answer."))
            findings.append(Finding(place, Severity.NOTE, "condition", message))
        if answer.missing:
            if answer == REDACTED:
                message = Message(N_("What stood here was erased: it was personal data."))
                findings.append(Finding(place, Severity.NOTE, "redacted", message))
            elif answer.missing not in each.item.missing:
                message = Message(N_("The missing code %(code)s is not offered for this question."), {"code": answer.missing})
                findings.append(Finding(place, Severity.HARD, "codelist", message))
            continue
        if each.tests:
            value = reading.value(each)
            for test in each.tests:
                said = test(answer.text, value, context.today, context.zone)
                if said is not None:
                    findings.append(Finding(place, *said))
    for rule in reading.plan.rules:
        findings.extend(_broken(rule, reading))
    return tuple(findings)


def derive(form: FormDef, document: Document, context: Context) -> Document:
    """The document with every derived item computed from the others, in the order they need each other.

    One that is undetermined, or that does not apply, has no answer. Rows in error stay as they are.
    """
    plan = plan_of(form)
    for each, group in plan.derived:
        reading = _Reading(plan, document, context)
        if not each.group:
            answer = reading.derived(each, group)
            if answer != document.items.get(each.item.oid):
                document = document.with_answer(each.place, answer)
            continue
        rows = document.rows.get(each.group, ())
        after = tuple(row if row.error else _row_with(row, each.item.oid, reading.within(row, each, group)) for row in rows)
        if after != rows:
            document = replace(document, rows={**document.rows, each.group: after})
    return document


def applicable(form: FormDef, document: Document, context: Context) -> frozenset[Place]:
    """The places that a page shows: those whose conditions are not false, so that what is undetermined is shown too.

    Beside the items of the form and of live rows there is `Place(item, group)`, without a row, for the blank row that a page
    offers, and `Place("", group)` for a group that is to be shown at all.
    """
    reading = _Reading(plan_of(form), document, context)
    shown = {place for place, _, applies in reading.asked(with_new_rows=True) if applies is not False}
    return frozenset(shown | {Place("", group.oid) for group in form.groups if reading.shows(group)})


def progress(form: FormDef, document: Document, context: Context) -> tuple[int, int]:
    """How many of the items that must be answered are, and how many there are: mandatory, certainly applicable, in live rows."""
    reading = _Reading(plan_of(form), document, context)
    answered = asked = 0
    for _, each, applies in reading.asked():
        if applies is True and each.demanded:
            asked += 1
            answered += reading.answer(each) is not None
    return answered, asked


def complete(form: FormDef, document: Document, context: Context) -> bool:
    """Whether every item that must be answered is."""
    answered, asked = progress(form, document, context)
    return answered == asked


# A name that the form does not have can never be answered: unsure, so that its rule is a finding, and not awaited in silence.
_NO_SUCH_ITEM = Missing("")


class _Reading:
    """The answers of one document as expressions see them: typed once, from inside a row or from outside all rows."""

    __slots__ = ("_context", "_document", "_form_values", "_group", "_row", "_row_values", "plan")

    def __init__(self, plan: Plan, document: Document, context: Context) -> None:
        self.plan = plan
        self._document = document
        self._context = context
        self._form_values: dict[str, Value] = {}
        self._group = ""
        self._row: Row | None = None
        self._row_values: dict[str, Value] = {}

    def enter(self, group: str, row: Row | None) -> None:
        """Stand in this row of this group; in none to stand outside."""
        self._group, self._row, self._row_values = group, row, {}

    def live(self, group: str) -> Iterator[Row]:
        return (row for row in self._document.rows.get(group, ()) if not row.error)

    def answer(self, each: ItemPlan) -> Answer | None:
        """The answer to an item outside rows, or in the row that the reading stands in."""
        if not each.group:
            return self._document.items.get(each.item.oid)
        return self._row.items.get(each.item.oid) if self._row is not None else None

    def value(self, each: ItemPlan) -> Value:
        values = self._row_values if each.group else self._form_values
        oid = each.item.oid
        if oid not in values:
            values[oid] = typed(each.item, self.answer(each))
        return values[oid]

    def answers(self, ref: Ref) -> Value | tuple[Value, ...]:
        """What a name in an expression stands for."""
        if ref.form == "subject":
            return self._context.subject.get(ref.item)
        if ref.form:
            return self._context.others(ref)
        each = self.plan.items.get(ref.item)
        if each is None:
            return _NO_SUCH_ITEM
        if each.group and each.group != self._group:
            return tuple(typed(each.item, row.items.get(each.item.oid)) for row in self.live(each.group))
        return self.value(each)

    def truth(self, expr: Expr | None) -> Truth:
        return True if expr is None else verdict(expr, self.answers, self._context.today)

    def asked(self, with_new_rows: bool = False) -> Iterator[tuple[Place, ItemPlan, Truth]]:
        """Every item of the form and of its live rows, standing in the row, with whether it applies."""
        for planned in self.plan.groups:
            group = planned.group
            if not group.repeating:
                applies = self.truth(group.when)
                for each in planned.items:
                    yield each.place, each, _both(applies, each, self)
                continue
            rows = self._document.rows.get(group.oid, ())
            for row in (*rows, Row("")) if with_new_rows else rows:
                if row.error:
                    continue
                self.enter(group.oid, row)
                applies = self.truth(group.when)
                for each in planned.items:
                    yield Place(each.item.oid, group.oid, row.id), each, _both(applies, each, self)
            self.enter("", None)

    def shows(self, group: ItemGroupDef) -> bool:
        if group.when is None:
            return True
        rows: tuple[Row | None, ...] = (*self.live(group.oid), Row("")) if group.repeating else (None,)
        shown = False
        for row in rows:
            self.enter(group.oid if row is not None else "", row)
            shown = shown or self.truth(group.when) is not False
        self.enter("", None)
        return shown

    def derived(self, each: ItemPlan, group: ItemGroupDef) -> Answer | None:
        if each.item.derive is None or _both(self.truth(group.when), each, self) is False:
            return None
        text = _computed(each.item, evaluate(each.item.derive, self.answers, self._context.today))
        return Answer(text) if text else None

    def within(self, row: Row, each: ItemPlan, group: ItemGroupDef) -> Answer | None:
        self.enter(each.group, row)
        return self.derived(each, group)


def _both(group: Truth, each: ItemPlan, reading: _Reading) -> Truth:
    """Whether an item applies: its group's condition and its own."""
    if each.item.when is None or group is False:
        return group
    own = reading.truth(each.item.when)
    return own if group is True or own is False else group


def _broken(rule: RulePlan, reading: _Reading) -> Iterator[Finding]:
    """The findings of one rule: where it does not hold, and where it cannot be verified although nothing is awaited."""
    told: set[tuple[Place, str]] = set()
    rows: Iterator[Row | None] | tuple[None] = reading.live(rule.group) if rule.group else (None,)
    for row in rows:
        reading.enter(rule.group if row is not None else "", row)
        holds = reading.truth(rule.check.holds)
        if holds is True or holds is AWAITED:
            continue
        said: Sayable = rule.check.message
        severity, check = rule.check.severity, rule.check.oid
        if holds is not False:
            severity, check = Severity.NOTE, "unverifiable"
            said = Message(N_("This could not be verified with the answers as they are: %(rule)s"), {"rule": said})
        for place in _places(rule, row, reading):
            if (place, check) not in told:
                told.add((place, check))
                yield Finding(place, severity, check, said)
    reading.enter("", None)


def _places(rule: RulePlan, row: Row | None, reading: _Reading) -> list[Place]:
    places: list[Place] = []
    for each in rule.targets:
        if not each.group:
            places.append(each.place)
        elif row is not None and each.group == rule.group:
            places.append(Place(each.item.oid, each.group, row.id))
        else:
            places.extend(Place(each.item.oid, each.group, other.id) for other in reading.live(each.group))
    # A rule that names no place of the form is still told: never silence.
    return places or [Place(rule.check.items[0] if rule.check.items else "")]


def _row_with(row: Row, oid: str, answer: Answer | None) -> Row:
    if row.items.get(oid) == answer:
        return row
    kept = {key: value for key, value in row.items.items() if key != oid}
    return replace(row, items=kept if answer is None else {**kept, oid: answer})


def _computed(item: ItemDef, value: Value | Undetermined) -> str | None:
    """The canonical text of a computed value; None where there is none that could be recorded."""
    if isinstance(value, bool):
        return "Y" if value else "N"
    if isinstance(value, Decimal):
        number = rounded(value, MOST_DERIVED_DECIMALS if item.decimals is None else item.decimals)
        if not number.is_finite():
            return None
        text = format(number, "f")
        if item.decimals is None and "." in text:
            text = text.rstrip("0").rstrip(".")
        return text.lstrip("-") if not number else text
    if isinstance(value, DateInterval):
        return interval_text(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds" if value.second else "minutes")
    if isinstance(value, time):
        return value.isoformat(timespec="seconds" if value.second else "minutes")
    if isinstance(value, frozenset):
        return "|".join(sorted(value)) or None
    return value if isinstance(value, str) else None
