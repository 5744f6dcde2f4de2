"""Who may order the documents of the cell product, and have their files: reading reports alone opens none that tells more."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.actions.cells_world import cells_filling
from tests.web.cells_site import cells_house
from trialcrf.actions.records import report
from trialcrf.store import reports

LIST = "/studies/msc_ssc/reports"


@pytest.fixture
def database_kind() -> str:
    """Nothing here hangs on the kind of database."""
    return "sqlite"


@pytest.fixture
def filling():
    return cells_filling()


@pytest.fixture
def house(database_url, tmp_path):
    made = cells_house(database_url, tmp_path / "data")
    yield made
    made.close()


def order(kind: str, subject: str) -> dict[str, str]:
    return {"kind": kind, "subject": subject, "day": "21", "month": "11", "year": "2026", "language": "en", "why": "For the inspection."}


def test_who_may_not_trace_neither_orders_a_dossier_nor_gets_one(house):
    assert house.client("sam").post(LIST, order(report.DOSSIER, "D-01-001")).status_code == 422
    assert house.client("sam").post(LIST, order(report.BATCH, "B-01-001")).status_code == 303
    assert house.client("dana").post(LIST, order(report.DOSSIER, "D-01-001")).status_code == 303
    with house.world.read() as tx:
        ordered = {one.kind: one for one in reports.all_of(tx, "msc_ssc")}
    assert set(ordered) == {report.BATCH, report.DOSSIER}
    folder = Path(house.app.config["DATA"]) / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    for kind, one in ordered.items():
        (folder / f"{kind}.pdf").write_bytes(b"%PDF-1.7")
        with house.world.write("trialcrf") as tx:
            reports.drawn(tx, one.id, 1, "c" * 64, hashlib.sha256(b"%PDF-1.7").hexdigest(), f"{kind}.pdf")

    def status(name: str, kind: str) -> int:
        return house.client(name).get(f"{LIST}/{ordered[kind].id}.pdf").status_code

    assert (status("dana", report.DOSSIER), status("sam", report.DOSSIER)) == (200, 404)
    assert (status("sam", report.BATCH), status("quin", report.BATCH)) == (200, 403)


def test_a_wrong_kind_of_subject_is_said_at_its_box(house):
    answer = house.client("dana").post(LIST, order(report.BATCH, "R-01-001"))
    assert answer.status_code == 422 and "R-01-001" in answer.text and 'id="error-subject"' in answer.text
