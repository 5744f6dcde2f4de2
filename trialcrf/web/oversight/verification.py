"""Source data verification: the values of a visit beside their state, all of them verified but the exceptions by one submit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible
from trialcrf.actions.oversight import verify
from trialcrf.actions.oversight.verify import Asked, Sheet, Value
from trialcrf.core.definition.model import FormDef
from trialcrf.core.document import FormKey, Place
from trialcrf.core.lock import Locked
from trialcrf.core.oversight import sampling
from trialcrf.core.oversight.monitoring import Monitoring, MonitoringState
from trialcrf.core.oversight.sampling import Coverage
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.core.workflow import NotPossible
from trialcrf.store import monitoring, verifications
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.casebooks import casebook_crumb, subject_url
from trialcrf.web.forms.history import value_for_reading
from trialcrf.web.forms.webform import key_of
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.oversight import closing
from trialcrf.web.oversight.reading import Texts, form_name, place_name, visit_name
from trialcrf.web.page import Chip, Crumb
from trialcrf.web.subjects import form_url

blueprint = Blueprint("verification", __name__)

SUBJECT = "/studies/<study>/subjects/<subject>/verification"
VISIT = "/studies/<study>/subjects/<subject>/<event>/<int(max=2147483647):repeat>/verification"

STATES: Mapping[str, tuple[str, str]] = {
    "verified": ("complete", N_("verified")),
    "changed": ("started", N_("changed since it was verified")),
    "back": ("started", N_("verification taken back")),
    "open": ("empty", N_("not verified")),
}
"""What becomes of a value, by code: the shape of the sprite and the word."""


@dataclass(frozen=True, slots=True)
class Line:
    """One value. `key` names it in the form of the page; `was` is what was verified, where it changed since; `at` and `by` say when and
    by whom; `asked` that the plan asks for it. `ticked` and `text` are what was posted of an exception."""

    key: str
    label: Sayable | str
    value: Texts
    unit: str
    was: Texts
    state: str
    icon: str
    word: Message
    at: datetime | None
    by: str
    asked: bool
    url: str
    ticked: bool
    text: str

    @property
    def id(self) -> str:
        return "x-" + self.key.replace(":", "-").replace(".", "-")


@dataclass(frozen=True, slots=True)
class Block:
    """One form: its values, how many of them stand, and a link that shows it alone."""

    label: Sayable | str
    url: str
    alone_url: str
    lines: tuple[Line, ...]

    @property
    def standing(self) -> int:
        return sum(one.state == "verified" for one in self.lines)


@dataclass(frozen=True, slots=True)
class VisitLine:
    label: Sayable | str
    url: str
    counted: Coverage


def readable(form: FormDef) -> bool:
    """Whether the person may read this form at the site of the page."""
    return guard.may_here(f"{form.access}.read")


def visit_url(which: Subject, key: FormKey, **more: str) -> str:
    """Where the values of a visit are verified."""
    address = {"study": which.site.study_oid, "subject": which.key, "event": key.event_oid, "repeat": key.event_repeat}
    return url_for("verification.visit", **address, **more)  # type: ignore[arg-type]


def states_of(tx: Transaction, form_id: int) -> dict[Place, str]:
    """For the form's own page: which of its values are verified, and which were and are no longer."""
    return {place: "verified" if one.standing else "changed" for place, one in verifications.of_forms(tx, [form_id])[form_id].items()}


@page(blueprint, SUBJECT, "verification.read")
def subject(study: str, subject: str) -> str:
    """How far the visits of a subject are verified, with links to each."""
    which, published = g.place.subject, g.place.published
    with guard.read() as tx:
        counted = verify.of_visits(tx, published, which, readable)
    order = {event.oid: number for number, event in enumerate(published.study.events)}
    lines = []
    for oid, repeat in sorted(counted, key=lambda at: (order.get(at[0], len(order)), at[1])):
        key = FormKey(oid, "", repeat)
        lines.append(VisitLine(visit_name(published.study, key), visit_url(which, key), counted[oid, repeat]))
    return render_template(
        "oversight/verification_subject.html",
        shell=shell(),
        crumbs=[casebook_crumb(published.study, which.subject_type), Crumb(which.key, subject_url(published.study, which))],
        which=which,
        lines=lines,
        total=sum((one.counted for one in lines), Coverage()),
        planned=bool(published.study.oversight.sampling),
        drawn=_drawn(which),
        assumption=published.study.oversight.assumption,
    )


