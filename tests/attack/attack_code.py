"""bandit over every file of the program: each finding is none, or accepted with its reason; and over a file with holes."""

from __future__ import annotations

from pathlib import Path

from config import ROOT
from tests.attack.reading import Read, read
from tests.attack.tools import accepted, judged, told

NAMES = ("trialcrf", "config.py", "wsgi.py")
PLANTED = """import pickle, subprocess, hashlib, yaml
def run(word, connection):
    eval(word)
    subprocess.run(word, shell=True)
    pickle.loads(word)
    yaml.load(word, Loader=yaml.Loader)
    connection.execute(f"SELECT name FROM account WHERE name = '{word}'")
    return hashlib.md5(word).hexdigest()
"""


def verdict(done: Read, wanted: set[str]) -> list[str]:
    """What is wrong; nothing where every file was read and every finding is accepted."""
    unread = sorted(wanted - done.files)
    return [
        *(f"{name} was not read" for name in unread),
        *(f"could not be read: {one}" for one in done.unread),
        *map(str, judged(done.found, accepted("bandit"))),
    ]


def test_nothing_that_bandit_finds_in_the_program_is_new(tmp_path: Path) -> None:
    wanted = {path.relative_to(ROOT).as_posix() for path in (ROOT / "trialcrf").rglob("*.py")} | {"config.py", "wsgi.py"}
    done = read(ROOT, NAMES, tmp_path)
    told({"tool": "bandit", "files": len(done.files), "findings": len(done.found), "seconds": round(done.run.seconds)})
    assert verdict(done, wanted) == []
    unused = [one for one in accepted("bandit") if not any(one.covers(each) for each in done.found)]
    assert not unused, "what is accepted must still be there"


def test_bandit_finds_what_is_planted(tmp_path: Path) -> None:
    (tmp_path / "twin.py").write_text(PLANTED, encoding="utf-8")
    done = read(tmp_path, ["twin.py"], tmp_path / "out")
    assert {"B307", "B602", "B301", "B506", "B608", "B324"} <= {one.kind for one in done.found}
    assert len(verdict(done, {"twin.py"})) >= 6
    assert "other.py was not read" in verdict(done, {"other.py"})
