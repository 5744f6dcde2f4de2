"""The permission table: what each role may, where, and that everything else is refused."""

from __future__ import annotations

import pytest

from trialcrf.core.access import ROLES, STUDY_WIDE, VERBS, Actor, Grant, may, role_for, sites_of


def holder(role: str, site: str = "", study: str = "small") -> Actor:
    return Actor(1, role, grants=(Grant(role, study, site),))


SEES = {
    "subject.list", "form.read", "link.read", "statement.read", "study.read", "study.compare", "query.read", "signature.read",
    "quality.read", "dictionary.read", "lab.read", "case.read", "decision.read", "casebook.open", "cell.read", "stock.read", "release.read",
    "verification.read", "monitoring.read", "lock.read", "audit.read", "delegation.read", "casebook.print", "version.read", "document.read",
}  # fmt: skip
"""What everyone reads who sees people's data: site staff, who controls them, and who inspects them all."""

EXPECTED = {
    "coordinator": SEES | {
        "subject.enrol", "form.enter", "form.error", "link.enter", "query.answer", "query.write", "day.read", "case.inform",
        "stock.enter", "label.print", "bedside.check", "removal.ask", "redaction.ask", "names.keep", "document.attach",
    },
    "monitor": SEES | {
        "donor.read", "query.review", "query.write", "day.read", "verification.verify", "monitoring.write", "lock.freeze",
    },
    "data_manager": SEES | {
        "donor.read", "query.review", "query.write", "day.read", "data.export", "report.read", "report.order", "lab.administer",
        "trace.read", "lock.freeze", "lock.lock", "lock.unlock", "lock.approve", "audit.export", "audit.review", "redaction.ask",
        "redaction.approve", "removal.approve", "access.read", "casebook.export", "version.release",
    },
    "cell_lab": {
        "casebook.open", "subject.enrol", "removal.ask", "form.error", "cell.read", "cell.enter",
        "stock.read", "stock.enter", "release.read", "label.print", "document.read", "document.attach",
    },
    "qualified_person": {
        "casebook.open", "form.error", "cell.read", "stock.read", "stock.enter", "release.read", "release.sign", "label.print",
        "trace.read", "look_back.run", "removal.approve", "document.read", "document.attach",
    },
    "sponsor": {
        "day.read", "quality.read", "report.read", "report.order", "study.read", "dictionary.read", "case.read", "case.assess",
        "decision.read", "decision.sign", "cell.read", "stock.read", "release.read", "monitoring.read",
    },
    "administrator": {"user.administer", "site.administer", "job.administer", "access.read", "access.review"},
    "inspector": SEES | {"donor.read", "trace.read", "audit.export", "access.read", "report.read", "casebook.export"},
}  # fmt: skip
EXPECTED["investigator"] = EXPECTED["coordinator"] | {
    "signature.sign", "bedside.override", "trace.read", "removal.approve", "lock.approve", "delegation.sign", "casebook.export",
}  # fmt: skip
EXPECTED["donor_physician"] = (EXPECTED["coordinator"] | {"signature.sign", "donor.read", "donor.enter", "look_back.run"}) - {
    "link.read", "link.enter", "stock.enter", "label.print", "bedside.check",
}  # fmt: skip
"""Who looks after donors reads what their tests found, and not whom they give to: bags neither."""

READS = (".read", ".list", ".open", ".compare", ".export", ".print")
"""How a verb ends that writes nothing."""


@pytest.mark.parametrize("role", sorted(ROLES))
def test_a_role_may_exactly_what_the_table_says(role):
    assert {verb for verb in VERBS if may(holder(role), verb, "small", "01")} == EXPECTED[role]


def test_a_grant_for_one_site_opens_no_other_site_and_no_other_study():
    cora = holder("coordinator", "01")
    assert may(cora, "form.read", "small", "01")
    assert not may(cora, "form.read", "small", "02")
    assert not may(cora, "form.read", "other", "01")
    assert sites_of(cora, "form.read", "small") == {"01"}
    assert sites_of(holder("monitor"), "form.read", "small") is None


def test_what_spans_every_site_needs_a_grant_for_every_site():
    assert not any(may(holder(role, "01"), verb, "small") for role in ROLES for verb in STUDY_WIDE)


def test_nobody_may_anything():
    assert not any(may(Actor(1, "x"), verb, "small", "01") for verb in VERBS)


def test_no_role_both_enters_and_reviews():
    for role in ROLES:
        writes = {verb for verb in EXPECTED[role] if verb.endswith(".enter")}
        assert not (writes and {"query.review", "verification.verify", "audit.review"} & EXPECTED[role]), role


def test_no_administrator_reads_clinical_data():
    """Of the accounts alone they read and review who may do what."""
    shown = {"user.administer", "site.administer", "job.administer", "access.read", "access.review"}
    assert all(held <= shown for held in EXPECTED.values() if "user.administer" in held)
    assert not {"form.read", "subject.list", "audit.read", "query.read", "data.export", "report.read"} & shown


def test_an_inspector_reads_what_anybody_at_all_reads_of_the_data_and_writes_nothing():
    """EMA guideline on computerised systems, annex 6.8."""
    assert all(verb.endswith(READS) for verb in EXPECTED["inspector"])
    of_data = {verb for verb in VERBS if verb.endswith(".read") and verb not in ("day.read",)}
    assert of_data <= EXPECTED["inspector"]


def test_what_two_decide_together_is_asked_and_decided_by_roles_that_exist_apart():
    for ask, decide in (("removal.ask", "removal.approve"), ("lock.unlock", "lock.approve"), ("redaction.ask", "redaction.approve")):
        assert VERBS[ask] and VERBS[decide] and "inspector" not in VERBS[ask] | VERBS[decide]


def test_who_makes_the_product_sees_nothing_of_people_and_releases_nothing_alone():
    makers = {"cell_lab", "qualified_person"}
    assert all(not {"form.read", "subject.list", "donor.read", "query.read", "link.read"} & EXPECTED[role] for role in makers)
    assert [role for role in sorted(EXPECTED) if "release.sign" in EXPECTED[role]] == ["qualified_person"]
    assert not any({"cell.enter", "release.sign"} <= held for held in EXPECTED.values())
    assert not VERBS["release.enter"] and not VERBS["statement.enter"]


def test_the_trail_names_the_role_that_allows():
    both = Actor(1, "x", grants=(Grant("monitor", "small", "01"), Grant("investigator", "small", "02")))
    assert role_for(both, "form.enter", "small", "02") == "investigator"
    assert role_for(both, "form.enter", "small", "01") is None
    assert role_for(both, "form.read", "small", "01") == "monitor"


def test_an_unknown_verb_is_a_fault_and_not_a_refusal():
    with pytest.raises(KeyError):
        may(holder("coordinator"), "form.reed", "small")
