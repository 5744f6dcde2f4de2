"""Secrets of this installation that live in its database: whoever can read it can act as the program anyway."""

from __future__ import annotations

import secrets

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from trialcrf.store.models import secret
from trialcrf.store.transaction import Transaction

LINKS, NAMES = "links", "names"


def link_key(tx: Transaction) -> str:
    """The key that links in mails are signed with; made by the first writer that asks for it."""
    return _made(tx, LINKS)


def known_link_key(tx: Transaction) -> str | None:
    """The key for whoever only reads; None where no link was ever signed."""
    return _known(tx, LINKS)


def names_key(tx: Transaction) -> str:
    """The key under which the names of a site's list are hashed; made with the first list."""
    return _made(tx, NAMES)


def known_names_key(tx: Transaction) -> str | None:
    """The same for whoever only reads; None where no site ever kept a list."""
    return _known(tx, NAMES)


def _made(tx: Transaction, name: str) -> str:
    found = _known(tx, name)
    if found is not None:
        return found
    dialect = postgresql if tx.connection.dialect.name == "postgresql" else sqlite
    # Of two that make it at once, both go on with the one that is kept.
    made = dialect.insert(secret).values(name=name, value=secrets.token_urlsafe(32)).on_conflict_do_nothing(index_elements=["name"])
    tx.work(made)
    kept = _known(tx, name)
    assert kept is not None
    return kept


def _known(tx: Transaction, name: str) -> str | None:
    found = tx.read(select(secret.c.value).where(secret.c.name == name)).scalar()
    return None if found is None else str(found)
