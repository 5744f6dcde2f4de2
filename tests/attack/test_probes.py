"""What every scanner asks first, of the program as it runs and of its twin with holes: no file, no trace, no version, no debugger."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.attack.instance import NOBODY, TWIN, Instance, running, small_filling
from tests.attack.probes import probed
from tests.conftest import Databases
from tests.web.site import ADMINISTRATOR


@pytest.fixture(scope="module")
def instance(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with running(databases, tmp_path_factory.mktemp("real") / "data", filling=small_filling()) as made:
        yield made


@pytest.mark.parametrize("name", [NOBODY, ADMINISTRATOR])
def test_what_scanners_ask_for_is_not_there_and_tells_nothing(instance: Instance, name: str) -> None:
    caller = instance.caller(name)
    assert probed(caller) == {}
    assert caller.is_in(), "a probe that ended the session has looked at nothing since"


def test_the_same_probes_find_every_hole_of_the_twin(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(databases, tmp_path_factory.mktemp("twin") / "data", TWIN, filling=small_filling()) as twin:
        found = probed(twin.caller(NOBODY))
    for name, wrong in {
        "the history of a checkout": "tells '[core]\\n'",
        "settings": "answered by 200",
        "the folder of files": "tells 'Index of /'",
        "a backup": "answered by 200",
        "trace": "tells 'told-back'",
        "options": "answered by 200",
        "put": "answered by 200",
        "a session that is none": "X-Frame-Options is None",
        "another host": "its policy is ''",
    }.items():
        assert wrong in found.get(name, ()), (name, found.get(name))
    assert any(one.startswith("tells server: WSGIServer/") and any(c.isdigit() for c in one) for one in found["settings"])
