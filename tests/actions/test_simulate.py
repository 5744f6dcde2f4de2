"""Synthetic subjects: entered one by one or in bulk they are the same, a seed repeats them, and a small trial shows everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from tests.actions.amendments import amended
from tests.actions.world import NOW, TRAINED, World, study_of
from trialcrf.actions import Impossible, administer, judge, publish
from trialcrf.actions.simulate import Simulated, simulate
from trialcrf.core.document import Document, Place
from trialcrf.core.eligibility import Overall, Verdict
from trialcrf.core.instruments import SCORES
from trialcrf.core.schedule import State, plan
from trialcrf.store import accounts, audit, forms, query_lists, replay, sites, subjects
from trialcrf.store.audit import Who
from trialcrf.store.transaction import Transaction, open_engine, writing

STUDY = "msc_ssc"


class Trial:
    """A database with the published study, to simulate into."""

    def __init__(self, url: str, study: str = STUDY) -> None:
        self.world = World(open_engine(url), study)
        with self.begin() as tx:
            publish.publish(tx, study_of(study))

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        with writing(self.world.engine, NOW, Who.system("test")) as tx:
            yield tx

    def simulate(self, wanted: int, seed: int = 7, **how: object) -> Simulated:
        return simulate(self.begin, self.world.published, wanted, seed, NOW, **{"at_sites": 2, "processes": 1, **how})  # type: ignore[arg-type]

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        with self.world.read() as tx:
            return [tuple(row) for row in tx.read(text(statement))]

    def documents(self) -> dict[tuple[object, ...], str]:
        columns = "s.key, f.event_oid, f.event_repeat, f.form_oid, f.form_repeat"
        found = self.rows(f"SELECT {columns}, f.document FROM form f JOIN subject s ON s.id = f.subject_id")
        return {row[:-1]: str(row[-1]) for row in found}


@pytest.fixture
def two_trials(databases):
    """Two empty trials in databases of the kind that is asked for."""
    made: list[tuple[Trial, str]] = []

    def make(kind: str, study: str = STUDY) -> Trial:
        url = databases.fresh(kind)
        made.append((Trial(url, study), url))
        return made[-1][0]

    yield make
    for trial, url in made:
        trial.world.engine.dispose()
        databases.drop(url)


@pytest.fixture(scope="module")
def small(databases):
    """Twenty recipients and twenty donors, for the tests that only read."""
    url = databases.fresh("sqlite")
    trial = Trial(url)
    trial.made = trial.simulate(40, in_bulk=True)  # type: ignore[attr-defined]
    yield trial
    trial.world.engine.dispose()
    databases.drop(url)


def clean(trial: Trial) -> None:
    with trial.world.read() as tx:
        assert audit.broken(tx.connection) is None
        assert list(replay.differences(tx)) == []


RECORDS = (
    "SELECT chain, seq, actor, role, organisation, address, op, entity, entity_id, subject, place, reason, prompted_by, "
    "CASE WHEN new_commit = '' THEN 0 ELSE 1 END AS valued, CASE WHEN old_commit = '' THEN 0 ELSE 1 END AS changed "
    "FROM audit_record ORDER BY chain, seq"
)
TABLES = (
    "SELECT * FROM subject ORDER BY id",
    "SELECT id, site_id, subject_id, event_oid, event_repeat, form_oid, form_repeat, definition_id, version, document, complete, error "
    "FROM form ORDER BY id",
    "SELECT * FROM fact ORDER BY form_id, alias, item, grp, row",
    "SELECT id, site_id, form_id, place, check_oid, state, message, answer FROM query ORDER BY id",
    "SELECT chain, seq, value FROM audit_value ORDER BY chain, seq",
    "SELECT key, kind, account_id, params, state FROM outbox ORDER BY key",
    RECORDS,
)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_in_bulk_and_one_by_one_the_same_is_written(two_trials, kind):
    alone, bulk = two_trials(kind), two_trials(kind)
    for trial in (alone, bulk):
        with trial.begin() as tx:  # Somebody who is told of serious events, without whom no mail would be written.
            person = administer.create_account(tx, "sam", "Sam", "sam@example.org", "Sponsor", "en", demo=True)
            administer.give_role(tx, person, "sponsor", STUDY, "", TRAINED)
    made = [trial.simulate(6, errors=0.3, at_sites=1, in_bulk=trial is bulk) for trial in (alone, bulk)]
    assert made[0] == made[1]
    assert made[0].subjects == 6
    assert made[0].queries > 0
    for statement in TABLES:
        assert alone.rows(statement) == bulk.rows(statement), statement
    assert alone.rows("SELECT count(*) FROM outbox") != [(0,)]
    clean(alone)
    clean(bulk)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_people_go_on_after_a_bulk(two_trials, kind):
    trial = two_trials(kind)
    trial.simulate(4, in_bulk=True)
    with trial.begin() as tx:
        person = administer.create_account(tx, "demo", "Demo", "demo@example.org", "Sponsor", "en", demo=True)
        administer.give_role(tx, person, "administrator", "*", "")
    trial.simulate(2, seed=8, in_bulk=False)
    assert [key for (key,) in trial.rows("SELECT key FROM subject ORDER BY key")] == [
        f"{kind_}-{site}-{number:03d}" for kind_ in "DR" for site, numbers in (("01", (1, 2)), ("02", (1,))) for number in numbers
    ]
    clean(trial)


def test_a_seed_repeats_its_subjects_whatever_the_size_and_another_does_not(two_trials):
    first, second, other = (two_trials("sqlite") for _ in range(3))
    first.simulate(4, in_bulk=True, processes=2)
    second.simulate(8, in_bulk=True)
    other.simulate(4, seed=8, in_bulk=True)
    known = first.documents()
    assert known.items() <= second.documents().items()
    assert len(second.documents()) > len(known)
    changed = [key for key, document in other.documents().items() if known.get(key) != document]
    assert len(changed) > len(known) / 2


def test_a_small_trial_shows_every_state_of_a_visit(small):
    with small.world.read() as tx:
        found = subjects.all_of(tx, STUDY)
        study = small.world.published.study
        plans = [plan(study, record, one.site.today(NOW)) for one, record in zip(found, subjects.records(tx, found), strict=True)]
    assert {visit.state for visits in plans for visit in visits} == set(State)
    assert Counter(one.subject_type for one in found) == {"recipient": 20, "donor": 20}


def test_a_small_trial_shows_every_verdict_and_each_route_of_inclusion(small):
    verdicts, overall, routes = set(), Counter(), Counter()
    with small.world.read() as tx:
        for one in subjects.all_of(tx, STUDY):
            found = judge.screen(tx, small.world.published, one, NOW)
            verdicts |= {each.verdict for each in found.evaluation.judged}
            overall[one.subject_type, found.evaluation.overall] += 1
            if one.subject_type == "recipient" and found.evaluation.overall is Overall.ELIGIBLE:
                routes.update(
                    each.criterion.id for each in found.evaluation.judged if each.criterion.kind == "route" and each.verdict == "MET"
                )
    assert verdicts == set(Verdict)
    assert set(overall) == {(kind, each) for kind in ("recipient", "donor") for each in Overall}
    assert set(routes) == {"R-I3a", "R-I3b", "R-I3c"}


def test_a_small_trial_computes_every_instrument(small):
    study = small.world.published.study
    scored = {
        (form.oid, item.oid)
        for form in study.forms
        for _, item in form.items.values()
        if item.derive is not None and any(f"{name}(" in item.derive.text for name in SCORES)
    }
    assert len(scored) > 20
    with small.world.read() as tx:
        live = forms.all_of(tx, [one.id for one in subjects.all_of(tx, STUDY)])
    found = {(one.key.form_oid, place.item) for one in live for place, answer in one.document.places() if answer.text}
    assert scored <= found, scored - found


def test_values_hang_together(small):
    """Skin, lungs and disability of one disease: the correlations that the model has, in what was stored."""
    pairs: list[tuple[float, float]] = []
    with small.world.read() as tx:
        for one in subjects.all_of(tx, STUDY, subject_type="recipient"):
            at = {form.key.form_oid: form.document for form in forms.all_of(tx, [one.id]) if form.key.event_oid == "SCR"}
            if "SKIN" in at and "EUSTARACT" in at:
                assert said(at["SKIN"], "SKIN_TOTAL") == said(at["EUSTARACT"], "EUS_MRSS")
                pairs.append((float(said(at["SKIN"], "SKIN_TOTAL")), float(said(at["HAQ"], "HAQ_DI"))))
        skins = forms.all_of(tx, [one.id for one in subjects.all_of(tx, STUDY)], ["SKIN"])
    late = [form for form in skins if form.key.event_oid == "M6"]
    base = {form.subject_id: form for form in skins if form.key.event_oid == "BAS"}
    assert len(pairs) >= 15
    milder, severer = (sorted(pairs)[: len(pairs) // 2], sorted(pairs)[len(pairs) // 2 :])
    assert sum(haq for _, haq in milder) / len(milder) < sum(haq for _, haq in severer) / len(severer)
    assert late
    fallen = [float(said(base[one.subject_id].document, "SKIN_TOTAL")) - float(said(one.document, "SKIN_TOTAL")) for one in late]
    assert sum(fallen) > 0, "the skin gets better after the infusion"


def said(document: Document, item: str) -> str:
    answer = document.at(Place(item))
    assert answer is not None
    return answer.text


def test_mistakes_open_queries(two_trials):
    with_none, with_many = two_trials("sqlite"), two_trials("sqlite")
    few, many = (trial.simulate(4, errors=share, in_bulk=True).queries for trial, share in ((with_none, 0.0), (with_many, 1.0)))
    assert many > few + 20


def test_a_study_with_real_subjects_is_refused(two_trials):
    trial = two_trials("sqlite")
    trial.simulate(2, in_bulk=True)
    with pytest.raises(Impossible):
        trial.simulate(2)
    with trial.begin() as tx:
        administer.create_account(tx, "demo", "Demo", "demo@example.org", "Sponsor", "en", demo=True)
    trial.simulate(2)
    with trial.begin() as tx:
        administer.create_account(tx, "real", "Real", "real@example.org", "Sponsor", "en")
    with pytest.raises(Impossible):
        trial.simulate(2)
    with trial.world.read() as tx:
        assert subjects.count(tx, STUDY) == 4
        assert len(accounts.all_of(tx)) == 2


def test_any_study_can_be_simulated_without_a_script(two_trials):
    trial = two_trials("sqlite", "salt")
    made = trial.simulate(6, in_bulk=True, errors=0.5)
    assert made.subjects == 6
    assert made.forms >= 12
    with trial.world.read() as tx:
        assert [one.code for one in sites.all_of(tx, trial.world.published.study.oid)] == ["01", "02"]
        assert query_lists.count(tx, trial.world.published.study.oid, None, []) == 0
    clean(trial)


def test_a_version_that_waits_for_approvals_is_not_simulated(two_trials):
    trial = two_trials("sqlite")
    with trial.begin() as tx:
        waiting, _ = publish.publish(tx, amended(1))
    with pytest.raises(Impossible, match="not in force"):
        simulate(trial.begin, waiting, 2, 7, NOW, at_sites=2, processes=1)
    with trial.world.read() as tx:
        assert subjects.count(tx, STUDY) == 0
