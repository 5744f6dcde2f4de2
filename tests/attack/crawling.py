"""wapiti: what it found from these pages onward, by its report."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.attack.caller import Caller
from tests.attack.tools import Finding, Run, program, run

MODULES = (
    "backup", "cookieflags", "crlf", "csp", "csrf", "exec", "file", "htaccess", "http_headers", "methods", "permanentxss", "redirect",
    "sql", "timesql", "xss", "xxe",
)  # fmt: skip
"""Without those that need a server of theirs on the Internet (ssrf, log4shell), and those that look for programs of other houses."""

LEFT_ALONE = ("*/sign-out*", "*/account/password*", "*/end-others*", "*/sessions/*/end*", "*/static/*")
"""What ends the session that attacks, and files."""

KEPT = ("token", "save_token")


@dataclass(frozen=True)
class Crawled:
    pages: int
    modules: frozenset[str]
    found: tuple[Finding, ...]
    run: Run


def crawl(starts: Sequence[str], caller: Caller, folder: Path, seconds: float, each: float) -> Crawled:
    """One run from these pages: so many seconds to look around, so many for each module, and never more than all of these together."""
    folder.mkdir(parents=True, exist_ok=True)
    base, report = f"http://127.0.0.1:{caller.port}", folder / "report.json"
    command: list[object] = [
        program("attack-wapiti", "wapiti"), "-u", base + starts[0], "--scope", "domain", "-m", ",".join(MODULES), "-d", 1, "-l", 1,
        "--max-links-per-page", 15, "--max-files-per-dir", 8, "--max-parameters", 40, "--max-scan-time", seconds, "--max-attack-time", each,
        "--drop-set-cookie", "--flush-session", "--store-session", folder / "session", "--store-config", folder / "config", "--tasks", 2,
        "-t", 20, "-v", 1, "-f", "json", "-o", report, "--no-bugreport",
    ]  # fmt: skip
    for name in KEPT:
        command += ["--skip", name]
    for start in starts[1:]:
        command += ["-s", base + start]
    for pattern in LEFT_ALONE:
        command += ["-x", base + pattern]
    if caller.cookie:
        command += ["-H", f"Cookie: {caller.header}"]
    done = run(command, folder, seconds + each * len(MODULES) + 60)
    return read(report, done)


def read(report: Path, done: Run) -> Crawled:
    """By its report, and by which modules it says that it launched."""
    launched = frozenset(re.findall(r"Launching module (\w+)", done.said))
    if not report.exists():
        return Crawled(0, launched, (), done)
    told = json.loads(report.read_text(encoding="utf-8"))
    found = [
        Finding("wapiti", kind, f"{one['method']} {one['path']}", f"{one['info']} [{one.get('parameter') or ''}]")
        for part in ("vulnerabilities", "anomalies")
        for kind, all_ in told[part].items()
        for one in all_
    ]
    return Crawled(int(told["infos"]["crawled_pages_nbr"]), launched, tuple(found), done)
