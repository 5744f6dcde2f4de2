"""What waits for a signature, for whoever asks; and how the state of a seal is shown on every page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import g

from trialcrf.actions import sign
from trialcrf.actions.oversight.sign_data import OWN_ACT
from trialcrf.core.definition.model import Study
from trialcrf.core.signature import SEAL_STATES, SealState
from trialcrf.core.wording import N_, Message
from trialcrf.store import definitions, seals, sites
from trialcrf.store.seals import Asked, Seal
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard

COUNTED = 999
"""Up to how many waiting forms the navigation counts: nobody needs the exact number of thousands on every page."""

ICONS = {SealState.SEALED: "sealed", SealState.BROKEN: "broken", SealState.NEVER: "unsigned"}


@dataclass(frozen=True, slots=True)
class SealLine:
    """How something stands, as shape and word; with the newest signature over it, if there is one."""

    icon: str
    word: Message
    by: Message | None = None


def seal_line(state: SealState, seal: Seal | None = None) -> SealLine:
    """The state of a seal as every page shows it."""
    by = None
    if seal and seal.at:
        at = seal.at.astimezone(g.place.site.zone) if g.place.site else seal.at
        by = Message(N_("%(name)s, %(when)s"), {"name": seal.name, "when": at})
    return SealLine(ICONS[state], Message(SEAL_STATES[state]), by)


def asked_for(tx: Transaction, study: Study, places: Sequence[Site], subject: str = "", state: SealState | None = None) -> Asked:
    """The forms that wait at these sites and that the person may read; those with a signing of their own wait for nobody."""
    codes = [one.code for one in places]
    only_at: dict[str, Sequence[str]] = {}
    for version in definitions.versions_of(tx, study.oid):
        for form in version.study.forms:
            if form.access in OWN_ACT:
                only_at[form.oid] = ()
            elif form.access != "form":
                at = guard.my_sites(f"{form.access}.read")
                only_at[form.oid] = [code for code in only_at.get(form.oid, codes) if at is None or code in at]
    return Asked(places, only_at, study.products, subject, state)


def to_sign(tx: Transaction, study: Study) -> int:
    """How many forms wait for the signature of whoever asks, `COUNTED` at most: for the navigation."""
    mine = guard.my_sites(sign.VERB)
    places = [one for one in sites.all_of(tx, study.oid) if mine is None or one.code in mine]
    return seals.count(tx, asked_for(tx, study, places), COUNTED)
