"""The skin score on its body map, in a real browser: by keyboard, with script and without, with the score of the visit before."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.browser import made_up
from tests.browser.conftest import AtBrowser
from tests.browser.person import Person
from tests.browser.program import Program, form_address
from trialcrf.core.bodymap import site_of
from trialcrf.store.subjects import Subject

SCRIPT = pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
GRADES = "33222211013110123"
"""One grade a site, in the order of the form; their sum is 28."""


def sites(program: Program) -> list[tuple[str, str]]:
    """The item and the site of each line, in the order of the form."""
    return [(oid, site_of(item)) for oid, (_, item) in program.world.published.study.form["SKIN"].items.items() if site_of(item)]


def scored(program: Program, subject: Subject, event: str, days_ago: int, assessor: str = "E1", **grades: int | None) -> None:
    """A score on that day: every site 1 but for those that are named; None is not scored."""
    values: dict[str, made_up.Value] = {oid: 1 for oid, _ in sites(program)}
    values |= {f"SKIN_{site}": grade for site, grade in grades.items() if grade is not None}
    values = {oid: value for oid, value in values.items() if grades.get(oid.removeprefix("SKIN_"), 1) is not None}
    program.saved(subject, event, "SKIN", values | {"SKIN_DATE": program.today - timedelta(days=days_ago), "SKIN_ASSESSOR": assessor})


def focused(person: Person) -> str:
    # Without script of the page the browser still answers questions from outside.
    name: str = person.page.evaluate("document.activeElement.name || document.activeElement.id || document.activeElement.className")
    return name


def by_keyboard(person: Person, name: str) -> None:
    for _ in range(150):
        if focused(person) == name:
            return
        person.page.keyboard.press("Tab")
    raise AssertionError(f"Tab never reached {name}")


def region(person: Person, site: str) -> dict[str, str]:
    """What the figure shows of a site: its filling, its outline, and the grades that are written in it."""
    return person.page.locator(f'[data-region="{site}"]').evaluate(
        """one => {
          const shape = getComputedStyle(one.querySelector(".shape"));
          const seen = [...one.querySelectorAll(".badge text")].filter((text) => getComputedStyle(text).display !== "none");
          const badge = getComputedStyle(one.querySelector(".badge")).display !== "none";
          return {fill: shape.fill, width: shape.strokeWidth, text: badge ? seen.map((text) => text.textContent).join("") : ""};
        }"""
    )  # type: ignore[no-any-return]


def test_all_seventeen_sites_are_entered_by_keyboard_alone_without_script(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    cora = at_browser("cora", script=False)
    cora.open(form_address(subject.key, "SCR", "SKIN"))
    for (oid, site), grade in zip(sites(program), GRADES, strict=True):
        by_keyboard(cora, f"i.{oid}")
        cora.page.keyboard.press("Space")
        for _ in range(int(grade)):
            cora.page.keyboard.press("ArrowRight")
        assert region(cora, site)["text"] == grade
        assert region(cora, site)["width"] == "4px", "the site in focus is outlined"
    drawn = {(grade, region(cora, site)["fill"]) for (_, site), grade in zip(sites(program), GRADES, strict=True)}
    assert len(drawn) == len({fill for _, fill in drawn}) == 4, "each grade has one pattern, and of its own"
    by_keyboard(cora, "act")
    while cora.page.evaluate("document.activeElement.value") != "save":
        cora.page.keyboard.press("Tab")
    with cora.page.expect_navigation():
        cora.page.keyboard.press("Enter")
    assert "done=saved" in cora.path(), cora.reads()
    stored = program.stored(subject, "SCR", "SKIN")
    assert stored
    assert "".join(stored.document.items[oid].text for oid, _ in sites(program)) == GRADES
    assert stored.document.items["SKIN_TOTAL"].text == "28" == str(sum(map(int, GRADES)))
    assert "Total 28 17 / 17 sites scored" in cora.reads("output")


@SCRIPT
def test_a_missing_site_leaves_no_total_but_the_sum_of_the_others(at_browser: AtBrowser, program: Program, script: bool) -> None:
    subject = program.recipient()
    cora = at_browser("cora", script=script)
    cora.open(form_address(subject.key, "SCR", "SKIN"))
    for (oid, _), grade in zip(sites(program), GRADES, strict=True):
        if oid == "SKIN_FACE":
            cora.missing(oid, "ND", "Dressing")
        else:
            cora.choose(oid, grade)
    assert region(cora, "FACE")["text"] == "–"
    whole = sum(map(int, GRADES)) - int(GRADES[[oid for oid, _ in sites(program)].index("SKIN_FACE")])
    if not script:
        counted = cora.page.locator(".counted p")
        assert "Chosen now: sum" in counted.inner_text(), "counters of the stylesheet say the rest"
        cora.press(cora.page.get_by_role("button", name="Compute the total"))
        assert program.stored(subject, "SCR", "SKIN") is None, "computing saves nothing"
    assert f"No total yet. Sum of the sites scored {whole} 16 / 17 sites scored" in cora.reads("output")
    cora.save()
    assert program.value(subject, "SCR", "SKIN", "SKIN_TOTAL") is None
    assert program.value(subject, "SCR", "SKIN", "SKIN_PARTIAL") == str(whole)
    assert f"{whole} 16 / 17 sites scored" in cora.reads("output")
    assert cora.page.locator("output").get_attribute("data-state") == "part"


@SCRIPT
def test_the_score_of_the_visit_before_is_a_ghost_on_the_figure_and_words_beside_it(
    at_browser: AtBrowser, program: Program, script: bool
) -> None:
    subject = program.recipient(consented=60)
    scored(program, subject, "SCR", 50, FACE=3, LEG_L=0)
    scored(program, subject, "BAS", 20, FACE=2, LEG_L=0)
    cora = at_browser("cora", script=script)
    cora.open(form_address(subject.key, "BAS", "SKIN"))
    assert cora.page.locator('[data-region="FACE"] .ghost text').text_content() == "3", "the visit before, not this one"
    assert "previous: 3" in cora.item("SKIN_FACE").inner_text()
    assert "lower" in cora.item("SKIN_FACE").inner_text()
    assert "lower" not in cora.item("SKIN_LEG_L").inner_text()
    sums = cora.reads(".sums")
    assert "Total 17" in sums
    assert "Previous total 18 Change −1" in sums
    assert "Recipient screening" in sums
    cora.choose("SKIN_FACE", "3")
    assert "lower" not in cora.item("SKIN_FACE").inner_text()
    cora.choose("SKIN_CHEST", "3")
    assert "higher" in cora.item("SKIN_CHEST").inner_text()
    if script:
        assert "Total 20" in cora.reads(".sums")
        assert "Change +2" in cora.reads(".sums")


def test_another_assessor_than_before_is_noticed(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient(consented=60)
    scored(program, subject, "SCR", 50, "E1")
    cora = at_browser("cora")
    cora.open(form_address(subject.key, "BAS", "SKIN"))
    assert "previous: E1" in cora.item("SKIN_ASSESSOR").inner_text()
    assert cora.page.locator(".notice.assessor").count() == 0
    cora.type("SKIN_ASSESSOR", "E2")
    cora.save()
    assert "Another assessor than on the occasion before: E2, before E1." in cora.reads(".notice.assessor")


@SCRIPT
def test_a_part_of_the_figure_leads_to_its_line_and_chooses_nothing(at_browser: AtBrowser, program: Program, script: bool) -> None:
    subject = program.recipient()
    cora = at_browser("cora", script=script)
    cora.open(form_address(subject.key, "SCR", "SKIN"))
    cora.page.locator('[data-region="THIGH_L"] .shape').click()
    assert focused(cora) == "i.SKIN_THIGH_L"
    assert cora.page.locator('[name="i.SKIN_THIGH_L"]:checked').count() == 0
    assert region(cora, "THIGH_L")["width"] == "4px"
    assert region(cora, "THIGH_R")["width"] != "4px"


@pytest.mark.parametrize("size", [(1366, 900), (820, 1180)], ids=["desk", "tablet"])
def test_the_figure_stays_in_sight_and_the_targets_are_large(at_browser: AtBrowser, program: Program, size: tuple[int, int]) -> None:
    subject = program.recipient(consented=60)
    scored(program, subject, "SCR", 50)
    touch = size[0] < 1000
    cora = at_browser("cora", fresh=touch, has_touch=touch, is_mobile=touch)
    cora.page.set_viewport_size({"width": size[0], "height": size[1]})
    cora.open(form_address(subject.key, "BAS", "SKIN"))
    for site in ("FINGERS_R", "FACE", "FOOT_L", "CHEST", "FINGERS_L"):
        cora.page.locator(f'[data-site="{site}"] input').first.focus()
        seen = cora.page.locator("svg.figure").bounding_box()
        assert seen
        assert seen["y"] >= (0 if touch else 40), (site, seen)
        assert seen["y"] + seen["height"] <= size[1] - 60, (site, seen)
    assert cora.page.evaluate("document.documentElement.scrollWidth") <= size[0]
    least = 44 if touch else 24
    for box in (one.bounding_box() for one in cora.page.locator(".grades label").all()):
        assert box
        assert min(box["width"], box["height"]) >= least


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_filled_body_map_is_accessible_in_both_themes(at_browser: AtBrowser, program: Program, theme: str) -> None:
    subject = program.recipient(consented=60)
    scored(program, subject, "SCR", 50, "E1", FACE=0, CHEST=2, ABDOMEN=3)
    scored(program, subject, "BAS", 20, "E2", FACE=1, CHEST=3, ABDOMEN=2, LEG_L=None)
    cora = at_browser("cora")
    cora.open(form_address(subject.key, "BAS", "SKIN"))
    cora.page.evaluate("theme => { document.documentElement.dataset.bsTheme = theme; }", theme)
    cora.pick("SKIN_LEG_L", "ND", "missing")
    cora.page.locator('[data-site="CHEST"] input:checked').focus()
    assert cora.page.locator(".notice.assessor").count() == 1
    assert cora.violations() == []
