"""Worlds to act in, one a test, on each database."""

from __future__ import annotations

import pytest

from tests.actions.world import filling as filling_of
from tests.actions.world import open_world


@pytest.fixture
def filling(request):
    return filling_of("salt") if "salt" in request.fixturenames else filling_of() if "world" in request.fixturenames else None


@pytest.fixture
def world(database_url):
    made = open_world(database_url)
    yield made
    made.engine.dispose()


@pytest.fixture
def salt(database_url):
    made = open_world(database_url, "salt")
    yield made
    made.engine.dispose()
