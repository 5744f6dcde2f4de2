"""The power is cut while the program writes: with the settings that it insists on nothing acknowledged is lost; without flushing it is."""

from __future__ import annotations

import os

import pytest

from tests.faults.power import lost_by_cut

CUTS = int(os.environ.get("TRIALCRF_FAULTS_CUTS", "1"))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_no_acknowledged_change_is_lost_by_a_power_cut(kind, tmp_path):
    for cut in range(CUTS):
        folder = tmp_path / str(cut)
        folder.mkdir()
        assert lost_by_cut(kind, folder, False, 0.3 + 0.1 * (cut % 7)) == 0


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_disk_that_lies_is_seen_to_lose(kind, tmp_path):
    """The negative control: a harness that cannot see loss would prove nothing above."""
    assert lost_by_cut(kind, tmp_path, True, 0.5) > 0
