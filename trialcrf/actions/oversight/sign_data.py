"""Signing recorded data: a form, a visit or a whole casebook, as it stands and with what changed since it was signed last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from trialcrf.actions import Impossible, sign
from trialcrf.core.access import Actor, may
from trialcrf.core.definition.model import FormDef
from trialcrf.core.document import FormKey, Place
from trialcrf.core.lock import Address, Locked, LockState
from trialcrf.core.signature import SEALS, SealState
from trialcrf.core.wording import N_, Message
from trialcrf.store import audit, definitions, enclosures, forms, locks, seals, signatures
from trialcrf.store.audit import Past
from trialcrf.store.definitions import Published
from trialcrf.store.enclosures import Enclosure
from trialcrf.store.forms import StoredForm
from trialcrf.store.signatures import NOT_DATA, Signature
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

OWN_ACT = frozenset({"statement", "release"})
"""Forms that are written by a signature of their own: they wait for no other, and only the whole casebook covers them."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is signed: `meaning` is form, visit or casebook, and the address goes as far as it says."""

    meaning: str
    event_oid: str = ""
    event_repeat: int = 1
    form_oid: str = ""
    form_repeat: int = 1

    def holds(self, key: FormKey) -> bool:
        visit = (key.event_oid, key.event_repeat) == (self.event_oid, self.event_repeat)
        form = (key.form_oid, key.form_repeat) == (self.form_oid, self.form_repeat)
        return self.meaning == "casebook" or (visit and (self.meaning == "visit" or form))

    def plain(self) -> dict[str, object]:
        said: dict[str, object] = {"meaning": self.meaning}
        if self.meaning != "casebook":
            said |= {"event": self.event_oid, "event_repeat": self.event_repeat}
        if self.meaning == "form":
            said |= {"form": self.form_oid, "form_repeat": self.form_repeat}
        return said


@dataclass(frozen=True, slots=True)
class Part:
    """One form to be signed, under the version that it was filled under.

    `before` is the newest signature over it, `changes` are the records since then: empty where its seal stands.
    `documents` are attached to it, withdrawn ones too.
    """

    stored: StoredForm
    published: Published
    state: SealState
    before: Signature | None = None
    changes: tuple[Past, ...] = ()
    documents: tuple[Enclosure, ...] = ()

    @property
    def form(self) -> FormDef:
        return self.published.study.form[self.stored.key.form_oid]

    @property
    def changed(self) -> frozenset[Place]:
        return frozenset(Place.parse(past.place) for past in self.changes if past.op == "set")


@dataclass(frozen=True, slots=True)
class Sheet:
    """What one signature would cover. Forms that the signer may not read (`hidden`: there are any) and locked ones are left out."""

    scope: Scope
    parts: tuple[Part, ...]
    hidden: bool = False
    locked: tuple[StoredForm, ...] = ()

    @property
    def form_ids(self) -> tuple[int, ...]:
        return tuple(part.stored.id for part in self.parts)

    @property
    def incomplete(self) -> int:
        return sum(not part.stored.complete for part in self.parts)


def gather(tx: Transaction, published: Published, subject: Subject, actor: Actor, scope: Scope) -> Sheet:
    """The living forms of the scope that this person may read, with how their seals stand and what changed since they were signed.

    Raises Impossible where no such form is there to be signed.
    """
    if published.study.is_product(subject.subject_type):
        raise Impossible(Message(N_("A batch is signed by its release.")))
    site, held = subject.site, locks.of_subject(tx, subject)
    parts: list[tuple[StoredForm, Published]] = []
    hidden, locked = False, []
    for stored in forms.all_of(tx, [subject.id]):
        if not scope.holds(stored.key):
            continue
        pinned = definitions.read(tx, stored.definition_id)
        access = pinned.study.form[stored.key.form_oid].access
        if access in OWN_ACT and scope.meaning != "casebook":
            continue
        if not may(actor, f"{access}.read", site.study_oid, site.code):
            hidden = True
        elif any(held.get(one) is LockState.LOCKED for one in locks.over_form(subject, stored.key, stored.id)):
            locked.append(stored)
        else:
            parts.append((stored, pinned))
    if not parts and not locked:
        raise Impossible(Message(N_("There is nothing here that you could sign.")))
    in_order = sorted(parts, key=lambda pair: _order(published, pair[0].key))
    return Sheet(scope, tuple(_parts(tx, subject, in_order)), hidden, tuple(locked))


