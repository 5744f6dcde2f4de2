"""What must be true on the machine once a section of the chapter is done, seen as its people see it. The first line of each is printed."""

from __future__ import annotations

import ast
import email
import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from tests.production.follower import ADMINISTRATOR, HOST, PASSWORD, Follower
from tests.production.machine import Failed
from tests.production.visitor import Answer, Visitor

T = TypeVar("T")
WEB, JOBS = "trialcrf-web.service", "trialcrf-jobs.service"
MANAGER, OTHER_PASSWORD = "dora", "another sentence, which Dora types"
MAILS = "/var/tmp/mails"

_MAIL_SERVER = f"nohup python3 -u -W ignore -m smtpd --nosetuid --class DebuggingServer 127.0.0.1:25 >{MAILS} 2>&1 </dev/null &"
"""The mail server of the house, which the settings name: it writes down what it is given."""

_SETTINGS = "set -a\n. /etc/trialcrf/environment\n"
_CADDYS = "/var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt"
_WITH_CADDY = """
systemctl stop nginx.service
printf '{\n  local_certs\n  skip_install_trust\n}\n' | cat - /etc/caddy/Caddyfile >/var/tmp/Caddyfile
cp /var/tmp/Caddyfile /etc/caddy/Caddyfile
systemctl restart caddy.service
"""
_WHY = "The chapter of production"
_FORBIDDEN = (
    "ALTER TABLE audit_record DISABLE TRIGGER ALL",
    "DROP TABLE audit_record",
    "DELETE FROM audit_record",
    "CREATE TABLE mine (id integer)",
    "SET ROLE trialcrf_owner",
    "CREATE DATABASE mine",
)


