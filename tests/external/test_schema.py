"""XML from outside: what a document names is not fetched, and what it repeats is not written out."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from trialcrf.external.schema import BadSchema, violations

SCHEMA = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="a"><xs:simpleType>
<xs:restriction base="xs:string"><xs:enumeration value="ok"/></xs:restriction></xs:simpleType></xs:element></xs:schema>"""


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    (tmp_path / "schema.xsd").write_text(SCHEMA, encoding="utf-8")
    return tmp_path / "schema.xsd"


def test_a_document_is_judged(schema: Path) -> None:
    assert violations(b"<a>ok</a>", schema) == ()
    (said,) = violations(b"<a>no</a>", schema)[:1]
    assert said.startswith("1: ")


def test_what_a_document_names_is_not_read(schema: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("ok", encoding="utf-8")
    named = f'<!DOCTYPE a [<!ENTITY e SYSTEM "{(tmp_path / "secret").as_uri()}">]><a>&e;</a>'
    try:
        told = violations(named.encode(), schema)
    except etree.LxmlError:
        return
    assert told != (), "with the file in its place it would be valid"


def test_what_repeats_itself_is_not_written_out(schema: Path) -> None:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    try:
        told = violations(f'<!DOCTYPE a [<!ENTITY e0 "x">{levels}]><a>&e11;</a>'.encode(), schema)
    except etree.XMLSyntaxError:
        return
    assert told and all(len(one) < 10_000 for one in told)


def test_what_is_no_schema_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "schema.xsd").write_text("<a/>", encoding="utf-8")
    with pytest.raises(BadSchema):
        violations(b"<a/>", tmp_path / "schema.xsd")
