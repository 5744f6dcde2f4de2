"""Files that are kept: written whole or not at all, and never seen half-written by anyone."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def keep(path: Path, content: bytes, mode: int = 0o640) -> str:
    """Write the file so that it survives a power cut and replaces an older one in one step; returns its SHA-256 in hexadecimal.

    The folder is made where it is missing. Raises OSError, and then what stood there before still stands.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(unfinished, mode)
        os.replace(unfinished, path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return hashlib.sha256(content).hexdigest()


def keep_first(path: Path, content: bytes) -> bytes:
    """Keep a key readable by its owner alone, where there is none yet. Of two that make one at once, both get the one that is kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 600 from its first byte
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(unfinished, path)  # A link is refused where there is one already: a key is never replaced.
        except FileExistsError:
            return path.read_bytes()
    finally:
        Path(unfinished).unlink(missing_ok=True)
    sync_folder(path.parent)
    return content


def discard(files: Iterable[Path], folder: Path) -> None:
    """Take away kept files and a folder of kept files, where they are."""
    for file in files:
        with suppress(FileNotFoundError, NotADirectoryError):
            file.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in this folder."""
    # A rename is only safe from a power cut once the folder that holds the name is written too.
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
