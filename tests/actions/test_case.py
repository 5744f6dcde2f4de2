"""Serious events from the save that opens a case to its closing, on real databases."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.actions.world import CAST, NOW, World, typed
from trialcrf.actions import Impossible, NotAllowed, enrol, enter
from trialcrf.actions.reminding import letters
from trialcrf.actions.safety import case, escalate
from trialcrf.actions.safety.follow_case import Followed, followed
from trialcrf.core.document import FormKey
from trialcrf.core.safety.case import Case, CaseState, Kind
from trialcrf.core.safety.clock import ClockState
from trialcrf.core.workflow import NotPossible
from trialcrf.store import accounts, audit, cases, forms, outbox, replay, sites
from trialcrf.store.ledgers import Stale

SERIOUS = {"AE_WORDS": "Sepsis", "AE_GRADE": "4", "AE_ONSET": (20, 11, 2026), "AE_SERIOUS": "Y", "AE_HOSPITAL": "Y"}
AWARE = {"AE_AWARE": (21, 11, 2026, "08:00")}  # NOW is 10:00 at the site
JUDGED = {"AERELPRD": "RELATED"}


def recipient(world: World):
    return world.enrol("recipient", ICF_DATE=(2, 11, 2026), now=NOW - timedelta(days=5))


def opened(world: World, now=NOW, **boxes: object):
    subject = recipient(world)
    world.save(subject, "ADVERSE", "AE", typed(**SERIOUS, **boxes), now=now)
    return subject


def of(world: World, number: int = 1, now=NOW) -> Followed:
    with world.read() as tx:
        found = cases.find(tx, world.study, number)
        assert found
        return followed(tx, world.published, [found], now)[0]


def act(world: World, name: str, verb, *said: object, now=NOW, seen: Followed | None = None, **more: object):
    seen = seen or of(world, now=now)
    with world.write(name, now) as tx:
        return verb(tx, world.published, seen, *said, **more)


def correct(world: World, subject, version: int, now=NOW, name: str = "cora", **boxes: object):
    reason = world.published.study.reasons.items[0].code
    return world.save(subject, "ADVERSE", "AE", typed(version, reason, **boxes), now=now, name=name)


def kinds(world: World, number: int = 1) -> list[Kind]:
    return [one.kind for one in of(world, number).case.entries]


def differences(world: World) -> list[replay.Difference]:
    with world.read() as tx:
        return list(replay.differences(tx))


def test_the_save_that_makes_an_event_serious_opens_its_case_once(world):
    subject = recipient(world)
    world.save(subject, "ADVERSE", "AE", typed(**{**SERIOUS, "AE_SERIOUS": "N", "AE_HOSPITAL": ""}))
    with world.read() as tx:
        assert cases.all_of(tx, world.study) == []
    correct(world, subject, 1, AE_SERIOUS="Y", AE_HOSPITAL="Y", **AWARE)
    correct(world, subject, 2, AE_WORDS="Septic shock")
    found = of(world)
    assert [(one.kind, one.name, one.role) for one in found.case.entries] == [(Kind.OPENED, "Cora", "coordinator")]
    assert found.case.entries[0].content == {"aware": "2026-11-21T07:00:00+00:00"}
    assert (found.case.number, found.case.subject, found.facts.term) == (1, "R-01-001", "Septic shock")
    assert next(one for one in found.deadlines if one.obligation.oid == "SITE_24H").due == NOW - timedelta(hours=2) + timedelta(days=1)


def test_the_cases_of_sites_are_those_that_stand_now(world):
    """They are kept from look to look: a new one, a line of one and another site's are seen at once, by number."""

    def look() -> list[Case]:
        with world.read() as tx:
            found = cases.of_sites(tx, sites.all_of(tx, world.study))
            assert found == cases.all_of(tx, world.study)
            (second,) = [one for one in sites.all_of(tx, world.study) if one.code == "02"]
            assert cases.of_sites(tx, [second]) == [one for one in found if one.site == "02"]
        return found

    assert look() == look() == []
    for site in ("01", "02", "01"):
        world.save(world.enrol("recipient", site, ICF_DATE=(2, 11, 2026)), "ADVERSE", "AE", typed(**SERIOUS))
        look()
    first = look()[0]
    act(world, "ivan", case.inform, "Ivan", NOW, "by telephone")
    assert [one.number for one in look()] == [1, 2, 3] and len(look()[0].entries) > len(first.entries)


