"""The program as it runs, with a trial in it, and a session of every role: what the tools are let loose on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from tests.actions.world import World, open_world
from tests.attack.caller import Caller, signed_in
from tests.attack.doors import Routes
from tests.conftest import Databases, Filling
from tests.faults.killing import SERVE, Server
from tests.web.site import ADMINISTRATOR, application, filling_of
from tests.web.walked import STUDY, archive, things, walked_filling
from trialcrf.actions import sign_in
from trialcrf.core.access import ROLES
from trialcrf.store import accounts

PASSWORD = "a long sentence for attacks"
NOBODY = "nobody"
EVERYBODY = (*ROLES, NOBODY)
"""Every role that there is, held at every site, and who is not signed in."""

CHOSEN = tuple(os.environ.get("TRIALCRF_ATTACK_AS", "").split()) or EVERYBODY
"""Those who attack this time."""

TWIN = ("tests.attack.twin",)


@cache
def attacked_filling() -> Filling:
    """The world that is walked by everybody, where one person of each role has a password."""

    def fill(url: str) -> None:
        walked_filling()(url)
        world = open_world(url, STUDY)
        _give_password(world, *ROLES)
        world.engine.dispose()

    return fill


@dataclass(frozen=True)
class Instance:
    """A server that runs, over a database and a folder of its own."""

    port: int
    log: Path
    database: str
    data: Path

    @cached_property
    def routes(self) -> Routes:
        """The routes of the application in it, with the things of the first site in their addresses."""
        world = open_world(self.database, STUDY)
        found = Routes(application(self.database, self.data), things(world)["01"])
        world.engine.dispose()
        found.app.extensions["trialcrf.engine"].dispose()
        return found

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def caller(self, name: str) -> Caller:
        return Caller(self.port, NOBODY) if name == NOBODY else signed_in(self.port, name, PASSWORD)

    def said(self) -> list[dict[str, object]]:
        """The lines of its log, as far as they are lines of a log."""
        lines = []
        for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError):
                lines.append(json.loads(line))
        return [one for one in lines if isinstance(one, dict)]


@contextmanager
def running(
    databases: Databases, data: Path, module: tuple[str, ...] = SERVE, kind: str = "sqlite", small: bool = False
) -> Iterator[Instance]:
    """A fresh one with data; nobody else is there. A small one has no subjects, and nobody but an administrator can sign in."""
    url = databases.fresh(kind, filling_of() if small else attacked_filling())
    data.mkdir(parents=True, exist_ok=True)
    world = open_world(url, STUDY)
    if small:
        _give_password(world, ADMINISTRATOR)
    else:
        archive(world, data)
    world.engine.dispose()
    server = Server(url, data, module, **SETTINGS)
    try:
        server.ready()
        yield Instance(server.port, server.log, url, data)
    finally:
        server.stop()
        databases.drop(url)


def _give_password(world: World, *names: str) -> None:
    with world.write("trialcrf") as tx:
        for name in names:
            found = accounts.find(tx, name)
            assert found
            sign_in.set_password(tx, found.id, name, PASSWORD)


SETTINGS: Mapping[str, str] = {"TRIALCRF_ADMIN_SECOND_FACTOR": "no", "TRIALCRF_DISK_RESERVE": "1M", "TRIALCRF_LOG": "json"}
"""Who attacks has a password: a second factor would only stop the tools."""
