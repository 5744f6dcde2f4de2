"""Imports the program once, then forks senders that die where they are told; run by tests as `python -m tests.jobs.launcher`.

It reads lists of orders, a line of JSON each, starts all of a list at once, and answers with the signals that ended them (0: none).
An order: url, smtp, now and clock (ISO), and perhaps scan (the whole tick of a scheduler), point (where it kills itself), nth (at which
passage), delay (seconds after which it is killed from outside), most (mails), patience (seconds with the mail server).
"""

from __future__ import annotations

import json
import logging
import os
import signal
import smtplib
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from trialcrf.actions.reminding import remind
from trialcrf.external.mail import Server
from trialcrf.jobs import JOBS, WHO, Means, ledger, run
from trialcrf.store import definitions, outbox, runs
from trialcrf.store.transaction import open_engine, writing

sending: Any = sys.modules["trialcrf.jobs.deliver"]
"""The module: `trialcrf.jobs` gives its name to the function."""

POINTS: dict[str, tuple[Any, str, str]] = {
    "before the scan is committed": (runs, "finish", "after"),
    "in the middle of the scan": (outbox, "add_many", "after"),
    "before the claim is committed": (remind, "claim", "after"),
    "after the claim is committed": (sending, "_deliver_one", "before"),
    "before the letter is committed": (remind, "compose", "after"),
    "before the mail server": (Server, "send", "before"),
    "before DATA": (smtplib.SMTP, "data", "before"),
    "in the middle of the text": (smtplib.SMTP, "send", "text"),
    "before the reply": (smtplib.SMTP, "send", "reply"),
    "after the reply": (Server, "send", "after"),
    "before the settlement is committed": (remind, "settle", "after"),
    "after the settlement is committed": (sending, "_deliver_one", "after"),
}


ENGINES: dict[str, Engine] = {}
WARM: set[str] = set()


class Undone(Exception):
    """Rolls back what was done only to have it done once."""


def prepare(order: dict[str, Any]) -> None:
    """Do before the fork what takes long the first time: read the study, compile statements and templates. Nothing of it is kept.

    No connection is open when the children are made.
    """
    url = order["url"]
    if url in WARM:
        return
    engine = ENGINES.setdefault(url, open_engine(url))
    with suppress(Undone), writing(engine, datetime.fromisoformat(order["clock"]), WHO) as tx:
        definitions.all_of(tx)
        mail = remind.claim(tx)
        if mail is not None:
            remind.compose(tx, mail, "http://x", datetime.fromisoformat(order["now"]))
            remind.settle(tx, mail, None)
            WARM.add(url)
        raise Undone
    engine.dispose()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str, nth: int) -> None:
    """Let this process kill itself there. What it does until then is done by the program's own code."""
    room, name, when = POINTS[point]
    original: Callable[..., Any] = getattr(room, name)
    left = [nth]

    def passed() -> bool:
        left[0] -= 1
        return left[0] == 0

    def instrumented(*args: Any, **kwargs: Any) -> Any:
        if when in ("text", "reply"):
            text = args[1]
            if isinstance(text, bytes) and text.endswith(b"\r\n.\r\n") and passed():
                args[0].sock.sendall(text[: len(text) // 2] if when == "text" else text)
                # The kernel still sends what it was given, as it does for a process that dies by itself.
                die()
            return original(*args, **kwargs)
        if when == "before" and passed():
            die()
        done = original(*args, **kwargs)
        if when == "after" and done is not None and passed():
            die()
        return done

    setattr(room, name, instrumented)


def work(order: dict[str, Any]) -> None:
    now, at = datetime.fromisoformat(order["now"]), datetime.fromisoformat(order["clock"])
    engine = ENGINES[order["url"]]
    post = Server(order["smtp"], "trialcrf@localhost", order.get("patience", 5.0))
    if order.get("point"):
        arm(order["point"], order.get("nth", 1))
    if order.get("scan"):
        ledger.read_clock = lambda: at
        run(Means(None, engine, post, None), JOBS["overdue-scan"], now)  # type: ignore[arg-type]
    sending.deliver(engine, post, "http://x", WHO, now, order.get("most", 200), lambda: at)
    engine.dispose()


def start(order: dict[str, Any], gate: tuple[int, int]) -> int:
    child = os.fork()
    if child:
        return child
    try:
        os.close(gate[1])
        os.read(gate[0], 1)  # All of a list begin together: when the gate is closed by its keeper.
        work(order)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def launch(orders: list[dict[str, Any]]) -> list[int]:
    for order in orders:
        prepare(order)
    gate = os.pipe()
    children = [start(order, gate) for order in orders]
    os.close(gate[0])
    os.close(gate[1])
    began = time.monotonic()
    timers = [(began + order["delay"], child) for order, child in zip(orders, children, strict=True) if "delay" in order]
    for when, child in sorted(timers):
        time.sleep(max(0.0, when - time.monotonic()))
        os.kill(child, signal.SIGKILL)  # Not reaped yet, so the number is still this child's.
    ended = [os.waitpid(child, 0)[1] for child in children]
    assert all(os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0 for status in ended), "a sender failed by itself"
    return [os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0 for status in ended]


def main() -> None:
    assert threading.active_count() == 1, "a fork takes only one thread along"
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(launch(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
