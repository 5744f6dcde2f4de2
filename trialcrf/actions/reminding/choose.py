"""How a person wants to be reminded in a study: chosen on their account's page, or stopped by the link in a mail."""

from __future__ import annotations

from dataclasses import dataclass

from trialcrf.actions import Impossible
from trialcrf.core.access import Actor
from trialcrf.core.definition.model import Study
from trialcrf.core.wording import N_, Message
from trialcrf.external import links
from trialcrf.store import accounts, choices, definitions, secrets
from trialcrf.store.accounts import Account
from trialcrf.store.transaction import Transaction

_STOP = "stop"


@dataclass(frozen=True, slots=True)
class Linked:
    """Whom and which study a stop link is about."""

    account: Account
    study: Study


def reminders(tx: Transaction, account_id: int, study: str, choice: str) -> None:
    """Remember how a person wants to be reminded. Raises Impossible; choosing what is chosen already leaves no record."""
    if choice not in choices.CHOICES:
        raise Impossible(Message(N_("Choose one of the ways offered.")), "choice")
    if definitions.current(tx, study) is None:
        raise Impossible(Message(N_("There is no such study.")), "choice")
    if choices.of(tx, account_id, study, "") != choice:
        choices.set_(tx, account_id, study, choice)


def reminding(tx: Transaction, actor: Actor) -> list[tuple[Study, str]]:
    """The studies that remind a person for a role of theirs, each with how: as they chose, or else as the study does."""
    found = []
    for published in definitions.all_of(tx):
        study = published.study
        held = {grant.role for grant in actor.grants if grant.study in (study.oid, "*")}
        if any(held & set(step.roles) for step in study.reminders.steps):
            found.append((study, choices.of(tx, actor.id, study.oid, study.reminders.delivery)))
    return found


def stop_path(tx: Transaction, account_id: int, study: str) -> str:
    """The path of the link by which a mail's recipient stops the reminders of a study. It works as long as this database lives."""
    return "/reminders/stop/" + links.signed(secrets.link_key(tx), _STOP, str(account_id), study)


def linked(tx: Transaction, text: str) -> Linked | None:
    """What a stop link is about; None for one that nobody signed, or that was altered."""
    key = secrets.known_link_key(tx)
    parts = links.read(key, text) if key else None
    if parts is None or len(parts) != 3 or parts[0] != _STOP:
        return None
    account, published = accounts.by_id(tx, int(parts[1])), definitions.current(tx, parts[2])
    return Linked(account, published.study) if account and published else None


def stop(tx: Transaction, link: Linked) -> None:
    """No reminders any more, from the sender's next mail on. Doing it twice is doing it once."""
    reminders(tx, link.account.id, link.study.oid, choices.NONE)
