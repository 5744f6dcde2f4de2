"""Waitress in threads against waitress in its loop: the same application over equal databases, in turns. By hand, on a quiet machine.

`python -m tests.bench.threads [sqlite|postgresql] [ROUNDS]` prints both beside each other. No product option: the threads live here alone.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from tests.bench.browser import Browser
from tests.bench.bursts import NAMES, Rounds, burst, signed_in
from tests.bench.figures import Figure, plain, table
from tests.bench.form import VISITS
from tests.bench.places import place
from tests.bench.server import SERVE, serving_process
from tests.bench.trial import coordinators, prepare

THREADS = 4
"""Of each of two processes: waitress's own default."""
CLIENTS = (1, 8, 32)
SAVES, PAGES = 128, 256
"""Of each burst, over all of its clients."""
ROUNDS = 9
LOOP, POOL = "loop", "threads"
HERE = ("tests.bench.threads", "serve")


def compared(kind: str, rounds: int, folder: Path, tell: Callable[[str], None], clients: tuple[int, ...] = CLIENTS) -> list[Figure]:
    saves = {(count, how): Rounds() for count in clients for how in (LOOP, POOL)}
    pages: dict[tuple[int, str], list[float]] = {each: [] for each in saves}
    count = SAVES * len(clients) * (rounds + 1)
    with place(kind, folder) as here, ExitStack() as stack:
        tell("enrolling")
        first = here.migrated()
        work = list(enumerate(prepare(first, max(clients), -(-count // VISITS))))
        browsers = {}
        for how, url, module in ((LOOP, first, SERVE), (POOL, here.copy(first), HERE)):
            data = folder / how
            data.mkdir()
            port, _process = stack.enter_context(serving_process(url, data, module))
            browsers[how] = stack.enter_context(signed_in(port, coordinators(max(clients))))
        for number in range(rounds + 1):
            tell(f"round {number} of {rounds}" if number else "warming up")
            for many in clients:
                # Whoever comes first in one round is second in the next: a disturbance that lasts hits both.
                for how in (LOOP, POOL) if number % 2 else (POOL, LOOP):
                    said, shown = burst(browsers[how][:many], work[:SAVES]), _pages(browsers[how][:many])
                    if number:
                        saves[many, how].bursts.append(said)
                        pages[many, how].append(shown)
                del work[:SAVES]
    figures = []
    for many in clients:
        name = f"{NAMES[kind]}, clients {many}"
        both = zip(saves[many, POOL].bursts, saves[many, LOOP].bursts, strict=True)
        figures += [plain(f"{name}: saves, {how}", saves[many, how].rate, "saves/s") for how in (LOOP, POOL)]
        figures.append(plain(f"{name}: saves, threads of the loop", median(pool.rate / loop.rate for pool, loop in both), "times"))
        figures += [plain(f"{name}: p95 of a save, {how}", 1000 * saves[many, how].slow, "ms") for how in (LOOP, POOL)]
        figures += [plain(f"{name}: pages, {how}", median(pages[many, how]), "pages/s") for how in (LOOP, POOL)]
        of = [pool / loop for pool, loop in zip(pages[many, POOL], pages[many, LOOP], strict=True)]
        figures.append(plain(f"{name}: pages, threads of the loop", median(of), "times"))
    return figures


def _pages(browsers: list[Browser]) -> float:
    """Pages a second of what costs the application next to nothing: what is left is the server's own."""
    from concurrent.futures import ThreadPoolExecutor

    def ask(browser: Browser) -> None:
        for _ in range(PAGES // len(browsers)):
            if browser.get("/account").status != 200:
                raise RuntimeError("a page was not shown")

    began = time.perf_counter()
    with ThreadPoolExecutor(len(browsers)) as pool:
        list(pool.map(ask, browsers))
    return PAGES // len(browsers) * len(browsers) / (time.perf_counter() - began)


def serve() -> int:
    """As `trialcrf serve` does it, but with the threads that waitress comes with."""
    import waitress

    from config import Settings
    from trialcrf.cli.workers import listen, supervise
    from trialcrf.web import create_app

    settings = Settings.from_env()
    listening = listen(settings.host, settings.port)
    app = create_app(settings, ends=True)
    app.extensions["trialcrf.engine"].dispose()

    def work(number: int) -> None:
        app.extensions["trialcrf.board"].take(number)
        waitress.serve(app, sockets=[listening], threads=THREADS, ident=None, asyncore_use_poll=True, connection_limit=1000)

    return supervise(work, settings.workers)


def main(kind: str, rounds: int) -> None:
    began = time.monotonic()

    def tell(what: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {what}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="trialcrf-bench-") as folder:
        print(table(compared(kind, rounds, Path(folder), tell)))


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        sys.exit(serve())
    main(sys.argv[1] if len(sys.argv) > 1 else "sqlite", int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS)
