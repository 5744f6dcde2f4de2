"""What a study asks, as frozen values named after CDISC ODM 1.3.2 (Study, StudyEventDef, FormDef, ItemGroupDef, ItemDef, CodeList)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from trialcrf.core.definition.amendment import Amendment
from trialcrf.core.definition.cells import CellSettings
from trialcrf.core.definition.codes import CodeList
from trialcrf.core.definition.criteria import Assumption, EligibilityDef, Parameter
from trialcrf.core.definition.oversight import Oversight
from trialcrf.core.definition.safety import SafetySettings
from trialcrf.core.definition.session import SessionLimits
from trialcrf.core.definition.signing_in import SigningIn
from trialcrf.core.expr import Expr
from trialcrf.core.wording import Words


class DataType(StrEnum):
    """How the text of an item is read; `core.values` has a reader for each."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    CODELIST = "codelist"
    MULTICHOICE = "multichoice"
    DATE = "date"
    PARTIAL_DATE = "partial_date"
    TIME = "time"
    DATETIME = "datetime"
    REFERENCE = "reference"
    DERIVED = "derived"


class EventType(StrEnum):
    """ODM's StudyEventDef Type."""

    SCHEDULED = "Scheduled"
    UNSCHEDULED = "Unscheduled"
    COMMON = "Common"


class Severity(StrEnum):
    """What a finding does: hard stops the save, soft opens a query, note only informs."""

    HARD = "hard"
    SOFT = "soft"
    NOTE = "note"


ACCESS = ("form", "link", "donor", "statement", "cell", "stock", "release")
"""The pairs of verbs (`form.read`, `form.enter`, ...) that may guard a form. `link` guards who belongs to whom, `donor` what a donor's
tests found, which is the donor's secret (clinical reference, A.5), `statement` a verdict that is recorded by signing it, `cell` what the
cell laboratory records, `stock` where its bags are, `release` the decision that is recorded by the Qualified Person's signature."""

IDENTITIES = ("donation", "batch", "bag", "subject")
"""What the code in an identity field names: a scanner may type it there, in any of the forms that `core.product.identity` reads."""


@dataclass(frozen=True, slots=True)
class Range:
    """Inclusive bounds as canonical decimal texts in the item's unit; an absent bound is open."""

    low: str | None = None
    high: str | None = None


@dataclass(frozen=True, slots=True)
class ItemDef:
    """One question. `aliases` are SDTM/CDASH variable names; the program finds what it must understand by them."""

    oid: str
    label: Words
    type: DataType
    help: Words = Words()
    unit: str = ""
    codelist: CodeList | None = None
    hard: Range = Range()
    soft: Range = Range()
    decimals: int | None = None
    max_length: int = 2000
    mandatory: bool = True
    missing: tuple[str, ...] = ()
    when: Expr | None = None
    derive: Expr | None = None
    refers_to: str = ""
    not_future: bool = False
    qualifier: bool = False  # a decimal may be recorded as `<0.5` or `>200`: the laboratory's limit, an open interval
    aliases: tuple[str, ...] = ()
    dictionary: str = ""  # a text is coded by this dictionary (`core.dictionary.KINDS`), in the version that the study names
    identity: str = ""  # a text that names one of IDENTITIES: an identity field
    unique: bool = False  # the same answer stands once in the study, among the living forms that ask this item
    copy: bool = False  # the answer of the visit before may be copied, by a button and marked as copied
    documents: bool = False  # documents that prove the answer (PDF, picture) may be attached to it


@dataclass(frozen=True, slots=True)
class ItemGroupDef:
    """Items shown together; a repeating group holds rows, each with an id of its own."""

    oid: str
    label: Words
    items: tuple[ItemDef, ...]
    repeating: bool = False
    layout: str = "list"
    """`list`; `table`: one line an item, choices as columns; `body_map`: the same beside a figure on which each item has its site
    (`core.bodymap.SITES`)."""
    help: Words = Words()
    when: Expr | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A rule over items: `holds` false is a finding at `items`; undetermined is silence, or a note where a partial value is to blame."""

    oid: str
    holds: Expr
    severity: Severity
    message: Words
    items: tuple[str, ...]


@dataclass(frozen=True)
class FormDef:
    """A form. `access` names the pair of verbs of the permission table that guard it: one of ACCESS."""

    oid: str
    label: Words
    groups: tuple[ItemGroupDef, ...]
    help: Words = Words()
    repeating: bool = False
    access: str = "form"
    checks: tuple[Check, ...] = ()

    @cached_property
    def items(self) -> Mapping[str, tuple[ItemGroupDef, ItemDef]]:
        """Every item with its group, by item OID (unique within a form), in the order of the form."""
        return {item.oid: (group, item) for group in self.groups for item in group.items}

    def with_alias(self, alias: str) -> ItemDef | None:
        return next((item for _, item in self.items.values() if alias in item.aliases), None)


@dataclass(frozen=True, slots=True)
class FormRef:
    form_oid: str
    mandatory: bool = True


@dataclass(frozen=True, slots=True)
class Offset:
    """From an anchor's day: calendar months first (end-of-month clamp), then days."""

    months: int = 0
    days: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """Days before and after the target that are still in the window, both inclusive."""

    before: int = 0
    after: int = 0


