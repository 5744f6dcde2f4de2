"""Exporting the data of a study: CSV files, a codebook that explains them, and a manifest that proves them."""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from trialcrf.actions import Impossible
from trialcrf.core.chain import Checkpoint
from trialcrf.core.definition.model import DataType, FormDef, ItemDef, ItemGroupDef
from trialcrf.core.document import Answer
from trialcrf.core.values import MISSING_CODES
from trialcrf.core.wording import N_, Message, Words
from trialcrf.external.language import LANGUAGES, Language
from trialcrf.external.tables import Written, harmless, writing_table
from trialcrf.store import audit, definitions, forms, subjects
from trialcrf.store.audit import SYSTEM_CHAIN
from trialcrf.store.definitions import Published
from trialcrf.store.forms import StoredForm
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

ADDRESS = ("study", "site", "subject", "subject_type", "event", "event_repeat", "form_repeat")
"""The first columns of every file: where the answers of its line stand."""

CODEBOOK, CODELISTS, MANIFEST = "codebook.csv", "codelists.csv", "manifest.json"

_PLAIN = frozenset(
    {DataType.INTEGER, DataType.DECIMAL, DataType.BOOLEAN, DataType.DATE, DataType.PARTIAL_DATE, DataType.TIME, DataType.DATETIME}
)
"""Types whose canonical texts are no formula whatever they are: a minus before a number is meant."""

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_BATCH = 500
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The time of every file in an archive (the first one that ZIP knows), so that the same data give the same bytes."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote. `message` says it to the person who asked, and says so where there was nothing to write."""

    files: tuple[Written, ...]
    subjects: int
    forms: int
    rows: int
    checkpoint: str
    message: Message

    @property
    def empty(self) -> bool:
        return self.rows == 0


@dataclass(frozen=True, slots=True)
class _Column:
    """One item over all versions of its form; `version` is the newest one that asks it, `item` as that version asks it."""

    group: ItemGroupDef
    item: ItemDef
    version: int
    missing: bool

    @property
    def headings(self) -> tuple[str, ...]:
        oid = self.item.oid
        return (oid, f"{oid}_missing", f"{oid}_missing_reason") if self.missing else (oid,)

    def cells(self, answer: Answer | None) -> tuple[str, ...]:
        if answer is None:
            return ("", "", "") if self.missing else ("",)
        text = answer.text
        if self.item.type not in _PLAIN and not (self.item.type is DataType.DERIVED and _NUMBER.fullmatch(text)):
            text = harmless(text)
        return (text, answer.missing, harmless(answer.note)) if self.missing else (text,)


@dataclass(frozen=True, slots=True)
class _Sheet:
    """One file: a form outside its repeating groups, or one of these with a line a row."""

    name: str
    form: FormDef
    group: str
    columns: tuple[_Column, ...]

    @property
    def heading(self) -> list[str]:
        row = ["row"] if self.group else []
        return [*ADDRESS, *row, *(heading for column in self.columns for heading in column.headings)]

    def lines(self, study: str, subject: Subject, form: StoredForm) -> Iterator[list[str]]:
        key = form.key
        site, name = harmless(subject.site.code), harmless(subject.key)
        address = [study, site, name, subject.subject_type, key.event_oid, str(key.event_repeat), str(key.form_repeat)]
        if not self.group:
            items = form.document.items
            yield [*address, *(cell for column in self.columns for cell in column.cells(items.get(column.item.oid)))]
            return
        for row in form.document.rows.get(self.group, ()):
            if not row.error:
                yield [*address, row.id, *(cell for column in self.columns for cell in column.cells(row.items.get(column.item.oid)))]