class Checks:
    """One after the other: who signed in once is signed in later."""

    def __init__(self, follower: Follower) -> None:
        self._follower, self._machine = follower, follower.machine
        self._admin_key = self._manager_key = ""
        self._pdf = b""

    def after(self, section: str) -> list[Callable[[], None]]:
        return {
            "The machine": [self.nobody_but_root_changes_the_program],
            "The database": [self.the_application_changes_no_schema],
            "Two services": [self.both_run, self.both_are_shut_in, self.a_killed_one_comes_back],
            "TLS": [
                self.the_proxy_shows_the_pages,
                self.the_measurements_stay_inside,
                self.the_other_proxy_does_the_same,
                self.the_administrator_signs_in,
                self.a_person_is_invited,
            ],
            "Is it well": [self.a_report_is_drawn, self.the_journal_has_no_values, self.the_journal_lies_elsewhere],
            "Backups": [self.both_run, self.what_was_recorded_is_there, self.everything_belongs_to_the_program],
            "Upgrade, and back": [
                self.both_run,
                self.what_was_recorded_is_there,
                self.the_application_changes_no_schema,
                self.nothing_failed,
            ],
        }.get(section, [self.both_run] if self._admin_key else [])

    # --- The machine and its services ---------------------------------------------------------------------------------------------------

    def nobody_but_root_changes_the_program(self) -> None:
        """the program cannot change itself"""
        self._machine.run("touch /srv/trialcrf/app/wsgi.py", by="trialcrf", well=False)
        self._machine.run("mv /srv/trialcrf/app /srv/trialcrf/other", by="trialcrf", well=False)

    def the_application_changes_no_schema(self) -> None:
        """the role of the program changes no schema and takes no record away"""
        for statement in _FORBIDDEN:
            # Not as a variable of the shell: what is wrong must be the statement, not the way in.
            said = self._machine.run(f"{_SETTINGS}psql --no-psqlrc \"$DATABASE_URL\" --command '{statement}'", by="trialcrf", well=False)
            if "permission denied" not in said and "must be owner" not in said:
                raise Failed(f"{statement} was not refused for want of a right", said)
        self._machine.run("cat /etc/trialcrf/owner", by="trialcrf", well=False)

    def both_run(self) -> None:
        """both services run, and the program says that it is well"""
        for service in (WEB, JOBS):
            self._machine.run(f"systemctl is-active {service}")
        self._wait(lambda: self._machine.run("curl --fail --silent http://127.0.0.1:8000/healthz"), 90)

    def both_are_shut_in(self) -> None:
        """both are shut in: no rights, no other file system, nothing to write but data and backups"""
        for service in (WEB, JOBS):
            main = self._machine.run(f"systemctl show --property MainPID --value {service}").strip()
            status = dict(line.split(":\t", 1) for line in self._machine.run(f"cat /proc/{main}/status").splitlines() if ":\t" in line)
            held = (status["NoNewPrivs"], status["CapBnd"].strip("0"), status["CapEff"].strip("0"), status["Seccomp"])
            if held != ("1", "", "", "2"):
                raise Failed(f"{service} runs with {held}")
            # Even root could write nothing there: it is the file system that refuses.
            enter = f"nsenter --target {main} --mount"
            for folder in ("/srv/trialcrf/app", "/etc", "/usr", "/home", "/var/log"):
                self._machine.run(f"{enter} touch {folder}/x", well=False)
            for folder in ("/var/lib/trialcrf", "/var/backups/trialcrf"):
                self._machine.run(f"{enter} touch {folder}/.x && rm {folder}/.x")
            said = self._machine.run(f"systemd-analyze security --no-pager {service} | tail -1")
            print(f"          {service}: {said.strip().lstrip('→ ')}")

    def a_killed_one_comes_back(self) -> None:
        """a service that is killed is started again"""
        for service in (WEB, JOBS):
            asked = f"systemctl show --property MainPID --value {service}"
            before = self._machine.run(asked).strip()
            self._machine.run(f"kill -9 {before}")
            self._wait(lambda asked=asked, before=before: self._differs(asked, before), 30)
        self.both_run()

    def _differs(self, asked: str, before: str) -> str:
        now = self._machine.run(asked).strip()
        if now in ("0", before):
            raise Failed(f"no new process after {before}: {now}")
        return now

    def everything_belongs_to_the_program(self) -> None:
        """every file of the data and the backups is trialcrf's, and nobody else reads one"""
        said = self._machine.run("find /var/lib/trialcrf /var/backups/trialcrf ! -user trialcrf -o -perm /o=rwx")
        if said.strip():
            raise Failed("others have a part in these", said)

    def nothing_failed(self) -> None:
        """no unit of systemd that the chapter speaks of failed"""
        said = self._machine.run("systemctl --failed --plain --no-legend --no-pager")
        if re.search(r"trialcrf|nginx|postgresql", said):
            raise Failed("these failed", said)

    # --- What people see ----------------------------------------------------------------------------------------------------------------

    def the_proxy_shows_the_pages(self) -> None:
        """https://HOST shows where one signs in, and browsers are told to come back by https alone"""
        answer = self._visitor().get("/sign-in")
        answer.find(r'name="(password)"')
        self._visitor().get("/", status=302)
        for name, wanted in (
            ("strict-transport-security", "max-age=6"),
            ("content-security-policy", "default-src"),
            ("x-content-type-options", "nosniff"),
        ):
            if wanted not in answer.headers.get(name, ""):
                raise Failed(f"no {name} in the answer", repr(answer.headers))
        if "nginx/" in answer.headers.get("server", ""):
            raise Failed("the proxy tells its version")

    def the_measurements_stay_inside(self) -> None:
        """/metrics is 404 through the proxy, and this machine reads it"""
        self._visitor().get("/metrics", status=404)
        if "trialcrf_" not in self._machine.run("curl --fail --silent --show-error http://127.0.0.1:8000/metrics"):
            raise Failed("there are no measurements")

    def the_other_proxy_does_the_same(self) -> None:
        """Caddy takes the file that is for it, shows the same pages and keeps the measurements inside; then nginx again"""
        self._machine.run("caddy validate --adapter caddyfile --config /etc/caddy/Caddyfile")
        # Nobody certifies a machine that is in no network: here it is its own authority, which is all that differs.
        self._machine.run(_WITH_CADDY)
        try:
            visitor = Visitor(self._machine, HOST, self._wait(lambda: self._machine.run(f"cat {_CADDYS}"), 60))
            self._wait(lambda: visitor.get("/sign-in"), 60).find(r'name="(password)"')
            visitor.get("/metrics", status=404)
            visitor.post("/sign-in", {"username": ADMINISTRATOR, "password": PASSWORD})
        finally:
            self._machine.run("systemctl disable --now caddy.service && systemctl start nginx.service")

    def the_administrator_signs_in(self) -> None:
        """the first administrator signs in, and sets up the second factor that is asked for"""
        visitor = self._visitor()
        visitor.post("/sign-in", {"username": ADMINISTRATOR, "password": PASSWORD})
        if visitor.get("/", status=303).headers["location"].endswith("/account/factors"):
            self._admin_key = self._factor(visitor, PASSWORD)
        visitor.get("/people").find(r"(Ada Admin)")
        self._admin = visitor

    def a_person_is_invited(self) -> None:
        """a data manager is invited by mail, accepts, and signs in"""
        self._machine.run(_MAIL_SERVER)
        admin = self._admin
        form = admin.get("/people/new")
        person = {"username": MANAGER, "name": "Dora Data", "email": f"dora@{HOST}", "organisation": "Hospital", "language": "en"}
        place = admin.post("/people/new", person, of=form).headers["location"].partition("?")[0].removeprefix(f"https://{HOST}")
        admin.post(f"{place}/roles", {"role": "data_manager", "study": "msc_ssc", "site": ""}, of=admin.get(place))
        page = admin.get(place)
        grant, today = page.find(r'name="train-(\d+)-day"'), datetime.now(UTC)
        day = {f"train-{grant}-{name}": str(getattr(today, name)) for name in ("day", "month", "year")}
        admin.post(f"{place}/roles/{grant}/training", day, of=page)
        link = self._wait(self._invitation, 150)
        manager = self._visitor()
        manager.post(link, {"new": OTHER_PASSWORD}, of=manager.get(link))
        manager.post("/sign-in", {"username": MANAGER, "password": OTHER_PASSWORD})
        self._manager_key = self._factor(manager, OTHER_PASSWORD)
        self._manager = manager

    def a_report_is_drawn(self) -> None:
        """a report that is ordered is drawn by the other service, and downloaded"""
        form, today = self._manager.get("/studies/msc_ssc/reports"), datetime.now(UTC)
        asked = {name: str(getattr(today, name)) for name in ("day", "month", "year")}
        asked |= {"kind": "safety", "language": "en", "why": _WHY, "site": "", "subject": "", "case_number": ""}
        self._manager.post("/studies/msc_ssc/reports", asked, of=form)
        self._pdf = self._wait(self._report, 180).body

    def what_was_recorded_is_there(self) -> None:
        """who was there before signs in, with the second factor, and the report is the same"""
        manager = self._visitor()
        manager.used = self._manager.used
        step = manager.post("/sign-in", {"username": MANAGER, "password": OTHER_PASSWORD}, status=200)
        given = {"step": step.find(r'name="step" value="([^"]+)"'), "code": manager.code(self._manager_key)}
        manager.post("/sign-in/second", given, of=step)
        self._manager = manager
        if self._report().body != self._pdf:
            raise Failed("it is another report")

    def the_journal_lies_elsewhere(self) -> None:
        """what the program said is on the machine that the log is shipped to"""
        asked = f"journalctl --directory /var/log/journal/remote --quiet --output cat _SYSTEMD_UNIT={WEB} | grep '\"request\"' | head -1"
        self._wait(lambda: self._machine.run(asked), 60)

    def the_journal_has_no_values(self) -> None:
        """the journal has a line of JSON for each request, and nothing that somebody typed"""
        for service in (WEB, JOBS):
            said = self._machine.run(f"journalctl --quiet --output cat _SYSTEMD_UNIT={service} _TRANSPORT=stdout")
            try:
                lines = [json.loads(line) for line in said.splitlines()]
            except ValueError as error:
                raise Failed(f"a line of {service} is no JSON: {error}", said) from error
            if service == WEB and not {"/sign-in", "/people"} <= {one.get("route") for one in lines}:
                raise Failed("requests are missing in the journal", said)
            for secret in (PASSWORD, OTHER_PASSWORD, "Dora", "dora@", "Ada Admin", *self._follower.words.values()):
                if secret in said and secret not in (HOST, "v0"):
                    raise Failed(f"the journal of {service} quotes {secret!r}", said)

    # --- Ways and means -----------------------------------------------------------------------------------------------------------------

    def _visitor(self) -> Visitor:
        return Visitor(self._machine, HOST, self._machine.run("cat /etc/ssl/trialcrf/chain.pem"))

    def _factor(self, visitor: Visitor, password: str) -> str:
        """Set up an authenticator app; returns its key."""
        visitor.post("/account/codes", {"app-name": "Telephone", "app-password": password}, of=visitor.get("/account/factors"))
        page = visitor.get("/account/codes")
        key = page.find(r'<code class="key"[^>]*>([^<]+)</code>')
        done = visitor.post("/account/codes/confirm", {"code": visitor.code(key)}, status=200, of=page)
        done.find(r"(<code)")
        return key

    def _invitation(self) -> str:
        said = self._machine.run(f"cat {MAILS}")
        lines = [ast.literal_eval(line) for line in said.splitlines() if line.startswith(("b'", 'b"'))]
        for part in b"\n".join(lines).split(b"\nX-Peer:"):
            text = email.message_from_bytes(part.lstrip(b"\n")).get_payload(decode=True) or b""
            found = re.search(rf"https://{HOST}(/invitation/\S+)".encode(), text + part)
            if found:
                return found[1].decode()
        raise Failed("no invitation came", said)

    def _report(self) -> Answer:
        listed = self._manager.get("/studies/msc_ssc/reports")
        if _WHY not in listed.text or "being drawn" in listed.text:
            raise Failed("the report is not drawn", listed.text)
        answer = self._manager.get(listed.find(r'<a class="btn small" href="([^"]+)">Download'))
        if not answer.body.startswith(b"%PDF"):
            raise Failed("it is no PDF")
        return answer

    @staticmethod
    def _wait(ask: Callable[[], T], seconds: float) -> T:
        end = time.monotonic() + seconds
        while True:
            try:
                return ask()
            except Failed:
                if time.monotonic() > end:
                    raise
            time.sleep(1)
