"""Results of a saved form: which limits are used, what is proposed, and which adverse event records it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from tests.actions.world import NOW, World, study_of, typed
from trialcrf.actions import begin, enter
from trialcrf.actions.safety import grade, keep_limits, take_over
from trialcrf.actions.safety.grade import Graded, Line
from trialcrf.actions.safety.keep_limits import TypedLimits
from trialcrf.core.document import FormKey, Place
from trialcrf.core.results import results
from trialcrf.external.language import Language
from trialcrf.store import audit, forms, sites
from trialcrf.store.subjects import Subject

CONSENT = {
    "ICF_DATE": (2, 1, 2026), "ICF_VERSION": "1.0", "ICF_LANG": "fr", "ICF_SIGNED": "Y", "BIRTH_MONTH": ("", 5, 1980), "SEX_BIRTH": "F",
}  # fmt: skip


def said(one: object) -> str:
    return Language("en").say(one) if one is not None else ""  # type: ignore[arg-type]


def labs(world: World, subject: Subject, event: str = "SCR", day: tuple[int, int, int] = (10, 1, 2026), **boxes: object) -> None:
    world.save(subject, "LABS", event, typed(**{"LAB_DATE": day, **boxes}))


def judged(world: World, subject: Subject, event: str = "SCR", form: str = "LABS") -> Graded:
    published = world.published
    with world.read() as tx:
        found = grade.grade(tx, enter.open_form(tx, published, subject, FormKey(event, form), NOW), subject)
    assert found
    return found


def line(world: World, subject: Subject, item: str, event: str = "SCR", form: str = "LABS") -> Line:
    return next(one for one in judged(world, subject, event, form).lines if one.place.item == item)


def limits(
    world: World, analyte: str, unit: str, low: str = "", high: str = "", laboratory: str = "Central", first: date | None = None
) -> None:
    with world.write("dana") as tx:
        at = sites.find(tx, "msc_ssc", "01")
        assert at
        keep_limits.add(tx, world.published.study, at, TypedLimits(laboratory, analyte, unit, "", low, high, first or date(2026, 1, 1)))


def infused(world: World, subject: Subject, day: tuple[int, int, int]) -> None:
    form, _ = next((one, item) for one in world.published.study.forms if (item := one.with_alias("EXSTDAT")))
    item = form.with_alias("EXSTDAT")
    assert item
    world.save(subject, form.oid, "D0", typed(**{item.oid: (*day, "10:00")}))


def event(world: World, subject: Subject, n: int = 1, **boxes: object) -> None:
    sent = {"AE_WORDS": "neutropenia", "AE_CTCAE": "Neutrophil count decreased", "AE_GRADE": "3", "AE_ONSET": (10, 1, 2026)} | boxes
    where = grade.event_form(world.published.study, "recipient")
    assert where
    world.save(subject, where[1].oid, where[0], typed(**sent), repeat=n)


def test_the_form_first_then_the_laboratory_and_what_is_not_known_is_said(world: World) -> None:
    subject = world.enrol("recipient", **CONSENT)
    labs(world, subject, NEUTROPHILS="0.9", ALAT="50", ALAT_ULN="40", PLATELETS="<10", C_REACTIVE="12")
    alat = line(world, subject, "ALAT")
    assert (said(alat.flag), said(alat.limits), said(alat.source)) == ("High", "upper limit 40", "recorded on this form")
    neutrophils = line(world, subject, "NEUTROPHILS")
    assert (said(neutrophils.flag), neutrophils.limits) == ("Not judged", None)
    assert said(neutrophils.source) == "no limits of the site hold on that day"
    assert neutrophils.proposal and neutrophils.proposal.grade == 3
    limits(world, "NEUT", "10⁹/L", "1.8", "7.5")
    limits(world, "ALT", "U/L", "5", "35")
    limits(world, "CRP", "mg/L", high="5", first=date(2026, 1, 11))
    neutrophils, alat = line(world, subject, "NEUTROPHILS"), line(world, subject, "ALAT")
    assert (said(neutrophils.flag), said(neutrophils.limits)) == ("Low", "1.8 to 7.5")
    assert said(neutrophils.source) == "Central, since 1 Jan 2026"
    assert said(alat.limits) == "5 to 40"
    assert said(line(world, subject, "C_REACTIVE").source) == "no limits of the site hold on that day"
    limits(world, "NEUT", "10⁹/L", "2", "8", laboratory="Other")
    doubtful = line(world, subject, "NEUTROPHILS")
    assert doubtful.limits is None and "several laboratories" in said(doubtful.source)
    assert said(line(world, subject, "PLATELETS").value) == "<10"
    assert line(world, subject, "PLATELETS").proposal.grade == 4  # type: ignore[union-attr]


def test_a_baseline_is_the_latest_value_before_the_day_of_treatment(world: World) -> None:
    subject = world.enrol("recipient", **CONSENT)
    labs(world, subject, ALAT="60", ALAT_ULN="40")
    before = line(world, subject, "ALAT").proposals[0]
    assert (before.grade, before.by_limits) == (None, 1)
    infused(world, subject, (20, 1, 2026))
    assert line(world, subject, "ALAT").proposals[0].grade is None  # a value before treatment has no baseline
    labs(world, subject, "D10", (30, 1, 2026), ALAT="130", ALAT_ULN="40")
    assert line(world, subject, "ALAT", "D10").proposals[0].grade == 1  # 130 is 2.2 times 60; by the limit it would be 2
    labs(world, subject, "M3", (20, 1, 2026), ALAT="20", ALAT_ULN="40")
    assert line(world, subject, "ALAT", "D10").proposals[0].grade == 1  # that of the day itself may be from after it


def test_a_pressure_is_one_reading_and_has_no_limits(world: World) -> None:
    subject = world.enrol("recipient", **CONSENT)
    world.save(
        subject, "VITALS", "SCR",
        typed(BP__new1__BP_AT=(10, 1, 2026, "10:00"), BP__new1__SBP="185", BP__new1__DBP="112", TEMPERATURE="38.0", WT="60"),
    )  # fmt: skip
    found = judged(world, subject, form="VITALS")
    assert [(one.place.item, said(one.value), one.day[:10]) for one in found.lines] == [
        ("TEMPERATURE", "38.0", ""),
        ("SBP", "185/112", "2026-01-10"),
    ]
    reading = found.lines[1]
    assert reading.flag is None and reading.proposal and (reading.proposal.term, reading.proposal.grade) == ("Hypertension", 3)


def test_an_event_of_the_term_within_a_day_or_still_going_on_records_the_value(world: World) -> None:
    subject = world.enrol("recipient", **CONSENT)
    labs(world, subject, NEUTROPHILS="0.9")
    assert line(world, subject, "NEUTROPHILS").forgotten
    event(world, subject, 1, AE_ONSET=(12, 1, 2026))
    event(world, subject, 2, AE_CTCAE="Platelet count decreased")
    event(world, subject, 3, AE_ONSET=(1, 1, 2026), AE_OUTCOME="RECOVERED/RESOLVED", AE_STOP=(9, 1, 2026))
    assert line(world, subject, "NEUTROPHILS").forgotten
    event(world, subject, 4, AE_ONSET=(11, 1, 2026), AE_GRADE="2", AE_CTCAE="neutrophil count DECREASED")
    found = line(world, subject, "NEUTROPHILS")
    assert found.event and (found.event.key.form_repeat, found.event.lower, found.forgotten) == (4, True, False)
    with world.write() as tx:
        stored = forms.read(tx, subject.id, found.event.key)
        assert stored
        enter.mark_form_error(tx, subject, stored, "another patient")
    assert line(world, subject, "NEUTROPHILS").forgotten
    event(world, subject, 5, AE_ONSET=(2, 1, 2026))
    assert not line(world, subject, "NEUTROPHILS").forgotten


def test_an_event_is_begun_from_a_value_through_the_readers_of_its_items_and_nothing_is_written(world: World) -> None:
    subject = world.enrol("recipient", **CONSENT)
    other = world.enrol("recipient", **CONSENT)
    labs(world, subject, NEUTROPHILS="0.9", C_REACTIVE="3")
    published = world.published
    with world.read() as tx:
        stored = forms.read(tx, subject.id, FormKey("SCR", "LABS"))
        assert stored
        heads = audit.chains(tx.connection)

        def proposed(of: Subject, item: str, language: str = "en", form: int = stored.id) -> dict[str, dict[str, str]] | None:
            say = Language(language).say
            found = take_over.proposed(tx, published, of, form, Place(item), language, say, NOW)
            return {place.item: dict(raw.parts) for place, raw in found.raws.items()} if found else None

        boxes = proposed(subject, "NEUTROPHILS", "fr")
        assert boxes is not None
        assert boxes["AE_WORDS"] == {"": "Polynucléaires neutrophiles 0,9 10⁹/L"}
        assert boxes["AE_CTCAE"] == {"": "Neutrophil count decreased"}
        assert (boxes["AE_GRADE"], boxes["AE_CLASS"]) == ({"": "3"}, {"": "Investigations"})
        assert boxes["AE_ONSET"] == {"d": "10", "m": "01", "y": "2026"}
        assert boxes["AE_LAB"] == {"": f"{subject.key}/SCR/1/LABS/1/NEUTROPHILS"}
        for wrong in (
            proposed(other, "NEUTROPHILS"),
            proposed(subject, "C_REACTIVE"),
            proposed(subject, "X"),
            proposed(subject, "ALAT", form=9999),
        ):
            assert wrong is None
        assert audit.chains(tx.connection) == heads
        form = published.study.form["ADVERSE"]
        taken = begin.boxes(form, {"AEBODSYS": "No such class", "AETOXGR": "9", "AETERM": "x" * 201, "AEDECOD": "ok"}, "en", subject)
        assert {place.item for place in taken} == {"AE_CTCAE"}
        next_one = take_over.begin(tx, published, subject)
    assert next_one and (next_one.form_oid, next_one.form_repeat) == ("ADVERSE", 1)


def test_rows_have_a_day_and_limits_of_their_own(world: World) -> None:
    form = study_of("msc_ssc").form["LIVER"]
    group = next(group for group in form.groups if group.repeating)
    subject = world.enrol("recipient", **CONSENT)
    row = f"{group.oid}__new1__"
    dated = next(item.oid for item in group.items if "LBDAT" in item.aliases)
    world.save(subject, "LIVER", "SCR", typed(**{row + dated: (5, 1, 2026), row + "LIVER_ALT": "130", row + "LIVER_ALT_ULN": "40"}))
    with world.read() as tx:
        stored = forms.read(tx, subject.id, FormKey("SCR", "LIVER"))
    assert stored
    assert [(one.analyte, one.high, one.unit, one.day) for one in results(form, stored.document)] == [("ALT", "40", "U/L", "2026-01-05")]
    in_error = replace(stored.document.rows[group.oid][0], error="twice")
    assert list(results(form, stored.document.with_row(group.oid, in_error))) == []
