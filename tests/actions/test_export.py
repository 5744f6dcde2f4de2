"""Exporting: complete, explained, proven, in the same order every time, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.actions.test_enter import CONSENT
from tests.actions.world import NOW, study_of, typed
from trialcrf.actions import Impossible, enrol, enter, publish
from trialcrf.actions.enter import Typed
from trialcrf.actions.records.export import export_csv, export_zip
from trialcrf.core.definition.model import ACCESS, FormDef, ItemGroupDef
from trialcrf.core.document import FormKey
from trialcrf.external.tables import harmless
from trialcrf.store import audit, forms
from trialcrf.store.audit import SYSTEM_CHAIN

READINGS = {
    "BP__new1__BP_AT": (4, 11, 2026, "9:00"), "BP__new1__SBP": 120, "BP__new1__DBP": 80,
    "BP__new2__BP_AT": (4, 11, 2026, "9:15"), "BP__new2__SBP": {"missing": "ND", "note": "=cuff, \"broken\"\nagain"}, "BP__new2__DBP": 78,
}  # fmt: skip


DONOR = {
    "DICF_DATE": (2, 11, 2026), "DICF_VERSION": "1.0", "DICF_LANG": "fr", "DICF_SIGNED": "Y",
    "DBIRTH_MONTH": ("", 5, 1982), "DSEX_BIRTH": "M",
}  # fmt: skip


def run(world, folder, readable=ACCESS, sites=None, now=NOW):
    with world.read() as tx:
        return export_csv(tx, world.study, readable, sites, folder, now)


def table(folder, name):
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def enrolled(world, site="01"):
    return world.enrol("recipient", site, **CONSENT)


@pytest.fixture
def told(world):
    """Two recipients at two sites, with a few forms."""
    first, second = enrolled(world), enrolled(world, "02")
    world.save(first, "VITALS", "SCR", typed(WT="70,0", HT={"missing": "ND", "note": "plaster"}, PULSE=70, **READINGS))
    world.save(second, "VISIT", "SCR", typed(VIS_DONE="Y", VIS_DATE=(5, 11, 2026)))
    return world


def test_each_form_has_a_file_with_a_line_a_form_and_its_address_first(told, tmp_path):
    exported = run(told, tmp_path / "out")
    lines = table(tmp_path / "out", "RENROL.csv")
    assert list(lines[0])[:8] == ["study", "site", "subject", "subject_type", "event", "event_repeat", "form_repeat", "ICF_DATE"]
    assert [list(line.values())[:8] for line in lines] == [
        ["msc_ssc", "01", "R-01-001", "recipient", "SCR", "1", "1", "2026-11-02"],
        ["msc_ssc", "02", "R-02-001", "recipient", "SCR", "1", "1", "2026-11-02"],
    ]
    assert (exported.subjects, exported.forms, exported.rows, exported.empty) == (2, 4, 6, False)


def test_values_are_as_they_were_recorded_with_missing_codes_beside_them(told, tmp_path):
    run(told, tmp_path / "out")
    (line,) = table(tmp_path / "out", "VITALS.csv")
    assert (line["WT"], line["WT_missing"], line["HT"], line["HT_missing"], line["HT_missing_reason"]) == ("70.0", "", "", "ND", "plaster")
    assert "SBP" not in line
    assert "BMI_KG_M2_missing" not in line


def test_each_repeating_group_has_a_file_with_a_line_a_row(told, tmp_path):
    run(told, tmp_path / "out")
    first, second = table(tmp_path / "out", "VITALS.BP.csv")
    assert (first["row"], first["BP_AT"], first["SBP"], first["DBP"]) == ("1", "2026-11-04T09:00+01:00", "120", "80")
    assert (second["row"], second["SBP"], second["SBP_missing"], second["SBP_missing_reason"]) == (
        "2", "", "ND", "'=cuff, \"broken\"\nagain",
    )  # fmt: skip


def test_a_form_that_nobody_filled_has_its_file_with_headings_alone(told, tmp_path):
    run(told, tmp_path / "out")
    raw = (tmp_path / "out" / "LABS.csv").read_bytes()
    assert raw.startswith(b"study,site,subject,")
    assert raw.count(b"\n") == 1
    assert b"\r" not in raw


def test_what_is_in_error_is_left_out(told, tmp_path):
    first = told.subject("R-01-001")
    with told.read() as tx:
        stored = forms.read(tx, first.id, FormKey("SCR", "VITALS"))
    with told.write() as tx:
        enter.save_form(tx, told.published, first, stored.key, Typed(removed={("BP", "1"): "not hers"}, version=1), NOW)
    run(told, tmp_path / "rows")
    assert [line["row"] for line in table(tmp_path / "rows", "VITALS.BP.csv")] == ["2"]
    with told.write() as tx:
        enter.mark_form_error(tx, first, forms.read(tx, first.id, stored.key), "not hers")
        enrol.mark_subject_error(tx, told.subject("R-02-001"), "twice")
    run(told, tmp_path / "forms")
    assert table(tmp_path / "forms", "VITALS.csv") == table(tmp_path / "forms", "VITALS.BP.csv") == []
    assert [line["subject"] for line in table(tmp_path / "forms", "RENROL.csv")] == ["R-01-001"]


def test_other_sites_are_left_out_where_only_some_are_asked(told, tmp_path):
    exported = run(told, tmp_path / "out", sites=frozenset({"02"}))
    assert {line["site"] for line in table(tmp_path / "out", "RENROL.csv")} == {"02"}
    assert exported.subjects == 1
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["sites"] == ["02"]


def test_links_between_subjects_need_their_own_permission(told, tmp_path):
    told.enrol("donor", **DONOR)
    told.save(told.subject("R-01-001"), "DONORLINK", "LINK", typed(LINK_DONOR="D-01-001", LINK_RELATION="SIBLING"))
    run(told, tmp_path / "with", readable=ACCESS)
    run(told, tmp_path / "without", readable=("form",))
    assert [line["LINK_DONOR"] for line in table(tmp_path / "with", "DONORLINK.csv")] == ["D-01-001"]
    assert not list((tmp_path / "without").glob("DONORLINK*"))
    lines = [line for path in (tmp_path / "without").iterdir() for line in path.read_text().splitlines()]
    assert not [line for line in lines if "R-01-001" in line and "D-01-001" in line]


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "＝1+1", "'=1"]


@pytest.mark.parametrize("typed_text", FORMULAS)
def test_a_text_that_a_spreadsheet_would_run_is_neutralised_and_can_be_read_back(told, tmp_path, typed_text):
    event = {"AE_WORDS": typed_text, "AE_CLASS": "Cardiac disorders", "AE_GRADE": "1", "AE_ONSET": (5, 11, 2026), "AE_SERIOUS": "N"}
    told.save(told.subject("R-01-001"), "ADVERSE", "AE", typed(**event))
    run(told, tmp_path / "out")
    (line,) = table(tmp_path / "out", "ADVERSE.csv")
    assert line["AE_WORDS"] == f"'{typed_text}"


def test_every_text_can_be_read_back_by_taking_one_apostrophe_away():
    for first in ("\t1", "\r1", "\x001", "''=1", "='", "@"):
        assert harmless(first) == f"'{first}"
    for plain in ("", "'", "'twas", "l’œil", "1-2", "a=b", "''x"):
        assert harmless(plain) == plain


def test_numbers_and_dates_stay_as_they_are_and_files_stay_as_wide_as_their_headings(salt, tmp_path):
    someone = salt.enrol("volunteer", AGREED=(2, 11, 2026), BORN=("", 5, 1980), GENDER="F")
    salt.save(someone, "SCALES", "EXTRA", typed(CAME="Y", CAME_ON=(5, 11, 2026), KILOS="70,0"))
    run(salt, tmp_path / "out")
    (line,) = table(tmp_path / "out", "SCALES.csv")
    assert (line["event"], line["CAME"], line["CAME_ON"], line["KILOS"]) == ("EXTRA", "Y", "2026-11-05", "70.0")
    for path in (tmp_path / "out").glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            assert len({len(row) for row in csv.reader(file)}) == 1


def test_the_manifest_proves_every_other_file(told, tmp_path):
    exported = run(told, tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    names = {one["name"] for one in manifest["files"]}
    assert names == {path.name for path in (tmp_path / "out").iterdir()} - {"manifest.json"}
    for one in manifest["files"]:
        raw = (tmp_path / "out" / one["name"]).read_bytes()
        assert hashlib.sha256(raw).hexdigest() == one["sha256"]
        assert len(list(csv.reader(io.StringIO(raw.decode(), newline="")))) == one["rows"] + 1
    assert manifest["rows"] == exported.rows == 6
    assert manifest["definitions"] == [{"version": 1, "sha256": told.published.hash}]
    assert manifest["exported_at"] == "2026-11-21T09:00:00+00:00"


def test_the_checkpoint_names_the_chains_of_this_study_as_they_stand(told, tmp_path):
    with told.read() as tx:
        chains = audit.chains(tx.connection)
    exported = run(told, tmp_path / "out")
    checkpoint = json.loads((tmp_path / "out" / "manifest.json").read_text())["checkpoint"]
    assert [(one["chain"], one["size"], one["head"]) for one in checkpoint["chains"]] == chains
    assert {one["chain"] for one in checkpoint["chains"]} == {"msc_ssc", "msc_ssc/01", "msc_ssc/02", SYSTEM_CHAIN}
    assert checkpoint["sha256"] == exported.checkpoint


def test_the_codebook_explains_every_column_in_each_language(told, tmp_path):
    run(told, tmp_path / "out")
    book = table(tmp_path / "out", "codebook.csv")
    weight = next(line for line in book if line["file"] == "VITALS.csv" and line["item"] == "WT")
    assert (weight["label_fr"], weight["label_en"], weight["type"], weight["unit"]) == ("Poids", "Weight", "decimal", "kg")
    assert (weight["aliases"], weight["missing_codes"], weight["definition_version"]) == ("VSORRES|WEIGHT", "ND", "1")
    sex = next(line for line in book if line["item"] == "SEX_BIRTH")
    assert (sex["codelist"], sex["codes"]) == ("SEX", "F|M")
    codes = {(line["codelist"], line["code"]): line["label_fr"] for line in table(tmp_path / "out", "codelists.csv")}
    assert codes["SEX", "F"] == "Féminin"
    explained = {(line["file"], line["item"]) for line in book}
    for path in (tmp_path / "out").glob("[A-Z]*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            heading = next(csv.reader(file))[7:]
        told_of = {name for name in heading if name != "row" and not name.endswith(("_missing", "_missing_reason"))}
        assert told_of == {item for file_, item in explained if file_ == path.name}


def test_an_empty_result_says_so(world, tmp_path):
    exported = run(world, tmp_path / "out")
    assert exported.empty
    assert exported.message.msgid == "There is nothing to export: no data are recorded."
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["empty"] is True
    enrolled(world)
    later = run(world, tmp_path / "later")
    assert (later.empty, later.message.params) == (False, {"rows": 1, "forms": 1, "subjects": 1})


def test_a_folder_with_files_of_something_else_is_left_alone(told, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(Impossible):
        run(told, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(Impossible):
        run(told, tmp_path / "mine.txt")


def test_an_unknown_study_is_told(told, tmp_path):
    told.study = "nowhere"
    with pytest.raises(Impossible):
        run(told, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_archive_has_the_same_bytes_for_the_same_data_whatever_the_day_it_is_made(told, tmp_path):
    def made():
        with told.read() as tx:
            return export_zip(tx, told.study, ACCESS, None, NOW)

    content, exported = made()
    assert made()[0] == content
    run(told, tmp_path / "out")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == sorted(path.name for path in (tmp_path / "out").iterdir())
        assert all(archive.read(name) == (tmp_path / "out" / name).read_bytes() for name in archive.namelist())
    assert exported.rows == 6
    with told.read() as tx:
        later, _ = export_zip(tx, told.study, ACCESS, None, NOW + timedelta(days=1))
    assert later != content


def test_lines_stand_in_the_order_of_site_subject_and_visit_however_they_were_entered(world, tmp_path):
    later, first = enrolled(world, "02"), enrolled(world)
    for subject, event in ((later, "SCR"), (first, "BAS"), (first, "SCR")):
        world.save(subject, "VITALS", event, typed(WT=70))
    run(world, tmp_path / "out")
    assert [(line["subject"], line["event"]) for line in table(tmp_path / "out", "VITALS.csv")] == [
        ("R-01-001", "SCR"), ("R-01-001", "BAS"), ("R-02-001", "SCR"),
    ]  # fmt: skip


def _without(form: FormDef, oid: str) -> FormDef:
    def kept(group: ItemGroupDef) -> ItemGroupDef:
        return replace(group, items=tuple(item for item in group.items if item.oid != oid))

    return replace(form, groups=tuple(kept(group) for group in form.groups))


def test_an_answer_to_a_question_that_is_asked_no_more_is_exported_still(told, tmp_path):
    first = told.subject("R-01-001")
    told.save(first, "CONMEDS", "CM", typed(MEDS__new1__MED_NAME="ibuprofen"))
    study = study_of("msc_ssc")
    changed = tuple(_without(form, "MED_NAME") if form.oid == "CONMEDS" else form for form in study.forms)
    with told.write() as tx:
        publish.publish(tx, replace(study, forms=changed))
    run(told, tmp_path / "out")
    assert [line["MED_NAME"] for line in table(tmp_path / "out", "CONMEDS.MEDS.csv")] == ["ibuprofen"]
    versions = {line["item"]: line["definition_version"] for line in table(tmp_path / "out", "codebook.csv") if line["form"] == "CONMEDS"}
    assert (versions["MED_NAME"], versions["MED_WHY"]) == ("1", "2")


def test_exporting_writes_nothing_to_the_database(told, tmp_path):
    def size():
        with told.read() as tx:
            return tx.read(text("SELECT count(*) FROM audit_record")).scalar_one()

    before = size()
    run(told, tmp_path / "out")
    assert size() == before
