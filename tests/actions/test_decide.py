"""The stopping rule at work on a real database: a hold is raised once, people judge it by signature, and no line is ever changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import DBAPIError

from tests.actions.world import NOW, World, study_of, typed
from trialcrf.actions import Impossible, NotAllowed, publish, sign, sign_in
from trialcrf.actions.reminding import remind
from trialcrf.actions.safety import case, decide
from trialcrf.actions.safety.follow_case import followed
from trialcrf.actions.sign import WrongPassword
from trialcrf.core.access import Actor, Grant
from trialcrf.core.chain import Checkpoint
from trialcrf.core.document import Document
from trialcrf.core.safety import decision
from trialcrf.core.safety.decision import DecisionKind, HoldState
from trialcrf.core.throttle import HERE
from trialcrf.store import accounts, attempts, audit, cases, decisions, forms, queries, replay
from trialcrf.store.models import outbox as outbox_table
from trialcrf.store.models import study_decision
from trialcrf.store.subjects import Subject

PASSWORD = "a long sentence for the tests"
CONSENT = {
    "ICF_DATE": (1, 9, 2026), "ICF_VERSION": "1.0", "ICF_LANG": "fr", "ICF_SIGNED": "Y", "BIRTH_MONTH": ("", 5, 1980), "SEX_BIRTH": "F",
}  # fmt: skip
TOXIC = {"AE_WORDS": "Fever", "AE_GRADE": "3", "AE_ONSET": (4, 11, 2026), "AE_SERIOUS": "N", "AE_RELATED": "RELATED"}


def treat(world: World, site: str = "01", arm: str = "MSC1", start: tuple[object, ...] = (2, 11, 2026, "10:00")) -> Subject:
    one = world.enrol("recipient", site, **CONSENT)
    world.save(one, "INFUSION", "D0", typed(INF_COHORT=arm, INF_START=start))
    return one


def fall_ill(world: World, one: Subject, repeat: int = 1, **boxes: object) -> int:
    return world.save(one, "ADVERSE", "AE", typed(**{**TOXIC, **boxes}), repeat).form_id


def ledger(world: World) -> list[decision.DecisionEntry]:
    with world.read() as tx:
        return decisions.all_of(tx, world.study)


def mails(world: World) -> list[tuple[str, str]]:
    """(user name, state) of every mail about a hold."""
    with world.read() as tx:
        rows = tx.read(select(outbox_table.c.key, outbox_table.c.state).where(outbox_table.c.kind == "hold").order_by(outbox_table.c.key))
        return [(row.key.split("|")[3], row.state) for row in rows.all()]


def cross(world: World) -> tuple[Subject, Subject]:
    """Two of two treated have a toxicity: the boundary of the study's rule."""
    one, other = treat(world), treat(world, "02")
    fall_ill(world, one)
    fall_ill(world, other)
    return one, other


def actor(world: World, name: str = "sam") -> Actor:
    with world.read() as tx:
        found = accounts.find(tx, name)
        assert found
        return accounts.actor(tx, found)


def proof(world: World, name: str, now: datetime = NOW) -> sign.Proof:
    who = actor(world, name)
    with world.write("trialcrf", now) as tx:
        sign_in.set_password(tx, who.id, name, PASSWORD)
    with world.read() as tx:
        return sign.reauthenticate(tx, who, PASSWORD, "127.0.0.1", now)


def seen(world: World, now: datetime = NOW) -> str:
    with world.read() as tx:
        return decide.standing_now(tx, world.published, now).seen


def judge(world: World, kind: DecisionKind, number: int = 1, reason: str = "Reviewed.", name: str = "sam", now: datetime = NOW) -> None:
    typed_again, shown = proof(world, name, now), seen(world, now)
    with world.write(name, now) as tx:
        decide.judge_hold(tx, world.published, actor(world, name), typed_again, kind, number, reason, shown)


