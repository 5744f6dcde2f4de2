"""The judges of pages that are no Python: html-validate and pa11y, in one Node process for all tests of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page

HERE = Path(__file__).parent / "judges"
INSTALLED = Path(sys.prefix) / "judges/node_modules"
NODE = Path(sys.prefix) / "bin/node"


class Judges:
    """Answers what is wrong with a page, a line each; raises RuntimeError where a judge could not look."""

    def __init__(self, endpoint: str) -> None:
        if not INSTALLED.exists():
            raise RuntimeError("the judges of pages are missing: run `make dev`")
        environment = {**os.environ, "NODE_PATH": str(INSTALLED)}
        self._process = subprocess.Popen(
            [NODE, HERE / "judges.cjs", endpoint], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def source(self, html: str) -> list[str]:
        """What html-validate finds in a page as the server sent it."""
        return self._ask(html=html)

    def shown(self, page: Page) -> list[str]:
        """What pa11y finds in a page as it is shown now."""
        session = page.context.new_cdp_session(page)
        target: str = session.send("Target.getTargetInfo")["targetInfo"]["targetId"]
        session.detach()
        return self._ask(target=target)

    def _ask(self, **what: str) -> list[str]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        answered = json.loads(self._process.stdout.readline() or '{"broken": "the judges are gone"}')
        if "broken" in answered:
            raise RuntimeError(answered["broken"])
        found: list[str] = answered["found"]
        return found

    def stop(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()
