"""The production chapter: its units are valid, its commands exist, and no setting is without a word."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from config import ROOT, Settings
from tests.production.blocks import CHAPTER, Commands, File, blocks
from trialcrf.cli import main

BLOCKS = blocks(CHAPTER.read_text(encoding="utf-8"))
FILES = {one.path: one for one in BLOCKS if isinstance(one, File)}
COMMANDS = [line for one in BLOCKS if isinstance(one, Commands) for line in one.lines]
UNITS = [one for path, one in FILES.items() if path.endswith(".service")]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: Path(unit.path).name)
def test_the_services_are_hardened_and_start_what_there_is(unit: File, tmp_path: Path) -> None:
    read = configparser.ConfigParser(strict=True, interpolation=None)
    read.optionxform = str  # type: ignore[assignment, method-assign]
    read.read_string(unit.text)
    service = read["Service"]
    hardened = {"NoNewPrivileges": "yes", "ProtectSystem": "strict", "PrivateTmp": "yes", "User": "trialcrf", "Restart": "on-failure"}
    hardened |= {"CapabilityBoundingSet": "", "SystemCallFilter": "@system-service", "RestrictNamespaces": "yes"}
    assert hardened.items() <= dict(service).items()
    assert "/var/lib/trialcrf" in service["ReadWritePaths"].split()
    assert service["EnvironmentFile"] in FILES
    if shutil.which("systemd-analyze"):
        # Its paths are those of a machine that is set up so: here they are those of any machine.
        text = re.sub(r"^(ExecStart)=.*$", r"\1=/bin/true", unit.text, flags=re.M)
        text = re.sub(r"^(User|Group|WorkingDirectory|EnvironmentFile)=.*\n", "", text, flags=re.M)
        path = tmp_path / Path(unit.path).name
        path.write_text(text, encoding="utf-8")
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True, check=False)
        assert path.name not in done.stderr, done.stderr


def _ours() -> list[list[str]]:
    text = "\n".join([*COMMANDS, *(one.text for one in UNITS), *re.findall(r"`(trialcrf [^`]+)`", CHAPTER.read_text(encoding="utf-8"))])
    return [found.split() for found in re.findall(r"(?:bin/|^)trialcrf ([a-z][^\n`']*)'?$", text, re.M)]


@pytest.mark.parametrize("words", _ours(), ids=" ".join)
def test_every_command_of_ours_exists_with_its_options(words: list[str]) -> None:
    command: click.Command = main
    rest = list(words)
    while isinstance(command, click.Group):
        name = rest.pop(0)
        assert name in command.commands, f"there is no trialcrf {' '.join(words)}"
        command = command.commands[name]
    known = {option for one in command.params for option in one.opts} | {"--help"}
    assert {word for word in rest if word.startswith("--")} <= known


def test_every_setting_of_the_program_is_told() -> None:
    names = set(re.findall(r'given\.\w+\(\s*"([A-Z_]+)"', (ROOT / "config.py").read_text(encoding="utf-8"))) - {"TRIALCRF_ARCHIVE"}
    assert len(names) > 15
    told = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [name for name in sorted(names) if f"`{name}`" not in told]


def test_the_file_of_settings_can_be_used_and_is_not_for_everybody(tmp_path: Path) -> None:
    file = FILES["/etc/trialcrf/environment"]
    given = dict(line.split("=", 1) for line in file.text.replace("PASSWORD", "a-word-of-ones-own").splitlines())
    settings = Settings.from_env(
        {
            **given,
            "TRIALCRF_DATA": str(tmp_path),
            "TRIALCRF_BACKUP_RECIPIENTS": "",
            "TRIALCRF_BACKUP_FOLDER": "",
            "BASE_URL": "https://crf.example.org",
        }
    )
    assert (settings.proxies, settings.log, settings.secure_cookies) == (1, "json", True)
    assert (file.owner, file.mode) == ("root:trialcrf", "0640")
    assert FILES["/etc/trialcrf/owner"].mode == "0600"
    assert "DATABASE_OWNER_URL" not in file.text, "what serves pages must not be able to change the schema"


def test_no_proxy_passes_the_measurements_on_or_trusts_what_strangers_say() -> None:
    nginx = FILES["/etc/nginx/sites-available/trialcrf"].text
    assert "location = /metrics { return 404; }" in nginx
    for name in ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Request-Id"):
        assert re.search(rf"proxy_set_header {name} (?!\$http)", nginx)
    assert "respond /metrics 404" in FILES["/etc/caddy/Caddyfile"].text


def test_commands_are_words_that_a_shell_understands() -> None:
    for one in BLOCKS:
        if isinstance(one, Commands):
            assert subprocess.run(["bash", "-n"], input=one.text, text=True, check=False).returncode == 0
