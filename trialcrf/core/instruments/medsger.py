"""Medsger disease severity scale of systemic sclerosis (revised 2003): nine organs, each 0 to 4, the worst single descriptor.

Every cut-off stands in the tables below and waits to be verified. While a descriptor is unknown the grade is known by bounds.
Weight loss, haematocrit and DLCO in per cent, haemoglobin in g/dL, creatinine in mg/dL, finger-to-palm distance in cm, pressures in mmHg.
Licence: no fee known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from trialcrf.core.instruments.answers import Bounds, gap, grade, heaviest, untouched
from trialcrf.core.instruments.instrument import Instrument, Score, numbers, ticks
from trialcrf.core.kleene import Result, compare, flag, number_of, spanning
from trialcrf.core.typed import AWAITED
from trialcrf.core.wording import N_

SOURCE = "Medsger TA et al. Clin Exp Rheumatol 2003;21(3 Suppl 29):S42-6"
LICENCE = N_("No fee known; cite the source.")
VERIFIED = False
MOST = 4

Limits = tuple[tuple[str, Decimal], ...]


def _limits(operator: str, *ends: str) -> Limits:
    return tuple((operator, Decimal(end)) for end in ends)


# The grade is the number of limits passed. Where two bands share an end (5-10, 10-15 per cent), it belongs to the worse one.
WEIGHT_LOSS: Limits = (*_limits(">=", "5", "10", "15"), (">", Decimal(20)))
HEMATOCRIT = _limits("<", "37", "33", "29", "25")
HEMOGLOBIN = _limits("<", "12.3", "11.0", "9.7", "8.3")
SKIN = _limits(">=", "1", "15", "30", "40")
FINGER_TO_PALM = _limits(">=", "1", "2", "4", "5")
DLCO_OR_FVC = _limits("<", "80", "70", "50")
PRESSURE = _limits(">=", "35", "50", "65")
EJECTION_FRACTION = _limits("<", "50", "45", "40", "30")
CREATININE_AFTER_CRISIS: Limits = (*_limits(">=", "1.5", "2.5"), (">", Decimal("5.0")))
CREATININE_NORMAL_BELOW = Decimal("1.3")
CREATININE_WORST_ABOVE = Decimal("5.0")
WEAKNESS_MOST = 3


def medsger_general(weight_loss: Result, hematocrit: Result, hemoglobin: Result) -> Result:
    parts = [_passed(weight_loss, WEIGHT_LOSS), _passed(hematocrit, HEMATOCRIT), _passed(hemoglobin, HEMOGLOBIN)]
    return _worst((weight_loss, hematocrit, hemoglobin), parts)


def medsger_vascular(raynaud_vasodilator: Result, pitting_scars: Result, tip_ulcers: Result, gangrene: Result) -> Result:
    return _first_to_fourth(raynaud_vasodilator, pitting_scars, tip_ulcers, gangrene)


def medsger_skin(mrss: Result) -> Result:
    return _worst((mrss,), [_passed(mrss, SKIN)])


def medsger_joint(finger_to_palm: Result) -> Result:
    return _worst((finger_to_palm,), [_passed(finger_to_palm, FINGER_TO_PALM)])


def medsger_muscle(weakness: Result, walking_aids: Result) -> Result:
    found = grade(weakness, WEAKNESS_MOST)
    known = (Decimal(found), Decimal(found)) if isinstance(found, int) else (Decimal(0), Decimal(WEAKNESS_MOST))
    return _worst((weakness, walking_aids), [known, _ticked(walking_aids, MOST)])


def medsger_gi(hypoperistalsis: Result, antibiotics: Result, malabsorption: Result, hyperalimentation: Result) -> Result:
    return _first_to_fourth(hypoperistalsis, antibiotics, malabsorption, hyperalimentation)


def medsger_lung(dlco: Result, fvc: Result, pressure: Result, oxygen: Result) -> Result:
    parts = [_passed(dlco, DLCO_OR_FVC), _passed(fvc, DLCO_OR_FVC), _passed(pressure, PRESSURE), _ticked(oxygen, MOST)]
    return _worst((dlco, fvc, pressure, oxygen), parts)


def medsger_heart(conduction: Result, arrhythmia: Result, treated: Result, failure: Result, ejection_fraction: Result) -> Result:
    signs = (conduction, arrhythmia, treated, failure)
    parts = [*(_ticked(sign, weight) for weight, sign in enumerate(signs, 1)), _passed(ejection_fraction, EJECTION_FRACTION)]
    return _worst((*signs, ejection_fraction), parts)


def medsger_kidney(crisis: Result, creatinine: Result, dialysis: Result) -> Result:
    """Undetermined for a creatinine of 1.3 to 5.0 mg/dL that no renal crisis explains: the scale has no grade for it."""
    if untouched((crisis, creatinine, dialysis)):
        return AWAITED
    if flag(dialysis) is True:
        return Decimal(MOST)
    after = flag(crisis)
    parts = [_kidney(creatinine, one) for one in ((after,) if isinstance(after, bool) else (True, False))]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return gap((crisis, creatinine, dialysis))
    ends = [end for part in known for end in part]
    return spanning(ends if flag(dialysis) is False else [*ends, Decimal(MOST)])


def _kidney(creatinine: Result, crisis: bool) -> Bounds | None:
    """The grade by creatinine, at least and at most; None where a creatinine that it may be has no grade."""
    if crisis:
        low, high = _passed(creatinine, CREATININE_AFTER_CRISIS)
        return 1 + low, 1 + high
    number = number_of(creatinine)
    if compare("<", number, CREATININE_NORMAL_BELOW) is True:
        return Decimal(0), Decimal(0)
    return (Decimal(MOST), Decimal(MOST)) if compare(">", number, CREATININE_WORST_ABOVE) is True else None


def _passed(result: Result, limits: Limits) -> Bounds:
    """How many limits a number has passed, at least and at most."""
    number = number_of(result)
    claims = [compare(operator, number, end) for operator, end in limits]
    return Decimal(sum(claim is True for claim in claims)), Decimal(sum(claim is not False for claim in claims))


def _ticked(result: Result, weight: int) -> Bounds:
    return heaviest([(flag(result), Decimal(weight))])


def _first_to_fourth(*signs: Result) -> Result:
    return _worst(signs, (_ticked(sign, weight) for weight, sign in enumerate(signs, 1)))


def _worst(results: Sequence[Result], parts: Iterable[Bounds]) -> Result:
    if untouched(results):
        return AWAITED
    listed = list(parts)
    return spanning([max(low for low, _ in listed), max(high for _, high in listed)])


INSTRUMENT = Instrument(
    "medsger",
    N_("Medsger severity scale (2003)"),
    SOURCE,
    LICENCE,
    VERIFIED,
    note=N_("Every cut-off is to be verified against the original paper."),
    scores={
        "medsger_general": Score(medsger_general, numbers(3)),
        "medsger_vascular": Score(medsger_vascular, ticks(4)),
        "medsger_skin": Score(medsger_skin, numbers(1)),
        "medsger_joint": Score(medsger_joint, numbers(1)),
        "medsger_muscle": Score(medsger_muscle, ("number", "boolean")),
        "medsger_gi": Score(medsger_gi, ticks(4)),
        "medsger_lung": Score(medsger_lung, (*numbers(3), "boolean")),
        "medsger_heart": Score(medsger_heart, (*ticks(4), "number")),
        "medsger_kidney": Score(medsger_kidney, ("boolean", "number", "boolean")),
    },
)
