"""Throw-away databases that are as durable as an installation's: what is acknowledged is on the disk."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

from tests.conftest import Cluster, migrate, running_postgresql

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
