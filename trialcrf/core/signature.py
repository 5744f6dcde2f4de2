"""Electronic signatures: what one covers, the hash that binds it to its signer and its words, and when it is void (21 CFR 11.50, 11.70)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from operator import attrgetter

from trialcrf.core.enclosure import ENTITY as ENCLOSURE
from trialcrf.core.wording import N_

MEANINGS: Mapping[str, str] = {
    "eligibility": N_("Eligibility verdict: I have reviewed the data and this is my decision"),
    "release": N_("Batch release: I have reviewed the batch record and its tests, and this is my decision"),
    "bedside": N_("Bedside check: I have checked this bag against this recipient"),
    "emergency": N_("Emergency: I take the decision to give this bag although the check refused it"),
    "form": N_("Form: I have reviewed what is recorded in this form and endorse it"),
    "visit": N_("Visit: I have reviewed what is recorded of this visit and endorse it"),
    "casebook": N_("Casebook: I have reviewed everything that is recorded of this participant and endorse it"),
}
"""What a signature says of what is signed, by code (21 CFR 11.50(a)(3)): the code is stored and hashed, the sentence is shown."""

SEALS = ("form", "visit", "casebook")
"""The meanings by which an investigator endorses recorded data: each of them seals whole forms until anything in them changes."""


class Standing(StrEnum):
    """What a signature is worth now. There is no way to withdraw one: whoever decides otherwise signs again."""

    VALID = "valid"
    VOID = "void"  # what was signed changed afterwards
    BROKEN = "broken"  # the stored row is not what the trail tells: copied, altered or added behind the program's back


STANDINGS: Mapping[Standing, str] = {
    Standing.VALID: N_("valid"),
    Standing.VOID: N_("void: what was signed has changed since"),
    Standing.BROKEN: N_("not genuine: it is not what the audit trail tells"),
}


class SealState(StrEnum):
    """How a form stands to the signatures that endorse recorded data."""

    SEALED = "sealed"
    BROKEN = "broken"  # it was signed, and something in it changed since
    NEVER = "never"


SEAL_STATES: Mapping[SealState, str] = {
    SealState.SEALED: N_("signed, seal unbroken"),
    SealState.BROKEN: N_("seal broken: changed since it was signed"),
    SealState.NEVER: N_("never signed"),
}

Thing = tuple[str, str]
"""A whole thing that a signature covers, as the trail calls it: (entity, entity id)."""

At = tuple[str, str, str]
"""Where a record of the trail speaks: (entity, entity id, place)."""


@dataclass(frozen=True, slots=True, order=True)
class Signed:
    """One thing that a signature covers: the commitment to the value at a place; empty where a value was cleared."""

    entity: str
    entity_id: str
    place: str
    commitment: str

    @property
    def at(self) -> At:
        return self.entity, self.entity_id, self.place


Covered = tuple[Signed, ...]
"""Everything that a signature covers, sorted. Whole things only: a place that a covered thing gets later is a change as well."""

_JSON = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def canonical(plain: object) -> str:
    """Canonical JSON: sorted keys, no spaces; equal values have equal texts.

    Text, whole numbers, truth values, None, lists and mappings with text keys. Raises TypeError for anything else: a float or a date
    has several spellings, so whoever shows one decides on its text first.
    """
    return _JSON.encode(_checked(plain))


def _checked(plain: object) -> object:
    if plain is None or isinstance(plain, str | bool | int):
        return plain
    if isinstance(plain, Mapping):
        if any(not isinstance(key, str) for key in plain):
            raise TypeError("a key that is no text has no canonical form")
        return {key: _checked(value) for key, value in plain.items()}
    if isinstance(plain, Sequence) and not isinstance(plain, bytes | bytearray):
        return [_checked(value) for value in plain]
    raise TypeError(f"{type(plain).__name__} has no canonical text")


def covered_text(covered: Covered) -> str:
    """What is covered, as the canonical text that is stored and hashed: {entity: {id: {place: commitment}}}."""
    told: dict[str, object] = {}
    for entity, of_entity in groupby(sorted(covered), attrgetter("entity")):
        by_id = groupby(of_entity, attrgetter("entity_id"))
        told[entity] = {entity_id: {one.place: one.commitment for one in held} for entity_id, held in by_id}
    return canonical(told)


def covered_of(text: str) -> Covered:
    """The inverse of `covered_text`. Raises ValueError, TypeError or AttributeError for a text that it never made."""
    return tuple(
        sorted(
            Signed(entity, entity_id, place, commitment)
            for entity, things in json.loads(text).items()
            for entity_id, places in things.items()
            for place, commitment in places.items()
        )
    )


def fingerprint(covered: Covered) -> str:
    """SHA-256 in hexadecimal of what is covered. A page carries it, so that nobody signs values that the page did not show."""
    return hashlib.sha256(covered_text(covered).encode()).hexdigest()


def digest(covered: Covered, meaning: str, statement_text: str, said: Mapping[str, str]) -> str:
    """The hash of a signature: SHA-256 in hexadecimal of 0x02 and canonical JSON.

    `statement_text` is the canonical text of what the person saw. `said` names signer, subject, moment and place, so that a signature
    cannot be cut out and put to another record, another person or another day (21 CFR 11.70).
    """
    whole = {"covered": covered_text(covered), "meaning": meaning, "statement": statement_text, "said": said}
    return hashlib.sha256(b"\x02" + canonical(whole).encode()).hexdigest()


def with_documents(things: Collection[Thing], meaning: str) -> frozenset[Thing]:
    """These things, and where the meaning endorses recorded data (SEALS) the documents that are attached to the forms among them.

    A verdict, a release or a check at the bedside decides by values: a paper that proves one of them later changes none of it.
    """
    forms = (number for entity, number in things if entity == "form") if meaning in SEALS else ()
    return frozenset(things) | {(ENCLOSURE, number) for number in forms}


def changed(covered: Covered, now: Mapping[At, str], meaning: str = "") -> tuple[At, ...]:
    """Where what stands now differs from what was signed with this meaning, sorted: changed, cleared, gone or new.

    `now` holds the newest commitments of the covered things and may hold those of others: they do not count. A value that was changed
    and changed back differs too: somebody touched it, and the signer has not seen it since.
    """
    things = with_documents({(one.entity, one.entity_id) for one in covered}, meaning)
    was = {one.at: one.commitment for one in covered}
    stands = {at: commitment for at, commitment in now.items() if at[:2] in things}
    return tuple(sorted(at for at in was.keys() | stands.keys() if was.get(at) != stands.get(at)))
