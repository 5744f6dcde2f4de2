"""Who could do what at a moment, told by the trail alone: the tables of today say nothing of a role that was taken away since."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import func, select

from trialcrf.core.access import Grant
from trialcrf.store import accounts, audit, definitions
from trialcrf.store.audit import SYSTEM_CHAIN
from trialcrf.store.models import audit_record
from trialcrf.store.models.base import moment_of
from trialcrf.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Role:
    """A role that was held. `opens`: the account was active, and trained by then where the study asked for it then."""

    id: int
    grant: Grant
    trained_on: date | None
    opens: bool


@dataclass(frozen=True, slots=True)
class Stood:
    """An account as it stood, with the roles that it held in the study."""

    id: int
    username: str
    name: str
    organisation: str
    active: bool
    roles: tuple[Role, ...]


@dataclass(slots=True)
class _Told:
    places: dict[str, str] = field(default_factory=dict)


def at(tx: Transaction, study_oid: str, moment: datetime, day: date, site: str = "") -> list[Stood]:
    """The accounts with a role in the study (and at the site, where one is named) at that moment, by user name.

    `day` is the day of the moment where it is asked about: training counts from its day on.
    """
    then = audit.heads_at(tx.connection, moment, [SYSTEM_CHAIN])
    held: dict[str, dict[str, _Told]] = {"account": {}, "role_grant": {}}
    for entity, told in held.items():
        for entity_id, _, place, value in audit.replay(tx.connection, entity, then):
            told.setdefault(entity_id, _Told()).places[place] = value or ""
    published = definitions.version_at(tx, study_oid, moment)
    asked = published is not None and published.study.oversight.training
    roles: dict[str, list[Role]] = {}
    for id_, one in held["role_grant"].items():
        said = json.loads(one.places.get("") or "{}")
        grant = Grant(said.get("role", ""), said.get("study", ""), said.get("site", ""))
        if one.places.get("active") != "true" or grant.study not in (study_oid, "*") or (site and grant.site not in ("", site)):
            continue
        owner = str(said["account"])
        trained = date.fromisoformat(text) if (text := one.places.get("trained_on")) else None
        let_in = not asked or grant.role in accounts.UNTRAINED or (trained is not None and trained <= day)
        active = _active(held["account"].get(owner))
        roles.setdefault(owner, []).append(Role(int(id_), grant, trained, let_in and active))
    found = [_stood(owner, held["account"].get(owner, _Told()), theirs) for owner, theirs in roles.items()]
    return sorted(found, key=lambda one: one.username)


def _stood(owner: str, told: _Told, roles: list[Role]) -> Stood:
    username, name, organisation = (told.places.get(place, "") for place in ("username", "name", "organisation"))
    ordered = sorted(roles, key=lambda each: (each.grant.site, each.grant.role))
    return Stood(int(owner), username, name, organisation, _active(told), tuple(ordered))


def _active(told: _Told | None) -> bool:
    return told is not None and told.places.get("active") == "true"


def last_sign_ins(tx: Transaction) -> Mapping[int, datetime]:
    """When each account signed in last, by id; those that never did are not in it."""
    asked = (
        select(audit_record.c.entity_id, func.max(audit_record.c.at).label("at"))
        .where(audit_record.c.entity == "account", audit_record.c.op == "sign_in")
        .group_by(audit_record.c.entity_id)
    )
    return {int(row.entity_id): moment_of(row.at) for row in tx.read(asked)}
