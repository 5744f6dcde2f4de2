"""What a save must not contradict in the chain of cells, and what follows from it: read under a lock on the batches that it touches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from trialcrf.actions import Impossible
from trialcrf.actions.cells.gather import chain_now, records, with_document
from trialcrf.core.cells import Chain, NodeId, NodeKind, chain, trace
from trialcrf.core.checks import Finding
from trialcrf.core.definition.model import FormDef, Severity, Study
from trialcrf.core.document import Answer, Document, FormKey, Place
from trialcrf.core.entry import Submitted, typed_in
from trialcrf.core.product.stock import Bag, Flaw, MoveKind, Stock
from trialcrf.core.product.thaw import thaw
from trialcrf.core.wording import N_, Message
from trialcrf.store import subjects
from trialcrf.store.forms import StoredForm
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

NAMES_BAG = ("CTMVBAG", "CTINCBAG", "CTCHKBAG", "CTINFBAG")
CONCERNED = ("BEREFID", "CTLOT", "CTSRCDON", "CTSRCLOT", "CTPOOLDI", "CTBAG", "CTRELDEC", *NAMES_BAG)
"""Forms that ask one of these are judged beside the whole chain; all others cost nothing."""

CORRECTION = "DI_ERROR"
"""The coded reason by which a donation number may still change after a release: an encoding error (Directive 2006/86, art. 10b)."""

INCIDENT = "product_incident"
"""The check of a query at an infusion: something was found of the product that the recipient got."""


def concerns(study: Study, form: FormDef) -> bool:
    return study.cells is not None and any(form.with_alias(alias) is not None for alias in CONCERNED)


def hold(tx: Transaction, study: Study, subject: Subject, form: FormDef, *documents: Document) -> None:
    """Hold the batches that a save is about: its own, and those of the bags that it names. Two saves about one bag follow each other."""
    ids = {subject.id}  # in one order with the batches: what this save locks later must not wait for who waits for it
    named = {answer.text for document in documents for _, answer in _answers(form, document, NAMES_BAG)}
    if named:
        ids |= subjects.naming_any(tx, study.oid, "CTBAG", named)
    if form.with_alias("CTRECALL") is not None:
        # A recall reaches the bags of whatever was made of the batch: nobody checks one of them meanwhile.
        made = trace(chain_now(tx, study), [NodeId(NodeKind.BATCH, subject.key)]).of_kind(NodeKind.BATCH)
        ids |= {one.id for node in made if (one := subjects.find(tx, study.oid, node.key)) is not None}
    subjects.hold(tx, ids)


def findings(
    tx: Transaction, study: Study, subject: Subject, key: FormKey, form: FormDef, stored: StoredForm | None, submitted: Submitted
) -> list[Finding]:
    """What the form as it would be contradicts: hard, or (what was done must be recordable) soft. Holds the batches first."""
    if not concerns(study, form):
        if study.is_product(subject.subject_type):
            # Its release is decided on every form of a batch: a result comes before the decision or after it, never beside it.
            subjects.hold(tx, [subject.id])
        return []
    before = stored.document if stored else Document()
    after = typed_in(before, submitted)
    hold(tx, study, subject, form, before, after)
    people = records(tx, study)
    form_id = stored.id if stored else 0
    was = chain(study, with_document(study, people, subject, form_id, key, form, before if stored else None))
    now = chain(study, with_document(study, people, subject, form_id, key, form, after))
    found = [*_unknown_bags(study, subject, form, now.stock, after, before)]
    found += _contradictions(form, was.stock, now.stock, after, form_id)
    found += _circles(form, now, subject, after)
    found += _donation_numbers(study, subject, form, was, key, before, submitted)
    if form.with_alias("CTINFBAG") is not None:
        found += infused(study, subject, form, now.stock, after)
    return found


def check_error(tx: Transaction, study: Study, subject: Subject, stored: StoredForm, form: FormDef) -> None:
    """Whether the form may be marked entered in error: not where movements stand on what it records. Raises Impossible."""
    if not concerns(study, form):
        return
    hold(tx, study, subject, form, stored.document)
    people = records(tx, study)
    was = chain(study, people)
    now = chain(study, with_document(study, people, subject, stored.id, stored.key, form, None))
    worse = _worse(was.stock, now.stock)
    if worse:
        raise Impossible(worse[0][1])
    if any(gap not in was.gaps for gap in now.gaps):
        raise Impossible(Message(N_("Cells are traced through this form: correct it, it cannot be marked entered in error.")))
    if form.with_alias("CTRELDEC") is not None and any(bag.recipient for bag in was.stock.of_batch(subject.key)):
        raise Impossible(Message(N_("Bags of this batch were checked or given: record a new decision instead.")))


def check_subject_error(tx: Transaction, study: Study, subject: Subject) -> None:
    """Whether a batch, or somebody in the chain, may be marked entered in error as a whole. Raises Impossible."""
    if study.cells is None:
        return
    if study.is_product(subject.subject_type):
        subjects.hold(tx, [subject.id])
    whole = chain_now(tx, study)
    kind = {study.cells.product: NodeKind.BATCH, study.cells.donor: NodeKind.DONOR, study.cells.recipient: NodeKind.RECIPIENT}
    node = NodeId(kind[subject.subject_type], subject.key) if subject.subject_type in kind else None
    if node is None or node not in whole.nodes:
        return
    others = {one.id for one in (*trace(whole, [node]).upstream, *trace(whole, [node]).downstream)}
    own = {one.id for one in trace(whole, [node]).downstream if one.kind is NodeKind.DONATION}
    if node.kind is NodeKind.BATCH:
        own = {NodeId(NodeKind.BAG, bag.code) for bag in whole.stock.of_batch(subject.key) if not _moved(bag)}
        own |= {one.id for one in trace(whole, [node]).upstream}
    if others - own:
        raise Impossible(
            Message(N_("Cells are traced through %(subject)s: it cannot be marked entered in error."), {"subject": subject.key})
        )


def _moved(bag: Bag) -> bool:
    return any(one.kind is not MoveKind.FILLED for one in bag.movements)


def _answers(form: FormDef, document: Document, aliases: Iterable[str]) -> Iterator[tuple[Place, Answer]]:
    """The living answers to items of these names."""
    wanted = {item.oid for alias in aliases if (item := form.with_alias(alias)) is not None}
    for place, answer in document.places():
        row = document.row(place.group, place.row) if place.row else None
        if place.item in wanted and answer.text and not (row is not None and row.error):
            yield place, answer


def _unknown_bags(study: Study, subject: Subject, form: FormDef, held: Stock, after: Document, before: Document) -> Iterator[Finding]:
    """A bag that is named must be recorded; in a batch's casebook it must be one of the batch."""
    own = study.is_product(subject.subject_type)
    for place, answer in _answers(form, after, NAMES_BAG):
        bag = held.bags.get(answer.text)
        if bag is None and before.at(place) != answer:
            yield Finding(place, Severity.HARD, "bag", Message(N_("No bag with this code is recorded: %(bag)s."), {"bag": answer.text}))
        elif bag is not None and own and bag.batch != subject.key:
            said = Message(N_("Bag %(bag)s is not of this batch."), {"bag": answer.text})
            yield Finding(place, Severity.HARD, "bag", said)


