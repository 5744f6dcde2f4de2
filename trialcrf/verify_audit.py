"""Verify an exported audit trail offline: Python 3.9 or later and nothing else. This file needs no program, no database, no network.

    python3 DIR/verify_audit.py DIR [CHECKPOINT]

DIR is the folder of an export: audit.jsonl, audit.csv and manifest.json. CHECKPOINT is anything older that was kept elsewhere:

* a file of checkpoints (one line of JSON each, as the installation writes them nightly), or a file with one such line;
* the manifest.json of an earlier export; where its audit.jsonl lies beside it, the two trails are compared record by record;
* the checkpoint printed on a document with the moment of its data, as DIGEST@2026-11-21T09:00:00.000000Z.

What is proven. Each record names the hash of the one before it, so nothing can be changed, taken out or put in without every later
record changing too. Values are not in the hashes: a record commits to its value by HMAC-SHA-256 under a salt of its own, so a value
can be erased (personal data entered by mistake) while the chain holds; it may be missing only where a later record of the same chain
says that it was redacted. Whoever could rewrite everything could rewrite this export too: only a checkpoint kept elsewhere tells then.

Exit codes: 0 it holds, 1 it does not hold (the first wrong record is named), 2 it could not be verified. Memory does not grow with
the number of records.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import json
import os
import re
import sys
from collections.abc import Iterator

FORMAT = "trialcrf audit export 1"
JSONL, CSV, MANIFEST = "audit.jsonl", "audit.csv", "manifest.json"
GENESIS = "0" * 64
HASHED = (
    "chain", "seq", "at", "actor", "role", "organisation", "address", "op", "entity", "entity_id", "subject", "place", "reason",
    "prompted_by", "old_commit", "new_commit", "prev",
)  # fmt: skip
"""What the hash of a record is taken over."""
COLUMNS = (*HASHED, "hash", "salt", "value", "old_salt", "old_value")
REDACTION = "redaction"
_PRINTED = re.compile(r"([0-9a-f]{64})@([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,6}))?Z")
_GUARDED = re.compile("''*[=+\\-@\t\r\x00＝＋－＠]")
"""A cell of the CSV that a spreadsheet would run as a formula has one apostrophe more before it."""


class Wrong(Exception):
    """The trail does not hold: a sentence that names the first wrong record."""


class Unusable(Exception):
    """It cannot be said whether the trail holds: a sentence why."""


def record_hash(record: dict) -> str:
    """SHA-256 of 0x00 and the canonical JSON of the record: names sorted, no spaces, no escapes but those that JSON needs."""
    said = {name: record[name] for name in HASHED}
    text = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(b"\0" + text.encode()).hexdigest()


def commitment(salt: str, value: str) -> str:
    return hmac.new(salt.encode(), value.encode(), "sha256").hexdigest()


def digest_of(heads: list) -> str:
    """The digest of a checkpoint, from (chain, size, head) of its chains in their order."""
    text = json.dumps({"heads": [list(one) for one in heads]}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class Chain:
    """One chain while its records go by: what was last, and what is still to be told of."""

    def __init__(self, name: str) -> None:
        self.name, self.size, self.head = name, 0, GENESIS
        self.erased: set = set()  # positions whose value is gone and whose redaction has not come yet
        self.redacted = 0

    def take(self, record: dict) -> None:
        """Judge the next record. Raises Wrong."""
        seq = record["seq"]
        if seq != self.size + 1:
            raise Wrong(f"Chain {self.name}, record {self.size + 1}: MISSING (record {seq} stands in its place).")
        if record["prev"] != self.head:
            raise Wrong(f"Chain {self.name}, record {seq}: ALTERED, it does not follow the record before it.")
        if record_hash(record) != record["hash"]:
            raise Wrong(f"Chain {self.name}, record {seq}: ALTERED, its hash is not that of what it says.")
        self._value(record)
        if record["old_salt"] is None:
            if record["old_value"] is not None:
                raise Wrong(f"Chain {self.name}, record {seq}: an OLD VALUE stands beside it without its salt.")
        elif commitment(record["old_salt"], record["old_value"] or "") != record["old_commit"]:
            raise Wrong(f"Chain {self.name}, record {seq}: the OLD VALUE beside it is not the one that was recorded.")
        if record["entity"] == REDACTION:
            self._redact(record)
        self.size, self.head = seq, record["hash"]

    def _value(self, record: dict) -> None:
        salt, value, seq = record["salt"], record["value"], record["seq"]
        if record["new_commit"] == "":
            if salt is not None or value is not None:
                raise Wrong(f"Chain {self.name}, record {seq}: a VALUE stands where none was recorded.")
        elif salt is None and value is None:
            self.erased.add(seq)
        elif salt is None or value is None or commitment(salt, value) != record["new_commit"]:
            raise Wrong(f"Chain {self.name}, record {seq}: the VALUE is not the one that was recorded.")

    def _redact(self, record: dict) -> None:
        named = record["entity_id"]
        gone = int(named) if named.isascii() and named.isdecimal() else 0
        if gone not in self.erased or gone == record["seq"]:
            raise Wrong(f"Chain {self.name}, record {gone or record['seq']}: the VALUE stands though it is said to be erased.")
        self.erased.remove(gone)
        self.redacted += 1

    def end(self, size: int, head: str) -> None:
        """Judge the end of the chain. Raises Wrong."""
        if (self.size, self.head) != (size, head):
            raise Wrong(f"Chain {self.name}, record {self.size + 1}: CUT or replaced, the chain should end with record {size} ({head}).")
        if self.erased:
            raise Wrong(f"Chain {self.name}, record {min(self.erased)}: the VALUE is gone and no redaction says so.")


class Older:
    """What was kept of the trail at earlier moments, held against the records as they go by."""

    def __init__(self, study: str, chains: set) -> None:
        self.study, self.chains, self.kept = study, chains, 0
        self.others: set = set()  # chains of checkpoints that are no affair of this export
        self.at: dict = {}  # chain -> {size: [(head, when it was taken)]}
        self.last_held: dict = {}  # chain -> the last position that a checkpoint was right about
        self.trail: Iterator = iter(())  # the records of an earlier export
        self.next: dict | None = None
        self.printed: tuple = ()  # digest and moment
        self.then: dict = {}  # chain -> (size, head) at that moment

    def checkpoint(self, said: dict) -> None:
        """One checkpoint. Raises Wrong where it was altered, Unusable where it is none."""
        try:
            heads = [(str(one["chain"]), int(one["size"]), str(one["head"])) for one in said["chains"]]
            at, digest = str(said["at"]), str(said["digest"])
        except (KeyError, TypeError, ValueError):
            raise Unusable("This is no checkpoint: it must have at, digest and chains.") from None
        if digest_of(heads) != digest:
            raise Wrong(f"The checkpoint of {at} was ALTERED: its digest is not that of its chains.")
        self.kept += 1
        for chain, size, head in heads:
            if not self.concerns(chain):
                self.others.add(chain)
            elif size:
                self.at.setdefault(chain, {}).setdefault(size, []).append((head, at))

    def concerns(self, chain: str) -> bool:
        """Whether this export must have the chain: every chain of its study, and whatever else is in it."""
        return chain in self.chains or chain == self.study or chain.startswith(self.study + "/")

    def trail_of(self, path: str) -> None:
        """The records of an earlier export, to be compared one by one."""
        self.trail = (record for record in records_of(Lines(path)) if self.concerns(record["chain"]))
        self.next = next(self.trail, None)

    def compare(self, chain: str, seq: int, hash_: str, at: str) -> None:
        """Hold one record of today's trail against what was kept of it. Raises Wrong."""
        for head, when in self.at.get(chain, {}).pop(seq, ()):
            if head != hash_:
                since = self.last_held.get(chain, 0) + 1
                where = f"record {seq}" if since == seq else f"a record from {since} to {seq}"
                raise Wrong(f"Chain {chain}, {where}: ALTERED since the checkpoint of {when}, which has another hash for record {seq}.")
            self.last_held[chain] = seq
        if self.printed and at <= self.printed[1]:
            self.then[chain] = (seq, hash_)
        while self.next is not None and (self.next["chain"], self.next["seq"]) <= (chain, seq):
            then = self.next
            if (then["chain"], then["seq"]) < (chain, seq):
                self._gone(then)
            if then["hash"] != hash_:
                raise Wrong(f"Chain {chain}, record {seq}: ALTERED since the earlier export, which has another record there.")
            self.next = next(self.trail, None)

    def _gone(self, then: dict) -> None:
        raise Wrong(f"Chain {then['chain']}, record {then['seq']}: MISSING, the earlier export still has it.")

    def end(self, sizes: dict) -> None:
        """After the last record. Raises Wrong."""
        for chain in sorted(self.at):
            for size in sorted(self.at[chain]):
                when = self.at[chain][size][0][1]
                raise Wrong(f"Chain {chain}, record {sizes.get(chain, 0) + 1}: CUT, the checkpoint of {when} had {size} records.")
        if self.next is not None:
            self._gone(self.next)
        if self.printed:
            heads = [(chain, *self.then[chain]) for chain in sorted(self.then) if chain == self.study or chain.startswith(self.study + "/")]
            if digest_of(heads) != self.printed[0]:
                raise Wrong(f"What the trail held at {self.printed[1]} is not what the printed checkpoint {self.printed[0][:12]}… says.")


