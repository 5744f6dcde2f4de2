"""Labels of bags and wristbands, drawn on the spot: a button answers with the PDF, and the trail says that it was printed."""

from __future__ import annotations

from flask import Blueprint, Response, abort, g

from trialcrf.actions import Impossible
from trialcrf.actions.cells import print_labels
from trialcrf.core.packs.label import LabelSheet
from trialcrf.external import pdf
from trialcrf.store.subjects import Subject
from trialcrf.web import guard
from trialcrf.web.cells import batches
from trialcrf.web.guard import page

blueprint = Blueprint("labels", __name__)

BAG = "/studies/<study>/cells/<subject>/labels/<int:form_id>/<row>.pdf"
WRISTBAND = "/studies/<study>/subjects/<subject>/wristband.pdf"


@page(blueprint, BAG, "label.print", methods=["POST"])
def bag(study: str, subject: str, form_id: int, row: str) -> Response | tuple[str, int]:
    """The label of the bag that this row of a form fills; where it cannot be printed, the batch's page says why."""
    which: Subject = g.place.subject
    if which.error or not g.place.published.study.is_product(which.subject_type):
        abort(404)
    try:
        with guard.read() as tx:
            sheet = print_labels.bag_of(tx, g.place.published, which, form_id, row, g.now)
    except LookupError:
        abort(404)
    except Impossible as problem:
        return batches.page_of(stopped=problem.message), 422
    return _drawn(which, sheet, print_labels.BAG, sheet.bags[0].bag)


@page(blueprint, WRISTBAND, "label.print", methods=["POST"])
def wristband(study: str, subject: str) -> Response:
    """The wristband of a recipient: a pseudonym and its code."""
    which: Subject = g.place.subject
    try:
        sheet = print_labels.wristband_of(g.place.published, which, g.now)
    except LookupError:
        abort(404)
    except Impossible as problem:
        abort(409, description=problem.message)
    return _drawn(which, sheet, print_labels.WRISTBAND, which.key)


def _drawn(which: Subject, sheet: LabelSheet, what: str, key: str) -> Response:
    """The file. What was drawn is noted before it leaves the house; nothing is noted of a drawing that failed."""
    guard.end_view()
    # In the language of the study: who reads a label need not be who prints it.
    content = pdf.draw_in_child("label", sheet, g.place.published.study.languages[0])
    with guard.write() as tx:
        print_labels.note(tx, which, what, key)
    response = Response(content, mimetype="application/pdf")
    response.headers.set("Content-Disposition", "inline", filename=f"{what}-{key.replace('/', '-')}.pdf")
    return response
