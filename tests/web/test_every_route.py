"""Every route of the application, walked by everybody: what the table of permissions says is what each of them gets, and reads."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from tests.actions.world import open_world
from tests.conftest import Databases
from tests.web.site import Browser, House, application
from tests.web.walked import (
    GUARDED,
    MARK,
    OTHER,
    SITES,
    STUDY,
    Ledger,
    Person,
    Things,
    archive,
    cast,
    draw,
    leaks,
    printed,
    things,
    walked_filling,
)
from trialcrf.core.access import VERBS
from trialcrf.web.guard import PUBLIC, SELF

NOBODY = Person("nobody", ())
UNLIKELY = {"donor_physician", "investigator", "cell_lab", "data_manager01", "sponsor01"}
WALKERS = [one for one in cast() if one.name not in UNLIKELY and (not one.name.endswith("02") or one.name == "coordinator02")]
"""Everybody of the cast who differs from the others: what the first site's people get, the second one's would, and no site has a sponsor
of its own."""

SIGNED_OUT = {"account.sign_out", "account.change_password"}
"""What ends the session that walks."""

EYES = ("donor.read", "form.read", "link.read", "statement.read")
"""What is in the casebook of the world: it was ordered by somebody who reads all of it."""

ALSO: dict[str, tuple[str, ...]] = {
    "entry.form": ("form.read",),
    "entry.save": ("form.enter",),
    "entry.by_number": ("form.read",),
    "history.form": ("form.read",),
    "enrolment.where": ("form.enter",),
    "enrolment.form": ("form.enter",),
    "enrolment.save": ("form.enter",),
    **dict.fromkeys(("enclosures.listed", "enclosures.file"), ("form.read",)),
    **dict.fromkeys(("enclosures.attach", "enclosures.withdraw"), ("form.enter",)),
    "enrolment.keep": ("form.enter",),
    "enrolment.discard": ("form.enter",),
    "enrolment.check": ("form.enter",),
    "checking.check": ("form.enter",),
    "drafts.keep": ("form.enter",),
    "drafts.discard": ("form.enter",),
    "requests.one": ("subject.list",),
    "requests.decide": ("subject.list",),
    "batches.mark_error": ("cell.enter",),
    **dict.fromkeys(("casebook_files.download", "casebook_files.signature", "casebook_files.whole"), EYES),
}
"""What a page asks for besides the verb of its route."""

OF_EVERY_STUDY = frozenset({"jobs.listed", "mails.listed", "mails.resolve"})
OF_ITS_BODY = frozenset(
    {
        "admin.create",
        "admin.create_site",
        "admin.give",
        "admin.invite",
        "admin.remove_factors",
        "admin.start_reset",
        "cases.attach",
        "cases.write",
        "requests.decide",
    }
)
"""What is sent or done says which verb it takes, so it may be refused to anybody."""

OF_EVERY_SITE = frozenset({"locks.checklist", "locks.lock_study"})
"""Pages for whoever has the role in every study, or at every site of this one."""

OF_OBJECTS = frozenset({"subject", "site", "query", "form_id", "number", "limits", "address"})
"""What of an address belongs to a site."""

OF_NOBODY = frozenset(
    {
        "reports.annex",
        "casebook_files.part",
        "cases.document",
        "monitoring.letter",
        "specification.effect",
        "casebook_files.cancel",
        "hospital.code",
    }
)
"""Where the world has nothing to show: nobody finds anything."""


@dataclass(frozen=True, slots=True)
class Walk:
    """The application with the world in it, a browser of everybody, and what each site has."""

    house: House
    browsers: dict[str, Browser]
    things: dict[str, Things]
    ledger: Ledger


@pytest.fixture(scope="module")
def walk(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    url, data = databases.fresh("sqlite", walked_filling()), Path(tmp_path_factory.mktemp("data"))
    house = House(open_world(url), application(url, data))
    archive(house.world, data)
    browsers = {person.name: house.client(person.name) for person in WALKERS}
    ledger = Ledger(house.world)
    yield Walk(house, {**browsers, NOBODY.name: Browser(house.app.test_client())}, things(house.world), ledger)
    ledger.close()
    house.close()
    databases.drop(url)


def values_of(rule: Rule, held: Things, study: str = STUDY) -> dict[str, Any]:
    """What stands in an address of this route for a thing of the site. A new name in an address has to be said here."""
    area = rule.endpoint.partition(".")[0]
    letter = {"batches": "B", "release": "B", "labels": "R" if "wristband" in rule.rule else "B", "look_back": "D"}.get(area, "R")
    number: object = held.cases if area in ("cases", "case_documents") else 1
    number = {"requests": held.requests["removal"], "casebook_files": held.reports["casebook"], "enclosures": held.documents["form"]}.get(
        area, number
    )
    known: dict[str, Any] = {
        "study": study, "site": held.site, "subject": held.subject(letter), "event": "SCR", "repeat": 1, "form": "PHYSEXAM", "n": 1,
        "form_id": held.forms["form"], "query": held.queries["form"], "number": number,
        "report": held.reports["safety"],
        "limits": held.limits, "address": f"form/{held.forms['form']}", "row": held.row, "line": held.delegation, "seq": held.comment,
        "version": 1, "role": "coordinator",
        "paper": 1, "letter": 1, "cohort": "MSC1", "person": "cora", "account": 1, "grant": 1, "mail": 1, "name": "none.pdf",
        "kind": "ctcae" if area == "dictionaries" else "recipient", "token": "none", "invitation": "none", "link": "none", "signed": "none",
        "filename": "site.css", "act": "held",
    }  # fmt: skip
    if rule.endpoint == "labels.bag":
        known["form_id"] = held.bags
    chosen = {name: min(getattr(converter, "items", ()) or ("",)) for name, converter in rule._converters.items()}
    return {name: chosen.get(name) or known[name] for name in rule.arguments}


def routes(walk: Walk, method: str) -> list[Rule]:
    found = [rule for rule in walk.house.app.url_map.iter_rules() if method in (rule.methods or set())]
    return sorted(found, key=lambda rule: (rule.endpoint, rule.rule))


def url_of(walk: Walk, rule: Rule, values: dict[str, Any]) -> str:
    return walk.house.app.url_map.bind("localhost").build(rule.endpoint, values, method="GET" if "GET" in (rule.methods or ()) else "POST")


def needed(walk: Walk, rule: Rule) -> str:
    return str(walk.house.app.view_functions[rule.endpoint].verb)  # type: ignore[attr-defined]


def expected(walk: Walk, person: Person, rule: Rule, values: dict[str, Any], site: str) -> set[int] | None:
    """The statuses that the table allows; None where it allows the page itself."""
    verb = needed(walk, rule)
    if verb in (PUBLIC, SELF):
        return None
    if "study" not in values:
        held = any(one.role in VERBS[verb] and (one.study == "*" or rule.endpoint not in OF_EVERY_STUDY) for one in person.grants)
        return None if held else {400, 403} if rule.endpoint in OF_EVERY_STUDY else {403}
    study, of_site = values["study"], bool(OF_OBJECTS & set(values))
    if not any(one.study in (study, "*") for one in person.grants):
        return {404}
    if not person.holds(verb, study=study):
        return {403}
    if study != STUDY:  # What is asked for is not there, or the study has no such thing.
        return None if rule.arguments <= {"study", "site", "kind", "cohort", "version", "person"} else {404}
    if rule.endpoint in OF_EVERY_SITE and not person.holds(verb, ""):
        return {403}
    if of_site and not person.holds(verb, site):
        return {404}
    key = values.get("subject", "")
    if key and verb != "look_back.run" and not person.holds("cell.read" if key.startswith("B") else "subject.list", site):
        return {404}
    if not all(person.holds(also, site if of_site else None) for also in ALSO.get(rule.endpoint, ())):
        return {403, 404}
    return None


def ask(browser: Browser, method: str, url: str) -> TestResponse:
    return browser.get(url) if method == "GET" else browser.post(url)


def fault(walk: Walk, rule: Rule, wanted: set[int] | None, status: int, elsewhere: bool = False) -> bool:
    """Whether an answer is another one than the table says; `elsewhere` is a study that has less than the one of this world."""
    if needed(walk, rule) in (PUBLIC, SELF):
        return status == 500
    if status >= 500:
        return True
    if wanted is not None:
        return status not in wanted
    return status in (403, 404) and rule.endpoint not in OF_NOBODY | OF_ITS_BODY and not elsewhere


ASKED = {"redaction.ask_value": "?at=PE_TEXT"}
"""What an address needs besides its route to be about something."""


WHOLE = bool(os.environ.get("TRIALCRF_WALK"))
"""Whether everybody walks to every address; else each address is asked by some of them, by others the next one, the same every time."""


def is_turn(url: str, person: Person, each: int) -> bool:
    return WHOLE or (zlib.crc32(url.encode()) + WALKERS.index(person)) % each == 0


def knocks(walk: Walk, method: str) -> Iterator[tuple[Rule, str, Person, set[int] | None]]:
    """Each route with things of each site and of another study, and everybody who comes to it: who is of one site with things of both,
    all others with those of one. An address that several of these make is asked once."""
    for rule in routes(walk, method):
        asked: set[tuple[str, str]] = set()
        for site, study in [*((site, STUDY) for site in SITES), ("01", OTHER)]:
            values = values_of(rule, walk.things[site], study)
            url = url_of(walk, rule, values)
            for person in WALKERS:
                comes = person.name in ELSEWHERE if study == OTHER else _comes(person, site, needed(walk, rule))
                if comes and (person.name, url) not in asked and is_turn(url, person, 5 if method == "POST" else 3):
                    asked.add((person.name, url))
                    yield rule, url, person, expected(walk, person, rule, values, site)


ELSEWHERE = {"stranger", "coordinator01", "data_manager", "administrator", "housekeeper", "guest"}
"""Who asks for another study than the one that the world is about."""


def _comes(person: Person, site: str, verb: str) -> bool:
    """Everybody comes to the things of one site: who is of the first, or of both, to the first one's, who is of every site or of none to
    the second one's. Of those who hold the verb at the other site alone, three come too: it is the door that refuses them all."""
    at = {one.site for one in person.grants}
    if at <= {""}:
        return site == "02"
    own = site == "01" and at != {"02"}
    return own or person.name in ("mixed", "maker", "coordinator02") or (at == {"01"} and person in _first(verb))


