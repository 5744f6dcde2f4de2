"""The pages of the trail: everything in words, only what the reader may read, in pages that cost the same; and asking for an erasure."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from datetime import timedelta
from html import unescape

import pytest

from tests.actions.test_enter import CONSENT
from tests.actions.test_export import DONOR
from tests.actions.world import NOW, PASSWORD, typed
from tests.web.site import text
from trialcrf import verify_audit
from trialcrf.core.access import Grant
from trialcrf.core.document import Place
from trialcrf.store import accounts, audit, comments, forms, replay, trails
from trialcrf.store.trails import Sought
from trialcrf.web.oversight import trail

LIST = "/studies/msc_ssc/trail"
SECRET = "Mrs Exemple"


@pytest.fixture
def told(house):
    """A recipient at each site, and a donor; one weight corrected."""
    world = house.world
    one, other, donor = world.enrol("recipient", **CONSENT), world.enrol("recipient", "02", **CONSENT), world.enrol("donor", **DONOR)
    world.save(one, "VITALS", "SCR", typed(WT="70,0", HT={"missing": "ND", "note": SECRET}))
    world.save(one, "VITALS", "SCR", typed(version=1, reason="TYPO", WT="71,5"), now=NOW + timedelta(minutes=5))
    return house, one, other, donor


def rows(page):
    return [text_of(row) for row in re.findall(r"<tr>(.*?)</tr>", page.text, re.S)][1:]


def text_of(markup):
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", markup))).strip()


def test_a_change_is_told_with_who_when_at_the_site_where_from_before_after_and_why(told):
    house, one, _, _ = told
    page = house.client("mona").get(f"/studies/msc_ssc/subjects/{one.key}/trail")
    line = next(row for row in rows(page) if "71,5" in row)
    for said in ("10:05:00", "UTC+01:00", "cora", "Coordination", "Hospital", "127.0.0.1", one.key, "70,0"):
        assert said in line, (said, line)


def test_each_page_of_the_trail_has_only_its_own_and_other_sites_do_not_exist(told):
    house, one, other, donor = told
    cora = house.client("cora")
    for address in (LIST, "/studies/msc_ssc/sites/01/trail", "/studies/msc_ssc/people/cora/trail"):
        page = cora.get(address)
        assert page.status_code == 200 and one.key in page.text and other.key not in page.text, address
    assert donor.key not in cora.get(f"/studies/msc_ssc/subjects/{one.key}/trail").text
    for address in ("sites/02/trail", f"subjects/{other.key}/trail", "trail?site=02", f"trail?subject={other.key}", "trail?subject=R-09"):
        assert cora.get(f"/studies/msc_ssc/{address}").status_code == 404, address
    mona = house.client("mona").get(LIST)
    assert one.key in mona.text and other.key in mona.text
    assert not any("trialcrf le programme" in row for row in rows(house.client("mona").get("/studies/msc_ssc/people/cora/trail")))


def test_who_may_not_read_the_trail_is_refused_and_a_get_writes_nothing(told):
    house, _, _, _ = told
    for name in ("sam", "lara"):
        assert house.client(name).get(LIST).status_code == 403
    assert house.client("mona").post(LIST + "/export.zip").status_code == 403
    assert house.client("mona").get("/studies/msc_ssc/access-log").status_code == 403
    dana = house.client("dana")
    for address in (LIST + "/export.zip", LIST + "/view.csv"):
        assert dana.get(address).status_code == 405


def test_forms_with_an_access_of_their_own_are_hidden_from_who_may_not_read_them(told):
    """Role by record: whatever a page of the trail shows, its form is one that the reader may open."""
    house, _, _, donor = told
    guarded = [form for form in house.world.published.study.forms if form.access == "donor"]
    assert guarded, "the study has forms for few"
    event = next(event for event in house.world.published.study.events if any(ref.form_oid == guarded[0].oid for ref in event.forms))
    item = next(item for _, item in guarded[0].items.values() if item.type == "text")
    house.world.save(donor, guarded[0].oid, event.oid, typed(**{item.oid: "POSITIVE FINDING"}), name="dora")
    with house.world.write("mona") as tx:
        form_id = next(one.id for one in forms.all_of(tx, [donor.id], [guarded[0].oid]))
        comments.add(tx, donor, form_id, Place(""), "A REMARK ABOUT IT")
    for name, sees in (("dora", True), ("mona", True), ("dana", True), ("cora", False), ("ivan", False)):
        page = house.client(name).get(f"/studies/msc_ssc/subjects/{donor.key}/trail")
        assert ("POSITIVE FINDING" in page.text, "A REMARK ABOUT IT" in page.text) == (sees, sees), name
        table = house.client(name).post(LIST + "/view.csv", {"subject": donor.key}).text
        assert ("POSITIVE FINDING" in table, "A REMARK ABOUT IT" in table) == (sees, sees), name


@pytest.mark.parametrize(
    "asked, has, has_not",
    [
        ("op=set&why=typo", "71,5", "CONSENT"),
        ("kind=subjects", "10:00:00", "71,5"),
        ("person=nobody", "Aucun enregistrement", "71,5"),
        ("form=VITALS", "71,5", "Consentement"),
        ("since=22/11/2026", "Aucun enregistrement", "71,5"),
        ("since=2026-11-21&until=21.11.2026", "71,5", "Aucun enregistrement"),
        ("until=20/11/2026", "Aucun enregistrement", "71,5"),
        ("since=31/02/2026", "n’est pas un jour", "71,5"),
        ("kind=nonsense&op=nonsense&after=nonsense", "71,5", "Aucun enregistrement"),
    ],
)
def test_one_finds_what_one_looks_for(told, asked, has, has_not):
    house, one, _, _ = told
    page = house.client("mona").get(f"/studies/msc_ssc/subjects/{one.key}/trail?{asked}")
    shown = text(page) if has.startswith(("Aucun", "n’est")) else " ".join(rows(page))
    assert has in shown and has_not not in " ".join(rows(page)), shown[:600]


def test_the_pages_of_several_sites_follow_each_other_by_time_and_miss_nothing(told, monkeypatch):
    monkeypatch.setattr(trail, "ON_A_PAGE", 7)
    house, _, _, _ = told
    mona, address, seen = house.client("mona"), LIST, []
    while address:
        page = mona.get(address)
        found = re.findall(r"<code>(\S+) (\d+)</code>", page.text)
        assert 0 < len(found) <= 7
        seen += found
        further = re.search(r'rel="next" href="([^"]+)"', page.text)
        address = unescape(further[1]) if further else ""
    with house.world.read() as tx:
        heads = {chain: size for chain, size, _ in audit.chains(tx.connection) if chain.startswith("msc_ssc")}
        moments = [trails.at(tx, chain, [int(seq)])[0].at for chain, seq in seen]
    assert len(seen) == len(set(seen)) == sum(heads.values()) > 21
    assert moments == sorted(moments, reverse=True)


def test_a_page_reads_no_more_than_so_many_records_and_says_where_to_go_on(told, monkeypatch):
    house, _, _, _ = told
    monkeypatch.setattr(trails, "MOST", 10)
    monkeypatch.setattr(trails, "FIRST", 5)
    with house.world.read() as tx:
        sought, where, found, reads = Sought(("msc_ssc/01", "msc_ssc/02"), ops=frozenset({"create"})), None, [], []
        while True:
            page = trails.page(tx, sought, where, 50)
            found += page.lines
            reads.append(page.read)
            where = page.rest
            if where is None:
                break
        sizes = {chain: size for chain, size, _ in audit.chains(tx.connection)}
        everything = [past for chain in sought.chains for past in trails.at(tx, chain, range(1, sizes[chain] + 1))]
    assert max(reads) <= 20 and len(reads) > 1
    assert sorted(found, key=lambda past: (past.chain, past.seq)) == [past for past in everything if past.op == "create"]


def test_a_view_is_downloaded_as_csv_and_that_is_recorded(told):
    house, one, _, _ = told
    answer = house.client("mona").post(LIST + "/view.csv", {"subject": one.key, "form": "VITALS", "op": "set"})
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(line["old"], line["new"]) for line in lines if line["place"] == "WT"] == [('"70.0"', '"71.5"'), ("", '"70.0"')]
    assert {line["entity"] for line in lines} == {"form"} and lines[0]["at_site"].endswith("UTC+01:00")
    with house.world.read() as tx:
        noted = audit.history(tx.connection, "account", str(house.account("mona")))[-1]
    assert (noted.op, noted.place) == ("export", f"export msc_ssc trail, {len(lines)} records")
    assert house.client("cora").post(LIST + "/view.csv", {"site": "02"}).status_code == 404


def test_the_whole_trail_is_downloaded_with_its_proof_and_that_is_recorded(told, tmp_path):
    house, _, _, _ = told
    dana = house.client("dana")
    answer = dana.post(LIST + "/export.zip")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        archive.extractall(tmp_path)
    answer.close()
    assert "HOLDS" in verify_audit.verify(str(tmp_path))
    log = dana.get("/studies/msc_ssc/access-log?show=out")
    assert "dana msc_ssc whole trail" in text(log)


def test_the_access_log_tells_of_the_people_of_the_study_and_of_no_other(told):
    house, _, _, _ = told
    with house.world.write("trialcrf") as tx:
        stranger = accounts.create(tx, "zoe", "Zoe", "zoe@example.org", "Elsewhere", "fr")
        accounts.give(tx, stranger, Grant("coordinator", "another"))
    dana = house.client("dana")
    page = dana.get("/studies/msc_ssc/access-log?show=in&person=dana")
    assert all("dana" in row for row in rows(page)) and "Connexion" in text(page)
    assert "zoe" not in dana.get("/studies/msc_ssc/access-log").text


def test_an_erasure_is_asked_for_on_its_own_page_and_waits_for_a_second_person(told):
    house, one, other, _ = told
    cora = house.client("cora")
    address = f"/studies/msc_ssc/subjects/{one.key}/SCR/1/VITALS/1/erase?at=HT"
    assert cora.get(address).status_code == 200 and SECRET not in cora.get(address).text
    assert cora.post(address, {"reason": " "}).status_code == 422
    answer = cora.post(address, {"reason": "It names a person."})
    assert answer.status_code == 303 and "/requests/" in answer.headers["Location"]
    assert cora.post(address, {"reason": "Once more."}).status_code == 422
    assert house.client("mona").get(address).status_code == 403
    for wrong in (address.replace(one.key, other.key), address.replace("HT", "NOTHING"), address.replace("/SCR/", "/V1/")):
        assert cora.get(wrong).status_code == 404, wrong
    with house.world.read() as tx:
        assert forms.all_of(tx, [one.id], ["VITALS"])[0].document.at(Place("HT")).note == SECRET


def test_a_remark_is_erased_from_its_line_in_the_trail(told):
    house, one, _, _ = told
    with house.world.write("cora") as tx:
        comments.add(tx, one, forms.all_of(tx, [one.id], ["VITALS"])[0].id, Place("WT"), SECRET)
    cora = house.client("cora")
    page = cora.get(f"/studies/msc_ssc/subjects/{one.key}/trail?kind=queries")
    address = unescape(re.search(r'href="([^"]+/erase)"', page.text)[1])
    assert SECRET not in cora.get(address).text
    assert cora.post(address, {"reason": "It names a person."}).status_code == 303
    assert cora.get(f"/studies/msc_ssc/subjects/{one.key}/trail/1/erase").status_code == 404


def test_the_history_of_a_field_leads_to_asking_for_an_erasure_and_what_was_erased_says_so(told):
    house, one, _, _ = told
    cora, dana = house.client("cora"), house.client("dana")
    field = f"/studies/msc_ssc/subjects/{one.key}/SCR/1/VITALS/1?field=HT"
    address = unescape(re.search(r'href="([^"]+/erase[^"]*)"', cora.get(field).text)[1])
    asked = cora.post(address, {"reason": "It names a person."}).headers["Location"].partition("?")[0]
    assert "/erase" not in house.client("mona").get(field).text
    assert "Rapports archivés" in text(dana.get(asked))
    assert cora.post(asked + "/grant", {"reason": "ok", "password": PASSWORD}).status_code in (403, 422)
    assert dana.post(asked + "/grant", {"reason": "It does.", "password": PASSWORD}).status_code == 303
    page = cora.get(field)
    assert SECRET not in page.text and "a été effacé" in text(page) and "Effacé : donnée personnelle" in text(page)
    trail_ = dana.get(f"/studies/msc_ssc/subjects/{one.key}/trail")
    assert SECRET not in trail_.text and any("Valeur effacée" in row and "It names a person." in row for row in rows(trail_))
    with house.world.read() as tx:
        assert audit.broken(tx.connection) is None and list(replay.differences(tx)) == []
