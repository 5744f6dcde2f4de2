"""Item groups and items of a study file: which attribute goes with which type, and whether its value can be meant."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from decimal import Decimal

from trialcrf.core.definition.codes import CodeList
from trialcrf.core.definition.model import IDENTITIES, DataType, ItemDef, ItemGroupDef, Range
from trialcrf.core.definition.source import OID, Located, Places, Problem, Reading
from trialcrf.core.dictionary import KINDS
from trialcrf.core.expr import Expr, ExprError, parse
from trialcrf.core.values import MISSING_CODES
from trialcrf.core.wording import N_

GROUP_KEYS = "oid label repeating layout help when items"
ITEM_KEYS = (
    "oid label help type unit codelist hard soft decimals max_length mandatory missing when derive refers_to not_future qualifier alias "
    "dictionary identity unique copy documents"
)
_NUMERIC = frozenset({DataType.INTEGER, DataType.DECIMAL, DataType.DERIVED})
_DATES = frozenset({DataType.DATE, DataType.PARTIAL_DATE, DataType.DATETIME})
_CODED = frozenset({DataType.CODELIST, DataType.MULTICHOICE})
_ONLY: Mapping[str, frozenset[DataType]] = {
    "unit": _NUMERIC,
    "codelist": _CODED,
    "hard": _NUMERIC - {DataType.DERIVED},
    "soft": _NUMERIC,
    "decimals": _NUMERIC - {DataType.INTEGER},
    "max_length": frozenset({DataType.TEXT}),
    "dictionary": frozenset({DataType.TEXT}),
    "identity": frozenset({DataType.TEXT}),
    "unique": frozenset({DataType.TEXT, DataType.REFERENCE}),
    # A day, or what a scanner reads, is never that of another visit.
    "copy": frozenset(DataType) - {DataType.DERIVED, DataType.DATE, DataType.DATETIME, DataType.TIME},
    # What the program computes is proved by its inputs.
    "documents": frozenset(DataType) - {DataType.DERIVED},
    "derive": frozenset({DataType.DERIVED}),
    "refers_to": frozenset({DataType.REFERENCE}),
    "not_future": _DATES,
    "qualifier": frozenset({DataType.DECIMAL}),
    "missing": frozenset(DataType) - {DataType.DERIVED},
    "mandatory": frozenset(DataType) - {DataType.DERIVED},
}
"""Which types an attribute goes with; elsewhere it would be ignored in silence, so it is a problem."""
_NEEDED: Mapping[DataType, str] = {
    DataType.CODELIST: "codelist",
    DataType.MULTICHOICE: "codelist",
    DataType.REFERENCE: "refers_to",
    DataType.DERIVED: "derive",
}


class ItemReading(Reading):
    """Reads groups and items; the parts of a study that they refer to must have been read before."""

    def __init__(self, problems: Iterable[Problem], places: Places) -> None:
        super().__init__(problems)
        self.places = places
        self.codelists: Mapping[str, CodeList] = {}

    def key_oid(self, node: Located | None, oid: str) -> None:
        if node is not None:
            self.oid(Located(oid, node.file, node.keys.get(oid, node.line)))

    def unique(self, node: Located | None, taken: Container[str]) -> str:
        """An OID that its neighbours do not have."""
        oid = self.oid(node)
        if node is not None and oid in taken:
            self.say(node, N_("“%(text)s” stands here twice."), text=oid)
        return oid

    def expression(self, node: Located | None) -> Expr | None:
        """The parsed expression; one that cannot be parsed is a problem at its line, with the column within the expression."""
        if node is None or not (text := self.text(node)):
            return None
        try:
            return parse(text)
        except ExprError as error:
            said = N_("The expression “%(text)s” cannot be read, column %(column)s: %(what)s")
            self.say(node, said, text=text, column=error.column, what=error.message)
            return None

    def codelist(self, node: Located | None) -> CodeList | None:
        oid = self.text(node)
        if node is not None and oid and oid not in self.codelists:
            self.say(node, N_("There is no codelist “%(oid)s”."), oid=oid)
        return self.codelists.get(oid)

    def group(self, form: str, node: Located, taken: Container[str]) -> ItemGroupDef:
        raw = self.fields(node, GROUP_KEYS, "oid label items")
        oid = self.unique(raw.get("oid"), taken)
        self.places["group", form, oid] = raw.get("oid", node)
        self.places["group", form, oid, "when"] = raw.get("when", node)
        self.places["group", form, oid, "layout"] = raw.get("layout", node)
        items = tuple(self._item(form, each) for each in self.many(raw.get("items")))
        if "items" in raw and not items:
            self.say(raw["items"], N_("The group “%(oid)s” has no items."), oid=oid)
        repeating = self.boolean(raw.get("repeating"))
        for one in items:
            if one.copy and (repeating or one.unique or one.identity):
                said = N_("“%(oid)s” cannot be copied from another visit: it stands in rows, stands once in the study, or is scanned.")
                self.say(self.places["item", form, one.oid], said, oid=one.oid)
        layout = self.one_of(raw.get("layout"), ("list", "table", "body_map"), "list")
        for one in items:
            if one.documents and layout == "body_map":
                said = N_("“%(oid)s” is a site of a body map: attach documents to an item of another group.")
                self.say(self.places["item", form, one.oid, "documents"], said, oid=one.oid)
        return ItemGroupDef(
            oid=oid,
            label=self.words(raw.get("label")),
            items=items,
            repeating=repeating,
            layout=layout,
            help=self.words(raw.get("help")),
            when=self.expression(raw.get("when")),
        )

    def _item(self, form: str, node: Located) -> ItemDef:
        raw = self.fields(node, ITEM_KEYS, "oid label type")
        oid = self.oid(raw.get("oid"))
        first = self.places.get(("item", form, oid))
        if first is not None and "oid" in raw:
            said = N_("The item “%(oid)s” already stands in this form, line %(line)s.")
            self.say(raw["oid"], said, oid=oid, line=first.line)
        else:
            self.places["item", form, oid] = raw.get("oid", node)
            for key in ("when", "derive", "alias", "refers_to", "type", "documents"):
                self.places["item", form, oid, key] = raw.get(key, node)
        # An unknown type stands as one of which no expression can say what it gives, for there is no telling what was meant.
        kind = DataType(self.one_of(raw.get("type"), DataType, DataType.DERIVED))
        if raw.get("type") is not None and raw["type"].value == kind:
            self._fits(node, raw, kind)
        hard, soft = self._range(raw.get("hard"), kind), self._range(raw.get("soft"), kind)
        if "soft" in raw:
            self._inside(raw["soft"], soft, hard)
        return ItemDef(
            oid=oid,
            label=self.words(raw.get("label")),
            type=kind,
            help=self.words(raw.get("help")),
            unit=self.text(raw.get("unit")),
            codelist=self.codelist(raw.get("codelist")),
            hard=hard,
            soft=soft,
            decimals=self.integer(raw["decimals"], 0, 10) if "decimals" in raw else None,
            max_length=self.integer(raw.get("max_length"), 1, 20000, 2000),
            # A derived value is nobody's to enter, so its absence is nobody's omission.
            mandatory=self.boolean(raw.get("mandatory"), kind is not DataType.DERIVED),
            missing=tuple(self.one_of(each, MISSING_CODES) for each in self.many(raw.get("missing"))),
            when=self.expression(raw.get("when")),
            derive=self.expression(raw.get("derive")),
            refers_to=self.text(raw.get("refers_to")),
            not_future=self.boolean(raw.get("not_future")),
            qualifier=self.boolean(raw.get("qualifier")),
            aliases=self._aliases(raw.get("alias")),
            dictionary=self.one_of(raw.get("dictionary"), KINDS),
            identity=self.one_of(raw.get("identity"), IDENTITIES),
            unique=self.boolean(raw.get("unique")),
            copy=self.boolean(raw.get("copy")),
            documents=self.boolean(raw.get("documents")),
        )

    def _fits(self, node: Located, raw: Mapping[str, Located], kind: DataType) -> None:
        for key, types in _ONLY.items():
            if key in raw and kind not in types:
                line = node.keys.get(key, node.line)
                self.say_at(node.file, line, N_("“%(key)s” means nothing on an item of type %(type)s."), key=key, type=kind.value)
        needed = _NEEDED.get(kind)
        if needed and needed not in raw:
            self.say(node, N_("An item of type %(type)s needs “%(key)s”."), type=kind.value, key=needed)

    def _range(self, node: Located | None, kind: DataType) -> Range:
        if node is None:
            return Range()
        ends = self.many(node)
        if isinstance(node.value, tuple) and len(ends) != 2:
            self.say(node, N_("A range has two bounds, [low, high]; null leaves one open."))
        if len(ends) != 2:
            return Range()
        low, high = (self.decimal(end) for end in ends)
        if all(end.value is None for end in ends):
            self.say(node, N_("A range with both bounds open refuses nothing."))
        if low is not None and high is not None and Decimal(low) > Decimal(high):
            self.say(node, N_("The range runs backwards: %(low)s is greater than %(high)s."), low=low, high=high)
        if kind is DataType.INTEGER and any("." in end for end in (low, high) if end is not None):
            self.say(node, N_("The bounds of a whole number are whole numbers."))
        return Range(low, high)

    def _inside(self, node: Located, soft: Range, hard: Range) -> None:
        """A soft bound beyond the hard one never asks anything: the save was refused before."""
        below = soft.low is not None and hard.low is not None and Decimal(soft.low) < Decimal(hard.low)
        above = soft.high is not None and hard.high is not None and Decimal(soft.high) > Decimal(hard.high)
        if below or above:
            self.say(node, N_("The soft range reaches beyond the hard one."))

    def _aliases(self, node: Located | None) -> tuple[str, ...]:
        found: list[str] = []
        for each in self.one_or_many(node):
            alias = self.text(each)
            if alias and not (OID.fullmatch(alias) and alias == alias.upper()):
                self.say(each, N_("“%(alias)s” is no SDTM or CDASH name: capital letters, digits and underscores."), alias=alias)
            if alias in found:
                self.say(each, N_("“%(text)s” stands here twice."), text=alias)
            found.append(alias)
        return tuple(found)
