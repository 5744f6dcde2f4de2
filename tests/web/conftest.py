"""Houses to knock at: the real application on SQLite, and on each database where a page writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Databases
from tests.web.site import House, make_house


@pytest.fixture
def house(databases: Databases, tmp_path: Path) -> Iterator[House]:
    """For pages that only read: one database is enough."""
    url = databases.fresh("sqlite")
    made = make_house(url, tmp_path)
    yield made
    made.close()
    databases.drop(url)


@pytest.fixture
def each_house(database_url: str, tmp_path: Path) -> Iterator[House]:
    """For pages that write: the test runs on SQLite and on PostgreSQL."""
    made = make_house(database_url, tmp_path)
    yield made
    made.close()