@page(blueprint, VISIT, "verification.read")
def visit(study: str, subject: str, event: str, repeat: int) -> str:
    """The values of a visit: those of the plan, or (`show=all`) every one; of one form alone (`form`)."""
    return _page(_asked(event, repeat))


@page(blueprint, VISIT, "verification.verify", methods=["POST"], endpoint="verify")
def verify_(study: str, subject: str, event: str, repeat: int) -> Response | tuple[str, int]:
    """Verify every value of the page but the exceptions; an exception with a text raises a query."""
    asked, which = _asked(event, repeat), g.place.subject
    try:
        with guard.write() as tx:
            during = monitoring.by_id(tx, _number(request.form.get("during", "")) or 0)
            seen = request.form.get("seen", "")
            done = verify.verify(tx, g.place.published, which, asked, readable, seen, _exceptions(), during, g.now)
    except Locked as refused:
        closing.note(refused, FormKey(event, "", repeat))
        return _page(asked, Impossible(refused.message)), 409
    except verify.Changed as changed:
        return _page(asked, changed), 409
    except NotPossible as problem:
        return _page(asked, Impossible(problem.message)), 409
    except Impossible as problem:
        return _page(asked, problem), 422
    code = "verified_queries" if done.queries else "verified"
    return redirect(visit_url(which, FormKey(event, "", repeat), **_kept(asked), done=code), 303)


@page(blueprint, VISIT + "/back", "verification.verify", methods=["POST"])
def back(study: str, subject: str, event: str, repeat: int) -> Response | tuple[str, int]:
    """Take the verification of one value back, with a reason."""
    asked, which = _asked(event, repeat), g.place.subject
    try:
        form_id, place = _place(request.form.get("value", ""))
        with guard.write() as tx:
            verify.take_back(tx, which, form_id, place, readable, request.form.get("reason", ""))
    except Locked as refused:
        closing.note(refused, FormKey(event, "", repeat))
        return _page(asked, Impossible(refused.message)), 409
    except Impossible as problem:
        return _page(asked, problem, request.form.get("value", "")), 422
    return redirect(visit_url(which, FormKey(event, "", repeat), **_kept(asked), done="unverified"), 303)


def _asked(event: str, repeat: int) -> Asked:
    definition = g.place.published.study.event.get(event)
    if definition is None or g.place.subject.subject_type not in definition.subject_types:
        abort(404)
    return Asked(event, repeat, _number(request.args.get("form", "")), request.args.get("show") == "all")


def _kept(asked: Asked) -> dict[str, str]:
    """What of the view stays in its address."""
    return ({"form": str(asked.form_id)} if asked.form_id else {}) | ({"show": "all"} if asked.everything else {})


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _key(form_id: int, place: Place) -> str:
    return f"{form_id}:{key_of(place)}"


def _place(key: str) -> tuple[int, Place]:
    """The inverse of `_key`. Raises Impossible for what no page of ours sends."""
    number, _, rest = key.partition(":")
    parts = rest.split(".")
    if _number(number) is None or len(parts) not in (1, 3):
        raise Impossible(Message(N_("An exception is a value of this page that is not verified yet.")))
    return int(number), Place(parts[0]) if len(parts) == 1 else Place(parts[2], parts[0], parts[1])


def _exceptions() -> dict[tuple[int, Place], str]:
    """What was ticked, and what has a text: whoever asks about a value does not verify it."""
    keys = dict.fromkeys(name[2:] for name, text in request.form.items() if name.startswith(("x.", "q.")) and text.strip())
    return {_place(key): request.form.get("q." + key, "") for key in keys}


