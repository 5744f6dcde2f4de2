"""What must hold between the chain of cells of a study and the rest of it."""

from __future__ import annotations

from trialcrf.core.definition.cells import CellSettings
from trialcrf.core.definition.model import DataType, Study
from trialcrf.core.definition.source import Places, Reading
from trialcrf.core.wording import N_

CHAIN = ("BEREFID", "CTLOT", "CTSRCDON", "CTBAG", "CTEXPDTC", "CTRELDEC", "CTMVBAG", "CTMVKIND", "CTMVDTC", "CTCHKBAG", "CTINFBAG")
"""Without an item of each of these names the chain from donor to recipient has a gap."""

ONCE = ("BEREFID", "CTLOT", "CTBAG", "CTCHKBAG", "CTINFBAG")
"""Names whose items must be unique: two bags of one code, or one bag given twice, is what the chain is there to prevent."""


def examine_cells(study: Study, cells: CellSettings, reading: Reading, places: Places, complete: bool) -> None:
    for key, oid, product in (("product", cells.product, True), ("donor", cells.donor, False), ("recipient", cells.recipient, False)):
        kind = study.subject_type.get(oid)
        if kind is None:
            reading.say(places["cells", key], N_("There is no subject type “%(oid)s”."), oid=oid)
        elif kind.product is not product:
            reading.say(
                places["cells", key], N_("The subject type “%(oid)s” is a person where a product is meant, or the reverse."), oid=oid
            )
    items = {alias: [(form, form.with_alias(alias)) for form in study.forms_with(alias)] for alias in CHAIN}
    for alias in CHAIN if complete else ():
        if not items[alias]:
            reading.say(places["cells", "product"], N_("No form asks %(alias)s, without which cells cannot be traced."), alias=alias)
    for alias in ONCE:
        for form, item in items[alias]:
            assert item is not None
            if not item.unique:
                said = N_("%(alias)s must be unique: otherwise one code could stand for two things.")
                reading.say(places["item", form.oid, item.oid, "alias"], said, alias=alias)
    asked = {alias: item for form in study.forms for _, item in form.items.values() for alias in item.aliases}
    for specification in cells.specifications:
        for one in specification.criteria:
            item = asked.get(one.alias)
            if item is None and complete:
                reading.say(places["cells", "specifications"], N_("No form asks %(alias)s, which a criterion judges."), alias=one.alias)
            coded = item is not None and item.codelist is not None and item.type is DataType.CODELIST
            if item is not None and one.equals and (not coded or item.codelist is None or item.codelist.label_of(one.equals) is None):
                said = N_("“%(code)s” is no code of “%(item)s”.")
                reading.say(places["cells", "specifications"], said, code=one.equals, item=item.oid)
    codes = {
        code.code
        for form in study.forms_with("ACTARM")
        if (item := form.with_alias("ACTARM")) and item.codelist
        for code in item.codelist.items
    }
    for dose in cells.doses:
        if codes and dose.cohort not in codes:
            reading.say(places["cells", "doses"], N_("There is no cohort “%(code)s”."), code=dose.cohort)
