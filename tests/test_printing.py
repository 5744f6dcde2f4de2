"""`trialcrf study print`: real PDFs of every study, in both languages, read back word by word."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import page  # page-validation
import pikepdf
import pytest
from click.testing import CliRunner, Result

from tests.actions.world import STUDIES, make_world
from trialcrf.actions import publish
from trialcrf.cli import main
from trialcrf.cli.study import study_of
from trialcrf.core.definition.model import Study
from trialcrf.core.specification import edition
from trialcrf.core.wording import Words

KEYS = {"msc_ssc": "msc_ssc", "cdisc_pilot": "cdisc_pilot", "salt": str(STUDIES["salt"])}
LANGUAGES = {"msc_ssc": ("fr",), "cdisc_pilot": ("en",), "salt": ("fr",)}
"""In which language each study is printed here: a minute goes into every language of a large one."""


def run(data: Path, *arguments: str) -> Result:
    # A database that cannot be reached: printing must not ask for one.
    env = {"TRIALCRF_DATA": str(data), "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing", "LC_ALL": "en_GB.UTF-8"}
    return CliRunner(env=env).invoke(main, ["study", "print", *arguments], prog_name="trialcrf")


def read(file: Path, *options: str) -> str:
    return subprocess.run(["pdftotext", *options, str(file), "-"], capture_output=True, text=True, check=True).stdout


def solid(text: str) -> str:
    """A text without spaces: a cell breaks its lines where it must, and words too."""
    return re.sub(r"[\s\u200b]+", "", text)


class Printed:
    """The documents of one study, by document and language: the file, and its text without spaces."""

    def __init__(self, study: Study, folder: Path, said: str, languages: tuple[str, ...]) -> None:
        self.study, self.folder, self.said, self.languages = study, folder, said, languages
        self.files = {(what, each): folder / f"{study.oid}-{what}-{each}.pdf" for what in ("crf", "specification") for each in languages}
        self.text = {key: solid(read(file, "-raw")) for key, file in self.files.items()}


@pytest.fixture(scope="module", params=sorted(KEYS))
def printed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Printed:
    data = tmp_path_factory.mktemp("data")
    languages = LANGUAGES[request.param]
    done = run(data, KEYS[request.param], *(("--language", languages[0]) if len(languages) == 1 else ()))
    assert done.exit_code == 0, done.output
    return Printed(study_of(KEYS[request.param]), data / "reports" / "specification", done.stdout, languages)


def absent(text: str, wanted: Iterator[Words | str], language: str) -> list[str]:
    said = (each.in_(language) if isinstance(each, Words) else each for each in wanted)
    return [each for each in said if solid(each) not in text]


def test_the_names_of_the_files_are_told(printed: Printed) -> None:
    assert printed.said.splitlines() == [str(file) for file in printed.files.values()]


def test_every_form_section_question_and_choice_is_on_paper(printed: Printed) -> None:
    def wanted() -> Iterator[Words | str]:
        for form in printed.study.forms:
            yield from (form.label, form.help, form.oid)
            for group in form.groups:
                yield from (group.label, group.help)
                for item in group.items:
                    yield from (item.label, item.help, item.oid, item.unit, *item.aliases)
                    yield from (each.label for each in (item.codelist.items if item.codelist else ()))

    for language in printed.languages:
        assert absent(printed.text["crf", language], wanted(), language) == []


def test_the_specification_holds_every_register(printed: Printed) -> None:
    study = printed.study

    def wanted() -> Iterator[Words | str]:
        for form in study.forms:
            yield form.label
            yield from (part for check in form.checks for part in (check.oid, check.message))
        for event in study.events:
            yield from (event.oid, event.label)
        for key, each in study.assumptions.items():
            yield from (key, each.question, each.reading, each.why)
        for definition in study.eligibility:
            yield from (part for each in definition.criteria for part in (each.id, each.clause, each.note))
            yield from (part for one in definition.inputs for part in (one.oid, one.label))
        for parameter in study.parameters:
            yield from (parameter.oid, parameter.label)

    for language in printed.languages:
        assert absent(printed.text["specification", language], wanted(), language) == []


def test_every_page_names_study_protocol_and_definition_and_is_numbered(printed: Printed) -> None:
    hash12 = edition(printed.study).sha256[:12]
    for file in printed.files.values():
        pages = read(file, "-layout").split("\f")[:-1]
        assert len(pages) > 5
        for number, text in enumerate(pages, start=1):
            assert re.search(rf"\b{number} ?/ ?{len(pages)}$", text.rstrip()), text[-200:]
            assert hash12 in text and printed.study.protocol in text and printed.study.oid in text


def test_the_documents_conform_to_pdf_ua_and_tell_their_language(printed: Printed) -> None:
    for (_, language), file in printed.files.items():
        found = page.validate_pdf_bytes(file.read_bytes(), profile="ua1")
        assert found.is_compliant, (file.name, [(failure.rule_id, failure.message) for failure in found.failures])
        with pikepdf.open(file) as document:
            assert str(document.Root.Lang) == language


@pytest.mark.parametrize("printed", ["salt"], indirect=True)
def test_the_same_definition_gives_the_same_bytes_and_no_time_of_making(printed: Printed, tmp_path: Path) -> None:
    assert run(tmp_path, KEYS["salt"], "--out", str(tmp_path / "again"), "--language", "fr").exit_code == 0
    again = {file.name: file.read_bytes() for file in sorted((tmp_path / "again").iterdir())}
    assert again == {file.name: file.read_bytes() for (_, language), file in printed.files.items() if language == "fr"}
    assert len(again) == 2
    for name in again:
        told = subprocess.run(["pdfinfo", str(tmp_path / "again" / name)], capture_output=True, text=True, check=True).stdout
        assert "CreationDate" not in told and "ModDate" not in told


def test_one_document_in_one_language_can_be_asked_for(tmp_path: Path) -> None:
    done = run(tmp_path, KEYS["salt"], "--out", str(tmp_path / "new" / "folder"), "--language", "fr", "--what", "crf")
    assert done.exit_code == 0, done.output
    assert [file.name for file in (tmp_path / "new" / "folder").iterdir()] == ["salt-crf-fr.pdf"]


def test_an_unknown_study_is_one_sentence(tmp_path: Path) -> None:
    done = run(tmp_path, "nothing_of_this_name")
    assert done.exit_code == 1 and done.stdout == ""
    assert done.stderr == "nothing_of_this_name is neither a study of this program nor a folder.\n"
    assert not (tmp_path / "reports").exists()


@pytest.fixture
def database_kind() -> str:
    """Nothing here hangs on the kind of database."""
    return "sqlite"


def test_a_version_that_was_published_is_printed_from_the_database(database_url, tmp_path):
    world = make_world(database_url, "salt")
    with world.write("trialcrf") as tx:
        publish.publish(tx, replace(study_of(str(STUDIES["salt"])), protocol="SALT-02"))
    world.engine.dispose()
    env = {"TRIALCRF_DATA": str(tmp_path), "DATABASE_URL": database_url, "LC_ALL": "en_GB.UTF-8"}
    asked = ["study", "print", "salt", "--what", "crf", "--language", "en", "--version"]
    for version, protocol in (("1", "SALT-01"), ("2", "SALT-02")):
        done = CliRunner(env=env).invoke(main, [*asked, version], prog_name="trialcrf")
        assert done.exit_code == 0, done.output
        text = solid(read(tmp_path / "reports" / "specification" / f"salt-crf-v{version}-en.pdf"))
        assert protocol in text and "Lateentryintheprogram:by(initials),on(date)" in text
    assert CliRunner(env=env).invoke(main, [*asked, "3"], prog_name="trialcrf").exit_code == 1
