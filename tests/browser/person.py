"""A person at a browser: pages opened, boxes filled and buttons pressed as that person would, and what the browser complained of."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Response, StorageState

from tests.browser.program import Program

PASSWORD = "only-for-the-demo"

_LISTEN = """document.addEventListener("securitypolicyviolation", (event) => {
  console.error("policy: " + event.violatedDirective + " " + event.blockedURI + " " + event.sourceFile + ":" + event.lineNumber);
});"""
# Best practices too: they say how landmarks and headings go together.
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

# Without `selectors`: making one for each element takes long, and its HTML names it as well.
# Nor `preload`: it fetches the style sheets again, for an experimental rule that is not asked.
_QUICKLY = {"resultTypes": ["violations"], "selectors": False, "preload": False}

CONTRAST = "color-contrast"
_LOOKED_AT: set[str] = set()
"""How the texts were painted whose contrast was found good, on whatever page."""

# All that the contrast of a text follows from: its colour, size and weight, and what lies behind it, up to the page. The first text that
# is painted so is kept, for `_CONTRAST` to look at.
_PAINTED = """() => {
  const behind = new Map([[null, ""]]);
  const ground = (one) => {
    if (!behind.has(one)) {
      const style = getComputedStyle(one);
      const own = [style.backgroundColor, style.backgroundImage, style.opacity, style.filter, style.mixBlendMode, style.position].join(" ");
      const under = ground(one.parentElement);
      behind.set(one, own === "rgba(0, 0, 0, 0) none 1 none normal static" ? under : under + "/" + own);
    }
    return behind.get(one);
  };
  window.painted = new Map();
  for (const one of document.body.querySelectorAll("*")) {
    const says = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) || one.matches("input, select, textarea");
    if (!says) continue;
    const style = getComputedStyle(one);
    const how = [style.color, style.fontSize, style.fontWeight, style.textShadow, one.matches(":disabled"), ground(one)].join(" ");
    if (!window.painted.has(how)) window.painted.set(how, one);
  }
  return [...window.painted.keys()];
}"""
_CONTRAST = """([rule, quickly, asked]) =>
  axe.run({ include: asked.map((how) => window.painted.get(how)) }, { runOnly: [rule], ...quickly }).then((told) => told.violations)"""


class Person:
    """One page of one browser context. `complaints` are console errors, script errors and violations of the policy: none is expected."""

    page: Page
    keeps_page = False
    _brings_axe = False

    def __init__(self, context: BrowserContext, program: Program, name: str, url: str = "", script: bool = True) -> None:
        self.context, self.program, self.name, self.url = context, program, name, url or program.url
        self.complaints: list[str] = []
        self.script = script
        if script:
            context.add_init_script(_LISTEN)
        self.new_page()

    def new_page(self) -> None:
        """Look at a page that nobody has touched."""
        self.page = self.context.new_page()
        self._brings_axe = False
        self.page.set_default_timeout(15_000)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script error: {error}"))

    def leave(self) -> None:
        """Close every page, whatever was opened, but for one that is kept."""
        for page in self.context.pages:
            if page is not self.page or not self.keeps_page:
                page.close()

    def come_back(self, state: StorageState, same_page: bool) -> None:
        """To the browser that was left, with these cookies and nothing else of what was left there."""
        self.context.clear_cookies()
        self.context.add_cookies(state["cookies"])  # type: ignore[arg-type]
        if not (same_page and self.context.pages):
            self.keeps_page = False
            self.leave()
            self.new_page()
        self.complaints.clear()

    def _on_console(self, message: ConsoleMessage) -> None:
        # A page that answers 401 to 422 is an answer, which Chromium reports all the same; a missing picture or script is not.
        text, where = message.text, message.location.get("url", "")
        refused = re.match(r"Failed to load resource: the server responded with a status of 4\d\d", text)
        if message.type == "error" and not (refused and "/static/" not in where):
            self.complaints.append(f"{self.page.url}: {text} ({where})")

    def open(self, address: str) -> Response:
        answer = self.page.goto(self.url + address)
        assert answer is not None
        return answer

    def path(self) -> str:
        return self.page.url.removeprefix(self.url)

    def press(self, button: Locator) -> Response | None:
        """Press a button or follow a link that leads to another page."""
        with self.page.expect_navigation() as moved:
            button.click()
        return moved.value

    def save(self) -> Response | None:
        return self.press(self.page.locator("[data-save]"))

    def sign_in(self, password: str = PASSWORD, username: str = "") -> Response | None:
        """Fill in the sign-in page that is open."""
        self.page.locator("#username").fill(username or self.name)
        self.page.locator("#password").fill(password)
        return self.press(self.page.locator("main button.main"))

    # The form of a study: a field is named by its item, or GROUP.row.ITEM within a row.

    def box(self, key: str, part: str = "") -> Locator:
        return self.page.locator(f'[name="{_name(key)}{"." + part if part else ""}"]')

    def type(self, key: str, text: str, part: str = "") -> None:
        self.box(key, part).fill(text)

    def date(self, key: str, day: date | tuple[str, str, str], time: str = "") -> None:
        parts = day if isinstance(day, tuple) else (f"{day.day:02}", f"{day.month:02}", f"{day.year:04}")
        for part, text in zip("dmy", parts, strict=True):
            self.type(key, text, part)
        if time:
            self.type(key, time, "t")

    def choose(self, key: str, code: str) -> None:
        self.page.locator(f'input[name="{_name(key)}"][value="{code}"]').check()

    def pick(self, key: str, code: str, part: str = "") -> None:
        self.box(key, part).select_option(code)

    def missing(self, key: str, code: str, note: str = "") -> None:
        self.pick(key, code, "missing")
        self.type(key, note, "note")

    def value(self, key: str, part: str = "") -> str:
        return self.box(key, part).input_value()

    def item(self, key: str) -> Locator:
        """The whole of a field: question, boxes, messages."""
        return self.page.locator(f"#{_name(key).replace('.', '-')}-item")

    def say_why(self, key: str, code: str) -> None:
        self.page.locator(f'select[name="why.{key}"]').select_option(code)

    def confirm(self, key: str, check: str, code: str) -> None:
        self.page.locator(f'select[name="ok.{key}.{check}"]').select_option(code)

    # What a page says.

    def reads(self, selector: str = "main") -> str:
        """The text of a part of the page as it is seen, single spaces."""
        return " ".join(self.page.locator(selector).first.inner_text().split())

    def hears(self, part: Locator) -> str:
        """The text of a part of the page for someone who only hears it: what is hidden from them is left out."""
        told: str = part.evaluate(
            "part => { const copy = part.cloneNode(true); "
            "copy.querySelectorAll('[aria-hidden=true]').forEach(one => one.remove()); return copy.textContent; }"
        )
        return " ".join(told.split())

    def bring_axe(self) -> None:
        """Have axe-core on every page from the next one on. The browser then compiles it once for all: brought to each page as it stands,
        it is compiled anew, which takes as long as its rules do."""
        if not self._brings_axe:
            self.page.add_init_script(AXE_SCRIPT)
            self._brings_axe = True

    def violations(self) -> list[str]:
        """What axe-core finds, a line each, in the page as it is shown now."""
        self._axe()
        asked = {"runOnly": _RULES, "rules": {CONTRAST: {"enabled": False}}, **_QUICKLY}
        found = self.page.evaluate("asked => axe.run(asked).then(told => told.violations)", asked)
        return [*_lines(found), *self.too_pale()]

    def too_pale(self) -> list[str]:
        """What axe-core finds too little contrast in. What is painted as something on an earlier page was is not looked at again: that is
        most of a page, and this rule takes longer than all the others."""
        asked = [how for how in self.page.evaluate(_PAINTED) if how not in _LOOKED_AT]
        if not asked:
            return []
        self._axe()
        found: list[str] = _lines(self.page.evaluate(_CONTRAST, [CONTRAST, _QUICKLY, asked]))
        if not found:
            _LOOKED_AT.update(asked)
        return found

    def _axe(self) -> None:
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE_SCRIPT)


def _lines(violations: list[dict[str, Any]]) -> list[str]:
    return [f"{one['id']}: {node['html'][:160]} {node['failureSummary']}" for one in violations for node in one["nodes"]]


def _name(key: str) -> str:
    return ("r." if "." in key else "i.") + key