def _contradictions(form: FormDef, was: Stock, now: Stock, after: Document, form_id: int) -> Iterator[Finding]:
    """Movements that the others rule out, each at the bag that this form names, or at its first question."""
    named = {answer.text: place for place, answer in _answers(form, after, (*NAMES_BAG, "CTBAG"))}
    first = Place(next(iter(form.items)))
    for flaw, message in _worse(was, now):
        code = flaw.movement.bag if isinstance(flaw, Flaw) else flaw
        yield Finding(named.get(code, first), Severity.HARD, "movement", message)


def _worse(was: Stock, now: Stock) -> list[tuple[Flaw | str, Message]]:
    """What is contradictory now and was not before: movements, and bags that movements name and that nobody filled any more."""
    old = {(flaw.movement.form_id, flaw.movement.row, flaw.movement.kind) for bag in was.bags.values() for flaw in bag.flaws}
    found: list[tuple[Flaw | str, Message]] = [
        (flaw, flaw.message)
        for bag in now.bags.values()
        for flaw in bag.flaws
        if (flaw.movement.form_id, flaw.movement.row, flaw.movement.kind) not in old
    ]
    lost = {one.bag for one in now.unknown} - {one.bag for one in was.unknown}
    said = N_("Bag %(bag)s has movements: its record cannot be taken away.")
    return found + [(code, Message(said, {"bag": code})) for code in sorted(lost) if code in was.bags]


