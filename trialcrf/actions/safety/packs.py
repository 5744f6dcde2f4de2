"""The packs of a study's safety, read from the trail at one checkpoint: serious events, annual tabulations, what a safety board sees."""

from __future__ import annotations

from datetime import datetime

from trialcrf.actions.safety import follow_case
from trialcrf.core.chain import Checkpoint
from trialcrf.core.cut import Cut
from trialcrf.core.definition.model import Study
from trialcrf.core.packs import product
from trialcrf.core.packs.dsmb import DsmbReport, board_pack
from trialcrf.core.packs.dsur import DsurReport, update
from trialcrf.core.packs.sae import Judged, SaeReport, list_serious
from trialcrf.core.safety.measurement import asked
from trialcrf.store import cases, decisions, definitions, replay
from trialcrf.store.transaction import Transaction


def serious_events(tx: Transaction, study: Study, upto: Checkpoint, cut: Cut) -> SaeReport:
    """Raises NoSafetySettings, as all of these do."""
    return list_serious(study, replay.subjects_at(tx, upto), _judged(tx, study, upto, cut.known_at), cut)


def annual_update(tx: Transaction, study: Study, upto: Checkpoint, cut: Cut) -> DsurReport:
    return update(study, replay.subjects_at(tx, upto), _judged(tx, study, upto, cut.known_at), cut)


def safety_board(tx: Transaction, study: Study, upto: Checkpoint, cut: Cut, closed: bool) -> DsmbReport:
    """`closed`: whoever ordered it may see the arms of a blinded study."""
    aliases = asked(study) | (product.asked(study) if study.cells is not None else frozenset())
    people = replay.subjects_at(tx, upto, aliases)
    decided = decisions.known_at(tx, study.oid, upto)
    return board_pack(study, people, _judged(tx, study, upto, cut.known_at), decided, cut, closed)


def _judged(tx: Transaction, study: Study, upto: Checkpoint, known_at: datetime) -> list[Judged]:
    """The cases as they stood then, with their clocks at that moment."""
    published = definitions.version_at(tx, study.oid, known_at)
    assert published is not None
    held = follow_case.followed(tx, published, cases.cases_at(tx, study.oid, upto), known_at, upto)
    return [Judged(one.case, one.facts, tuple(one.deadlines)) for one in held]
