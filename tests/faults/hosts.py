"""An installation on several machines: PostgreSQL with its three roles, hosts, a mail server, and clients that go round the hosts.

`python -m tests.faults.hosts URL` holds a lock, as a host does that dies in the middle of a save.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import psycopg
from aiosmtpd.controller import Controller
from click.testing import CliRunner
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from config import ROOT
from tests.bench.browser import Answer, Browser
from tests.bench.form import fields
from tests.bench.trial import ADMISSION, NOW, PASSWORD, SITE, STUDY, coordinators, prepare
from tests.conftest import Cluster, scratch, scratch_folder
from tests.faults.clients import Client, clients_of
from tests.faults.network import NET, Machine, Network
from tests.faults.power import Postgres
from tests.mailbox import Mailbox
from trialcrf.actions import administer, enrol, sign_in
from trialcrf.actions.enter import Typed
from trialcrf.cli import main as command
from trialcrf.core.rhythm import RHYTHMS
from trialcrf.store import definitions, runs, sites
from trialcrf.store.audit import Who
from trialcrf.store.models import chain_head
from trialcrf.store.transaction import open_engine, reading, writing

PORT, SMTP = 8000, 2525
PAUSE = 0.25
"""Seconds between two saves of a client: it is about what becomes of each, not about how many there are."""
BASE = "http://crf.example.org"
SECRETS = {"owner": "the owner of sixteen", "app": "the program of sixteen", "read": "the reader of sixteen"}
REMINDERS = """
reminders:
  steps:
    - {oid: LATE, when: overdue, days: 1, roles: [investigator], text: {fr: La visite est en retard., en: The visit is overdue.}}
"""


@dataclass
class Host:
    """A machine of the installation and what runs on it, from the checkout `root`."""

    machine: Machine
    address: str
    environ: dict[str, str]
    log: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, root: Path = ROOT, jobs: bool = True) -> None:
        env = {**os.environ, **self.environ, "HOST": self.address}
        with self.machine.inside(), self.log.open("ab") as output:
            for words in (["serve"], ["jobs", "serve"])[: 1 + jobs]:
                line = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "trialcrf.cli", *words]
                self.running.append(subprocess.Popen(line, cwd=root, env=env, stdout=output, stderr=output, start_new_session=True))

    def stop(self) -> None:
        for one in self.running:
            one.terminate()
        for one in self.running:
            assert one.wait(60) == 0, self.said()
        self.running.clear()

    def reap(self) -> None:
        for one in self.running:
            one.wait(30)
        self.running.clear()

    def draws(self) -> bool:
        """Whether a document is being drawn here: in a child of the scheduler's process."""
        scheduler = self.running[1].pid
        with suppress(OSError):
            return any(Path(f"/proc/{scheduler}/task/{task}/children").read_text() for task in os.listdir(f"/proc/{scheduler}/task"))
        return False

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]


@dataclass
class Rover(Client):
    """A client that goes round the hosts with one session: where one does not answer, it sends the same page to the next."""

    hosts: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    browser: Browser | None = None
    places: Iterator[int] = field(default_factory=itertools.count)
    per_host: Counter[str] = field(default_factory=Counter)

    def rove(self, until: threading.Event) -> None:
        while not until.is_set() and not self.wrong:
            host = self.hosts[next(self.places) % len(self.hosts)]
            with suppress(OSError, RuntimeError):
                if self.browser is None:
                    made = Browser(PORT, host, 8.0)
                    made.sign_in(self.name, PASSWORD)
                    self.browser = made  # Never another one: whoever was signed out saves nothing any more.
                else:
                    self.browser.move(host)
                for _ in range(3):
                    self._next(host)
                    until.wait(PAUSE)
            until.wait(PAUSE)

    def _next(self, host: str) -> None:
        assert self.browser is not None
        if self.pending is None:
            address = self.addresses[self.saves % len(self.addresses)]
            turn = self.acknowledged.get(address, 0) + 1
            sent = [*fields(self.number, turn), ("act", "save"), ("save_token", f"{self.name}-{address}-{turn}"[-64:])]
            sent += [("version", str(turn - 1)), ("why", "SLIP")] if turn > 1 else []
            self.pending = (address, turn, urlencode(sent).encode())
        else:
            self.resent += 1
        address, turn, body = self.pending
        self._post(self.browser, address, turn, body + b"&" + urlencode({"token": self.browser.token}).encode())
        self.per_host[host] += 1

    def _post(self, browser: Browser, address: str, turn: int, body: bytes) -> None:
        told = _Seen(browser)
        try:
            super()._post(told, address, turn, body)  # type: ignore[arg-type]
        finally:
            self.statuses.update(told.statuses)


