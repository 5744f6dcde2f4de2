"""One unit of an analyte in another: by the factors of the grading rules and of the kidney formulas, and a few that neither needs.

Bilirubin by its molar mass of 584.66 g/mol; 1 µkat/L is 60 U/L and a haematocrit of 1 is 100 %, by definition. A unit that
is not known for the analyte is never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal

from trialcrf.core.instruments.kidney import UNITS as CREATININE
from trialcrf.core.safety.grading import unit_key
from trialcrf.core.safety.grading_rules import RULES

Factors = Mapping[str, Decimal]

_ENZYME: Factors = {"u/l": Decimal(1), "ui/l": Decimal(1), "iu/l": Decimal(1), "μkat/l": Decimal(60)}
_PER_LITRE: Factors = {"109/l": Decimal(1), "giga/l": Decimal(1), "103/μl": Decimal(1), "103/mm3": Decimal(1), "cells/μl": Decimal("0.001")}
_FURTHER: Mapping[str, tuple[Factors, ...]] = {
    "ALT": (_ENZYME,),
    "AST": (_ENZYME,),
    "BILI": ({"μmol/l": Decimal(1), "mg/dl": Decimal("17.104"), "mg/l": Decimal("1.7104")},),
    "CRP": ({"mg/l": Decimal(1), "mg/dl": Decimal(10), "μg/ml": Decimal(1)},),
    "HCT": ({"%": Decimal(1), "l/l": Decimal(100)},),
    "CREAT": ({unit_key(unit): factor for unit, factor in CREATININE.items()},),
    "NEUT": (_PER_LITRE,),
    "PLAT": (_PER_LITRE,),
    "CD4": ({"106/l": Decimal(1), "g/l": Decimal(1000), "giga/l": Decimal(1000), "103/μl": Decimal(1000), "cells/μl": Decimal(1)},),
}
_EXACT = Context(prec=40)


def factor(analyte: str, unit: str, into: str) -> Decimal | None:
    """How many `into` one `unit` of this analyte is; None where that is not known. The same unit, however written, is 1."""
    one, other = _key(unit), _key(into)
    if one == other:
        return Decimal(1)
    for known in _families(analyte):
        if one in known and other in known:
            return _EXACT.divide(known[one], known[other])
    return None


def converted(text: str, by: Decimal, decimals: int | None) -> str:
    """A canonical number (`<0.5` too) times the factor, rounded to so many decimals; as it was where nothing is to be done."""
    if by == 1:
        return text
    qualifier = text[:1] if text[:1] in ("<", ">") else ""
    value = _EXACT.multiply(Decimal(text.removeprefix(qualifier)), by)
    return f"{qualifier}{value.quantize(Decimal(1).scaleb(-(4 if decimals is None else decimals)), ROUND_HALF_UP, _EXACT):f}"


def _key(unit: str) -> str:
    plain = unit_key(unit)
    return plain[1:] if plain[:1] == "x" and plain[1:2].isdigit() else plain


def _families(analyte: str) -> Iterator[Factors]:
    """Units that can be compared with each other, each in some common one: grams and moles of the same thing may be two families."""
    known: list[dict[str, Decimal]] = []
    for each in (*(rule.units for rule in RULES if rule.analyte == analyte), *_FURTHER.get(analyte, ())):
        same = next((one for one in known if any(one.get(unit) == amount for unit, amount in each.items())), None)
        if same is None:
            known.append(dict(each))
        else:
            same.update(each)
    yield from known
