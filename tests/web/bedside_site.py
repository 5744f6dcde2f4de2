"""The house of the pages at the bedside: released bags that expire in no lifetime of these tests, for they run by the true clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from tests.actions.cells_world import BAGS, DONATION, Cells, make_batch, make_pair
from tests.actions.world import PASSWORD, make_world
from tests.conftest import Filling
from tests.web.site import Browser, House
from trialcrf.core.product.identity import Kind, label
from trialcrf.store import audit

SUBJECT = "/studies/msc_ssc/subjects/R-01-001"
BEDSIDE, VITALS = f"{SUBJECT}/bedside", f"{SUBJECT}/infusion-vitals"
INFUSION = f"{SUBJECT}/D0/1/INFUSION/1"
LABELS = {
    "bag": label("msc_ssc", Kind.BAG, BAGS[0]),
    "wristband": label("msc_ssc", Kind.WRISTBAND, "R-01-001"),
    "donation": label("msc_ssc", Kind.DONATION, DONATION),
}
CHECK = {**LABELS, "cohort": "MSC1", "password": PASSWORD, "second_username": "ivan", "second_password": PASSWORD}


@cache
def bedside_filling() -> Filling:
    def fill(url: str) -> None:
        world = make_world(url)
        donor, recipient = make_pair(world)
        made = Cells(world, donor, recipient, make_batch(world, donor, expiry=(31, 12, 2099)))
        made.release()
        world.engine.dispose()

    return fill


def english(house: House, name: str, second: str = "ivan") -> Browser:
    """A browser of the first person, in English; the second one has a password too."""
    someone = house.client(name)
    someone.post("/language", {"language": "en", "next": "/"})
    return someone


def ago(minutes: int) -> tuple[object, ...]:
    """A moment of the true clock at the site, as it is typed."""
    at = datetime.now(ZoneInfo("Europe/Paris")) - timedelta(minutes=minutes)
    return at.day, at.month, at.year, at.strftime("%H:%M")


def now() -> datetime:
    return datetime.now(UTC)


def attempts_in_trail(house: House) -> list[str]:
    """The refused attempts on the recipient as the trail holds them."""
    with house.world.read() as tx:
        which = house.world.subject("R-01-001")
        return [past.new or "" for past in audit.history(tx.connection, "refusal", str(which.id), "bedside")]


def trail(house: House) -> int:
    with house.world.read() as tx:
        return sum(size for _, size, _ in audit.chains(tx.connection))
