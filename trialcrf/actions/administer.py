"""Running the place: accounts, invitations, roles, sites, and one's own preferences."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from datetime import date, datetime, timedelta
from zoneinfo import available_timezones

from sqlalchemy.exc import IntegrityError

from trialcrf.actions import Impossible, plain
from trialcrf.actions.reminding.notify import queue_account
from trialcrf.actions.sign_in import hash_of, set_password
from trialcrf.actions.signing_in.resets import EMAIL
from trialcrf.core.access import ROLES, Grant
from trialcrf.core.wording import N_, Message
from trialcrf.store import accounts, definitions, outbox, sessions, sites, steps
from trialcrf.store.accounts import Account
from trialcrf.store.transaction import Transaction

INVITATION_LASTS = timedelta(days=7)
LANGUAGES = ("fr", "en")
THEMES = ("auto", "light", "dark")
DENSITIES = ("comfortable", "compact")
SHORTCUTS = ("single", "next")
"""What one may want of the keys: single ones act outside fields and in scores; Enter goes to the next field."""

LONGEST_NAME, LONGEST_EMAIL, LONGEST_REASON = 200, 254, 500

_USERNAME = re.compile(r"[a-z][a-z0-9._-]{1,39}")
_SITE = re.compile(r"[0-9A-Z]{1,10}")


def create_account(tx: Transaction, username: str, name: str, email: str, organisation: str, language: str, demo: bool = False) -> int:
    """A new account without a password. Raises Impossible with what is wrong; a user name is never used again."""
    username = username.strip().lower()
    if not _USERNAME.fullmatch(username):
        raise Impossible(Message(N_("A user name is 2 to 40 letters, digits, dots or dashes, and begins with a letter.")), "username")
    email = plain(email, LONGEST_EMAIL, "email", addresses=True)
    name = plain(name, LONGEST_NAME, "name", addresses=True)
    organisation = plain(organisation, LONGEST_NAME, "organisation", addresses=True)
    if not EMAIL.fullmatch(email):
        raise Impossible(Message(N_("This is not an e-mail address.")), "email")
    if not name or not organisation:
        said = N_("Name and organisation are needed: the audit trail names them.")
        raise Impossible(Message(said), "organisation" if name else "name")
    if language not in LANGUAGES:
        raise Impossible(Message(N_("Choose one of the languages offered.")), "language")
    if accounts.find(tx, username):
        raise Impossible(Message(N_("This user name is or was in use: names are never used again.")), "username")
    return accounts.create(tx, username, name, email, organisation, language, demo=demo)


def create_admin(tx: Transaction, username: str, name: str, email: str, organisation: str, password: str) -> int:
    """The first administrator, of every study. Raises Impossible."""
    account_id = create_account(tx, username, name, email, organisation, "fr")
    set_password(tx, account_id, username, password)
    accounts.give(tx, account_id, Grant("administrator", "*"))
    return account_id


def invite(tx: Transaction, account_id: int) -> None:
    """Queue an invitation mail to the account. Raises Impossible."""
    found = accounts.by_id(tx, account_id)
    assert found is not None
    if not found.active:
        raise Impossible(Message(N_("This account is not active.")))
    accounts.note(tx, account_id, "invite")
    outbox.add(tx, f"invite|{found.username}|{tx.at.isoformat()}", "invite", account_id, {})


def fresh_invitation(tx: Transaction, account_id: int) -> str:
    """The token of a new invitation, made as its mail is written: only its hash is ever stored, and an earlier one is void."""
    token = secrets.token_urlsafe(32)
    accounts.set_values(
        tx, account_id, "invite", silent=("invitation_hash",), invitation_hash=hash_of(token), invitation_ends_at=tx.at + INVITATION_LASTS
    )
    return token


def accept_invitation(tx: Transaction, token: str, password: str, now: datetime) -> Account:
    """Set the first password (or a new one) by an invitation, which is then used up. Raises Impossible."""
    found = accounts.by_invitation(tx, hash_of(token), now)
    if found is None:
        raise Impossible(Message(N_("This invitation is used up or too old: ask for another.")))
    set_password(tx, found.id, found.username, password)
    sessions.end_all(tx, found.id)
    if found.password_hash is not None:
        queue_account(tx, found.id, "password")
    return found


def set_active(tx: Transaction, account_id: int, active: bool, reason: str) -> None:
    """Deactivate an account (every session of it ends at once), or activate it again. Raises Impossible."""
    found = accounts.by_id(tx, account_id)
    assert found is not None
    if not active and found.username == tx.who.actor:
        raise Impossible(Message(N_("Nobody deactivates their own account: another administrator can do it.")), "reason")
    if found.active == active:
        raise Impossible(Message(N_("Somebody else did this already.")), "reason")
    why = plain(reason, LONGEST_REASON, "reason")
    if not why:
        raise Impossible(Message(N_("Say why.")), "reason")
    accounts.set_values(tx, account_id, "activate" if active else "deactivate", why, active=active)
    if not active:
        sessions.end_all(tx, account_id)
        steps.end_all(tx, account_id)


def give_role(tx: Transaction, account_id: int, role: str, study: str, site: str, trained_on: date | None = None) -> None:
    """Give a role in a study, at one site or (site empty) at all. Raises Impossible.

    Where the study asks for training, the role opens nothing before the day of it is recorded, here or by `record_training`.
    An administrator sees no clinical data, a sponsor enters none and an inspector writes nothing: none of them is joined with another role
    (EMA 2023, annex 3 and 6.8).
    """
    if role not in ROLES:
        raise Impossible(Message(N_("Choose one of the roles offered.")), "role")
    if study != "*" and definitions.current(tx, study) is None:
        raise Impossible(Message(N_("There is no such study.")), "study")
    if study == "*" and role != "administrator":
        raise Impossible(Message(N_("Only administrators have a role in every study.")), "study")
    if site and sites.find(tx, study, site) is None:
        raise Impossible(Message(N_("There is no such site.")), "site")
    if site and role in ("sponsor", "data_manager", "administrator"):
        raise Impossible(Message(N_("This role is for all sites of the study.")), "site")
    held = [one.grant for one in accounts.grants_of(tx, account_id)]
    if Grant(role, study, site) in held:
        raise Impossible(Message(N_("This role is held already.")), "role")
    apart = {"administrator", "sponsor", "inspector"}
    if any((role in apart or one.role in apart) and one.role != role for one in held):
        raise Impossible(Message(N_("Administrators, sponsors and inspectors hold no other role.")), "role")
    accounts.give(tx, account_id, Grant(role, study, site), _not_ahead(tx, trained_on))
    _end_with_roles(tx, account_id)


def record_training(tx: Transaction, account_id: int, grant_id: int, day: date, reason: str) -> None:
    """Record the day on which a person was trained for a role, or correct it, which takes a reason. Raises Impossible."""
    held = next((one for one in accounts.grants_of(tx, account_id) if one.id == grant_id), None)
    if held is None:
        raise Impossible(Message(N_("This role is no longer held.")), "day")
    _not_ahead(tx, day)
    why = plain(reason, LONGEST_REASON, "reason")
    if held.trained_on == day:
        raise Impossible(Message(N_("This day is recorded already.")), "day")
    if held.trained_on is not None and not why:
        raise Impossible(Message(N_("A day was recorded before: say why it changes.")), "reason")
    accounts.train(tx, held, day, why)


def _not_ahead(tx: Transaction, day: date | None) -> date | None:
    if day is not None and day > tx.at.date():
        raise Impossible(Message(N_("The training cannot be recorded before it took place.")), "day")
    return day


def take_role(tx: Transaction, account_id: int, grant_id: int, reason: str) -> None:
    """Take a role away, at once. Raises Impossible."""
    why = plain(reason, LONGEST_REASON, "reason")
    if not why:
        raise Impossible(Message(N_("Say why.")), "reason")
    taken = next((held for held in accounts.grants_of(tx, account_id) if held.id == grant_id), None)
    if taken is None:
        raise Impossible(Message(N_("This role is no longer held.")), "reason")
    found = accounts.by_id(tx, account_id)
    if taken.grant.role == "administrator" and found is not None and found.username == tx.who.actor:
        # So there is always one administrator left.
        raise Impossible(Message(N_("Nobody takes the administrator's role from themselves: another administrator can do it.")), "reason")
    accounts.take(tx, grant_id, why)
    _end_with_roles(tx, account_id)


def _end_with_roles(tx: Transaction, account_id: int) -> None:
    """Whoever has other roles begins anew: every session of theirs ends. Only an administrator who changes their own goes on working."""
    found = accounts.by_id(tx, account_id)
    if found is not None and found.username != tx.who.actor:
        sessions.end_all(tx, account_id)


def create_site(tx: Transaction, study: str, code: str, name: str, zone: str) -> None:
    """A new site. Raises Impossible with what is wrong."""
    published = definitions.current(tx, study)
    if published is None:
        raise Impossible(Message(N_("There is no such study.")), "study")
    if not _SITE.fullmatch(code.strip()):
        raise Impossible(Message(N_("A site code is 1 to 10 capital letters or digits.")), "code")
    name = plain(name, LONGEST_NAME, "name")
    if not name:
        raise Impossible(Message(N_("The site needs a name.")), "name")
    if zone not in available_timezones():
        raise Impossible(Message(N_("This is not a time zone: write for example Europe/Paris.")), "zone")
    if sites.find(tx, study, code.strip()):
        raise Impossible(Message(N_("The study has a site with this code already.")), "code")
    try:
        sites.create(tx, published.study_id, code.strip(), name, zone)
    except IntegrityError:
        raise Impossible(Message(N_("The study has a site with this code already.")), "code") from None


def resolve_mail(tx: Transaction, mail_id: int, arrived: bool, by: int | None = None) -> None:
    """What a person found out of an uncertain mail: it arrived, or it is to be sent again; one that failed can be sent again too.

    The trail tells it of the account `by`, else (from a terminal, where nobody has one) of the recipient's. Raises Impossible.
    """
    found = outbox.by_id(tx, mail_id)
    if found is None or not outbox.resolve(tx, mail_id, arrived):
        raise Impossible(Message(N_("This mail is neither uncertain nor failed any more.")))
    recipient = accounts.find(tx, found.username)
    assert recipient is not None
    accounts.note(tx, by or recipient.id, "mail", f"mail {mail_id} {'arrived' if arrived else 'again'}")


def set_preferences(
    tx: Transaction,
    account_id: int,
    language: str | None = None,
    theme: str | None = None,
    shortcuts: Collection[str] | None = None,
    density: str | None = None,
) -> None:
    """One's own language, theme, density, and which of SHORTCUTS one wants. Raises Impossible."""
    offered = ((language, LANGUAGES), (theme, THEMES), (density, DENSITIES))
    if any(value is not None and value not in choices for value, choices in offered):
        raise Impossible(Message(N_("Choose one of the languages offered.")), "language")
    found = accounts.by_id(tx, account_id)
    assert found is not None
    # Choosing what is chosen already is no change, and leaves no record.
    keys = None if shortcuts is None else " ".join(one for one in SHORTCUTS if one in shortcuts)
    asked = (
        ("language", language, found.language),
        ("theme", theme, found.theme),
        ("density", density, found.density),
        ("shortcuts", keys, found.shortcuts),
    )
    values = {name: value for name, value, before in asked if value not in (None, before)}
    if values:
        accounts.set_values(tx, account_id, "preference", **values)
