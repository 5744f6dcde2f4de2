"""Batches of cells for the synthetic trial: one released for somebody who waits for it, one in testing, one rejected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta

from trialcrf.actions import enrol, sign
from trialcrf.actions.cells import release
from trialcrf.actions.cells.release import Decided
from trialcrf.actions.enter import Typed, save_form
from trialcrf.core.access import Actor
from trialcrf.core.document import FormKey, Place
from trialcrf.core.schedule import earliest_exact
from trialcrf.core.values import Raw
from trialcrf.store import subjects
from trialcrf.store.definitions import Published
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

RESULTS: Mapping[str, str] = {
    "QC_VIABILITY": "91,5", "QC_CD105": "97", "QC_CD73": "98", "QC_CD90": "99", "QC_CD45": "0,8", "QC_CD31": "1", "QC_HLADR": "2",
    "QC_KARYOTYPE": "NORMAL", "QC_TRILINEAGE": "PASSED", "QC_AEROBIC": "NEGATIVE", "QC_ANAEROBIC": "NEGATIVE", "QC_FUNGI": "NEGATIVE",
    "QC_MYCOPLASMA": "NEGATIVE", "QC_ENDOTOXIN": "<0,25",
}  # fmt: skip
SHELF_LIFE = timedelta(days=90)
"""Made up, as everything here."""


def fill(
    tx: Transaction, published: Published, place: Site, now: datetime, act: Callable[[str, str], None], signer: Actor, password: str
) -> None:
    """Three batches at this site, of the donors whose harvest is recorded; the first for somebody who was not treated yet, if anybody is.

    `act` names who does what follows, under the verb that it needs.
    """
    made = _Laboratory(tx, published, place, now, act)
    donors = made.donors()
    if len(donors) < 3:
        return
    for number, (donor, results, decision) in enumerate(
        zip(
            donors,
            (RESULTS, {**RESULTS, "QC_FUNGI": "PENDING", "QC_TRILINEAGE": ""}, {**RESULTS, "QC_VIABILITY": "61"}),
            ("RELEASED", "", "REJECTED"),
            strict=False,
        ),
        1,
    ):
        batch = made.batch(donor, f"DEMO-{number:02d}", results)
        if decision:
            act("quin", release.VERB)
            seen = release.review(tx, published, batch).seen
            proof = sign.reauthenticate(tx, signer, password, "127.0.0.1", tx.at)
            why = "" if decision == "RELEASED" else "Viabilité inférieure à la spécification"
            sent = Decided(decision, published.study.cells.specifications[0].oid if published.study.cells else "", why, seen)
            release.decide(tx, published, batch, signer, proof, sent, now)


class _Laboratory:
    def __init__(self, tx: Transaction, published: Published, place: Site, now: datetime, act: Callable[[str, str], None]) -> None:
        self.tx, self.published, self.place, self.now, self.act = tx, published, place, now, act
        self.today = place.today(now)

    def donors(self) -> list[tuple[Subject, date]]:
        """Donors with the day of their harvest; first those whose recipient waits for the infusion."""
        people = subjects.all_of(self.tx, self.published.study.oid, {self.place.code})
        harvested = [
            (one, day)
            for one in people
            if (day := earliest_exact(subjects.answers(self.tx, one, "PRSTDAT"))) is not None and day < self.today
        ]
        waiting = {
            key for one in people for key in subjects.answers(self.tx, one, "RSUBJID") if not subjects.answers(self.tx, one, "EXSTDAT")
        }
        return sorted(harvested, key=lambda one: (one[0].key not in waiting, one[0].key))

    def batch(self, donor: tuple[Subject, date], lot: str, results: Mapping[str, str]) -> Subject:
        who, day = donor
        yesterday = self.today - timedelta(days=1)
        self.act("lara", "subject.enrol")
        sent = self._typed(BAT_LOT=lot, BAT_CULTURE_START=day, ANCESTRY__new1__BAT_DONATION=f"{who.key}/H0/1/HARVEST/1")
        batch, _ = enrol.enrol(self.tx, self.published, self.place, "batch", sent, self.now)
        self.act("lara", "cell.enter")
        grown = {"PASSAGES__new1__PAS_NUMBER": "0", "PASSAGES__new1__PAS_COUNT": "12", "PASSAGES__new1__PAS_DATE": day}
        grown |= {"PASSAGES__new2__PAS_NUMBER": "1", "PASSAGES__new2__PAS_COUNT": "170", "PASSAGES__new2__PAS_DATE": yesterday}
        record = {"REC_PASSAGE": "1", "REC_DOUBLINGS": "9", "REC_VIABLE": "155", "REC_CRYO_DATE": yesterday, "REC_DMSO": "10"}
        self._save(batch, "BATCHREC", self._typed(**grown, **record))
        self._save(batch, "QC", self._typed(QC_DATE=yesterday, **{oid: text for oid, text in results.items() if text}))
        rows: dict[str, object] = {}
        for number in (1, 2):
            told = {
                "CODE": f"{lot}-{number}", "SPLIT": f"{number:03d}", "CELLS": "75", "VOLUME": "50", "EXPIRY": self.today + SHELF_LIFE,
                "FILLED": (yesterday, "16:00"), "PLACE": "LAB_TANK",
            }  # fmt: skip
            rows |= {f"BAG__new{number}__BAG_{name}": text for name, text in told.items()}
        self._save(batch, "BAGS", self._typed(**rows))
        return batch

    def _save(self, batch: Subject, form: str, sent: Typed) -> None:
        save_form(self.tx, self.published, batch, FormKey("MAKING", form), sent, self.now)

    @staticmethod
    def _typed(**boxes: object) -> Typed:
        raws = {}
        for name, said in boxes.items():
            group, _, rest = name.partition("__")
            row, _, item = rest.partition("__")
            place = Place(item, group, row) if item else Place(name)
            day, clock = said if isinstance(said, tuple) else (said, "")
            if isinstance(day, date):
                raws[place] = Raw({"d": f"{day.day}", "m": f"{day.month}", "y": f"{day.year}", **({"t": clock} if clock else {})})
            else:
                raws[place] = Raw({"": str(said)})
        return Typed(raws)
