"""How long a session lasts, as a study file says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.test_definition_load import FILES, MAIN, loaded, problems
from trialcrf.core.definition.canonical import canonical, from_canonical
from trialcrf.core.definition.session import SessionLimits, strictest

FIRST = MAIN.count("\n") + 1


def files(text: str) -> dict[str, str]:
    return {**FILES, "study.yaml": MAIN + text}


def test_limits_are_read_as_written_and_survive_the_canonical_text(tmp_path: Path) -> None:
    study = loaded(tmp_path, files("sessions: {idle_minutes: 10, absolute_hours: 8}\n"))
    assert study.sessions == SessionLimits(10, 8)
    assert from_canonical(canonical(study)) == study


def test_a_study_without_limits_has_those_of_every_study_and_its_text_is_silent(tmp_path: Path) -> None:
    study = loaded(tmp_path, FILES)
    assert study.sessions == SessionLimits(30, 12)
    assert "sessions" not in canonical(study)


@pytest.mark.parametrize(
    "said", ["idle_minutes: 0", "idle_minutes: 241", "absolute_hours: 0", "absolute_hours: 25", "absolute_hours: long"]
)
def test_a_session_that_never_ends_is_refused_at_its_line(tmp_path: Path, said: str) -> None:
    (found,) = problems(tmp_path, files(f"sessions:\n  {said}\n"))
    assert found.startswith(f"study.yaml:{FIRST + 1}: A whole number")


def test_the_strictest_of_several_studies_holds_limit_by_limit() -> None:
    assert strictest([SessionLimits(10, 12), SessionLimits(60, 8)]) == SessionLimits(10, 8)
    assert strictest([]) == SessionLimits(30, 12)
