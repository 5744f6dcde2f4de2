"""A world to walk: two sites that hold the same things, each with words of its own, and everybody who could ever knock at a door."""

from __future__ import annotations

import hashlib
import io
import re
import sqlite3
import subprocess
import tempfile
import zipfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from tests.actions.screening import DAY, DONOR, RECIPIENT
from tests.actions.world import TRAINED, World, make_world, study_of, typed
from tests.conftest import Filling
from trialcrf.actions import administer, enclose, publish
from trialcrf.actions.oversight import comment, lock, monitor, review, second
from trialcrf.actions.records import report
from trialcrf.actions.safety import keep_limits
from trialcrf.core.access import ROLES, STUDY_WIDE, VERBS, Grant
from trialcrf.core.document import FormKey, Place
from trialcrf.core.lock import Address, Level
from trialcrf.external import seal
from trialcrf.jobs import WHO
from trialcrf.jobs.work import draw_report
from trialcrf.store import accounts, audit, cases, delegations, forms, reports, sites
from trialcrf.store.models import base
from trialcrf.store.reports import Report
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

STUDY, OTHER, SITES = "msc_ssc", "salt", ("01", "02")
GUARDED = {
    "form": ("R", "SCR", "PHYSEXAM"),
    "link": ("R", "LINK", "DONORLINK"),
    "donor": ("D", "DSCR", "DSEROLOGY"),
    "statement": ("R", "SCR", "INCLUSION"),
    "cell": ("B", "MAKING", "BATCH"),
    "stock": ("B", "INCIDENTS", "INCIDENT"),
    "release": ("B", "MAKING", "RELEASE"),
}
"""A form of every kind of access: the kind of subject (the first letter of its key), its occasion, its name."""

MARK = re.compile(r"Zz([a-z_]+)_(0[12])|\b([RDB])-(0[12])-001\b|\bLOT(0[12])\b")
"""The words of this world, each with the site that alone has it, and the keys of its subjects."""


def mark(what: str, site: str) -> str:
    return f"Zz{what}_{site}"


# --- Who knocks -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with their grants, by which it is reckoned here, apart from the program, what they may do."""

    name: str
    grants: tuple[Grant, ...]

    def holds(self, verb: str, site: str | None = None, study: str = STUDY) -> bool:
        """Whether the table gives them the verb at this site (None: at any)."""
        return any(
            one.role in VERBS[verb] and one.study in (study, "*") and (site is None or one.site in ("", site))
            and not (verb in STUDY_WIDE and one.site)
            for one in self.grants
        )  # fmt: skip

    def reads(self, marker: re.Match[str]) -> bool:
        """Whether the tables let them read this word."""
        what, site = (marker[1] or marker[3] or "B"), (marker[2] or marker[4] or marker[5])
        return any(all(self.holds(verb, site) for verb in both) for both in READERS[what])


READERS: Mapping[str, Collection[tuple[str, ...]]] = {
    **{access: [(f"{access}.read",)] for access in GUARDED},
    **{f"ask_{access}": [("query.read", f"{access}.read")] for access in GUARDED},
    **{f"say_{access}": [("query.read", f"{access}.read"), ("audit.read", f"{access}.read")] for access in GUARDED},
    **{f"lock_{access}": [("lock.read", f"{access}.read"), ("audit.read", f"{access}.read"), (f"{access}.read",)] for access in GUARDED},
    "event": [("form.read",), ("case.read",)],
    "removal": [("subject.list",)],
    "unlock": [("casebook.open", "donor.read")],
    "visit": [("monitoring.read",)],
    "laboratory": [("lab.read",)],
    "R": [("subject.list",), ("case.read",), ("trace.read",), ("look_back.run",)],
    "D": [("subject.list",), ("cell.read",), ("trace.read",), ("look_back.run",)],
    "B": [("cell.read",), ("stock.read",), ("form.read",), ("trace.read",), ("look_back.run",)],
    "casebook": [("casebook.print", *(f"{access}.read" for access in GUARDED if access not in ("cell", "stock", "release")))],
    "dossier": [("report.read", "trace.read")],
    "safety": [("report.read",)],
}  # fmt: skip
"""By which verbs, any of these sets of them, a word may be read."""


