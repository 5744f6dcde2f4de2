"""Signing recorded data: what waits for a signature, and the page on which a form, a visit or a casebook is read and signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, sign
from trialcrf.actions.oversight import lock, sign_data
from trialcrf.actions.oversight.sign_data import Part, Scope, Sheet
from trialcrf.core.access import ROLES, may
from trialcrf.core.definition.model import Study
from trialcrf.core.document import FormKey
from trialcrf.core.lock import Locked
from trialcrf.core.signature import MEANINGS, SealState, fingerprint
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.store import accounts, definitions, seals, sites
from trialcrf.store.forms import StoredForm
from trialcrf.store.seals import Seal
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard, step_up
from trialcrf.web.casebooks import casebook_crumb, subject_url
from trialcrf.web.fixed import SealForm
from trialcrf.web.forms.enclosures import file_url
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.oversight import reading
from trialcrf.web.oversight.reading import ChangeLine, ValueLine
from trialcrf.web.oversight.waiting import SealLine, asked_for, seal_line
from trialcrf.web.page import Chip, Crumb
from trialcrf.web.paging import asked_page, here, pages
from trialcrf.web.subjects import form_url

blueprint = Blueprint("signing", __name__)

SUBJECT = "/studies/<study>/subjects/<subject>"
VISIT = SUBJECT + "/<event>/<int:repeat>"
FORM = VISIT + "/<form>/<int:n>"
ON_A_PAGE = 50

_VIEWS = {
    "": (N_("Without a seal"), None),
    "broken": (N_("Changed since they were signed"), SealState.BROKEN),
    "never": (N_("Never signed"), SealState.NEVER),
}
_TITLES = {
    "form": N_("Sign the form %(what)s of %(subject)s"),
    "visit": N_("Sign the visit %(what)s of %(subject)s"),
    "casebook": N_("Sign the casebook of %(subject)s"),
}


@dataclass(frozen=True, slots=True)
class WaitingLine:
    """A subject of whom forms wait, or one form of it: the counts are those of the subject."""

    subject: str
    label: Sayable | str
    url: str
    sign_url: str
    never: int
    broken: int
    incomplete: int
    seal: SealLine | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PaperLine:
    """A document that the signature covers with its form."""

    question: Sayable | str
    name: str
    url: str
    withdrawn: str


@dataclass(frozen=True, slots=True)
class FormBlock:
    """A form on the page of signing: every value and document, and what happened to it since it was signed."""

    visit: Sayable | str
    label: Sayable | str
    url: str
    complete: bool
    seal: SealLine
    sealed: bool
    values: Sequence[ValueLine]
    changes: Sequence[ChangeLine]
    papers: Sequence[PaperLine]


@page(blueprint, "/studies/<study>/signing", "signature.read")
def queue(study: str) -> str:
    """What waits for a signature: the subjects, broken seals first; `show` is a key, then that subject's forms."""
    definition, mine = g.place.published.study, guard.my_sites("signature.read")
    state, wanted, subject = request.args.get("state", ""), request.args.get("site", ""), request.args.get("show", "")
    with guard.read() as tx:
        known = [one for one in sites.all_of(tx, study) if mine is None or one.code in mine]
        if state not in _VIEWS or (wanted and wanted not in {one.code for one in known}):
            abort(404)
        places = [one for one in known if wanted in ("", one.code)]
        numbers = seals.by_site(tx, asked_for(tx, definition, places, subject))
        asked = asked_for(tx, definition, places, subject, _VIEWS[state][1])
        if subject:
            lines = [_form_line(tx, one) for one in seals.all_of(tx, asked)]
            total, paged = len(lines), None
        else:
            total = sum(_people(tx, definition, places, state).values())
            number = asked_page(total, ON_A_PAGE)
            lines = [_subject_line(definition, one) for one in seals.by_subject(tx, asked, (number - 1) * ON_A_PAGE, ON_A_PAGE)]
            paged = pages(number, total, ON_A_PAGE)
    broken, never = (sum(counts[index] for counts in numbers.values()) for index in (2, 1))
    counts = {"": broken + never, "broken": broken, "never": never}
    views = [Chip(Message(label), here(state=name or None), name == state, counts[name]) for name, (label, _) in _VIEWS.items()]
    chips = [Chip(Message(N_("Every site")), here(site=None), not wanted)] if len(known) > 1 else []
    chips += [Chip(Message(N_("Site %(site)s"), {"site": one.code}), here(site=one.code), one.code == wanted) for one in known if chips]
    crumbs = [Crumb(definition.title), *([Crumb(Message(N_("To sign")), url_for("signing.queue", study=study))] if subject else [])]
    return render_template(
        "oversight/queue.html",
        shell=shell(),
        crumbs=crumbs,
        views=views,
        places=chips,
        subject=subject,
        lines=sorted(lines, key=lambda line: line.never) if subject else lines,
        numbers=[(one, numbers[one.code]) for one in places],
        pages=paged,
        may_sign=may(g.session.actor, sign.VERB, study),
    )


