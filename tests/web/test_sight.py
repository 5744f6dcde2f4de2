"""What is not for somebody is not hinted at either: no count, no lock, no request, no record of a visit or form that is not theirs."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from tests.actions.screening import DONOR, RECIPIENT
from tests.actions.world import NOW, open_world, typed
from tests.conftest import Databases
from tests.web.site import House, application, text
from tests.web.walked import MARK, Things, archive, things, walked_filling
from trialcrf.actions.oversight import comment, lock, review, second
from trialcrf.actions.records import report
from trialcrf.actions.reminding import remind
from trialcrf.core.document import FormKey, Place
from trialcrf.core.lock import visit_address
from trialcrf.core.sight import eyes_of, seen_at
from trialcrf.store import accounts, reports
from trialcrf.store.audit import Who
from trialcrf.store.transaction import open_engine, writing
from trialcrf.web import guard

STUDY = "/studies/msc_ssc"
LINK = FormKey("LINK", "")


@pytest.fixture
def linked(house: House) -> House:
    """Somebody asked, commented, closed, and asked to open, about the whole visit of the link between a recipient and a donor."""
    world = house.world
    donor, recipient = world.enrol("donor", **DONOR), world.enrol("recipient", **RECIPIENT)
    world.save(recipient, "DONORLINK", "LINK", typed(LINK_DONOR=donor.key, LINK_RELATION="SIBLING"))
    published = world.published
    with world.write("dana") as tx:
        review.ask(tx, recipient, LINK, None, Place(""), "Zz-was-asked")
        comment.write(tx, recipient, LINK, None, Place(""), "Zz-was-said")
        thing = lock.find(tx, published, visit_address(recipient.id, "LINK", 1).text)
        assert thing
        lock.freeze(tx, thing, "Zz-was-frozen")
        lock.lock(tx, thing, "Zz-was-locked")
        second.ask_unlock(tx, published, thing, "Zz-was-unlock")
    return house


@pytest.mark.parametrize("page", ["trail", "subjects/R-01-001/trail", "locks", "requests", "requests/1", "queries?state=all"])
def test_the_visit_of_a_link_is_known_to_who_reads_links_alone(linked, page):
    assert "Zz-was-" in linked.client("cora").get(f"{STUDY}/{page}").text
    assert "Zz-was-" not in linked.client("dora").get(f"{STUDY}/{page}").text


def test_a_view_of_the_trail_as_csv_holds_what_the_page_holds(linked):
    for name, told in (("cora", True), ("dora", False)):
        answer = linked.client(name).post(f"{STUDY}/trail/view.csv")
        assert answer.status_code == 200
        assert ("Zz-was-asked" in answer.text or "Zz-was-frozen" in answer.text) is told


@pytest.mark.parametrize(("eyes", "told"), [(("form", "link"), True), (("donor", "form"), False)])
def test_a_casebook_tells_of_a_visit_to_whom_one_of_its_forms_is_told(linked, eyes, told):
    world = linked.world
    with world.write("dana") as tx:
        today = date(2026, 11, 21)
        report.order(tx, world.published, "en", today, None, "dana", kind="casebook", subject="R-01-001", why="Why", eyes=eyes)
        ordered = reports.all_of(tx, "msc_ssc")[0]
    with world.read() as tx:
        assert ("Zz-was-" in str(report.value_of(tx, ordered))) is told
        assert bool(report.value_of(tx, ordered).locks) is told


def test_an_occasion_that_the_study_has_no_more_is_for_who_reads_every_form(linked):
    study = linked.world.published.study
    assert seen_at(study, "GONE", {form.access for form in study.forms})
    assert not seen_at(study, "GONE", {"form", "donor"})


def test_eyes_are_those_of_the_site(linked):
    with linked.world.read() as tx:
        dora = accounts.actor(tx, accounts.find(tx, "dora"))  # type: ignore[arg-type]
    assert {"form", "donor"} <= eyes_of(dora, "msc_ssc", "01")
    assert not eyes_of(dora, "msc_ssc", "02")
    assert "link" not in eyes_of(dora, "msc_ssc", None)


# --- Counts -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Furnished:
    house: House
    things: dict[str, Things]


@pytest.fixture(scope="module")
def furnished(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Furnished]:
    url, data = databases.fresh("sqlite", walked_filling()), Path(tmp_path_factory.mktemp("data"))
    house = House(open_world(url), application(url, data))
    archive(house.world, data)
    yield Furnished(house, things(house.world))
    house.close()
    databases.drop(url)


def counted(page: str) -> int:
    return sum(int(number) for number in re.findall(r"(\d+) quer(?:y|ies)", page))


def test_the_matrix_counts_the_queries_that_the_reader_may_open(furnished):
    """The query about a donor's tests is one of the donor physician's matrix and of no coordinator's."""
    names, url = ("coordinator01", "donor_physician01"), f"{STUDY}/subjects?kind=donor&q=D-01"
    seen = {name: furnished.house.client(name).get(url) for name in names}
    assert counted(text(seen["donor_physician01"])) == counted(text(seen["coordinator01"])) + 1


