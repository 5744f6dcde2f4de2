"""A clean Debian 12 under a systemd of its own: made by debootstrap, started in namespaces, entered, and taken away again."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.production import outside

OLD = 7 * 86400
"""Seconds after which the clean system is made anew: the security updates of a week belong to it."""
PATIENCE = 1800.0
"""Seconds that one block gets: it may install a hundred packages over a slow line."""

Answers = Sequence[tuple[str, str]]
"""What is typed at each prompt, in their order: a pattern of the prompt, and the answer."""


class Failed(Exception):
    """A command did not do what it should; `said` is all that it wrote."""

    def __init__(self, what: str, said: str = "") -> None:
        super().__init__(what)
        self.said = said


@dataclass(frozen=True)
class Machine:
    """One that is running. `leader` is its systemd, as this machine numbers it."""

    root: Path
    leader: int

    def run(self, text: str, by: str = "root", online: bool = False, answers: Answers = (), well: bool = True) -> str:
        """Let a shell do this, and return what it wrote. Raises Failed where it ends badly (`well`), or where it does not (not `well`).

        The network is the machine's own, in which nothing but itself can be reached; `online` lends that of the machine around it.
        """
        spaces = ["--mount", "--uts", "--ipc", "--pid", "--cgroup", *([] if online else ["--net"])]
        given = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb"}
        given |= outside.environment() if online else {}
        command = ["nsenter", f"--target={self.leader}", *spaces, "--root", "--wd", "env", "--ignore-environment", "--chdir=/root"]
        command += [f"{name}={value}" for name, value in given.items()]
        # A system account has no shell of its own: this is how the chapter says to become it.
        command += ["bash", "-e", "-c", text] if by == "root" else ["su", "--shell", "/bin/bash", by, "-c", f"set -e\n{text}"]
        code, said = _typed(command, answers) if answers else _run(command)
        if (code == 0) != well:
            raise Failed(f"it ended with {code}", said)
        return said

    def put(self, path: str, text: str, owner: str = "root:root", mode: str = "0644") -> None:
        """Write a file, word for word."""
        begun = self.root / "var" / "tmp" / "begun"
        begun.write_text(text, encoding="utf-8")
        user, group = owner.split(":")
        # From inside, for some of its folders are in memory and not to be seen from here.
        self.run(f"install -D --owner {user} --group {group} --mode {mode} /var/tmp/begun {path} && rm /var/tmp/begun")

    def megabytes(self, path: str) -> int:
        """How much room a folder takes, without what is lent."""
        _code, said = _run(["du", "--summarize", "--block-size=MB", "--one-file-system", str(self.root / path)])
        return int(said.split("MB")[0])


@contextmanager
def running(cache: Path, folder: Path, lent: Mapping[Path, str], names: Sequence[str]) -> Iterator[Machine]:
    """A clean machine in `folder`, which is made for it, until this is left; then nothing of it remains.

    `lent` are folders that are seen inside (outside, inside), read-only; `names` are those by which it knows itself.
    """
    root = folder / "root"
    lent = dict(lent) | {path: str(path) for path in outside.folders()}
    _unpack(_clean(cache), root)
    outside.lend(root, names)
    before = set(_groups())
    with (folder / "console.log").open("wb") as console:
        command = ["systemd-nspawn", "--quiet", f"--directory={root}", f"--machine=follow-{os.getpid()}", "--boot", "--private-network"]
        command += ["--register=no", "--keep-unit", "--console=read-only", "--resolv-conf=off", "--timezone=off", "--link-journal=no"]
        command += [f"--bind-ro={path}:{inside}" for path, inside in lent.items()]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        try:
            yield _booted(process, root)
        finally:
            _stop(process)
            for group in sorted(set(_groups()) - before, reverse=True):
                with suppress(OSError):
                    group.rmdir()
            subprocess.run(["rm", "-rf", "--one-file-system", str(root)], check=False)


# --- Making it ---------------------------------------------------------------------------------------------------------------------------


def _clean(cache: Path) -> Path:
    """The clean system as one file: the base of Debian 12, as its installer lays it down. Made where there is none of this week."""
    file = cache / "bookworm.tar.gz"
    if file.exists() and time.time() - file.stat().st_mtime < OLD:
        return file
    cache.mkdir(parents=True, exist_ok=True)
    made = cache / f"unfinished-{os.getpid()}"
    try:
        code, said = _run(["debootstrap", "bookworm", str(made), outside.mirror()])
        if code:
            raise Failed(f"debootstrap ended with {code}", said)
        begun = file.with_name(f"{made.name}.tar.gz")
        subprocess.run(["tar", "--use-compress-program=gzip -1", "-cf", str(begun), "-C", str(made), "."], check=True)
        begun.replace(file)
    finally:
        subprocess.run(["rm", "-rf", "--one-file-system", str(made)], check=False)
    return file


def _unpack(file: Path, root: Path) -> None:
    root.mkdir(parents=True)
    subprocess.run(["tar", "--numeric-owner", "-xzf", str(file), "-C", str(root)], check=True)


# --- Starting and stopping it ------------------------------------------------------------------------------------------------------------


def _booted(process: subprocess.Popen[bytes], root: Path) -> Machine:
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for child in children:
            with suppress(OSError):
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    machine = Machine(root, int(child))
                    with suppress(Failed):
                        # "degraded" is a start too: a container has no console to log in to, for instance.
                        state = machine.run("systemctl is-system-running --wait || true").strip()
                        if state in ("running", "degraded"):
                            return machine
        time.sleep(0.5)
    raise Failed(f"systemd did not start (systemd-nspawn: {process.poll()})", (root.parent / "console.log").read_text(errors="replace"))


def _stop(process: subprocess.Popen[bytes]) -> None:
    """systemd-nspawn hands the first request to stop on to what runs in it; one that cannot stop is killed with all in it."""
    for number, patience in ((signal.SIGTERM, 90), (signal.SIGKILL, 20)):
        if process.poll() is None:
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience)


def _groups() -> list[Path]:
    """The groups of processes that systemd-nspawn makes beside itself, with all below them."""
    tops = [top for top in Path("/sys/fs/cgroup").glob("**/payload") if top.is_dir()]
    beside = [top.with_name("supervisor") for top in tops]
    return [path for top in [*tops, *beside] if top.is_dir() for path in (top, *(one for one in top.rglob("*") if one.is_dir()))]


# --- Running something in it -------------------------------------------------------------------------------------------------------------


def _run(command: Sequence[str]) -> tuple[int, str]:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise Failed(f"it did not end within {PATIENCE:.0f} seconds", (late.stdout or b"").decode(errors="replace")) from late
    return done.returncode, done.stdout.decode(errors="replace")


def _typed(command: Sequence[str], answers: Answers) -> tuple[int, str]:
    """At a terminal, as a person sits before one: each prompt is waited for, then answered."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], list(command))
    said, read_to, left, end = "", 0, list(answers), time.monotonic() + PATIENCE
    try:
        while time.monotonic() < end:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                some = os.read(terminal, 65536)
            except OSError:  # The last process that held the terminal has ended.
                break
            said += some.decode(errors="replace")
            asked = re.compile(left[0][0]).search(said, read_to) if left else None
            if asked:
                read_to = asked.end()
                os.write(terminal, f"{left.pop(0)[1]}\n".encode())
        else:
            os.kill(child, signal.SIGKILL)
    finally:
        _pid, status = os.waitpid(child, 0)
        os.close(terminal)
    if left:
        raise Failed(f"it never asked {left[0][0]!r}", said)
    return os.waitstatus_to_exitcode(status), said.replace("\r\n", "\n")


def missing() -> list[str]:
    """The programs that this needs and this machine lacks."""
    return [name for name in ("debootstrap", "systemd-nspawn", "nsenter", "git", "tar") if shutil.which(name) is None]
