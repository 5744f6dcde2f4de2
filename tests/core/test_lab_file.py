"""Tables from outside and units: whatever a file holds is read or refused, and a number in another unit is the same amount."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialcrf.core.outside.sheet import NoSheet, folded, is_formula, pasted, read_sheet
from trialcrf.core.safety.units import converted, factor


@pytest.mark.parametrize(
    ("analyte", "value", "unit", "into", "decimals", "recorded"),
    [
        ("NEUT", "3200", "/mm3", "10⁹/L", 2, "3.20"), ("NEUT", "1.5", "10^9/L", "10⁹/L", 2, "1.5"),
        ("PLAT", "212", "G/L", "10⁹/L", 0, "212"),
        ("HGB", "118", "g/L", "g/dL", 1, "11.8"), ("CREAT", "1", "mg/dL", "umol/L", 2, "88.42"),
        ("BILI", "0.7", "mg/dL", "µmol/L", 1, "12.0"),
        ("CRP", "<0.3", "mg/dL", "mg/L", 1, "<3.0"), ("HCT", "0.38", "L/L", "%", 1, "38.0"), ("ALT", "31", "UI/L", "U/L", 1, "31"),
        ("CD4", "0.25", "G/L", "10⁶/L", 0, "250"), ("PLAT", "212", "x10*9/L", "10⁹/L", 0, "212"),
    ],
)  # fmt: skip
def test_a_value_in_another_unit_is_the_same_amount(analyte, value, unit, into, decimals, recorded):
    by = factor(analyte, unit, into)
    assert by is not None
    assert converted(value, by, decimals) == recorded


@pytest.mark.parametrize(
    ("analyte", "unit", "into"), [("HGB", "mmol/L", "g/dL"), ("ALT", "g/L", "U/L"), ("SODIUM", "mg/dL", "mmol/L"), ("CRP", "", "mg/L")]
)
def test_a_unit_that_is_not_known_for_the_analyte_has_no_factor(analyte, unit, into):
    assert factor(analyte, unit, into) is None


def test_a_factor_and_its_way_back_are_one():
    for analyte, one, other in (("NEUT", "/mm3", "10⁹/L"), ("CREAT", "mg/dL", "umol/L"), ("BILI", "mg/L", "µmol/L")):
        there, back = factor(analyte, one, other), factor(analyte, other, one)
        assert there and back and abs(there * back - 1) < Decimal("1e-30")


@pytest.mark.parametrize(
    ("content", "encoding", "separator"),
    [
        ("é;b\n1;2".encode("latin-1"), "cp1252", ";"), ("é,b\n1,2".encode("utf-8-sig"), "utf-8", ","),
        ("é\tb\n1\t2".encode("utf-16"), "utf-16", "\t"),
        ("\r\né|b|\r\n1|2|\r\n".encode(), "utf-8", "|"),
    ],
)  # fmt: skip
def test_encoding_and_separator_are_found(content, encoding, separator):
    sheet = read_sheet(content)
    assert (sheet.encoding, sheet.separator, sheet.heading, sheet.rows[0].cells) == (encoding, separator, ("é", "b"), ("1", "2"))


def test_a_line_is_named_by_where_it_begins_in_the_file():
    sheet = read_sheet(b'a;b\n\n"1\n1";2\n3;4;5\n6;7\n')
    assert [row.line for row in sheet.rows] == [3, 6]
    assert [one.line for one in sheet.wrong] == [5]


@given(st.binary(max_size=300), st.sampled_from(["", "utf-8", "utf-16", "cp1252", "iso8859-15", "nonsense"]))
def test_any_bytes_are_a_table_or_refused(content, encoding):
    try:
        sheet = read_sheet(content, encoding)
    except NoSheet:
        return
    assert all(len(row.cells) == len(sheet.heading) for row in sheet.rows)


@given(st.text(max_size=200))
def test_any_pasted_text_is_rows_or_refused(text):
    try:
        rows = list(pasted(text))
    except NoSheet:
        return
    assert all(any(cells) for _, cells in rows)


def test_what_a_spreadsheet_would_compute_is_told_from_a_number():
    assert [is_formula(text) for text in ("=1", "@A", "+cmd", "-x", "-3", "+4.2", "", "x=1")] == [True] * 4 + [False] * 4
    assert folded("N° Prélèvement ") == "nprelevement"