def cast() -> tuple[Person, ...]:
    """Every role at each site and study-wide, who holds two of them, administrators, who belongs to another study, and who to none."""
    found = [Person(f"{role}{site}", (Grant(role, STUDY, site),)) for role in ROLES if role != "administrator" for site in (*SITES, "")]
    found.append(Person("mixed", (Grant("donor_physician", STUDY, "01"), Grant("coordinator", STUDY, "02"))))
    found.append(Person("maker", (Grant("cell_lab", STUDY, "01"), Grant("investigator", STUDY, "02"))))
    found.append(Person("administrator", (Grant("administrator", "*"),)))
    found.append(Person("housekeeper", (Grant("administrator", STUDY),)))
    found.append(Person("stranger", tuple(Grant(role, OTHER) for role in ROLES if role != "administrator")))
    return (*found, Person("guest", ()))


# --- What there is ----------------------------------------------------------------------------------------------------


@cache
def walked_filling() -> Filling:
    def fill(url: str) -> None:
        world = make_world(url, STUDY)
        _other_study(world)
        for site in SITES:
            _furnish(world, site)
        with world.write("trialcrf") as tx:
            for person in cast():
                account_id = administer.create_account(tx, person.name, person.name.title(), f"{person.name}@example.org", "Hospital", "en")
                for one in person.grants:
                    accounts.give(tx, account_id, one, TRAINED)
        world.engine.dispose()

    return fill


def _other_study(world: World) -> None:
    with world.write("trialcrf") as tx:
        published, _ = publish.publish(tx, study_of(OTHER))
        for site in SITES:
            sites.create(tx, published.study_id, site, "Elsewhere", "Europe/Paris")


def _furnish(world: World, site: str) -> None:
    donor, recipient = world.enrol("donor", site, **DONOR), world.enrol("recipient", site, **RECIPIENT)

    def put(which: Subject, event: str, form: str, **boxes: object) -> None:
        world.save(which, form, event, typed(**boxes))

    put(recipient, "SCR", "VISIT", VIS_DONE="Y", VIS_DATE=DAY)
    put(recipient, "SCR", "PHYSEXAM", PE_TEXT=mark("form", site))
    put(recipient, "LINK", "DONORLINK", LINK_DONOR=donor.key, LINK_RELATION="SIBLING", LINK_WHY_NOT_NEARER=mark("link", site))
    put(recipient, "SCR", "INCLUSION", IE_COMMENT=mark("statement", site))
    put(donor, "DSCR", "DSEROLOGY", DSEROLOGY_DATE=DAY, EXP_TEXT=mark("donor", site))
    with world.write("cora") as tx:
        _attach(tx, recipient, "form", "DIGITAL_ULCERS", site)
        _attach(tx, donor, "donor", "DSEROLOGY_DATE", site)
    put(donor, "H0", "HARVEST", HAR_START=(17, 11, 2026, "09:00"), HAR_DONATION=f"FR00012300000001234{site}", HAR_VOLUME="120")
    event = {"AE_GRADE": "4", "AE_SERIOUS": "Y", "AE_HOSPITAL": "Y", "AE_RELATED": "RELATED"}
    put(recipient, "AE", "ADVERSE", AE_WORDS=mark("event", site), **event)
    origin = {"ANCESTRY__new1__BAT_DONATION": f"{donor.key}/H0/1/HARVEST/1"}
    made = {"BAT_LOT": f"LOT{site}", "BAT_CULTURE_START": (17, 11, 2026), "BAT_MEDIUM": mark("cell", site)}
    batch = world.enrol("batch", site, **made, **origin)
    bag = {"CODE": f"LOT{site}-A", "SPLIT": "001", "CELLS": "80", "VOLUME": "50", "EXPIRY": (31, 12, 2099)}
    bag |= {"FILLED": (20, 11, 2026, "16:00"), "PLACE": "LAB_TANK"}
    put(batch, "MAKING", "BAGS", **{f"BAG__new1__BAG_{name}": text for name, text in bag.items()})
    put(batch, "INCIDENTS", "INCIDENT", INC_BAG=f"LOT{site}-A", INC_TEXT=mark("stock", site))
    put(batch, "MAKING", "RELEASE", REL_DECISION="RELEASED", REL_WHY=mark("release", site))
    _oversee(world, site, {"R": recipient, "D": donor, "B": batch})


