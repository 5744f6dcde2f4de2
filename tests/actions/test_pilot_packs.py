"""Every figure and every pack of the public pilot against the independent count of its tables: the same numbers wherever they stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

import pytest

from tests.actions.pilot import PILOT, STUDY, whole_pilot
from tests.actions.pilot_count import SEVERITIES, Count, latest, percent, subjects
from tests.actions.world import NOW, open_world
from trialcrf.actions.records import report
from trialcrf.core.packs.dsmb import DsmbReport, board_pack
from trialcrf.core.packs.dsur import DsurReport, update
from trialcrf.core.packs.figure import Figure
from trialcrf.core.packs.report import SafetyReport, tabulate
from trialcrf.core.packs.sae import SaeReport, list_serious
from trialcrf.core.safety.measurement import asked
from trialcrf.external.language import Language
from trialcrf.store import replay

SAY = Language("en").say
LATE, EARLY = date(2026, 11, 20), date(2013, 5, 13)


class Counted(NamedTuple):
    count: Count
    safety: SafetyReport
    sae: SaeReport
    dsur: DsurReport
    board: DsmbReport


@pytest.fixture(scope="module", params=[LATE, EARLY], ids=["late", "early"])
def counted(request, databases) -> Iterator[Counted]:
    if not PILOT.is_dir():
        pytest.skip("the CDISC pilot data do not stand beside this checkout (../shared/data/cdisc_pilot): its packs are not compared")
    url = databases.fresh("sqlite", whole_pilot)
    world = open_world(url, STUDY)
    with world.read() as tx:
        known = report.known(tx, STUDY, request.param, NOW)
        people = replay.subjects_at(tx, known.upto, asked(known.study))  # read once: what the packs read is the same
    made = (tabulate(known.study, people, known.cut), list_serious(known.study, people, (), known.cut))
    made += (update(known.study, people, (), known.cut), board_pack(known.study, people, (), (), known.cut, closed=False))
    world.engine.dispose()
    databases.drop(url)
    yield Counted(Count(PILOT, request.param), *made)


def figure(value: SafetyReport, oid: str) -> Figure:
    return next(one for one in value.drawings if one.oid == oid)


def arms_of(count: Count) -> list[tuple[str, set[str]]]:
    return [(label, members) for label, members in count.columns if label not in ("All treated", "Not treated", "All subjects")]


def test_the_dots_are_the_shares_of_each_term(counted):
    arms, found = arms_of(counted.count), figure(counted.safety, "dots").rows
    assert len(found) == 20
    for row in found:
        told = SAY(row[0]).upper()
        for place, (_, members) in enumerate(arms):
            some = [one for one in counted.count.events if one["AEDECOD"].upper() == told and one["USUBJID"] in members]
            assert (row[1 + 2 * place], str(row[2 + 2 * place])) == (subjects(some), percent(subjects(some), len(members)))


def test_the_bars_and_the_cells_are_those_of_the_treated(counted):
    events = [row for row in counted.count.events if row["USUBJID"] in counted.count.treated]
    bars = {SAY(row[0]).upper(): row[1:] for row in figure(counted.safety, "severity").rows}
    cells = {SAY(row[0]).upper(): row[1:] for row in figure(counted.safety, "classes").rows}
    assert set(bars) == set(cells) == {row["AEBODSYS"].upper() for row in events}
    for name in bars:
        some = [row for row in events if row["AEBODSYS"].upper() == name]
        worst = Counter(
            max((row["AESEV"] for row in some if row["USUBJID"] == key), key=SEVERITIES.index) for key in {row["USUBJID"] for row in some}
        )
        assert bars[name][0] == subjects(some) and bars[name][2:] == tuple(worst[level] for level in SEVERITIES)
        assert cells[name] == (len(some), *(sum(row["AESEV"] == level for row in some) for level in SEVERITIES))


def test_events_are_told_apart_by_the_first_dose(counted):
    count = counted.count
    treated = [row for row in count.events if row["USUBJID"] in count.treated]
    unknown = [row for row in treated if not row["AESTDTC"]]
    before = [row for row in treated if row["AESTDTC"] and latest(row) < count.first_dose[row["USUBJID"]]]
    place = [SAY(column.label) for column in counted.safety.columns].index("All treated")
    found = {line.label.msgid: line.counts[place] for line in counted.safety.phases}
    assert (found["before treatment"].events, found["before treatment"].subjects) == (len(before), subjects(before))
    assert found["onset unknown"].events == len(unknown)
    emergent = [row for row in treated if row not in before and row not in unknown]
    assert (found["treatment-emergent"].events, found["treatment-emergent"].subjects) == (len(emergent), subjects(emergent))
    cell = counted.safety.emergent.cells[place]
    assert (cell.events, cell.subjects) == (len(emergent), subjects(emergent)) and before


def test_serious_events_are_the_same_in_every_pack(counted):
    serious = [(row["USUBJID"], row["AEDECOD"].upper()) for row in counted.count.serious]
    for events in (counted.sae.events, counted.board.safety.serious):
        assert [(one.event.subject, one.event.verbatim.upper()) for one in events] == serious
    for value in (counted.dsur.base, counted.board.pooled, counted.board.safety.report):
        assert value.serious.cells[-1].events == len(serious) and value.figures.events == len(counted.count.events)
    assert counted.dsur.base.serious == counted.safety.serious and len(counted.dsur.base.deaths) == len(counted.count.deaths())
    related = [row for row in counted.count.serious if row["AEREL"] in ("POSSIBLE", "PROBABLE")]
    assert sum(one.related is True for one in counted.sae.events) == len(related)


def test_exposure_adds_up_by_arm_age_and_sex(counted):
    arms = [len(members) for _, members in arms_of(counted.count)]
    sums: dict[str, list[int]] = {}
    for line in counted.dsur.exposure:
        into = sums.setdefault(
            "age" if line.group.msgid in ("Age at first treatment", "not recorded") else line.group.msgid, [0] * len(line.subjects)
        )
        into[:] = [one + other for one, other in zip(into, line.subjects, strict=True)]
    assert sums == {group: [*arms, sum(arms)] for group in ("age", "Sex", "All")}
    women = sum(row["SEX"] == "F" and row["USUBJID"] in counted.count.treated for row in counted.count.dm)
    assert women in [line.subjects[-1] for line in counted.dsur.exposure if line.group.msgid == "Sex"]


def test_pooled_tables_add_all_arms(counted):
    pooled, open_ = counted.board.pooled, counted.safety
    place = [SAY(column.label) for column in open_.columns].index("All treated")
    arm = next(place for place, column in enumerate(pooled.columns) if column.kind == "arm")
    assert pooled.events.cells[arm] == open_.events.cells[place]
    assert sum(column.kind == "arm" for column in pooled.columns) == 1


def test_mean_events_count_every_event_on_a_day_of_follow_up(counted):
    drawn = next(one for one in counted.board.safety.drawings if one.oid == "mean")
    ended = {SAY(row[0]): row for row in drawn.rows}
    inside = sum(row[3] for row in ended.values())
    treated = sum(row["USUBJID"] in counted.count.treated for row in counted.count.events)
    last = max(row[1] for row in drawn.rows)
    assert inside + drawn.note.params["outside"] + drawn.note.params["undated"] <= treated
    assert last > 0 and all(row[2] <= len(dict(arms_of(counted.count))[SAY(row[0])]) for row in drawn.rows)
