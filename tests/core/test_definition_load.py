"""Loading a definition: what is right becomes a study, what is wrong is named with file and line, all of it at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from trialcrf.core.definition.canonical import canonical, from_canonical
from trialcrf.core.definition.load import DefinitionProblems, load
from trialcrf.core.definition.model import DataType, EventType, Offset, Range, Reminders, ReminderStep, Study, Window
from trialcrf.core.definition.source import Located, Problem, Source, in_english
from trialcrf.core.expr import parse
from trialcrf.core.wording import Message, Words
from trialcrf.external.files import read_study

ROOT = Path(__file__).parents[2]
STUDIES = [ROOT / "trialcrf" / "studies" / "msc_ssc", ROOT / "trialcrf" / "studies" / "cdisc_pilot", ROOT / "tests" / "studies" / "tiny"]

MAIN = """\
oid: mini
title: {fr: Petite, en: Small}
protocol: P-1
languages: [fr, en]
subject_types:
  - {oid: person, label: {fr: Personne, en: Person}, key: "{site}-{number:03d}", enrolment: {event: IN, form: ENROL}}
anchors:
  - {oid: START, label: {fr: Début, en: Start}, alias: EXSTDAT}
reasons: WHY
confirmations: WHY
reminders: {steps: [{oid: LATE, when: overdue, days: 1, roles: [coordinator], text: {fr: Tard, en: Late}}],
  quiet: {from: "20:00", to: "07:00"}, digest: {day: monday, at: "07:00"}, delivery: each}
safety: {population: person, severity_alias: AESEV, severities: LEVEL, severe_from: HIGH, arms: ARMS}
assumptions:
  A-1: {question: {fr: Une question, en: A question}, reading: {fr: Une lecture, en: A reading}}
codelists:
  WHY: {TYPO: {fr: Faute, en: Typo}}
  LEVEL: {LOW: {fr: Bas, en: Low}, HIGH: {fr: Haut, en: High}}
  ARMS: {A: {fr: A, en: A}, B: {fr: B, en: B}}
  SCORE: {"0": {fr: "0", en: "0"}, "1": {fr: "1", en: "1"}}
"""
SCHEDULE = """\
events:
  - {oid: IN, label: {fr: Entrée, en: In}, type: Scheduled, subject_types: [person], forms: [SEEN, ENROL, DOSE], assumptions: [A-1]}
  - oid: MONTH
    label: {fr: Mois, en: Month}
    type: Scheduled
    subject_types: [person]
    anchor: START
    target: {months: 1, days: 2}
    window: {before: 3, after: 4}
    forms: [SEEN, {form: MEASURE, mandatory: no}]
  - {oid: BAD, label: {fr: Ennuis, en: Trouble}, type: Common, subject_types: [person], forms: [EVENT]}
"""
FORMS = {
    "enrol": """\
oid: ENROL
label: {fr: Entrée, en: Enrolment}
groups:
  - oid: G
    label: {fr: Groupe, en: Group}
    items:
      - {oid: BORN, label: {fr: Né, en: Born}, type: partial_date, alias: BRTHDAT}
      - {oid: ARM, label: {fr: Bras, en: Arm}, type: codelist, codelist: ARMS, alias: ACTARM}
""",
    "seen": """\
oid: SEEN
label: {fr: Vu, en: Seen}
groups:
  - oid: G
    label: {fr: Groupe, en: Group}
    items:
      - {oid: CAME, label: {fr: Venu, en: Came}, type: boolean, alias: SVOCCUR}
      - {oid: ON, label: {fr: Le, en: "On"}, type: date, when: CAME, alias: SVSTDAT}
""",
    "dose": """\
oid: DOSE
label: {fr: Dose, en: Dose}
groups:
  - oid: G
    label: {fr: Groupe, en: Group}
    items:
      - {oid: GIVEN, label: {fr: Donné, en: Given}, type: datetime, alias: EXSTDAT}
""",
    "event": """\
oid: EVENT
label: {fr: Ennui, en: Trouble}
repeating: yes
groups:
  - oid: G
    label: {fr: Groupe, en: Group}
    items:
      - {oid: WHAT, label: {fr: Quoi, en: What}, type: text, alias: AETERM}
      - {oid: LEVEL, label: {fr: Niveau, en: Level}, type: codelist, codelist: LEVEL, alias: AESEV}
""",
    "measure": """\
oid: MEASURE
label: {fr: Mesure, en: Measure}
groups:
  - oid: G
    label: {fr: Groupe, en: Group}
    items:
      - {oid: KG, label: {fr: Poids, en: Weight}, type: decimal, unit: kg, hard: [25, 250], soft: [35, ~], missing: [ND]}
      - {oid: CM, label: {fr: Taille, en: Height}, type: integer, unit: cm, hard: [120, 220]}
      - {oid: BMI, label: {fr: IMC, en: BMI}, type: derived, derive: KG / (CM * CM / 10000)}
      - {oid: SCORED, label: {fr: Score, en: Score}, type: codelist, codelist: SCORE}
  - oid: R
    label: {fr: Lignes, en: Rows}
    repeating: yes
    items:
      - {oid: UPPER, label: {fr: Haut, en: Upper}, type: integer}
      - {oid: LOWER, label: {fr: Bas, en: Lower}, type: integer}
