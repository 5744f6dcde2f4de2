"""Worlds for the jobs: the same as for the actions, with what jobs work with beside them."""

from __future__ import annotations

import pytest

from config import Settings
from tests.actions.world import filling as filling_of
from tests.actions.world import open_world
from tests.mailbox import mailbox
from trialcrf.jobs import Means
from trialcrf.store.transaction import open_engine


@pytest.fixture
def filling(request):
    return filling_of() if "world" in request.fixturenames else None


@pytest.fixture
def world(database_url):
    made = open_world(database_url)
    yield made
    made.engine.dispose()


@pytest.fixture
def box():
    with mailbox() as kept:
        yield kept


@pytest.fixture
def means(database_url, tmp_path, box):
    settings = Settings.from_env({"TRIALCRF_DATA": str(tmp_path / "data"), "DATABASE_URL": database_url, "SMTP_URL": box.url})
    engine = open_engine(settings.database_url)
    yield Means.of(settings, engine)
    engine.dispose()
