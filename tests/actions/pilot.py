"""The public pilot, where its tables stand beside the checkout: imported once for each kind of database, and cloned for its readers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from tests.actions.world import NOW, ROOT, World, filling, open_world
from trialcrf.actions.importing import Imported, import_sdtm
from trialcrf.store.audit import Who
from trialcrf.store.transaction import writing

PILOT = ROOT.parent / "shared/data/cdisc_pilot"
STUDY = "cdisc_pilot"
ZONE = "America/New_York"
COUNTED = (10, 100)
"""After how many subjects the database counts its rows, besides after the last one."""

OUTCOMES: dict[str, Imported] = {}
"""By kind of database: what the import that `whole_pilot` did said of itself."""


def run(world: World, folder: Path, progress: Callable[[int, int], None] = lambda done, total: None, zone: str = ZONE) -> Imported:
    @contextmanager
    def begin():
        with writing(world.engine, NOW, Who.system("cli")) as tx:
            yield tx

    return import_sdtm(folder, world.study, zone, begin, NOW, progress)


def whole_pilot(url: str) -> None:
    """Fills a database with the pilot."""
    filling(STUDY)(url)
    world = open_world(url, STUDY)

    def counted(done: int, total: int) -> None:
        # The cluster of the tests does not count its rows by itself, as one in use does: plans for empty tables are slow ones.
        if (done in COUNTED or done == total) and world.engine.dialect.name == "postgresql":
            with world.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("ANALYZE"))

    OUTCOMES[world.engine.dialect.name] = run(world, PILOT, counted)
    world.engine.dispose()
