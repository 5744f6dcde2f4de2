"""The chain of cells at work, on both databases: who may be given what, and what a save must not contradict."""

from __future__ import annotations

import pytest

from tests.actions.cells_world import BAGS, cells_filling, open_cells
from trialcrf.actions.cells.bedside import Stopped
from trialcrf.core.product.bedside import Stop
from trialcrf.store import replay


@pytest.fixture
def filling():
    return cells_filling()


@pytest.fixture
def cells(database_url):
    made = open_cells(database_url)
    yield made
    made.world.engine.dispose()


def test_the_right_bag_is_checked_once(cells):
    cells.check()
    with pytest.raises(Stopped) as again:
        cells.check()
    assert again.value.stops == (Stop.RESERVED,)
    cells.check(BAGS[1])
    with cells.world.read() as tx:
        assert list(replay.differences(tx)) == []