def open_cohort(world: World, code: str = "MSC3", reason: str = "Ten of ten seen.", name: str = "sam", now: datetime = NOW) -> None:
    typed_again, shown = proof(world, name, now), seen(world, now)
    with world.write(name, now) as tx:
        decide.open_cohort(tx, world.published, actor(world, name), typed_again, code, reason, shown)


def states(world: World) -> list[HoldState]:
    return [one.state for one in decision.holds(ledger(world))]


def test_a_save_that_crosses_the_boundary_raises_one_hold_and_one_mail_a_person(world):
    one, other = treat(world), treat(world, "02")
    fall_ill(world, one)
    assert ledger(world) == [] and mails(world) == []
    form_id = fall_ill(world, other)
    (raised,) = ledger(world)
    assert (raised.kind, raised.actor, raised.role) == (DecisionKind.HOLD_RAISED, "trialcrf", "system")
    assert (raised.content["cause"], raised.content["n"], raised.content["x"]) == ("boundary", 2, 2)
    assert raised.content["concerns"] == [one.key, other.key]
    assert mails(world) == [("ivan", "queued"), ("sam", "queued")]
    # The same again, by another save of the same form and by the night: nothing new.
    with world.read() as tx:
        version = forms.by_id(tx, form_id).version
    world.save(other, "ADVERSE", "AE", typed(version, "TYPO", AE_GRADE="4"))
    with world.write("trialcrf") as tx:
        assert decide.scan(tx, NOW) == 0
    assert len(ledger(world)) == 1 and len(mails(world)) == 2


def test_the_status_of_a_hold_tells_the_checkpoint_with_the_save_that_led_to_it(world):
    cross(world)
    status = ledger(world)[0].content["status"]
    assert (status["as_of"], status["known_at"], status["version"]) == ("2026-11-21", "2026-11-21T09:00:00+00:00", 1)
    with world.read() as tx:
        heads = audit.chains(tx.connection)
        # The study's own chain grew by the hold itself; every other chain is as the status saw it.
        (size,) = (size for chain, size, _ in heads if chain == world.study)
        before = audit.hash_at(tx.connection, world.study, size - 1)
        assert before
        then = tuple((world.study, size - 1, before) if one[0] == world.study else one for one in heads if one[0].startswith(world.study))
        assert Checkpoint(then).digest() == status["checkpoint"]


def test_an_event_that_no_longer_counts_takes_no_hold_away_and_a_third_one_raises_another(world):
    one, other = cross(world)
    with world.read() as tx:
        stored = forms.all_of(tx, [other.id], ["ADVERSE"])[0]
    world.save(other, "ADVERSE", "AE", typed(stored.version, "TYPO", AE_RELATED="NOT RELATED"))
    assert states(world) == [HoldState.RAISED]
    third = treat(world)
    fall_ill(world, third)
    assert states(world) == [HoldState.RAISED, HoldState.RAISED]
    assert ledger(world)[1].content["concerns"] == sorted([one.key, third.key])


def test_a_relation_that_the_sponsor_raises_counts_whatever_the_investigator_says(world):
    serious = {"AE_SERIOUS": "Y", "AE_HOSPITAL": "Y", "AE_RELATED": "NOT RELATED"}
    for one in (treat(world), treat(world, "02")):
        fall_ill(world, one, **serious)
    assert ledger(world) == []
    for number in (1, 2):
        with world.write("sam") as tx:
            found = cases.find(tx, world.study, number)
            assert found
            [of] = followed(tx, world.published, [found], NOW)
            case.assess(
                tx, world.published, of, {"AERELPRD": "RELATED", "AERELDIS": "NOT RELATED"}, None, "Onset two days after the infusion."
            )
        assert len(ledger(world)) == number - 1, "the second one crosses the boundary"
    with world.read() as tx:
        assert [one.kind for one in decisions.all_of(tx, world.study)] == [DecisionKind.HOLD_RAISED]