def _circles(form: FormDef, now: Chain, subject: Subject, after: Document) -> Iterator[Finding]:
    """A batch cannot be made of itself."""
    own = NodeId(NodeKind.BATCH, subject.key)
    for place, answer in _answers(form, after, ("CTSRCLOT",)):
        above = {node.id for node in trace(now, [NodeId(NodeKind.BATCH, answer.text)]).upstream}
        if answer.text == subject.key or own in above:
            yield Finding(place, Severity.HARD, "circle", Message(N_("A batch cannot be made of itself.")))


def _donation_numbers(
    study: Study, subject: Subject, form: FormDef, was: Chain, key: FormKey, before: Document, submitted: Submitted
) -> Iterator[Finding]:
    """Once a batch is released, the numbers of its donations change only by a documented correction (Directive 2006/86, art. 10b)."""
    for place, _ in _answers(form, before, ("BEREFID", "CTPOOLDI")):
        if place not in submitted.answers or submitted.answers[place] == before.at(place):
            continue
        if submitted.reasons.get(place, "").partition(":")[0].strip() == CORRECTION:
            continue
        start = _own_node(study, subject, key)
        later = [start, *(node.id for node in trace(was, [start]).downstream)]
        released = [was.stock.batches[one.key] for one in later if one.kind is NodeKind.BATCH and one.key in was.stock.batches]
        if any(one.release is not None and one.release.given for one in released):
            said = N_("A batch of this donation is released: its number changes only as a documented encoding error; choose that reason.")
            yield Finding(place, Severity.HARD, "donation_number", Message(said))


def _own_node(study: Study, subject: Subject, key: FormKey) -> NodeId:
    if study.is_product(subject.subject_type):
        return NodeId(NodeKind.BATCH, subject.key)
    parts = (subject.key, key.event_oid, key.event_repeat, key.form_oid, key.form_repeat)
    return NodeId(NodeKind.DONATION, "/".join(str(part) for part in parts))


def infused(study: Study, subject: Subject, form: FormDef, held: Stock, after: Document) -> Iterator[Finding]:
    """What is doubtful of an infusion as it is recorded. Soft: what was done must be recordable, and each doubt becomes a query."""
    for place, answer in _answers(form, after, ("CTINFBAG",)):
        bag = held.bags.get(answer.text)
        if bag is None:
            continue
        checked = [one for one in bag.movements if one.kind is MoveKind.CHECKED]
        if not any(one.subject == subject.key for one in checked):
            said = N_("Bag %(bag)s was not checked at the bedside for this recipient.")
            yield Finding(place, Severity.SOFT, "bedside", Message(said, {"bag": bag.code}))
        if bag.incidents:
            said = N_("An incident is recorded of bag %(bag)s or of its batch: say whether an adverse event follows from it.")
            yield Finding(place, Severity.SOFT, INCIDENT, Message(said, {"bag": bag.code}))
        given = [one for one in bag.movements if one.kind is MoveKind.INFUSED and one.moment is not None]
        if given and checked and bag.movements.index(given[0]) < bag.movements.index(checked[0]):
            said = N_("Bag %(bag)s was checked at the bedside only after the recorded start of the infusion.")
            yield Finding(place, Severity.SOFT, "bedside_late", Message(said, {"bag": bag.code}))
        day = given[0].moment.date() if given and given[0].moment else None
        if day is not None and bag.expired(day):
            yield Finding(place, Severity.SOFT, "expired", Message(N_("Bag %(bag)s was expired on that day."), {"bag": bag.code}))
        if study.cells is not None and bag.thawed is not None and given and given[0].moment is not None:
            clock = thaw(bag.code, bag.thawed.moment, given[0].moment, given[0].moment, study.cells.thaw_minutes)
            if clock is not None and clock.beyond:
                said = N_("Bag %(bag)s was thawed %(minutes)s min before the start: the study allows %(limit)s min.")
                params = {"bag": bag.code, "minutes": clock.minutes, "limit": clock.limit}
                yield Finding(place, Severity.SOFT, "thaw", Message(said, params))


def prompts(study: Study, whole: Chain, batch: str) -> Mapping[str, tuple[Bag, ...]]:
    """The recipients who got something of a batch or of what was made of it, with their bags."""
    below = {node.key for node in trace(whole, [NodeId(NodeKind.BATCH, batch)]).downstream if node.kind is NodeKind.BAG}
    found: dict[str, tuple[Bag, ...]] = {}
    for bag in whole.stock.bags.values():
        for recipient in bag.given_to if bag.code in below else ():
            found[recipient] = (*found.get(recipient, ()), bag)
    return found
