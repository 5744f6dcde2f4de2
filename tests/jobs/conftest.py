"""Worlds for the jobs: the same as for the actions, with what jobs work with beside them."""

from __future__ import annotations

import pytest

from config import Settings
from tests.actions.world import filling as filling_of
from tests.actions.world import open_world
from tests.mailbox import mailbox
from trialcrf.core.rhythm import RHYTHMS
from trialcrf.core.wording import Message
from trialcrf.external import clock
from trialcrf.jobs import Job, Means, run
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


@pytest.fixture
def backed_up(means):
    """Tonight's backup counts as done: a scheduler would make and prove one, which takes longer than the rest of its night."""
    assert run(means, Job(RHYTHMS["backup"], lambda _means, _now: Message("Not made.")), clock.now())