class _Seen:
    """A browser that remembers the statuses; an answer that leads to the sign-in page is none that acknowledges."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.statuses: list[int] = []

    def post(self, address: str, body: bytes) -> Answer:
        answer = self._browser.post(address, body)
        if answer.status == 303 and b"/sign-in" in answer.head:
            answer = Answer(401, answer.head, answer.text)
        self.statuses.append(answer.status)
        return answer


@dataclass
class House:
    """The installation. `url` reaches its database as the server's administrator, `app` as the program does, over the network."""

    network: Network
    server: Postgres
    url: str
    app: str
    data: Path
    box: Mailbox
    hosts: list[Host]
    clients: list[Rover]
    unfilled: int  # the id of the subject whose visits nobody fills

    def rove(self, until: threading.Event) -> list[threading.Thread]:
        with self.network.switch.inside():
            working = [threading.Thread(target=one.rove, args=(until,), daemon=True) for one in self.clients]
            for one in working:
                one.start()
        return working

    def browser(self, host: Host) -> Browser:
        with self.network.switch.inside():
            return Browser(PORT, host.address, 20.0)

    def ready(self, host: Host) -> None:
        end = time.monotonic() + 150
        while True:
            assert time.monotonic() < end, host.said()
            assert all(one.poll() is None for one in host.running), host.said()
            with suppress(OSError, RuntimeError), closing(self.browser(host)) as asking:
                if asking.get("/healthz").status == 200:
                    return
            time.sleep(0.2)

    def die(self, host: Host) -> None:
        """As by a power cut: from one moment to the next nothing is heard of it, and nobody says goodbye."""
        self.network.unplug(host.machine)
        host.machine.kill()
        host.reap()
        self.hosts.remove(host)
        for one in self.clients:
            one.hosts = [place for place in one.hosts if place != host.address]

    def hold(self, host: Host, options: str = "") -> subprocess.Popen[bytes]:
        """Let a process of this host stand in the middle of a save: it has the head of the site's chain, for which every save waits."""
        line = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "tests.faults.hosts", self.app, options]
        with host.machine.inside():
            made = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE)
        assert made.stdout
        assert made.stdout.readline() == b"held\n"
        made.stdout.close()
        return made

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()


@contextmanager
def house(clients: int = 3, count: int = 3) -> Iterator[House]:
    base = scratch_folder(scratch())
    base.chmod(0o755)
    network: Network | None = None
    box, mails, server = Mailbox(), None, None
    hosts: list[Host] = []
    rovers: list[Rover] = []
    try:
        network = Network()
        machine, address = network.add()
        sockets = base / "s"
        sockets.mkdir()
        shutil.chown(sockets, "postgres", "postgres")
        server = Postgres(base, sockets, {"listen_addresses": address})
        with machine.inside():
            server.create()
            (base / "pg" / "data" / "pg_hba.conf").write_text(f"local all all trust\nhost all all {NET}.0/24 scram-sha-256\n")
            server.start()
        url = _database(server, sockets, base)
        made_for, unfilled = _trial(url, base, clients)
        rovers += made_for
        with network.switch.inside():
            mails = Controller(box, hostname=f"{NET}.1", port=SMTP)
            mails.start()
        app = f"postgresql+psycopg://trial_app:{SECRETS['app'].replace(' ', '%20')}@{address}/trial"
        data = base / "data"
        environ = {
            "TRIALCRF_DATA": str(data), "DATABASE_URL": app, "PORT": str(PORT), "BASE_URL": BASE, "SMTP_URL": f"smtp://{NET}.1:{SMTP}",
            "TRIALCRF_DEMO": "no", "TRIALCRF_DATABASE_UNGUARDED": "no", "TRIALCRF_WORKERS": "1",
            "TRIALCRF_UNENCRYPTED": "database mail", "LC_ALL": "en_GB.UTF-8",
        }  # fmt: skip
        hosts += [Host(*network.add(), environ, base / f"host{number}.log") for number in range(count)]
        for one in rovers:
            one.hosts = [host.address for host in hosts]
        made = House(network, server, url, app, data, box, hosts, rovers, unfilled)
        for host in hosts:
            host.start()
        for host in hosts:
            made.ready(host)
        yield made
    finally:
        if mails is not None:
            mails.stop()
        if network is not None:
            network.remove()
        for host in hosts:
            host.reap()
        for one in rovers:
            if one.browser is not None:
                one.browser.close()
        if server is not None:
            server.kill()
        shutil.rmtree(base, ignore_errors=True)


def _database(server: Postgres, sockets: Path, base: Path) -> str:
    """An empty database that `trialcrf db init` made ready."""
    Cluster(sockets).execute("CREATE DATABASE trial TEMPLATE template0")
    url = server.url("trial")
    secrets = base / "secrets.json"
    secrets.write_text(json.dumps(SECRETS))
    administer_database(url, base, "init", "--passwords", str(secrets))
    return url