def test_cases_are_numbered_in_the_study_and_each_row_has_its_own(salt):
    subject = salt.enrol("volunteer", now=NOW, AGREED=(1, 11, 2026), BORN=("", 5, 1980), GENDER="F")
    boxes = {"OUCH": "Fainted", "WHERE": "HEAD", "HOW_BAD": "AWFUL", "SINCE": (2, 11, 2026), "HOW_IT_ENDED": "RECOVERED/RESOLVED"}
    rows = {f"LIST__new{number}__{oid}": said for number in (1, 2) for oid, said in {**boxes, "GRAVE": "Y"}.items()}
    salt.save(subject, "COMPLAINTS", "WOES", typed(**rows))
    with salt.read() as tx:
        found = cases.all_of(tx, "salt")
        assert [(one.number, one.row) for one in found] == [(1, "1"), (2, "2")]
        assert list(replay.differences(tx)) == []


@pytest.mark.parametrize("how", ["no longer", "form", "subject"])
def test_an_event_that_is_none_nullifies_its_case_and_one_that_is_again_reopens_it(world, how):
    subject = opened(world)
    if how == "no longer":
        correct(world, subject, 1, AE_SERIOUS="N", AE_HOSPITAL="")
    with world.write() as tx:
        stored = forms.read(tx, subject.id, FormKey("AE", "ADVERSE"))
        if how == "form":
            enter.mark_form_error(tx, subject, stored, "wrong person")
        if how == "subject":
            enrol.mark_subject_error(tx, subject, "wrong person")
    found = of(world)
    last = found.case.entries[-1]
    assert found.case.state is CaseState.NULLIFIED
    assert (last.kind, last.actor, last.content["by"]) == (Kind.NULLIFIED, "trialcrf", "cora")
    assert last.content["reason"] == ("" if how == "no longer" else "wrong person")
    assert not any(one.waits for one in found.deadlines)
    if how == "no longer":
        correct(world, subject, 2, AE_SERIOUS="Y", AE_HOSPITAL="Y")
        assert kinds(world) == [Kind.OPENED, Kind.NULLIFIED, Kind.REOPENED]


def test_from_the_opening_to_the_closing(world):
    subject = opened(world, AE_RELATED="RELATED", AE_BY_PRODUCT="RELATED", **AWARE)
    later = NOW + timedelta(hours=1)
    act(world, "cora", case.inform, "Investigator", NOW, "Told by telephone")
    act(world, "ivan", case.submit, "SITE_24H", "Sponsor", later, "", now=later)
    act(world, "sam", case.freeze, "first report", now=later)
    act(world, "sam", case.assess, {**JUDGED, "AERELDIS": "NOT RELATED"}, False, "", now=later)
    assert of(world).case.state is CaseState.ASSESSED
    with pytest.raises(Impossible, match="while a report is due"):
        act(world, "sam", case.close, "done", now=later)
    act(world, "sam", case.submit, "SUSAR_15D", "EudraVigilance", later, "EV-1", now=later)
    sent = of(world, now=later).case.entries[-1]
    act(world, "sam", case.acknowledge, sent.number, later, "ACK-1", now=later)
    with pytest.raises(Impossible):
        act(world, "sam", case.acknowledge, sent.number, later, "ACK-2", now=later)
    act(world, "sam", case.close, "everything reported", now=later)
    found = of(world, now=later)
    assert found.case.state is CaseState.CLOSED
    assert {one.obligation.oid for one in found.deadlines if one.state is ClockState.MET} == {"SITE_24H", "SUSAR_15D"}
    correct(world, subject, 1, AE_GRADE="5", now=later)
    assert of(world).case.state is CaseState.OPEN, "a change opens it anew"
    assert differences(world) == []


