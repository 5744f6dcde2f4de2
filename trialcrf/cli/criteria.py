"""The command that judges one criterion over values from a file: what a protocol's author tries a rule with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import TextIO

import click

from trialcrf.cli.study import study_of
from trialcrf.cli.terminal import Terminal, _, here, stop, terminal
from trialcrf.core.definition.criteria import Criterion, EligibilityDef
from trialcrf.core.definition.model import Study
from trialcrf.core.eligibility import DataProblems, answering, judge, values_of
from trialcrf.core.explain import Explained, explain
from trialcrf.core.kleene import Result
from trialcrf.core.typed import Span
from trialcrf.core.wording import N_, Message


@click.command("eval", help=_("Judge one criterion over the values of a JSON file (- is standard input)."))
@click.argument("key", metavar="KEY_OR_PATH")
@click.argument("criterion_id", metavar="CRITERION")
@click.option("--data", "data", type=click.File(encoding="utf-8"), required=True, metavar="FILE")
@click.option("--explain", "tree", is_flag=True, help=_("Print the rule with what every part of it came to."))
@terminal
def evaluate(shell: Terminal, key: str, criterion_id: str, data: TextIO, tree: bool) -> None:
    definition, criterion = _criterion(study_of(key), criterion_id)
    try:
        values = values_of(definition, _plain(data))
    except DataProblems as bad:
        stop("\n".join(f"{data.name}: {name}: {here().gettext(what)}" for name, what in bad.problems))
    today = shell.now.date()
    judged = next(each for each in judge(definition, values, today) if each.criterion is criterion)
    click.echo(judged.verdict.value)
    if tree:
        for line in _lines(definition, criterion, values, today):
            click.echo(line)


def _criterion(found: Study, criterion_id: str) -> tuple[EligibilityDef, Criterion]:
    for definition in found.eligibility:
        for criterion in definition.criteria:
            if criterion.id == criterion_id:
                return definition, criterion
    known = ", ".join(criterion.id for definition in found.eligibility for criterion in definition.criteria)
    stop(Message(N_("There is no criterion %(id)s in this study. Known: %(known)s."), {"id": criterion_id, "known": known or "–"}))


def _plain(data: TextIO) -> dict[str, object]:
    try:
        found = json.load(data, parse_float=Decimal)
    except UnicodeDecodeError:
        stop(Message(N_("%(file)s: this is no JSON: %(what)s"), {"file": data.name, "what": "UTF-8"}))
    except (ValueError, RecursionError) as error:
        stop(Message(N_("%(file)s: this is no JSON: %(what)s"), {"file": data.name, "what": str(error)}))
    if not isinstance(found, dict):
        stop(Message(N_("%(file)s: an object of input names and values is expected."), {"file": data.name}))
    return found


def _lines(definition: EligibilityDef, criterion: Criterion, values: dict[str, Result], today: date) -> Iterator[str]:
    """The clause, the rule as a tree, and the assumptions that it rests on."""
    yield f"{criterion.id}  {here().say(criterion.clause)}"
    answers = answering(definition, values, today)
    yield from _tree(definition, explain(criterion.rule.tree, answers, today), values, 1)
    for name in criterion.assumptions:
        yield f"  {name}"


def _tree(definition: EligibilityDef, part: Explained, values: dict[str, Result], depth: int) -> Iterator[str]:
    inputs = [ref.item for ref in sorted(part.refs, key=str) if ref.item in definition.input] if not part.parts else []
    given = ", ".join(f"{name} = {_value(values.get(name))}" for name in inputs)
    yield f"{'  ' * depth}{_value(part.gave):<13} {part.joined or part.text}{f'   [{given}]' if given else ''}"
    for each in part.parts:
        yield from _tree(definition, each, values, depth + 1)


def _value(value: Result) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Span):
        if value.low_open and value.high_open:
            return f"<{value.high}" if not value.low.is_finite() else f">{value.low}"
        return f"{value.low}..{value.high}"
    return str(value) if isinstance(value, Decimal | str) else "undetermined"
