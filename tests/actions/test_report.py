"""Safety reports on a real database: the data of one moment, the same value again whatever came later, archived with their hash."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.actions.world import World, typed
from trialcrf.actions import Impossible, enter, publish
from trialcrf.actions.records import report
from trialcrf.core.definition.model import Study
from trialcrf.core.document import FormKey
from trialcrf.external.archive import keep
from trialcrf.store import definitions, forms, reports, sites

MORNING = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
NOON = MORNING + timedelta(hours=3)
EVENING = MORNING + timedelta(hours=10)
TODAY = date(2026, 11, 21)


def volunteer(world: World, now: datetime = MORNING, site: str = "01"):
    subject = world.enrol("volunteer", site, now=now, AGREED=(1, 11, 2026), BORN=("", 5, 1980), GENDER="F")
    world.save(subject, "ALLOT", "LOTTERY", typed(DRAWN=(2, 11, 2026), TO="LOW"), now=now)
    world.save(subject, "PLATE", "MEALS", typed(EATEN=(2, 11, 2026, "12:00"), GRAMS="2"), now=now)
    return subject


def complain(
    world: World, subject, what: str, now: datetime = MORNING, how_bad: str = "BIT", version: int | None = None, row: str = "new1"
):
    boxes = {"OUCH": what, "WHERE": "HEAD", "HOW_BAD": how_bad, "SINCE": (5, 11, 2026), "HOW_IT_ENDED": "RECOVERED/RESOLVED", "GRAVE": "N"}
    return world.save(
        subject, "COMPLAINTS", "WOES", typed(version, **{f"LIST__{row}__{oid}": value for oid, value in boxes.items()}), now=now
    )


def made(world: World, known_at: datetime, as_of: date = TODAY):
    with world.read() as tx:
        return report.safety_report(tx, world.study, as_of, known_at)


def order(world: World, now: datetime = MORNING, **other):
    values = {"language": "en", "as_of": TODAY, "known_at": None, "by": "dana", "why": "For a test."} | other
    with world.write("dana", now) as tx:
        return report.order(tx, definitions.current(tx, world.study), **values)


def test_a_report_knows_what_was_known_then_and_nothing_since(salt):
    subject = volunteer(salt)
    complain(salt, subject, "Headache")
    before = made(salt, NOON)
    assert (before.figures.events, before.figures.enrolled, before.figures.treated) == (1, 1, 1)

    world = salt
    complain(world, subject, "Nausea", EVENING, version=1)
    volunteer(world, EVENING, "02")
    changed = typed(2, "SLIP", LIST__1__HOW_BAD="AWFUL")
    world.save(subject, "COMPLAINTS", "WOES", changed, now=EVENING)
    after = made(world, EVENING)
    assert (after.figures.events, after.figures.enrolled, after.figures.severe_events) == (2, 2, 1)
    assert made(world, NOON) == before


def test_what_is_marked_in_error_later_was_still_counted_before(salt):
    subject = volunteer(salt)
    complain(salt, subject, "Headache")
    with salt.write(now=EVENING) as tx:
        enter.mark_form_error(tx, subject, forms.read(tx, subject.id, FormKey("WOES", "COMPLAINTS")), "another subject's")
    assert [made(salt, at).figures.events for at in (NOON, EVENING)] == [1, 0]


def test_a_report_says_which_definition_and_which_heads_of_chains_it_stands_on(salt):
    subject = volunteer(salt)
    first, again = made(salt, NOON).cut, made(salt, NOON).cut
    complain(salt, subject, "Headache", EVENING)
    later = made(salt, EVENING).cut
    assert first == again
    assert (first.definition_version, first.definition_hash) == (1, salt.published.hash)
    assert len(first.checkpoint) == 64 and first.checkpoint != later.checkpoint


def test_records_of_another_study_change_no_checkpoint(salt):
    volunteer(salt)
    before = made(salt, EVENING).cut.checkpoint
    other = Study(**{**_fields(salt.published.study), "oid": "pepper"})
    with salt.write("trialcrf", MORNING) as tx:
        published, _ = publish.publish(tx, other)
        sites.create(tx, published.study_id, "01", "Lyon", "Europe/Paris")
    assert made(salt, EVENING).cut.checkpoint == before


def _fields(study: Study) -> dict[str, object]:
    return {name: getattr(study, name) for name in Study.__dataclass_fields__}


@pytest.mark.parametrize(
    "asked",
    [
        {"known_at": MORNING + timedelta(seconds=1)},
        {"as_of": date(2026, 11, 23)},
        {"known_at": datetime(2020, 1, 1, tzinfo=UTC), "as_of": date(2019, 1, 1)},
        {"language": "de"},
    ],
)
def test_what_cannot_be_reported_is_refused_when_it_is_ordered(salt, asked):
    with pytest.raises(Impossible):
        order(salt, **asked)
    with salt.read() as tx:
        assert reports.all_of(tx, "salt") == []


def test_today_at_a_site_ahead_of_universal_time_can_be_reported(salt):
    assert order(salt, datetime(2026, 11, 21, 11, 0, tzinfo=UTC), as_of=date(2026, 11, 22)) is not None


def test_an_order_keeps_the_moment_it_was_made_at(salt):
    first, second = order(salt), order(salt, NOON)
    with salt.read() as tx:
        assert [reports.find(tx, one).known_at for one in (first, second)] == [MORNING, NOON]
        assert reports.waiting(tx, NOON) == [first, second]


def test_a_drawing_is_archived_whole_with_its_hash_and_once(salt, tmp_path):
    volunteer(salt)
    made_id = order(salt, NOON, language="fr")
    with salt.read() as tx:
        ordered = reports.find(tx, made_id)
        value = report.safety_report(tx, ordered.study_oid, ordered.as_of, ordered.known_at)
    drawing = report.drawing(value, ordered.language, ordered.kind)
    sha256 = report.keep_file(ordered, drawing, tmp_path)
    with salt.write("trialcrf", NOON) as tx:
        assert report.keep(tx, ordered, value, sha256)
    with salt.write("trialcrf", NOON) as tx:
        assert not report.keep(tx, ordered, value, sha256), "another worker came later with the same bytes"
    with salt.read() as tx:
        archived = reports.find(tx, made_id)
    assert archived.file == f"salt-safety-2026-11-21-fr-{made_id}.pdf"
    assert [path.name for path in tmp_path.iterdir()] == [archived.file]
    assert hashlib.sha256((tmp_path / archived.file).read_bytes()).hexdigest() == archived.sha256 == hashlib.sha256(drawing.pdf).hexdigest()
    assert (archived.state, archived.definition_version, archived.checkpoint) == (reports.DRAWN, 1, value.cut.checkpoint)


def monthly(world: World, now: datetime) -> list[int]:
    with world.write("trialcrf", now) as tx:
        return report.monthly(tx, now)


def test_the_monthly_report_is_ordered_once_for_a_month_that_is_over_everywhere(salt):
    december = datetime(2026, 12, 1, tzinfo=UTC)
    first = monthly(salt, december + timedelta(hours=11, minutes=59))
    second = monthly(salt, december + timedelta(hours=12))
    assert monthly(salt, december + timedelta(days=20)) == []
    with salt.read() as tx:
        ordered = [reports.find(tx, one) for one in (*first, *second)]
    assert [(one.as_of, one.language, one.ordered_by) for one in ordered] == [
        (date(2026, 10, 31), "en", "trialcrf"),
        (date(2026, 11, 30), "en", "trialcrf"),
    ]


def test_making_a_report_appends_nothing_to_the_trail(salt):
    from trialcrf.store import audit

    volunteer(salt)
    with salt.read() as tx:
        before = audit.chains(tx.connection)
    order(salt, NOON)
    monthly(salt, NOON)
    made(salt, NOON)
    with salt.read() as tx:
        assert audit.chains(tx.connection) == before


def test_a_file_that_cannot_be_written_leaves_the_old_one_and_no_rest(tmp_path, monkeypatch):
    path = tmp_path / "report.pdf"
    keep(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        keep(path, b"new")
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"old", [path])
