"""Reads eligibility.yaml: parameters, inputs and criteria; and says what in them could never be decided."""

from __future__ import annotations

import re
from dataclasses import replace

from trialcrf.core.definition.codes import CodeList, CodeListItem
from trialcrf.core.definition.criteria import Criterion, CriterionKind, EligibilityDef, InputDef, InputType, Parameter
from trialcrf.core.definition.expressions import examine_expressions
from trialcrf.core.definition.items import ItemReading
from trialcrf.core.definition.model import ACCESS, DataType, FormDef, ItemDef, ItemGroupDef, Study
from trialcrf.core.definition.source import Located
from trialcrf.core.expr import Expr
from trialcrf.core.wording import N_, Words

FILE_KEYS = "parameters subject_types"
SET_KEYS = "subject_type consent inclusion partner inputs criteria"
INPUT_KEYS = "label type unit value codes undecided undated bounds dated valid until access"
CRITERION_KEYS = "id kind clause rule assumptions note"
_ID = re.compile(r"[A-Z]-[A-Z][0-9]{1,2}[a-z]?[0-9]?")
_TYPES = {InputType.BOOLEAN: DataType.BOOLEAN, InputType.CODE: DataType.CODELIST}


class CriteriaReading(ItemReading):
    """The eligibility part of a study, read after its codelists and assumptions."""

    assumption_names: frozenset[str] = frozenset()

    def named_assumptions(self, node: Located | None) -> tuple[str, ...]:
        """Names of assumptions, each of which the study must explain."""
        return tuple(self.assumption(named) for named in self.many(node))

    def assumption(self, node: Located | None) -> str:
        """The name of one assumption, which the study must explain."""
        name = self.text(node)
        if node is not None and name and name not in self.assumption_names:
            self.say(node, N_("The assumption “%(name)s” is not explained among those of the study."), name=name)
        return name

    def parameters(self, node: Located | None) -> tuple[Parameter, ...]:
        found: dict[str, Parameter] = {}
        for each in self.many(self.fields(node, FILE_KEYS).get("parameters")) if node is not None else ():
            raw = self.fields(each, "oid label value unit assumptions", "oid label value unit")
            oid = self.unique(raw.get("oid"), found)
            value = self.integer(raw.get("value"), 0, 3650)
            unit = self.one_of(raw.get("unit"), ("day", "month"), "day")
            found[oid] = Parameter(oid, self.words(raw.get("label")), value, unit, self.named_assumptions(raw.get("assumptions")))
        return tuple(found.values())

    def eligibility(self, node: Located | None) -> tuple[EligibilityDef, ...]:
        found: dict[str, EligibilityDef] = {}
        for each in self.many(self.fields(node, FILE_KEYS, "subject_types").get("subject_types")) if node is not None else ():
            raw = self.fields(each, SET_KEYS, "subject_type consent inputs criteria")
            kind = self.unique(raw.get("subject_type"), found)
            self.places["eligibility", kind] = raw.get("subject_type", each)
            partner = self.fields(raw["partner"], "alias input", "alias input") if "partner" in raw else {}
            consent = self.expression(raw.get("consent"))
            if consent is None:
                continue
            found[kind] = EligibilityDef(
                subject_type=kind,
                consent=consent,
                inclusion=self.expression(raw.get("inclusion")),
                inputs=self._inputs(kind, raw.get("inputs")),
                criteria=self._criteria(kind, raw.get("criteria")),
                partner_alias=self.text(partner.get("alias")),
                partner_input=self.text(partner.get("input")),
            )
        return tuple(found.values())

    def _inputs(self, kind: str, node: Located | None) -> tuple[InputDef, ...]:
        found: list[InputDef] = []
        for oid, each in self.entries(node).items() if node is not None else ():
            self.key_oid(node, oid)
            self.places["input", kind, oid] = each
            raw = self.fields(each, INPUT_KEYS, "label type")
            type_ = InputType(self.one_of(raw.get("type"), InputType, InputType.NUMBER))
            if (type_ is InputType.CODE) != ("codes" in raw):
                self.say(each, N_("An input of type code names its codes, and no other input does."))
            if (type_ is InputType.BOUNDS) != ("bounds" in raw):
                self.say(each, N_("An input of type bounds names its two bounds, and no other input does."))
            if ("valid" in raw) != ("dated" in raw):
                self.say(each, N_("A validity is counted from a date: give both “valid” and “dated”, or neither."))
            found.append(
                InputDef(
                    oid=oid,
                    label=self.words(raw.get("label")),
                    type=type_,
                    value=self.expression(raw.get("value")),
                    unit=self.text(raw.get("unit")),
                    codes=tuple(self.text(code) for code in self.many(raw.get("codes"))),
                    undecided=tuple(self.text(code) for code in self.many(raw.get("undecided"))),
                    undated=tuple(self.text(code) for code in self.many(raw.get("undated"))),
                    suffixes=tuple(self.text(name) for name in self.many(raw.get("bounds"))),
                    dated=self.expression(raw.get("dated")),
                    valid=self.text(raw.get("valid")),
                    until=self.expression(raw.get("until")),
                    access=self.one_of(raw.get("access"), ACCESS, "form"),
                )
            )
        return tuple(found)

    def _criteria(self, kind: str, node: Located | None) -> tuple[Criterion, ...]:
        found: dict[str, Criterion] = {}
        for each in self.many(node):
            raw = self.fields(each, CRITERION_KEYS, "id kind clause rule")
            id_ = self.text(raw.get("id"))
            if id_ and not _ID.fullmatch(id_):
                self.say(raw["id"], N_("“%(id)s” does not name a criterion: R-I1, R-E2a, D-I1."), id=id_)
            if id_ in found:
                self.say(raw["id"], N_("“%(text)s” stands here twice."), text=id_)
            self.places["criterion", kind, id_] = raw.get("rule", each)
            rule, clause, note = self.expression(raw.get("rule")), self.words(raw.get("clause")), self.words(raw.get("note"))
            named = self.named_assumptions(raw.get("assumptions"))
            if rule is not None:
                found[id_] = Criterion(id_, CriterionKind(self.one_of(raw.get("kind"), CriterionKind, "route")), clause, rule, named, note)
        return tuple(found.values())

    def examine_eligibility(self, study: Study) -> None:
        """Every name in a rule is an input or a criterion, every name in an input an item; kinds meet, and nothing turns in a circle."""
        for each in study.eligibility:
            at = self.places["eligibility", each.subject_type]
            if each.subject_type not in study.subject_type:
                self.say(at, N_("There is no subject type “%(oid)s”."), oid=each.subject_type)
            if each.partner_input and each.partner_input not in each.input:
                self.say(at, N_("There is no input “%(oid)s”."), oid=each.partner_input)
            self._examine_partner(study, each, at)
            for given in each.inputs:
                if given.valid and given.valid not in study.parameter:
                    said = N_("There is no parameter “%(oid)s”.")
                    self.say(self.places["input", each.subject_type, given.oid], said, oid=given.valid)
                if given.value is None and given.oid != each.partner_input:
                    self.say(self.places["input", each.subject_type, given.oid], N_("The key “%(key)s” is missing."), key="value")
            self._examine_as_form(study, each)

    def _examine_partner(self, study: Study, each: EligibilityDef, at: Located) -> None:
        """A partner is named by some form, and has no partner: two who wait for each other's verdict would wait for ever."""
        if not each.partner_alias:
            return
        named = [item for form in study.forms_with(each.partner_alias) if (item := form.with_alias(each.partner_alias)) is not None]
        if not named:
            self.say(at, N_("No form asks %(alias)s, by which the partner is found."), alias=each.partner_alias)
        for item in named:
            theirs = study.eligibility_of(item.refers_to.partition(":")[2])
            if theirs is not None and theirs.partner_alias:
                self.say(at, N_("The partner (%(kind)s) is judged by a partner too: a verdict could never come."), kind=theirs.subject_type)

    def _examine_as_form(self, study: Study, each: EligibilityDef) -> None:
        """Rules are examined as the derived items of a form that asks the inputs; inputs as those of a form that asks nothing."""
        kind = each.subject_type
        rules, sources = f"criteria of {kind}", f"inputs of {kind}"
        asked = [_asked(given) for given in each.inputs]
        derived = [_derived(criterion.name, criterion.rule) for criterion in each.criteria]
        found: list[ItemDef] = []
        for given in each.inputs:
            for part, expr in (("", given.value), ("dated", given.dated), ("until", given.until)):
                if expr is not None:
                    item = _derived(f"{given.oid} {part}".strip(), expr)
                    self.places["item", sources, item.oid, "derive"] = self.places["input", kind, given.oid]
                    found.append(item)
        for name, expr in (("consent", each.consent), ("inclusion", each.inclusion)):
            if expr is not None:
                self.places["item", sources, f" {name}", "derive"] = self.places["eligibility", kind]
                found.append(_derived(f" {name}", expr))
        for criterion in each.criteria:
            self.places["item", rules, criterion.name, "derive"] = self.places["criterion", kind, criterion.id]
        for oid, items in ((rules, (*asked, *derived)), (sources, tuple(found))):
            for item in items:
                self.places.setdefault(("item", oid, item.oid, "when"), self.places["eligibility", kind])
                self.places.setdefault(("item", oid, item.oid, "derive"), self.places["eligibility", kind])
            self.places["group", oid, "ALL", "when"] = self.places["eligibility", kind]
            form = FormDef(oid, Words(), (ItemGroupDef("ALL", Words(), items),))
            examine_expressions(replace(study, forms=(*study.forms, form)), form, self, self.places, complete=True)


def _asked(given: InputDef) -> ItemDef:
    codes = CodeList(given.oid, tuple(CodeListItem(code, Words()) for code in given.codes)) if given.codes else None
    return ItemDef(given.oid, given.label, _TYPES.get(given.type, DataType.DECIMAL), codelist=codes)


def _derived(oid: str, expr: Expr) -> ItemDef:
    return ItemDef(oid, Words(), DataType.DERIVED, derive=expr)
