"""The audit hash chain: commitments, leaves, verification. Hashes are over our own canonical text, never over what a database returns."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
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


def verify(leaves: Iterable[tuple[Leaf, str]], values: Mapping[int, tuple[str, str]], head: tuple[int, str]) -> Break | None:
    """The first break of one chain, or None.

    `leaves` are (record, stored hash) in order of position, `values` (salt, value) by position, `head` the size and last hash
    that the chain is said to have.
    """
    seq, prev, chain = 0, GENESIS, ""
    for leaf, stored in leaves:
        chain = leaf.chain
        if leaf.seq != seq + 1:
            return Break(chain, seq + 1, "missing")
        if leaf.prev != prev:
            return Break(chain, leaf.seq, "unlinked")
        if leaf.hash() != stored:
            return Break(chain, leaf.seq, "altered")
        held = values.get(leaf.seq)
        if (held is None) != (leaf.new_commit == "") or (held is not None and commitment(*held) != leaf.new_commit):
            return Break(chain, leaf.seq, "value")
        seq, prev = leaf.seq, stored
    return None if (seq, prev) == head else Break(chain, seq + 1, "cut")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The size and head of every chain at one moment: who holds one can prove that nothing before it was changed or cut."""

    heads: tuple[tuple[str, int, str], ...]

    def digest(self) -> str:
        """SHA-256 of the canonical JSON of the heads, in hexadecimal."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode()).hexdigest()
