"""The synthetic trial: every state on any day, through the actions of the pages, with a clean trail."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from datetime import datetime

import pytest
from sqlalchemy import text

from tests.actions.world import NOW, World, study_of
from trialcrf.actions import Impossible, demo, judge, publish
from trialcrf.actions.cells.bedside import situation
from trialcrf.actions.cells.gather import chain_now
from trialcrf.actions.sign_in import WrongSignIn, check_password
from trialcrf.core.access import Grant
from trialcrf.core.cells import donors_of
from trialcrf.core.cut import Cut
from trialcrf.core.document import Place
from trialcrf.core.eligibility import Overall, Verdict
from trialcrf.core.packs.report import tabulate
from trialcrf.core.product.bedside import Scanned, Stop, stops
from trialcrf.core.schedule import State, plan
from trialcrf.core.signature import Standing
from trialcrf.core.workflow import QueryState
from trialcrf.store import accounts, audit, forms, migrations, query_lists, replay, signatures, sites, subjects
from trialcrf.store.audit import Who
from trialcrf.store.transaction import open_engine, writing

STUDY = "msc_ssc"
DAYS = (
    "2024-02-29T23:30:00+00:00",
    "2026-10-25T01:30:00+00:00",
    "2026-12-31T23:59:00+00:00",
)
"""A leap day, a change of the clocks, the end of a month and of a year, and midnights between the two sites."""


def filled(url: str, now: datetime = NOW) -> World:
    world = World(open_engine(url), STUDY)

    @contextmanager
    def begin():
        with writing(world.engine, now, Who.system("demo")) as tx:
            yield tx

    with begin() as tx:
        published, _ = publish.publish(tx, study_of(STUDY))
    demo.fill(begin, published, now)
    return world


def filling_of_today(url: str) -> None:
    filled(url).engine.dispose()


@pytest.fixture
def filling(request):
    return filling_of_today if "demo_world" in request.fixturenames else None


@pytest.fixture
def demo_world(database_url):
    world = World(open_engine(database_url), STUDY)
    yield world
    world.engine.dispose()


@pytest.fixture(scope="module")
def shown(databases):
    """One filled trial for the tests that only read."""
    url = databases.fresh("sqlite", filling_of_today)
    world = World(open_engine(url), STUDY)
    yield world
    world.engine.dispose()
    databases.drop(url)


def states(world: World, now: datetime) -> Counter[State]:
    with world.read() as tx:
        found = subjects.all_of(tx, STUDY)
        study = world.published.study
        plans = [plan(study, record, one.site.today(now)) for one, record in zip(found, subjects.records(tx, found), strict=True)]
    return Counter(visit.state for visits in plans for visit in visits)


def test_the_trail_is_whole_and_tells_all_that_is_stored(demo_world, database_url):
    migrations.upgrade(database_url)  # Nothing is left to do, and nothing is done.
    migrations.check(demo_world.engine)
    with demo_world.read() as tx:
        assert audit.broken(tx.connection) is None
        assert list(replay.differences(tx)) == []


@pytest.mark.parametrize("day", DAYS)
def test_every_state_of_a_visit_is_shown_on_any_day(databases, day):
    now = datetime.fromisoformat(day)
    url = databases.fresh("sqlite")
    world = filled(url, now)
    found = states(world, now)
    world.engine.dispose()
    databases.drop(url)
    assert set(found) == set(State)
    assert found[State.OVERDUE] == 3


def test_a_trial_that_is_refused_half_way_leaves_nobody(database_url):
    world = World(open_engine(database_url), STUDY)

    @contextmanager
    def begin():
        with writing(world.engine, NOW, Who.system("demo")) as tx:
            yield tx

    with begin() as tx:
        published, _ = publish.publish(tx, study_of(STUDY))
    with pytest.raises(OverflowError):
        demo.fill(begin, published, datetime.fromisoformat("0001-06-01T00:00:00+00:00"))
    with world.read() as tx:
        assert accounts.all_of(tx) == []
    world.engine.dispose()


def test_it_is_filled_in_once(demo_world):
    with pytest.raises(Impossible):
        demo.fill(lambda: writing(demo_world.engine, NOW, Who.system("demo")), demo_world.published, NOW)


def test_the_cast_signs_in_with_the_passwords_told_and_only_where_demo_accounts_work(shown):
    with shown.read() as tx:
        for one in demo.ACCOUNTS:
            assert check_password(tx, one.username, one.password, "127.0.0.1", NOW, demo_allowed=True)
            with pytest.raises(WrongSignIn):
                check_password(tx, one.username, one.password, "127.0.0.1", NOW, demo_allowed=False)
        assert all(account.demo for account in accounts.all_of(tx))


def test_the_cast_holds_the_roles_told(shown):
    with shown.read() as tx:
        held = {one.username: {grant.grant for grant in accounts.grants_of(tx, one.id)} for one in accounts.all_of(tx)}
        zones = {one.code: one.zone_name for one in sites.all_of(tx, STUDY)}
    assert held == {
        "adam": {Grant("administrator", "*")},
        "cora": {Grant("coordinator", STUDY, "01")},
        "dana": {Grant("data_manager", STUDY)},
        "dora": {Grant("donor_physician", STUDY, "01"), Grant("donor_physician", STUDY, "02")},
        "iris": {Grant("inspector", STUDY)},
        "ivan": {Grant("investigator", STUDY, "01")},
        "mona": {Grant("monitor", STUDY, "01"), Grant("monitor", STUDY, "02")},
        "olga": {Grant("coordinator", STUDY, "02")},
        "sam": {Grant("sponsor", STUDY)},
        "lara": {Grant("cell_lab", STUDY, "01")},
        "quin": {Grant("qualified_person", STUDY)},
    }
    assert zones == {"01": "Europe/Paris", "02": "America/Martinique"}


def test_every_form_was_entered_at_the_true_time_by_who_may_enter_it(shown):
    with shown.read() as tx:
        rows = tx.read(text("SELECT DISTINCT chain, actor, role, at FROM audit_record WHERE entity = 'form' AND actor <> 'trialcrf'")).all()
    assert {(row.chain, row.actor, row.role) for row in rows} == {
        (f"{STUDY}/01", "cora", "coordinator"),
        (f"{STUDY}/01", "ivan", "investigator"),
        (f"{STUDY}/02", "olga", "coordinator"),
        (f"{STUDY}/01", "dora", "donor_physician"),
        (f"{STUDY}/02", "dora", "donor_physician"),
        (f"{STUDY}/01", "lara", "cell_lab"),
        (f"{STUDY}/01", "quin", "qualified_person"),
    }
    assert {row.at[:16] for row in rows} == {"2026-11-21T09:00"}
    with shown.read() as tx:
        everybody = {one.id: one.subject_type for one in subjects.all_of(tx, STUDY)}
        guarded = forms.all_of(tx, everybody, ["DSEROLOGY", "INCLUSION"])
        for name, kind in (("dora", "donor"), ("ivan", "recipient")):
            ids = {str(one.id) for one in guarded if everybody[one.subject_id] == kind}
            told = tx.read(text("SELECT DISTINCT entity_id FROM audit_record WHERE entity = 'form' AND actor = :name"), {"name": name})
            assert set(told.scalars()) == ids, "what a donor's tests found, signed verdicts, and nothing else"


def test_every_verdict_and_every_standing_of_a_signature_is_shown(shown):
    verdicts, standing = set(), set()
    with shown.read() as tx:
        for one in subjects.all_of(tx, STUDY):
            found = judge.screen(tx, shown.published, one, NOW)
            assert (found is None) == shown.published.study.is_product(one.subject_type), "every person is judged, and no batch is"
            if found is not None:
                verdicts |= {found.evaluation.overall} | {each.verdict for each in found.evaluation.judged}
            standing |= {made.standing for made in signatures.standings(tx, signatures.all_of(tx, one.id)).values()}
    assert verdicts == {*Overall, *Verdict}
    assert standing >= {Standing.VALID, Standing.VOID}


def test_there_is_a_query_in_every_state(shown):
    with shown.read() as tx:
        found = {state: query_lists.count(tx, STUDY, None, [state]) for state in QueryState}
    assert all(found.values()), found


def test_forms_and_rows_in_error_and_missing_codes_with_reasons_are_shown(shown):
    with shown.read() as tx:
        assert tx.read(text("SELECT count(*) FROM form WHERE error <> ''")).scalar_one() == 1
        live = forms.all_of(tx, [one.id for one in subjects.all_of(tx, STUDY)])
        changed = tx.read(text("SELECT DISTINCT reason FROM audit_record WHERE op = 'set' AND reason <> ''")).scalars().all()
    assert sum(bool(row.error) for one in live for rows in one.document.rows.values() for row in rows) == 1
    missing = [answer for one in live for _, answer in one.document.places() if answer.missing]
    assert len(missing) >= 5
    assert all(answer.note for answer in missing if answer.missing == "ND")
    assert changed == ["SOURCE"]


def test_a_visit_that_is_done_need_not_be_complete(shown):
    with shown.read() as tx:
        live = forms.all_of(tx, [one.id for one in subjects.all_of(tx, STUDY)])
    at_m3 = Counter(one.key.form_oid for one in live if one.key.event_oid == "M3")
    assert at_m3["LUNG"] < at_m3["FVISIT"]


def test_the_report_has_both_cohorts_several_classes_a_serious_event_and_a_death(shown):
    with shown.read() as tx:
        found = subjects.all_of(tx, STUDY)
        people = subjects.records(tx, found)
    cut = Cut(NOW.date(), NOW, 1, "0" * 64, "0" * 64, STUDY)
    report = tabulate(shown.published.study, people, cut)
    assert (report.figures.treated, report.figures.deaths, report.figures.serious_events) == (7, 1, 2)
    assert [line.treated for line in report.exposure][:2] == [3, 4]
    assert {event.event.level for event in report.listing} >= {0, 1, 2, 4}
    assert len({event.event.soc_key for event in report.listing}) >= 6
    first = min(line.first for line in report.enrolment)
    assert (NOW.date() - first).days > 400


def test_donors_and_recipients_are_linked_on_a_form_of_its_own(shown):
    with shown.read() as tx:
        live = forms.all_of(tx, [one.id for one in subjects.all_of(tx, STUDY)], ["DONORLINK"])
        donors = {one.key for one in subjects.all_of(tx, STUDY, subject_type="donor")}
    linked = [one.document.at(Place("LINK_DONOR")).text for one in live]
    assert len(linked) == len(set(linked)) == len(donors) - 1, "of one recipient nobody is linked yet"
    assert set(linked) < donors


def test_serious_events_are_told_to_sponsor_and_investigator(shown):
    with shown.read() as tx:
        told = tx.read(text("SELECT kind FROM outbox")).scalars().all()
    assert told
    assert set(told) == {"serious"}


def test_a_bag_waits_for_somebody_and_other_batches_are_tested_and_rejected(shown):
    published = shown.published
    with shown.read() as tx:
        whole = chain_now(tx, published.study)
        decisions = [one.release.decision if one.release else "" for one in whole.stock.batches.values()]
        assert decisions == ["RELEASED", "", "REJECTED"] and not whole.gaps and not whole.stock.unknown
        bag = whole.stock.bags["DEMO-01-1"]
        donor = donors_of(whole, bag.batch)[0].key
        everybody = subjects.all_of(tx, STUDY, {"01"}, "recipient")
        waiting = next(one for one in everybody if donor in subjects.answers(tx, one, "RSUBJID"))
        scanned = Scanned(bag.code, waiting.key, donor)
        assert stops(situation(tx, published, waiting, bag.code, "MSC1", NOW), scanned) in ((), (Stop.RECIPIENT,)), (
            "an investigator may still have to sign"
        )
