"""The one file of an archive: a zip with a manifest of every member, sealed at its end by the SHA-256 of everything before."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trialcrf.core.wording import N_, Message
from trialcrf.external.archive import sync_folder

FORMAT = 1
"""The version of this layout. A program refuses one that it does not know."""

MANIFEST = "manifest.json"
_SEALED = b"trialcrf archive, sealed by SHA-256 "
_DIGITS = 64
"""The zip's comment is the words above and the digest of every byte before it, in hexadecimal: the last bytes of the file."""

_AT_ONCE = 1024 * 1024
_LARGEST_MANIFEST = 64 * 1024 * 1024
_OLDEST = (1980, 1, 1, 0, 0, 0)
_PART = re.compile(r"[^\x00-\x1f\x7f/\\:]{1,200}")
_DEEPEST = 3
_UNREADABLE = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError, KeyError,
)  # fmt: skip
"""What reading a damaged zip raises."""


class BadArchive(Exception):
    """Nothing of it is used; `problems` are all that is wrong with it, each as a sentence."""

    def __init__(self, problems: tuple[Message, ...]) -> None:
        self.problems = problems
        super().__init__("; ".join(one.msgid % {name: str(value) for name, value in one.params.items()} for one in problems))


def write(file: Path, manifest: Mapping[str, Any], members: Mapping[str, Path]) -> str:
    """Write the archive in one step, whole or not at all; returns its SHA-256 in hexadecimal. The same content gives the same bytes.

    `members` are names inside and the files to read them from; their sizes and hashes are added to the manifest, which comes last.
    The file is for its owner's eyes only. Raises OSError; FileExistsError where something stands there already.
    """
    if file.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(file))
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # mkstemp makes it 0600.
    try:
        with os.fdopen(handle, "w+b") as target:
            with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as made:
                told = [_add(made, inside, members[inside]) for inside in sorted(members)]
                content = json.dumps({**manifest, "format": FORMAT, "members": told}, ensure_ascii=False, indent=1, sort_keys=True)
                with made.open(_info(MANIFEST), "w", force_zip64=True) as into:
                    into.write(content.encode())
                made.comment = _SEALED + b"0" * _DIGITS
            digest = _seal(target)
            target.flush()
            os.fsync(target.fileno())
        os.link(name, file)  # Unlike a rename it fails where somebody else was faster.
    finally:
        Path(name).unlink(missing_ok=True)
    sync_folder(file.parent)
    return digest


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _OLDEST)
    info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, 0o600 << 16
    return info


def _add(made: zipfile.ZipFile, inside: str, path: Path) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as source, made.open(_info(inside), "w", force_zip64=True) as into:
        while part := source.read(_AT_ONCE):
            digest.update(part)
            size += len(part)
            into.write(part)
    return {"name": inside, "size": size, "sha256": digest.hexdigest()}


def _seal(target: Any) -> str:
    """Put the digest of what was written at its end; the SHA-256 of the whole file is returned."""
    size = target.seek(0, os.SEEK_END)
    digest = _digest(target, size - _DIGITS)
    seal = digest.hexdigest().encode()
    target.seek(size - _DIGITS)
    target.write(seal)
    digest.update(seal)
    return str(digest.hexdigest())


def _digest(file: Any, length: int) -> Any:
    digest = hashlib.sha256()
    file.seek(0)
    while length > 0 and (part := file.read(min(_AT_ONCE, length))):
        digest.update(part)
        length -= len(part)
    return digest


def unpack(file: Path, folder: Path) -> dict[str, Any]:
    """Check every byte of the file, put its members into the folder (one that is empty and nobody else's), and return the manifest.

    Raises BadArchive with every problem at once, and OSError. What was put into the folder before a problem was met is no archive's.
    """
    problems: list[Message] = []
    manifest: dict[str, Any] = {}
    with file.open("rb") as held:
        problems += _unsealed(held)
        try:
            with _places(), zipfile.ZipFile(held) as inside:
                manifest = _manifest(inside, problems)
                if manifest:
                    problems += _members(inside, manifest, folder)
        except _UNREADABLE as error:
            if not any(one.msgid == _NOT_ZIP for one in problems):
                problems.append(Message(N_("The list of what is in the file cannot be read: %(what)s"), {"what": str(error) or "?"}))
    if problems:
        raise BadArchive(tuple(problems))
    return manifest


_NOT_ZIP = N_("The file is no archive of this program: it does not begin as one.")


