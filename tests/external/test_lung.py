"""Reference equations of lung function against vectors of another implementation (clinical reference, D.8), and what they cost."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from trialcrf.external.lung import OutOfRange, Predicted, predicted

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared/protocol/gli_vectors.json"
LITRES = Decimal("0.001")
PER_CENT = Decimal("0.01")
WAYS = (("FVC", "GLI_2012", "L"), ("FVC", "GLI_GLOBAL", "L"), ("DLCO", "GLI_2017", "mL/min/mmHg"), ("TLCO", "GLI_2017", "mmol/min/kPa"))
# Sex, age, height; then predicted value and lower limit of normal in each of these ways, from the published tables as rspiro packages them.
VECTORS = (
    ("F", "45", "165", "3.6994 2.9287", "3.4762 2.6238", "21.5752 16.9682", "7.2231 5.6807"),
    ("M", "50", "175", "4.8014 3.7527", "4.4587 3.3925", "28.4345 21.7396", "9.5194 7.2781"),
    ("F", "60", "160", "3.0561 2.3166", "2.8612 2.0800", "19.2612 14.7730", "6.4484 4.9458"),
    ("M", "70", "180", "4.3785 3.2495", "4.1945 3.1217", "26.5481 19.5356", "8.8879 6.5402"),
    ("F", "19", "170", "4.1802 3.3478", "3.9073 3.0324", "23.4128 18.4647", "7.8382 6.1817"),
    ("M", "30.5", "178", "5.4546 4.3912", "5.0949 3.9655", "32.9555 26.0143", "11.0330 8.7092"),
)
CASES = [
    (sex, age, height, *way, *numbers.split()) for sex, age, height, *columns in VECTORS for way, numbers in zip(WAYS, columns, strict=True)
]


def ask(measure: str, sex: str, age: str, height: str, reference: str) -> Predicted:
    found = predicted(measure, sex, Decimal(age), Decimal(height), reference)
    assert isinstance(found, Predicted)
    return found


@pytest.mark.parametrize(("sex", "age", "height", "measure", "reference", "unit", "value", "lln"), CASES)
def test_the_package_predicts_what_the_published_tables_say(sex, age, height, measure, reference, unit, value, lln) -> None:
    found = ask(measure, sex, age, height, reference)
    assert abs(found.value - Decimal(value)) <= LITRES
    assert abs(found.lln - Decimal(lln)) <= LITRES
    assert found.unit == unit


def test_the_vectors_are_those_that_were_handed_over() -> None:
    if not SHARED.is_file():
        pytest.skip("gli_vectors.json of the shared protocol folder is not here; the same vectors stand in this file")
    names = ("gli2012_caucasian_fvc", "gli_global_2022_fvc", "gli2017_dlco_mlminmmHg", "gli2017_tlco_SI")
    handed = [
        (
            one["sex"],
            Decimal(str(one["age"])),
            Decimal(one["height_cm"]),
            *(Decimal(str(one[name][key])) for name in names for key in ("pred", "lln")),
        )
        for one in json.loads(SHARED.read_text())["vectors"]
    ]
    ours = [
        (sex, Decimal(age), Decimal(height), *(Decimal(n) for pair in pairs for n in pair.split())) for sex, age, height, *pairs in VECTORS
    ]
    assert ours == handed


@pytest.mark.parametrize(
    ("measure", "reference", "sex", "age", "height", "measured", "per_cent"),
    [
        ("FVC", "GLI_2012", "F", "45", "165", "2.40", "64.88"),
        ("FVC", "GLI_GLOBAL", "F", "45", "165", "2.40", "69.04"),
        ("FVC", "GLI_2012", "F", "45", "165", "2.50", "67.58"),
        ("FVC", "GLI_GLOBAL", "F", "45", "165", "2.50", "71.92"),
        ("DLCO", "GLI_2017", "F", "45", "165", "12.0", "55.62"),
        ("TLC", "GLI_2021", "F", "45", "165", "4.5", "83.33"),
        ("TLC", "GLI_2021", "M", "50", "175", "4.5", "64.72"),
    ],
)
def test_a_measured_value_is_this_share_of_what_is_predicted(measure, reference, sex, age, height, measured, per_cent) -> None:
    share = Decimal(measured) / ask(measure, sex, age, height, reference).value * 100
    assert abs(share - Decimal(per_cent)) <= PER_CENT


@pytest.mark.parametrize(
    ("measure", "reference", "youngest", "oldest"),
    [
        ("FVC", "GLI_2012", 3, 95),
        ("FVC", "GLI_GLOBAL", 3, 95),
        ("TLC", "GLI_2021", 5, 80),
        ("DLCO", "GLI_2017", 5, 90),
        ("TLCO", "GLI_2017", 5, 90),
    ],
)
def test_outside_its_ages_an_equation_predicts_nothing_and_says_which_they_are(measure, reference, youngest, oldest) -> None:
    for age in (Decimal(youngest), Decimal(oldest)):
        found = predicted(measure, "M", age, Decimal(170), reference)
        assert isinstance(found, Predicted)
        assert 0 < found.lln < found.value
    for age in (youngest - Decimal("0.01"), oldest + Decimal("0.01")):
        assert predicted(measure, "M", age, Decimal(170), reference) == OutOfRange(youngest, oldest)


@pytest.mark.parametrize("age", ["30.1", "45.0417", "69.99"])
def test_between_quarters_of_a_year_it_lies_between_them(age) -> None:
    low = Decimal(int(Decimal(age) * 4)) / 4
    values = [ask("FVC", "F", str(each), "165", "GLI_GLOBAL").value for each in (low, Decimal(age), low + Decimal("0.25"))]
    assert values[0] > values[1] > values[2]


@pytest.mark.parametrize(
    ("measure", "sex", "height", "reference"),
    [("FVC", "F", "165", "GLI_2021"), ("FEV1", "F", "165", "GLI_2012"), ("FVC", "X", "165", "GLI_2012"), ("FVC", "F", "0", "GLI_2012")],
)
def test_a_question_that_no_equation_answers_is_refused(measure, sex, height, reference) -> None:
    with pytest.raises(ValueError, match="no equation"):
        predicted(measure, sex, Decimal(45), Decimal(height), reference)


def test_the_web_pays_for_the_package_only_when_something_is_predicted() -> None:
    program = (
        "import sys, decimal\n"
        "import trialcrf.web\n"
        "from trialcrf.external.lung import predicted\n"
        "heavy = lambda: [name for name in ('numpy', 'pandas', 'pyspiro') if name in sys.modules]\n"
        "assert not heavy(), heavy()\n"
        "predicted('FVC', 'F', decimal.Decimal(96), decimal.Decimal(165), 'GLI_2012')\n"
        "assert not heavy(), heavy()\n"
        "predicted('FVC', 'F', decimal.Decimal(45), decimal.Decimal(165), 'GLI_2012')\n"
        "assert heavy()\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=ROOT, check=True)
