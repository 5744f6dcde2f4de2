"""The file of checkpoints, outside the database: one line of JSON each night, only ever appended, safe from a power cut."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from trialcrf.external.archive import sync_folder


class Unreadable(Exception):
    """The file has lines and none of them is a checkpoint: somebody wrote over it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A checkpoint as its line tells it: when it was taken, and (chain, size, hash of the last record) of every chain."""

    at: datetime
    digest: str
    chains: tuple[tuple[str, int, str], ...]


def file_in(data: Path) -> Path:
    return data / "checkpoints.jsonl"


def append(file: Path, kept: Kept) -> None:
    """Add a line and wait until the disk has it. Raises OSError.

    A line that was cut off by a power cut stays as it is and gets its end: nothing in this file is ever taken back.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    chains = [{"chain": chain, "size": size, "head": head} for chain, size, head in kept.chains]
    line = json.dumps({"at": kept.at.isoformat(), "digest": kept.digest, "chains": chains}, separators=(",", ":")) + "\n"
    new = not file.exists()
    with _opened(file) as handle:
        # Of several machines on one folder each appends where it believes the end to be, unless it has the file to itself.
        fcntl.lockf(handle, fcntl.LOCK_EX)
        size = os.fstat(handle).st_size
        whole = size == 0 or os.pread(handle, 1, size - 1) == b"\n"
        os.write(handle, (line if whole else "\n" + line).encode())
        os.fsync(handle)
    if new:
        sync_folder(file.parent)


def newest(file: Path) -> Kept | None:
    """The last line that is a checkpoint; None where there is none yet. Raises Unreadable."""
    if not file.exists():
        return None
    lines = [line for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    found = next((kept for kept in map(_read, reversed(lines)) if kept), None)
    if lines and found is None:
        raise Unreadable
    return found


def _read(line: str) -> Kept | None:
    """None for what is no checkpoint: a line that a power cut left unfinished."""
    try:
        said = json.loads(line)
        chains = tuple((str(one["chain"]), int(one["size"]), str(one["head"])) for one in said["chains"])
        return Kept(datetime.fromisoformat(said["at"]), str(said["digest"]), chains)
    except (ValueError, KeyError, TypeError):
        return None


@contextmanager
def _opened(file: Path) -> Iterator[int]:
    handle = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        yield handle
    finally:
        os.close(handle)