class Lines:
    """The lines of a file as bytes, hashed as they are read."""

    def __init__(self, path: str) -> None:
        self.path, self.hash, self.count = path, hashlib.sha256(), 0

    def __iter__(self):
        with open(self.path, "rb") as file:
            for line in file:
                self.hash.update(line)
                self.count += 1
                yield line


def records_of(lines):
    """The records of an audit.jsonl. Raises Wrong at a line that is none."""
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            if not isinstance(record, dict) or any(not isinstance(record[name], str) for name in HASHED if name != "seq"):
                raise ValueError
            if type(record["seq"]) is not int or not isinstance(record["hash"], str):
                raise ValueError
            if any(not (record[name] is None or isinstance(record[name], str)) for name in ("salt", "value", "old_salt", "old_value")):
                raise ValueError
        except (ValueError, KeyError):
            raise Wrong(f"{JSONL}, line {number}: this is no record.") from None
        yield record


def rows_of(lines):
    """The records of an audit.csv, apostrophes that keep a spreadsheet from running a cell taken away."""
    csv.field_size_limit(2**31 - 1)
    rows = csv.reader((line.decode("utf-8") for line in lines), strict=True)
    heading = next(rows, None)
    if heading != list(COLUMNS):
        raise Wrong(f"{CSV}: its first line does not name the columns that belong there.")
    for cells in rows:
        if len(cells) != len(COLUMNS):
            raise Wrong(f"{CSV}, line {rows.line_num}: this is no record.")
        yield record_of([cell[1:] if _GUARDED.match(cell) else cell for cell in cells])