@cache
def _first(verb: str) -> tuple[Person, ...]:
    return tuple(one for one in WALKERS if {held.site for held in one.grants} == {"01"} and verb in VERBS and one.holds(verb))[:2]


def told(person: Person, answer: TestResponse, url: str) -> set[str]:
    """What an answer tells that this person may not read; what they asked with is no news to them."""
    found = leaks(person, answer.data, answer.mimetype)
    return {word for word in found if word not in url} if answer.status_code >= 300 else found


def test_every_page_answers_everybody_as_the_table_says_and_tells_nobody_what_they_may_not_read(walk):
    found = []
    for rule, url, person, wanted in knocks(walk, "GET"):
        answer = walk.browsers[person.name].get(url + ASKED.get(rule.endpoint, ""))
        if fault(walk, rule, wanted, answer.status_code, f"/{OTHER}/" in url):
            found.append((rule.endpoint, person.name, url, answer.status_code, wanted))
        found += [(rule.endpoint, person.name, url, word) for word in told(person, answer, url)]
        if answer.mimetype == "text/html" and '<nav class="side"' in answer.text and '<nav class="crumbs"' not in answer.text:
            found.append((rule.endpoint, "does not say where it is"))
        answer.close()
    assert not found, "\n".join(map(str, found))


def test_who_is_not_signed_in_is_led_to_the_sign_in_page_and_changes_nothing(walk):
    """GET leads there; a POST is asked to sign in and go on, and writes nothing."""
    nobody, before, found = walk.browsers[NOBODY.name], walk.ledger.state(), []
    for method, expects in (("GET", 302), ("POST", 401)):
        for rule in routes(walk, method):
            if needed(walk, rule) == PUBLIC:
                continue
            answer = ask(nobody, method, url_of(walk, rule, values_of(rule, walk.things["01"])))
            if answer.status_code != expects or told(NOBODY, answer, answer.request.url):
                found.append((rule.endpoint, method, answer.status_code))
            answer.close()
    assert not found, "\n".join(map(str, found))
    assert walk.ledger.state() == before


