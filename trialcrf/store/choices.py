"""How a person wants to be reminded in a study: each reminder by itself, gathered once a week, or not at all."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from trialcrf.core.wording import N_
from trialcrf.store import accounts
from trialcrf.store.models import reminder_choice
from trialcrf.store.transaction import Transaction

EACH, WEEKLY, NONE = "each", "weekly", "none"
CHOICES: Mapping[str, str] = {
    EACH: N_("each reminder by itself"),
    WEEKLY: N_("one digest a week"),
    NONE: N_("no reminders"),
}


def of(tx: Transaction, account_id: int, study: str, default: str) -> str:
    """What the person chose in this study, or `default` (the study's own way) where they never chose."""
    where = (reminder_choice.c.account_id == account_id, reminder_choice.c.study == study)
    found = tx.read(select(reminder_choice.c.choice).where(*where)).scalar()
    return default if found is None else str(found)


def all_of(tx: Transaction, study: str) -> dict[int, str]:
    """The choice of everyone who made one in this study, by account id."""
    rows = tx.read(select(reminder_choice.c.account_id, reminder_choice.c.choice).where(reminder_choice.c.study == study))
    return {row.account_id: row.choice for row in rows}


def set_(tx: Transaction, account_id: int, study: str, choice: str) -> None:
    """Remember a choice, and note it in the account's trail. Raises ValueError for one that is none of CHOICES."""
    if choice not in CHOICES:
        raise ValueError(f"no such choice: {choice}")
    dialect = postgresql if tx.connection.dialect.name == "postgresql" else sqlite
    new = {"choice": choice, "at": tx.at}
    statement = dialect.insert(reminder_choice).values(account_id=account_id, study=study, **new)
    tx.work(statement.on_conflict_do_update(index_elements=["account_id", "study"], set_=new))
    accounts.note(tx, account_id, "reminders", f"reminders {study} {choice}")
