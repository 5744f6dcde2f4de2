"""The names that a site keeps an eye on: only their keyed digests are stored, so that nobody reads the list again."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterable, Iterator

from sqlalchemy import bindparam, delete, func, insert, select

from trialcrf.core.oversight.personal import may_be_names
from trialcrf.store import secrets
from trialcrf.store.audit import Entry
from trialcrf.store.models import site, site_name
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction

ENTITY = "site_names"
MOST = 5000
"""Names that a list holds at most."""

_AT_ONCE = 400


def count(tx: Transaction, where: Site) -> int:
    """How many names the list of a site has."""
    return int(tx.read(select(func.count()).select_from(site_name).where(site_name.c.site_id == where.id)).scalar_one())


def replace(tx: Transaction, where: Site, names: Collection[str]) -> None:
    """The list is these names from now on, as `core.personal.name_of` writes them. The trail tells how many there are, and none of them."""
    key = secrets.names_key(tx)
    digests = sorted(_digest(key, where.id, name) for name in names)
    tx.work(delete(site_name).where(site_name.c.site_id == where.id))
    if digests:
        tx.work(insert(site_name), [{"site_id": where.id, "digest": one} for one in digests])
    tx.entries.append(Entry(where.chain, "names", ENTITY, str(where.id), "count", str(len(digests))))


def differences(tx: Transaction, told: dict[str, str | None]) -> Iterator[tuple[str, str]]:
    """(site id, column) where a list has another number of names than the trail tells; which they are, it does not tell."""
    kept = tx.read(select(site_name.c.site_id, func.count().label("number")).group_by(site_name.c.site_id))
    stored = {str(row.site_id): str(row.number) for row in kept}
    for site_id in sorted(stored.keys() | told.keys()):
        if stored.get(site_id, "0") != (told.get(site_id) or "0"):
            yield site_id, "count"


def any_in(tx: Transaction, texts: Iterable[str], study_id: int, where: Site | None = None) -> bool:
    """Whether one of the texts contains a name on the list of the site, or (None) on that of any site of the study."""
    return bool(which_have(tx, texts, study_id, where))


def which_have(tx: Transaction, texts: Iterable[str], study_id: int, where: Site | None = None) -> frozenset[str]:
    """The texts that contain a listed name, in whole words and without regard to case, accents and the order of its parts."""
    asked_of = set(texts)
    if not asked_of:
        return frozenset()  # Most forms have no words of anybody's own: their saves ask nothing here.
    lists = _lists(tx, study_id, where)
    key = secrets.known_names_key(tx) if lists else None
    if key is None:
        return frozenset()
    told = {text: {_digest(key, one, run) for run in set(may_be_names(text)) for one in lists} for text in asked_of}
    asked, known = sorted(set().union(*told.values())), set[str]()
    for start in range(0, len(asked), _AT_ONCE):
        some = asked[start : start + _AT_ONCE]
        known |= set(tx.read(select(site_name.c.digest).where(site_name.c.digest.in_(some))).scalars())
    return frozenset(text for text, digests in told.items() if digests & known)


def _lists(tx: Transaction, study_id: int, where: Site | None) -> list[int]:
    """The ids of the sites with a list that counts here."""
    if where is not None:
        return list(tx.read(_LISTS_OF_SITE, {"site": where.id}).scalars())
    return list(tx.read(_LISTS_OF_STUDY, {"study": study_id}).scalars())


_LISTS = select(site_name.c.site_id).distinct()
_LISTS_OF_SITE = _LISTS.where(site_name.c.site_id == bindparam("site"))
_LISTS_OF_STUDY = _LISTS.join(site, site.c.id == site_name.c.site_id).where(site.c.study_id == bindparam("study"))
"""Made once: every save of a form with words in it asks."""


def _digest(key: str, site_id: int, name: str) -> str:
    """HMAC-SHA-256 under a key of this installation: equal names of two sites have unequal digests."""
    return hmac.new(key.encode(), f"{site_id}\n{name}".encode(), hashlib.sha256).hexdigest()
