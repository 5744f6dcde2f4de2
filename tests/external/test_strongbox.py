"""Secrets that whoever has the database alone cannot read, and that cannot be moved to another person's row."""

from __future__ import annotations

import stat

import pytest

from trialcrf.external import strongbox
from trialcrf.external.strongbox import CannotOpen, lock, unlock


def test_a_secret_comes_back_for_its_owner_and_for_nobody_else(tmp_path):
    key = tmp_path / "data" / strongbox.KEY_FILE
    stored = lock(key, "JBSWY3DPEHPK3PXP", "account 1")
    assert "JBSWY3DP" not in stored and lock(key, "JBSWY3DPEHPK3PXP", "account 1") != stored
    assert unlock(key, stored, "account 1") == "JBSWY3DPEHPK3PXP"
    for owner, what in (("account 2", stored), ("account 1", stored[:-6] + "AAAAAA"), ("account 1", "no secret"), ("account 1", "")):
        with pytest.raises(CannotOpen):
            unlock(key, what, owner)


def test_the_key_is_its_owner_s_alone_and_another_key_opens_nothing(tmp_path):
    key = tmp_path / strongbox.KEY_FILE
    stored = lock(key, "secret", "account 1")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with pytest.raises(CannotOpen):
        unlock(tmp_path / "another", stored, "account 1")
    key.write_bytes(b"c2hvcnQ=\n")
    with pytest.raises(CannotOpen):
        unlock(key, stored, "account 1")
