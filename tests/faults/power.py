"""Power cuts: a file system of our own that drops, at one call, whatever was not flushed; mounted again it is what a disk would hold."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from config import ROOT
from tests.actions.world import make_world, open_world
from tests.conftest import Cluster, migrate, postgresql_programs
from tests.faults.shim import Shim
from trialcrf.core.chain import Checkpoint
from trialcrf.jobs.verify import verify
from trialcrf.store import audit

SHUTDOWN, WITHOUT_FLUSH = 0x8004587D, 2
"""FS_IOC_SHUTDOWN, and its way that lets nothing more reach the disk, not even the file system's own log."""
MEGABYTES = {"sqlite": 64, "postgresql": 256}


class Disk:
    """A file with an ext4 file system in it, mounted at `at`."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self._image, self.at = folder / "disk.img", folder / "disk"
        if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
            pytest.fail("power cuts need root and the Debian packages mount and e2fsprogs (`.ci/setup faults`)", pytrace=False)
        with self._image.open("wb") as image:
            image.truncate(megabytes * 1024**2)
        subprocess.run(["mkfs.ext4", "-q", "-F", self._image], check=True)
        self.at.mkdir()
        self.mount()

    def mount(self) -> None:
        subprocess.run(["mount", "-o", "loop", self._image, self.at], check=True)

    def unmount(self) -> None:
        for _ in range(100):
            if subprocess.run(["umount", self.at], check=False, capture_output=True).returncode == 0:
                return
            time.sleep(0.1)
        raise RuntimeError(f"{self.at} is still in use")

    def cut(self) -> None:
        handle = os.open(self.at, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, SHUTDOWN, struct.pack("I", WITHOUT_FLUSH))
        finally:
            os.close(handle)

    def remove(self) -> None:
        with suppress(RuntimeError):
            self.unmount()
        self._image.unlink(missing_ok=True)


class Postgres:
    """A PostgreSQL whose files lie in `at`, as on a disk of their own; its socket does not."""

    def __init__(self, at: Path, sockets: Path, settings: Mapping[str, str]) -> None:
        self._data, self._sockets, self._settings = at / "pg" / "data", sockets, settings
        self._programs = postgresql_programs()
        self._as_user = ["setpriv", "--pdeathsig", "KILL", "--reuid", "postgres", "--regid", "postgres", "--init-groups"]
        self._server: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        self._data.parent.mkdir()
        shutil.chown(self._data.parent, "postgres", "postgres")
        how = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--wal-segsize=1"]
        subprocess.run([*self._as_user, self._programs / "initdb", "-D", self._data, *how], check=True, capture_output=True, cwd="/")

    def start(self) -> None:
        # Left by a server that was killed: its number may be that of another process by now.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        set_to = {"listen_addresses": "", "unix_socket_directories": str(self._sockets), "max_wal_size": "32MB", **self._settings}
        arguments = [part for name, value in set_to.items() for part in ("-c", f"{name}={value}")]
        with (self._sockets / "log").open("ab") as log:
            command = [*self._as_user, self._programs / "postgres", "-D", self._data, *arguments]
            self._server = subprocess.Popen(command, cwd="/", stdout=log, stderr=log, start_new_session=True)
        for _ in range(600):
            if subprocess.run([self._programs / "pg_isready", "-q", "-h", self._sockets], check=False).returncode == 0:
                return
            assert self._server.poll() is None, (self._sockets / "log").read_text(errors="replace")
            time.sleep(0.1)
        raise RuntimeError("PostgreSQL does not start")

    def kill(self) -> None:
        if self._server is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()
            self._server = None

    def restart(self) -> None:
        """As an administrator does it in the middle of the day."""
        assert self._server is not None
        self._server.send_signal(signal.SIGINT)
        self._server.wait(timeout=60)
        self.start()

    def url(self, name: str = "postgres") -> str:
        return Cluster(self._sockets).url(name)


@contextmanager
def on_disk(kind: str, folder: Path, lying: bool) -> Iterator[tuple[Disk, str, Postgres | None, dict[str, str]]]:
    """A database with a world in it on a disk of its own; `lying` lets no flush reach the disk, which must be seen as loss.

    Gives the disk, the URL, the server if there is one, and what the writer's environment needs.
    """
    # PostgreSQL, which is another user, must reach its files, and a socket's path has at most 107 characters.
    base = Path(tempfile.mkdtemp(prefix="trialcrf-power-"))
    base.chmod(0o755)
    disk, env, server = Disk(base, MEGABYTES[kind]), {}, None
    try:
        if kind == "postgresql":
            sockets = base / "s"
            sockets.mkdir()
            shutil.chown(sockets, "postgres", "postgres")
            server = Postgres(disk.at, sockets, {"fsync": "off"} if lying else {})
            server.create()
            server.start()
            url = server.url()
        else:
            url = f"sqlite:///{disk.at / 'trialcrf.sqlite3'}"
            if lying:
                shim = Shim(folder)
                shim.say("lie")
                env = shim.env
        migrate(url)
        make_world(url).engine.dispose()
        os.sync()
        yield disk, url, server, env
    finally:
        if server is not None:
            server.kill()
        disk.remove()
        if not disk.at.is_mount():
            shutil.rmtree(base)


@contextmanager
def started_server() -> Iterator[Postgres]:
    """A PostgreSQL as an installation has it, which can be started anew."""
    base = Path(tempfile.mkdtemp(prefix="trialcrf-server-"))
    base.chmod(0o755)
    sockets = base / "s"
    sockets.mkdir()
    shutil.chown(sockets, "postgres", "postgres")
    server = Postgres(base, sockets, {})
    try:
        server.create()
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(base)


def lost_by_cut(kind: str, folder: Path, lying: bool, seconds: float) -> int:
    """Write for so long, cut the power, start again: how many acknowledged changes are gone. What is left is verified."""
    with on_disk(kind, folder, lying) as (disk, url, server, env):
        writer = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.writer", url], cwd=ROOT, env={**os.environ, **env},
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        said: list[tuple[int, int]] = []
        assert writer.stdout is not None
        listening = threading.Thread(target=_listen, args=(writer.stdout, said))
        listening.start()
        while not said:
            assert writer.poll() is None
            time.sleep(0.01)
        time.sleep(seconds)
        moment = time.monotonic_ns()  # The clock of the whole machine: the writer reads the same one.
        disk.cut()
        time.sleep(0.1)
        writer.kill()
        writer.wait()
        listening.join()
        writer.stdout.close()
        if server is not None:
            server.kill()
        disk.unmount()
        disk.mount()
        if server is not None:
            server.start()
        kept = kept_in(url)
        assert kept <= said[-1][0] + 1, "nobody wrote what is there"
        # Answers given later are those of a machine that had no power any more: nobody could have read them.
        acknowledged = max(number for number, at in said if at < moment)
        return max(0, acknowledged - kept)


def _listen(lines: Iterable[bytes], said: list[tuple[int, int]]) -> None:
    for line in lines:
        number, moment = line.split()
        said.append((int(number), int(moment)))


def kept_in(url: str) -> int:
    """The number of the last change that is there, after everything was verified."""
    world = open_world(url)
    try:
        with world.read() as tx:
            verify(tx)
            everything = Checkpoint(tuple(audit.chains(tx.connection)))
            names = [value for id_, _, place, value in audit.replay(tx.connection, "site", everything) if (id_, place) == ("1", "name")]
    finally:
        world.engine.dispose()
    last = (names[-1] or "").rpartition(" ")[2]
    return int(last) if last.isdecimal() else 0
