"""The audit hash chain: commitments, leaves, verification. Hashes are over our own canonical text, never over what a database returns."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from json.encoder import encode_basestring
from operator import attrgetter

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Leaf:
    """What one audit record says, without the values themselves: those are committed to. `at` is UTC, ISO 8601 with microseconds."""

    chain: str
    seq: int
    at: str
    actor: str
    role: str
    organisation: str
    address: str
    op: str
    entity: str
    entity_id: str
    subject: str
    place: str
    reason: str
    prompted_by: str
    old_commit: str
    new_commit: str
    prev: str

    def hash(self) -> str:
        """SHA-256 of 0x00 and the canonical JSON of the record, in hexadecimal."""
        said = [encode_basestring(value) if isinstance(value, str) else str(value) for value in _values(self)]
        return hashlib.sha256((_CANONICAL % tuple(said)).encode()).hexdigest()


_SORTED = sorted(Leaf.__slots__)
_values = attrgetter(*_SORTED)
# Written out: every record is hashed at every save and every verification, and an encoder made anew each time costs most of it.
_CANONICAL = "\0{" + ",".join(f'"{name}":%s' for name in _SORTED) + "}"


def commitment(salt: str, value: str) -> str:
    """HMAC-SHA-256 of the value under its own salt (both text), in hexadecimal: the value can be erased and the chain still verifies."""
    return hmac.digest(salt.encode(), value.encode(), "sha256").hex()


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where a chain does not hold, and why: `altered`, `missing`, `unlinked`, `value` or `cut`."""

    chain: str
    seq: int
    kind: str


Held = tuple[str | None, str | None] | None
"""What is kept of a record's value: (salt, value), both None once a redaction erased them, and None where it never had one."""

REDACTION = "redaction"
"""The entity of a record that says of an earlier one of its chain (its position is the entity id) that its value was erased."""


def verify(records: Iterable[tuple[Leaf, str, Held]], head: tuple[int, str]) -> Break | None:
    """The first break of one chain, or None. Of the chain itself only the last record is held, and what redactions erased.

    `records` are (record, stored hash, what is kept of its value) in order of position, `head` the size and last hash that the chain is
    said to have. A value is missing lawfully only where a later record of the chain is its redaction; and what a redaction says was
    erased must be gone.
    """
    seq, prev, chain = 0, GENESIS, ""
    erased: set[int] = set()
    for leaf, stored, held in records:
        chain = leaf.chain
        if leaf.seq != seq + 1:
            return Break(chain, seq + 1, "missing")
        if leaf.prev != prev:
            return Break(chain, leaf.seq, "unlinked")
        if leaf.hash() != stored:
            return Break(chain, leaf.seq, "altered")
        if not _kept(leaf, held):
            return Break(chain, leaf.seq, "value")
        if held is not None and held[0] is None:
            erased.add(leaf.seq)
        if leaf.entity == REDACTION:
            gone = int(leaf.entity_id) if leaf.entity_id.isascii() and leaf.entity_id.isdecimal() else 0
            if gone not in erased or gone == leaf.seq:
                return Break(chain, gone or leaf.seq, "value")
            erased.remove(gone)
        seq, prev = leaf.seq, stored
    if (seq, prev) != head:
        return Break(chain, seq + 1, "cut")
    return Break(chain, min(erased), "value") if erased else None


def _kept(leaf: Leaf, held: Held) -> bool:
    """Whether what is kept of the value is what the record commits to, or is erased whole."""
    if held is None or leaf.new_commit == "":
        return held is None and leaf.new_commit == ""
    salt, value = held
    if salt is None or value is None:
        return salt is value
    return hmac.compare_digest(commitment(salt, value), leaf.new_commit)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The size and head of every chain at one moment: who holds one can prove that nothing before it was changed or cut."""

    heads: tuple[tuple[str, int, str], ...]

    def digest(self) -> str:
        """SHA-256 of the canonical JSON of the heads, in hexadecimal."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode()).hexdigest()
