"""What a monitor writes about a visit to a site: plan, sample, findings, actions, the letter, and what became of it all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from trialcrf.actions import Impossible, plain
from trialcrf.actions.oversight import verify
from trialcrf.actions.oversight.verify import Readable
from trialcrf.core.chain import Checkpoint
from trialcrf.core.cut import Cut
from trialcrf.core.definition.model import Study
from trialcrf.core.oversight.monitoring import OWNERS, PURPOSES, SEVERITIES, EntryKind, Monitoring, NotNow
from trialcrf.core.packs.monitoring import MonitoringLetter, NoVisit, monitoring_letter
from trialcrf.core.wording import N_, Message
from trialcrf.store import monitoring, sites, subjects
from trialcrf.store.definitions import Published
from trialcrf.store.ledgers import Stale
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction

LONGEST_TEXT, LONGEST_LINE = 2000, 200


def plan(tx: Transaction, where: Site, purpose: str, on: date, what: str) -> Monitoring:
    """Plan a visit of a site. Raises Impossible."""
    _one_of(purpose, PURPOSES, "purpose")
    content = {"on": on.isoformat(), "purpose": purpose, "what": plain(what, LONGEST_TEXT, "text")}
    return monitoring.create(tx, where, purpose, on, content)


def draw_sample(tx: Transaction, published: Published, where: Site, visit: Monitoring, readable: Readable) -> Monitoring:
    """Write down what the plan asks of the site's subjects today: who is in it, and how far each of them is. Raises Impossible."""
    covered = verify.of_subjects(tx, published, subjects.all_of(tx, where.study_oid, [where.code]), readable)
    asked = {key: one for key, one in covered.items() if one.required}
    if not asked:
        raise Impossible(Message(N_("The sampling plan asks nothing of this site yet.")))
    told = [
        {"subject": key, "required": one.required, "verified": one.verified, "changed": one.changed} for key, one in sorted(asked.items())
    ]
    return _write(tx, where, visit, EntryKind.SAMPLE, {"seed": published.study.oversight.seed, "subjects": told})


def held(tx: Transaction, where: Site, visit: Monitoring, first: date, last: date, present: str) -> Monitoring:
    """The visit takes place, or took place, on these days. Raises Impossible."""
    if last < first:
        raise Impossible(Message(N_("A visit cannot end before it begins.")), "last-day")
    if first > where.today(tx.at):
        raise Impossible(Message(N_("This day is still to come at the site.")), "day")
    content = {"from": first.isoformat(), "to": last.isoformat(), "present": plain(present, LONGEST_LINE, "text")}
    return _write(tx, where, visit, EntryKind.HELD, content)


def find(tx: Transaction, where: Site, visit: Monitoring, severity: str, subject: str, text: str) -> Monitoring:
    """Something that was found, about one subject of the site or (empty) about the site. Raises Impossible."""
    _one_of(severity, SEVERITIES, "severity")
    key = subject.strip()
    if key:
        which = subjects.find(tx, where.study_oid, key)
        if which is None or which.site.code != where.code:
            raise Impossible(Message(N_("There is no subject %(subject)s at this site."), {"subject": key}), "subject")
    content = {"severity": severity, "subject": key, "text": _words(text, Message(N_("Say what was found.")))}
    return _write(tx, where, visit, EntryKind.FINDING, content)


def agree(tx: Transaction, where: Site, visit: Monitoring, finding: int, owner: str, due: date, text: str) -> Monitoring:
    """Somebody has to do something by a day. `finding` is the line that it is about, 0 for none. Raises Impossible."""
    _one_of(owner, OWNERS, "owner")
    content = {"finding": finding, "owner": owner, "due": due.isoformat(), "text": _words(text, Message(N_("Say what is to be done.")))}
    return _write(tx, where, visit, EntryKind.ACTION, content)


def done(tx: Transaction, where: Site, visit: Monitoring, action: int, text: str) -> Monitoring:
    """An action is done, and how that was seen. Raises Impossible."""
    content = {"action": action, "text": _words(text, Message(N_("Say how it was settled.")))}
    return _write(tx, where, visit, EntryKind.FOLLOW_UP_DONE, content)


def letter_sent(tx: Transaction, where: Site, visit: Monitoring, on: date, to: str, report: int) -> Monitoring:
    """The letter went to the site. `report` is its number in the archive, 0 where it was written elsewhere. Raises Impossible."""
    if on > where.today(tx.at):
        raise Impossible(Message(N_("This day is still to come at the site.")), "day")
    said = plain(to, LONGEST_LINE, "text", addresses=True)
    if not said:
        raise Impossible(Message(N_("Say to whom the letter was sent.")), "text")
    return _write(tx, where, visit, EntryKind.LETTER_SENT, {"on": on.isoformat(), "to": said, "report": report})


def close(tx: Transaction, where: Site, visit: Monitoring, text: str) -> Monitoring:
    """Nothing is left to be done. Raises Impossible while an action is open."""
    return _write(tx, where, visit, EntryKind.CLOSED, {"text": plain(text, LONGEST_TEXT, "text")})


def cancel(tx: Transaction, where: Site, visit: Monitoring, why: str) -> Monitoring:
    """A planned visit does not take place. Raises Impossible."""
    return _write(tx, where, visit, EntryKind.CANCELLED, {"why": _words(why, Message(N_("Say why the visit does not take place.")))})


def letter_of(tx: Transaction, study: Study, upto: Checkpoint, cut: Cut, site: str, number: int) -> MonitoringLetter:
    """The letter of a visit, as its ledger stood within the checkpoint. Raises Impossible."""
    where = sites.find(tx, study.oid, site)
    visit = monitoring.known_at(tx, where, number, upto) if where else None
    if visit is None:
        raise Impossible(Message(N_("There is no monitoring visit %(number)s at this site."), {"number": str(number)}), "case_number")
    try:
        return monitoring_letter(study, visit, cut)
    except NoVisit as none:
        raise Impossible(none.message) from None


def _write(tx: Transaction, where: Site, visit: Monitoring, kind: EntryKind, content: Mapping[str, Any]) -> Monitoring:
    try:
        return monitoring.add(tx, where, visit, kind, content)
    except NotNow as refused:
        raise Impossible(refused.message) from None
    except Stale:
        raise Impossible(Message(N_("Somebody wrote into this visit meanwhile: read it again. Nothing was written."))) from None


def _words(text: str, missing: Message) -> str:
    said = plain(text, LONGEST_TEXT, "text")
    if not said:
        raise Impossible(missing, "text")
    return said


def _one_of(code: str, known: Mapping[str, str], field: str) -> None:
    if code not in known:
        raise Impossible(Message(N_("Choose one of the answers offered.")), field)
