"""The job that tells of the clocks of serious events: once a step, at any hour, without a word about a subject."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.actions.world import World, typed
from trialcrf.jobs import JOBS, WHO, run
from trialcrf.jobs.deliver import deliver

NIGHT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
"""Two in the morning on a Sunday at the site: other reminders keep quiet then."""


def test_a_serious_event_is_reminded_of_at_night_and_each_step_once(world: World, means, box):
    subject = world.enrol("recipient", now=NIGHT - timedelta(days=3), ICF_DATE=(2, 11, 2026))
    event = {"AE_WORDS": "Sepsis", "AE_SERIOUS": "Y", "AE_HOSPITAL": "Y", "AE_RELATED": "NOT RELATED"}
    world.save(subject, "ADVERSE", "AE", typed(**event), now=NIGHT)
    said = [run(means, JOBS["clock-scan"], NIGHT + timedelta(hours=hours)) for hours in (0, 1, 13)]
    assert [str(one.params["count"]) for one in said] == ["1", "0", "1"]
    deliver(means.engine, means.post, "http://127.0.0.1:8000", WHO, NIGHT + timedelta(hours=13))
    mails = [mail for to, mail in box.taken if "déclaration" in mail["Subject"].lower() or "report" in mail["Subject"].lower()]
    assert [mail["To"] for mail in mails] == ["ivan@example.org"], "the step that is over by then is not told, nor is anything to others"
    body = mails[0].get_content()
    assert "/studies/msc_ssc/cases/1" in body and "11 " in body
    assert "R-01-001" not in mails[0].as_string() and "Sepsis" not in body
