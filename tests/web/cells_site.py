"""The real application over a chain of cells: `cells_world` with browsers, at a moment soon after what it records."""

from __future__ import annotations

from pathlib import Path

from tests.actions.cells_world import Cells
from tests.actions.world import open_world
from tests.web.site import House, application

STUDY = "/studies/msc_ssc"
CELLS = f"{STUDY}/cells"
BATCH = f"{CELLS}/B-01-001"
RELEASE = f"{BATCH}/release"
DONOR, RECIPIENT = "D-01-001", "R-01-001"


class CellsHouse(House):
    """A house whose world holds a donor, a recipient, and a batch with two bags."""

    @property
    def cells(self) -> Cells:
        return Cells(self.world, *(self.world.subject(key) for key in (DONOR, RECIPIENT, "B-01-001")))


def cells_house(url: str, data: Path) -> CellsHouse:
    """The application over a database that `cells_world.cells_filling` filled."""
    return CellsHouse(open_world(url), application(url, data))
