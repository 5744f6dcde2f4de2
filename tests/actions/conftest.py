"""Worlds to act in, one a test, on each database."""

from __future__ import annotations

import pytest

from tests.actions.world import make_world


@pytest.fixture
def world(database_url):
    made = make_world(database_url)
    yield made
    made.engine.dispose()


@pytest.fixture
def salt(database_url):
    made = make_world(database_url, "salt")
    yield made
    made.engine.dispose()
