"""The steps of the first day, by role: a page, a sentence, and the text of that page which the sentence quotes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trialcrf.core.wording import N_

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
            N_("One batch"),
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
