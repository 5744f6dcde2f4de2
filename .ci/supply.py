"""What the program is made of: `write` the bill of materials and the licences, `audit` them against known vulnerabilities."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
BILL, LICENCES = ROOT / "docs" / "sbom.cdx.json", ROOT / "docs" / "licences.csv"

ALLOWED = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "LGPL-3.0-only", "LGPL-2.1-or-later", "MIT", "MIT-0", "MIT-CMU",
        "MPL-1.1", "PSF-2.0", "ZPL-2.1", "Zlib",
    }
)  # fmt: skip
"""Licences that let a hospital run, study, change and pass on the program. The LGPL ones are of libraries that are used as they are."""

NAMES = {
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-2-Clause",
    "BSD License": "BSD-3-Clause",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.1-or-later",
    "MIT License": "MIT",
    "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
    "ZPL 2.1": "ZPL-2.1",
}
"""What packages call their licences, in the words of SPDX."""

READ = {"huey": "MIT", "pyrage": "MIT", "wtforms": "BSD-3-Clause"}
"""Packages whose metadata name none (or hold its whole text): read in the file of the licence that comes with them."""


class Unfit(Exception):
    """Something that must not go on, in a sentence."""


@dataclass(frozen=True)
class Package:
    """A pinned package. `hashes` are the SHA-256 of every file that may be installed, as the lock has them."""

    name: str
    version: str
    hashes: tuple[str, ...]
    licence: str
    says: str


def pinned(lock: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """Name, version and hashes of every package of a lock. Raises Unfit for one without a hash, and for an empty lock."""
    found = []
    for block in re.split(r"\n(?=[A-Za-z0-9])", lock):
        head = re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)", block)
        if head is None:
            continue
        hashes = tuple(sorted(re.findall(r"--hash=sha256:([0-9a-f]{64})", block)))
        if not hashes:
            raise Unfit(f"{head[1]} is pinned without a hash")
        found.append((head[1].lower(), head[2], hashes))
    if not found:
        raise Unfit("the lock names no package: nothing was looked at")
    return sorted(found)


def packages(lock: str) -> list[Package]:
    """The packages of a lock with their licences, from what is installed. Raises Unfit where that is something else."""
    made = []
    for name, version, hashes in pinned(lock):
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            raise Unfit(f"{name} is not installed: run make setup") from None
        if installed.version != version:
            raise Unfit(f"{name} is pinned at {version}, but {installed.version} is installed: run make setup")
        made.append(Package(name, version, hashes, licence_of(name, installed.metadata), installed.metadata.get("Summary") or ""))
    return made


def licence_of(name: str, metadata: Any) -> str:
    """In the words of SPDX; of several that one may choose from, joined by OR. Raises Unfit where none is named."""
    if name in READ:
        return READ[name]
    if metadata.get("License-Expression"):
        return str(metadata["License-Expression"])
    told = (metadata.get("License") or "").strip()
    if told and len(told) < 60 and told in {*NAMES, *ALLOWED}:
        return NAMES.get(told, told)
    classes = [one.rpartition("::")[2].strip() for one in metadata.get_all("Classifier") or [] if one.startswith("License ::")]
    if not classes:
        raise Unfit(f"{name} names no licence: read the file that comes with it, and add it to READ in .ci/supply.py")
    return " OR ".join(sorted(NAMES.get(one, one) for one in classes))


def allowed(licence: str) -> bool:
    """Whether one of the ways that a licence gives (OR) has no part (AND) that is not allowed."""
    ways = re.split(r"\s+OR\s+", licence.replace("(", " ").replace(")", " ").strip())
    return any(all(part.strip() in ALLOWED for part in re.split(r"\s+AND\s+", way)) for way in ways)


def licences(all_: Iterable[Package]) -> str:
    """The list as CSV. Raises Unfit with every licence that is not allowed."""
    found = list(all_)
    refused = [f"{one.name} ({one.licence})" for one in found if not allowed(one.licence)]
    if refused:
        raise Unfit(f"not allowed: {', '.join(refused)}")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["package", "version", "licence"])
    writer.writerows([one.name, one.version, one.licence] for one in found)
    return out.getvalue()


def bill(all_: Iterable[Package]) -> str:
    """The bill of materials, CycloneDX 1.6; the same for the same lock, so it bears no moment and no number of its own."""
    parts = [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{one.name}@{one.version}",
            "name": one.name,
            "version": one.version,
            "description": one.says,
            "licenses": [{"expression": one.licence}] if " " in one.licence else [{"license": {"id": one.licence}}],
            "purl": f"pkg:pypi/{one.name}@{one.version}",
            # One package has several files, one for each kind of machine: every hash that the lock lets in.
            "externalReferences": [
                {"type": "distribution", "url": f"pkg:pypi/{one.name}@{one.version}", "hashes": [{"alg": "SHA-256", "content": each}]}
                for each in one.hashes
            ],
        }
        for one in all_
    ]
    own = re.search(r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M)
    assert own
    program = {"type": "application", "bom-ref": "trialcrf", "name": "trialcrf", "version": own[1]}
    refs = [part["bom-ref"] for part in parts]
    whole = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": program},
        "components": parts,
        "dependencies": [{"ref": "trialcrf", "dependsOn": refs}, *({"ref": ref} for ref in refs)],
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def audit(lock: str, answer: str) -> list[str]:
    """The known vulnerabilities in what pip-audit answered (its JSON), a line each.

    Raises Unfit unless the answer speaks of every package of the lock: an audit that looked at nothing finds nothing.
    """
    wanted = {(name, version) for name, version, _ in pinned(lock)}
    try:
        told = json.loads(answer)["dependencies"]
        looked = {(one["name"].lower(), one["version"]): one["vulns"] for one in told if "skip_reason" not in one}
    except (ValueError, KeyError, TypeError):
        raise Unfit("the audit did not answer as it should: nothing was looked at") from None
    missed = sorted(name for name, version in wanted - set(looked))
    if missed:
        raise Unfit(f"{len(missed)} of {len(wanted)} packages were not looked at: {', '.join(missed[:5])} …")
    return [
        f"{name} {version}: {one['id']}, mended in {', '.join(one.get('fix_versions') or []) or 'no version yet'}"
        for (name, version), vulns in sorted(looked.items())
        for one in vulns
    ]


def asked(lock: Path) -> str:
    """What pip-audit answers over the network. Raises Unfit where it does not get that far."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--no-deps", "--disable-pip", "--format", "json"]
    done = subprocess.run([*command, "--progress-spinner", "off"], capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        why = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        raise Unfit(f"the audit could not be made ({why}): nothing was looked at. pip-audit and a network are needed, or --answer FILE")
    return done.stdout


def main(arguments: list[str]) -> int:
    """The commands `write`, `check` and `audit [--answer FILE]`; 1 and a sentence where something must not go on."""
    lock = LOCK.read_text(encoding="utf-8")
    try:
        match arguments:
            case ["write"]:
                found = packages(lock)
                LICENCES.write_text(licences(found), encoding="utf-8")
                BILL.write_text(bill(found), encoding="utf-8")
                print(f"{len(found)} packages, every licence allowed")
            case ["check"]:
                check(packages(lock))
            case ["audit", *rest]:
                answer = Path(rest[1]).read_text(encoding="utf-8") if rest[:1] == ["--answer"] and len(rest) == 2 else asked(LOCK)
                bad = audit(lock, answer)
                print("\n".join(bad) or f"{len(pinned(lock))} packages looked at: no vulnerability is known")
                return 1 if bad else 0
            case _:
                print("usage: supply.py write | check | audit [--answer FILE]", file=sys.stderr)
                return 2
    except Unfit as unfit:
        print(f"supply: {unfit}", file=sys.stderr)
        return 1
    return 0


def check(found: list[Package]) -> None:
    """Raise Unfit where the bill or the list is not that of the lock."""
    for path, text in ((LICENCES, licences(found)), (BILL, bill(found))):
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            raise Unfit(f"{path.relative_to(ROOT)} is not that of the lock: run make supply")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
