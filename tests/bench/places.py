"""Throw-away databases that are as durable as an installation's: what is acknowledged is on the disk."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from tests.bench.raw import connect
from tests.conftest import Cluster, migrate, running_postgresql

DURABLE_SQLITE = {"journal_mode": "wal", "synchronous": "2"}
IN_MEMORY = {"tmpfs", "ramfs"}
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


class Place:
    """Where databases of one kind are made. A copy must be taken while nobody is connected to its original."""

    def __init__(self, folder: Path, cluster: Cluster | None) -> None:
        self._folder = folder
        self._cluster = cluster
        self._numbers = itertools.count(1)

    def migrated(self) -> str:
        """The URL of a new database with today's schema."""
        url = f"sqlite:///{self._file()}" if self._cluster is None else self._created("template0")
        migrate(url)
        return url

    def copy(self, url: str) -> str:
        """The URL of a database that holds what this one holds."""
        name = make_url(url).database
        assert name
        if self._cluster is not None:
            return self._created(name)
        path = self._file()
        before, after = sqlite3.connect(name), sqlite3.connect(path)
        before.backup(after)
        before.close()
        after.close()
        return f"sqlite:///{path}"

    def _file(self) -> Path:
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        return folder / "trialcrf.sqlite3"

    def _created(self, template: str) -> str:
        assert self._cluster is not None
        name = f"bench_{next(self._numbers)}"
        self._cluster.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self._cluster.url(name)


@contextmanager
def place(kind: str, folder: Path) -> Iterator[Place]:
    """A place for databases of this kind (sqlite or postgresql); a PostgreSQL server of its own runs as long."""
    if kind == "sqlite":
        yield Place(folder, None)
        return
    with running_postgresql(DURABLE) as cluster:
        yield Place(folder, cluster)


def lapses(connection: Any) -> list[str]:
    """What an open connection of either driver does not make durable, a setting each; empty where what is acknowledged is on the disk."""
    ask, wanted = ("PRAGMA", DURABLE_SQLITE) if isinstance(connection, sqlite3.Connection) else ("SHOW", DURABLE)
    found = {name: str(connection.execute(f"{ask} {name}").fetchone()[0]) for name in wanted}
    return [f"{name}={value}" for name, value in found.items() if value != wanted[name]]


def file_system(url: str) -> str:
    """The kind of file system that a database lies on, as the system calls it (ext4, tmpfs)."""
    if url.startswith("sqlite"):
        lies = Path(make_url(url).database or "")
    else:
        with closing(connect(url)) as connection:
            lies = Path(connection.execute("SHOW data_directory").fetchone()[0])
    # Of the mounts above it the last one that was made counts.
    mounted = [line.split(" - ") for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]
    above = [(Path(mount.split()[4]), kind.split()[0]) for mount, kind in mounted if lies.resolve().is_relative_to(mount.split()[4])]
    return max(reversed(above), key=lambda one: len(one[0].parts))[1]
