"""Reading a study folder: what is no readable YAML is a problem with file and line, never an exception."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialcrf.core.definition.source import Located, Source, in_english
from trialcrf.external.files import LARGEST_FILE, read_study


def folder_of(path: Path, files: Mapping[str, bytes | str]) -> Path:
    for name, content in {"study.yaml": "oid: x\n", "schedule.yaml": "events: []\n", **files}.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def said(source: Source) -> list[str]:
    return [f"{problem.file}:{problem.line}: {in_english(problem.message)}" for problem in source.problems]


def plain(node: Located) -> object:
    if isinstance(node.value, tuple):
        return [plain(each) for each in node.value]
    if isinstance(node.value, Mapping):
        return {key: plain(each) for key, each in node.value.items()}
    return node.value


def test_a_folder_becomes_nodes_that_know_file_and_line(tmp_path: Path) -> None:
    source = read_study(folder_of(tmp_path, {"forms/b.yaml": "oid: B\nlabel:\n  fr: Bé\n", "forms/a.yaml": "oid: A\n"}))
    assert source.problems == ()
    assert [plain(form) for form in source.forms] == [{"oid": "A"}, {"oid": "B", "label": {"fr": "Bé"}}]
    assert isinstance(source.forms[1].value, Mapping)
    label = source.forms[1].value["label"]
    assert (label.file, label.line, source.forms[1].keys["label"]) == ("forms/b.yaml", 3, 2)


def test_a_scalar_stays_the_text_that_was_written(tmp_path: Path) -> None:
    text = "a: NO\nb: 010\nc: 1.50\nd: 2026-01-05\ne: 14:05\nf: ~\ng: 'null'\nh:\ni: \"\"\n"
    main = read_study(folder_of(tmp_path, {"study.yaml": text})).study
    assert main is not None
    assert plain(main) == {"a": "NO", "b": "010", "c": "1.50", "d": "2026-01-05", "e": "14:05", "f": None, "g": "null", "h": None, "i": ""}


BAD: list[tuple[str, bytes | str, int, str]] = [
    ("a bracket left open", "oid: x\nlist: [1, 2\nnext: 3\n", 3, "no YAML"),
    ("a tab as indentation", "oid: x\nlabel:\n\tfr: a\n", 3, "no YAML"),
    ("a key twice", "oid: x\nlabel: a\noid: y\n", 3, "“oid” stands here twice, first in line 1"),
    ("a nested key twice", "a:\n  b: 1\n  c: 2\n  b: 3\n", 4, "first in line 2"),
    ("an alias", "a: &one [x]\nb: *one\n", 2, "alias (*one)"),
    ("an anchor", "a: 1\nb: &one [x]\n", 2, "anchor (&one)"),
    ("a python object", "a: 1\nb: !!python/object/apply:os.system ['true']\n", 2, "type tag"),
    ("two documents", "a: 1\n---\nb: 2\n", 2, "second document"),
    ("nothing at all", "# only a remark\n", 1, "empty"),
    ("a key that is a list", "a: 1\n? [b]\n: 2\n", 2, "A key is a word"),
    ("another encoding", b"a: 1\nb: Caf\xe9\n", 2, "UTF-8"),
    ("a NUL byte", b"a: 1\nb: 2\nc: x\x00y\n", 3, "U+0000"),
    ("a control character", "a: 1\nb: \x07\n", 2, "U+0007"),
    ("a surrogate half escaped", 'a: "\\ud800"\n', 1, ""),
    ("too many bytes", b"a: " + b"x" * LARGEST_FILE, 1, f"more than {LARGEST_FILE} bytes"),
    ("nested without end", "a: " + "[" * 100_000, 1, "nested too deeply"),
    ("nested line by line", "".join(" " * i + "a:\n" for i in range(500)), 30, "nested too deeply"),
]


@pytest.mark.parametrize(("content", "line", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_file_is_a_problem_at_its_line(tmp_path: Path, content: bytes | str, line: int, message: str) -> None:
    source = read_study(folder_of(tmp_path, {"forms/bad.yaml": content, "forms/good.yaml": "oid: GOOD\n"}))
    if not message and not source.problems:
        return  # The two YAML readers differ about half a character; neither may raise.
    assert {(problem.file, problem.line) for problem in source.problems} >= {("forms/bad.yaml", line)}, said(source)
    assert any(message in each for each in said(source)), said(source)
    assert any(plain(form) == {"oid": "GOOD"} for form in source.forms), "the other files must still be read"


def test_aliases_are_refused_without_being_written_out(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    source = read_study(folder_of(tmp_path, {"forms/bomb.yaml": "\n".join(lines)}))
    assert len([problem for problem in source.problems if "alias" in problem.message.msgid]) == 29 * 9


def test_every_bad_file_is_reported_at_once(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {
        "study.yaml": "a: [",
        "schedule.yaml": b"\xff",
        "forms/a.yaml": "a: 1\na: 2\n",
        "forms/b.yml": "a: 1\n",
    }
    source = read_study(folder_of(tmp_path, files))
    assert {problem.file for problem in source.problems} == set(files)
    assert source.study is None and source.schedule is None


@pytest.mark.parametrize("name", ["forms/a.yml", "criteria.yaml", "eligibility.yml", "forms/deeper/a.yaml", "Study.YAML", "forms/A.YAML"])
def test_a_file_that_nobody_would_read_is_a_problem(tmp_path: Path, name: str) -> None:
    source = read_study(folder_of(tmp_path, {name: "oid: A\n"}))
    assert [problem.file for problem in source.problems] == [name]


def test_files_that_are_no_yaml_may_lie_beside_a_study(tmp_path: Path) -> None:
    assert read_study(folder_of(tmp_path, {"README.md": "x", "forms/notes.txt": "x"})).problems == ()


def test_absent_files_and_folders_are_problems(tmp_path: Path) -> None:
    assert said(read_study(tmp_path / "nowhere")) == ["nowhere:1: There is no such folder."]
    (tmp_path / "study.yaml").write_text("oid: x\n", encoding="utf-8")
    assert said(read_study(tmp_path)) == ["schedule.yaml:1: The file is missing."]


def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    folder_of(tmp_path, {"forms/a.yaml": "oid: A\n"})
    os.mkfifo(tmp_path / "forms" / "b.yaml")
    assert said(read_study(tmp_path)) == ["forms/b.yaml:1: The file is missing."]


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    source = read_study(folder_of(tmp_path, {"forms/a.yaml": b"\xef\xbb\xbfoid: A\r\nlabel: b\r\n"}))
    assert [plain(form) for form in source.forms] == [{"oid": "A", "label": "b"}]


@given(content=st.one_of(st.binary(max_size=200), st.text(alphabet="ab:-[]{}&*!|>'\"#%@`?,~ \n\t\\0", max_size=60)))
def test_any_file_is_read_or_is_a_problem(tmp_path_factory: pytest.TempPathFactory, content: bytes | str) -> None:
    folder = folder_of(tmp_path_factory.mktemp("any"), {"study.yaml": content})
    source = read_study(folder)
    assert source.study is not None or source.problems
    assert all(problem.line >= 1 for problem in source.problems)
