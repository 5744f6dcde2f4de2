"""Answering queries and judging the answers."""

from __future__ import annotations

from trialcrf.actions import Impossible, plain
from trialcrf.core.definition.model import Study
from trialcrf.core.wording import N_, Message
from trialcrf.store import queries
from trialcrf.store.queries import Query
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction

LONGEST_REMARK = 500


def answer(tx: Transaction, study: Study, site: Site, query: Query, code: str, text: str) -> None:
    """The site confirms the doubted value with a coded reason. Raises Impossible, NotPossible."""
    if study.confirmations.label_of(code) is None:
        raise Impossible(Message(N_("Choose the reason why the value is right.")), "code")
    remark = plain(text, LONGEST_REMARK, "text")
    said = f"{code}: {remark}" if remark else code
    queries.move(tx, query, site.chain, "answer", said, answer=code)


def accept(tx: Transaction, site: Site, query: Query, text: str) -> None:
    """A monitor or data manager accepts: the query is closed. Raises NotPossible."""
    queries.move(tx, query, site.chain, "accept", plain(text, LONGEST_REMARK, "text"))


def reject(tx: Transaction, site: Site, query: Query, text: str) -> None:
    """A monitor or data manager does not accept the answer, and says why: the query is open again. Raises Impossible, NotPossible."""
    if not text.strip():
        raise Impossible(Message(N_("Say why the answer is not accepted.")), "text")
    queries.move(tx, query, site.chain, "reject", plain(text, LONGEST_REMARK, "text"))
