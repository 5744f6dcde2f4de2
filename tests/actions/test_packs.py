"""The packs from an order to their values: what was known at the moment of the order, whatever is recorded since."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.actions.test_case import JUDGED, act, correct, opened
from tests.actions.world import NOW, typed
from trialcrf.actions import Impossible
from trialcrf.actions.records import report
from trialcrf.actions.safety import case
from trialcrf.core.safety.measurement import asked
from trialcrf.store import replay, reports

LATER = NOW + timedelta(days=30)
PACKS = (report.SAE, report.DSUR, report.DSMB)


def test_a_serious_event_reaches_every_pack_and_stays_as_it_was_known(world):
    subject = opened(world)
    act(world, "sam", case.assess, JUDGED, False, "as told")
    with world.write("sam", NOW + timedelta(hours=1)) as tx:
        ids = [report.order(tx, world.published, "en", NOW.date(), None, "sam", kind=kind, why="Yearly") for kind in PACKS]

    def values():
        with world.read() as tx:
            return [report.value_of(tx, reports.find(tx, id_)) for id_ in ids]

    sae, dsur, board = first = values()
    (event,) = sae.events
    assert (event.number, event.sponsor.params["judgement"].msgid, event.expected.msgid) == (1, "related", "unexpected")
    assert [one.serious.event.verbatim for one in dsur.reactions] == ["Sepsis"] and dsur.after is None
    assert [one.number for one in board.safety.serious] == [1] and board.by_arm and board.stopping.n == 0
    correct(world, subject, 1, now=LATER, AE_WORDS="Septic shock")
    act(world, "sam", case.assess, {"AERELPRD": "NOT RELATED"}, True, "looked at again", now=LATER)
    assert values() == first


def test_an_open_study_has_no_pack_with_a_closed_part_alone(world):
    with world.write("sam") as tx, pytest.raises(Impossible, match="open-label"):
        report.order(tx, world.published, "en", NOW.date(), None, "sam", kind=report.DSMB_CLOSED, why="Yearly")
    blinded = replace(world.published.study, safety=replace(world.published.study.safety, blinded=True))
    kind = report.KINDS[report.DSMB_CLOSED]
    assert kind.refusal(blinded) is None and kind.verb == "decision.sign"


def test_what_a_pack_measures_is_read_with_its_limits(world):
    subject = world.enrol("recipient", ICF_DATE=(2, 11, 2026))
    boxes = {"LAB_DATE": (3, 11, 2026), "ALAT": "<20", "ALAT_ULN": "40", "BILIRUBIN": "12", "BILIRUBIN_ULN": "21"}
    world.save(subject, "LABS", "SCR", typed(**boxes))
    with world.read() as tx:
        known = report.known(tx, world.study, NOW.date(), NOW)
        study = known.study
        held = {name: text for one in replay.subjects_at(tx, known.upto, asked(study))[0].records for name, text in one.values.items()}
        assert "ALT" not in {name for one in replay.subjects_at(tx, known.upto)[0].records for name in one.values}
    names = ("LBDAT", "ALT", "LBORNRHI.ALT", "BILI", "LBORNRHI.BILI")
    assert [held[name] for name in names] == ["2026-11-03", "<20", "40", "12", "21"]
