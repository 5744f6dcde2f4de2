"""A real Chromium before the real program: started once for all tests of this folder, its people kept, each test with pages of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, StorageState, sync_playwright

from tests.actions.world import TRAINED
from tests.browser.judging import Judges
from tests.browser.person import PASSWORD, Person
from tests.browser.program import STUDY, Program, free_port
from trialcrf.actions import administer, demo, publish, sign_in
from trialcrf.core.definition.signing_in import SigningIn
from trialcrf.store import accounts
from trialcrf.store.models.base import moment_text

CHROMIUM, SHELL = Path("/usr/bin/chromium"), Path("/usr/lib/chromium/chromium-headless-shell")
"""The browser, and the same one without windows of its own, which takes half the time for a page."""
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-software-rasterizer",
    "--disable-extensions",
    "--disable-component-extensions-with-background-pages",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SCREENS = Path(__file__).resolve().parents[2] / ".pytest_cache" / "screens"
"""Where a failed test leaves a picture of its pages."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The program with the synthetic trial, its people reading English."""
    running = Program(tmp_path_factory.mktemp("program"))
    running.start()
    study = running.world.published.study
    with running.world.write("trialcrf", datetime.now(UTC)) as tx:
        # The tests run at any hour of the day: reminders must not wait for the morning. A password is enough for who is no demo account.
        publish.publish(tx, replace(study, reminders=replace(study.reminders, quiet_from="", quiet_to=""), sign_in=SigningIn()))
        for one in demo.ACCOUNTS:
            account = accounts.find(tx, one.username)
            assert account
            administer.set_preferences(tx, account.id, language="en")
        nora = administer.create_account(tx, "nora", "Nora of two sites", "nora@example.org", "Centres 01 et 02 (démo)", "en")
        sign_in.set_password(tx, nora, "nora", PASSWORD)
        for site in ("01", "02"):
            administer.give_role(tx, nora, "coordinator", STUDY, site, TRAINED)
    running.saved(running.recipient(), "SCR", "VITALS", {"PULSE": 151})  # So that site 01 has an open query too.
    yield running
    assert running.stop() == 0, running.said
    assert "Traceback" not in running.said, running.said


@pytest.fixture(scope="session")
def debugging() -> int:
    """The port of 127.0.0.1 at which the browser is steered by the judges of pages, beside the tests."""
    return free_port()


@pytest.fixture(scope="session")
def judges(debugging: int, chromium: Browser) -> Iterator[Judges]:
    judging = Judges(f"http://127.0.0.1:{debugging}")
    yield judging
    judging.stop()


@pytest.fixture(scope="session")
def chromium(debugging: int) -> Iterator[Browser]:
    found = next((one for one in (SHELL, CHROMIUM) if one.exists()), None)
    if not found:
        pytest.fail("Chromium is missing: run `make dev`, or install the Debian package chromium-headless-shell", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[*FLAGS, f"--remote-debugging-port={debugging}"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def signed_in() -> dict[str, StorageState]:
    """The cookies of those who signed in already: most tests are not about signing in."""
    return {}


def token_of(state: StorageState) -> str:
    return next((one["value"] for one in state["cookies"] if one["name"] == "trialcrf"), "")


Kept = dict[tuple[str, bool], Person]


@pytest.fixture(scope="session")
def kept() -> Kept:
    """Who is at a browser that no test uses now, by name and with or without script: opening one takes longer than many a test."""
    return {}


AtBrowser = Callable[..., Person]


@pytest.fixture
def at_browser(
    request: pytest.FixtureRequest, program: Program, chromium: Browser, signed_in: dict[str, StorageState], kept: Kept
) -> Iterator[AtBrowser]:
    """`at_browser("cora")` is Cora, signed in; `fresh=True` is a session of this test's own, `script=False` a browser without script.

    She comes back to the browser that she left, with the cookies of her signing in and a new page; `own=True` is a browser of this
    test's own (for what stays in one, such as another clock), `same_page=True` the page on which a test that said so left her.
    After the test nobody's browser may have complained.
    """
    # Everybody signed in at the beginning, longer ago than a proof is good: tests that are not about it are not asked for another.
    program.do("UPDATE session SET proved_at = :now WHERE ended_at IS NULL", now=moment_text(datetime.now(UTC)))
    people: list[Person] = []
    sharing: list[Person] = []
    staying: list[Person] = []

    def arrive(
        name: str = "",
        *,
        fresh: bool = False,
        own: bool = False,
        same_page: bool = False,
        script: bool = True,
        url: str = "",
        locale: str = "en-GB",
        **more: object,
    ) -> Person:
        shared = bool(name) and not fresh
        state = signed_in.get(name) if shared else None
        stays = shared and not (own or url or more)
        person = kept.pop((name, script), None) if stays else None
        if person and not state:
            person.context.close()  # A test took her session away.
        if person and state:
            person.come_back(state, same_page)
        else:
            viewport = {"width": 1366, "height": 900}
            opened = chromium.new_context(java_script_enabled=script, storage_state=state, locale=locale, viewport=viewport, **more)  # type: ignore[arg-type]
            person = Person(opened, program, name, url, script)
        people.append(person)
        sharing.extend([person] if shared else [])
        if name and state is None:
            person.open("/sign-in")
            answer = person.sign_in()
            assert answer is not None
            assert answer.ok, person.reads()
            if shared:
                signed_in[name] = person.context.storage_state()
        person.keeps_page = same_page
        staying.extend([person] if stays else [])
        return person

    yield arrive
    failed = getattr(request.node, "failed", False)
    for person in sharing:
        # Whoever signed something goes on under another token: the one before opens nothing any more.
        if person.name in signed_in and token_of(now := person.context.storage_state()) not in ("", token_of(signed_in[person.name])):
            signed_in[person.name] = now
    for number, person in enumerate(people, 1):
        if failed:
            SCREENS.mkdir(parents=True, exist_ok=True)
            person.page.screenshot(path=SCREENS / f"{request.node.name[:80]}-{number}-{person.name}.png", full_page=True)
        if person in staying and not failed and (person.name, person.script) not in kept:
            person.leave()
            kept[person.name, person.script] = person
        else:
            person.context.close()
    assert [one for person in people for one in person.complaints] == []


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.when == "call" and report.failed:
        item.failed = True  # type: ignore[attr-defined]