def _attach(tx: Transaction, which: Subject, access: str, item: str, site: str) -> None:
    """A picture with its word in it, in its name and in what is said of it."""
    _, event, form = GUARDED[access]
    stored = forms.read(tx, which.id, FormKey(event, form))
    assert stored
    asked, word = study_of(STUDY).form[form], mark(access, site)
    enclose.attach(tx, which, asked, stored, item, f"{word}.png", b"\x89PNG\r\n\x1a\n" + word.encode(), f"Seen: {word}")


def _oversee(world: World, site: str, people: Mapping[str, Subject]) -> None:
    """Queries, comments, locks, requests, a monitoring visit and limits, each with its word."""
    published = world.published
    with world.write("cora") as tx:
        second.ask_removal(tx, published, people["R"], mark("removal", site))
    for access, (letter, event, form) in GUARDED.items():
        which, key = people[letter], FormKey(event, form)
        with world.write("dana") as tx:
            stored = forms.read(tx, which.id, key)
            assert stored
            review.ask(tx, which, key, stored.id, Place(""), mark(f"ask_{access}", site))
            comment.write(tx, which, key, stored.id, Place(""), mark(f"say_{access}", site))
            thing = lock.find(tx, published, Address(Level.FORM, stored.id).text)
            assert thing
            lock.freeze(tx, thing, mark(f"lock_{access}", site))
            if access == "donor":
                lock.lock(tx, thing, mark(f"lock_{access}", site))
                second.ask_unlock(tx, published, thing, mark("unlock", site))
    with world.write("mona") as tx:
        where = sites.find(tx, STUDY, site)
        assert where
        monitor.plan(tx, where, "routine", date(2026, 11, 21), mark("visit", site))
    with world.write("dana") as tx:
        limits = keep_limits.TypedLimits(mark("laboratory", site), "NEUT", "10⁹/L", "", "1.8", "7.5", date(2020, 1, 1))
        keep_limits.add(tx, published.study, where, limits)
        delegations.add(tx, where, "cora", 1, ("consent",), date(2026, 11, 21), "Ivan")
        for kind, eyes in (("casebook", ("donor", "form", "link", "statement")), ("dossier", ()), ("safety", ())):
            about = "" if kind == "safety" else people["R"].key
            key = f"{kind} {site}"
            report.order(tx, published, "en", date(2026, 11, 21), None, "dana", key, kind, subject=about, why="Asked", eyes=eyes)


@dataclass(frozen=True, slots=True)
class Things:
    """The numbers of what a site has, by the name that an address has for it."""

    site: str
    forms: Mapping[str, int]
    queries: Mapping[str, int]
    cases: int
    requests: Mapping[str, int]
    reports: Mapping[str, int]
    limits: int
    delegation: int
    bags: int
    row: str
    comment: int
    documents: Mapping[str, int]

    def subject(self, letter: str) -> str:
        return f"{letter}-{self.site}-001"


def things(world: World) -> dict[str, Things]:
    """What `walked_filling` made, by site."""
    found = {}
    with world.read() as tx:
        for place, site in enumerate(SITES):
            numbers = {one: _form_id(tx, f"{letter}-{site}-001", form) for one, (letter, _, form) in GUARDED.items()}
            found[site] = Things(
                site,
                numbers,
                {one: _one(tx, "query", form_id=number, check_oid="") for one, number in numbers.items()},
                next(one.number for one in cases.all_of(tx, STUDY) if one.subject == f"R-{site}-001"),
                {kind: _all(tx, "four_eyes", kind=kind)[place] for kind in ("removal", "unlock")},
                {kind: _all(tx, "report", kind=kind)[place] for kind in ("casebook", "dossier", "safety")},
                _all(tx, "lab_range")[place],
                _all(tx, "delegation")[place],
                _form_id(tx, f"B-{site}-001", "BAGS"),
                forms.by_id(tx, _form_id(tx, f"B-{site}-001", "BAGS")).document.rows["BAG"][0].id,  # type: ignore[union-attr]
                _comment(tx, f"R-{site}-001", numbers["form"]),
                {access: _one(tx, "enclosure", form_id=numbers[access]) for access in ("form", "donor")},
            )
    return found


