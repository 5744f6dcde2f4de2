"""Screening: criteria turn from undetermined to met as forms are filled, a donor is linked, and an investigator signs the verdict."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.actions import screening
from tests.actions.world import typed
from tests.browser.conftest import AtBrowser
from tests.browser.person import PASSWORD, Person
from tests.browser.program import STUDY, Program, form_address, subject_address
from trialcrf.store.subjects import Subject

Forms = Mapping[str, Mapping[str, object]]


def eligibility(subject: Subject) -> str:
    return subject_address(subject.key) + "/eligibility"


def verdict(person: Person, criterion: str) -> str:
    return person.reads(f"#{criterion} td .cell")


def fill(
    program: Program, subject: Subject, event: str, forms: Mapping[str, Mapping[str, object]], but: frozenset[str] = frozenset()
) -> None:
    """What a nurse would have typed before: every date of an earlier treatment 300 days ago, every other 4 days ago."""
    for form, boxes in forms.items():
        if form not in but:
            moved: dict[str, Any] = {}
            for name, text in boxes.items():
                day = program.today - timedelta(days=300 if name == "HD_CYC_END" else 4)
                moved[name] = (day.day, day.month, day.year) if isinstance(text, tuple) else text
            program.world.save(subject, form, event, typed(**moved), now=datetime.now(UTC))


def test_a_newcomer_screens_a_recipient_and_an_investigator_signs(at_browser: AtBrowser, program: Program) -> None:
    donor = program.donor(DSOCIAL_SECURITY="Y", DSEX_BIRTH="M")
    fill(program, donor, "DSCR", screening.DONOR_SCREENING)
    recipient = program.recipient(SOCIAL_SECURITY="Y", SEX_BIRTH="M")
    fill(program, recipient, "SCR", screening.SCREENING, frozenset({"LUNG", "IMAGING"}))
    day = program.today - timedelta(days=4)
    skin = {f"SKIN_{site}_{side}": "1" for site in screening.SITES for side in "RL"}
    fill(program, recipient, "SCR", {"SKIN": {**skin, "SKIN_FACE": "1", "SKIN_CHEST": "1", "SKIN_ABDOMEN": "1"}})

    cora = at_browser("cora")
    cora.open(subject_address(recipient.key))
    cora.press(cora.page.get_by_role("link", name="Eligibility", exact=True))
    assert "Pending" in cora.reads(".overall")
    assert (verdict(cora, "R-I3a"), verdict(cora, "R-I4")) == ("Undetermined", "Undetermined")
    assert "a. Lung: DLCO < 60 %" in cora.reads("#R-I3a")
    cora.page.locator("#R-I3a summary").click()
    reading = program.world.published.study.assumptions["A-06a"].reading.in_("en")
    assert reading in cora.reads("#R-I3a")

    cora.press(cora.page.locator("#R-I3a").get_by_role("link", name=re.compile(r"Enter it ?: FVC")).first)
    assert "/SCR/1/LUNG/1" in cora.path()
    cora.date("LUNG_DATE", day)
    cora.type("FVC_PCT", "70")
    cora.type("DLCO_PCT", "60")
    cora.save()
    cora.open(eligibility(recipient))
    assert verdict(cora, "R-I3a") == "Undetermined", "the image is still missing"
    cora.open(form_address(recipient.key, "SCR", "IMAGING"))
    cora.date("IMAGING_DATE", day)
    cora.choose("ILD_IMAGING", "Y")
    cora.choose("LUNG_OTHER_CAUSES_EXCLUDED", "Y")
    cora.save()
    cora.open(eligibility(recipient))
    assert verdict(cora, "R-I3a") == "Met"

    cora.open(form_address(recipient.key, "LINK", "DONORLINK"))
    cora.pick("LINK_DONOR", donor.key)
    cora.choose("LINK_RELATION", "SIBLING")
    cora.save()
    cora.open(eligibility(recipient))
    assert verdict(cora, "R-I4") == "Met"
    assert "Eligible" in cora.reads(".overall"), cora.reads(".overall")
    assert cora.page.locator("#password").count() == 0, "a coordinator signs nothing"
    assert cora.violations() == []

    ivan = at_browser("ivan")
    ivan.open(eligibility(recipient))
    ivan.page.locator("#verdict").select_option("ELIGIBLE")
    for part, text in zip(("day", "month", "year"), (day.day, day.month, day.year), strict=True):
        ivan.page.locator(f"#{part}").fill(str(text))
    ivan.page.locator("#password").fill("not this one")
    ivan.press(ivan.page.get_by_role("button", name="Sign", exact=True))
    assert "nothing was signed" in ivan.reads("#error-password").lower()
    ivan.page.locator("#password").fill(PASSWORD)
    ivan.press(ivan.page.get_by_role("button", name="Sign", exact=True))
    assert "The verdict is signed." in ivan.reads()
    assert "Ivan" in ivan.reads(".signature")
    assert ivan.page.locator(".signature.void").count() == 0

    cora.open(form_address(recipient.key, "SCR", "LABS"))
    cora.type("CD4_COUNT", "150")
    cora.save()
    cora.say_why("CD4_COUNT", "TYPO")
    cora.save()
    ivan.open(eligibility(recipient))
    assert "Not eligible" in ivan.reads(".overall")
    assert ivan.page.locator(".signature.void").count() == 1
    assert "CD4" in ivan.reads(".signature.void")
    assert f"/studies/{STUDY}/" in ivan.path()
