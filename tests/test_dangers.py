"""What the program never does, looked for in every file: run a text, open a shell, revive objects, use a broken hash, fill a browser."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from wtforms import Form

import trialcrf.web

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(path for path in (ROOT / "trialcrf").rglob("*.py"))

RUNS = {"eval", "exec", "__import__"}
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
REVIVES = {"pickle", "marshal", "shelve", "dill", "jsonpickle"}
CHILD = "trialcrf/external/child.py"
"""Hands work to a process of its own that it starts itself, over files without a name: nobody else can write there."""
WEAK = {"md5", "sha1", "new", "DES", "ARC4", "Blowfish"}
"""Of hashlib and of cryptography: what is broken, and the way to a hash by a name that came from somewhere."""
STORES = re.compile(r"localStorage|sessionStorage|indexedDB|document\.cookie|caches\.|postMessage|serviceWorker|openDatabase")
SINKS = re.compile(r"\.(?:innerHTML|outerHTML)\s*=[^=]|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|javascript:")


@cache
def trees() -> tuple[tuple[str, ast.Module], ...]:
    """The files in which any of the words stands at all."""
    words = re.compile(r"\beval\(|\bexec\(|__import__|os\.(?:system|popen)|subprocess|pickle|marshal|shelve|hashlib\.[mns]|yaml|\brandom\b")
    found = ((path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in FILES)
    return tuple((name, ast.parse(text)) for name, text in found if words.search(text))


def calls() -> Iterator[tuple[str, ast.Call, str]]:
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield name, node, ast.unparse(node.func)


def imports() -> Iterator[tuple[str, str]]:
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from ((name, one.name) for one in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((name, f"{node.module}.{one.name}") for one in node.names)


def test_no_text_is_run_as_a_program() -> None:
    assert [(name, called) for name, _, called in calls() if called in RUNS] == []


def test_no_command_goes_through_a_shell() -> None:
    for name, node, called in calls():
        assert called not in SHELLS, name
        if called.startswith("subprocess."):
            assert not any(one.arg == "shell" for one in node.keywords), name
        if called in ("subprocess.run", "subprocess.Popen"):
            assert isinstance(node.args[0], ast.List | ast.Name), f"{name}: a command is a list of its words"


def test_no_object_is_revived_from_bytes_that_somebody_else_wrote() -> None:
    assert {name for name, module in imports() if module.partition(".")[0] in REVIVES} == {CHILD}
    assert [(name, called) for name, _, called in calls() if called in ("yaml.load", "yaml.unsafe_load", "yaml.full_load")] == []


def test_no_broken_hash_is_used_and_none_that_is_named_from_outside() -> None:
    assert [(name, called) for name, _, called in calls() if called in {f"hashlib.{weak}" for weak in WEAK}] == []


def test_chance_is_that_of_the_system_wherever_it_is_a_secret() -> None:
    """The simulated trial alone is made by a seeded chance, so that it is the same everywhere."""
    found = {name for name, module in imports() if module.partition(".")[0] == "random"}
    assert all("simulat" in name or "demo" in name for name in found), found


def test_nothing_is_kept_in_a_browser_and_no_text_becomes_markup_there() -> None:
    for path in sorted((ROOT / "trialcrf" / "web" / "static" / "js").rglob("*.js")):
        text = path.read_text(encoding="utf-8")
        assert STORES.findall(text) == [], path.name
        assert SINKS.findall(text) == [], path.name


LOOKED_UP = {
    "list.children[number]", "terms[number]", "lines[lines.indexOf", "order[order.indexOf",  # places in a list
    "credential.response[name]", "response[name]", "navigator.credentials[place.dataset.passkey]",  # names that stand in our own files
    "atOnce in place.dataset", "scan in field.dataset", "said.dataset[what]", "said.dataset[kind]", "begun in form.dataset",
    "digits in form.dataset", "keys in document.body.dataset", ".group[id]", "dialog[open]", "a[href]",  # the last three are selectors
}  # fmt: skip
"""Everything that our scripts look up by a name in brackets or by `in`. What comes from outside is looked up in a Map."""


def test_no_object_of_a_browser_is_asked_or_written_by_a_name_that_came_from_outside() -> None:
    """An object answers to `constructor` without having been told, and one `__proto__` would change all of them (ASVS 15.3.6)."""
    found = set()
    for path in sorted((ROOT / "trialcrf" / "web" / "static" / "js").rglob("*.js")):
        text = re.sub(r"(?<!:)//.*", "", path.read_text(encoding="utf-8"))
        assert not re.search(
            r"__proto__|\.prototype\b|Object\.(?:assign|setPrototypeOf)|\.\.\.\s*JSON|\bfor \((?:const|let) \w+ in ", text
        ), path.name
        found.update(re.findall(r"[\w.]+\[[A-Za-z_$][\w.$]*(?:\]|(?=\())", text))
        found.update(f"{name} in {of}" for name, of in re.findall(r"[\"(]?([\w.]+)\"? in ([\w.]+)", text))
    assert found == LOOKED_UP


def test_every_box_of_a_password_hides_what_is_typed_and_tells_password_managers_what_it_is_for() -> None:
    """Of all forms of the program and all boxes that stand in a template itself (ASVS 6.2.6 and 6.2.7)."""
    boxes = {
        f"{form.__name__}.{name}": str(field())
        for form in forms()
        for name, field in form()._fields.items()
        if "password" in f"{name} {getattr(field.label, 'text', '')}".lower()
    }
    for path in sorted((ROOT / "templates").rglob("*.html")):
        markup = path.read_text(encoding="utf-8")
        found = re.findall(r"<input\b(?:{%.*?%}|{{.*?}}|[^>])*>", markup)
        said = {number: re.sub(r"{[%{].*?[%}]}", "", box).lower() for number, box in enumerate(found)}
        boxes |= {f"{path.name} {number}": found[number] for number, box in said.items() if "password" in box}
        assert not re.search(r"password[^}]*autocomplete", "".join(re.findall(r"{{.*?}}", markup))), f"{path.name}: a box of its own words"
    assert len(boxes) > 20
    for name, box in boxes.items():
        assert 'type="password"' in box, name
        assert re.search(r'autocomplete="(?:section-[a-z]+ )?(?:current|new)-password"', box), name
        assert "maxlength" not in box and "readonly" not in box, f"{name}: a long one is taken whole"


def forms() -> list[type[Form]]:
    for found in pkgutil.walk_packages(trialcrf.web.__path__, "trialcrf.web."):
        importlib.import_module(found.name)
    known, left = [], [Form]
    while left:
        left += left.pop().__subclasses__()
        known = list(dict.fromkeys([*known, *left]))
    return [one for one in known if one.__module__.startswith("trialcrf.")]


def test_nothing_hinders_pasting() -> None:
    for path in sorted((ROOT / "trialcrf" / "web" / "static" / "js").rglob("*.js")):
        hears = re.findall(r"onpaste|[\"'](?:paste|beforeinput|copy|cut|drop|contextmenu)[\"']", path.read_text(encoding="utf-8"))
        # entry.js takes nothing at all, typed or pasted, between the sending of a page and the answer: it would be lost.
        assert hears == (['"beforeinput"'] if path.name == "entry.js" else []), path.name
    for path in sorted((ROOT / "templates").rglob("*.html")):
        assert "onpaste" not in path.read_text(encoding="utf-8"), path.name


def test_a_template_marks_no_value_as_safe() -> None:
    """Only texts that stand in the template itself are: a number is put into them, escaped."""
    for path in sorted((ROOT / "templates").rglob("*.html")) + sorted((ROOT / "reports").rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        for found in re.finditer(r"\|\s*safe\b", text):
            assert text[: found.start()].rstrip().endswith("'"), f"{path.name}: {text[found.start() - 40 : found.end()]}"
        assert "autoescape false" not in text, path.name