def test_a_post_is_refused_whoever_the_table_does_not_allow_and_changes_nothing(walk):
    """With the token of the page and nothing else: who may is told what is missing, who may not leaves no trace in any audited table."""
    found: list[tuple[object, ...]] = []
    for allowed in (False, True):
        for rule, url, person, wanted in knocks(walk, "POST"):
            if (wanted is None) is not allowed or rule.endpoint in SIGNED_OUT:
                continue
            walk.house.app.extensions[
                "trialcrf.bursts"
            ].clear()  # That somebody is refused all the time is mailed, which is another matter.
            before = walk.ledger.state()
            answer = walk.browsers[person.name].post(url + ASKED.get(rule.endpoint, ""))
            if fault(walk, rule, wanted, answer.status_code, f"/{OTHER}/" in url):
                found.append((rule.endpoint, person.name, url, answer.status_code, wanted))
            if not allowed and walk.ledger.state() != before:
                found.append((rule.endpoint, person.name, url, "it wrote", answer.status_code))
            found += [(rule.endpoint, person.name, url, word) for word in told(person, answer, url)]
            answer.close()
    assert not found, "\n".join(map(str, found))


def guarded_pages(held: Things) -> Iterator[tuple[str, str, str]]:
    """(kind of form, letter of its subject, address) of every page about a form of every kind."""
    for access, (letter, event, form) in GUARDED.items():
        at, number = f"/studies/{STUDY}/subjects/{held.subject(letter)}/{event}/1/{form}/1", held.forms[access]
        yield access, letter, at
        yield access, letter, f"{at}/history"
        yield access, letter, f"{at}/thread"
        yield access, letter, f"{at}/documents"
        if access in held.documents:
            yield access, letter, f"{at}/documents/{held.documents[access]}"
        yield access, letter, f"/studies/{STUDY}/forms/{number}"
        yield access, letter, f"/studies/{STUDY}/locks/on/form/{number}"
        yield access, letter, f"/studies/{STUDY}/queries/{held.queries[access]}"


