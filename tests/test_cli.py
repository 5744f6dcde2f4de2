"""The command line on both databases: what it does, what it says, and one plain sentence for whatever goes wrong."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from config import Settings
from tests.actions.screening import screen_donor, screen_recipient
from tests.actions.world import ROOT, STUDIES, World, open_world, typed
from tests.actions.world import filling as filling_of
from trialcrf import verify_audit
from trialcrf.actions import NotClean
from trialcrf.actions.publish import publish
from trialcrf.cli import main
from trialcrf.external import clock
from trialcrf.jobs import JOBS, Means
from trialcrf.jobs import run as run_job
from trialcrf.store import accounts, outbox, reports, sites, subjects
from trialcrf.store.models import audit_record
from trialcrf.store.transaction import open_engine

CONSENT = {
    "ICF_DATE": (2, 9, 2026), "ICF_VERSION": "1.0", "ICF_LANG": "fr", "ICF_SIGNED": "Y", "BIRTH_MONTH": ("", 5, 1980), "SEX_BIRTH": "F",
}  # fmt: skip


class Cli:
    """Runs commands as a terminal would; in this process unless a whole one is asked for."""

    def __init__(self, url: str, data: Path) -> None:
        self.env = {"TRIALCRF_DATA": str(data), "DATABASE_URL": url, "LC_ALL": "en_GB.UTF-8", "SMTP_URL": "", "TRIALCRF_DEMO": ""}

    def __call__(self, *arguments: str, code: int = 0, given: str | None = None, **env: str) -> str:
        result = CliRunner(env={**self.env, **env}).invoke(main, arguments, input=given, prog_name="trialcrf")
        assert result.exit_code == code, result.output + str(result.exception)
        assert "Traceback" not in result.output
        return result.stdout if code == 0 else result.stderr

    def process(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "trialcrf.cli", *arguments],
            cwd=ROOT, env={**os.environ, **self.env, **env}, capture_output=True, text=True, check=False,
        )  # fmt: skip


@pytest.fixture
def cli(database_url, tmp_path):
    return Cli(database_url, tmp_path / "data")


@pytest.fixture
def filling(request):
    return filling_of("msc_ssc", at_any_hour=True) if "world" in request.fixturenames else None


@pytest.fixture
def world(database_url):
    made = open_world(database_url)
    yield made
    made.engine.dispose()


def recipient(world: World, **more: object):
    return world.enrol("recipient", now=clock.now(), **{**CONSENT, **more})


# --- Criteria ---------------------------------------------------------------------------------------------------------------------------

LUNG = {"ild_imaging": True, "lung_other_causes_excluded": True, "fibrosing_lung_life_threat": False, "prior_pft_6_18m": False}


def test_a_criterion_is_judged_over_a_file_or_standard_input(tmp_path):
    cli = Cli("postgresql://nobody@127.0.0.1:1/nothing", tmp_path)  # no database is asked for
    data = tmp_path / "values.json"
    for values, verdict in (({"dlco_pp": 60, "fvc_pp": 70}, "MET"), ({"dlco_pp": 60, "fvc_pp": 70.1}, "NOT_MET"), ({}, "UNDETERMINED")):
        data.write_text(json.dumps({**LUNG, **values}))
        assert cli("study", "eval", "msc_ssc", "R-I3a", "--data", str(data)) == f"{verdict}\n"
        assert cli("study", "eval", "msc_ssc", "R-I3a", "--data", "-", given=data.read_text()) == f"{verdict}\n"
    for values, verdict in (
        ({"anc": "<0.5"}, "PRESENT"),
        ({"anc": "<0.6"}, "UNDETERMINED"),
        ({"anc": 4, "plt": 90, "hgb": 9, "cd4": 300}, "ABSENT"),
    ):
        assert cli("study", "eval", "msc_ssc", "R-E5", "--data", "-", given=json.dumps(values)) == f"{verdict}\n"


def test_the_explanation_is_the_rule_as_a_tree_with_its_clause_and_assumptions(tmp_path):
    cli = Cli("postgresql://nobody@127.0.0.1:1/nothing", tmp_path)
    said = cli("study", "eval", "msc_ssc", "R-I3a", "--explain", "--data", "-", given=json.dumps({**LUNG, "dlco_pp": 59, "fvc_pp": 70.1}))
    lines = said.splitlines()
    assert lines[0] == "MET"
    assert "DLCO < 60 %" in lines[1]
    assert re.search(r"^ +true +and$", said, re.M)
    assert re.search(r"^ +true +dlco_pp < 60 +\[dlco_pp = 59\]$", said, re.M)
    assert re.search(r"^ +false +fvc_pp <= 70 +\[fvc_pp = 70.1\]$", said, re.M)
    assert lines[-4:] == ["  A-06a", "  A-06b", "  A-06c", "  A-24"]


@pytest.mark.parametrize(
    ("criterion", "given", "said"),
    [
        ("R-X9", "{}", ["R-I1", "D-E4"]),
        ("R-E5", "[1]", ["object"]),
        ("R-E5", "{", ["JSON"]),
        ("R-E5", '{"anc": "many", "nonsense": 1, "vt": 3}', ["anc", "nonsense", "vt"]),
    ],
)
def test_bad_data_are_told_in_plain_sentences_and_all_at_once(tmp_path, criterion, given, said):
    cli = Cli("postgresql://nobody@127.0.0.1:1/nothing", tmp_path)
    told = cli("study", "eval", "msc_ssc", criterion, "--data", "-", code=1, given=given)
    assert all(word in told for word in said)


def test_publishing_a_new_version_lists_its_effect_on_those_enrolled(world, database_url, tmp_path):
    cli = Cli(database_url, tmp_path)
    screen_recipient(world, screen_donor(world).key)
    folder = tmp_path / "amended"
    shutil.copytree(STUDIES["msc_ssc"], folder)
    rules = folder / "eligibility.yaml"
    rules.write_text(rules.read_text(encoding="utf-8").replace("fvc_pp <= 70", "fvc_pp < 70"), encoding="utf-8")
    said = cli("study", "publish", str(folder)).splitlines()
    assert said[0] == "msc_ssc: version 2 is published."
    assert "R-01-001  R-I3a  MET → NOT_MET" in said
    assert "R-01-001  =  ELIGIBLE → NOT_ELIGIBLE" in said
    assert said[-1] == "Subjects: 2. Verdicts that would be others: 3. Visit windows that move: 0."


# --- The database -----------------------------------------------------------------------------------------------------------------------


def test_init_builds_an_empty_database_and_leaves_a_ready_one_alone(empty_database_url, tmp_path):
    cli = Cli(empty_database_url, tmp_path / "new" / "folder")
    assert "trialcrf init" in cli("subject", "list", "--study", "msc_ssc", code=1)
    assert cli("init") == cli("init") == "The database is ready.\n"
    assert "version 1 is published" in cli("study", "publish", "msc_ssc")


@pytest.mark.parametrize("command", [["init"], ["study", "publish", "msc_ssc"], ["jobs", "run", "overdue-scan"], ["audit", "verify"]])
def test_no_command_touches_a_database_whose_triggers_were_changed(cli, database_url, database_kind, command):
    engine = open_engine(database_url)
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("DROP TRIGGER form_no_delete" + (" ON form" if database_kind == "postgresql" else ""))
    engine.dispose()
    assert "form_no_delete" in cli(*command, code=1)


def test_simulate_fills_an_empty_study_and_leaves_one_with_subjects_alone(cli):
    cli("study", "publish", "msc_ssc")
    told = cli("simulate", "--study", "msc_ssc", "--subjects", "2", "--sites", "2", "--no-bulk")
    assert re.search(r"Synthetic subjects: 2\. Forms: \d+\. Audit records: [\d,]+\.", told)
    assert len(cli("subject", "list", "--study", "msc_ssc").splitlines()) == 2
    assert "never be told apart" in cli("simulate", "--study", "msc_ssc", "--subjects", "2", code=1)
    assert "The trail is clean" in cli("audit", "verify")


def test_a_database_that_cannot_be_reached_is_one_sentence(tmp_path):
    cli = Cli("postgresql://nobody@127.0.0.1:1/nothing", tmp_path)
    said = cli("audit", "verify", code=1)
    assert said.count("\n") == 1
    assert said.startswith("The database cannot be used")


def test_bad_settings_are_told_all_at_once(cli):
    said = cli("audit", "verify", code=1, PORT="many", MAIL_FROM="nobody")
    assert "PORT" in said and "MAIL_FROM" in said


def test_an_unforeseen_error_is_a_sentence_too_unless_its_trace_is_asked_for(cli, monkeypatch):
    def broken(_tx):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(sys.modules["trialcrf.cli.audit"], "verify", broken)  # Its name in the package is that of the command.
    assert cli("audit", "verify", code=1) == "This was not foreseen: ZeroDivisionError: by zero\n"
    result = CliRunner(env=cli.env).invoke(main, ["--trace", "audit", "verify"])
    assert isinstance(result.exception, ZeroDivisionError)


# --- Studies, people, places ------------------------------------------------------------------------------------------------------------


def test_a_sound_study_is_counted_and_an_unsound_one_told_in_full_with_file_and_line(cli, tmp_path):
    assert "salt is sound" in cli("study", "check", str(STUDIES["salt"]))
    folder = tmp_path / "broken"
    (folder / "forms").mkdir(parents=True)
    for path in STUDIES["salt"].rglob("*.yaml"):
        (folder / path.relative_to(STUDIES["salt"])).write_text(path.read_text())
    plate, schedule = folder / "forms/plate.yaml", folder / "schedule.yaml"
    plate.write_text(plate.read_text().replace("type: datetime", "type: someday"))
    schedule.write_text(schedule.read_text().replace("anchor: DRAW", "anchor: DROW"))
    said = cli("study", "check", str(folder), code=1).splitlines()
    assert [line for line in said if re.match(r"forms/plate\.yaml:7: ", line)]
    assert len([line for line in said if re.match(r"schedule\.yaml:\d+: .*DROW", line)]) == 2
    assert cli("study", "publish", str(folder), code=1).splitlines() == said, "and nothing is published"
    assert cli("study", "check", str(tmp_path / "nowhere"), code=1).count("\n") == 1


def test_publishing_the_same_twice_is_one_version(cli):
    assert "version 1 is published" in cli("study", "publish", str(STUDIES["salt"]))
    assert "version 1 says the same already" in cli("study", "publish", str(STUDIES["salt"]))


def test_subjects_are_listed_for_people_and_for_programs(cli, world):
    assert json.loads(cli("subject", "list", "--study", "msc_ssc", "--json")) == []
    recipient(world)
    (line,) = json.loads(cli("subject", "list", "--study", "msc_ssc", "--json"))
    assert (line["key"], line["site"], line["type"]) == ("R-01-001", "01", "recipient")
    assert cli("subject", "list", "--study", "msc_ssc").startswith("R-01-001  01  ")
    assert "no study nothing" in cli("subject", "list", "--study", "nothing", code=1)


def test_an_administrator_is_made_by_options_and_a_file_and_the_trail_names_the_terminal(cli, world, tmp_path):
    (tmp_path / "password").write_text("correct horse battery\n")
    options = ["--username", "Adam", "--name", "Adam A", "--email", "adam@example.org", "--organisation", "Sponsor"]
    said = cli("user", "create-admin", *options, "--password-file", str(tmp_path / "password"))
    assert said == "The administrator adam can sign in now.\n"
    with world.read() as tx:
        adam = accounts.find(tx, "adam")
        assert [held.grant.role for held in accounts.grants_of(tx, adam.id)] == ["administrator"]
        record = tx.read(select(audit_record).where(audit_record.c.entity == "account", audit_record.c.entity_id == str(adam.id))).first()
    assert (record.actor, record.role) == ("trialcrf", "system")
    assert record.address.startswith("cli:")
    assert "in use" in cli("user", "create-admin", *options, "--password-file", str(tmp_path / "password"), code=1)


def test_a_password_that_is_asked_for_is_not_shown(cli, world):
    typed_in = "adam\nAdam\nadam@example.org\nSponsor\ncorrect horse battery\ncorrect horse battery\n"
    said = cli("user", "create-admin", given=typed_in)
    assert "correct horse" not in said
    assert "adam can sign in" in said


def test_a_weak_password_makes_no_account(cli, world):
    options = ["--username", "adam", "--name", "Adam A", "--email", "adam@example.org", "--organisation", "Sponsor"]
    assert "at least 12" in cli("user", "create-admin", *options, "--password-file", "-", given="short\n", code=1)
    with world.read() as tx:
        assert accounts.find(tx, "adam") is None


def test_a_site_is_made_with_its_zone(cli, world):
    cli("site", "create", "--study", "msc_ssc", "--code", "03", "--name", "Fort-de-France", "--zone", "America/Martinique")
    with world.read() as tx:
        assert sites.find(tx, "msc_ssc", "03").zone_name == "America/Martinique"
    assert "time zone" in cli("site", "create", "--study", "msc_ssc", "--code", "04", "--name", "X", "--zone", "Paris", code=1)


# --- Jobs and reminders -----------------------------------------------------------------------------------------------------------------


def test_the_overdue_scan_by_hand_queues_once_and_the_mail_is_delivered(cli, world):
    recipient(world)
    assert cli("jobs", "run", "overdue-scan") == "Reminders queued: 4.\n"
    assert cli("jobs", "run", "overdue-scan") == "Reminders queued: 0.\n"
    assert cli("jobs", "run", "deliver-mail").startswith("Mails sent: 4;")
    with world.read() as tx:
        assert outbox.counts(tx) == {"sent": 4}
    assert len(list((Path(cli.env["TRIALCRF_DATA"]) / "mail").glob("*.eml"))) == 4


def test_another_moment_can_be_given(cli, world):
    recipient(world, ICF_DATE=(clock.now().day, clock.now().month, clock.now().year))
    assert cli("jobs", "run", "overdue-scan") == "Reminders queued: 1.\n"  # The window is open from today.
    later = clock.now() + timedelta(days=40)
    assert cli("jobs", "run", "overdue-scan", "--now", later.strftime("%Y-%m-%dT%H:%MZ")) == "Reminders queued: 2.\n"
    assert "not a moment" in cli("jobs", "run", "overdue-scan", "--now", "tomorrow", code=2)


def test_the_jobs_are_listed_with_their_last_success_and_when_they_are_due_next(cli, world):
    *before, backups = cli("jobs", "list").splitlines()
    assert backups == "There is no backup of which it is proved that it can be restored."
    assert [line.split()[0] for line in before] == ["job", *JOBS]
    assert all(
        re.match(rf"{name} +– +– +{re.escape(job.rhythm.does)}$", line) for line, (name, job) in zip(before[1:], JOBS.items(), strict=True)
    )
    job, means = JOBS["checkpoint"], Means.of(Settings.from_env(cli.env), world.engine)
    assert run_job(means, job, clock.now()) is not None
    hour = clock.now().strftime("%Y-%m-%dT%H")
    due = job.rhythm.next_after(clock.now()).strftime("%Y-%m-%dT%H:%M:%SZ")
    after = next(line for line in cli("jobs", "list").splitlines() if line.startswith("checkpoint"))
    assert re.match(rf"checkpoint +{hour}:\d\d:\d\dZ +{due} +Write the heads", after)


def test_a_job_that_failed_is_listed_as_late(cli, world):
    means = Means.of(Settings.from_env(cli.env), world.engine)
    with pytest.raises(NotClean):
        checkpoint_file = Path(cli.env["TRIALCRF_DATA"]) / "checkpoints.jsonl"
        checkpoint_file.parent.mkdir(parents=True, exist_ok=True)
        checkpoint_file.write_text("nothing\n")
        run_job(means, JOBS["checkpoint"], clock.now())
    assert re.search(r"^checkpoint +– .*late: Write the heads", cli("jobs", "list"), re.M)
    assert "wrote over it" in cli("jobs", "run", "checkpoint", code=1)


def test_a_backup_that_cannot_be_made_is_one_plain_sentence(cli, world, database_kind):
    (Path(cli.env["TRIALCRF_DATA"])).mkdir(parents=True, exist_ok=True)
    (Path(cli.env["TRIALCRF_DATA"]) / "backups").write_text("not a folder")
    assert "backups" in cli("jobs", "run", "backup", code=1)


def test_a_job_that_does_not_exist_is_a_wrong_use(cli):
    assert "overdue-scan" in cli("jobs", "run", "no-such-job", code=2)


# --- Reports and the trail --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_the_quality_of_a_site_is_drawn_from_the_terminal(cli: Cli, world: World, tmp_path: Path) -> None:
    out = ["--study", "msc_ssc", "--as-of", "2026-09-01", "--out", str(tmp_path / "quality.pdf")]
    assert "no such site" in cli("report", "quality", *out, "--site", "99", code=1)
    assert "SHA-256" in cli("report", "quality", *out, "--site", "01", "--lang", "en")
    assert "SHA-256" in cli("report", "dsur", *out)
    assert "There is no case 7" in cli("report", "cioms", *out, "--case", "7", code=1)
    assert "There is no subject R-99-001" in cli("report", "narrative", *out, "--subject", "R-99-001", code=1)
    assert (tmp_path / "quality.pdf").read_bytes().startswith(b"%PDF-")


def safety(out: Path, *more: str) -> tuple[str, ...]:
    return ("report", "safety", "--study", "msc_ssc", "--as-of", clock.now().date().isoformat(), "--out", str(out), *more)


def told(said: str, out: Path) -> bytes:
    """The bytes of a drawing, of which `said` names the sum."""
    drawing = out.read_bytes()
    assert hashlib.sha256(drawing).hexdigest() in said
    return drawing


def adverse(world: World, subject, repeat: int = 1) -> None:
    boxes = {"AE_WORDS": f"Fever {repeat}", "AE_GRADE": "1", "AE_ONSET": (20, 9, 2026), "AE_SERIOUS": "N"}
    world.save(subject, "ADVERSE", "AE", typed(**boxes), repeat, now=clock.now())


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)  # Drawing knows no database.
def test_a_report_has_the_same_bytes_in_another_process_zone_and_locale_and_whatever_is_recorded_later(cli, world, tmp_path):
    subject = recipient(world)
    adverse(world, subject)
    known = clock.now().isoformat()
    one, two, three = (tmp_path / f"{number}.pdf" for number in (1, 2, 3))
    first = told(cli(*safety(one, "--known-at", known, "--lang", "fr")), one)
    adverse(world, subject, 2)
    elsewhere = {"TZ": "Pacific/Auckland", "LC_ALL": "C", "LANG": "C", "PYTHONHASHSEED": "7"}
    done = cli.process(*safety(two, "--known-at", known, "--lang", "fr"), **elsewhere)
    assert done.returncode == 0, done.stderr
    assert first.startswith(b"%PDF-")
    assert told(done.stdout, two) == first
    assert told(cli(*safety(three, "--lang", "fr")), three) != first


def test_a_report_that_cannot_be_made_leaves_no_file(cli, world, tmp_path):
    out = ["--study", "msc_ssc", "--out", str(tmp_path / "report.pdf")]
    assert "after the day" in cli("report", "safety", *out, "--as-of", "2999-01-01", code=1)
    assert "later" in cli("report", "safety", *out, "--as-of", "2026-09-01", "--known-at", "2999-01-01", code=1)
    assert "No definition" in cli("report", "safety", *out, "--as-of", "2019-09-01", "--known-at", "2020-01-01", code=1)
    assert "languages" in cli("report", "safety", *out, "--as-of", "2026-09-01", "--lang", "de", code=1)
    assert "not a day" in cli("report", "safety", *out, "--as-of", "31/02/2026", code=2)
    assert not (tmp_path / "report.pdf").exists()


def test_a_clean_trail_is_counted(cli, world):
    recipient(world)
    assert re.fullmatch(r"The trail is clean: 3 chains, \d+ records\.\n", cli("audit", "verify"))


def test_the_whole_trail_is_exported_with_the_script_that_verifies_it(cli, world, tmp_path):
    recipient(world)
    out = tmp_path / "trail"
    assert "Audit records" in cli("audit", "export", "--study", "msc_ssc", "--out", str(out))
    assert "HOLDS" in verify_audit.verify(str(out))
    assert "not empty" in cli("audit", "export", "--study", "msc_ssc", "--out", str(out), code=1)
    assert cli("audit", "export", "--study", "unknown", "--out", str(tmp_path / "other"), code=1)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE audit_record SET actor = 'x' WHERE chain = 'msc_ssc/01' AND seq = 3", "Chain msc_ssc/01, record 3: the record was"),
        ("UPDATE audit_value SET value = '\"2.0\"' WHERE chain = 'msc_ssc/01' AND seq = 4", "Chain msc_ssc/01, record 4: the value"),
        ("DELETE FROM audit_record WHERE chain = 'msc_ssc/01' AND seq = 2", "Chain msc_ssc/01, record 2: the record is missing"),
        ("DELETE FROM audit_record WHERE chain = 'msc_ssc/01' AND seq > 5", "Chain msc_ssc/01, record 6: the end of the chain"),
        ("UPDATE form SET document = replace(document, '1.0', '2.0')", "form 1, at “ICF_VERSION”"),
        ("UPDATE fact SET text = '2026-09-03' WHERE alias = 'RFICDAT'", "fact 1"),
        ("UPDATE subject SET error = 'gone'", "subject 1, at “error”"),
        ("UPDATE account SET active = false WHERE username = 'cora'", "at “active”"),
    ],
)  # fmt: skip
def test_a_record_that_was_altered_behind_the_programs_back_is_named(cli, world, database_kind, statement, named):
    recipient(world)
    tamper(world, database_kind, statement)
    assert named in cli("audit", "verify", code=1)


def tamper(world: World, kind: str, statement: str) -> None:
    """What somebody with every right on the database could do: lift the guard, change, put the guard back."""
    with world.engine.connect() as connection, connection.begin():
        if kind == "postgresql":
            tables = ("audit_record", "audit_value", "form", "subject", "account")
            for table in tables:
                connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            connection.exec_driver_sql(statement)
            for table in tables:
                names = connection.exec_driver_sql(
                    f"SELECT tgname FROM pg_trigger WHERE tgrelid = '{table}'::regclass AND NOT tgisinternal"
                )
                for (name,) in names.all():
                    connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")
            return
        triggers = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").all()
        for name, _ in triggers:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        connection.exec_driver_sql(statement)
        for _, sql in triggers:
            connection.exec_driver_sql(sql)


# --- Data out and in --------------------------------------------------------------------------------------------------------------------


def test_an_export_counts_and_an_empty_one_says_so(cli, world, tmp_path):
    assert "nothing to export" in cli("export", "csv", "--study", "msc_ssc", "--out", str(tmp_path / "empty"))
    recipient(world)
    assert "subjects 1" in cli("export", "csv", "--study", "msc_ssc", "--out", str(tmp_path / "full"))
    assert (tmp_path / "full" / "manifest.json").is_file()
    assert "not empty" in cli("export", "csv", "--study", "msc_ssc", "--out", str(tmp_path / "full"), code=1)


def test_an_import_of_tables_that_are_not_there_names_each(cli, tmp_path):
    cli("study", "publish", "cdisc_pilot")
    (tmp_path / "tables").mkdir()
    said = cli("import", "sdtm", str(tmp_path / "tables"), "--study", "cdisc_pilot", code=1)
    assert [line.partition(":")[0] for line in said.splitlines() if re.match(r"\w+\.csv:1: ", line)]
    assert "no study" in cli("import", "sdtm", str(tmp_path / "tables"), "--study", "nothing", code=1)


# --- Languages --------------------------------------------------------------------------------------------------------------------------


def test_the_terminal_decides_the_language(cli, world):
    recipient(world)
    french, english = (cli("audit", "verify", LC_ALL="", LC_MESSAGES="", LANG=language) for language in ("fr_FR.UTF-8", "C"))
    assert french != english
    assert english.startswith("The trail is clean")


# --- The whole program ------------------------------------------------------------------------------------------------------------------


class Running:
    """`trialcrf run` as a person starts it, in a session of its own so that a signal reaches nobody else."""

    def __init__(self, cli: Cli, data: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.said = data.parent / "said.txt"
        self.errors = data.parent / "errors.txt"
        env = {**os.environ, **cli.env, "PORT": str(self.port), "TRIALCRF_DEMO": "yes", "HOST": ""}
        with self.said.open("w") as out, self.errors.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "trialcrf.cli", "run"], cwd=ROOT, env=env, stdout=out, stderr=err, start_new_session=True
            )

    def lines(self) -> list[str]:
        return self.said.read_text().splitlines()

    def wait_until_ready(self) -> None:
        end = time.monotonic() + 150
        while not any(line.startswith("ready ") for line in self.lines()):
            assert self.process.poll() is None, self.errors.read_text()
            assert time.monotonic() < end, self.errors.read_text()
            time.sleep(0.2)

    def health(self) -> tuple[int, dict[str, object]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        found = answer.status, json.loads(answer.read())
        connection.close()
        return found

    def child(self, name: str) -> int:
        """The process id of the web server (cli serve) or of the scheduler (jobs serve)."""
        listed = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=False)
        (found,) = [line.split()[0] for line in listed.stdout.splitlines() if name in line]
        return int(found)

    def stop(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=120)


@pytest.fixture
def running(empty_database_url, tmp_path):
    started: list[Running] = []

    def start() -> Running:
        data = tmp_path / "data"
        started.append(Running(Cli(empty_database_url, data), data))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.stop(signal.SIGTERM)


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_run_makes_everything_ready_serves_it_keeps_it_and_stops_cleanly(running, tmp_path, empty_database_url):
    first = running()
    first.wait_until_ready()
    assert first.lines().count(f"ready http://127.0.0.1:{first.port}") == 1
    assert f"Open http://localhost:{first.port} in a browser." in first.lines(), "where passkeys work too"
    assert any(re.match(r"cora +only-for-the-demo +Coordinator +01$", line) for line in first.lines())
    status, told = first.health()
    assert (status, told["status"]) == (200, "ok")
    children = [first.child("cli serve"), first.child("jobs serve")]
    assert list((tmp_path / "data" / "reports").glob("msc_ssc-safety-*.pdf"))
    assert first.stop() == 0
    assert not any(_alive(pid) for pid in children)
    assert "Traceback" not in first.errors.read_text()

    engine = open_engine(empty_database_url)
    world = World(engine, "msc_ssc")
    with world.read() as tx:
        kept, drawn = subjects.count(tx, "msc_ssc"), len(reports.all_of(tx, "msc_ssc"))
    assert kept > 0
    shipped = world.published
    with world.write("trialcrf") as tx:
        later, _ = publish(tx, replace(shipped.study, reminders=replace(shipped.study.reminders, quiet_from="", quiet_to="")))
    engine.dispose()
    second = running()
    second.wait_until_ready()
    with world.read() as tx:
        assert (subjects.count(tx, "msc_ssc"), len(reports.all_of(tx, "msc_ssc"))) == (kept, drawn)
    assert world.published.id == later.id != shipped.id, "a start undoes no version of the study"
    engine.dispose()
    os.kill(second.child("cli serve"), signal.SIGKILL)
    assert second.process.wait(timeout=120) == 1, "the other part does not go on alone"
    assert "ended by itself" in second.errors.read_text()
    with pytest.raises(OSError):
        second.health()

    third = running()
    third.wait_until_ready()
    children = [third.child("cli serve"), third.child("jobs serve")]
    third.process.kill()
    end = time.monotonic() + 120
    while any(_alive(pid) for pid in children) and time.monotonic() < end:
        time.sleep(0.2)
    left = [Path(f"/proc/{pid}/cmdline").read_text() for pid in children if _alive(pid)]
    assert not left, third.errors.read_text()  # nobody would be left to stop them


def _alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_run_refuses_a_port_that_is_taken(cli):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = cli("run", code=1, PORT=str(taken.getsockname()[1]))
    assert "Another PORT" in said
