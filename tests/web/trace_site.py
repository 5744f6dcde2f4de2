"""A chain of cells over two sites, for the pages that trace, look back and count: one bag given at each site, an investigator at each."""

from __future__ import annotations

from functools import cache

from tests.actions.cells_world import BAGS, cells_filling, open_cells
from tests.actions.world import TRAINED
from tests.conftest import Filling
from tests.web.cells_site import CellsHouse
from tests.web.site import Browser
from trialcrf.actions import administer
from trialcrf.core.access import Grant
from trialcrf.store import accounts

STUDY = "/studies/msc_ssc"
FAR = "R-02-001"
"""A recipient of the other site: the first one is linked to the donor and was checked, this one was not."""


@cache
def two_sites() -> Filling:
    def fill(url: str) -> None:
        cells_filling()(url)
        cells = open_cells(url)
        world = cells.world
        with world.write("trialcrf") as tx:
            for name, grant in (("ines", Grant("investigator", "msc_ssc", "02")), ("adam", Grant("administrator", "*"))):
                made = administer.create_account(tx, name, name.title(), f"{name}@example.org", "Hospital", "fr")
                accounts.give(tx, made, grant, TRAINED)
        cells.check()
        cells.infuse(BAGS[0])
        far = world.enrol("recipient", "02", ICF_DATE=(2, 11, 2026))
        cells.infuse(BAGS[1], recipient=far, at=(20, 11, 2026, "22:00"))
        world.engine.dispose()

    return fill


def english(house: CellsHouse, name: str) -> Browser:
    someone = house.client(name)
    someone.post("/language", {"language": "en", "next": "/"})
    return someone
