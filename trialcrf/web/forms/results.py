"""Laboratory results from a file: read, mapped, looked at line by line, and saved form by form in the person's own name."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response
from wtforms import SelectField

from trialcrf.actions import Impossible, NotAllowed, enter, take_results
from trialcrf.actions.enter import StaleSave
from trialcrf.actions.take_results import Eyes, Line, Origin, Outcome, Plan, Taken
from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.entry import Refused
from trialcrf.core.lock import Locked
from trialcrf.core.outside import lab_file
from trialcrf.core.outside.lab_file import LEFT_OUT, OF_THE_FORM, ROLES, UNIT, Mapped, Target
from trialcrf.core.outside.sheet import ENCODINGS, LARGEST_FILE, SEPARATORS, NoSheet, Sheet, Wrong, read_sheet
from trialcrf.core.results import unit_text
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.store import sites
from trialcrf.web import guard
from trialcrf.web.fixed import ResultsForm
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb
from trialcrf.web.subjects import form_url, may_form

blueprint = Blueprint("results", __name__)

LIST = "/studies/<study>/results"
VERB = "form.enter"
MOST_CODES = 200
WORDS = {
    Outcome.NEW: N_("will be recorded"),
    Outcome.STANDS: N_("stands already"),
    Outcome.CONFLICT: N_("conflict: not taken"),
    Outcome.WRONG: N_("not taken"),
}
SIGNS = {",": N_("comma"), ".": N_("point")}


@dataclass(frozen=True, slots=True)
class Code:
    """A code of the file, how often it stands there, and the item that was chosen for it (LEFT_OUT: none)."""

    said: str
    count: int
    chosen: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A box of choices: its name, its label (of a code, which stands `count` times in the file: the code), what is offered, what chosen."""

    name: str
    label: Sayable | str
    offered: tuple[tuple[str, Sayable | str], ...]
    chosen: str
    count: int = 0

    @property
    def code(self) -> bool:
        return self.count > 0


