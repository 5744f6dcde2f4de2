"""Databases for the tests: real PostgreSQL and SQLite, built once by the real migrations and cloned for every test."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy import Engine, make_url
from sqlalchemy.util import LRUCache

# No deadline: two shared cores stall for longer than any sensible one. Continuous integration repeats the same examples.
settings.register_profile("trialcrf", deadline=None, print_blob=True, derandomize=bool(os.environ.get("CI")))
settings.load_profile("trialcrf")

KINDS = ("sqlite", "postgresql")

Filling = Callable[[str], None]
"""Puts rows into a new database with today's schema, by its URL, and leaves no connection open: the database is cloned."""

MEMORY, ENOUGH = Path("/dev/shm"), 2 * 1024**3
"""Where databases lie in memory, and how many bytes must be free there: a clone on a disk takes ten times as long."""


def scratch() -> Path | None:
    """The folder to make throw-away databases in: in memory where there is room, else wherever temporary files go (None).

    What a run that was killed left in memory is cleared away: its folders bear the number of a process that is gone.
    """
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ENOUGH:
        return None
    for left in MEMORY.glob(f"{PREFIX}*"):
        if not Path("/proc", left.name.removeprefix(PREFIX).partition("-")[0]).exists():
            shutil.rmtree(left, ignore_errors=True)
    return MEMORY


PREFIX = "trialcrf-test-"


def scratch_folder(parent: Path | None) -> Path:
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=parent))


PILOT = ("actions/test_import.py", "actions/test_pilot_report.py", "actions/test_pilot_packs.py")
"""What needs the whole pilot: importing it takes longer than most files of tests."""

PAGES = "browser/test_pages.py"
"""Every page before every judge: nearly as long as all the other files that need a browser together, so a worker's own."""

LONGEST_FIRST = (PAGES, "browser/", *PILOT, "test_cli.py", "test_printing.py", "jobs/", "actions/", "external/", "store/", "web/")
"""Rooms of tests in the order in which several workers take them: what is left for the end is short, so no worker waits for another."""

TOGETHER = ((PAGES,), ("browser/",), PILOT)
"""Files that share what takes long to make: the running program and the browser (made twice: one worker with all files that need
them was still busy when the others had nothing left), the imported pilot. A file belongs to the first row that fits."""


def pytest_collection_finish() -> None:
    """Look for garbage seldom: importing and entering make many objects, few of them garbage that counting references leaves."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = f"{Path(__file__).parent}/"

    def turn(item: pytest.Item) -> int:
        name = str(item.path).removeprefix(here)
        return next((place for place, room in enumerate(LONGEST_FIRST) if name.startswith(room)), len(LONGEST_FIRST))

    items.sort(key=turn)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """A file to a worker, as `--dist loadfile` has it, in the order above; what is made once for several files goes to one worker."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByRoom(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file: str = super()._split_scope(nodeid)
            return next((room for room in TOGETHER if any(file.startswith(f"tests/{one}") for one in room)), (file,))[0]

    config.option.loadscopereorder = False
    return ByRoom(config, log)


def migrate(url: str) -> None:
    """Build the schema of an empty database as an installation does. Must leave no connection open: the database is cloned."""
    from trialcrf.store import migrations

    migrations.upgrade(url)


@dataclass(frozen=True)
class Cluster:
    """A running PostgreSQL of our own, reached through a socket in its folder: no port to find or to collide on."""

    folder: Path

    @property
    def version(self) -> int:
        return int((self.folder / "data" / "PG_VERSION").read_text(encoding="ascii"))

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def execute(self, statement: str) -> None:
        """Run one statement outside any transaction, as CREATE DATABASE wants it."""
        import psycopg

        with psycopg.connect(f"host={self.folder} user=postgres dbname=postgres", autocommit=True) as connection:
            connection.execute(statement.encode())


def postgresql_programs() -> Path:
    """The folder of initdb and postgres, the newest version first. Fails the run when there is none: nothing is skipped."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]), reverse=True)
    on_path = shutil.which("initdb")
    found = [*installed, *([Path(on_path)] if on_path else [])]
    if not found:
        pytest.fail("PostgreSQL is missing: run `make dev`, or install the Debian package postgresql", pytrace=False)
    return found[0].parent


LOSSY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
"""A cluster that may lose everything at a power cut, which no test here is about."""


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Hashing with next to no work, in the process of the tests alone: who signs in, signs or fills in the demonstration hashes often.

    How much work it really is, tests/external/test_passwords.py says.
    """
    from argon2 import PasswordHasher

    from trialcrf.external import passwords

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        passwords._nobodys.cache_clear()
        yield
        passwords._nobodys.cache_clear()


