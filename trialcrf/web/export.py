"""The data of a study as a download: what is in it, and the archive itself."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, g, render_template, url_for
from werkzeug.wrappers import Response

from trialcrf.actions.records import export
from trialcrf.core.access import sites_of
from trialcrf.core.definition.model import ACCESS
from trialcrf.core.wording import Message, Words
from trialcrf.store import accounts, subjects
from trialcrf.web import guard
from trialcrf.web.frame import shell
from trialcrf.web.guard import page as route
from trialcrf.web.page import Crumb

blueprint = Blueprint("export", __name__)


@route(blueprint, "/studies/<study>/data", "data.export")
def page(study: str) -> str:
    """What the download contains, file by file, before anyone asks for it."""
    return _page()


@route(blueprint, "/studies/<study>/data/download.zip", "data.export", methods=["POST"], fresh=True)
def download(study: str) -> Response | str:
    """The archive. Who took the data along, and when, is in the trail before the first byte is sent."""
    at = sites_of(g.session.actor, "data.export", study)
    with guard.read() as tx:
        content, exported = export.export_zip(tx, study, _readable(), at, g.now)
    if exported.empty:
        return _page(exported.message)
    with guard.write() as tx:
        accounts.note(tx, g.session.actor.id, "export", f"export {study} {exported.checkpoint}")
    response = Response(content, mimetype="application/zip")
    response.headers.set("Content-Disposition", "attachment", filename=f"{study}-{g.now:%Y%m%d-%H%M%S}Z.zip")
    return response


def _readable() -> frozenset[str]:
    """Guarded forms are in the archive only for those who may read them at every site."""
    study = g.place.published.study.oid
    return frozenset(access for access in ACCESS if sites_of(g.session.actor, f"{access}.read", study) is None)


def _page(nothing: Message | None = None) -> str:
    study, readable = g.place.published.study, _readable()
    files: list[tuple[str, Words, Words | None]] = []
    for form in study.forms:
        if form.access in readable:
            files.append((f"{form.oid}.csv", form.label, None))
            files += [(f"{form.oid}.{group.oid}.csv", form.label, group.label) for group in form.groups if group.repeating]
    with guard.read() as tx:
        people = subjects.count(tx, study.oid, sites_of(g.session.actor, "data.export", study.oid), but=study.products)
    return render_template(
        "export/page.html",
        shell=replace(shell(), here=url_for("export.page", study=study.oid)),
        crumbs=[Crumb(study.title)],
        files=files,
        links="link" in readable,
        people=people,
        nothing=nothing,
    )
