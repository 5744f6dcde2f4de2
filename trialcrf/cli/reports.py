"""Commands that tell what is recorded: reports as files, and which archived report a file is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import click

from trialcrf.actions import Impossible, NotClean
from trialcrf.actions.records import recognise
from trialcrf.actions.records import report as reporting
from trialcrf.actions.records.recognise import Sealed, Standing
from trialcrf.actions.records.report import About
from trialcrf.cli.terminal import DAY, MOMENT, Terminal, _, terminal
from trialcrf.core.wording import N_, Message
from trialcrf.external import archive, seal
from trialcrf.external.drawing import Drawing
from trialcrf.jobs.verify import verify
from trialcrf.jobs.work import KEPT
from trialcrf.store import reports
from trialcrf.store.definitions import Published
from trialcrf.store.reports import Report


@click.group(help=_("Reports."))
def report() -> None:
    """The group of commands."""


_SAID: Mapping[str, str] = {
    reporting.SAFETY: _("Draw the safety report as a PDF. The same cut-off and moment give the same bytes, whenever it is drawn."),
    reporting.QUALITY: _("Draw the quality of a site, or of all sites, as a PDF. The same cut-off and moment give the same bytes."),
    reporting.SAE: _("Draw the listing of serious adverse events as a PDF."),
    reporting.DSUR: _("Draw the tabulations of a development safety update report as a PDF."),
    reporting.DSMB: _("Draw the pack of the safety board as a PDF; the arms of a blinded study are not in it."),
    reporting.CIOMS: _("Draw the CIOMS I form of a case as a PDF."),
    reporting.LETTER: _("Draw the letter to investigators about a case as a PDF."),
    reporting.NARRATIVE: _("Draw the safety narrative of a subject as a PDF."),
    reporting.BATCH: _("Draw the summary of a batch of cells as a PDF."),
    reporting.INFUSION: _("Draw the record of a recipient’s infusion as a PDF."),
    reporting.DOSSIER: _("Draw the traceability dossier of a donor, a batch or a recipient as a PDF."),
    reporting.ACCOUNTABILITY: _("Draw the account of the cell product as a PDF, of a site or of all sites."),
    reporting.CASEBOOK: _("Draw the casebook of a subject as a PDF, with every kind of form, and sign it."),
    reporting.CASEBOOKS: _("Draw every casebook of a site as a PDF each, with a list that names them, and sign them."),
}
"""The kinds that are drawn from the terminal. The closed part of a blinded study is not: it is for named persons only."""

_ABOUT = {
    About.SITE: click.option("--site", default="", metavar="CODE", help=_("The only site that is reported (all of them).")),
    About.ONE_SITE: click.option("--site", required=True, metavar="CODE", help=_("The site whose casebooks are drawn.")),
    About.SUBJECT: click.option("--subject", required=True, metavar="KEY", help=_("The subject that it is about.")),
    About.CASE: click.option("--case", "case_number", required=True, type=click.IntRange(1), help=_("The number of the case.")),
}


def _command(kind: str) -> click.Command:
    @click.option("--study", "study_oid", required=True, metavar="KEY")
    @click.option("--as-of", required=True, type=DAY, help=_("The last day that is reported, at each site."))
    @click.option("--known-at", type=MOMENT, help=_("Report what was known at this moment (now)."))
    @click.option("--lang", help=_("Language of the report (the first one of the study)."))
    @click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
    @click.option("--why", default="", metavar="TEXT", help=_("Why it is drawn: then it is ordered and archived too, not only written."))
    @terminal
    def draw(
        shell: Terminal,
        study_oid: str,
        as_of: date,
        known_at: datetime | None,
        lang: str | None,
        out: Path,
        why: str,
        site: str = "",
        subject: str = "",
        case_number: int | None = None,
    ) -> None:
        _draw(shell, kind, study_oid, reporting.Asked(site, subject, case_number), as_of, known_at, lang, out, why)

    about = _ABOUT.get(reporting.KINDS[kind].about)
    return click.command(kind, help=_SAID[kind])(about(draw) if about else draw)


for _kind in _SAID:
    report.add_command(_command(_kind))


def _draw(
    shell: Terminal,
    kind: str,
    study_oid: str,
    asked: reporting.Asked,
    as_of: date,
    known_at: datetime | None,
    lang: str | None,
    out: Path,
    why: str,
) -> None:
    known = known_at or shell.now
    with shell.read() as tx:
        published = shell.published(tx, study_oid)
        language = lang or published.study.languages[0]
        if language not in published.study.languages:
            raise Impossible(Message(N_("Choose one of the languages offered.")))
        refusal = reporting.KINDS[kind].refusal(published.study)
        if refusal is not None:
            raise Impossible(refusal)
        # The page offers the sites there are; of a site that is not the report itself says so.
        about = reporting.KINDS[kind].about
        reporting.check_asked(tx, study_oid, about, asked if about is About.ONE_SITE else replace(asked, site=""))
        reporting.check_kind(tx, published.study, reporting.KINDS[kind], asked)
        reporting.check_cut(tx, study_oid, as_of, known, shell.now)
    one = reporting.Order(kind, study_oid, as_of, known, language, asked)
    beside = out.parent / reporting.folder_of_annexes(out.name)
    at = reporting.Workshop(shell.read, lambda name, content: archive.keep(beside / name, content), shell.settings.reports_folder / KEPT)
    value, drawn = reporting.made(one, at)
    if why.strip():
        _archive(shell, published, one, value, drawn, why, beside)
    for annex in drawn.annexes:
        if annex.content:
            archive.keep(beside / annex.name, annex.content)
    sha256 = archive.keep(out, drawn.pdf)
    reporting.sign_files(one, value, out.name, sha256, drawn.annexes, out.parent, shell.settings.signing_key)
    told = {"file": str(out), "known": known.isoformat(), "sha256": sha256}
    shell.say(Message(N_("%(file)s: data known at %(known)s, SHA-256 %(sha256)s"), told))


def _archive(
    shell: Terminal, published: Published, one: reporting.Order, value: reporting.Drawable, drawn: Drawing, why: str, beside: Path
) -> None:
    """Order what was drawn and archive it, as if the scheduler had drawn it."""
    with shell.write() as tx:
        made = reporting.order(
            tx, published, one.language, one.as_of, one.known_at, shell.who.address,
            kind=one.kind, site=one.asked.site, subject=one.asked.subject, case_number=one.asked.case_number, why=why,
        )  # fmt: skip
    with shell.write() as tx:
        ordered = reports.find(tx, made) if made is not None else None
        assert ordered is not None
        folder, file = shell.settings.reports_folder, reporting.file_of(ordered)
        for annex in drawn.annexes:
            if not annex.content:
                archive.keep(folder / reporting.folder_of_annexes(file) / annex.name, (beside / annex.name).read_bytes())
        sha256 = reporting.keep_file(ordered, drawn, folder)
        reporting.sign_files(one, value, file, sha256, drawn.annexes, folder, shell.settings.signing_key)
        reporting.keep(tx, ordered, value, sha256, drawn.annexes)


ALTERED, UNKNOWN, NOT_HELD, NOT_SAME, NOT_SIGNED = 2, 3, 4, 5, 6
"""The exit codes of `report verify`, beside 0 (archived here, as it was, or signed by whom it says) and 1 (it could not be said)."""

SEALS: Mapping[Sealed, str] = {
    Sealed.OURS: N_("The signature holds: it was made with the key of this installation, %(fingerprint)s."),
    Sealed.OTHERS: N_("The signature holds: it was made with the key %(fingerprint)s, which is not that of this installation."),
    Sealed.WRONG: N_("The signature does NOT hold: it is not of the key that it names, or what it says was altered."),
    Sealed.ANOTHER: N_("The signature is of ANOTHER file, whose SHA-256 is %(sha256)s."),
    Sealed.NONE: N_("This is no signature file."),
}

SAID: Mapping[Standing, str] = {
    Standing.ARCHIVED: N_("%(file)s is an archived report, as it was archived."),
    Standing.ALTERED: N_("%(file)s is ALTERED: it says that it is the report below, and its SHA-256 is another."),
    Standing.FOREIGN: N_("%(file)s is unknown: it says that it is a report, and no such report was archived here: %(told)s"),
    Standing.UNKNOWN: N_("%(file)s is unknown: its SHA-256 is that of no archived report, and it does not say what it is."),
}


@report.command(
    "verify",
    help=_(
        "Say which archived report a file is, by its SHA-256, and whether the trail still has its checkpoint. "
        "Exit codes: 0 archived, 2 altered, 3 unknown or of another installation, 4 the trail has another checkpoint or does not hold, "
        "5 drawn again it is not the same, 6 its signature does not hold. "
        "A signature file (.sig.json) says itself what it signs; beside a file it is checked with it."
    ),
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--again", is_flag=True, help=_("Draw it again from the database as well, and compare the bytes."))
@terminal
def verify_report(shell: Terminal, file: Path, again: bool) -> None:
    if file.name.endswith(seal.ENDING):
        _verify_signature(shell, file, "")
        return
    with shell.read() as tx:
        found = recognise.recognise(tx, file.read_bytes())
    shell.say(Message(SAID[found.standing], {"file": file.name, "told": found.told}))
    shell.say(f"SHA-256 {found.sha256}")
    beside = file.with_name(file.name + seal.ENDING)
    if beside.is_file():
        _verify_signature(shell, beside, found.sha256)
    if found.report is None:
        raise click.exceptions.Exit(UNKNOWN)
    if found.annex:
        shell.say(Message(N_("It is the annex %(name)s of the report below."), {"name": found.annex}))
    for line in _lines(found.report):
        shell.say(line)
    if not found.holds:
        shell.say(Message(N_("The trail has ANOTHER checkpoint for that moment: what was recorded before it was changed, or cut.")))
        raise click.exceptions.Exit(NOT_HELD)
    shell.say(Message(N_("The trail has this checkpoint for that moment.")))
    # The heads alone do not tell of a row between them that somebody altered behind the program's back.
    try:
        with shell.read() as tx:
            shell.say(verify(tx))
    except NotClean as wrong:
        shell.say(wrong.message)
        raise click.exceptions.Exit(NOT_HELD) from None
    if found.standing is Standing.ALTERED:
        raise click.exceptions.Exit(ALTERED)
    if again:
        with shell.read() as tx:
            same = recognise.again(tx, found.report)[1]
        shell.say(Message(N_("Drawn again, it is the same.") if same else N_("Drawn again, it is NOT the same.")))
        if not same:
            raise click.exceptions.Exit(NOT_SAME)


def _verify_signature(shell: Terminal, signature: Path, sha256: str) -> None:
    """Say whose signature it is and of what; a wrong one ends the command."""
    with signature.open("rb") as opened:
        content = opened.read(seal.LARGEST + 1)
    key = shell.settings.signing_key
    worth, found = recognise.sealed(content, seal.public_key(key)[1] if key.is_file() else "", sha256)
    told = dict(found.said) if found else {}
    shell.say(Message(SEALS[worth], {"fingerprint": found.fingerprint if found else "", "sha256": told.get("sha256", "")}))
    if worth not in (Sealed.OURS, Sealed.OTHERS):
        raise click.exceptions.Exit(NOT_SIGNED)
    for name, value in told.items():
        if value:
            shell.say(f"{name} {value}")


def _lines(one: Report) -> Iterator[Message]:
    kind = reporting.KINDS[one.kind].label if one.kind in reporting.KINDS else one.kind
    about = " ".join(reporting.asked_of(one).parts)
    yield Message(
        N_("Study %(study)s, %(kind)s %(number)s %(about)s"),
        {"study": one.study_oid, "kind": Message(kind), "number": str(one.id), "about": about},
    )
    yield Message(N_("Clinical cut-off %(day)s, data known at %(known)s"), {"day": one.as_of, "known": one.known_at.isoformat()})
    yield Message(
        N_("Definition v%(version)s, dictionaries: %(dictionary)s"),
        {"version": str(one.definition_version), "dictionary": one.dictionary or "–"},
    )
    yield Message(N_("Checkpoint %(checkpoint)s"), {"checkpoint": one.checkpoint or "–"})
    yield Message(
        N_("Ordered by %(who)s at %(when)s: %(why)s"), {"who": one.ordered_by, "when": one.ordered_at.isoformat(), "why": one.why or "–"}
    )
