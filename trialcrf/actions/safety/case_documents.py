"""The documents of a serious event and of a subject: what a frozen version knew, as the one value that each of them is drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, tzinfo

from trialcrf.actions import Impossible
from trialcrf.core.chain import Checkpoint
from trialcrf.core.cut import Cut
from trialcrf.core.definition.model import Study
from trialcrf.core.facts import Recorded, SubjectRecord, project, recorded
from trialcrf.core.packs import cioms, letter, subject_story
from trialcrf.core.packs.dossier import STORY
from trialcrf.core.packs.e2b import Coding, Exchange, coding_of, missing
from trialcrf.core.packs.e2b_message import Say, e2b
from trialcrf.core.safety.case import Case, Version
from trialcrf.core.safety.event import AdverseEvent
from trialcrf.core.safety.participant import read_participant
from trialcrf.core.wording import N_, Message
from trialcrf.store import audit, cases, definitions, dictionaries, forms, replay, sites, subjects
from trialcrf.store.definitions import Published
from trialcrf.store.sites import zone_of
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

NO_CASE = N_("There is no case %(number)s in this study that was known then.")
NO_EVENT = N_("The event of this case cannot be read: it was marked entered in error, or holds nothing of an event.")
PASSAGE = "PASSAGE"
NO_SUBJECT = N_("There is no subject %(subject)s in this study.")


@dataclass(frozen=True, slots=True)
class Told:
    """A case with its event as the newest frozen version knew it, or (`version` None) as it is known now.

    `zone` is whose calendar the sponsor's days are; `country` that of the site where it is known, else empty.
    """

    study: Study
    record: SubjectRecord
    event: AdverseEvent
    case: Case
    version: Version | None
    cut: Cut
    zone: tzinfo
    country: str


def record_of(tx: Transaction, which: Subject, upto: Checkpoint | None = None) -> SubjectRecord:
    """A subject with everything that the documents read of it, as the trail tells it (within the checkpoint); not what was in error.

    An infusion has the passage of its cells, where the batch of a bag that it gave tells it.
    """
    told = _record(tx, which, STORY, upto)
    given = any("CTINFBAG" in one.values for one in told.records)
    passages = _passages(tx, which.site.study_oid, upto) if given else {}
    known: dict[int, set[str]] = {}
    for one in told.records:
        passage = passages.get(one.values.get("CTINFBAG", ""))
        if passage:
            known.setdefault(one.form_id, set()).add(passage)

    def with_passage(one: Recorded) -> Recorded:
        if "EXSTDAT" not in one.values or PASSAGE in one.values or one.form_id not in known:
            return one
        return replace(one, values={**one.values, PASSAGE: ", ".join(sorted(known[one.form_id]))})

    return replace(told, records=tuple(with_passage(one) for one in told.records))


def _passages(tx: Transaction, study_oid: str, upto: Checkpoint | None) -> dict[str, str]:
    """The passage at release of every bag, by its code, as far as its batch tells it."""
    found: dict[str, str] = {}
    for batch in subjects.answering(tx, study_oid, {"CTBAG"}):
        told = _record(tx, batch, frozenset({"CTPASSAG"}), upto)
        passage = told.first("CTPASSAG")
        found |= dict.fromkeys(told.all_of("CTBAG"), passage) if passage else {}
    return found


def _record(tx: Transaction, which: Subject, aliases: frozenset[str], upto: Checkpoint | None) -> SubjectRecord:
    stored = {one.id: one for one in forms.all_of(tx, [which.id])}
    # What was marked entered in error since was not so then.
    for standing in forms.standings(tx, [which.id], in_error=True):
        held = forms.by_id(tx, standing.id)
        if held is not None:
            stored[held.id] = held
    gathered: list[Recorded] = []
    for form_id, stood in sorted(replay.form_histories(tx, stored.keys(), upto).items()):
        if stood and not stood[-1].error:
            one = stored[form_id]
            study = definitions.read(tx, one.definition_id).study
            facts = project(study, study.form[one.key.form_oid], stood[-1].document, aliases)
            gathered.extend(recorded(form_id, one.key, facts))
    return SubjectRecord(which.id, which.key, which.site.code, which.subject_type, which.enrolled_on, tuple(gathered))


def told(tx: Transaction, study: Study, cut: Cut, held: Case) -> Told:
    """What the documents of this case tell. Raises Impossible where its event cannot be read."""
    version = held.versions[-1] if held.versions else None
    which = subjects.find(tx, held.study_oid, held.subject)
    assert which is not None
    chains = [held.study_oid, *(site.chain for site in sites.all_of(tx, held.study_oid))]
    record = record_of(tx, which, audit.heads_at(tx.connection, version.known_at if version else cut.known_at, chains))
    event = event_of(study, record, held)
    if event is None:
        raise Impossible(Message(NO_EVENT))
    sponsor = study.safety.sponsor if study.safety else None
    # A site's country is not recorded; where it shares the sponsor's clock it is taken to share its country.
    country = sponsor.country if sponsor and sponsor.zone == which.site.zone_name else ""
    return Told(study, record, event, held, version, cut, zone_of(sponsor.zone) if sponsor else UTC, country)


def event_of(study: Study, record: SubjectRecord, held: Case) -> AdverseEvent | None:
    """The event that a case is about, whenever it began."""
    if study.safety is None:
        return None
    person = read_participant(study, study.safety, record, date.max)
    return next((one for one in person.events if (one.form_id, one.row) == (held.form_id, held.row)), None)


def live(tx: Transaction, published: Published, held: Case, now: datetime) -> Told:
    """What the documents of this case would tell now. Raises Impossible."""
    cut = Cut(now.date(), now, published.version, published.hash, "", published.study.oid)
    return told(tx, published.study, cut, held)


def cioms_of(tx: Transaction, study: Study, upto: Checkpoint, cut: Cut, number: int) -> cioms.Cioms:
    """The form of a case, as its ledger stood within the checkpoint. Raises Impossible."""
    of = told(tx, study, cut, _case(tx, study, upto, number))
    return cioms.cioms(of.study, of.record, of.event, of.case, of.version, of.cut, of.zone, of.country)


def letter_of(tx: Transaction, study: Study, upto: Checkpoint, cut: Cut, number: int) -> letter.Letter:
    """The letter about a case. Raises Impossible, also where it is nothing that all investigators are told."""
    of = told(tx, study, cut, _case(tx, study, upto, number))
    refusal = letter.why_not(of.record, of.event, of.case, of.study)
    if refusal is not None:
        raise Impossible(refusal)
    return letter.letter(of.study, of.record, of.event, of.case, of.version, of.cut, of.zone)


def story_of(tx: Transaction, study: Study, upto: Checkpoint, cut: Cut, key: str) -> subject_story.SubjectStory:
    """The narrative of a subject. Raises Impossible."""
    which = subjects.find(tx, study.oid, key)
    if which is None or which.error:
        raise Impossible(Message(NO_SUBJECT, {"subject": key}))
    held = [one for one in cases.cases_at(tx, study.oid, upto) if one.subject == key]
    return subject_story.subject_story(study, record_of(tx, which, upto), held, cut)


def _case(tx: Transaction, study: Study, upto: Checkpoint, number: int) -> Case:
    found = next((one for one in cases.cases_at(tx, study.oid, upto) if one.number == number), None)
    if found is None:
        raise Impossible(Message(NO_CASE, {"number": str(number)}))
    return found


# ICSR


def coding(tx: Transaction, of: Told) -> Coding | None:
    """The MedDRA code of the event, by the dictionary that codes its term: MedDRA itself, or the CTCAE, whose terms carry one."""
    settings = of.study.safety
    form = next((one for one in of.study.forms_with("AEDECOD")), None)
    item = form.with_alias("AEDECOD") if form else None
    text = next(
        (one.values.get("AEDECOD", "") for one in of.record.records if (one.form_id, one.row) == (of.case.form_id, of.case.row)), ""
    )
    if settings is None or item is None or not item.dictionary or not text:
        return None
    version = settings.meddra if item.dictionary == "meddra" else settings.ctcae
    loaded = dictionaries.find(tx, item.dictionary, version)
    term = dictionaries.term_of(tx, loaded, text) if loaded else None
    if term is None:
        return None
    return Coding(term.code, version) if item.dictionary == "meddra" else coding_of(version, term.code)


def lacking(tx: Transaction, of: Told, exchange: Exchange) -> Sequence[Message]:
    """What an ICSR still needs; none: it can be written."""
    return missing(of.study, of.record, of.event, of.case, of.version, coding(tx, of), exchange)


def icsr(tx: Transaction, of: Told, exchange: Exchange, language: str, say: Say) -> bytes:
    """The E2B(R3) message of the newest frozen version. Raises e2b.Incomplete with everything that is missing."""
    return e2b(of.study, of.record, of.event, of.case, of.version, coding(tx, of), exchange, language, say)
