"""When nothing is saved, in words: the disk or the database failed this process, or there is no room left. Reading goes on."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from flask import current_app, g, request
from sqlalchemy import Engine

from trialcrf.core.wording import N_, Message
from trialcrf.external import room
from trialcrf.store import damage
from trialcrf.web import guard

FAREWELL = 10.0
"""Seconds between the failure and the end of the process: whoever is saving at this moment is told why that fails."""
CODE = 70
"""The exit code of a process that met a failing disk: whoever watches over it starts a new one, which looks at the database anew."""

HEADING = N_("Nothing is saved at the moment")
FAILED = N_("The database or its disk failed at %(at)s: since then nothing is saved. Tell whoever runs the server.")
FAILED_BEFORE = N_("The database or its disk failed: nothing is saved any more. Tell whoever runs the server.")
KEPT = N_(
    "What you typed is not lost: go back, the page still has it. Wait a minute and save it from there again: what was saved nevertheless "
    "is not saved twice."
)
NO_ROOM = N_("The disk of the server is full: nothing more is saved until whoever runs the server has made room.")
LITTLE_ROOM = N_("Only %(size)s megabytes are free on the disk of the server: make room before nothing can be saved any more.")


class NoRoom(Exception):
    """Too little is free to begin a write."""


def look() -> None:
    """Before a write: refuse it while there is still room to end those that have begun. Whoever signs in to read or to tidy up may."""
    needed = g.place.verb
    if request.method not in guard.SAFE and needed not in (guard.PUBLIC, guard.SELF) and _free() < room.FLOOR:
        raise NoRoom


def sentences(error: Exception) -> list[Message]:
    """What to say of an error that is due to the disk or the database itself; empty for every other one."""
    if isinstance(error, NoRoom):
        return [Message(NO_ROOM), Message(KEPT)]
    said = stopped()
    if said is not None and (isinstance(error, damage.WritingStopped) or damage.is_failure(error)):
        return [said, Message(KEPT)]
    return []


def stopped() -> Message | None:
    """Since when nothing is saved, for the banner of every page."""
    found = damage.of(guard.engine())
    if found is None:
        return None
    return Message(FAILED, {"at": found.at}) if found.at else Message(FAILED_BEFORE)


def little_room() -> Message | None:
    """That room runs out, before it has."""
    free = _free()
    return Message(LITTLE_ROOM, {"size": free // 1024**2}) if free < current_app.config["DISK_RESERVE"] else None


def _free() -> int:
    folders: tuple[Path, ...] = current_app.config["FOLDERS"]
    return room.free(folders)


def end_with(engine: Engine) -> None:
    """Let this process end soon after its database or disk failed it, so that a new one begins by looking at the database."""

    def end() -> None:
        logging.getLogger("trialcrf").critical("this process ends, because its database or disk failed it")
        os._exit(CODE)

    def say_farewell() -> None:
        timer = threading.Timer(FAREWELL, end)
        timer.daemon = True
        timer.start()

    damage.tell(engine, say_farewell)