def record_of(cells: list) -> dict:
    """A record from the texts of its cells: where there is no salt, there is no value."""
    record = dict(zip(COLUMNS, cells))
    record["seq"] = int(record["seq"]) if record["seq"].isascii() and record["seq"].isdecimal() else record["seq"]
    for salt, value in (("salt", "value"), ("old_salt", "old_value")):
        if record[salt] == "":
            record[salt] = None
            record[value] = record[value] or None
    return record


def load_older(study: str, chains: set, kept: str) -> Older:
    """What CHECKPOINT holds. Raises Wrong, Unusable."""
    older = Older(study, chains)
    printed = _PRINTED.fullmatch(kept)
    if printed:
        # As the records have their moments: microseconds, always six digits.
        older.printed = (printed[1], f"{printed[2]}.{(printed[3] or '').ljust(6, '0')}Z")
        return older
    try:
        with open(kept, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"{kept} cannot be read: {error}") from None
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    if isinstance(said, dict):
        older.checkpoint(said)
        beside = os.path.join(os.path.dirname(kept), JSONL)
        if said.get("format") == FORMAT and os.path.exists(beside):
            older.trail_of(beside)
        return older
    unfinished = 0
    for line in filter(str.strip, text.splitlines()):
        try:
            said = json.loads(line)
        except ValueError:
            unfinished += 1  # A power cut leaves the beginning of a line; the next one is whole.
            continue
        older.checkpoint(said)
    if not older.kept:
        raise Unusable(f"{kept} holds no checkpoint.")
    if unfinished:
        print(f"Note: {unfinished} line(s) of {kept} are no JSON and were passed over.")
    return older


def load_manifest(folder: str) -> dict:
    try:
        with open(os.path.join(folder, MANIFEST), encoding="utf-8") as file:
            manifest: dict = json.load(file)
        if manifest["format"] != FORMAT:
            raise Unusable(f"{MANIFEST} is of another kind of export: {manifest['format']}")
        heads = [(str(one["chain"]), int(one["size"]), str(one["head"])) for one in manifest["chains"]]
        manifest["heads"] = sorted(heads)
        said = (str(manifest["digest"]), int(manifest["records"]), int(manifest["erased"]), str(manifest["study"]))
        files = {name: str(manifest["files"][name]["sha256"]) for name in (JSONL, CSV)}
    except OSError as error:
        raise Unusable(f"{MANIFEST} cannot be read: {error}") from None
    except (ValueError, KeyError, TypeError):
        raise Unusable(f"{MANIFEST} is no manifest of an export.") from None
    if digest_of(heads) != said[0]:
        raise Wrong(f"{MANIFEST}: its digest is not that of its chains.")
    manifest["sums"] = files
    return manifest


