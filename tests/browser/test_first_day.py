"""The guided first day on the demo: every step leads the role to a page that opens, and what its text quotes stands on that page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pytest

from tests.browser.program import Program
from tests.web.site import application
from trialcrf.actions.demo import ACCOUNTS, DemoAccount
from trialcrf.core.access import ROLES
from trialcrf.external.language import Language
from trialcrf.web.first_steps import STEPS

BY_ROLE = {one.role: one for one in reversed(ACCOUNTS)}


@pytest.fixture(scope="module")
def app(program: Program) -> Iterator[object]:
    """The application over the database of the demo, without a process and a browser for every page."""
    found = application(program.engine.url.render_as_string(hide_password=False), program.data)
    found.config |= {"DEMO": True, "LOOPBACK": True}
    yield found
    found.extensions["trialcrf.engine"].dispose()


def read(page: str) -> str:
    main = page[page.index('<main id="main"') :]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", main)))


def test_every_role_has_a_first_day_of_four_to_six_steps():
    assert set(STEPS) == set(ROLES) == set(BY_ROLE)
    assert all(4 <= len(steps) <= 6 for steps in STEPS.values())
    assert all(step.says.count("%(what)s") == 1 for steps in STEPS.values() for step in steps)


@pytest.mark.parametrize("one", BY_ROLE.values(), ids=lambda one: one.role)
def test_every_step_leads_where_its_text_says(app, one: DemoAccount):
    client = app.test_client()
    assert client.post("/sign-in", data={"username": one.username, "password": one.password}).status_code == 303
    page = client.get("/first-day")
    assert '<a href="/first-day" aria-current="page">' in re.sub(r"\s+", " ", page.text)
    shown = page.text[page.text.index('<ol class="first-day">') :]
    steps = re.findall(r'<li><a href="([^"]+)">(.*?)</a><p>(.*?)</p></li>', shown, re.S)
    assert len(steps) == len(STEPS[one.role])
    for (url, _label, said), step in zip(steps, STEPS[one.role], strict=True):
        there = client.get(unescape(url))
        quoted = Language("en").gettext(step.names)
        assert there.status_code == 200, (url, there.status_code)
        assert f"“{quoted}”" in unescape(said)
        assert quoted in read(there.text), (url, quoted)
