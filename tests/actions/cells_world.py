"""A chain of cells for tests: a donor and a recipient found eligible, a harvest, a batch with two bags, tested and released."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from tests.actions.screening import put, screen_donor, screen_recipient
from tests.actions.world import NOW, World, make_world, open_world, typed
from tests.conftest import Filling
from trialcrf.actions import judge, sign
from trialcrf.actions.cells import bedside, release
from trialcrf.actions.cells.bedside import Person, Sent
from trialcrf.actions.cells.release import Decided
from trialcrf.actions.judge import Signing
from trialcrf.actions.sign import Proof
from trialcrf.core.access import Actor
from trialcrf.core.eligibility import Overall
from trialcrf.core.signature import fingerprint
from trialcrf.store import accounts
from trialcrf.store.forms import StoredForm
from trialcrf.store.signatures import Signature
from trialcrf.store.subjects import Subject

DONATION = "FR0001230000000123456"
LOT = "LOT-2026-01"
BAGS = ("LOT-2026-01-A", "LOT-2026-01-B")
HARVESTED, FILLED = (17, 11, 2026, "09:00"), (20, 11, 2026, "16:00")
EXPIRY = (31, 12, 2099)
"""So far ahead that a test by the true clock meets no expired bag."""
GOOD_QC: dict[str, object] = {
    "QC_DATE": (20, 11, 2026), "QC_VIABILITY": "92", "QC_CD105": "98", "QC_CD73": "97.5", "QC_CD90": "99", "QC_CD45": "1", "QC_CD31": "2",
    "QC_HLADR": "3", "QC_KARYOTYPE": "NORMAL", "QC_TRILINEAGE": "PASSED", "QC_AEROBIC": "NEGATIVE", "QC_ANAEROBIC": "NEGATIVE",
    "QC_FUNGI": "PENDING", "QC_MYCOPLASMA": "NEGATIVE", "QC_ENDOTOXIN": "<0.25",
}  # fmt: skip
SPECIFICATION = "BMMSC_2010_024041_78"


@dataclass
class Cells:
    """The chain in its world. Two bags of 80 x 10^6 cells lie in the tank of the laboratory, thawed neither."""

    world: World
    donor: Subject
    recipient: Subject
    batch: Subject

    def actor(self, name: str) -> Actor:
        with self.world.read() as tx:
            found = accounts.find(tx, name)
            assert found, name
            return accounts.actor(tx, found)

    def person(self, name: str, now: datetime = NOW) -> Person:
        """Somebody whose password was right at this moment; the hashing of passwords has tests of its own."""
        actor = self.actor(name)
        return Person(actor, Proof(actor.id, now))

    def check(
        self,
        bag: str = BAGS[0],
        recipient: Subject | None = None,
        now: datetime = NOW,
        first: str = "cora",
        second: str = "ivan",
        **more: str,
    ) -> StoredForm:
        whom = recipient or self.recipient
        sent = Sent(**{"bag": bag, "wristband": whom.key, "donation": DONATION, "cohort": "MSC1", **more})
        one, other = self.person(first, now), self.person(second, now)
        with self.world.write(first, now) as tx:
            return bedside.check(tx, self.world.published, whom, sent, one, other, now)

    def release(self, decision: str = "RELEASED", why: str = "", specification: str = SPECIFICATION, now: datetime = NOW) -> Signature:
        with self.world.read() as tx:
            seen = release.review(tx, self.world.published, self.batch).seen
        quin = self.person("quin", now)
        with self.world.write("quin", now) as tx:
            sent = Decided(decision, specification, why, seen)
            return release.decide(tx, self.world.published, self.batch, quin.actor, quin.proof, sent, now)

    def move(
        self, bag: str, kind: str, at: tuple[object, ...], repeat: int = 1, name: str = "lara", now: datetime = NOW, **more: object
    ) -> None:
        boxes = {"MOV_BAG": bag, "MOV_KIND": kind, "MOV_AT": at, **more}
        self.world.save(self.batch, "MOVEMENT", "STOCK", typed(**boxes), repeat, now, name)

    def infuse(
        self, *bags: str, recipient: Subject | None = None, at: tuple[object, ...] = (21, 11, 2026, "09:30"), now: datetime = NOW
    ) -> None:
        rows = {f"INFUSED__new{number}__INF_BAG": bag for number, bag in enumerate(bags)}
        self.world.save(recipient or self.recipient, "INFUSION", "D0", typed(INF_START=at, INF_COHORT="MSC1", **rows), now=now)


def declare_eligible(world: World, subject: Subject, name: str, now: datetime = NOW) -> None:
    """The signed verdict, as the page of eligibility leaves it."""
    with world.read() as tx:
        found = judge.screen(tx, world.published, subject, now)
        assert found is not None
        seen = fingerprint(sign.covered(tx, subject, found.used))
        account = accounts.find(tx, name)
        assert account
        actor = accounts.actor(tx, account)
    assert found.evaluation.overall is Overall.ELIGIBLE, [(one.criterion.id, one.verdict) for one in found.evaluation.judged]
    with world.write(name, now) as tx:
        sent = Signing(Overall.ELIGIBLE, now.date(), seen=seen)
        judge.sign_verdict(tx, world.published, subject, actor, Proof(actor.id, now), sent, now)


def make_pair(world: World, donation: str = DONATION, now: datetime = NOW) -> tuple[Subject, Subject]:
    """A donor with a harvest and a linked recipient, both declared eligible: (donor, recipient)."""
    donor = screen_donor(world)
    declare_eligible(world, donor, "dora", now)
    recipient = screen_recipient(world, donor.key)
    declare_eligible(world, recipient, "ivan", now)
    put(world, donor, "HARVEST", "H0", HAR_START=HARVESTED, HAR_SITE="POSTERIOR", HAR_DONATION=donation, HAR_VOLUME="120")
    return donor, recipient


def make_batch(world: World, donor: Subject, lot: str = LOT, bags: tuple[str, ...] = BAGS, expiry: tuple[int, ...] = EXPIRY) -> Subject:
    """A batch of the donor's cells with its tests and its bags, not released."""
    origin = {"ANCESTRY__new1__BAT_DONATION": f"{donor.key}/H0/1/HARVEST/1"}
    batch = world.enrol("batch", BAT_LOT=lot, BAT_CULTURE_START=(17, 11, 2026), **origin)
    world.save(batch, "QC", "MAKING", typed(**GOOD_QC), name="lara")
    rows: dict[str, object] = {}
    for number, code in enumerate(bags):
        told = {
            "CODE": code,
            "SPLIT": f"{number + 1:03d}",
            "CELLS": "80",
            "VOLUME": "50",
            "EXPIRY": expiry,
            "FILLED": FILLED,
            "PLACE": "LAB_TANK",
        }
        rows |= {f"BAG__new{number}__BAG_{name}": text for name, text in told.items()}
    world.save(batch, "BAGS", "MAKING", typed(**rows), name="lara")
    return batch


def make_cells(world: World, released: bool = True) -> Cells:
    donor, recipient = make_pair(world)
    made = Cells(world, donor, recipient, make_batch(world, donor))
    if released:
        made.release()
    return made


@cache
def cells_filling(released: bool = True) -> Filling:
    """`make_cells` as the filling of a database, made once and cloned."""

    def fill(url: str) -> None:
        world = make_world(url)
        make_cells(world, released)
        world.engine.dispose()

    return fill


def open_cells(url: str) -> Cells:
    """The chain in a database that `cells_filling` filled."""
    world = open_world(url)
    return Cells(world, world.subject("D-01-001"), world.subject("R-01-001"), world.subject("B-01-001"))


def later(minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)