def verify(folder: str, kept: str = "") -> str:
    """Verify the export in the folder, against CHECKPOINT if there is one. Returns what was found in words; raises Wrong, Unusable."""
    manifest = load_manifest(folder)
    heads = {chain: (size, head) for chain, size, head in manifest["heads"]}
    older = load_older(manifest["study"], set(heads), kept) if kept else None
    for name in (JSONL, CSV):
        if not os.path.isfile(os.path.join(folder, name)):
            raise Unusable(f"{name} is missing.")
    lines, table = Lines(os.path.join(folder, JSONL)), Lines(os.path.join(folder, CSV))
    rows = rows_of(table)
    count, redacted, current = 0, 0, None
    sizes: dict = {}
    for record in records_of(lines):
        if current is None or record["chain"] != current.name:
            if current is not None:
                _close(current, heads, sizes)
                redacted += current.redacted
            if record["chain"] in sizes or record["chain"] not in heads:
                raise Wrong(f"Chain {record['chain']}, record {record['seq']}: the manifest does not name it here.")
            current = Chain(record["chain"])
        # First what was kept elsewhere: it tells which record changed, the chain only that something did.
        if older is not None:
            older.compare(current.name, record["seq"], record["hash"], record["at"])
        current.take(record)
        row = next(rows, None)
        if row != {name: record[name] for name in COLUMNS}:
            where = f"Chain {current.name}, record {record['seq']}"
            raise Wrong(f"{where}: {CSV} " + ("ends before it." if row is None else f"does not say what {JSONL} says."))
        count += 1
    if current is not None:
        _close(current, heads, sizes)
        redacted += current.redacted
    for chain, (size, head) in heads.items():
        if chain not in sizes:
            Chain(chain).end(size, head)
    if next(rows, None) is not None:
        raise Wrong(f"{CSV} has more records than {JSONL}.")
    if older is not None:
        older.end(sizes)
    if (count, redacted) != (manifest["records"], manifest["erased"]):
        said = f"{manifest['records']} records and {manifest['erased']} redactions"
        raise Wrong(f"{MANIFEST} counts {said}; there are {count} and {redacted}.")
    for name, read in ((JSONL, lines), (CSV, table)):
        if read.hash.hexdigest() != manifest["sums"][name]:
            raise Wrong(f"{name} is not the file of which {MANIFEST} has the SHA-256.")
    return _told(manifest, count, redacted, sizes, older)


def _close(chain: Chain, heads: dict, sizes: dict) -> None:
    chain.end(*heads[chain.name])
    sizes[chain.name] = chain.size


def _told(manifest: dict, count: int, redacted: int, sizes: dict, older: Older | None) -> str:
    said = [f"The trail of {manifest['study']} HOLDS: {count} records in {len(sizes)} chains, checkpoint {manifest['digest']}."]
    said.append(f"Values erased by a redaction that the trail records: {redacted}.")
    if older is None:
        said.append("No older checkpoint was given: that nothing was rewritten as a whole is proven only against one kept elsewhere.")
    elif older.printed:
        said.append(f"At {older.printed[1]} it held what the printed checkpoint says.")
    else:
        said.append(f"It goes on from every checkpoint that was given ({older.kept}): nothing before them was changed, taken out or cut.")
        if older.others:
            said.append("Chains of those checkpoints that are not in this export: " + ", ".join(sorted(older.others)) + ".")
    return "\n".join(said)


def main(arguments: list) -> int:
    if len(arguments) not in (1, 2) or arguments[0] in ("-h", "--help"):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        print(verify(*arguments))
    except Wrong as wrong:
        print(f"The trail DOES NOT HOLD. {wrong}")
        return 1
    except UnicodeDecodeError:
        print("The trail DOES NOT HOLD. A file is not in UTF-8.")
        return 1
    except csv.Error as error:
        print(f"The trail DOES NOT HOLD. {CSV}: {error}")
        return 1
    except (Unusable, OSError) as why:
        print(f"This cannot be verified. {why}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
