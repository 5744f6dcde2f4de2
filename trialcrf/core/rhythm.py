"""Rhythms of the jobs: in which stretch of time each is done once, when the next one begins, and when a job or the scheduler is unwell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from trialcrf.core.wording import N_, Message

SILENT_AFTER = timedelta(seconds=120)
"""Without a tick for so long the scheduler is said to be silent: it ticks every 15 seconds."""

NIGHT = timedelta(hours=2)
"""A nightly period begins at two in the morning, universal time: at night in Europe, summer and winter."""

WESTMOST = timedelta(hours=12)
"""How far the calendar at a site can be behind that of universal time: a month is over when it is over everywhere."""

BUSY = timedelta(minutes=5)
"""How long a run of a job without periods may well take: it is late after twice that, and not while it works."""

LEASE, LONG_LEASE = timedelta(minutes=10), timedelta(hours=2)
"""How long a worker may be at a run before another takes it up; the long one is for jobs that read the whole database."""


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time in which a job is done once. `ends` is the moment at which the next one begins."""

    name: str
    begins: datetime
    ends: datetime


def hourly(now: datetime) -> Period:
    """The hour of universal time. Its clocks are never changed, so no hour of a night comes twice or is left out."""
    begins = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return Period(begins.strftime("%Y-%m-%dT%H"), begins, begins + timedelta(hours=1))


def nightly(now: datetime) -> Period:
    """From two o'clock to two o'clock, universal time: always 24 hours, so a night with 23 or 25 hours has one run as any other."""
    begins = (now.astimezone(UTC) - NIGHT).replace(hour=0, minute=0, second=0, microsecond=0) + NIGHT
    return Period(begins.date().isoformat(), begins, begins + timedelta(days=1))


def monthly(now: datetime) -> Period:
    """The month, from the moment at which the one before is over at every site on earth."""
    first = (now.astimezone(UTC) - WESTMOST).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (first + timedelta(days=31)).replace(day=1)
    return Period(first.strftime("%Y-%m"), first + WESTMOST, following + WESTMOST)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When a job is done. The scheduler asks `every` so often; a `period` is done once, a job without one works on rows that wait.

    `does` and `says` are msgids: what the job is for, and what a run says of its counts (its only parameters are numbers).
    """

    name: str
    does: str
    pace: Message
    says: str
    every: timedelta
    period: Callable[[datetime], Period] | None = None
    lease: timedelta = LEASE

    def next_after(self, now: datetime) -> datetime:
        """When the period after this one begins; without periods, the next wake."""
        return self.period(now).ends if self.period else now + self.every

    def length(self, now: datetime) -> timedelta:
        """How long a period is; without periods, how long a run may take."""
        if self.period is None:
            return BUSY
        period = self.period(now)
        return period.ends - period.begins


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a job stands by its ledger. `outcome` of the last run is running, done or failed; `attempt` counts within its period."""

    outcome: str
    attempt: int
    began: datetime
    last_success: datetime | None
    next_at: datetime | None
    said: str = ""
    counts: Mapping[str, float] | None = None


def late(rhythm: Rhythm, standing: Standing | None, now: datetime) -> bool:
    """Whether the last run failed, or the last success is older than two periods. What never began is not late: the scheduler is.

    A run that is tried again is late until it ends well: otherwise every attempt would say for a while that all is well.
    """
    if standing is None:
        return False
    if standing.outcome == "failed" or (standing.outcome == "running" and standing.attempt > 1):
        return True
    return now - (standing.last_success or standing.began) > 2 * rhythm.length(now)


@dataclass(frozen=True, slots=True)
class Health:
    """How the scheduler is: seconds since its last tick (None: it never ticked), and the names of the jobs that are late."""

    tick_age: float | None
    late: tuple[str, ...]

    @property
    def silent(self) -> bool:
        return self.tick_age is None or self.tick_age >= SILENT_AFTER.total_seconds()


def health(standings: Mapping[str, Standing], now: datetime) -> Health:
    """A tick that lies in the future is as bad as an old one: the clock was set back, and nobody has ticked since."""
    tick = standings.get(TICK)
    age = None if tick is None or tick.last_success is None else round(abs((now - tick.last_success).total_seconds()), 1)
    return Health(age, tuple(one.name for one in RHYTHMS.values() if one.name != TICK and late(one, standings.get(one.name), now)))


TICK = "tick"
_SECONDS = N_("every %(count)s seconds")
_HOURLY, _MONTHLY = Message(N_("once an hour")), Message(N_("once a month"))
_NIGHTLY = Message(N_("once a night, from 02:00 UTC"))
MOST_SKEW = 5.0
"""Seconds by which two clocks may differ (ICH E6(R3) 4.2.2(d); EMA guideline, 5.5): beyond it the job fails, and the banner says so."""

