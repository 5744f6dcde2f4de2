"""What a study says about its synthetic subjects, as data: how items are answered, which kinds of subjects there are, what befalls them.

A study without a script is simulated all the same: every item is answered by its type, its range and its codes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from trialcrf.core.definition.model import Study

Plain = str | None | tuple["Plain", ...] | Mapping[str, "Plain"]
"""Nested texts, as they stand in a file."""

Numbers = tuple[float, float]


class NoScript(ValueError):
    """The script is not one for this study: it says what cannot be used."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How one item is answered. `how` names the way, the rest is what it needs; `core.simulation.answers` says what each does."""

    how: str
    name: str = ""
    span: Numbers = (0.0, 0.0)
    sd: float = 0.0
    weights: Mapping[str, float] = field(default_factory=dict)
    rows: tuple[Mapping[str, Rule], ...] = ()


@dataclass(frozen=True, slots=True)
class Log:
    """Something recorded apart from visits: the `kind` of LogKind, and how many days ago."""

    kind: str
    ago: int


@dataclass(frozen=True, slots=True)
class LogKind:
    """A form filled now and then (an adverse event): where, how often a subject has one on average, and how it is answered.

    `weight` shares out kinds of one form; `after` is the anchor that it comes after, empty for enrolment.
    """

    event_oid: str
    form_oid: str
    answers: Mapping[str, Rule]
    weight: float
    after: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One subject of a case. `days` tells how many days ago each anchor was; `visits` days after the target, `open` for nothing
    recorded, or the code of the reason why there was none; `left` are forms (EVENT.FORM) not entered yet; `optional` those filled
    for certain although the study does not demand them.
    """

    days: Mapping[str, int] = field(default_factory=dict)
    course: Mapping[str, Numbers] = field(default_factory=dict)
    answers: Mapping[str, Rule] = field(default_factory=dict)
    visits: Mapping[str, str] = field(default_factory=dict)
    left: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    logs: tuple[Log, ...] = ()
    ending: str = ""
    ended: int = 0


Case = Mapping[str, Part]
"""One subject of each type by type: a recipient with its donor."""


@dataclass(frozen=True)
class Script:
    """`block` holds the cases of every so many subjects, so that even a small trial has every kind of them."""

    block: tuple[Case, ...]
    forms: Mapping[str, Mapping[str, Rule]] = field(default_factory=dict)
    logs: Mapping[str, LogKind] = field(default_factory=dict)
    means: Mapping[str, float] = field(default_factory=dict)
    optional: Mapping[str, float] = field(default_factory=dict)
    endings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    ill: frozenset[str] = frozenset()
    treatment: str = ""
    codes: str = "any"
    reasons: tuple[str, ...] = ("Not obtained",)

    @cached_property
    def size(self) -> int:
        return len(self.block)

    def rate(self, name: str) -> float:
        return self.rates.get(name, _RATES[name])


_RATES = {"late": 0.05, "missed": 0.03, "forgotten": 0.02, "left": 0.02, "missing": 0.01}
"""Shares of visits out of their window, missed with a reason and not recorded, of forms not entered yet, of values not obtained: ours."""


def plain_script(study: Study) -> Script:
    """The script of a study that has none: one kind of subject of every type, of people."""
    return Script(({kind.oid: Part() for kind in study.subject_types if not kind.product},))


def load_script(study: Study, plain: Plain) -> Script:
    """Read a script. Raises NoScript with the place of what cannot be used: a form, item or event that the study does not have."""
    top = _map(plain, "the script")
    forms = {oid: _rules(rules, oid) for oid, rules in _map(top.get("forms"), "forms").items()}
    for oid, rules in forms.items():
        form = study.form.get(oid)
        known = {*form.items, *(group.oid for group in form.groups)} if form else set()
        _refuse(f"forms: {oid}", set(rules) - known if form else {oid})
    logs = {name: _kind(study, name, _map(each, name)) for name, each in _map(top.get("logs"), "logs").items()}
    sets = {name: _map(each, name) for name, each in _map(top.get("sets"), "sets").items()}
    block = []
    for number, case in enumerate(_list(top.get("block"), "block"), 1):
        given = _map(case, f"case {number}")
        _refuse(f"case {number}", set(given) - set(study.subject_type))
        block.append({kind: _part(study, _merged(sets, _map(part, kind)), logs) for kind, part in given.items()})
    if not block:
        raise NoScript("block: no case")
    endings = {name: tuple(map(_text, _list(each, name))) for name, each in _map(top.get("endings"), "endings").items()}
    _refuse("endings", {kind for kinds in endings.values() for kind in kinds} - set(logs))
    return Script(
        tuple(block),
        forms,
        logs,
        _floats(top.get("means"), "means"),
        _floats(top.get("optional"), "optional"),
        endings,
        _floats(top.get("rates"), "rates"),
        frozenset(map(_text, _list(top.get("ill"), "ill"))),
        _text(top.get("treatment")),
        _text(top.get("codes")) or "any",
        tuple(map(_text, _list(top.get("reasons"), "reasons"))) or ("Not obtained",),
    )


def _merged(sets: Mapping[str, Mapping[str, Plain]], part: Mapping[str, Plain]) -> dict[str, Plain]:
    """The part with what the named sets say, mappings put together; what the part says itself prevails."""
    _refuse("with", set(map(_text, _list(part.get("with"), "with"))) - set(sets))
    found: dict[str, Plain] = {}
    for given in (*(sets[_text(name)] for name in _list(part.get("with"), "with")), part):
        for key, value in given.items():
            old = found.get(key)
            if isinstance(old, Mapping) and isinstance(value, Mapping):
                found[key] = {**old, **value}
            elif isinstance(old, tuple) and isinstance(value, tuple):
                found[key] = (*old, *value)
            else:
                found[key] = value
    return found


_PART = {"with", "days", "course", "answers", "visits", "left", "optional", "logs", "ending"}


def _part(study: Study, given: Mapping[str, Plain], logs: Mapping[str, LogKind]) -> Part:
    _refuse("a case", set(given) - _PART)
    answers = _rules(given.get("answers"), "answers")
    for address in answers:
        *event, form, item = address.split(".")
        if form not in study.form or item not in study.form[form].items or set(event) - set(study.event):
            raise NoScript(f"answers: {address}")
    visits = {oid: _text(each) for oid, each in _map(given.get("visits"), "visits").items()}
    _refuse("visits", set(visits) - set(study.event))
    days = {oid: int(_number(each, oid)) for oid, each in _map(given.get("days"), "days").items()}
    _refuse("days", set(days) - {anchor.oid for anchor in study.anchors})
    told = tuple(
        Log(_text(each["kind"]), int(_number(each["ago"], "ago")))
        for each in (_map(one, "logs") for one in _list(given.get("logs"), "logs"))
    )
    _refuse("logs", {one.kind for one in told} - set(logs))
    ending = _map(given.get("ending"), "ending")
    return Part(
        days,
        {name: _span(each, name) for name, each in _map(given.get("course"), "course").items()},
        answers,
        visits,
        frozenset(map(_text, _list(given.get("left"), "left"))),
        frozenset(map(_text, _list(given.get("optional"), "optional"))),
        told,
        _text(ending.get("why")),
        int(_number(ending.get("ago"), "ago")) if ending else 0,
    )


def _kind(study: Study, name: str, given: Mapping[str, Plain]) -> LogKind:
    event, _, form = _text(given.get("at")).partition(".")
    if event not in study.event or form not in study.form:
        raise NoScript(f"logs: {name}: at")
    answers = _rules(given.get("answers"), name)
    known = study.form[form]
    _refuse(f"logs: {name}", set(answers) - {*known.items, *(group.oid for group in known.groups)})
    weight = _number(given.get("weight"), name) if "weight" in given else 1.0
    return LogKind(event, form, answers, weight, _text(given.get("after")))


def _rules(plain: Plain, where: str) -> dict[str, Rule]:
    return {name: _rule(each, f"{where}: {name}") for name, each in _map(plain, where).items()}


def _rule(plain: Plain, where: str) -> Rule:
    """A text is the answer itself, `-` none; a mapping names the way in one of its keys."""
    if plain is None or isinstance(plain, str):
        return Rule("blank") if plain in (None, "-") else Rule("is", plain or "")
    if isinstance(plain, tuple):
        return Rule("words", weights={_text(each): 1.0 for each in plain})
    given = dict(plain)
    span, sd = _span(given.pop("plus", "0"), where), _number(given.pop("sd", "0"), where)
    times = given.pop("times", None)
    if len(given) != 1:
        raise NoScript(where)
    (how, value), *_ = given.items()
    if how in ("course", "spread"):
        return Rule(how, _text(value), (1.0 if times is None else _number(times, where), span[0]), sd)
    if how in ("yes", "day", "month", "span"):
        return Rule(how, span=_span(value, where), sd=sd)
    if how == "of":
        return Rule(how, weights=_floats(value, where))
    if how in ("at", "clock", "missing", "fact"):
        return Rule(how, _text(value))
    if how == "rows":
        return Rule(how, rows=tuple(_rules(each, where) for each in _list(value, where)))
    raise NoScript(f"{where}: {how}")


def _map(plain: Plain, where: str) -> Mapping[str, Plain]:
    if plain is None:
        return {}
    if not isinstance(plain, Mapping):
        raise NoScript(where)
    return plain


def _list(plain: Plain, where: str) -> tuple[Plain, ...]:
    if plain is None:
        return ()
    if not isinstance(plain, tuple):
        raise NoScript(where)
    return plain


def _text(plain: Plain) -> str:
    if plain is not None and not isinstance(plain, str):
        raise NoScript("a text is expected")
    return plain or ""


def _number(plain: Plain, where: str) -> float:
    try:
        return float(_text(plain))
    except ValueError:
        raise NoScript(f"{where}: a number is expected") from None


def _span(plain: Plain, where: str) -> Numbers:
    if isinstance(plain, tuple) and len(plain) == 2:
        return _number(plain[0], where), _number(plain[1], where)
    one = _number(plain, where)
    return one, one


def _floats(plain: Plain, where: str) -> dict[str, float]:
    return {name: _number(each, f"{where}: {name}") for name, each in _map(plain, where).items()}


def _refuse(where: str, unknown: Iterable[str]) -> None:
    found = sorted(unknown)
    if found:
        raise NoScript(f"{where}: {', '.join(found)}")
