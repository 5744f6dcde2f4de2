"""Freezes and locks over HTTP: what a reader sees, who may close and open, the signed lock, and that nothing passes by it on any route."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from sqlalchemy import text as sql

from tests.actions.world import CAST, PASSWORD
from tests.web.site import House, text
from tests.web.test_entry_pages import CONSENT, STUDY, VITALS, enrol, stored, weight
from trialcrf.core.access import VERBS
from trialcrf.core.document import Place
from trialcrf.core.lock import Address, Level, LockState, item_address, visit_address
from trialcrf.core.oversight.database_lock import Line
from trialcrf.core.oversight.four_eyes import RequestState
from trialcrf.core.safety.decision import DecisionKind
from trialcrf.store import audit, decisions, locks, replay, requests, sites

ON = f"{STUDY}/locks/on"


def filled(house: House) -> int:
    """A recipient with vital signs, by Cora; returns the number of their form."""
    cora = house.client("cora")
    enrol(cora)
    assert cora.post(VITALS, weight("62")).status_code == 303
    return stored(house).id


def state(house: House, address: str) -> LockState:
    with house.world.read() as tx:
        return locks.state_of(tx, Address.parse(address))


def attempts(house: House, prompted_by: str = "lock") -> list[audit.Past]:
    with house.world.read() as tx:
        found = [past for chain, size, _ in audit.chains(tx.connection) for past in audit.history_since(tx.connection, chain, 0, size)]
    return [past for past in found if past.op == "refused" and past.prompted_by == prompted_by]


def test_a_frozen_form_is_read_only_says_why_and_what_was_typed_is_not_lost(each_house):
    number = filled(each_house)
    cora, dana = each_house.client("cora"), each_house.client("dana")
    answer = dana.post(f"{ON}/form/{number}/freeze", {"reason": "The source is read"})
    assert answer.status_code == 303
    page = cora.get(VITALS)
    assert "The source is read" in text(page)
    assert "Dana" in text(page)
    assert 'name="act"' not in page.text
    assert "states.svg#frozen" in page.text
    answer = cora.post(VITALS, weight("63,5", version="1"))
    assert answer.status_code == 409
    assert "63,5" in text(answer)
    assert stored(each_house).document.at(Place("WT")).text == "62"
    (tried,) = attempts(each_house)
    assert (tried.actor, tried.role, tried.subject) == ("cora", "coordinator", "R-01-001")
    assert cora.post(VITALS + "/error", {"reason": "wrong"}).status_code == 409
    assert len(attempts(each_house)) == 2
    assert cora.post(VITALS, {**weight("63,5", version="1"), "act": "save"}).status_code == 409
    assert dana.post(f"{ON}/form/{number}/thaw", {"reason": "A new source"}).status_code == 303
    assert cora.post(VITALS, weight("63,5", version="1", why="SOURCE")).status_code == 303
    with each_house.world.read() as tx:
        assert list(replay.differences(tx)) == []
        assert audit.broken(tx.connection) is None


def test_a_locked_question_alone_is_shown_and_the_others_are_asked(house):
    number = filled(house)
    dana, cora = house.client("dana"), house.client("cora")
    assert dana.post(f"{ON}/{item_address(number, Place('WT')).text}/lock", {"reason": "Weighed twice"}).status_code == 303
    page = cora.get(VITALS).text
    assert 'name="i.WT"' not in page
    assert 'name="p" value="WT"' not in page
    assert 'name="i.PULSE"' in page
    assert "states.svg#locked" in page
    assert cora.post(VITALS, weight("64", version="1", why="SOURCE", **{"i.PULSE": "70"})).status_code == 409
    assert cora.post(VITALS, {"p": ["PULSE"], "i.PULSE": "70", "version": "1"}).status_code == 303
    assert stored(house).document.at(Place("WT")).text == "62"
    assert house.client("dana").get(VITALS + "?field=WT").text.count(f"locks/on/item/{number}/WT")


def test_each_page_leads_to_its_lock_and_the_lock_says_who_when_and_why(house):
    number = filled(house)
    which = house.world.subject("R-01-001")
    mona = house.client("mona")
    for address in (f"subject/{which.id}", visit_address(which.id, "SCR", 1).text, f"form/{number}"):
        assert mona.post(f"{ON}/{address}/freeze", {"reason": f"Why {address}"}).status_code == 303, address
        page = text(mona.get(f"{ON}/{address}"))
        assert f"Why {address}" in page
        assert "mona" in page
        assert state(house, address) is LockState.FROZEN
    subject = mona.get(f"{STUDY}/subjects/R-01-001")
    assert f"locks/on/subject/{which.id}" in subject.text
    assert f"locks/on/visit/{which.id}/SCR/1" in subject.text
    assert f"locks/on/form/{number}" in mona.get(VITALS).text
    overview = text(mona.get(f"{STUDY}/locks"))
    assert all(f"Why {address}" in overview for address in (f"subject/{which.id}", f"form/{number}"))
    cora = house.client("cora")
    assert "Why form" in text(cora.get(f"{STUDY}/locks"))
    assert "locks/on/form" not in cora.get(VITALS).text.split("notice closed")[0]
    assert "R-01-001" not in text(house.client("olga").get(f"{STUDY}/locks"))


def test_it_refuses_another_site_the_wrong_role_and_what_there_is_not(house):
    number = filled(house)
    form, study = f"form/{number}", f"study/{house.world.published.study_id}"
    with house.world.read() as tx:
        two = f"site/{sites.find(tx, 'msc_ssc', '02').id}"
    olga, cora, mona, sam = (house.client(name) for name in ("olga", "cora", "mona", "sam"))
    assert olga.get(f"{ON}/{form}").status_code == 404
    assert cora.get(f"{ON}/{two}").status_code == 404
    assert sam.get(f"{STUDY}/locks").status_code == 403
    for act in ("freeze", "thaw", "lock", "unlock"):
        assert cora.post(f"{ON}/{form}/{act}", {"reason": "x"}).status_code == 403
        assert cora.get(f"{ON}/{form}/{act}").status_code in (404, 405)
    assert mona.post(f"{ON}/{form}/lock", {"reason": "x"}).status_code == 403
    dana = house.client("dana")
    for address in ("form/999", "item/1/NOTHING", "ward/1", "study/9", "form/1/WT", f"visit/1/SCR/{'9' * 40}"):
        assert dana.get(f"{ON}/{address}").status_code == 404, address
        assert dana.post(f"{ON}/{address}/freeze", {"reason": "x"}).status_code == 404, address
    assert dana.post(f"{ON}/{form}/freeze", {"reason": " "}).status_code == 422
    assert dana.post(f"{ON}/{study}/lock", {"reason": "x"}).status_code == 422
    assert dana.post(f"{ON}/{form}/freeze", {"reason": "x"}, token=None).status_code == 400
    for who, where in ((mona, "checklist"), (cora, "checklist/01")):
        assert who.get(f"{STUDY}/locks/{where}").status_code == 403
        assert who.post(f"{STUDY}/locks/{where}").status_code == 403
    with house.world.read() as tx:
        assert locks.all_of(tx, house.world.published.study_id, None) == []


def test_unlocking_alone_is_refused_and_another_person_grants_it_by_password(each_house):
    number = filled(each_house)
    dana, ivan = each_house.client("dana"), each_house.client("ivan")
    form = f"form/{number}"
    assert dana.post(f"{ON}/{form}/lock", {"reason": "Read"}).status_code == 303
    assert dana.post(f"{ON}/{form}/unlock", {"reason": "A result came late"}).status_code == 303
    with each_house.world.read() as tx:
        (asked,) = requests.all_of(tx, "msc_ssc", [RequestState.WAITING])
    url = f"{STUDY}/requests/{asked.id}"
    assert "A result came late" in text(ivan.get(f"{STUDY}/requests"))
    assert 'class="count bad"' in ivan.get(f"{STUDY}/requests").text
    assert each_house.client("olga").get(url).status_code == 404
    assert each_house.client("cora").post(f"{url}/grant", {"password": PASSWORD}).status_code == 403
    assert dana.post(f"{url}/grant", {"password": PASSWORD}).status_code == 422
    assert ivan.post(f"{url}/grant", {"password": "wrong"}).status_code == 422
    assert len(attempts(each_house, "password")) == 1
    assert ivan.post(f"{url}/refuse", {"reason": ""}).status_code == 422
    assert state(each_house, form) is LockState.LOCKED
    assert ivan.post(f"{url}/grant", {"password": PASSWORD, "reason": "I saw it"}).status_code == 303
    assert state(each_house, form) is LockState.OPEN
    assert ivan.post(f"{url}/grant", {"password": PASSWORD}).status_code == 422
    assert "A result came late" in text(dana.get(f"{ON}/{form}"))


def test_a_site_is_locked_over_its_checklist_by_a_signature(each_house):
    filled(each_house)
    dana, url = each_house.client("dana"), f"{STUDY}/locks/checklist/01"
    page = dana.get(url)
    seen = re.search(r'name="seen"[^>]*value="([0-9a-f]{64})"', page.text)
    assert seen
    sent = {"seen": seen[1], "reason": "Last visit done", "password": PASSWORD}
    answer = dana.post(url, sent)
    assert answer.status_code == 422
    assert re.search(r'id="error-\w+"', answer.text)
    sent |= {line.value: f"known {line.value}" for line in Line}
    assert dana.post(url, {**sent, "password": "wrong"}).status_code == 422
    assert dana.post(url, {**sent, "seen": "0" * 64}).status_code == 422
    assert dana.post(url, {**sent, "reason": ""}).status_code == 422
    with each_house.world.read() as tx:
        assert locks.all_of(tx, each_house.world.published.study_id, None) == []
    assert dana.post(url, sent).status_code == 303
    told = text(dana.get(f"{STUDY}/locks"))
    assert "known unsigned" in told
    assert "Last visit done" in told
    with each_house.world.read() as tx:
        (made,) = decisions.all_of(tx, "msc_ssc", [DecisionKind.DATABASE_LOCKED])
        assert (made.name, made.content["site"]) == ("Dana", "01")
        assert list(replay.differences(tx)) == []
    assert "known unsigned" not in text(each_house.client("olga").get(f"{STUDY}/locks"))
    assert each_house.client("sam").get(f"{STUDY}/stopping").status_code == 200


# --- Nothing passes by a lock ------------------------------------------------------------------------------------------

DATA = ("subject", "form", "fact", "unique_code", "query", "verification", "signature", "visit", "lab_range")
"""What a study records. Cases, letters, requests and the trail itself go on after a lock."""

WALKERS = ("ivan", "mona", "dana", "cora")


class Forms(HTMLParser):
    """The forms of a page, as a browser would send them: (address, fields), once for each button with an address of its own."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, list[str]]]] = []
        self.fields: dict[str, list[str]] | None = None
        self.select = self.area = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form" and told.get("method") == "post":
            self.fields = {}
            self.found.append((told.get("action", ""), self.fields))
        if self.fields is None:
            return
        name, kind = told.get("name", ""), told.get("type", "text")
        if tag == "button" and told.get("formaction"):
            self.found.append((told["formaction"], self.fields))
        elif tag == "select":
            self.select = name
        elif tag == "option" and self.select and told.get("value") and not self.fields.get(self.select):
            self.fields[self.select] = [told["value"]]
        elif tag == "textarea":
            self.fields.setdefault(name, ["as it is"])
        elif tag == "input" and name:
            self.take(name, kind, told)

    def take(self, name: str, kind: str, told: dict[str, str]) -> None:
        assert self.fields is not None
        if kind == "password":
            self.fields[name] = [PASSWORD]
        elif kind in ("hidden", "checkbox"):
            if name == "x":  # An exception: all that is ticked is left out.
                return
            self.fields.setdefault(name, []).append(told.get("value", "on"))
        elif kind != "radio" or name not in self.fields:
            self.fields.setdefault(name, [told.get("value") or ("" if name.startswith(("i.", "r.")) else "1")])

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.fields = None
        elif tag == "select":
            self.select = ""


