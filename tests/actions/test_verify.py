"""Source data verification on a real database: a visit in one action, its exceptions, and values that change afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from tests.actions.test_sign import faults
from tests.actions.world import NOW, World, typed
from trialcrf.actions import Impossible
from trialcrf.actions.oversight import lock, monitor, verify
from trialcrf.actions.oversight.verify import Asked, Changed, Done, Sheet, Value
from trialcrf.core.definition.oversight import Oversight, SamplingRule
from trialcrf.core.document import FormKey, Place
from trialcrf.core.lock import Locked
from trialcrf.core.oversight.monitoring import EntryKind, Monitoring
from trialcrf.core.oversight.sampling import Coverage
from trialcrf.store import forms, monitoring, queries, sites, verifications

LATER = NOW + timedelta(hours=3)
VISIT = Asked("WEIGH2")
KEY = "V0001.01"


def everything(_form: object) -> bool:
    return True


@pytest.fixture
def ward(salt):
    """A volunteer who came to a weighing and keeps a diary of two days: 2 values of the scales and one blank, 4 of the diary."""
    salt.enrol("volunteer", AGREED=(20, 1, 2026), BORN=("", 5, 1980), GENDER="F")
    salt.save(salt.subject(KEY), "SCALES", "WEIGH2", typed(None, CAME="Y", CAME_ON=(3, 3, 2026)))
    days = {f"DAYS__new{n}__{item}": said for n in (1, 2) for item, said in (("DAY", (n, 3, 2026)), ("PINCHES", str(n)))}
    salt.save(salt.subject(KEY), "DIARY", "WEIGH2", typed(None, **days))
    return salt


def sheets(world: World, asked: Asked = VISIT, published=None, readable=everything) -> tuple[Sheet, ...]:
    with world.read() as tx:
        return verify.sheets(tx, published or world.published, world.subject(KEY), asked, readable, NOW)


def shown(world: World, asked: Asked = VISIT) -> dict[tuple[str, str], Value]:
    return {(one.form.oid, str(value.place)): value for one in sheets(world, asked) for value in one.values}


def form_id(world: World, form: str) -> int:
    with world.read() as tx:
        found = forms.read(tx, world.subject(KEY).id, FormKey("WEIGH2", form))
    assert found
    return found.id


def verifies(world: World, seen: str = "", exceptions=None, asked: Asked = VISIT, during: Monitoring | None = None, now=NOW) -> Done:
    seen = seen or verify.seen(sheets(world, asked))
    with world.write("mona", now) as tx:
        return verify.verify(tx, world.published, world.subject(KEY), asked, everything, seen, exceptions or {}, during, now)


def states(world: World) -> dict[tuple[str, str], str]:
    return {at: "verified" if one.stands else "changed" if one.changed else "open" for at, one in shown(world).items()}


def corrects(world: World, form: str, **boxes: object) -> None:
    with world.read() as tx:
        stored = forms.read(tx, world.subject(KEY).id, FormKey("WEIGH2", form))
    assert stored
    world.save(world.subject(KEY), form, "WEIGH2", typed(stored.version, "SLIP", **boxes), now=LATER)


CAME, CAME_ON, KILOS = ("SCALES", "CAME"), ("SCALES", "CAME_ON"), ("SCALES", "KILOS")
DAY_1, PINCH_1, PINCH_2 = ("DIARY", "DAYS/1/DAY"), ("DIARY", "DAYS/1/PINCHES"), ("DIARY", "DAYS/2/PINCHES")


def test_a_visit_shows_what_has_a_source_and_applies_blank_or_not(ward):
    found = shown(ward)
    assert list(found) == [CAME, CAME_ON, KILOS, DAY_1, PINCH_1, ("DIARY", "DAYS/2/DAY"), PINCH_2]
    assert found[KILOS].answer is None and found[KILOS].commitment == "" and found[PINCH_1].commitment != found[PINCH_2].commitment
    assert {one.form.oid for one in sheets(ward, Asked("WEIGH2", form_id=form_id(ward, "DIARY")))} == {"DIARY"}
    assert not sheets(ward, Asked("WEIGH1")) and not sheets(ward, Asked("WEIGH2", 2))
    assert {one.form.oid for one in sheets(ward, readable=lambda form: form.oid != "DIARY")} == {"SCALES"}


def test_a_visit_is_verified_in_one_action_but_for_its_exceptions_and_one_of_them_asks(ward):
    left = {(form_id(ward, "SCALES"), Place("CAME_ON")): "", (form_id(ward, "DIARY"), Place("PINCHES", "DAYS", "2")): "Two or twelve?"}
    done = verifies(ward, exceptions=left)
    assert (done.verified, done.left, len(done.queries)) == (5, 2, 1)
    assert {at for at, state in states(ward).items() if state == "open"} == {CAME_ON, PINCH_2}
    with ward.read() as tx:
        asked = queries.find(tx, done.queries[0])
        held = verifications.of_forms(tx, [form_id(ward, "SCALES")])[form_id(ward, "SCALES")]
    assert asked and (str(asked.place), asked.check, asked.opened_by, asked.subject) == ("DAYS/2/PINCHES", "", "mona", KEY)
    assert {one.actor for one in held.values()} == {"mona"} and held[Place("KILOS")].commitment == ""
    assert faults(ward) == []


def test_a_later_change_unverifies_that_value_alone_and_shows_before_and_after(ward):
    verifies(ward)
    was = shown(ward)[PINCH_1].commitment
    corrects(ward, "DIARY", DAYS__1__PINCHES="7")
    assert {at for at, state in states(ward).items() if state != "verified"} == {PINCH_1}
    now = shown(ward)[PINCH_1]
    assert now.changed and now.answer and now.answer.text == "7" and now.verified and now.verified.commitment == was
    with ward.read() as tx:
        then = verifications.values_then(tx, form_id(ward, "DIARY"), {Place("PINCHES", "DAYS", "1"): was, Place("DAY", "DAYS", "1"): ""})
    assert {str(place): text for place, text in then.items()} == {"DAYS/1/PINCHES": '"1"', "DAYS/1/DAY": None}
    assert verifies(ward, now=LATER) == Done(1, 0) and "changed" not in states(ward).values()
    assert faults(ward) == []


def test_a_blank_that_was_verified_as_blank_and_is_filled_is_verified_no_longer(ward):
    verifies(ward)
    assert states(ward)[KILOS] == "verified"
    corrects(ward, "SCALES", KILOS="70")
    assert states(ward)[KILOS] == "changed"


def test_nobody_verifies_what_the_page_did_not_show(ward):
    seen = verify.seen(sheets(ward))
    corrects(ward, "DIARY", DAYS__1__PINCHES="7")
    with pytest.raises(Changed):
        verifies(ward, seen)
    assert set(states(ward).values()) == {"open"} and faults(ward) == []
    seen = verify.seen(sheets(ward))
    ward.save(ward.subject(KEY), "DIARY", "WEIGH2", typed(2, None, DAYS__new1__DAY=(9, 3, 2026), DAYS__new1__PINCHES="3"), now=LATER)
    with pytest.raises(Changed):
        verifies(ward, seen)
    with pytest.raises(Changed):
        verifies(ward, verify.seen(sheets(ward, Asked("WEIGH2", form_id=form_id(ward, "DIARY")))))


def test_an_exception_is_a_value_of_the_page_that_is_open_and_nothing_is_verified_twice(ward):
    with pytest.raises(Impossible, match="An exception"):
        verifies(ward, exceptions={(form_id(ward, "SCALES"), Place("NOWHERE")): "?"})
    verifies(ward)
    with pytest.raises(Impossible, match="verified already"):
        verifies(ward)
    with pytest.raises(Impossible, match="An exception"):
        verifies(ward, exceptions={(form_id(ward, "SCALES"), Place("CAME")): ""})


def test_the_monitor_takes_a_verification_back_with_a_reason(ward):
    verifies(ward)

    def takes_back(reason: str, item: str = "CAME") -> None:
        with ward.write("mona", LATER) as tx:
            verify.take_back(tx, ward.subject(KEY), form_id(ward, "SCALES"), Place(item), everything, reason)

    with pytest.raises(Impossible, match="Say why"):
        takes_back(" ")
    with pytest.raises(Impossible, match="never verified"):
        takes_back("x", "WHY_NOT")
    takes_back("Read the wrong file")
    assert {at for at, state in states(ward).items() if state != "verified"} == {CAME}
    with pytest.raises(Impossible, match="nothing to take back"):
        takes_back("again")
    assert faults(ward) == []


def test_what_is_locked_is_not_verified_and_what_is_frozen_is(ward):
    def moves(move, name: str = "dana") -> None:
        with ward.write(name, NOW) as tx:
            thing = lock.find(tx, ward.published, f"form/{form_id(ward, 'DIARY')}")
            assert thing
            move(tx, thing, "closed for the test")

    moves(lock.freeze)
    one = {(form_id(ward, "SCALES"), Place(item)): "" for item in ("CAME", "CAME_ON", "KILOS")}
    diary = {(form_id(ward, "DIARY"), Place(item, "DAYS", row)): "" for item in ("DAY", "PINCHES") for row in "12"}
    assert verifies(ward, exceptions=one | dict(list(diary.items())[:3])).verified == 1
    moves(lock.lock)
    with pytest.raises(Locked):
        verifies(ward)
    assert list(states(ward).values()).count("verified") == 1, "nothing of the page was verified, the form beside it neither"
    with pytest.raises(Locked), ward.write("mona") as tx:
        verify.take_back(tx, ward.subject(KEY), form_id(ward, "DIARY"), Place("PINCHES", "DAYS", "2"), everything, "x")


def test_the_plan_says_what_is_shown_and_what_is_counted(ward):
    published = ward.published
    plan = Oversight("seed", (SamplingRule((), ("SCALES.CAME", "DIARY.PINCHES")),))
    planned = replace(published, study=replace(published.study, oversight=plan))
    places = [(one.form.oid, str(value.place), value.sampled) for one in sheets(ward, published=planned) for value in one.values]
    assert places == [("SCALES", "CAME", True), ("DIARY", "DAYS/1/PINCHES", True), ("DIARY", "DAYS/2/PINCHES", True)]
    beside = sheets(ward, Asked("WEIGH2", everything=True), planned)
    assert sum(value.sampled for one in beside for value in one.values) == 3 and sum(len(one.values) for one in beside) == 7

    def covered(readable=everything) -> dict[str, Coverage]:
        with ward.read() as tx:
            return verify.of_subjects(tx, planned, [ward.subject(KEY)], readable)

    assert covered() == {KEY: Coverage(3, 0, 0, 0)}
    assert covered(lambda form: form.oid == "SCALES") == {KEY: Coverage(1, 0, 0, 0)}
    verifies(ward)
    corrects(ward, "DIARY", DAYS__1__PINCHES="7")
    assert covered() == {KEY: Coverage(3, 2, 1, 4)}


def test_what_is_verified_and_asked_in_a_monitoring_visit_belongs_to_it(ward):
    with ward.read() as tx:
        where = sites.find(tx, "salt", "01")
    assert where
    with ward.write("mona") as tx:
        visit = monitor.plan(tx, where, "routine", date(2026, 11, 21), "")
    with pytest.raises(Impossible, match="being held"):
        verifies(ward, during=visit)
    with ward.write("mona") as tx:
        visit = monitor.held(tx, where, visit, date(2026, 11, 21), date(2026, 11, 21), "Cora")
    exceptions = {(form_id(ward, "SCALES"), Place(item)): "Why?" for item in ("CAME", "CAME_ON")}
    done = verifies(ward, exceptions=exceptions, during=visit)
    with ward.read() as tx:
        held = verifications.of_forms(tx, [form_id(ward, "DIARY")])[form_id(ward, "DIARY")]
        found = monitoring.by_id(tx, visit.id)
    assert {one.monitoring_id for one in held.values()} == {visit.id}
    assert found and found.verified == {KEY: 5}
    assert [one.content["query"] for one in found.all_of(EntryKind.QUERY)] == list(done.queries)
    assert faults(ward) == []
