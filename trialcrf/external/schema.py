"""XML against the schema that the sponsor supplied. The only room that imports lxml."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from lxml import etree

MOST = 20
"""How many violations are told: the first ones say what is wrong."""


class BadSchema(ValueError):
    """The file that was set as the schema is none."""


def violations(content: bytes, schema: Path) -> tuple[str, ...]:
    """What the schema finds wrong with a document, each with its line, as the schema's own words; nothing where it is valid.

    Schemas include others by relative paths: those beside the file are read, nothing comes from a network. Raises BadSchema.
    """
    try:
        judge = _schema(schema, schema.stat().st_mtime_ns)
    except (OSError, etree.LxmlError) as error:
        raise BadSchema(f"{schema.name}: {error}") from error
    document = etree.fromstring(content, _parser())
    if judge.validate(document):
        return ()
    return tuple(f"{one.line}: {one.message}" for one in list(judge.error_log)[:MOST])


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)


@cache
def _schema(schema: Path, _changed: int) -> etree.XMLSchema:
    """The compiled schema: that of the ICH is large. Another time of change is another schema."""
    return etree.XMLSchema(etree.parse(str(schema), _parser()))
