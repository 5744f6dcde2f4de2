"""The expression language of study definitions: a small grammar of our own, read into a tree, evaluated in three values.

or, and, not                       Kleene's three values
= != < <= > >=                     decided only where certain; `in ('A', 'B')` and `not in (...)`
+ - * / ( )                        exact decimals; a division by zero is undetermined
12.5  'text'  date('2026-01-01')  true  false
SYSBP  DM.SEX  SCR.DM.SEX  subject.type
and the functions of `core.tree.FUNCTIONS`:
missing answered blank             whether and how something was answered; of a repeating group, in any row
sum count mean min max any lowest      over values and over the rows of a group; `lowest` skips what was not answered
round abs number low high drop     numbers; the ends of a span; the fall from old to new in per cent
days_between months_between years_between add_days add_months today
age(birth, on)                     exact years, a whole number on the birthday only; a span where a date is partial
if(c, a, b)  given(g, r)  has(choices, 'CODE')
pair_hours(flags, dates, times, hours)  pair_days(flags, dates, days)
and one function for each published score: `core.instruments.SCORES`
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple, NoReturn

from trialcrf.core.kleene import Result, Truth, truth
from trialcrf.core.tree import (
    FUNCTIONS,
    And,
    Arithmetic,
    Call,
    Compare,
    Function,
    Literal,
    Member,
    Negative,
    Node,
    Not,
    Or,
    Ref,
    Reference,
    Scope,
)
from trialcrf.core.typed import UNDETERMINED, Awaited, DateInterval, Missing, Span, Undetermined, Value, interval
from trialcrf.core.wording import N_, Message

__all__ = [
    "FUNCTIONS",
    "UNDETERMINED",
    "DateInterval",
    "Expr",
    "ExprError",
    "Function",
    "Missing",
    "Node",
    "Ref",
    "Undetermined",
    "Value",
    "evaluate",
    "parse",
    "result",
    "verdict",
]

# The limits keep every tree shallow enough for Python's stack, whatever text is given.
MOST_CHARACTERS = 10_000
MOST_NESTING = 40
MOST_OPERATORS = 150
MOST_DIGITS = 28

# How tightly each operator binds; `not` stands between `and` and the comparisons.
_BINDS = {"or": 1, "and": 2, "=": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4, "in": 4, "not": 4, "+": 5, "-": 5, "*": 6, "/": 6}
_NOT, _COMPARISON, _SIGN = 3, 4, 7
_WORDS = frozenset({"or", "and", "not", "in", "true", "false"})

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>[0-9]+(?:\.[0-9]+)?)
    |(?P<text>'(?:[^']|'')*')
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
    |(?P<sign><=|>=|!=|[=<>+\-*/(),])""",
    re.VERBOSE,
)


class ExprError(Exception):
    """A text that is no expression: what is wrong, and at which character (counted from 1)."""

    def __init__(self, message: Message, column: int) -> None:
        super().__init__(message.msgid % message.params, column)
        self.message = message
        self.column = column


@dataclass(frozen=True, slots=True)
class Expr:
    """A parsed expression. `kind` says what it gives: "number", "text", "boolean", "date", or "" when an answer decides."""

    text: str
    tree: Node
    references: frozenset[Ref]

    @property
    def kind(self) -> str:
        return self.tree.kind


@lru_cache(maxsize=4096)
def parse(text: str) -> Expr:
    """The expression that a text says. Raises ExprError, and nothing else, for a text that says none."""
    if len(text) > MOST_CHARACTERS:
        raise ExprError(Message(N_("The expression has more than %(most)s characters."), {"most": MOST_CHARACTERS}), MOST_CHARACTERS)
    parser = _Parser(_tokens(text))
    tree = parser.expression(0)
    if parser.token.kind != "end":
        parser.refuse_token()
    return Expr(text, tree, frozenset(parser.references))


def verdict(expr: Expr, answers: Callable[[Ref], Value | tuple[Value, ...]], today: date) -> Truth:
    """The expression as a truth: True, False, UNDETERMINED, or AWAITED when only blank answers stand in the way."""
    return truth(expr.tree.of(Scope(answers, today)))


def evaluate(expr: Expr, answers: Callable[[Ref], Value | tuple[Value, ...]], today: date) -> Value | Undetermined:
    """The value of the expression, UNDETERMINED where it is not certain. `answers` gives a tuple for the rows of a repeating group.

    Values that do not fit together never raise: they are UNDETERMINED.
    """
    found = expr.tree.of(Scope(answers, today))
    return UNDETERMINED if isinstance(found, Awaited | Span | tuple) else found


def result(tree: Node, answers: Callable[[Ref], Value | tuple[Value, ...]], today: date) -> Result:
    """What a tree or a part of one gives, bounds and what is only awaited included."""
    return tree.of(Scope(answers, today))


class _Token(NamedTuple):
    kind: str  # number, text, name, sign (operators and the words of the language), end
    text: str
    column: int


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            if text[position] == "'":
                raise ExprError(Message(N_("The text that begins here has no closing quote.")), position + 1)
            raise ExprError(Message(N_("The character %(character)s has no meaning here."), {"character": text[position]}), position + 1)
        kind = str(found.lastgroup)
        if kind != "space":
            tokens.append(_Token("sign" if found[0] in _WORDS else kind, found[0], position + 1))
        position = found.end()
    tokens.append(_Token("end", "", len(text) + 1))
    return tokens


