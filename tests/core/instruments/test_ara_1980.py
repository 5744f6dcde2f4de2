"""ARA 1980: the major criterion, or two of three minors, in three values."""

from __future__ import annotations

import pytest

from trialcrf.core.instruments.ara_1980 import ara_1980
from trialcrf.core.kleene import Result
from trialcrf.core.typed import AWAITED, UNDETERMINED, Missing

ND = Missing("ND")


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((True, False, False, False), True),
        ((True, None, None, None), True),
        ((False, True, True, False), True),
        ((False, True, False, True), True),
        ((False, True, False, False), False),
        ((False, False, False, False), False),
        ((None, True, True, None), True),
        ((False, False, False, None), False),
        ((False, True, None, False), AWAITED),
        ((False, True, ND, False), UNDETERMINED),
        ((False, None, None, False), AWAITED),
        ((None, False, False, False), AWAITED),
        ((ND, False, False, False), UNDETERMINED),
    ],
)
def test_the_criteria(answers: tuple[Result, ...], expected: Result) -> None:
    assert ara_1980(*answers) is expected
