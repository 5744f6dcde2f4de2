"""What the expressions of a form refer to and whether they can ever be decided: names, rows, cycles, and kinds that never meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation

from trialcrf.core.definition.codes import CodeList
from trialcrf.core.definition.model import DataType, FormDef, ItemDef, ItemGroupDef, Study
from trialcrf.core.definition.source import Located, Places, Reading
from trialcrf.core.expr import FUNCTIONS, Expr, Node, Ref
from trialcrf.core.tree import And, Arithmetic, Call, Compare, Literal, Member, Negative, Not, Or, Reference
from trialcrf.core.wording import N_, Message

SUBJECT = frozenset({"type", "site", "key"})
"""What an expression may ask of the subject: `subject.type` and so on."""

KINDS: Mapping[str, str] = {
    "number": N_("a number"),
    "text": N_("a text"),
    "boolean": N_("yes or no"),
    "date": N_("a date"),
    "time": N_("a time"),
    "choices": N_("several choices"),
}
_KIND: Mapping[DataType, str] = {
    DataType.TEXT: "text",
    DataType.INTEGER: "number",
    DataType.DECIMAL: "number",
    DataType.BOOLEAN: "boolean",
    DataType.CODELIST: "text",
    DataType.MULTICHOICE: "choices",
    DataType.DATE: "date",
    DataType.PARTIAL_DATE: "date",
    DataType.TIME: "time",
    DataType.DATETIME: "date",
    DataType.REFERENCE: "text",
}
_ORDERED = frozenset({"number", "date", "time", ""})
_OF_DATES = frozenset({"days_between", "months_between", "years_between", "age"})
_MOVED = frozenset({"add_months", "add_days"})
_OF_MANY = frozenset({name for name, function in FUNCTIONS.items() if function.aggregate} | {"missing", "answered", "blank"})

Say = Callable[[str, Mapping[str, object]], None]


def examine_expressions(study: Study, form: FormDef, reading: Reading, places: Places, complete: bool) -> None:
    """Note what is wrong with the expressions of one form; the forms and events that they refer to are the study's."""

    def examine(expr: Expr | None, at: Located, row: str, condition: bool) -> None:
        if expr is not None:

            def say(msgid: str, params: Mapping[str, object]) -> None:
                reading.say(at, N_("In the expression “%(text)s”: %(what)s"), text=expr.text, what=Message(msgid, params))

            _Examination(study, form, row, complete, say).expression(expr, condition)

    for group in form.groups:
        examine(group.when, places["group", form.oid, group.oid, "when"], "", True)
        row = group.oid if group.repeating else ""
        for item in group.items:
            examine(item.when, places["item", form.oid, item.oid, "when"], row, True)
            examine(item.derive, places["item", form.oid, item.oid, "derive"], row, False)
    for check in form.checks:
        rows = [form.items[oid][0].oid for oid in check.items if oid in form.items and form.items[oid][0].repeating]
        examine(check.holds, places["check", form.oid, check.oid, "holds"], rows[0] if rows else "", True)
    _examine_cycles(study, form, reading, places)


