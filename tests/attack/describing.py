"""schemathesis: a description of the program (OpenAPI), made from its routes and the fields of its pages, and what was found by it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from werkzeug.routing import Rule

from tests.attack.caller import FORM, Answer, Caller
from tests.attack.doors import Door, Routes
from tests.attack.probes import flaws
from tests.attack.tools import Finding, Run, program, run
from tests.web.test_every_route import values_of

CHECKS = "not_a_server_error,unsupported_method"
EXAMPLES = 3
"""Made-up requests for each operation, besides the known good one and those at the limits of every field."""


@dataclass(frozen=True)
class Described:
    """What schemathesis did: how many operations it asked and how often, and what it found."""

    operations: int
    requests: int
    found: tuple[Finding, ...]
    run: Run


def description(routes: Routes, rules: Iterable[Rule], doors: Sequence[Door], caller: Caller) -> dict[str, Any]:
    """OpenAPI 3 of these routes for one session: parameters of addresses with good examples, words behind them, fields of forms."""
    paths: dict[str, dict[str, Any]] = {}
    for rule in rules:
        good = values_of(rule, routes.held)
        address = re.sub(r"<(?:[^<>]*?:)?([^<>:]+)>", r"{\1}", rule.rule)
        at_path = [
            {"name": name, "in": "path", "required": True, "schema": _kind(good[name]), "example": good[name]} for name in rule.arguments
        ]
        for method in sorted((rule.methods or set()) & {"GET", "POST"}):
            fields = {
                name: value for door in doors if (door.method, door.endpoint) == (method, rule.endpoint) for name, value in door.fields
            }
            operation: dict[str, Any] = {"operationId": f"{method}_{rule.endpoint}_{len(paths)}", "parameters": list(at_path)}
            operation["responses"] = {"default": {"description": "A page"}}
            if method == "GET":
                operation["parameters"] += [_word(name, value) for name, value in fields.items()]
            else:
                operation["requestBody"] = {"required": True, "content": {FORM: _body({**fields, "token": caller.token})}}
            paths.setdefault(address, {})[method.lower()] = operation
    return {"openapi": "3.0.3", "info": {"title": "trialcrf", "version": "0"}, "paths": paths}


def _kind(value: object) -> dict[str, Any]:
    return {"type": "integer"} if isinstance(value, int) else {"type": "string", "minLength": 1}


def _word(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {"type": "string"}, "example": value}


def _body(fields: Mapping[str, str]) -> dict[str, Any]:
    known = {name: {"type": "string", "example": value} for name, value in fields.items()}
    known["token"] = {"type": "string", "enum": [fields["token"]]}
    known.pop("save_token", None)
    return {"schema": {"type": "object", "properties": known, "required": ["token"]}, "example": {**fields, "save_token": ""}}


def examine(described: Mapping[str, Any], caller: Caller, folder: Path, seed: int, seconds: float) -> Described:
    """One run over a description."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "openapi.json").write_text(json.dumps(described), encoding="utf-8")
    command: list[object] = [
        program("attack", "schemathesis"), "run", folder / "openapi.json", "--url", f"http://127.0.0.1:{caller.port}", "--checks", CHECKS,
        "--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES, "--seed", seed, "--generation-database", "none",
        "--no-shrink", "--continue-on-failure", "--max-redirects", "0", "--request-timeout", "30", "--suppress-health-check", "all",
        "--report", "ndjson", "--report-ndjson-path", folder / "events.ndjson", "--no-color", "--warnings", "off",
    ]  # fmt: skip
    if caller.cookie:
        command += ["--header", f"Cookie: {caller.header}"]
    done = run(command, folder, seconds)
    return read(folder / "events.ndjson", done)


def read(events: Path, done: Run) -> Described:
    """By its own record of every request."""
    operations: set[str] = set()
    requests, found = 0, []
    for line in events.read_text(encoding="utf-8").splitlines() if events.exists() else []:
        told = json.loads(line).get("ScenarioFinished")
        if told is None:
            continue
        label = told["recorder"]["label"]
        for checks in told["recorder"].get("checks", {}).values():
            found += [Finding("schemathesis", one["name"], label, _words(one)) for one in checks if one["status"] == "failure"]
        for one in told["recorder"].get("interactions", {}).values():
            requests += 1
            found += [Finding("schemathesis", "answer", label, wrong) for wrong in flaws(_answer(one.get("response")))]
        operations.add(told["recorder"]["label"])
    return Described(len(operations), requests, tuple(found), done)


def _words(check: Mapping[str, Any]) -> str:
    told = check.get("failure_info") or check
    return json.dumps(told, sort_keys=True)[:300]


def _answer(response: Mapping[str, Any] | None) -> Answer | None:
    if response is None:
        return None
    headers = {name.lower(): ", ".join(values) for name, values in response["headers"].items()}
    content = (response.get("content") or {}).get("$base64") or ""
    return Answer(response["status_code"], headers, base64.b64decode(content).decode("utf-8", "replace"))
