"""The bedside check: a bag, a wristband and a donation are scanned, two persons confirm, and one outcome is recorded, a refusal too.

What is accepted is a form like any other, signed by both. What is refused is in the trail with its reasons. In an emergency an
investigator signs a deviation for one bag, one recipient and these reasons; the check is then made again, and says so.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from trialcrf.actions import Impossible, NotAllowed, deviate, enter, judge, plain, sign, who
from trialcrf.actions.cells.gather import chain_now
from trialcrf.actions.sign import Proof
from trialcrf.core.access import Actor, may
from trialcrf.core.boxes import raw_of
from trialcrf.core.cells import donation_numbers, donors_of
from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.document import Answer, FormKey, Place
from trialcrf.core.entry import Refused
from trialcrf.core.oversight.personal import found_in
from trialcrf.core.product import bedside
from trialcrf.core.product.bedside import Scanned, Situation, Stop
from trialcrf.core.product.identity import Kind, NotThisLabel, scanned
from trialcrf.core.safety import decision
from trialcrf.core.signature import Standing, fingerprint
from trialcrf.core.typed import interval
from trialcrf.core.wording import N_, Message
from trialcrf.store import decisions, forms, signatures, subjects
from trialcrf.store.audit import Entry
from trialcrf.store.definitions import Published
from trialcrf.store.forms import StoredForm
from trialcrf.store.signatures import Signature
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

MEANING, EMERGENCY = "bedside", "emergency"
VERB = "bedside.check"
FORM = "CTCHKBAG"
"""The name by which the form of the check is found."""

SCANS: Mapping[str, Kind] = {"bag": Kind.BAG, "wristband": Kind.WRISTBAND, "donation": Kind.DONATION}
"""The boxes that are scanned into, in their order, and whose label each takes."""

LONGEST_REASON = 1000
REFUSED = N_("It could not be recorded: %(why)s")


@dataclass(frozen=True, slots=True)
class Sent:
    """What the page sent: three scans as they came, and the dose cohort."""

    bag: str
    wristband: str
    donation: str
    cohort: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who confirms with a password of their own."""

    actor: Actor
    proof: Proof


class Stopped(Exception):
    """The bag may not be given: every reason. Nothing was recorded; the shell calls `record_stop`."""

    def __init__(self, stops: Sequence[Stop], read: Scanned) -> None:
        super().__init__(", ".join(stops))
        self.stops = tuple(stops)
        self.read = read

    @property
    def messages(self) -> tuple[Message, ...]:
        return bedside.told(self.stops)

    @property
    def overridable(self) -> bool:
        return bedside.may_be_overridden(self.stops)


def read_scans(study: Study, sent: Sent) -> Scanned:
    """The scans as keys. Raises Impossible with the first box that is blank or holds no such label."""
    found = []
    for name, kind in SCANS.items():
        text = getattr(sent, name)
        if not text.strip():
            raise Impossible(Message(N_("Scan this label first.")), name)
        try:
            found.append(scanned(plain(text, 200, name), study.oid, kind))
        except NotThisLabel as wrong:
            raise Impossible(wrong.message, name) from None
    return Scanned(*found)


def unreadable(study: Study, sent: Sent) -> Mapping[str, Message]:
    """What is wrong with each scan that is there, by its box: a person at the bedside is told all of it at once."""
    found = {}
    for name, kind in SCANS.items():
        try:
            text = plain(getattr(sent, name), 200, name)
            if text:
                scanned(text, study.oid, kind)
        except (NotThisLabel, Impossible) as wrong:
            found[name] = wrong.message
    return found