def test_most_saves_do_not_even_look(world):
    one, published = treat(world), world.published
    fall_ill(world, one, AE_GRADE="1")
    fall_ill(world, one, 2)
    with world.read() as tx:
        mild, severe = (each.document for each in forms.all_of(tx, [one.id], ["ADVERSE"]))
    asked: list[str] = []
    event.listen(world.engine, "before_cursor_execute", lambda _connection, _cursor, statement, *_: asked.append(statement))
    for before, after, looks in ((Document(), mild, False), (severe, severe, False), (severe, mild, False), (mild, severe, True)):
        with world.write() as tx:
            asked.clear()
            decide.check_after_save(tx, published, published.study.form["ADVERSE"], before, after, NOW)
            assert bool(asked) == looks


def test_the_night_counts_what_the_calendar_brings(world):
    """Looks after two: both had their toxicity, and one more subject's window must end before the rule looks at three."""
    new = study_of("msc_ssc")
    rule = replace(new.safety.stopping, looks=(3,))
    with world.write("trialcrf") as tx:
        publish.publish(tx, replace(new, safety=replace(new.safety, stopping=rule)))
    cross(world)
    treat(world, start=(19, 11, 2026, "10:00"))
    assert ledger(world) == []
    for day, raised in ((29, 0), (30, 1), (31, 0)):
        at = datetime(2026, 11, 1, 9, tzinfo=NOW.tzinfo) + timedelta(days=day - 1)
        with world.write("trialcrf", at) as tx:
            assert decide.scan(tx, at) == raised
    assert (ledger(world)[0].content["n"], ledger(world)[0].content["x"]) == (3, 2)


def test_a_rule_that_a_new_definition_changes_is_checked_at_night(world):
    one = treat(world)
    fall_ill(world, one)
    assert ledger(world) == []
    new = study_of("msc_ssc")
    rule = replace(new.safety.stopping, prior_a="0.5", prior_b="0.5")  # its boundary is 1 of 1
    with world.write("trialcrf") as tx:
        publish.publish(tx, replace(new, safety=replace(new.safety, stopping=rule)))
        assert decide.scan(tx, NOW) == 1
    assert ledger(world)[0].content["status"]["rule"]["prior_a"] == "0.5"


def test_a_study_without_a_rule_is_left_alone(salt):
    with salt.write("trialcrf") as tx:
        assert decide.scan(tx, NOW) == 0


def test_a_related_death_raises_a_hold_at_once(world):
    one = treat(world)
    fall_ill(world, one, AE_GRADE="5", AE_OUTCOME="FATAL", AE_SERIOUS="Y", AE_DEATH="Y", AE_ONSET=(18, 11, 2026), AE_STOP=(19, 11, 2026))
    (raised,) = ledger(world)
    assert (raised.content["cause"], raised.content["x"]) == ("death", 0)


def test_a_hold_is_confirmed_and_lifted_by_signature(world):
    cross(world)
    judge(world, DecisionKind.HOLD_CONFIRMED)
    assert states(world) == [HoldState.CONFIRMED]
    judge(world, DecisionKind.HOLD_LIFTED, reason="Board of 22 November.")
    assert states(world) == [HoldState.LIFTED]
    _, confirmed, lifted = ledger(world)
    assert (confirmed.name, confirmed.role, confirmed.actor) == ("Sam", "sponsor", "sam")
    assert lifted.content["reason"] == "Board of 22 November."
    assert confirmed.content["meaning"] == "hold_confirmed" and confirmed.content["status"]["x"] == 2
    with world.read() as tx:
        told = audit.history(tx.connection, "study_decision", "2")
    assert [(past.chain, past.op, past.actor) for past in told] == [(world.study, "decide", "sam")]


@pytest.mark.parametrize("kind", [DecisionKind.HOLD_DISMISSED, DecisionKind.HOLD_LIFTED])
def test_what_ends_a_hold_needs_a_reason_and_follows_the_table(world, kind):
    cross(world)
    if kind is DecisionKind.HOLD_LIFTED:
        with pytest.raises(Impossible):
            judge(world, kind)
        judge(world, DecisionKind.HOLD_CONFIRMED, reason="")
    with pytest.raises(Impossible) as blank:
        judge(world, kind, reason="  ")
    assert blank.value.field == "reason"
    judge(world, kind)
    with pytest.raises(Impossible):
        judge(world, kind)


