"""The first day: what each role tries first, in a few steps that lead to real pages. The words of a page are quoted from that page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Blueprint, current_app, g, render_template, url_for

from trialcrf.core.access import ROLES, may
from trialcrf.core.definition.model import EventType, Study
from trialcrf.core.document import FormKey
from trialcrf.core.sight import eyes_of
from trialcrf.core.wording import N_, Message
from trialcrf.store import subjects
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.finding import in_study, known_of, stay_in, studies_of_person
from trialcrf.web.frame import shell
from trialcrf.web.guard import SELF, page
from trialcrf.web.page import Crumb
from trialcrf.web.subjects import form_url

blueprint = Blueprint("first_day", __name__)

PERSON, DONOR, BATCH = "person", "donor", "batch"
"""Whom a step is about: the first of the study's people, of its last kind of people, of its batches that the reader may know of."""


@dataclass(frozen=True, slots=True)
class Step:
    """What to do (`says`, which quotes `names`, a text that stands on the page), and where: a page called `label`.

    `about` is whom the page is about, for whom the study has nobody yet the step is left out; empty: nobody.
    """

    label: str
    says: str
    endpoint: str
    names: str
    about: str = ""


_FIND = Step(
    N_("Find"),
    N_("On every page, press “/” and type what you look for. Under “%(what)s” a part of a key is enough."),
    "find.shown",
    N_("What you look for"),
)
_ACCOUNT = Step(
    N_("My account"),
    N_("Make the program yours: “%(what)s” lets you choose light or dark; your password and your open sessions are there too."),
    "account.mine",
    N_("Appearance"),
)
_MATRIX = Step(
    N_("Subjects"),
    N_(
        "“%(what)s” shows everybody by every visit: what is done, due or overdue has a shape, a word and a colour. Press a cell to open it."
    ),
    "subjects.matrix",
    N_("Subjects and visits"),
)
_FORM = Step(
    N_("A form"),
    N_("Open a form. What is doubtful is asked when you save, and nothing that you typed is lost. “%(what)s” says what the study expects."),
    "entry.form",
    N_("Help with this form"),
    PERSON,
)
_ANSWER = Step(
    N_("Queries"),
    N_("Under “%(what)s” stands every question about a value. Correct the value, or say why it is right as it is."),
    "queries.listed",
    N_("Not settled"),
)
_SIGN = Step(
    N_("To sign"),
    N_("“%(what)s” lists what you answer for, subject by subject. A change after your signature breaks the seal, for everybody to see."),
    "signing.queue",
    N_("Waiting for a signature"),
)
_SERIOUS = Step(
    N_("Serious events"),
    N_("“%(what)s” has a line for each case, with the hours that are left of every clock."),
    "cases.listed",
    N_("Serious events"),
)
_BATCHES = Step(
    N_("Batches of cells"),
    N_("“%(what)s” shows from whom each batch came, how far its release is, and where its bags are."),
    "batches.listed",
    N_("Batches of cells"),
)
_STOCK = Step(
    N_("Stock of bags"),
    N_("“%(what)s” counts them, and names beside them whatever does not add up."),
    "inventory.shown",
    N_("Bags by place and state"),
)
_REQUESTS = Step(
    N_("Requests"),
    N_("What nobody decides alone waits under “%(what)s” for a second person."),
    "requests.listed",
    N_("Requests"),
)
_TRAIL = Step(
    N_("The audit trail"),
    N_("“%(what)s” has who, when, where, the old value, the new one and why, of everything that was ever recorded."),
    "trail.shown",
    N_("The audit trail"),
)

