"""Secrets that the database holds only encrypted: AES-256-GCM under a key that lies in the data folder, beside the database."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trialcrf.external.archive import keep_first

KEY_FILE = "factor_key"
"""The name of the key in the folder of an installation. Whoever has a copy of the database alone reads no secret of it."""

_NONCE = 12


class CannotOpen(ValueError):
    """What is stored was not locked up with this key, or for this owner, or was altered."""


def lock(key_file: Path, secret: str, owner: str) -> str:
    """The secret encrypted for its owner: another's row cannot be put in its place. The key is made where there is none. Raises OSError."""
    nonce = os.urandom(_NONCE)
    locked = AESGCM(_key(key_file)).encrypt(nonce, secret.encode(), owner.encode())
    return base64.urlsafe_b64encode(nonce + locked).decode()


def unlock(key_file: Path, stored: str, owner: str) -> str:
    """What was locked up for this owner. Raises CannotOpen, OSError."""
    try:
        whole = base64.urlsafe_b64decode(stored)
        return AESGCM(_key(key_file)).decrypt(whole[:_NONCE], whole[_NONCE:], owner.encode()).decode()
    except (InvalidTag, ValueError) as error:
        raise CannotOpen(f"a secret of {owner} cannot be opened with {key_file.name}") from error


def _key(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = keep_first(path, base64.urlsafe_b64encode(AESGCM.generate_key(bit_length=256)) + b"\n")
    key = base64.urlsafe_b64decode(content)
    if len(key) != 32:
        raise CannotOpen(f"{path.name} holds no key of 256 bits")
    return key
