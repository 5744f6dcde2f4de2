"""Houses to knock at: the real application on SQLite, and on each database where a page writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Databases, Filling
from tests.web.site import House, filling_of, open_house


@pytest.fixture
def filling(request: pytest.FixtureRequest) -> Filling | None:
    return filling_of() if "each_house" in request.fixturenames else None


@pytest.fixture
def house(databases: Databases, tmp_path: Path) -> Iterator[House]:
    """For pages that only read: one database is enough."""
    url = databases.fresh("sqlite", filling_of())
    made = open_house(url, tmp_path)
    yield made
    made.close()
    databases.drop(url)


@pytest.fixture
def each_house(database_url: str, tmp_path: Path) -> Iterator[House]:
    """For pages that write: the test runs on SQLite and on PostgreSQL."""
    made = open_house(database_url, tmp_path)
    yield made
    made.close()
