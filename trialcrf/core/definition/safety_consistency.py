"""What must hold between the safety settings of a study and the rest of it."""

from __future__ import annotations

from collections.abc import Iterable

from trialcrf.core.definition.codes import CodeList
from trialcrf.core.definition.model import ItemDef, Study
from trialcrf.core.definition.safety import SafetySettings
from trialcrf.core.definition.source import Located, Places, Reading
from trialcrf.core.facts import UNDERSTOOD
from trialcrf.core.wording import N_


def examine_safety(study: Study, reading: Reading, places: Places, complete: bool) -> None:
    safety = study.safety
    assert safety is not None
    if safety.population and safety.population not in study.subject_type:
        reading.say(places["safety", "population"], N_("There is no subject type “%(oid)s”."), oid=safety.population)
    _examine_codes(safety, reading, places)
    _examine_anchors(study, safety, reading, places)
    _examine_obligations(study, safety, reading, places)
    for key, alias, codes in (("severity_alias", safety.severity_alias, safety.severities), ("arm_alias", safety.arm_alias, safety.arms)):
        items = [item for form in study.forms if (item := form.with_alias(alias)) is not None]
        if not items and complete:
            reading.say(places["safety", key], N_("No form asks %(alias)s, which the safety report counts by."), alias=alias)
        if key == "arm_alias" and alias not in UNDERSTOOD:
            reading.say(places["safety", key], N_("“%(alias)s” is no name that the program looks for."), alias=alias)
        if codes is not None and codes.items:
            _examine_counted(items, codes, reading, places["safety", "severities" if key == "severity_alias" else "arms"], key)


def _examine_counted(items: Iterable[ItemDef], codes: CodeList, reading: Reading, at: Located, key: str) -> None:
    """Every severity that can be recorded must be counted; arms may leave out codes such as a screen failure, never add one."""
    counted = {code.code for code in codes.items}
    for item in items:
        recorded = {code.code for code in item.codelist.items} if item.codelist else set()
        uncounted = sorted(recorded - counted) if key == "severity_alias" else []
        unknown = sorted(counted - recorded)
        if recorded and (uncounted or unknown):
            said = N_("The codes of “%(item)s” and those counted by the safety report differ: %(codes)s.")
            reading.say(at, said, item=item.oid, codes=", ".join(uncounted + unknown))


def _examine_anchors(study: Study, safety: SafetySettings, reading: Reading, places: Places) -> None:
    anchors = {anchor.oid for anchor in study.anchors}
    if safety.consent and safety.consent not in anchors:
        reading.say(places["safety", "consent"], N_("There is no anchor “%(oid)s”."), oid=safety.consent)
    for one in safety.emergence:
        if one.anchor and one.anchor not in anchors:
            reading.say(places["safety", "emergence"], N_("There is no anchor “%(oid)s”."), oid=one.anchor)
        if one.subject_type and one.subject_type not in study.subject_type:
            reading.say(places["safety", "emergence"], N_("There is no subject type “%(oid)s”."), oid=one.subject_type)
    if safety.primary_days and not safety.anchor_of(safety.population):
        said = N_("A primary window is counted from the start of treatment: “emergence” does not say it of “%(kind)s”.")
        reading.say(places["safety", "primary_days"], said, kind=safety.population)


def _examine_obligations(study: Study, safety: SafetySettings, reading: Reading, places: Places) -> None:
    at, known = places["safety", "obligations"], {one.oid for one in safety.obligations}
    for one in safety.obligations:
        for kind in one.subject_types:
            if kind not in study.subject_type:
                reading.say(at, N_("There is no subject type “%(oid)s”."), oid=kind)
        if one.after and one.after not in known:
            reading.say(at, N_("There is no obligation “%(oid)s” whose submission could be followed."), oid=one.after)
    if safety.regime and safety.regime not in {one.regime for one in safety.obligations}:
        reading.say(places["safety", "regime"], N_("No obligation belongs to the regime “%(regime)s”."), regime=safety.regime)


def _examine_codes(safety: SafetySettings, reading: Reading, places: Places) -> None:
    """Grades and cohorts that the settings name must be among those that are recorded."""
    said = N_("The codelist “%(oid)s” has no code “%(code)s”.")
    grades = [("severe_from", safety.severe_from)]
    grades += [("stopping", safety.stopping.grade_from)] if safety.stopping else []
    grades += [("reference_safety", term.most) for one in safety.reference_safety for term in one.terms]
    for key, code in grades:
        if code and safety.severities.items and safety.severities.label_of(code) is None:
            reading.say(places["safety", key], said, oid=safety.severities.oid, code=code)
    for cohort in safety.cohorts:
        if cohort.code and safety.arms is not None and safety.arms.label_of(cohort.code) is None:
            reading.say(places["safety", "cohorts"], said, oid=safety.arms.oid, code=cohort.code)