def _people(tx: Transaction, study: Study, places: Sequence[Site], state: str) -> dict[str, int]:
    found = seals.by_site(tx, asked_for(tx, study, places, "", _VIEWS[state][1]))
    return {code: people for code, (people, _, _) in found.items()}


def _subject_line(study: Study, one: seals.Counted) -> WaitingLine:
    which = one.subject
    signs = may(g.session.actor, sign.VERB, study.oid, which.site.code)
    url = url_for("signing.casebook", study=study.oid, subject=which.key) if signs else ""
    return WaitingLine(which.key, which.site.code, here(show=which.key), url, one.never, one.broken, one.incomplete)


def _form_line(tx: Transaction, one: seals.Waiting) -> WaitingLine:
    study, key = definitions.read(tx, one.definition_id).study, one.key
    said = Message("%(visit)s, %(form)s", {"visit": reading.visit_name(study, key), "form": reading.form_name(study, key)})
    url = sign_url(one.subject, key) if may(g.session.actor, sign.VERB, study.oid, one.subject.site.code) else ""
    broken = one.state is SealState.BROKEN
    return WaitingLine(
        one.subject.key, said, form_url(one.subject, key), url, int(not broken), int(broken), int(not one.complete), seal_line(one.state),
        one.updated_at,
    )  # fmt: skip


def sign_url(which: Subject, key: FormKey) -> str:
    """Where a form is signed."""
    return url_for(
        "signing.form", study=which.site.study_oid, subject=which.key, event=key.event_oid, repeat=key.event_repeat, form=key.form_oid,
        n=key.form_repeat,
    )  # fmt: skip


# --- The page of signing ----------------------------------------------------------------------------------------------


@page(blueprint, SUBJECT + "/sign", sign.VERB, methods=["GET", "POST"])
def casebook(study: str, subject: str) -> Response | str | tuple[str, int]:
    return _asked(Scope("casebook"))


@page(blueprint, VISIT + "/sign", sign.VERB, methods=["GET", "POST"])
def visit(study: str, subject: str, event: str, repeat: int) -> Response | str | tuple[str, int]:
    return _asked(Scope("visit", event, repeat))


@page(blueprint, FORM + "/sign", sign.VERB, methods=["GET", "POST"])
def form(study: str, subject: str, event: str, repeat: int, form: str, n: int) -> Response | str | tuple[str, int]:
    return _asked(Scope("form", event, repeat, form, n))


