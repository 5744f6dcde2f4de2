"""From entry to locked database, by those who do it: verified with exceptions, asked, corrected, signed, amended, locked, archived."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.actions.amendments import amended
from tests.browser.conftest import AtBrowser
from tests.browser.person import PASSWORD, Person
from tests.browser.program import ROOT, STUDY, Program, form_address, free_port, subject_address
from tests.browser.test_followup import wait_until
from trialcrf.actions import administer, publish, sign_in
from trialcrf.actions.oversight import amend
from trialcrf.store import definitions, sites

ASKED = "The source says 71 kg"


def button(person: Person, name: str) -> None:
    person.press(person.page.get_by_role("button", name=name).first)


def verify_with_exceptions(mona: Person, key: str, form_id: int) -> None:
    """The monitor holds the visit against its sources: two values are left out, over one of them she asks."""
    mona.open(f"{subject_address(key)}/M3/1/verification?show=all")
    for item in ("WT", "PULSE"):
        mona.page.locator(f'[name="x.{form_id}:{item}"]').check()
    mona.page.locator(f'[name="q.{form_id}:WT"]').fill(ASKED)
    mona.press(mona.page.locator(".verify-bar button.main"))
    assert mona.page.locator(".sdv.verified").count() > 0, mona.reads()
    assert mona.page.locator('input[name^="x."]').count() == 2, "the two exceptions stay as they were"


def correct(cora: Person, key: str) -> None:
    """The coordinator meets the question beside the value, and corrects it with a reason: that is her answer."""
    cora.open(form_address(key, "M3", "VITALS") + "?field=WT")
    assert ASKED in cora.reads(), cora.reads()
    cora.type("WT", "71")
    cora.save()
    cora.say_why("WT", "QUERY")
    cora.save()
    assert "done=saved" in cora.path(), cora.reads()


def sign(ivan: Person, key: str) -> None:
    ivan.open(form_address(key, "M3", "VITALS") + "/sign")
    ivan.page.locator("#password").fill(PASSWORD)
    ivan.press(ivan.page.locator("form.in button.main"))
    ivan.open(form_address(key, "M3", "VITALS"))


def second_manager(program: Program, at_browser: AtBrowser) -> Person:
    """Nobody unlocks a study alone, and only data managers do: another one."""
    with program.world.write("trialcrf", datetime.now(UTC)) as tx:
        account = administer.create_account(tx, "dirk", "Dirk", "dirk@example.org", "Promoteur (démo)", "en", demo=True)
        sign_in.set_password(tx, account, "dirk", PASSWORD)
        administer.give_role(tx, account, "data_manager", STUDY, "", datetime.now(UTC).date())
    return at_browser("dirk", own=True)


def sealed(program: Program, form_id: int) -> bool:
    return program.ask("SELECT sealed_by FROM form WHERE id = :id", id=form_id)[0][0] is not None


@contextmanager
def opened(program: Program, file: Path) -> Iterator[str]:
    """The archive as anybody opens it, with nothing of the installation around it; yields its address."""
    port = free_port()
    environment = {**program.environment, "TRIALCRF_DATA": str(file.parent / "elsewhere"), "TRIALCRF_DEMO": ""}
    command = [sys.executable, "-m", "trialcrf.cli", "archive", "open", str(file), "--port", str(port)]
    said = file.with_suffix(".txt")
    with said.open("wb") as output, subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output) as process:
        wait_until(lambda: f"http://127.0.0.1:{port}" in said.read_text(encoding="utf-8") or process.poll() is not None, "it did not open")
        assert process.poll() is None, said.read_text(encoding="utf-8")
        yield f"http://127.0.0.1:{port}"
        process.terminate()


def test_a_visit_goes_from_its_monitor_to_the_locked_database_and_its_archive(
    at_browser: AtBrowser, program: Program, tmp_path: Path
) -> None:
    subject = program.recipient(consented=130, infused=92)
    day = program.today - timedelta(days=1)
    program.saved(subject, "M3", "FVISIT", {"VIS_DONE": "Y", "VIS_DATE": day})
    held = program.saved(subject, "M3", "VITALS", {"WT": "70", "HT": "175", "PULSE": "72", "TEMPERATURE": "37.0"})
    key = subject.key
    mona, cora, ivan, dana = (at_browser(name) for name in ("mona", "cora", "ivan", "dana"))
    for one in (mona, cora, ivan, dana):
        one.page.set_default_timeout(30_000)

    verify_with_exceptions(mona, key, held.id)
    correct(cora, key)
    assert program.ask("SELECT state FROM query WHERE form_id = :id AND check_oid = ''", id=held.id) == [("answered",)]

    sign(ivan, key)
    assert sealed(program, held.id)
    cora.open(form_address(key, "M3", "VITALS"))
    cora.type("PULSE", "74")
    cora.save()
    cora.say_why("PULSE", "SOURCE")
    cora.save()
    assert not sealed(program, held.id), "a correction breaks the seal"
    ivan.open(f"/studies/{STUDY}/signing")
    assert key in ivan.reads()
    ivan.open(form_address(key, "M3", "VITALS") + "/sign")
    assert re.search(r"72.*74", ivan.reads(".since")), ivan.reads()

    with program.world.write("trialcrf", datetime.now(UTC)) as tx:
        before = definitions.current(tx, STUDY)
        assert before
        # Its reminders go at any hour still: the tests after this one do not wait for the morning.
        version, _ = publish.publish(tx, replace(amended(1), reminders=before.study.reminders))
        where = sites.find(tx, STUDY, "01")
        assert where
        amend.release(tx, where, version, "CPP 1", program.today, program.today, datetime.now(UTC))
    with program.world.read() as tx:
        far = sites.find(tx, STUDY, "02")
        assert far
        assert definitions.at_site(tx, far).version == version.version - 1  # type: ignore[union-attr]
    cora.open(form_address(key, "M6", "VITALS"))
    assert "Oxygen flow" in cora.reads()

    dana.open(f"/studies/{STUDY}/locks/checklist")
    for box in dana.page.locator(".checklist textarea, .checklist input[type=text]").all():
        box.fill("Known to the sponsor, and kept for this rehearsal")
    dana.page.locator("#reason").fill("Every visit is monitored")
    dana.page.locator("#password").fill(PASSWORD)
    button(dana, "Lock it")
    cora.open(form_address(key, "M3", "VITALS"))
    assert cora.page.locator("[data-save]").count() == 0 and "locked" in cora.reads().lower()
    records = program.records()

    file = tmp_path / "archive.zip"
    program.command("archive", "create", "--out", str(file))
    with opened(program, file) as url:
        reader = at_browser(url=url)
        reader.open(form_address(key, "M3", "VITALS"))
        assert re.search(r"\b71\b", reader.reads()) and reader.page.locator("[data-save]").count() == 0
        reader.open(f"/studies/{STUDY}/signing")
        assert key in reader.reads()
    assert program.records() == records, "nobody wrote anything meanwhile"

    dana.open(f"/studies/{STUDY}/locks")
    with program.world.read() as tx:
        study_id = definitions.current(tx, STUDY).study_id  # type: ignore[union-attr]
    dana.open(f"/studies/{STUDY}/locks/on/study/{study_id}")
    dana.page.locator("#reason").fill("One answer comes late")
    button(dana, "Ask to unlock it")
    other = second_manager(program, at_browser)
    other.open(f"/studies/{STUDY}/requests")
    other.press(other.page.locator("main a.go").first)
    other.page.locator("#password").fill(PASSWORD)
    button(other, "Grant")
    cora.open(form_address(key, "M3", "VITALS"))
    assert cora.page.locator("[data-save]").count() > 0
