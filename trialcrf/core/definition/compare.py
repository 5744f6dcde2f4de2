"""What one version of a study changes against another: visits, forms, questions, their types, ranges, codes and rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from trialcrf.core.definition.amendment import Policy
from trialcrf.core.definition.codes import CodeList
from trialcrf.core.definition.model import FormDef, ItemDef, ItemGroupDef, Range, Study, StudyEventDef
from trialcrf.core.expr import Expr
from trialcrf.core.wording import N_, Words


class What(StrEnum):
    """What is different."""

    APPEARS = "appears"
    GONE = "gone"
    TYPE = "type"
    RANGE = "range"
    CODES = "codes"
    RULE = "rule"
    NEEDED = "needed"
    WORDING = "wording"
    SCHEDULE = "schedule"


WHATS: Mapping[What, str] = {
    What.APPEARS: N_("appears"),
    What.GONE: N_("is asked no longer"),
    What.TYPE: N_("is answered otherwise"),
    What.RANGE: N_("has another range"),
    What.CODES: N_("has other choices"),
    What.RULE: N_("follows another rule"),
    What.NEEDED: N_("is needed, or no longer"),
    What.WORDING: N_("is worded otherwise"),
    What.SCHEDULE: N_("is planned otherwise"),
}


@dataclass(frozen=True, slots=True)
class DefChange:
    """One difference. `form` and `item` are empty for a visit, `item` for a whole form; `old` and `new` are texts for reading.

    `policy` is what the new version says of existing records and subjects.
    """

    what: What
    event: str
    form: str
    item: str
    label: Words
    old: str
    new: str
    policy: Policy


def compare(old: Study, new: Study) -> tuple[DefChange, ...]:
    """Every difference that a person who enters or reads data would meet, visits first, then form by form."""
    return (*_events(old, new), *_forms(old, new))


def _events(old: Study, new: Study) -> Iterator[DefChange]:
    policy = new.amendment.visits if new.amendment else Policy.ALL
    for oid in sorted(old.event.keys() | new.event.keys()):
        was, now = old.event.get(oid), new.event.get(oid)
        if was is None and now is not None:
            yield DefChange(What.APPEARS, oid, "", "", now.label, "", _plan(now), policy)
        elif now is None and was is not None:
            yield DefChange(What.GONE, oid, "", "", was.label, _plan(was), "", policy)
        elif was is not None and now is not None:
            if _plan(was) != _plan(now):
                yield DefChange(What.SCHEDULE, oid, "", "", now.label, _plan(was), _plan(now), policy)
            before, after = ([ref.form_oid for ref in each.forms] for each in (was, now))
            for form_oid in [one for one in after if one not in before and one in old.form]:
                yield DefChange(What.APPEARS, oid, form_oid, "", new.form[form_oid].label, "", oid, policy)
            for form_oid in [one for one in before if one not in after and one in new.form]:
                yield DefChange(What.GONE, oid, form_oid, "", old.form[form_oid].label, oid, "", policy)
            if was.label != now.label:
                yield DefChange(What.WORDING, oid, "", "", now.label, _words(was.label), _words(now.label), policy)


def _plan(event: StudyEventDef) -> str:
    """When an event is planned, as the definition says it: anchor, months and days, window."""
    if event.target is None:
        return event.type.value
    target, window = event.target, event.window
    return f"{event.anchor} +{target.months} m +{target.days} d [-{window.before}, +{window.after}]"


def _forms(old: Study, new: Study) -> Iterator[DefChange]:
    for oid in sorted(old.form.keys() | new.form.keys()):
        was, now = old.form.get(oid), new.form.get(oid)
        policy = new.amendment.of(oid) if new.amendment else Policy.NEW_RECORDS
        if was is None and now is not None:
            yield DefChange(What.APPEARS, "", oid, "", now.label, "", "", policy)
        elif now is None and was is not None:
            yield DefChange(What.GONE, "", oid, "", was.label, "", "", policy)
        elif was is not None and now is not None and was != now:
            yield from _form(oid, was, now, policy)


def _form(oid: str, was: FormDef, now: FormDef, policy: Policy) -> Iterator[DefChange]:
    def change(what: What, item: str, label: Words, old: str, new: str) -> DefChange:
        return DefChange(what, "", oid, item, label, old, new, policy)

    if was.label != now.label:
        yield change(What.WORDING, "", now.label, _words(was.label), _words(now.label))
    for item in [one for one in was.items if one not in now.items]:
        yield change(What.GONE, item, was.items[item][1].label, was.items[item][1].type.value, "")
    for item, (group, asked) in now.items.items():
        if item not in was.items:
            yield change(What.APPEARS, item, asked.label, "", asked.type.value)
            continue
        for what, before, after in _item(was.items[item], (group, asked)):
            yield change(what, item, asked.label, before, after)
    checks = {check.oid: check for check in was.checks}
    for check in now.checks:
        held = checks.pop(check.oid, None)
        if held is None or (held.holds.text, held.severity, held.items) != (check.holds.text, check.severity, check.items):
            yield change(What.RULE, check.oid, check.message, held.holds.text if held else "", check.holds.text)
    for gone in checks.values():
        yield change(What.RULE, gone.oid, gone.message, gone.holds.text, "")


def _item(was: tuple[ItemGroupDef, ItemDef], now: tuple[ItemGroupDef, ItemDef]) -> Iterator[tuple[What, str, str]]:
    (old_group, old), (new_group, new) = was, now
    types = _type(old_group, old), _type(new_group, new)
    if types[0] != types[1]:
        yield What.TYPE, types[0], types[1]
    ranges = [f"{_range(item.hard)} ({_range(item.soft)})" for item in (old, new)]
    if ranges[0] != ranges[1]:
        yield What.RANGE, ranges[0], ranges[1]
    codes = [_codes(item.codelist) for item in (old, new)]
    if codes[0] != codes[1] or old.missing != new.missing:
        yield What.CODES, f"{codes[0]} {' '.join(old.missing)}".strip(), f"{codes[1]} {' '.join(new.missing)}".strip()
    both = ((old_group, old), (new_group, new))
    rules = [f"{_rule(group.when)} {_rule(item.when)} {_rule(item.derive)}{_marks(item)}".strip() for group, item in both]
    if rules[0] != rules[1]:
        yield What.RULE, rules[0], rules[1]
    if old.mandatory != new.mandatory:
        yield What.NEEDED, str(old.mandatory).lower(), str(new.mandatory).lower()
    if old.label != new.label or old.help != new.help:
        yield What.WORDING, _words(old.label), _words(new.label)


def _type(group: ItemGroupDef, item: ItemDef) -> str:
    parts = [item.type.value, item.unit, f".{item.decimals}" if item.decimals is not None else "", item.refers_to, item.dictionary]
    return " ".join(part for part in (*parts, "qualified" if item.qualifier else "", group.oid if group.repeating else "") if part)


def _marks(item: ItemDef) -> str:
    return " copy" * item.copy + " documents" * item.documents


def _range(one: Range) -> str:
    return f"{one.low or '…'} – {one.high or '…'}"


def _codes(one: CodeList | None) -> str:
    return ", ".join(item.code for item in one.items) if one else ""


def _rule(one: Expr | None) -> str:
    return one.text if one else ""


def _words(one: Words) -> str:
    return " / ".join(text for text in one.texts.values() if text)
