"""The house rules that no single module can keep alone: rings, clock, names, sizes, and what the documents say of the code."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "trialcrf"
MODULES = sorted(PACKAGE.rglob("*.py"))
SHELLS = {"web", "jobs", "cli"}
RINGS = SHELLS | {"actions", "store", "external", "core"}
LONGEST_FILE = 400

each_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _imports(path: Path) -> Iterator[str]:
    """Every module that a file names in an import, also inside functions."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports say where from; a relative one does not"
            yield node.module or ""


def _committed() -> list[Path]:
    """What git keeps or would keep; in a copy without git, every file that is not of a tool."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=False
    )
    names = [name for name in listed.stdout.decode().split("\0") if name] if listed.returncode == 0 else []
    if not names:
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if not re.search(r"(^|/)(\.(?!ci/)|var/|build/)", str(path))]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


# --- Rings ------------------------------------------------------------------------------------------------------------


def test_the_import_contracts_hold() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    found = subprocess.run([linter, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert " 0 broken" in found.stdout


def test_every_part_of_the_package_belongs_to_a_ring() -> None:
    names = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES}
    # The script that goes along with every export of the trail stands alone: nothing imports it, and it imports nothing of ours.
    assert names - {"__init__", "verify_audit"} <= RINGS


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_imports_the_standard_library_only(path: Path) -> None:
    for name in _imports(path):
        assert name.split(".")[0] in sys.stdlib_module_names or re.match(r"trialcrf\.core(\.|$)", name), f"{path.name} imports {name}"


# Parts of the standard library that read the world: a rule that needs one of them is not a rule.
WORLDLY = {"asyncio", "http", "io", "locale", "logging", "os", "pathlib", "random", "secrets", "shutil", "socket", "sqlite3", "subprocess"}
WORLDLY |= {"tempfile", "threading", "time", "urllib", "uuid"}


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_reads_no_file_network_or_chance(path: Path) -> None:
    assert not {name.split(".")[0] for name in _imports(path)} & WORLDLY
    opened = [
        node.lineno for node in ast.walk(_tree(path)) if isinstance(node, ast.Call) and ast.unparse(node.func) in {"open", "print", "input"}
    ]
    assert not opened, f"{path.name}: lines {opened}"


@each_module
def test_only_shells_read_the_settings(path: Path) -> None:
    ring = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert ring in SHELLS or "config" not in set(_imports(path))


@each_module
def test_only_the_settings_read_the_environment(path: Path) -> None:
    names = _names(path)
    read = [node.lineno for node in ast.walk(_tree(path)) if _full_name(node, names) in {"os.environ", "os.getenv", "os.environb"}]
    assert not read, f"{path.name} reads the environment in lines {read}"


def test_the_settings_import_nothing_of_ours_but_their_reader_and_that_one_nothing() -> None:
    reader = PACKAGE / "external" / "environment.py"
    known = {"trialcrf.external.environment"}
    found = {name for path in (ROOT / "config.py", reader) for name in _imports(path) if name.split(".")[0] not in sys.stdlib_module_names}
    assert found == known


def test_the_wsgi_file_stays_three_lines() -> None:
    assert [type(node) for node in _tree(ROOT / "wsgi.py").body[1:]] == [ast.ImportFrom, ast.ImportFrom, ast.Assign]


# --- Time -------------------------------------------------------------------------------------------------------------

CLOCKS = {
    *(f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")),
    "datetime.date.today",
    *(f"time.{name}" for name in ("time", "time_ns", "localtime", "gmtime", "ctime", "asctime")),
    *(f"sqlalchemy.func.{name}" for name in ("now", "current_timestamp", "current_date", "current_time", "localtimestamp", "sysdate")),
    *(f"sqlalchemy.{name}" for name in ("func.clock_timestamp", "func.statement_timestamp", "func.transaction_timestamp")),
}
SQL_CLOCKS = re.compile(
    r"\b(CURRENT_(TIMESTAMP|DATE|TIME)|LOCALTIMESTAMP|clock_timestamp\(|now\(\)|(date|datetime|strftime)\([^)]*'now')", re.I
)


def _names(path: Path) -> dict[str, str]:
    """What each imported name of a file stands for: {"dt": "datetime.datetime"}."""
    names: dict[str, str] = {}
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names.update(
                {name.asname or name.name.split(".")[0]: name.name if name.asname else name.name.split(".")[0] for name in node.names}
            )
        elif isinstance(node, ast.ImportFrom):
            names.update({name.asname or name.name: f"{node.module}.{name.name}" for name in node.names})
    return names


def _full_name(node: ast.AST, names: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        before = _full_name(node.value, names)
        return f"{before}.{node.attr}" if before else ""
    return names.get(node.id, "") if isinstance(node, ast.Name) else ""


def _clock_reads(path: Path) -> list[str]:
    names, tree = _names(path), _tree(path)
    told = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, _DOCUMENTED) and node.body and isinstance(node.body[0], ast.Expr)
    }
    found = []
    for node in ast.walk(tree):
        name = _full_name(node, names)
        if name in CLOCKS:
            found.append(f"line {node.lineno}: {name}")  # type: ignore[attr-defined]
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told and SQL_CLOCKS.search(node.value):
            found.append(f"line {node.lineno}: {node.value[:60]!r}")
    return found


_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@pytest.mark.parametrize(
    "path",
    [*MODULES, ROOT / "config.py", ROOT / "wsgi.py", *sorted((ROOT / "migrations").rglob("*.py"))],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_only_the_clock_reads_the_time(path: Path) -> None:
    if path == PACKAGE / "external" / "clock.py":
        assert len(_clock_reads(path)) == 1
    else:
        assert _clock_reads(path) == []


@pytest.mark.parametrize(
    "code",
    [
        "from datetime import datetime\nat = datetime.now()",
        "from datetime import datetime as dt\nat = dt.utcnow()",
        "import datetime\non = datetime.date.today()",
        "import datetime as d\nread = d.datetime.now",
        "from time import time as seconds\nat = seconds()",
        "import time\nat = time.time()",
        "from sqlalchemy import func\nat = func.now()",
        "sql = 'INSERT INTO t VALUES (CURRENT_TIMESTAMP)'",
        "sql = \"SELECT datetime('now')\"",
    ],
)
def test_the_clock_rule_sees_through_other_names(code: str, tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(code, encoding="utf-8")
    assert _clock_reads(path)


# --- Names and sizes --------------------------------------------------------------------------------------------------


@each_module
def test_every_module_opens_with_one_line_that_says_what_it_is_for(path: Path) -> None:
    told = ast.get_docstring(_tree(path))
    assert told, "no docstring"
    assert "\n" not in told.split("\n\n")[0], "the first sentence takes one line"


@each_module
def test_no_file_holds_two_concepts(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


@each_module
def test_no_name_says_nothing(path: Path) -> None:
    forbidden = {"util", "utils", "helper", "helpers", "common", "manager", "service", "handler", "misc"}
    for part in path.relative_to(ROOT).with_suffix("").parts:
        assert not set(part.lower().split("_")) & {*forbidden, *(f"{name}s" for name in forbidden)}, part


# --- Documents and what is committed ----------------------------------------------------------------------------------


def _backticked(text: str) -> Iterator[str]:
    return (found.group(1) for found in re.finditer(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S)))


def test_every_path_of_the_map_exists() -> None:
    text = (ROOT / "docs" / "map.md").read_text(encoding="utf-8")
    paths = [code for code in _backticked(text) if re.fullmatch(r"[\w.\-/]+(/|\.\w+)(:\w+)?", code)]
    paths += re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert len(paths) > 10, "the map names hardly any place"
    for said in paths:
        file, _, name = said.partition(":")
        path = ROOT / file if (ROOT / file).exists() else ROOT / "docs" / file
        assert path.exists(), f"docs/map.md names {file}, which does not exist"
        if name:
            defined = {getattr(node, "name", "") or getattr(node, "id", "") for node in ast.walk(_tree(path))}
            assert name in defined, f"docs/map.md names {said}, but {file} defines no {name}"


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_command_that_is_promised_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M))
    promised = {code.split()[1] for code in _backticked((ROOT / name).read_text(encoding="utf-8")) if re.match(r"make [a-z]", code)}
    assert promised <= targets


def test_every_setting_of_the_tests_is_named_where_people_look() -> None:
    """Those of the faults are what `make faults COUNTS=...` sets."""
    said = (ROOT / "README.md").read_text(encoding="utf-8")
    read = {
        name for path in (ROOT / "tests").rglob("*.py") for name in re.findall(r'environ\.get\("(TRIALCRF_\w+)"', path.read_text("utf-8"))
    }
    assert {"TRIALCRF_WALK", "TRIALCRF_SEQUENCES"} <= read
    assert not [name for name in read if f"`{name}" not in said and not name.startswith("TRIALCRF_FAULTS_")]


def test_every_command_is_explained() -> None:
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if re.match(r"[a-z]+:", line) and "## " not in line]


DOCUMENTS = sorted(path for path in (ROOT / "reports").iterdir() if path.is_dir() and not path.name.startswith("_"))


@pytest.mark.parametrize("folder", DOCUMENTS, ids=lambda path: path.name)
def test_every_printed_document_draws_its_sample(folder: Path) -> None:
    from trialcrf.external import markup, pdf

    assert {"report.html", "report.css", "sample.json"} <= {path.name for path in folder.iterdir()}
    assert not list(folder.rglob("*.py")), "a printed document holds no Python"
    sample = json.loads((folder / "sample.json").read_text(encoding="utf-8"))
    assert pdf.render(folder.name, sample, "fr").startswith(b"%PDF-")
    assert 'lang="en"' in markup.page(folder.name, sample, "en")


@pytest.mark.parametrize("folder", ["templates", "reports"])
def test_what_is_read_or_printed_holds_no_python(folder: str) -> None:
    assert not list((ROOT / folder).rglob("*.py"))


LOCKS = ["requirements.lock", "requirements-dev.lock", "requirements-attack.lock", "requirements-attack-wapiti.lock"]
INSTALLING = ["Makefile", "pyproject.toml", *LOCKS, ".ci/run", ".ci/setup"]


@pytest.mark.parametrize("name", INSTALLING)
def test_what_installs_names_no_registry(name: str) -> None:
    """Whoever installs decides where packages come from; the hashes decide what they are."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"--(extra-)?index-url|--find-links|--trusted-host", text)
    assert [url for url in re.findall(r"\w+://\S*", text) if not url.startswith("http://localhost:")] == []


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_by_its_hash(name: str) -> None:
    lines = [line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    blocks = re.split(r"\n(?=\S)", "\n".join(lines))
    assert len(blocks) > 25
    for block in blocks:
        assert re.match(r"[a-z0-9._-]+==[\w.]+ ", block + " "), block.splitlines()[0]
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_the_program_and_its_tests_use_the_same_versions() -> None:
    pins = [
        set(re.findall(r"^(\S+==\S+)", (ROOT / name).read_text(), flags=re.M)) for name in ("requirements.lock", "requirements-dev.lock")
    ]
    assert pins[0] < pins[1]


def test_no_committed_file_knows_the_machine_it_was_written_on() -> None:
    places = re.compile(rf"(?<![\w.])/(?:home|Users|root|work)/[\w.]|file:///\w|{re.escape(sysconfig.get_config_var('prefix'))}/".encode())
    for path in _committed():
        if path.suffix not in {".png", ".woff2", ".ico", ".pdf"}:
            found = places.search(path.read_bytes())
            assert not found, f"{path.relative_to(ROOT)} names {found.group().decode()!r}" if found else ""


def test_no_test_freezes_the_time_or_mocks_our_own_code() -> None:
    for path in sorted((ROOT / "tests").rglob("*.py")):
        assert not {name.split(".")[0] for name in _imports(path)} & {"freezegun", "time_machine", "mock"}, path.name
        assert "unittest.mock" not in set(_imports(path)), path.name


# --- Doors and jobs ---------------------------------------------------------------------------------------------------


def test_every_route_names_a_verb_of_the_permission_table(databases, tmp_path) -> None:
    from tests.web.site import settings_for
    from trialcrf.core.access import VERBS
    from trialcrf.web import create_app
    from trialcrf.web.guard import PUBLIC, SELF, needed_by

    url = databases.fresh("sqlite")
    app = create_app(settings_for(url, tmp_path))
    with app.app_context():
        needed = {rule.endpoint: needed_by(rule.endpoint) for rule in app.url_map.iter_rules()}
    assert set(needed.values()) <= {*VERBS, PUBLIC, SELF}
    public = {endpoint for endpoint, verb in needed.items() if verb == PUBLIC}
    assert public == {
        "hospital.begin", "hospital.back",
        "account.invitation_page", "account.accept", "account.second_step", "account.over", "account.passkey", "account.passkey_proof",
        "account.forgotten", "account.ask_reset", "account.reset_page", "account.reset", "feed.ics",
        "static", "health.healthz", "metrics.shown", "account.sign_in_page", "account.sign_in_post", "account.choose_language",
        "violations.take", "reminders.stop_page", "reminders.stop",
    }  # fmt: skip
    app.extensions["trialcrf.engine"].dispose()


def test_every_data_type_has_a_reader_a_value_and_a_widget() -> None:
    from zoneinfo import ZoneInfo

    from trialcrf.core.definition.codes import CodeList, CodeListItem
    from trialcrf.core.definition.model import DataType, ItemDef
    from trialcrf.core.document import Answer
    from trialcrf.core.values import Raw, Unreadable, read, typed
    from trialcrf.core.wording import Words
    from trialcrf.web.forms.webform import widget_of

    codes = CodeList("C", (CodeListItem("A", Words({"en": "a"})),))
    for kind in DataType:
        item = ItemDef("X", Words({"en": "x"}), kind, codelist=codes, refers_to="subject:donor")
        assert widget_of(item)
        found = read(item, Raw({"": "1", "d": "1", "m": "1", "y": "2026", "t": "10:00"}), ZoneInfo("Europe/Paris"))
        assert found is None or isinstance(found, Answer | Unreadable)
        typed(item, found if isinstance(found, Answer) else None)


def test_every_job_says_what_it_does() -> None:
    from trialcrf.jobs import JOBS

    assert JOBS
    for name, job in JOBS.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
        assert str(getattr(job, "purpose", "") or getattr(job, "about", "") or job.__doc__).strip(), name