def archive(world: World, data: Path) -> None:
    """Put a file behind every ordered report, with the word of its site in it: who may not have the report must not get its bytes."""
    (data / "reports").mkdir(exist_ok=True)
    for site, held in things(world).items():
        for kind, number in held.reports.items():
            content = mark(kind, site).encode()
            name = f"{kind}-{site}.pdf"
            (data / "reports" / name).write_bytes(content)
            (data / "reports" / (name + seal.ENDING)).write_bytes(b"{}")
            with world.write("trialcrf") as tx:
                assert reports.drawn(tx, number, 1, "checkpoint", hashlib.sha256(content).hexdigest(), name)


def _all(tx: Transaction, table: str, **where: object) -> list[int]:
    columns = base.metadata.tables[table].c
    return list(
        tx.read(select(columns.id).where(*(columns[name] == value for name, value in where.items())).order_by(columns.id)).scalars()
    )


def _one(tx: Transaction, table: str, **where: object) -> int:
    (found,) = _all(tx, table, **where)
    return found


def _comment(tx: Transaction, subject: str, form_id: int) -> int:
    table = base.metadata.tables["audit_record"].c
    where = (table.entity == "comment", table.subject == subject, table.entity_id == str(form_id))
    return int(tx.read(select(table.seq).where(*where)).scalar_one())


def _form_id(tx: Transaction, subject: str, form: str) -> int:
    subject_id = _one(tx, "subject", key=subject)
    return _one(tx, "form", subject_id=subject_id, form_oid=form)


# --- What is seen -----------------------------------------------------------------------------------------------------


def bodies(content: bytes, media_type: str) -> Iterator[str]:
    """What an answer tells: itself, every member of a zip file, or what a reader of PDFs reads in it."""
    if content.startswith(b"%PDF"):
        yield printed(content)
    elif media_type == "application/zip":
        with zipfile.ZipFile(io.BytesIO(content)) as bundle:
            for name in bundle.namelist():
                yield name
                yield bundle.read(name).decode("utf-8", "replace")
    else:
        yield content.decode("utf-8", "replace")


@cache
def printed(content: bytes) -> str:
    """The text of a drawn document, what it says of itself, and the files that are attached to it; the same bytes are read once."""
    with tempfile.TemporaryDirectory() as folder:
        file, attached = Path(folder, "it.pdf"), Path(folder, "attached")
        attached.mkdir()
        file.write_bytes(content)
        said = [
            subprocess.run(command, capture_output=True, check=True).stdout
            for command in (["pdftotext", file, "-"], ["pdfinfo", file], ["pdfdetach", "-saveall", "-o", attached, file])
        ]
        said += [one.read_bytes() for one in sorted(attached.iterdir())]
    return b"\n".join(said).decode("utf-8", "replace")


def draw(world: World, data: Path, kind: str, eyes: tuple[str, ...] = (), **about: Any) -> Report:
    """A document as the scheduler draws and archives it."""
    with world.write("dana") as tx:
        key = f"drawn {kind}"
        number = report.order(tx, world.published, "en", date(2026, 11, 21), None, "dana", key, kind, why="Asked", eyes=eyes, **about)
    assert draw_report(world.engine, data / "reports", WHO, number)
    with world.read() as tx:
        found = reports.find(tx, number)
    assert found
    return found


def leaks(person: Person, content: bytes, media_type: str) -> set[str]:
    """The words in an answer that this person may not read."""
    return {found[0] for body in bodies(content, media_type) for found in MARK.finditer(body) if not person.reads(found)}


class Ledger:
    """Tells whether anything was written: the trail, the rows of every table but sessions, the state of every report."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen = sqlite3.connect(str(world.engine.url.database), check_same_thread=False)
        self._version, self._known = 0, ()

    def state(self) -> tuple[object, ...]:
        (version,) = self._seen.execute("PRAGMA data_version").fetchone()
        if version != self._version:  # Somebody committed something, were it that a session was seen.
            self._version, self._known = version, tuple(self._told())
        return self._known

    def _told(self) -> Iterator[object]:
        with self._world.read() as tx:
            yield audit.chains(tx.connection)
            yield list(tx.read(select(base.metadata.tables["report"].c.state).order_by("id")).scalars())
            for name, table in base.metadata.tables.items():
                if name != "session":
                    yield name, tx.read(select(func.count()).select_from(table)).scalar_one()

    def close(self) -> None:
        self._seen.close()
