"""Files that hold data of many: how many of them one person may take within an hour (OWASP ASVS 5.0.0, 2.4.1)."""

from __future__ import annotations

from datetime import timedelta

from flask import Response, abort, current_app, g, request

from trialcrf.core.throttle import HOUR, opens_at
from trialcrf.core.wording import N_, Message
from trialcrf.store import damage, downloads
from trialcrf.store.audit import Who
from trialcrf.store.transaction import writing
from trialcrf.web import guard

COUNTED = frozenset(
    {
        "access.file", "casebook_files.download", "casebook_files.part", "casebook_files.whole", "coverage.file", "export.download",
        "inventory.file", "queries.ageing_csv", "reports.annex", "reports.download", "subjects.matrix_csv", "trail.download",
        "trail.export",
    }
)  # fmt: skip
"""The routes that give such a file. What a case of safety, a bedside or a monitoring visit needs at once is never held up."""


def look() -> None:
    """Before a file is made: count it, or refuse it and say when the next one can be taken."""
    if request.endpoint not in COUNTED or g.session is None or damage.of(guard.engine()) is not None:
        return  # A database that is not written to any more can still be taken along.
    guard.end_view()
    most: int = current_app.config["DOWNLOADS"]
    with writing(guard.engine(), g.now, Who.nobody()) as tx:
        opens = opens_at(most, downloads.taken_since(tx, g.session.actor.id, g.now - HOUR), g.now)
        if opens is None:
            g.taking = downloads.take(tx, g.session.actor.id)
    if opens is not None:
        minutes = max(1, -(-(opens - g.now) // timedelta(minutes=1)))
        said = N_("Within an hour one person takes at most %(most)s files with data. The next one can be taken in %(minutes)s min.")
        abort(429, description=Message(said, {"most": most, "minutes": minutes}))


def settle(response: Response) -> Response:
    """After the request: where no file was sent, none is counted."""
    taking = g.pop("taking", None)
    sent = response.status_code == 200 and "attachment" in response.headers.get("Content-Disposition", "")
    if taking is not None and not sent and damage.of(guard.engine()) is None:
        guard.end_view()
        with writing(guard.engine(), g.now, Who.nobody()) as tx:
            downloads.give_back(tx, taking)
    return response
