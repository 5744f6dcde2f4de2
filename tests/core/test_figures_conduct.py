"""Figures of dashboards against counts made by hand: months, ages, plans that there are and are not, and who is shown what."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.core.safety_cases import study
from trialcrf.core import dashboard
from trialcrf.core.access import ROLES, Actor, Grant
from trialcrf.core.dashboard import CLINICAL, OF_ROLE, Plate
from trialcrf.core.packs import figures_conduct, figures_onset
from trialcrf.core.packs.figures_conduct import Completeness, Enrolments, Plan
from trialcrf.core.packs.figures_measured import trajectories
from trialcrf.core.packs.tables import Level
from trialcrf.core.quality import Days
from trialcrf.core.safety.laboratory import Point, Series
from trialcrf.core.schedule import State
from trialcrf.core.wording import Message, Words

PEOPLE = Words({"en": "Recipient"})
TODAY = date(2026, 3, 10)
ENROLLED = [Enrolments("01", date(2025, 12, 31), 2), Enrolments("02", date(2026, 1, 1), 1), Enrolments("01", TODAY, 4)]
LEVELS = (Level(Words({"en": "mild"}), False), Level(Words({"en": "severe"}), True), Level(Message("Not stated"), False))


def texts(figure) -> set[str]:
    """The texts that are written into the drawing itself."""
    layers = figure.spec.get("layer", [])
    return {repr(row.get("said")) for one in layers for row in one.get("data", {}).get("values", ()) if "said" in row}


def test_enrolment_adds_up_month_by_month_to_today():
    figure = figures_conduct.enrolment(ENROLLED, ["01", "02"], TODAY, Plan(PEOPLE, 20), whole=True)
    assert figure.rows == (
        (date(2025, 12, 31), 2, 2, 0),
        (date(2026, 1, 31), 3, 2, 1),
        (date(2026, 2, 28), 3, 2, 1),
        (TODAY, 7, 6, 1),
    )
    assert "20" in "".join(texts(figure)) and figure.description.params["planned"] == 20


def test_a_plan_is_drawn_where_the_study_has_one_and_for_all_its_sites_only():
    none = figures_conduct.enrolment(ENROLLED, ["01", "02"], TODAY, Plan(PEOPLE, None), whole=True)
    part = figures_conduct.enrolment(ENROLLED[:1], ["01"], TODAY, Plan(PEOPLE, 20), whole=False)
    assert not texts(none) and "no number" in cast(Message, none.note).msgid and "planned" not in cast(Message, none.description).msgid
    assert not texts(part) and cast(Message, part.note).params["number"] == 20
    assert not figures_conduct.enrolment([], ["01"], TODAY, Plan(PEOPLE, 20), whole=True).spec


def test_the_plan_is_what_the_definition_says_and_nothing_where_it_says_nothing():
    base = study()
    settings = base.safety
    assert settings is not None
    assert dashboard.planned_subjects(replace(base, safety=None)) is None
    assert dashboard.planned_subjects(replace(base, safety=replace(settings, cohorts=(), stopping=None))) is None
    cohorts = cast(Any, (SimpleNamespace(planned=3), SimpleNamespace(planned=4)))
    assert dashboard.planned_subjects(replace(base, safety=replace(settings, cohorts=cohorts))) == 7


def test_visits_are_drawn_in_their_pieces_and_those_that_nobody_had_are_not():
    labels = {"V1": Words({"en": "One"}), "V2": Words({"en": "Two"}), "V3": Words({"en": "Three"})}
    figure = figures_conduct.visits(labels, {State.DONE: {"V1": 3}, State.OVERDUE: {"V1": 1, "V3": 2}, State.PLANNED: {"V2": 9}})
    assert [row[1:] for row in figure.rows] == [(3, 0, 0, 1, 0, 0), (0, 0, 0, 2, 0, 0), (3, 0, 0, 3, 0, 0)]
    bars = [(row["line"].in_("en"), row["from"], row["to"]) for row in figure.spec["data"]["values"]]
    assert bars == [("One", 0, 3), ("One", 3, 4), ("Three", 0, 2)]


def test_complete_forms_are_shares_of_those_asked_for():
    figure = figures_conduct.completeness([Completeness(PEOPLE, 3, 6, 5, 4), Completeness(PEOPLE, 0, 0, 0, 0)])
    assert figure.rows == ((PEOPLE, 3, 6, 4, 1, 1, Decimal("66.7")), (Message("Total"), 3, 6, 4, 1, 1, Decimal("66.7")))


def test_queries_stand_in_the_age_that_their_days_say():
    figure = figures_conduct.query_ages(Days(((0, 1), (7, 2), (8, 1), (31, 4))), Days(((30, 5),)))
    assert [row[1:] for row in figure.rows] == [(3, 0, 3), (1, 0, 1), (0, 5, 5), (4, 0, 4), (8, 5, 13)]


def happened(*days: tuple[date | None, int | None]):
    return [cast(Any, SimpleNamespace(earliest=day, level=level, severe=level == 1)) for day, level in days]


def test_events_count_in_their_month_at_their_severity_and_those_without_a_day_are_told():
    found = happened((date(2025, 12, 31), 0), (date(2026, 1, 1), 1), (date(2026, 1, 31), None), (None, 1))
    figure = figures_onset.events(found, LEVELS, TODAY, PEOPLE)
    assert [row[2:] for row in figure.rows] == [(1, 1, 0, 0), (2, 0, 1, 1), (0, 0, 0, 0), (0, 0, 0, 0)]
    assert [row[:2] for row in figure.rows][:2] == [(date(2025, 12, 1), date(2025, 12, 31)), (date(2026, 1, 1), date(2026, 1, 31))]
    assert figure.note.params["undated"] == 1 and figure.description.params["severe"] == 1


@pytest.mark.parametrize(("first", "days"), [(date(2025, 12, 31), 31), (date(2024, 2, 29), 91), (date(2015, 7, 1), 365)])
def test_a_long_trial_is_drawn_by_quarters_or_years(first, days):
    rows = figures_onset.events(happened((first, 0), (TODAY, 0)), LEVELS, TODAY, PEOPLE).rows
    assert rows[0][0] <= first <= rows[0][1] and rows[-1][0] <= TODAY <= rows[-1][1] and len(rows) <= 15
    assert abs((rows[0][1] - rows[0][0]).days + 1 - days) <= 1
    assert all(one[1].toordinal() + 1 == other[0].toordinal() for one, other in pairwise(rows))


@pytest.mark.parametrize("many", [60, 61])
def test_more_trajectories_than_can_be_told_apart_are_a_band_of_the_same_values(many):
    points = [(Point(0, "V1", Decimal(10 + at % 2)), Point(30, "V2", Decimal(20))) for at in range(many)]
    found = [Series(f"S{at}", "", PEOPLE, some, ()) for at, some in enumerate(points)]
    whole = trajectories("skin", Message("Score"), found, {"": PEOPLE}, {"V1": Words({"en": "One"}), "V2": Words({"en": "Two"})})
    figure = figures_onset.on_screen(whole)
    assert [row[1:4] for row in figure.rows] == [(0, many, Decimal("10.5")), (30, many, Decimal("20.0"))]
    lines = figure.spec["data"]["values"]
    assert len(lines) == (2 * many if many == 60 else 0)
    band = figure.spec["layer"][0].get("data", {}).get("values")
    assert many == 60 or band == [{"day": 0, "low": 10.0, "high": 11.0}, {"day": 30, "low": 20.0, "high": 20.0}]


def actor(*grants: Grant) -> Actor:
    return Actor(1, "x", grants=grants)


def test_each_role_has_its_figures_at_its_sites_and_makers_and_administrators_have_none():
    for role in ROLES:
        one = actor(Grant(role, "s", "01"))
        shown = dashboard.plates_of(one, "s")
        assert set(shown) <= set(OF_ROLE.get(role, ())), role
        assert bool(shown) == (role not in ("cell_lab", "qualified_person", "administrator")), role
        assert all(dashboard.scope(one, "s", plate) == {"01"} for plate in shown), role
        assert dashboard.plates_of(one, "other") == ()
    assert not CLINICAL & set(dashboard.plates_of(actor(Grant("donor_physician", "s", "01")), "s"))


def test_a_sponsor_sees_patients_pooled_over_the_whole_study_or_not_at_all():
    whole, of_site = actor(Grant("sponsor", "s")), actor(Grant("sponsor", "s", "01"))
    assert set(dashboard.plates_of(whole, "s")) == set(Plate)
    assert all(dashboard.scope(whole, "s", plate) is None for plate in Plate) and not dashboard.narrowed(whole, "s")
    assert not CLINICAL & set(dashboard.plates_of(of_site, "s"))
    assert dashboard.eyes(whole, "s", "01") & {"donor", "link", "statement"} == set()


def test_who_has_two_roles_has_the_figures_of_both_each_at_its_own_sites():
    both = actor(Grant("coordinator", "s", "01"), Grant("monitor", "s", "02"))
    assert dashboard.scope(both, "s", Plate.EVENTS) == {"01", "02"}
    assert set(dashboard.plates_of(both, "s")) == set(Plate)
