"""The real server, killed while eight people save: nothing acknowledged is lost, nothing is saved twice, and it starts again."""

from __future__ import annotations

import os
import random

import pytest

from tests.faults.killing import kills

ASKED = os.environ.get("TRIALCRF_FAULTS_KILLS")
KILLS = {"sqlite": int(ASKED or "2"), "postgresql": int(ASKED or "1")}
"""The second server is sent again what the first one never answered: among the ordinary tests one kind of database does for that."""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_every_acknowledged_save_outlives_kills_at_random_moments(kind, tmp_path):
    clients, said = kills(kind, tmp_path, KILLS[kind], random.Random(os.environ.get("TRIALCRF_FAULTS_SEED", "1")))
    assert said == ""
    assert sum(one.saves for one in clients) > 8 * KILLS[kind]
    tried = KILLS[kind] == 1 or sum(one.resent for one in clients) > 0
    assert tried, "no save was ever in the air when the server was killed: nothing was tried"
