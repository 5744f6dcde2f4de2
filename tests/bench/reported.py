"""An archived report to be downloaded under load, and the persons who read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from config import STUDIES
from tests.bench.trial import NOW, PASSWORD, STUDY
from trialcrf.actions import administer, publish, sign_in, simulate
from trialcrf.actions.records import report
from trialcrf.core.definition.load import load
from trialcrf.core.definition.signing_in import SigningIn
from trialcrf.external import archive
from trialcrf.external.files import read_study
from trialcrf.jobs.work import draw_report
from trialcrf.store import definitions, reports
from trialcrf.store.audit import Who
from trialcrf.store.transaction import Transaction, open_engine, reading, writing

READERS = ("data_manager", "sponsor")
"""Roles, and names of the accounts that have them."""
DRAWN_OF = "msc_ssc"


@dataclass(frozen=True, slots=True)
class Document:
    """An archived report: its address, and the very bytes that were archived."""

    address: str
    content: bytes


def reported(url: str, folder: Path, subjects: int) -> Document:
    """The safety report of a simulated trial of so many subjects in this database, drawn and archived under `folder`.

    With none nothing is drawn: a few bytes stand for the report, where the measuring alone is tried.
    """
    engine, who = open_engine(url), Who.system("bench")

    @contextmanager
    def begin() -> Iterator[Transaction]:
        with writing(engine, NOW, who) as tx:
            yield tx

    study, kind = (DRAWN_OF, report.SAFETY) if subjects else (STUDY, report.QUALITY)
    if subjects:
        with begin() as tx:
            published, _ = publish.publish(tx, replace(load(read_study(STUDIES / study)), sign_in=SigningIn()))
        simulate.simulate(begin, published, subjects, 1, NOW, 2, in_bulk=True)
    with begin() as tx:
        of = definitions.current(tx, study)
        assert of
        number = report.order(tx, of, of.study.languages[0], NOW.date(), None, who.actor, kind=kind)
        assert number
        for role in READERS:
            account = administer.create_account(tx, role, role, f"{role}@example.org", "Sponsor", "fr")
            sign_in.set_password(tx, account, role, PASSWORD)
            administer.give_role(tx, account, role, study, "", NOW.date())
    if not subjects:
        with begin() as tx:
            reports.drawn(tx, number, of.version, "", archive.keep(folder / "few.pdf", b"%PDF in place of a report"), "few.pdf")
    elif not draw_report(engine, folder, who, number):
        raise RuntimeError("the report was not drawn")
    with reading(engine) as tx:
        found = reports.find(tx, number)
    engine.dispose()
    assert found
    assert found.file
    return Document(f"/studies/{study}/reports/{number}.pdf", (folder / found.file).read_bytes())
