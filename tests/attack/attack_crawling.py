"""wapiti from the pages of the program onward, signed in as each role and as nobody; and from those of its twin."""

from __future__ import annotations

from pathlib import Path

from tests.attack.caller import Caller
from tests.attack.crawling import MODULES, Crawled, crawl
from tests.attack.doors import doors_of
from tests.attack.instance import CHOSEN, NOBODY, TWIN, running
from tests.attack.sharing import failures, shares
from tests.attack.tools import accepted, judged, told
from tests.conftest import Databases

AROUND, EACH, STARTS = 12.0, 6.0, 14
"""Seconds for looking around and for each module, and pages to begin at, for each role."""

FOUND = {
    "SQL Injection", "Reflected Cross Site Scripting", "Stored Cross Site Scripting", "Path Traversal", "Open Redirect",
    "Content Security Policy Configuration", "Cross Site Request Forgery", "Internal Server Error",
}  # fmt: skip


def verdict(done: Crawled, starts: int, caller: Caller) -> list[str]:
    """What is wrong; nothing where every page was read, every module had its turn in a session that lived, and no finding is new."""
    return [
        *([] if done.run.code == 0 else [f"wapiti ended with {done.run.code}: {done.run.said[-600:]}"]),
        *([] if done.pages >= max(1, starts // 2) else [f"{done.pages} pages were read, of {starts} to begin at"]),
        *(f"the module {one} was not launched" for one in sorted(set(MODULES) - done.modules)),
        *([] if caller.is_in() else ["the session had ended: nothing was tried since"]),
        *map(str, judged(done.found, accepted("wapiti"))),
    ]


def test_no_page_leads_to_a_finding(databases: Databases, tmp_path: Path) -> None:
    found = []
    with running(databases, tmp_path / "data") as instance:
        callers = {name: instance.caller(name) for name in CHOSEN}
        seen = {name: [path for path, kind in doors_of(one, instance.routes).pages if kind == "text/html"] for name, one in callers.items()}
        for name, starts in shares(seen, lambda one: one, lambda _one: 1, STARTS).items():
            done = crawl(starts, callers[name], tmp_path / name, AROUND, EACH)
            told({"tool": "wapiti", "as": name, "pages": done.pages, "modules": len(done.modules), "seconds": round(done.run.seconds)})
            found += [f"{name}: {one}" for one in verdict(done, len(starts), callers[name])]
        found += failures(instance)
    assert not found, "\n".join(found)


def test_wapiti_finds_the_holes_of_the_twin(databases: Databases, tmp_path: Path) -> None:
    with running(databases, tmp_path / "data", TWIN) as twin:
        caller = twin.caller(NOBODY)
        done = crawl(["/twin/"], caller, tmp_path / "twin", 60, 60)
        said = verdict(done, 1, caller)
        out = verdict(done, 1, Caller(caller.port, NOBODY, "of nobody"))
    assert {one.kind for one in done.found} >= FOUND
    assert all(any(f"wapiti {kind}:" in one for one in said) for kind in FOUND)
    assert "the session had ended: nothing was tried since" in out
