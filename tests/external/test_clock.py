"""The clock tells the time of the world, in UTC."""

from __future__ import annotations

import time
from datetime import UTC

from trialcrf.external import clock


def test_now_is_aware_in_utc_and_is_now() -> None:
    before, now, after = time.time(), clock.now(), time.time()
    assert now.tzinfo is UTC
    assert before <= now.timestamp() <= after
