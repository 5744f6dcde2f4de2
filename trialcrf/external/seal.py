"""Detached signatures of files: Ed25519 (RFC 8032) with the key of this installation. It shares cryptography with external/strongbox.py."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from trialcrf.core.signature import canonical
from trialcrf.external.archive import keep_first

KEY_FILE = "signing_key.pem"
"""The name of the private key in the folder of an installation, beside its database. Whoever has it can sign as the installation."""

ENDING = ".sig.json"
"""What the name of a signature adds to that of its file."""

FORMAT, ALGORITHM = 1, "Ed25519"
LARGEST = 64 * 1024
"""A signature file is small: what is longer (in bytes) is none."""


@dataclass(frozen=True, slots=True)
class Seal:
    """A signature as its file tells it. `said` is what was signed, `holds` whether the signature is that of this public key over it.

    `public_key` is raw and in base64, `fingerprint` the SHA-256 of the raw key in hexadecimal.
    """

    said: Mapping[str, str]
    public_key: str
    fingerprint: str
    holds: bool


def public_key(key_file: Path) -> tuple[str, str]:
    """The public key of this installation and its fingerprint, as a Seal has them. The key is made where there is none yet."""
    return _told(_key(key_file).public_key())


def sign(key_file: Path, said: Mapping[str, str]) -> bytes:
    """The signature file over canonical JSON of what is said (UTF-8, sorted keys, no spaces). Equal words give equal bytes.

    Raises OSError where the key can neither be read nor made, and ValueError where its file holds no such key.
    """
    key = _key(key_file)
    public, fingerprint = _told(key.public_key())
    signature = base64.b64encode(key.sign(canonical(said).encode())).decode()
    whole = {
        "algorithm": ALGORITHM, "fingerprint": fingerprint, "format": FORMAT, "public_key": public, "signature": signature, "signed": said,
    }  # fmt: skip
    return (json.dumps(whole, ensure_ascii=False, sort_keys=True, indent=1) + "\n").encode()


def read(content: bytes) -> Seal | None:
    """What a signature file says, None for a file that is none. Whatever the content is, nothing is raised."""
    if len(content) > LARGEST:
        return None
    try:
        plain = json.loads(content)
        said, public = plain["signed"], plain["public_key"]
        known = (plain["format"], plain["algorithm"]) == (FORMAT, ALGORITHM)
        if not known or not all(isinstance(key, str) and isinstance(value, str) for key, value in said.items()):
            return None
        raw = base64.b64decode(public, validate=True)
        key, signature = Ed25519PublicKey.from_public_bytes(raw), base64.b64decode(plain["signature"], validate=True)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error):
        return None
    try:
        key.verify(signature, canonical(said).encode())
    except InvalidSignature:
        return Seal(said, public, hashlib.sha256(raw).hexdigest(), False)
    return Seal(said, public, hashlib.sha256(raw).hexdigest(), True)


def _told(key: Ed25519PublicKey) -> tuple[str, str]:
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return base64.b64encode(raw).decode(), hashlib.sha256(raw).hexdigest()


def _key(path: Path) -> Ed25519PrivateKey:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = _make(path)
    found = serialization.load_pem_private_key(content, password=None)
    if not isinstance(found, Ed25519PrivateKey):
        raise ValueError(f"{path} holds no Ed25519 key")
    return found


def _make(path: Path) -> bytes:
    """A new key, readable by its owner alone. Of two that make one at once, both go on with the one that is kept."""
    made = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return keep_first(path, made)
