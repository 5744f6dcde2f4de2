"""Documents of a form: the page on which one is attached to the question that it proves, taken along, or withdrawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, enclose, enter, take_paper
from trialcrf.actions.enter import Opened
from trialcrf.core.document import FormKey, Place
from trialcrf.core.lock import Locked
from trialcrf.core.signature import SealState
from trialcrf.core.wording import Sayable
from trialcrf.store import enclosures, forms, seals
from trialcrf.store.enclosures import Enclosure
from trialcrf.store.forms import StoredForm
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.casebooks import casebook_crumb, subject_url
from trialcrf.web.fixed import EnclosureForm, WithdrawForm
from trialcrf.web.forms.drawn import Papers
from trialcrf.web.forms.webform import is_new
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.oversight import closing
from trialcrf.web.oversight.closing import Shut
from trialcrf.web.page import Crumb
from trialcrf.web.queries.lines import field_url, form_label, place_label, visit_label
from trialcrf.web.subjects import may_form

blueprint = Blueprint("enclosures", __name__)

RULE = "/studies/<study>/subjects/<subject>/<event>/<int:repeat>/<form>/<int:n>/documents"


@dataclass(frozen=True, slots=True)
class Line:
    """A document for reading. `form` is the box for the reason of its withdrawal, where the person may; sizes are in kilobytes."""

    paper: Enclosure
    question: Sayable | str
    kilobytes: int
    at: datetime
    url: str
    withdraw_url: str
    form: WithdrawForm | None


@page(blueprint, RULE, "document.read")
def listed(study: str, subject: str, event: str, repeat: int, form: str, n: int) -> str:
    """The documents of a form, and the box for another one; `at` in the address is the question that one came from."""
    return _page(FormKey(event, form, repeat, n), EnclosureForm(data={"at": request.args.get("at", "")}))


@page(blueprint, RULE, "document.attach", methods=["POST"])
def attach(study: str, subject: str, event: str, repeat: int, form: str, n: int) -> Response | tuple[str, int]:
    """Attach a document. The door lets a larger request in here than elsewhere."""
    key = FormKey(event, form, repeat, n)
    opened = _entered(key)
    sent = EnclosureForm(request.form)
    file = request.files.get("file")
    # One byte more than is kept: enough to know that it is too much.
    content = file.stream.read(take_paper.LARGEST_PAPER + 1) if file else b""
    name, described = (file.filename or "") if file else "", sent.description.data or ""

    def work(tx: Transaction, stored: StoredForm) -> None:
        enclose.attach(tx, g.place.subject, opened.form, stored, sent.at.data or "", name, content, described)

    return _written(key, opened, work, sent, "attached")


@page(blueprint, RULE + "/<int:number>/withdraw", "document.attach", methods=["POST"])
def withdraw(study: str, subject: str, event: str, repeat: int, form: str, n: int, number: int) -> Response | tuple[str, int]:
    """Withdraw a document, with its reason. It stays."""
    key = FormKey(event, form, repeat, n)
    opened = _entered(key)
    typed = WithdrawForm(request.form, prefix=f"w{number}-")
    with guard.read() as tx:
        if opened.stored is None or enclosures.find(tx, opened.stored.id, number) is None:
            abort(404)

    def work(tx: Transaction, stored: StoredForm) -> None:
        enclose.withdraw(tx, g.place.subject, stored, number, typed.reason.data or "")

    return _written(key, opened, work, EnclosureForm(), "paper_withdrawn", (number, typed))


@page(blueprint, RULE + "/<int:number>", "document.read")
def file(study: str, subject: str, event: str, repeat: int, form: str, n: int, number: int) -> Response:
    """A document as it was attached: to be kept, not to be shown by the browser, whatever it is."""
    with guard.read() as tx:
        opened = _opened(tx, FormKey(event, form, repeat, n))
        found = enclosures.find(tx, opened.stored.id, number) if opened.stored else None
        if found is None:
            abort(404)
        content = enclosures.content(tx, found)
    response = Response(content, content_type=found.media_type)
    response.headers.set("Content-Disposition", "attachment", filename=found.name)
    return response


def papers_of(tx: Transaction, opened: Opened, which: Subject, key: FormKey, shut: Shut) -> Callable[[Place], Papers | None]:
    """What stands at each question of a form of its documents, for the form's own page."""
    stored = opened.stored
    held: dict[Place, list[Enclosure]] = {}
    for one in enclosures.of_form(tx, stored.id) if stored else ():
        held.setdefault(one.place, []).append(one)
    editable = _writable(opened, which) and shut.whole is None

    def papers(place: Place) -> Papers | None:
        item = opened.form.items[place.item][1]
        mine, attach_here = held.get(place, []), item.documents and editable and place not in shut.items
        if not mine and not attach_here:
            return None
        return Papers(
            _url(which, key, at=str(place)),
            tuple((one.name, file_url(which, key, one)) for one in mine if not one.withdrawn),
            sum(bool(one.withdrawn) for one in mine),
            attach_here,
            later=not mine and (stored is None or is_new(place.row)),
            tab=may_form(opened.form, "enter") and editable,
        )

    return papers