@dataclass(frozen=True, slots=True)
class Anchor:
    """A day that visits are counted from: the earliest value of the items with this alias, anywhere or (`event`) at one visit."""

    oid: str
    label: Words
    alias: str
    event: str = ""


@dataclass(frozen=True, slots=True)
class StudyEventDef:
    """A visit or another occasion. A Scheduled event with no target is done when it is recorded and never overdue."""

    oid: str
    label: Words
    type: EventType
    subject_types: tuple[str, ...]
    forms: tuple[FormRef, ...]
    repeating: bool = False
    anchor: str = ""
    target: Offset | None = None
    window: Window = Window()
    date_alias: str = "SVSTDAT"
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SubjectType:
    """A kind of participant, its key pattern (`{site}` and `{number:03d}`) and the form that enrols one.

    A `product` is no person: it has a casebook and keys of its own, and is in no count of people.
    """

    oid: str
    label: Words
    key: str
    event_oid: str
    form_oid: str
    product: bool = False


@dataclass(frozen=True, slots=True)
class ReminderStep:
    """Who is written to about a visit, and when.

    `when` is `before` (from so many days before the window opens), `opens` (from its first day), `last` (from so many days before its last
    day) or `overdue` (from so many days after it). `text` is the study's own sentence of the mail, without data of any subject. A
    `single` step is always a mail of its own, for those who chose the weekly digest too: an escalation.
    """

    oid: str
    when: str
    days: int
    roles: tuple[str, ...]
    text: Words = Words()
    single: bool = False


@dataclass(frozen=True, slots=True)
class Reminders:
    """How a study reminds. Hours are site time, HH:MM; without quiet hours a mail goes at any hour. `digest_day` 0 is a Monday.

    `delivery` is what holds for whoever chose nothing: `each` (a mail a visit and step) or `weekly` (one digest a week).
    """

    steps: tuple[ReminderStep, ...] = ()
    quiet_from: str = ""
    quiet_to: str = ""
    delivery: str = "each"
    digest_day: int = 0
    digest_at: str = "07:00"


@dataclass(frozen=True)
class Study:
    """A whole definition. Published versions of it are canonical JSON with a SHA-256, never edited."""

    oid: str
    title: Words
    protocol: str
    languages: tuple[str, ...]
    subject_types: tuple[SubjectType, ...]
    anchors: tuple[Anchor, ...]
    events: tuple[StudyEventDef, ...]
    forms: tuple[FormDef, ...]
    reasons: CodeList  # why a saved value changes
    confirmations: CodeList  # why a value that a check doubts is right all the same
    reminders: Reminders = Reminders()
    safety: SafetySettings | None = None
    cells: CellSettings | None = None
    assumptions: Mapping[str, Assumption] = field(default_factory=dict)
    due_soon: int = 14  # days before a window opens in which the visit is called due soon, to be arranged with the subject
    parameters: tuple[Parameter, ...] = ()
    eligibility: tuple[EligibilityDef, ...] = ()
    oversight: Oversight = field(default_factory=Oversight)
    sessions: SessionLimits = field(default_factory=SessionLimits)
    sign_in: SigningIn = field(default_factory=SigningIn)
    amendment: Amendment | None = None  # what this version asks of those who take part already; none: it changes nothing for them

    @cached_property
    def event(self) -> Mapping[str, StudyEventDef]:
        return {event.oid: event for event in self.events}

    @cached_property
    def form(self) -> Mapping[str, FormDef]:
        return {form.oid: form for form in self.forms}

    @cached_property
    def subject_type(self) -> Mapping[str, SubjectType]:
        return {kind.oid: kind for kind in self.subject_types}

    @cached_property
    def parameter(self) -> Mapping[str, Parameter]:
        return {parameter.oid: parameter for parameter in self.parameters}

    def is_product(self, subject_type: str) -> bool:
        """Whether subjects of this kind are batches of a product and no people."""
        kind = self.subject_type.get(subject_type)
        return kind is not None and kind.product

    @cached_property
    def products(self) -> tuple[str, ...]:
        """The kinds of subject that are batches of a product: they are in no count of people."""
        return tuple(kind.oid for kind in self.subject_types if kind.product)

    @property
    def people(self) -> tuple[SubjectType, ...]:
        """The kinds of participants: every kind that is no product."""
        return tuple(one for one in self.subject_types if not one.product)

    def eligibility_of(self, subject_type: str) -> EligibilityDef | None:
        return next((each for each in self.eligibility if each.subject_type == subject_type), None)

    def events_for(self, subject_type: str) -> Iterator[StudyEventDef]:
        return (event for event in self.events if subject_type in event.subject_types)

    def meaning(self, alias: str, text: str) -> Words | str:
        """What a recorded text of this alias says: the label of its code, or the text itself where it is no code."""
        for form in self.forms_with(alias):
            item = form.with_alias(alias)
            label = item.codelist.label_of(text) if item and item.codelist else None
            if label is not None:
                return label
        return text

    def forms_with(self, alias: str) -> Iterator[FormDef]:
        """The forms that ask an item with this alias: how the program finds the adverse events or the infusion."""
        return (form for form in self.forms if form.with_alias(alias))
