"""A published study with two sites and the cast, for the tests of actions: real database, real definitions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

from sqlalchemy import Engine

from trialcrf.actions import administer, enrol, enter, publish, sign_in
from trialcrf.actions.enter import Saved, Typed
from trialcrf.core.definition.load import load
from trialcrf.core.definition.model import Study
from trialcrf.core.definition.signing_in import SigningIn
from trialcrf.core.document import FormKey, Place
from trialcrf.core.values import Raw
from trialcrf.external.files import read_study
from trialcrf.store import definitions, sites, subjects
from trialcrf.store.audit import Who
from trialcrf.store.definitions import Published
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction, open_engine, reading, writing

ROOT = Path(__file__).resolve().parents[2]
STUDIES = {
    "msc_ssc": ROOT / "trialcrf/studies/msc_ssc",
    "salt": ROOT / "tests/studies/tiny",
    "cdisc_pilot": ROOT / "trialcrf/studies/cdisc_pilot",
}
NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
CAST = {
    "cora": ("coordinator", "01"),
    "ivan": ("investigator", "01"),
    "dora": ("donor_physician", "01"),
    "mona": ("monitor", ""),
    "dana": ("data_manager", ""),
    "sam": ("sponsor", ""),
    "olga": ("coordinator", "02"),
    "lara": ("cell_lab", "01"),
    "quin": ("qualified_person", ""),
    "iris": ("inspector", ""),
}
PASSWORD = "a long sentence for the tests"
"""Of everybody in the cast, from the start."""
TRAINED = date(2020, 1, 6)
"""The day on which the whole cast was trained: the study opens nothing to anybody who was not."""


def raw(text: object) -> Raw:
    """What a person types: text in one box, (day, month, year) in three, with a time in four, {"missing": code} for a missing code."""
    if isinstance(text, dict):
        return Raw({key: str(value) for key, value in text.items()})
    if isinstance(text, tuple):
        return Raw(dict(zip(("d", "m", "y", "t"), (str(part) for part in text), strict=False)))
    return Raw({"": str(text)})


def typed(version: int | None = None, reason: str = "", **boxes: object) -> Typed:
    """Boxes by item; an item of a row is `GROUP__row__ITEM`. With a reason, it is given for every item."""
    raws = {}
    for name, text in boxes.items():
        parts = name.split("__")
        place = Place(name) if len(parts) == 1 else Place(parts[2], parts[0], parts[1])
        raws[place] = raw(text)
    return Typed(raws, reasons=dict.fromkeys(raws, reason) if reason else {}, version=version)


@dataclass
class World:
    engine: Engine
    study: str

    @contextmanager
    def write(self, name: str = "cora", now: datetime = NOW) -> Iterator[Transaction]:
        role = CAST[name][0] if name in CAST else "system"
        with writing(self.engine, now, Who(name, role, "Hospital", "127.0.0.1")) as tx:
            yield tx

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        with reading(self.engine) as tx:
            yield tx

    @property
    def published(self) -> Published:
        with self.read() as tx:
            found = definitions.current(tx, self.study)
        assert found
        return found

    def enrol(self, kind: str, site: str = "01", now: datetime = NOW, **boxes: object) -> Subject:
        published = self.published
        with self.write(now=now) as tx:
            where = sites.find(tx, self.study, site)
            assert where
            subject, _ = enrol.enrol(tx, published, where, kind, typed(**boxes), now)
        return subject

    def save(
        self,
        subject: Subject,
        form: str,
        event: str,
        sent: Typed,
        repeat: int = 1,
        now: datetime = NOW,
        name: str = "cora",
        event_repeat: int = 1,
    ) -> Saved:
        published = self.published
        with self.write(name, now) as tx:
            return enter.save_form(tx, published, subject, FormKey(event, form, event_repeat, repeat), sent, now)

    def invite(self, name: str, role: str = "coordinator", site: str = "01") -> int:
        """Somebody new with a role, who has not taken up the invitation yet: the account has no password."""
        with self.write("trialcrf") as tx:
            account_id = administer.create_account(tx, name, name.title(), f"{name}@example.org", "Hospital", "fr")
            administer.give_role(tx, account_id, role, self.study, site, TRAINED)
        return account_id

    def subject(self, key: str) -> Subject:
        with self.read() as tx:
            found = subjects.find(tx, self.study, key)
        assert found
        return found


@cache
def study_of(name: str) -> Study:
    """A study of the tests. No second factor is asked but where a test is about it."""
    return replace(load(read_study(STUDIES[name])), sign_in=SigningIn())


@cache
def filling(study: str = "msc_ssc", at_any_hour: bool = False) -> Callable[[str], None]:
    """`make_world` as the filling of a database: the same object for the same world, so that it is made once and cloned."""

    def fill(url: str) -> None:
        make_world(url, study, at_any_hour).engine.dispose()

    return fill


def open_world(url: str, study: str = "msc_ssc") -> World:
    """The world in a database that `filling` filled."""
    return World(open_engine(url), study)


def make_world(url: str, study: str = "msc_ssc", at_any_hour: bool = False) -> World:
    """Publish the study, make two sites far apart in time, and the cast with their roles.

    `at_any_hour` leaves the study's quiet hours out, for tests that go by the true clock. A password is enough to sign in to it.
    """
    world = open_world(url, study)
    new = study_of(study)
    if at_any_hour:
        new = replace(new, reminders=replace(new.reminders, quiet_from="", quiet_to=""))
    with world.write("trialcrf") as tx:
        published, _ = publish.publish(tx, new)
        sites.create(tx, published.study_id, "01", "Paris", "Europe/Paris")
        sites.create(tx, published.study_id, "02", "Papeete", "Pacific/Tahiti")
        for name, (role, site) in CAST.items():
            account_id = administer.create_account(tx, name, name.title(), f"{name}@example.org", "Hospital", "fr")
            administer.give_role(tx, account_id, role, study, site, TRAINED)
            sign_in.set_password(tx, account_id, name, PASSWORD)
    return world
