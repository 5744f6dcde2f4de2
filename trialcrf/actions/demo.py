"""A small synthetic trial of the shipped study, with the people who work in it; every person and value is made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from trialcrf.actions import Impossible, administer, demo_cells, judge, sign, who
from trialcrf.actions.enter import Typed, mark_form_error, save_form
from trialcrf.actions.oversight import review
from trialcrf.actions.sign_in import set_password
from trialcrf.actions.simulate import Case, Simulated, add, cases_for, pack_case, script_of
from trialcrf.core.access import may
from trialcrf.core.document import FormKey, Place
from trialcrf.core.eligibility import Overall
from trialcrf.core.schedule import earliest_exact
from trialcrf.core.signature import fingerprint as seal
from trialcrf.core.simulation.story import Telling
from trialcrf.core.values import Raw
from trialcrf.core.wording import N_, Message
from trialcrf.store import accounts, forms, queries, sites, subjects
from trialcrf.store.audit import Who
from trialcrf.store.definitions import Published
from trialcrf.store.forms import StoredForm
from trialcrf.store.sites import Site
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


_PARIS, _MARTINIQUE, _SPONSOR, _LABORATORY = "Centre 01 (démo)", "Centre 02 (démo)", "Promoteur (démo)", "Laboratoire (démo)"

ACCOUNTS = (
    DemoAccount("adam", "administrator", "", "Adam Administrateur", _SPONSOR, "fr"),
    DemoAccount("cora", "coordinator", "01", "Cora Coordinatrice", _PARIS, "fr"),
    DemoAccount("ivan", "investigator", "01", "Ivan Investigateur", _PARIS, "fr"),
    DemoAccount("dora", "donor_physician", "01, 02", "Dora Médecin-Donneurs", _PARIS, "fr"),
    DemoAccount("mona", "monitor", "01, 02", "Mona Monitrice", _SPONSOR, "fr"),
    DemoAccount("dana", "data_manager", "", "Dana Données", _SPONSOR, "en"),
    DemoAccount("sam", "sponsor", "", "Sam Sponsor", _SPONSOR, "en"),
    DemoAccount("olga", "coordinator", "02", "Olga Outremer", _MARTINIQUE, "fr"),
    DemoAccount("lara", "cell_lab", "01", "Lara Laboratoire", _LABORATORY, "fr"),
    DemoAccount("iris", "inspector", "", "Iris Inspectrice", "Autorité (démo)", "fr"),
    DemoAccount("quin", "qualified_person", "", "Quin Personne-Qualifiée", _LABORATORY, "fr"),
)
"""The cast, the administrator first: he makes the others."""

SITES = (("01", "Paris", "Europe/Paris"), ("02", "Fort-de-France", "America/Martinique"))


SUBJECTS, SEED, ERRORS = 40, 2026, 0.02
"""Twenty recipients with their donors: the first block of the study's script, which shows every state of a visit on any day."""


def fill(begin: Begin, published: Published, now: datetime) -> tuple[DemoAccount, ...]:
    """Fill an installation that has nobody yet with accounts, sites, subjects and forms; all of it or nothing.

    Clinical dates are counted back from today at each site; the trail tells the true time. Raises Impossible where it was done before.
    """
    with begin() as tx:
        if accounts.find(tx, ACCOUNTS[0].username) is not None:
            raise Impossible(Message(N_("The synthetic trial is filled in already.")))
        _people(tx, published.study.oid)
        telling = Telling(published.study, script_of(published.study), SEED, ERRORS)
        places = sites.all_of(tx, published.study.oid)
        cases = list(cases_for(telling, places, SUBJECTS, {place.code: {} for place in places}))
        for place in places:
            _Centre(tx, published, place, now).fill(telling, [case for case in cases if case.site == place.code])
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
            administer.give_role(tx, account_id, one.role, study, site, tx.at.date())


def _act(tx: Transaction, username: str, verb: str, study: str, site: str | None) -> None:
    """From here on the trail names this person, under the role that allows it. Raises NotAllowed: the demo may no more than its cast."""
    account = accounts.find(tx, username)
    assert account is not None
    tx.flush_trail()  # What was recorded so far was another's doing.
    tx.who = who(accounts.actor(tx, account), verb, study, site, "127.0.0.1")


