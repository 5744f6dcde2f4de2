"""Lung function beside what GLI predicts: which equation, which age, which height, and what is said where something is missing."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.actions.world import NOW, World, typed
from trialcrf.actions import compare_lung, enter
from trialcrf.actions.compare_lung import Comparison
from trialcrf.core.document import Document, FormKey
from trialcrf.external.language import Language
from trialcrf.store import forms
from trialcrf.store.subjects import Subject

LUNG = FormKey("SCR", "LUNG")
DAY = (16, 11, 2026)


def enrolled(world: World, **changed: object) -> Subject:
    """A woman who is 45 on the day of the test, to the middle of her month of birth."""
    boxes = {
        "ICF_DATE": (2, 11, 2026), "ICF_VERSION": "1.0", "ICF_LANG": "fr", "ICF_SIGNED": "Y",
        "BIRTH_MONTH": ("", 11, 1981), "SEX_BIRTH": "F",
    }  # fmt: skip
    return world.enrol("recipient", **{**boxes, **changed})


def compared(world: World, subject: Subject, key: FormKey = LUNG) -> Comparison | None:
    published = world.published
    with world.read() as tx:
        opened = enter.open_form(tx, published, subject, key, NOW)
        return compare_lung.compare(tx, opened, subject, key, opened.stored.document if opened.stored else Document())


def with_test(world: World, subject: Subject, event: str = "SCR", **boxes: object) -> Comparison:
    world.save(subject, "LUNG", event, typed(**{"LUNG_DATE": DAY, **boxes}))
    found = compared(world, subject, FormKey(event, "LUNG"))
    assert found is not None
    return found


def reasons(found: Comparison) -> list[str]:
    (line,) = found.lines
    assert (line.recomputed, line.predicted, line.difference) == (None, None, None)
    return [Language("en").say(one) for one in line.missing]


@pytest.mark.parametrize(
    ("reported_set", "used", "per_cent", "difference", "same"),
    [
        ("GLI_2012", "GLI-2012, Caucasian coefficients", "67.6", "-1.9", True),
        ("GLI_GLOBAL", "GLI-Global 2022", "71.9", "2.4", True),
        ("ECSC_ERS_1993", "GLI-Global 2022", "71.9", "2.4", False),
        ({"missing": "UNK"}, "GLI-Global 2022", "71.9", "2.4", False),
    ],
)
def test_the_reported_set_decides_which_equation_is_asked(world, reported_set, used, per_cent, difference, same) -> None:
    subject = enrolled(world)
    world.save(subject, "VITALS", "SCR", typed(HT="165"))
    found = with_test(world, subject, FVC_L="2.50", FVC_PCT="69.5", VOLUME_SET=reported_set)
    (line,) = found.lines
    assert (line.measured, line.reported, line.unit) == (Decimal("2.50"), Decimal("69.5"), "L")
    assert (Language("en").say(line.used), line.recomputed, line.difference) == (used, Decimal(per_cent), Decimal(difference))
    assert line.same_set is same
    assert line.missing == ()
    assert (found.person.age_shown, found.person.apart_shown, found.person.height) == (Decimal("45.0"), Decimal("0.04"), Decimal(165))


@pytest.mark.parametrize(
    ("unit", "value", "per_cent", "predicted"), [("CONVENTIONAL", "12", "55.6", "21.58"), ("SI", "4.02", "55.7", "7.22")]
)
def test_the_transfer_factor_is_compared_in_the_unit_of_the_laboratory(world, unit, value, per_cent, predicted) -> None:
    subject = enrolled(world)
    world.save(subject, "VITALS", "SCR", typed(HT="165"))
    found = with_test(world, subject, TLC_L="4.5", DLCO_VALUE=value, DLCO_UNIT_USED=unit, DLCO_PCT="50", DLCO_SET="GLI_2017")
    volume, transfer = found.lines
    assert (volume.recomputed, volume.difference, volume.reported_by) == (Decimal("83.3"), None, "")
    assert (transfer.recomputed, transfer.predicted, transfer.same_set) == (Decimal(per_cent), Decimal(predicted), True)
    assert Language("en").say(transfer.reported_by).startswith("GLI-2017")


def test_nothing_is_compared_on_a_form_that_measures_no_lung_function_or_is_blank(world) -> None:
    subject = enrolled(world)
    world.save(subject, "VITALS", "SCR", typed(HT="165"))
    assert compared(world, subject, FormKey("SCR", "VITALS")) is None
    assert compared(world, subject) is None


def test_what_is_missing_is_named_and_all_at_once(world) -> None:
    subject = enrolled(world)
    world.save(subject, "LUNG", "SCR", typed(FVC_L="2.5"))
    found = compared(world, subject)
    assert reasons(found) == ["date of the test not entered yet", "height not entered yet"]


@pytest.mark.parametrize(
    ("boxes", "reason"),
    [
        ({"FVC_PCT": "70"}, "measured value not entered yet"),
        ({"FVC_L": {"missing": "ND", "note": "device broken"}, "FVC_PCT": "70"}, "measured value: Not done"),
        ({"DLCO_VALUE": "12"}, "unit not entered yet"),
    ],
)
def test_a_value_that_cannot_be_compared_says_why(world, boxes, reason) -> None:
    subject = enrolled(world)
    world.save(subject, "VITALS", "SCR", typed(HT="165"))
    assert reasons(with_test(world, subject, **boxes)) == [reason]


def test_an_age_outside_the_equation_says_so(world) -> None:
    subject = enrolled(world, BIRTH_MONTH=("", 11, 1944))
    world.save(subject, "VITALS", "SCR", typed(HT="165"))
    volume, total = with_test(world, subject, FVC_L="2.50", TLC_L="4.5").lines
    assert volume.recomputed is not None
    assert [Language("en").say(one) for one in total.missing] == ["age 82.0 is outside the 5 to 80 years of GLI-2021"]
    assert total.recomputed is None


def visited(world: World, subject: Subject, event: str, day: int, height: str = "", repeat: int = 1) -> None:
    world.save(subject, "VISIT", event, typed(VIS_DATE=(day, 11, 2026)), event_repeat=repeat)
    if height:
        world.save(subject, "VITALS", event, typed(HT=height), event_repeat=repeat)


def test_the_height_is_the_latest_one_at_or_before_the_test(world) -> None:
    subject = enrolled(world)
    visited(world, subject, "UNS", 17, "180", repeat=2)
    visited(world, subject, "BAS", 14, "166")
    visited(world, subject, "SCR", 10, "165")
    visited(world, subject, "UNS", 15)
    found = with_test(world, subject, "UNS", FVC_L="2.50")
    assert found.person.height == Decimal(166)
    assert Language("en").say(found.person.height_from) == "Baseline"


def test_a_height_of_the_same_visit_comes_first_even_without_a_date(world) -> None:
    subject = enrolled(world)
    visited(world, subject, "BAS", 14, "166")
    world.save(subject, "VITALS", "SCR", typed(HT="165"))
    assert with_test(world, subject, FVC_L="2.50").person.height == Decimal(165)


def test_a_height_of_a_later_visit_is_not_taken_and_one_in_error_is_none(world) -> None:
    subject = enrolled(world)
    visited(world, subject, "UNS", 17, "180")
    found = with_test(world, subject, FVC_L="2.50")
    assert reasons(found) == ["no height at or before the test"]
    with world.write() as tx:
        stored = forms.read(tx, subject.id, FormKey("UNS", "VITALS"))
        enter.mark_form_error(tx, subject, stored, "another person")
    assert reasons(compared(world, subject)) == ["height not entered yet"]
