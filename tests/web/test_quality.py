"""The page of site quality: each person's sites, numbers only for a sponsor, links for who may see subjects, and its report."""

from __future__ import annotations

import re

import pytest
from werkzeug.test import TestResponse

from tests.actions.screening import DONOR, RECIPIENT
from tests.actions.world import typed
from tests.web.site import Browser, House, text
from trialcrf.actions.oversight import review
from trialcrf.core.access import VERBS
from trialcrf.core.definition.model import ACCESS
from trialcrf.core.document import FormKey, Place
from trialcrf.store import audit, forms, reports, subjects
from trialcrf.web import quality

PAGE = "/studies/msc_ssc/quality"
REPORTS = "/studies/msc_ssc/reports"
ORDER = {"why": "to look at it", "kind": "quality", "site": "01", "day": "20", "month": "11", "year": "2026", "language": "fr"}
CONSENT = {
    "ICF_VERSION": "1.0", "ICF_LANG": "fr", "ICF_SIGNED": "Y", "BIRTH_MONTH": ("", 5, 1980), "SEX_BIRTH": "F",
}  # fmt: skip


def overdue(house: House, site: str = "01") -> str:
    """A recipient who agreed long ago and was never screened."""
    return house.world.enrol("recipient", site, ICF_DATE=(2, 1, 2024), **CONSENT).key


def rows(answer: TestResponse) -> dict[str, str]:
    """What each row of the table says, by its first word."""
    found = re.findall(r"<tr[^>]*>(?:(?!</tr>).)*</tr>", answer.text.split("<tbody>")[1].split("</tbody>")[0], re.S)
    plain = [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip() for row in found]
    return {row.split()[0]: row for row in plain}


def english(house: House, name: str):
    someone = house.client(name)
    someone.post("/language", {"language": "en", "next": "/"})
    return someone


@pytest.mark.parametrize(
    ("name", "sites"),
    [
        ("cora", ["01"]),
        ("ivan", ["01"]),
        ("dora", ["01"]),
        ("olga", ["02"]),
        ("mona", ["01", "02", "All"]),
        ("dana", ["01", "02", "All"]),
        ("sam", ["01", "02", "All"]),
    ],
)
def test_everyone_sees_their_sites_and_the_whole_study_only_who_sees_all(house, name, sites):
    overdue(house, "01")
    answer = english(house, name).get(PAGE)
    assert answer.status_code == 200
    assert list(rows(answer)) == sites
    assert ("Papeete" in text(answer)) == ("02" in sites)


def test_an_administrator_sees_no_quality_and_another_study_has_none(house):
    assert house.client("adam").get(PAGE).status_code == 403
    assert house.client("cora").get("/studies/other/quality").status_code == 404


def test_an_overdue_visit_is_counted_with_its_denominator_and_leads_to_the_matrix(house):
    overdue(house)
    answer = english(house, "cora").get(PAGE)
    assert re.search(r"01 Paris 1 subject 1 0 of 1 0\.0% 0 of 1 0\.0% 0 of 1 0\.0% 1 of 1 100\.0%", rows(answer)["01"])
    link = re.search(r'href="(/studies/msc_ssc/subjects\?[^"]*state=overdue[^"]*)"', answer.text)
    assert link
    address = link[1].replace("&amp;", "&")
    assert {"state=overdue", "site=01", "kind=recipient"} == set(address.partition("?")[2].split("&"))
    assert "R-01-001" in text(house.client("cora").get(address))


def test_where_nothing_was_due_it_says_so_and_no_percentage(house):
    overdue(house)
    row = rows(english(house, "mona").get(PAGE))["02"]
    assert "Nothing was due yet." in row and "%" not in row


def test_a_sponsor_sees_numbers_and_no_subject(house):
    key = overdue(house)
    answer = english(house, "sam").get(PAGE)
    assert "1 of 1" in rows(answer)["01"]
    assert key not in answer.text and "/subjects" not in answer.text


def test_every_number_is_explained(house):
    said = text(english(house, "cora").get(PAGE))
    for what in ("Due", "In window", "Missed", "Overdue", "Days to entry", "Queries"):
        assert what in said.split("What is counted")[1]
    assert "to be verified" in said


def test_the_navigation_leads_to_it(house):
    for name, there in (("cora", True), ("sam", True), ("adam", False)):
        assert (f'href="{PAGE}"' in house.client(name).get(PAGE).text) == there


def test_reading_it_writes_nothing_and_a_post_is_refused(house):
    overdue(house)
    cora = house.client("cora")
    with house.world.read() as tx:
        before = audit.chains(tx.connection)
    cora.get(PAGE)
    assert cora.post(PAGE).status_code == 405
    with house.world.read() as tx:
        assert audit.chains(tx.connection) == before
        assert reports.all_of(tx, "msc_ssc") == []


