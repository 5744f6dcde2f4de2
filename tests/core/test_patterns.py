"""Regular expressions: a study has none, ours are written down in the program, and none of them takes longer than its text."""

from __future__ import annotations

import ast
import importlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from tests.core.test_definition_load import FORMS, MAIN, SCHEDULE
from trialcrf.core.definition.load import DefinitionProblems, load
from trialcrf.core.expr import ExprError, parse
from trialcrf.core.oversight.personal import found_in
from trialcrf.core.product import identity, sec
from trialcrf.core.values import LONGEST_BOX
from trialcrf.external.files import read_study

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "trialcrf").rglob("*.py"))
TAKES_A_PATTERN = {"compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}
"""What of `re` takes a pattern as its first argument."""
KNOWN = {"f'grade ?{grade}'"}
"""Made of the numbers from 1 to 5."""
MOST = 1.0
"""Seconds for one text, however it is made."""


@cache
def patterns(file: Path) -> tuple[ast.expr, ...]:
    text = file.read_text(encoding="utf-8")
    return tuple(_patterns(text)) if "import re\n" in text else ()


def _patterns(text: str) -> Iterator[ast.expr]:
    for node in ast.walk(ast.parse(text)):
        called = node.func if isinstance(node, ast.Call) else None
        if not (isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "re"):
            continue
        if called.attr in TAKES_A_PATTERN and isinstance(node, ast.Call):
            yield node.args[0]


def written_down(pattern: ast.expr) -> bool:
    """Whether a pattern is made of texts of the program: literals, its own constants, and what was escaped."""
    if isinstance(pattern, ast.Constant):
        return True
    if isinstance(pattern, ast.Name):
        return pattern.id.lstrip("_").isupper()
    if isinstance(pattern, ast.BinOp):
        return written_down(pattern.left) and written_down(pattern.right)
    if isinstance(pattern, ast.JoinedStr):
        return all(written_down(one.value) for one in pattern.values if isinstance(one, ast.FormattedValue))
    if isinstance(pattern, ast.Attribute) and pattern.attr == "pattern":
        return written_down(pattern.value)
    if isinstance(pattern, ast.Call) and isinstance(pattern.func, ast.Attribute):
        # Escaped, or a constant that is put together from others.
        return pattern.func.attr == "escape" or (
            pattern.func.attr == "join" and all(map(written_down, (pattern.func.value, *pattern.args)))
        )
    return False


def test_every_pattern_is_written_down_in_the_program() -> None:
    found = [(file.name, one) for file in FILES for one in patterns(file)]
    assert len(found) > 50
    assert [(name, ast.unparse(one)) for name, one in found if not written_down(one) and ast.unparse(one) not in KNOWN] == []


def compiled() -> Iterator[tuple[str, re.Pattern[str]]]:
    for file in FILES:
        if patterns(file) and file.relative_to(ROOT).parts[1] in ("core", "actions"):
            module = importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
            for name, value in vars(module).items():
                if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                    yield f"{module.__name__}.{name}", value


SEEDS = ("9", "a", " ", "1 ", "a ", "-", "1-", ".", "a.", "+3", "(", "'", "=", "0 1", "é", "_", "é.", "<", "12/", "x@", "\t", "{a", "a1")


def test_none_of_them_takes_longer_than_its_text() -> None:
    """Every one, over texts that repeat what it may begin with and end with what it does not take: the trial of nested repetitions."""
    slow, count = [], 0
    for name, pattern in compiled():
        count += 1
        for seed in SEEDS:
            # A few first: what doubles with every letter is seen before it would take for ever.
            for times in (20, 100):
                begun = time.process_time()
                pattern.search(seed * times + "\x01")
                pattern.fullmatch(seed * times + "\x01")
                if time.process_time() - begun > 0.1:
                    slow.append((name, seed))
                    break
    assert count > 20
    assert slow == []


def in_words(read: Callable[[], object]) -> None:
    begun = time.process_time()
    with suppress(ExprError, ValueError):
        read()
    assert time.process_time() - begun < MOST


@pytest.mark.parametrize("seed", SEEDS)
def test_the_longest_text_that_anybody_can_type_is_read_at_once(seed: str) -> None:
    free, box = (seed * 20_000)[:20_000] + "\x01", (seed * LONGEST_BOX)[:LONGEST_BOX] + "\x01"
    in_words(lambda: found_in(free))
    in_words(lambda: parse(free))
    in_words(lambda: identity.scanned(box, "msc_ssc", identity.Kind.BAG))
    in_words(lambda: sec.parse(box))


EVIL = ("(a+)+$", "([a-zA-Z]+)*$", "(a|aa)+$", "(a|a?)+$", "(.*a){20}$", "^(\\w+\\s?)*$", "(x+x+)+y", "(?:a{0,9}){0,9}{0,9}$")


@pytest.mark.parametrize("pattern", EVIL)
def test_a_study_brings_no_pattern_of_its_own(tmp_path: Path, pattern: str) -> None:
    """An answer is bounded by its type, its range and its checks. Whoever lets a study bring patterns must bound them first."""
    (tmp_path / "forms").mkdir()
    (tmp_path / "study.yaml").write_text(MAIN, encoding="utf-8")
    (tmp_path / "schedule.yaml").write_text(SCHEDULE, encoding="utf-8")
    for name, form in FORMS.items():
        (tmp_path / "forms" / f"{name}.yaml").write_text(form, encoding="utf-8")
    evil = f"oid: EVIL\nlabel: {{fr: a, en: a}}\npattern: '{pattern}'\ngroups: []\n"
    (tmp_path / "forms" / "evil.yaml").write_text(evil, encoding="utf-8")
    with pytest.raises(DefinitionProblems) as raised:
        load(read_study(tmp_path))
    assert any(one.message.params.get("key") == "pattern" for one in raised.value.problems)
