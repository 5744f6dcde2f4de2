"""Every page, in the states that matter: accessible, well built, quiet under the strict policy, in both themes, on a small screen too."""

from __future__ import annotations

import pytest

from config import Settings
from tests.browser.conftest import AtBrowser
from tests.browser.pages import NO_PAGES, PAGES, Known
from tests.browser.program import Program, form_address
from trialcrf.web import create_app

_STRUCTURE = """() => {
  const wrong = [];
  const say = (what, one) => wrong.push(what + ": " + (one ? one.outerHTML.slice(0, 160) : ""));
  const all = (selector, within) => [...(within || document).querySelectorAll(selector)];
  const known = (ids) => ids.split(/\\s+/).filter(Boolean).every((id) => document.getElementById(id));
  const focusable = "a[href], button, input:not([type=hidden]), select, textarea, [tabindex]";

  if (all("h1").length !== 1 || !document.querySelector("main h1")) say("not one h1 in main");
  if (!document.querySelector("h1").textContent.trim() || !document.title.trim()) say("no heading or title");
  if (!document.documentElement.lang) say("no language");
  if (!document.querySelector(".skip[href='#main']") || !document.querySelector("#main")) say("no way to skip to the content");

  const ids = all("[id]").map((one) => one.id);
  ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => say("an id used twice: " + id));
  for (const name of ["aria-describedby", "aria-labelledby", "aria-controls"])
    all(`[${name}]`).filter((one) => !known(one.getAttribute(name))).forEach((one) => say(name + " leads nowhere", one));
  all("label[for]").filter((one) => !known(one.htmlFor)).forEach((one) => say("a label of nothing", one));

  const controls = all("input:not([type=hidden]), select, textarea").filter((one) => !one.closest("[hidden]") && !one.hidden);
  for (const one of controls) {
    const named = [...(one.labels || [])].some((label) => label.textContent.trim()) || one.getAttribute("aria-label");
    if (!named) say("a control without a label", one);
    if (one.placeholder && !named) say("a placeholder in place of a label", one);
  }
  const sets = {};
  all("input[type=radio], input[type=checkbox]").forEach((one) => (sets[one.name] ||= []).push(one));
  for (const set of Object.values(sets).filter((set) => set.length > 1)) {
    const around = set[0].closest("fieldset");
    const question = around?.querySelector("legend")?.textContent.trim();
    if (!question || !set.every((one) => around.contains(one))) say("a set without fieldset and legend", set[0]);
  }
  all(".days").filter((days) => !days.closest("fieldset")?.querySelector("legend")?.textContent.trim())
    .forEach((days) => say("a date without its question", days));

  for (const link of all("#summary a, .notice.bad a[href^='#']")) {
    const target = document.getElementById(link.hash.slice(1));
    if (!target?.matches(focusable)) say("a link of the summary that lands on nothing", link);
  }
  for (const item of all(".item.err, .one.err")) {
    const described = all("[aria-describedby]", item).concat(item.matches("[aria-describedby]") ? [item] : [])
      .flatMap((one) => one.getAttribute("aria-describedby").split(/\\s+/));
    all(".msg.hard, p.msg[id^=error], .hint[id]", item).filter((said) => !described.includes(said.id))
      .forEach((said) => say("said to the eye alone", said));
    if (!all("[aria-invalid=true]", item).length) say("an error that is not marked as one", item);
  }
  for (const item of all(".item.ask")) {
    const described = all("[aria-describedby]", item).flatMap((one) => one.getAttribute("aria-describedby").split(/\\s+/));
    all(".msg.soft", item).filter((said) => !described.includes(said.id)).forEach((said) => say("a doubt said to the eye alone", said));
  }
  for (const unit of all(".item .unit")) {
    const question = unit.closest(".item").querySelector(".lab").textContent;
    if (!question.includes(unit.textContent.trim())) say("a unit that is not in the label", unit);
  }
  for (const table of all("table")) {
    if (!table.caption?.textContent.trim()) say("a table without a caption", table);
    all("th", table).filter((one) => !one.scope).forEach((one) => say("a header without scope", one));
    if (!all("thead th[scope=col]", table).length) say("a table without column headers", table);
    if (table.matches(".matrix"))
      all("tbody tr", table).filter((row) => !row.querySelector("th[scope=row]")).forEach((row) => say("a row without a header", row));
  }
  all("[style], style, script:not([src]), [onclick], [onchange], [onsubmit]").forEach((one) => say("inline style or script", one));
  all("[src], link[href], use[href]").map((one) => one.getAttribute("src") || one.getAttribute("href"))
    .filter((address) => !address.startsWith("/") && !address.startsWith("#")).forEach((address) => say("loaded from outside: " + address));
  return wrong;
}"""

