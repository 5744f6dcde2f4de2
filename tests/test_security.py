"""docs/security.md is what the program does: it leaves out no key, algorithm, table, address, log or limit, and invents none."""

from __future__ import annotations

import ast
import csv
import dataclasses
import importlib
import re
from functools import cache
from pathlib import Path

import pytest

import config
from config import Settings
from tests.fixed_boxes import boxes
from tests.production.blocks import CHAPTER, File, blocks
from tests.test_dangers import FILES
from trialcrf.external import openid, passwords, seal, strongbox, totp
from trialcrf.store import privileges, secrets
from trialcrf.store.models import metadata

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
BOXES = ROOT / "docs" / "fixed_pages.csv"

ALGORITHMS = {
    "hashlib.sha256": "SHA-256",
    "hashlib.file_digest": "SHA-256",
    "hashlib.blake2b": "BLAKE2b",
    "hmac.new": "HMAC-SHA-256",
    "hmac.digest": "HMAC-SHA-256",
    "itsdangerous.URLSafeSerializer": "HMAC-SHA-256",
    "cryptography.hazmat.primitives.asymmetric.ed25519.Ed25519PrivateKey": "Ed25519",
    "cryptography.hazmat.primitives.asymmetric.ed25519.Ed25519PublicKey": "Ed25519",
    "cryptography.hazmat.primitives.ciphers.aead.AESGCM": "AES-256-GCM",
    "argon2.PasswordHasher": "argon2id",
    "pyrage": "age (X25519, ChaCha20-Poly1305)",
    "pyotp.HOTP": "TOTP (HMAC-SHA-1)",
    "pyotp.totp.TOTP": "TOTP (HMAC-SHA-1)",
    "webauthn": "WebAuthn (EdDSA, ES256, RS256)",
    "joserfc": "RS256, PS256, ES256, EdDSA",
    "ssl.create_default_context": "TLS 1.2, TLS 1.3",
    "secrets": "the chance of the system",
    "os.urandom": "the chance of the system",
    "pyotp.random_base32": "the chance of the system",
}
"""What is imported or called, and the row that it belongs to. Whatever else comes from these libraries is not allowed."""

HARMLESS = {
    "hmac.compare_digest", "cryptography.exceptions.InvalidTag", "cryptography.exceptions.InvalidSignature", "itsdangerous.BadData",
    "cryptography.hazmat.primitives.serialization", "argon2.exceptions.InvalidHashError", "argon2.exceptions.VerificationError",
}  # fmt: skip
"""Errors, formats and the comparison that takes the same time for all."""

OF_CRYPTO = {
    "hashlib", "hmac", "itsdangerous", "cryptography", "argon2", "pyrage", "pyotp", "webauthn", "joserfc", "ssl", "secrets",
    "Crypto", "nacl", "bcrypt",
}  # fmt: skip
WHOLE = {"pyrage", "webauthn", "joserfc", "secrets"}
"""Libraries of one purpose, whose parts are not told apart."""

TALKS = {
    "smtplib", "socket", "ssl", "http", "urllib.request", "urllib3", "requests", "httpx", "ftplib", "telnetlib", "asyncio", "waitress",
    "websockets", "psycopg",
}  # fmt: skip
NO_SECRETS = {"trialcrf/web/record.py", "trialcrf/store/runs.py", "trialcrf/store/restored.py"}
"""The number of a request, the names of a worker and of a scratch database are made by chance and open nothing."""

NO_WAY_OUT = {"trialcrf/external/pdf.py": "it reads an address of a file"}


def table(heading: str, first: str) -> list[list[str]]:
    """The cells of the table under a heading whose first column is called so, without its head."""
    part = re.split(r"^## ", PAGE, flags=re.M)
    (section,) = (one for one in part if one.startswith(heading))
    (found,) = re.findall(rf"^\| {re.escape(first)} \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", section, re.M)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found.splitlines()]


def named(text: str) -> set[str]:
    """What stands between backticks."""
    return set(re.findall(r"`([^`]+)`", text))


