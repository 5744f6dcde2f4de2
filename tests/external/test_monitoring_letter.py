"""The letter of a monitoring visit on paper: what it says, and that it conforms to both profiles."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import page  # page-validation

from tests.core.test_monitoring import DONE, WHOLE, letter
from trialcrf.external.pdf import render


def test_the_letter_prints_sample_findings_and_actions_and_conforms_to_both_profiles(tmp_path: Path) -> None:
    drawn = render("monitoring", letter(*WHOLE, DONE), "en")
    (tmp_path / "letter.pdf").write_bytes(drawn)
    done = subprocess.run(["pdftotext", "-layout", str(tmp_path / "letter.pdf"), "-"], capture_output=True, text=True, check=True)
    told = re.sub(r"\s+", " ", done.stdout)
    for said in (
        "Monitoring visit no. 3, site 01",
        "Mona Marin, Invented CRO",
        "R-01-001 40 12 1 50",
        "12 (R-01-002)",
        "major",
        "31 Mar 2026",
    ):
        assert said in told, said
    assert "Seen in the file." in told and "The consent form is an earlier version" in told
    assert all(page.validate_pdf_bytes(drawn, profile=profile).is_compliant for profile in ("ua1", "3a"))
