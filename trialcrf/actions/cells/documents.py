"""The documents of the cell product, read from the trail at one checkpoint: batch, infusion, traceability, accountability."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from trialcrf.actions import Impossible
from trialcrf.actions.cells import bedside, release
from trialcrf.core.access import ROLES
from trialcrf.core.chain import Checkpoint
from trialcrf.core.cut import Cut
from trialcrf.core.definition.model import Study
from trialcrf.core.packs.accountability import AccountabilityReport, accountability_report
from trialcrf.core.packs.batch import BatchSummary, batch_summary
from trialcrf.core.packs.infusion import Attempt, InfusionRecord, infusion_record, reason
from trialcrf.core.packs.product import NoCells, Signed, asked
from trialcrf.core.packs.traceability import Traceability, traceability
from trialcrf.core.wording import Message, Words
from trialcrf.store import audit, replay, signatures, subjects
from trialcrf.store.signatures import NOT_DATA, Signature
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction


def batch_of(tx: Transaction, study: Study, upto: Checkpoint, cut: Cut, key: str) -> BatchSummary:
    """Raises Impossible for what was no batch then, as all of these do for what they are not about."""
    try:
        known = list(_signed(tx, study, upto, key, {release.MEANING}))
        return batch_summary(study, replay.subjects_at(tx, upto, asked(study)), known, key, cut)
    except NoCells as none:
        raise Impossible(none.message, "subject") from None


def infusion_of(tx: Transaction, study: Study, upto: Checkpoint, cut: Cut, key: str) -> InfusionRecord:
    try:
        known = list(_signed(tx, study, upto, key, {bedside.MEANING, bedside.EMERGENCY}))
        which = subjects.find(tx, study.oid, key)
        attempts = list(_attempts(tx, upto, which)) if which else []
        return infusion_record(study, replay.subjects_at(tx, upto, asked(study)), known, attempts, key, cut)
    except NoCells as none:
        raise Impossible(none.message, "subject") from None


def dossier_of(tx: Transaction, study: Study, upto: Checkpoint, cut: Cut, key: str) -> Traceability:
    try:
        return traceability(study, replay.subjects_at(tx, upto, asked(study)), key, cut)
    except NoCells as none:
        raise Impossible(none.message, "subject") from None


def account_of(tx: Transaction, study: Study, upto: Checkpoint, cut: Cut, site: str) -> AccountabilityReport:
    try:
        return accountability_report(study, replay.subjects_at(tx, upto, asked(study)), cut, site)
    except NoCells as none:
        raise Impossible(none.message) from None


def _signed(tx: Transaction, study: Study, upto: Checkpoint, key: str, meanings: Collection[str]) -> Iterator[Signed]:
    """The signatures of these meanings on a subject that were known then, oldest first, with what changed under them by then."""
    which = subjects.find(tx, study.oid, key)
    sizes = {chain: size for chain, size, _ in upto.heads}
    for one in signatures.all_of(tx, which.id) if which else []:
        if one.meaning in meanings and one.seq <= sizes.get(one.chain, 0):
            forms = tuple(sorted({int(part.entity_id) for part in one.signed if part.entity == "form"}))
            role = Message(ROLES[one.role]) if one.role in ROLES else Words({"": one.role})
            yield Signed(forms, one.meaning, one.name, role, one.organisation, one.at, one.hash, _changed(tx, one, forms, sizes), one.said)


def _changed(tx: Transaction, one: Signature, forms: Collection[int], sizes: Mapping[str, int]) -> datetime | None:
    """When something that the signature covers changed first, within the checkpoint."""
    ids = sorted(map(str, forms))
    later = (
        past.at
        for start in range(0, len(ids), 500)
        for past in audit.of_things(tx.connection, "form", ids[start : start + 500])
        if past.chain == one.chain and one.seq < past.seq <= sizes.get(past.chain, 0) and past.op not in NOT_DATA
    )
    return min(later, default=None)


def _attempts(tx: Transaction, upto: Checkpoint, which: Subject) -> Iterator[Attempt]:
    """The bedside checks of a recipient that were stopped, as the trail tells them."""
    sizes = {chain: size for chain, size, _ in upto.heads}
    for past in audit.of_things(tx.connection, "refusal", [str(which.id)]):
        if past.place == "bedside" and past.seq <= sizes.get(past.chain, 0):
            told = json.loads(past.new or "{}")
            yield Attempt(past.at, str(told.get("bag", "")), tuple(reason(str(one)) for one in told.get("stops", ())))
