"""Who follows the chapter: replaces the words in capitals, writes the files, types the commands, answers what they ask."""

from __future__ import annotations

import re
import secrets

from tests.production.blocks import Commands, File
from tests.production.machine import Answers, Machine
from tests.production.versions import INSIDE, Versions

HOST, LOGS = "crf.example.org", "logs.example.org"
ADMINISTRATOR, PASSWORD = "ada", "a sentence that only Ada types here"
KEY = "/run/backup.key"


class Follower:
    """`words` are what the capitals mean by now."""

    def __init__(self, machine: Machine, versions: Versions) -> None:
        self.machine, self._versions = machine, versions
        self.words = {"HOST": HOST, "LOGS": LOGS, "REPOSITORY": INSIDE, "VERSION": versions.newest}
        self.words |= {name: secrets.token_hex(16) for name in ("APP_PASSWORD", "OWNER_PASSWORD", "PROOF_PASSWORD")}
        self.private_key = ""
        self._section = ""

    def follow(self, block: Commands | File) -> None:
        """Do what the block says. Raises Failed."""
        if isinstance(block, File):
            if block.path.startswith("/etc/caddy/"):
                self.machine.run("DEBIAN_FRONTEND=noninteractive apt-get install --no-install-recommends -y caddy", online=True)
            self.machine.put(block.path, self.filled(block.text), block.owner, block.mode)
            return
        self._before(block)
        # A mirror, a registry: what installs needs the world; what serves must do without.
        online = bool(re.search(r"apt-get|make setup", block.text))
        said = self.machine.run(self.filled(block.text), block.by, online, self._answers(block.text))
        self._after(block, said)

    def filled(self, text: str) -> str:
        """The text with its capitals replaced; before a `=` HOST is the name of a setting."""
        return re.sub(rf"\b({'|'.join(self.words)})\b(?!=)", lambda found: self.words[found[1]], text)

    def size(self) -> str:
        each = [self.machine.megabytes(path) for path in ("", "srv/trialcrf")]
        return f"{each[0]} MB in all, {each[1]} of them the program in its two versions"

    # --- What the commands ask ---------------------------------------------------------------------------------------------------------

    def _answers(self, text: str) -> Answers:
        asking = {"--pwprompt": self._of_the_proof, "trialcrf db init": self._of_the_roles, "user create-admin": self._of_the_administrator}
        return [answer for command, given in asking.items() if command in text for answer in given()]

    def _of_the_proof(self) -> Answers:
        return [("password for new role: ", self.words["PROOF_PASSWORD"]), ("again: ", self.words["PROOF_PASSWORD"])]

    def _of_the_roles(self) -> Answers:
        given = {"owner": self.words["OWNER_PASSWORD"], "app": self.words["APP_PASSWORD"], "read": ""}
        return [(rf"Password of trialcrf_{role} [^\n]*\): ", password) for role, password in given.items()]

    def _of_the_administrator(self) -> Answers:
        person = [("User name", ADMINISTRATOR), ("First and last name", "Ada Admin"), ("E-mail address", f"ada@{HOST}")]
        asked = [*person, ("Organisation", "Hospital"), ("Password", PASSWORD), ("again", PASSWORD)]
        return [(f"{prompt}: ", answer) for prompt, answer in asked]

    # --- What the words above a block ask for -------------------------------------------------------------------------------------------

    def _before(self, block: Commands) -> None:
        # The first section that speaks of a version installs one, each later one that does a newer one.
        if "VERSION" in block.text and self._section != block.section:
            if self._section:
                self.words["VERSION"] = self._versions.next()
            self._section = block.section
        if "sites-enabled" in block.text:
            self.machine.run(_CERTIFICATE.format(host=HOST))
        if "journal-upload.service" in block.text:
            self.machine.run(_LOG_SERVER.format(host=LOGS))
        if KEY in block.text and self.private_key:
            self.machine.put(KEY, self.private_key, "trialcrf:trialcrf", "0400")
        if "BACKUP" in block.text:
            self.words["BACKUP"] = self.machine.run("ls -t /var/backups/trialcrf/*.age | head -1").strip()

    def _after(self, block: Commands, said: str) -> None:
        if KEY in block.text and not self.private_key:
            # Off this machine.
            self.words["RECIPIENT"] = re.findall(r"TRIALCRF_BACKUP_RECIPIENTS=(\S+)", said)[0]
            self.private_key = self.machine.run(f"cat {KEY} && rm {KEY}")


_CERTIFICATE = """
install -d -m 0755 /etc/ssl/trialcrf
cd /etc/ssl/trialcrf
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={host} -addext subjectAltName=DNS:{host} -keyout key.pem -out chain.pem
chmod 0600 key.pem
"""

_LOG_SERVER = """
cd /etc/ssl/trialcrf
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={host} -addext subjectAltName=DNS:{host} -keyout logs-key.pem -out logs.pem
cp logs.pem logs-authority.pem
chmod 0644 logs-key.pem
install -d -o systemd-journal-remote -g systemd-journal-remote /var/log/journal/remote
echo "[Remote]
ServerKeyFile=$PWD/logs-key.pem
ServerCertificateFile=$PWD/logs.pem
TrustedCertificateFile=$PWD/logs-authority.pem" >/etc/systemd/journal-remote.conf
systemctl start systemd-journal-remote.socket
"""
"""What the log is shipped to stands on the same machine here; the way is the same, TLS with a certificate on either side."""
