"""The program as its user starts it, for the tests in a browser: one process tree on this machine, with the synthetic trial."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from tests.actions.world import World
from tests.browser import made_up
from trialcrf.actions import enrol
from trialcrf.actions.enter import Typed
from trialcrf.core.document import FormKey, Place
from trialcrf.store import forms, sites
from trialcrf.store.forms import StoredForm
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import open_engine

ROOT = Path(__file__).resolve().parents[2]
STUDY = "msc_ssc"
PATIENCE = 120.0
"""Seconds that the start may take: it fills in a trial and draws a report, on a machine that does other things besides."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program:
    """`trialcrf run` in a folder of its own. What a test only needs to be there is recorded through the actions, in its database."""

    def __init__(self, data: Path) -> None:
        self.data, self.port = data, free_port()
        self.url = f"http://localhost:{self.port}"  # As its people open it: passkeys are bound to a name.
        self._output = data / "output.txt"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "SMTP_URL", "BASE_URL", "HOST")}
        return {**kept, "TRIALCRF_DATA": str(self.data), "PORT": str(self.port), "TRIALCRF_DEMO": "1", "LC_ALL": "C.UTF-8"}

    def start(self) -> None:
        """Start and wait for the line `ready`. Raises RuntimeError with what was printed where it does not come."""
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "trialcrf.cli", "run"], cwd=ROOT, env=self.environment, stdout=output, stderr=subprocess.STDOUT
            )
        end = time.monotonic() + PATIENCE
        while f"ready http://127.0.0.1:{self.port}" not in self.said:
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise RuntimeError(f"the program did not start:\n{self.said}")
            time.sleep(0.1)

    @property
    def said(self) -> str:
        return self._output.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> int:
        """As Ctrl-C does; the exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        code = self._process.wait(timeout=60)
        if "engine" in self.__dict__:
            self.engine.dispose()
        return code

    def command(self, *arguments: str) -> str:
        """Run another command of the program beside it, as an operator does; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "trialcrf.cli", *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @cached_property
    def engine(self) -> Engine:
        return open_engine(f"sqlite:///{self.data / 'trialcrf.sqlite3'}")

    @property
    def world(self) -> World:
        return World(self.engine, STUDY)

    @property
    def today(self) -> date:
        """The day at site 01."""
        with self.world.read() as tx:
            site = sites.find(tx, STUDY, "01")
        assert site
        return site.today(datetime.now(UTC))

    def ask(self, statement: str, **params: object) -> list[tuple[object, ...]]:
        """Look behind the pages: rows of a SELECT."""
        with self.world.read() as tx:
            return [tuple(row) for row in tx.read(text(statement), params)]

    def do(self, statement: str, **params: object) -> None:
        """Change a table of work (a session, say) behind the program's back."""
        with self.world.write("trialcrf", datetime.now(UTC)) as tx:
            tx.work(text(statement), params)

    def records(self) -> int:
        """How many audit records there are."""
        return int(str(self.ask("SELECT count(*) FROM audit_record")[0][0]))

    def mails(self) -> list[EmailMessage]:
        found = []
        for path in sorted((self.data / "mail").glob("*.eml")):
            message = message_from_bytes(path.read_bytes(), policy=default)
            assert isinstance(message, EmailMessage)
            found.append(message)
        return found

    def mails_to(self, name: str) -> list[EmailMessage]:
        return [mail for mail in self.mails() if mail["To"] == f"{name}@example.org"]

    def recipient(self, consented: int = 40, infused: int | None = None, site: str = "01", **more: Any) -> Subject:
        """A new recipient who consented so many days ago; with `infused`, whose infusion was so many days ago."""
        now, today = datetime.now(UTC), self.today
        consent = today - timedelta(days=consented)
        subject = self._enrolled("recipient", site, {**made_up.recipient_consent(0, consent), **more}, now)
        if infused is not None:
            day = today - timedelta(days=infused)
            self.saved(subject, "D0", "VISIT", {"VIS_DONE": "Y", "VIS_DATE": day})
            self.saved(subject, "D0", "INFUSION", made_up.infusion(0, "MSC1", day))
        return subject

    def donor(self, consented: int = 40, site: str = "01", **more: Any) -> Subject:
        consent = self.today - timedelta(days=consented)
        return self._enrolled("donor", site, {**made_up.donor_consent(0, consent), **more}, datetime.now(UTC))

    def _enrolled(self, kind: str, site: str, values: made_up.Values, now: datetime) -> Subject:
        with self.world.write("cora", now) as tx:
            where = sites.find(tx, STUDY, site)
            assert where
            sent = Typed({Place(oid): made_up.typed_as(value) for oid, value in values.items()})
            return enrol.enrol(tx, self.world.published, where, kind, sent, now)[0]

    def saved(self, subject: Subject, event: str, form: str, values: made_up.Values, repeat: int = 1) -> StoredForm:
        """A form saved by the coordinator; a stored one is saved over with a reason."""
        key, now = FormKey(event, form, form_repeat=repeat), datetime.now(UTC)
        with self.world.read() as tx:
            before = forms.read(tx, subject.id, key)
        raws = {Place(oid): made_up.typed_as(value) for oid, value in values.items()}
        sent = Typed(raws, reasons=dict.fromkeys(raws, "SOURCE") if before else {}, version=before.version if before else None)
        self.world.save(subject, form, event, sent, repeat, now)
        with self.world.read() as tx:
            stored = forms.read(tx, subject.id, key)
        assert stored
        return stored

    def stored(self, subject: Subject, event: str, form: str, repeat: int = 1) -> StoredForm | None:
        with self.world.read() as tx:
            return forms.read(tx, subject.id, FormKey(event, form, form_repeat=repeat))

    def value(self, subject: Subject, event: str, form: str, item: str) -> object:
        """What is stored as answer to an item outside rows: canonical text, a mapping for a missing code, None for blank."""
        stored = self.stored(subject, event, form)
        answer = stored.document.items.get(item) if stored else None
        return answer.plain() if answer else None


def subject_address(key: str) -> str:
    return f"/studies/{STUDY}/subjects/{key}"


def form_address(key: str, event: str, form: str, repeat: int = 1, event_repeat: int = 1) -> str:
    return f"{subject_address(key)}/{event}/{event_repeat}/{form}/{repeat}"
