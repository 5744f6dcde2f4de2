"""How much still stands open at sites before they are locked, counted without reading a document."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import func, select

from trialcrf.store.models import form, subject
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction


def incomplete(tx: Transaction, places: Collection[Site]) -> int:
    """Living forms of living subjects that are not complete."""
    joined = form.join(subject, subject.c.id == form.c.subject_id)
    asked = select(func.count()).select_from(joined).where(form.c.site_id.in_(sorted(one.id for one in places)))
    return int(tx.read(asked.where(form.c.error == "", subject.c.error == "", form.c.complete.is_(False))).scalar_one())
