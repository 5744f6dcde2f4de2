"""Settings: sensible without any, every bad one named at once, and no password shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import ROOT, BadSettings, Settings


def test_without_any_setting_the_program_runs_for_this_machine_only() -> None:
    settings = Settings.from_env({})
    assert settings.data == ROOT / "var"
    assert settings.database_url == f"sqlite:///{ROOT / 'var' / 'trialcrf.sqlite3'}"
    assert (settings.host, settings.port, settings.base_url) == ("127.0.0.1", 8000, "http://localhost:8000")
    assert settings.loopback
    assert settings.smtp_url is None
    assert not settings.demo
    assert not settings.secure_cookies


def test_the_root_is_the_checkout() -> None:
    assert (ROOT / "pyproject.toml").is_file()


def test_the_database_and_the_mails_follow_the_data(tmp_path: Path) -> None:
    settings = Settings.from_env({"TRIALCRF_DATA": str(tmp_path)})
    assert settings.database_url == f"sqlite:///{tmp_path}/trialcrf.sqlite3"
    assert settings.mail_folder == tmp_path / "mail"
    assert settings.reports_folder == tmp_path / "reports"


def test_an_empty_variable_is_an_absent_one() -> None:
    assert Settings.from_env({"PORT": "", "DATABASE_URL": " ", "SMTP_URL": "", "TRIALCRF_DATA": ""}) == Settings.from_env({})


def test_a_relative_folder_means_the_folder_it_was_written_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings.from_env({"TRIALCRF_DATA": "here"}).data == tmp_path / "here"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_usual_spelling_of_a_postgresql_address_gets_our_driver(scheme: str) -> None:
    settings = Settings.from_env({"DATABASE_URL": f"{scheme}://crf:secret@db.example.org:5432/crf?sslmode=verify-full"})
    assert settings.database_url == "postgresql+psycopg://crf:secret@db.example.org:5432/crf?sslmode=verify-full"


def test_every_bad_value_is_in_one_message(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    bad = {
        "TRIALCRF_DATA": str(file),
        "DATABASE_URL": "mysql://somewhere/crf",
        "PORT": "eighty",
        "BASE_URL": "crf.example.org",
        "SMTP_URL": "mail.example.org:25",
        "MAIL_FROM": "nobody",
        "TRIALCRF_DEMO": "perhaps",
        "TRIALCRF_SECURE_COOKIES": "maybe",
        "TRIALCRF_CALENDAR_KEYS": "some",
        "TRIALCRF_TIME_URL": "ftp://crf.example.org",
        "TRIALCRF_ICSR_SCHEMA": str(tmp_path / "none.xsd"),
        "TRIALCRF_UNENCRYPTED": "mail pigeons",
        "TRIALCRF_DOWNLOADS": "0",
        "TRIALCRF_WORKERS": "0",
        "TRIALCRF_PROXIES": "all",
        "TRIALCRF_LOG": "xml",
        "TRIALCRF_METRICS_FROM": "10.0.0.1/24, monitoring.example.org",
    }
    with pytest.raises(BadSettings) as caught:
        Settings.from_env(bad)
    assert {problem.partition(":")[0] for problem in caught.value.problems} == set(bad)
    assert all(name in str(caught.value) for name in bad)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "80.0", "٨٠", "1e3", "99999999999999999999"])
def test_a_port_is_a_number_that_a_server_can_listen_on(port: str) -> None:
    with pytest.raises(BadSettings, match="PORT"):
        Settings.from_env({"PORT": port})


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://relative.db", "/var/crf.db", "postgresql://h:port/crf"]
)
def test_a_database_that_several_processes_cannot_share_is_refused(url: str) -> None:
    with pytest.raises(BadSettings, match="DATABASE_URL"):
        Settings.from_env({"DATABASE_URL": url})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_demo_accounts_are_served_to_this_machine(host: str) -> None:
    assert Settings.from_env({"TRIALCRF_DEMO": "yes", "HOST": host}).demo


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "crf.example.org", "localhost.example.org"])
def test_demo_accounts_are_refused_to_anyone_else(host: str) -> None:
    assert not Settings.from_env({"HOST": host}).loopback
    with pytest.raises(BadSettings, match="TRIALCRF_DEMO"):
        Settings.from_env({"TRIALCRF_DEMO": "yes", "HOST": host})


def test_links_in_mails_lead_to_the_public_address() -> None:
    assert Settings.from_env({"BASE_URL": "https://crf.example.org/trial/"}).base_url == "https://crf.example.org/trial"
    assert Settings.from_env({"HOST": "::1", "PORT": "9000"}).base_url == "http://localhost:9000"
    assert Settings.from_env({"HOST": "fd00::7", "PORT": "9000"}).base_url == "http://[fd00::7]:9000"
    assert Settings.from_env({"HOST": "0.0.0.0"}).base_url == "http://localhost:8000"


def test_cookies_are_secure_wherever_the_address_is() -> None:
    assert Settings.from_env({"BASE_URL": "https://crf.example.org"}).secure_cookies
    with pytest.raises(BadSettings, match="TRIALCRF_SECURE_COOKIES"):
        Settings.from_env({"BASE_URL": "https://crf.example.org", "TRIALCRF_SECURE_COOKIES": "no"})


def test_calendars_name_the_keys_of_subjects_until_the_installation_says_no() -> None:
    assert Settings.from_env({}).calendar_keys
    assert not Settings.from_env({"TRIALCRF_CALENDAR_KEYS": "no"}).calendar_keys


def test_no_password_is_shown() -> None:
    settings = Settings.from_env({"DATABASE_URL": "postgresql://crf:hidden@db/crf", "SMTP_URL": "smtps://crf:hidden@mail.example.org"})
    assert "hidden" not in repr(settings)
    with pytest.raises(BadSettings) as caught:
        Settings.from_env({"DATABASE_URL": "mysql://crf:hidden@db/crf", "SMTP_URL": "imap://crf:hidden@mail.example.org"})
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["postgres:postgres@db/crf", "crf:postgres@db/crf", "crf:crf@db/crf", "crf:PASSWORD@db/crf", "crf:@db/crf", "crf:%70assword@db/crf"],
)
def test_a_password_that_everybody_tries_first_is_refused_and_not_quoted(url: str) -> None:
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "TRIALCRF_BACKUP_SERVER"):
        with pytest.raises(BadSettings) as refused:
            Settings.from_env({name: f"postgresql://{url}"})
        (said,) = refused.value.problems
        assert said.startswith(f"{name}: holds a password") and url not in said
    with pytest.raises(BadSettings):
        Settings.from_env({"SMTP_URL": f"smtps://{url.partition('/')[0]}"})
    assert Settings.from_env({"DATABASE_URL": "postgresql://crf@/crf?host=/run/postgresql"}).database_url, "by the socket, without any"


def test_an_archive_is_opened_for_this_machine_only_and_with_a_moment() -> None:
    """`trialcrf archive open` sets it: whoever reaches such a server reads everything without a password."""
    assert Settings.from_env({}).archive is None
    moment = Settings.from_env({"TRIALCRF_ARCHIVE": "2026-11-21T14:05:00+00:00"}).archive
    assert moment is not None
    assert moment.isoformat() == "2026-11-21T14:05:00+00:00"
    for bad in ({"TRIALCRF_ARCHIVE": "2026-11-21T14:05:00"}, {"TRIALCRF_ARCHIVE": "yes"}):
        with pytest.raises(BadSettings, match=r"TRIALCRF_ARCHIVE: .* is no moment"):
            Settings.from_env(bad)
    with pytest.raises(BadSettings, match=r"TRIALCRF_ARCHIVE: .* only on this machine"):
        Settings.from_env({"TRIALCRF_ARCHIVE": "2026-11-21T14:05:00+00:00", "HOST": "0.0.0.0"})


# --- Backups ---------------------------------------------------------------------------------------------------------------------------

PUBLIC = "age1" + "q" * 58


def test_backups_have_a_folder_recipients_and_counts(tmp_path):
    plain = Settings.from_env({"TRIALCRF_DATA": str(tmp_path)})
    assert (plain.backup_folder, plain.backup_recipients, plain.backup_keep) == (tmp_path / "backups", (), (14, 8, 12))
    assert plain.backup_server == plain.database_url
    given = {
        "TRIALCRF_BACKUP_RECIPIENTS": f"{PUBLIC}, {PUBLIC}", "TRIALCRF_BACKUP_FOLDER": str(tmp_path / "elsewhere"),
        "TRIALCRF_BACKUP_KEEP": "3, 0,1", "TRIALCRF_BACKUP_SERVER": "postgresql://u:p@h/d",
    }  # fmt: skip
    found = Settings.from_env(given)
    assert (found.backup_recipients, found.backup_folder, found.backup_keep) == ((PUBLIC, PUBLIC), tmp_path / "elsewhere", (3, 0, 1))
    assert found.backup_server == "postgresql+psycopg://u:p@h/d"
    assert "u:p" not in repr(found)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRIALCRF_BACKUP_RECIPIENTS", "age1short"),
        ("TRIALCRF_BACKUP_RECIPIENTS", "someone@example.org"),
        ("TRIALCRF_BACKUP_IDENTITY", "/nowhere/key"),
        ("TRIALCRF_BACKUP_KEEP", "14"),
        ("TRIALCRF_BACKUP_KEEP", "0,8,12"),
        ("TRIALCRF_BACKUP_KEEP", "14,-8,12"),
        ("TRIALCRF_BACKUP_SERVER", "mysql://h/d"),
    ],
)
def test_a_setting_of_backups_that_cannot_be_used_is_named(name, value):
    with pytest.raises(BadSettings, match=name):
        Settings.from_env({name: value})


def test_a_private_key_among_the_recipients_is_refused_and_not_quoted():
    with pytest.raises(BadSettings) as said:
        Settings.from_env({"TRIALCRF_BACKUP_RECIPIENTS": "AGE-SECRET-KEY-1SECRET"})
    assert "is a private key" in str(said.value)
    assert "1SECRET" not in str(said.value)


# --- The hospital's sign-in ------------------------------------------------------------------------------------------------------------

HOSPITAL = {"TRIALCRF_OIDC_ISSUER": "https://login.example.org/", "TRIALCRF_OIDC_CLIENT_ID": "crf", "TRIALCRF_OIDC_NAME": "CHU"}


def test_the_hospitals_secret_is_read_from_a_file_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("between us\n")
    settings = Settings.from_env(
        {**HOSPITAL, "TRIALCRF_OIDC_CLIENT_SECRET_FILE": str(tmp_path / "secret"), "TRIALCRF_OIDC_ACR": "gold silver"}
    )
    assert (settings.oidc_issuer, settings.oidc_client_secret) == ("https://login.example.org/", "between us")
    assert settings.oidc_acr == ("gold", "silver")
    assert "between us" not in repr(settings)


@pytest.mark.parametrize(
    "given", [{"TRIALCRF_OIDC_ISSUER": "http://login.example.org"}, {"TRIALCRF_OIDC_NAME": ""}, {"TRIALCRF_OIDC_CLIENT_SECRET": ""}]
)
def test_a_hospital_without_tls_or_half_named_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(BadSettings, match="TRIALCRF_OIDC_ISSUER"):
        Settings.from_env({**HOSPITAL, "TRIALCRF_OIDC_CLIENT_SECRET": "between us", **given})


# --- The database and its disk ---------------------------------------------------------------------------------------------------------


def test_an_unguarded_database_is_for_this_machine_alone() -> None:
    assert Settings.from_env({"TRIALCRF_DATABASE_UNGUARDED": "yes"}).database_unguarded
    assert not Settings.from_env({}).database_unguarded
    with pytest.raises(BadSettings, match="TRIALCRF_DATABASE_UNGUARDED"):
        Settings.from_env({"TRIALCRF_DATABASE_UNGUARDED": "yes", "HOST": "0.0.0.0"})


def test_the_reserve_of_the_disk_is_a_number_of_bytes_with_or_without_its_unit() -> None:
    assert [Settings.from_env({"TRIALCRF_DISK_RESERVE": text}).disk_reserve for text in ("", "500M", "2g", "1000")] == [
        1024**3, 500 * 1024**2, 2 * 1024**3, 1000,
    ]  # fmt: skip
    for bad in ("much", "-1G", "1.5G", "1X"):
        with pytest.raises(BadSettings, match="TRIALCRF_DISK_RESERVE"):
            Settings.from_env({"TRIALCRF_DISK_RESERVE": bad})


def test_the_address_of_the_owner_is_never_shown_and_never_that_of_a_file() -> None:
    settings = Settings.from_env({"DATABASE_OWNER_URL": "postgresql://owner:secret@db/crf"})
    assert settings.database_owner_url == "postgresql+psycopg://owner:secret@db/crf"
    assert "secret" not in repr(settings)
    with pytest.raises(BadSettings, match="DATABASE_OWNER_URL"):
        Settings.from_env({"DATABASE_OWNER_URL": "sqlite:////srv/crf"})


def test_the_time_is_asked_by_tls_of_another_machine_unless_the_house_says_otherwise() -> None:
    assert Settings.from_env({"TRIALCRF_TIME_URL": "https://time.example.org"}).time_url
    assert Settings.from_env({"TRIALCRF_TIME_URL": "http://127.0.0.1:8080"}).time_url
    with pytest.raises(BadSettings, match="TLS"):
        Settings.from_env({"TRIALCRF_TIME_URL": "http://time.example.org"})
    said = Settings.from_env({"TRIALCRF_TIME_URL": "http://time.example.org", "TRIALCRF_UNENCRYPTED": "time, mail"})
    assert said.unencrypted == ("time", "mail")
    assert Settings.from_env({}).unencrypted == ()
