"""Source data verification: a monitor holds the values of a visit against their sources, all but the exceptions, in one action."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from trialcrf.actions import Impossible, enter, plain
from trialcrf.actions.oversight import review
from trialcrf.core import checks
from trialcrf.core.definition.model import FormDef
from trialcrf.core.definition.oversight import SamplingRule
from trialcrf.core.document import Answer, Place
from trialcrf.core.oversight import sampling
from trialcrf.core.oversight.monitoring import EntryKind, Monitoring, MonitoringState
from trialcrf.core.oversight.sampling import Coverage
from trialcrf.core.signature import canonical
from trialcrf.core.wording import N_, Message
from trialcrf.store import definitions, forms, locks, monitoring, signatures, verifications
from trialcrf.store.definitions import Published
from trialcrf.store.forms import StoredForm
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.store.verifications import Verified

LONGEST_REASON = 500

Readable = Callable[[FormDef], bool]
"""Whether the person may read a form: what they may not read they neither see nor verify."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value before the monitor. `answer` None: blank; `commitment` is that of the newest record, empty for a blank.

    `verified` is the last verification, whether it stands or not; `sampled` says whether the plan asks for this value.
    """

    place: Place
    answer: Answer | None
    commitment: str
    sampled: bool
    verified: Verified | None

    @property
    def stands(self) -> bool:
        """Verified, and it is still the value that was verified."""
        return self.verified is not None and self.verified.standing and self.verified.commitment == self.commitment

    @property
    def changed(self) -> bool:
        """Verified once, and another value by now."""
        return self.verified is not None and self.verified.commitment != self.commitment

    @property
    def taken_back(self) -> bool:
        """Verified once, and still that value: the monitor took it back."""
        return self.verified is not None and not self.verified.standing and not self.changed


@dataclass(frozen=True, slots=True)
class Sheet:
    """One form with the values that are to be verified of it, in its own order, under the definition that it was filled under."""

    stored: StoredForm
    published: Published
    form: FormDef
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which values: of one visit, of all its forms or of a single one (`form_id`); those of the plan, or `everything`."""

    event_oid: str
    event_repeat: int = 1
    form_id: int | None = None
    everything: bool = False

    def holds(self, stored: StoredForm) -> bool:
        """Whether a form is one of those that are meant."""
        here = (stored.key.event_oid, stored.key.event_repeat) == (self.event_oid, self.event_repeat)
        return here and self.form_id in (None, stored.id)


@dataclass(frozen=True, slots=True)
class Done:
    """What one action did: values verified and left out, queries raised (by id)."""

    verified: int
    left: int
    queries: tuple[int, ...] = ()


class Changed(Impossible):
    """The values are not those that the page showed: nothing was verified."""

    def __init__(self) -> None:
        super().__init__(Message(N_("The data changed while you were reading: look at them again. Nothing was verified.")))


def sheets(tx: Transaction, published: Published, which: Subject, asked: Asked, readable: Readable, now: datetime) -> tuple[Sheet, ...]:
    """What a page shows and one action verifies: the forms of a visit, in its order, with the values asked for; forms without any not."""
    rules = sampling.rules_for(published.study.oversight, which.key)
    everything = asked.everything or not published.study.oversight.sampling
    living = [
        one for one in forms.all_of(tx, [which.id]) if (one.key.event_oid, one.key.event_repeat) == (asked.event_oid, asked.event_repeat)
    ]
    if asked.form_id is not None:
        living = [one for one in living if one.id == asked.form_id]
    event = published.study.event.get(asked.event_oid)
    order = {ref.form_oid: number for number, ref in enumerate(event.forms)} if event else {}
    living.sort(key=lambda one: (order.get(one.key.form_oid, len(order)), one.key.form_repeat, one.id))
    held = verifications.of_forms(tx, [one.id for one in living])
    newest = {
        (int(one.entity_id), Place.parse(one.place)): one.commitment
        for one in (signatures.covered_now(tx, {("form", str(form.id)) for form in living}) if living else ())
    }
    found = []
    for stored in living:
        opened = enter.open_form(tx, published, which, stored.key, now)
        if not readable(opened.form):
            continue
        applies = checks.applicable(opened.form, stored.document, opened.context)
        values = tuple(
            Value(place, answer, newest.get((stored.id, place), "") if answer else "", asked_for, held[stored.id].get(place))
            for place, answer in _places(opened.form, stored)
            if (asked_for := sampling.sampled(rules, opened.form.oid, place.item)) or everything
            if answer is not None or place in applies or place in held[stored.id]
        )
        if values:
            found.append(Sheet(stored, opened.published, opened.form, values))
    return tuple(found)


