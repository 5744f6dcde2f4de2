"""The documents of a case as files: each field of the CIOMS form with its number, tags, and the samples of all three."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from zoneinfo import ZoneInfo

import page  # page-validation
import pytest

from tests.core.case_documents import CUT, EVENT, a_case, documented_study, entry, event_of, subject
from trialcrf.core.packs.cioms import Cioms, cioms
from trialcrf.core.safety.case import Kind
from trialcrf.external.markup import REPORTS
from trialcrf.external.pdf import render

OWN = "She became <short> of breath & recovered."


def form(own: str = "") -> Cioms:
    study, record = documented_study(), subject()
    case = a_case(record, entry(4, Kind.NARRATIVE, {"language": "en", "text": own}, 2)) if own else a_case(record)
    return cioms(study, record, event_of(study, record), case, case.versions[0], CUT, ZoneInfo("Europe/Paris"), "FR")


def words(document: bytes, folder: Path, *more: str) -> str:
    file = folder / "form.pdf"
    file.write_bytes(document)
    told = subprocess.run(["pdftotext", *more, str(file), "-"], capture_output=True, text=True, check=True).stdout
    return re.sub(r"\s+", " ", told)


def test_every_numbered_field_is_printed_with_its_value(tmp_path: Path) -> None:
    drawn = render("cioms", form(), "en")
    told = words(drawn, tmp_path)
    fields = {
        "1 Patient (initials)": "PRIVACY – R-01-004", "1a Country": "FR", "2 Date of birth": "MSK / MSK / 1979", "2a": "46 years",
        "3 Sex": "Female", "3a Weight": "62.4 kg", "4–6 Reaction onset": "08 / 02 / 2026", "7 + 13 Describe": EVENT["AETERM"],
        "8–12 Check all": "☒ Life-threatening", "14 Suspect drug": "Batch: MSC-0107.", "15 Dose": "62.40 × 10⁶/kg, once",
        "16 Route": "Intravenous", "17 Indication": "Systemic sclerosis", "18 Therapy dates": "from 2 Feb 2026 at 10:00",
        "19 Therapy duration": "0 h 40 min", "20 Did the reaction abate": "NA (single administration)",
        "21 Did the reaction reappear": "NA (single administration)", "22 Concomitant drugs": "Nifedipine 20 mg (since January 2019",
        "23 Other relevant history": "Arterial hypertension (since 2018)", "24a Name and address": "1 rue Imaginaire, 75000 Paris",
        "24b Original report": "MSC-DEMO-0007", "24c Control number": "MSC-DEMO-0007/1", "24d Date received": "8 Feb 2026",
        "25a Date of this report": "2 Mar 2026", "25b Report type": "☒ Initial ☐ Follow-up", "26 Reporter": "Investigator, site 01",
    }  # fmt: skip
    for name, value in fields.items():
        assert name in told and value in told, (name, value)
    assert "Drafted from the data" in told and "Sam Sponsor" not in told and "1979-06" not in told
    for profile in ("ua1", "3a"):
        found = page.validate_pdf_bytes(drawn, profile=profile)
        assert found.is_compliant, [(failure.rule_id, failure.message) for failure in found.failures]


def test_a_short_narrative_stands_on_the_form_and_its_markup_stays_text(tmp_path: Path) -> None:
    told = words(render("cioms", form(OWN), "en"), tmp_path, "-layout")
    assert OWN in told and re.search(r"1 ?/ ?1 $", told) and "continuation" not in told


def test_a_long_narrative_has_a_page_of_its_own(tmp_path: Path) -> None:
    drawn = render("cioms", form("\n\n".join(OWN for _ in range(40))), "en")
    told = words(drawn, tmp_path)
    assert told.count(OWN) == 40 and "Continuation of field 7 + 13" in told and re.search(r"2 ?/ ?2 $", told)


@pytest.mark.parametrize("document", ["letter", "narrative"])
def test_the_sample_is_drawn_for_every_reader(document: str, tmp_path: Path) -> None:
    sample = json.loads((REPORTS / document / "sample.json").read_text(encoding="utf-8"))
    drawn = render(document, sample, "en")
    assert page.is_pdf_compliant_bytes(drawn, profile="ua1")
    told = words(drawn, tmp_path)
    assert "R-01-004" in told and "Dyspnea" in told
    assert (EVENT["AETERM"] in told) == (document == "narrative"), "a letter to all sites has no word of one site"
