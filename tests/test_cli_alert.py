"""A refused start is told by mail to an address that no database holds: once, without a word of what is not trusted."""

from __future__ import annotations

import os
import time
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from tests.mailbox import mailbox
from tests.test_cli import Cli

TO = {"TRIALCRF_ALERT_TO": "admins@hospital.example"}


@pytest.fixture
def cli(databases, tmp_path):
    url = databases.fresh("sqlite")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TRIGGER visit_evil_example AFTER INSERT ON account BEGIN SELECT 1; END")
    engine.dispose()
    yield Cli(url, tmp_path)
    databases.drop(url)


def mails(cli: Cli) -> list[str]:
    folder = Path(cli.env["TRIALCRF_DATA"]) / "mail"
    return [one.read_bytes().decode() for one in sorted(folder.iterdir())] if folder.is_dir() else []


def test_a_tampered_database_is_mailed_once_an_hour_by_whatever_is_to_start(cli):
    for start in (["serve"], ["jobs", "serve"], ["serve"]):
        assert "triggers" in cli(*start, code=1, **TO)
    (told,) = mails(cli)
    letter = message_from_bytes(told.encode(), policy=default)
    assert letter["To"] == "admins@hospital.example" and "does not start" in letter["Subject"]
    assert "evil" not in told, "the database has no say in it"
    an_hour_ago = time.time() - 3601
    os.utime(Path(cli.env["TRIALCRF_DATA"]) / ".start-refused", (an_hour_ago, an_hour_ago))
    cli("jobs", "serve", code=1, **TO)
    assert len(mails(cli)) == 2


def test_nothing_is_mailed_without_an_address_or_by_a_command_of_a_person(cli):
    cli("serve", code=1)
    cli("audit", "verify", code=1, **TO)
    assert mails(cli) == []


def test_a_mail_server_that_is_away_is_tried_again_at_the_next_start(cli):
    assert "triggers" in cli("serve", code=1, SMTP_URL="smtp://127.0.0.1:1", **TO)
    cli("serve", code=1, **TO)
    assert len(mails(cli)) == 1


def test_where_the_house_lets_mail_go_unencrypted_so_does_this_one(cli):
    """An address that is not this machine's own stands for another one."""
    with mailbox() as box:
        elsewhere = {"SMTP_URL": f"smtp://0.0.0.0:{box.port}", **TO}
        cli("serve", code=1, **elsewhere)
        assert box.taken == []
        cli("serve", code=1, TRIALCRF_UNENCRYPTED="mail", **elsewhere)
        assert len(box.taken) == 1


def test_an_address_that_is_none_is_refused(cli):
    assert "TRIALCRF_ALERT_TO" in cli("serve", code=1, TRIALCRF_ALERT_TO="nobody")
