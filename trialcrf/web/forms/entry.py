"""Entry of study forms: one page for every form of every study, for enrolment too."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, compare_lung, drafting, enter
from trialcrf.actions.cells import infusion
from trialcrf.actions.enter import Opened, StaleSave, Typed
from trialcrf.core import checks
from trialcrf.core.access import may
from trialcrf.core.checks import Context, Finding
from trialcrf.core.definition.model import FormDef
from trialcrf.core.document import Document, FormKey, Place
from trialcrf.core.entry import BLANK, Refused, told
from trialcrf.core.lock import Address, Level, Locked, item_address
from trialcrf.core.wording import N_, Message
from trialcrf.store import cases, definitions, forms, queries, replay, subjects, verifications
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web import fixed_drafts, guard, once
from trialcrf.web.casebooks import casebook_crumb, subject_url
from trialcrf.web.cells.ways import ways
from trialcrf.web.fixed import ReasonForm
from trialcrf.web.forms import beginning, drafts, dropping, labview, late, onward, pasting, threads, visit
from trialcrf.web.forms.drafts import typed_of
from trialcrf.web.forms.earlier import before_of, copied, copying_of, earlier_of, together
from trialcrf.web.forms.enclosures import papers_of
from trialcrf.web.forms.formview import Around, view
from trialcrf.web.forms.history import lines_of
from trialcrf.web.forms.lookup import lookups_of
from trialcrf.web.forms.pasting import Filled
from trialcrf.web.forms.references import references_of
from trialcrf.web.forms.standing import confirmed, marks, proven, standing_findings
from trialcrf.web.forms.unsaved import beside, unsaved
from trialcrf.web.forms.webform import Posted, answers, is_new, key_of
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.keeping import Beside, pages_of_page, pages_of_save, typed_since
from trialcrf.web.oversight import closing, redaction
from trialcrf.web.oversight.sealed import on_form
from trialcrf.web.page import Chip, Crumb
from trialcrf.web.subjects import form_url, may_form

blueprint = Blueprint("entry", __name__)

RULE = "/studies/<study>/subjects/<subject>/<event>/<int:repeat>/<form>/<int:n>"


@dataclass(frozen=True, slots=True)
class Tried:
    """A save that came back: what was posted, what was found, and (stale) what someone else saved meanwhile, or (`closed`) why nothing
    is saved here, with what was typed."""

    posted: Posted
    findings: tuple[Finding, ...] = ()
    document: Document | None = None
    version: int | None = None
    compared: tuple[Beside, ...] = ()
    closed: Message | None = None
    saved: bool = False


@page(blueprint, RULE, "casebook.open")
def form(study: str, subject: str, event: str, repeat: int, form: str, n: int) -> str:
    key, which = FormKey(event, form, repeat, n), g.place.subject
    with guard.read() as tx:
        opened = opened_at(tx, key)
        posted = drafts.taken_up(tx, drafts.desk_of(opened.form, which, key)) if may_form(opened.form, "enter") else None
        if posted is None:
            return _page(key, None)
        document, _ = enter.preview(tx, g.place.published, which, key, typed_of(posted), g.now)
    if opened.stored is not None and posted.version != opened.stored.version:
        return _stale(key, opened, posted, StaleSave(opened.stored))
    return _page(key, Tried(posted, (), document))


@page(blueprint, "/studies/<study>/forms/<int:form_id>", "casebook.open")
def by_number(study: str, form_id: int) -> Response:
    """Where a mail leads: its address carries a number and no subject key. A form of another site does not exist, and neither does one
    that the person may not read."""
    with guard.read() as tx:
        stored = forms.by_id(tx, form_id)
        which = subjects.by_id(tx, stored.subject_id) if stored else None
        if stored is None or which is None or which.site.study_oid != study or not guard.may_know(which):
            abort(404)
        access = definitions.read(tx, stored.definition_id).study.form[stored.key.form_oid].access
    if not may(g.session.actor, "casebook.open", study, which.site.code) or not may(
        g.session.actor, f"{access}.read", study, which.site.code
    ):
        abort(404)
    return redirect(form_url(which, stored.key))


@page(blueprint, RULE, "casebook.open", methods=["POST"], endpoint="save")
def save(study: str, subject: str, event: str, repeat: int, form: str, n: int) -> Response | tuple[str, int]:
    """Save a form: gathers what was posted, hands it to `actions.enter`, and draws what comes of it."""
    key = FormKey(event, form, repeat, n)
    which: Subject = g.place.subject
    with guard.read() as tx:
        opened = opened_at(tx, key)
    if not may_form(opened.form, "enter"):
        abort(403)
    posted = answers(opened.form, dropping.put_back(request.form))
    filled = pasting.fill(opened.form, posted, request.form, which.site.zone)
    if filled is not None or posted.act in ("add", "drop", "update", "copy"):
        filled = filled or Filled(posted)
        with guard.read() as tx:
            document, _ = enter.preview(tx, g.place.published, which, key, typed_of(filled.posted), g.now)
            if posted.act == "copy":
                filled = Filled(copied(tx, opened, which, key, document, posted))
                document, _ = enter.preview(tx, g.place.published, which, key, typed_of(filled.posted), g.now)
        return _page(key, Tried(filled.posted, filled.findings, document, closed=filled.refused)), 422 if filled.refused else 200
    sent, at = typed_of(posted), form_url(which, key)
    with guard.read() as tx:
        shut = closing.of_form(tx, which, key, opened.stored).whole
    if shut is not None:  # Before anything is judged: the page was drawn before it was closed.
        return _closed(key, opened, posted, shut.refused), 409
    try:
        with guard.write(guard.acting(f"{opened.form.access}.enter")) as tx:
            if sent.version is None and opened.form.repeating:
                key = _free(tx, which, key, sent)
            begun = drafting.begun(tx, g.session.actor.id, at, pages_of_save(), typed_since())
            saved = enter.save_form(tx, g.place.published, which, key, sent, g.now)
            if begun is not None and not saved.decision.empty:
                drafting.note_entry(tx, which, saved.form_id, begun)
            marked = late.mark(tx, which, key, saved.form_id, g.now)
            to = onward.after_save(key, opened, posted.act, saved, bool(marked))
            once.answers(to)
    except Refused as refused:
        if all(finding.check == BLANK for finding in refused.findings):
            following = visit.following(key, opened) if posted.act == "next" else None
            return redirect(form_url(which, following), 303) if following else (_page(key, Tried(posted, refused.findings)), 422)
        with guard.write(guard.acting(f"{opened.form.access}.enter")) as tx:
            enter.record_refusal(tx, which, key, sent, refused.findings)
        with guard.read() as tx:
            document, _ = enter.preview(tx, g.place.published, which, key, sent, g.now)
            _, judged = enter.judge(tx, g.place.published, which, key, sent, g.now)
        return _page(key, Tried(posted, told(refused.findings, judged), document)), 422
    except late.Unclear as unclear:
        return _page(key, Tried(posted, closed=unclear.message)), 422
    except StaleSave as stale:
        return _stale(key, opened, posted, stale), 409
    except Locked as locked:
        return _closed(key, opened, posted, locked), 409
    except Impossible as problem:
        abort(409, description=problem.message)
    return redirect(to, 303)


@page(blueprint, RULE + "/error", "form.error", methods=["POST"])
def mark_error(study: str, subject: str, event: str, repeat: int, form: str, n: int) -> Response | tuple[str, int]:
    """Mark the form entered in error, with a reason."""
    key = FormKey(event, form, repeat, n)
    reason = ReasonForm(request.form)
    with guard.read() as tx:
        opened = opened_at(tx, key)
    if opened.stored is None or not may_form(opened.form, "enter"):
        abort(404)
    try:
        with guard.write(guard.acting(f"{opened.form.access}.enter")) as tx:
            stored = forms.by_id(tx, opened.stored.id)
            assert stored is not None
            enter.mark_form_error(tx, g.place.subject, stored, reason.reason.data or "")
    except Impossible as problem:
        problem.field = "reason"
        return _page(key, None, problem), 422
    except StaleSave:
        abort(409)
    return redirect(subject_url(g.place.published.study, g.place.subject, done="error"), 303)


def opened_at(tx: Transaction, key: FormKey) -> Opened:
    """The form at this address; 404 where the study has none there, or the person may not know of it."""
    try:
        opened = enter.open_form(tx, g.place.published, g.place.subject, key, g.now)
    except Impossible:
        abort(404)
    if not may_form(opened.form, "read"):
        abort(404)
    # The next one of a log may be begun, and none further: numbers have no gaps.
    begun = opened.stored is None and opened.form.repeating
    if begun and key.form_repeat > forms.next_repeat(tx, g.place.subject.id, key.event_oid, key.form_oid, key.event_repeat):
        abort(404)
    return opened


def _free(tx: Transaction, which: Subject, key: FormKey, sent: Typed) -> FormKey:
    """A new event whose number someone else took meanwhile gets the next one: two new events are no conflict."""
    taken = forms.read(tx, which.id, key)
    if taken is None:
        return key
    if enter.says_what_stands(tx, g.place.published, which, key, sent, g.now):
        return key
    return replace(key, form_repeat=forms.next_repeat(tx, which.id, key.event_oid, key.form_oid, key.event_repeat))


def _page(key: FormKey, tried: Tried | None, problem: Impossible | None = None) -> str:
    which: Subject = g.place.subject
    with guard.read() as tx:
        opened = opened_at(tx, key)
        stored = opened.stored
        begun = beginning.begun(tx, opened, which, key)
        if begun and tried is None:
            tried = Tried(begun.posted, (), begun.document)
        document = (tried.document if tried and tried.document else None) or (stored.document if stored else Document())
        held = queries.of_form(tx, stored.id) if stored else []
        checked = verifications.of_forms(tx, [stored.id])[stored.id] if stored else {}
        standing = forms.standings(tx, [which.id])
        gone = forms.standings(tx, [which.id], in_error=True)
        chosen = _chosen(opened.form, document)
        past = lines_of(tx, opened.published.study, opened.form, which, stored.id, chosen) if stored and chosen else ()
        references = references_of(tx, opened.published.study, opened.form, which.site, which)
        # Checks and conditions may ask for answers of other forms: they are run while the transaction is open.
        findings = tried.findings if tried and tried.findings else standing_findings(tx, opened, document, held)
        applies = applying(opened.form, document, opened.context)
        earlier = earlier_of(tx, opened, which, key, document)
        copies = copying_of(tx, opened, earlier, document, tried.posted if tried else None)
        lookups = lookups_of(tx, opened, document)
        lung = compare_lung.compare(tx, opened, which, key, document)
        labs = labview.judged(tx, opened, which)
        dosing = infusion.dose_of_form(tx, opened.published.study, opened.form, document)
        seal = on_form(tx, opened, which, key)
        shut = closing.of_form(tx, which, key, stored)
        papers = papers_of(tx, opened, which, key, shut)
        from_paper = late.late(tx, stored.id if stored else None)
        offers, taken_back = drafts.of_opened(tx, opened, which, key) if tried is None and may_form(opened.form, "enter") else ((), None)
        talk = threads.panel(tx, opened, which, key, chosen, held)
        serious = (
            onward.case_ways(cases.of_form(tx, stored.id).values())
            if stored and may(g.session.actor, "case.read", which.site.study_oid)
            else []
        )
    study = opened.published.study
    editable = may_form(opened.form, "enter") and not which.error and not (stored and stored.error) and shut.whole is None
    around = Around(
        applies=applies,
        answered=confirmed(study, held),
        references=references,
        before=together(
            copies.beside, before_of(opened.form, earlier, document), labs.beside if labs else {}, begun.beside if begun else {}
        ),
        copied=copies.copied,
        earlier=earlier,
        marks=proven(marks(document, held), checked) if stored else {},
        url=lambda place: form_url(which, key, field=key_of(place)) + "#history",
        chosen=chosen,
        reasons=study.reasons,
        confirmations=study.confirmations,
        zone=which.site.zone,
        lookup=lookups.lookup,
        graded=lookups.graded,
        closed=shut.items,
        papers=papers,
    )
    it = view(
        opened.form,
        document,
        g.language.code if g.language.code in study.languages else study.languages[0],
        findings,
        tried.posted if tried else None,
        around,
        editable=editable,
        version=stored.version if stored else 0,
    )
    if tried and tried.version is not None:
        it = replace(it, version=tried.version)
    item = opened.form.items[chosen.item][1] if chosen else None
    may_error = editable and stored is not None and may(g.session.actor, "form.error", study.oid, which.site.code)
    error_url, reason = url_for("entry.mark_error", **onward.parts_of(which, key)), ReasonForm(request.form if problem else None)
    fixed_drafts.beside({error_url: reason if may_error else None, **(talk.boxes if talk else {})})
    return render_template(
        "form/entry.html",
        shell=shell(),
        crumbs=[
            casebook_crumb(study, which.subject_type),
            Crumb(which.key, subject_url(study, which)),
            Crumb(opened.event.label),
        ],
        it=it,
        lung=lung,
        labs=labs,
        dosing=dosing,
        begun=begun.told if begun else None,
        context=[*visit.context(opened, which), *([earlier.told] if earlier else [])],
        copy_allowed=copies.allowed if editable else 0,
        copy_from=earlier.event if earlier else "",
        steps=visit.steps(opened, which, key, standing, gone),
        past=past,
        chosen_label=item.label.in_(g.language.code) if item else "",
        chosen_help=item.help.in_(g.language.code) if item else "",
        status=_status(opened),
        tried=tried is not None and bool(tried.findings),
        next_step=visit.has_next(key, opened),
        acts=[
            *ways(study, which, opened.form),
            *(onward.verification_ways(which, key, stored.id) if stored and guard.may_here("verification.read") else []),
            *(
                [*serious, Chip(Message(N_("History of the form")), url_for("history.form", **onward.parts_of(which, key)))]
                if stored
                else []
            ),
        ],
        compared=tried.compared if tried else (),
        may_error=may_error,
        # Without the address's own fragment and notice: the one would take the focus from the summary, the other would still say "Saved".
        action=form_url(which, key, **({"field": key_of(chosen)} if chosen else {}), **(begun.kept if begun else {})),
        error_url=error_url,
        seal=seal,
        talk=talk,
        offers=offers,
        taken_back=taken_back,
        left_out=dropping.left_out(request.form),
        grew_from=pages_of_page(),
        draft_url=url_for("drafts.keep", **onward.parts_of(which, key)),
        check_url=url_for("checking.check", **onward.parts_of(which, key)),
        closed=shut.whole,
        not_saved=tried.closed if tried else None,
        late=from_paper,
        lock_url=closing.link(item_address(stored.id, chosen) if chosen else Address(Level.FORM, stored.id)) if stored else "",
        erase_url=redaction.link(which, key, chosen) if stored and chosen else "",
        in_error=(stored.error if stored else "") or which.error,
        reason=reason,
        problem=problem,
    )


def applying(form_def: FormDef, document: Document, context: Context) -> Any:
    places = checks.applicable(form_def, document, context)

    def applies(place: Place) -> bool:
        return (Place(place.item, place.group) if is_new(place.row) else place) in places

    return applies


def _chosen(form_def: FormDef, document: Document) -> Place | None:
    wanted = request.args.get("field", "")
    if not wanted:
        return None
    return next((place for place, _ in document.places() if key_of(place) == wanted), None) or (
        Place(wanted) if wanted in form_def.items and not form_def.items[wanted][0].repeating else None
    )


def _status(opened: Opened) -> Message | str:
    if opened.stored is None:
        return Message(N_("Not saved yet"))
    at = opened.stored.updated_at.astimezone(g.place.site.zone)
    return Message(N_("Last saved %(at)s"), {"at": at})


def _closed(key: FormKey, opened: Opened, posted: Posted, refused: Locked) -> str:
    """What was tried on a closed form goes into the trail; what was typed stands on the page beside what is stored."""
    with guard.read() as tx:
        typed = enter.read_typed(tx, g.place.published, g.place.subject, key, typed_of(posted), g.now)
    closing.note(refused, key)
    lost = unsaved(opened.form, posted, typed, opened.stored.document if opened.stored else Document())
    return _page(key, Tried(posted, compared=lost, closed=refused.message))


def _stale(key: FormKey, opened: Opened, posted: Posted, stale: StaleSave) -> str:
    """Three-way: what both pages began from, what was typed here, what stands now. Only what was typed here is kept as typed."""
    theirs = stale.theirs
    if theirs is None:
        abort(409)
    which: Subject = g.place.subject
    with guard.read() as tx:
        base = replay.form_at_version(tx, theirs.id, posted.version or 0)
        mine, _ = enter.preview(tx, g.place.published, which, replace(key), replace(typed_of(posted)), g.now)
        typed_places = enter.read_typed(tx, g.place.published, which, key, typed_of(posted), g.now)
    changed = {place for place in posted.raws if is_new(place.row) or typed_places.get(place, ...) != base.at(place)}
    kept = {place: raw for place, raw in posted.raws.items() if place in changed}
    compared = []
    for place in posted.raws:
        now, answer = theirs.document.at(place), typed_places.get(place)
        if place in changed and not is_new(place.row) and now != answer:
            compared.append(beside(opened.form, posted, place, now))
    again = replace(posted, raws=kept, present=frozenset(kept))
    document = theirs.document
    for place in kept:
        if not is_new(place.row) and mine.at(place) is not None:
            document = document.with_answer(place, theirs.document.at(place))
    return _page(key, Tried(again, (), document, theirs.version, tuple(compared) or (("", (), ()),)))
