"""Every page of the program with a reader who may see it: the list that the tests of all pages go through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import case, update

from tests.actions.cells_world import GOOD_QC
from tests.actions.world import typed
from tests.browser.person import PASSWORD, Person
from tests.browser.program import STUDY, Program, form_address, subject_address
from trialcrf.actions import enclose, sign_in
from trialcrf.actions.oversight import lock, monitor, second
from trialcrf.actions.reminding import choose
from trialcrf.actions.safety import keep_limits
from trialcrf.actions.signing_in import own_factors
from trialcrf.core.document import FormKey, Place
from trialcrf.core.lock import LockState
from trialcrf.core.oversight.delegation import Task
from trialcrf.core.oversight.four_eyes import RequestState
from trialcrf.external.strongbox import KEY_FILE
from trialcrf.store import (
    accounts,
    comments,
    definitions,
    delegations,
    drafts,
    lab_ranges,
    locks,
    monitoring,
    outbox,
    queries,
    requests,
    sessions,
    sites,
)
from trialcrf.store.drafts import Draft
from trialcrf.store.models import outbox as outbox_table
from trialcrf.store.models import session as session_table

LIST = f"/studies/{STUDY}"
LABORATORY_FILE = Path(__file__).parents[1] / "data/laboratory/hopital-latin1.csv"
PERSON_OF_DEMO = "SELECT min(id) FROM account WHERE username = '{}'"
QUERY_IN = "SELECT min(q.id) FROM query q JOIN site s ON s.id = q.site_id WHERE s.code = '01' AND q.state = '{}'"


@dataclass(frozen=True)
class Known:
    """A page in one state. `found` completes the address by a number from the database, `made` by what it makes there first; `then` is
    done before the page is looked at."""

    endpoint: str
    name: str
    address: str
    status: int = 200
    found: str = ""
    then: Callable[[Person], object] | None = None
    made: Callable[[Program], str] | None = None

    def at(self, program: Program) -> str:
        if self.made:
            return self.address.format(self.made(program))
        return self.address.format(program.ask(self.found)[0][0]) if self.found else self.address

    def open(self, person: Person, program: Program) -> None:
        answer = person.open(self.at(program))
        assert answer.status == self.status, (self, answer.status)
        if self.then:
            self.then(person)

    def __str__(self) -> str:
        state = f" {self.then.__name__}" if self.then else ""
        return f"{self.endpoint} {self.name}{state} {self.status}"


def saved_with_errors(person: Person) -> None:
    person.press(person.page.locator('button[name="add"]'))
    person.type("WT", "7,25")
    person.date("BP.new1.BP_AT", ("31", "2", "2026"), "9:05")
    person.type("BP.new1.SBP", "many")
    person.save()
    assert person.page.locator("#summary .blocking li").count() >= 3


def asked_for_a_reason(person: Person) -> None:
    person.type("HT", "172")
    person.type("WT", "60")
    person.save()
    assert person.page.locator("#summary .blocking li").count() >= 2


def looked_at(person: Person) -> None:
    person.press(person.page.locator("main form[method=get] button"))
    assert person.page.locator("#signal-late").count() == 1


def looked_at_a_file(person: Person) -> None:
    person.page.set_input_files("#file", LABORATORY_FILE)
    person.press(person.page.locator('main button[value="look"]'))
    assert person.page.locator("#lines tbody tr").count() >= 5 and person.page.locator("#wrong").count() == 1


def signed_for(person: Person) -> None:
    person.page.fill("#password", PASSWORD)
    person.press(person.page.locator("main form[method=post] button"))
    assert person.page.locator(".signature .seal").count() >= 1


def refused(person: Person) -> None:
    person.press(person.page.locator("main form[method=post] button:visible").last)


def wrong_password(person: Person) -> None:
    person.sign_in("not the password", "nobody")


def asked_for_a_passkey(person: Person) -> None:
    person.press(person.page.locator('form[action="/sign-in/passkey"] button'))


def a_key_that_waits(program: Program) -> str:
    """A key of one-time codes of Sam that no app has yet: it is asked for nowhere."""
    with program.world.write("sam", datetime.now(UTC)) as tx:
        sam = accounts.find(tx, "sam")
        assert sam
        own_factors.begin_codes(tx, sam.id, "7", program.data / KEY_FILE)
    return ""


def enrolled_with_errors(person: Person) -> None:
    person.type("BIRTH_MONTH", "13", "m")
    person.type("BIRTH_MONTH", "79", "y")
    person.save()


def made_an_address(person: Person) -> None:
    person.press(person.page.locator('main form[action="/me/calendars"] button'))
    assert person.page.locator("#address").count() == 1


def stop_link(program: Program) -> str:
    with program.world.write("trialcrf", datetime.now(UTC)) as tx:
        account = accounts.find(tx, "nora")
        assert account
        return choose.stop_path(tx, account.id, STUDY)


def mails_to_judge(program: Program) -> str:
    """One mail of which nobody knows, and one that was refused."""
    with program.world.write("trialcrf", datetime.now(UTC)) as tx:
        account = accounts.find(tx, "nora")
        assert account
        made = [outbox.New(f"test|{state}", "remind", account.id, {"study": STUDY, "site": "01"}) for state in ("uncertain", "failed")]
        if outbox.add_many(tx, made):
            settled = {"state": case({"test|failed": "failed"}, value=outbox_table.c.key, else_="uncertain"), "said": "550 no such user"}
            tx.work(update(outbox_table).where(outbox_table.c.key.like("test|%")).values(**settled))
    return ""


def a_delegation(program: Program) -> str:
    """The number of a line of the delegation log of site 01 that stands."""
    now = datetime.now(UTC)
    with program.world.write("ivan", now) as tx:
        site, cora = sites.find(tx, STUDY, "01"), accounts.find(tx, "cora")
        assert site
        assert cora
        held = [one.id for one in delegations.all_of(tx, STUDY, {"01"}) if one.ends_on is None]
        given = [Task.CONSENT, Task.DATA_ENTRY, Task.QUERIES]
        return str(held[0] if held else delegations.add(tx, site, "cora", cora.id, given, site.today(now), "Ivan Investigateur"))


def limits_of_a_laboratory(program: Program) -> str:
    """Limits that hold, and the number of their line. The laboratory has no name that could be taken for a word."""
    with program.world.write("dana", datetime.now(UTC)) as tx:
        site, published = sites.find(tx, STUDY, "01"), definitions.current(tx, STUDY)
        assert site
        assert published
        held = [one.id for one in lab_ranges.all_of(tx, [site.id])]
        typed = keep_limits.TypedLimits("B 12", "NEUT", "10⁹/L", "", "1.8", "7.5", date(2020, 1, 1))
        return str(held[0] if held else keep_limits.add(tx, published.study, site, typed))


def a_monitoring_visit(program: Program) -> str:
    """The number of a monitoring visit of site 01 that is being held, with a finding and an action."""
    with program.world.write("mona", datetime.now(UTC)) as tx:
        site = sites.find(tx, STUDY, "01")
        assert site
        held = [one.number for one in monitoring.all_of(tx, STUDY, ["01"])]
        if held:
            return str(held[0])
        today = site.today(datetime.now(UTC))
        visit = monitor.plan(tx, site, "routine", today, "Consents")
        visit = monitor.held(tx, site, visit, today, today, "Ivan")
        visit = monitor.find(tx, site, visit, "major", "", "12345")
        return str(monitor.agree(tx, site, visit, visit.entries[-1].number, "site", today, "12345").number)


def a_monitored_site(program: Program) -> str:
    """Nothing of an address: a monitoring visit is being held at site 01 then."""
    a_monitoring_visit(program)
    return ""


def all_verified(person: Person) -> None:
    """Whatever of the page is not verified yet is verified."""
    button = person.page.locator(".verify-bar button")
    if button.count():
        person.press(button)
    assert person.page.locator(".done-all").count() == 1


def a_batch(program: Program) -> str:
    """The key of a batch at site 01 with its tests and two bags, `KEY-1` and `KEY-2`; made where there is none yet."""
    found = program.ask(
        "SELECT s.key FROM subject s JOIN form o ON o.subject_id = s.id JOIN fact f ON f.form_id = o.id "
        "WHERE s.key LIKE 'B-01-%' AND f.alias = 'CTBAG' AND f.text = s.key || '-1'"
    )
    if found:
        return str(found[0][0])
    harvest = program.ask(
        "SELECT s.key, o.event_oid, o.event_repeat, o.form_oid, o.form_repeat FROM form o JOIN subject s ON s.id = o.subject_id "
        "WHERE o.form_oid = 'HARVEST' AND o.error = '' AND s.key LIKE 'D-01-%' ORDER BY o.id"
    )[0]
    now, day = datetime.now(UTC), (program.today.day, program.today.month, program.today.year)
    origin = {"ANCESTRY__new1__BAT_DONATION": "/".join(str(part) for part in harvest)}
    batch = program.world.enrol("batch", now=now, BAT_LOT="LOT 1", BAT_CULTURE_START=day, **origin)
    program.world.save(batch, "QC", "MAKING", typed(**{**GOOD_QC, "QC_DATE": day}), name="lara", now=now)
    expiry = (day[0] if day[0] < 29 else 28, day[1], day[2] + 1)
    rows: dict[str, object] = {}
    for number in ("1", "2"):
        told = {"CODE": f"{batch.key}-{number}", "CELLS": "80", "VOLUME": "50", "EXPIRY": expiry}
        told |= {"FILLED": (*day, "00:00"), "PLACE": "LAB_TANK"}
        rows |= {f"BAG__new{number}__BAG_{name}": text for name, text in told.items()}
    program.world.save(batch, "BAGS", "MAKING", typed(**rows), name="lara", now=now)
    return batch.key


def a_donor_of_cells(program: Program) -> str:
    """The donor that a batch is made of."""
    batch = a_batch(program)
    asked = (
        "SELECT f.text FROM fact f JOIN form o ON o.id = f.form_id JOIN subject s ON s.id = o.subject_id "
        "WHERE f.alias = 'CTSRCDON' AND s.key = '{}'"
    )
    return str(program.ask(asked.format(batch))[0][0]).partition("/")[0]


def some_stock(program: Program) -> str:
    """Nothing of an address: there are bags then."""
    a_batch(program)
    return ""


def a_remark(program: Program) -> str:
    """The position of a comment on the consent of the first recipient in the trail of its site."""
    form_id = program.ask("SELECT min(o.id) FROM form o JOIN subject s ON s.id = o.subject_id WHERE s.key = 'R-01-001'")[0][0]
    with program.world.write("cora", datetime.now(UTC)) as tx:
        comments.add(tx, program.world.subject("R-01-001"), form_id, Place(""), "1 2")
    return str(program.ask("SELECT max(seq) FROM audit_record WHERE entity = 'comment' AND chain = 'msc_ssc/01'")[0][0])


def a_proved_form(program: Program) -> str:
    """The key of a recipient with a lung function, to which a print-out is attached and from which a photograph was withdrawn."""
    subject = program.recipient()
    program.saved(subject, "SCR", "LUNG", {"FVC_L": "3.1"})
    stored = program.stored(subject, "SCR", "LUNG")
    assert stored
    form = program.world.published.study.form["LUNG"]
    with program.world.write("cora", datetime.now(UTC)) as tx:
        enclose.attach(tx, subject, form, stored, "LUNG_DATE", "Spirométrie 3 mars.pdf", b"%PDF-1.7 x", "Volumes and DLCO")
        gone = enclose.attach(tx, subject, form, stored, "LUNG_DATE", "IMG_0042.jpg", b"\xff\xd8\xffx", "")
        enclose.withdraw(tx, subject, stored, gone.id, "Of another visit.")
    return subject.key


def a_newcomer(program: Program) -> str:
    """The key of a recipient of whom little is recorded yet."""
    return program.recipient().key


def a_question(program: Program) -> str:
    """The number of an open query of a monitor, assigned and with a day, about a consent."""
    subject, key = program.world.subject("R-01-001"), FormKey("SCR", "RENROL")
    form_id = program.ask("SELECT min(o.id) FROM form o JOIN subject s ON s.id = o.subject_id WHERE s.key = 'R-01-001'")[0][0]
    with program.world.write("mona", datetime.now(UTC)) as tx:
        return str(queries.ask(tx, subject, queries.Asked(key, form_id, Place("BIRTH_MONTH"), "1 2", "cora", date(2020, 1, 1))))


def drawn_by_itself(person: Person) -> None:
    """The page brings its pictures when they are drawn, and then says no more that they are not; every table is opened."""
    person.page.locator(".waits").first.wait_for(state="detached", timeout=60_000)  # A new process that draws, on a machine that does more.
    assert person.page.locator('.drawing svg[role="img"]').count() >= 4
    assert not person.page.locator("#drawing:visible").count()
    for one in person.page.locator(".plate summary").all():
        one.click()


def cancelled_together(person: Person) -> None:
    person.page.locator('input[name="query"]').last.check()
    person.page.locator("#act").select_option("cancel")
    person.page.locator("#text").fill("1 2")
    person.press(person.page.locator("main form[method=post] button:visible").last)
    assert person.page.locator("#done-title").count() == 1


def closed(program: Program, sql: str, move: str) -> str:
    """The address of something, frozen or locked here where it is open."""
    address = str(program.ask(sql)[0][0])
    with program.world.write("dana", datetime.now(UTC)) as tx:
        published = definitions.current(tx, STUDY)
        assert published
        thing = lock.find(tx, published, address)
        assert thing
        if locks.state_of(tx, thing.address) is LockState.OPEN:
            (lock.lock if move == "lock" else lock.freeze)(tx, thing, "Q3 2026")
    return address


FORM_OF = (
    "SELECT 'form/' || f.id FROM form f JOIN subject s ON s.id = f.subject_id "
    "WHERE s.key = '{}' AND f.event_oid = 'SCR' AND f.form_oid = '{}'"
)


def a_locked_form(program: Program) -> str:
    return closed(program, FORM_OF.format("R-01-004", "VITALS"), "lock")


def in_locks(program: Program) -> str:
    """Nothing of an address: something is locked then."""
    a_locked_form(program)
    return ""


def a_frozen_visit(program: Program) -> str:
    """Nothing of an address: the screening of this recipient is frozen then."""
    closed(program, "SELECT 'visit/' || id || '/SCR/1' FROM subject WHERE key = 'R-01-003'", "freeze")
    return ""


def a_draft(program: Program) -> str:
    """Nothing of an address: Cora typed here and did not save."""
    subject, now = program.world.subject("R-01-001"), datetime.now(UTC)
    with program.world.write("cora", now) as tx:
        account = accounts.find(tx, "cora")
        assert account
        boxes = (("p", "WT"), ("i.WT", "71,5"), ("p", "PULSE"), ("i.PULSE", "188"))
        at = form_address(subject.key, "M24", "VITALS")
        drafts.keep(tx, Draft(account.id, subject.site.id, subject.id, at, "a page", 0, boxes, 1, now, now))
    return ""


def a_request(program: Program) -> str:
    """The number of a request to unlock that waits."""
    address = a_locked_form(program)
    with program.world.write("dana", datetime.now(UTC)) as tx:
        published = definitions.current(tx, STUDY)
        assert published
        waiting = [one for one in requests.all_of(tx, STUDY, [RequestState.WAITING]) if one.address == address]
        thing = lock.find(tx, published, address)
        assert thing
        return str(waiting[0].id if waiting else second.ask_unlock(tx, published, thing, "Q3 2026"))


def requested(program: Program) -> str:
    """Nothing of an address: a request waits then."""
    a_request(program)
    return ""


def sent_as_it_is(person: Person) -> None:
    """As a browser without script sends it: nothing is kept or asked for before."""
    with person.page.expect_navigation():
        person.page.evaluate("document.querySelector('#entry').submit()")


def session_lost(person: Person) -> None:
    person.context.clear_cookies()
    sent_as_it_is(person)
    assert person.page.locator("#password").count() == 1


def of_another_session(person: Person) -> None:
    """The page was drawn before the person signed in anew beside it."""
    person.page.evaluate("document.querySelector('#entry input[name=token]').value = 'of another session'")
    person.page.locator('[name="i.HT"]').evaluate("(box) => { box.value = '172'; }")
    sent_as_it_is(person)
    assert person.page.locator('textarea[name="i.HT"]').count() == 1


def a_session_elsewhere(program: Program) -> str:
    """Nothing of an address: Cora is signed in on another browser too."""
    with program.world.write("cora", datetime.now(UTC)) as tx:
        cora = accounts.find(tx, "cora")
        assert cora
        if not any(one.browser == "Firefox" for one in sessions.of_account(tx, cora.id, tx.at)):
            token = sign_in.hash_of(f"elsewhere {tx.at}")
            sessions.begin(tx, cora.id, token, "c" * 43)
            tx.work(update(session_table).where(session_table.c.token_hash == token).values(browser="Firefox"))
    return ""


def proof_asked(person: Person) -> None:
    """The last proof is old: ending the other session asks for another."""
    person.program.do(
        "UPDATE session SET proved_at = NULL WHERE account_id = (SELECT id FROM account WHERE username = :name)", name=person.name
    )
    person.press(person.page.locator("main form[method=post] button").first)
    assert person.page.locator("#proof").count() == 1


PAGES = (
    Known("account.sign_in_page", "", "/sign-in"),
    Known("account.sign_in_page", "", "/sign-in", then=wrong_password),
    Known("account.sign_in_page", "", "/sign-in", then=asked_for_a_passkey),
    Known("account.forgotten", "", "/forgotten"),
    Known("account.forgotten", "", "/forgotten", then=refused),
    Known("account.reset_page", "", "/reset/unknown"),
    Known("account.reset_page", "", "/reset/unknown", then=refused),
    Known("account.invitation_page", "", "/invitation/unknown"),
    Known("account.invitation_page", "", "/invitation/unknown", then=refused),
    Known("account.studies", "cora", "/studies"),
    Known("account.mine", "cora", "/account"),
    Known("account.mine", "sam", "/account", then=refused),
    Known("account.keys", "cora", "/account/keys"),
    Known("own_sessions.listed", "cora", "/account/sessions", made=a_session_elsewhere),
    Known("own_sessions.listed", "cora", "/account/sessions", made=a_session_elsewhere, then=proof_asked),
    Known("account.factors", "sam", "/account/factors"),
    Known("account.factors", "sam", "/account/factors", then=refused),
    Known("account.codes", "sam", "/account/codes{}", made=a_key_that_waits),
    Known("today.day", "cora", f"{LIST}/today"),
    Known("today.day", "mona", f"{LIST}/today?show=overdue&site=01"),
    Known("today.day", "sam", f"{LIST}/today"),
    Known("follow_up.missed", "cora", subject_address("R-01-001") + "/visits/M24/missed"),
    Known("follow_up.missed", "cora", subject_address("R-01-001") + "/visits/M24/missed", then=refused),
    Known("follow_up.deviation", "cora", subject_address("R-01-001") + "/visits/M24/deviation"),
    Known("follow_up.deviation", "cora", subject_address("R-01-001") + "/visits/M24/deviation", then=refused),
    Known("subjects.matrix", "cora", f"{LIST}/subjects"),
    Known("subjects.matrix", "mona", f"{LIST}/subjects?kind=donor&site=02"),
    Known("subjects.matrix", "cora", f"{LIST}/subjects?q=nobody"),
    Known("subjects.one", "cora", subject_address("R-01-001")),
    Known("subjects.one", "mona", subject_address("R-02-001")),
    Known("eligibility.criteria", "ivan", subject_address("R-01-001") + "/eligibility"),
    Known("eligibility.criteria", "ivan", subject_address("R-01-001") + "/eligibility", then=refused),
    Known("eligibility.criteria", "dora", subject_address("D-01-001") + "/eligibility"),
    Known("eligibility.criteria", "mona", subject_address("R-02-001") + "/eligibility"),
    Known("signing.queue", "ivan", LIST + "/signing"),
    Known("signing.queue", "mona", LIST + "/signing"),
    Known("signing.queue", "ivan", LIST + "/signing?show=R-01-001"),
    Known("signing.casebook", "ivan", f"{LIST}/subjects/{{}}/sign", made=a_newcomer),
    Known("signing.visit", "ivan", subject_address("R-01-001") + "/SCR/1/sign", then=refused),
    Known("signing.form", "ivan", form_address("R-01-001", "SCR", "LABS") + "/sign", then=signed_for),
    Known("certificates.shown", "mona", subject_address("R-01-001") + "/signatures"),
    Known("review.shown", "dana", LIST + "/audit-review"),
    Known("review.shown", "dana", LIST + "/audit-review", then=looked_at),
    Known("bedside.shown", "cora", subject_address("R-01-001") + "/bedside"),
    Known("bedside.shown", "ivan", subject_address("R-01-001") + "/bedside", then=refused),
    Known("vitals.shown", "cora", subject_address("R-01-001") + "/infusion-vitals"),
    Known("vitals.shown", "mona", subject_address("R-02-001") + "/infusion-vitals"),
    Known("calendar.shown", "cora", f"{LIST}/calendar"),
    Known("calendar.shown", "mona", f"{LIST}/calendar?site=02&state=overdue"),
    Known("calendar.shown", "cora", f"{LIST}/calendar?view=agenda"),
    Known("calendar.shown", "mona", f"{LIST}/calendar?view=agenda&month=2031-01"),
    Known("card.shown", "cora", subject_address("R-01-001") + "/card"),
    Known("card.shown", "mona", subject_address("R-02-001") + "/card?language=fr"),
    Known("feed.mine", "cora", "/me/calendars"),
    Known("feed.mine", "ivan", "/me/calendars", then=made_an_address),
    Known("specification.assumptions", "sam", f"{LIST}/assumptions"),
    Known("specification.effect", "cora", f"{LIST}/versions/1/effect", 404),
    Known("locks.listed", "dana", f"{LIST}/locks{{}}", made=in_locks),
    Known("locks.listed", "cora", f"{LIST}/locks"),
    Known("locks.one", "dana", f"{LIST}/locks/on/{{}}", made=a_locked_form),
    Known("locks.one", "dana", f"{LIST}/locks/on/subject/1", then=refused),
    Known("locks.checklist", "dana", f"{LIST}/locks/checklist"),
    Known("locks.site_checklist", "dana", f"{LIST}/locks/checklist/01", then=refused),
    Known("requests.listed", "ivan", f"{LIST}/requests{{}}", made=requested),
    Known("requests.one", "ivan", f"{LIST}/requests/{{}}", made=a_request, then=refused),
    Known("entry.form", "cora", form_address("R-01-003", "SCR", "VITALS") + "{}", made=a_frozen_visit),
    Known("amendments.listed", "cora", f"{LIST}/versions"),
    Known("amendments.one", "dana", f"{LIST}/versions/1"),
    Known("amendments.rehearsal", "dana", f"{LIST}/versions/1/rehearsal"),
    Known("enrolment.where", "nora", f"{LIST}/enrol/recipient"),
    Known("enrolment.form", "cora", f"{LIST}/enrol/recipient/01"),
    Known("enrolment.form", "cora", f"{LIST}/enrol/donor/01"),
    Known("enrolment.form", "cora", f"{LIST}/enrol/recipient/01", then=enrolled_with_errors),
    *(Known("entry.form", "cora", form_address("R-01-001", "M6", form)) for form in ("FVISIT", "VITALS", "SKIN", "LUNG", "HAQ")),
    *(Known("entry.form", "cora", form_address("R-01-001", "SCR", form)) for form in ("ACREULAR", "KIDNEY", "BLOODGAS", "HEART")),
    Known("entry.form", "dora", form_address("D-01-001", "DSCR", "DSEROLOGY")),
    Known("entry.form", "ivan", form_address("R-01-001", "SCR", "INCLUSION")),
    Known("entry.form", "cora", form_address("R-01-001", "D0", "INFUSION") + "?field=INF_START"),
    Known("entry.form", "cora", form_address("R-01-001", "AE", "ADVERSE")),
    Known("entry.form", "cora", form_address("R-01-001", "AE", "ADVERSE", 3)),
    Known("entry.form", "cora", form_address("R-01-001", "CM", "CONMEDS")),
    Known("entry.form", "cora", form_address("R-01-001", "LINK", "DONORLINK")),
    Known("entry.form", "cora", form_address("R-01-006", "END", "ENDSTUDY")),
    Known("entry.form", "cora", form_address("D-01-001", "H0", "HARVEST")),
    Known("entry.form", "cora", form_address("D-01-001", "F7", "DONORFUP")),
    Known("entry.form", "cora", form_address("R-01-001", "M12", "VITALS"), then=saved_with_errors),
    Known("entry.form", "cora", form_address("R-01-001", "SCR", "VITALS"), then=asked_for_a_reason),
    Known("entry.form", "ivan", form_address("R-01-002", "SCR", "VITALS"), then=session_lost),
    Known("entry.form", "cora", form_address("R-01-001", "M24", "VITALS") + "{}", made=a_draft),
    Known("entry.form", "ivan", form_address("R-01-002", "SCR", "VITALS"), then=of_another_session),
    Known("entry.form", "mona", form_address("R-02-001", "SCR", "SKIN")),
    Known("entry.form", "mona", form_address("R-01-001", "M6", "VITALS")),
    Known("history.form", "cora", form_address("R-01-001", "M6", "VITALS") + "/history"),
    Known("history.form", "mona", form_address("R-01-001", "CM", "CONMEDS") + "/history"),
    Known("queries.listed", "cora", f"{LIST}/queries"),
    Known("queries.listed", "mona", f"{LIST}/queries?state=all"),
    Known("queries.one", "cora", f"{LIST}/queries/{{}}", found=QUERY_IN.format("open")),
    Known("queries.one", "cora", f"{LIST}/queries/{{}}", found=QUERY_IN.format("open"), then=refused),
    Known("queries.one", "mona", f"{LIST}/queries/{{}}", found=QUERY_IN.format("answered")),
    Known("queries.one", "mona", f"{LIST}/queries/{{}}", found=QUERY_IN.format("closed")),
    Known("queries.one", "cora", f"{LIST}/queries/{{}}", made=a_question),
    Known("queries.one", "mona", f"{LIST}/queries/{{}}", made=a_question, then=refused),
    Known("queries.listed", "mona", f"{LIST}/queries?by=people&late=1"),
    Known("queries.listed", "mona", f"{LIST}/queries", then=refused),
    Known("queries.listed", "mona", f"{LIST}/queries", then=cancelled_together, made=a_question),
    Known("queries.ageing", "mona", f"{LIST}/queries/ageing"),
    Known("threads.form", "cora", form_address("R-01-001", "SCR", "RENROL") + "/thread"),
    Known("threads.form", "mona", form_address("R-01-001", "SCR", "RENROL") + "/thread?at=BIRTH_MONTH", then=refused),
    Known("threads.visit", "cora", subject_address("R-01-001") + "/M24/1/thread"),
    Known("timeline.one", "cora", subject_address("R-01-001") + "/timeline"),
    Known("timeline.one", "dora", subject_address("D-01-001") + "/timeline"),
    Known("timeline.one", "mona", subject_address("R-02-001") + "/timeline"),
    Known("coverage.shown", "mona", f"{LIST}/verification"),
    Known("coverage.shown", "cora", f"{LIST}/verification?site=01"),
    Known("verification.subject", "mona", subject_address("R-01-001") + "/verification"),
    Known("verification.visit", "mona", subject_address("R-01-001") + "/SCR/1/verification", made=a_monitored_site),
    Known("verification.visit", "mona", subject_address("R-01-001") + "/D1/1/verification?show=all", then=all_verified),
    Known("verification.visit", "ivan", subject_address("R-01-001") + "/D1/1/verification?show=all"),
    Known("monitoring.listed", "mona", f"{LIST}/monitoring"),
    Known("monitoring.listed", "mona", f"{LIST}/monitoring", then=refused),
    Known("monitoring.one", "mona", f"{LIST}/monitoring/01/{{}}", made=a_monitoring_visit),
    Known("monitoring.one", "sam", f"{LIST}/monitoring/01/{{}}", made=a_monitoring_visit),
    Known("quality.shown", "cora", f"{LIST}/quality"),
    Known("quality.shown", "dana", f"{LIST}/quality"),
    Known("find.shown", "cora", "/find?q=01-003+12"),
    Known("glossary.shown", "lara", "/glossary"),
    Known("first_day.shown", "ivan", "/first-day"),
    Known("guides.listed", "ivan", "/guides"),
    Known("guides.shown", "cora", "/guides/coordinator"),
    Known("dashboard.shown", "cora", f"{LIST}/dashboard", then=drawn_by_itself),
    Known("dictionaries.shown", "cora", f"{LIST}/dictionaries/ctcae/search?q=reaction"),
    Known("laboratory.listed", "dana", f"{LIST}/laboratories?copy={{}}", made=limits_of_a_laboratory),
    Known("laboratory.listed", "dana", f"{LIST}/laboratories", then=refused),
    Known("laboratory.listed", "cora", f"{LIST}/laboratories?show=all"),
    Known("laboratory.one", "dana", f"{LIST}/laboratories/{{}}", made=limits_of_a_laboratory),
    Known("laboratory.one", "cora", f"{LIST}/laboratories/{{}}", made=limits_of_a_laboratory),
    Known("results.where", "nora", f"{LIST}/results"),
    Known("results.file", "cora", f"{LIST}/results/01"),
    Known("results.file", "cora", f"{LIST}/results/01", then=looked_at_a_file),
    Known("entry.form", "cora", form_address("R-01-001", "SCR", "LABS")),
    Known("enclosures.listed", "cora", f"{LIST}/subjects/{{}}/SCR/1/LUNG/1/documents?at=LUNG_DATE", made=a_proved_form),
    Known("entry.form", "cora", f"{LIST}/subjects/{{}}/SCR/1/LUNG/1", made=a_proved_form),
    Known("casebook_files.listed", "ivan", f"{LIST}/casebooks"),
    Known("reports.listed", "sam", f"{LIST}/reports"),
    Known("cases.listed", "sam", f"{LIST}/cases"),
    Known("cases.listed", "olga", f"{LIST}/cases?state=all&site=02"),
    Known("cases.one", "sam", f"{LIST}/cases/1?draft=1"),
    Known("cases.one", "olga", f"{LIST}/cases/1"),
    Known("case_documents.shown", "sam", f"{LIST}/cases/1/reports"),
    Known("stopping.shown", "sam", f"{LIST}/stopping"),
    Known("stopping.shown", "cora", f"{LIST}/stopping"),
    Known("batches.listed", "lara", f"{LIST}/cells"),
    Known("batches.listed", "sam", f"{LIST}/cells?site=02"),
    Known("batches.one", "lara", f"{LIST}/cells/{{}}", made=a_batch),
    Known("batches.one", "sam", f"{LIST}/cells/{{}}", made=a_batch),
    Known("release.shown", "quin", f"{LIST}/cells/{{}}/release", made=a_batch),
    Known("release.shown", "quin", f"{LIST}/cells/{{}}/release", made=a_batch, then=refused),
    Known("tracing.shown", "quin", f"{LIST}/trace?key={{}}", made=a_batch),
    Known("tracing.shown", "ivan", f"{LIST}/trace?key=NOTHING"),
    Known("look_back.shown", "quin", f"{LIST}/subjects/{{}}/look-back", made=a_donor_of_cells),
    Known("look_back.shown", "quin", f"{LIST}/subjects/{{}}/look-back", made=a_donor_of_cells, then=refused),
    Known("inventory.shown", "lara", f"{LIST}/inventory{{}}", made=some_stock),
    Known("enrolment.form", "lara", f"{LIST}/enrol/batch/01"),
    Known("entry.form", "lara", f"{LIST}/subjects/{{}}/MAKING/1/BAGS/1", made=a_batch),
    Known("export.page", "dana", f"{LIST}/data"),
    Known("trail.shown", "dana", f"{LIST}/trail?since=1"),
    Known("trail.shown", "mona", f"{LIST}/trail?kind=redactions"),
    Known("trail.of_site", "cora", f"{LIST}/sites/01/trail?kind=values&op=set"),
    Known("trail.of_subject", "ivan", subject_address("R-01-001") + "/trail"),
    Known("trail.of_person", "dana", f"{LIST}/people/cora/trail"),
    Known("access_log.shown", "dana", f"{LIST}/access-log"),
    Known("access_log.shown", "dana", f"{LIST}/access-log?person=nobody"),
    Known("redaction.ask_value", "cora", form_address("R-01-001", "SCR", "VITALS") + "/erase?at=WT"),
    Known("redaction.ask_value", "cora", form_address("R-01-001", "SCR", "VITALS") + "/erase?at=WT", then=refused),
    Known("redaction.ask_record", "cora", subject_address("R-01-001") + "/trail/{}/erase", made=a_remark),
    Known("delegation.shown", "ivan", f"{LIST}/delegation?line={{}}", made=a_delegation),
    Known("delegation.shown", "mona", f"{LIST}/delegation?show=now"),
    Known("delegation.add_page", "ivan", f"{LIST}/sites/01/delegation"),
    Known("delegation.add_page", "ivan", f"{LIST}/sites/01/delegation", then=refused),
    Known("delegation.end_page", "ivan", f"{LIST}/sites/01/delegation/{{}}/end", made=a_delegation),
    Known("names.listed", "dora", f"{LIST}/names"),
    Known("names.shown", "cora", f"{LIST}/sites/01/names"),
    Known("access.shown", "adam", f"{LIST}/access"),
    Known("access.shown", "dana", f"{LIST}/access?site=01&day=31&month=2&year=2026", status=422),
    Known("access.reviews", "dana", f"{LIST}/access/reviews"),
    Known("access.review_page", "adam", f"{LIST}/access/review"),
    Known("access.review_page", "adam", f"{LIST}/access/review", then=refused),
    Known("admin.people", "adam", "/people"),
    Known("admin.people", "adam", "/people?state=invited"),
    Known("admin.new", "adam", "/people/new"),
    Known("admin.new", "adam", "/people/new", then=refused),
    Known("admin.person", "adam", "/people/{}", found=PERSON_OF_DEMO.format("cora")),
    Known("admin.person", "adam", "/people/{}", found=PERSON_OF_DEMO.format("adam")),
    Known("admin.person", "adam", "/people/{}", found=PERSON_OF_DEMO.format("cora"), then=refused),
    Known("admin.sites_page", "adam", "/sites"),
    Known("admin.sites_page", "adam", "/sites", then=refused),
    Known("jobs.listed", "adam", "/admin/jobs"),
    Known("backups.listed", "adam", "/admin/backups"),
    Known("mails.listed", "adam", "/admin/mails{}", made=mails_to_judge),
    Known("mails.listed", "adam", "/admin/mails?state=cancelled"),
    Known("reminders.stop_page", "", "{}", made=stop_link),
    Known("reminders.stop_page", "", "{}", made=stop_link, then=refused),
    Known("reminders.stop_page", "", "/reminders/stop/forged", 404),
    Known("error", "olga", subject_address("R-01-001"), 404),
    Known("error", "sam", subject_address("R-01-001"), 403),
)

NO_PAGES = {
    "static": "files",
    "casebook_files.download": "a file",
    "casebook_files.signature": "a file",
    "casebook_files.part": "a file",
    "casebook_files.whole": "a file",
    "hospital.mine": "there is none where no provider is set, as here: tests/web/test_hospital.py",
    "hospital.back": "leads on from the hospital's provider",
    "health.healthz": "JSON for a watcher",
    "metrics.shown": "text for a program that measures",
    "dictionaries.found": "JSON for the search while one types",
    "account.home": "leads to the start of each role",
    "entry.by_number": "leads from a mail to a form",
    "feed.ics": "a file for calendar programs",
    "reports.download": "a PDF",
    "reports.annex": "a PDF",
    "cases.document": "the file that was attached",
    "enclosures.file": "the file that was attached",
    "case_documents.icsr": "an XML file, or the page of the documents with what is missing",
    "subjects.matrix_csv": "a file for spreadsheets",
    "inventory.file": "a file for spreadsheets",
    "coverage.file": "a file for spreadsheets",
    "monitoring.letter": "a PDF",
    "queries.ageing_csv": "a file for spreadsheets",
    "access.file": "a file for spreadsheets",
    "access.studies": "leads to the one study whose access is read",
}
"""GET routes that draw no page, and why."""