def _places(form: FormDef, stored: StoredForm) -> Iterator[tuple[Place, Answer | None]]:
    """Every place of a form that may hold a value with a source, blank ones too; rows in error are gone."""
    for group in form.groups:
        items = [item for item in group.items if sampling.verifiable(item)]
        if not group.repeating:
            yield from ((Place(item.oid), stored.document.items.get(item.oid)) for item in items)
            continue
        for row in stored.document.rows.get(group.oid, ()):
            if not row.error:
                yield from ((Place(item.oid, group.oid, row.id), row.items.get(item.oid)) for item in items)


def seen(shown: Iterable[Sheet]) -> str:
    """SHA-256 in hexadecimal of what a page shows: which places, with the commitments to their values."""
    told = {str(one.stored.id): {str(value.place): value.commitment for value in one.values} for one in shown}
    return hashlib.sha256(canonical(told).encode()).hexdigest()


def verify(
    tx: Transaction,
    published: Published,
    which: Subject,
    asked: Asked,
    readable: Readable,
    shown: str,
    exceptions: Mapping[tuple[int, Place], str],
    during: Monitoring | None,
    now: datetime,
) -> Done:
    """Verify every value that the page showed (`shown` is its fingerprint) and that is not verified yet, but the exceptions.

    An exception (form id, place) is left as it is, and raises a query where it has a text. `during` is the monitoring visit that this
    belongs to. Raises Changed, Impossible, and Locked where it lies under a lock.
    """
    if which.error:
        raise Impossible(Message(N_("This was marked entered in error: it can be read and no longer changed.")))
    _hold(tx, which, asked, during)
    found = sheets(tx, published, which, asked, readable, now)
    if seen(found) != shown:
        raise Changed
    open_now = {(one.stored.id, value.place) for one in found for value in one.values if not value.stands}
    if exceptions.keys() - open_now:
        raise Impossible(Message(N_("An exception is a value of this page that is not verified yet.")))
    if not open_now:
        raise Impossible(Message(N_("Everything on this page is verified already.")))
    raised: list[int] = []
    count = 0
    for one in found:
        here = {value.place: value.commitment for value in one.values if (one.stored.id, value.place) in open_now - exceptions.keys()}
        locks.refuse_work(tx, (*locks.over_form(which, one.stored.key, one.stored.id), *locks.items_of(one.stored.id, here)))
        if here:
            verifications.verify(tx, which, one.stored.id, here, during.id if during else None)
            count += len(here)
        for value in one.values:
            text = exceptions.get((one.stored.id, value.place), "").strip()
            if text:
                raised.append(_ask(tx, which, one, value.place, text))
    if during is not None:
        if count:
            told = {"subject": which.key, "event": asked.event_oid, "repeat": asked.event_repeat, "values": count}
            during = monitoring.add(tx, which.site, during, EntryKind.VERIFIED, told)
        for query_id in raised:
            during = monitoring.add(tx, which.site, during, EntryKind.QUERY, {"query": query_id, "subject": which.key})
    return Done(count, len(exceptions), tuple(raised))


def _ask(tx: Transaction, which: Subject, sheet: Sheet, place: Place, text: str) -> int:
    return review.ask(tx, which, sheet.stored.key, sheet.stored.id, place, text, access=sheet.form.access)


def _hold(tx: Transaction, which: Subject, asked: Asked, during: Monitoring | None) -> None:
    """Nobody changes or locks these forms until this is done. Site, ledger, forms, chain: the order of everybody, so that nobody waits in a
    circle. Raises Impossible, Locked."""
    locks.refuse_work(tx, locks.over_visit(which, asked.event_oid, asked.event_repeat))
    if during is not None:
        if during.site != which.site.code or during.study_oid != which.site.study_oid or during.state is not MonitoringState.HELD:
            raise Impossible(Message(N_("Choose a monitoring visit of this site that is being held.")), "during")
        monitoring.hold(tx, during)
    verifications.hold_forms(tx, which, asked.event_oid, asked.event_repeat)
    signatures.hold(tx, which.site)


