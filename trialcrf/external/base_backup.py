"""A copy of a whole PostgreSQL server by its own programs: pg_basebackup takes it, pg_verifybackup proves every file of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from trialcrf.core.wording import N_, Message
from trialcrf.external.backup import CannotBackUp, environment, first_line, is_postgresql, libpq

_INSTALLED = Path("/usr/lib/postgresql")


def take(url: str, folder: Path) -> None:
    """Copy the server of this database into the folder, which must not be there yet, and verify it. Raises CannotBackUp.

    What could not be verified is taken away again: half a server restores to none.
    """
    if not is_postgresql(url):
        raise CannotBackUp(Message(N_("There is no base backup: DATABASE_URL names no PostgreSQL.")))
    if folder.exists():
        raise CannotBackUp(Message(N_("There is no base backup: %(folder)s is there already."), {"folder": str(folder)}))
    take_, verify = _program("pg_basebackup"), _program("pg_verifybackup")
    address, password = libpq(url)
    command = [take_, f"--pgdata={folder}", f"--dbname={address}", "--no-password", "--checkpoint=fast", "--manifest-checksums=SHA256"]
    try:
        for one in (command, [verify, str(folder)]):
            done = subprocess.run(one, env=environment(password), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            if done.returncode:
                raise CannotBackUp(Message(N_("There is no base backup: %(what)s"), {"what": first_line(done)}))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _program(name: str) -> str:
    """Debian puts them into a folder of each version, where no search looks: the newest one reads what older servers send."""
    versions = _INSTALLED.glob(f"*/bin/{name}") if _INSTALLED.is_dir() else ()
    found = shutil.which(name) or max((str(one) for one in versions if os.access(one, os.X_OK)), key=_version, default=None)
    if found is None:
        said = N_("There is no base backup: the program %(name)s is missing. The package postgresql has it.")
        raise CannotBackUp(Message(said, {"name": name}))
    return found


def _version(path: str) -> int:
    return int(re.sub(r"\D", "", Path(path).parts[-3]) or "0")