class _Examination:
    """One expression in its form. `row` is the repeating group in whose rows it is evaluated, empty outside."""

    def __init__(self, study: Study, form: FormDef, row: str, complete: bool, say: Say) -> None:
        self.study, self.form, self.row, self.complete, self.say = study, form, row, complete, say

    def expression(self, expr: Expr, condition: bool) -> None:
        unknown = [why for ref in sorted(expr.references, key=str) if (why := self._unknown(ref)) is not None]
        for why in unknown:
            self.say(*why)
        if not unknown:
            self._node(expr.tree, many=False)
            if condition:
                self._truth(expr.tree)

    def _unknown(self, ref: Ref) -> tuple[str, Mapping[str, object]] | None:
        """Why a name means nothing here, or None when it does (or might, in a file that could not be read)."""
        if ref.form == "subject" and not ref.event:
            names = ", ".join(f"subject.{name}" for name in sorted(SUBJECT))
            return None if ref.item in SUBJECT else (N_("%(name)s is unknown; known: %(known)s."), {"name": ref.item, "known": names})
        form = self.study.form.get(ref.form) if ref.form else self.form
        if form is None:
            return (N_("there is no form %(form)s."), {"form": ref.form}) if self.complete else None
        if ref.item not in form.items:
            return N_("the form %(form)s has no item %(item)s."), {"form": form.oid, "item": ref.item}
        if ref.event:
            event = self.study.event.get(ref.event)
            if event is None:
                return (N_("there is no event %(event)s."), {"event": ref.event}) if self.complete else None
            if ref.form not in {asked.form_oid for asked in event.forms}:
                return N_("the event %(event)s does not ask the form %(form)s."), {"event": ref.event, "form": ref.form}
        return None

    def _item(self, ref: Ref) -> tuple[ItemGroupDef, ItemDef] | None:
        form = self.study.form.get(ref.form) if ref.form else self.form
        return form.items.get(ref.item) if form is not None and ref.form != "subject" else None

    def _node(self, node: Node, many: bool) -> None:
        """Descend; `many` says that the place takes the values of several rows."""
        if isinstance(node, Reference):
            found = self._item(node.ref)
            if found and found[0].repeating and not many and (node.ref.form or found[0].oid != self.row):
                self.say(N_("%(item)s has one value in each row: use sum, count, mean, min or max."), {"item": node.ref.item})
            return
        if isinstance(node, And | Or):
            for term in node.terms:
                self._truth(term)
        elif isinstance(node, Not):
            self._truth(node.term)
        elif isinstance(node, Arithmetic):
            self._number(node.left)
            self._number(node.right)
        elif isinstance(node, Negative):
            self._number(node.operand)
        elif isinstance(node, Compare):
            self._compare(node)
        elif isinstance(node, Member):
            for choice in node.choices:
                self._meets(node.operand, choice)
        elif isinstance(node, Call):
            self._call(node)
        for child in _children(node):
            self._node(child, many=isinstance(node, Call) and node.name in _OF_MANY)

    def _truth(self, node: Node) -> None:
        kind = self._kind(node)
        if kind not in ("", "boolean"):
            self.say(N_("a condition is expected, and this is %(kind)s."), {"kind": Message(KINDS[kind])})

    def _number(self, node: Node) -> None:
        kind = self._kind(node)
        if kind == "date":
            self.say(N_("days are not counted with + and -: use days_between or add_days."), {})
        elif kind not in ("", "number") and not self._is_numeric(node):
            self.say(N_("a number is expected, and this is %(kind)s."), {"kind": Message(KINDS[kind])})

    def _compare(self, node: Compare) -> None:
        if node.operator not in ("=", "!="):
            for side in (node.left, node.right):
                if self._kind(side) not in _ORDERED:
                    said = N_("%(kind)s has no order: compare with =, or use number(...) for codes that are numbers.")
                    self.say(said, {"kind": Message(KINDS[self._kind(side)])})
                    return
        self._meets(node.left, node.right)

    def _meets(self, left: Node, right: Node) -> None:
        """Note two kinds that are never equal, and a code that the other side's list does not have: both would be silent for ever."""
        one, other = self._kind(left), self._kind(right)
        for side, literal in ((left, right), (right, left)):
            codes = self._codes(side)
            if isinstance(literal, Literal) and isinstance(literal.value, str):
                if codes is not None and codes.label_of(literal.value) is None:
                    self.say(N_("the codelist %(codelist)s has no code “%(code)s”."), {"codelist": codes.oid, "code": literal.value})
                if self._kind(side) == "boolean" and literal.value not in ("Y", "N"):
                    self.say(N_("yes or no is compared with true, false, 'Y' or 'N'."), {})
        if one and other and one != other and {one, other} != {"boolean", "text"}:
            self.say(N_("%(one)s is compared with %(other)s."), {"one": Message(KINDS[one]), "other": Message(KINDS[other])})

    def _call(self, node: Call) -> None:
        kinds = [self._kind(arg) for arg in node.args]
        if node.name in _OF_DATES and any(kind not in ("", "date") for kind in kinds):
            self.say(N_("%(name)s takes dates."), {"name": node.name})
        elif node.name in _MOVED and (kinds[0] not in ("", "date") or kinds[1] not in ("", "number")):
            self.say(N_("%(name)s takes a date and a number."), {"name": node.name})
        elif node.name in ("sum", "mean", "round", "abs", "number", "lowest"):
            for arg in node.args:
                self._number(arg)
        elif node.name in ("if", "given"):
            self._truth(node.args[0])
        elif FUNCTIONS[node.name].takes:
            for arg, kind in zip(node.args, FUNCTIONS[node.name].takes, strict=True):
                self._takes(arg, kind)
        elif node.name == "has":
            chosen, code = node.args
            if kinds[0] not in ("", "choices"):
                self.say(N_("has(...) asks an item of type multichoice."), {})
            codes = self._item(chosen.ref) if isinstance(chosen, Reference) else None
            if codes and codes[1].codelist and isinstance(code, Literal) and codes[1].codelist.label_of(str(code.value)) is None:
                params = {"codelist": codes[1].codelist.oid, "code": str(code.value)}
                self.say(N_("the codelist %(codelist)s has no code “%(code)s”."), params)

    def _takes(self, node: Node, expected: str) -> None:
        """Note an argument that can never be what its function takes; codes that are Y and N answer a yes-or-no question."""
        kind, codes = self._kind(node), self._codes(node)
        if expected == "number":
            self._number(node)
        elif kind not in ("", expected) and not (expected == "boolean" and codes is not None and codes.label_of("Y") is not None):
            self.say(
                N_("%(expected)s is expected, and this is %(kind)s."), {"expected": Message(KINDS[expected]), "kind": Message(KINDS[kind])}
            )

    def _kind(self, node: Node, seen: frozenset[Ref] = frozenset()) -> str:
        """What kind of value a node gives, as far as the definition tells; empty when only an answer would."""
        if isinstance(node, Reference):
            if node.ref.form == "subject":
                return "text"
            found = self._item(node.ref)
            if found is None:
                return ""
            if found[1].type is not DataType.DERIVED:
                return _KIND[found[1].type]
            own = found[1].derive is not None and node.ref not in seen and not node.ref.form
            return self._kind(found[1].derive.tree, seen | {node.ref}) if own and found[1].derive else ""
        if isinstance(node, Call) and node.name in ("min", "max") and all(self._is_numeric(arg) for arg in node.args):
            return "number"
        if isinstance(node, Call) and node.name in ("if", "given", "min", "max"):
            kinds = {self._kind(arg, seen) for arg in (node.args[1:] if node.name in ("if", "given") else node.args)}
            return kinds.pop() if len(kinds) == 1 else ""
        return node.kind

    def _codes(self, node: Node) -> CodeList | None:
        found = self._item(node.ref) if isinstance(node, Reference) else None
        return found[1].codelist if found and found[1].type is DataType.CODELIST else None

    def _is_numeric(self, node: Node) -> bool:
        """Codes that are numbers may be summed: a score is a codelist and a sum."""
        codes = self._codes(node)
        return codes is not None and any(_is_number(code.code) for code in codes.items)


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _children(node: Node) -> Iterator[Node]:
    if isinstance(node, And | Or):
        yield from node.terms
    elif isinstance(node, Not):
        yield node.term
    elif isinstance(node, Negative | Member):
        yield node.operand
    elif isinstance(node, Arithmetic | Compare):
        yield from (node.left, node.right)
    elif isinstance(node, Call):
        yield from node.args