def test_nobody_decides_on_data_that_the_page_did_not_show(world):
    one, _ = cross(world)
    typed_again, shown = proof(world, "sam"), seen(world)
    fall_ill(world, one, 2, AE_GRADE="4", AE_RELATED="RELATED", AE_WORDS="Chills")
    treat(world)
    with world.write("sam") as tx, pytest.raises(Impossible, match="changed while you were reading"):
        decide.judge_hold(tx, world.published, actor(world), typed_again, DecisionKind.HOLD_CONFIRMED, 1, "", shown)


def test_only_the_sponsor_decides_and_only_with_the_password_of_this_request(world):
    cross(world)
    shown = seen(world)
    for name in ("ivan", "dana", "mona"):
        typed_again = proof(world, name)
        with world.write(name) as tx, pytest.raises(NotAllowed):
            decide.judge_hold(tx, world.published, actor(world, name), typed_again, DecisionKind.HOLD_CONFIRMED, 1, "", shown)
    at_one_site = Actor(actor(world).id, "sam", "Sam", "", (Grant("sponsor", world.study, "01"),))
    typed_again = proof(world, "sam")
    with world.write("sam") as tx, pytest.raises(NotAllowed):
        decide.judge_hold(tx, world.published, at_one_site, typed_again, DecisionKind.HOLD_CONFIRMED, 1, "", shown)
    with world.write("sam", NOW + timedelta(seconds=1)) as tx, pytest.raises(NotAllowed):
        decide.judge_hold(tx, world.published, actor(world), typed_again, DecisionKind.HOLD_CONFIRMED, 1, "", shown)
    with world.read() as tx, pytest.raises(WrongPassword):
        sign.reauthenticate(tx, actor(world), "something else", "127.0.0.1", NOW)


def test_a_refused_decision_is_in_the_trail_and_counts_as_a_failure(world):
    with world.write("sam") as tx:
        decide.note_refusal(tx, world.published, actor(world), "hold_confirmed")
    with world.read() as tx:
        (past,) = audit.history(tx.connection, "refusal", str(world.published.study_id))
        assert (past.chain, past.prompted_by, past.actor) == (world.study, "password", "sam")
        assert attempts.failures(tx, NOW, "sam", "127.0.0.1")[HERE].count == 1


# --- The gate ---------------------------------------------------------------------------------------------------------


def doubts(world: World, one: Subject) -> list[tuple[str, str]]:
    with world.read() as tx:
        (stored,) = forms.all_of(tx, [one.id], ["INFUSION"])
        return [(each.check, each.state) for each in queries.of_form(tx, stored.id) if each.check in ("cohort_gate", "study_hold")]


def test_a_treatment_in_a_cohort_that_is_not_open_is_taken_and_asked_about(world):
    assert doubts(world, treat(world, arm="MSC3")) == [("cohort_gate", "open")]
    assert doubts(world, treat(world, arm="MSC1")) == []
    open_cohort(world, now=datetime(2026, 11, 3, 9, tzinfo=NOW.tzinfo))
    assert doubts(world, treat(world, arm="MSC3", start=(4, 11, 2026, "10:00"))) == []
    # Signed afterwards, a decision does not mend what was done before it.
    assert doubts(world, treat(world, arm="MSC3", start=(3, 11, 2026, "09:30"))) == [("cohort_gate", "open")]


def test_a_treatment_under_a_confirmed_hold_is_taken_and_asked_about(world):
    cross(world)
    assert doubts(world, treat(world, start=(21, 11, 2026, "09:00"))) == []
    judge(world, DecisionKind.HOLD_CONFIRMED, now=NOW - timedelta(hours=3))  # seven o’clock in Paris
    assert doubts(world, treat(world, start=(21, 11, 2026, "06:30"))) == []
    assert doubts(world, treat(world, start=(21, 11, 2026, "07:30"))) == [("study_hold", "open")]
    judge(world, DecisionKind.HOLD_LIFTED, now=NOW - timedelta(hours=2))
    assert doubts(world, treat(world, start=(21, 11, 2026, "08:30"))) == []