def check(tx: Transaction, published: Published, subject: Subject, sent: Sent, first: Person, second: Person, now: datetime) -> StoredForm:
    """Check a bag against a recipient and record it, in these steps:

    1. both persons may check here, are two, and typed their passwords in this request;
    2. the recipient and the batch are held, so that what is judged stands until the outcome does;
    3. every reason against it is gathered; an emergency deviation lifts those that it names, and no other;
    4. the check is saved as a form, which the database takes once for a bag, and both persons sign it.

    Raises NotAllowed, Impossible (with the box), Stopped.
    """
    study = published.study
    _both(tx, study, subject, first, second)
    read = read_scans(study, sent)
    subjects.hold(tx, {subject.id, *subjects.naming_any(tx, study.oid, "CTBAG", {read.bag})})
    found = bedside.stops(situation(tx, published, subject, read.bag, sent.cohort, now), read)
    override = emergency_of(tx, subject, read.bag) if bedside.may_be_overridden(found) else None
    if found and (override is None or not set(found) <= _lifted(override)):
        raise Stopped(found, read)
    event_oid, form = form_of(study, subject)
    key = FormKey(event_oid, form.oid, 1, forms.next_repeat(tx, subject.id, event_oid, form.oid, 1))
    told = _told(subject, read, sent, first, second, override, now)
    try:
        saved = enter.save_form(tx, published, subject, key, _typed(form, told, subject), now)
    except Refused as refused:
        # Another check of the very same moment was there first: the key of the database says so.
        if any(one.check == "unique" for one in refused.findings):
            raise Stopped((Stop.RESERVED,), read) from None
        raise Impossible(Message(REFUSED, {"why": refused.findings[0].message}), "bag") from None
    tx.flush_trail()
    statement = {"subject": subject.key, **told, "stops": [str(stop) for stop in found], "emergency": override.id if override else None}
    for person, beside in ((first, False), (second, True)):
        seen = fingerprint(sign.covered(tx, subject, [saved.form_id]))
        sign.sign(tx, subject, person.actor, person.proof, MEANING, [saved.form_id], statement, seen, beside=beside)
    stored = forms.by_id(tx, saved.form_id)
    assert stored is not None
    return stored


def situation(tx: Transaction, published: Published, subject: Subject, bag_code: str, cohort: str, now: datetime) -> Situation:
    """Everything that decides, as it stands in this transaction."""
    study, settings = published.study, published.study.safety
    whole = chain_now(tx, study)
    bag = whole.stock.bags.get(bag_code)
    linked = next(iter(subjects.answers(tx, subject, "RSUBJID")), "")
    donor = subjects.find(tx, study.oid, linked) if linked else None
    entries = decisions.all_of(tx, study.oid)
    item = next((one for form in study.forms_with("ACTARM") if (one := form.with_alias("ACTARM")) is not None), None)
    gated = settings is not None and any(one.code == cohort and one.gated for one in settings.cohorts)
    return Situation(
        recipient=subject.key,
        bag=bag,
        release=whole.stock.batches[bag.batch].release if bag else None,
        donors=[node.key for node in donors_of(whole, bag.batch)] if bag else [],
        donations=donation_numbers(whole, bag.batch) if bag else set(),
        linked=linked,
        eligible=declared_eligible(tx, study, subject),
        donor_eligible=donor is not None and not donor.error and declared_eligible(tx, study, donor),
        cohort_known=item is not None and item.codelist is not None and item.codelist.label_of(cohort) is not None,
        cohort_open=not gated or cohort in decision.opened(entries),
        hold=any(hold.stood_at(now) for hold in decision.holds(entries)),
        today=subject.site.today(now),
        treated=_treated(tx, study, subject, now),
    )


def _treated(tx: Transaction, study: Study, subject: Subject, now: datetime) -> bool:
    """Whether the planned infusions were given on earlier days: several bags of one day are one infusion."""
    planned, today = study.cells.infusions if study.cells else 0, subject.site.today(now)
    days = {interval(text).latest for text in subjects.answers(tx, subject, "EXSTDAT")}
    return bool(planned) and sum(day < today for day in days) >= planned


def declared_eligible(tx: Transaction, study: Study, subject: Subject) -> bool:
    """Whether the newest signed verdict says so and what it rests on is as it was signed; where the study has no criteria, everybody is."""
    if study.eligibility_of(subject.subject_type) is None:
        return True
    newest = judge.latest(tx, subject)
    if newest is None or newest.said.get("signed") != "ELIGIBLE":
        return False
    return signatures.standing(tx, newest).standing is Standing.VALID


