"""The shim between a program and its disk and clock: built once, preloaded into a process, and told by a file what to do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("shim.c")


class Shim:
    """`env` is what a process starts with; from then on `say` changes what its fsync (lie, fail) or clock (seconds) does."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is None:
            pytest.fail("a C compiler is missing: run `.ci/setup faults`, or install the Debian packages gcc and libc6-dev", pytrace=False)
        self._told = folder / "fault"
        library = folder / "shim.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
        self.env = {"LD_PRELOAD": str(library), "FAULT_FILE": str(self._told)}

    def say(self, what: str) -> None:
        # In one step: whoever reads it meanwhile reads the one or the other.
        new = self._told.with_suffix(".new")
        new.write_text(what, encoding="ascii")
        new.replace(self._told)
