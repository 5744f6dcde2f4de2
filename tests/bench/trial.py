"""The small trial that saves are measured in: one site, its coordinators, and subjects whose visits are still to be filled."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tests.bench.form import VISITS
from trialcrf.actions import administer, enrol, publish, sign_in
from trialcrf.actions.enter import Typed
from trialcrf.core.definition.load import load
from trialcrf.core.document import Place
from trialcrf.core.values import Raw
from trialcrf.external.files import read_study
from trialcrf.store import sites
from trialcrf.store.audit import Who
from trialcrf.store.transaction import open_engine, writing

STUDY = "bench"
SITE = "01"
PASSWORD = "a long sentence for measuring"
NOW = datetime(2021, 1, 4, 9, 0, tzinfo=UTC)
ADMISSION = {
    Place("AGREED"): Raw({"d": "2", "m": "12", "y": "2019"}),
    Place("BORN"): Raw({"m": "5", "y": "1970"}),
    Place("GENDER"): Raw({"": "F"}),
}


def coordinators(count: int) -> list[str]:
    return [f"cora{number}" for number in range(1, count + 1)]


def prepare(url: str, people: int, subjects: int, folder: Path = Path(__file__).parent / "study") -> list[str]:
    """Publish the study of this folder, make the site and the accounts, enrol the subjects. Returns the address of each form to fill.

    Everyone works at one site: every save waits for the head of one chain, which is the hardest case.
    """
    engine = open_engine(url)
    who = Who.system("bench")
    study = load(read_study(folder))
    with writing(engine, NOW, who) as tx:
        published, _ = publish.publish(tx, study)
        sites.create(tx, published.study_id, SITE, "Paris", "Europe/Paris")
        site = sites.find(tx, STUDY, SITE)
        assert site
        for name in coordinators(people):
            account = administer.create_account(tx, name, name.title(), f"{name}@example.org", "Hospital", "fr")
            sign_in.set_password(tx, account, name, PASSWORD)
            administer.give_role(tx, account, "coordinator", STUDY, SITE)
    addresses = []
    for _ in range(subjects):
        with writing(engine, NOW, who) as tx:
            subject, _saved = enrol.enrol(tx, published, site, "person", Typed(ADMISSION), NOW)
        addresses += [f"/studies/{STUDY}/subjects/{subject.key}/V{visit}/1/THIRTY/1" for visit in range(1, VISITS + 1)]
    engine.dispose()
    return addresses