def _asked(scope: Scope) -> Response | str | tuple[str, int]:
    if request.method != "POST":
        return _page(scope, SealForm(), None)
    sent, which, actor = SealForm(request.form), g.place.subject, g.session.actor
    try:
        with guard.read() as tx:
            _gathered(tx, scope)
        proof = step_up.signer(sent.password.data)
        with guard.write() as tx:
            sign_data.sign_data(tx, g.place.published, which, actor, proof, scope, sent.seen.data or "")
    except sign.WrongPassword as problem:
        with guard.write() as tx:
            sign.note_refusal(tx, actor, which, scope.meaning)
        return _page(scope, sent, problem), 422
    except Locked as refused:
        with guard.write() as tx:
            lock.note_refusal(tx, which.site.study_oid, which.site, which, f"sign {scope.meaning}", refused)
        return _page(scope, SealForm(), Impossible(refused.message)), 409
    except sign.Changed as problem:
        # The page is drawn anew, with what stands now: whoever has looked at that may sign it.
        return _page(scope, SealForm(), problem), 409
    except Impossible as problem:
        return _page(scope, sent, problem), 422
    return redirect(url_for("certificates.shown", study=which.site.study_oid, subject=which.key, done="sealed"), 303)


def _gathered(tx: Transaction, scope: Scope) -> Sheet:
    """What would be signed; 404 where there is nothing that the person could sign."""
    try:
        return sign_data.gather(tx, g.place.published, g.place.subject, g.session.actor, scope)
    except Impossible:
        abort(404)


def _page(scope: Scope, sent: SealForm, problem: Impossible | None) -> str:
    which, study = g.place.subject, g.place.published.study
    with guard.read() as tx:
        sheet = _gathered(tx, scope)
        if sheet.parts:
            sent.seen.data = fingerprint(sign.covered(tx, which, sheet.form_ids, meaning=scope.meaning))
        closed = sign_data.closed(tx, which, scope)
        own = accounts.by_id(tx, g.session.actor.id)
        blocks = [_block(which, part) for part in sheet.parts]
    key = FormKey(scope.event_oid, scope.form_oid, scope.event_repeat, scope.form_repeat)
    names = {"form": reading.form_name, "visit": reading.visit_name}
    pinned = sheet.parts[0].published.study if sheet.parts else study
    what = names[scope.meaning](pinned, key) if scope.meaning in names else ""
    return render_template(
        "oversight/sign.html",
        shell=shell(),
        crumbs=[casebook_crumb(study, which.subject_type), Crumb(which.key, subject_url(study, which))],
        heading=Message(_TITLES[scope.meaning], {"what": what, "subject": which.key}),
        scope=scope,
        blocks=sorted(blocks, key=lambda block: block.sealed) if scope.meaning != "form" else blocks,
        changed=sum(bool(block.changes) for block in blocks),
        incomplete=sheet.incomplete,
        hidden=sheet.hidden,
        locked=[_locked_name(study, one) for one in sheet.locked],
        closed=closed,
        meaning=Message(MEANINGS[scope.meaning]),
        name=own.name if own else "",
        role=shell_role(),
        which=which,
        form=sent,
        problem=problem,
        certificates_url=url_for("certificates.shown", study=study.oid, subject=which.key),
    )


def shell_role() -> Message:
    """The role that the person signs in."""
    return Message(ROLES[guard.acting(sign.VERB).role])


def _locked_name(study: Study, one: StoredForm) -> Message:
    return Message("%(visit)s, %(form)s", {"visit": reading.visit_name(study, one.key), "form": reading.form_name(study, one.key)})


def _block(which: Subject, part: Part) -> FormBlock:
    study, key = part.published.study, part.stored.key
    before = part.before
    seal = Seal(part.state, before.name, before.at, before.meaning) if before else None
    return FormBlock(
        reading.visit_name(study, key),
        reading.form_name(study, key),
        form_url(which, key),
        part.stored.complete,
        seal_line(part.state, seal),
        part.state is SealState.SEALED,
        list(reading.values(part.form, part.stored.document, part.changed)),
        list(reading.changes(study, part.form, part.changes)),
        [PaperLine(reading.place_name(part.form, one.place), one.name, file_url(which, key, one), one.withdrawn) for one in part.documents],
    )
