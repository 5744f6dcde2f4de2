"""`trialcrf report verify`: what it says of a file that is archived here, altered, or of nobody, and the exit codes that programs read."""

from __future__ import annotations

import hashlib
import json

import pytest
from click.testing import CliRunner

from tests.actions.world import filling as filling_of
from tests.actions.world import open_world
from tests.test_cli import Cli
from trialcrf.cli import main
from trialcrf.external import seal
from trialcrf.store import reports


@pytest.fixture
def database_kind() -> str:
    """Nothing here hangs on the kind of database."""
    return "sqlite"


@pytest.fixture
def filling():
    return filling_of()


@pytest.fixture
def world(database_url):
    made = open_world(database_url)
    yield made
    made.engine.dispose()


class Asking(Cli):
    """Its answer is on standard output, whatever its exit code: programs and people both read it."""

    def __call__(self, *arguments: str, code: int = 0, given: str | None = None, **env: str) -> str:
        result = CliRunner(env={**self.env, **env}).invoke(main, arguments, input=given, prog_name="trialcrf")
        assert result.exit_code == code, result.output + str(result.exception)
        return result.stdout


def test_a_file_is_verified_by_its_hash_its_checkpoint_and_by_drawing_it_again(world, database_url, tmp_path):
    cli = Asking(database_url, tmp_path / "data")
    out = tmp_path / "quality.pdf"
    order = ["report", "quality", "--study", "msc_ssc", "--as-of", "2026-11-20", "--lang", "en", "--out", str(out)]
    cli(*order)
    said = cli("report", "verify", str(out), code=3)
    assert "no such report was archived here" in said and '"kind":"quality"' in said
    cli(*order, "--why", "For the inspection.")
    with world.read() as tx:
        (one,) = reports.all_of(tx, "msc_ssc")
    said = cli("report", "verify", str(out), "--again")
    for told in ("as it was archived", one.sha256, one.checkpoint, "2026", "For the inspection.", "cli:", "is the same", "this checkpoint"):
        assert told in said, told
    content = out.read_bytes()
    assert (tmp_path / "data" / "reports" / one.file).read_bytes() == content

    out.write_bytes(content.replace(b"pdfuaid:part>1", b"pdfuaid:part>2"))
    assert "ALTERED" in cli("report", "verify", str(out), code=2)
    out.write_bytes(content.replace(b'"study":"msc_ssc"', b'"study":"another"'))
    assert "another" in cli("report", "verify", str(out), code=3)
    out.write_text(json.dumps({"kind": "quality"}))
    assert "does not say what it is" in cli("report", "verify", str(out), code=3)


def test_a_signature_says_whose_it_is_and_of_which_file(world, database_url, tmp_path):
    cli, other = (Asking(database_url, tmp_path / folder) for folder in ("data", "elsewhere"))
    key = tmp_path / "data" / seal.KEY_FILE
    file = tmp_path / "casebook.pdf"
    file.write_bytes(b"%PDF-1.7 of somebody")
    signature = tmp_path / ("casebook.pdf" + seal.ENDING)
    signature.write_bytes(seal.sign(key, {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "subject": "R-01-001"}))
    own = seal.public_key(key)[1]
    assert own in cli("report", "verify", str(signature)) and "subject R-01-001" in cli("report", "verify", str(signature))
    assert "key of this installation" in cli("report", "verify", str(file), code=3)
    assert f"{own}, which is not that of this installation" in other("report", "verify", str(signature))
    file.write_bytes(b"%PDF-1.7 of somebody else")
    assert "ANOTHER file" in cli("report", "verify", str(file), code=6)
    signature.write_bytes(signature.read_bytes().replace(b"R-01-001", b"R-01-002"))
    assert "does NOT hold" in cli("report", "verify", str(signature), code=6)
    signature.write_bytes(b"{}")
    assert "no signature file" in cli("report", "verify", str(signature), code=6)
