"""Detached signatures: made with a key that only its owner reads, and refused for every altered byte."""

from __future__ import annotations

import json
import stat

import pytest

from trialcrf.external import seal

SAID = {"kind": "casebook", "sha256": "ab" * 32, "study": "salt", "subject": "V0001.01"}


@pytest.fixture
def key(tmp_path):
    return tmp_path / "data" / seal.KEY_FILE


def test_the_key_is_made_once_for_its_owner_alone(key):
    first = seal.public_key(key)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert seal.public_key(key) == first and list(key.parent.iterdir()) == [key]
    assert seal._make(key) == key.read_bytes() and seal.public_key(key) == first  # a second maker takes the one that is there


def test_a_signature_names_its_key_and_equal_words_are_equal_bytes(key):
    made = seal.sign(key, SAID)
    found = seal.read(made)
    assert found == seal.Seal(SAID, *seal.public_key(key), True)
    assert seal.sign(key, dict(reversed(SAID.items()))) == made
    assert key.read_bytes() not in made


@pytest.mark.parametrize("part", ["signed", "signature", "public_key"])
def test_an_altered_signature_does_not_hold(key, tmp_path, part):
    plain = json.loads(seal.sign(key, SAID))
    other = json.loads(seal.sign(tmp_path / "other.pem", SAID))
    plain[part] = {**SAID, "subject": "V0002.01"} if part == "signed" else other[part]
    found = seal.read(json.dumps(plain).encode())
    assert found is not None and not found.holds


@pytest.mark.parametrize(
    "content",
    [
        b"", b"null", b"[]", b"{}", b"\xff\x00", b"[" * 30_000, b'{"signed": []}', b" " * (seal.LARGEST + 1),
        b'{"format": 1, "algorithm": "Ed25519", "signed": {"a": 1}, "public_key": "", "signature": ""}',
        b'{"format": 1, "algorithm": "Ed25519", "signed": {}, "public_key": "AAAA", "signature": "AAAA"}',
        b'{"format": 2, "algorithm": "Ed25519", "signed": {}, "public_key": "%s", "signature": ""}' % (b"A" * 43 + b"="),
    ],
)  # fmt: skip
def test_what_is_no_signature_file_is_none(content):
    assert seal.read(content) is None


def test_a_key_file_with_another_key_is_refused(key):
    key.parent.mkdir()
    key.write_bytes(b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n")
    with pytest.raises(ValueError):
        seal.sign(key, SAID)
