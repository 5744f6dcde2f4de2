"""What the program can do: one function is one use case, for every shell alike. None of them commits."""

from __future__ import annotations

from trialcrf.core.access import Actor, role_for
from trialcrf.core.oversight.personal import refusal
from trialcrf.core.wording import N_, Message
from trialcrf.store.audit import Who

_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Signs that are not seen and change the direction in which what follows is read."""


class NotAllowed(Exception):
    """The actor may not do this; the shell answers 403, or 404 where not even the existence of the thing may be told."""


class Impossible(Exception):
    """What was asked cannot be done, as a sentence for the person who asked; `field` names the box of a fixed page that it is about."""

    def __init__(self, message: Message, field: str = "") -> None:
        super().__init__(message.msgid)
        self.message = message
        self.field = field


class NotClean(Exception):
    """The trail or the data do not hold; `message` names the first wrong record."""

    def __init__(self, message: Message) -> None:
        super().__init__(message.msgid % {name: str(value) for name, value in message.params.items()})
        self.message = message


def plain(text: str, longest: int, field: str = "", addresses: bool = False) -> str:
    """What a person typed as one text, without the spaces around it. Raises Impossible where it cannot be kept as it is.

    No free text may hold personal data of subjects; `addresses`: it says who works on the trial, or to whom something was sent.
    """
    text = text.strip()
    if len(text) > longest:
        raise Impossible(Message(N_("At most %(count)s characters."), {"count": longest}), field)
    # The trail must hold what was typed, on each database; one of them cannot store a NUL, neither can store half a character.
    if any(sign in "\x00\x7f" or "\ud800" <= sign <= "\udfff" or (sign < " " and sign not in "\t\r\n") for sign in text):
        raise Impossible(Message(N_("There is a character in it that cannot be recorded: type it again.")), field)
    # What turns the direction of a line makes a name read as another one.
    if _TURNING & set(text):
        raise Impossible(Message(N_("There is a character in it that cannot be recorded: type it again.")), field)
    refused = None if addresses else refusal(text)
    if refused is not None:
        raise Impossible(refused, field)
    return text


def who(actor: Actor, verb: str, study: str, site: str | None, address: str) -> Who:
    """The actor as the trail will name them, under the role that allows this. Raises NotAllowed."""
    role = role_for(actor, verb, study, site)
    if role is None:
        raise NotAllowed(f"{actor.username} may not {verb} in {study} {site or ''}")
    return Who(actor.username, role, actor.organisation, address)