checks:
  - {oid: ORDER, holds: LOWER < UPPER, severity: hard, message: {fr: Ordre, en: Order}, items: [LOWER]}
""",
}
FILES = {"study.yaml": MAIN, "schedule.yaml": SCHEDULE, **{f"forms/{name}.yaml": text for name, text in FORMS.items()}}

Files = dict[str, str]
Odd = str | tuple[Located, ...] | dict[str, Located] | None


def loaded(folder: Path, files: Files) -> Study:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return load(read_study(folder))


def problems(folder: Path, files: Files) -> list[str]:
    with pytest.raises(DefinitionProblems) as caught:
        loaded(folder, files)
    return [f"{problem.file}:{problem.line}: {in_english(problem.message)}" for problem in caught.value.problems]


def changed(name: str, old: str, new: str) -> Files:
    assert FILES[name].count(old) == 1, f"{old!r} must stand once in {name}"
    return {**FILES, name: FILES[name].replace(old, new)}


def test_a_right_definition_becomes_a_study(tmp_path: Path) -> None:
    study = loaded(tmp_path, FILES)
    month, kg = study.event["MONTH"], study.form["MEASURE"].items["KG"][1]
    assert (month.type, month.target, month.window, month.anchor) == (EventType.SCHEDULED, Offset(1, 2), Window(3, 4), "START")
    assert [(ref.form_oid, ref.mandatory) for ref in month.forms] == [("SEEN", True), ("MEASURE", False)]
    assert (kg.type, kg.unit, kg.hard, kg.soft, kg.missing) == (DataType.DECIMAL, "kg", Range("25", "250"), Range("35", None), ("ND",))
    assert study.form["MEASURE"].items["BMI"][1].derive == parse("KG / (CM * CM / 10000)")
    assert not study.form["MEASURE"].items["BMI"][1].mandatory
    assert study.form["SEEN"].items["ON"][1].aliases == ("SVSTDAT",)
    assert study.title.texts == {"fr": "Petite", "en": "Small"}
    assert study.event["IN"].date_alias == "SVSTDAT" and study.form["EVENT"].repeating
    assert study.safety is not None and study.safety.severe_from == "HIGH"
    late = ReminderStep("LATE", "overdue", 1, ("coordinator",), Words({"fr": "Tard", "en": "Late"}))
    assert study.reminders == Reminders((late,), "20:00", "07:00", "each", 0, "07:00")


def test_reminders_are_read_as_they_are_written_and_one_day_may_have_two_steps_for_different_roles(tmp_path: Path) -> None:
    other = (
        "{oid: UP, when: overdue, days: 1, roles: [monitor, sponsor], text: {fr: Tard, en: Late}, single: yes}, {oid: DAY, when: opens, "
    )
    other += "roles: [coordinator], text: {fr: Jour, en: Day}}, {oid: LATE, when"
    files = changed("study.yaml", "{oid: LATE, when", other)
    files["study.yaml"] = (
        files["study.yaml"].replace('day: monday, at: "07:00"', 'day: sunday, at: "18:30"').replace("delivery: each", "delivery: weekly")
    )
    found = loaded(tmp_path, files).reminders
    assert [(one.oid, one.when, one.days, one.roles, one.single) for one in found.steps] == [
        ("UP", "overdue", 1, ("monitor", "sponsor"), True),
        ("DAY", "opens", 0, ("coordinator",), False),
        ("LATE", "overdue", 1, ("coordinator",), False),
    ]
    assert (found.delivery, found.digest_day, found.digest_at) == ("weekly", 6, "18:30")


def test_a_study_without_reminders_has_none_and_its_text_says_nothing_of_them(tmp_path: Path) -> None:
    files = {**FILES, "study.yaml": MAIN[: MAIN.index("reminders:")] + MAIN[MAIN.index("safety:") :]}
    study = loaded(tmp_path, files)
    assert study.reminders == Reminders()
    assert "remind" not in canonical(study)


@pytest.mark.parametrize("number", [1, 2])
def test_reminders_of_older_formats_are_steps_for_overdue_visits(tmp_path: Path, number: int) -> None:
    plain = json.loads(canonical(loaded(tmp_path, FILES)))
    plain["format"] = number
    plain["study"]["reminders"] = [{"days_overdue": 1, "roles": ["coordinator"]}, {"days_overdue": 7, "roles": ["monitor", "sponsor"]}]
    if number == 1:
        del plain["study"]["assumptions"]
    assert from_canonical(json.dumps(plain)).reminders == Reminders(
        (ReminderStep("OVERDUE1", "overdue", 1, ("coordinator",)), ReminderStep("OVERDUE7", "overdue", 7, ("monitor", "sponsor")))
    )
    del plain["study"]["reminders"]
    assert from_canonical(json.dumps(plain)).reminders == Reminders()


# Each case: the file, the text that is replaced, by what, and the one problem: its line and a part of its words.
MEASURE, SEEN, EVENT = "forms/measure.yaml", "forms/seen.yaml", "forms/event.yaml"
OTHER_STEP = "{oid: OTHER, when: overdue, days: 7, roles: [coordinator], text: {fr: Tard, en: Late}}"
BAD: list[tuple[str, str, str, int, str]] = [
    ("study.yaml", "protocol: P-1", "protocol: P-1\ncolour: red", 4, "Unknown key “colour”"),
    ("study.yaml", "protocol: P-1\n", "", 1, "“protocol” is missing"),
    ("study.yaml", "protocol: P-1", "protocol: [P]", 3, "text is expected"),
    ("study.yaml", "protocol: P-1", "protocol:", 3, "text is expected"),
    ("study.yaml", "{fr: Petite, en: Small}", "{fr: Petite}", 2, "“en” is missing"),
    ("study.yaml", "{fr: Petite, en: Small}", "Small", 2, "text in each language"),
    ("study.yaml", "{fr: Petite, en: Small}", "{fr: Petite, en: Small, de: Klein}", 2, "“de” is no language"),
    ("study.yaml", "[fr, en]", "[fr, en, fr]", 4, "twice"),
    ("study.yaml", "oid: mini", "oid: 1mini", 1, "no identifier"),
    ("study.yaml", "oid: mini", "oid: " + "m" * 41, 1, "no identifier"),
    ("study.yaml", "reasons: WHY", "reasons: NOWHY", 9, "no codelist “NOWHY”"),
    ("study.yaml", "{site}-{number:03d}", "{site}-{order}", 6, "{site} and {number}"),
    ("study.yaml", "{site}-{number:03d}", "{site}-x", 6, "needs {number}"),
    ("study.yaml", "{site}-{number:03d}", "{number}{number}", 6, "needs {number}"),
    ("study.yaml", "{site}-{number:03d}", "{site.__class__}-{number}", 6, "{site} and {number}"),
    ("study.yaml", "{site}-{number:03d}", "{site}/{number}", 6, "letters, digits"),
    ("study.yaml", "event: IN, form", "event: OUT, form", 6, "no event “OUT”"),
    ("study.yaml", "form: ENROL}}", "form: EVENT}}", 6, "does not ask the form “EVENT”"),
    ("study.yaml", "alias: EXSTDAT", "alias: VSDTC", 8, "no date that visits can be counted from"),
    ("study.yaml", "alias: EXSTDAT", "alias: SEX", 8, "no date that visits can be counted from"),
    ("study.yaml", "roles: [coordinator]", "roles: [gardener]", 11, "“gardener” is not known here"),
    ("study.yaml", "overdue, days: 1,", "overdue, days: 0,", 11, "whole number from 1"),
    ("study.yaml", "overdue, days: 1,", "before, days: 0,", 11, "whole number from 1"),
    ("study.yaml", "overdue, days: 1,", "overdue,", 11, "“days” is missing"),
    ("study.yaml", "overdue, days: 1,", "opens, days: 1,", 11, "counts no days"),
    ("study.yaml", "overdue, days: 1,", "later, days: 1,", 11, "“later” is not known here"),
    ("study.yaml", "roles: [coordinator]", "roles: []", 11, "without recipients"),
    ("study.yaml", "roles: [coordinator], ", "", 11, "“roles” is missing"),
    ("study.yaml", "roles: [coordinator]", "roles: [administrator]", 11, "“administrator” is not known here"),
    ("study.yaml", "roles: [coordinator]", "roles: [coordinator, coordinator]", 11, "“coordinator” stands here twice"),
    ("study.yaml", ", text: {fr: Tard, en: Late}", "", 11, "“text” is missing"),
    ("study.yaml", "{fr: Tard, en: Late}", "{fr: Tard}", 11, "“en” is missing"),
    ("study.yaml", "oid: LATE, when", "oid: 7LATE, when", 11, "no identifier"),
    ("study.yaml", "{steps: [{", "{steps: [" + OTHER_STEP.replace("OTHER", "LATE") + ", {", 11, "“LATE” stands here twice"),
    ("study.yaml", "{steps: [{", "{steps: [" + OTHER_STEP.replace("7", "1") + ", {", 11, "“OTHER” reminds the same role on the same day"),
    ("study.yaml", '{from: "20:00", to: "07:00"}', '{from: "20:00"}', 12, "“to” is missing"),
    ("study.yaml", '{from: "20:00", to: "07:00"}', '{from: "20:00", to: "7:00"}', 12, "two digits for hours"),
    ("study.yaml", '{from: "20:00", to: "07:00"}', '{from: "24:00", to: "07:00"}', 12, "two digits for hours"),
    ("study.yaml", '{from: "20:00", to: "07:00"}', '{from: "07:00", to: "07:00"}', 12, "never let a mail go"),
    ("study.yaml", "day: monday", "day: someday", 12, "“someday” is not known here"),
    ("study.yaml", "delivery: each", "delivery: never", 12, "“never” is not known here"),
    ("study.yaml", "population: person", "population: plant", 13, "no subject type “plant”"),
    ("study.yaml", "severe_from: HIGH", "severe_from: TOP", 13, "no code “TOP”"),
    ("study.yaml", "severities: LEVEL", "severities: LEVELS", 13, "no codelist “LEVELS”"),
    ("study.yaml", "severity_alias: AESEV", "severity_alias: AETOXGR", 13, "No form asks AETOXGR"),
    ("study.yaml", "arms: ARMS}", "arms: SCORE}", 13, "codes of “ARM”"),
    ("study.yaml", "arms: ARMS}", "arms: ARMS, arm_alias: ARMCD}", 13, "“ARMCD” is no name"),
    ("study.yaml", "A-1: {", "first: {", 15, "does not name an assumption"),
    ("study.yaml", "{TYPO: {fr: Faute, en: Typo}}", "{}", 17, "no codes"),
    ("study.yaml", "LOW: {fr: Bas, en: Low}", "LOW: {fr: Bas}", 18, "“en” is missing"),
    ("study.yaml", "{TYPO: {fr: Faute, en: Typo}}", "{'A|B': {fr: Faute, en: Typo}}", 17, "cannot be a code"),
    ("schedule.yaml", "oid: BAD,", "oid: MONTH,", 11, "“MONTH” stands here twice"),
    ("schedule.yaml", "assumptions: [A-1]", "assumptions: [A-2]", 2, "“A-2” is not explained"),
    ("schedule.yaml", "anchor: START", "anchor: STOP", 7, "no anchor “STOP”"),
    ("schedule.yaml", "    anchor: START\n", "", 7, "give both or neither"),
    ("schedule.yaml", "{months: 1, days: 2}", "{months: one}", 8, "whole number"),
    ("schedule.yaml", "{months: 1, days: 2}", "{}", 8, "number of months"),
    ("schedule.yaml", "before: 3", "before: -3", 9, "whole number from 0"),
    ("schedule.yaml", "form: MEASURE, mandatory: no", "form: MEASURES, mandatory: no", 10, "no form “MEASURES”"),
    ("schedule.yaml", "form: MEASURE, mandatory: no", "form: MEASURE, mandatory: maybe", 10, "Yes or no"),
    ("schedule.yaml", "[SEEN, {form: MEASURE", "[SEEN, SEEN, {form: MEASURE", 10, "“SEEN” stands here twice"),
    ("schedule.yaml", "[SEEN, {form: MEASURE", "[{form: MEASURE", 3, "asks its date (SVSTDAT)"),
    ("schedule.yaml", "type: Common", "type: Often", 11, "“Often” is not known here"),
    ("schedule.yaml", "type: Common", "type: Common, window: {before: 1, after: 1}", 11, "Only a Scheduled event"),
    ("schedule.yaml", "type: Common, subject_types: [person]", "type: Common, subject_types: [people]", 11, "no subject type “people”"),
    ("schedule.yaml", "type: Common, subject_types: [person]", "type: Common, subject_types: []", 11, "for nobody"),
    ("schedule.yaml", "    window: {", "    repeating: yes\n    window: {", 9, "takes place once"),
    ("schedule.yaml", "    window: {", "    date_alias: KG\n    window: {", 9, "“KG” is no date"),
    ("schedule.yaml", "forms: [EVENT]", "forms: []", 11, "asks no form"),
    (MEASURE, "oid: MEASURE", "oid: MEA-SURE", 1, "no identifier"),
    (MEASURE, "oid: MEASURE\n", "oid: MEASURE\nrepeating: often\n", 2, "Yes or no"),
    (MEASURE, "oid: MEASURE\n", "oid: MEASURE\naccess: all\n", 2, "“all” is not known here"),
    (MEASURE, "oid: KG", "oid: CM", 8, "“CM” already stands in this form, line 7"),
    (MEASURE, "oid: R\n", "oid: G\n", 11, "“G” stands here twice"),
    (MEASURE, "{fr: Poids, en: Weight}", "{en: Weight}", 7, "“fr” is missing"),
    (MEASURE, "{fr: Poids, en: Weight}", "{fr: '', en: Weight}", 7, "text is expected"),
    (MEASURE, "type: decimal", "type: float", 7, "“float” is not known here"),
    (MEASURE, "codelist: SCORE", "codelist: SCORES", 10, "no codelist “SCORES”"),
    (MEASURE, ", codelist: SCORE", "", 10, "needs “codelist”"),
    (MEASURE, "[25, 250]", "[250, 25]", 7, "runs backwards"),
    (MEASURE, "[25, 250]", "[25]", 7, "two bounds"),
    (MEASURE, "[25, 250]", "25", 7, "list is expected"),
    (MEASURE, "[25, 250]", "[25, heavy]", 7, "decimal point"),
    (MEASURE, "[25, 250]", "['2,5', 250]", 7, "decimal point"),
    (MEASURE, "[25, 250]", "[25, 1e3]", 7, "decimal point"),
    (MEASURE, "[25, 250]", "[~, ~]", 7, "both bounds open"),
    (MEASURE, "soft: [35, ~]", "soft: [20, ~]", 7, "beyond the hard"),
    (MEASURE, "soft: [35, ~]", "soft: [30, 251]", 7, "beyond the hard"),
    (MEASURE, "[120, 220]", "[120, 220.5]", 8, "whole numbers"),
    (MEASURE, "missing: [ND]", "missing: [GONE]", 7, "“GONE” is not known here"),
    (MEASURE, "missing: [ND]", "max_length: 5", 7, "“max_length” means nothing on an item of type decimal"),
    (EVENT, "type: text", "type: text, hard: [1, 2]", 8, "“hard” means nothing on an item of type text"),
    (MEASURE, "missing: [ND]", "dictionary: ctcae", 7, "“dictionary” means nothing on an item of type decimal"),
    (EVENT, "type: text", "type: text, dictionary: icd", 8, "“icd” is not known here. Known: ctcae, meddra."),
    (EVENT, "type: text", "type: text, not_future: yes", 8, "“not_future” means nothing"),
    (EVENT, "type: text", "type: text, derive: 1 + 1", 8, "“derive” means nothing"),
    (EVENT, "type: text", "type: text, unique: yes, copy: yes", 8, "cannot be copied from another visit"),
    (EVENT, "type: text", "type: text, documents: perhaps", 8, "Yes or no"),
    (MEASURE, "type: derived,", "type: derived, documents: yes,", 9, "“documents” means nothing on an item of type derived"),
    (EVENT, "type: text", "type: text, mandatory: nope", 8, "Yes or no"),
    (EVENT, "type: text", "type: text, max_length: 0", 8, "whole number from 1"),
    (EVENT, "type: text", "type: reference", 8, "needs “refers_to”"),
    (EVENT, "type: text", "type: reference, refers_to: 'subject:dog'", 8, "no “subject:dog”"),
    (EVENT, "type: text", "type: reference, refers_to: 'form:NONE'", 8, "no “form:NONE”"),
    (EVENT, "type: text", "type: reference, refers_to: person", 8, "kind and target"),
    (EVENT, "alias: AETERM", "alias: aeterm", 8, "no SDTM or CDASH name"),
    (EVENT, "alias: AETERM", "alias: [AETERM, AETERM]", 8, "twice"),
    (EVENT, "alias: AETERM", "alias: AESEV", 9, "both have the alias AESEV"),
    (EVENT, "alias: AETERM", "alias: AESER", 8, "AESER is understood in an item of type boolean, codelist only"),
    (SEEN, "type: boolean, alias: SVOCCUR", "type: date, alias: BRTHDAT", 7, "its day identifies a person"),
    (MEASURE, "derive: KG / (CM * CM / 10000)", "derive: KG / (CM *", 9, "cannot be read, column 11"),
    (MEASURE, "derive: KG / (CM * CM / 10000)", "derive: KG / (MM * MM / 10000)", 9, "no item MM"),
    (MEASURE, "derive: KG / (CM * CM / 10000)", "derive: BMI + 1", 9, "round in a circle: BMI → BMI"),
    (MEASURE, "derive: KG / (CM * CM / 10000)", "derive: nosuch(KG)", 9, "no function nosuch"),
    (MEASURE, "derive: KG / (CM * CM / 10000)", "derive: UPPER + 1", 9, "UPPER has one value in each row"),
    (MEASURE, "derive: KG / (CM * CM / 10000)", "derive: SEEN.ON - 1", 9, "days_between or add_days"),
    (MEASURE, "derive: KG / (CM * CM / 10000)", "derive: KG + SEEN.CAME", 9, "a number is expected, and this is yes or no"),
    (MEASURE, "derive: KG / (CM * CM / 10000)", "derive: 'days_between(KG, SEEN.ON)'", 9, "days_between takes dates"),
    (MEASURE, "type: integer, unit: cm", "type: integer, unit: cm, when: CM > 2", 8, "condition of “CM” depends on “CM” itself"),
    (MEASURE, "type: integer, unit: cm", "type: integer, unit: cm, when: KG", 8, "a condition is expected, and this is a number"),
    (MEASURE, "type: integer, unit: cm", "type: integer, unit: cm, when: KG > 1 and CM2", 8, "no item CM2"),
    (MEASURE, "type: integer, unit: cm", "type: integer, unit: cm, when: NONE.KG > 1", 8, "no form NONE"),
    (MEASURE, "type: integer, unit: cm", "type: integer, unit: cm, when: OUT.SEEN.CAME", 8, "no event OUT"),
    (MEASURE, "type: integer, unit: cm", "type: integer, unit: cm, when: BAD.SEEN.CAME", 8, "event BAD does not ask the form SEEN"),
    (MEASURE, "type: integer, unit: cm", "type: integer, unit: cm, when: SEEN.GONE", 8, "form SEEN has no item GONE"),
    (MEASURE, "type: integer, unit: cm", "type: integer, unit: cm, when: subject.name = 'x'", 8, "name is unknown"),
    (MEASURE, "type: integer, unit: cm", "type: integer, unit: cm, when: SCORED = '2'", 8, "codelist SCORE has no code “2”"),
    (MEASURE, "type: integer, unit: cm", "type: integer, unit: cm, when: SCORED = 1", 8, "a text is compared with a number"),
    (MEASURE, "type: integer, unit: cm", "type: integer, unit: cm, when: SCORED >= '1'", 8, "a text has no order"),
    (MEASURE, "type: integer, unit: cm", "type: integer, unit: cm, when: SEEN.CAME = 'yes'", 8, "true, false, 'Y' or 'N'"),
    (MEASURE, "type: integer, unit: cm", "type: integer, unit: cm, when: KG = 'x'", 8, "a number is compared with a text"),
    (MEASURE, "type: integer, unit: cm", "type: integer, unit: cm, when: \"has(SCORED, '1')\"", 8, "type multichoice"),
    (MEASURE, "    repeating: yes\n", "    repeating: yes\n    layout: table\n", 14, "repeating group cannot be drawn"),
    (MEASURE, "    label: {fr: Groupe, en: Group}\n", "    label: {fr: Groupe, en: Group}\n    layout: table\n", 6, "share one codelist"),
    (MEASURE, "Group}\n    items:\n", "Group}\n    layout: body_map\n    items:\n", 6, "share one codelist"),
    (MEASURE, "    repeating: yes\n", "    repeating: yes\n    layout: body_map\n", 14, "repeating group cannot be drawn"),
    (MEASURE, "    label: {fr: Groupe, en: Group}\n", "    label: {fr: Groupe, en: Group}\n    when: KG > 1\n", 6, "“KG” itself"),
    (MEASURE, "holds: LOWER < UPPER", "holds: LOWER <", 18, "cannot be read, column 8"),
    (MEASURE, "holds: LOWER < UPPER", "holds: LOWER + UPPER", 18, "a condition is expected"),
    (MEASURE, "items: [LOWER]", "items: [KG]", 18, "LOWER has one value in each row"),
    (MEASURE, "items: [LOWER]", "items: [NOWHERE, LOWER]", 18, "“NOWHERE”, which this form does not have"),
    (MEASURE, "items: [LOWER]", "items: []", 18, "needs an item"),
    (MEASURE, "oid: ORDER", "oid: hard_range", 18, "a check of the program"),
    (MEASURE, "severity: hard", "severity: fatal", 18, "“fatal” is not known here"),
    (MEASURE, "message: {fr: Ordre, en: Order}", "message: {fr: Ordre}", 18, "“en” is missing"),
]


@pytest.mark.parametrize(("file", "old", "new", "line", "words"), BAD, ids=[f"{case[0]}:{case[3]} {case[4]}" for case in BAD])
def test_what_is_wrong_is_named_with_file_and_line(tmp_path: Path, file: str, old: str, new: str, line: int, words: str) -> None:
    found = problems(tmp_path, changed(file, old, new))
    assert [each.split(": ")[0] for each in found if words in each][:1] == [f"{file}:{line}"], found


def test_every_problem_of_every_file_is_reported_at_once(tmp_path: Path) -> None:
    """One cut per file and several in one file: a person mends them all after one run."""
    files = changed("study.yaml", "roles: [coordinator]", "roles: [gardener]")
    files["schedule.yaml"] = SCHEDULE.replace("anchor: START", "anchor: STOP").replace("A-1]", "A-9]")
    files[MEASURE] = FORMS["measure"].replace("[120, 220]", "[220, 120]").replace("CM * CM", "XX * YY").replace("LOWER < UPPER", "LOWER <")
    files["forms/broken.yaml"] = "oid: [\n"
    places = [":".join(each.split(":")[:2]) for each in problems(tmp_path, files)]
    assert places == [
        "forms/broken.yaml:2",
        "forms/measure.yaml:8",
        "forms/measure.yaml:9",
        "forms/measure.yaml:9",
        "forms/measure.yaml:18",
        "schedule.yaml:2",
        "schedule.yaml:7",
        "study.yaml:11",
    ]


def test_two_files_that_define_one_form_name_each_other(tmp_path: Path) -> None:
    found = problems(tmp_path, {**FILES, "forms/z_again.yaml": "# once more\n" + FORMS["measure"].replace("[25, 250]", "[9, 1]")})
    assert found[0] == "forms/z_again.yaml:2: The form “MEASURE” is already defined in forms/measure.yaml, line 1."
    assert found[1].startswith("forms/z_again.yaml:8: The range runs backwards"), "the second file is read for its own problems too"


def test_a_circle_of_derivations_is_reported_once_with_all_its_steps(tmp_path: Path) -> None:
    circle = """\
      - {oid: X1, label: {fr: X, en: X}, type: derived, derive: X2 + 1}
      - {oid: X2, label: {fr: X, en: X}, type: derived, derive: X3 + 1}
      - {oid: X3, label: {fr: X, en: X}, type: integer, when: X1 > 0}