@cache
def used() -> frozenset[tuple[str, str]]:
    """(file, dotted name) of everything that is taken from a library of cryptography."""
    found = set()
    for path in FILES:
        text, name = path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()
        if not re.search(rf"\b(?:{'|'.join(OF_CRYPTO)}|urandom)\b", text):
            continue
        tree, modules = ast.parse(text), set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                modules |= {one.name for one in node.names if one.name.partition(".")[0] in OF_CRYPTO | {"os"}}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in OF_CRYPTO:
                found |= {(name, f"{node.module}.{one.name}") for one in node.names}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
                dotted = f"{node.value.id}.{node.attr}"
                if node.value.id != "os" or node.attr == "urandom":
                    found.add((name, dotted))
    return frozenset(found)


def algorithm(dotted: str) -> str | None:
    whole = dotted.partition(".")[0]
    return ALGORITHMS.get(whole if whole in WHOLE else dotted)


def test_every_algorithm_that_the_program_uses_is_in_the_inventory_and_no_other():
    taken = {(name, dotted) for name, dotted in used() if dotted not in HARMLESS and dotted.partition(".")[0] != "ssl"}
    unknown = {(name, dotted) for name, dotted in taken if algorithm(dotted) is None}
    assert unknown == set(), "an algorithm that docs/security.md does not know"
    found = {algorithm(dotted) for _, dotted in used()} - {None}
    assert found == {row[0] for row in table("Algorithms", "Algorithm")}
    assert ", ".join(openid.ALGORITHMS) in {row[0] for row in table("Algorithms", "Algorithm")}


def test_no_connection_is_made_without_looking_at_the_certificate():
    assert {dotted for _, dotted in used() if dotted.startswith("ssl.")} == {"ssl.create_default_context"}


def test_keys_have_the_length_that_is_told(tmp_path):
    """128 bits and more, at each place where a key is made (ASVS 11.2.3)."""
    strongbox.lock(tmp_path / "key", "secret", "cora")
    assert len(strongbox._key(tmp_path / "key")) * 8 == 256
    assert len(totp.new_secret()) * 5 == 160
    assert seal.ALGORITHM == "Ed25519"
    hasher = passwords.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
    assert hasher.type.name == "ID" and hasher.hash_len * 8 >= 128 and hasher.salt_len * 8 >= 128
    assert openid.SHORTEST_RSA == 2048
    for name, dotted in used():
        if dotted in ("secrets.token_urlsafe", "secrets.token_hex", "secrets.token_bytes"):
            calls = re.findall(rf"{re.escape(dotted)}\(([^)]*)\)", (ROOT / name).read_text(encoding="utf-8"))
            for given in calls:
                assert given.isdigit() and (int(given) >= 16 or name in NO_SECRETS), f"{name}: {dotted}({given})"


def test_every_secret_of_the_settings_and_of_the_database_is_in_the_inventory_and_no_other():
    rows = table("Keys and secrets", "Key or secret")
    told = set().union(*(named(row[0]) for row in rows))
    text = (ROOT / "config.py").read_text(encoding="utf-8")
    hidden = {one.name for one in dataclasses.fields(Settings) if not one.repr}
    settings = {name for field, name in re.findall(r'(\w+)=given\.\w+\(\s*"([A-Z_]+)"', text) if field in hidden}
    assert len(settings) == len(hidden) == 5
    columns = {
        f"{name}.{one.name}"
        for name, each in metadata.tables.items()
        for one in each.columns
        if _opens(one.name) or one.name in ("salt", "digest", "challenge")
    } - {"save_token.digest"} | {"secret.value"}  # fmt: skip
    files = {seal.KEY_FILE, strongbox.KEY_FILE, "key.pem"}
    kinds = {secrets.LINKS, secrets.NAMES}
    assert told == settings | columns | files | kinds | {"TRIALCRF_BACKUP_IDENTITY", "TRIALCRF_OIDC_CLIENT_SECRET_FILE"} - {
        "TRIALCRF_OIDC_CLIENT_SECRET_FILE"
    }
    assert all(len(row) == 6 and all(row) for row in rows), "where, who, how long, how replaced, and what if it is lost"


