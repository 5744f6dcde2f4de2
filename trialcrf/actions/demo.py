"""A small synthetic trial of the shipped study, through the same actions as the web pages; every person and value is made up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from trialcrf.actions import Impossible, administer, demo_values, review, who
from trialcrf.actions.demo_values import EVENTS, Event, Values
from trialcrf.actions.enrol import enrol
from trialcrf.actions.enter import Saved, Typed, mark_form_error, save_form
from trialcrf.actions.sign_in import set_password
from trialcrf.core.definition.model import FormDef
from trialcrf.core.document import FormKey, Place
from trialcrf.core.schedule import bounds
from trialcrf.core.values import Raw
from trialcrf.core.wording import N_, Message
from trialcrf.store import accounts, forms, queries, sites
from trialcrf.store.definitions import Published
from trialcrf.store.forms import StoredForm
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

Begin = Callable[[], AbstractContextManager[Transaction]]
"""Opens a write transaction that commits when it is left."""


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """One of the cast. The password is known to everybody, so these accounts are refused unless the server listens on loopback."""

    username: str
    role: str
    site: str
    name: str
    organisation: str
    language: str
    password: str = "only-for-the-demo"

    @property
    def sites(self) -> list[str]:
        return self.site.split(", ")


_PARIS, _MARTINIQUE, _SPONSOR = "Centre 01 (démo)", "Centre 02 (démo)", "Promoteur (démo)"

ACCOUNTS = (
    DemoAccount("adam", "administrator", "", "Adam Administrateur", _SPONSOR, "fr"),
    DemoAccount("cora", "coordinator", "01", "Cora Coordinatrice", _PARIS, "fr"),
    DemoAccount("ivan", "investigator", "01", "Ivan Investigateur", _PARIS, "fr"),
    DemoAccount("dora", "donor_physician", "01", "Dora Médecin-Donneurs", _PARIS, "fr"),
    DemoAccount("mona", "monitor", "01, 02", "Mona Monitrice", _SPONSOR, "fr"),
    DemoAccount("dana", "data_manager", "", "Dana Données", _SPONSOR, "en"),
    DemoAccount("sam", "sponsor", "", "Sam Sponsor", _SPONSOR, "en"),
    DemoAccount("olga", "coordinator", "02", "Olga Outremer", _MARTINIQUE, "fr"),
)
"""The cast, the administrator first: he makes the others."""

SITES = (("01", "Paris", "Europe/Paris"), ("02", "Fort-de-France", "America/Martinique"))


@dataclass(frozen=True, slots=True)
class _Case:
    """A recipient's story in days. `infused` days ago is D0 (None: not yet), `consented` days ago the consent.

    `visits` says of each follow-up visit how many days after its target it took place; a text is why it did not.
    """

    site: str
    consented: int
    visits: Mapping[str, int | str]
    infused: int | None = None
    cohort: str = "MSC1"
    relation: str = ""
    donor_visits: Mapping[str, int | str] | None = None
    harvested: int = 0
    screened: bool = True
    ending: tuple[str, int] | None = None


_ALL = {"F1": 0, "F7": 1, "F30": 3}

CASES = (
    _Case("01", 455, {"D10": 1, "M1": 2, "M3": -3, "M6": 5, "M9": 30, "M12": 3}, 400, "MSC1", "SIBLING", _ALL, 440),
    _Case("01", 270, {"D10": 0, "M1": -2, "M3": 6}, 215, "MSC1", "PARENT", {"F1": 0, "F7": "REFUSED", "F30": 0}, 255),
    _Case("01", 160, {"D10": 1, "M1": "TRAVEL"}, 97, "MSC3", "COUSIN", _ALL, 140),
    _Case("01", 80, {"D10": 1}, 18, "MSC3", "SPOUSE", _ALL, 60),
    _Case("01", 10, {}, None, "", "SIBLING", {"F1": 0}, 5, screened=False),
    _Case("01", 70, {}, ending=("SCREEN FAILURE", 50)),
    _Case("02", 230, {"D10": 0, "M1": 1, "M3": 4}, 160, "MSC3", "SIBLING", _ALL, 205, ending=("DEATH", 20)),
    _Case("02", 360, {"D10": 2, "M1": 3, "M3": -8, "M6": 9}, 300, "MSC1", "PARENT", _ALL, 345, ending=("WITHDRAWAL BY SUBJECT", 90)),
    _Case("02", 100, {"M1": 10}, 45, "MSC3", "OTHER_FAMILY", _ALL, 85),
    _Case("02", 40, {}, screened=False),
)
"""Ten recipients: with their donors they show every state of a visit on any day of any year."""


def fill(begin: Begin, published: Published, now: datetime) -> tuple[DemoAccount, ...]:
    """Fill an installation that has nobody yet with accounts, sites, subjects and forms; all of it or nothing.

    Clinical dates are counted back from today at each site; the trail tells the true time. Raises Impossible where it was done before.
    """
    with begin() as tx:
        if accounts.find(tx, ACCOUNTS[0].username) is not None:
            raise Impossible(Message(N_("The synthetic trial is filled in already.")))
        _people(tx, published.study.oid)
        for code, _, _ in SITES:
            _Centre(tx, published, code, now).fill()
    return ACCOUNTS


def _people(tx: Transaction, study: str) -> None:
    for one in ACCOUNTS:
        account_id = administer.create_account(
            tx, one.username, one.name, f"{one.username}@example.org", one.organisation, one.language, demo=True
        )
        set_password(tx, account_id, one.username, one.password)
        if one.role == "administrator":
            administer.give_role(tx, account_id, one.role, "*", "")
            _act(tx, one.username, "user.administer", study, None)
            for code, name, zone in SITES:
                administer.create_site(tx, study, code, name, zone)
            continue
        for site in one.sites:
            administer.give_role(tx, account_id, one.role, study, site)


def _act(tx: Transaction, username: str, verb: str, study: str, site: str | None) -> None:
    """From here on the trail names this person, under the role that allows it. Raises NotAllowed: the demo may no more than its cast."""
    account = accounts.find(tx, username)
    assert account is not None
    tx.flush_trail()  # What was recorded so far was another's doing.
    tx.who = who(accounts.actor(tx, account), verb, study, site, "127.0.0.1")


class _Centre:
    """One site, its coordinator at work."""

    def __init__(self, tx: Transaction, published: Published, code: str, now: datetime) -> None:
        site = sites.find(tx, published.study.oid, code)
        assert site is not None
        self.tx, self.published, self.site, self.now = tx, published, site, now
        self.study = published.study
        self.today = site.today(now)
        self.coordinator = next(one.username for one in ACCOUNTS if one.role == "coordinator" and one.site == code)

    def fill(self) -> None:
        self.act(self.coordinator, "form.enter")
        recipients = [self.recipient(number, case) for number, case in enumerate(CASES) if case.site == self.site.code]
        for event in EVENTS[self.site.code]:
            self.adverse(event, recipients[event.recipient])
        if self.site.code == ACCOUNTS[1].site:
            self.corrections(*recipients[:3])

    def act(self, username: str, verb: str) -> None:
        _act(self.tx, username, verb, self.study.oid, self.site.code)

    def ago(self, days: int) -> date:
        return self.today - timedelta(days=days)

    def recipient(self, number: int, case: _Case) -> Subject:
        consent = self.ago(case.consented)
        subject = self.enrolled("recipient", demo_values.recipient_consent(number, consent), consent)
        if case.screened:
            self.visit(subject, "SCR", consent + timedelta(days=4), number, 0)
        if case.infused is not None:
            infused = self.ago(case.infused)
            self.visit(subject, "BAS", infused - timedelta(days=2), number, 0)
            self.save(subject, "D0", self.visit_form("D0"), {"VIS_DONE": "Y", "VIS_DATE": infused})
            self.save(subject, "D0", "INFUSION", demo_values.infusion(number, case.cohort, infused))
            self.save_rows(subject, "D0", "VITALS", *demo_values.vitals(number, 0, infused))
            for step, (event_oid, moved) in enumerate(case.visits.items(), 1):
                self.followed(subject, event_oid, infused, moved, number, step)
        if case.relation:
            donor = self.donor(number, case)
            self.act(self.coordinator, "link.enter")
            self.save(subject, "LINK", "DONORLINK", demo_values.link(donor.key, case.relation))
            self.act(self.coordinator, "form.enter")
        if case.ending is not None:
            self.save(subject, "END", "ENDSTUDY", demo_values.ending(case.ending[0], self.ago(case.ending[1])))
        return subject

    def donor(self, number: int, case: _Case) -> Subject:
        harvested, consent = self.ago(case.harvested), self.ago(case.harvested + 12)
        donor = self.enrolled("donor", demo_values.donor_consent(number, consent), consent)
        self.visit(donor, "DSCR", consent + timedelta(days=1), number, 0)
        self.save(donor, "H0", self.visit_form("H0"), {"VIS_DONE": "Y", "VIS_DATE": harvested})
        self.save(donor, "H0", "HARVEST", demo_values.harvest(number, harvested))
        for step, (event_oid, moved) in enumerate((case.donor_visits or {}).items(), 1):
            self.followed(donor, event_oid, harvested, moved, number, step)
        return donor

    def enrolled(self, subject_type: str, values: Values, on: date) -> Subject:
        kind = self.study.subject_type[subject_type]
        self.act(self.coordinator, "subject.enrol")
        sent = Typed(_raws(self.study.form[kind.form_oid], values))
        subject, _ = enrol(self.tx, self.published, self.site, subject_type, sent, self.now, on=on)
        self.act(self.coordinator, "form.enter")
        return subject

    def followed(self, subject: Subject, event_oid: str, anchor: date, moved: int | str, number: int, step: int) -> None:
        """A visit so many days after its target, or the reason why there was none."""
        if isinstance(moved, str):
            self.save(subject, event_oid, self.visit_form(event_oid), {"VIS_DONE": "N", "VIS_WHY": moved})
            return
        target, _, _ = bounds(self.study.event[event_oid], anchor)
        self.visit(subject, event_oid, target + timedelta(days=moved), number, step)

    def visit(self, subject: Subject, event_oid: str, on: date, number: int, step: int) -> None:
        """The date of a visit and the forms that it asks."""
        self.save(subject, event_oid, self.visit_form(event_oid), {"VIS_DONE": "Y", "VIS_DATE": on})
        asked = {ref.form_oid for ref in self.study.event[event_oid].forms if ref.mandatory}
        for form_oid, values in demo_values.ASSESSMENTS.items():
            if form_oid in asked and not demo_values.left_undone(number, event_oid, form_oid):
                self.save_rows(subject, event_oid, form_oid, *values(number, step, on))

    def visit_form(self, event_oid: str) -> str:
        """The form that says whether the visit took place, found as the program finds it: by its alias."""
        asked = (self.study.form[ref.form_oid] for ref in self.study.event[event_oid].forms)
        return next(form.oid for form in asked if form.with_alias("SVOCCUR"))

    def save(self, subject: Subject, event_oid: str, form_oid: str, values: Values, repeat: int = 1) -> Saved:
        return self.save_rows(subject, event_oid, form_oid, values, {}, repeat)

    def save_rows(
        self,
        subject: Subject,
        event_oid: str,
        form_oid: str,
        values: Values,
        rows: Mapping[str, list[Values]],
        repeat: int = 1,
    ) -> Saved:
        """Save a new form. Raises Refused where the study refuses what this demo makes up."""
        form = self.study.form[form_oid]
        raws = _raws(form, values)
        for group, lines in rows.items():
            for index, line in enumerate(lines, 1):
                raws |= _raws(form, line, group, f"new{index}")
        key = FormKey(event_oid, form_oid, form_repeat=repeat)
        return save_form(self.tx, self.published, subject, key, Typed(raws), self.now)

    def adverse(self, event: Event, subject: Subject) -> None:
        number = forms.next_repeat(self.tx, subject.id, "AE", "ADVERSE", 1)
        saved = self.save(subject, "AE", "ADVERSE", event.typed(self.today), number)
        if event.twice:
            stored = forms.by_id(self.tx, saved.form_id)
            assert stored is not None
            self.act(self.coordinator, "form.error")
            mark_form_error(self.tx, subject, stored, "Saisi deux fois")
            self.act(self.coordinator, "form.enter")

    def corrections(self, first: Subject, second: Subject, third: Subject) -> None:
        """A row in error, a corrected value, a question answered and one settled: what a monitor finds on the first day."""
        medication = FormKey("CM", "CONMEDS")
        self.save_rows(first, medication.event_oid, medication.form_oid, {}, {"MEDS": demo_values.medication(self.ago(500))})
        removed = {("MEDS", "2"): "Traitement d’un autre sujet"}
        self.change(first, medication, Typed(removed=removed))
        height = Place("HT")
        self.change(third, FormKey("SCR", "VITALS"), Typed({height: Raw({"": "171,5"})}, reasons={height: "SOURCE"}))
        self.answered(first, FormKey("M6", "VITALS"), "REPEATED", accepted_by="mona")
        self.answered(second, FormKey("M3", "VITALS"), "CHECKED")

    def change(self, subject: Subject, key: FormKey, sent: Typed) -> None:
        """Save over what stands, as from a page that was just opened."""
        save_form(self.tx, self.published, subject, key, replace(sent, version=self.standing(subject, key).version), self.now)

    def standing(self, subject: Subject, key: FormKey) -> StoredForm:
        stored = forms.read(self.tx, subject.id, key)
        assert stored is not None
        return stored

    def answered(self, subject: Subject, key: FormKey, code: str, accepted_by: str = "") -> None:
        for query in queries.of_form(self.tx, self.standing(subject, key).id):
            self.act(self.coordinator, "query.answer")
            review.answer(self.tx, self.study, self.site, query, code, "")
            if accepted_by:
                moved = queries.find(self.tx, query.id)
                assert moved is not None
                self.act(accepted_by, "query.review")
                review.accept(self.tx, self.site, moved, "")
        self.act(self.coordinator, "form.enter")


def _raws(form: FormDef, values: Values, group: str = "", row: str = "") -> dict[Place, Raw]:
    """What a person would have typed. Raises KeyError for a question that the form does not ask."""
    for oid in values:
        _ = form.items[oid]
    return {Place(oid, group, row): demo_values.typed_as(value) for oid, value in values.items()}