SMALL, USUAL = {"width": 400, "height": 800}, {"width": 1366, "height": 900}

_SHORTENED = "() => document.querySelectorAll('tbody > tr:nth-child(n+9)').forEach((row) => row.remove())"
"""The rows of a long table are all built alike: the first ones are looked at closely, which takes its time."""


def test_every_page_of_the_program_is_in_the_list(program: Program) -> None:
    """A new page fails here until it is in `pages.py`, and so is looked at by every test of this file."""
    app = create_app(Settings.from_env(program.environment))
    try:
        drawn = {rule.endpoint for rule in app.url_map.iter_rules() if "GET" in (rule.methods or set())}
    finally:
        app.extensions["trialcrf.engine"].dispose()
    assert drawn == {one.endpoint for one in PAGES if one.endpoint != "error"} | set(NO_PAGES)


@pytest.mark.parametrize("known", PAGES, ids=str)
def test_a_page_is_accessible_well_built_and_quiet(at_browser: AtBrowser, program: Program, known: Known) -> None:
    # What is only opened leaves nothing on the page.
    reader = at_browser(known.name, same_page=known.then is None)
    known.open(reader, program)
    assert reader.page.evaluate(_STRUCTURE) == []
    reader.page.evaluate(_SHORTENED)
    assert reader.violations() == []
    reader.page.evaluate("document.documentElement.dataset.bsTheme = 'dark'")
    assert reader.too_pale() == []
    reader.page.set_viewport_size(SMALL)
    assert reader.page.evaluate("document.documentElement.scrollWidth") <= SMALL["width"], "read in one column on a small screen"
    reader.page.set_viewport_size(USUAL)


def test_a_text_that_is_too_pale_is_found_wherever_it_stands(at_browser: AtBrowser) -> None:
    """What is painted as something on an earlier page was is not looked at again: what is not must be."""
    cora = at_browser("cora")
    cora.open("/account")
    assert cora.too_pale() == []
    cora.page.evaluate("document.querySelector('main p').style.color = '#ddd'")
    assert len(cora.too_pale()) == 1
    cora.open("/studies")
    cora.page.evaluate("document.querySelector('main').style.background = '#777'")
    assert cora.too_pale()


@pytest.mark.parametrize("theme", ["dark", "light", "auto"])
def test_everyone_chooses_a_theme_that_the_server_keeps(at_browser: AtBrowser, theme: str) -> None:
    ivan = at_browser("ivan", fresh=True, color_scheme="dark")
    ivan.open("/account")
    ivan.page.locator(f'input[name="theme"][value="{theme}"]').check()
    ivan.press(ivan.page.get_by_role("button", name="Change the appearance"))
    assert ivan.page.locator("html").get_attribute("data-bs-theme") == theme
    ground = ivan.page.evaluate("getComputedStyle(document.body).backgroundColor")
    red, green, blue = (int(part) for part in ground.removeprefix("rgb(").removesuffix(")").split(","))
    assert (red + green + blue < 200) == (theme != "light"), ground


def test_the_error_page_of_a_forged_address_is_plain(at_browser: AtBrowser) -> None:
    cora = at_browser("cora")
    for place in (("R-01-001", "NONE", "VITALS"), ("R-01-001", "SCR", "NONE"), ("R-01-999", "SCR", "VITALS"), ("R-01-001", "F7", "FVISIT")):
        assert cora.open(form_address(*place)).status == 404
        assert "Traceback" not in cora.page.content()
        assert cora.reads("h1") == "There is no such page"
