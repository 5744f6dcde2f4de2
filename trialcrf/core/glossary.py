"""The words that a page takes for granted, each said in a sentence or two; `docs/glossary.md` has more, and their names in the code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trialcrf.core.wording import N_, Message


@dataclass(frozen=True, slots=True)
class Term:
    """A word of the screen. `code` is its anchor on the page of all words."""

    code: str
    name: Message
    means: Message


def _terms(*found: tuple[str, str, str]) -> Mapping[str, Term]:
    return {code: Term(code, Message(name), Message(means)) for code, name, means in found}


TERMS: Mapping[str, Term] = _terms(
    ("visit", N_("Visit"), N_("An occasion on which forms are filled in; also one without a planned day, such as a log.")),
    ("form", N_("Form"), N_("Everything that is recorded is a form of the study, with its own history, queries and signatures.")),
    (
        "anchor",
        N_("Reference day"),
        N_("The day from which visits are counted, such as the infusion: the day on which it took place, not the one that was planned."),
    ),
    ("window", N_("Window"), N_("The days on which a visit counts as held in time. Its first and its last day belong to it.")),
    (
        "overdue",
        N_("Overdue"),
        N_("The window of a visit has ended at the site and nothing is recorded. Record it, mark it missed, or record a deviation."),
    ),
    ("deviation", N_("Deviation"), N_("What was done otherwise than the protocol says, with its reason. It changes no rule.")),
    (
        "check",
        N_("Check"),
        N_("A rule of the study for what is typed. An error stops the save; a doubt is saved as it was typed and opens a query."),
    ),
    (
        "query",
        N_("Query"),
        N_("A question about a value, a form or a visit. The site corrects the value or answers; a monitor or data manager settles it."),
    ),
    ("reason", N_("Reason"), N_("Why a saved value changes. It is asked for with every change and stands in the history.")),
    (
        "missing",
        N_("Not done / unknown / not applicable / not asked"),
        N_("Answers like any other: they say why there is no value, so that nobody need ask again."),
    ),
    (
        "error",
        N_("Entered in error"),
        N_("What should never have been recorded. It leaves every list and count and stays in the history: nothing is ever deleted."),
    ),
    (
        "history",
        N_("History"),
        N_("Who recorded what, in which role, when and where, the value before and after, and why. Nobody can change it."),
    ),
    (
        "signature",
        N_("Signature"),
        N_("Your name, the moment and what you mean, under your password. Once what was signed changes, the seal is broken."),
    ),
    (
        "verification",
        N_("Source data verification"),
        N_("A monitor has held a value against its source. Where the value changes later, it has to be verified again."),
    ),
    ("lock", N_("Freeze, lock"), N_("What is frozen is thawed by the same people; what is locked opens when a second person agrees.")),
    (
        "criterion",
        N_("Criterion"),
        N_("A condition of taking part. It is judged from the recorded data: met, not met, or undetermined while something is missing."),
    ),
    ("assumption", N_("Assumption"), N_("A reading of the protocol that the sponsor has to confirm.")),
    (
        "serious",
        N_("Serious adverse event"),
        N_("Serious by its outcome: death, danger to life, hospital, disability, malformation, or important. Not the same as severe."),
    ),
    ("grade", N_("Grade, severity"), N_("How strong an adverse event was: CTCAE grades 1 to 5.")),
    ("batch", N_("Batch of cells"), N_("Cells that were made together. A batch has a casebook of its own and is in no count of people.")),
    ("bag", N_("Bag"), N_("The unit that is given. Its code stands once in the study; where it is follows from its movements.")),
    ("release", N_("Release"), N_("The signed decision of the Qualified Person about a batch: released, under conditions, or rejected.")),
    ("bedside", N_("Bedside check"), N_("Two persons check bag and recipient, each with a password, before an infusion begins.")),
    ("trace", N_("Trace"), N_("From whom cells came and to whom they went, in both directions.")),
    ("session", N_("Session"), N_("From signing in to its end, on one browser. You see your open sessions and can end them.")),
    ("factor", N_("Second factor"), N_("Something that you have, besides the password that you know: a passkey, or codes of an app.")),
)  # fmt: skip

ON: Mapping[str, Sequence[str]] = {
    "batches": ("batch", "bag", "release", "trace"),
    "bedside": ("bedside", "bag"),
    "calendar": ("visit", "window", "anchor", "overdue"),
    "cases": ("serious", "grade"),
    "coverage": ("verification", "query"),
    "eligibility": ("criterion", "assumption", "signature"),
    "entry": ("check", "query", "reason", "missing", "error"),
    "inventory": ("bag", "batch"),
    "locks": ("lock",),
    "own_sessions": ("session", "factor"),
    "queries": ("query", "check", "reason"),
    "release": ("release", "batch"),
    "signing": ("signature", "form"),
    "subjects": ("visit", "window", "anchor", "overdue"),
    "today": ("overdue", "window", "deviation", "query"),
    "tracing": ("trace", "batch", "bag"),
    "trail": ("history", "reason", "error"),
    "verification": ("verification", "query"),
}
"""The words that the pages of an area take for granted."""


def words_of(area: str) -> tuple[Term, ...]:
    return tuple(TERMS[code] for code in ON.get(area, ()))
