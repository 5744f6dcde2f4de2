"""The network between a browser and the program: it carries everything, or takes everything and hands nothing on."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import suppress

LOOK = 0.1
"""Seconds after which a thread looks whether it is over."""


class Relay:
    """Listens on a port of its own. `cut` is a cable that is pulled somewhere on the way: nobody is told, and what was sent waits, as TCP
    sends again what nobody acknowledged; `mend` plugs it in again."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._flows, self._over = threading.Event(), threading.Event()
        self._flows.set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(LOOK)
        self.port = int(self._listening.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def cut(self) -> None:
        self._flows.clear()

    def mend(self) -> None:
        self._flows.set()

    def close(self) -> None:
        self._over.set()
        for one in self._threads:
            one.join(10)
        self._listening.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            with suppress(TimeoutError):
                near, _ = self._listening.accept()
                self._threads.append(threading.Thread(target=self._carry, args=(near,), daemon=True))
                self._threads[-1].start()

    def _carry(self, near: socket.socket) -> None:
        with near, suppress(OSError), socket.create_connection(("127.0.0.1", self._to)) as far:
            other = {near: far, far: near}
            while not self._over.is_set():
                if not self._flows.wait(LOOK):
                    continue
                for one in select.select([near, far], [], [], LOOK)[0]:
                    data = one.recv(65536)
                    if not data:
                        return
                    other[one].sendall(data)
