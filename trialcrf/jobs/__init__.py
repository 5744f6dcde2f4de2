"""What the program does by itself: every job and how it is done. What is due follows from data, what was done is a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime

from trialcrf.actions import NotClean, drafting
from trialcrf.actions.oversight import amend
from trialcrf.actions.records import checkpoint, report
from trialcrf.actions.reminding import notify, remind
from trialcrf.actions.safety import decide, escalate
from trialcrf.core.rhythm import MOST_SKEW, RHYTHMS
from trialcrf.core.wording import N_, Message
from trialcrf.external import backup_folder, checkpoints, room
from trialcrf.external.clock import NoOtherClock, skew
from trialcrf.external.clock import now as read_clock  # Not the module: `trialcrf.jobs.clock` would take its name here.
from trialcrf.external.queue import DRAW_REPORT
from trialcrf.jobs.backups import back_up_tonight
from trialcrf.jobs.deliver import deliver
from trialcrf.jobs.ledger import WHO, Effects, Job, Means, run
from trialcrf.jobs.verify import verify
from trialcrf.store import reports, save_tokens
from trialcrf.store.transaction import Transaction, reading, writing

__all__ = ["JOBS", "WHO", "Job", "Means", "run"]


def _said(name: str, **counts: float) -> Message:
    return Message(RHYTHMS[name].says, counts)


def _tick(means: Means, now: datetime) -> Message:
    # What a killed process left of a backup may be a database as anybody reads it: it does not wait for the next night.
    with suppress(OSError):
        for folder in {means.settings.backup_folder, means.settings.data}:
            backup_folder.clear_away(folder, now)
    return _said("tick")  # Its row in the ledger is the sign of life.


def _overdue_scan(means: Means, now: datetime) -> Effects:
    def effects(tx: Transaction) -> Message:
        return _said("overdue-scan", count=remind.scan_reminders(tx, now))

    return effects


def _digest_scan(means: Means, now: datetime) -> Effects:
    def effects(tx: Transaction) -> Message:
        return _said("digest-scan", count=remind.scan_digests(tx, now))

    return effects


def _clock_scan(means: Means, now: datetime) -> Effects:
    def effects(tx: Transaction) -> Message:
        return _said("clock-scan", count=escalate.scan_clocks(tx, now))

    return effects


def _take_effect(means: Means, now: datetime) -> Effects:
    def effects(tx: Transaction) -> Message:
        return _said("take-effect", count=amend.scan(tx, now))

    return effects


def _deliver_mail(means: Means, now: datetime) -> Message:
    told = deliver(means.engine, means.post, means.settings.base_url, WHO, now)
    return _said("deliver-mail", **{name: told[name] for name in ("sent", "cancelled", "queued", "uncertain", "failed")})


def _stopping_check(means: Means, now: datetime) -> Effects:
    def effects(tx: Transaction) -> Message:
        return _said("stopping-check", count=decide.scan(tx, now))

    return effects


def _monthly_safety(means: Means, now: datetime) -> Effects:
    def effects(tx: Transaction) -> Message:
        return _said("monthly-safety", count=len(report.monthly(tx, now)))

    return effects


def _draw_reports(means: Means, now: datetime) -> Message:
    # Messages that wait will be taken: to put the same orders beside them would only have each of them drawn twice.
    if len(means.queue):
        return _said("draw-reports", count=0)
    with reading(means.engine) as tx:
        waiting = reports.waiting(tx, read_clock())
    for report_id in waiting:
        means.queue.put(DRAW_REPORT, report_id)
    return _said("draw-reports", count=len(waiting))


def _audit_verify(means: Means, now: datetime) -> Message:
    with reading(means.engine) as tx:
        return verify(tx)


def _checkpoint(means: Means, now: datetime) -> Message:
    file = checkpoints.file_in(means.settings.data)
    with reading(means.engine) as tx:
        taken = checkpoint.take(tx, read_clock(), file)
    checkpoints.append(file, taken)
    return _said("checkpoint", chains=len(taken.chains), records=sum(size for _, size, _ in taken.chains))


def _clock_check(means: Means, now: datetime) -> Message:
    address = means.settings.time_url
    if address is None:
        return _said("clock-check", count=0, seconds=0)
    try:
        seconds = skew(address)
    except NoOtherClock as silent:
        raise NotClean(Message(N_("The other clock does not answer: %(why)s"), {"why": str(silent)})) from None
    if abs(seconds) > MOST_SKEW:
        said = N_("The clock of this machine differs by %(seconds)s seconds: set it, and say so in the study's file.")
        raise NotClean(Message(said, {"seconds": round(seconds)}))
    return _said("clock-check", count=1, seconds=round(seconds, 1))


def _disk_check(means: Means, now: datetime) -> Message:
    free, reserve = room.free(means.settings.kept_in), means.settings.disk_reserve
    if free >= reserve:
        return _said("disk-check")
    megabytes = free // 1024**2
    with writing(means.engine, read_clock(), WHO) as tx:
        notify.queue_room(tx, megabytes)
    # Without the number: a failure that is told in the same words moves one row of the ledger on, each minute.
    raise NotClean(Message(N_("There is less room on the disk than TRIALCRF_DISK_RESERVE asks for.")))


def _clear_tokens(means: Means, now: datetime) -> Effects:
    def effects(tx: Transaction) -> Message:
        return _said("clear-tokens", count=save_tokens.clear(tx, now - save_tokens.KEPT))

    return effects


def _end_drafts(means: Means, now: datetime) -> Effects:
    def effects(tx: Transaction) -> Message:
        return _said("end-drafts", count=drafting.expire(tx, now))

    return effects


def _backup(means: Means, now: datetime) -> Message:
    return back_up_tonight(means.settings)


_ACTIONS: Mapping[str, Callable[[Means, datetime], Effects | Message]] = {
    "tick": _tick,
    "overdue-scan": _overdue_scan,
    "digest-scan": _digest_scan,
    "clock-scan": _clock_scan,
    "take-effect": _take_effect,
    "deliver-mail": _deliver_mail,
    "stopping-check": _stopping_check,
    "monthly-safety": _monthly_safety,
    "draw-reports": _draw_reports,
    "audit-verify": _audit_verify,
    "checkpoint": _checkpoint,
    "clock-check": _clock_check,
    "disk-check": _disk_check,
    "clear-tokens": _clear_tokens,
    "end-drafts": _end_drafts,
    "backup": _backup,
}

JOBS: Mapping[str, Job] = {name: Job(rhythm, _ACTIONS[name]) for name, rhythm in RHYTHMS.items()}
