"""Slow and greedy clients by the hundred against the program, whose pages come all the same, and against its twin, where they do not."""

from __future__ import annotations

from pathlib import Path

from tests.attack.instance import TWIN, running
from tests.attack.slow import Bounds, held_up
from tests.attack.tools import told
from tests.conftest import Databases

CROWD = 400


def test_no_crowd_holds_up_the_program(databases: Databases, tmp_path: Path) -> None:
    with running(databases, tmp_path / "data") as instance:
        said = held_up(instance.port, CROWD, Bounds())
    told({"tool": "slow clients", "each": CROWD, "ways that hold up": len(said)})
    assert not said, "\n".join(said)


def test_the_same_crowds_hold_up_the_twin(databases: Databases, tmp_path: Path) -> None:
    with running(databases, tmp_path / "data", TWIN) as twin:
        said = held_up(twin.port, 3, Bounds(most=4.0, least=2.0))
    assert any(one.startswith("headers that never end: a page takes 4.") for one in said), said
    assert any(one.startswith("bodies that never come") for one in said), said