def _writable(opened: Opened, which: Subject) -> bool:
    """Whether this person could attach and withdraw, if nothing is closed."""
    in_error = which.error or (opened.stored is not None and opened.stored.error)
    return guard.may_here("document.attach") and may_form(opened.form, "enter") and not in_error


def _opened(tx: Transaction, key: FormKey) -> Opened:
    """The form at this address; 404 where it is not recorded, or not for this person."""
    try:
        opened = enter.open_form(tx, g.place.published, g.place.subject, key, g.now)
    except Impossible:
        abort(404)
    if opened.stored is None or not may_form(opened.form, "read"):
        abort(404)
    return opened


def _entered(key: FormKey) -> Opened:
    """The same for whoever enters it."""
    with guard.read() as tx:
        opened = _opened(tx, key)
    if not may_form(opened.form, "enter"):
        abort(403)
    return opened


def _written(
    key: FormKey,
    opened: Opened,
    work: Callable[[Transaction, StoredForm], None],
    sent: EnclosureForm,
    done: str,
    tried: tuple[int, WithdrawForm] | None = None,
) -> Response | tuple[str, int]:
    """Do it, or draw the page again with why not, and with what was typed."""
    try:
        with guard.write(guard.acting(f"{opened.form.access}.enter")) as tx:
            stored = forms.by_id(tx, opened.stored.id) if opened.stored else None
            assert stored is not None
            work(tx, stored)
    except Locked as refused:
        closing.note(refused, key)
        return _page(key, sent, Impossible(refused.message), tried), 409
    except Impossible as problem:
        if tried and problem.field:
            problem.field = f"w{tried[0]}-{problem.field}"
        return _page(key, sent, problem, tried), 422
    return redirect(_url(g.place.subject, key, at=sent.at.data or "", done=done), 303)


def _page(key: FormKey, form: EnclosureForm, problem: Impossible | None = None, tried: tuple[int, WithdrawForm] | None = None) -> str:
    which: Subject = g.place.subject
    with guard.read() as tx:
        opened = _opened(tx, key)
        assert opened.stored is not None
        held = enclosures.of_form(tx, opened.stored.id)
        shut = closing.of_form(tx, which, key, opened.stored)
        sealed = seals.of_form(tx, opened.stored.id).state is SealState.SEALED
    writable = _writable(opened, which) and shut.whole is None
    places = [place for place in enclose.places_of(opened.form, opened.stored) if place not in shut.items] if writable else []
    form.at.choices = [(str(place), g.language.say(place_label(opened.form, place))) for place in places]
    wanted = next((place for place in places if str(place) == form.at.data), None)
    study = opened.published.study
    return render_template(
        "form/documents.html",
        shell=shell(),
        crumbs=[
            casebook_crumb(g.place.published.study, which.subject_type),
            Crumb(which.key, subject_url(g.place.published.study, which)),
            Crumb(visit_label(study, key)),
            Crumb(form_label(study, key), _form_url(which, key)),
        ],
        where=form_label(study, key),
        visit=visit_label(study, key),
        lines=[_line(opened, which, key, one, writable and one.place not in shut.items, tried) for one in held],
        form=form if places else None,
        at=str(wanted) if wanted else "",
        post_url=_url(which, key),
        back_url=field_url(which.site.study_oid, which.key, key, opened.stored.id, wanted) if wanted else _form_url(which, key),
        sealed=sealed and bool(places),
        closed=shut.whole,
        in_error=opened.stored.error or which.error,
        most=take_paper.LARGEST_PAPER // 1024**2,
        problem=problem,
    )


def _line(opened: Opened, which: Subject, key: FormKey, one: Enclosure, writable: bool, tried: tuple[int, WithdrawForm] | None) -> Line:
    typed = tried[1] if tried and tried[0] == one.id else WithdrawForm(prefix=f"w{one.id}-")
    return Line(
        one,
        place_label(opened.form, one.place),
        max(1, -(-one.size // 1024)),
        one.at,
        file_url(which, key, one),
        url_for("enclosures.withdraw", **_address(which, key), number=one.id),
        typed if writable and not one.withdrawn else None,
    )


def _address(which: Subject, key: FormKey) -> dict[str, Any]:
    return {
        "study": which.site.study_oid, "subject": which.key, "event": key.event_oid, "repeat": key.event_repeat, "form": key.form_oid,
        "n": key.form_repeat,
    }  # fmt: skip


def _url(which: Subject, key: FormKey, **more: str) -> str:
    address = {**_address(which, key), **{name: text for name, text in more.items() if text}}
    return url_for("enclosures.listed", **address)


def file_url(which: Subject, key: FormKey, one: Enclosure) -> str:
    """Where a document is taken along."""
    return url_for("enclosures.file", **_address(which, key), number=one.id)


def _form_url(which: Subject, key: FormKey) -> str:
    return url_for("entry.form", **_address(which, key))
