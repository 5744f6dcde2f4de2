"""The processes of the web server: forked from one that has the application ready, watched, started again, stopped in good order."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress

GRACE = 20.0
"""Seconds that a worker gets to finish the requests it has begun; then it is killed. Nothing is lost: a save is one transaction."""
PAUSE = 1.0
"""Seconds before a worker that died is started again: one that cannot live must not keep the machine busy dying."""

_TOLD = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
log = logging.getLogger(__name__)


_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Linux asks a process to end when its parent died without having been able to stop it."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))


def listen(host: str, port: int) -> socket.socket:
    """The socket that all workers share. Raises OSError where the address is taken or not of this machine."""
    family, kind, protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(1024)
    except OSError:
        made.close()
        raise
    return made


FAILED = 70
"""The exit code of a worker whose database or disk failed: no new one is started, for what would it stand on."""


def supervise(work: Callable[[int], None], count: int) -> int:
    """Run `work(number)` in so many processes until a signal asks to stop (0), or until one of them met a failing disk (FAILED).

    Whatever is open must be safe to share with a child.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _TOLD)
    running = {_start(work, number): number for number in range(count)}
    stopping, ends_with = False, 0
    while not stopping:
        told = signal.sigwaitinfo(_TOLD)
        stopping = told.si_signo != signal.SIGCHLD
        for number, code in _ended(running):
            if code == FAILED:
                stopping, ends_with = True, FAILED
            elif not stopping:
                log.error("a worker of the web server died and is started again")
                time.sleep(PAUSE)
                running[_start(work, number)] = number
    _stop(running)
    return ends_with


def _start(work: Callable[[int], None], number: int) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        end_with_parent()
        for number_ in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number_, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal: the parent stops this one.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _TOLD)
        work(number)
        code = 0
    except BaseException:
        log.exception("a worker of the web server failed")
    finally:
        os._exit(code)  # Nothing of the parent's is ended or flushed twice.


def _ended(running: dict[int, int]) -> list[tuple[int, int]]:
    """The numbers of the workers that are gone, and their exit codes; they are taken out."""
    gone = []
    for child in list(running):
        status = 0
        with suppress(ChildProcessError):
            found, status = os.waitpid(child, os.WNOHANG)
            if found == 0:
                continue
        gone.append((running.pop(child), os.waitstatus_to_exitcode(status)))
    return gone


def _stop(running: dict[int, int]) -> None:
    for child in running:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)
    end = time.monotonic() + GRACE + 1
    while running and time.monotonic() < end:
        signal.sigtimedwait({signal.SIGCHLD}, 0.2)
        _ended(running)
    for child in running:
        log.error("a worker of the web server did not end in time and is killed")
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