_TEN_MINUTES, _AN_HOUR = timedelta(minutes=10), timedelta(hours=1)

RHYTHMS: Mapping[str, Rhythm] = {
    one.name: one
    for one in (
        Rhythm(
            TICK,
            N_("Say that the scheduler is alive, for /healthz."),
            Message(_SECONDS, {"count": 15}),
            N_("The scheduler is alive."),
            timedelta(seconds=15),
        ),
        Rhythm(
            "overdue-scan",
            N_("Queue the reminders that the study asks for: before a visit, in its window, and when it is overdue."),
            _HOURLY,
            N_("Reminders queued: %(count)s."),
            _TEN_MINUTES,
            hourly,
        ),
        Rhythm(
            "digest-scan",
            N_("Queue the weekly summary for whoever chose it instead of single mails."),
            _HOURLY,
            N_("Weekly summaries queued: %(count)s."),
            _TEN_MINUTES,
            hourly,
        ),
        Rhythm(
            "clock-scan",
            N_("Queue the reminders of the clocks of serious events, and tell sponsor and investigator of those that are over."),
            _HOURLY,
            N_("Reminders of clocks queued: %(count)s."),
            _TEN_MINUTES,
            hourly,
        ),
        Rhythm(
            "take-effect",
            N_("Let each approved version of a study take effect at its site on its day."),
            _HOURLY,
            N_("Versions that took effect: %(count)s."),
            _TEN_MINUTES,
            hourly,
        ),
        Rhythm(
            "deliver-mail",
            N_("Deliver the mails that wait, each once."),
            Message(_SECONDS, {"count": 5}),
            N_("Mails sent: %(sent)s; no longer due: %(cancelled)s; later: %(queued)s; uncertain: %(uncertain)s; failed: %(failed)s."),
            timedelta(seconds=5),
        ),
        Rhythm(
            "stopping-check",
            N_("Check the stopping rule of every study: windows end by the calendar, and definitions change."),
            _NIGHTLY,
            N_("Holds raised: %(count)s."),
            _AN_HOUR,
            nightly,
        ),
        Rhythm(
            "monthly-safety",
            N_("Order the safety report of the last month, once a month."),
            _MONTHLY,
            N_("Safety reports ordered: %(count)s."),
            _AN_HOUR,
            monthly,
        ),
        Rhythm(
            "draw-reports",
            N_("Hand reports that are ordered and not drawn to the queue."),
            Message(_SECONDS, {"count": 15}),
            N_("Reports handed to the queue: %(count)s."),
            timedelta(seconds=15),
        ),
        Rhythm(
            "audit-verify",
            N_("Verify the audit trail, once a night; again every hour while it is not clean."),
            _NIGHTLY,
            N_("The trail is clean: %(chains)s chains, %(records)s records."),
            _AN_HOUR,
            nightly,
            LONG_LEASE,
        ),
        Rhythm(
            "checkpoint",
            N_("Write the heads of all chains of the audit trail to a file outside the database, and compare them with the last ones."),
            _NIGHTLY,
            N_("Checkpoint written: %(chains)s chains, %(records)s records."),
            _AN_HOUR,
            nightly,
        ),
        Rhythm(
            "clock-check",
            N_("Hold the clock of this machine against that of another server, where one is set: every record has its time."),
            _HOURLY,
            N_("Other clocks asked: %(count)s; this one differs by %(seconds)s seconds."),
            _TEN_MINUTES,
            hourly,
        ),
        Rhythm(
            "disk-check",
            N_("Look how much room is left on the disks of the data and the database, and tell administrators before none is."),
            Message(_SECONDS, {"count": 60}),
            N_("There is room enough on the disks."),
            timedelta(minutes=1),
        ),
        Rhythm(
            "clear-tokens",
            N_("Forget which pages were saved, some days after: by then nobody sends one of them twice."),
            _NIGHTLY,
            N_("Pages forgotten: %(count)s."),
            _AN_HOUR,
            nightly,
        ),
        Rhythm(
            "end-drafts",
            N_("End what was typed, never saved and not looked at for three months; the trail tells that there was something."),
            _NIGHTLY,
            N_("Drafts ended: %(count)s."),
            _AN_HOUR,
            nightly,
        ),
        Rhythm(
            "backup",
            N_("Copy database and files into one backup, prove it by restoring it and starting the program on it, keep the newest."),
            _NIGHTLY,
            N_("Backup written and proved: %(bytes)s bytes, %(records)s records, in %(seconds)s seconds."),
            _AN_HOUR,
            nightly,
            LONG_LEASE,
        ),
    )
}
"""The jobs of the program with what they are for; `trialcrf.jobs.JOBS` adds how each is done."""
