"""Who came in and what they took along: sign-ins, downloads, accounts and roles of a study's people, from the installation's chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, g, render_template, request, url_for

from trialcrf.core.wording import N_, Message
from trialcrf.store import trail_places, trails
from trialcrf.store.audit import SYSTEM_CHAIN, Past
from trialcrf.store.trails import Position, Sought
from trialcrf.web import guard
from trialcrf.web.administration.account_trail import Line, lines_of
from trialcrf.web.frame import shell
from trialcrf.web.guard import page as route
from trialcrf.web.page import Crumb

blueprint = Blueprint("access_log", __name__)

ON_A_PAGE = 100
SHOWN: dict[str, tuple[str, frozenset[str]]] = {
    "": (N_("Everything"), frozenset()),
    "in": (N_("Sign-ins and sign-outs"), frozenset({"sign_in", "sign_out"})),
    "out": (N_("Downloads"), frozenset({"export"})),
    "roles": (N_("Accounts and roles"), frozenset({"create", "invite", "password", "activate", "deactivate", "revoke", "train"})),
}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One record: `whose` account it is about, `from_` the network address."""

    at: datetime
    by: str
    whose: str
    from_: str
    line: Line


@route(blueprint, "/studies/<study>/access-log", "access.read")
def shown(study: str) -> str:
    """The newest first. Accounts that hold or held a role in this study, and no others: an installation has other studies too."""
    chosen = request.args.get("show", "") if request.args.get("show", "") in SHOWN else ""
    person = request.args.get("person", "").strip()[:80].replace("\x00", "")
    text = request.args.get("after", "")
    at, _, seq = text.partition("~")
    after = Position(at, SYSTEM_CHAIN, int(seq)) if len(at) == 27 and seq.isascii() and seq.isdecimal() and len(seq) < 10 else None
    sought = Sought((SYSTEM_CHAIN,), actor=person, ops=SHOWN[chosen][1], entities=frozenset({"account", "role_grant"}))
    with guard.read() as tx:
        accounts, grants = trail_places.accounts_of(tx, study)

        def of_study(pasts: Sequence[Past]) -> list[Past]:
            return [past for past in pasts if past.entity_id in (accounts if past.entity == "account" else grants)]

        found = trails.page(tx, sought, after, ON_A_PAGE, of_study)
    lines = [
        LogLine(past.at, past.actor, (accounts if past.entity == "account" else grants)[past.entity_id], past.address, lines_of([past])[0])
        for past in found.lines
    ]
    kept = {name: text for name, text in (("show", chosen), ("person", person)) if text}
    here = url_for("access_log.shown", study=study, **kept)  # type: ignore[arg-type]
    rest = found.rest
    return render_template(
        "oversight/access_log.html",
        shell=shell(),
        crumbs=[Crumb(g.place.published.study.title)],
        lines=lines,
        person=person,
        chosen=chosen,
        options=[(name, Message(label)) for name, (label, _) in SHOWN.items()],
        newest=here if after else "",
        further=url_for("access_log.shown", study=study, after=f"{rest.at}~{rest.seq}", **kept) if rest else "",  # type: ignore[arg-type]
    )