def test_my_day_counts_the_unfinished_forms_that_the_reader_may_enter(furnished):
    """The donor's tests wait for the donor physician alone."""
    told = {name: furnished.house.client(name).get(f"{STUDY}/today").text for name in ("coordinator01", "donor_physician01")}
    assert "DSEROLOGY" not in told["coordinator01"]
    assert "DSEROLOGY" in told["donor_physician01"]


def test_a_list_of_visits_is_a_page_for_a_sponsor_too(furnished):
    answer = furnished.house.client("sponsor").get(f"{STUDY}/today?show=overdue")
    assert answer.status_code == 200
    assert "subjects/R-01-001" not in answer.text


# --- Reports ----------------------------------------------------------------------------------------------------------


def test_who_may_not_open_a_report_neither_sees_it_in_the_list_nor_cancels_it(furnished):
    sponsor, manager = furnished.house.client("sponsor"), furnished.house.client("data_manager")
    held, list_ = furnished.things["01"].reports, f"{STUDY}/reports"
    assert f"{list_}/{held['dossier']}.pdf" in manager.get(list_).text
    page = sponsor.get(list_)
    assert f"{list_}/{held['dossier']}.pdf" not in page.text
    assert "raceability dossier" not in text(page)
    assert f"{list_}/{held['safety']}.pdf" in page.text
    assert sponsor.post(f"{list_}/{held['dossier']}/cancel").status_code == 404
    assert manager.post(f"{list_}/{held['dossier']}/cancel").status_code == 303


# --- Between the check and the commit ---------------------------------------------------------------------------------


def test_a_role_taken_away_between_the_check_and_the_write_lets_nothing_through(each_house):
    """The door let Cora through; before the write begins an administrator takes her role away."""
    house = each_house
    cora, subject = house.client("cora"), house.world.enrol("recipient", **RECIPIENT)

    def taken() -> None:
        guard.end_view()
        with house.world.write("trialcrf") as tx:
            for one in accounts.grants_of(tx, house.id_of(tx, "cora")):
                accounts.take(tx, one.id, "Left")

    # After the door and before the view: as if another request came between.
    house.app.before_request_funcs = {None: [*house.app.before_request_funcs[None], taken]}
    answer = cora.post(f"{STUDY}/subjects/{subject.key}/error", {"reason": "Twice"})
    house.app.before_request_funcs = {None: house.app.before_request_funcs[None][:-1]}
    assert answer.status_code == 403, text(answer)
    assert "Twice" not in house.client("dana").get(f"{STUDY}/requests").text


def test_a_role_is_not_taken_away_while_a_write_by_it_is_under_way(each_house):
    """Whoever takes it waits for that write, so that in the order of the trail nothing was written without a role."""
    house, done = each_house, threading.Event()
    url = house.world.engine.url.render_as_string(hide_password=False)
    with house.world.read() as tx:
        cora = house.id_of(tx, "cora")
        held = accounts.grants_of(tx, cora)

    def take() -> None:
        engine = open_engine(url)
        with writing(engine, NOW, Who.system()) as taking:
            accounts.take(taking, held[0].id, "Left")
        engine.dispose()
        done.set()

    with house.world.write("cora") as tx:
        assert accounts.hold_grants(tx, cora) == {held[0].grant}
        taker = threading.Thread(target=take)
        taker.start()
        assert not done.wait(0.3)
    taker.join(20)
    assert done.is_set()
    with house.world.write("cora") as tx:
        assert accounts.hold_grants(tx, cora) == frozenset()


# --- Mails ------------------------------------------------------------------------------------------------------------


def test_no_mail_holds_a_key_a_value_or_a_word_of_anybody(furnished):
    """Whatever the program queued about the world, serious events and reminders among it: counts and links, to whoever it goes."""
    world, sent = furnished.house.world, 0
    with world.write("trialcrf") as tx:
        remind.scan_reminders(tx, NOW)
        remind.scan_digests(tx, NOW)
    while True:
        with world.write("trialcrf") as tx:
            mail = remind.claim(tx)
            letter = remind.compose(tx, mail, "https://trial.example", NOW) if mail else None
        if mail is None:
            break
        if letter is not None:
            sent += 1
            assert not MARK.search(str(letter)), mail.kind
    assert sent