def export_csv(
    tx: Transaction, study_oid: str, readable: Collection[str], sites: frozenset[str] | None, out: Path, now: datetime
) -> Exported:
    """Write the live data of a study into a new or empty folder: of all sites (`sites=None`) or some, forms of `readable` accesses only.

    A file for each form (FORM.csv) and each repeating group of it (FORM.GROUP.csv), codebook.csv, codelists.csv and, last,
    manifest.json with the row count and SHA-256 of every other file: a folder without it is not a whole export. What is marked
    entered in error is left out. Texts that a spreadsheet would run are neutralised. Raises Impossible.
    """
    versions = definitions.versions_of(tx, study_oid)
    if not versions:
        raise Impossible(Message(N_("There is no such study.")))
    make_empty(out)
    sheets = _sheets(versions, readable)
    people = sorted(subjects.all_of(tx, study_oid, sites), key=lambda one: (one.site.code, one.key))
    products = {oid for version in versions for oid in version.study.products}
    order = {event.oid: place for version in reversed(versions) for place, event in enumerate(version.study.events)}
    written: list[Written] = []
    subjects_found: set[int] = set()
    forms_found = 0
    for oid, of_form in sheets.items():
        with ExitStack() as stack:
            files = [(sheet, stack.enter_context(writing_table(out, sheet.name, sheet.heading))) for sheet in of_form]
            for subject, form in _forms(tx, people, oid, order):
                if subject.subject_type not in products:
                    subjects_found.add(subject.id)
                forms_found += 1
                for sheet, file in files:
                    file.add(sheet.lines(study_oid, subject, form))
            written += [file.written() for _, file in files]
    rows = sum(one.rows for one in written)
    written += _books(versions, sheets, out)
    heads = tuple(
        head for head in audit.chains(tx.connection) if head[0] in (study_oid, SYSTEM_CHAIN) or head[0].startswith(f"{study_oid}/")
    )
    checkpoint = Checkpoint(heads)
    message = Message(N_("There is nothing to export: no data are recorded."))
    if rows:
        counts = {"rows": rows, "forms": forms_found, "subjects": len(subjects_found)}
        message = Message(N_("Exported: subjects %(subjects)s, forms %(forms)s, rows %(rows)s."), counts)
    manifest = {
        "study": study_oid,
        "protocol": versions[0].study.protocol,
        "definitions": [{"version": one.version, "sha256": one.hash} for one in versions],
        "exported_at": now.astimezone(UTC).isoformat(timespec="seconds"),
        "sites": sorted(sites) if sites is not None else "all",
        "access": sorted(readable),
        "empty": not rows,
        "subjects": len(subjects_found),
        "forms": forms_found,
        "rows": rows,
        "checkpoint": {"sha256": checkpoint.digest(), "chains": [{"chain": c, "size": n, "head": h} for c, n, h in heads]},
        "files": [{"name": one.name, "rows": one.rows, "sha256": one.sha256} for one in written],
    }
    (out / MANIFEST).write_bytes(json.dumps(manifest, ensure_ascii=False, indent=2).encode() + b"\n")
    return Exported(tuple(written), len(subjects_found), forms_found, rows, checkpoint.digest(), message)


def export_zip(
    tx: Transaction, study_oid: str, readable: Collection[str], sites: frozenset[str] | None, now: datetime
) -> tuple[bytes, Exported]:
    """The same files as one ZIP archive; equal data, checkpoint and time give equal bytes. Raises Impossible."""
    buffer = BytesIO()
    with tempfile.TemporaryDirectory(prefix="trialcrf-export-") as made:
        folder = Path(made)
        exported = export_csv(tx, study_oid, readable, sites, folder, now)
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.iterdir()):
                entry = zipfile.ZipInfo(path.name, _LONG_AGO)
                entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, 0o600 << 16, 3
                archive.writestr(entry, path.read_bytes())
    return buffer.getvalue(), exported


