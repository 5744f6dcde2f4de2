"""Follow the chapter of production on a clean machine, word for word: python -m tests.production. It takes minutes, and root."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.production.blocks import CHAPTER, ROOT, Commands, File, blocks
from tests.production.checks import Checks
from tests.production.follower import HOST, LOGS, Follower
from tests.production.machine import Failed, missing, running
from tests.production.versions import INSIDE, Versions

CACHE = ROOT / "var" / "production"


def main() -> int:
    if os.geteuid() != 0 or missing():
        print(f"this takes root, and {', '.join(missing()) or 'nothing besides'}", file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda told, _frame: sys.exit(128 + told))  # What was made is taken away then too.
    begun = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="trialcrf-production-"))
    try:
        versions = Versions(ROOT, folder / "repository")
        print("a clean Debian 12 ...", flush=True)
        with running(CACHE, folder, {versions.folder: INSIDE}, (HOST, LOGS)) as machine:
            print(f"ok      systemd {machine.run('systemctl --version | head -1').split()[1]} has started it {_since(begun)}", flush=True)
            return _follow(Follower(machine, versions), begun)
    except Failed as failed:
        return _told("the machine", failed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _follow(follower: Follower, begun: float) -> int:
    """Each block, and after the last one of a section what must be true then."""
    checks, found = Checks(follower), blocks(CHAPTER.read_text(encoding="utf-8"))
    for number, block in enumerate(found, 1):
        named = f"{block.section}: {block.path if isinstance(block, File) else _first(block)}"
        try:
            follower.follow(block)
        except Failed as failed:
            return _told(f"block {number}, {named}\n{block.text}", failed)
        print(f"ok      {named} {_since(begun)}", flush=True)
        if number == len(found) or found[number].section != block.section:
            for check in checks.after(block.section):
                said = (check.__doc__ or "").partition("\n")[0]
                try:
                    check()
                except Failed as failed:
                    return _told(said, failed)
                print(f"ok        {said} {_since(begun)}", flush=True)
    print(f"the chapter works: {len(found)} blocks {_since(begun)}; {follower.size()}")
    return 0


def _first(block: Commands) -> str:
    lines = [line for line in block.lines if not line.startswith(("set ", ". ", "cd "))]
    return f"{block.by}: {lines[0][:90]}{' ...' if len(lines) > 1 else ''}"


def _since(begun: float) -> str:
    return f"[{time.monotonic() - begun:.0f} s]"


def _told(what: str, failed: Failed) -> int:
    print(f"failed  {what}\n{failed.said}\n{failed}", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