def test_a_version_says_what_changed_since_and_needs_something_new(world):
    subject = opened(world)
    act(world, "sam", case.freeze, "")
    with pytest.raises(Impossible, match="Nothing is new"):
        act(world, "sam", case.freeze, "", now=NOW + timedelta(minutes=1))
    later = NOW + timedelta(hours=2)
    correct(world, subject, 1, now=later, AE_GRADE="3")
    found = of(world, now=later)
    assert [(one.item.oid, one.old.text, one.new.text) for one in found.unreported] == [("AE_GRADE", "4", "3")]
    act(world, "sam", case.freeze, "grade corrected", now=later)
    assert [one.entry.content["kind"] for one in of(world).case.versions] == ["initial", "follow_up"]
    assert not of(world).unreported


def test_an_event_that_becomes_life_threatening_later_has_the_shorter_clock(world):
    subject = opened(world)
    later = NOW + timedelta(days=3)
    correct(world, subject, 1, now=later, AE_LIFE="Y")
    states = {one.obligation.oid: one for one in of(world, now=later).deadlines}
    assert states["SUSAR_WORSE"].starts == later
    assert states["SUSAR_7D"].state is ClockState.NOT_STARTED


def test_two_sponsors_at_once_do_not_overwrite_each_other(world):
    opened(world)
    both_saw = of(world)
    act(world, "sam", case.assess, JUDGED, False, "first", seen=both_saw)
    with pytest.raises(Stale):
        act(world, "sam", case.assess, {"AERELPRD": "NOT RELATED"}, True, "second", seen=both_saw)
    assert [one.content["comment"] for one in of(world).case.all_of(Kind.ASSESSED)] == ["first"]


def test_whoever_judges_otherwise_says_why(world):
    opened(world, AE_RELATED="RELATED", AE_BY_PRODUCT="RELATED")
    with pytest.raises(Impossible, match="Say why"):
        act(world, "sam", case.assess, {"AERELPRD": "NOT RELATED"}, False, " ")
    with pytest.raises(Impossible, match="Say why"):
        act(world, "sam", case.assess, JUDGED, True, "")
    act(world, "sam", case.assess, {"AERELPRD": "NOT RELATED"}, False, "disease")
    assert case.disagreements(of(world)) == ["AERELPRD"]
    assert next(one for one in of(world).deadlines if one.obligation.oid == "SUSAR_15D").waits, "it stays related"


@pytest.mark.parametrize("said", [{}, {"AERELPRD": "MAYBE"}, {"AETERM": "RELATED"}])
def test_a_judgement_is_of_a_factor_and_in_the_words_offered(world, said):
    opened(world)
    with pytest.raises(Impossible):
        act(world, "sam", case.assess, said, False, "x")


WRITING = {
    "assess": (case.assess, (JUDGED, False, "")),
    "freeze": (case.freeze, ("",)),
    "narrate": (case.narrate, ("fr", "Histoire")),
    "inform": (case.inform, ("Somebody", NOW, "Something")),
    "attach": (case.attach, ("a.txt", b"note")),
}


def test_each_role_writes_its_own_lines_only(world):
    opened(world)
    allowed = {}
    for name in CAST:
        for said, (verb, args) in WRITING.items():
            try:
                act(world, name, verb, *args)
                allowed.setdefault(CAST[name][0], set()).add(said)
            except (NotAllowed, Impossible) as refused:
                assert isinstance(refused, NotAllowed) or "Nothing is new" in str(refused)
    site = {"inform", "attach"}
    assert allowed == {"coordinator": site, "investigator": site, "donor_physician": site, "sponsor": set(WRITING)}