class _Compiled(LRUCache[Any, Any]):
    """Compiled statements by the kind of their database instead of by the engine that first asked for them."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get((type(key[0]), *key[1:]), default)

    def __setitem__(self, key: Any, made: Any) -> None:
        super().__setitem__((type(key[0]), *key[1:]), made)


@pytest.fixture(scope="session", autouse=True)
def compiled_once() -> Iterator[None]:
    """Nearly every test opens an engine of its own, and most of them ask the same: what SQLAlchemy made of it is kept for the next one."""
    from trialcrf.store import transaction

    made, shared = transaction.create_engine, _Compiled(10_000)

    def create(url: str, **more: Any) -> Engine:
        return made(url, execution_options={"compiled_cache": shared}, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transaction, "create_engine", create)
        yield


@pytest.fixture(scope="session", autouse=True)
def unguarded() -> Iterator[None]:
    """The tests reach PostgreSQL as its superuser, without fsync: the program is told so, in this process and in those that it starts.

    How it guards itself otherwise, tests/store/test_guarded.py says.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIALCRF_DATABASE_UNGUARDED", "yes")
        yield


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A throw-away cluster."""
    with running_postgresql(LOSSY, scratch()) as cluster:
        yield cluster


@contextmanager
def running_postgresql(durability: Mapping[str, str], parent: Path | None = None, port: int = 5432) -> Iterator[Cluster]:
    """A cluster with these settings in a folder of its own (in `parent`); it is stopped and removed when it is left."""
    programs = postgresql_programs()
    folder = scratch_folder(parent)  # Short, as a socket's path has at most 107 characters.
    # PostgreSQL refuses to run as root, and must not outlive a test run that was killed.
    as_user = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        as_user += ["--reuid", "postgres", "--regid", "postgres", "--init-groups"]
    data, log = folder / "data", folder / "log"
    made = subprocess.run(
        [*as_user, programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.fail(f"initdb failed:\n{made.stdout}{made.stderr}", pytrace=False)
    options = {
        "listen_addresses": "",
        "unix_socket_directories": str(folder),
        **durability,
        "max_connections": "200",
        # Far from UTC on purpose, so that a time which depends on the server's zone is found out.
        "timezone": "Pacific/Auckland",
    }
    arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    with log.open("w", encoding="utf-8") as output:
        server = subprocess.Popen(
            [*as_user, programs / "postgres", "-D", data, *arguments], cwd=folder, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _wait_until_ready(programs, folder, server, log, port)
        yield Cluster(folder)
    finally:
        # SIGINT is PostgreSQL's fast stop; SIGTERM would wait for connections that a failed test left open.
        server.send_signal(signal.SIGINT)
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.send_signal(signal.SIGQUIT)
            server.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(programs: Path, folder: Path, server: subprocess.Popen[bytes], log: Path, port: int) -> None:
    end = time.monotonic() + 60
    while subprocess.run([programs / "pg_isready", "-q", "-h", folder, "-p", str(port)], check=False).returncode:
        if server.poll() is not None or time.monotonic() > end:
            server.kill()
            pytest.fail(f"PostgreSQL does not start:\n{log.read_text(encoding='utf-8')}", pytrace=False)
        time.sleep(0.05)


class Databases:
    """Makes and drops databases of either kind. A fresh one is a clone of what the migrations built once, so it takes milliseconds."""

    def __init__(self, folder: Path, start_postgresql: Callable[[], Cluster]) -> None:
        self._folder = folder
        self._start_postgresql = start_postgresql
        self._numbers = itertools.count(1)
        self._templates: dict[tuple[str, Filling | None], str] = {}

    @cached_property
    def _cluster(self) -> Cluster:
        return self._start_postgresql()

    def empty(self, kind: str) -> str:
        """The URL of a new database without any table."""
        if kind == "sqlite":
            return f"sqlite:///{self._new_file()}"
        return self._create("template0")

    def fresh(self, kind: str, filling: Filling | None = None) -> str:
        """The URL of a new database with today's schema, and with what `filling` puts into one: that is done once and cloned."""
        if (kind, filling) not in self._templates:
            if filling is None:
                url = self.empty(kind)
                migrate(url)
            else:
                url = self.fresh(kind)
                filling(url)
            self._templates[kind, filling] = url
        template = make_url(self._templates[kind, filling]).database
        assert template
        if kind == "sqlite":
            path = self._new_file()
            _copy_sqlite(Path(template), path)
            return f"sqlite:///{path}"
        return self._create(template)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected."""
        name = make_url(url).database
        if url.startswith("sqlite"):
            shutil.rmtree(Path(str(name)).parent)
        else:
            self._cluster.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _new_file(self) -> Path:
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        return folder / "trialcrf.sqlite3"

    def _create(self, template: str) -> str:
        name = f"trialcrf_{next(self._numbers)}"
        # Copying files costs less than logging every page, where the files lie in memory; before version 15 there is no other way.
        how = "STRATEGY FILE_COPY" if self._cluster.version >= 15 else ""
        self._cluster.execute(f"CREATE DATABASE {name} TEMPLATE {template} {how}")
        return self._cluster.url(name)


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest) -> Iterator[Databases]:
    """For tests that need several databases; PostgreSQL starts only when one of its kind is asked for."""
    folder = scratch_folder(scratch())
    yield Databases(folder, lambda: request.getfixturevalue("postgresql"))
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Every test that asks for a database runs on each kind."""
    kind: str = request.param
    return kind


@pytest.fixture
def filling() -> Filling | None:
    """What is in a test's database from its start, besides the schema. Rooms of tests that all begin in one world say which."""
    return None


@pytest.fixture
def database_url(database_kind: str, databases: Databases, filling: Filling | None) -> Iterator[str]:
    """A migrated database of this test's own."""
    url = databases.fresh(database_kind, filling)
    yield url
    databases.drop(url)


@pytest.fixture
def empty_database_url(database_kind: str, databases: Databases) -> Iterator[str]:
    """A database of this test's own that no migration has seen."""
    url = databases.empty(database_kind)
    yield url
    databases.drop(url)


def _copy_sqlite(source: Path, target: Path) -> None:
    # The backup interface, because part of a database in WAL mode may still be in its second file.
    before, after = sqlite3.connect(source), sqlite3.connect(target)
    try:
        before.backup(after)
    finally:
        before.close()
        after.close()
