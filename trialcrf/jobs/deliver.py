"""Delivering mails: each is claimed, written, handed over and settled in steps of its own, so a crash anywhere sends none twice."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Engine

from trialcrf.actions.reminding import remind
from trialcrf.external import clock
from trialcrf.external.mail import Letter, NotTaken, Post, Unsure
from trialcrf.store import outbox
from trialcrf.store.audit import Who
from trialcrf.store.outbox import Mail
from trialcrf.store.transaction import writing

log = logging.getLogger(__name__)

MOST = 200
"""Mails of one run: with more waiting the next run, seconds later, goes on."""


def deliver(
    engine: Engine,
    post: Post,
    base_url: str,
    who: Who,
    now: datetime | None = None,
    most: int = MOST,
    read_clock: Callable[[], datetime] = clock.now,
) -> Counter[str]:
    """Deliver what is queued; returns how many mails came to which state. `now` decides what is still due (this moment by default)."""
    told: Counter[str] = Counter()
    for _ in range(most):
        with writing(engine, read_clock(), who) as tx:
            mail = remind.claim(tx)
        if mail is None:
            break
        told[_deliver_one(engine, post, base_url, who, mail, now, read_clock)] += 1
    return told


def _deliver_one(
    engine: Engine, post: Post, base_url: str, who: Who, mail: Mail, now: datetime | None, read_clock: Callable[[], datetime]
) -> str:
    """Whatever goes wrong is the fate of this mail and not of those behind it."""
    failure: Exception | None = None
    letter, reply = None, ""
    try:
        with writing(engine, read_clock(), who) as tx:
            # A sender that slept over its lease writes to nobody: the mail may be another's by now, else it goes back to the others.
            if outbox.holds(tx, mail):
                letter = remind.compose(tx, mail, base_url, now or read_clock())
            else:
                outbox.postpone(tx, mail, tx.at)
            if letter is None:
                found = outbox.find(tx, mail.key)
                return found[0] if found else outbox.CANCELLED
    except Exception as error:
        log.exception("mail %s (%s) cannot be written", mail.id, mail.kind)
        failure = NotTaken(f"{type(error).__name__}: {error}")
    # From here to the settlement no transaction is open: whoever dies meanwhile leaves a claim that becomes "uncertain".
    if letter is not None:
        reply, failure = _hand_over(post, letter, mail, read_clock())
    with writing(engine, read_clock(), who) as tx:
        return remind.settle(tx, mail, failure, reply)


def _hand_over(post: Post, letter: Letter, mail: Mail, at: datetime) -> tuple[str, Exception | None]:
    """What the post replied, or what went wrong."""
    try:
        return post.send(letter, at), None
    except (NotTaken, Unsure) as error:
        log.warning("mail %s (%s): %s", mail.id, mail.kind, type(error).__name__)  # What the server said names people; the row has it.
        return "", error
    except Exception as error:
        # Of a failure that nobody foresaw it is not known whether the mail went.
        log.exception("mail %s (%s)", mail.id, mail.kind)
        return "", Unsure(f"{type(error).__name__}: {error}")
