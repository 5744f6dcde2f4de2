"""Commands about people and places: the first administrator, and sites."""

from __future__ import annotations

from typing import IO

import click

from trialcrf.actions import administer
from trialcrf.cli.terminal import Terminal, _, terminal
from trialcrf.core.wording import N_, Message


@click.group(help=_("Accounts."))
def user() -> None:
    """The group of commands."""


@user.command("create-admin", help=_("Create an administrator. What is not given is asked for; the password is never shown."))
@click.option("--username", prompt=_("User name"))
@click.option("--name", prompt=_("First and last name"))
@click.option("--email", prompt=_("E-mail address"))
@click.option("--organisation", prompt=_("Organisation"))
@click.option("--password-file", type=click.File("r", encoding="utf-8"), help=_("A file whose first line is the password; - is the input."))
@terminal
def create_admin(shell: Terminal, username: str, name: str, email: str, organisation: str, password_file: IO[str] | None) -> None:
    # There is no option for the password itself: it would stay in the history of the terminal and in the list of processes.
    if password_file is not None:
        password = password_file.readline().rstrip("\r\n")
    else:
        password = click.prompt(_("Password"), hide_input=True, confirmation_prompt=_("The same password again"))
    with shell.write() as tx:
        administer.create_admin(tx, username, name, email, organisation, password)
    shell.say(Message(N_("The administrator %(username)s can sign in now."), {"username": username.strip().lower()}))


@click.group(help=_("Sites of a study."))
def site() -> None:
    """The group of commands."""


@site.command("create", help=_("Create a site. Its time zone decides which day it is there."))
@click.option("--study", "study_oid", required=True, metavar="KEY")
@click.option("--code", required=True)
@click.option("--name", required=True)
@click.option("--zone", required=True, metavar="Europe/Paris")
@terminal
def create_site(shell: Terminal, study_oid: str, code: str, name: str, zone: str) -> None:
    with shell.write() as tx:
        administer.create_site(tx, study_oid, code, name, zone)
    shell.say(Message(N_("Site %(code)s of %(study)s is created."), {"code": code.strip(), "study": study_oid}))
