"""Clients that save over HTTP and remember what they were told: what was acknowledged, and the one save that never was."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from sqlalchemy import select

from tests.bench.browser import Browser
from tests.bench.form import fields
from tests.bench.trial import PASSWORD
from trialcrf.jobs.verify import verify
from trialcrf.store.models import form, subject
from trialcrf.store.transaction import open_engine, reading


@dataclass
class Client:
    """One person with forms of their own. `acknowledged` are saves that were answered by a redirect, by address; `pending` the one
    whose answer never came, as it was sent."""

    name: str
    addresses: Sequence[str]
    number: int
    acknowledged: dict[str, int] = field(default_factory=dict)
    pending: tuple[str, int, bytes] | None = None
    saves: int = 0
    resent: int = 0
    wrong: str = ""

    def work(self, port: int, until: threading.Event) -> None:
        """Save until the server is gone or `until` is set; first, once more, what was never answered."""
        try:
            browser = Browser(port)
        except OSError:
            return
        try:
            browser.sign_in(self.name, PASSWORD)
            if self.pending is not None:
                address, turn, body = self.pending
                self._post(browser, address, turn, body + b"&" + urlencode({"token": browser.token}).encode())
                self.resent += 1
            while not until.is_set():
                address = self.addresses[self.saves % len(self.addresses)]
                turn = self.acknowledged.get(address, 0) + 1
                sent = [*fields(self.number, turn), ("act", "save"), ("save_token", f"{self.name}-{address}-{turn}"[-64:])]
                sent += [("version", str(turn - 1)), ("why", "SLIP")] if turn > 1 else []
                body = urlencode(sent).encode()
                self.pending = (address, turn, body)
                self._post(browser, address, turn, body + b"&" + urlencode({"token": browser.token}).encode())
        except (OSError, RuntimeError):
            return  # The server is gone, in the middle of whatever it was doing.
        finally:
            browser.close()

    def _post(self, browser: Browser, address: str, turn: int, body: bytes) -> None:
        answer = browser.post(address, body)
        if answer.status != 303:
            if answer.status < 500:
                self.wrong = f"{self.name}: {answer.status} to save {turn} of {address}"
            raise RuntimeError(f"{answer.status}")
        self.acknowledged[address] = turn
        self.pending = None
        self.saves += 1


def save_for(clients: Sequence[Client], port: int, stop: threading.Event) -> list[threading.Thread]:
    working = [threading.Thread(target=one.work, args=(port, stop), daemon=True) for one in clients]
    for one in working:
        one.start()
    return working


def clients_of(names: Sequence[str], addresses: Sequence[str]) -> list[Client]:
    """Each client gets forms that nobody else saves."""
    each = len(addresses) // len(names)
    return [Client(name, addresses[n * each : (n + 1) * each], 100 * n) for n, name in enumerate(names)]


def judge(url: str, clients: Sequence[Client]) -> str:
    """What is wrong with what is stored, against what the clients were told; empty where nothing is."""
    engine = open_engine(url)
    try:
        with reading(engine) as tx:
            verify(tx)  # Every chain, and that what is stored is the replay of the trail.
            columns = (subject.c.key, form.c.event_oid, form.c.form_oid, form.c.version, form.c.document)
            asked = select(*columns).join(subject, subject.c.id == form.c.subject_id)
            stored = {f"/{row.key}/{row.event_oid}/1/{row.form_oid}/1": row for row in tx.read(asked)}
    finally:
        engine.dispose()
    for one in clients:
        if one.wrong:
            return one.wrong
        for address in one.addresses:
            row = stored.get(address.partition("/subjects")[2])
            version, told = (row.version if row else 0), one.acknowledged.get(address, 0)
            allowed = {told, one.pending[1]} if one.pending and one.pending[0] == address else {told}
            if version not in allowed:
                return f"{one.name}: {address} is at version {version}, acknowledged was {told}"
            if row and json.loads(row.document)["items"]["REMARK"] != dict(fields(one.number, version))["i.REMARK"]:
                return f"{one.name}: {address} does not hold what save {version} sent"
    return ""


def wait_until(true: object, seconds: float = 30.0) -> None:
    assert callable(true)
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "this takes too long"
        time.sleep(0.02)
