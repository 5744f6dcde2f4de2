"""One-time codes against the vectors of RFC 6238, and the window in which one is taken."""

from __future__ import annotations

from base64 import b32encode
from datetime import UTC, datetime, timedelta

import pytest

from trialcrf.external import totp

SECRET = b32encode(b"12345678901234567890").decode()
VECTORS = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}
"""RFC 6238, appendix B, SHA-1: eight figures, of which an app shows the last six."""


@pytest.mark.parametrize(("seconds", "code"), VECTORS.items())
def test_the_codes_are_those_of_the_standard(seconds, code):
    at = datetime.fromtimestamp(seconds, UTC)
    assert totp.accepted(SECRET, code[-6:], at, -1) == seconds // 30
    assert totp.accepted(SECRET, code[-6:-1], at, -1) is None


@pytest.mark.parametrize(("late", "taken"), [(-31, False), (-30, True), (0, True), (30, True), (59, True), (60, False)])
def test_a_code_is_taken_one_step_early_or_late_and_no_more(late, taken):
    shown = datetime.fromtimestamp(1234567890 // 30 * 30, UTC)
    code = "005924"
    assert (totp.accepted(SECRET, code, shown + timedelta(seconds=late), -1) is not None) is taken


def test_no_code_is_taken_twice_nor_one_of_before():
    at = datetime.fromtimestamp(1234567890, UTC)
    step = totp.accepted(SECRET, "005924", at, -1)
    assert step is not None
    assert totp.accepted(SECRET, "005924", at, step) is None
    assert totp.accepted(SECRET, "005924", at, step + 1) is None


@pytest.mark.parametrize("typed", ["", "00592", "005924 ", "½05924", "\ud800", "5924", "0" * 4000])
def test_whatever_is_typed_is_refused_and_breaks_nothing(typed):
    assert totp.accepted(SECRET, typed, datetime.fromtimestamp(1234567890, UTC), -1) is None


def test_a_key_has_160_random_bits_and_an_app_can_read_it():
    one, other = totp.new_secret(), totp.new_secret()
    assert len(one) == 32 and one != other
    assert totp.uri(one, "cora", "trialcrf") == f"otpauth://totp/trialcrf:cora?secret={one}&issuer=trialcrf"
