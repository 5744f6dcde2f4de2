"""Somebody who has a keyboard and nothing else: goes by Tab, and sees at every stop where the focus is."""

from __future__ import annotations

from tests.browser.person import Person

_STOP = """wanted => {
  document.getAnimations().forEach((motion) => motion.finish());
  const one = document.activeElement;
  const style = getComputedStyle(one), box = one.getClientRects()[0] ?? one.getBoundingClientRect();
  const ring = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2) || style.boxShadow !== "none";
  const at = document.elementFromPoint(box.left + Math.min(box.width / 2, 40), box.top + box.height / 2);
  const seen = at && (one.contains(at) || at.contains(one) || one.closest("label")?.contains(at));
  return [one.matches(wanted), Boolean(ring && seen), one === document.body ? "the page" : one.outerHTML.slice(0, 120)];
}"""


class Hands:
    """Raises AssertionError where a control is not reached, or where one cannot see what has the focus."""

    def __init__(self, person: Person) -> None:
        self.person, self.page, self.keys = person, person.page, person.page.keyboard

    def at(self, wanted: str) -> bool:
        """Whether what has the focus is such a thing (a CSS selector), and can be seen to have it."""
        found, seen, what = self.page.evaluate(_STOP, wanted)
        assert seen or not found, f"the focus is not to be seen: {what}"
        return bool(found)

    def on(self, wanted: str) -> None:
        """The focus has landed here by itself."""
        assert self.at(wanted), f"the focus is on {self.page.evaluate(_STOP, wanted)[2]}, not on {wanted}"

    def to(self, wanted: str, stops: int = 150) -> Hands:
        """Press Tab until the focus is on such a thing."""
        for _ in range(stops):
            if self.at(wanted):
                return self
            self.keys.press("Tab")
        raise AssertionError(f"Tab never reached {wanted}")

    def skip(self) -> Hands:
        """Past the navigation, as the first stop of every page offers."""
        self.keys.press("Tab")
        self.on(".skip")
        self.keys.press("Enter")
        return self

    def type(self, text: str) -> Hands:
        self.keys.press("Control+a")
        self.keys.type(text)
        return self

    def press(self, key: str = "Enter") -> None:
        """Press a key that leads to another page."""
        with self.page.expect_navigation():
            self.keys.press(key)

    def day(self, prefix: str, parts: tuple[int, int, int]) -> Hands:
        for part, number in zip("dmy", parts, strict=True):
            self.to(f'[name="{prefix}.{part}"]').type(str(number))
        return self