def test_a_report_is_logged_by_whoever_must_send_it_and_not_before_it_was_known(world):
    opened(world, **AWARE)
    with pytest.raises(NotAllowed):
        act(world, "sam", case.submit, "SITE_24H", "Sponsor", NOW, "")
    with pytest.raises(NotAllowed):
        act(world, "ivan", case.submit, "SUSAR_15D", "EudraVigilance", NOW, "")
    for at, said in ((NOW - timedelta(hours=2, minutes=1), "known"), (NOW + timedelta(minutes=1), "future"), (None, "day and time")):
        with pytest.raises(Impossible, match=said):
            act(world, "ivan", case.submit, "SITE_24H", "Sponsor", at, "")
    with pytest.raises(Impossible, match="Freeze"):
        act(world, "sam", case.submit, "SUSAR_15D", "EudraVigilance", NOW, "")
    with pytest.raises(Impossible, match="obligations"):
        act(world, "sam", case.submit, "PTC_15D", "ANSM", NOW, "")
    assert kinds(world) == [Kind.OPENED]


def test_a_closed_case_is_not_assessed(world):
    opened(world, AE_RELATED="NOT RELATED")
    act(world, "sam", case.assess, {"AERELPRD": "NOT RELATED"}, None, "")
    act(world, "sam", case.close, "not related")
    with pytest.raises(NotPossible):
        act(world, "sam", case.assess, JUDGED, False, "")
    act(world, "sam", case.reopen, "new information")
    assert of(world).case.state is CaseState.OPEN


@pytest.mark.parametrize(
    ("name", "content", "kept"),
    [
        ("../../etc/Compte rendu.EXE", b"%PDF-1.7 x", ("Compte rendu.pdf", "application/pdf")),
        ("C:\\x\\photo.png", b"\x89PNG\r\n\x1a\nx", ("photo.png", "image/png")),
        ("", b"\xff\xd8\xffx", ("document.jpg", "image/jpeg")),
        ("lettre<b>.txt", "é".encode(), ("lettre_b_.txt", "text/plain")),
    ],
)
def test_a_document_is_kept_under_a_clean_name_as_what_it_is(world, name, content, kept):
    opened(world)
    act(world, "sam", case.attach, name, content)
    said = of(world).case.entries[-1].content
    with world.read() as tx:
        paper, stored = cases.paper(tx, of(world).case.id, said["attachment"])
    assert ((paper.name, paper.media_type), stored, paper.sha256) == (kept, content, said["sha256"])
    assert differences(world) == []


@pytest.mark.parametrize("content", [b"", b"MZ\x90\x00", b"PK\x03\x04", b"<html>", b" <svg/>", b"x\x00y", b"%PDF-" + bytes(20 * 1024**2)])
def test_a_document_of_another_kind_or_size_is_refused_and_nothing_is_kept(world, content):
    opened(world)
    with pytest.raises(Impossible):
        act(world, "sam", case.attach, "x.pdf", content)
    with world.read() as tx:
        assert tx.read(text("SELECT count(*) FROM attachment")).scalar() == 0
    assert kinds(world) == [Kind.OPENED]


def test_the_ledger_as_it_was_known_at_a_checkpoint(world):
    subject = opened(world)
    with world.read() as tx:
        then = audit.heads_at(tx.connection, NOW, [subject.site.chain])
    act(world, "sam", case.assess, JUDGED, False, "", now=NOW + timedelta(hours=1))
    with world.read() as tx:
        (known,) = cases.cases_at(tx, world.study, then)
        assert [one.kind for one in known.entries] == [Kind.OPENED]
        assert cases.cases_at(tx, world.study, audit.Checkpoint(())) == []