STEPS: Mapping[str, Sequence[Step]] = {
    "coordinator": (
        Step(
            N_("My day"),
            N_("Begin with what waits. Under “%(what)s” stand the visits that can be held today, each with its reason and its last day."),
            "today.day",
            N_("Due now: the window is open"),
        ),
        _MATRIX,
        _FORM,
        _ANSWER,
        _FIND,
        _ACCOUNT,
    ),
    "investigator": (
        Step(
            N_("My day"),
            N_("Begin with what waits for you. “%(what)s” are those that nobody has recorded and whose window has ended."),
            "today.day",
            N_("Overdue visits"),
        ),
        Step(
            N_("Eligibility"),
            N_(
                "“%(what)s” are judged from the data, each beside its clause and the values that it rests on; the verdict is yours to sign."
            ),
            "eligibility.criteria",
            N_("Inclusion criteria"),
            PERSON,
        ),
        _SIGN,
        _SERIOUS,
        Step(
            N_("Delegation log"),
            N_("The “%(what)s” says who may do what at your site since when. It is signed by you."),
            "delegation.shown",
            N_("Delegation log"),
        ),
        _FIND,
    ),
    "donor_physician": (
        _MATRIX,
        Step(
            N_("The casebook of a donor"),
            N_("Open a donor: visits with their forms, then everything else that is recorded. “%(what)s” are made here too."),
            "subjects.one",
            N_("Signatures"),
            DONOR,
        ),
        Step(_FORM.label, _FORM.says, _FORM.endpoint, _FORM.names, DONOR),
        _ANSWER,
        _SIGN,
        _FIND,
    ),
    "monitor": (
        Step(
            N_("Verification"),
            N_("The “%(what)s” says which values are held against their sources. Open a subject from here and verify a visit at once."),
            "coverage.shown",
            N_("Sampling plan"),
        ),
        Step(
            N_("Queries"),
            N_("Under “%(what)s” stand the questions that the site has answered. Accept the answer, or send it back with a word."),
            "queries.listed",
            N_("Answered"),
        ),
        Step(
            N_("Monitoring visits"),
            N_("“%(what)s”, write findings and actions while you are there, and take the letter home."),
            "monitoring.listed",
            N_("Plan a visit"),
        ),
        _TRAIL,
        _FIND,
    ),
    "data_manager": (
        Step(
            N_("Queries"),
            N_("Under “%(what)s” stand the questions of all sites, of checks and of people. Several are settled at once."),
            "queries.listed",
            N_("Not settled"),
        ),
        Step(
            N_("Ageing of queries"),
            N_("“%(what)s” says how long they wait, by site and by who is to answer."),
            "queries.ageing",
            N_("Ageing of queries"),
        ),
        Step(
            N_("Laboratories"),
            N_("Values are judged by the limits of their laboratory on their day. “%(what)s” keeps them."),
            "laboratory.listed",
            N_("Add limits"),
        ),
        Step(
            N_("Review of the audit trail"),
            N_("“%(what)s” names the signs of trouble that the review counts for you; you judge and sign."),
            "review.shown",
            N_("What is looked for"),
        ),
        Step(
            N_("Data"),
            N_("“%(what)s” gives every form as a table, with the definitions that belong to them."),
            "export.page",
            N_("Download everything"),
        ),
        _FIND,
    ),
    "sponsor": (
        Step(
            N_("My day"),
            N_("You see numbers and no casebook: “%(what)s” says where visits are late."),
            "today.day",
            N_("Visits that wait, by site"),
        ),
        Step(
            _SERIOUS.label,
            N_("In “%(what)s” every case waits for your own assessment, beside that of the site."),
            "cases.listed",
            _SERIOUS.names,
        ),
        Step(
            N_("Stopping rule"),
            N_("The “%(what)s” stands beside what was observed. A hold is judged, and a cohort opened, by your signature."),
            "stopping.shown",
            N_("Boundary"),
        ),
        Step(
            N_("Reports"),
            N_("“%(what)s”: it is drawn while you go on, and stays here with its proof."),
            "reports.listed",
            N_("Order a report"),
        ),
        Step(
            N_("Site quality"),
            N_("“%(what)s” is written under every number, so that a site can be asked about it."),
            "quality.shown",
            N_("What is counted"),
        ),
        _BATCHES,
    ),
    "cell_lab": (
        _BATCHES,
        Step(
            N_("A batch"),
            N_("Open a batch. Under “%(what)s” each has its place, its expiry and a label that a scanner reads."),
            "batches.one",
            N_("Bags of the batch"),
            BATCH,
        ),
        _STOCK,
        _REQUESTS,
        _ACCOUNT,
    ),
    "qualified_person": (
        _BATCHES,
        Step(
            N_("Release"),
            N_("The batch stands beside its specification. Under “%(what)s” stands what was signed about it, each time under a password."),
            "release.shown",
            N_("Decisions"),
            BATCH,
        ),
        Step(
            N_("Trace of cells"),
            N_("Answer “%(what)s” with a donor, a batch, a bag or a recipient: the whole way of the cells is drawn, in both directions."),
            "tracing.shown",
            N_("From what?"),
        ),
        _STOCK,
        _REQUESTS,
    ),
    "inspector": (
        _MATRIX,
        Step(
            N_("A casebook"),
            N_("Open a subject: you read everything and change nothing. “%(what)s” draws the visits, events and doses of the subject."),
            "subjects.one",
            N_("Timeline"),
            PERSON,
        ),
        _TRAIL,
        Step(
            N_("Access"),
            N_("Ask who could do what on any day; “%(what)s” shows the whole table of permissions."),
            "access.shown",
            N_("What the roles may do"),
        ),
        Step(
            N_("Casebooks"),
            N_("“%(what)s” to take it with you: it proves itself without this program."),
            "casebook_files.listed",
            N_("Order a casebook"),
        ),
        _FIND,
    ),
    "administrator": (
        Step(
            N_("People"),
            N_("“%(what)s” are invited here and get their roles, each at a site. You see no clinical data."),
            "admin.people",
            N_("People"),
        ),
        Step(
            N_("Sites"),
            N_("“%(what)s” with its time zone: what is due there is due by its own clock."),
            "admin.sites_page",
            N_("Create a site"),
        ),
        Step(
            N_("Jobs"),
            N_("“%(what)s” tells whether reminders went out and the trail was proved last night."),
            "jobs.listed",
            N_("How each job stands"),
        ),
        Step(
            N_("Backups"),
            N_("Each of the “%(what)s” says whether it is proved that it can be restored."),
            "backups.listed",
            N_("Backups that are kept"),
        ),
        Step(
            _FIND.label,
            N_("On every page, press “/”: under “%(what)s” a person is found by a part of the name."),
            "find.shown",
            _FIND.names,
        ),
    ),
}
"""The steps of every role, in the order in which one takes them."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A step for reading: the page that it leads to, what to do there, what stands there."""

    label: Message
    url: str
    says: Message
    names: Message


