"""Encryption of files to public keys: age (https://age-encryption.org). The only room that imports pyrage."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pyrage

from trialcrf.core.wording import N_, Message
from trialcrf.external.archive import sync_folder

ENDING = ".age"
_HEAD = b"age-encryption.org/"
_NO_KEY = "No matching keys found"
LARGEST_KEY_FILE = 64 * 1024


class CannotUseKey(Exception):
    """A key is none, or not the one that opens this file; or the file is not as it was encrypted. `message` says which."""

    def __init__(self, message: Message) -> None:
        super().__init__(message.msgid % {name: str(value) for name, value in message.params.items()})
        self.message = message


def new_key(file: Path) -> str:
    """Make a pair of keys, write the private one into a new file that only its owner reads, and return the public one.

    Raises OSError, FileExistsError where there is such a file: a key is never written over.
    """
    identity = pyrage.x25519.Identity.generate()
    public = str(identity.to_public())
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as target:
        target.write(f"# public key: {public}\n{identity}\n")
        target.flush()
        os.fsync(target.fileno())
    sync_folder(file.absolute().parent)
    return public


def is_encrypted(file: Path) -> bool:
    """Whether the file begins as an encrypted one. Raises OSError."""
    with file.open("rb") as held:
        return held.read(len(_HEAD)) == _HEAD


def encrypt(source: Path, target: Path, recipients: Sequence[str]) -> None:
    """Write `target` so that any of the recipients' private keys opens it, and wait until the disk has it. Memory is that of a chunk.

    Raises CannotUseKey where a recipient is no public key, and OSError.
    """
    keys = [_recipient(one) for one in recipients]
    with source.open("rb") as clear, _for_owner(target) as file:
        into = _Written(file)
        try:
            pyrage.encrypt_io(clear, into, keys)
        except pyrage.EncryptError as error:
            raise into.failure or OSError(errno.EIO, str(error), str(target)) from error
        file.flush()
        os.fsync(file.fileno())


def decrypt(source: Path, target: Path, key_file: Path) -> None:
    """Write what was encrypted to `target`, if every byte is as it was. Raises CannotUseKey and OSError; `target` is then worth nothing."""
    keys = _identities(key_file)
    with source.open("rb") as closed, _for_owner(target) as file:
        into = _Written(file)
        try:
            pyrage.decrypt_io(closed, into, keys)
        except (pyrage.DecryptError, OSError) as error:
            if into.failure is not None:
                raise into.failure from error
            if str(error) == _NO_KEY:
                said = N_("No private key in %(file)s opens this: it was encrypted to others, or its beginning is not as it was written.")
                raise CannotUseKey(Message(said, {"file": str(key_file)})) from error
            said = N_("What is encrypted is not as it was written: a byte of it was altered, or its end is missing.")
            raise CannotUseKey(Message(said)) from error


def _for_owner(target: Path) -> BinaryIO:
    """A file to write to that nobody but its owner reads."""
    return os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def check(recipients: Sequence[str]) -> None:
    """Raise CannotUseKey for the first recipient that is no public key."""
    for one in recipients:
        _recipient(one)


def _recipient(text: str) -> Any:
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError as error:
        raise CannotUseKey(Message(N_("%(key)s is no public key of age."), {"key": text[:80]})) from error


def _identities(key_file: Path) -> list[Any]:
    with key_file.open("rb") as held:
        lines = held.read(LARGEST_KEY_FILE).decode("ascii", errors="replace").splitlines()
    try:
        found = [pyrage.x25519.Identity.from_str(line.strip()) for line in lines if line.strip() and not line.startswith("#")]
    except pyrage.IdentityError as error:
        # What stands in the file is not quoted: it may be a private key with a slip.
        raise CannotUseKey(Message(N_("%(file)s holds no private key of age."), {"file": str(key_file)})) from error
    if not found:
        raise CannotUseKey(Message(N_("%(file)s holds no private key of age."), {"file": str(key_file)}))
    return found


class _Written:
    """A file that is written to. The library makes one sentence of every failure: which one it was is remembered here."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.failure: OSError | None = None

    def write(self, part: bytes) -> int:
        try:
            return self._file.write(part)
        except OSError as error:
            self.failure = error
            raise

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError as error:
            self.failure = error
            raise
