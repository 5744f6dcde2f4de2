"""Starting the program on a restored database, in a process of its own: it must come up and answer as it would for people."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PATIENCE = 300.0
"""Seconds that it gets to start and answer."""

_CHECKOUT = Path(__file__).resolve().parents[2]

# /healthz says 503 where no scheduler ran for long, which is so in every copy: what counts is that it read its database.
_PROGRAM = """
import json, sys
from config import Settings
from trialcrf.web import create_app
client = create_app(Settings.from_env(json.load(sys.stdin))).test_client()
for path, well in (("/healthz", {200, 503}), ("/sign-in", {200})):
    answer = client.get(path)
    if answer.status_code not in well or (path == "/healthz" and "status" not in answer.get_json()):
        sys.exit(f"{path}: {answer.status_code}")
print("answered")
"""


def problem(settings: Mapping[str, str]) -> str:
    """What kept the program from starting or answering with these settings, as the last line that it said; empty where it did both."""
    command = [sys.executable, "-c", _PROGRAM]
    try:
        done = subprocess.run(
            command, input=json.dumps(dict(settings)), cwd=_CHECKOUT, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return f"{PATIENCE:.0f} s"
    if done.returncode == 0 and done.stdout.endswith("answered\n"):
        return ""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return lines[-1][:300] if lines else str(done.returncode)
