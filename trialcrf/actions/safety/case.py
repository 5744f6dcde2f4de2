"""What people write into the ledger of a serious event: who knew what, judgements, versions, papers, reports and their replies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime

from trialcrf.actions import Impossible, NotAllowed, plain, take_paper
from trialcrf.actions.safety import decide
from trialcrf.actions.safety.follow_case import Followed
from trialcrf.core.definition.safety import Obligation, SafetySettings
from trialcrf.core.facts import Recorded, SubjectRecord, project, recorded
from trialcrf.core.packs import narrative
from trialcrf.core.packs.dossier import STORY
from trialcrf.core.safety.case import (
    SITE_ROLES,
    SPONSOR_ROLES,
    Case,
    Kind,
    judgements,
    may_write,
    proposed,
)
from trialcrf.core.safety.clock import opened, told_at
from trialcrf.core.safety.event import FACTORS, NOT_RELATED, RELATED
from trialcrf.core.safety.participant import read_participant
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.store import audit, cases, definitions, forms, sites
from trialcrf.store.definitions import Published
from trialcrf.store.transaction import Transaction

LONGEST_WORDS, LONGEST_LINE, LONGEST_NARRATIVE = 4000, 200, 20_000


def inform(tx: Transaction, published: Published, of: Followed, who: str, aware: datetime | None, what: str) -> Case:
    """Somebody learned something: who, when, what. The sponsor's own knowledge may begin day 0 earlier. Raises Impossible."""
    aware = _moment(tx, aware, "aware")
    content = {
        "who": _words(who, LONGEST_LINE, "who", Message(N_("Say who learned of it: a role, no name of a patient."))),
        "aware": cases.said(aware),
        "what": _words(what, LONGEST_WORDS, "what", Message(N_("Say what was learned."))),
    }
    return _write(tx, of, Kind.INFORMED, content)


def assess(tx: Transaction, published: Published, of: Followed, related: Mapping[str, str], expected: bool | None, comment: str) -> Case:
    """The sponsor's own judgement of causality by factor, and of expectedness. It never lowers the investigator's: where it is another,
    or decides against the reference safety information, it says why. A relation that is raised counts for the stopping rule at once.
    Raises Impossible.
    """
    judged = {factor: said for factor, said in related.items() if said}
    if not judged:
        raise Impossible(Message(N_("Judge at least one factor.")), "related")
    if any(factor not in FACTORS or said not in (RELATED, NOT_RELATED) for factor, said in judged.items()):
        raise Impossible(Message(N_("Choose one of the answers offered.")), "related")
    settings = _settings(published)
    proposal = proposed(settings.reference_safety, [one.code for one in settings.severities.items], of.facts)
    content = {"related": judged, "expected": expected, "rsi": proposal.version, "comment": plain(comment, LONGEST_WORDS, "comment")}
    theirs = of.facts.factors
    differs = any(theirs.get(factor) and theirs[factor] != said for factor, said in judged.items())
    if (differs or (expected is True and not proposal.expected)) and not content["comment"]:
        said_why = N_("Say why you judge otherwise than the investigator or the reference safety information.")
        raise Impossible(Message(said_why), "comment")
    written = _write(tx, of, Kind.ASSESSED, content)
    decide.check(tx, published, tx.at)
    return written


def narrate(tx: Transaction, published: Published, of: Followed, language: str, text: str) -> Case:
    """The narrative as the sponsor words it, in one language of the study. Raises Impossible."""
    if language not in published.study.languages:
        raise Impossible(Message(N_("Choose one of the languages offered.")), "language")
    content = {"language": language, "text": _words(text, LONGEST_NARRATIVE, "text", Message(N_("Write the narrative.")))}
    return _write(tx, of, Kind.NARRATIVE, content)


