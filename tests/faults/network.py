"""Machines on one network, each a network namespace of the kernel that has no name.

Nothing of this machine's own network is touched, and when the last process in them is gone, and this one, nothing is left.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

_LIBC = ctypes.CDLL(None, use_errno=True)
_NEW_NETWORK = 0x40000000
NET = "10.77.0"


class Machine:
    """A namespace. Threads and processes that are started `inside` are on it."""

    def __init__(self) -> None:
        self.fd = -1
        making = threading.Thread(target=self._make)
        making.start()
        making.join()
        if self.fd < 0:
            pytest.fail("several machines need root and the Debian package iproute2 (`.ci/setup test`)", pytrace=False)

    def _make(self) -> None:
        # Only this thread moves; what it made lives as long as somebody holds it.
        if shutil.which("ip") and os.geteuid() == 0 and _LIBC.unshare(_NEW_NETWORK) == 0:
            self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    @contextmanager
    def inside(self) -> Iterator[None]:
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            assert _LIBC.setns(self.fd, _NEW_NETWORK) == 0
            yield
        finally:
            assert _LIBC.setns(before, _NEW_NETWORK) == 0
            os.close(before)

    def do(self, *commands: str) -> None:
        with self.inside():
            for command in commands:
                subprocess.run(["ip", *command.split()], check=True)

    def processes(self) -> list[int]:
        """Every process that is on this machine."""
        here, found = os.fstat(self.fd).st_ino, []
        for name in os.listdir("/proc"):
            with suppress(OSError):
                if name.isdigit() and os.stat(f"/proc/{name}/ns/net").st_ino == here and int(name) != os.getpid():
                    found.append(int(name))
        return found

    def kill(self) -> None:
        """Kill every process of it, at once."""
        for process in self.processes():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        end = time.monotonic() + 10
        while any(_runs(one) for one in self.processes()):
            assert time.monotonic() < end
            time.sleep(0.02)


def _runs(process: int) -> bool:
    with suppress(OSError), open(f"/proc/{process}/stat") as told:
        return told.read().rpartition(")")[2].split()[0] not in "ZX"
    return False


class Network:
    """A switch, which is a machine too (at .1), and the machines that hang on it (from .2 on)."""

    def __init__(self) -> None:
        self.switch, self.machines = Machine(), list[Machine]()
        self.switch.do("link set lo up", "link add switch type bridge", "link set switch up", f"addr add {NET}.1/24 dev switch")

    def add(self) -> tuple[Machine, str]:
        """A new machine and its address."""
        made, number = Machine(), len(self.machines) + 2
        self.machines.append(made)
        self.switch.do(
            f"link add port{number} type veth peer name eth0 netns /proc/{os.getpid()}/fd/{made.fd}",
            f"link set port{number} master switch up",
        )
        made.do("link set lo up", f"addr add {NET}.{number}/24 dev eth0", "link set eth0 up")
        return made, f"{NET}.{number}"

    def unplug(self, machine: Machine) -> None:
        """Nobody hears of it any more, not even that it is gone."""
        self.switch.do(f"link set port{self.machines.index(machine) + 2} down")

    def remove(self) -> None:
        for one in (*self.machines, self.switch):
            one.kill()
            os.close(one.fd)