def take_back(tx: Transaction, which: Subject, form_id: int, place: Place, readable: Readable, reason: str) -> None:
    """The monitor takes a verification back, and says why. Raises Impossible, Locked."""
    said = plain(reason, LONGEST_REASON, "reason")
    if not said:
        raise Impossible(Message(N_("Say why this is verified no longer.")), "reason")
    stored = forms.by_id(tx, form_id)
    held = verifications.of_forms(tx, [form_id])[form_id].get(place)
    if stored is None or stored.subject_id != which.id or not readable(_form_of(tx, stored)) or held is None:
        raise Impossible(Message(N_("This value was never verified.")))
    if not held.standing:
        raise Impossible(Message(N_("This value is verified no longer: there is nothing to take back.")))
    locks.refuse_work(tx, (*locks.over_form(which, stored.key, stored.id), *locks.items_of(stored.id, [place])))
    verifications.undo(tx, which, form_id, [place], said)


def _form_of(tx: Transaction, stored: StoredForm) -> FormDef:
    return definitions.read(tx, stored.definition_id).study.form[stored.key.form_oid]


def of_subjects(tx: Transaction, published: Published, people: Iterable[Subject], readable: Readable) -> dict[str, Coverage]:
    """How far verification is, by subject key: of the forms that the person may read, those in error left out."""
    listed = list(people)
    found: dict[str, Coverage] = {}
    for start in range(0, len(listed), 50):  # A site's documents are not all held at once.
        part = listed[start : start + 50]
        by_id = {which.id: which.key for which in part}
        found |= {which.key: Coverage() for which in part}
        read: set[int] = set()
        for stored, counted in _covered(tx, published, part, readable):
            found[by_id[stored.subject_id]] += counted
            read.add(stored.id)
        for one in verifications.standing_of(tx, by_id):  # What was verified of forms that the plan does not ask for.
            if one.form_id not in read and readable(definitions.read(tx, one.definition_id).study.form[one.form_oid]):
                found[by_id[one.subject_id]] += Coverage(beyond=one.count)
    return found


def of_visits(tx: Transaction, published: Published, which: Subject, readable: Readable) -> dict[tuple[str, int], Coverage]:
    """The same for one subject, by visit: (event OID, repeat). Every visit of which something is recorded is in it."""
    found: dict[tuple[str, int], Coverage] = {}
    for stored, counted in _covered(tx, published, [which], readable, everything=True):
        at = (stored.key.event_oid, stored.key.event_repeat)
        found[at] = found.get(at, Coverage()) + counted
    return found


def _covered(
    tx: Transaction, published: Published, part: Collection[Subject], readable: Readable, everything: bool = False
) -> Iterator[tuple[StoredForm, Coverage]]:
    """Every form of these subjects of which anything is asked (or every one at all), with how far it is."""
    rules = {one.id: sampling.rules_for(published.study.oversight, one.key) for one in part}
    wanted = {None: list(rules)} if everything else _by_forms(tx, published, rules)
    living = [stored for oids, ids in wanted.items() for stored in forms.all_of(tx, ids, oids)]
    held = verifications.of_forms(tx, [one.id for one in living])
    for stored in living:
        form = _form_of(tx, stored)
        if readable(form):
            standing = {place: one.standing for place, one in held[stored.id].items()}
            yield stored, sampling.coverage(rules[stored.subject_id], form, stored.document, standing)


def _by_forms(
    tx: Transaction, published: Published, rules: Mapping[int, tuple[SamplingRule, ...]]
) -> dict[frozenset[str] | None, list[int]]:
    """Which forms need to be read of which subjects: those that are asked for, and none for a subject of whom nothing is."""
    oids = {form.oid for version in definitions.versions_of(tx, published.study.oid) for form in version.study.forms}
    found: dict[frozenset[str] | None, list[int]] = {}
    for id_, held in rules.items():
        wanted = frozenset(oid for oid in oids if sampling.asks(held, oid))
        if wanted:
            found.setdefault(wanted, []).append(id_)
    return found