def _opens(column: str) -> bool:
    """Whether a column holds what opens something, as the rights of a reader have it; a moment is none."""
    return bool(privileges._SECRET.search(column)) and not column.endswith("_at")


def test_every_table_and_every_column_that_is_secret_has_a_level():
    levels = {row[0] for row in table("Levels of data", "Level")}
    assert all(len(row) == 8 and all(row) for row in table("Levels of data", "Level"))
    rows = {row[0].strip("`"): row for row in table("Levels of data", "Table")}
    assert set(rows) == set(metadata.tables)
    for name, (_, level, others) in rows.items():
        assert level in levels, name
        beside = {one: of for part in others.split(";") if part for one in named(part) for of in [part.rpartition(":")[2].strip()]}
        columns = {one.name for one in metadata.tables[name].columns}
        assert set(beside) <= columns and set(beside.values()) <= levels, name
        secret = {one for one in columns if _opens(one) or one == "salt"}
        assert level == "secret" or {one for one, of in beside.items() if of == "secret"} == secret, name
        if level == "secret":
            assert not privileges.of_reader(name).get("SELECT", ()), f"{name}: a reader sees a secret"
        people = {"actor", "email", "address", "ordered_by", "opened_by"} & columns
        assert not people or level in ("personal", "secret") or people - {"address"} <= set(beside), f"{name}: who is in it"


def test_whatever_the_program_can_ask_of_another_machine_is_told():
    rows = table("What is asked of other machines", "Service")
    told = {one for row in rows for one in named(row[3])}
    answers = {"trialcrf/external/http_server.py", "trialcrf/cli/workers.py"}
    assert all(f"`{one}`" in PAGE for one in answers)
    talking = {f"trialcrf/{path.relative_to(ROOT / 'trialcrf').as_posix()}" for path in FILES if _talks(path)} - set(NO_WAY_OUT)
    children = {"trialcrf/external/backup.py", "trialcrf/external/base_backup.py", "trialcrf/store/transaction.py"}
    assert talking | children == told | answers
    settings = {name for row in rows for name in named(row[1])}
    known = set(re.findall(r'given\.\w+\(\s*"([A-Z_]+)"', (ROOT / "config.py").read_text(encoding="utf-8")))
    asked = {one for one in known if one.endswith(("_URL", "_ISSUER", "_SERVER", "HOST", "PORT"))} - {"BASE_URL"}
    assert settings == asked


def _talks(path: Path) -> bool:
    text = path.read_text(encoding="utf-8")
    found = set(re.findall(r"^\s*(?:import|from) ([\w.]+)", text, re.M))
    return bool({one for one in found if one in TALKS or one.partition(".")[0] in TALKS - {"urllib.request"}})


def test_every_log_is_in_the_inventory_and_the_program_writes_no_other():
    rows = table("Logs", "Log")
    told = named(rows[0][0]) | named(rows[0][2])
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(ROOT).as_posix()
        for given in re.findall(r"getLogger\(([^)]*)\)", text):
            inner = name in ("trialcrf/external/logs.py", "trialcrf/external/http_server.py")  # They quieten libraries.
            assert inner or given == "__name__" or given.strip('"') in told, f"{name}: a log of its own, {given}"
        assert set(re.findall(r'told\(\s*"([\w-]+)"', text)) <= told, name
        written = re.findall(
            r"\b(?:\w*FileHandler|SysLogHandler|SocketHandler|HTTPHandler|SMTPHandler|QueueHandler|basicConfig|addHandler|syslog)\b", text
        )
        assert written == [], name
        if re.search(r"StreamHandler\(", text):
            assert name == "trialcrf/external/logs.py"
    tables = {one for row in rows for one in named(row[1]) if re.fullmatch(r"[a-z_]+", one)}
    assert tables == {"audit_record", "audit_value", "job_run", "outbox", "sign_in_attempt"} <= set(metadata.tables)


def test_what_is_dear_has_the_limit_that_is_told():
    rows = table("What takes time, and its limits", "What")
    assert len(rows) > 12
    for what, most, where in rows:
        (module, name), *_ = re.findall(r"`([\w/]+)\.py:([\w.]+)`", where)
        found = importlib.import_module(module.replace("/", ".").removesuffix(".__init__"))
        for part in name.split("."):
            found = getattr(found, part)
        if module == "config":
            assert str(Settings.from_env({}).downloads) in re.findall(r"\d+", most), what
        else:
            assert str(found) == most, what


