"""What a clean machine is lent of the one around it, so that it reaches the same mirror and registry: read at run time, written nowhere."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

_NAMES = re.compile(r"(?i)(?:https?|ftp|no|all)_proxy|pip_.*|ssl_cert_.*|.*_ca_bundle|git_ssl_cainfo")
_SUITES = ("bookworm", "bookworm-updates", "bookworm-security")
_OWN_AUTHORITIES = Path("usr/local/share/ca-certificates")


def environment() -> dict[str, str]:
    """The variables by which proxies, registries and certificates are found."""
    return {name: value for name, value in os.environ.items() if _NAMES.fullmatch(name)}


def mirror() -> str:
    """Where this machine has Debian 12 from. Raises LookupError where it has it from nowhere."""
    for line in _sources():
        address, suite, _component = line
        if suite == "bookworm":
            return address
    raise LookupError("apt of this machine has no source of Debian 12 (bookworm)")


@cache
def _sources() -> list[tuple[str, str, str]]:
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    found = sorted({(line.split()[0], line.split()[1], line.split()[2]) for line in said.splitlines() if len(line.split()) == 3})
    return [line for line in found if line[1] in _SUITES]


@cache
def _pip() -> dict[str, str]:
    """The settings of pip's files, by section.name."""
    said = subprocess.run([sys.executable, "-m", "pip", "config", "list"], stdout=subprocess.PIPE, text=True, check=False).stdout
    found = dict(line.split("=", 1) for line in said.splitlines() if "=" in line and not line.startswith(":env:"))
    return {name: str(ast.literal_eval(value)) for name, value in found.items()}


def folders() -> list[Path]:
    """Folders and files of this machine that those settings name. What lies in /etc every Debian has, or it is written there."""
    named = {found for value in (*environment().values(), *_pip().values()) for found in re.findall(r"(?:file://)?(/[^\s,:]+)", value)}
    # A registry in a folder has its index in `simple` and its files beside it.
    paths = sorted({Path(one.removesuffix("/simple")) for one in named if not one.startswith(("//", "/etc/"))})
    return [path for path in paths if path.exists() and not any(path != other and path.is_relative_to(other) for other in paths)]


def lend(root: Path, names: Sequence[str]) -> None:
    """Write into the clean system where the world is: sources, resolver, certificates, registry."""
    etc = root / "etc"
    lines = [f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {' '.join(line)}\n" for line in _sources()]
    (etc / "apt/sources.list").write_text("".join(lines))
    acquire = subprocess.run(["apt-config", "dump", "Acquire"], stdout=subprocess.PIPE, text=True, check=True).stdout
    (etc / "apt/apt.conf.d/90outside").write_text(acquire)
    for one in Path("/etc/apt/auth.conf.d").glob("*"):
        shutil.copy2(one, etc / "apt/auth.conf.d" / one.name)
    for one in ("resolv.conf", "hosts"):
        (etc / one).unlink(missing_ok=True)
        (etc / one).write_text(Path("/etc", one).read_text())
    with (etc / "hosts").open("a") as file:
        file.write(f"\n127.0.0.1 localhost {' '.join(names)}\n")
    (etc / "hostname").write_text("clean\n")
    if (Path("/") / _OWN_AUTHORITIES).is_dir():
        shutil.copytree(Path("/") / _OWN_AUTHORITIES, root / _OWN_AUTHORITIES, dirs_exist_ok=True)
    sections: dict[str, list[str]] = {}
    for name, value in _pip().items():
        section, _, key = name.partition(".")
        sections.setdefault(section, []).append(f"{key} = {value}".replace("\n", "\n    "))
    (etc / "pip.conf").write_text("".join(f"[{section}]\n" + "\n".join(lines) + "\n" for section, lines in sections.items()))
