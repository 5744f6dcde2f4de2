"""schemathesis over every address of the program, by a description made from its routes and pages; and over those of its twin."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from werkzeug.routing import Rule

from tests.attack.caller import Caller
from tests.attack.describing import Described, description, examine
from tests.attack.doors import ENDS, doors_of
from tests.attack.instance import CHOSEN, EVERYBODY, NOBODY, TWIN, running
from tests.attack.sharing import SEED, failures, shares
from tests.attack.tools import accepted, judged, told
from tests.conftest import Databases

SECONDS, MOST = 900.0, int(os.environ.get("TRIALCRF_ATTACK_ADDRESSES", "60"))
"""Seconds and addresses for each role: enough for every address there is, when all of them attack."""

ODD = {
    "openapi": "3.0.3",
    "info": {"title": "twin", "version": "0"},
    "paths": {
        "/twin/odd": {
            "get": {
                "parameters": [{"name": "n", "in": "query", "schema": {"type": "string"}, "example": "1"}],
                "responses": {"default": {"description": "A page"}},
            }
        }
    },
}


def verdict(done: Described, operations: int, caller: Caller) -> list[str]:
    """What is wrong; nothing where every operation was asked, several times, in a session that lived, and each answer is as it must be."""
    return [
        *([] if done.run.code in (0, 1) else [f"schemathesis ended with {done.run.code}: {done.run.said[-600:]}"]),
        *([] if done.operations >= operations > 0 else [f"{done.operations} of {operations} operations were asked"]),
        *([] if done.requests >= 4 * operations else [f"{done.requests} requests are too few for {operations} operations"]),
        *([] if caller.is_in() else ["the session had ended: nothing was tried since"]),
        *map(str, judged(done.found, accepted("schemathesis"))),
    ]


def test_no_address_fails_or_tells_what_it_should_not(databases: Databases, tmp_path: Path) -> None:
    found, asked = [], set()
    with running(databases, tmp_path / "data") as instance:
        routes, callers = instance.routes, {name: instance.caller(name) for name in CHOSEN}
        by_address = _by_address([*routes.rules("GET"), *routes.rules("POST")])
        seen = {name: doors_of(caller, routes) for name, caller in callers.items()}
        opened = {
            name: [
                address
                for address, rules in by_address.items()
                if {rule.endpoint for rule in rules} & {*one.opened, *(door.endpoint for door in one.doors)}
                and not {rule.endpoint for rule in rules} & ENDS
            ]
            for name, one in seen.items()
        }
        if set(CHOSEN) == set(EVERYBODY):
            # What nobody can open in this world is knocked at by the administrator, and what ends a session by who has none.
            known = {one for each in opened.values() for one in each}
            opened["administrator"] += [one for one in by_address if one not in known and one not in _ending(by_address)]
            opened[NOBODY] += _ending(by_address)
        for name, addresses in shares(opened, lambda one: one, lambda _one: 1, MOST).items():
            rules = [rule for address in addresses for rule in by_address[address]]
            described = description(routes, rules, seen[name].doors, callers[name])
            operations = sum(len(one) for one in described["paths"].values())
            done = examine(described, callers[name], tmp_path / name, SEED, SECONDS)
            told({"tool": "schemathesis", "as": name, "seed": SEED, "operations": done.operations, "requests": done.requests,
                  "seconds": round(done.run.seconds)})  # fmt: skip
            found += [f"{name}: {one}" for one in verdict(done, operations, callers[name])]
            asked |= set(addresses)
        found += failures(instance)
    if set(CHOSEN) == set(EVERYBODY):
        found += [f"nobody asked {one}" for one in by_address if one not in asked]
    assert not found, "\n".join(found)


def _by_address(rules: Sequence[Rule]) -> dict[str, list[Rule]]:
    found: dict[str, list[Rule]] = {}
    for rule in rules:
        # Two rules of one address are equal for werkzeug, whatever their methods and views.
        if rule.endpoint != "static" and rule.endpoint not in {one.endpoint for one in found.get(rule.rule, ())}:
            found.setdefault(rule.rule, []).append(rule)
    return found


def _ending(by_address: dict[str, list[Rule]]) -> list[str]:
    return [address for address, rules in by_address.items() if {rule.endpoint for rule in rules} & ENDS]


def test_schemathesis_finds_the_odd_address_of_the_twin(databases: Databases, tmp_path: Path) -> None:
    with running(databases, tmp_path / "data", TWIN) as twin:
        caller = twin.caller(NOBODY)
        said = verdict(examine(ODD, caller, tmp_path / "odd", SEED, 120), 1, caller)
    assert any("not_a_server_error" in one for one in said), said
    assert any("Traceback" in one for one in said)
    assert any("its policy is ''" in one for one in said)
    nothing = Described(0, 0, (), examine(ODD, Caller(1, NOBODY), tmp_path / "gone", SEED, 60).run)
    assert "0 of 1 operations were asked" in verdict(nothing, 1, _Out())


class _Out(Caller):
    """There is no server: nobody is signed in."""

    def __init__(self) -> None:
        super().__init__(1, NOBODY)

    def is_in(self) -> bool:
        return False
