"""The public pilot, where its tables stand beside the checkout: imported once for each kind of database, and cloned for its readers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

from tests.actions.world import NOW, ROOT, World, filling, open_world
from trialcrf.actions.importing import Imported, import_sdtm
from trialcrf.store.audit import Who
from trialcrf.store.transaction import writing

PILOT = ROOT.parent / "shared/data/cdisc_pilot"
STUDY = "cdisc_pilot"
ZONE = "America/New_York"
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
    OUTCOMES[world.engine.dialect.name] = run(world, PILOT)
    world.engine.dispose()
