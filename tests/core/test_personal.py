"""What looks like personal data and what does not: tables of both kinds, and no text that makes the guard fail or wait."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trialcrf.core.oversight.personal import REFUSED, Personal, found_in, may_be_names, names_listed, refusal


def keyed(number: str) -> str:
    """A number of thirteen digits with its key."""
    counted = number.replace("2A", "19").replace("2B", "18")
    return f"{number}{97 - int(counted) % 97:02d}"


LYON, AJACCIO, BASTIA = keyed("1460569123456"), keyed("284052A004123"), keyed("184052B033018")


@pytest.mark.parametrize(
    "text",
    [
        LYON,
        f"NIR : {LYON}",
        f"n° sécu {LYON[0]} {LYON[1:3]} {LYON[3:5]} {LYON[5:7]} {LYON[7:10]} {LYON[10:13]} {LYON[13:]}, carte Vitale",
        ".".join((LYON[:1], LYON[1:3], LYON[3:5], LYON[5:7], LYON[7:10], LYON[10:13], LYON[13:])),
        "\u202f".join((LYON[:1], LYON[1:3], LYON[3:5], LYON[5:7], LYON[7:10], LYON[10:13], LYON[13:])),
        f"{LYON[:13]} {LYON[13:]}",
        f"{LYON[:5]} {LYON[5:10]} {LYON[10:]}",
        AJACCIO,
        AJACCIO.lower(),
        BASTIA,
        f"{BASTIA[0]} {BASTIA[1:3]} {BASTIA[3:5]} {BASTIA[5:7]} {BASTIA[7:10]} {BASTIA[10:13]} {BASTIA[13:]}",
        "".join(chr(ord(digit) + 0xFEE0) for digit in LYON),
        f"{LYON[:7]}\u200b{LYON[7:]}",
        f"vu le 12 {LYON}",
    ],
)
def test_a_social_security_number_with_its_key_is_seen(text):
    assert found_in(text) == (Personal.NIR,)


@pytest.mark.parametrize("number", ["1460569123456", "284052A004123", "184052B033018", "2991297411001"])
def test_no_other_key_makes_a_social_security_number(number):
    right = keyed(number)[13:]
    others = [f"{number}{key:02d}" for key in range(100) if f"{key:02d}" != right]
    assert not any(Personal.NIR in found_in(one) for one in others)
    assert Personal.NIR in found_in(number + right)


@pytest.mark.parametrize(
    "text",
    [
        "jean.dupont@example.org",
        "Écrire à Jean.Dupont+essai@chu-lyon.example.fr.",
        "<j@ex.fr>",
        "jean.dupont (at) example.org",
        "jean.dupont[at]example.org",
        "ﬁn＠example.org",
        "hélène@hôpital.fr",
    ],
)
def test_an_e_mail_address_is_seen(text):
    assert Personal.EMAIL in found_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "0612345678",
        "06 12 34 56 78",
        "06.12.34.56.78",
        "06-12-34-56-78",
        "06/12/34/56/78",
        "06\u00a012\u00a034\u00a056\u00a078",
        "Tél:0145678901.",
        "tel0145678901",
        "rappeler le 0612345678 demain",
        "rappeler au 06 12 34 56 78 10h",
        "0612 345 678",
        "0612 34 56 78",
        "+33612345678",
        "+33 6 12 34 56 78",
        "+33 (0)6 12 34 56 78",
        "+33(0) 6.12.34.56.78",
        "0033612345678",
        "0033 6 12 34 56 78",
        "(+33) 6 12 34 56 78",
        "+32 475 12 34 56",
        "+352 621 123 456",
        "+44 20 7946 0958",
        "+1 (514) 555-0134",
        "+689 40 12 34 56",
        "+4915112345678",
    ],
)
def test_a_telephone_number_is_seen(text):
    assert found_in(text) == (Personal.TELEPHONE,)


@pytest.mark.parametrize(
    "text",
    [
        "née le 05/03/1946",
        "né le 5 mars 1946 à Lyon",
        "née à Lyon, le 5 mars 1946",
        "Né(e) le : 05.03.1946",
        "nee le 5/3/46",
        "DDN 05/03/1946",
        "DDN : 1946-03-05",
        "d.d.n. 05-03-46",
        "date de naissance du patient : 05 03 1946",
        "naissance 05031946",
        "born on 5 March 1946",
        "born March 5, 1946",
        "born in Saint Denis on March 5th, 1946",
        "DOB: 03/05/1946",
        "D.O.B. 05MAR1946",
        "date of birth 1946/03/05",
        "birth date is 05-Mar-1946",
        "Patient né le 1er janvier 1950",
        "née le 15 août 1950",
    ],
)
def test_a_full_date_of_birth_is_seen(text):
    assert found_in(text) == (Personal.BIRTH,)


@pytest.mark.parametrize("text", ["05/03/1946", "le 5 mars 1946", "1946-03-05", "March 5, 1946", "05031946", "12/31/1946"])
def test_a_whole_date_of_the_year_of_birth_is_one_where_that_year_is_known(text):
    assert found_in(text, 1946) == (Personal.BIRTH,)
    assert found_in(text, 1947) == ()
    assert found_in(text) == ()


HARMLESS = [
    "",
    "RAS",
    "vue le 05/03/2026 à 10h30, revue le 2026-11-21T09:05",
    "05/11/2026 08:30",
    "05-11-20 08 30",
    "J0 05/11/2026, J7 12/11/2026, J14 19/11/2026",
    "née en 1946, vue le 05/03/2026",
    "Patiente née en mars 1946",
    "Naissance de son enfant prématuré, hospitalisation le 05/03/2026",
    "accouchement (naissance à terme) ; consultation du 05/03/2026",
    "born in 1946; seen on 05/03/2026",
    "EudraCT 2010-024041-78",
    "EU CT 2023-505678-12-00",
    "NCT02213705",
    "ISRCTN12345678",
    "SEC FR00005600000012345601234567890001 20270101",
    "FR000056 0000000123456 E0001234 001 20270131",
    "A9999 20 123456 0 1",
    "=A99992012345600",
    "lot 0612345678",
    "Lot n° 0612345678",
    "échantillon n° : 0145678901",
    "batch number 0412345678",
    "prélèvement du laboratoire 0412345678",
    "B-01-0007-2",
    "SSC-01-0002",
    "code 1234567890123",
    "123456789012345",
    "199912345678901",
    "CD34+ 20000000/kg",
    "CD3+45000000",
    "+10 000 000 cellules",
    "+100 000 000 de CSM",
    "variation de +12,5 %",
    "1,5 × 10^6/kg, 2.10e8",
    "0,12 0,34 0,56 0,78",
    "0.9 1.2 3.4 5.6 7.8",
    "Hb 12,3 g/dL ; plaquettes 250 000 ; leucocytes 6 500",
    "tension 130/85 à 08:00 puis 125/80",
    "TLCO 45 % / VA 78 %",
    "5 mg @ 3.5 h",
    "dose de 2@jour",
    "https://www.meddra.org",
    "MedDRA 10019211",
    "10019211",
    "IP 192.168.0.1",
    "mRSS 22 → 18 (−4)",
    "2026.05.03",
    "21 CFR 11.200(a)(1)(i)",
    "CIM-10 M34.0",
    "UK-2026-123456",
    "FR-ANSM-20260305-0001",
    "ISBN 9782123456803",
    "90 01 02 03 04 05 06 07 08 09 10",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_numbers_of_a_trial_are_no_personal_data(text):
    assert found_in(text) == ()
    assert refusal(text) is None


def test_a_refusal_says_what_it_looks_like():
    assert {refusal(text).msgid for text in (LYON, "a@b.fr", "0612345678", "DDN 05/03/1946")} == set(REFUSED.values())


@given(st.text(max_size=300) | st.text(alphabet="0123456789 .-/+abné@()\u202f", max_size=300), st.none() | st.integers(1, 9999))
@example("DDN 31/02/1946", 1946)
@example("né 00/00/0000 1946-13-45", None)
@example("٣" * 15, None)
def test_any_text_is_judged_and_never_crashes(text, year):
    found_in(text, year)
    list(may_be_names(text))
    names_listed(text)


@pytest.mark.parametrize(
    "unit", ["1 ", "06 ", "0", "a@", "a.", "né ", "+", "+1", "1/", "born le ", "12 mars ", "\u202f1", "@a.", " - ", "0612345678"]
)
def test_no_text_keeps_the_guard_waiting(unit):
    text = (unit * 12_000)[:12_000]
    begun = time.perf_counter()
    found_in(text, 1946)
    assert time.perf_counter() - begun < 1.5


def test_names_are_compared_without_case_accents_hyphens_and_order():
    listed = names_listed("DUPONT Hélène\nO’Brien; Jean-Pierre, x\n\n  Muller \n")
    assert len(listed) == 4
    for text in ("vue avec helene dupont", "Mme Dupont, Hélène", "Dr O'BRIEN", "jean pierre", "chez MÜLLER"):
        assert listed & set(may_be_names(text)), text
    for text in ("Dupont", "dupontel", "Jean", "Pierre", "mullers"):
        assert not listed & set(may_be_names(text)), text
