"""The numbers of dashboards are those of the reports and pages, or of an independent count, on a synthetic trial; and nobody else's."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from decimal import Decimal
from types import SimpleNamespace

import pytest
from sqlalchemy import event

from tests.actions.test_simulate import STUDY, Trial
from tests.actions.world import NOW
from trialcrf.actions.records import dashboard, quality, report
from trialcrf.actions.records.dashboard import View
from trialcrf.core import schedule
from trialcrf.core.dashboard import Plate
from trialcrf.core.definition.model import ACCESS
from trialcrf.core.oversight.ageing import Aged, add_up
from trialcrf.core.packs.dsmb import board_pack
from trialcrf.core.packs.figures_onset import on_screen
from trialcrf.core.safety.measurement import asked
from trialcrf.core.schedule import STATES, State
from trialcrf.core.wording import Message, Words
from trialcrf.core.workflow import QueryState
from trialcrf.store import definitions, forms, query_courses, replay, sites, subjects


def everything(_site) -> frozenset[str]:
    return frozenset(ACCESS)


def say(said) -> str:
    return said.in_("en") if isinstance(said, Words) else said.msgid % dict(said.params)


def made(tx, study, places, clinical=None, eyes=everything, plates=Plate):
    view = View(places, places if clinical is None else clinical, len(places) == len(sites.all_of(tx, STUDY)))
    return dashboard.figures(tx, study, frozenset(plates), view, eyes, NOW)


@pytest.fixture(scope="module")
def trial(databases):
    """Ten recipients and ten donors at two sites, as the tables tell them and as a safety board is told of them. PostgreSQL is the
    stricter reader of statements; on SQLite the same ones are asked by the tests of the page."""
    url = databases.fresh("postgresql")
    held = Trial(url)
    held.simulate(20, seed=5, errors=0.3, in_bulk=True)
    with held.world.read() as tx:
        places = sites.all_of(tx, STUDY)
        known = report.known(tx, STUDY, max(one.today(NOW) for one in places), NOW)
        study = replace(known.study, safety=replace(known.study.safety, blinded=True))
        pack = board_pack(study, replay.subjects_at(tx, known.upto, asked(study)), [], [], known.cut, closed=False)
        published = definitions.everywhere(tx, STUDY)
        assert published
        yield SimpleNamespace(
            tx=tx, world=held.world, places=places, study=published.study, pack=pack, figures=made(tx, published.study, places)
        )
    held.world.engine.dispose()
    databases.drop(url)


def rows(trial, plate) -> dict[str, tuple]:
    return {say(row[0]): row[1:] for row in trial.figures[plate].rows}


def test_enrolment_ends_with_the_numbers_of_the_safety_report_and_knows_the_plan_of_the_study(trial):
    enrolled = Counter({one.site: one.enrolled for one in trial.pack.pooled.enrolment if say(one.subject_type) == "Recipient"})
    figure = trial.figures[Plate.ENROLMENT]
    assert figure.rows[-1][1:] == (sum(enrolled.values()), *(enrolled[place.code] for place in trial.places))
    assert sum(enrolled.values()) == 10
    # Ten at each of the two doses (the cohorts of the definition).
    assert figure.note.params["number"] == 20
    drawn = [row for row in figure.spec["data"]["values"] if row["line"] == Message("All sites")]
    assert [(row["day"], row["n"]) for row in drawn[1:]] == [row[:2] for row in figure.rows]
    one = made(trial.tx, trial.study, trial.places[:1], plates=[Plate.ENROLMENT])[Plate.ENROLMENT]
    assert one.rows[-1][1:] == (enrolled[trial.places[0].code],)
    assert len(one.spec["layer"]) == len(figure.spec["layer"]) - 2  # a site is not drawn against the plan of all sites


def test_visits_are_those_that_the_board_and_the_rule_count(trial):
    told = rows(trial, Plate.VISITS)
    heads = [say(column) for column in trial.figures[Plate.VISITS].columns[1:]]
    assert heads == [STATES[state] for state in (State.DONE, State.DONE_OUT, State.MISSED, State.OVERDUE, State.DUE, State.DUE_SOON)]
    for one in trial.pack.visits:
        done, out, missed, overdue, _due, _soon = told[say(one.visit)]
        assert (done + out, missed, overdue) == (one.done, one.missed, one.overdue), say(one.visit)
    states: Counter[State] = Counter()
    everyone = [one for one in subjects.all_of(trial.tx, STUDY) if not trial.study.is_product(one.subject_type)]
    for one, record in zip(everyone, subjects.records(trial.tx, everyone), strict=True):
        states.update(visit.state for visit in schedule.plan(trial.study, record, one.site.today(NOW)))
    assert told["Total"] == tuple(
        states[state] for state in (State.DONE, State.DONE_OUT, State.MISSED, State.OVERDUE, State.DUE, State.DUE_SOON)
    )
    assert states[State.OVERDUE] and states[State.DUE]


def test_complete_forms_are_counted_one_by_one(trial):
    expected: dict[str, list[int]] = {}
    everyone = [one for one in subjects.all_of(trial.tx, STUDY) if not trial.study.is_product(one.subject_type)]
    standing: dict[tuple[int, str], dict[str, bool]] = {}
    for form in forms.standings(trial.tx, [one.id for one in everyone]):
        standing.setdefault((form.subject_id, form.key.event_oid), {})[form.key.form_oid] = form.complete
    for one, record in zip(everyone, subjects.records(trial.tx, everyone), strict=True):
        for visit in schedule.plan(trial.study, record, one.site.today(NOW)):
            if visit.state in (State.DONE, State.DONE_OUT):
                line = expected.setdefault(say(visit.event.label), [0] * 5)
                wanted = [ref.form_oid for ref in visit.event.forms if ref.mandatory]
                there = standing.get((one.id, visit.event.oid), {})
                begun, complete = [oid for oid in wanted if oid in there], [oid for oid in wanted if there.get(oid)]
                for at, number in enumerate((1, len(wanted), len(complete), len(begun) - len(complete), len(wanted) - len(begun))):
                    line[at] += number
    told = rows(trial, Plate.COMPLETENESS)
    assert {name: list(row[:5]) for name, row in told.items() if name != "Total"} == {k: v for k, v in expected.items() if v[1]}
    assert told["Total"][:5] == tuple(sum(line[at] for line in expected.values()) for at in range(5))
    assert told["Total"][5] == Decimal(100 * told["Total"][2] / told["Total"][1]).quantize(Decimal("0.1"))
    assert told["Total"][4] > 0


def test_queries_are_those_of_site_quality_and_of_the_page_of_their_ageing(trial):
    told = rows(trial, Plate.QUERIES)
    whole = quality.of_sites(trial.tx, trial.study, trial.places, NOW)
    assert told["Total"] == (
        sum(one.opened.number for one in whole),
        sum(one.answered.number for one in whole),
        sum(one.opened.number + one.answered.number for one in whole),
    )
    today = {one.code: one.today for one in trial.places}
    aged = [
        Aged(one.state, max(0, (today[one.site](NOW) - today[one.site](one.opened_at)).days))
        for one in query_courses.courses(trial.tx, STUDY, sorted(today))
    ]
    ages = add_up("", "", aged)
    assert tuple(row[3] for row in trial.figures[Plate.QUERIES].rows[:-1]) == ages.waiting
    assert told["Total"][0] == ages.number(QueryState.OPEN.value) > 0


def test_events_are_those_of_the_safety_report_by_month_and_grade(trial):
    figure, pooled = trial.figures[Plate.EVENTS], trial.pack.pooled
    # Whom the study treats bears an arm in the listing (here all together), other kinds their own name.
    mine = [one.event for one in pooled.listing if say(one.arm) != "Donor"]
    dated = [one for one in mine if one.earliest is not None]
    assert sum(row[2] for row in figure.rows) == len(dated) > 0
    assert figure.note.params["undated"] == len(mine) - len(dated)
    for first, last, number, *by_level in figure.rows:
        inside = [one for one in dated if first <= one.earliest <= last]
        assert (number, by_level) == (len(inside), [sum(one.level == at for one in inside) for at in range(len(by_level))])
    assert figure.rows[0][0].day == 1 and figure.rows[-1][1] >= max(one.earliest for one in dated)


@pytest.mark.parametrize(("plate", "oid"), [(Plate.SKIN, "skin"), (Plate.LUNG, "lung")])
def test_trajectories_are_those_of_the_board_without_arms(trial, plate, oid):
    drawn = on_screen(next(one for one in trial.pack.safety.drawings if one.oid == oid))
    figure = trial.figures[plate]
    assert figure.rows == drawn.rows and figure.columns == drawn.columns and figure.rows
    assert figure.description == drawn.description and figure.note == drawn.note
    points = [(row["day"], row["value"]) for row in figure.spec["data"]["values"]]
    assert sorted(points) == sorted((row["day"], row["value"]) for row in drawn.spec["data"]["values"])


def test_a_site_is_told_of_itself_alone_and_two_are_their_sum(trial):
    first, second = (made(trial.tx, trial.study, [place]) for place in trial.places)
    for plate, column in ((Plate.VISITS, 1), (Plate.COMPLETENESS, 2), (Plate.QUERIES, 3), (Plate.EVENTS, 2)):
        sums = [sum(row[column] for row in one[plate].rows if say_or_day(row[0]) != "Total") for one in (first, second, trial.figures)]
        assert sums[0] + sums[1] == sums[2] and all(sums), plate


def say_or_day(value) -> str:
    return value.isoformat() if isinstance(value, date) else say(value)


def test_what_a_reader_may_not_open_is_in_no_number_and_no_arm_is_in_any_figure(trial):
    narrow = made(trial.tx, trial.study, trial.places, eyes=lambda _site: frozenset({"form"}))
    wide, thin = ({say(row[0]): row[2] for row in one[Plate.COMPLETENESS].rows} for one in (trial.figures, narrow))
    guarded = {
        say(one.label): sum(ref.mandatory and trial.study.form[ref.form_oid].access != "form" for ref in one.forms)
        for one in trial.study.events
    }
    held = {say(row[0]): row[1] for row in trial.figures[Plate.COMPLETENESS].rows}
    assert any(guarded[name] for name in wide if name != "Total")
    for name in wide:
        assert name == "Total" or wide[name] - thin.get(name, 0) == guarded[name] * held[name]
    # No arm, no dose and no subject: neither in what is drawn, nor in what is said beside it.
    doses = [say(item.label) for item in trial.study.safety.arms.items]
    keys = [one.key for one in subjects.all_of(trial.tx, STUDY)]
    for figure in trial.figures.values():
        said = repr((figure.columns, figure.rows, figure.note, figure.description, figure.title))
        assert not [word for word in (*doses, *keys) if word in said], figure.oid
        assert not [word for word in doses if word in repr(figure.spec)], figure.oid
    assert not made(trial.tx, trial.study, trial.places, clinical=[]).keys() & {Plate.EVENTS, Plate.SKIN, Plate.LUNG}


def test_two_sites_cost_as_many_statements_as_one(trial):
    counted: list[list[str]] = []
    event.listen(trial.world.engine, "before_cursor_execute", lambda *args: counted[-1].append(args[2]))
    for places in (trial.places[:1], trial.places):
        counted.append([])
        made(trial.tx, trial.study, places)
    assert len(counted[0]) == len(counted[1]) <= 20, [len(one) for one in counted]
