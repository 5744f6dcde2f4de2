"""A refused start, told by mail: what is not trusted is not asked to whom, so the address is a setting and not a row."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy.exc import DBAPIError

from config import Settings, terminal_language
from trialcrf.cli.terminal import Terminal
from trialcrf.external import clock, mail
from trialcrf.external.mail import NotTaken, Unsure
from trialcrf.store.damage import WritingStopped
from trialcrf.store.guarded import NotGuarded
from trialcrf.store.migrations import SchemaAhead, SchemaBehind
from trialcrf.store.transaction import Archived
from trialcrf.store.triggers import TriggersDiffer

AGAIN = timedelta(hours=1)
"""Whoever watches over the program starts it again every few seconds: one mail in so long is enough."""

STAMP = ".start-refused"
"""The file in the folder of the installation whose age says when that was told last."""

REFUSALS = (SchemaBehind, SchemaAhead, TriggersDiffer, NotGuarded, Archived, WritingStopped, DBAPIError)
log = logging.getLogger(__name__)


@contextmanager
def told_if_refused(shell: Terminal) -> Iterator[None]:
    """Around the start of what serves pages or runs jobs: where the database is refused, one mail says that nothing runs."""
    try:
        yield
    except REFUSALS:
        if shell.settings.alert_to:
            _tell(shell.settings)
        raise


def _tell(settings: Settings) -> None:
    """The mail says no word that the database said: whoever altered it would write to the administrators."""
    now = clock.now()
    try:
        handle = os.open(settings.data / STAMP, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)  # Web server and scheduler start, and are refused, in the same moment.
            if os.fstat(handle).st_size and abs(now.timestamp() - os.fstat(handle).st_mtime) < AGAIN.total_seconds():
                return
            values = {"link": settings.base_url, "at": now.strftime("%Y-%m-%d %H:%M:%S UTC")}
            message_id = mail.message_id(f"refused|{now.isoformat()}", settings.base_url)
            letter = mail.write("refused", terminal_language(), settings.alert_to, message_id, values)
            post = mail.post(settings.smtp_url, settings.mail_folder, settings.mail_from, "mail" in settings.unencrypted)
            post.send(letter, now)
            os.pwrite(handle, f"{now.isoformat()}\n".encode(), 0)
            os.utime(handle, (now.timestamp(), now.timestamp()))
        finally:
            os.close(handle)
    except (NotTaken, Unsure, OSError):
        log.exception("that the start was refused could not be mailed")