def test_a_form_is_shown_to_whom_its_own_verb_shows_it_on_every_page_about_it(walk):
    """Its answers, history, thread, lock and queries: for who lacks the verb there is no such form."""
    found = []
    for site in SITES:
        for access, letter, url in guarded_pages(walk.things[site]):
            verb = needed(walk, walk.house.app.url_map.bind("localhost").match(url, return_rule=True)[0])
            for person in WALKERS:
                if not _comes(person, site, verb) or not is_turn(url, person, 2):
                    continue
                answer = walk.browsers[person.name].get(url)
                knows = person.holds("cell.read" if letter == "B" else "subject.list", site)
                opened = person.holds(verb, site) and person.holds(f"{access}.read", site) and knows
                if opened is not (answer.status_code in (200, 302, 303)) or answer.status_code >= 500:
                    found.append((person.name, url, answer.status_code, opened))
                found += [(person.name, url, word) for word in told(person, answer, url)]
    assert not found, "\n".join(map(str, found))


SEARCHED = [
    *(f"trail?why={{lock_{access}}}" for access in ("form", "link", "donor")),
    *(f"trail?kind={kind}" for kind in ("values", "queries", "locks", "cases", "refusals")),
    "trail?form=DSEROLOGY", "trail?form=DONORLINK", "trail?subject=D-01-001", "people/dana/trail",
    "queries?state=all", "queries?state=all&subject=D", "queries?state=all&who=-nobody", "queries/ageing",
    "subjects?kind=donor", "subjects?q=01", "subjects.csv?kind=donor", "calendar?view=agenda", "today?show=overdue", "today?show=due",
    "requests", "locks", "reports", "casebooks", "signing", "inventory.csv", "quality", "dashboard", "cases", "monitoring", "trace?q=LOT01",
    "trace?q=R-01-001", "dictionaries/ctcae?q=Zz", "delegation", "laboratories",
]  # fmt: skip
"""Lists and searches, by what one can ask of them; words in braces are those of the other readers."""


def test_lists_searches_and_counts_tell_nobody_what_they_may_not_read(walk):
    found = []
    for asked in SEARCHED:
        url = f"/studies/{STUDY}/" + re.sub(r"\{(\w+)\}", lambda of: f"Zz{of[1]}_01", asked)
        for person in (one for one in WALKERS if is_turn(url, one, 2)):
            answer = walk.browsers[person.name].get(url)
            if answer.status_code >= 500:
                found.append((person.name, url, answer.status_code))
            heard = told(person, answer, url)
            found += [(person.name, url, word) for word in heard if word not in url]
            answer.close()
    assert not found, "\n".join(map(str, found))


