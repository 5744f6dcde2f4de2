"""Commands about archives: write everything into one file, prove such a file, and serve it read-only on this machine."""

from __future__ import annotations

import http.client
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from types import FrameType

import click

from config import ROOT, environment_with
from trialcrf.actions.records import archive_study
from trialcrf.actions.records.archive_study import Proof
from trialcrf.cli.serve import SERVE, refuse_taken_port
from trialcrf.cli.terminal import Terminal, _, here, terminal
from trialcrf.cli.workers import end_with_parent
from trialcrf.core.wording import N_, Message
from trialcrf.external.bundle import BadArchive

HOST = "127.0.0.1"
PATIENCE = 60.0
"""Seconds that the web server gets to answer, and to stop."""
REFUSED = 2
"""The exit code where an archive, or what would be archived, does not hold."""

_FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
_NOTED = click.option("--sha256", default="", metavar="DIGITS", help=_("What was noted of the file when it was made."))


@click.group(help=_("Archives: one file that holds everything, and opens read-only anywhere."))
def archive() -> None:
    """The group of commands."""


@archive.command(
    help=_(
        "Write one file with everything recorded: data, definitions, trail, users, reports. Before it is written the trail is verified, "
        "afterwards it is opened again and compared. Exit code 2: something does not hold, nothing was written."
    )
)
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@click.option(
    "--study", metavar="KEY", help=_("Leave out what is of other studies. Accounts, roles, sites and the system’s own trail stay whole.")
)
@click.option("--even-if-broken", is_flag=True, help=_("Write it although the trail does not hold: the archive says so ever after."))
@terminal
def create(shell: Terminal, out: Path, study: str | None, even_if_broken: bool) -> None:
    if out.exists():
        raise FileExistsError(17, _("There is such a file already."), str(out))
    out.parent.mkdir(parents=True, exist_ok=True)
    # Beside the file, where there is room for it: a temporary folder often lies in memory.
    with _scratch(out.absolute().parent) as folder, _refusals():
        gathering, opened = folder / "gathered", folder / "opened"
        for one in (gathering, opened):
            one.mkdir(mode=0o700)
        with shell.read() as tx:
            gathered = archive_study.gather(tx, shell.now, version("trialcrf"), shell.settings.data, gathering, study, even_if_broken)
        made = archive_study.write(gathered, out, opened)
    _tell(shell, made.proof)
    told = {"file": str(out), "size": str(made.size), "sha256": made.sha256}
    shell.say(Message(N_("%(file)s: %(size)s bytes. Opened again, every hash is that of the database."), told))
    shell.say(Message(N_("Note this beside the file: SHA-256 %(sha256)s"), told))


@archive.command(help=_("Prove that an archive is as it was written, and that its trail holds. Exit code 2: it is not, or does not."))
@_FILE
@_NOTED
@terminal
def verify(shell: Terminal, file: Path, sha256: str) -> None:
    with _scratch(None) as folder, _refusals():
        proof = archive_study.prove(file, folder, sha256)
    _tell(shell, proof)
    shell.say(Message(N_("The archive is as it was written.")))


@archive.command(
    "open",
    help=_(
        "Serve an archive read-only until Ctrl-C: whoever sits at this machine reads all of it as an inspector does, without a "
        "password; no other machine reaches it. It is proved first, and the file stays as it is."
    ),
)
@_FILE
@_NOTED
@click.option("--port", type=click.IntRange(1, 65535), help=_("The port to listen on (a free one)."))
@terminal
def open_(shell: Terminal, file: Path, sha256: str, port: int | None) -> None:
    if port:
        refuse_taken_port(HOST, port)
    with _scratch(None) as folder:
        with _refusals():
            proof = archive_study.prove(file, folder, sha256)
        _tell(shell, proof)
        code = _serve(folder, proof.made_at, port or _free_port())
    raise click.exceptions.Exit(code)


@contextmanager
def _scratch(parent: Path | None) -> Iterator[Path]:
    """A folder that only its owner reads, gone when it is left; a signal that asks to end leaves it too."""
    folder = Path(tempfile.mkdtemp(prefix="trialcrf-archive-", dir=parent))

    def ended(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, ended) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield folder
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _refusals() -> Iterator[None]:
    """Every problem on a line of standard error, and the exit code REFUSED."""
    try:
        yield
    except BadArchive as bad:
        for one in bad.problems:
            click.echo(here().say(one), err=True)
        raise click.exceptions.Exit(REFUSED) from None


def _tell(shell: Terminal, proof: Proof) -> None:
    scope = Message(N_("study %(study)s"), {"study": proof.study}) if proof.study else Message(N_("the whole installation"))
    said = N_("Archive of %(at)s, %(scope)s: %(rows)s rows in %(tables)s tables, %(records)s audit records in %(chains)s chains.")
    numbers = {"rows": proof.rows, "tables": proof.tables, "records": proof.records, "chains": proof.chains}
    shell.say(Message(said, {"at": proof.made_at.strftime("%Y-%m-%dT%H:%M:%SZ"), "scope": scope, **numbers}))
    shell.say(Message(N_("Checkpoint %(checkpoint)s"), {"checkpoint": proof.checkpoint}))
    for one in proof.broken:
        shell.say(Message(N_("When it was made, this did not hold: %(what)s"), {"what": one}))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _serve(folder: Path, made_at: datetime, port: int) -> int:
    """The web pages over the unpacked archive until somebody ends them: 0, or 1 where they ended by themselves. No scheduler runs."""
    asked: list[int] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    given = {
        "TRIALCRF_DATA": str(folder), "DATABASE_URL": f"sqlite:///{folder / archive_study.DATABASE}", "HOST": HOST, "PORT": str(port),
        "BASE_URL": f"http://{HOST}:{port}", "TRIALCRF_ARCHIVE": made_at.isoformat(), "TRIALCRF_DEMO": "", "SMTP_URL": "",
        "TRIALCRF_SECURE_COOKIES": "", "TRIALCRF_ICSR_SCHEMA": "", "TRIALCRF_WORKERS": "1", "TRIALCRF_PROXIES": "",
    }  # fmt: skip
    # In a session of its own: Ctrl-C reaches this process alone, which then stops it in good order.
    server = subprocess.Popen(SERVE, cwd=ROOT, env=environment_with(given), start_new_session=True, preexec_fn=end_with_parent)
    try:
        end = time.monotonic() + PATIENCE
        while not asked and server.poll() is None and not _answers(port) and time.monotonic() < end:
            time.sleep(0.1)
        if not asked and server.poll() is None and _answers(port):
            click.echo(f"ready http://{HOST}:{port}")
            sys.stdout.flush()
        while not asked and server.poll() is None:
            time.sleep(0.1)
        return 0 if asked else 1
    finally:
        if server.poll() is None:
            server.terminate()
            with suppress(subprocess.TimeoutExpired):
                server.wait(PATIENCE)
        if server.poll() is None:
            server.kill()
            server.wait()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/studies")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
