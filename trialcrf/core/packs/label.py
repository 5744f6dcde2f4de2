"""Labels of bags and wristbands: what is printed beside the symbol that is scanned, and nothing that tells who a person is.

Labels are printed on the spot and kept nowhere: no report of the archive. Which texts the law asks for beside these, and on which
material, is for the sponsor to confirm.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from trialcrf.core.cut import Cut
from trialcrf.core.definition.model import Study
from trialcrf.core.product.identity import Kind, label
from trialcrf.core.product.sec import printed_donation
from trialcrf.core.wording import Words

BAG_SIZE = (100, 60)
WRISTBAND_SIZE = (250, 25)
"""Width and height of a label in millimetres: a choice to start from, for the sponsor's printer and its rolls decide."""


@dataclass(frozen=True, slots=True)
class BagLabel:
    """One bag. It has no field for a recipient: whoever holds the bag learns nothing of a person from it.

    `code` is what the symbol says; `cells` are in 10^6, `volume` in millilitres, None where not recorded; `expiry` is a canonical
    day or date-time, `storage` a sentence, each empty where there is none.
    """

    code: str
    bag: str
    batch: str
    donation: str
    cells: Decimal | None
    volume: Decimal | None
    expiry: str
    storage: str = ""


@dataclass(frozen=True, slots=True)
class WristbandLabel:
    """The band of one subject: its key and its site, both pseudonyms of the trial."""

    code: str
    subject: str
    site: str


@dataclass(frozen=True, slots=True)
class LabelSheet:
    """Labels of one sort, one page for each. `study` is the OID, `width` and `height` in millimetres.

    The version and the moment of `cut` go into the metadata of the file, not on the label.
    """

    cut: Cut
    study: str
    protocol: str
    product: Words
    width: int
    height: int
    bags: tuple[BagLabel, ...] = ()
    wristbands: tuple[WristbandLabel, ...] = ()


def bag_label(
    study: Study,
    bag: str,
    batch: str,
    donation: str,
    cells: Decimal | None = None,
    volume: Decimal | None = None,
    expiry: str = "",
    storage: str = "",
) -> BagLabel:
    """The label of a bag. Raises identity.NoLabel where its key cannot be printed in a code."""
    return BagLabel(label(study.oid, Kind.BAG, bag), bag, batch, printed_donation(donation), cells, volume, expiry, storage)


def wristband_label(study: Study, subject: str, site: str) -> WristbandLabel:
    """The label of a wristband. Raises identity.NoLabel where the key of the subject cannot be printed in a code."""
    return WristbandLabel(label(study.oid, Kind.WRISTBAND, subject), subject, site)


def bag_sheet(cut: Cut, study: Study, product: Words, labels: Iterable[BagLabel], size: tuple[int, int] = BAG_SIZE) -> LabelSheet:
    """A page for each bag, in this order."""
    return LabelSheet(cut, study.oid, study.protocol, product, *size, bags=tuple(labels))


def wristband_sheet(cut: Cut, study: Study, labels: Iterable[WristbandLabel], size: tuple[int, int] = WRISTBAND_SIZE) -> LabelSheet:
    """A page for each wristband, in this order. The product is not named on it: it would tell what the subject is given."""
    return LabelSheet(cut, study.oid, study.protocol, Words(), *size, wristbands=tuple(labels))
