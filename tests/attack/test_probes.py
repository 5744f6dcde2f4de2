"""What every scanner asks first, of the program as it runs and of its twin with holes: no file, no trace, no version; and slow clients."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pytest

from tests.attack.instance import NOBODY, TWIN, Instance, running
from tests.attack.probes import probed
from tests.attack.slow import Bounds, held_up
from tests.conftest import Databases
from tests.web.site import ADMINISTRATOR

SLOW = "headers that never end"


HOLES = {
    "the history of a checkout": "tells '[core]\\n'",
    "settings": "answered by 200",
    "the folder of files": "tells 'Index of /'",
    "a backup": "answered by 200",
    "trace": "tells 'told-back'",
    "options": "answered by 200",
    "put": "answered by 200",
    "a session that is none": "X-Frame-Options is None",
    "another host": "its policy is ''",
}
"""Some of the probes, and what each must find in the twin."""

SIGNED_IN = {
    *HOLES, "the database", "a debugger", "the debugger of this framework", "a range that overlaps", "an address instead",
    "another host behind ours",
    "the slash encoded", "both encoded", "a word that breaks the line", "a folder of a report",
}  # fmt: skip
"""What may be answered otherwise to somebody who is signed in."""


@pytest.fixture(scope="module")
def instance(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with running(databases, tmp_path_factory.mktemp("real") / "data", small=True) as made:
        yield made


@pytest.mark.parametrize(("name", "only"), [(NOBODY, ()), (ADMINISTRATOR, SIGNED_IN)])
def test_what_scanners_ask_for_is_not_there_and_tells_nothing(instance: Instance, name: str, only: Collection[str]) -> None:
    caller = instance.caller(name)
    assert probed(caller, only) == {}
    assert caller.is_in(), "a probe that ended the session has looked at nothing since"


def test_slow_and_greedy_clients_hold_up_nobody(instance: Instance) -> None:
    assert held_up(instance.port, 20, Bounds()) == []


def test_the_same_probes_find_every_hole_of_the_twin(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(databases, tmp_path_factory.mktemp("twin") / "data", TWIN, small=True) as twin:
        found = probed(twin.caller(NOBODY), HOLES)
        held = held_up(twin.port, 2, Bounds(most=4.0, least=2.0), [SLOW])
    for name, wrong in HOLES.items():
        assert wrong in found.get(name, ()), (name, found.get(name))
    assert any(one.startswith("tells server: WSGIServer/") and any(sign.isdigit() for sign in one) for one in found["settings"])
    assert len(held) == 1 and held[0].startswith(f"{SLOW}: a page takes 4."), held