"""
    found = problems(tmp_path, changed(MEASURE, "  - oid: R\n", circle + "  - oid: R\n"))
    assert found == ["forms/measure.yaml:11: This goes round in a circle: X1 → X2 → X3 → X1."]


def test_a_circle_through_two_forms_is_found(tmp_path: Path) -> None:
    files = changed(MEASURE, "derive: KG / (CM * CM / 10000)", "derive: DOSE.LATER + 1")
    late = "      - {oid: LATER, label: {fr: X, en: X}, type: derived, derive: MEASURE.BMI + 1}\n"
    files["forms/dose.yaml"] = FORMS["dose"] + late
    assert "forms/dose.yaml:8: This goes round in a circle: LATER → MEASURE.BMI → LATER." in problems(tmp_path, files)


def test_an_earlier_occasion_of_the_same_item_is_no_circle(tmp_path: Path) -> None:
    later = "      - {oid: GAIN, label: {fr: Gain, en: Gain}, type: derived, derive: CM - MONTH.MEASURE.GAIN}\n  - oid: R\n"
    assert "GAIN" in loaded(tmp_path, changed(MEASURE, "  - oid: R\n", later)).form["MEASURE"].items


def test_an_anchor_that_no_form_asks_of_the_subject_type_is_a_problem(tmp_path: Path) -> None:
    found = problems(tmp_path, changed("forms/dose.yaml", "alias: EXSTDAT", "alias: PRSTDAT"))
    assert len(found) == 1 and found[0].startswith("schedule.yaml:7: The anchor “START” needs EXSTDAT")


def test_a_form_that_no_event_asks_is_a_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, changed("schedule.yaml", "ENROL, DOSE]", "ENROL]"))[0] == (
        "forms/dose.yaml:1: No event asks the form “DOSE”: nobody could fill it in."
    )


def test_two_subject_types_with_one_key_pattern_would_collide(tmp_path: Path) -> None:
    second = '  - {oid: other, label: {fr: X, en: X}, key: "{site}-{number:03d}", enrolment: {event: IN, form: ENROL}}\nanchors:'
    found = problems(tmp_path, changed("study.yaml", "anchors:", second))
    assert any("study.yaml:7: The subject type “person” has the same key pattern" in each for each in found)


def test_a_severity_that_would_not_be_counted_is_a_problem(tmp_path: Path) -> None:
    files = changed("study.yaml", "severities: LEVEL", "severities: FEWER")
    files["study.yaml"] += "  FEWER: {HIGH: {fr: Haut, en: High}}\n"
    assert [each for each in problems(tmp_path, files) if "codes of “LEVEL”" in each and each.endswith(": LOW.")]


def test_arms_may_leave_out_a_code_such_as_a_screen_failure(tmp_path: Path) -> None:
    files = changed("study.yaml", "arms: ARMS}", "arms: FEWER}")
    files["study.yaml"] += "  FEWER: {A: {fr: A, en: A}}\n"
    assert loaded(tmp_path, files).safety is not None


def test_an_unreadable_form_gives_no_false_alarms_about_itself(tmp_path: Path) -> None:
    assert [each.split(": ")[0] for each in problems(tmp_path, {**FILES, SEEN: "oid: SEEN\nlabel: [\n"})] == ["forms/seen.yaml:3"]


def test_without_the_main_file_only_its_absence_is_reported() -> None:
    with pytest.raises(DefinitionProblems) as caught:
        load(Source(None, None, (Located("x", "forms/a.yaml", 1),)))
    assert [problem.file for problem in caught.value.problems] == ["study.yaml"]


@pytest.mark.parametrize("value", [None, "x", (), {}], ids=["nothing", "a word", "an empty list", "an empty mapping"])
@pytest.mark.parametrize("file", list(FILES))
def test_a_file_of_any_other_shape_is_a_problem_and_no_crash(file: str, value: Odd) -> None:
    nodes = {name: _located(yaml.safe_load(text), name) for name, text in FILES.items()}
    nodes[file] = Located(value, file, 1)
    forms = tuple(node for name, node in nodes.items() if name.startswith("forms/"))
    with pytest.raises(DefinitionProblems):
        load(Source(nodes["study.yaml"], nodes["schedule.yaml"], forms))


def _located(plain: object, file: str) -> Located:
    if isinstance(plain, dict):
        return Located({str(key): _located(value, file) for key, value in plain.items()}, file, 1)
    if isinstance(plain, list):
        return Located(tuple(_located(each, file) for each in plain), file, 1)
    return Located({True: "yes", False: "no"}.get(plain, str(plain)) if isinstance(plain, bool) else plain and str(plain), file, 1)  # type: ignore[arg-type]


def _shapes(node: Located) -> list[Callable[[Located], Located]]:
    """Every way to put one odd value into one place of a tree of nodes."""
    if isinstance(node.value, dict):
        return [
            lambda new, key=key, deeper=deeper: Located({**node.value, key: deeper(new)}, node.file, node.line)  # type: ignore[misc]
            for key, value in node.value.items()
            for deeper in [lambda new: new, *_shapes(value)]
        ]
    if isinstance(node.value, tuple):
        return [
            lambda new, at=at, deeper=deeper: Located((*node.value[:at], deeper(new), *node.value[at + 1 :]), node.file, node.line)  # type: ignore[misc]
            for at, value in enumerate(node.value)
            for deeper in [lambda new: new, *_shapes(value)]
        ]
    return []


@pytest.mark.parametrize("odd", [None, "odd thing", (), {}, (Located("a", "f", 1),)], ids=["null", "text", "list", "mapping", "words"])
@pytest.mark.parametrize("file", list(FILES))
def test_an_odd_value_anywhere_never_crashes_the_loader(file: str, odd: str | tuple[Located, ...] | dict[str, Located] | None) -> None:
    nodes = {name: _located(yaml.safe_load(text), name) for name, text in FILES.items()}
    for put in _shapes(nodes[file]):
        tried = {**nodes, file: put(Located(odd, file, 7))}
        forms = tuple(node for name, node in tried.items() if name.startswith("forms/"))
        try:
            load(Source(tried["study.yaml"], tried["schedule.yaml"], forms))
        except DefinitionProblems as error:
            assert error.problems


def test_problems_come_by_file_and_line_without_repetitions() -> None:
    two, one = Problem("a.yaml", 2, Message("later")), Problem("a.yaml", 1, Message("sooner"))
    assert DefinitionProblems([two, one, two]).problems == (one, two)


@pytest.mark.parametrize("folder", STUDIES, ids=[folder.name for folder in STUDIES])
def test_the_canonical_text_is_an_exact_inverse(folder: Path) -> None:
    study = load(read_study(folder))
    text = canonical(study)
    again = from_canonical(text)
    assert again == study
    assert canonical(again) == text
    assert again.title.in_("xx") == study.title.in_("xx"), "the first language must stay the first"


def test_the_canonical_text_does_not_depend_on_the_order_of_files_or_keys(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    there = loaded(tmp_path / "a", FILES)
    renamed = {name.replace("forms/", "forms/zz_" if "seen" in name else "forms/"): text for name, text in FILES.items()}
    renamed["study.yaml"] = MAIN.replace("{fr: Petite, en: Small}", "{en: Small, fr: Petite}")
    (tmp_path / "b").mkdir()
    assert canonical(there) == canonical(loaded(tmp_path / "b", renamed))


def test_the_hash_of_a_definition_stays_what_it_is(tmp_path: Path) -> None:
    """Published versions are found by this hash: whoever changes it needs a new FORMAT and a reader for the old one."""
    digest = hashlib.sha256(canonical(loaded(tmp_path, FILES)).encode()).hexdigest()
    assert digest == "d761b71dd4a6325f61b283c103fa92840c44bdf17b4610040d80546abdb0197a"


def test_any_change_of_a_definition_changes_its_canonical_text(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    changes = changed(MEASURE, "[25, 250]", "[25, 251]")
    assert canonical(loaded(tmp_path / "a", FILES)) != canonical(loaded(tmp_path / "b", changes))


def test_a_canonical_text_of_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format"):
        from_canonical('{"format":99}')


@pytest.mark.parametrize("folder", STUDIES, ids=[folder.name for folder in STUDIES])
def test_texts_of_a_study_are_typographic_and_whole(folder: Path) -> None:
    for path in sorted(folder.rglob("*.yaml")):
        for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            words = text.split("fr:", 1)[1].split(", en:")[0] if "fr:" in text else ""
            assert "'" not in words and "..." not in words, f"{path.name}:{line}: a French text takes ’ and …"
    for form in load(read_study(folder)).forms:
        for _, item in form.items.values():
            assert set(item.label.texts) == {"fr", "en"}


BODY = """\
  - oid: SITES
    label: {fr: Sites, en: Sites}
    layout: body_map
    items:
      - {oid: S1, label: {fr: Visage, en: Face}, type: codelist, codelist: GRADE, alias: [QSORRES, MRSS_FACE]}
      - {oid: S2, label: {fr: Main, en: Hand}, type: codelist, codelist: GRADE, alias: [QSORRES, MRSS_HAND_R]}
