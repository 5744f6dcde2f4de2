"""The steps of the guides of a site: its nurse and its physicians. One function a chapter, one yield a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from tests.browser.guiding import LIST, Steps, Tour
from tests.browser.pages import a_donor_of_cells
from tests.browser.person import PASSWORD
from tests.browser.program import form_address, subject_address
from trialcrf.actions.oversight import second
from trialcrf.store.subjects import Subject

Chapters = Mapping[str, Callable[[Tour], Steps]]

FIRST_CARD = '//main//section[contains(@class, "card")][1]'


def serious(tour: Tour) -> Subject:
    """A recipient with a serious event, of which a case is open."""
    subject, day = tour.program.recipient(consented=60, infused=20), tour.program.today - timedelta(days=2)
    told = dict.fromkeys(("AE_DEATH", "AE_LIFE", "AE_DISABILITY", "AE_CONGENITAL", "AE_MEDICAL"), "N")
    told |= {"AE_WORDS": "Pneumopathie", "AE_CLASS": "Infections and infestations", "AE_GRADE": "3", "AE_OUTCOME": "RECOVERING/RESOLVING"}
    told |= {"AE_SERIOUS": "Y", "AE_HOSPITAL": "Y", "AE_BIOVIG": "N"}
    tour.program.saved(subject, "AE", "ADVERSE", {**told, "AE_ONSET": day})
    return subject


# The nurse.


def day(tour: Tour) -> Steps:
    cora = tour.as_("cora")
    tour.open(f"{LIST}/subjects")
    tour.go("My day")
    tour.picture("nurse-day", '//section[contains(@class, "today")][1]', but="//section/p", most=400)
    yield
    tour.go("Record", "main .today")
    assert cora.page.locator("form#entry").count() == 1
    yield


def enrol(tour: Tour) -> Steps:
    cora = tour.as_("cora")
    tour.open(f"{LIST}/today")
    tour.go("Subjects")
    tour.go("Enrol: %(kind)s", "main")
    yield
    cora.date("ICF_DATE", tour.program.today - timedelta(days=3))
    cora.type("ICF_VERSION", "2.0")
    cora.choose("ICF_LANG", "fr")
    cora.choose("ICF_SIGNED", "Y")
    cora.type("BIRTH_MONTH", "5", "m")
    cora.type("BIRTH_MONTH", "1979", "y")
    cora.choose("SEX_BIRTH", "F")
    tour.picture("nurse-enrol", '//form[@id="entry"]/section[contains(@class, "group")][1]', most=460)
    yield
    tour.go("Enrol", "main .bar")
    assert "/subjects/R-01-" in cora.path()
    yield


def visit(tour: Tour) -> Steps:
    cora, subject = tour.as_("cora"), tour.program.recipient(consented=200, infused=185)
    tour.program.saved(subject, "SCR", "VITALS", {"WT": "72", "HT": "171"})
    tour.open(subject_address(subject.key))
    cora.press(cora.page.locator(f'a[href="{form_address(subject.key, "M6", "VITALS")}"]').first)
    tour.look()
    yield
    cora.type("WT", "72,5")
    tour.key("Tab", at="WT")
    yield
    tour.key("Alt+j", leads_to="HT")
    cora.type("HT", "171")
    tour.picture("nurse-visit", '//form[@id="entry"]/section[contains(@class, "group")][1]', most=460)
    yield
    tour.key("Control+s", instead="[data-save]")
    assert tour.program.value(subject, "M6", "VITALS", "WT") == "72.5"
    yield


def doubt(tour: Tour) -> Steps:
    cora, subject = tour.as_("cora"), tour.program.recipient()
    address = form_address(subject.key, "SCR", "VITALS")
    tour.open(address)
    cora.type("TEMPERATURE", "many")
    cora.save()
    tour.look()
    cora.type("TEMPERATURE", "36,6")
    cora.type("PULSE", "151")
    tour.saved()
    tour.picture("nurse-doubt", '//div[@id="i-PULSE-item"]')
    yield
    assert cora.value("PULSE") == "151", "nothing is held back"
    cora.item("PULSE").locator('select[name^="ok."]').select_option(index=1)
    tour.saved()
    assert cora.item("PULSE").locator('select[name^="ok."]').count() == 0
    yield


def missing(tour: Tour) -> Steps:
    cora, subject = tour.as_("cora"), tour.program.recipient()
    tour.open(form_address(subject.key, "SCR", "VITALS"))
    tour.key("Alt+m", at="SATURATION", leads_to="SATURATION.missing")
    yield
    cora.missing("SATURATION", "ND", "Capteur en panne")
    tour.picture("nurse-missing", '//div[@id="i-SATURATION-item"]')
    tour.saved()
    assert tour.program.value(subject, "SCR", "VITALS", "SATURATION") == {"missing": "ND", "note": "Capteur en panne"}
    yield


def correct(tour: Tour) -> Steps:
    cora, subject = tour.as_("cora"), tour.program.recipient()
    tour.program.saved(subject, "SCR", "VITALS", {"WT": "27"})
    tour.open(form_address(subject.key, "SCR", "VITALS"))
    cora.type("WT", "72")
    cora.save()
    tour.look()
    yield
    cora.say_why("WT", "TYPO")
    tour.saved()
    assert tour.program.value(subject, "SCR", "VITALS", "WT") == "72"
    yield


def adverse(tour: Tour) -> Steps:
    cora, subject = tour.as_("cora"), tour.program.recipient(consented=60, infused=20)
    tour.open(subject_address(subject.key))
    cora.press(cora.page.locator(f'a.btn[href*="{subject.key}/AE/"]').first)
    yield
    cora.type("AE_WORDS", "Pneumopathie")
    cora.pick("AE_CLASS", "Infections and infestations")
    cora.choose("AE_GRADE", "3")
    cora.date("AE_ONSET", tour.program.today - timedelta(days=2))
    cora.choose("AE_OUTCOME", "RECOVERING/RESOLVING")
    cora.choose("AE_SERIOUS", "Y")
    cora.choose("AE_HOSPITAL", "Y")
    for item in ("AE_DEATH", "AE_LIFE", "AE_DISABILITY", "AE_CONGENITAL", "AE_MEDICAL"):
        cora.choose(item, "N")
    tour.picture("nurse-serious", '//div[@id="i-AE_SERIOUS-item"]')
    yield
    cora.date("AE_AWARE", tour.program.today - timedelta(days=1), "14:00")
    cora.choose("AE_BIOVIG", "N")
    tour.look()
    yield
    tour.saved()
    tour.open(f"{LIST}/cases")
    assert subject.key in cora.reads(), "a case is open"
    yield


def query(tour: Tour) -> Steps:
    cora, subject = tour.as_("cora"), tour.program.recipient()
    stored = tour.program.saved(subject, "SCR", "VITALS", {"PULSE": 151})
    number = tour.program.ask("SELECT id FROM query WHERE form_id = :form", form=stored.id)[0][0]
    tour.open(f"{LIST}/subjects")
    tour.go("Queries")
    tour.open(f"{LIST}/queries?subject={subject.key}")
    cora.press(cora.page.locator(f'a.go[href$="/queries/{number}"]'))
    tour.look()
    tour.picture("nurse-answer", '//section[@aria-labelledby="answer-title"]')
    yield
    tour.go("Open the field", "main")
    assert "/SCR/1/VITALS" in cora.path()
    tour.open(f"{LIST}/queries/{number}")
    yield
    cora.page.locator("#code").select_option("REPEATED")
    tour.go("The value is right", "main")
    assert "done=answered" in cora.path()
    yield


def laboratory(tour: Tour) -> Steps:
    cora, subject = tour.as_("cora"), tour.program.recipient()
    day = f"{tour.program.today - timedelta(days=3):%d/%m/%Y}"
    lines = ["sujet;visite;date;code;valeur;unite"]
    lines += [
        f"{subject.key};{visit};{day};{what}" for visit in ("SCR", "M1") for what in ("HB;12,4;g/dL", "PLAQ;212;G/L", "PNN;3 200;/mm3")
    ]
    file = {"name": "biologie.csv", "mimeType": "text/csv", "buffer": "\n".join(lines).encode()}
    tour.open(f"{LIST}/subjects")
    tour.go("Results from a file")
    cora.page.set_input_files("#file", [file])  # type: ignore[list-item]
    token = cora.page.locator("main [name=token]").first.input_value()
    tour.go("Look at the file", "main")
    yield
    pages = tour.pages(lambda code: {"token": token, "act": "look", "file": file})
    tour.picture("nurse-laboratory", '//section[@aria-labelledby="read-title"]', most=520, pages=pages)
    yield
    assert cora.page.locator("#lines tbody tr").count() == 6
    yield
    tour.go("Save %(num)s form", "main", plural="Save %(num)s forms")
    assert tour.program.value(subject, "SCR", "LABS", "HAEMOGLOBIN") == "12.4"
    yield


def paste(tour: Tour) -> Steps:
    cora, subject = tour.as_("cora"), tour.program.recipient()
    tour.open(form_address(subject.key, "CM", "CONMEDS"))
    tour.unfold("Paste rows from a spreadsheet")
    cora.page.locator("#paste-MEDS").fill("Prednisone\tSSc\t7,5\tmg\tOral\t01/02/2026\nBosentan\tHTAP\tUNK\t\tOral\t03/2026")
    yield
    tour.go("Fill in the rows", "main")
    assert cora.value("MEDS.new2.MED_NAME") == "Bosentan"
    yield
    tour.saved()
    yield


def bedside(tour: Tour) -> Steps:
    cora, subject = tour.as_("cora"), tour.program.recipient()
    tour.open(subject_address(subject.key))
    tour.go("Bedside check", "main")
    yield
    tour.fill(bag="BAG-7", wristband=subject.key, donation="FR0001230000000654321")
    tour.picture("nurse-scan", '//form[contains(@class, "checking")]/fieldset[1]')
    yield
    cora.page.locator('input[name="cohort"][value="MSC1"]').check()
    tour.fill(password=PASSWORD, second_username="ivan", second_password=PASSWORD)
    sent = tour.boxes("form.checking")
    tour.go("Confirm the check", "main")
    yield
    pages = tour.pages(lambda code: {**sent, "save_token": f"{subject.key} {code}"})
    tour.picture("nurse-stop", '//section[contains(@class, "stop")]', pages=pages)
    yield


# The investigator.


def eligibility(tour: Tour) -> Steps:
    ivan, subject = tour.as_("ivan"), tour.program.recipient()
    tour.open(subject_address(subject.key))
    tour.go("Eligibility", "main")
    yield
    tour.go("Enter it", "main")
    assert ivan.page.locator("form#entry").count() == 1
    tour.open(subject_address(subject.key) + "/eligibility")
    yield
    tour.picture("investigator-verdict", '//section[@aria-labelledby="sign-title"]', most=860)
    ivan.page.locator("#verdict").select_option("NOT_ELIGIBLE")
    tour.on()
    tour.fill(comment="1 2", password=PASSWORD)
    tour.go("Sign", "main form")
    assert ivan.page.locator(".signature").count() == 1, ivan.reads()
    yield


def sign(tour: Tour) -> Steps:
    ivan, subject = tour.as_("ivan"), tour.program.recipient()
    tour.program.saved(subject, "SCR", "VITALS", {"WT": "70", "HT": "175"})
    tour.open(f"{LIST}/subjects")
    tour.go("To sign")
    tour.open(f"{LIST}/signing?show={subject.key}")
    yield
    ivan.press(ivan.page.locator(f'a[href$="{subject.key}/SCR/1/VITALS/1/sign"]'))
    tour.look()
    tour.picture("investigator-sign", '//section[@aria-labelledby="sign-title"]')
    yield
    tour.fill(password=PASSWORD)
    tour.go("Sign", "main form")
    assert "done=sealed" in ivan.path()
    yield


def cause(tour: Tour) -> Steps:
    subject = serious(tour)
    ivan = tour.as_("ivan")
    tour.open(subject_address(subject.key))
    ivan.press(ivan.page.locator(f'a[href$="{subject.key}/AE/1/ADVERSE/1"]').first)
    yield
    ivan.choose("AE_RELATED", "RELATED")
    ivan.choose("AE_BY_PRODUCT", "RELATED")
    ivan.choose("AE_BY_DISEASE", "NOT RELATED")
    ivan.pick("AE_ACTION", "NOT APPLICABLE")
    tour.saved()
    yield


def case(tour: Tour) -> Steps:
    subject = serious(tour)
    ivan = tour.as_("ivan")
    tour.open(f"{LIST}/subjects")
    tour.go("Serious events")
    ivan.press(ivan.page.locator("tbody tr").filter(has_text=subject.key).get_by_role("link").first)
    tour.look()
    yield
    tour.picture("investigator-clocks", '//section[h2[@id="clocks-title"]]', most=460)
    yield
    tour.unfold("Record who learned what")
    at = tour.program.today - timedelta(days=1)
    boxes = {"who": "Chef de service", "day": at.day, "month": at.month, "year": at.year, "time": "10:00", "what": "1 2"}
    for name, text in boxes.items():
        ivan.page.locator(f'#inform [name$="{name}"]').first.fill(str(text))
    tour.go("Enter into the ledger", "#inform")
    assert "done=case" in ivan.path(), ivan.reads()
    yield


def delegate(tour: Tour) -> Steps:
    ivan = tour.as_("ivan")
    tour.open(f"{LIST}/subjects")
    tour.go("Delegation log")
    tour.go("Delegate tasks", "main")
    yield
    ivan.page.locator("#username").select_option({"fr": "dora", "en": "lara"}[tour.language.code])  # A task is delegated to a person once.
    ivan.page.locator("#task-queries").check()
    tour.on()
    tour.fill(password=PASSWORD)
    tour.go("Sign the delegation", "main")
    assert "done=delegated" in ivan.path(), ivan.reads()
    yield


def decide(tour: Tour) -> Steps:
    subject = tour.program.recipient()
    with tour.program.world.write("cora", datetime.now(UTC)) as tx:
        asked = second.ask_removal(tx, tour.program.world.published, subject, "Saisi deux fois")
    assert asked
    ivan = tour.as_("ivan")
    tour.open(f"{LIST}/subjects")
    tour.go("Requests")
    yield
    ivan.press(ivan.page.locator("tbody tr, li").filter(has_text=subject.key).get_by_role("link").first)
    tour.look()
    tour.fill(password=PASSWORD)
    tour.go("Grant", "main")
    assert "done=granted" in ivan.path(), ivan.reads()
    yield


# The physician of donors.


def donor(tour: Tour) -> Steps:
    dora, subject = tour.as_("dora"), tour.program.donor()
    tour.open(f"{LIST}/queries")
    tour.go("Subjects")
    tour.open(subject_address(subject.key))
    yield
    tour.go("Eligibility", "main")
    tour.picture("donor-verdict", '//section[@aria-labelledby="sign-title"]', most=860)
    yield
    dora.page.locator("#verdict").select_option("NOT_ELIGIBLE")
    tour.on()
    tour.fill(comment="1 2", password=PASSWORD)
    tour.go("Sign", "main form")
    assert dora.page.locator(".signature").count() == 1, dora.reads()
    yield


def finding(tour: Tour) -> Steps:
    """As far as the recall itself: the cells of the trial are needed by others."""
    key = a_donor_of_cells(tour.program)
    tour.as_("dora")
    tour.open(subject_address(key))
    tour.go("Look-back", "main")
    yield
    tour.on()
    tour.fill(note="Promoteur prévenu", confirm=key)
    assert tour.named("Recall these batches", "main").is_enabled()
    yield


OF_SITE: Mapping[str, Chapters] = {
    "coordinator": {
        "day": day, "enrol": enrol, "visit": visit, "doubt": doubt, "missing": missing, "correct": correct, "adverse": adverse,
        "query": query, "laboratory": laboratory, "paste": paste, "bedside": bedside,
    },
    "investigator": {
        "eligibility": eligibility, "sign": sign, "cause": cause, "case": case, "delegate": delegate, "second": decide,
    },
    "donor_physician": {"donor": donor, "finding": finding},
}  # fmt: skip
