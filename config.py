"""Settings: everything an installation may decide, read once from the environment by a shell and passed down as one value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

ROOT = Path(__file__).resolve().parent
"""The checkout: the program runs from it, and finds templates/, reports/ and migrations/ here."""

TEMPLATES = ROOT / "templates"
REPORTS = ROOT / "reports"
MIGRATIONS = ROOT / "migrations"
STUDIES = ROOT / "trialcrf" / "studies"

_DIALECTS = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
Network = IPv4Network | IPv6Network

_YES = {"1", "true", "yes", "on"}
_NO = {"0", "false", "no", "off"}


class BadSettings(ValueError):
    """Every setting that cannot be used, in one message. `problems` holds them one by one."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__("These settings cannot be used:\n" + "\n".join(f"  {problem}" for problem in problems))


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting. Built by `from_env` in a shell; the rings below get single values, never this.

    `database_url` names the driver as SQLAlchemy wants it. `smtp_url` None means that mails are written to `mail_folder`.
    `icsr_schema` is the XML schema of the ICH (MCCI_IN200100UV01.xsd), where the sponsor supplies it: no other message leaves then.
    `calendar_keys` False keeps the keys of subjects out of every calendar feed, whatever its owner chose.
    `time_url` is a web server whose Date this machine's clock is held against every hour; without one nothing is compared.
    `workers` is how many processes serve the pages; `proxies`, how many servers of the house stand before them and say who asks.
    `log` is json or text (None: text on a terminal, else json); `metrics_from` are the networks that may read the measurements.
    `archive` is set by `trialcrf archive open` alone: the moment of the archive whose unpacked copy is served, read-only.
    The two URLs may carry passwords, so they are kept out of the printed form.
    """

    data: Path
    database_url: str = field(repr=False)
    host: str
    port: int
    base_url: str
    smtp_url: str | None = field(repr=False)
    mail_from: str
    demo: bool
    secure_cookies: bool
    calendar_keys: bool = True
    icsr_schema: Path | None = None
    archive: datetime | None = None
    time_url: str | None = None
    workers: int = 2
    proxies: int = 0
    log: str | None = None
    metrics_from: tuple[Network, ...] = ()

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return _is_loopback(self.host)

    @property
    def mail_folder(self) -> Path:
        return self.data / "mail"

    @property
    def reports_folder(self) -> Path:
        """Where drawn documents are kept."""
        return self.data / "reports"

    @property
    def signing_key(self) -> Path:
        """The private key with which files that leave this installation are signed; made when it is first needed."""
        return self.data / "signing_key.pem"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the environment, an empty variable being an absent one. Creates nothing.

        Raises BadSettings with every bad value at once.
        """
        given = _Given(os.environ if environ is None else environ)
        data = given.folder("TRIALCRF_DATA", ROOT / "var")
        host = given.text("HOST", "127.0.0.1")
        port = given.port("PORT", 8000)
        base_url = given.base_url("BASE_URL", f"http://{_in_url(host)}:{port}")
        settings = cls(
            data=data,
            database_url=given.database_url("DATABASE_URL", f"sqlite:///{data / 'trialcrf.sqlite3'}"),
            host=host,
            port=port,
            base_url=base_url,
            smtp_url=given.smtp_url("SMTP_URL"),
            mail_from=given.address("MAIL_FROM", "trialcrf@localhost"),
            demo=given.flag("TRIALCRF_DEMO", False),
            secure_cookies=given.flag("TRIALCRF_SECURE_COOKIES", base_url.startswith("https:")),
            calendar_keys=given.flag("TRIALCRF_CALENDAR_KEYS", True),
            icsr_schema=given.file("TRIALCRF_ICSR_SCHEMA"),
            archive=given.moment("TRIALCRF_ARCHIVE"),
            time_url=given.base_url("TRIALCRF_TIME_URL", "") or None,
            workers=given.number("TRIALCRF_WORKERS", 2, 1, 64),
            proxies=given.number("TRIALCRF_PROXIES", 0, 0, 9),
            log=given.one_of("TRIALCRF_LOG", ("json", "text")),
            metrics_from=given.networks("TRIALCRF_METRICS_FROM"),
        )
        if settings.demo and not settings.loopback:
            given.refuse("TRIALCRF_DEMO", f"the demo accounts have known passwords and are only for this machine; HOST is {host!r}")
        if settings.archive is not None and not settings.loopback:
            given.refuse("TRIALCRF_ARCHIVE", f"an archive is read without a password and only on this machine; HOST is {host!r}")
        if settings.base_url.startswith("https:") and not settings.secure_cookies:
            given.refuse("TRIALCRF_SECURE_COOKIES", "is off, but BASE_URL is https: the session would also travel unencrypted")
        if given.problems:
            raise BadSettings(tuple(given.problems))
        return settings


