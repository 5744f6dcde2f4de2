"""Labels to print: the value that one is drawn from, and the record in the trail that it was printed, which is all that is kept of it."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal

from trialcrf.actions import Impossible
from trialcrf.actions.cells.gather import chain_now
from trialcrf.core.cells import Chain, NodeId, NodeKind
from trialcrf.core.cut import Cut
from trialcrf.core.packs.label import LabelSheet, bag_label, bag_sheet, wristband_label, wristband_sheet
from trialcrf.core.product.identity import NoLabel
from trialcrf.core.product.stock import MoveKind
from trialcrf.core.wording import N_, Message, Words
from trialcrf.store.audit import Entry
from trialcrf.store.definitions import Published
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

BAG, WRISTBAND = "bag", "wristband"
"""What was printed, as the trail says it."""


def bag_of(tx: Transaction, published: Published, subject: Subject, form_id: int, row: str, now: datetime) -> LabelSheet:
    """The label of the bag that this row of this form filled, from what is recorded of it.

    Raises LookupError where nothing was filled there, Impossible where what is recorded makes no label.
    """
    study = published.study
    whole = chain_now(tx, study)
    batch = whole.stock.batches.get(subject.key)
    filled = (MoveKind.FILLED, form_id, row)
    bags = whole.stock.of_batch(subject.key)
    bag = next((one for one in bags if any((move.kind, move.form_id, move.row) == filled for move in one.movements)), None)
    if batch is None or bag is None:
        raise LookupError(f"row {row} of form {form_id} fills no bag of {subject.key}")
    if bag.code in whole.stock.twice:
        raise Impossible(Message(N_("Bag %(bag)s is recorded as filled twice: correct that before a label is printed."), {"bag": bag.code}))
    numbers = sorted(_donations(whole, subject.key, set()))
    if not numbers:
        raise Impossible(Message(N_("The donation of this batch has no number yet: no label can be printed.")))
    if len(numbers) > 1:
        raise Impossible(Message(N_("Several donations went into this batch, and the pool was given no number: no label can be printed.")))
    product = study.safety.product if study.safety else None
    cells, volume = (Decimal(text) if text else None for text in (bag.cells, bag.volume))
    try:
        label = bag_label(study, bag.code, batch.lot or subject.key, numbers[0], cells, volume, bag.expires)
    except NoLabel as refused:
        raise Impossible(refused.message) from None
    return bag_sheet(_cut(published, subject, now), study, product.name if product else Words(), [label])


def wristband_of(published: Published, subject: Subject, now: datetime) -> LabelSheet:
    """The wristband of a recipient. Raises LookupError for anybody else, Impossible where the key makes no label."""
    study = published.study
    if study.cells is None or subject.subject_type != study.cells.recipient or subject.error:
        raise LookupError(f"{subject.key} is no recipient")
    try:
        label = wristband_label(study, subject.key, subject.site.code)
    except NoLabel as refused:
        raise Impossible(refused.message) from None
    return wristband_sheet(_cut(published, subject, now), study, [label])


def note(tx: Transaction, subject: Subject, what: str, key: str) -> None:
    """That a label was printed: what of, by whom and when, in the trail of the site."""
    text = json.dumps({"label": what, "key": key}, ensure_ascii=True, sort_keys=True)
    tx.entries.append(Entry(subject.site.chain, "print_label", "label", str(subject.id), what, text, subject.key, first=True))


def _donations(whole: Chain, key: str, seen: set[str]) -> set[str]:
    """The number that a bag of the batch carries: that of its pool, else of its donations, else of the batches that it was made of."""
    batch = whole.stock.batches.get(key)
    if batch is None or key in seen:
        return set()
    seen.add(key)
    if batch.pool:
        return {batch.pool}
    named = {node.name for where in batch.donations if (node := whole.nodes.get(NodeId(NodeKind.DONATION, where))) is not None}
    return (named - {""}).union(*(_donations(whole, origin, seen) for origin in batch.origins))


def _cut(published: Published, subject: Subject, now: datetime) -> Cut:
    return Cut(subject.site.today(now), now, published.version, published.hash, "", published.study.oid)
