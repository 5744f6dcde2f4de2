"""The trail of an account for reading: who did what to it, and what it did besides recording data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from trialcrf.actions import sign_in
from trialcrf.core.access import ROLES, Grant
from trialcrf.core.wording import N_, Message
from trialcrf.store.audit import Past
from trialcrf.web.fixed import NAMES

_SELF, _PROGRAM = N_("on their own account"), N_("the program")

_WHAT: Mapping[tuple[str, str], str] = {
    ("account", "create"): N_("Account created"),
    ("account", "invite"): N_("Invited"),
    ("account", "password"): N_("Password set"),
    ("account", "preference"): N_("Preference changed"),
    ("account", "sign_in"): N_("Signed in"),
    ("account", "sign_out"): N_("Signed out"),
    ("account", "end_session"): N_("Own session ended elsewhere"),
    ("account", "end_sessions"): N_("Every session ended"),
    ("account", "hospital_link"): N_("Sign-in of the hospital linked"),
    ("account", "hospital_unlink"): N_("Sign-in of the hospital unlinked"),
    ("account", "hospital_code"): N_("Code to link the sign-in of the hospital made"),
    ("account", "hospital_sign_in"): N_("Signed in by the hospital"),
    ("account", "rehash"): N_("Password stored anew with more work"),
    ("account", "reset"): N_("Link for a new password made"),
    ("account", "reset_start"): N_("Link for a new password asked for"),
    ("account", "email"): N_("E-mail address changed"),
    ("account", "factor_add"): N_("Second factor set up"),
    ("account", "factor_rename"): N_("Second factor named anew"),
    ("account", "factor_revoke"): N_("Second factor revoked"),
    ("account", "factors_removed"): N_("Second factors removed"),
    ("account", "recovery_codes"): N_("Recovery codes made"),
    ("account", "recovery_used"): N_("Signed in with a recovery code"),
    ("account", "export"): N_("Data downloaded"),
    ("account", "feed_make"): N_("Calendar address made"),
    ("account", "feed_revoke"): N_("Calendar address revoked"),
    ("account", "reminders"): N_("Reminders chosen"),
    ("account", "mail"): N_("Mail looked into"),
    ("account", "activate"): N_("Account activated"),
    ("account", "deactivate"): N_("Account deactivated"),
    ("role_grant", "create"): N_("Role given"),
    ("role_grant", "revoke"): N_("Role taken away"),
    ("role_grant", "train"): N_("Training recorded"),
}

_PLACES: Mapping[str, str] = {
    "username": N_("User name"),
    "name": N_("Name"),
    "email": N_("E-mail"),
    "organisation": N_("Organisation"),
    "language": N_("Language"),
    "theme": N_("Theme"),
    "density": N_("Density"),
    "shortcuts": N_("Keyboard"),
    "trained_on": N_("Trained on"),
}
"""What is told with its values; of secrets the trail itself holds none."""


_MEANS: Mapping[str, str] = {
    sign_in.PASSWORD: N_("by password"),
    sign_in.HOSPITAL: N_("by the sign-in of the hospital"),
    sign_in.PASSKEY: N_("by passkey"),
    sign_in.CODE: N_("by one-time code"),
    sign_in.RECOVERY: N_("by recovery code"),
}
"""By what somebody signed in."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one save did: `role` is what a person acted as, `about` the role given or taken, what was downloaded, by what they signed in."""

    at: datetime
    by: str
    role: Message
    what: Message
    about: Message | str
    changes: tuple[Message, ...]
    why: str


def lines_of(trail: Iterable[Past]) -> list[Line]:
    """The lines, newest first; the records of one save are one line."""
    records = list(trail)
    given = {past.entity_id: _role(past.new) for past in records if past.entity == "role_grant" and past.op == "create" and not past.place}
    groups = groupby(records, key=lambda past: (past.at, past.actor, past.entity, past.entity_id, past.op))
    return [_line(list(group), given) for _, group in groups][::-1]


def _line(records: list[Past], given: Mapping[str, Message]) -> Line:
    one = records[0]
    about: Message | str = given.get(one.entity_id, "") if one.entity == "role_grant" else ""
    if one.op in ("export", "reminders", "mail", "factor_add", "factor_rename", "factor_revoke"):
        about = one.place.removeprefix(one.op).strip()
    elif one.op == "sign_in" and one.place != one.op:
        about = _means(one.place.removeprefix(one.op).strip())
    role = {"self": Message(_SELF), "system": Message(_PROGRAM)}.get(one.role) or Message(ROLES.get(one.role, one.role))
    changes = tuple(_change(past) for past in records if past.place in _PLACES)
    what = Message(_WHAT.get((one.entity, one.op), one.op))
    return Line(one.at, one.actor, role, what, about, changes, one.reason)


def _means(said: str) -> Message:
    """How a person proved who they are; a record from before this was told says nothing of it."""
    first, _, second = said.partition("+")
    means = {"first": Message(_MEANS.get(first, first)), "second": Message(_MEANS.get(second, second))}
    return Message(N_("%(first)s and %(second)s"), means) if second else means["first"]


def _change(past: Past) -> Message:
    said = {
        "field": Message(_PLACES[past.place]),
        "what": NAMES.get(past.new or "", past.new or ""),
        "was": NAMES.get(past.old or "", past.old or ""),
    }
    return Message(N_("%(field)s: %(was)s, then %(what)s") if past.old else N_("%(field)s: %(what)s"), said)


def _role(said: str | None) -> Message:
    known = json.loads(said or "{}")
    return role_held(Grant(known["role"], known["study"], known["site"]))


def role_held(grant: Grant, named: Mapping[str, str] | None = None) -> Message:
    """A role in words, with where it is held: the study by its code, or as `named` says."""
    role = Message(ROLES.get(grant.role, grant.role))
    if grant.study == "*":
        return Message(N_("%(role)s, every study"), {"role": role})
    said = {"role": role, "study": (named or {}).get(grant.study, grant.study), "site": grant.site}
    return Message(N_("%(role)s, %(study)s, site %(site)s") if grant.site else N_("%(role)s, %(study)s, every site"), said)
