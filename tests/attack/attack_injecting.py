"""sqlmap at the doors of the program, signed in as each role and as nobody, and at one of its twin, where it must get in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.attack.caller import Caller
from tests.attack.doors import Door, doors_of
from tests.attack.injecting import Injected, inject, wanted
from tests.attack.instance import CHOSEN, NOBODY, TWIN, running
from tests.attack.sharing import failures, shares
from tests.attack.tools import accepted, judged, told
from tests.conftest import Databases

MOST = int(os.environ.get("TRIALCRF_ATTACK_PARAMETERS", "12"))
"""Parameters that each role tries; those of later runs are others."""
SECONDS = 600.0
"""A bound for a machine that does other things besides; alone it takes a tenth of it."""
ON_POSTGRESQL = ("coordinator", "data_manager", NOBODY)
PLANTED = Door("GET", "/twin/search", "twin.search", (("q", "cora"),))


def verdict(done: Injected, doors: Sequence[Door], caller: Caller) -> list[str]:
    """What is wrong; nothing where every parameter was tried to its end, in a session that lived, and none let anything in."""
    wants = set().union(*map(wanted, doors))
    return [
        *([] if wants else ["there was nothing to try"]),
        *([] if done.run.code == 0 else [f"sqlmap ended with {done.run.code}"]),
        *(f"was not tried to its end: {one}" for one in sorted(map(str, wants - done.tested))),
        *([] if caller.is_in() else ["the session had ended: nothing was tried since"]),
        *done.lost,
        *map(str, judged(done.found, accepted("sqlmap"))),
    ]


@pytest.mark.parametrize(("kind", "who"), [("sqlite", CHOSEN), ("postgresql", ON_POSTGRESQL)])
def test_no_parameter_lets_a_statement_in(databases: Databases, tmp_path: Path, kind: str, who: Sequence[str]) -> None:
    found = []
    with running(databases, tmp_path / "data", kind=kind) as instance:
        callers = {name: instance.caller(name) for name in who if name in CHOSEN}
        seen = {name: [one for one in doors_of(caller, instance.routes).doors if wanted(one)] for name, caller in callers.items()}
        for name, doors in shares(seen, lambda one: one.key, lambda one: len(wanted(one)), MOST).items():
            done = inject(doors, callers[name], tmp_path / name, SECONDS, kind)
            told({"tool": "sqlmap", "on": kind, "as": name, "parameters": len(done.tested), "seconds": round(done.run.seconds)})
            found += [f"{name}: {one}" for one in verdict(done, doors, callers[name])]
        found += failures(instance)
    assert not found, "\n".join(found)


def test_sqlmap_gets_into_the_twin_and_what_it_could_not_try_is_told(databases: Databases, tmp_path: Path) -> None:
    with running(databases, tmp_path / "data", TWIN) as twin:
        caller = twin.caller(NOBODY)
        done = inject([PLANTED], caller, tmp_path / "in", SECONDS)
        assert "sqlmap injectable: GET /twin/search: q" in verdict(done, [PLANTED], caller)
        out = replace(caller, cookie="of nobody")
        assert "the session had ended: nothing was tried since" in verdict(done, [PLANTED], out)
    empty = inject([PLANTED], caller, tmp_path / "gone", SECONDS)
    assert not empty.found
    assert any("was not tried to its end" in one for one in verdict(replace(empty), [PLANTED], _Here(caller)))
    assert any("unable to connect" in one or "refused" in one for one in empty.lost), empty.run.said[-800:]


class _Here(Caller):
    """Somebody whose session is not asked after: there is no server any more."""

    def __init__(self, of: Caller) -> None:
        super().__init__(of.port, of.name)

    def is_in(self) -> bool:
        return True
