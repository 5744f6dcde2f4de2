"""Published scores, one file each with its source and licence; `SCORES` are the functions that expressions may call."""

from __future__ import annotations

from collections.abc import Mapping

from trialcrf.core.instruments import (
    acr_eular_2013,
    ara_1980,
    bilag_2004,
    calcinosis,
    capillaroscopy,
    criss,
    eustar_2017,
    haq_di,
    kidney,
    medsger,
    mrss,
    nyha,
    shaq,
    sledai_2k,
)
from trialcrf.core.instruments.instrument import Instrument, Score

__all__ = ["INSTRUMENTS", "SCORES", "Instrument", "Score"]

_ROOMS = (
    *(mrss, acr_eular_2013, ara_1980, haq_di, shaq, eustar_2017, medsger),
    *(capillaroscopy, calcinosis, nyha, kidney, sledai_2k, bilag_2004, criss),
)
INSTRUMENTS: Mapping[str, Instrument] = {room.INSTRUMENT.oid: room.INSTRUMENT for room in _ROOMS}
SCORES: Mapping[str, Score] = {name: score for instrument in INSTRUMENTS.values() for name, score in instrument.scores.items()}
