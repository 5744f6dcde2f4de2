"""The queue of work that takes time, in PostgreSQL itself or a SQLite file. The only room that imports huey; a message carries an id."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huey import PostgresHuey, SqliteHuey
from huey.registry import Message
from huey.serializer import Serializer

from trialcrf.external.backup import is_postgresql, libpq

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
    """Messages wait in PostgreSQL, where that is the database, else in the file `queue.db` of the folder `data`; they outlive every
    process, and are taken by one worker each, on whichever machine it runs.

    Taken is not done: a worker that dies loses its message, so whoever orders work leaves a row, and a sweep puts what is left again.
    """

    def __init__(self, data: Path, database_url: str) -> None:
        if is_postgresql(database_url):
            self._huey: Any = _in_postgresql(database_url)
        else:
            data.mkdir(parents=True, exist_ok=True)
            file = str(data / "queue.db")
            self._huey = SqliteHuey("trialcrf", filename=file, results=False, serializer=_Ids(), fsync=True, timeout=30)
        self._does: dict[str, Callable[[int], None]] = {}
        self._tasks = {name: self._register(name) for name in TASKS}
        self._consumer: Any = None
        self._closing = threading.Lock()
        self._huey.on_shutdown(name="close")(self._close)  # Run by the worker's thread, whose connections nobody else sees.

    def _register(self, name: str) -> Any:
        def task(id_: int) -> None:
            self._does[name](id_)

        return self._huey.task(name=name)(task)

    def put(self, name: str, id_: int) -> None:
        """Leave a message. Raises KeyError for a task that does not exist."""
        with self._asked():
            self._tasks[name](id_)

    def __len__(self) -> int:
        """How many messages wait."""
        with self._asked():
            return int(self._huey.pending_count())

    @contextmanager
    def _asked(self) -> Iterator[None]:
        # Seldom asked: a connection that is opened each time is never one that the server closed meanwhile.
        try:
            yield
        finally:
            self._close()

    def _close(self) -> None:
        with self._closing:
            self._huey.storage.close()

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
        self._close()


def _in_postgresql(url: str) -> PostgresHuey:
    """The tables are made by a migration: whoever serves pages may make none."""
    address, password = libpq(url)
    return PostgresHuey(
        "trialcrf", results=False, serializer=_Ids(), create_tables=False, dsn=address, options="-c search_path=queue",
        keepalives_idle=30, keepalives_interval=10, keepalives_count=3, tcp_user_timeout=60_000,
        **({"password": password} if password else {}),
    )  # fmt: skip
