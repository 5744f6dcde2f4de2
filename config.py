"""Settings: everything an installation may decide, read once from the environment by a shell and passed down as one value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from trialcrf.external.environment import Given, Network, is_loopback, is_safe

ROOT = Path(__file__).resolve().parent
"""The checkout: the program runs from it, and finds templates/, reports/ and migrations/ here."""

TEMPLATES = ROOT / "templates"
REPORTS = ROOT / "reports"
MIGRATIONS = ROOT / "migrations"
STUDIES = ROOT / "trialcrf" / "studies"

WAYS = ("database", "mail", "time")
"""The ways on which data or questions leave this machine, each by TLS unless the house says otherwise."""


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
    `backup_recipients` are public keys of age: whoever has one of their private keys opens the backups. `backup_identity` is the file of
    such a private key, and stands on a machine only to prove or restore. `backup_server` names a PostgreSQL where scratch databases may be
    made for the proof (by default the server of the database); `backup_keep` is how many nights, weeks and months are kept.
    `workers` is how many processes serve the pages; `proxies`, how many servers of the house stand before them and say who asks.
    `log` is json or text (None: text on a terminal, else json); `metrics_from` are the networks that may read the measurements.
    `archive` is set by `trialcrf archive open` alone: the moment of the archive whose unpacked copy is served, read-only.
    `oidc_issuer` is the hospital's OpenID Connect provider, empty where nobody signs in by it; `oidc_name` is what its button says,
    `oidc_acr` are the levels of its sign-in that count as a second factor.
    `admin_second_factor` False lets administrators in by their password alone.
    `database_owner_url` is who may change the schema of PostgreSQL: read by `trialcrf db`, never by what serves pages or runs jobs.
    `database_unguarded` lets the program start on a PostgreSQL that is set up for trying out, as a superuser for instance.
    `unencrypted` names the ways out of this machine that may go without TLS, or by a certificate that nobody checks: database, mail, time.
    `downloads` is how many files one person may take within an hour.
    `alert_to` is mailed that a start was refused; `disk_reserve` are the bytes below which administrators are told that room runs out.
    The URLs may carry passwords, so they are kept out of the printed form.
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
    database_owner_url: str | None = field(default=None, repr=False)
    database_unguarded: bool = False
    alert_to: str = ""
    disk_reserve: int = 1024**3
    workers: int = 2
    proxies: int = 0
    log: str | None = None
    metrics_from: tuple[Network, ...] = ()
    admin_second_factor: bool = True
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: str = field(default="", repr=False)
    oidc_name: str = ""
    oidc_acr: tuple[str, ...] = ()
    backup_recipients: tuple[str, ...] = ()
    backup_identity: Path | None = None
    backup_folder_given: Path | None = None
    backup_server_given: str | None = field(default=None, repr=False)
    backup_keep: tuple[int, int, int] = (14, 8, 12)
    unencrypted: tuple[str, ...] = ()
    downloads: int = 120

    @property
    def backup_folder(self) -> Path:
        """Where backups are kept."""
        return self.backup_folder_given or self.data / "backups"

    @property
    def backup_server(self) -> str:
        """Where scratch databases are made to prove a backup of PostgreSQL."""
        return self.backup_server_given or self.database_url

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)

    @property
    def kept_in(self) -> tuple[Path, ...]:
        """The folders on whose disks there must be room: the data, and the database where it is a file."""
        kind, _, path = self.database_url.partition(":///")
        return (self.data, Path(path.partition("?")[0]).parent) if kind == "sqlite" else (self.data,)

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
        given = Given(os.environ if environ is None else environ)
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
            oidc_issuer=given.issuer("TRIALCRF_OIDC_ISSUER"),
            oidc_client_id=given.text("TRIALCRF_OIDC_CLIENT_ID", ""),
            oidc_client_secret=given.secret("TRIALCRF_OIDC_CLIENT_SECRET"),
            oidc_name=given.text("TRIALCRF_OIDC_NAME", "")[:60],
            oidc_acr=tuple(given.text("TRIALCRF_OIDC_ACR", "").split()),
            backup_recipients=given.recipients("TRIALCRF_BACKUP_RECIPIENTS"),
            backup_identity=given.file("TRIALCRF_BACKUP_IDENTITY"),
            backup_folder_given=given.folder("TRIALCRF_BACKUP_FOLDER", data / "backups"),
            backup_server_given=given.database_url("TRIALCRF_BACKUP_SERVER", "") or None,
            backup_keep=given.counts("TRIALCRF_BACKUP_KEEP", (14, 8, 12)),
            admin_second_factor=given.flag("TRIALCRF_ADMIN_SECOND_FACTOR", True),
            database_owner_url=given.owner_url("DATABASE_OWNER_URL"),
            database_unguarded=given.flag("TRIALCRF_DATABASE_UNGUARDED", False),
            alert_to=given.address("TRIALCRF_ALERT_TO", ""),
            disk_reserve=given.size("TRIALCRF_DISK_RESERVE", 1024**3),
            workers=given.number("TRIALCRF_WORKERS", 2, 1, 64),
            proxies=given.number("TRIALCRF_PROXIES", 0, 0, 9),
            log=given.one_of("TRIALCRF_LOG", ("json", "text")),
            metrics_from=given.networks("TRIALCRF_METRICS_FROM"),
            unencrypted=given.some_of("TRIALCRF_UNENCRYPTED", WAYS),
            downloads=given.number("TRIALCRF_DOWNLOADS", 120, 1, 100_000),
        )
        if settings.database_unguarded and not settings.loopback:
            given.refuse(
                "TRIALCRF_DATABASE_UNGUARDED", f"a database without its guards is only for trying out on this machine; HOST is {host!r}"
            )
        if settings.time_url and "time" not in settings.unencrypted and not is_safe(settings.time_url):
            given.refuse("TRIALCRF_TIME_URL", "is asked without TLS: name it by https, or write time into TRIALCRF_UNENCRYPTED")
        if not settings.database_unguarded:
            given.refuse_known("DATABASE_URL", "DATABASE_OWNER_URL", "TRIALCRF_BACKUP_SERVER", "SMTP_URL")
        if settings.demo and not settings.loopback:
            given.refuse("TRIALCRF_DEMO", f"the demo accounts have known passwords and are only for this machine; HOST is {host!r}")
        if settings.archive is not None and not settings.loopback:
            given.refuse("TRIALCRF_ARCHIVE", f"an archive is read without a password and only on this machine; HOST is {host!r}")
        if settings.base_url.startswith("https:") and not settings.secure_cookies:
            given.refuse("TRIALCRF_SECURE_COOKIES", "is off, but BASE_URL is https: the session would also travel unencrypted")
        if settings.oidc_issuer and not (settings.oidc_client_id and settings.oidc_client_secret and settings.oidc_name):
            given.refuse("TRIALCRF_OIDC_ISSUER", "needs TRIALCRF_OIDC_CLIENT_ID, _CLIENT_SECRET and _NAME beside it")
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


def _in_url(host: str) -> str:
    """The host as a browser on this machine would write it: by its name, for a passkey is bound to a name and never to a number."""
    if host in {"0.0.0.0", "::", "127.0.0.1", "::1"}:
        return "localhost"
    return f"[{host}]" if ":" in host else host
