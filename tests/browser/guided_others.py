"""The steps of the guides of those who check, make, lead and administer. One function a chapter, one yield a step."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from tests.browser.guided_everybody import OF_EVERYBODY
from tests.browser.guided_site import OF_SITE, Chapters, serious
from tests.browser.guiding import LIST, Steps, Tour
from tests.browser.pages import a_batch, a_monitoring_visit
from tests.browser.person import PASSWORD, Person
from tests.browser.program import form_address, subject_address
from trialcrf.cli.reports import verify_report


def doubted(tour: Tour) -> tuple[str, int]:
    """A recipient with a doubted pulse, and the number of the query."""
    subject = tour.program.recipient()
    stored = tour.program.saved(subject, "SCR", "VITALS", {"PULSE": 151})
    return subject.key, int(str(tour.program.ask("SELECT id FROM query WHERE form_id = :form", form=stored.id)[0][0]))


# The monitor.


def verify(tour: Tour) -> Steps:
    subject = tour.program.recipient()
    held = tour.program.saved(subject, "SCR", "VITALS", {"WT": "70", "HT": "175"})
    a_monitoring_visit(tour.program)
    mona = tour.as_("mona")
    tour.open(f"{LIST}/queries")
    tour.go("Verification")
    tour.open(subject_address(subject.key) + "/verification")
    mona.press(mona.page.locator(f'main a[href*="{subject.key}/SCR/1/verification"]').first)
    yield
    tour.open(subject_address(subject.key) + "/SCR/1/verification?show=all")
    mona.page.locator(f'[name="x.{held.id}:WT"]').check()
    mona.page.locator(f'[name="q.{held.id}:WT"]').fill("Dossier : 71 kg")
    tour.picture("monitor-verify", '//div[contains(@class, "verify-bar")]')
    yield
    plural = "Verify %(num)s values, but for the exceptions"
    tour.go("Verify %(num)s value, but for the exceptions", "main", plural=plural)
    assert tour.program.ask("SELECT count(*) FROM query WHERE form_id = :id", id=held.id) == [(1,)]
    yield


def answers(tour: Tour) -> Steps:
    key, number = doubted(tour)
    cora = tour.as_("cora")
    tour.open(f"{LIST}/queries/{number}")
    cora.page.locator("#code").select_option("CHECKED")
    tour.go("The value is right", "main")
    mona = tour.as_("mona")
    tour.open(f"{LIST}/subjects")
    tour.go("Queries")
    tour.go("Answered", "main")
    tour.open(f"{LIST}/queries?state=answered&subject={key}")
    mona.press(mona.page.locator(f'a.go[href$="/queries/{number}"]'))
    yield
    tour.look()
    tour.picture("monitor-review", '//section[@aria-labelledby="review-title"]')
    tour.go("Accept the answer", "main")
    assert tour.program.ask("SELECT state FROM query WHERE id = :id", id=number) == [("closed",)]
    yield


def ask(tour: Tour) -> Steps:
    subject = tour.program.recipient()
    held = tour.program.saved(subject, "SCR", "VITALS", {"WT": "70"})
    mona = tour.as_("mona")
    tour.open(form_address(subject.key, "SCR", "VITALS"))
    mona.press(mona.page.locator("#i-WT-item a.mark"))
    yield
    tour.unfold("Ask a query")
    mona.page.locator("#ask-text, details[open] textarea[name=text]").first.fill("Poids avant ou après la dialyse ?")
    tour.go("Ask", "main details[open]")
    assert tour.program.ask("SELECT count(*) FROM query WHERE form_id = :id", id=held.id) == [(1,)], mona.reads()
    yield


def visits(tour: Tour) -> Steps:
    number = a_monitoring_visit(tour.program)
    mona = tour.as_("mona")
    tour.open(f"{LIST}/subjects")
    tour.go("Monitoring visits")
    mona.page.locator("#where").select_option("02")
    tour.on(-10)
    tour.fill(text="Consentements")
    tour.go("Plan the visit", "main")
    assert "/monitoring/02/" in mona.path(), mona.reads()
    yield
    tour.open(f"{LIST}/monitoring/01/{number}")
    yield
    tour.picture(
        "monitor-acts", '//section[@aria-labelledby="letters-title"]/..', but='//section[@aria-labelledby="letters-title"]//ul', most=460
    )
    yield


# The data manager.


def queries(tour: Tour) -> Steps:
    _, number = doubted(tour)
    dana = tour.as_("dana")
    tour.open(f"{LIST}/subjects")
    tour.go("Queries")
    yield
    dana.page.locator(f'input[name="query"][value="{number}"]').check()
    tour.picture("manager-bulk", '//section[@aria-labelledby="bulk-title"]')
    dana.page.locator("#act").select_option("accept")
    tour.go("Do it with the ticked queries", "main")
    assert tour.program.ask("SELECT state FROM query WHERE id = :id", id=number) == [("closed",)]
    yield
    tour.open(f"{LIST}/queries")
    tour.go("Ageing", "main")
    yield


def lock(tour: Tour) -> Steps:
    """As far as the lock itself: the trial goes on."""
    subject = tour.program.recipient()
    held = tour.program.saved(subject, "SCR", "VITALS", {"WT": "70"})
    dana = tour.as_("dana")
    tour.open(f"{LIST}/subjects")
    tour.go("Locks")
    tour.go("Checklist of the lock", "main")
    yield
    tour.picture("manager-checklist", '//table[contains(@class, "checklist")]', most=430)
    yield
    tour.open(form_address(subject.key, "SCR", "VITALS"))
    tour.go("Freeze or lock", "main")
    tour.fill(reason="1 2")
    dana.press(dana.page.locator("#act button.main"))
    assert tour.program.ask("SELECT count(*) FROM form WHERE id = :id", id=held.id) == [(1,)] and "done=frozen" in dana.path(), dana.path()
    yield


def versions(tour: Tour) -> Steps:
    dana = tour.as_("dana")
    tour.open(f"{LIST}/subjects")
    tour.go("Versions")
    yield
    dana.press(dana.page.locator(f'main a[href*="{LIST}/versions/"]').first)
    yield


def export(tour: Tour) -> Steps:
    dana = tour.as_("dana")
    tour.open(f"{LIST}/subjects")
    tour.go("Data")
    yield
    with dana.page.expect_download():
        tour.named("Download the data (ZIP)", "main").click()
    yield


def review(tour: Tour) -> Steps:
    dana = tour.as_("dana")
    tour.open(f"{LIST}/subjects")
    tour.go("Review of the audit trail")
    tour.go("Look at the trail", "main")
    yield
    tour.fill(conclusion="1 2", password=PASSWORD)
    tour.go("Sign", "main")
    assert "done=reviewed" in dana.path(), dana.reads()
    yield


# The sponsor.


def clocks(tour: Tour) -> Steps:
    subject = serious(tour)
    sam = tour.as_("sam")
    tour.open(f"{LIST}/reports")
    tour.go("Serious events")
    sam.press(sam.page.locator("tbody tr").filter(has_text=subject.key).get_by_role("link").first)
    yield
    tour.unfold("Assess")
    tour.picture("sponsor-assess", '//details[@id="assess"]')
    sam.page.locator('#assess [name="assess-AERELPRD"]').select_option("RELATED")
    sam.page.locator('#assess [name="assess-expected"]').select_option("N")
    sam.page.locator("#assess textarea").fill("1 2")
    tour.go("Record the assessment", "#assess")
    yield
    tour.unfold("Freeze a version")
    sam.page.locator("#version textarea").fill("1 2")
    tour.go("Freeze", "#version form")
    yield
    tour.look()
    tour.go("CIOMS, letter, E2B", "main")
    yield


def reports(tour: Tour) -> Steps:
    """As far as the order itself: a report is seconds of a processor."""
    sam = tour.as_("sam")
    tour.open(f"{LIST}/cases")
    tour.go("Reports")
    tour.picture("sponsor-order", '//section[@aria-labelledby="order-title"]')
    tour.on()
    tour.fill(why="Réunion du comité")
    assert tour.named("Order the report", "main").is_enabled()
    yield
    assert sam.page.locator('tbody a[href*="/reports/"]').count() >= 1
    yield


def prove(tour: Tour) -> Steps:
    sam = tour.as_("sam")
    tour.open(f"{LIST}/reports")
    sam.page.locator("tbody details.hash summary").first.click()
    yield
    assert "--again" in [name for one in verify_report.params for name in one.opts], "the command that draws it anew"
    yield


def stopping(tour: Tour) -> Steps:
    tour.as_("sam")
    tour.open(f"{LIST}/reports")
    tour.go("Stopping rule")
    yield
    yield


# Those who make cells.


def batch(tour: Tour) -> Steps:
    lara, donor = tour.as_("lara"), _harvested(tour)
    tour.open(f"{LIST}/inventory")
    tour.go("Batches of cells")
    tour.go("Record a new batch", "main")
    yield
    lara.type("BAT_LOT", f"LOT {donor}")
    lara.date("BAT_CULTURE_START", tour.program.today)
    lara.pick("ANCESTRY.new1.BAT_DONATION", f"{donor}/H0/1/HARVEST/1")
    tour.look()
    tour.saved()
    assert "/B-01-" in lara.path(), lara.reads()
    yield


def _harvested(tour: Tour) -> str:
    """The key of a donor whose marrow was taken."""
    donor = tour.program.donor()
    tour.program.saved(donor, "H0", "HARVEST", {"HAR_SITE": "POSTERIOR", "HAR_DONATION": f"FR{donor.key}", "HAR_VOLUME": "120"})
    return donor.key


def bags(tour: Tour) -> Steps:
    lara, key = tour.as_("lara"), a_batch(tour.program)
    tour.open(f"{LIST}/cells/{key}")
    tour.picture("lab-bags", '//section[h2[@id="bags-title"]]', most=380)
    yield
    form = lara.page.locator('form[action*="/labels/"]').first
    sent = {"token": form.locator('[name="token"]').input_value()}
    assert tour.answer(str(form.get_attribute("action")), sent).startswith(b"%PDF")
    yield
    tour.open(f"{LIST}/cells")
    tour.go("Stock of bags", "main")
    yield


def release(tour: Tour) -> Steps:
    quin, key = tour.as_("quin"), a_batch(tour.program)
    tour.open(f"{LIST}/inventory")
    tour.go("Batches of cells")
    tour.open(f"{LIST}/cells/{key}")
    tour.go("Judge and sign the release", "main")
    yield
    tour.picture("release-sign", '//section[@aria-labelledby="sign-title"]', most=860)
    yield
    quin.page.locator("#decision").select_option("REJECTED")
    quin.page.locator("#specification").select_option("BMMSC_2010_024041_78")
    tour.fill(why="1 2")
    assert tour.named("Sign", "main form").is_enabled()
    yield


def trace(tour: Tour) -> Steps:
    key = a_batch(tour.program)
    tour.as_("quin")
    tour.open(f"{LIST}/cells")
    tour.go("Trace of cells", "main")
    tour.fill(key=key)
    tour.go("Trace", "main")
    yield
    yield


# The inspector.


def read(tour: Tour) -> Steps:
    iris = tour.as_("iris")
    tour.open(f"{LIST}/reports")
    tour.go("Subjects")
    iris.press(iris.page.locator("table.matrix tbody th a").first)
    yield
    tour.look()
    tour.go("The audit trail")
    tour.picture("inspector-trail", '//main//form[contains(@class, "filters")]')
    tour.go("Show", "main")
    yield


def take(tour: Tour) -> Steps:
    iris = tour.as_("iris")
    tour.open(f"{LIST}/subjects")
    tour.go("Casebooks")
    iris.page.locator("#subject").fill("R-01-001")
    assert tour.named("Order the casebook", "main").is_enabled()
    yield
    tour.go("Access")
    yield


# The administrator.


def invite(tour: Tour) -> Steps:
    adam = tour.as_("adam")
    tour.open("/sites")
    tour.go("People")
    tour.go("Invite a person", "main")
    yield
    name = f"nina{tour.program.ask('SELECT count(*) FROM account')[0][0]}"
    tour.fill(username=name, name="Nina Nouvelle", email=f"{name}@example.org", organisation="Centre 01 (démo)")
    tour.picture("admin-invite", '//main//form[.//*[@id="username"]]')
    tour.go("Create the account and invite", "main")
    assert "/people/" in adam.path(), adam.reads()
    yield


def newcomer(tour: Tour) -> tuple[Person, int]:
    """The administrator, and the account that was invited the chapter before."""
    held = tour.program.ask("SELECT max(id) FROM account WHERE username LIKE 'nina%'")
    return tour.as_("adam"), int(str(held[0][0]))


def roles(tour: Tour) -> Steps:
    adam, number = newcomer(tour)
    tour.open(f"/people/{number}")
    adam.page.locator("#role").select_option("coordinator")
    adam.page.locator("#study").select_option("msc_ssc")
    adam.page.locator("#site").select_option("02")
    tour.go("Give the role", "main")
    tour.picture("admin-role", '//section[@aria-labelledby="roles-title"]', most=460)
    yield
    tour.unfold("Record the training")
    day = tour.program.today - timedelta(days=1)
    for part, text in (("day", day.day), ("month", day.month), ("year", day.year)):
        adam.page.locator(f'main details[open] [name$="{part}"]').fill(str(text))
    tour.go("Record the day", "main details[open]")
    assert tour.program.ask("SELECT count(*) FROM role_grant WHERE account_id = :id AND trained_on IS NOT NULL", id=number) == [(1,)]
    tour.go("Access")
    yield


def lost(tour: Tour) -> Steps:
    adam, number = newcomer(tour)
    tour.open(f"/people/{number}")
    tour.go("Send the link", "main")
    yield
    tour.open(f"/people/{number}")
    yield
    adam.page.locator("#state form textarea, #state form input[type=text]").last.fill("Départ")
    tour.go("Deactivate the account", "#state")
    assert tour.program.ask("SELECT active FROM account WHERE id = :id", id=number) in ([(0,)], [(False,)])
    yield


def backups(tour: Tour) -> Steps:
    tour.as_("adam")
    tour.open("/people")
    tour.go("Backups")
    yield
    tour.go("Jobs")
    tour.picture("admin-jobs", "//main//table[1]", most=256)
    yield
    tour.go("Mails")
    yield


GUIDED: Mapping[str, Chapters] = {
    **OF_SITE,
    "everybody": OF_EVERYBODY,
    "monitor": {"verify": verify, "answers": answers, "ask": ask, "visits": visits},
    "data_manager": {"queries": queries, "lock": lock, "versions": versions, "export": export, "review": review},
    "sponsor": {"clocks": clocks, "reports": reports, "prove": prove, "stopping": stopping},
    "cell_lab": {"batch": batch, "bags": bags},
    "qualified_person": {"release": release, "trace": trace},
    "inspector": {"read": read, "take": take},
    "administrator": {"invite": invite, "roles": roles, "lost": lost, "backups": backups},
}
"""How each chapter of each guide is followed; `everybody` is the end of all of them."""