def freeze(tx: Transaction, published: Published, of: Followed, what: str) -> Case:
    """Freeze what is known as the next version: the initial one, then follow-ups, each with something new. Raises Impossible."""
    versions = of.case.versions
    if versions and not of.unreported and not _news_since(of.case, versions[-1].entry.number):
        raise Impossible(Message(N_("Nothing is new since version %(number)s."), {"number": versions[-1].number}))
    oid = published.study.oid
    heads = audit.heads_at(tx.connection, tx.at, [oid, *(site.chain for site in sites.all_of(tx, oid))])
    content = {
        "kind": "follow_up" if versions else "initial",
        "checkpoint": heads.digest(),
        "known_at": cases.said(tx.at),
        "what": plain(what, LONGEST_WORDS, "what"),
    }
    return _write(tx, of, Kind.VERSION, content)


def _news_since(case: Case, number: int) -> bool:
    news = (Kind.INFORMED, Kind.NARRATIVE, Kind.DOCUMENT, Kind.ASSESSED)
    return any(one.number > number and one.kind in news for one in case.entries)


def attach(tx: Transaction, published: Published, of: Followed, name: str, content: bytes) -> Case:
    """Keep a document with the case, under a cleaned name and as what its content is. Raises Impossible; nothing is kept then."""
    kept, media_type = take_paper.taken(name, content, take_paper.MEDIA)
    _allowed(tx, of, Kind.DOCUMENT)
    chain = of.subject.site.chain
    paper = cases.attach(tx, of.case, chain, kept, media_type, content)
    said = {"attachment": paper.id, "name": paper.name, "sha256": paper.sha256, "size": paper.size}
    return _write(tx, of, Kind.DOCUMENT, said)


def submit(tx: Transaction, published: Published, of: Followed, oid: str, to: str, at: datetime | None, reference: str) -> Case:
    """A report went out: under which obligation, to whom, when. Raises Impossible, NotAllowed.

    It cannot be before the site knew of the event, and a report of the sponsor is made of a frozen version.
    """
    obligation = obligation_of(published, of, oid)
    if not may_submit(tx.who.role, obligation):
        raise NotAllowed(f"{tx.who.actor} does not answer for {oid}")
    at = _moment(tx, at, "at")
    known = _known(of)
    if at < known:
        said = N_("A report cannot have gone out before the event was known to be serious. Correct the one or the other.")
        raise Impossible(Message(said), "at")
    if obligation.sender in SPONSOR_ROLES and not of.case.versions:
        raise Impossible(Message(N_("Freeze a version first: it says what the report was made of.")), "obligation")
    content = {
        "obligation": obligation.oid,
        "version": len(of.case.versions),
        "to": _words(to, LONGEST_LINE, "to", Message(N_("Say to whom it was sent.")), addresses=True),
        "at": cases.said(at),
        "reference": plain(reference, LONGEST_LINE, "reference"),
    }
    return _write(tx, of, Kind.SUBMITTED, content)


def may_submit(role: str, obligation: Obligation) -> bool:
    """Whether somebody in this role tells for the one who must: the sponsor for the sponsor, the site's team for the site."""
    return role in (SPONSOR_ROLES if obligation.sender in SPONSOR_ROLES else SITE_ROLES)


def obligation_of(published: Published, of: Followed, oid: str) -> Obligation:
    """The obligation with this OID, among those that concern subjects of this kind. Raises Impossible."""
    found = next((one.obligation for one in of.deadlines if one.obligation.oid == oid), None)
    if found is None:
        raise Impossible(Message(N_("Choose one of the obligations offered.")), "obligation")
    return found


def _known(of: Followed) -> datetime:
    """When it was first known to be serious: as the site says, else as the ledger says, else when it was entered."""
    if of.facts.aware is not None:
        return of.facts.aware
    told = [datetime.fromisoformat(one.content["aware"]) for one in of.case.all_of(Kind.INFORMED) if one.content.get("aware")]
    return min([opened(of.case), *told])


