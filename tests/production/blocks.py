"""The blocks of docs/production.md: commands with who runs them, and files with their place, owner and mode."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHAPTER = ROOT / "docs" / "production.md"

_BLOCK = re.compile(r"^```(\S+) ([^\n]+)\n(.*?)^```$", re.M | re.S)
_HEADING = re.compile(r"^## (.+)$", re.M)


@dataclass(frozen=True)
class Commands:
    """Lines for a shell (`set -e`), by root or by trialcrf."""

    by: str
    text: str
    section: str = ""

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


@dataclass(frozen=True)
class File:
    """A file, word for word."""

    path: str
    owner: str
    mode: str
    text: str
    section: str = ""


def blocks(text: str) -> list[Commands | File]:
    """Every block in its order. Raises ValueError for one that does not say what it is."""
    found: list[Commands | File] = []
    for block in _BLOCK.finditer(text):
        kind, about, inside = block.groups()
        words = about.split()
        section = (["", *_HEADING.findall(text[: block.start()])])[-1]
        if kind == "sh" and words in (["root"], ["trialcrf"]):
            found.append(Commands(words[0], inside, section))
        elif kind == "file" and len(words) == 3:
            found.append(File(words[0], words[1], words[2], inside, section))
        else:
            raise ValueError(f"a block that says not what it is: {kind} {about}")
    if len(found) * 2 != len(re.findall(r"^```", text, re.M)):
        raise ValueError("a block without a first line that can be read")
    return found
