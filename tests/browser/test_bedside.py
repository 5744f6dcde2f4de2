"""At the bedside with a scanner: what a key that ends every scan does, and readings that are renewed under the fingers of who types."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.actions.world import typed
from tests.browser.conftest import AtBrowser
from tests.browser.program import Program, subject_address
from trialcrf.core.product.identity import Kind, label


def test_a_scan_leads_to_the_next_empty_box_and_without_script_tells_what_is_missing(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    scan = label("msc_ssc", Kind.BAG, "BAG-1")
    cora = at_browser("cora")
    cora.open(subject_address(subject.key) + "/bedside")
    assert cora.page.evaluate("document.activeElement.id") == "bag"
    cora.page.keyboard.type(scan)
    cora.page.keyboard.press("Enter")
    assert cora.page.evaluate("document.activeElement.id") == "wristband"
    cora.page.locator("#donation").fill("DON-1")
    cora.page.locator("#wristband").press("Enter")
    assert cora.page.evaluate("document.activeElement.id") == "wristband", "nothing was scanned: the box keeps the focus"
    cora.page.keyboard.type(subject.key)
    cora.page.keyboard.press("Enter")
    assert cora.page.evaluate("document.activeElement.name") == "cohort"
    targets = ".checking :is(input:not([type=radio], [type=hidden]), .tile, .btn)"
    smallest = f"() => Math.min(...[...document.querySelectorAll('{targets}')].map((one) => one.getBoundingClientRect().height))"
    assert cora.page.evaluate(smallest) >= 60
    plain = at_browser("cora", script=False)
    plain.open(subject_address(subject.key) + "/bedside")
    plain.page.locator("#bag").fill(scan)
    with plain.page.expect_navigation() as moved:
        plain.page.locator("#bag").press("Enter")
    assert moved.value.status == 422
    assert plain.page.locator("#bag").input_value() == scan and plain.page.locator("#error-wristband").count() == 1


def test_states_are_renewed_and_what_is_typed_is_not_touched(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    cora = at_browser("cora", own=True)  # whose clock runs ahead
    cora.page.clock.install()
    cora.open(subject_address(subject.key) + "/infusion-vitals")
    cora.page.locator("#v-M15-IV_SBP").fill("12")
    start = datetime.now(ZoneInfo("Europe/Paris")) - timedelta(minutes=20)
    at = (start.day, start.month, start.year, start.strftime("%H:%M"))
    program.world.save(subject, "INFUSION", "D0", typed(INF_START=at, INF_COHORT="MSC1"), now=datetime.now(UTC))
    with cora.page.expect_response(lambda answer: answer.url.endswith("/infusion-vitals")):
        cora.page.clock.fast_forward(61_000)
    cora.page.wait_for_function("document.querySelector('#point-P15').className.includes('due')")
    assert "missed" in (cora.page.locator("#point-M15").get_attribute("class") or "")
    assert cora.page.locator("#v-M15-IV_SBP").input_value() == "12"
    assert cora.page.locator("#v-M15-IV_SBP").is_visible()