def snapshot(house: House) -> dict[str, str]:
    """Every row of the data tables, in a digest by table."""
    found = {}
    with house.world.read() as tx:
        for table in DATA:
            rows = sorted(repr(tuple(row)) for row in tx.read(sql(f"SELECT * FROM {table}")))
            found[table] = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    return found


PAGES = (
    VITALS,
    f"{STUDY}/subjects/R-01-001/SCR/1/RENROL/1",
    f"{STUDY}/subjects/R-01-001",
    f"{STUDY}/subjects/R-01-001/eligibility",
    f"{STUDY}/subjects/R-01-001/SCR/1/verification",
    f"{STUDY}/subjects/R-01-001/SCR/1/VITALS/1/sign",
    f"{STUDY}/subjects/R-01-001/sign",
    f"{STUDY}/enrol/recipient/01",
    f"{STUDY}/laboratories",
    f"{STUDY}/laboratories/1",
    f"{STUDY}/queries/1",
    f"{STUDY}/queries",
)


def opened(house: House) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """What each walker has on the screen before anything is locked: the forms of the pages, filled in."""
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for name in WALKERS:
        browser, sent = house.client(name), []
        for url in PAGES:
            page = browser.get(url)
            for action, fields in Forms(page.text).found if page.status_code == 200 else ():
                if not action or action.startswith("/studies/"):
                    sent.append((action or url, dict(fields)))
        sent += [
            (VITALS, weight("63,5", version="1", why="SOURCE")),
            (f"{STUDY}/subjects/R-01-001/SCR/1/KIDNEY/1", {"p": [], "version": "0", "act": "save"}),
            (f"{STUDY}/enrol/recipient/01", {**CONSENT, "once": name}),
        ]
        found[name] = list({(url, repr(fields)): (url, fields) for url, fields in sent}.values())
    return found


