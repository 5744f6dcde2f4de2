"""Room on the disks: how much is free where the program keeps what it must not lose."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

FLOOR = 64 * 1024**2
"""Bytes below which nothing new is saved: what is left is for whoever tidies up, and for what is being written at this moment."""


def free(folders: Iterable[Path]) -> int:
    """The bytes that are free where there are fewest; a folder that is not there yet is looked at where it will be."""
    return min(shutil.disk_usage(_there(folder)).free for folder in folders)


def _there(folder: Path) -> Path:
    return next(one for one in (folder, *folder.parents) if one.is_dir())
