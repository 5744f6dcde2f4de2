"""Encryption to keys: whoever has one opens it, nobody else does, and nothing that was altered is taken for what was written."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialcrf.external import age
from trialcrf.external.age import CannotUseKey

CONTENT = bytes(range(256)) * 600  # More than two of the chunks that age encrypts one by one.


class Locked:
    """A file encrypted to two keys, and the files of these keys and of a stranger's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mine, self.other, self.stranger = (folder / name for name in ("mine", "other", "stranger"))
        self.public = [age.new_key(self.mine), age.new_key(self.other)]
        age.new_key(self.stranger)
        clear, self.file = folder / "clear", folder / "file.age"
        clear.write_bytes(CONTENT)
        age.encrypt(clear, self.file, self.public)

    def opened(self, content: bytes | None = None, key: Path | None = None) -> bytes:
        file, out = self.file, self.folder / "out"
        if content is not None:
            file = self.folder / "altered"
            file.write_bytes(content)
        age.decrypt(file, out, key or self.mine)
        return out.read_bytes()


@pytest.fixture(scope="module")
def locked(tmp_path_factory) -> Locked:
    return Locked(tmp_path_factory.mktemp("age"))


def test_each_recipient_opens_it_and_what_is_written_tells_nothing(locked):
    assert locked.opened() == locked.opened(key=locked.other) == CONTENT
    assert age.is_encrypted(locked.file)
    assert locked.file.stat().st_mode & 0o777 == (locked.folder / "out").stat().st_mode & 0o777 == 0o600
    assert CONTENT[:64] not in locked.file.read_bytes()


def test_nobody_else_opens_it_and_it_is_said_whose_key_was_tried(locked):
    with pytest.raises(CannotUseKey, match=f"No private key in {locked.stranger} opens this"):
        locked.opened(key=locked.stranger)


@given(place=st.integers(0), bit=st.integers(0, 7))
def test_no_byte_of_it_can_be_another(locked, place, bit):
    content = bytearray(locked.file.read_bytes())
    content[place % len(content)] ^= 1 << bit
    with pytest.raises(CannotUseKey):
        locked.opened(bytes(content))


@given(place=st.integers(0))
def test_it_cannot_be_cut_off_anywhere(locked, place):
    content = locked.file.read_bytes()
    with pytest.raises(CannotUseKey):
        locked.opened(content[: place % len(content)])


def test_every_byte_of_its_head_is_guarded(locked):
    # Whom it is encrypted to stands there, and chance may never look at every byte of it.
    content = locked.file.read_bytes()
    for place in range(content.index(b"\n---") + 60):
        with pytest.raises(CannotUseKey):
            locked.opened(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])


def test_nothing_can_be_added_to_it(locked):
    with pytest.raises(CannotUseKey, match="not as it was written"):
        locked.opened(locked.file.read_bytes() + b"x")


def test_a_private_key_is_for_its_owner_alone_and_never_written_over(locked):
    assert locked.mine.stat().st_mode & 0o777 == 0o600
    before = locked.mine.read_bytes()
    with pytest.raises(FileExistsError):
        age.new_key(locked.mine)
    assert locked.mine.read_bytes() == before


@pytest.mark.parametrize("content", ["", "# nothing\n", "AGE-SECRET-KEY-1XYZ\n", "hello"])
def test_a_file_without_a_private_key_is_refused_without_quoting_it(locked, tmp_path, content):
    key = tmp_path / "key"
    key.write_text(content)
    with pytest.raises(CannotUseKey) as said:
        locked.opened(key=key)
    assert str(said.value) == f"{key} holds no private key of age."


def test_what_is_no_public_key_is_named_before_anything_is_written(locked, tmp_path):
    with pytest.raises(CannotUseKey, match="age1nobody is no public key of age"):
        age.encrypt(locked.file, tmp_path / "out", [*locked.public, "age1nobody"])
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_told_as_one_and_not_as_a_wrong_key(locked):
    full = Path("/dev/full")
    for work in (lambda: age.encrypt(locked.file, full, locked.public), lambda: age.decrypt(locked.file, full, locked.mine)):
        with pytest.raises(OSError) as said:
            work()
        assert said.value.errno == errno.ENOSPC


def test_it_opens_with_the_program_of_anybody_else_too(locked, tmp_path):
    """The format is a public one: the library opens what the module wrote, without anything of ours."""
    import pyrage

    identity = pyrage.x25519.Identity.from_str(locked.mine.read_text().splitlines()[-1])
    copy = tmp_path / "copy.age"
    shutil.copy(locked.file, copy)
    assert pyrage.decrypt(copy.read_bytes(), [identity]) == CONTENT
