"""What the macros draw of a study form: plain values made from definition, document, findings and what was typed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from decimal import Decimal

from trialcrf.core.bodymap import LAYOUT
from trialcrf.core.boxes import raw_of
from trialcrf.core.checks import Finding
from trialcrf.core.definition.codes import CodeList
from trialcrf.core.definition.model import DataType, FormDef, ItemDef, ItemGroupDef, Range, Severity
from trialcrf.core.document import Answer, Document, Place, Row
from trialcrf.core.values import MISSING_CODES, MISSING_WORDS, Raw, asks_day
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.web.forms.bodymap import Earlier, body_map
from trialcrf.web.forms.drawn import (
    Box,
    Checked,
    Choice,
    FieldView,
    FormView,
    Graded,
    GroupView,
    Lookup,
    Mark,
    Papers,
    RowView,
    Said,
    Select,
    Summary,
    SummaryLine,
)
from trialcrf.web.forms.webform import Posted, is_new, key_of, widget_of

REASON = "reason"
"""The check of `core.entry.decide` that asks why a saved value changes."""
SHORT_SET = 44
"""Choices whose labels together have no more letters than this stand side by side."""


def _everywhere(_: Place) -> bool:
    return True


def _nothing(_: Place) -> None:
    return None


def _no_url(place: Place) -> str:
    return f"?field={key_of(place)}"


@dataclass(frozen=True)
class Around:
    """What else the page knows of the form: everything has a quiet default, so a blank form needs none of it.

    `applies` says whether an item is asked with the answers so far; an item that does not apply but holds a value is drawn all the same.
    `answered` are the confirmations given before. `references` are the records that an item may name, as (text, label).
    `before` are sentences such as the value of the visit before, `earlier` the whole form of then (for a body map).
    `closed` are questions that are frozen or locked by themselves, each with the word for it: they are shown, not asked.
    `zone` is the site's. `lookup` says of a place that it is coded by a dictionary, `graded` of one that it grades such a term, `papers` of
    one that documents are or may be attached to it.
    """

    applies: Callable[[Place], bool] = _everywhere
    answered: Mapping[tuple[Place, str], Sayable | str] = field(default_factory=dict)
    references: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    before: Mapping[Place, tuple[Sayable, ...]] = field(default_factory=dict)
    earlier: Earlier | None = None
    marks: Mapping[Place, Mark] = field(default_factory=dict)
    url: Callable[[Place], str] = _no_url
    chosen: Place | None = None
    reasons: CodeList | None = None
    confirmations: CodeList | None = None
    zone: tzinfo | None = None
    lookup: Callable[[Place], Lookup | None] = _nothing
    graded: Callable[[Place], Graded | None] = _nothing
    closed: Mapping[Place, Message] = field(default_factory=dict)
    copied: Mapping[Place, int] = field(default_factory=dict)
    papers: Callable[[Place], Papers | None] = _nothing


def view(
    form: FormDef,
    document: Document,
    language: str,
    findings: Collection[Finding] = (),
    posted: Posted | None = None,
    around: Around | None = None,
    *,
    editable: bool = True,
    version: int = 0,
) -> FormView:
    """The form as it is drawn: what was typed where something was posted, else what is stored.

    `version` is what the next save claims to have seen; where a post is drawn again it stays the version that was posted.
    """
    drawing = _Drawing(form, document, language, findings, posted or Posted(), around or Around(), editable)
    groups = tuple(drawing.group(group) for group in form.groups)
    seen = posted.version if posted and posted.version is not None else version
    several = editable and len(drawing.asked) > 1
    return FormView(
        oid=form.oid,
        label=form.label.in_(language),
        help=form.help.in_(language),
        groups=tuple(group for group in groups if group.repeating or group.fields or group.asked_later),
        summary=drawing.summary(groups),
        editable=editable,
        unsaved=posted is not None,
        version=seen,
        why=drawing.coded("why", "why", drawing.around.reasons, drawing.posted.reason) if several else None,
        computed=tuple(item.label.in_(language) for _, item in form.items.values() if item.derive is not None),
        checked=tuple(Checked(check.message.in_(language), check.severity is Severity.HARD) for check in form.checks),
        reasons=drawing.coded("found-why", "found-why", drawing.around.reasons, "") if editable else None,
        confirmations=drawing.coded("found-ok", "found-ok", drawing.around.confirmations, "") if editable else None,
    )


class _Drawing:
    """One drawing of one form: the inputs of `view`, so that they need not be passed from function to function."""

    def __init__(
        self,
        form: FormDef,
        document: Document,
        language: str,
        findings: Collection[Finding],
        posted: Posted,
        around: Around,
        editable: bool,
    ) -> None:
        self.form, self.document, self.language = form, document, language
        self.posted, self.around, self.editable = posted, around, editable
        self.findings: dict[Place, list[Finding]] = {}
        for finding in findings:
            self.findings.setdefault(finding.place, []).append(finding)
        self.asked = {finding.place for finding in findings if finding.check == REASON} if editable else set()

    def group(self, group: ItemGroupDef) -> GroupView:
        fields: tuple[FieldView, ...] = ()
        rows: tuple[RowView, ...] = ()
        later = 0
        if group.repeating:
            rows = self.rows(group)
        else:
            places = [(Place(item.oid), item) for item in group.items]
            drawn = [(place, item) for place, item in places if self.drawn(place)]
            fields = tuple(self.field(place, item) for place, item in drawn)
            later = len(places) - len(drawn)
        columns = tuple(choice for choice in fields[0].choices if choice.value) if group.layout != "list" and fields else ()
        around, mapped = self.around, group.layout == LAYOUT and fields and not any(one.place in self.around.closed for one in fields)
        return GroupView(
            oid=group.oid,
            id="g-" + group.oid,
            label=group.label.in_(self.language),
            help=group.help.in_(self.language),
            layout=group.layout if columns else "list",
            repeating=group.repeating,
            fields=fields,
            rows=rows,
            columns=columns,
            asked_later=later,
            pasted=self.posted.pasted.get(group.oid, ""),
            conditional=not group.repeating and (group.when is not None or any(item.when is not None for item in group.items)),
            body=body_map(self.form, group, fields, self.document, around.earlier, self.editable) if mapped else None,
        )

    def rows(self, group: ItemGroupDef) -> tuple[RowView, ...]:
        stored = self.document.rows.get(group.oid, ())
        new = self.posted.new_rows.get(group.oid, ())
        if self.editable and not stored and not new:
            new = ("new1",)  # A first blank row spares a click; left blank it is no row.
        every = (*stored, *(Row(row) for row in new))
        return tuple(self.row(group, row, number) for number, row in enumerate(every, 1))

    def row(self, group: ItemGroupDef, row: Row, number: int) -> RowView:
        key = f"{group.oid}.{row.id}"
        places = [(Place(item.oid, group.oid, row.id), item) for item in group.items]
        fields = () if row.error else tuple(self.field(place, item) for place, item in places if self.drawn(place))
        removable = self.editable and not row.error and not is_new(row.id) and not any(place in self.around.closed for place, _ in places)
        chosen = self.posted.gone.get((group.oid, row.id), "")
        gone = self.coded("gone." + key, "gone." + key, self.around.reasons, chosen) if removable else None
        # A row is taken out with a coded reason: it is shown in words, as every coded answer is.
        said = self.around.reasons.label_of(row.error) if self.around.reasons else None
        error = said.in_(self.language) if said else row.error
        return RowView(row.id, key, number, is_new(row.id), fields, error, gone)

    def drawn(self, place: Place) -> bool:
        return self.around.applies(place) or self.document.at(place) is not None or place in self.posted.raws or place in self.findings

    def field(self, place: Place, item: ItemDef) -> FieldView:
        key, answer = key_of(place), self.document.at(place)
        name = ("r." if place.row else "i.") + key
        ident = name.replace(".", "-")
        raw = self.posted.raws.get(place) or raw_of(item, answer, self.language, self.around.zone)
        asked = self.editable and place not in self.around.closed
        widget = widget_of(item) if asked or item.type is DataType.DERIVED else "shown"
        if widget == "reference":
            widget = "select" if item.oid in self.around.references else "text"
        boxes = _boxes(item, widget, ident, name, raw)
        choices = self.choices(item, widget, ident, raw)
        errors, doubts, notes = self.said(place, key, ident)
        coded = bool(item.missing) and widget not in ("shown", "derived")
        return FieldView(
            place=place,
            key=key,
            id=ident,
            target=choices[0].id if widget in ("radios", "checks") and choices else boxes[0].id if boxes else ident,
            name=name,
            widget=widget,
            label=item.label.in_(self.language),
            hints=_hints(item, self.language) if widget not in ("shown", "derived") else (),
            unit=item.unit,
            boxes=boxes,
            choices=choices,
            side_by_side=sum(_letters(choice.label) for choice in choices if choice.value) <= SHORT_SET and len(choices) < 7,
            missing=_missing(item, ident, name, raw) if coded else None,
            note=Box(ident + "-note", name + ".note", raw.parts.get("note", "")) if coded else None,
            errors=errors,
            doubts=doubts,
            notes=notes,
            why=self.reason(place, key) if place in self.asked and asked else None,
            optional=not item.mandatory and widget not in ("shown", "derived"),
            shown=self.shown(item, answer) if widget in ("shown", "derived") else (),
            absent=answer is not None and bool(answer.missing),
            before=self.around.before.get(place, ()),
            mark=self.around.marks.get(place, Mark()),
            url=self.around.url(place),
            chosen=place == self.around.chosen,
            lookup=self.around.lookup(place) if widget == "text" and item.dictionary else None,
            graded=self.around.graded(place),
            scan=bool(item.identity) and widget == "text",
            copied=self.around.copied.get(place, 0) if asked else 0,
            papers=self.around.papers(place),
        )

    def choices(self, item: ItemDef, widget: str, ident: str, raw: Raw) -> tuple[Choice, ...]:
        if widget not in ("radios", "checks", "select"):
            return ()
        known = [(code, label) for code, label in self.options(item)]
        picked = set(raw.choices) | {raw.parts.get("", "")}
        found = [Choice(f"{ident}-{number}", code, label, code in picked) for number, (code, label) in enumerate(known, 1)]
        if widget == "select":
            return (Choice(ident + "-0", "", "", picked == {""}), *found)
        if widget == "radios" and any(choice.chosen for choice in found):
            # Radio buttons cannot be taken back; without this a wrong answer could only be replaced, never removed.
            found.append(Choice(ident + "-0", "", Message(N_("no answer"))))
        return tuple(found)

    def options(self, item: ItemDef) -> Sequence[tuple[str, Sayable | str]]:
        if item.type is DataType.BOOLEAN or (item.derive is not None and item.derive.kind == "boolean"):
            return (("Y", Message(N_("Yes"))), ("N", Message(N_("No"))))
        if item.type is DataType.REFERENCE:
            return self.around.references.get(item.oid, ())
        codes = item.codelist.items if item.codelist else ()
        return [(code.code, code.label.in_(self.language)) for code in codes]

    def said(self, place: Place, key: str, ident: str) -> tuple[tuple[Said, ...], tuple[Said, ...], tuple[Said, ...]]:
        found: dict[Severity, list[Said]] = {severity: [] for severity in Severity}
        if place in self.around.closed:
            found[Severity.NOTE].append(Said(f"{ident}-closed", "closed", self.around.closed[place]))
        for number, finding in enumerate(self.findings.get(place, ()), 1):
            confirmed = self.around.answered.get((place, finding.check), "")
            confirm = None
            if finding.severity is Severity.SOFT and self.editable and place not in self.around.closed and not confirmed:
                name = f"ok.{key}.{finding.check}"
                confirm = self.coded(name, name, self.around.confirmations, self.posted.confirmations.get((place, finding.check), ""))
            found[finding.severity].append(Said(f"{ident}-m{number}", finding.check, finding.message, confirm, confirmed))
        return tuple(found[Severity.HARD]), tuple(found[Severity.SOFT]), tuple(found[Severity.NOTE])

    def reason(self, place: Place, key: str) -> Select | None:
        # The reason given for the whole page is not repeated as one of this field.
        typed = self.posted.reasons.get(place, "")
        return self.coded("why." + key, "why." + key, self.around.reasons, "" if typed == self.posted.reason else typed)

    def coded(self, ident: str, name: str, codes: CodeList | None, chosen: str) -> Select | None:
        if codes is None:
            return None
        ident = ident.replace(".", "-")
        found = [Choice(f"{ident}-{n}", c.code, c.label.in_(self.language), c.code == chosen) for n, c in enumerate(codes.items, 1)]
        return Select(ident, name, (Choice(ident + "-0", "", "", not chosen), *found))

    def shown(self, item: ItemDef, answer: Answer | None) -> tuple[Sayable | str, ...]:
        """The recorded value for reading: labels instead of codes, a date in the order of the boxes."""
        if answer is None:
            return ()
        if answer.missing:
            said: Sayable | str = Message(MISSING_WORDS[answer.missing]) if answer.missing in MISSING_WORDS else answer.missing
            return (said, answer.note) if answer.note else (said,)
        raw = raw_of(item, answer, self.language, self.around.zone)
        picked = set(raw.choices) | {raw.parts.get("", "")}
        labels = tuple(label for code, label in self.options(item) if code in picked)
        if labels:
            return labels
        day = "/".join(raw.parts[part] for part in ("d", "m", "y") if raw.parts.get(part, "UNK") != "UNK")
        return tuple(text for text in (day, raw.parts.get("t", ""), raw.parts.get("", "")) if text)

    def summary(self, groups: tuple[GroupView, ...]) -> Summary:
        """The findings in the order of the page; one that stands at no field of the page comes first and leads to the form."""
        lines: dict[str, list[SummaryLine]] = {"blocking": [], "queries": [], "missing": []}
        drawn = {field.place: field for group in groups for field in _fields(group)}
        order = {place: number for number, place in enumerate(drawn)}
        for place in sorted(self.findings, key=lambda place: order.get(place, -1)):
            field = drawn.get(place)
            for finding in self.findings[place]:
                kind = _kind(finding)
                answered = (place, finding.check) in self.around.answered
                if kind and not (kind == "queries" and answered):
                    target, label = (field.target, field.label) if field else ("entry", "")
                    lines[kind].append(SummaryLine("#" + target, label, finding.message))
        return Summary(tuple(lines["blocking"]), tuple(lines["queries"]), tuple(lines["missing"]))


def _fields(group: GroupView) -> tuple[FieldView, ...]:
    return (*group.fields, *(field for row in group.rows for field in row.fields))


def _kind(finding: Finding) -> str:
    if finding.check == "mandatory":
        return "missing"
    return {Severity.HARD: "blocking", Severity.SOFT: "queries", Severity.NOTE: ""}[finding.severity]


def _boxes(item: ItemDef, widget: str, ident: str, name: str, raw: Raw) -> tuple[Box, ...]:
    def box(part: str, label: str, size: str, inputmode: str = "numeric") -> Box:
        return Box(f"{ident}-{part}", f"{name}.{part}", raw.parts.get(part, ""), part, Message(label), size, inputmode)

    # A numeric keyboard of a tablet has no letters: where UNK may be typed the boxes ask for the full one.
    keys = "" if item.type is DataType.PARTIAL_DATE and asks_day(item) else "numeric"
    day = (box("d", N_("Day"), "d2", keys), box("m", N_("Month"), "d2", keys), box("y", N_("Year"), "d4"))
    if widget == "date":
        return day if item.type is DataType.DATE or asks_day(item) else day[1:]
    if widget == "datetime":
        return (*day, box("t", N_("Time"), "d5", ""))
    if widget in ("radios", "checks", "select", "shown", "derived"):
        return ()
    size = {"number": "num", "time": "d5"}.get(widget, "")
    inputmode = {DataType.INTEGER: "numeric", DataType.DECIMAL: "decimal"}.get(item.type, "")
    return (Box(ident, name, raw.parts.get("", ""), size=size, inputmode=inputmode),)


def _missing(item: ItemDef, ident: str, name: str, raw: Raw) -> Select:
    chosen = raw.parts.get("missing", "")
    found = [
        Choice(f"{ident}-missing-{number}", code, Message(MISSING_CODES.get(code, code)), code == chosen)
        for number, code in enumerate(item.missing, 1)
    ]
    return Select(ident + "-missing", name + ".missing", (Choice(ident + "-missing-0", "", "", not chosen), *found))


def _hints(item: ItemDef, language: str) -> tuple[Sayable, ...]:
    hints: list[Sayable] = [item.help] if item.help.in_(language) else []
    usual = item.soft if item.soft != Range() else item.hard
    if item.type in (DataType.INTEGER, DataType.DECIMAL):
        low, high = _number(usual.low), _number(usual.high)
        if low is not None and high is not None:
            hints.append(Message(N_("expected %(low)s to %(high)s"), {"low": low, "high": high}))
        elif low is not None:
            hints.append(Message(N_("expected %(low)s or more"), {"low": low}))
        elif high is not None:
            hints.append(Message(N_("expected %(high)s or less"), {"high": high}))
    if item.type is DataType.PARTIAL_DATE and not asks_day(item):
        hints.append(Message(N_("month and year only")))
    elif item.type is DataType.PARTIAL_DATE:
        hints.append(Message(N_("unknown day or month: UNK")))
    if item.identity:
        hints.append(Message(N_("Scan the label, or type the code.")))
    if item.type is DataType.TIME:
        hints.append(Message(N_("24 hours, for example 14:05")))
    return tuple(hints)


def _letters(label: Sayable | str) -> int:
    return len(label.msgid if isinstance(label, Message) else str(label))


def _number(text: str | None) -> Decimal | None:
    return Decimal(text) if text is not None else None