def _examine_cycles(study: Study, form: FormDef, reading: Reading, places: Places) -> None:
    """An item that is derived from itself, or asked only if itself is answered, however many steps the circle has."""
    for group in form.groups:
        for item in group.items:
            circle = _circle(study, (form.oid, item.oid))
            # A circle is reported once, at its first item.
            if circle and min(circle[:-1]) == (form.oid, item.oid):
                key = "derive" if item.derive is not None else "when"
                at = places["item", form.oid, item.oid, key]
                if key == "when" and item.when is None:
                    at = places["group", form.oid, group.oid, "when"]
                names = [oid if name == form.oid else f"{name}.{oid}" for name, oid in circle]
                if len(names) == 2 and key == "when":
                    reading.say(at, N_("The condition of “%(item)s” depends on “%(item)s” itself."), item=item.oid)
                else:
                    reading.say(at, N_("This goes round in a circle: %(circle)s."), circle=" → ".join(names))


def _circle(study: Study, start: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """The shortest way from an item back to itself along derivations and conditions, both ends named; empty when there is none."""
    paths: list[tuple[tuple[str, str], ...]] = [(start,)]
    seen = {start}
    while paths:
        longer: list[tuple[tuple[str, str], ...]] = []
        for path in paths:
            for needed in _needs(study, path[-1]):
                if needed == start:
                    return (*path, start)
                if needed not in seen:
                    seen.add(needed)
                    longer.append((*path, needed))
        paths = longer
    return ()


def _needs(study: Study, address: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """The items that must be known before this one. A named event is another occasion, so it closes no circle."""
    form = study.form.get(address[0])
    if form is None or address[1] not in form.items:
        return
    group, item = form.items[address[1]]
    for expr in (item.derive, item.when, group.when):
        for ref in sorted(expr.references, key=str) if expr is not None else ():
            if not ref.event and ref.form != "subject":
                yield (ref.form or form.oid, ref.item)