class _Parser:
    """Precedence climbing: one method for all operators, so that nesting costs few frames."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._nesting = 0
        self._operators = 0
        self.references: set[Ref] = set()

    @property
    def token(self) -> _Token:
        return self._tokens[self._next]

    def refuse(self, message: Message, token: _Token | None = None) -> NoReturn:
        raise ExprError(message, (token or self.token).column)

    def refuse_token(self) -> NoReturn:
        if self.token.kind == "end":
            self.refuse(Message(N_("The expression ends too early.")))
        self.refuse(Message(N_("%(text)s is not expected here."), {"text": self.token.text}))

    def _take(self) -> _Token:
        token = self.token
        self._next += 1
        return token

    def _sees(self, text: str) -> bool:
        return self.token.kind == "sign" and self.token.text == text

    def _expect(self, text: str) -> None:
        if not self._sees(text):
            if self.token.kind == "end":
                self.refuse_token()
            self.refuse(Message(N_("%(expected)s is expected here, not %(text)s."), {"expected": text, "text": self.token.text}))
        self._take()

    def expression(self, binding: int) -> Node:
        """An expression whose operators bind more tightly than `binding`."""
        self._nesting += 1
        if self._nesting > MOST_NESTING:
            self.refuse(Message(N_("The expression is nested too deeply.")))
        left = self._operand(binding)
        compared = False
        while self.token.kind == "sign" and (binds := _BINDS.get(self.token.text, 0)) > binding:
            operator = self._take()
            if binds == _COMPARISON:
                if compared:
                    self.refuse(Message(N_("Comparisons cannot be chained; join them with and.")), operator)
                compared = True
            left = self._joined(operator, binds, left)
        self._nesting -= 1
        return left

    def _joined(self, operator: _Token, binds: int, left: Node) -> Node:
        self._operators += 1
        if self._operators > MOST_OPERATORS:
            self.refuse(Message(N_("The expression has more than %(most)s operators."), {"most": MOST_OPERATORS}), operator)
        if operator.text in ("in", "not"):
            if operator.text == "not":
                self._expect("in")
            member = Member(left, self._choices())
            return Not(member) if operator.text == "not" else member
        right = self.expression(binds)
        if operator.text == "and":
            return And((*left.terms, right)) if isinstance(left, And) else And((left, right))
        if operator.text == "or":
            return Or((*left.terms, right)) if isinstance(left, Or) else Or((left, right))
        return Compare(operator.text, left, right) if binds == _COMPARISON else Arithmetic(operator.text, left, right)

    def _operand(self, binding: int) -> Node:
        token = self._take()
        if token.kind == "number":
            return self._number(token)
        if token.kind == "text":
            return Literal(_unquoted(token))
        if token.kind == "name":
            return self._call(token) if self._sees("(") else self._reference(token)
        if token.text in ("true", "false"):
            return Literal(token.text == "true")
        if token.text == "not" and binding < _COMPARISON:
            return Not(self.expression(_NOT))
        if token.text == "-":
            return Negative(self.expression(_SIGN))
        if token.text == "(":
            inside = self.expression(0)
            self._expect(")")
            return inside
        self._next -= 1
        self.refuse_token()

    def _number(self, token: _Token) -> Literal:
        if len(token.text) > MOST_DIGITS:
            self.refuse(Message(N_("The number has more than %(most)s digits."), {"most": MOST_DIGITS}), token)
        return Literal(Decimal(token.text))

    def _choices(self) -> tuple[Literal, ...]:
        self._expect("(")
        choices: list[Literal] = []
        while True:
            negative = self._sees("-") and self._take()
            token = self._take()
            if token.kind == "number":
                number = Decimal(str(self._number(token).value))
                choices.append(Literal(-number if negative else number))
            elif token.kind == "text" and not negative:
                choices.append(Literal(_unquoted(token)))
            else:
                self._next -= 1
                self.refuse_token()
            if not self._sees(","):
                break
            self._take()
        self._expect(")")
        return tuple(choices)

    def _call(self, name: _Token) -> Node:
        self._take()
        if name.text == "date":
            return self._date()
        function = FUNCTIONS.get(name.text)
        if function is None:
            self.refuse(Message(N_("There is no function %(name)s."), {"name": name.text}), name)
        args: list[Node] = []
        while not self._sees(")"):
            if args:
                self._expect(",")
            args.append(self.expression(0))
        self._take()
        if not function.fewest <= len(args) <= function.most:
            params = {"name": name.text, "fewest": function.fewest, "most": function.most, "given": len(args)}
            self.refuse(Message(N_("%(name)s takes %(fewest)s to %(most)s arguments, not %(given)s."), params), name)
        return Call(name.text, tuple(args))

    def _date(self) -> Literal:
        token = self._take()
        if token.kind != "text":
            self._next -= 1
            self.refuse_token()
        self._expect(")")
        try:
            if len(token.text) > len("'2026-01-01'"):
                raise ValueError
            return Literal(interval(_unquoted(token)))
        except ValueError:
            self.refuse(Message(N_("%(text)s is not a date; write date('2026-01-31')."), {"text": token.text}), token)

    def _reference(self, token: _Token) -> Reference:
        *path, item = token.text.split(".")
        if len(path) > 2:
            self.refuse(Message(N_("%(name)s has too many parts; write EVENT.FORM.ITEM."), {"name": token.text}), token)
        ref = Ref(item, form=path[-1] if path else "", event=path[0] if len(path) == 2 else "")
        self.references.add(ref)
        return Reference(ref)


def _unquoted(token: _Token) -> str:
    return token.text[1:-1].replace("''", "'")
