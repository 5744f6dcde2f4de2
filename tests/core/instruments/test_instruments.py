"""Every instrument: sources and notes, no answer that crashes one, and bounds that hold whatever is answered next."""

from __future__ import annotations

import ast
import importlib
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import trialcrf.core.instruments as package
from tests.core.test_expr import TODAY, answers
from trialcrf.core.expr import FUNCTIONS, evaluate, parse
from trialcrf.core.instruments import INSTRUMENTS, SCORES
from trialcrf.core.kleene import Result, compare
from trialcrf.core.typed import AWAITED, UNDETERMINED, Awaited, DateInterval, Missing, Span, Undetermined
from trialcrf.core.typed import interval as days

ROOMS = sorted(path for path in Path(str(package.__file__)).parent.glob("*.py") if "INSTRUMENT = " in path.read_text(encoding="utf-8"))
NOT_VERIFIED = {"mrss", "ara_1980", "haq_di", "eustar_2017", "medsger", "calcinosis", "sledai_2k", "criss"}
OVER_WHAT_IS_ANSWERED = {"mrss_partial", "mrss_sites", "haq_di", "haq_di_alternative", "haq_categories"}
"""Sums, counts and means of what is answered so far: they move with every answer, and say no bounds."""

each_score = pytest.mark.parametrize("name", sorted(SCORES))


def test_every_file_registers_its_instrument() -> None:
    rooms = [importlib.import_module(f"{package.__name__}.{path.stem}") for path in ROOMS]
    assert {room.INSTRUMENT.oid for room in rooms} == set(INSTRUMENTS)
    assert all((i.source, i.licence, i.verified) == (room.SOURCE, room.LICENCE, room.VERIFIED) for room in rooms for i in [room.INSTRUMENT])


def test_what_was_not_verified_says_so_and_nothing_else_does() -> None:
    assert {oid for oid, instrument in INSTRUMENTS.items() if not instrument.verified} == NOT_VERIFIED
    assert {oid for oid, instrument in INSTRUMENTS.items() if instrument.note} == NOT_VERIFIED


def test_every_instrument_names_its_inputs_source_and_licence() -> None:
    for instrument in INSTRUMENTS.values():
        assert instrument.label and instrument.source and instrument.licence
        first = next(iter(instrument.scores.values()), None)
        if first is not None and instrument.oid != "medsger":
            assert len(instrument.inputs) == len(first.takes)


def test_an_instrument_imports_only_what_a_function_of_values_needs() -> None:
    """`core.tree` calls the instruments, so that none may lead back to it."""
    for path in ROOMS:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        ours = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and str(node.module).startswith("trialcrf")}
        rest = {f"trialcrf.core.{name}" for name in ("kleene", "typed", "wording", "instruments.instrument", "instruments.answers")}
        assert ours <= rest, path


@each_score
def test_expressions_call_every_score_with_its_arguments_in_order(name: str) -> None:
    function = FUNCTIONS[name]
    assert function.fewest == function.most == len(SCORES[name].takes)
    names = [f"A{i}" for i in range(function.most)]
    known = [_example(name, kind, i) for i, kind in enumerate(SCORES[name].takes)]
    text = f"{name}({', '.join(names)})"
    direct = SCORES[name].of(*known)
    assert not isinstance(direct, Undetermined | Awaited)
    assert evaluate(parse(text), answers(**dict(zip(names, known, strict=True))), TODAY) == direct  # type: ignore[arg-type]
    assert isinstance(direct, bool) == (parse(text).kind == "boolean")


def _example(name: str, kind: str, place: int) -> Result:
    if kind == "boolean":
        return place % 2 == 0
    if kind == "text":
        return {"umol": "mg/dL", "bilag_2004": "B"}.get(name, "F")
    return Decimal(place % 3 + 1)


ANYTHING: st.SearchStrategy[Result] = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=3),
    st.sampled_from(["Y", "N", "A", "E", "F", "M", "mg/dL", "1", "3", UNDETERMINED, AWAITED, Missing("ND"), days("2026-01")]),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**27), max_value=10**27),
    st.integers(-2, 5).map(Decimal),
    st.sampled_from(
        [
            Span(Decimal(1), Decimal(3)),
            Span(Decimal("-Infinity"), Decimal("0.5"), high_open=True),
            Span(Decimal(200), Decimal("Infinity"), low_open=True),
        ]
    ),
    st.lists(st.sampled_from([None, True, Decimal(1)]), max_size=2).map(tuple),
)


@each_score
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_no_answer_makes_a_score_crash(name: str, data: st.DataObject) -> None:
    given_answers = [data.draw(ANYTHING) for _ in SCORES[name].takes]
    found = SCORES[name].of(*given_answers)
    assert isinstance(found, Decimal | bool | Span | Undetermined | Awaited)
    if isinstance(found, Decimal):
        assert found.is_finite()
    if isinstance(found, Span):
        assert found.low < found.high


def _known(name: str, kind: str) -> st.SearchStrategy[Result]:
    if kind == "boolean":
        return st.booleans()
    if kind == "text":
        return st.sampled_from({"umol": ["mg/dL", "umol/L"], "bilag_2004": [*"ABCDE"]}.get(name, ["F", "M"]))
    if name.startswith(("mrss", "skin_", "medsger_muscle")):
        return st.integers(0, 3).map(Decimal)
    if name == "shaq_vas":
        return st.decimals(-1, 16, places=1)  # A line of 15 centimetres: of most numbers there would be no score.
    return st.one_of(st.integers(0, 120).map(Decimal), st.decimals(-5, 90, places=1))


def _less_known(known: Result, data: st.DataObject) -> Result:
    """The same answer, or less of it: blank, not done, or a number between bounds."""
    ways: list[Result] = [known, None, Missing("ND"), AWAITED, UNDETERMINED]
    if isinstance(known, Decimal):
        ways += [known, Span(known - 1, known + Decimal("0.5")), Span(known, Decimal("Infinity")), Span(known - 1, known + 1, True, True)]
    return data.draw(st.sampled_from(ways))


@pytest.mark.parametrize("name", sorted(set(SCORES) - OVER_WHAT_IS_ANSWERED))
@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_whatever_is_answered_next_the_score_stays_within_its_bounds(name: str, data: st.DataObject) -> None:
    known = [data.draw(_known(name, kind)) for kind in SCORES[name].takes]
    after = SCORES[name].of(*known)
    assume(isinstance(after, Decimal | bool))
    before = SCORES[name].of(*(_less_known(each, data) for each in known))
    if isinstance(before, Span):
        assert compare("<=", before.low, after) is True
        assert compare(">=", before.high, after) is True
    elif isinstance(before, Decimal | bool):
        assert before == after


def test_a_date_is_no_grade() -> None:
    assert SCORES["medsger_skin"].of(DateInterval(TODAY, TODAY)) == Span(Decimal(0), Decimal(4))
