"""The repository that a clean machine clones: this commit as a tagged version, and newer ones that are made of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.production.machine import Failed

INSIDE = "/srv/repository.git"
"""Where the machine sees it."""

_MIGRATION = '''"""Nothing changes: a version that comes with a migration.

Policy: forward only, and there is no downgrade.
"""

revision = "{new}"
down_revision = "{old}"
branch_labels = None
depends_on = None

additive = True


def upgrade() -> None:
    pass
'''


class Versions:
    """A bare repository in `folder`, with the tag v0 on the commit that is checked out in `checkout`."""

    def __init__(self, checkout: Path, folder: Path) -> None:
        self.folder, self.newest = folder, "v0"
        self._work = folder.with_name("versions")
        _git("clone", "--quiet", "--bare", "--no-hardlinks", str(checkout), str(folder))
        _git("--git-dir", str(folder), "tag", "--force", "v0", _git("-C", str(checkout), "rev-parse", "HEAD").strip())

    def next(self) -> str:
        """A newer version, whose schema is a newer one; returns its tag."""
        if not self._work.exists():
            _git("clone", "--quiet", "--branch", self.newest, str(self.folder), str(self._work))
        migrations = self._work / "migrations" / "versions"
        old = max(path.name.partition("_")[0] for path in migrations.glob("[0-9]*.py"))
        new = f"{int(old) + 1:04}"
        (migrations / f"{new}_a_newer_version.py").write_text(_MIGRATION.format(new=new, old=old), encoding="utf-8")
        self.newest = f"v{int(self.newest[1:]) + 1}"
        in_work = ("-C", str(self._work), "-c", "user.name=A newer version", "-c", "user.email=newer@example.org")
        _git(*in_work, "add", "--all")
        _git(*in_work, "commit", "--quiet", "--message", f"A newer version, {self.newest}")
        _git(*in_work, "tag", self.newest)
        _git(*in_work, "push", "--quiet", "origin", self.newest)
        return self.newest


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise Failed(f"git {arguments[0]} ended with {done.returncode}", done.stdout)
    return done.stdout