def against(tx: Transaction, published: Published, subject: Subject, sent: Sent, now: datetime) -> tuple[Stop, ...]:
    """Every reason as it stands now, for reading: nothing is held. Raises Impossible where a label cannot be read."""
    read = read_scans(published.study, sent)
    return bedside.stops(situation(tx, published, subject, read.bag, sent.cohort, now), read)


def recorded_before(
    tx: Transaction, study: Study, subject: Subject, sent: Sent, stopped: Stopped, signers: Collection[str]
) -> StoredForm | None:
    """The check that this one repeats: of the same bag, labels and cohort, signed by the same two persons, with nothing against it but
    that it was made. A page that is sent twice has one outcome. `signers` are user names."""
    if Stop.RESERVED not in stopped.stops:
        return None
    said = {"CTCHKBAG": stopped.read.bag, "CTCHKSUB": stopped.read.wristband, "CTCHKDON": stopped.read.donation, "CTCHKARM": sent.cohort}
    for stored in reversed(checks_of(tx, study, subject)):
        told = told_of(study, stored)
        if any(told.get(alias, "") != text for alias, text in said.items()):
            continue
        if set(stopped.stops) - {Stop.RESERVED} <= lifted_by(stored, study) and signers_of(tx, subject, stored) == set(signers):
            return stored
    return None


def signers_of(tx: Transaction, subject: Subject, stored: StoredForm) -> set[str]:
    """The user names of the two who signed a check."""
    made = signatures.all_of(tx, subject.id, MEANING)
    return {one.actor for one in made if any((thing.entity, thing.entity_id) == ("form", str(stored.id)) for thing in one.signed)}


def told_of(study: Study, stored: StoredForm) -> Mapping[str, str]:
    """What the form of a check says, by alias."""
    form = study.form[stored.key.form_oid]
    return {alias: answer.text for place, answer in stored.document.places() for alias in form.items[place.item][1].aliases}


def lifted_by(stored: StoredForm, study: Study) -> frozenset[Stop]:
    """The reasons that an emergency deviation had lifted for this check."""
    named = told_of(study, stored).get("CTCHKDV", "")
    return frozenset(Stop(text) for text in named.split(", ") if text in set(Stop))


def record_stop(tx: Transaction, subject: Subject, sent: Sent, reasons: Sequence[str], by: Sequence[str]) -> None:
    """A refused attempt in the site's trail, in a transaction of its own: what was scanned, why it stopped, who stood there."""
    # Whatever was held before the reader is told, but for what identifies a person.
    scans = {name: "" if found_in(text := getattr(sent, name).strip()[:200]) else text for name in SCANS}
    said = {
        **scans,
        "cohort": sent.cohort[:40], "stops": list(reasons), "by": [name[:80] for name in by],
    }  # fmt: skip
    text = json.dumps(said, ensure_ascii=True, sort_keys=True)
    entry = Entry(
        subject.site.chain, "refused", "refusal", str(subject.id), "bedside", text, subject.key, prompted_by="bedside", first=True
    )
    tx.entries.append(entry)


# The emergency


def sign_emergency(
    tx: Transaction, published: Published, subject: Subject, actor: Actor, proof: Proof, sent: Sent, reason: str, now: datetime
) -> Signature:
    """An investigator's signed deviation: this bag, this recipient, these reasons, and why. It lifts exactly them.

    Raises NotAllowed, Impossible: where nothing stands against the bag, or something that nobody may override.
    """
    said = plain(reason, LONGEST_REASON, "reason")
    if not said:
        raise Impossible(Message(N_("Say why this bag is to be given all the same.")), "reason")
    study = published.study
    read = read_scans(study, sent)
    subjects.hold(tx, {subject.id, *subjects.naming_any(tx, study.oid, "CTBAG", {read.bag})})
    found = bedside.stops(situation(tx, published, subject, read.bag, sent.cohort, now), read)
    if not found:
        raise Impossible(Message(N_("Nothing stands against this bag: make the bedside check.")), "bag")
    standing = emergency_of(tx, subject, read.bag)
    if standing is not None and set(found) <= _lifted(standing):
        return standing  # the page was sent twice: one deviation is enough
    if not bedside.may_be_overridden(found):
        final = [stop for stop in found if stop not in bedside.OVERRIDABLE]
        raise Impossible(Message(N_("Nobody may override this: %(why)s"), {"why": bedside.told(final)[0]}), "bag")
    today = subject.site.today(now).isoformat()
    try:
        key = deviate.record(tx, published, subject, {"DVSTDAT": today, deviate.TERM: said, "DVCAT": "EMERGENCY"}, now)
    except Refused as refused:
        raise Impossible(Message(REFUSED, {"why": refused.findings[0].message}), "reason") from None
    stored = forms.read(tx, subject.id, key)
    assert stored is not None
    tx.flush_trail()
    statement = {"subject": subject.key, "bag": read.bag, "stops": [str(stop) for stop in found], "reason": said}
    seen = fingerprint(sign.covered(tx, subject, [stored.id]))
    return sign.sign(tx, subject, actor, proof, EMERGENCY, [stored.id], statement, seen)