def rules(house: House) -> dict[str, str]:
    """An address for every route of a study that takes a POST, with the verb that it needs."""
    form = stored(house).id
    known = {
        "study": "msc_ssc", "subject": "R-01-001", "event": "SCR", "form": "VITALS", "kind": "recipient", "site": "01", "cohort": "C1",
        "address": f"form/{form}", "row": "1", "form_id": form,
    }  # fmt: skip
    made = {}
    adapter = house.app.url_map.bind("localhost")
    for rule in house.app.url_map.iter_rules():
        if "POST" not in (rule.methods or ()) or "<study>" not in rule.rule or rule.endpoint.startswith("account."):
            continue
        choices = re.search(r"<any\(([^)]*)\):(\w+)>", rule.rule)
        for choice in re.split(r",\s*", choices[1]) if choices else [""]:
            values = {name: known.get(name, 1) for name in rule.arguments}
            if choices:
                values[choices[2]] = choice
            elif "act" in values:
                values["act"] = "finding"
            made[adapter.build(rule.endpoint, values, method="POST")] = house.app.view_functions[rule.endpoint].verb
    return made


GENERIC = {
    "reason": "because", "words": "because", "text": "because", "code": "CHECKED", "verdict": "accept", "act": "save", "question": "why",
    "password": PASSWORD, "query": "1", "move": "accept", "day": "1", "month": "3", "year": "2026", "note": "x", "confirm": "R-01-001",
    "p": ["WT"], "i.WT": "70", "version": "1", "why": "SOURCE", "seen": "1",
}  # fmt: skip