"""
GRADE = '  GRADE: {"0": {fr: "0", en: "0"}, "1": {fr: "1", en: "1"}, "2": {fr: "2", en: "2"}, "3": {fr: "3", en: "3"}}\n'


def with_body_map(body: str = BODY, grades: str = GRADE) -> Files:
    measure = FORMS["measure"].replace("  - oid: R\n", body + "  - oid: R\n")
    return FILES | {"study.yaml": MAIN + grades, MEASURE: measure}


def test_a_body_map_is_a_layout(tmp_path: Path) -> None:
    study = loaded(tmp_path, with_body_map())
    assert study.form["MEASURE"].groups[1].layout == "body_map"
    assert from_canonical(canonical(study)).form["MEASURE"].groups[1] == study.form["MEASURE"].groups[1]


@pytest.mark.parametrize(
    ("body", "grades", "words"),
    [
        (BODY.replace("MRSS_FACE", "MRSS_NOSE"), GRADE, "one site of the body as alias"),
        (BODY.replace("[QSORRES, MRSS_FACE]", "QSORRES"), GRADE, "one site of the body as alias"),
        (BODY.replace("MRSS_FACE]", "MRSS_FACE, MRSS_CHEST]"), GRADE, "one site of the body as alias"),
        (BODY.replace("MRSS_HAND_R", "MRSS_FACE"), GRADE, "stand at the same site"),
        (BODY, GRADE.replace(', "3": {fr: "3", en: "3"}', ""), "grades 0, 1, 2 and 3"),
        (BODY, GRADE.replace('"3":', '"4":'), "grades 0, 1, 2 and 3"),
    ],
)
def test_a_body_map_that_cannot_be_drawn_is_refused_at_its_layout(tmp_path: Path, body: str, grades: str, words: str) -> None:
    found = problems(tmp_path, with_body_map(body, grades))
    assert [each.split(": ")[0] for each in found if words in each] == [f"{MEASURE}:13"], found


def test_no_document_is_attached_to_a_site_of_a_body_map(tmp_path: Path) -> None:
    found = problems(tmp_path, with_body_map(BODY.replace("MRSS_FACE]}", "MRSS_FACE], documents: yes}")))
    assert [each.split(": ")[0] for each in found] == [f"{MEASURE}:15"], found


def test_a_text_of_the_first_format_is_read_with_its_assumptions_as_readings(tmp_path: Path) -> None:
    now = loaded(tmp_path, FILES)
    plain = json.loads(canonical(now))
    plain["format"] = 1
    del plain["study"]["reminders"]
    plain["study"]["assumptions"] = {name: one["reading"] for name, one in plain["study"]["assumptions"].items()}
    then = from_canonical(json.dumps(plain, ensure_ascii=False))
    assert {name: one.reading for name, one in then.assumptions.items()} == {name: one.reading for name, one in now.assumptions.items()}
    assert all(one.state == "proposed" for one in then.assumptions.values())