def emergency_of(tx: Transaction, subject: Subject, bag: str) -> Signature | None:
    """The newest emergency deviation that was signed for this bag and this recipient and still stands."""
    for one in reversed(signatures.all_of(tx, subject.id, EMERGENCY)):
        if one.said.get("bag") == bag and signatures.standing(tx, one).standing is Standing.VALID:
            return one
    return None


def _lifted(override: Signature) -> set[Stop]:
    named = {Stop(text) for text in override.said["stops"]}
    return named & bedside.OVERRIDABLE


# The form


def form_of(study: Study, subject: Subject) -> tuple[str, FormDef]:
    """Where a bedside check is recorded. Raises Impossible where the study has none for this kind of subject."""
    for event in study.events_for(subject.subject_type):
        for form in (study.form[ref.form_oid] for ref in event.forms):
            if form.with_alias(FORM) is not None:
                return event.oid, form
    raise Impossible(Message(N_("This study has no bedside check for this kind of participant.")))


def checks_of(tx: Transaction, study: Study, subject: Subject) -> list[StoredForm]:
    """The accepted checks of a recipient, oldest first."""
    try:
        _, form = form_of(study, subject)
    except Impossible:
        return []
    return forms.all_of(tx, [subject.id], [form.oid])


def _both(tx: Transaction, study: Study, subject: Subject, first: Person, second: Person) -> None:
    """Two different persons, each of whom may check here. Raises NotAllowed, Impossible."""
    if subject.error or study.cells is None or subject.subject_type != study.cells.recipient:
        raise Impossible(Message(N_("This study has no bedside check for this kind of participant.")))
    if first.actor.id == second.actor.id:
        raise Impossible(Message(N_("The second person must be somebody else.")), "second_username")
    who(first.actor, VERB, study.oid, subject.site.code, tx.who.address)
    if not may(second.actor, VERB, study.oid, subject.site.code):
        raise Impossible(Message(N_("The second person may not make bedside checks at this site.")), "second_username")
    if any(one.proof.at != tx.at or one.proof.account_id != one.actor.id for one in (first, second)):
        raise NotAllowed("a bedside check without both passwords")


def _told(
    subject: Subject, read: Scanned, sent: Sent, first: Person, second: Person, override: Signature | None, now: datetime
) -> Mapping[str, str]:
    """What the form records, by the OIDs' meanings: keyed by what the item is found by."""
    return {
        "CTCHKBAG": read.bag,
        "CTCHKDTC": now.astimezone(subject.site.zone).isoformat(timespec="minutes"),
        "CTCHKSUB": read.wristband,
        "CTCHKDON": read.donation,
        "CTCHKARM": sent.cohort,
        "CTCHKBY1": first.actor.name or first.actor.username,
        "CTCHKBY2": second.actor.name or second.actor.username,
        "CTCHKDV": ", ".join(override.said["stops"]) if override else "",
    }


def _typed(form: FormDef, told: Mapping[str, str], subject: Subject) -> enter.Typed:
    named = {alias: form.with_alias(alias) for alias in told}
    raws = {
        Place(item.oid): raw_of(item, Answer(told[alias]), "en", subject.site.zone) for alias, item in named.items() if item and told[alias]
    }
    return enter.Typed(raws)
