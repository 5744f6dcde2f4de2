"""The exported trail: both files say the same, verify anywhere without the program, and every harm done to them is named."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from tests.actions.test_enter import CONSENT
from tests.actions.world import NOW, typed
from trialcrf import verify_audit
from trialcrf.actions import Impossible
from trialcrf.actions.records import checkpoint
from trialcrf.actions.records.export_trail import CSV, JSONL, MANIFEST, SCRIPT, export_trail
from trialcrf.core import chain
from trialcrf.core.chain import Leaf
from trialcrf.core.document import FormKey
from trialcrf.external import checkpoints
from trialcrf.external.tables import harmless
from trialcrf.store import audit, trails
from trialcrf.store.models import form
from trialcrf.store.replay import Replayed
from trialcrf.verify_audit import Unusable, Wrong, verify


def export(world, folder: Path, now=NOW, with_system=False):
    with world.read() as tx:
        return export_trail(tx, world.study, folder, now, with_system)


@pytest.fixture
def told(world):
    """A recipient whose weight was entered, then corrected, with what a spreadsheet would run."""
    one = world.enrol("recipient", **CONSENT)
    world.save(one, "VITALS", "SCR", typed(WT="70,0", HT={"missing": "ND", "note": '=cuff, "broken"\nagain'}))
    world.save(one, "VITALS", "SCR", typed(version=1, reason="TYPO", WT="71,0"), now=NOW + timedelta(minutes=5))
    return world


def records(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / JSONL).read_text(encoding="utf-8").splitlines()]


def rewrite(folder: Path, made: list[dict]) -> None:
    """Write both files and the manifest anew, as a forger would who stops at nothing but what was kept elsewhere."""
    with (folder / JSONL).open("w", encoding="utf-8", newline="") as file:
        file.writelines(json.dumps(one, ensure_ascii=False, separators=(",", ":")) + "\n" for one in made)
    cells = [[harmless("" if one[name] is None else str(one[name])) for name in trails.COLUMNS] for one in made]
    with (folder / CSV).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([list(trails.COLUMNS), *cells])
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    heads = {one["chain"]: (one["seq"], one["hash"]) for one in made}
    manifest["chains"] = [{"chain": name, "size": size, "head": head} for name, (size, head) in sorted(heads.items())]
    manifest["digest"] = verify_audit.digest_of([(name, *head) for name, head in sorted(heads.items())])
    manifest["records"] = len(made)
    for name in (JSONL, CSV):
        manifest["files"][name]["sha256"] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def forged(made: list[dict], number: int) -> list[dict]:
    """The same trail with another person in one record, every later record of its chain linked anew."""
    after = [dict(one) for one in made]
    after[number]["actor"] = "mallory"
    prev = after[number]["prev"]
    for one in after[number:]:
        if one["chain"] == after[number]["chain"]:
            one["prev"] = prev
            prev = one["hash"] = verify_audit.record_hash(one)
    return after


def test_an_export_verifies_with_the_script_beside_it_and_nothing_else(told, tmp_path):
    exported = export(told, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [CSV, JSONL, MANIFEST, SCRIPT]
    # Isolated, without site packages, from another folder: only the standard library is there.
    command = [sys.executable, "-I", "-S", str(tmp_path / "out" / SCRIPT), str(tmp_path / "out")]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"HOLDS: {exported.records} records in 2 chains, checkpoint {exported.checkpoint}" in done.stdout
    assert subprocess.run([*command, "/nowhere"], capture_output=True, check=False).returncode == 2


def test_the_whole_trail_is_in_it_with_old_and_new_values_and_no_other_chain(told, tmp_path):
    export(told, tmp_path)
    made = records(tmp_path)
    with told.read() as tx:
        kept = [(leaf, hash_) for name in ("msc_ssc", "msc_ssc/01") for leaf, hash_, _ in audit.records(tx.connection, name)]
    assert [(Leaf(*(one[name] for name in Leaf.__slots__)), one["hash"]) for one in made] == kept
    changed = [one for one in made if one["place"] == "WT"]
    assert [(one["old_value"], one["value"]) for one in changed] == [(None, '"70.0"'), ('"70.0"', '"71.0"')]


def test_the_chain_of_the_installation_is_there_only_where_it_is_asked_for(told, tmp_path):
    export(told, tmp_path / "without")
    export(told, tmp_path / "with", with_system=True)
    assert {one["chain"] for one in records(tmp_path / "with")} - {one["chain"] for one in records(tmp_path / "without")} == {"system"}
    assert "HOLDS" in verify(str(tmp_path / "with"))


def test_the_documents_are_rebuilt_from_the_export_exactly_as_they_are_stored(told, tmp_path):
    export(told, tmp_path)
    built: dict[int, Replayed] = {}
    for one in records(tmp_path):
        if one["entity"] == "form" and one["op"] == "create":
            said = json.loads(one["value"])
            key = FormKey(said["event"], said["form"], said["event_repeat"], said["form_repeat"])
            built[int(one["entity_id"])] = Replayed(said["subject"], key, said["definition"])
        elif one["entity"] == "form":
            built[int(one["entity_id"])].take(one["op"], one["place"], one["value"])
    with told.read() as tx:
        stored = {row.id: row.document for row in tx.read(select(form.c.id, form.c.document))}
    assert stored and {id_: held.document().to_json() for id_, held in built.items()} == stored


@pytest.mark.parametrize(
    "harm, named",
    [
        ({"actor": "mallory"}, "ALTERED, its hash"),
        ({"prev": "0" * 64}, "ALTERED, it does not follow"),
        ({"value": '"1"'}, "the VALUE is not the one"),
        ({"salt": None, "value": None}, "the VALUE is gone and no redaction says so"),
        ({"old_value": '"1"'}, "the OLD VALUE"),
        ({"old_salt": None}, "an OLD VALUE stands"),
        ({"seq": 900}, "MISSING"),
    ],
)
def test_the_first_record_that_does_not_hold_is_named(told, tmp_path, harm, named):
    export(told, tmp_path)
    made = records(tmp_path)
    number = next(number for number, one in enumerate(made) if one["place"] == "WT" and one["old_commit"])
    seq = made[number]["seq"]
    made[number] |= harm
    rewrite(tmp_path, made)
    if "seq" in harm:  # The manifest of the forger names the head as it is.
        with pytest.raises(Wrong, match=f"record {seq}: MISSING"):
            verify(str(tmp_path))
        return
    with pytest.raises(Wrong, match=rf"Chain msc_ssc/01, record {seq}: (the )?{named.removeprefix('the ')}|record {seq}: {named}"):
        verify(str(tmp_path))


def test_a_cut_tail_is_named_and_a_csv_that_says_something_else(told, tmp_path):
    export(told, tmp_path)
    made = records(tmp_path)
    text = (tmp_path / CSV).read_text(encoding="utf-8")
    (tmp_path / CSV).write_text(text.replace("mallory", "cora").replace('""71.0""', '""72.0""', 1), encoding="utf-8")
    with pytest.raises(Wrong, match=rf"{CSV} does not say what {JSONL} says"):
        verify(str(tmp_path))
    (tmp_path / CSV).write_text(text, encoding="utf-8")
    (tmp_path / JSONL).write_text("".join(json.dumps(one) + "\n" for one in made[:-1]), encoding="utf-8")
    with pytest.raises(Wrong, match=rf"record {made[-1]['seq']}: CUT"):
        verify(str(tmp_path))
    # Laid out otherwise it says the same, and is still not the file that was exported.
    (tmp_path / JSONL).write_text("".join(json.dumps(one) + "\n" for one in made), encoding="utf-8")
    with pytest.raises(Wrong, match="SHA-256"):
        verify(str(tmp_path))


def test_a_trail_rewritten_as_a_whole_is_found_by_anything_older_and_by_nothing_else(told, tmp_path):
    old, new, file = tmp_path / "old", tmp_path / "new", tmp_path / "checkpoints.jsonl"
    first = export(told, old)
    with told.read() as tx:
        checkpoints.append(file, checkpoint.take(tx, NOW, file))
    one = told.enrol("recipient", now=NOW + timedelta(days=1), **CONSENT)
    told.save(one, "VITALS", "SCR", typed(WT="80,0"), now=NOW + timedelta(days=1))
    export(told, new, NOW + timedelta(days=1))
    printed = f"{first.checkpoint}@2026-11-21T10:00:00Z"
    for kept in ("", str(file), str(old / MANIFEST), printed):
        assert "HOLDS" in verify(str(new), kept)
    made = records(new)
    number = next(number for number, one in enumerate(made) if one["place"] == "WT")
    size = len([one for one in records(old) if one["chain"] == "msc_ssc/01"])
    rewrite(new, forged(made, number))
    assert "HOLDS" in verify(str(new)), "it holds in itself: whoever forges everything forges that too"
    with pytest.raises(Wrong, match=f"Chain msc_ssc/01, record {made[number]['seq']}: ALTERED since the earlier export"):
        verify(str(new), str(old / MANIFEST))
    with pytest.raises(Wrong, match=f"Chain msc_ssc/01, a record from 1 to {size}: ALTERED since the checkpoint of 2026-11-21T09"):
        verify(str(new), str(file))
    with pytest.raises(Wrong, match="printed checkpoint"):
        verify(str(new), printed)
    # The tail cut off, and the manifest with it.
    rewrite(new, [one for one in made if one["chain"] == "msc_ssc" or one["seq"] < size - 1])
    for kept in (str(file), str(old / MANIFEST)):
        with pytest.raises(Wrong, match=f"Chain msc_ssc/01, record {size - 1}: (CUT|MISSING)"):
            verify(str(new), kept)
    # A whole site gone.
    rewrite(new, [one for one in made if one["chain"] == "msc_ssc"])
    for kept in (str(file), str(old / MANIFEST)):
        with pytest.raises(Wrong, match=r"Chain msc_ssc/01, record 1: (CUT|MISSING)"):
            verify(str(new), kept)


def test_what_is_no_checkpoint_is_told_and_an_altered_one_too(told, tmp_path):
    out, kept = tmp_path / "out", tmp_path / "kept"
    export(told, out)
    for said in ("", "no checkpoint", "{}", '{"at":"x","digest":"y","chains":[{"chain":1}]}', "[1]"):
        kept.write_text(said, encoding="utf-8")
        with pytest.raises(Unusable):
            verify(str(out), str(kept))
    kept.write_text('{"at":"2026","digest":"' + "0" * 64 + '","chains":[]}', encoding="utf-8")
    with pytest.raises(Wrong, match="The checkpoint of 2026 was ALTERED"):
        verify(str(out), str(kept))
    assert verify_audit.main([str(out), str(kept)]) == 1
    assert verify_audit.main([str(tmp_path)]) == 2
    shutil.copy(out / MANIFEST, kept)
    (out / CSV).unlink()
    assert verify_audit.main([str(out)]) == 2


@given(st.binary(max_size=60))
def test_whatever_bytes_stand_in_the_files_the_script_says_so_in_words(tmp_path_factory, junk):
    folder = tmp_path_factory.mktemp("junk")
    head = {"chain": "s", "size": 1, "head": "0" * 64}
    manifest = {"format": verify_audit.FORMAT, "study": "s", "digest": verify_audit.digest_of([("s", 1, "0" * 64)]), "chains": [head]}
    manifest |= {"records": 1, "erased": 0, "files": {name: {"sha256": ""} for name in (JSONL, CSV)}}
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    for name in (JSONL, CSV):
        (folder / name).write_bytes(junk)
    assert verify_audit.main([str(folder)]) == 1


def test_an_export_gets_a_folder_of_its_own_and_a_study_that_there_is(told, tmp_path):
    export(told, tmp_path / "out")
    with pytest.raises(Impossible):
        export(told, tmp_path / "out")
    told.study = "unknown"
    with pytest.raises(Impossible):
        export(told, tmp_path / "other")


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(_TEXT, min_size=17, max_size=17), st.integers(1, 10**9), _TEXT, _TEXT)
def test_the_script_has_the_rules_of_the_program(texts, seq, salt, value):
    leaf = Leaf(texts[0], seq, *texts[2:])
    said = {name: getattr(leaf, name) for name in Leaf.__slots__}
    assert verify_audit.record_hash(said) == leaf.hash()
    assert verify_audit.commitment(salt, value) == chain.commitment(salt, value)
    heads = ((texts[0], seq, texts[1]), (texts[2], seq, texts[3]))
    assert verify_audit.digest_of(list(heads)) == chain.Checkpoint(heads).digest()
    # A row of the CSV is what the record was; a NUL is in no text that is recorded.
    cells = [harmless("" if cell is None else str(cell)) for cell in (*said.values(), "hash", salt or "s", value, None, None)]
    back = verify_audit.record_of([cell[1:] if verify_audit._GUARDED.match(cell) else cell for cell in cells])
    assert back == {**said, "hash": "hash", "salt": salt or "s", "value": value, "old_salt": None, "old_value": None}


def test_the_script_names_what_the_program_names():
    assert Leaf.__slots__ == verify_audit.HASHED
    assert verify_audit.COLUMNS == trails.COLUMNS
    assert (chain.GENESIS, chain.REDACTION) == (verify_audit.GENESIS, verify_audit.REDACTION)
