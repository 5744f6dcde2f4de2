"""Entering data: save a form, mark a form or a row of it entered in error. Imports and the demo trial come through here too."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, tzinfo

from trialcrf.actions import Impossible, copying, plain, references
from trialcrf.actions.cells import follow, rules, scanning
from trialcrf.actions.oversight import personal
from trialcrf.actions.safety import coding, gate
from trialcrf.actions.safety.decide import check_after_save
from trialcrf.actions.safety.follow_case import nullify, on_save
from trialcrf.core import checks, schedule
from trialcrf.core.casebook import Casebook
from trialcrf.core.checks import Context, Finding
from trialcrf.core.definition.model import FormDef, Severity, Study, StudyEventDef
from trialcrf.core.document import Answer, Document, FormKey, Place
from trialcrf.core.entry import BLANK, Decision, Occasion, Refused, StandingQuery, Submitted, decide, told, typed_in
from trialcrf.core.expr import Ref
from trialcrf.core.facts import project, unique_codes
from trialcrf.core.values import LONGEST_NOTE, Raw, Unreadable, Value, read
from trialcrf.core.wording import N_, Message
from trialcrf.store import cases, definitions, forms, plans, queries, subjects
from trialcrf.store.audit import Entry
from trialcrf.store.definitions import Published
from trialcrf.store.forms import Stale, StoredForm
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.store.unique_codes import Taken, taken


@dataclass(frozen=True, slots=True)
class Typed:
    """What a page sent: raw boxes by place (only the fields that were present), and what goes with them.

    Rows that are new have ids beginning with `new`; `version` is the version of the form that the page showed, None for a new form;
    `copied` names the forms that answers were copied from.
    """

    raws: Mapping[Place, Raw] = field(default_factory=dict)
    removed: Mapping[tuple[str, str], str] = field(default_factory=dict)
    reasons: Mapping[Place, str] = field(default_factory=dict)
    confirmations: Mapping[tuple[Place, str], str] = field(default_factory=dict)
    version: int | None = None
    copied: Mapping[Place, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Opened:
    """A form ready to be shown or judged: its definition version, what is stored (None for a new one), and what it is judged beside."""

    published: Published
    form: FormDef
    stored: StoredForm | None
    context: Context
    event: StudyEventDef


@dataclass(frozen=True, slots=True)
class Saved:
    """What a save did. `decision.empty` where nothing was different from what was stored."""

    form_id: int
    version: int
    decision: Decision


ELSEWHERE = N_("This is recorded already, and stands once in the study.")


class StaleSave(Exception):
    """Someone else saved the form meanwhile: `theirs` is what stands now. Nothing typed is lost: the page shows both."""

    def __init__(self, theirs: StoredForm | None) -> None:
        super().__init__("the form was saved by someone else meanwhile")
        self.theirs = theirs


def open_form(tx: Transaction, published: Published, subject: Subject, key: FormKey, now: datetime) -> Opened:
    """Gather what the form is judged beside. Raises Impossible where the study has no such form at this occasion."""
    stored = forms.read(tx, subject.id, key)
    origin = stored.definition_id if stored else published.origins.get(key.form_oid, published.id)
    pinned = definitions.read(tx, origin) if origin != published.id or (stored and key.form_oid in published.origins) else published
    study = pinned.study
    # The visit is what it is now, its forms may be as an earlier version had them; what is asked there no longer stays readable.
    now_asked = published.study.event.get(key.event_oid)
    asks = now_asked is not None and any(ref.form_oid == key.form_oid for ref in now_asked.forms)
    event = now_asked if asks else study.event.get(key.event_oid)
    form = study.form.get(key.form_oid)
    if event is None or form is None or subject.subject_type not in event.subject_types:
        raise Impossible(Message(N_("This study has no such form at this visit.")))
    if all(ref.form_oid != form.oid for ref in event.forms):
        raise Impossible(Message(N_("This study has no such form at this visit.")))
    if key.event_repeat < 1 or key.form_repeat < 1 or (key.event_repeat > 1 and not event.repeating):
        raise Impossible(Message(N_("This visit happens once only.")))
    if key.form_repeat > 1 and not form.repeating and stored is None and not _all_in_error(tx, subject, key):
        raise Impossible(Message(N_("This form is filled once only.")))
    return Opened(pinned, form, stored, context_of(tx, study, subject, key, now), event)


def context_of(tx: Transaction, study: Study, subject: Subject, key: FormKey, now: datetime) -> Context:
    """What a form of the subject is judged beside, under this version: the day at the site, the subject, and its other forms."""
    about = {"type": subject.subject_type, "site": subject.site.code, "key": subject.key}
    return Context(subject.site.today(now), subject.site.zone, about, _others(tx, study, subject, key))


def save_form(
    tx: Transaction, published: Published, subject: Subject, key: FormKey, sent: Typed, now: datetime, plan: bool = True
) -> Saved:
    """Save what was typed in a form, in these steps:

    1. gather the form as it stands and what it is judged beside;
    2. read every box, and the class that a coded term brings along; a page drawn before someone else's save is stale, unless it
       says what already stands;
    3. decide: hard findings raise Refused;
    4. apply: document, trail, facts, queries; a new serious adverse event opens its case and queues its mails, and the stopping rule may
       raise a hold.

    Without `plan` the visits are left to the caller, who saves many forms of the subject in this transaction and plans once, after them.
    Raises Refused, StaleSave, Impossible.
    """
    opened = open_form(tx, published, subject, key, now)
    stored = opened.stored
    if subject.error or (stored and stored.error):
        raise Impossible(Message(N_("This was marked entered in error: it can be read and no longer changed.")))
    before = stored.document if stored else Document()
    new_rows = _new_rows(opened.form, before, sent)
    submitted = _read(tx, opened, subject, sent, new_rows)
    if sent.version != (stored.version if stored else None):
        if stored is None or not _says_what_stands(before, submitted):
            raise StaleSave(stored)
        submitted = Submitted()
    standing = queries.standing(tx, stored.id) if stored else []
    further = _further(tx, published, opened, subject, submitted, standing, now)
    further += rules.findings(tx, opened.published.study, subject, key, opened.form, stored, submitted)
    occasion = Occasion(opened.event, _anchor(tx, opened, subject))
    try:
        decision = decide(opened.form, stored.document if stored else None, submitted, standing, opened.context, occasion, further)
    except Refused as refused:
        raise Refused([_as_sent(finding, new_rows) for finding in refused.findings]) from None
    if stored is not None and decision.empty:
        return Saved(stored.id, stored.version, decision)
    try:
        form_id = forms.apply(tx, subject, key, opened.published, stored, decision)
    except Stale:
        raise StaleSave(forms.read(tx, subject.id, key) if stored else None) from None
    except Taken as taken:
        raise Refused([_as_sent(Finding(taken.place, Severity.HARD, "unique", Message(ELSEWHERE)), new_rows)]) from None
    if plan:
        _replan(tx, published, subject, opened, before, decision)
    on_save(tx, opened.published, subject, form_id, opened.form, before, decision.document)
    check_after_save(tx, published, opened.form, before, decision.document, now)
    opens = follow.after_save(tx, published, subject, opened.form, before, decision.document, now)
    if opens is not None:
        save_form(tx, published, subject, opens[0], Typed(opens[1]), now)
    return Saved(form_id, stored.version + 1 if stored else 1, decision)


def judge(
    tx: Transaction, published: Published, subject: Subject, key: FormKey, sent: Typed, now: datetime
) -> tuple[Document, tuple[Finding, ...]]:
    """The form as it would be with what stands on a page, and all that a save of it would be told: nothing is written, and nobody waits.

    Rows that are new keep the names that the page gave them. What is in no batch any more only the save itself can say, which holds the
    batch meanwhile.
    """
    opened = open_form(tx, published, subject, key, now)
    stored, before = opened.stored, opened.stored.document if opened.stored else Document()
    new_rows = _new_rows(opened.form, before, sent)
    submitted = _read(tx, opened, subject, sent, new_rows)
    standing = queries.standing(tx, stored.id) if stored else []
    further = _further(tx, published, opened, subject, submitted, standing, now)
    document = checks.derive(opened.form, typed_in(before, submitted), opened.context)
    findings = (*checks.run(opened.form, document, opened.context), *further)
    occasion = Occasion(opened.event, _anchor(tx, opened, subject))
    try:
        findings = decide(opened.form, before if stored else None, submitted, standing, opened.context, occasion, further).findings
    except Refused as refused:
        findings = told([one for one in refused.findings if one.check != BLANK], findings)
    as_sent = {(group, row_id): sent_id for (group, sent_id), row_id in new_rows.items() if row_id}
    return document.with_rows_named(as_sent), tuple(_as_sent(finding, new_rows) for finding in findings)


def preview(
    tx: Transaction, published: Published, subject: Subject, key: FormKey, sent: Typed, now: datetime
) -> tuple[Document, tuple[Finding, ...]]:
    """The form as it would be with what was typed so far in its stored places, and what the checks say of it; nothing is written."""
    opened = open_form(tx, published, subject, key, now)
    before = opened.stored.document if opened.stored else Document()
    stored_places = {place: box for place, box in sent.raws.items() if not place.row or before.row(place.group, place.row)}
    known = Typed(stored_places)
    submitted = _submitted(opened.published.study, opened.form, known, _new_rows(opened.form, before, known), subject.site.zone)
    document = checks.derive(opened.form, typed_in(before, submitted), opened.context)
    coded = coding.findings(tx, opened.published.study, opened.form, document, before if opened.stored else None)
    return document, (*checks.run(opened.form, document, opened.context), *coded)


def read_typed(
    tx: Transaction, published: Published, subject: Subject, key: FormKey, sent: Typed, now: datetime
) -> Mapping[Place, Answer | Unreadable | None]:
    """What was typed in stored places, as it would be recorded; nothing is written."""
    opened = open_form(tx, published, subject, key, now)
    before = opened.stored.document if opened.stored else Document()
    return _submitted(opened.published.study, opened.form, sent, _new_rows(opened.form, before, sent), subject.site.zone).answers


def says_what_stands(tx: Transaction, published: Published, subject: Subject, key: FormKey, sent: Typed, now: datetime) -> bool:
    """Whether a page says exactly what is stored already: the same page sent twice."""
    opened = open_form(tx, published, subject, key, now)
    before = opened.stored.document if opened.stored else Document()
    submitted = _submitted(opened.published.study, opened.form, sent, _new_rows(opened.form, before, sent), subject.site.zone)
    return _says_what_stands(before, coding.filled(tx, opened.published.study, opened.form, before, submitted))


def record_refusal(tx: Transaction, subject: Subject, key: FormKey, sent: Typed, findings: Sequence[Finding]) -> None:
    """Put a refused save into the trail, in a transaction of its own: what was typed, and that a check stopped it (FDA 2024, Q13).

    What looks like personal data is not written there either: the record says that it was withheld.
    """
    published = definitions.current(tx, subject.site.study_oid)
    form = published.study.form.get(key.form_oid) if published else None
    for finding in findings:
        raw = sent.raws.get(finding.place)
        typed_text = "" if raw is None else " ".join([*raw.parts.values(), *raw.choices]).strip()[:500]
        told: dict[str, object] = {"form": [key.event_oid, key.event_repeat, key.form_oid, key.form_repeat], "typed": typed_text}
        if personal.withheld(form, finding.place, finding.check, typed_text):
            told |= {"typed": "", "withheld": True}
        said, about = json.dumps(told, sort_keys=True).replace("\x00", "�"), str(subject.id)
        at, chain = str(finding.place), subject.site.chain
        tx.entries.append(Entry(chain, "refused", "refusal", about, at, said, subject.key, prompted_by=finding.check, first=True))


def _replan(tx: Transaction, published: Published, subject: Subject, opened: Opened, before: Document, decision: Decision) -> None:
    """Visits are planned anew where the save changed what they are counted from, their dates, or the end of participation."""
    study = opened.published.study
    was, now = (set(project(study, opened.form, document)) for document in (before, decision.document))
    bearing = schedule.bearing(published.study)
    if any(one.alias in bearing for one in was ^ now):
        reason = next((change.reason for change in decision.changes if change.reason), "")
        plans.replan(tx, subject, reason or next(iter(decision.removed.values()), ""))


def mark_form_error(tx: Transaction, subject: Subject, stored: StoredForm, reason: str) -> None:
    """Mark a form entered in error: it leaves every list and count and stays in the trail. Raises Impossible, StaleSave."""
    reason = plain(reason, LONGEST_NOTE, "reason")
    if not reason:
        raise Impossible(Message(N_("Say why it was entered in error.")))
    if stored.error:
        raise Impossible(Message(N_("It was marked entered in error before.")))
    pinned = definitions.read(tx, stored.definition_id).study
    rules.check_error(tx, pinned, subject, stored, pinned.form[stored.key.form_oid])
    try:
        forms.mark_error(tx, subject, stored, reason)
    except Stale:
        raise StaleSave(forms.by_id(tx, stored.id)) from None
    nullify(tx, subject, cases.of_form(tx, stored.id).values(), reason)
    plans.replan(tx, subject, reason)


def _read(tx: Transaction, opened: Opened, subject: Subject, sent: Typed, new_rows: Mapping[tuple[str, str], str]) -> Submitted:
    """What a page sent, read; with the class that a coded term brings along, and every scan as the key that it names."""
    study, form, before = opened.published.study, opened.form, opened.stored.document if opened.stored else Document()
    submitted = coding.filled(tx, study, form, before, _submitted(study, form, sent, new_rows, subject.site.zone))
    submitted = scanning.filled(study, form, before, submitted)
    return replace(submitted, origins=copying.origins(tx, form, subject, submitted.answers, sent.copied)) if sent.copied else submitted


def _further(
    tx: Transaction,
    published: Published,
    opened: Opened,
    subject: Subject,
    submitted: Submitted,
    standing: list[StandingQuery],
    now: datetime,
) -> list[Finding]:
    """What is found beside the checks of the form itself, by reading alone."""
    stored, form, before = opened.stored, opened.form, opened.stored.document if opened.stored else Document()
    found = [*references.unknown(tx, form, subject, submitted), *references.shared(tx, form, subject, before, submitted)]
    found += coding.findings(tx, opened.published.study, form, typed_in(before, submitted), before if stored else None)
    found += gate.findings(tx, published.study, form, before, submitted, subject.site.zone, now)
    found += _taken(tx, opened, subject, before, submitted)
    return found + personal.findings(tx, form, subject, before, submitted, standing)


def _as_sent(finding: Finding, new_rows: Mapping[tuple[str, str], str]) -> Finding:
    """The finding at the row as the page called it: a refused row has no id of its own yet."""
    for (group, sent_id), row_id in new_rows.items():
        if (group, row_id) == (finding.place.group, finding.place.row):
            return replace(finding, place=replace(finding.place, row=sent_id))
    return finding


def _submitted(study: Study, form: FormDef, sent: Typed, new_rows: Mapping[tuple[str, str], str], zone: tzinfo) -> Submitted:
    """Read every box that was sent. Places that the form does not have, and rows that do not exist, are not read at all."""
    answers: dict[Place, Answer | Unreadable | None] = {}
    reasons: dict[Place, str] = {}
    for place, raw in sent.raws.items():
        known = form.items.get(place.item)
        if known is None or known[0].repeating != bool(place.row) or (place.row and known[0].oid != place.group):
            continue
        where = place
        if place.row:
            row_id = new_rows.get((place.group, place.row), "")
            if not row_id:
                continue
            where = Place(place.item, place.group, row_id)
        answer = read(known[1], raw, zone)
        if place.row != where.row and answer is None:
            continue
        answers[where] = answer
        if place in sent.reasons and _known(study.reasons.items, sent.reasons[place]):
            reasons[where] = sent.reasons[place]
    confirmed = {key: code for key, code in sent.confirmations.items() if _known(study.confirmations.items, code)}
    return Submitted(answers, sent.removed, reasons, confirmed)


def _new_rows(form: FormDef, before: Document, sent: Typed) -> dict[tuple[str, str], str]:
    """The stored id of every row that was sent: its own where it exists, the next free one where it is new, none where it is forged."""
    ids: dict[tuple[str, str], str] = {}
    free: dict[str, int] = {}
    for place in sent.raws:
        key = (place.group, place.row)
        if not place.row or key in ids:
            continue
        existing = before.row(*key)
        if existing is not None:
            ids[key] = "" if existing.error else place.row
        elif place.row.startswith("new") and any(not raw.blank for where, raw in sent.raws.items() if (where.group, where.row) == key):
            number = free.setdefault(place.group, int(before.next_row(place.group)))
            ids[key] = str(number)
            free[place.group] = number + 1
        else:
            ids[key] = ""
    return ids


def _known(items: Sequence[object], code: str) -> bool:
    head = code.partition(":")[0].strip()
    return any(getattr(item, "code", None) == head for item in items)


def _all_in_error(tx: Transaction, subject: Subject, key: FormKey) -> bool:
    """Whether every earlier form of this address was marked in error: only then is there one more of a form that is filled once."""
    earlier = [forms.read(tx, subject.id, replace(key, form_repeat=number)) for number in range(1, key.form_repeat)]
    return all(one is not None and one.error for one in earlier)


def _anchor(tx: Transaction, opened: Opened, subject: Subject) -> date | None:
    """The day that the visit is counted from, if it has one and the form dates the visit."""
    event = opened.event
    if not event.anchor or event.target is None or opened.form.with_alias(event.date_alias) is None:
        return None
    anchor = next(anchor for anchor in opened.published.study.anchors if anchor.oid == event.anchor)
    return schedule.earliest_exact(subjects.answers(tx, subject, anchor.alias, anchor.event))


def _taken(tx: Transaction, opened: Opened, subject: Subject, before: Document, submitted: Submitted) -> list[Finding]:
    """Unique answers that another form gives already, or that two rows of this one give."""
    after = typed_in(before, submitted)
    codes = unique_codes(opened.form, after)
    if not codes:
        return []
    held = {(one.item, one.text) for one in unique_codes(opened.form, before)}
    fresh = [one for one in codes if (one.item, one.text) not in held]
    elsewhere = taken(tx, subject.site.study_id, fresh, opened.stored.id if opened.stored else None)
    counted = Counter((one.item, one.text) for one in codes)
    return [
        Finding(one.place, Severity.HARD, "unique", Message(ELSEWHERE))
        for one in codes
        if one in elsewhere or counted[one.item, one.text] > 1
    ]


def _says_what_stands(before: Document, submitted: Submitted) -> bool:
    """A page sent twice says what was saved the first time: that is no conflict."""
    return not submitted.removed and all(before.at(place) == answer for place, answer in submitted.answers.items())


def _others(tx: Transaction, study: Study, subject: Subject, key: FormKey) -> Callable[[Ref], Value | tuple[Value, ...]]:
    """Answers of other forms, read only if an expression of this form asks for any."""
    held: dict[str, list[StoredForm]] = {}

    def forms_of(oid: str) -> list[StoredForm]:
        if oid not in held:
            held[oid] = [one for one in forms.all_of(tx, [subject.id], [oid]) if one.key != key]
        return held[oid]

    return Casebook(study, forms_of).value
