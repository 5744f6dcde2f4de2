"""The gate before a treatment: what a record of one says against the decisions about the trial. It asks, and refuses nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, tzinfo

from trialcrf.core.checks import Finding
from trialcrf.core.definition.model import FormDef, ItemDef, Severity, Study
from trialcrf.core.document import Document
from trialcrf.core.safety import decision
from trialcrf.core.safety.decision import DecisionEntry
from trialcrf.core.values import interval
from trialcrf.core.wording import N_, Message, Words

TREATED = "EXSTDAT"


def findings(study: Study, form: FormDef, after: Document, entries: Sequence[DecisionEntry], zone: tzinfo, now: datetime) -> list[Finding]:
    """What is doubtful of a treatment as it is about to be saved: its cohort was not open, or a confirmed hold stood, when it began.

    Soft: what was done must be recordable. The decisions that count are those in force when the treatment began, or now where that
    is not said; a decision that was signed afterwards does not mend it. `entries` is the ledger, `after` the form as it would be.
    """
    settings = study.safety
    if settings is None or (settings.stopping is None and not any(one.gated for one in settings.cohorts)):
        return []
    arm, start = form.with_alias(settings.arm_alias), form.with_alias(TREATED)
    if arm is None and start is None:
        return []
    found = []
    for place, answer in after.places():
        row = after.row(place.group, place.row) if place.row else None
        if not answer.text or (row is not None and row.error):
            continue
        moment = _began(after, start, place.row, zone, now)
        if arm is not None and place.item == arm.oid and _shut(study, entries, answer.text, moment):
            label = (settings.arms.label_of(answer.text) if settings.arms else None) or Words({"": answer.text})
            said = Message(N_("%(cohort)s is not opened by a signed decision."), {"cohort": label})
            found.append(Finding(place, Severity.SOFT, "cohort_gate", said))
        if start is not None and place.item == start.oid:
            for at in _held(entries, moment):
                said = Message(N_("A hold stood since %(day)s: nobody was to be treated."), {"day": at.astimezone(zone).date()})
                found.append(Finding(place, Severity.SOFT, "study_hold", said))
    return found


def _shut(study: Study, entries: Sequence[DecisionEntry], code: str, moment: datetime) -> bool:
    assert study.safety is not None
    if not any(one.code == code and one.gated for one in study.safety.cohorts):
        return False
    by = decision.opened(entries).get(code)
    return by is None or moment < by.at


def _held(entries: Sequence[DecisionEntry], moment: datetime) -> list[datetime]:
    """When the hold that stood at the moment was confirmed; the first one is enough."""
    return [one.confirmed_at for one in decision.holds(entries) if one.stood_at(moment) and one.confirmed_at is not None][:1]


def _began(document: Document, start: ItemDef | None, row: str, zone: tzinfo, now: datetime) -> datetime:
    """The latest moment at which the treatment may have begun, and never later than now."""
    item = start.oid if start is not None else ""
    answers = (answer.text for place, answer in document.places() if place.item == item and place.row in ("", row))
    text = next((text for text in answers if text), "")
    if not text:
        return now
    exact = datetime.fromisoformat(text) if "T" in text else None
    if exact is None:
        exact = datetime.combine(interval(text).latest, time.max)
    return min(exact if exact.tzinfo else exact.replace(tzinfo=zone), now).astimezone(UTC)
