"""Commands that start the program: make the database ready, serve the web, or run everything and wait."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import NoReturn

import click

from config import Settings
from trialcrf.actions import demo
from trialcrf.actions.publish import plan_where_missing, publish
from trialcrf.actions.records import report
from trialcrf.cli.alert import told_if_refused
from trialcrf.cli.study import study_of
from trialcrf.cli.terminal import Terminal, _, here, stop, terminal
from trialcrf.cli.workers import GRACE, end_with_parent, listen, supervise
from trialcrf.core.access import ROLES
from trialcrf.core.wording import N_, Message
from trialcrf.external import logs
from trialcrf.jobs import WHO
from trialcrf.jobs.work import draw_report
from trialcrf.store import accounts, definitions, migrations, reports, subjects
from trialcrf.store.migrations import SchemaBehind

SHIPPED = "msc_ssc"
PATIENCE = 90.0
"""Seconds that the web server and the scheduler get to answer, and to stop."""


@click.command(help=_("Make the database ready: run every missing migration and compare the triggers that guard the audit trail."))
@terminal
def init(shell: Terminal) -> None:
    make_ready(shell)
    shell.say(Message(N_("The database is ready.")))


def make_ready(shell: Terminal) -> None:
    """Migrate where that is needed. Raises TriggersDiffer: triggers that somebody changed are reported, not quietly made anew."""
    try:
        migrations.check(shell.unchecked_engine)
    except SchemaBehind:
        settings = shell.settings
        if settings.database_url.startswith("postgresql") and not settings.database_unguarded:
            raise  # Whoever serves pages may not change the schema: trialcrf db upgrade does, as the owner.
        migrations.upgrade(shell.settings.database_url)
        migrations.check(shell.unchecked_engine)
    with shell.write() as tx:
        plan_where_missing(tx)


@click.command(help=_("Serve the web pages alone; trialcrf jobs serve runs beside it."))
@terminal
def serve(shell: Terminal) -> None:
    settings = shell.settings
    logs.start(settings.log)
    with told_if_refused(shell):
        shell.engine.dispose()  # Opened to refuse a database of another version before the pages are made ready.
        work = _worker(settings, _listening(settings.host, settings.port))
    raise SystemExit(supervise(work, settings.workers))


def _worker(settings: Settings, listening: socket.socket) -> Callable[[int], None]:
    """What each process of the web server does. The pages are made ready once, here, and every process is a copy of this one."""
    from trialcrf.external.http_server import Worker  # The other commands need no web.
    from trialcrf.external.metrics import Board
    from trialcrf.web import create_app, limit_of

    app = create_app(settings, ends=True)
    board: Board = app.extensions["trialcrf.board"]
    app.extensions["trialcrf.engine"].dispose()  # A connection is of one process.

    def work(number: int) -> None:
        board.take(number)
        worker = Worker(app, listening, limit_of(app), settings.proxies > 0)
        signal.signal(signal.SIGTERM, lambda _number, _frame: worker.stop())
        worker.run(GRACE - 2)

    return work


def _listening(host: str, port: int) -> socket.socket:
    try:
        return listen(host, port)
    except OSError as error:
        _taken(host, port, error)


@click.command(help=_("Start everything: database, a first study, web pages, scheduler. Ctrl-C stops it."))
@terminal
def run(shell: Terminal) -> None:
    settings = shell.settings
    refuse_taken_port(settings.host, settings.port)
    make_ready(shell)
    _prepare(shell)
    shell.engine.dispose()
    raise click.exceptions.Exit(_Children(shell).watch())


def _prepare(shell: Terminal) -> None:
    """The first study, the synthetic trial where it is wanted and nothing is recorded yet, and a first report."""
    with shell.write() as tx:
        # Once: what was published here since is the study of this trial, and the one that is shipped must not take its place.
        published = definitions.current(tx, SHIPPED) or publish(tx, study_of(SHIPPED))[0]
    with shell.read() as tx:
        empty = not accounts.all_of(tx) and not subjects.count(tx, published.study.oid)
    if shell.settings.demo and empty:
        shell.say(Message(N_("Filling in a synthetic trial …")))
        demo.fill(shell.write, published, shell.now)
    with shell.write() as tx:
        first = None
        if not reports.all_of(tx, published.study.oid, 1):
            first = report.order(tx, published, published.study.languages[0], tx.at.date(), None, "trialcrf")
    if first is not None:
        shell.say(Message(N_("Drawing a first safety report …")))
        draw_report(shell.engine, shell.settings.reports_folder, WHO, first)


def refuse_taken_port(host: str, port: int) -> None:
    # Asked before a trial is filled in, which takes its time.
    _listening(host, port).close()


def _taken(host: str, port: int, error: OSError) -> NoReturn:
    said = N_("The server cannot listen on %(host)s, port %(port)s: %(what)s. Another PORT may be free.")
    stop(Message(said, {"host": host, "port": str(port), "what": error.strerror or str(error)}))


SERVE = [sys.executable, "-m", "trialcrf.cli", "serve"]
"""The web server as a process of its own."""


class _Children:
    """The web server and the scheduler as two processes that live and end together."""

    def __init__(self, shell: Terminal) -> None:
        self._shell = shell
        self._asked_to_stop = False
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def watch(self) -> int:
        """Start both, say when they are ready, and wait: for a signal (0), or for one of them to end by itself (1)."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            self._start(N_("the web server"), SERVE)
            self._start(N_("the scheduler"), [sys.executable, "-m", "trialcrf.cli", "jobs", "serve"])
            fallen = self._wait_until_ready()
            if fallen is None and not self._asked_to_stop:
                self._tell_ready()
                fallen = self._wait()
        finally:
            self._stop_all()
        if fallen is None:
            return 0
        click.echo(here().say(fallen), err=True)
        return 1

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._asked_to_stop = True

    def _start(self, name: str, command: list[str]) -> None:
        # In a session of its own: Ctrl-C reaches this process alone, which then stops both in good order.
        self._running[name] = subprocess.Popen(command, start_new_session=True, preexec_fn=end_with_parent)

    def _fallen(self) -> Message | None:
        for name, process in self._running.items():
            code = process.poll()
            if code is not None:
                said = N_("%(what)s ended by itself (code %(code)s): everything is stopped.")
                return Message(said, {"what": Message(name), "code": str(code)})
        return None

    def _wait_until_ready(self) -> Message | None:
        end = time.monotonic() + PATIENCE
        while not self._asked_to_stop:
            fallen = self._fallen()
            if fallen is not None:
                return fallen
            if self._answers():
                return None
            if time.monotonic() > end:
                return Message(N_("The program does not answer: everything is stopped."))
            time.sleep(0.2)
        return None

    def _answers(self) -> bool:
        """Whether the web server answers and the scheduler has ticked."""
        settings = self._shell.settings
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
        connection = http.client.HTTPConnection(host, settings.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _tell_ready(self) -> None:
        settings = self._shell.settings
        if settings.demo:
            for line in _demo_accounts(self._shell):
                click.echo(line)
        self._shell.say(Message(N_("Open %(address)s in a browser."), {"address": settings.base_url}))
        # The line that scripts wait for names where it listens.
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        click.echo(f"ready http://{host}:{settings.port}")
        sys.stdout.flush()

    def _wait(self) -> Message | None:
        while not self._asked_to_stop:
            fallen = self._fallen()
            if fallen is not None:
                return fallen
            time.sleep(0.2)
        return None

    def _stop_all(self) -> None:
        for process in self._running.values():
            if process.poll() is None:
                process.terminate()
        end = time.monotonic() + PATIENCE
        for process in self._running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, end - time.monotonic()))
            # Its session holds whatever it started: workers of a server that was killed would go on answering without it.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _demo_accounts(shell: Terminal) -> list[str]:
    """The accounts of the synthetic trial that are in this database, a line each: user name, password, role, site."""
    with shell.read() as tx:
        here_too = {one.username for one in accounts.all_of(tx) if one.demo and one.active}
    shell.engine.dispose()
    if not here_too:
        return []
    rows = [(_("user name"), _("password"), _("role"), _("site"))]
    rows += [
        (one.username, one.password, here().gettext(ROLES[one.role]), one.site or "–") for one in demo.ACCOUNTS if one.username in here_too
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return ["  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
