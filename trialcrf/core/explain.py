"""An expression taken apart: every part as its author wrote it, beside what it came to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from trialcrf.core.checkplan import children
from trialcrf.core.expr import Ref, result
from trialcrf.core.kleene import Result
from trialcrf.core.tree import And, Arithmetic, Call, Compare, Literal, Member, Negative, Node, Not, Or, Reference
from trialcrf.core.typed import Awaited, DateInterval, Undetermined, Value

Answers = Callable[[Ref], Value | tuple[Value, ...]]


@dataclass(frozen=True, slots=True)
class Explained:
    """A part of an expression, what it gave, and its own parts; `joined` is "and", "or" or "not" where it only joins them."""

    text: str
    gave: Result
    refs: frozenset[Ref]
    joined: str = ""
    parts: tuple[Explained, ...] = ()


def explain(tree: Node, answers: Answers, today: date) -> Explained:
    """The tree down to its comparisons, each evaluated on its own: what `and` and `or` would skip is shown too."""
    gave, refs = result(tree, answers, today), frozenset(_references(tree))
    if isinstance(tree, And | Or):
        parts = tuple(explain(term, answers, today) for term in tree.terms)
        return Explained(written(tree), gave, refs, "and" if isinstance(tree, And) else "or", parts)
    if isinstance(tree, Not) and isinstance(tree.term, And | Or):
        return Explained(written(tree), gave, refs, "not", (explain(tree.term, answers, today),))
    if isinstance(tree, Call) and tree.name in ("given", "if"):
        return Explained(written(tree), gave, refs, tree.name, tuple(explain(arg, answers, today) for arg in tree.args))
    return Explained(written(tree), gave, refs)


def undecided(explained: Explained) -> Iterator[Explained]:
    """The comparisons that keep an undetermined expression undetermined."""
    if not isinstance(explained.gave, Undetermined | Awaited) and explained.gave is not None:
        return
    if not explained.parts:
        yield explained
    for part in explained.parts:
        yield from undecided(part)


def _references(node: Node) -> Iterator[Ref]:
    if isinstance(node, Reference):
        yield node.ref
    for each in children(node):
        yield from _references(each)


_TIGHTNESS: dict[type[Node], int] = {Or: 1, And: 2, Not: 3, Compare: 4, Member: 4, Arithmetic: 5, Negative: 7}


def written(node: Node, around: int = 0) -> str:
    """The text of a tree, with brackets where its parts need them."""
    own = _TIGHTNESS.get(type(node), 9)
    if isinstance(node, Arithmetic) and node.operator in "*/":
        own = 6
    text = _written(node, own)
    return f"({text})" if own < around else text


def _written(node: Node, own: int) -> str:
    if isinstance(node, And | Or):
        return (" and " if isinstance(node, And) else " or ").join(written(term, own + 1) for term in node.terms)
    if isinstance(node, Not):
        return f"not {written(node.term, own)}"
    if isinstance(node, Compare | Arithmetic):
        return f"{written(node.left, own)} {node.operator} {written(node.right, own + 1)}"
    if isinstance(node, Member):
        return f"{written(node.operand, own)} in ({', '.join(written(choice) for choice in node.choices)})"
    if isinstance(node, Negative):
        return f"-{written(node.operand, own)}"
    if isinstance(node, Call):
        return f"{node.name}({', '.join(written(arg) for arg in node.args)})"
    if isinstance(node, Reference):
        return ".".join(part for part in (node.ref.event, node.ref.form, node.ref.item) if part)
    assert isinstance(node, Literal)
    return _literal(node.value)


def _literal(value: Decimal | str | bool | DateInterval) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, DateInterval):
        return f"date('{value.earliest.isoformat()}')"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)