@pytest.mark.parametrize(
    ("statement", "entity"),
    [
        ('UPDATE case_entry SET content = \'{"aware":"x"}\'', "case_entry"),
        ("UPDATE case_entry SET role = 'sponsor'", "case_entry"),
        ("DELETE FROM case_entry WHERE number = 2", "case_entry"),
        ("UPDATE attachment SET content = X'00'", "attachment"),
        ("UPDATE safety_case SET number = 9", "safety_case"),
    ],
)
def test_an_altered_ledger_is_found_by_the_proof(world, statement, entity):
    opened(world)
    act(world, "sam", case.attach, "x.txt", b"note")
    with world.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"ALTER TABLE {entity} DISABLE TRIGGER ALL"))
            statement = statement.replace("X'00'", "'\\x00'::bytea")
        else:
            for name in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all():
                connection.execute(text(f"DROP TRIGGER {name}"))
        connection.exec_driver_sql(statement)
        connection.commit()
    assert {one.entity for one in differences(world)} == {entity}


# --- Reminders -------------------------------------------------------------------------------------------------------------------------


def scan(world: World, now) -> list[tuple[str, str]]:
    """Who is told of which step, newly."""
    with world.write("trialcrf", now) as tx:
        before = {one.id for one in outbox.all_of(tx)}
        escalate.scan_clocks(tx, now)
        return sorted((one.username, one.key.split("|")[-2]) for one in outbox.all_of(tx) if one.id not in before and "SITE_24H" in one.key)


def test_a_clock_reminds_step_by_step_each_once_and_escalates(world):
    opened(world, **AWARE)
    begun = NOW - timedelta(hours=2)
    assert scan(world, NOW) == [("ivan", "opened")]
    assert scan(world, NOW + timedelta(minutes=15)) == []
    assert scan(world, begun + timedelta(hours=13)) == [("ivan", "half")]
    assert scan(world, begun + timedelta(hours=21)) == [("ivan", "soon")]
    assert scan(world, begun + timedelta(hours=25)) == [("ivan", "over"), ("sam", "over")]
    assert scan(world, begun + timedelta(hours=49)) == [("ivan", "over_day"), ("sam", "over_day")]


def test_a_reminder_is_not_sent_once_it_was_reported(world):
    opened(world, **AWARE)
    scan(world, NOW)
    with world.read() as tx:
        ivan = accounts.find(tx, "ivan")
        row = next(one for one in outbox.all_of(tx) if "SITE_24H" in one.key)
    params = {"study": world.study, "site": "01", "case": 1, "obligation": "SITE_24H", "starts": row.key.split("|")[4], "step": "opened"}
    with world.read() as tx:
        written = letters.write(tx, "clock", ivan, params, NOW)
    assert written.path == "/studies/msc_ssc/cases/1"
    assert written.values["hours"] == 22
    assert "R-01" not in str(written) and "Sepsis" not in str(written)
    with world.read() as tx, pytest.raises(letters.NoLongerDue, match="elsewhere"):
        letters.write(tx, "clock", ivan, params, NOW + timedelta(hours=15))
    act(world, "ivan", case.submit, "SITE_24H", "Sponsor", NOW, "")
    with world.read() as tx, pytest.raises(letters.NoLongerDue, match="Nothing is to be reported"):
        letters.write(tx, "clock", ivan, params, NOW)
    assert scan(world, NOW + timedelta(hours=30)) == []


def test_a_reminder_goes_to_nobody_who_lost_the_role(world):
    opened(world, **AWARE)
    with world.read() as tx:
        cora = accounts.find(tx, "cora")
        starts = cases.said(NOW - timedelta(hours=2))
        params = {"study": world.study, "site": "01", "case": 1, "obligation": "SITE_24H", "starts": starts, "step": "opened"}
        with pytest.raises(letters.NoLongerDue, match="not to be told"):
            letters.write(tx, "clock", replace(cora), params, NOW)


def test_two_events_that_become_serious_at_once_get_two_numbers(world):
    people = [recipient(world), world.enrol("recipient", "02", ICF_DATE=(2, 11, 2026), now=NOW - timedelta(days=5))]
    together = threading.Barrier(2)

    def save(subject) -> None:
        together.wait()
        world.save(subject, "ADVERSE", "AE", typed(**SERIOUS))

    threads = [threading.Thread(target=save, args=(one,)) for one in people]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    with world.read() as tx:
        assert sorted(one.number for one in cases.all_of(tx, world.study)) == [1, 2]
