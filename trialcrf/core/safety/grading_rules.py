"""From which value on a laboratory or vital sign result has which CTCAE grade: numbers only, written by hand for each edition and term.

Sources: NCI, CTCAE v5.0 (27 November 2017) and v6.0 (22 July 2025, with the errata of 20 January 2026). Their prose is not parsed: it has
errors and holes (clinical reference, E.1). What depends on symptoms, treatment or lasting is no number and so not here, but in a `note`
or in `provided`. Haemoglobin increased of v5.0 does not say above what it counts, a chronic kidney disease is not told by one value, and
the diffusing capacity depends on symptoms: none of them has a rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from trialcrf.core.wording import N_, Message

V5, V6 = "5.0", "6.0"

LLN, ULN, BASELINE = "LLN", "ULN", "BASELINE"
NORMAL, ABNORMAL, BELOW = "NORMAL", "ABNORMAL", "BELOW"


@dataclass(frozen=True, slots=True)
class Step:
    """A grade holds where `value sign times * of + plus`; with no `of`, `times` is the number itself, in the unit of the rule.

    `baseline`: only where the baseline was within the upper limit (NORMAL), above it (ABNORMAL) or under the lower one (BELOW).
    `most`: for a baseline of more than so many times the upper limit the edition says nothing.
    """

    grade: int
    sign: str
    times: Decimal
    of: str = ""
    plus: Decimal = Decimal(0)
    baseline: str = ""
    most: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """The steps of one term of one edition for one analyte (the SDTM test code); the worst step that holds is the grade.

    `units`: how many of the rule's own unit one of each known unit is, by its key (`core.safety.grading.unit_key`). Empty: every unit,
    because all steps are multiples of the laboratory's limits or of the baseline. `gaps` are open intervals for which the edition has no
    grade.
    """

    version: str
    analyte: str
    term: str
    steps: tuple[Step, ...]
    units: Mapping[str, Decimal] = field(default_factory=dict)
    gaps: tuple[tuple[Decimal, Decimal], ...] = ()
    note: Message | None = None


def _d(text: str) -> Decimal:
    return Decimal(text)


_PER_LITRE = {"109/l": _d("1"), "g/l": _d("1"), "/mm3": _d("0.001"), "/μl": _d("0.001"), "106/l": _d("0.001")}
_PER_MICROLITRE = {"106/l": _d("1"), "/mm3": _d("1"), "/μl": _d("1"), "109/l": _d("1000")}
_CONSEQUENCES = Message(N_("A higher grade depends on the consequences, which no value tells."))
_LASTING = Message(N_("The next grade depends on how long it lasts, which one value does not tell."))


def _falling(first: str, *numbers: str) -> tuple[Step, ...]:
    """Grade 1 under the lower limit (`LLN`) or a number, the following ones each under a number; all strict."""
    start = Step(1, "<", _d("1"), LLN) if first == LLN else Step(1, "<", _d(first))
    return (start, *(Step(grade, "<", _d(number)) for grade, number in enumerate(numbers, 2)))


def _multiples(*times: str, of: str = ULN, baseline: str = "", first: str = ">") -> tuple[Step, ...]:
    """One grade more for each multiple; `first` is the sign of grade 1, all others are strict."""
    return tuple(Step(grade, first if grade == 1 else ">", _d(n), of, baseline=baseline) for grade, n in enumerate(times, 1))


_NORMAL_ENZYME = _multiples("1", "3", "5", "20", baseline=NORMAL)
_ENZYME_5 = (*_NORMAL_ENZYME, *_multiples("1.5", "3", "5", "20", of=BASELINE, baseline=ABNORMAL, first=">="))
_ENZYME_6 = (
    *_NORMAL_ENZYME,
    Step(1, ">=", _d("1"), BASELINE, baseline=ABNORMAL),
    Step(2, ">", _d("1.5"), BASELINE, baseline=ABNORMAL),
    Step(3, ">", _d("2"), BASELINE, baseline=ABNORMAL, most=_d("5")),
    Step(4, ">", _d("4"), BASELINE, baseline=ABNORMAL),
)
_NORMAL_BILIRUBIN = _multiples("1", "1.5", "3", "10", baseline=NORMAL)
_BILIRUBIN_5 = (*_NORMAL_BILIRUBIN, *_multiples("1", "1.5", "3", "10", of=BASELINE, baseline=ABNORMAL))
_BILIRUBIN_6 = (*_NORMAL_BILIRUBIN, *_multiples("1", "1.5", "2.5", "10", of=BASELINE, baseline=ABNORMAL, first=">="))
_CREATININE = _multiples("1", "1.5", "3", "6")
_CREATININE_5 = (*_CREATININE, Step(2, ">", _d("1.5"), BASELINE), Step(3, ">", _d("3"), BASELINE))
_CREATININE_6 = (
    *_CREATININE,
    Step(2, ">", _d("1.5"), BASELINE, baseline=BELOW),
    Step(3, ">", _d("3"), BASELINE, baseline=BELOW),
)
_EXPIRED = (Step(1, "<=", _d("99")), Step(2, "<=", _d("69")), Step(3, "<=", _d("59")))
# CTCAE writes whole per cents: between two bands it says nothing, and v6.0 nothing at all under 50 % (clinical reference, E.1).
_BETWEEN = ((_d("99"), _d("100")), (_d("69"), _d("70")), (_d("59"), _d("60")))
_PER_CENT = {"%": _d("1")}
_CELSIUS = {"°c": _d("1")}


def _both(analyte: str, term: str, steps: tuple[Step, ...], units: Mapping[str, Decimal], note: Message | None = None) -> tuple[Rule, ...]:
    return tuple(Rule(version, analyte, term, steps, units, note=note) for version in (V5, V6))


RULES: tuple[Rule, ...] = (
    Rule(V5, "NEUT", "Neutrophil count decreased", _falling(LLN, "1.5", "1.0", "0.5"), _PER_LITRE),
    Rule(V6, "NEUT", "Neutrophil count decreased", _falling("1.5", "1.0", "0.5", "0.1"), _PER_LITRE),
    Rule(V5, "PLAT", "Platelet count decreased", _falling(LLN, "75", "50", "25"), _PER_LITRE),
    Rule(V6, "PLAT", "Thrombocytopenia", _falling(LLN, "75", "50", "10"), _PER_LITRE),
    *_both("HGB", "Anemia", _falling(LLN, "10.0", "8.0"), {"g/dl": _d("1"), "g/l": _d("0.1")}, _CONSEQUENCES),
    *_both("HGB", "Anemia", _falling(LLN, "6.2", "4.9"), {"mmol/l": _d("1")}, _CONSEQUENCES),
    Rule(
        V6,
        "HGB",
        "Hemoglobin increased",
        (Step(1, ">", _d("1"), ULN), Step(2, ">", _d("1"), ULN, _d("2")), Step(3, ">", _d("1"), ULN, _d("4"))),
        {"g/dl": _d("1"), "g/l": _d("0.1")},
    ),
    *_both("CD4", "CD4 lymphocytes decreased", _falling(LLN, "500", "200", "50"), _PER_MICROLITRE),
    Rule(V5, "CREAT", "Creatinine increased", _CREATININE_5),
    Rule(V6, "CREAT", "Creatinine increased", _CREATININE_6),
    Rule(V5, "ALT", "Alanine aminotransferase increased", _ENZYME_5),
    Rule(V6, "ALT", "Alanine aminotransferase increased", _ENZYME_6),
    Rule(V5, "AST", "Aspartate aminotransferase increased", _ENZYME_5),
    Rule(V6, "AST", "Aspartate aminotransferase increased", _ENZYME_6),
    Rule(V5, "BILI", "Blood bilirubin increased", _BILIRUBIN_5),
    Rule(V6, "BILI", "Blood bilirubin increased", _BILIRUBIN_6),
    *_both("TEMP", "Fever", (Step(1, ">=", _d("38.0")), Step(2, ">", _d("39.0")), Step(3, ">", _d("40.0"))), _CELSIUS, _LASTING),
    Rule(
        V5,
        "FEV1PP",
        "Forced expiratory volume decreased",
        (*_EXPIRED, Step(4, "<=", _d("49"))),
        _PER_CENT,
        (*_BETWEEN, (_d("49"), _d("50"))),
    ),
    Rule(V6, "FEV1PP", "Forced expiratory volume decreased", _EXPIRED, _PER_CENT, (*_BETWEEN, (_d("-Infinity"), _d("50")))),
    *_both("FVCPP", "Vital capacity abnormal", (Step(1, "<=", _d("90")), Step(2, "<", _d("75")), Step(3, "<", _d("50"))), _PER_CENT),
)
"""Every rule, by edition and analyte; an analyte may have several (too low, too high)."""

PRESSURE: Mapping[str, tuple[tuple[int, Decimal, Decimal], ...]] = {
    V5: ((1, _d("120"), _d("80")), (2, _d("140"), _d("90")), (3, _d("160"), _d("100"))),
    V6: ((2, _d("140"), _d("90")), (3, _d("160"), _d("100")), (4, _d("180"), _d("110"))),
}
"""Hypertension of adults: grade, and from which systolic or diastolic pressure on (mmHg, both inclusive)."""

PERSISTING: Mapping[str, frozenset[int]] = {V5: frozenset({2}), V6: frozenset({2, 3, 4})}
"""The grades of hypertension that one reading alone does not establish."""

RISE: Mapping[str, tuple[int, Decimal, Decimal, Decimal]] = {V6: (3, _d("140"), _d("20"), _d("15"))}
"""Grade by a rise over the baseline: systolic above, and risen by more than, or mean pressure risen by more than (mmHg)."""

RULED = frozenset(rule.analyte for rule in RULES) | {"SYSBP", "DIABP"}
"""The analytes that have a rule in any edition."""

CLASSES: Mapping[str, str] = {
    "Anemia": "Blood and lymphatic system disorders",
    "Thrombocytopenia": "Blood and lymphatic system disorders",
    "Fever": "General disorders and administration site conditions",
    "Hypertension": "Vascular disorders",
}
"""The system organ class of a term of the rules, in both editions; every other one is of `INVESTIGATIONS`."""

INVESTIGATIONS = "Investigations"