def _unsealed(held: Any) -> Iterator[Message]:
    size = os.fstat(held.fileno()).st_size
    beginning = held.read(4)
    if beginning != b"PK\x03\x04":
        yield Message(_NOT_ZIP)
    if size < _DIGITS:
        yield Message(N_("The file has only %(count)s bytes."), {"count": size})
        return
    held.seek(max(0, size - _DIGITS - len(_SEALED)))
    end = held.read()
    if not end.startswith(_SEALED):
        yield Message(N_("The file does not end with its seal: its end was cut off, or something was added."))
    elif _digest(held, size - _DIGITS).hexdigest().encode() != end[-_DIGITS:]:
        yield Message(N_("The seal does not fit: at least one byte of the file is not as it was written."))


def _manifest(inside: zipfile.ZipFile, problems: list[Message]) -> dict[str, Any]:
    """The manifest, or nothing and why in `problems`."""
    found = [one for one in inside.infolist() if one.filename == MANIFEST]
    if len(found) != 1:
        problems.append(Message(N_("There is no manifest in it.")))
        return {}
    try:
        with _places(), inside.open(found[0]) as source:
            content = source.read(_LARGEST_MANIFEST + 1)
        said = json.loads(content) if len(content) <= _LARGEST_MANIFEST else None
    except _UNREADABLE as error:
        problems.append(Message(N_("The manifest cannot be read: %(what)s"), {"what": str(error) or "?"}))
        return {}
    if not isinstance(said, dict) or not isinstance(said.get("members"), list) or not all(map(_is_member, said["members"])):
        problems.append(Message(N_("The manifest does not say what is in the archive.")))
        return {}
    if said.get("format") != FORMAT:
        told = N_("The format of the archive is %(found)s; this program reads %(known)s.")
        problems.append(Message(told, {"found": str(said.get("format"))[:20], "known": str(FORMAT)}))
        return {}
    return said


def _is_member(one: Any) -> bool:
    return isinstance(one, dict) and (type(one.get("name")), type(one.get("size")), type(one.get("sha256"))) == (str, int, str)


def is_safe(name: str) -> bool:
    """Whether a name inside can only be that of a file below the folder into which it is unpacked."""
    parts = name.split("/")
    return len(parts) <= _DEEPEST and all(_PART.fullmatch(part) and not part.startswith(".") for part in parts)


def _members(inside: zipfile.ZipFile, manifest: Mapping[str, Any], folder: Path) -> Iterator[Message]:
    told = {one["name"]: one for one in manifest["members"]}
    names = [one.filename for one in inside.infolist()]
    links = {one.filename for one in inside.infolist() if stat.S_ISLNK(one.external_attr >> 16)}
    for name in sorted({*told, *names} - {MANIFEST}):
        shown = {"name": name[:200]}
        if not is_safe(name) or name == MANIFEST or name in links:
            yield Message(N_("%(name)s is no name that an archive has inside: it was not unpacked."), shown)
        elif name not in told:
            yield Message(N_("%(name)s is in the file, and the manifest does not know it."), shown)
        elif name not in names:
            yield Message(N_("%(name)s is missing."), shown)
        elif names.count(name) > 1:
            yield Message(N_("%(name)s is in the file more than once."), shown)
        else:
            yield from _member(inside, told[name], folder / name)


def _member(inside: zipfile.ZipFile, told: Mapping[str, Any], path: Path) -> Iterator[Message]:
    digest, size = hashlib.sha256(), 0
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with _places(), inside.open(told["name"]) as source, _new(path) as into:
            # No more is taken than was told: a small file may be made to unpack without end.
            while size <= told["size"] and (part := source.read(min(_AT_ONCE, told["size"] + 1 - size))):
                digest.update(part)
                size += len(part)
                into.write(part)
    except _UNREADABLE as error:
        yield Message(N_("%(name)s cannot be read: %(what)s"), {"name": told["name"], "what": str(error) or "?"})
        return
    if (size, digest.hexdigest()) != (told["size"], told["sha256"]):
        yield Message(N_("%(name)s is not as it was archived: its SHA-256 differs."), {"name": told["name"]})


@contextmanager
def _new(path: Path) -> Iterator[Any]:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        yield file


@contextmanager
def _places() -> Iterator[None]:
    """A damaged zip may send its reader to a place before the beginning of the file: that is no fault of the disk."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise zipfile.BadZipFile(str(error)) from error


def sha256_of(file: Path) -> str:
    """The SHA-256 of a whole file, in hexadecimal. Raises OSError."""
    with file.open("rb") as held:
        return str(_digest(held, os.fstat(held.fileno()).st_size).hexdigest())
