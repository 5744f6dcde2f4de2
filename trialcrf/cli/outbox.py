"""Commands about mails: what waits, what went, and what a person found out of one that may or may not have gone."""

from __future__ import annotations

import json
import re

import click

from trialcrf.actions import administer
from trialcrf.cli.terminal import Terminal, _, here, stop, terminal
from trialcrf.core.access import ROLES
from trialcrf.core.wording import N_, Message
from trialcrf.store import outbox as mails
from trialcrf.store.outbox import Row

_ADDRESS = re.compile(r"<?[^\s<>@]+@[^\s<>@]+>?")


@click.group(help=_("Mails."))
def outbox() -> None:
    """The group of commands."""


@outbox.command("list", help=_("List the mails; those that a person must look at come first. Neither address nor text is shown."))
@click.option("--state", type=click.Choice(list(mails.STATES)), metavar="STATE", help=_("Only those in this state."))
@click.option("--json", "as_json", is_flag=True, help=_("As JSON, for programs."))
@terminal
def listed(shell: Terminal, state: str | None, as_json: bool) -> None:
    with shell.read() as tx:
        found = mails.all_of(tx, [state] if state else None)
    if as_json:
        click.echo(json.dumps([_plain(row) for row in found], ensure_ascii=False, indent=2))
        return
    for row in found:
        role = here().gettext(ROLES[row.role]) if row.role in ROLES else "–"
        moment = row.settled_at or (row.not_before if row.state == mails.QUEUED else None) or row.created_at
        parts = [row.state, moment.isoformat(timespec="seconds"), role, row.key, _said(row)]
        click.echo("  ".join(part for part in parts if part))


@outbox.command("resolve", help=_("Say what became of an uncertain mail. One that failed can only be sent again."))
@click.argument("key", metavar="KEY")
@click.option("--arrived", "arrived", flag_value=True, type=bool, default=None, help=_("It arrived: it counts as sent."))
@click.option("--again", "arrived", flag_value=False, type=bool, help=_("Send it again."))
@terminal
def resolve(shell: Terminal, key: str, arrived: bool | None) -> None:
    if arrived is None:
        raise click.UsageError(_("Say --arrived or --again."))
    with shell.write() as tx:
        mail_id = mails.id_of(tx, key)
        if mail_id is None:
            stop(Message(N_("There is no mail %(key)s."), {"key": key}))
        administer.resolve_mail(tx, mail_id, arrived)
    shell.say(Message(N_("The mail counts as sent.") if arrived else N_("The mail is queued again.")))


def _plain(row: Row) -> dict[str, object]:
    times = {"created_at": row.created_at, "not_before": row.not_before, "settled_at": row.settled_at}
    plain: dict[str, object] = {"key": row.key, "kind": row.kind, "role": row.role, "state": row.state, "reason": _said(row)}
    return {**plain, "attempts": row.attempts, **{name: at.isoformat() if at else None for name, at in times.items()}}


def _said(row: Row) -> str:
    """Why a mail is as it is. A server's words may hold an address: it stays here."""
    return _ADDRESS.sub("<…>", here().gettext(row.said)) if row.said else ""
