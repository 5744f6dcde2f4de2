"""Commands about backups: make and prove one, prove one again, restore one, and make the keys that they are encrypted with."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from trialcrf.actions.records import back_up, restore
from trialcrf.actions.records.restore import CHECKS, Told
from trialcrf.cli.terminal import Terminal, _, here, stop, terminal
from trialcrf.core.wording import N_, Message, Sayable, from_plain
from trialcrf.external import age, backup_folder, base_backup, bundle, checkpoints, clock
from trialcrf.external.bundle import BadArchive
from trialcrf.jobs import backups

REFUSED = 2
"""The exit code where a backup does not hold, or lacks what a checkpoint knows."""

_FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
_IDENTITY = click.option(
    "--identity", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="KEY", help=_("The file of the private key.")
)


@click.group(help=_("Backups: database and files in one file, encrypted, and proved by restoring it."))
def backup() -> None:
    """The group of commands."""


@backup.command(help=_("Make a backup now and prove it. Exit code 2: it was made and kept, but it does not hold."))
@terminal
def create(shell: Terminal) -> None:
    made = back_up.back_up(backups.place_of(shell.settings), clock.now)
    assert made.proof is not None
    shell.say(Message(N_("%(file)s: %(size)s bytes."), {"file": str(made.path), "size": str(made.size)}))
    if not made.encrypted:
        shell.say(Message(N_("It is not encrypted: trialcrf backup key makes a key, and TRIALCRF_BACKUP_RECIPIENTS names it.")))
    _tell(shell, made.proof)


@backup.command(
    help=_(
        "Prove a backup: open it, restore it to scratch, hold everything against what was copied, start the program on it. Without the "
        "private key of an encrypted one only its digest is compared. Exit code 2: it does not hold."
    )
)
@_FILE
@_IDENTITY
@terminal
def verify(shell: Terminal, file: Path, identity: Path | None) -> None:
    place = backups.place_of(shell.settings, identity)
    if age.is_encrypted(file) and place.identity is None:
        _compare_digest(shell, file)
        return
    # Beside the backups, where there is room for one, else where temporary files go.
    where = place.folder if place.folder.is_dir() else Path(tempfile.gettempdir())
    with backup_folder.unfinished(where, clock.now()) as scratch:
        _tell(shell, back_up.verify(place, file, scratch, clock.now))


def _compare_digest(shell: Terminal, file: Path) -> None:
    proof = backup_folder.proof_of(file)
    if proof is None:
        stop(Message(N_("The backup is encrypted, and nothing is written beside it: to prove it takes the file of a private key.")))
    if bundle.sha256_of(file) != proof.sha256:
        _refuse([Message(N_("The file is another one than the one that was proved: its SHA-256 differs."))])
    shell.say(Message(N_("Without a private key only the digest was compared: the file is the one that was written.")))
    _tell(shell, proof)


@backup.command(
    "restore",
    help=_(
        "Restore a backup: the database to DATABASE_URL, the files to TRIALCRF_DATA, which both must be empty; then check it. Exit code 2: "
        "it does not hold, or lacks what the checkpoint knows."
    ),
)
@_FILE
@_IDENTITY
@click.option(
    "--checkpoint", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help=_("A file of checkpoints from elsewhere: what it knows and the backup lacks is named."),
)  # fmt: skip
@terminal
def restore_(shell: Terminal, file: Path, identity: Path | None, checkpoint: Path | None) -> None:
    settings = shell.settings
    backup_folder.clear_away(settings.data, shell.now)  # An attempt that was killed must not stand in the way of the next.
    restore.refuse_occupied(settings.database_url, settings.data, settings.backup_folder)
    known = _checkpoint(checkpoint) if checkpoint else None
    key = identity or settings.backup_identity
    if key is None and age.is_encrypted(file):
        key = click.prompt(_("The file of the private key"), type=click.Path(exists=True, dir_okay=False, path_type=Path), err=True)
    with _refusals():
        done = restore.restore(file, settings.database_url, settings.data, settings.backup_folder, key, shell.now)
    _tell_restored(shell, done.told)
    _tell_checks(shell, done.checked.checks)
    problems = list(done.checked.problems)
    if known is not None:
        problems += restore.missing_since(settings.database_url, known)
    if problems:
        _refuse(problems)
    if done.behind:
        said = N_("Its schema is %(schema)s: trialcrf init migrates it, then trialcrf audit verify proves it.")
        shell.say(Message(said, {"schema": done.told.schema}))
    else:
        shell.say(Message(N_("The backup is restored.")))


def _checkpoint(file: Path) -> checkpoints.Kept:
    try:
        found = checkpoints.newest(file)
    except checkpoints.Unreadable:
        found = None
    if found is None:
        stop(Message(N_("%(file)s holds no checkpoint."), {"file": str(file)}))
    return found


def _tell_restored(shell: Terminal, told: Told) -> None:
    numbers = {"rows": sum(told.rows.values()), "records": told.records, "schema": told.schema, "program": told.program}
    said = N_("Backup of %(at)s: %(rows)s rows, %(records)s audit records, schema %(schema)s, written by version %(program)s.")
    shell.say(Message(said, {"at": told.made_at.strftime("%Y-%m-%dT%H:%M:%SZ"), **numbers}))
    shell.say(Message(N_("Compare these with a report, a mail or a checkpoint of that time:")))
    for chain, size, head in told.chains:
        click.echo(f"  {chain}  {size}  {head}")
    shell.say(Message(N_("Checkpoint %(checkpoint)s"), {"checkpoint": told.checkpoint}))


@backup.command(help=_("Make a pair of keys: the private one goes into a new file, the public one is said. Keep the file elsewhere."))
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@terminal
def key(shell: Terminal, out: Path) -> None:
    public = age.new_key(out)
    click.echo(f"TRIALCRF_BACKUP_RECIPIENTS={public}")
    said = N_("%(file)s holds the private key. Take it off this machine, to two safe places: without it nobody can open a backup.")
    shell.say(Message(said, {"file": str(out)}))


@backup.command(help=_("Copy a whole PostgreSQL server into a new folder (pg_basebackup) and verify it (pg_verifybackup). Not encrypted."))
@click.option("--out", required=True, type=click.Path(exists=False, path_type=Path), metavar="FOLDER")
@terminal
def base(shell: Terminal, out: Path) -> None:
    base_backup.take(shell.settings.database_url, out)
    shell.say(Message(N_("%(folder)s: every file is as the server sent it. It is not encrypted."), {"folder": str(out)}))


# --- What is said ------------------------------------------------------------------------------------------------------------------------


def _tell(shell: Terminal, proof: backup_folder.Proof) -> None:
    _tell_checks(shell, proof.checks)
    problems = [from_plain(one) for one in proof.problems]
    if problems:
        _refuse(problems)
    if not proof.opened:
        shell.say(Message(N_("What was proved is what went into the file, just before it was encrypted.")))
    told = {"records": proof.records, "rows": proof.rows, "seconds": proof.seconds}
    shell.say(Message(N_("Proved: %(records)s audit records, %(rows)s rows, in %(seconds)s seconds."), told))


def _tell_checks(shell: Terminal, checks: tuple[str, ...]) -> None:
    for name in checks:
        if name in CHECKS:
            shell.say(Message(CHECKS[name]))


def _refuse(problems: list[Message] | list[Sayable]) -> None:
    for one in problems:
        click.echo(here().say(one), err=True)
    raise click.exceptions.Exit(REFUSED)


@contextmanager
def _refusals() -> Iterator[None]:
    """Every problem of a file on a line of standard error, and the exit code REFUSED."""
    try:
        yield
    except BadArchive as bad:
        _refuse(list(bad.problems))
