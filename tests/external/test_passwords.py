"""How passwords are hashed where nobody made it cheap for the tests: the work of the OWASP profile, the same whoever signs in."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest
from argon2 import extract_parameters

from trialcrf.external import passwords as in_tests

PASSWORD = "a long sentence for the tests"


@pytest.fixture(scope="module")
def passwords() -> ModuleType:
    """The module as the program has it: loaded anew, so no fixture has touched it."""
    spec = importlib.util.spec_from_file_location("passwords_of_the_program", str(in_tests.__file__))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_password_is_hashed_by_argon2id_with_19_mebibytes_and_two_passes(passwords: ModuleType) -> None:
    made = passwords.hash_of(PASSWORD)
    found = extract_parameters(made)
    assert made.startswith("$argon2id$")
    assert (found.memory_cost, found.time_cost, found.parallelism) == (19 * 1024, 2, 1)
    assert made != passwords.hash_of(PASSWORD), "each with a salt of its own"
    assert passwords.matches(made, PASSWORD)
    assert not passwords.matches(made, PASSWORD + " ")
    assert not passwords.matches("no hash at all", PASSWORD)


def test_an_account_that_does_not_exist_costs_the_same_work_and_nothing_opens_it(
    passwords: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = []

    class Counting:
        def verify(self, hashed: str, password: str) -> bool:
            checked.append(extract_parameters(hashed))
            return True

        hash = passwords._HASHER.hash

    stored = passwords.hash_of(PASSWORD)
    monkeypatch.setattr(passwords, "_HASHER", Counting())
    assert passwords.matches(stored, PASSWORD)
    assert not passwords.matches(None, PASSWORD)
    assert not passwords.matches(None, "nobody has this password")
    assert checked == [extract_parameters(stored)] * 3
