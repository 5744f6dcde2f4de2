"""Secrets of this installation that live in its database: whoever can read it can act as the program anyway."""

from __future__ import annotations

import secrets

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from trialcrf.store.models import secret
from trialcrf.store.transaction import Transaction

LINKS = "links"


def link_key(tx: Transaction) -> str:
    """The key that links in mails are signed with; made by the first writer that asks for it."""
    found = known_link_key(tx)
    if found is not None:
        return found
    dialect = postgresql if tx.connection.dialect.name == "postgresql" else sqlite
    # Of two that make it at once, both go on with the one that is kept.
    made = dialect.insert(secret).values(name=LINKS, value=secrets.token_urlsafe(32)).on_conflict_do_nothing(index_elements=["name"])
    tx.work(made)
    kept = known_link_key(tx)
    assert kept is not None
    return kept


def known_link_key(tx: Transaction) -> str | None:
    """The key for whoever only reads; None where no link was ever signed."""
    found = tx.read(select(secret.c.value).where(secret.c.name == LINKS)).scalar()
    return None if found is None else str(found)
