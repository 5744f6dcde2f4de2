"""The ledger of a monitoring visit: which line may follow which, when it is closed, and what its letter says."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tests.core.safety_cases import CUT, study
from tests.plain_values import as_sample
from trialcrf.core.oversight.monitoring import (
    ENTRY_KINDS,
    MONITORING_MOVES,
    MONITORING_STATES,
    EntryKind,
    Monitoring,
    MonitoringEntry,
    MonitoringState,
    NotNow,
    check,
)
from trialcrf.core.packs.monitoring import MonitoringLetter, NoVisit, SampledSubject, monitoring_letter

SAMPLE = Path(__file__).resolve().parents[2] / "reports" / "monitoring" / "sample.json"
AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
K, S = EntryKind, MonitoringState
PLANNED = (K.PLANNED, {"on": "2026-03-02", "purpose": "routine", "what": "First three recipients"})
DRAWN = (K.SAMPLE, {"seed": "x", "subjects": [{"subject": "R-01-001", "required": 40, "verified": 12, "changed": 1}]})
HELD = (K.HELD, {"from": "2026-03-02", "to": "2026-03-03", "present": "Investigator and coordinator"})
FINDING = (K.FINDING, {"severity": "major", "subject": "R-01-001", "text": "The consent form is an earlier version than the one in force."})
ACTION = (K.ACTION, {"finding": 4, "owner": "site", "due": "2026-03-31", "text": "Have the present version signed."})
DONE = (K.FOLLOW_UP_DONE, {"action": 5, "text": "Seen in the file."})
SENT = (K.LETTER_SENT, {"on": "2026-03-05", "to": "The investigator", "report": 7})
CLOSED = (K.CLOSED, {"text": ""})
LINES = {kind: (kind, content) for kind, content in (PLANNED, DRAWN, HELD, FINDING, ACTION, DONE, SENT, CLOSED)} | {
    K.QUERY: (K.QUERY, {"query": 12, "subject": "R-01-002"}),
    K.VERIFIED: (K.VERIFIED, {"subject": "R-01-001", "event": "SCR", "repeat": 1, "values": 25}),
    K.CANCELLED: (K.CANCELLED, {"why": "The monitor is ill."}),
}


def visit(*lines: tuple[EntryKind, dict[str, object]]) -> Monitoring:
    entries = tuple(
        MonitoringEntry(number, kind, AT, "mona", "Mona Marin", "monitor", "Invented CRO", content)
        for number, (kind, content) in enumerate(lines, 1)
    )
    return Monitoring(1, "msc_demo", "01", 3, "routine", date(2026, 3, 2), AT, entries)


@pytest.mark.parametrize(
    ("lines", "state", "possible"),
    [
        ((PLANNED,), S.PLANNED, {K.SAMPLE, K.HELD, K.CANCELLED}),
        ((PLANNED, DRAWN), S.PLANNED, {K.SAMPLE, K.HELD, K.CANCELLED}),
        ((PLANNED, HELD), S.HELD, {K.SAMPLE, K.VERIFIED, K.QUERY, K.FINDING, K.ACTION, K.FOLLOW_UP_DONE, K.LETTER_SENT}),
        ((PLANNED, HELD, SENT), S.REPORTED, {K.LETTER_SENT, K.FOLLOW_UP_DONE, K.CLOSED}),
        ((PLANNED, HELD, SENT, CLOSED), S.CLOSED, set()),
        ((PLANNED, LINES[K.CANCELLED]), S.CANCELLED, set()),
    ],
)
def test_each_state_has_its_lines_and_every_other_is_refused(lines, state, possible):
    one = visit(*lines)
    assert one.state is state
    assert {kind for kind in K if (state, kind) in MONITORING_MOVES} == possible
    for kind in set(K) - possible:
        with pytest.raises(NotNow, match="no longer possible"):
            check(one, kind, LINES[kind][1])


def test_nothing_is_closed_over_an_open_action_and_only_an_open_one_is_done():
    waiting = visit(PLANNED, DRAWN, HELD, FINDING, ACTION, SENT)
    assert [one.number for one in waiting.open_actions] == [5]
    with pytest.raises(NotNow, match="still open"):
        check(waiting, K.CLOSED, {"text": ""})
    with pytest.raises(NotNow, match="not open"):
        check(waiting, K.FOLLOW_UP_DONE, {"action": 4, "text": "x"})
    check(waiting, K.FOLLOW_UP_DONE, DONE[1])
    done = visit(PLANNED, DRAWN, HELD, FINDING, ACTION, SENT, DONE)
    assert not done.open_actions and done.actions[0].done is done.entries[-1]
    check(done, K.CLOSED, {"text": ""})
    with pytest.raises(NotNow, match="not open"):
        check(done, K.FOLLOW_UP_DONE, DONE[1])


def test_an_action_belongs_to_a_finding_of_the_visit_or_to_none():
    one = visit(PLANNED, DRAWN, HELD, FINDING)
    for finding in (0, 4):
        check(one, K.ACTION, {**ACTION[1], "finding": finding})
    with pytest.raises(NotNow, match="finding of this visit"):
        check(one, K.ACTION, {**ACTION[1], "finding": 3})


def test_every_kind_and_state_has_its_word():
    assert set(ENTRY_KINDS) == set(K) and set(MONITORING_STATES) == set(S)


# --- The letter -------------------------------------------------------------------------------------------------------


def letter(*lines: tuple[EntryKind, dict[str, object]]) -> MonitoringLetter:
    return monitoring_letter(study(), visit(*lines), CUT)


WHOLE = (PLANNED, DRAWN, HELD, FINDING, ACTION, LINES[K.VERIFIED], LINES[K.VERIFIED], LINES[K.QUERY])


def test_a_letter_says_what_was_held_sampled_asked_found_and_agreed():
    told = letter(*WHOLE)
    assert (told.first, told.last, told.monitor, told.number, told.site) == (date(2026, 3, 2), date(2026, 3, 3), "Mona Marin", 3, "01")
    assert told.sample == (SampledSubject("R-01-001", 40, 12, 1, 50),) and told.verified == 50
    assert told.queries == ((12, "R-01-002"),)
    assert [(one.number, one.severity.msgid, one.subject) for one in told.findings] == [(1, "major", "R-01-001")]
    assert [(one.finding, one.due, one.done) for one in told.actions] == [(1, date(2026, 3, 31), None)]
    followed = letter(*WHOLE, DONE)
    assert [(one.done, one.how) for one in followed.actions] == [(AT.date(), "Seen in the file.")]


def test_who_was_looked_at_beside_the_sample_is_told_too_and_without_a_sample_nobody_is_made_up():
    other = (K.VERIFIED, {**LINES[K.VERIFIED][1], "subject": "R-01-009"})
    assert letter(*WHOLE, other).sample[1:] == (SampledSubject("R-01-009", 0, 0, 0, 25),)
    assert letter(PLANNED, HELD).sample is None


def test_there_is_no_letter_of_a_visit_that_was_not_held():
    with pytest.raises(NoVisit, match="not held"):
        letter(PLANNED, DRAWN)


def test_the_sample_of_the_document_is_what_its_value_says():
    told = letter(*WHOLE, DONE, (K.FINDING, {"severity": "minor", "subject": "", "text": "The delegation log lacks a signature."}))
    assert SAMPLE.read_text(encoding="utf-8") == as_sample(told)