def _order(published: Published, key: FormKey) -> tuple[int, int, int, int]:
    """As the study has them: by visit, then by the forms of the visit."""
    events = [event.oid for event in published.study.events]
    asked = [ref.form_oid for event in published.study.events if event.oid == key.event_oid for ref in event.forms]
    visit = events.index(key.event_oid) if key.event_oid in events else len(events)
    form = asked.index(key.form_oid) if key.form_oid in asked else len(asked)
    return visit, key.event_repeat, form, key.form_repeat


def _parts(tx: Transaction, subject: Subject, found: Sequence[tuple[StoredForm, Published]]) -> Iterator[Part]:
    states = seals.of_subject(tx, subject.id)
    made = [one for one in signatures.all_of(tx, subject.id) if one.meaning in SEALS]
    newest: dict[int, Signature] = {}
    for one in made:
        newest |= {int(part.entity_id): one for part in one.signed if part.entity == "form"}
    broken = [str(stored.id) for stored, _ in found if states[stored.id] is SealState.BROKEN]
    changes: dict[int, list[Past]] = {}
    for start in range(0, len(broken), 500):
        part = broken[start : start + 500]
        for past in (past for entity in ("form", enclosures.ENTITY) for past in audit.of_things(tx.connection, entity, part)):
            before = newest[int(past.entity_id)]
            if past.chain == before.chain and past.seq > before.seq and past.op not in NOT_DATA:
                changes.setdefault(int(past.entity_id), []).append(past)
    attached = enclosures.of_forms(tx, [stored.id for stored, _ in found])
    for stored, pinned in found:
        since = sorted(changes.get(stored.id, ()), key=lambda past: past.seq)
        yield Part(stored, pinned, states[stored.id], newest.get(stored.id), tuple(since), tuple(attached[stored.id]))


def stated(subject: Subject, sheet: Sheet) -> Mapping[str, object]:
    """What the page showed, as plain values: every form with its version, whether it is complete, and where it changed since it was signed.

    The values themselves stay where they are: the signature covers their commitments, and a redaction must reach them.
    """
    return {
        "subject": subject.key,
        "scope": sheet.scope.plain(),
        "forms": [
            {
                "id": part.stored.id,
                "event": part.stored.key.event_oid,
                "event_repeat": part.stored.key.event_repeat,
                "form": part.stored.key.form_oid,
                "form_repeat": part.stored.key.form_repeat,
                "definition": {"version": part.published.version, "hash": part.published.hash},
                "complete": part.stored.complete,
                "seal": part.state.value,
                "changed": sorted({past.place for past in part.changes}),
                **({"documents": [_shown(one) for one in part.documents]} if part.documents else {}),
            }
            for part in sheet.parts
        ],
        "left_out": {"not_readable": sheet.hidden, "locked": [stored.id for stored in sheet.locked]},
    }


def _shown(one: Enclosure) -> dict[str, object]:
    return {"id": one.id, "place": str(one.place), "name": one.name, "sha256": one.sha256, "withdrawn": bool(one.withdrawn)}


def sign_data(
    tx: Transaction, published: Published, subject: Subject, actor: Actor, proof: sign.Proof, scope: Scope, seen: str
) -> Signature:
    """Sign a form, a visit or a casebook, in these steps:

    1. refuse what is locked, and let no lock come before the end; what is frozen can be signed;
    2. hold the forms and then the chain, in the order in which a save takes them;
    3. gather what is covered, which must be what the page showed: `seen` is the fingerprint that the page carried;
    4. sign; the forms bear the seal until something in them changes.

    Raises NotAllowed, Impossible, sign.Changed, Locked.
    """
    locks.refuse_work(tx, _over(tx, subject, scope))
    seals.hold_forms(tx, subject)
    signatures.hold(tx, subject.site)
    sheet = gather(tx, published, subject, actor, scope)
    if not sheet.parts:
        raise Impossible(Message(N_("There is nothing here that you could sign.")))
    return sign.sign(tx, subject, actor, proof, scope.meaning, sheet.form_ids, stated(subject, sheet), seen)


def closed(tx: Transaction, subject: Subject, scope: Scope) -> Message | None:
    """Why the whole of it cannot be signed now, None where it can."""
    try:
        locks.refuse_work(tx, _over(tx, subject, scope))
    except Locked as locked:
        return locked.message
    return None


def _over(tx: Transaction, subject: Subject, scope: Scope) -> Sequence[Address]:
    if scope.meaning == "casebook":
        return locks.over_subject(subject)
    if scope.meaning == "visit":
        return locks.over_visit(subject, scope.event_oid, scope.event_repeat)
    key = FormKey(scope.event_oid, scope.form_oid, scope.event_repeat, scope.form_repeat)
    stored = forms.read(tx, subject.id, key)
    return locks.over_form(subject, key, stored.id if stored else None)
