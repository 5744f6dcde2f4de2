"""What nobody does alone: one person asks and says why, another one grants or refuses; only the grant carries it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trialcrf.actions import Impossible, NotAllowed, enrol, plain
from trialcrf.actions.oversight import redact
from trialcrf.actions.oversight.lock import LONGEST_REASON, Thing, find, may_act, reason_of
from trialcrf.actions.oversight.lock_database import record, signer
from trialcrf.actions.sign import Proof
from trialcrf.core.access import Actor
from trialcrf.core.lock import WITH_CHECKLIST, Address, Level, LockState, NotPossibleNow
from trialcrf.core.oversight.four_eyes import DECIDE, RequestKind, RequestState, SamePerson
from trialcrf.core.safety.decision import DecisionKind
from trialcrf.core.wording import N_, Message
from trialcrf.store import locks, requests, sites, subjects
from trialcrf.store.audit import Who
from trialcrf.store.definitions import Published
from trialcrf.store.requests import Request
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction


def ask(
    tx: Transaction,
    published: Published,
    kind: RequestKind,
    address: str,
    where: Site | None,
    which: Subject | None,
    content: Mapping[str, object],
) -> int:
    """Ask for something that another person decides; `content` has a reason. Returns the number of the request.

    Raises Impossible where the same is asked for already.
    """
    study = published.study.oid
    waiting = requests.all_of(tx, study, [RequestState.WAITING])
    if any((one.kind, one.address) == (kind, address) and _about(one.content) == _about(content) for one in waiting):
        raise Impossible(Message(N_("This was asked for already: it waits for a second person.")), "reason")
    return requests.ask(tx, kind, address, where, which, published.study_id, where.chain if where else study, content)


def _about(content: Mapping[str, object]) -> dict[str, object]:
    """What is asked for at an address, without why."""
    return {name: said for name, said in content.items() if name != "reason"}


def ask_unlock(tx: Transaction, published: Published, thing: Thing, reason: str) -> int:
    """Ask to unlock something. Raises Impossible where it is not locked, Locked where what it lies under is: that is unlocked first."""
    said = reason_of(reason)
    locks.refuse_work(tx, thing.above)
    if locks.state_of(tx, thing.address) is not LockState.LOCKED:
        raise Impossible(NotPossibleNow(locks.state_of(tx, thing.address)).message)
    return ask(tx, published, RequestKind.UNLOCK, thing.address.text, thing.site, thing.subject, {"reason": said})


def ask_removal(tx: Transaction, published: Published, subject: Subject, reason: str) -> int:
    """Ask to mark a whole subject entered in error. What stands against it is told now and looked at again when it is granted.

    Raises Impossible, Locked.
    """
    said = plain(reason, LONGEST_REASON, "reason")
    enrol.check_subject_error(tx, subject, said)
    address = Address(Level.SUBJECT, subject.id).text
    return ask(tx, published, RequestKind.REMOVAL, address, subject.site, subject, {"reason": said})


def may_decide(actor: Actor, one: Request) -> bool:
    """Whether this person grants or refuses this request: somebody else than who asked, with the right to it at the site."""
    return one.asked_by != actor.username and may_act(actor, DECIDE[one.kind], one.study_oid, one.site)


def site_of(tx: Transaction, one: Request) -> Site | None:
    """The site that a request is about; None: the whole study."""
    return sites.find(tx, one.study_oid, one.site) if one.site else None


def grant(tx: Transaction, published: Published, one: Request, actor: Actor, proof: Proof, reason: str) -> None:
    """Grant a request by a signature, and carry it out in the same transaction: where that is not possible any more, it goes on waiting.

    Raises NotAllowed, Impossible, and Locked where a lock stands in the way.
    """
    where = site_of(tx, one)
    by, name = signer(tx, published, actor, proof, DECIDE[one.kind], where)
    said = plain(reason, LONGEST_REASON, "reason")
    locks.hold(tx, published.study_id, where)
    _settle(tx, published, one, where, RequestState.GRANTED, said)
    CARRIED_OUT[one.kind](tx, published, one, by, name)


def refuse(tx: Transaction, published: Published, one: Request, actor: Actor, reason: str) -> None:
    """Refuse a request, and say why. Raises NotAllowed, Impossible."""
    where = site_of(tx, one)
    if not may_act(actor, DECIDE[one.kind], one.study_oid, one.site):
        raise NotAllowed(f"{actor.username} may not decide request {one.id}")
    _settle(tx, published, one, where, RequestState.REFUSED, reason_of(reason))


def withdraw(tx: Transaction, published: Published, one: Request, reason: str) -> None:
    """Whoever asked takes the request back. Raises Impossible where it is somebody else's, or settled."""
    _settle(tx, published, one, site_of(tx, one), RequestState.WITHDRAWN, plain(reason, LONGEST_REASON, "reason"))


def _settle(tx: Transaction, published: Published, one: Request, where: Site | None, decision: RequestState, reason: str) -> None:
    try:
        requests.decide(tx, one, where.chain if where else published.study.oid, decision, reason)
    except SamePerson as wrong:
        raise Impossible(wrong.message) from None


Carry = Callable[[Transaction, Published, Request, Who, str], None]
"""Carries out what was granted; `Who` and the printed name are those of the person who granted it."""


def _unlock(tx: Transaction, published: Published, one: Request, by: Who, name: str) -> None:
    thing = find(tx, published, one.address)
    if thing is None:
        raise Impossible(Message(N_("This was marked entered in error: it can be read and no longer changed.")))
    said = str(one.content["reason"])
    locks.refuse_work(tx, thing.above)
    try:
        locks.move(tx, thing.address, thing.site, thing.subject, thing.study_id, thing.chain, "unlock", said)
    except NotPossibleNow as refused:
        raise Impossible(refused.message) from None
    if thing.address.level in WITH_CHECKLIST:
        content = {"request": one.id, "asked_by": one.asked_by, "reason": said}
        record(tx, published, by, name, DecisionKind.DATABASE_UNLOCKED, thing.site.code if thing.site else "", content)


def _remove(tx: Transaction, published: Published, one: Request, by: Who, name: str) -> None:
    which = subjects.find(tx, one.study_oid, one.subject)
    assert which is not None
    enrol.mark_subject_error(tx, which, str(one.content["reason"]))


def _redact(tx: Transaction, _published: Published, one: Request, _by: Who, _name: str) -> None:
    redact.carry_out(tx, one)


CARRIED_OUT: Mapping[RequestKind, Carry] = {
    RequestKind.UNLOCK: _unlock,
    RequestKind.REMOVAL: _remove,
    RequestKind.REDACTION: _redact,
}
