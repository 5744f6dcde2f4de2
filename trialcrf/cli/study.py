"""Commands about studies: check and publish a definition, list the subjects."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import click

from config import STUDIES
from trialcrf.actions.oversight import amend
from trialcrf.actions.publish import effect, publish
from trialcrf.cli.terminal import Terminal, _, here, stop, terminal
from trialcrf.core.definition.amendment import POLICIES
from trialcrf.core.definition.compare import WHATS
from trialcrf.core.definition.load import load
from trialcrf.core.definition.model import Study
from trialcrf.core.wording import N_, Message
from trialcrf.external.files import read_study
from trialcrf.store import definitions, sites, subjects
from trialcrf.store.definitions import Published
from trialcrf.store.transaction import Transaction


def study_of(key_or_path: str) -> Study:
    """The definition of a shipped study, or of a folder. Raises DefinitionProblems with every problem, by file and line."""
    shipped = STUDIES / key_or_path
    known = key_or_path.isidentifier() and (shipped / "study.yaml").is_file()
    folder = shipped if known else Path(key_or_path)
    if not known and not folder.is_dir():
        stop(Message(N_("%(what)s is neither a study of this program nor a folder."), {"what": key_or_path}))
    return load(read_study(folder))


@click.group(help=_("Study definitions."))
def study() -> None:
    """The group of commands."""


@study.command(help=_("Check a definition: every problem with its file and line."))
@click.argument("path", metavar="PATH")
@terminal
def check(shell: Terminal, path: str) -> None:
    found = study_of(path)
    shell.say(
        Message(
            N_("%(study)s is sound: %(events)s events, %(forms)s forms, %(items)s items."),
            {
                "study": found.oid,
                "events": len(found.events),
                "forms": len(found.forms),
                "items": sum(len(form.items) for form in found.forms),
            },
        )
    )


@study.command("publish", help=_("Publish a definition: from then on this version is frozen."))
@click.argument("key", metavar="KEY_OR_PATH")
@terminal
def publish_(shell: Terminal, key: str) -> None:
    found = study_of(key)
    with shell.write() as tx:
        published, new = publish(tx, found)
    said = N_("%(study)s: version %(version)s is published.") if new else N_("%(study)s: version %(version)s says the same already.")
    shell.say(Message(said, {"study": published.study.oid, "version": str(published.version)}))
    if new and published.version > 1:
        _tell_effect(shell, published)


@study.command(help=_("What the newest version changes, and which records and subjects it touches."))
@click.argument("study_oid", metavar="KEY")
@terminal
def compare(shell: Terminal, study_oid: str) -> None:
    with shell.read() as tx:
        versions = _versions(tx, study_oid)
        if len(versions) < 2:
            stop(Message(N_("There is one version only: nothing is different.")))
        found = amend.touched(tx, versions[1].study, versions[0], None)
    for one in found:
        change = one.change
        place = ".".join(part for part in (change.event, change.form, change.item) if part)
        said = here().say(Message(WHATS[change.what]))
        shell.say(f"{place}  {said}  {change.old or '–'} → {change.new or '–'}  {here().say(Message(POLICIES[change.policy]))}")
        if one.records:
            told = N_("  records: %(records)s, with an answer: %(answered)s, subjects: %(subjects)s")
            shell.say(Message(told, {"records": one.records, "answered": one.answered, "subjects": one.subjects}))


@study.command("release", help=_("Record that the newest version is approved at a site, and from which day it holds there."))
@click.argument("study_oid", metavar="KEY")
@click.option("--site", required=True, metavar="CODE")
@click.option("--reference", required=True, help=_("What names the approval: a number, a letter."))
@click.option("--approved", required=True, type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD")
@click.option("--effective", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help=_("Without it: on the day of approval."))
@terminal
def release_(shell: Terminal, study_oid: str, site: str, reference: str, approved: datetime, effective: datetime | None) -> None:
    day = (effective or approved).date()
    with shell.write() as tx:
        version = _versions(tx, study_oid)[0]
        where = sites.find(tx, study_oid, site)
        if where is None:
            stop(Message(N_("There is no such site.")))
        at_once = amend.release(tx, where, version, reference, approved.date(), day, shell.now)
    said = (
        N_("Version %(version)s is in force at site %(site)s.")
        if at_once
        else N_("Version %(version)s holds at site %(site)s from %(day)s.")
    )
    shell.say(Message(said, {"version": str(version.version), "site": site, "day": day}))


@study.command(
    "migrate", help=_("Bring the records that the newest version asks for to it, one by one; what cannot follow stays and is named.")
)
@click.argument("study_oid", metavar="KEY")
@click.option("--dry-run", is_flag=True, help=_("Say what would be done, and do nothing."))
@terminal
def migrate_(shell: Terminal, study_oid: str, dry_run: bool) -> None:
    with shell.read() as tx:
        _versions(tx, study_oid)
        rehearsed = amend.rehearse(tx, study_oid, None, shell.now) if dry_run else None
    found = rehearsed or amend.migrate(shell.write, study_oid, None, shell.now)
    for one in found.lines:
        key = one.key
        place = f"{one.subject}  {key.event_oid}/{key.event_repeat}/{key.form_oid}/{key.form_repeat}  {one.was} → {one.now}"
        shell.say(f"{place}  {one.outcome.value}" + "".join(f"\n    {here().say(why)}" for why in one.why))
    said = (
        N_("Would be brought to the new version: %(moved)s. Would stay: %(kept)s.")
        if dry_run
        else N_("Brought to the new version: %(moved)s. Stay as they were: %(kept)s.")
    )
    shell.say(Message(said, {"moved": found.count(amend.Outcome.MOVED), "kept": found.count(amend.Outcome.KEPT)}))


def _versions(tx: Transaction, study_oid: str) -> list[Published]:
    found = definitions.versions_of(tx, study_oid)
    if not found:
        stop(Message(N_("There is no such study.")))
    return found


def _tell_effect(shell: Terminal, published: Published) -> None:
    """What the new version says of those enrolled, a line each: verdicts that would be others, windows that move."""
    with shell.read() as tx:
        before = next(one for one in definitions.versions_of(tx, published.study.oid) if one.version == published.version - 1)
        found = effect(tx, before.study, published.study, None, shell.now)
    for one in found.verdicts:
        shell.say(f"{one.subject}  {one.criterion or '='}  {one.old or '–'} → {one.new}")
    for moved in found.windows:
        days = [" … ".join(day.isoformat() if day else "–" for day in window) for window in (moved.old, moved.new)]
        shell.say(f"{moved.subject}  {here().say(moved.visit)}  {days[0]} → {days[1]}")
    for event in found.codings:
        grades = ", ".join(event.grades) if event.grades else event.instead or "–"
        shell.say(f"{event.subject}  {event.term} {event.grade} → {grades}")
    said = N_("Subjects: %(subjects)s. Verdicts that would be others: %(verdicts)s. Visit windows that move: %(windows)s.")
    numbers = {"subjects": found.subjects, "verdicts": len(found.verdicts), "windows": len(found.windows)}
    shell.say(Message(said, numbers))
    if found.dictionary and not found.loaded:
        told = N_("CTCAE %(version)s is not loaded: which recorded events it has no term or no grade for cannot be told.")
        shell.say(Message(told, {"version": found.dictionary}))
    elif found.dictionary:
        told = N_("Recorded events whose term or grade is not in CTCAE %(version)s: %(events)s.")
        shell.say(Message(told, {"version": found.dictionary, "events": len(found.codings)}))


@click.group(help=_("Subjects of a study."))
def subject() -> None:
    """The group of commands."""


@subject.command("list", help=_("List the subjects, those entered in error left out."))
@click.option("--study", "study_oid", required=True, metavar="KEY")
@click.option("--json", "as_json", is_flag=True, help=_("As JSON, for programs."))
@terminal
def listed(shell: Terminal, study_oid: str, as_json: bool) -> None:
    with shell.read() as tx:
        shell.published(tx, study_oid)
        found = subjects.all_of(tx, study_oid)
    lines = [{"key": one.key, "type": one.subject_type, "site": one.site.code, "enrolled_on": one.enrolled_on.isoformat()} for one in found]
    if as_json:
        click.echo(json.dumps(lines, ensure_ascii=False, indent=2))
    elif not lines:
        shell.say(Message(N_("No subject is enrolled in %(study)s."), {"study": study_oid}))
    else:
        width = max(len(line["key"]) for line in lines)
        for line in lines:
            click.echo(f"{line['key']:<{width}}  {line['site']}  {line['enrolled_on']}  {line['type']}")
