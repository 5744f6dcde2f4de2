"""The queue of work that takes time, a SQLite file. The only room that imports huey; a message carries an id and nothing else."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huey import SqliteHuey
from huey.registry import Message
from huey.serializer import Serializer

DRAW_REPORT = "draw_report"
TASKS = (DRAW_REPORT,)


class _Ids(Serializer):
    """Messages as JSON. The library's own way (pickle) would run whatever somebody wrote into the file."""

    def _serialize(self, data: Any) -> bytes:
        return json.dumps({"id": data.id, "name": data.name, "args": list(data.args)}).encode()

    def _deserialize(self, data: bytes) -> Any:
        plain = json.loads(bytes(data))
        return Message(id=str(plain["id"]), name=str(plain["name"]), args=(int(plain["args"][0]),), kwargs={}, retries=0, retry_delay=0)


class Queue:
    """Messages wait in a file, outlive every process, and are taken by one worker each.

    Taken is not done: a worker that dies loses its message, so whoever orders work leaves a row, and a sweep puts what is left again.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._huey = SqliteHuey("trialcrf", filename=str(file), results=False, serializer=_Ids(), fsync=True, timeout=30)
        self._does: dict[str, Callable[[int], None]] = {}
        self._tasks = {name: self._register(name) for name in TASKS}
        self._consumer: Any = None

    def _register(self, name: str) -> Any:
        def task(id_: int) -> None:
            self._does[name](id_)

        return self._huey.task(name=name)(task)

    def put(self, name: str, id_: int) -> None:
        """Leave a message. Raises KeyError for a task that does not exist."""
        self._tasks[name](id_)

    def __len__(self) -> int:
        """How many messages wait."""
        return int(self._huey.pending_count())

    def start(self, does: dict[str, Callable[[int], None]]) -> None:
        """Begin to take messages, one at a time, in a thread of this process; `does` says what each task does with an id."""
        self._does = dict(does)
        self._consumer = self._huey.create_consumer(
            workers=1, periodic=False, max_delay=1.0, scheduler_interval=60, check_worker_health=False
        )
        # The library takes the signals of the whole process for itself; stopping is the caller's to decide.
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        self._consumer.start()
        for number, action in before.items():
            signal.signal(number, action)

    def stop(self, patience: float = 10.0) -> None:
        """Take no more messages and wait so many seconds for the one at hand, which has to know by itself that it is to end."""
        if self._consumer is None:
            return
        self._consumer.stop_flag.set()
        end = time.monotonic() + patience
        for _, thread in self._consumer.worker_threads:
            thread.join(max(0.0, end - time.monotonic()))
        self._consumer = None