def _page(asked: Asked, problem: Impossible | None = None, taken: str = "") -> str:
    which, published = g.place.subject, g.place.published
    with guard.read() as tx:
        found = verify.sheets(tx, published, which, asked, readable, g.now)
        then = {
            one.stored.id: verifications.values_then(
                tx, one.stored.id, {value.place: value.verified.commitment for value in one.values if value.changed and value.verified}
            )
            for one in found
        }
        held = _held(tx, which) if guard.may_here("verification.verify") else []
    key = FormKey(asked.event_oid, "", asked.event_repeat)
    blocks = [_block(which, one, asked, then[one.stored.id]) for one in found]
    chosen = taken or request.args.get("back", "")
    everything = asked.everything or not published.study.oversight.sampling
    return render_template(
        "oversight/verification.html",
        shell=shell(),
        crumbs=[
            casebook_crumb(published.study, which.subject_type),
            Crumb(which.key, subject_url(published.study, which)),
            Crumb(Message(N_("Verification")), url_for("verification.subject", study=which.site.study_oid, subject=which.key)),
        ],
        which=which,
        visit=visit_name(published.study, key),
        blocks=blocks,
        views=_views(which, key, asked) if published.study.oversight.sampling else [],
        everything=everything,
        alone=asked.form_id is not None,
        whole_url=visit_url(which, key, **_kept(Asked("", everything=asked.everything))),
        seen=verify.seen(found),
        left=sum(one.state != "verified" for block in blocks for one in block.lines),
        may_verify=guard.may_here("verification.verify") and not which.error,
        held=held,
        during=request.form.get("during", str(held[0].id) if len(held) == 1 else ""),
        action=_url("verification.verify", which, key, asked),
        back_url=_url("verification.back", which, key, asked),
        back_link=lambda value: visit_url(which, key, **_kept(asked), back=value) + "#back",
        chosen=next((one for block in blocks for one in block.lines if one.key == chosen and one.state == "verified"), None),
        reason=request.form.get("reason", ""),
        problem=problem,
        planned=bool(published.study.oversight.sampling),
        drawn=_drawn(which),
    )


def _url(endpoint: str, which: Subject, key: FormKey, asked: Asked) -> str:
    address = {"study": which.site.study_oid, "subject": which.key, "event": key.event_oid, "repeat": key.event_repeat}
    return url_for(endpoint, **address, **_kept(asked))  # type: ignore[arg-type]


def _held(tx: Transaction, which: Subject) -> list[Monitoring]:
    """The monitoring visits that are being held at the site: what is verified may belong to one of them."""
    found = monitoring.all_of(tx, which.site.study_oid, [which.site.code])
    return [one for one in found if one.state is MonitoringState.HELD]


def _views(which: Subject, key: FormKey, asked: Asked) -> Sequence[Chip]:
    form = {"form": str(asked.form_id)} if asked.form_id else {}
    return (
        Chip(Message(N_("Asked by the sampling plan")), visit_url(which, key, **form), not asked.everything),
        Chip(Message(N_("Every value")), visit_url(which, key, **form, show="all"), asked.everything),
    )


def _drawn(which: Subject) -> bool:
    """Whether a share of the subjects is drawn, and this one is in it."""
    plan = g.place.published.study.oversight
    return any(rule.percent < 100 for rule in sampling.rules_for(plan, which.key))


def _block(which: Subject, sheet: Sheet, asked: Asked, then: Mapping[Place, str | None]) -> Block:
    key = sheet.stored.key
    alone = visit_url(which, key, **(_kept(asked) | {"form": str(sheet.stored.id)}))
    return Block(form_name(sheet.published.study, key), form_url(which, key), alone, tuple(_lines(which, sheet, then)))


def _lines(which: Subject, sheet: Sheet, then: Mapping[Place, str | None]) -> Iterator[Line]:
    for value in sheet.values:
        state = _state(value)
        icon, word = STATES[state]
        item, key = sheet.form.items[value.place.item][1], _key(sheet.stored.id, value.place)
        text = request.form.get("q." + key, "")
        yield Line(
            key,
            place_name(sheet.form, value.place),
            value_for_reading(sheet.form, value.place, value.answer.canonical() if value.answer else None),
            item.unit if value.answer and not value.answer.missing else "",
            _was(sheet.form, value, then),
            state,
            icon,
            Message(word),
            value.verified.at if value.verified else None,
            value.verified.actor if value.verified else "",
            value.sampled,
            form_url(which, sheet.stored.key, field=key_of(value.place)) + "#history",
            f"x.{key}" in request.form or bool(text),
            text,
        )


def _state(value: Value) -> str:
    return "verified" if value.stands else "changed" if value.changed else "back" if value.taken_back else "open"


def _was(form: FormDef, value: Value, then: Mapping[Place, str | None]) -> Texts:
    if not value.changed or value.verified is None:
        return ()
    text = then.get(value.place)
    if text is None and value.verified.commitment:
        return (Message(N_("redacted since")),)
    return value_for_reading(form, value.place, text)
