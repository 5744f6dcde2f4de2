"""How a form is answered for a synthetic subject: by the study's script where it says something, else by type, range and codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo

from trialcrf.core.calendar import add_months
from trialcrf.core.checks import Context
from trialcrf.core.definition.model import DataType, FormDef, ItemDef, ItemGroupDef
from trialcrf.core.document import Answer, Place
from trialcrf.core.expr import Expr, Ref, evaluate, verdict
from trialcrf.core.moments import NotRead, offset_of
from trialcrf.core.simulation.chance import Chance
from trialcrf.core.simulation.script import Rule
from trialcrf.core.typed import Value
from trialcrf.core.values import asks_day, typed

CLOCK = "10:30"
Asked = Callable[[ItemGroupDef, ItemDef], Rule | None]


@dataclass(frozen=True, slots=True)
class Scene:
    """What the answers of one form hang on. `days` are the days of the study's anchors by alias, `facts` texts by alias, `values` the
    measurements of the day by name; `missing` is the share of measurements not obtained, each with one of `reasons`.
    """

    day: date
    zone: tzinfo
    values: Mapping[str, float]
    days: Mapping[str, date]
    facts: Mapping[str, str]
    codes: str
    missing: float
    reasons: tuple[str, ...]
    partners: Mapping[str, str]


class Filling:
    """One form being filled: items in their order, each only where its conditions hold for what was answered before."""

    def __init__(self, form: FormDef, asked: Asked, scene: Scene, context: Context, chance: Chance) -> None:
        self.form, self.asked, self.scene, self.context, self.chance = form, asked, scene, context, chance
        self.answers: dict[Place, Answer] = {}
        self._group, self._row = "", ""

    def fill(self) -> dict[Place, Answer]:
        for group in self.form.groups:
            if not group.repeating:
                self._fill(group, {})
                continue
            wanted = next((rule.rows for item in group.items if (rule := self.asked(group, item)) and rule.how == "rows"), ({},))
            for number, rules in enumerate(wanted, 1):
                self._group, self._row = group.oid, str(number)
                self._fill(group, rules)
            self._group = self._row = ""
        return self.answers

    def _fill(self, group: ItemGroupDef, rules: Mapping[str, Rule]) -> None:
        if not self._holds(group.when):
            return
        spread: dict[str, int] | None = None
        for item in group.items:
            if item.type is DataType.DERIVED or not self._holds(item.when):
                continue
            rule = self.asked(group, item)
            if rule is None or rule.how == "rows":
                rule = rules.get(item.oid)
            if rule is not None and rule.how == "spread":
                if item.codelist is None:
                    continue
                if spread is None:
                    spread = _spread(group, round(self.scene.values.get(rule.name, 0.0)), self.chance)
                answer: Answer | None = Answer(str(spread[item.oid]))
            else:
                answer = self._answer(item, rule)
            if answer is not None:
                self.answers[Place(item.oid, self._group, self._row)] = answer

    def _holds(self, when: Expr | None) -> bool:
        return when is None or verdict(when, self._value, self.context.today) is True

    def _value(self, ref: Ref) -> Value | tuple[Value, ...]:
        if ref.form == "subject":
            return self.context.subject.get(ref.item)
        if ref.form:
            return self.context.others(ref)
        known = self.form.items.get(ref.item)
        if known is None:
            return None
        group, item = known
        if item.derive is not None:
            return evaluate(item.derive, self._value, self.context.today)  # type: ignore[return-value]  # undetermined is an answer too
        if group.repeating and group.oid != self._group:
            return tuple(typed(item, answer) for place, answer in self.answers.items() if place.item == item.oid)
        return typed(item, self.answers.get(Place(item.oid, group.oid, self._row) if group.repeating else Place(item.oid)))

    def _answer(self, item: ItemDef, rule: Rule | None) -> Answer | None:
        chance, scene = self.chance, self.scene
        if rule is None or rule.how in ("course", "span"):
            measured = item.type in (DataType.DECIMAL, DataType.INTEGER)
            if measured and "ND" in item.missing and scene.missing and chance.happens(scene.missing):
                return Answer(missing="ND", note=chance.one(scene.reasons))
        if rule is None:
            text = self._usual(item)
            return Answer(text) if text else None
        if rule.how == "missing":
            return Answer(missing=rule.name, note=scene.reasons[0] if rule.name == "ND" else "") if rule.name in item.missing else None
        text = self._said(item, rule)
        return Answer(text) if text else None

    def _said(self, item: ItemDef, rule: Rule) -> str:
        chance, scene, (low, high) = self.chance, self.scene, rule.span
        if rule.how == "is":
            return rule.name
        if rule.how == "fact":
            return scene.facts.get(rule.name, "")
        if rule.how == "yes":
            return "Y" if chance.happens(low) else "N"
        if rule.how in ("of", "words"):
            return chance.weighted(rule.weights)
        if rule.how == "course":
            return number(item, chance.normal(scene.values.get(rule.name, 0.0) * low + high, rule.sd))
        if rule.how == "span":
            return number(item, chance.between(low, high))
        if rule.how == "day":
            return self._dated(item, scene.day + timedelta(days=chance.whole(round(low), round(high))))
        if rule.how == "month":
            return self._dated(item, add_months(scene.day.replace(day=1), chance.whole(round(low), round(high))))[:7]
        if rule.how == "at":
            return moment(scene.day, rule.name, scene.zone)
        if rule.how == "clock":
            return rule.name
        return ""

    def _usual(self, item: ItemDef) -> str:
        """The answer of an item that the script is silent about."""
        chance, scene = self.chance, self.scene
        for alias in item.aliases:
            if alias in scene.facts:
                return scene.facts[alias]
        if item.type in (DataType.DATE, DataType.PARTIAL_DATE, DataType.DATETIME):
            return self._dated(item, next((scene.days[alias] for alias in item.aliases if alias in scene.days), scene.day))
        if item.type is DataType.TIME:
            return f"{chance.whole(8, 17):02d}:{chance.whole(0, 11) * 5:02d}"
        if item.type is DataType.BOOLEAN:
            if not item.mandatory:
                return ""
            return "Y" if chance.happens(0.08) else "N"
        if item.codelist is not None:
            codes = [each.code for each in item.codelist.items]
            if scene.codes == "first" and item.type is DataType.CODELIST:
                return codes[0]
            return chance.one(codes)
        if item.type in (DataType.INTEGER, DataType.DECIMAL):
            low, high = _usual_range(item)
            return number(item, chance.normal((low + high) / 2, (high - low) / 12))
        if item.type is DataType.REFERENCE:
            return scene.partners.get(item.refers_to, "")
        return f"{chance.whole(1000, 9999)}"[: item.max_length] if item.mandatory else ""

    def _dated(self, item: ItemDef, day: date) -> str:
        day = min(day, self.context.today)
        if item.type is DataType.DATETIME:
            return moment(day, CLOCK, self.scene.zone)
        return day.isoformat() if item.type is DataType.DATE or asks_day(item) else day.isoformat()[:7]


def moment(day: date, clock: str, zone: tzinfo) -> str:
    """The canonical text of a local time; an hour later where the clocks skip it."""
    try:
        return f"{day}T{clock}{offset_of(f'{day}T{clock}', '', zone)}"
    except NotRead:
        return moment(day, f"{(int(clock[:2]) + 2) % 24:02d}{clock[2:]}", zone)


def number(item: ItemDef, value: float) -> str:
    """The canonical text of a number that the item takes: within its expected range, with its decimals, or the nearest code."""
    if item.codelist is not None:
        codes = [each.code for each in item.codelist.items]
        return min(codes, key=lambda code: abs(float(code) - value)) if all(code.isdecimal() for code in codes) else codes[0]
    for bounds in (item.soft, item.hard):
        value = max(value, float(bounds.low)) if bounds.low is not None else value
        value = min(value, float(bounds.high)) if bounds.high is not None else value
    decimals = 0 if item.type is DataType.INTEGER else 2 if item.decimals is None else item.decimals
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if not float(text) else text


def _usual_range(item: ItemDef) -> tuple[float, float]:
    low = next((float(each.low) for each in (item.soft, item.hard) if each.low is not None), 0.0)
    high = next((float(each.high) for each in (item.soft, item.hard) if each.high is not None), low + 100.0)
    return low, high


def _spread(group: ItemGroupDef, total: int, chance: Chance) -> dict[str, int]:
    """A total shared out over the graded items of a group, those named first first: as the skin of the fingers comes before the trunk."""
    items = [item for item in group.items if item.codelist is not None]
    grades = dict.fromkeys((item.oid for item in items), 0)
    most = max((int(each.code) for item in items[:1] if item.codelist for each in item.codelist.items if each.code.isdecimal()), default=0)
    wish = {item.oid: 3.0 - 2.2 * index / len(items) + chance.normal(0, 0.3) for index, item in enumerate(items)}
    for _ in range(min(total, most * len(items))):
        oid = max((one for one in grades if grades[one] < most), key=wish.__getitem__)
        grades[oid] += 1
        wish[oid] -= 1.0
    return grades
