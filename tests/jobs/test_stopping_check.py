"""The nightly check of the stopping rule, as the ledger of jobs runs it: once a night, with its hold and its mails in one transaction."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.actions.test_decide import fall_ill, ledger, mails, treat
from tests.actions.world import NOW, study_of
from trialcrf.actions import publish
from trialcrf.jobs import JOBS, run


def test_a_rule_that_became_stricter_is_found_by_the_night_and_only_once(world, means):
    fall_ill(world, treat(world))
    new = study_of("msc_ssc")
    with world.write("trialcrf") as tx:
        publish.publish(tx, replace(new, safety=replace(new.safety, stopping=replace(new.safety.stopping, prior_a="0.5", prior_b="0.5"))))
    assert ledger(world) == []
    for night in (NOW, NOW + timedelta(days=1)):
        run(means, JOBS["stopping-check"], night)
        assert [one.kind for one in ledger(world)] == ["hold_raised"]
        assert mails(world) == [("ivan", "queued"), ("sam", "queued")]