# --- Its report -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dana", "sam"])
def test_who_may_order_reports_orders_that_of_a_site(each_house, name):
    page = each_house.client(name).get(PAGE).text
    assert f'href="{REPORTS}?kind=quality&amp;site=01"' in page
    form = each_house.client(name).get(f"{REPORTS}?kind=quality&site=01").text
    assert re.search(r'<option selected value="quality">', form) and re.search(r'<option selected value="01">', form)
    assert each_house.client(name).post(REPORTS, ORDER).status_code == 303
    with each_house.world.read() as tx:
        (one,) = reports.all_of(tx, "msc_ssc")
    assert (one.kind, one.site, one.as_of.isoformat(), one.ordered_by) == ("quality", "01", "2026-11-20", name)
    listed = text(english(each_house, name).get(REPORTS))
    assert "Site quality 1 Site 01" in listed


def test_without_a_choice_the_report_is_the_safety_report_of_every_site(house):
    sent = {name: ORDER[name] for name in ("day", "month", "year", "language", "why")}
    assert house.client("dana").post(REPORTS, sent).status_code == 303
    with house.world.read() as tx:
        assert [(one.kind, one.site) for one in reports.all_of(tx, "msc_ssc")] == [("safety", "")]


@pytest.mark.parametrize(("wrong", "box"), [({"site": "99"}, "site"), ({"kind": "safety"}, "site"), ({"kind": "weather"}, "kind")])
def test_what_cannot_be_ordered_is_told_at_its_box(house, wrong, box):
    answer = house.client("dana").post(REPORTS, ORDER | wrong)
    assert answer.status_code == 422
    assert f'id="error-{box}"' in answer.text
    with house.world.read() as tx:
        assert reports.all_of(tx, "msc_ssc") == []


def test_nobody_else_is_offered_a_report(house):
    assert REPORTS not in house.client("cora").get(PAGE).text
    assert house.client("cora").post(REPORTS, ORDER).status_code == 403


def test_one_site_can_be_looked_at_alone_and_no_other_persons_site(house):
    for site in ("01", "02"):
        overdue(house, site)
    mona = english(house, "mona")
    assert list(rows(mona.get(PAGE + "?site=02"))) == ["02"]
    assert list(rows(mona.get(PAGE + "?site=99"))) == ["01", "02", "All"]
    assert list(rows(english(house, "cora").get(PAGE + "?site=02"))) == ["01"]


def test_a_trial_too_large_to_be_counted_at_once_is_shown_site_by_site(house, monkeypatch):
    for site in ("01", "02"):
        overdue(house, site)
    monkeypatch.setattr(quality, "MOST", 1)
    mona = english(house, "mona")
    answer = mona.get(PAGE)
    assert list(rows(answer)) == ["01"]
    assert "one site at a time" in text(answer)
    assert f'href="{PAGE}?site=02"' in answer.text
    assert list(rows(mona.get(PAGE + "?site=02"))) == ["02"]


def open_queries(someone: Browser) -> int:
    """The last but one number of the row of the first site."""
    row = someone.get(PAGE).text.split("<tbody>")[1].partition("</tr>")[0]
    cells = re.findall(r'<td class="n[^"]*"[^>]*>(.*?)</td>', row, re.S)
    return int(re.sub(r"<[^>]+>", " ", cells[-2]).split()[0])


def ask(house: House, subject: str, event: str, form: str, **said: object) -> None:
    """Dana asks about a form of this subject."""
    with house.world.read() as tx:
        which = subjects.find(tx, "msc_ssc", subject)
    key = FormKey(event, form)
    house.world.save(which, form, event, typed(**said))
    with house.world.write("dana") as tx:
        review.ask(tx, which, key, forms.read(tx, which.id, key).id, Place(""), "Is this so?")


def test_it_counts_the_queries_of_forms_that_the_reader_may_open(house):
    house.world.enrol("donor", "01", **DONOR)
    house.world.enrol("recipient", "01", **RECIPIENT)
    people = {name: house.client(name) for name in ("cora", "dora", "dana", "sam")}
    before = {name: open_queries(one) for name, one in people.items()}
    ask(house, "D-01-001", "DSCR", "DSEROLOGY", EXP_TEXT="x")
    ask(house, "R-01-001", "SCR", "PHYSEXAM", PE_TEXT="x")
    more = {name: open_queries(one) - before[name] for name, one in people.items()}
    assert more == {"cora": 1, "dora": 2, "dana": 2, "sam": 2}, "a sponsor, who opens none, is told numbers of all"


def test_whoever_reads_the_report_and_queries_may_open_every_form():
    """The report is one document for all its readers: it would have to be drawn for some of them alone if that changed."""
    both = VERBS["report.read"] & VERBS["query.read"]
    assert both and all(both <= VERBS[f"{access}.read"] for access in ACCESS)