class _Centre:
    """One site, its coordinator at work."""

    def __init__(self, tx: Transaction, published: Published, place: Site, now: datetime) -> None:
        self.tx, self.published, self.site, self.now = tx, published, place, now
        self.study = published.study
        self.entering: dict[str, Who | None] = {}
        self.coordinator = next(one.username for one in ACCOUNTS if one.role == "coordinator" and one.site == place.code)

    def fill(self, telling: Telling, cases: Sequence[Case]) -> None:
        self.act(self.coordinator, "subject.enrol")
        packed = [(case, pack_case(telling, case, self.now)) for case in cases]
        add(self.tx, self.published, {self.site.code: self.site}, packed, Simulated(), self.entered_by)
        for case in cases:
            for kind, (key, _) in case.seats.items():
                self.verdict("ivan" if kind == self.study.subject_types[0].oid else "dora", self.subject(key))
        if self.site.code == ACCOUNTS[1].site:
            quin = accounts.find(self.tx, "quin")
            assert quin is not None
            signer = accounts.actor(self.tx, quin)
            demo_cells.fill(self.tx, self.published, self.site, self.now, self.act, signer, ACCOUNTS[0].password)
            self.corrections(*(self.subject(case.seats[self.study.subject_types[0].oid][0]) for case in cases[:3]))

    def verdict(self, username: str, subject: Subject) -> None:
        """The verdict that the data give, signed on the day after the screening visit by who may; what is still open stays unsigned."""
        account = accounts.find(self.tx, username)
        assert account is not None
        actor, said = accounts.actor(self.tx, account), subjects.answers(self.tx, subject, "SVSTDAT")
        if not said or not may(actor, sign.VERB, self.study.oid, self.site.code):
            return
        self.act(username, sign.VERB)
        shown, today = judge.screen(self.tx, self.published, subject, self.now), self.site.today(self.now)
        if shown is None:
            return
        visited = earliest_exact(said) or today
        day = min(today, max(shown.evaluation.on or visited, visited + timedelta(days=1)))
        found = judge.screen(self.tx, self.published, subject, self.now, day)
        if found is None or found.evaluation.overall is Overall.PENDING:
            return
        proof = sign.reauthenticate(self.tx, actor, ACCOUNTS[0].password, "127.0.0.1", self.tx.at)
        sent = judge.Signing(found.evaluation.overall, day, seen=seal(sign.covered(self.tx, subject, shown.used)))
        judge.sign_verdict(self.tx, self.published, subject, actor, proof, sent, self.now)

    def act(self, username: str, verb: str) -> None:
        _act(self.tx, username, verb, self.study.oid, self.site.code)

    def entered_by(self, form_oid: str) -> Who | None:
        """What a donor's tests found is entered by who looks after donors."""
        verb = f"{self.study.form[form_oid].access}.enter"
        if verb not in self.entering:
            self.entering[verb] = None if verb in ("form.enter", "link.enter") else self.person("dora", verb)
        return self.entering[verb]

    def person(self, username: str, verb: str) -> Who:
        account = accounts.find(self.tx, username)
        assert account is not None
        return who(accounts.actor(self.tx, account), verb, self.study.oid, self.site.code, "127.0.0.1")

    def subject(self, key: str) -> Subject:
        found = subjects.find(self.tx, self.study.oid, key)
        assert found is not None
        return found

    def corrections(self, first: Subject, second: Subject, third: Subject) -> None:
        """A form and a row in error, a value corrected after its question was settled, questions answered, settled and cancelled: what a
        monitor finds on the first day."""
        self.act(self.coordinator, "form.error")
        mark_form_error(self.tx, first, self.standing(first, FormKey("AE", "ADVERSE", form_repeat=3)), "Saisi deux fois")
        self.act(self.coordinator, "form.enter")
        self.change(first, FormKey("CM", "CONMEDS"), Typed(removed={("MEDS", "2"): "Traitement d’un autre sujet"}))
        height, vitals = Place("HT"), FormKey("SCR", "VITALS")
        self.asked(third, vitals, Place("WT"), "Poids mesuré ou déclaré ?", "cancel", "La source le dit.")
        self.asked(third, vitals, height, "La source dit-elle bien cette taille ?", "accept", "Vu au dossier.")
        self.act(self.coordinator, "form.enter")
        self.change(third, vitals, Typed({height: Raw({"": "171,5"})}, reasons={height: "SOURCE"}))
        self.answered(first, FormKey("M6", "VITALS"), "REPEATED", accepted_by="mona")
        self.answered(second, FormKey("M3", "VITALS"), "CHECKED")

    def change(self, subject: Subject, key: FormKey, sent: Typed) -> None:
        """Save over what stands, as from a page that was just opened."""
        save_form(self.tx, self.published, subject, key, replace(sent, version=self.standing(subject, key).version), self.now)

    def standing(self, subject: Subject, key: FormKey) -> StoredForm:
        stored = forms.read(self.tx, subject.id, key)
        assert stored is not None
        return stored

    def asked(self, subject: Subject, key: FormKey, place: Place, text: str, move: str, said: str) -> None:
        """A question of the monitor that is settled at once."""
        self.act("mona", "query.review")
        number = review.ask(self.tx, subject, key, self.standing(subject, key).id, place, text)
        query = queries.find(self.tx, number)
        assert query is not None
        (review.cancel if move == "cancel" else review.accept)(self.tx, self.site, query, said)

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
