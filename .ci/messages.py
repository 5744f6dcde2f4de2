"""Message catalogues: collect every msgid of code and templates, and bring both catalogues up to date (`make messages`)."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = ("fr", "en")
# A fixed date, so that a catalogue only changes when its messages do.
_FIXED = datetime(2026, 1, 1, tzinfo=UTC)


def extracted(root: Path = ROOT) -> Catalog:
    """Every message of the program, as an empty template."""
    with (root / "babel.cfg").open(encoding="utf-8") as text:
        mapping, options = parse_mapping_cfg(text, filename="babel.cfg")
    template = Catalog(project="trialcrf", charset="utf-8", creation_date=_FIXED, revision_date=_FIXED)
    found = extract_from_dir(
        root,
        method_map=mapping,
        options_map=options,
        keywords={**DEFAULT_KEYWORDS, "N_": None},
        comment_tags=("TRANSLATORS:",),
        directory_filter=lambda folder: Path(folder).name not in {"__pycache__", "static"} and not Path(folder).name.startswith("."),
    )
    for file, _line, msgid, comments, context in found:
        template.add(msgid, None, [(file, 0)], auto_comments=comments, context=context)
    return template


def catalogue_path(code: str, root: Path = ROOT) -> Path:
    return root / "trialcrf" / "locale" / code / "LC_MESSAGES" / "messages.po"


def updated(code: str, template: Catalog, root: Path = ROOT) -> Catalog:
    """The catalogue of a language with the messages of today: new ones empty (English ones are their own text), dropped ones gone."""
    path = catalogue_path(code, root)
    if path.exists():
        with path.open("rb") as text:
            catalogue = read_po(text, locale=code, abort_invalid=True)
    else:
        catalogue = Catalog(locale=code)
    catalogue.project, catalogue.fuzzy = "trialcrf", False
    catalogue.creation_date = catalogue.revision_date = _FIXED
    catalogue.last_translator = catalogue.language_team = "trialcrf"
    # No fuzzy matching: a guessed translation of a clinical sentence is worse than a missing one, which a test refuses.
    catalogue.update(template, no_fuzzy_matching=True, update_header_comment=False)
    catalogue.obsolete.clear()
    if code == "en":
        for message in catalogue:
            if message.id and not _is_translated(message):
                message.string = message.id
    catalogue.header_comment = f"# Messages of trialcrf, language {code}. Kept by `make messages`."
    catalogue.revision_date = _FIXED
    return catalogue


def main() -> int:
    template = extracted()
    missing = 0
    for code in LANGUAGES:
        path = catalogue_path(code)
        catalogue = updated(code, template)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as text:
            # Files without line numbers: a moved line is no change of a catalogue.
            write_po(text, catalogue, width=120, sort_output=True, include_lineno=False)
        empty = [message.id for message in catalogue if message.id and not _is_translated(message)]
        missing += len(empty)
        print(f"{path.relative_to(ROOT)}: {len(catalogue)} messages, {len(empty)} to translate")
    return 0 if not missing else 1


def _is_translated(message: Message) -> bool:
    strings = message.string if isinstance(message.string, (tuple, list)) else (message.string,)
    return all(strings)


if __name__ == "__main__":
    sys.exit(main())