def make_empty(out: Path) -> None:
    """Make the folder of an export, or take one that has nothing in it. Raises Impossible."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        taken = any(out.iterdir())
    except OSError as error:
        said = N_("The folder %(folder)s cannot be used: %(what)s")
        raise Impossible(Message(said, {"folder": str(out), "what": error.strerror or ""})) from None
    if taken:
        # Files of an earlier export between those of this one would be taken for its own.
        raise Impossible(Message(N_("The folder %(folder)s is not empty: an export gets a folder of its own."), {"folder": str(out)}))


def _forms(tx: Transaction, people: Sequence[Subject], form_oid: str, order: Mapping[str, int]) -> Iterator[tuple[Subject, StoredForm]]:
    """The live forms of one kind, subject by subject in their order, visit by visit as the study plans them."""
    for start in range(0, len(people), _BATCH):
        batch = {one.id: (place, one) for place, one in enumerate(people[start : start + _BATCH])}

        def place_of(form: StoredForm, batch: Mapping[int, tuple[int, Subject]] = batch) -> tuple[int, int, str, int, int]:
            key = form.key
            return batch[form.subject_id][0], order.get(key.event_oid, len(order)), key.event_oid, key.event_repeat, key.form_repeat

        for form in sorted(forms.all_of(tx, batch, [form_oid]), key=place_of):
            yield batch[form.subject_id][1], form


def _sheets(versions: Sequence[Published], readable: Collection[str]) -> dict[str, list[_Sheet]]:
    """The files of every form that any version asks: in the order of the newest, then what only earlier ones asked."""
    sheets: dict[str, list[_Sheet]] = {}
    asked: dict[str, list[tuple[int, FormDef]]] = {}
    for version in versions:
        for form in version.study.forms:
            asked.setdefault(form.oid, []).append((version.version, form))
    for oid, of_form in asked.items():
        # A link in any version is a link: whoever may not see links does not see an old one either.
        if any(form.access not in readable for _, form in of_form):
            continue
        columns = _columns(of_form)
        groups = dict.fromkeys(column.group.oid for column in columns if column.group.repeating)
        sheets[oid] = [_Sheet(f"{oid}.csv", of_form[0][1], "", tuple(one for one in columns if not one.group.repeating))]
        for group in groups:
            inside = tuple(one for one in columns if one.group.repeating and one.group.oid == group)
            sheets[oid].append(_Sheet(f"{oid}.{group}.csv", of_form[0][1], group, inside))
    return sheets


def _columns(of_form: Sequence[tuple[int, FormDef]]) -> list[_Column]:
    found: dict[tuple[str, str], _Column] = {}
    for version, form in of_form:
        for group, item in form.items.values():
            key = (group.oid if group.repeating else "", item.oid)
            if key not in found:
                missing = any(other.items[item.oid][1].missing for _, other in of_form if item.oid in other.items)
                found[key] = _Column(group, item, version, missing)
    return list(found.values())


def _books(versions: Sequence[Published], sheets: Mapping[str, Sequence[_Sheet]], out: Path) -> Iterator[Written]:
    """The codebook (a line an item) and the codelists (a line a code) that explain the files."""
    languages = tuple(dict.fromkeys(language for version in versions for language in version.study.languages))

    def labels(words: Words) -> list[str]:
        return [harmless(words.texts.get(language, "")) for language in languages]

    def per_language(name: str) -> list[str]:
        return [f"{name}_{language}" for language in languages]

    heading = ["file", "form", *per_language("form"), "group", *per_language("group"), "item", *per_language("label"), "type", "unit"]
    heading += ["codelist", "codes", "missing_codes", "aliases", "mandatory", "definition_version"]
    lists = _codelists(versions, sheets)
    with writing_table(out, CODEBOOK, heading) as book:
        for sheet in (sheet for of_form in sheets.values() for sheet in of_form):
            form, lines = sheet.form, []
            for column in sheet.columns:
                item, codes = column.item, column.item.codelist
                line = [sheet.name, form.oid, *labels(form.label), column.group.oid, *labels(column.group.label), item.oid]
                line += [*labels(item.label), item.type.value, harmless(item.unit), codes.oid if codes else ""]
                line += [_joined(lists[codes.oid]) if codes else "", _joined(item.missing), _joined(item.aliases)]
                lines.append([*line, "Y" if item.mandatory else "N", str(column.version)])
            book.add(lines)
    yield book.written()
    with writing_table(out, CODELISTS, ["codelist", "code", *per_language("label")]) as book:
        for oid, known in sorted(lists.items()):
            book.add([oid, harmless(code), *labels(label)] for code, label in known.items())
        say = [Language(language).gettext if language in LANGUAGES else str for language in languages]
        book.add(["MISSING", code, *(each(msgid) for each in say)] for code, msgid in _missing_codes(sheets))
    yield book.written()


def _codelists(versions: Sequence[Published], sheets: Mapping[str, Sequence[_Sheet]]) -> dict[str, dict[str, Words]]:
    """Every codelist of the exported forms: the codes of all versions, for an old form keeps its old answer."""
    found: dict[str, dict[str, Words]] = {}
    for form in (form for version in versions for form in version.study.forms if form.oid in sheets):
        for _, item in form.items.values():
            if item.codelist is not None:
                known = found.setdefault(item.codelist.oid, {})
                known.update({code.code: code.label for code in item.codelist.items if code.code not in known})
    return found


def _missing_codes(sheets: Mapping[str, Sequence[_Sheet]]) -> list[tuple[str, str]]:
    used = {code for of_form in sheets.values() for sheet in of_form for column in sheet.columns for code in column.item.missing}
    return [(code, msgid) for code, msgid in MISSING_CODES.items() if code in used]


def _joined(codes: Iterable[str]) -> str:
    return harmless("|".join(codes))