@dataclass(frozen=True, slots=True)
class Asked:
    """A file with what was said of it."""

    content: bytes
    origin: Origin
    sheet: Sheet
    mapped: Mapped
    codes: tuple[Code, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A line for reading: what the file says and what is recorded of it."""

    line: Line
    visit: Sayable | str
    day: date | None
    url: str
    recorded: str
    high: str
    stands: str
    word: Message


@dataclass(frozen=True, slots=True)
class Done:
    """A form that was saved with so many values, or (`why`) was not; `queries` were opened by its checks."""

    label: Sayable
    subject: str
    url: str
    values: int
    queries: int
    why: tuple[Sayable, ...] = ()


@page(blueprint, LIST, VERB)
def where(study: str) -> Response | str:
    """At the person's only site directly, else after choosing one."""
    mine = guard.my_sites(VERB)
    with guard.read() as tx:
        places = [one for one in sites.all_of(tx, study) if mine is None or one.code in mine]
    if len(places) == 1:
        return redirect(url_for("results.file", study=study, site=places[0].code))
    return render_template("results/where.html", shell=shell(), crumbs=[Crumb(g.place.published.study.title)], places=places)


@page(blueprint, LIST + "/<site>", VERB)
def file(study: str, site: str) -> str:
    return _page(None, None, _offered())


@page(blueprint, LIST + "/<site>", VERB, methods=["POST"], endpoint="take")
def take(study: str, site: str) -> str | tuple[str, int]:
    """Look at a file, or save what was looked at. A look writes nothing; a save writes what the last look showed, and nothing else."""
    offered = _offered()
    try:
        asked = _asked(offered)
        plan, wrong = _planned(asked)
    except NoSheet as refused:
        return _page(None, None, offered, problem=Impossible(refused.message, "file")), 422
    except Impossible as problem:
        problem.field = problem.field or "file"
        return _page(None, None, offered, problem=problem), 422
    if request.form.get("act") != "save":
        return _page(asked, plan, offered, wrong)
    if request.form.get("seen") != plan.digest():
        said = Message(N_("Your choices, or what is recorded, changed since you looked: nothing was saved. Look again, then save."))
        return _page(asked, plan, offered, wrong, problem=Impossible(said, "lines")), 409
    done = [_save(one, asked.origin) for one in plan.forms]
    after, wrong = _planned(asked)
    return _page(asked, after, offered, wrong, done)


def _offered() -> tuple[Target, ...]:
    """What the person may take results into at the site."""
    return lab_file.targets(g.place.published.study, _enters)


def _enters(form: FormDef) -> bool:
    return may_form(form, "read") and may_form(form, "enter")


def _planned(asked: Asked) -> tuple[Plan, list[Wrong]]:
    """What would become of the file now. Nothing is read of it before its columns are known."""
    if lab_file.lacking(asked.mapped):
        return Plan((), ()), list(asked.sheet.wrong)
    readings, wrong = lab_file.read_rows(asked.sheet, asked.mapped)
    with guard.read() as tx:
        eyes = Eyes(guard.may_know, _enters)
        return take_results.plan(tx, g.place.published.study.oid, g.place.site, readings, eyes, g.now), wrong


def _save(taken: Taken, origin: Origin) -> Done:
    """Save one form in a transaction of its own: what becomes of another one does not matter to it."""
    why: tuple[Sayable, ...] = ()
    values = queries = 0
    try:
        with guard.write(guard.acting(f"{taken.form.access}.enter")) as tx:
            decision = take_results.save(tx, taken, origin, g.now).decision
            values, queries = sum(not one.derived for one in decision.changes), len(decision.opened)
    except Refused as refused:
        with guard.write(guard.acting(f"{taken.form.access}.enter")) as tx:
            enter.record_refusal(tx, taken.subject, taken.key, taken.sent, refused.findings)
        why = tuple(finding.message for finding in refused.findings)
    except StaleSave:
        why = (Message(N_("Somebody saved this form meanwhile: look again.")),)
    except (Locked, Impossible) as refused:
        why = (refused.message,)
    except NotAllowed:
        why = (Message(N_("You do not enter this form at this site.")),)
    return Done(taken.form.label, taken.subject.key, form_url(taken.subject, taken.key), values, queries, why)


def _asked(offered: tuple[Target, ...]) -> Asked:
    """The file that was sent, or the one that the page carries, with the choices about it. Raises NoSheet, and Impossible at its box."""
    content, name = _content()
    form = ResultsForm(request.form)
    sheet = read_sheet(content, form.encoding.data or "", form.separator.data or "")
    columns = lab_file.guessed_columns(sheet)
    units_of_form = request.form.get(f"column.{UNIT}") == OF_THE_FORM
    for role in ROLES:
        chosen = request.form.get(f"column.{role}")
        if chosen is not None:
            columns.pop(role, None)
            if chosen.isascii() and chosen.isdecimal() and len(chosen) < 4 and int(chosen) < len(sheet.heading):
                columns[role] = int(chosen)
    known = {one.code: one for one in offered}
    codes: list[Code] = []
    for said, count in lab_file.codes_of(sheet, columns).items():
        guessed = lab_file.guessed_target(said, offered)
        chosen = request.form.get(f"code.{said}", guessed.code if guessed else LEFT_OUT)
        codes.append(Code(said, count, chosen if chosen in known else LEFT_OUT))
    if len(codes) > MOST_CODES:
        raise Impossible(Message(N_("The column of the codes has more than %(most)s different ones."), {"most": str(MOST_CODES)}), "file")
    sign = form.decimals.data if form.decimals.data in SIGNS else lab_file.guessed_decimals(sheet, columns)
    mapped = Mapped(columns, {one.said: known.get(one.chosen) for one in codes}, sign or ",", units_of_form)
    return Asked(content, Origin.of(name, content), sheet, mapped, tuple(codes))


def _content() -> tuple[bytes, str]:
    sent = request.files.get("file")
    if sent is not None and sent.filename:
        return sent.stream.read(LARGEST_FILE + 1), sent.filename
    carried = request.form.get("carried_file", "")
    try:
        content = b64decode(carried[: 2 * LARGEST_FILE], validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if not content:
        raise Impossible(Message(N_("Choose the file.")), "file")
    return content, request.form.get("filename", "")


def _page(
    asked: Asked | None,
    plan: Plan | None,
    offered: tuple[Target, ...],
    wrong: list[Wrong] | None = None,
    done: list[Done] | None = None,
    problem: Impossible | None = None,
) -> str:
    study: Study = g.place.published.study
    form = ResultsForm(request.form)
    if asked is not None:
        _offer(form.encoding, ENCODINGS, asked.sheet.encoding)
        _offer(form.separator, SEPARATORS, asked.sheet.separator)
        _offer(form.decimals, SIGNS, asked.mapped.decimals)
    return render_template(
        "results/file.html",
        shell=shell(),
        crumbs=[Crumb(study.title), Crumb(Message(N_("Laboratories")), url_for("laboratory.listed", study=study.oid))],
        site=g.place.site,
        form=form,
        asked=asked,
        content=b64encode(asked.content).decode() if asked else "",
        columns=_columns(asked) if asked else (),
        codes=_codes(asked, offered) if asked else (),
        lacking=[Message(ROLES[role]) for role in lab_file.lacking(asked.mapped)] if asked else [],
        plan=plan,
        seen=plan.digest() if plan else "",
        rows=[_row(study, one) for one in plan.lines] if plan else [],
        counts=_counts(plan) if plan else [],
        wrong=wrong or [],
        done=done,
        problem=problem,
    )


def _counts(plan: Plan) -> list[tuple[Outcome, Message, int]]:
    """How many lines have each outcome that there is."""
    found = Counter(line.outcome for line in plan.lines)
    return [(one, Message(word), found[one]) for one, word in WORDS.items() if found[one]]


def _offer(box: SelectField, words: Mapping[str, str], used: str) -> None:
    """What a person can say of the file, and first what is used of itself: it stays open to what is chosen later."""
    say = g.language.gettext
    found = say(N_("as found")) if box.data in words else say(N_("as found: %(what)s")) % {"what": say(words[used])}
    box.choices = {"": found} | {sign: say(word) for sign, word in words.items()}


def _columns(asked: Asked) -> tuple[Choice, ...]:
    """For each role the column that says it."""
    headings = tuple((str(number), heading) for number, heading in enumerate(asked.sheet.heading))
    none, form = ("", Message(N_("no column"))), (OF_THE_FORM, Message(N_("no column: all are in the unit of the form")))
    made = []
    for role, label in ROLES.items():
        chosen = OF_THE_FORM if role == UNIT and asked.mapped.units_of_form else str(asked.mapped.columns.get(role, ""))
        offered: tuple[tuple[str, Sayable | str], ...] = (none, form, *headings) if role == UNIT else (none, *headings)
        made.append(Choice(f"column.{role}", Message(label), offered, chosen))
    return tuple(made)


def _codes(asked: Asked, offered: tuple[Target, ...]) -> tuple[Choice, ...]:
    """For each code of the file the result that it is."""
    named = tuple((one.code, Message(N_("%(form)s: %(item)s"), {"form": one.form.label, "item": one.item.label})) for one in offered)
    left: tuple[str, Sayable] = (LEFT_OUT, Message(N_("not taken over")))
    return tuple(Choice(f"code.{one.said}", one.said, (left, *named), one.chosen, one.count) for one in asked.codes)


def _row(study: Study, line: Line) -> Row:
    reading, unit = line.reading, unit_text(line.reading.shown)
    event = study.event.get(line.key.event_oid) if line.key else None
    url = ""
    if line.key is not None:
        key = line.key
        url = url_for(
            "entry.form", study=study.oid, subject=reading.subject, event=key.event_oid, repeat=key.event_repeat, form=key.form_oid,
            n=key.form_repeat,
        )  # fmt: skip
    recorded, high = (f"{_number(text)} {unit}".strip() if text else "" for text in (reading.text, reading.high))
    visit: Sayable | str = event.label if event else reading.visit
    day = date.fromisoformat(reading.day) if reading.day else None
    return Row(line, visit, day, url, recorded, high, _number(line.stands), Message(WORDS[line.outcome]))


def _number(text: str) -> str:
    """A canonical number with the sign for decimals of the reader's language."""
    return text.replace(".", ",") if g.language.code == "fr" else text