def acknowledge(tx: Transaction, published: Published, of: Followed, submission: int, at: datetime | None, reference: str) -> Case:
    """The recipient said that a report came. Raises Impossible."""
    sent = next((one for one in of.case.all_of(Kind.SUBMITTED) if one.number == submission), None)
    if sent is None or any(one.content["submission"] == submission for one in of.case.all_of(Kind.ACKNOWLEDGED)):
        raise Impossible(Message(N_("Choose a report that waits for its acknowledgement.")), "submission")
    if not may_submit(tx.who.role, obligation_of(published, of, sent.content["obligation"])):
        raise NotAllowed(f"{tx.who.actor} does not answer for line {submission}")
    at = _moment(tx, at, "at")
    if at < told_at(sent):
        raise Impossible(Message(N_("It cannot have been acknowledged before it was sent.")), "at")
    content = {"submission": submission, "at": cases.said(at), "reference": plain(reference, LONGEST_LINE, "reference")}
    return _write(tx, of, Kind.ACKNOWLEDGED, content)


def close(tx: Transaction, published: Published, of: Followed, why: str) -> Case:
    """Close a case that is assessed and of which no first report waits; the follow-up of a report may be waived here. Raises Impossible."""
    waiting = [one.obligation.label for one in of.deadlines if one.waits and one.obligation.starts != "submission"]
    if waiting:
        raise Impossible(Message(N_("It cannot be closed while a report is due: %(first)s."), {"first": waiting[0]}))
    if of.unreported:
        raise Impossible(Message(N_("The event changed since the last version: freeze a follow-up first.")))
    return _write(tx, of, Kind.CLOSED, {"why": _words(why, LONGEST_WORDS, "why", Message(N_("Say why it is closed.")))})


def reopen(tx: Transaction, published: Published, of: Followed, why: str) -> Case:
    """Open a closed case again. One that was nullified opens by itself when its event is serious again. Raises Impossible."""
    if of.case.entries[-1].kind is Kind.NULLIFIED or of.case.state == "nullified":
        raise Impossible(Message(N_("A nullified case opens by itself when its event is recorded as serious again.")))
    return _write(tx, of, Kind.REOPENED, {"why": _words(why, LONGEST_WORDS, "why", Message(N_("Say why it is opened again.")))})


def disagreements(of: Followed) -> list[str]:
    """The factors (aliases) that investigator and sponsor judge differently."""
    return [one.factor for one in judgements(of.facts, of.case.latest(Kind.ASSESSED)) if one.disagreed]


def _write(tx: Transaction, of: Followed, kind: Kind, content: Mapping[str, object]) -> Case:
    _allowed(tx, of, kind)
    return cases.add(tx, of.case, of.subject.site.chain, kind, content)


def _allowed(tx: Transaction, of: Followed, kind: Kind) -> None:
    if not may_write(tx.who.role, kind):
        raise NotAllowed(f"{tx.who.actor} as {tx.who.role} writes no {kind.value} into case {of.case.number}")


def _settings(published: Published) -> SafetySettings:
    if published.study.safety is None:
        raise Impossible(Message(N_("This study does not say how serious events are judged.")))
    return published.study.safety


def _words(text: str, longest: int, field: str, missing: Message, addresses: bool = False) -> str:
    text = plain(text, longest, field, addresses)
    if not text:
        raise Impossible(missing, field)
    return text


def _moment(tx: Transaction, at: datetime | None, field: str) -> datetime:
    if at is None:
        raise Impossible(Message(N_("Give day and time.")), field)
    if at > tx.at:
        raise Impossible(Message(N_("This lies in the future.")), field)
    return at


def draft(tx: Transaction, published: Published, of: Followed, say: Callable[[Sayable], str], today: date) -> str:
    """The narrative as the data tell it, in the words of `say`: what an edit begins with. Empty where the event tells nothing yet."""
    records: list[Recorded] = []
    for stored in forms.all_of(tx, [of.subject.id]):
        study = definitions.read(tx, stored.definition_id).study
        facts = project(study, study.form[stored.key.form_oid], stored.document, STORY)
        records += recorded(stored.id, stored.key, facts)
    one = of.subject
    record = SubjectRecord(one.id, one.key, one.site.code, one.subject_type, one.enrolled_on, tuple(records))
    told = read_participant(published.study, _settings(published), record, today)
    event = next((each for each in told.events if (each.form_id, each.row) == (of.case.form_id, of.case.row)), None)
    return narrative.text(narrative.draft(published.study, record, event, of.case), say) if event else ""
