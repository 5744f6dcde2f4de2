"""Delivering mails: each is claimed, written, handed over and settled in steps of its own, so a crash anywhere sends none twice."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime

from sqlalchemy import Engine

from trialcrf.actions import remind
from trialcrf.external import clock
from trialcrf.external.mail import Letter, NotTaken, Post, Unsure
from trialcrf.store import outbox
from trialcrf.store.audit import Who
from trialcrf.store.outbox import Mail
from trialcrf.store.transaction import writing

log = logging.getLogger(__name__)

MOST = 200
"""Mails of one run: with more waiting the next run, seconds later, goes on."""


def deliver(engine: Engine, post: Post, base_url: str, who: Who, now: datetime | None = None, most: int = MOST) -> Counter[str]:
    """Deliver what waits; returns how many mails came to which state. `now` decides what is still due (this moment by default)."""
    told: Counter[str] = Counter()
    for _ in range(most):
        with writing(engine, clock.now(), who) as tx:
            mail = remind.claim(tx)
        if mail is None:
            break
        told[_deliver_one(engine, post, base_url, who, mail, now)] += 1
    return told


def _deliver_one(engine: Engine, post: Post, base_url: str, who: Who, mail: Mail, now: datetime | None) -> str:
    """Whatever goes wrong is the fate of this mail and not of those behind it."""
    failure: Exception | None = None
    try:
        with writing(engine, clock.now(), who) as tx:
            letter = remind.compose(tx, mail, base_url, now or clock.now())
    except Exception as error:
        log.exception("mail %s (%s) cannot be written", mail.id, mail.kind)
        letter, failure = None, NotTaken(f"{type(error).__name__}: {error}")
    if letter is None and failure is None:
        return outbox.DROPPED
    # From here to the settlement no transaction is open: whoever dies meanwhile leaves a claim that becomes "uncertain".
    if letter is not None:
        failure = _hand_over(post, letter, mail)
    with writing(engine, clock.now(), who) as tx:
        return remind.settle(tx, mail, failure)


def _hand_over(post: Post, letter: Letter, mail: Mail) -> Exception | None:
    try:
        post.send(letter, clock.now())
    except (NotTaken, Unsure) as error:
        log.warning("mail %s (%s): %s: %s", mail.id, mail.kind, type(error).__name__, error)
        return error
    except Exception as error:
        # Of a failure that nobody foresaw it is not known whether the mail went.
        log.exception("mail %s (%s)", mail.id, mail.kind)
        return Unsure(f"{type(error).__name__}: {error}")
    return None