def environment_with(given: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that is started with some settings of its own; an empty one is an absent one."""
    return {**os.environ, **given}


def terminal_language(environ: Mapping[str, str] | None = None) -> str:
    """The language of whoever sits at the terminal, `fr` or `en`, by the usual variables: the first that says anything decides."""
    given = os.environ if environ is None else environ
    said = next((given[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if given.get(name)), "")
    return "fr" if said[:2].lower() == "fr" else "en"


class _Given:
    """The environment, and what was found wrong with it. Each reader answers with the default where it must complain."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def refuse(self, name: str, why: str) -> None:
        self.problems.append(f"{name}: {why}")

    def text(self, name: str, default: str) -> str:
        return self._environ.get(name, "").strip() or default

    def folder(self, name: str, default: Path) -> Path:
        path = Path(self.text(name, str(default))).expanduser().absolute()
        if path.exists() and not path.is_dir():
            self.refuse(name, f"{str(path)!r} is not a folder")
        return path

    def file(self, name: str) -> Path | None:
        text = self.text(name, "")
        path = Path(text).expanduser().absolute() if text else None
        if path is not None and not path.is_file():
            self.refuse(name, f"{str(path)!r} is not a file")
        return path

    def moment(self, name: str) -> datetime | None:
        text = self.text(name, "")
        try:
            read = datetime.fromisoformat(text) if text else None
        except ValueError:
            read = None
        if text and (read is None or read.tzinfo is None):
            self.refuse(name, f"{text!r} is no moment such as 2026-11-21T14:05:00+00:00")
            return None
        return read

    def port(self, name: str, default: int) -> int:
        text = self.text(name, str(default))
        if text.isascii() and text.isdecimal() and 1 <= int(text[:6]) <= 65535:
            return int(text)
        self.refuse(name, f"{text!r} is not a port number from 1 to 65535")
        return default

    def number(self, name: str, default: int, least: int, most: int) -> int:
        text = self.text(name, str(default))
        if text.isascii() and text.isdecimal() and least <= int(text[:6]) <= most:
            return int(text)
        self.refuse(name, f"{text!r} is not a number from {least} to {most}")
        return default

    def one_of(self, name: str, choices: tuple[str, ...]) -> str | None:
        text = self.text(name, "").lower()
        if text and text not in choices:
            self.refuse(name, f"{text!r} is none of {', '.join(choices)}")
        return text if text in choices else None

    def networks(self, name: str) -> tuple[Network, ...]:
        found = []
        for text in self.text(name, "").replace(",", " ").split():
            try:
                found.append(ip_network(text))
            except ValueError:
                self.refuse(name, f"{text!r} is no address or network such as 10.0.5.7 or 10.0.5.0/24")
        return tuple(found)

    def flag(self, name: str, default: bool) -> bool:
        text = self.text(name, "yes" if default else "no").lower()
        if text not in _YES | _NO:
            self.refuse(name, f"{text!r} is neither yes nor no")
            return default
        return text in _YES

    def address(self, name: str, default: str) -> str:
        text = self.text(name, default)
        before, _, after = text.partition("@")
        if not before or not after or "@" in after or any(sign.isspace() for sign in text):
            self.refuse(name, f"{text!r} is not a mail address")
        return text

    def base_url(self, name: str, default: str) -> str:
        text = self.text(name, default).rstrip("/")
        if not text:
            return text
        parts = _split(text)
        if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            self.refuse(name, f"{text!r} is not an address such as https://crf.example.org")
            return default
        return text

    def database_url(self, name: str, default: str) -> str:
        # The values of this and the next reader are never quoted back: they may hold a password.
        text = self.text(name, default)
        scheme, colon, rest = text.partition("://")
        if not colon or scheme not in _DIALECTS or _split(text) is None:
            self.refuse(name, "is not sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME")
            return default
        if scheme == "sqlite" and (not rest.startswith("/") or rest.strip("/") in {"", ":memory:"}):
            self.refuse(name, "must name a SQLite file, as in sqlite:///PATH: several processes share the database")
            return default
        return f"{_DIALECTS[scheme]}://{rest}"

    def smtp_url(self, name: str) -> str | None:
        text = self.text(name, "")
        if not text:
            return None
        parts = _split(text)
        if parts is None or parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            self.refuse(name, "is not smtp://HOST:PORT or smtps://USER:PASSWORD@HOST:PORT")
            return None
        return text


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # Read here because a port that is no number only fails when it is asked for.
    except ValueError:
        return None
    return parts


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _in_url(host: str) -> str:
    """The host as a browser on this machine would write it."""
    if host in {"0.0.0.0", "::"}:
        return "localhost"
    return f"[{host}]" if ":" in host else host
