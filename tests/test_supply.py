"""What the program is made of: the bill and the licences are those of the lock, and an audit that looked at nothing is refused."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("supply", ROOT / ".ci" / "supply.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["supply"] = module  # Its dataclass looks for the module that it is in.
    spec.loader.exec_module(module)
    return module


supply = _loaded()
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
ONE = f"flask==3.1.3 \\\n    --hash=sha256:{'a' * 64}\n"


def test_the_bill_of_materials_and_the_licences_are_those_of_the_lock() -> None:
    found = supply.packages(LOCK)
    supply.check(found)
    told = json.loads(supply.BILL.read_text(encoding="utf-8"))
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.6")
    assert {(one["name"], one["version"]) for one in told["components"]} == {(name, version) for name, version, _ in supply.pinned(LOCK)}
    hashes = sum(len(one["externalReferences"]) for one in told["components"])
    assert hashes == LOCK.count("--hash=sha256:")


def test_a_package_that_is_not_in_the_bill_is_noticed() -> None:
    with pytest.raises(supply.Unfit, match="not that of the lock"):
        supply.check(supply.packages(LOCK)[1:])


@pytest.mark.parametrize(
    ("licence", "fits"),
    [
        ("MIT", True), ("AGPL-3.0-only", False), ("GPL-2.0-or-later OR LGPL-2.1-or-later", True), ("MIT AND GPL-3.0-only", False),
        ("(MIT AND Zlib) OR GPL-3.0-only", True), ("", False),
    ],
)  # fmt: skip
def test_a_licence_is_allowed_by_one_of_the_ways_that_it_gives(licence: str, fits: bool) -> None:
    assert supply.allowed(licence) is fits
    if not fits:
        with pytest.raises(supply.Unfit, match="not allowed"):
            supply.licences([supply.Package("x", "1", ("a" * 64,), licence, "")])


def test_a_package_without_a_hash_or_another_version_than_the_pinned_is_refused() -> None:
    with pytest.raises(supply.Unfit, match="without a hash"):
        supply.pinned("flask==3.1.3\n")
    with pytest.raises(supply.Unfit, match="make setup"):
        supply.packages(ONE.replace("3.1.3", "0.0.1"))


@pytest.mark.parametrize(
    ("lock", "answer"),
    [
        ("# nothing\n", '{"dependencies": []}'),
        (ONE, '{"dependencies": []}'),
        (ONE, ""),
        (ONE, "[]"),
        (ONE, '{"dependencies": [{"name": "flask", "version": "0.1", "vulns": []}]}'),
        (ONE, '{"dependencies": [{"name": "flask", "version": "3.1.3", "skip_reason": "not found", "vulns": []}]}'),
    ],
)
def test_an_audit_that_checked_nothing_is_refused(lock: str, answer: str) -> None:
    with pytest.raises(supply.Unfit, match=r"looked at"):
        supply.audit(lock, answer)


def test_an_audit_names_what_is_known() -> None:
    answer = {"name": "Flask", "version": "3.1.3", "vulns": []}
    assert supply.audit(ONE, json.dumps({"dependencies": [answer]})) == []
    answer["vulns"] = [{"id": "PYSEC-1", "fix_versions": ["3.1.4"]}]
    assert supply.audit(ONE, json.dumps({"dependencies": [answer]})) == ["flask 3.1.3: PYSEC-1, mended in 3.1.4"]


def test_the_command_fails_in_words_where_nothing_could_be_looked_at(tmp_path: Path) -> None:
    empty = tmp_path / "answer.json"
    empty.write_text('{"dependencies": []}')
    command = [sys.executable, str(ROOT / ".ci" / "supply.py"), "audit", "--answer", str(empty)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "were not looked at" in done.stderr