DRAWN: list[tuple[str, str, dict[str, Any], tuple[str, ...], set[str]]] = [
    ("casebook", "casebooks", {"subject": "R-01-001"}, ("form",), {"Zzform_01", "Zzevent_01", "R-01-001"}),
    ("batch", "reports", {"subject": "B-01-001"}, (), {"Zzcell_01", "Zzrelease_01", "B-01-001"}),
    ("cioms", "reports", {"case_number": 1}, (), {"Zzevent_01", "R-01-001"}),
]
"""Documents of the first site: which, on whose page, about what, for whose eyes, and words that must be in it."""

NOT_PRINTED = {
    "casebook": re.compile(r"_02|-02-001|Zz(ask_|say_|lock_)?(link|donor|statement|cell|stock|release)|[DB]-01-001"),
    "batch": re.compile(r"_02|-02-001|LOT02|Zz(ask_|say_|lock_)?(form|link|donor|statement)|Zzevent|R-01-001"),
    "cioms": re.compile(r"_02|-02-001|Zz(ask_|say_|lock_)?(link|donor|statement|cell|stock|release)|[DB]-01-001"),
}
"""Words that are in none of them, whoever reads: the other site's, those of the donor, those of forms that they are not about."""


@pytest.mark.parametrize(("kind", "listed", "about", "eyes", "own"), DRAWN, ids=[one[0] for one in DRAWN])
def test_what_a_document_prints_is_for_everybody_who_may_have_it(walk, kind, listed, about, eyes, own):
    """Drawn for real and read by another program than drew it. The last tests of this world: they add to it."""
    found = draw(walk.house.world, walk.house.app.config["DATA"], kind, eyes, **about)
    readers = 0
    for person in WALKERS:
        answer = walk.browsers[person.name].get(f"/studies/{STUDY}/{listed}/{found.id}.pdf")
        assert (answer.status_code == 200) is answer.data.startswith(b"%PDF")
        if answer.status_code == 200:
            readers += 1
            assert not leaks(person, answer.data, answer.mimetype), person.name
            said = printed(answer.data)
            assert own <= {word[0] for word in MARK.finditer(said)}
            assert not NOT_PRINTED[kind].findall(said)
        answer.close()
    assert readers >= 2


def test_a_search_finds_for_everybody_what_their_pages_show_them_and_hints_at_nothing_else(walk):
    """The forms of a subject, by their names, and the queries about them, by number and by a word, of every kind of form at both sites."""
    found = []
    for site in SITES:
        held = walk.things[site]
        for access, (letter, event, form) in GUARDED.items():
            where = f"{letter}-{site}-001/{event}/1/{form}/1" if access != "statement" else f"{letter}-{site}-001/eligibility"
            asked = {f"{letter}{site}001 {event} {form}": where, f"#{held.queries[access]}": f'/queries/{held.queries[access]}"'}
            for person in WALKERS:
                knows = person.holds("cell.read" if letter == "B" else "subject.list", site) and person.holds("casebook.open", site)
                reads = person.holds(f"{access}.read", site)
                expects = (knows and reads, person.holds("query.read", site) and reads)
                for (q, url), expected_ in zip(asked.items(), expects, strict=True):
                    if is_turn(q, person, 6):
                        answer = walk.browsers[person.name].get("/find", query_string={"q": q})
                        if answer.status_code != 200 or (url in answer.text) is not expected_:
                            found.append((person.name, q, answer.status_code, expected_))
                        found += [(person.name, q, word) for word in leaks(person, answer.data, answer.mimetype)]
    for person in WALKERS:
        for q in ("zzask", "001", "0 scr", "lot"):
            answer = walk.browsers[person.name].get("/find", query_string={"q": q})
            found += [(person.name, q, word) for word in leaks(person, answer.data, answer.mimetype)]
            for site in SITES[:1] if q == "zzask" else ():  # Of more than twelve some are not shown.
                mine = {access for access in GUARDED if person.holds("query.read", site) and person.holds(f"{access}.read", site)}
                told_ = set(re.findall(rf"Zzask_([a-z]+)_{site}", answer.text))
                found += [(person.name, q, site, told_, mine)] if told_ != mine else []
    assert not found, "\n".join(map(str, found))
