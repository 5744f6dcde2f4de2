"""The clinical model: who a synthetic person is, and how the disease goes over time.

Every distribution here is ours, chosen so that a trial looks plausible and its values hang together: severer skin goes with a lower
vital capacity and diffusion and with more disability, and who responds does so in all of them. Nothing is fitted to any person's data,
and no number is the protocol's: what a form accepts is the study definition's to say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from trialcrf.core.simulation.chance import Chance

MONTH = 30.44
"""Mean length of a month in days."""


@dataclass(frozen=True, slots=True)
class Person:
    """What does not change. `born` is the year and month before consent, in months; `response` the share of skin score lost in the end."""

    sex: str
    age_months: int
    base: Mapping[str, float]
    response: float


def person(chance: Chance, ill: bool, given: Mapping[str, tuple[float, float]]) -> Person:
    """A person with baseline values by name; `given` narrows some of them (and `age`, in years) to a range."""
    female = chance.happens(0.8 if ill else 0.5)
    drawn = _baseline(chance, female, ill)
    for name, (low, high) in given.items():
        drawn[name] = chance.between(low, high)
    age = drawn.pop("age")
    response = min(0.85, max(-0.25, chance.normal(0.35, 0.25))) if ill else 0.0
    return Person("F" if female else "M", round(age * 12), drawn, response)


def _baseline(chance: Chance, female: bool, ill: bool) -> dict[str, float]:
    severity = chance.normal(0, 1) if ill else 0.0
    height = chance.normal(163 if female else 176, 6)
    lungs = chance.normal(0, 6)
    mrss = _within(chance.normal(25 + 5 * severity, 3), 16, 44) if ill else 0.0
    fvc = _within(74 - 7 * severity + lungs, 35, 115) if ill else 98 + lungs
    dlco = _within(50 - 6 * severity + 0.6 * lungs + chance.normal(0, 4), 32, 90) if ill else 92 + lungs
    # A litre of capacity by height and sex, only so that litres and per cents agree.
    litres = 0.031 * height - (2.3 if female else 1.6)
    return {
        "age": _within(chance.normal(47 if ill else 40, 10), 21, 66 if ill else 63),
        "height": height,
        "weight": _within(chance.normal(21.5 if ill else 24, 2.5), 17, 33) * (height / 100) ** 2,
        "mrss": mrss,
        "haq": _within(chance.normal(1.0 + 0.25 * severity + 0.02 * (mrss - 25), 0.25), 0, 2.6) if ill else 0.0,
        "fvc_pct": fvc,
        "tlc_pct": _within(fvc + chance.normal(4, 3), 35, 125),
        "dlco_pct": dlco,
        "fvc_litres": litres,
        "tlc_litres": litres * 1.45,
        "dlco_units": 26 if female else 31,
        "crp": math.exp(chance.normal(1.7 + 0.3 * severity, 0.6)) if ill else 2.0,
        "creatinine": _within(chance.normal(66 if female else 78, 9), 40, 110),
        "haemoglobin": _within(chance.normal(12.4 if female else 13.6, 0.9), 9.6, 16.5),
        "neutrophils": _within(chance.normal(5.2, 1.2), 2.0, 10.0),
        "platelets": _within(chance.normal(275, 55), 150, 480),
        "cd4": _within(chance.normal(690, 160), 320, 1400),
        "alat": _within(math.exp(chance.normal(3.1, 0.3)), 9, 70),
        "asat": _within(math.exp(chance.normal(3.1, 0.25)), 10, 60),
        "bilirubin": _within(chance.normal(9, 2.5), 3, 20),
        "systolic": _within(chance.normal(124, 9), 100, 150),
        "diastolic": _within(chance.normal(76, 6), 58, 92),
        "pulse": _within(chance.normal(76, 7), 56, 98),
        "saturation": _within(chance.normal(97, 0.8), 94, 99) if ill else 98.5,
        "lvef": _within(chance.normal(62, 4), 48, 72),
        "spap": _within(chance.normal(29, 3.5), 18, 38),
        "pao2": _within(chance.normal(10.9, 0.6), 9.2, 13),
        "paco2": _within(chance.normal(5.1, 0.3), 4.3, 6.0),
    }


def at(who: Person, months: float | None, chance: Chance) -> dict[str, float]:
    """The values by name so many months after treatment (None: before it), with the noise of one measurement."""
    base = who.base
    gained = who.response * (1 - math.exp(-max(0.0, months or 0.0) / 5)) if months is not None else 0.0
    mrss = _within(base["mrss"] * (1 - gained) + chance.normal(0, 0.8), 0, 51)
    fvc = base["fvc_pct"] + 9 * gained + chance.normal(0, 0.9)
    tlc = base["tlc_pct"] + 7 * gained + chance.normal(0, 0.9)
    dlco = max(20.0, base["dlco_pct"] + 8 * gained + chance.normal(0, 1.0))
    haq = _within(base["haq"] * (1 - 0.8 * gained) + chance.normal(0, 0.06), 0, 3)
    ill = base["mrss"] > 0
    worse = haq / 3
    found = {
        **base,
        "mrss": float(round(mrss)),
        "fvc_pct": fvc,
        "tlc_pct": tlc,
        "dlco_pct": dlco,
        "fvc": base["fvc_litres"] * fvc / 100,
        "tlc": base["tlc_litres"] * tlc / 100,
        "dlco": base["dlco_units"] * dlco / 100,
        "haq": haq,
        "weight": base["weight"] * (1 + 0.03 * gained) + chance.normal(0, 0.5),
        "crp": base["crp"] * (1 - 0.4 * gained) * math.exp(chance.normal(0, 0.25)),
        "scale": _within(10 * worse + chance.normal(0.8, 0.7), 0, 10) if ill else 0.5,
        "doctor": _within(10 * worse + chance.normal(0.6, 0.5), 0, 10) if ill else 0.0,
        "index": _within(0.95 - 0.7 * worse + chance.normal(0, 0.05), -0.2, 1),
        "health": _within(88 - 60 * worse + chance.normal(0, 6), 5, 100),
        "ulcers": 0.3 * (1 - gained) if ill else 0.0,
        "extent": _within(70 - 0.6 * fvc, 3, 60) if ill else 0.0,
    }
    for name, spread in _NOISE.items():
        found[name] = base[name] * (1 + chance.normal(0, spread))
    # Not mean cells: only that the two agree, as a laboratory's do.
    found["haematocrit"] = found["haemoglobin"] * 2.95
    return found


_NOISE = {
    "creatinine": 0.05, "haemoglobin": 0.03, "neutrophils": 0.12, "platelets": 0.07, "cd4": 0.08, "alat": 0.12, "asat": 0.12,
    "bilirubin": 0.12, "systolic": 0.03, "diastolic": 0.03, "pulse": 0.04, "lvef": 0.02, "spap": 0.03, "pao2": 0.02, "paco2": 0.02,
}  # fmt: skip
"""From one measurement to the next, as a share of the value."""


def _within(value: float, low: float, high: float) -> float:
    return min(high, max(low, value))
