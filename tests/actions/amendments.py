"""Two amendments of `msc_ssc`, written as its files are: what each changes, in the text of the study's own definition."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.actions.world import STUDIES
from trialcrf.core.definition.load import load
from trialcrf.core.definition.model import Study
from trialcrf.core.definition.signing_in import SigningIn
from trialcrf.external.files import read_study

FIRST = """amendment:
  label: {fr: Amendement 1, en: Amendment 1}
  reconsent: yes
  policies: {VITALS: all, HAQ: new_subjects}
"""
SECOND = """amendment:
  label: {fr: Amendement 2, en: Amendment 2}
  visits: new_subjects
  policies: {VITALS: all}
"""
OXYGEN = """      - oid: O2_FLOW
        label: {fr: Débit d’oxygène, en: Oxygen flow}
        type: decimal
        unit: L/min
        decimals: 1
        hard: [0, 20]
        missing: [ND, NRET]
"""
TEMPERATURE = """      - oid: TEMPERATURE
        label: {fr: Température, en: Temperature}
        type: decimal
        unit: °C
        decimals: 1
        hard: [30, 45]
        soft: [35, 39]
        missing: [ND]
        alias: [VSORRES, TEMP]
"""
PULSE = "        hard: [20, 300]\n        soft: [40, 130]\n"
HELPED = """      - oid: HAQ_HELPED
        label: {fr: Rempli avec de l’aide, en: Completed with help}
        type: boolean
"""
HAQ_DATE = "        alias: QSDAT\n"
MONTH_1 = "    target: {months: 1}\n    window: {before: 7, after: 7}\n    forms: [FVISIT, VITALS, SKIN, LABS]\n"
MONTH_24 = "    target: {months: 24}\n"

EDITS: Mapping[int, tuple[tuple[str, str, str], ...]] = {
    1: (
        ("forms/vital_signs.yaml", "  - oid: BP\n", OXYGEN + "  - oid: BP\n"),
        ("forms/vital_signs.yaml", PULSE, PULSE.replace("20, 300", "30, 300")),
        ("forms/health_assessment.yaml", HAQ_DATE, HAQ_DATE + HELPED),
        ("schedule.yaml", MONTH_1, MONTH_1.replace("before: 7", "before: 10")),
    ),
    2: (
        ("forms/vital_signs.yaml", TEMPERATURE, ""),
        ("schedule.yaml", MONTH_1.replace("before: 7", "before: 10"), MONTH_1.replace("before: 7, after: 7", "before: 3, after: 3")),
    ),
}
"""File, what stands in it once, and what stands there afterwards; the second amends the first."""


@cache
def amended(number: int) -> Study:
    """The study after this amendment (0: as it is shipped)."""
    with TemporaryDirectory() as folder:
        # No second factor is asked: nobody of these tests has one.
        return replace(load(read_study(write_amended(number, Path(folder)))), sign_in=SigningIn())


def write_amended(number: int, folder: Path) -> Path:
    """Write the files of the study after this amendment; returns their folder."""
    root = folder / "msc_ssc"
    shutil.copytree(STUDIES["msc_ssc"], root)
    for one in range(1, number + 1):
        for file, old, new in EDITS[one]:
            text = (root / file).read_text(encoding="utf-8")
            assert text.count(old) == 1, (file, old)
            (root / file).write_text(text.replace(old, new), encoding="utf-8")
    if number:
        with (root / "study.yaml").open("a", encoding="utf-8") as main:
            main.write({1: FIRST, 2: SECOND}[number])
    return root