def administer_database(url: str, data: Path, *arguments: str) -> str:
    """What `trialcrf db …` says, as the administrator of the server."""
    env = {
        "DATABASE_URL": url,
        "DATABASE_OWNER_URL": url,
        "TRIALCRF_UNENCRYPTED": "database",
        "LC_ALL": "en_GB.UTF-8",
        "TRIALCRF_DATA": str(data / "admin"),
    }
    result = CliRunner(env=env).invoke(command, ["db", *arguments, "--name", "trial"], prog_name="trialcrf")
    assert result.exit_code == 0, result.output
    return result.output


def _trial(url: str, base: Path, count: int) -> tuple[list[Rover], int]:
    """The trial of `tests/bench` with reminders: somebody to be reminded, one subject whose visits nobody fills, and who orders reports."""
    study = base / "study"
    shutil.copytree(ROOT / "tests" / "bench" / "study", study)
    with (study / "study.yaml").open("a") as file:
        file.write(REMINDERS)
    addresses = prepare(url, count, count, study)
    engine, who = open_engine(url), Who.system("hosts")
    with writing(engine, NOW, who) as tx:
        published = definitions.current(tx, STUDY)
        assert published
        for name, role, site in (("ivan", "investigator", SITE), ("dana", "data_manager", "")):
            account = administer.create_account(tx, name, name.title(), f"{name}@example.org", "Hospital", "fr")
            sign_in.set_password(tx, account, name, PASSWORD)
            administer.give_role(tx, account, role, STUDY, site)
        here = sites.find(tx, STUDY, SITE)
        assert here
    with writing(engine, NOW, who) as tx:
        unfilled, _saved = enrol.enrol(tx, published, here, "person", Typed(ADMISSION), NOW)
    with writing(engine, datetime.now(UTC), who) as tx:
        # Done by somebody before: to prove a backup takes longer than all that is tried here.
        period = RHYTHMS["backup"].period
        assert period
        taken = runs.begin(tx, "backup", period(tx.at).name)
        assert taken
        runs.finish(tx, taken, runs.DONE, "", {}, None)
    engine.dispose()
    made = clients_of(coordinators(count), addresses)
    return [Rover(one.name, one.addresses, one.number) for one in made], unfilled.id


def newer_checkout(folder: Path, additive: bool = True) -> Path:
    """A copy of this checkout with one more migration: the next version of the program."""

    def linked(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)

    for name in ("trialcrf", "migrations", "templates", "reports"):
        shutil.copytree(ROOT / name, folder / name, copy_function=linked)
    shutil.copy2(ROOT / "config.py", folder)
    newest = sorted(path.stem[:4] for path in (ROOT / "migrations" / "versions").glob("0*.py"))[-1]
    following = f"{int(newest) + 1:04d}"
    (folder / "migrations" / "versions" / f"{following}_of_a_test.py").write_text(
        f'"""One more."""\n\nimport sqlalchemy as sa\nfrom alembic import op\n\nrevision, down_revision = "{following}", "{newest}"\n'
        f"additive = {additive}\n\n\ndef upgrade() -> None:\n"
        '    op.add_column("form", sa.Column("of_a_test", sa.String(20), nullable=True))\n'
        '    op.add_column("session", sa.Column("of_a_test", sa.Integer(), server_default="7", nullable=False))\n'
        '    op.create_table("of_a_test", sa.Column("id", sa.Integer(), primary_key=True), '
        'sa.Column("form_id", sa.Integer(), sa.ForeignKey("form.id")))\n'
    )
    return folder


def hold(url: str, options: str) -> None:
    """Take the head of every chain and say so; then nothing more."""
    more = f"{'&' if '?' in url else '?'}options={options.replace(' ', '%20')}" if options else ""
    engine = open_engine(url + more)
    with suppress(DBAPIError), writing(engine, datetime.now(UTC), Who.system("hosts")) as tx:
        tx.read(select(chain_head.c.chain).with_for_update()).all()
        sys.stdout.write("held\n")
        sys.stdout.flush()
        time.sleep(600)


def heads(url: str) -> int:
    """How many records there are."""
    engine = open_engine(url)
    with reading(engine) as tx:
        found = int(tx.read(text("SELECT sum(seq) FROM chain_head")).scalar_one())
    engine.dispose()
    return found


def clients_joined(working: Sequence[threading.Thread]) -> None:
    for one in working:
        one.join(60)
        assert not one.is_alive()


if __name__ == "__main__":
    hold(sys.argv[1], sys.argv[2])