def test_a_cohort_is_opened_once_with_what_it_rests_on_and_not_under_a_hold(world):
    treat(world)
    with pytest.raises(Impossible) as blank:
        open_cohort(world, reason="")
    assert blank.value.field == "reason"
    with pytest.raises(Impossible):
        open_cohort(world, "MSC1")
    open_cohort(world)
    (opened,) = ledger(world)
    assert (opened.content["cohort"], opened.content["status"]["n"], opened.name) == ("MSC3", 1, "Sam")
    with pytest.raises(Impossible):
        open_cohort(world)


def test_no_cohort_is_opened_while_a_hold_waits(world):
    cross(world)
    with pytest.raises(Impossible, match="A hold was raised or stands"):
        open_cohort(world)
    judge(world, DecisionKind.HOLD_DISMISSED)
    open_cohort(world)


# --- The letter -------------------------------------------------------------------------------------------------------


def compose(world: World):
    with world.write("trialcrf") as tx:
        mail = remind.claim(tx)
        while mail is not None and mail.kind != "hold":
            mail = remind.claim(tx)
        assert mail is not None
        return remind.compose(tx, mail, "https://crf.example.org", NOW)


def test_the_letter_names_no_subject_and_is_not_sent_when_the_hold_is_over(world):
    one, other = cross(world)
    letter = compose(world)
    said = str(letter)
    assert "/studies/msc_ssc/stopping" in said
    assert one.key not in said and other.key not in said and "01" not in letter.subject
    judge(world, DecisionKind.HOLD_DISMISSED)
    assert compose(world) is None
    assert ("sam", "cancelled") in mails(world) or ("ivan", "cancelled") in mails(world)


# --- The ledger in the database ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("attack", ["UPDATE study_decision SET name = 'Olga'", "DELETE FROM study_decision"])
def test_a_decision_is_never_changed_or_deleted(world, attack):
    cross(world)
    with pytest.raises(DBAPIError, match="never be changed or deleted"), world.engine.begin() as connection:
        connection.info["permit"] = "study_decision"
        connection.execute(text(attack))


@pytest.mark.parametrize("column", ["", "name", "kind", "content", "at", "role"])
def test_a_forged_decision_is_found(world, column):
    cross(world)
    judge(world, DecisionKind.HOLD_CONFIRMED)
    with world.read() as tx:
        assert [one for one in replay.differences(tx) if one.entity == "study_decision"] == []
    on = " ON study_decision" if world.engine.dialect.name == "postgresql" else ""
    forged = {"name": "Olga", "kind": "hold_dismissed", "content": "{}", "at": "2026-11-21T09:00:01.000000Z", "role": "monitor"}
    with world.engine.begin() as connection:
        connection.execute(text(f"DROP TRIGGER study_decision_no_{'update' if column else 'delete'}{on}"))
        statement = (
            f"UPDATE study_decision SET {column} = :new WHERE number = 2" if column else "DELETE FROM study_decision WHERE number = 2"
        )
        connection.execute(text(statement), {"new": forged[column]} if column else {})
    with world.read() as tx:
        found = [one for one in replay.differences(tx) if one.entity == "study_decision"]
    assert [one.entity_id for one in found] == ["2"]


def test_a_report_of_an_earlier_moment_knows_the_decisions_of_then(world):
    cross(world)
    with world.read() as tx:
        then = audit.heads_at(tx.connection, NOW, [world.study])
    judge(world, DecisionKind.HOLD_CONFIRMED)
    with world.read() as tx:
        assert [one.kind for one in decisions.known_at(tx, world.study, then)] == [DecisionKind.HOLD_RAISED]
        now = audit.heads_at(tx.connection, NOW, [world.study])
        assert len(decisions.known_at(tx, world.study, now)) == 2
        assert tx.read(select(study_decision.c.number)).scalars().all() == [1, 2]