def test_there_are_times_by_when_what_is_weak_is_mended():
    rows = table("By when what is weak is mended", "Severity (CVSS)")
    days = [int(row[1]) for row in rows]
    assert len(days) == 5 and days == sorted(days) and days[0] <= 7 and days[1] <= 30
    assert "assumption" in PAGE and "`make audit`" in PAGE


def test_every_box_of_the_fixed_pages_has_its_rule():
    with BOXES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["form"], row["box"], row["kind"], row["most"]) for row in rows} == set(boxes())
    assert all(row["rule"] for row in rows)


def test_what_the_page_names_is_there():
    paths = [one for one in named(PAGE) if one.startswith(("trialcrf/", "config.py", "tests/", "docs/"))]
    assert len(paths) > 30
    for one in paths:
        path, _, name = one.partition(":")
        text = (ROOT / path).read_text(encoding="utf-8")
        assert all(re.search(rf"^\s*(?:def |class )?{re.escape(part)}\b", text, re.M) for part in name.split(".")[:1] if part), one
    for one in named(PAGE):
        if re.fullmatch(r"TRIALCRF_\w+", one):
            assert one.removesuffix("_FILE") in (ROOT / "config.py").read_text(encoding="utf-8"), one


def test_the_chapter_lets_the_program_reach_no_machine_that_nobody_named():
    """An allowlist by the system itself, under both services (ASVS 13.2.5)."""
    files = {one.path: one for one in blocks(CHAPTER.read_text(encoding="utf-8")) if isinstance(one, File)}
    kept_in = files["/etc/systemd/system/trialcrf-.service.d/kept-in.conf"]
    assert "IPAddressDeny=any\n" in kept_in.text and "IPAddressAllow=localhost" in kept_in.text
    assert "InaccessiblePaths=-/srv/trialcrf/app/.git\n" in kept_in.text, "nor does it see how it came to be (ASVS 13.4.1)"
    assert all(path.startswith("/etc/systemd/system/trialcrf-") for path in files if path.endswith(".service"))


def test_the_log_leaves_the_machine_by_tls_and_goes_nowhere_else():
    files = {one.path: one for one in blocks(CHAPTER.read_text(encoding="utf-8")) if isinstance(one, File)}
    upload = files["/etc/systemd/journal-upload.conf"].text
    assert re.search(r"^URL=https://LOGS:\d+$", upload, re.M)
    assert all(
        re.search(rf"^{name}=/etc/ssl/trialcrf/", upload, re.M)
        for name in ("ServerKeyFile", "ServerCertificateFile", "TrustedCertificateFile")
    )
    for path, file in files.items():
        if path.endswith(".service"):
            assert not re.search(r"^Standard(?:Output|Error)=", file.text, re.M), path


def test_secrets_are_for_those_alone_who_use_them():
    files = {one.path: one for one in blocks(CHAPTER.read_text(encoding="utf-8")) if isinstance(one, File)}
    assert (files["/etc/trialcrf/owner"].owner, files["/etc/trialcrf/owner"].mode) == ("root:root", "0600")
    assert (files["/etc/trialcrf/environment"].owner, files["/etc/trialcrf/environment"].mode) == ("root:trialcrf", "0640")
    for path, file in files.items():
        if path.endswith(".service"):
            assert "/etc/trialcrf/owner" not in file.text, "what serves pages never reads the owner's password"
        if path != "/etc/trialcrf/owner":
            assert "DATABASE_OWNER_URL" not in file.text and "BACKUP_IDENTITY" not in file.text


@pytest.mark.parametrize("name", ["STRANGER", "DATABASE"])
def test_only_ways_that_the_settings_know_may_go_without_tls(name):
    known = name.lower() in config.WAYS
    try:
        assert Settings.from_env({"TRIALCRF_UNENCRYPTED": name}).unencrypted == (name.lower(),)
    except config.BadSettings:
        assert not known
    else:
        assert known
