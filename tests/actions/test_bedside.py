"""The bedside check at work: every stop by real forms, two signatures, the emergency deviation, the trail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.actions.cells_world import BAGS, DONATION, Cells, cells_filling, later, open_cells
from tests.actions.screening import put, screen_donor
from tests.actions.test_decide import cross, judge
from tests.actions.world import NOW, typed
from tests.conftest import Databases
from trialcrf.actions import Impossible, NotAllowed, enter
from trialcrf.actions.cells import attempts, bedside
from trialcrf.actions.cells.bedside import Sent, Stopped
from trialcrf.core.document import FormKey
from trialcrf.core.product.bedside import OVERRIDABLE, Stop
from trialcrf.core.product.identity import Kind, label
from trialcrf.core.safety.decision import DecisionKind
from trialcrf.core.signature import Standing
from trialcrf.store import audit, forms, replay, signatures
from trialcrf.store.forms import StoredForm
from trialcrf.store.signatures import Signature

SENT = Sent(BAGS[0], "R-01-001", DONATION, "MSC1")
EXPIRED = datetime.fromisoformat("2100-01-01T09:00:00+00:00")


@pytest.fixture
def cells(databases: Databases) -> Iterator[Cells]:
    url = databases.fresh("sqlite", cells_filling())
    made = open_cells(url)
    yield made
    made.world.engine.dispose()
    databases.drop(url)


@pytest.fixture
def unreleased(databases: Databases) -> Iterator[Cells]:
    url = databases.fresh("sqlite", cells_filling(False))
    made = open_cells(url)
    yield made
    made.world.engine.dispose()
    databases.drop(url)


def stops(cells: Cells, now: datetime = NOW, **more: str) -> tuple[Stop, ...]:
    with pytest.raises(Stopped) as stopped:
        cells.check(now=now, **more)
    return stopped.value.stops


def recall(cells: Cells, now: datetime = NOW) -> None:
    boxes = {"INC_KIND": "STERILITY", "INC_AWARE": (21, 11, 2026, "09:00"), "INC_TEXT": "Seen in the culture.", "INC_RECALL": "Y"}
    cells.world.save(cells.batch, "INCIDENT", "INCIDENTS", typed(**boxes), name="lara", now=now)


def link_another(cells: Cells) -> None:
    other = screen_donor(cells.world)
    put(cells.world, cells.recipient, "DONORLINK", "LINK", LINK_DONOR=other.key)


def unlink(cells: Cells) -> None:
    with cells.world.write("cora") as tx:
        stored = forms.read(tx, cells.recipient.id, FormKey("LINK", "DONORLINK"))
        assert stored
        enter.mark_form_error(tx, cells.recipient, stored, "wrong pair")


MOVED = (21, 11, 2026, "08:00")
PREPARED: list[tuple[Stop, Callable[[Cells], object]]] = [
    (Stop.NO_LINK, unlink),
    (Stop.WRONG_DONOR, link_another),
    (Stop.USED, lambda cells: (cells.check(), cells.infuse(BAGS[0]))),
    (Stop.RESERVED, lambda cells: cells.check()),
    (Stop.DISCARDED, lambda cells: cells.move(BAGS[0], "DISCARDED", MOVED, MOV_WHY="torn")),
    (Stop.IN_TRANSIT, lambda cells: cells.move(BAGS[0], "SHIPPED", MOVED, MOV_TO="WARD", MOV_TEMP_LOW="-180", MOV_TEMP_HIGH="-150")),
    (Stop.RECALLED, recall),
    (Stop.RECIPIENT, lambda cells: put(cells.world, cells.recipient, "VITALS", "SCR", WT="71")),
    (Stop.DONOR, lambda cells: put(cells.world, cells.donor, "DONORQ", "DSCR", name="dora", RELATION="COUSIN")),
    (Stop.HOLD, lambda cells: (cross(cells.world), judge(cells.world, DecisionKind.HOLD_CONFIRMED))),
]


@pytest.mark.parametrize(("stop", "prepare"), PREPARED, ids=[str(stop) for stop, _ in PREPARED])
def test_what_is_recorded_stops_the_check(cells: Cells, stop: Stop, prepare: Callable[[Cells], object]) -> None:
    prepare(cells)
    assert stop in stops(cells)


@pytest.mark.parametrize(
    ("stop", "more"),
    [
        (Stop.UNKNOWN_BAG, {"bag": "LOT-2026-01-Z"}),
        (Stop.WRONG_PERSON, {"wristband": "R-01-002"}),
        (Stop.WRONG_DONATION, {"donation": "FR0001230000000123457"}),
        (Stop.NO_COHORT, {"cohort": "MSC9"}),
        (Stop.COHORT_SHUT, {"cohort": "MSC3"}),
    ],
)
def test_what_is_scanned_stops_the_check_and_changes_nothing(cells: Cells, stop: Stop, more: dict[str, str]) -> None:
    with cells.world.read() as tx:
        heads = audit.chains(tx.connection)
    assert stops(cells, **more) == (stop,)
    with cells.world.read() as tx:
        assert audit.chains(tx.connection) == heads


def test_an_expired_an_unreleased_and_a_rejected_bag_are_stopped(unreleased: Cells) -> None:
    assert stops(unreleased) == (Stop.UNRELEASED,)
    unreleased.release()
    with pytest.raises(Stopped) as expired:
        unreleased.check(now=EXPIRED)
    assert expired.value.stops == (Stop.EXPIRED,) and expired.value.overridable
    unreleased.release("REJECTED", why="Positive culture.", now=later(5))
    assert stops(unreleased, later(6)) == (Stop.REJECTED,)


def test_both_persons_sign_the_form_and_both_signatures_stand(cells: Cells) -> None:
    stored = cells.check()
    with cells.world.read() as tx:
        made = signatures.all_of(tx, cells.recipient.id, bedside.MEANING)
        assert [(one.actor, one.role) for one in made] == [("cora", "coordinator"), ("ivan", "investigator")]
        assert all(signatures.standing(tx, one).standing is Standing.VALID for one in made)
        assert bedside.signers_of(tx, cells.recipient, stored) == {"cora", "ivan"}
        assert list(replay.differences(tx)) == [] and audit.broken(tx.connection) is None
    told = bedside.told_of(cells.world.published.study, stored)
    assert (told["CTCHKBAG"], told["CTCHKSUB"], told["CTCHKDON"], told["CTCHKARM"]) == (BAGS[0], "R-01-001", DONATION, "MSC1")
    assert (told["CTCHKBY1"], told["CTCHKBY2"]) == ("Cora", "Ivan") and "CTCHKDV" not in told
    assert told["CTCHKDTC"].startswith("2026-11-21T10:00")


@pytest.mark.parametrize(("first", "second"), [("cora", "cora"), ("ivan", "dora"), ("cora", "olga"), ("cora", "quin"), ("ivan", "mona")])
def test_the_second_person_is_somebody_else_who_may_check_at_this_site(cells: Cells, first: str, second: str) -> None:
    with pytest.raises(Impossible) as refused:
        cells.check(first=first, second=second)
    assert refused.value.field == "second_username"
    with cells.world.read() as tx:
        assert bedside.checks_of(tx, cells.world.published.study, cells.recipient) == []


@pytest.mark.parametrize("first", ["olga", "dora", "mona", "lara"])
def test_the_first_person_too_must_be_allowed_to(cells: Cells, first: str) -> None:
    with pytest.raises(NotAllowed):
        cells.check(first=first)


def test_nobody_confirms_by_a_password_of_another_moment_or_person(cells: Cells) -> None:
    old, ivan, cora = cells.person("ivan", NOW - timedelta(minutes=1)), cells.person("ivan"), cells.person("cora")
    for second in (old, replace(ivan, proof=cora.proof)):
        with pytest.raises(NotAllowed), cells.world.write("cora") as tx:
            bedside.check(tx, cells.world.published, cells.recipient, SENT, cora, second, NOW)


def test_another_kind_of_subject_has_no_bedside_check(cells: Cells) -> None:
    for whom in (cells.donor, cells.batch):
        with pytest.raises(Impossible):
            cells.check(recipient=whom)


BAG = label("msc_ssc", Kind.BAG, BAGS[0])


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("bag", " ", "Scan this label first."),
        ("bag", BAG.lower(), "The scanner and this computer"),
        ("bag", BAG[:-1] + ("0" if BAG[-1] != "0" else "1"), "The check character of this label is wrong"),
        ("bag", label("other_study", Kind.BAG, BAGS[0]), "This label belongs to another study"),
        ("bag", label("msc_ssc", Kind.WRISTBAND, "R-01-001"), "This is not the label that is expected here."),
        ("wristband", BAG, "This is not the label that is expected here."),
        ("donation", BAG + BAG, "More than one scan stands in this field."),
    ],
)
def test_a_label_that_is_none_is_refused_with_its_own_sentence(cells: Cells, name: str, text: str, said: str) -> None:
    with pytest.raises(Impossible) as refused:
        cells.check(**{name: text})
    assert refused.value.field == name and refused.value.message.msgid.startswith(said)
    sent = replace(SENT, **{name: text})
    found = bedside.unreadable(cells.world.published.study, sent)
    assert found == ({name: refused.value.message} if text.strip() else {})


def test_every_wrong_label_is_told_at_once(cells: Cells) -> None:
    sent = replace(SENT, bag=BAG.lower(), wristband=BAG, donation=label("msc_ssc", Kind.DONATION, DONATION))
    assert set(bedside.unreadable(cells.world.published.study, sent)) == {"bag", "wristband"}


# A page that is sent twice


def repeated(cells: Cells, sent: Sent, signers: set[str], now: datetime = NOW) -> StoredForm | None:
    with pytest.raises(Stopped) as stopped:
        cells.check(now=now, **{name: getattr(sent, name) for name in ("bag", "wristband", "donation", "cohort")})
    with cells.world.read() as tx:
        return bedside.recorded_before(tx, cells.world.published.study, cells.recipient, sent, stopped.value, signers)


def test_the_same_check_by_the_same_two_was_recorded_before_and_nothing_else_was(cells: Cells) -> None:
    stored = cells.check()
    assert repeated(cells, SENT, {"ivan", "cora"}) == stored
    assert repeated(cells, SENT, {"ivan", "dora"}) is None
    assert repeated(cells, replace(SENT, cohort="MSC3"), {"cora", "ivan"}) is None
    assert repeated(cells, replace(SENT, donation="X"), {"cora", "ivan"}) is None
    recall(cells, later(2))
    assert repeated(cells, SENT, {"cora", "ivan"}, later(3)) is None


def test_a_bag_that_was_given_is_a_stop_even_for_those_who_checked_it(cells: Cells) -> None:
    cells.check()
    cells.infuse(BAGS[0], at=(21, 11, 2026, "10:00"))
    assert repeated(cells, SENT, {"cora", "ivan"}) is None


# The emergency


def sign(cells: Cells, name: str = "ivan", reason: str = "No other product.", now: datetime = NOW, **more: str) -> Signature:
    person = cells.person(name, now)
    with cells.world.write(name, now) as tx:
        return bedside.sign_emergency(
            tx, cells.world.published, cells.recipient, person.actor, person.proof, replace(SENT, **more), reason, now
        )


def test_a_deviation_lifts_what_it_names_for_its_bag_and_the_check_says_so(unreleased: Cells) -> None:
    cells = unreleased
    made = sign(cells)
    assert made.said["stops"] == ["unreleased"] and made.said["reason"] == "No other product." and made.said["bag"] == BAGS[0]
    assert stops(cells, bag=BAGS[1]) == (Stop.UNRELEASED,)
    stored = cells.check()
    study = cells.world.published.study
    assert bedside.told_of(study, stored)["CTCHKDV"] == "unreleased" and bedside.lifted_by(stored, study) == {Stop.UNRELEASED}
    with cells.world.read() as tx:
        checks = signatures.all_of(tx, cells.recipient.id, bedside.MEANING)
        assert [one.said["emergency"] for one in checks] == [made.id, made.id]
        deviation = forms.all_of(tx, [cells.recipient.id], ["DEVIATION"])
        assert len(deviation) == 1 and signatures.standing(tx, made).standing is Standing.VALID
    assert repeated(cells, SENT, {"cora", "ivan"}) == stored


def test_a_new_reason_after_the_deviation_stops_again(unreleased: Cells) -> None:
    sign(unreleased)
    put(unreleased.world, unreleased.recipient, "VITALS", "SCR", WT="71")
    assert stops(unreleased) == (Stop.UNRELEASED, Stop.RECIPIENT)
    sign(unreleased, now=later(1))
    assert unreleased.check(now=later(2))


def test_a_deviation_that_was_changed_lifts_nothing_any_more(unreleased: Cells) -> None:
    sign(unreleased)
    with unreleased.world.read() as tx:
        stored = forms.all_of(tx, [unreleased.recipient.id], ["DEVIATION"])[0]
    boxes = typed(stored.version, "TYPO", DVTERM="Something else")
    unreleased.world.save(unreleased.recipient, "DEVIATION", stored.key.event_oid, boxes)
    assert stops(unreleased) == (Stop.UNRELEASED,)


def test_a_deviation_is_signed_once_however_often_the_page_is_sent(unreleased: Cells) -> None:
    assert sign(unreleased).id == sign(unreleased, now=later(1)).id
    with unreleased.world.read() as tx:
        assert len(signatures.all_of(tx, unreleased.recipient.id, bedside.EMERGENCY)) == 1


def test_what_nobody_may_override_no_deviation_is_signed_for(cells: Cells) -> None:
    for more in ({"wristband": "R-01-002"}, {"donation": "X"}, {"bag": "NONE"}, {}):
        with pytest.raises(Impossible):
            sign(cells, **more)
    with pytest.raises(Impossible) as blank:
        sign(cells, reason="  ")
    assert blank.value.field == "reason"
    recall(cells)
    with pytest.raises(Impossible) as recalled:
        sign(cells)
    assert recalled.value.field == "bag" and Stop.RECALLED not in OVERRIDABLE
    with cells.world.read() as tx:
        assert signatures.all_of(tx, cells.recipient.id, bedside.EMERGENCY) == []
        assert forms.all_of(tx, [cells.recipient.id], ["DEVIATION"]) == []


@pytest.mark.parametrize("name", ["cora", "dora", "quin"])
def test_only_an_investigator_signs_a_deviation(unreleased: Cells, name: str) -> None:
    with pytest.raises(NotAllowed):
        sign(unreleased, name)


# The trail


def test_refused_attempts_are_in_the_trail_with_their_reasons(cells: Cells) -> None:
    cora = cells.actor("cora")
    with cells.world.write("cora") as tx:
        attempts.record(tx, cells.recipient, cora, "ivan", replace(SENT, bag="Z\x00"), ["unknown_bag", "hold"])
    with cells.world.write("cora", later(1)) as tx:
        attempts.note_wrong_password(tx, cells.recipient, cora, "my secret passphrase", SENT, "second_password")
    with cells.world.read() as tx:
        newest, oldest = attempts.refused(tx, cells.recipient)
        assert [one.msgid for one in oldest.reasons] == [
            "No bag has this code: it is not recorded in this trial.",
            "A hold stands: nobody is to be treated.",
        ]
        assert (oldest.by, oldest.wristband, oldest.at) == (("cora", "ivan"), "R-01-001", NOW)
        # What stands in the box of a user name may be a password: only accounts are named.
        assert newest.by == ("cora",) and newest.reasons[0].msgid == attempts.REASONS["second_password"]
        assert not any("passphrase" in (past.new or "") for past in audit.history(tx.connection, "refusal", str(cells.recipient.id)))
        assert audit.broken(tx.connection) is None
