"""The summary of a batch: from what it was grown, how, what was tested, who decided by what, and what became of every bag of it.

Of its donors it prints the keys, of its recipients nothing: who got a bag is told by the traceability dossier alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trialcrf.core.cells import HOWS, NODE_KINDS, Chain, Node, NodeId, NodeKind, batch_state, chain, trace
from trialcrf.core.cut import Cut
from trialcrf.core.definition.cells import CellSettings, Specification
from trialcrf.core.definition.model import Study
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.packs.answers import Block, blocks, meant, unit_of
from trialcrf.core.packs.product import BagLine, IncidentLine, NoCells, Signed, bag_line, by_place, cells_of, incidents_of, recall_of, until
from trialcrf.core.product.release import FULFILLED, Fulfilled, JudgedCriterion, condition, overall
from trialcrf.core.product.sec import printed_donation
from trialcrf.core.values import MISSING_WORDS
from trialcrf.core.wording import N_, Message, Sayable, Words

NO_BATCH = N_("%(subject)s is no batch of a product.")
_OWN_TABLES = ("CTBAG", "CTRELDEC", "CTMVBAG", "CTINCKND")
"""Forms that are told by tables of their own, by an alias of each."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A thing that the batch comes from. `name` is a donation number or a batch number, `at` a canonical (partial) moment."""

    kind: Message
    key: str
    name: str
    site: str
    at: str
    how: Message


@dataclass(frozen=True, slots=True)
class CriterionLine:
    """One criterion with the result that it was judged by, then. `recorded` is the result itself as text, `counts` false for an
    informative one."""

    label: Sayable
    condition: Message | None
    result: Sayable
    unit: str
    verdict: Message
    counts: bool
    met: bool


@dataclass(frozen=True, slots=True)
class DecisionLine:
    """A decision on the batch, in the order of being made. The specification is that by which it was judged, with its source.

    `published` says that it is an example from the literature; `signed` is empty for a decision without a known signature.
    """

    at: str
    decision: Sayable
    specification: Sayable
    source: str
    published: bool
    verdict: Message
    why: str
    criteria: tuple[CriterionLine, ...]
    signed: tuple[Signed, ...]


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """What `reports/batch` prints."""

    cut: Cut
    title: Words
    protocol: str
    product: Words
    key: str
    lot: str
    site: str
    pool: str
    state: Message
    recalled: Message | None
    origins: tuple[Origin, ...]
    gaps: tuple[Message, ...]
    made: tuple[Block, ...]
    decisions: tuple[DecisionLine, ...]
    bags: tuple[BagLine, ...]
    incidents: tuple[IncidentLine, ...]


def batch_summary(study: Study, subjects: Sequence[SubjectRecord], signed: Sequence[Signed], key: str, cut: Cut) -> BatchSummary:
    """The summary at the cut-off; `subjects` are all of the study, read with `product.asked`. Raises NoCells for what is no batch."""
    settings = cells_of(study)
    everyone = until(subjects, cut.as_of)
    whole, held = chain(study, everyone), by_place(everyone)
    batch = whole.stock.batches.get(key)
    if batch is None:
        raise NoCells(Message(NO_BATCH, {"subject": key}))
    own = next(one for one in everyone if one.key == key)
    records = sorted(own.records, key=lambda one: (one.form_id, one.row))
    refs = dict.fromkeys(ref.form_oid for event in study.events_for(own.subject_type) for ref in event.forms)
    forms = [study.form[oid] for oid in refs if not any(study.form[oid].with_alias(alias) for alias in _OWN_TABLES)]
    product = study.safety.product if study.safety else None
    start = NodeId(NodeKind.BATCH, key)
    return BatchSummary(
        cut=cut,
        title=study.title,
        protocol=study.protocol,
        product=product.name if product else Words(),
        key=key,
        lot=batch.lot,
        site=batch.site,
        pool=printed_donation(batch.pool),
        state=batch_state(batch.release.decision if batch.release else ""),
        recalled=recall_of(batch, whole.stock.of_batch(key)),
        origins=tuple(_origins(whole, start)),
        gaps=tuple(gap.message for gap in whole.gaps if gap.at in {start, *(node.id for node in trace(whole, [start]).upstream)}),
        made=tuple(blocks(study, forms, records, ("CTLOT", "CTPOOLDI"))),
        decisions=tuple(_decisions(study, settings, records, signed)),
        bags=tuple(bag_line(study, whole, held, one, cut.as_of, names=False) for one in whole.stock.of_batch(key)),
        incidents=tuple(incidents_of(study, whole, held, {key})),
    )


def _origins(whole: Chain, start: NodeId) -> Iterator[Origin]:
    above = trace(whole, [start])
    how = {edge.source: edge.how for edge in above.edges}
    for node in above.upstream:
        yield Origin(Message(NODE_KINDS[node.kind]), _key(node), _name(node), node.site, node.at, Message(HOWS[how[node.id]]))


def _key(node: Node) -> str:
    """The key of a subject; a donation is known by its number, and by whose it is."""
    return node.key.partition("/")[0]


def _name(node: Node) -> str:
    return "" if node.name == node.key else printed_donation(node.name)


def _decisions(study: Study, settings: CellSettings, records: Sequence[Recorded], signed: Sequence[Signed]) -> Iterator[DecisionLine]:
    for record in records:
        told = record.values
        if "CTRELDEC" not in told:
            continue
        found = settings.specification_of(told.get("CTRELSPC", ""))
        judged = tuple(_judged(found, told.get("CTRELJDG", "")))
        yield DecisionLine(
            told.get("CTRELDTC", ""),
            meant(study, "CTRELDEC", told["CTRELDEC"]),
            found.label if found else Words({"": told.get("CTRELSPC", "")}),
            found.source if found else "",
            found.published if found else False,
            Message(FULFILLED[overall(judged)]),
            told.get("CTRELWHY", ""),
            tuple(_criterion(study, one) for one in judged),
            tuple(one for one in signed if record.form_id in one.forms),
        )


def _judged(specification: Specification | None, text: str) -> Iterator[JudgedCriterion]:
    """The criteria as they were judged then, never as they would be now."""
    told = json.loads(text) if text else {}
    for one in specification.criteria if specification else ():
        if one.oid in told:
            result, verdict = told[one.oid]
            yield JudgedCriterion(one, result, Fulfilled(verdict))


def _criterion(study: Study, one: JudgedCriterion) -> CriterionLine:
    criterion = one.criterion
    missing = MISSING_WORDS.get(one.result)
    result = Message(missing) if missing else meant(study, criterion.alias, one.result)
    said = condition(criterion)
    if criterion.equals:
        said = Message(said.msgid, {**said.params, "code": meant(study, criterion.alias, criterion.equals)})
    unit = "" if missing or not one.result else criterion.unit or unit_of(study, criterion.alias)
    return CriterionLine(criterion.label, said, result, unit, Message(FULFILLED[one.verdict]), one.counts, one.verdict is Fulfilled.MET)
