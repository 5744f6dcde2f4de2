"""What the program can do: one function is one use case, for every shell alike. None of them commits."""

from __future__ import annotations

from trialcrf.core.access import Actor, role_for
from trialcrf.core.wording import Message
from trialcrf.store.audit import Who


class NotAllowed(Exception):
    """The actor may not do this; the shell answers 403, or 404 where not even the existence of the thing may be told."""


class Impossible(Exception):
    """What was asked cannot be done, as a sentence for the person who asked."""

    def __init__(self, message: Message) -> None:
        super().__init__(message.msgid)
        self.message = message


def who(actor: Actor, verb: str, study: str, site: str | None, address: str) -> Who:
    """The actor as the trail will name them, under the role that allows this. Raises NotAllowed."""
    role = role_for(actor, verb, study, site)
    if role is None:
        raise NotAllowed(f"{actor.username} may not {verb} in {study} {site or ''}")
    return Who(actor.username, role, actor.organisation, address)
