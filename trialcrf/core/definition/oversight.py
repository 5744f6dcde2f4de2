"""What a study says of its oversight, as data: which values are verified, how the trail is reviewed, whether training opens the door."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SamplingRule:
    """Values that must be held against their sources: of these forms (none: of every form), these items (`FORM.ITEM`; none: every item).

    `percent` of the subjects, drawn by the seed of the plan; 100: of every subject.
    """

    forms: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    percent: int = 100


@dataclass(frozen=True, slots=True)
class ReviewPlan:
    """What a review of the audit trail looks for; 0 (or two equal hours) where it does not.

    `late_days` from a visit to its entry; `night` from and to which hour at the site; `before_lock_days` before a lock; `same_reason` how
    often one person gives one reason word for word; `every_days` between two reviews. `assumption` says what these numbers rest on.
    """

    late_days: int = 0
    night: tuple[int, int] = (0, 0)
    before_lock_days: int = 0
    same_reason: int = 0
    every_days: int = 0
    assumption: str = ""


@dataclass(frozen=True, slots=True)
class Oversight:
    """The whole plan. `seed` draws the sample: the same subjects on every machine and every day.

    `assumption` says what the sampling rests on, `access_assumption` what training and the review of accesses rest on.
    """

    seed: str = ""
    sampling: tuple[SamplingRule, ...] = ()
    review: ReviewPlan = ReviewPlan()
    training: bool = False
    access_review_days: int = 0
    assumption: str = ""
    access_assumption: str = ""
