"""Whether this bag may be given to this person now: every reason against it, in plain words. What stops here stops the infusion.

Only a released, unexpired product of the right donor, for an eligible recipient in an open cohort, checked by two persons
(clinical reference, C, R-D0, and F.6). Some reasons an investigator may override by a signed deviation; a wrong person, a wrong donor, a
recalled bag and one that was used already never.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from trialcrf.core.product.stock import REJECTED, Bag, BagState, Release
from trialcrf.core.wording import N_, Message


class Stop(StrEnum):
    """A reason against the infusion, in the order of being told."""

    UNKNOWN_BAG = "unknown_bag"
    WRONG_PERSON = "wrong_person"
    WRONG_DONATION = "wrong_donation"
    NO_LINK = "no_link"
    WRONG_DONOR = "wrong_donor"
    USED = "used"
    RESERVED = "reserved"
    DISCARDED = "discarded"
    IN_TRANSIT = "in_transit"
    CONTRADICTED = "contradicted"
    RECALLED = "recalled"
    REJECTED = "rejected"
    UNRELEASED = "unreleased"
    EXPIRED = "expired"
    RECIPIENT = "recipient"
    DONOR = "donor"
    TREATED = "treated"
    NO_COHORT = "no_cohort"
    COHORT_SHUT = "cohort_shut"
    HOLD = "hold"


STOPS: Mapping[Stop, str] = {
    Stop.UNKNOWN_BAG: N_("No bag has this code: it is not recorded in this trial."),
    Stop.WRONG_PERSON: N_("The wristband is not that of this recipient."),
    Stop.WRONG_DONATION: N_("The donation that was scanned is not one that this bag comes from."),
    Stop.NO_LINK: N_("No donor is linked to this recipient."),
    Stop.WRONG_DONOR: N_("The bag does not come from the donor who is linked to this recipient."),
    Stop.USED: N_("This bag was infused already."),
    Stop.RESERVED: N_("This bag was checked for an infusion already."),
    Stop.DISCARDED: N_("This bag was discarded."),
    Stop.IN_TRANSIT: N_("This bag is in transit: its receipt is not recorded."),
    Stop.CONTRADICTED: N_("The movements of this bag contradict each other: they must be corrected first."),
    Stop.RECALLED: N_("This bag is recalled."),
    Stop.REJECTED: N_("The batch was rejected."),
    Stop.UNRELEASED: N_("The batch is not released."),
    Stop.EXPIRED: N_("This bag is expired, or has no expiry date."),
    Stop.RECIPIENT: N_("The recipient was not declared eligible by a signature that still stands."),
    Stop.DONOR: N_("The donor was not declared eligible by a signature that still stands."),
    Stop.TREATED: N_("This recipient had every infusion that the study plans."),
    Stop.NO_COHORT: N_("The study has no such cohort."),
    Stop.COHORT_SHUT: N_("The cohort is not open."),
    Stop.HOLD: N_("A hold stands: nobody is to be treated."),
}

OVERRIDABLE = frozenset({Stop.UNRELEASED, Stop.EXPIRED, Stop.RECIPIENT, Stop.DONOR, Stop.COHORT_SHUT, Stop.HOLD, Stop.TREATED})
"""What an investigator may override by a signed deviation, for one bag and one recipient."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """What was scanned, read as keys: the bag, the wristband, the donation."""

    bag: str
    wristband: str
    donation: str


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that decides, as it stands under the lock. `bag` is None where no bag has the code.

    `donors` and `donations` are those that the bag comes from (keys; numbers with those of pools); `linked` is the donor who is linked to
    the recipient, empty for none. `eligible` and `donor_eligible` are signed verdicts that still stand. `treated`:
    the infusions that the study plans were given on earlier days.
    """

    recipient: str
    bag: Bag | None
    release: Release | None
    donors: Collection[str]
    donations: Collection[str]
    linked: str
    eligible: bool
    donor_eligible: bool
    cohort_known: bool
    cohort_open: bool
    hold: bool
    today: date
    treated: bool = False


def stops(now: Situation, scanned: Scanned) -> tuple[Stop, ...]:
    """Every reason against it, in the order of Stop; none: it may be given."""
    return tuple(stop for stop in Stop if stop in _found(now, scanned))


def _found(now: Situation, scanned: Scanned) -> set[Stop]:
    found: set[Stop] = set()
    if scanned.wristband != now.recipient:
        found.add(Stop.WRONG_PERSON)
    if not now.linked:
        found.add(Stop.NO_LINK)
    found |= {stop for stop, stands in ((Stop.RECIPIENT, not now.eligible), (Stop.HOLD, now.hold), (Stop.TREATED, now.treated)) if stands}
    found |= {Stop.DONOR} if now.linked and not now.donor_eligible else set()
    if not now.cohort_known:
        found.add(Stop.NO_COHORT)
    elif not now.cohort_open:
        found.add(Stop.COHORT_SHUT)
    if now.bag is None:
        return found | {Stop.UNKNOWN_BAG}
    # A pool needs every one of its donors to be the linked one: cells of anybody else are cells of a wrong donor.
    if now.linked and set(now.donors) != {now.linked}:
        found.add(Stop.WRONG_DONOR)
    if scanned.donation not in now.donations:
        found.add(Stop.WRONG_DONATION)
    return found | _of_bag(now.bag, now.release, now.today)


def _of_bag(bag: Bag, release: Release | None, today: date) -> set[Stop]:
    by_state = {
        BagState.INFUSED: Stop.USED,
        BagState.CHECKED: Stop.RESERVED,
        BagState.DISCARDED: Stop.DISCARDED,
        BagState.IN_TRANSIT: Stop.IN_TRANSIT,
    }
    found = {by_state[bag.state]} if bag.state in by_state else set()
    if bag.flaws or bag.state is None:
        found.add(Stop.CONTRADICTED)
    if bag.recalled is not None:
        found.add(Stop.RECALLED)
    if release is not None and release.decision == REJECTED:
        found.add(Stop.REJECTED)
    elif release is None or not release.given:
        found.add(Stop.UNRELEASED)
    if bag.expired(today):
        found.add(Stop.EXPIRED)
    return found


def may_be_overridden(found: Collection[Stop]) -> bool:
    """Whether a signed deviation of an investigator can lift every one of these reasons."""
    return bool(found) and set(found) <= OVERRIDABLE


def told(found: Collection[Stop]) -> tuple[Message, ...]:
    """The reasons in words."""
    return tuple(Message(STOPS[stop]) for stop in Stop if stop in found)