def prepared(house: House) -> None:
    """A form with a query that waits, limits of a laboratory."""
    filled(house)
    cora, dana = house.client("cora"), house.client("dana")
    assert cora.post(f"{STUDY}/subjects/R-01-001/M3/1/VITALS/1", {"p": ["PULSE"], "i.PULSE": "151", "version": "0"}).status_code == 303
    sent = {"site": "01", "laboratory": "Central", "analyte": "NEUT|10⁹/L", "sex": "", "low": "1,8", "high": "7.5"}
    assert dana.post(f"{STUDY}/laboratories", {**sent, "day": "1", "month": "1", "year": "2026"}).status_code == 303


def lock_all(house: House) -> None:
    with house.world.write("dana") as tx:
        study_id = house.world.published.study_id
        locks.move(tx, Address(Level.STUDY, study_id), None, None, study_id, "msc_ssc", "lock", "End of the trial")


def send(house: House, name: str, posts: list[tuple[str, dict[str, Any]]]) -> Iterator[str]:
    """Send everything as this person; yields the endpoint after each."""
    browser, adapter = house.client(name), house.app.url_map.bind("localhost")
    for url, fields in posts:
        with browser.post(url, {key: value for key, value in fields.items() if key != "token"}) as answer:
            assert answer.status_code < 500, (name, url, answer.status_code)
        yield str(adapter.match(url.partition("?")[0], method="POST")[0])


def test_after_the_lock_no_route_changes_anything_and_the_attempts_are_told(house):
    prepared(house)
    pages, routes = opened(house), rules(house)
    lock_all(house)
    before = snapshot(house)
    for name in WALKERS:
        # Whom the door refuses anyway, other tests refuse.
        mine = [(url, dict(GENERIC)) for url, verb in sorted(routes.items()) if CAST[name][0] in VERBS[verb]]
        sent = [*send(house, name, pages[name]), *send(house, name, mine)]
        now = snapshot(house)
        assert now == before, (name, [table for table in DATA if now[table] != before[table]], sent)
    tried = attempts(house)
    assert {past.actor for past in tried} == set(WALKERS)
    assert len(tried) > 20
    with house.world.read() as tx:
        assert list(replay.differences(tx)) == []
        assert audit.broken(tx.connection) is None


def test_the_same_pages_change_data_where_nothing_is_locked(house):
    """Otherwise the walk before would prove nothing."""
    prepared(house)
    before, changed, pages = snapshot(house), set(), opened(house)
    for last in (False, True):  # What ends a form comes after all else.
        for name, posts in pages.items():
            for endpoint in send(house, name, [one for one in posts if one[0].endswith("/error") is last]):
                now = snapshot(house)
                if now != before:
                    changed.add(endpoint)
                before = now
    wanted = {"entry.save", "entry.mark_error", "enrolment.save", "laboratory.mark_error", "queries.answer"}
    assert wanted | {"verification.verify", "signing.form", "signing.casebook"} <= changed, changed