@page(blueprint, "/first-day", SELF)
def shown() -> str:
    """The steps of each role that the person has, in the first study in which they have it."""
    roles: dict[str, Sequence[Drawn]] = {}
    with guard.read() as tx:
        mine = studies_of_person(tx)
        held = [(role, one) for one in mine for role in ROLES if _holds(role, one.study.oid)]
        for role, published in held:
            if role not in roles:
                with in_study(published) as study:
                    roles[role] = _drawn(tx, study, STEPS[role])
        stay_in(mine)
    return render_template(
        "account/first_day.html",
        shell=shell(),
        crumbs=[Crumb(Message(N_("My account")), url_for("account.mine"))],
        roles=[(Message(ROLES[role]), steps) for role, steps in roles.items()],
    )


def _holds(role: str, study: str) -> bool:
    return any(grant.role == role and grant.study in (study, "*") for grant in g.session.actor.grants)


def _drawn(tx: Transaction, study: Study, steps: Sequence[Step]) -> list[Drawn]:
    found = []
    for step in steps:
        url = _url(tx, study, step)
        if url:
            names = Message(step.names)
            found.append(Drawn(Message(step.label), url, Message(step.says, {"what": names}), names))
    return found


def _url(tx: Transaction, study: Study, step: Step) -> str:
    """Where a step leads; empty where there is nobody yet whom it is about."""
    if not step.about:
        of_study = current_app.url_map.is_endpoint_expecting(step.endpoint, "study")
        return url_for(step.endpoint, study=study.oid) if of_study else url_for(step.endpoint)
    which = _first(tx, study, step.about)
    if which is None:
        return ""
    if step.endpoint == "entry.form":
        return _form_url(study, which)
    return url_for(step.endpoint, study=study.oid, subject=which.key)


def _first(tx: Transaction, study: Study, about: str) -> Subject | None:
    people, batches = known_of(study, products=False), known_of(study, products=True)
    kinds = {PERSON: list(people)[:1], DONOR: list(people)[-1:], BATCH: list(batches)[:1]}[about]
    for kind in kinds:
        at = (people | batches)[kind]  # type: ignore[operator]
        return next(iter(subjects.all_of(tx, study.oid, at, kind, limit=1)), None)
    return None


def _form_url(study: Study, which: Subject) -> str:
    """The first form of the subject's visits that says something of itself and that the reader may read."""
    eyes = eyes_of(g.session.actor, study.oid, which.site.code)
    for event in study.events_for(which.subject_type):
        for form in (study.form[ref.form_oid] for ref in event.forms):
            readable = form.access in eyes and may(g.session.actor, "casebook.open", study.oid, which.site.code)
            if event.type is EventType.SCHEDULED and form.help.texts and readable:
                return form_url(which, FormKey(event.oid, form.oid))
    return ""
