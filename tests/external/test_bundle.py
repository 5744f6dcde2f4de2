"""The file of an archive: the same bytes for the same content, and no file of which anything is wrong is ever used."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile

import pytest

from trialcrf.external import bundle
from trialcrf.external.bundle import BadArchive

MADE = {"program": "0.1", "made_at": "2026-11-21T09:00:00+00:00"}


@pytest.fixture
def members(tmp_path):
    folder = tmp_path / "members"
    folder.mkdir()
    content = {"database.sqlite3": bytes(range(256)) * 3, "reports/one.pdf": b"%PDF", "reports/one/annex.pdf": b""}
    for name, held in content.items():
        (folder / name.replace("/", "-")).write_bytes(held)
    return {name: folder / name.replace("/", "-") for name in content}


@pytest.fixture
def file(tmp_path, members):
    made = tmp_path / "archive.zip"
    bundle.write(made, MADE, members)
    return made


def problems_of(file, folder):
    with pytest.raises(BadArchive) as bad:
        bundle.unpack(file, folder)
    return " ".join(str(bad.value).split())


def resealed(file, change):
    """The archive with other members or another manifest, as somebody who knows the format would make it: its seal fits."""
    with zipfile.ZipFile(file) as before:
        held = {one.filename: before.read(one) for one in before.infolist()}
    held = change(held)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as made:
        for name, data in held.items():
            made.writestr(name, data)
        made.comment = bundle._SEALED + b"0" * 64
    data = content.getvalue()[:-64]
    file.write_bytes(data + hashlib.sha256(data).hexdigest().encode())
    return file


def test_what_was_written_is_what_is_read_and_the_same_content_gives_the_same_bytes(file, members, tmp_path):
    manifest = bundle.unpack(file, tmp_path / "out")
    assert manifest["program"] == "0.1"
    for name, path in members.items():
        assert (tmp_path / "out" / name).read_bytes() == path.read_bytes()
    again = tmp_path / "again.zip"
    digest = bundle.write(again, MADE, members)
    assert again.read_bytes() == file.read_bytes()
    assert digest == hashlib.sha256(file.read_bytes()).hexdigest() == bundle.sha256_of(file)
    assert zipfile.is_zipfile(file) and zipfile.ZipFile(file).testzip() is None  # Any other program reads it too.


def test_a_file_that_stands_is_never_written_over(file, members):
    before = file.read_bytes()
    with pytest.raises(FileExistsError):
        bundle.write(file, MADE, members)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir() if path.is_file()] == [file.name]


def test_one_byte_changed_anywhere_is_refused(file, tmp_path):
    """Every byte: members, the zip's own headers, its directory, its comment and the seal itself."""
    whole = file.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 0x20 if place % 2 else 0x01
        file.write_bytes(changed)
        with pytest.raises(BadArchive) as bad:
            bundle.unpack(file, tmp_path / f"out{place}")
        assert bad.value.problems, place


@pytest.mark.parametrize("cut", [0, 1, 60, 64, 500, -1, -64, -65, -200])
def test_a_file_that_was_cut_is_refused(file, tmp_path, cut):
    file.write_bytes(file.read_bytes()[:cut])
    assert problems_of(file, tmp_path / "out")


def test_what_was_added_at_either_end_is_refused(file, tmp_path):
    whole = file.read_bytes()
    for number, changed in enumerate((whole + b"\0", whole + whole, b"\0" + whole, whole[:-64] + whole[-64:].upper())):
        file.write_bytes(changed)
        assert "seal" in problems_of(file, tmp_path / f"out{number}")


def test_something_else_is_told_to_be_no_archive(file, tmp_path):
    file.write_text("a letter to the authority, of more than sixty-four characters, which nobody sealed", encoding="utf-8")
    assert "no archive of this program" in problems_of(file, tmp_path / "out")


def test_a_damaged_member_is_named(file, tmp_path):
    whole = bytearray(file.read_bytes())
    whole[zipfile.ZipFile(file).getinfo("database.sqlite3").header_offset + 80] ^= 1
    file.write_bytes(whole)
    said = problems_of(file, tmp_path / "out")
    assert "The seal does not fit" in said
    assert "database.sqlite3" in said


def test_every_problem_of_a_forged_archive_is_told_at_once(file, tmp_path):
    def forged(held):
        return {
            **{name: data for name, data in held.items() if name != "reports/one.pdf"},
            "database.sqlite3": held["database.sqlite3"][:-1] + b"!",
            "more.txt": b"",
            "../outside.txt": b"",
            "/etc/outside": b"",
            "reports/.hidden": b"",
            "a\\b": b"",
        }

    said = problems_of(resealed(file, forged), tmp_path / "in" / "out")
    for told in (
        "reports/one.pdf is missing", "database.sqlite3 is not as it was archived", "more.txt is in the file, and the manifest",
        "../outside.txt is no name", "/etc/outside is no name", "reports/.hidden is no name", "a\\b is no name",
    ):  # fmt: skip
        assert told in said
    assert not list(tmp_path.rglob("outside*"))


def test_a_name_told_by_the_manifest_cannot_leave_the_folder_either(file, tmp_path):
    def forged(held):
        manifest = json.loads(held["manifest.json"])
        manifest["members"].append({"name": "../outside.txt", "size": 1, "sha256": hashlib.sha256(b"x").hexdigest()})
        return {**held, "../outside.txt": b"x", "manifest.json": json.dumps(manifest).encode()}

    assert "../outside.txt is no name" in problems_of(resealed(file, forged), tmp_path / "in" / "out")
    assert not list(tmp_path.rglob("outside*"))


def test_a_member_that_unpacks_to_more_than_was_told_is_not_unpacked_to_its_end(file, tmp_path):
    said = problems_of(resealed(file, lambda held: {**held, "reports/one.pdf": b"0" * 10_000_000}), tmp_path / "out")
    assert "reports/one.pdf is not as it was archived" in said
    assert (tmp_path / "out" / "reports/one.pdf").stat().st_size <= 5


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        (b"{", "The manifest cannot be read"),
        (b"[]", "does not say what is in the archive"),
        (b'{"members": [{"name": 1}]}', "does not say what is in the archive"),
        (b'{"members": [], "format": 99}', "The format of the archive is 99; this program reads 1."),
        (b'{"members": []}', "The format of the archive is None"),
        (None, "There is no manifest in it."),
    ],
)
def test_a_manifest_that_this_program_does_not_know_is_refused(file, tmp_path, manifest, told):
    def forged(held):
        rest = {name: data for name, data in held.items() if name != "manifest.json"}
        return rest if manifest is None else {**rest, "manifest.json": manifest}

    assert told in problems_of(resealed(file, forged), tmp_path / "out")


@pytest.mark.parametrize("name", ["../a", "/a", "a/../b", "a//b", "", ".", "..", "a/b/c/d", "a\\b", "a\x00b", "a:b", "x" * 201, ".a", "a/"])
def test_a_name_that_could_lead_elsewhere_is_not_safe(name):
    assert not bundle.is_safe(name)


def test_the_names_of_archived_reports_are_safe():
    assert bundle.is_safe("reports/msc_ssc-safety-2026-11-22-fr-1.pdf")
    assert bundle.is_safe("reports/msc_ssc-safety-2026-11-22-fr-1/annex 1.pdf")
