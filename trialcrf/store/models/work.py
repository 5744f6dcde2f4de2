"""Work to do and work done: mails to deliver, runs of jobs, archived reports."""

from sqlalchemy import Column, ForeignKey, Integer, String, Table, Text, UniqueConstraint

from trialcrf.store.models.base import Day, Moment, metadata

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(200), nullable=False, unique=True),
    Column("kind", String(20), nullable=False),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("params", Text, nullable=False),
    Column("state", String(10), nullable=False, index=True),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created_at", Moment, nullable=False),
    Column("claimed_until", Moment),
    Column("settled_at", Moment),
    Column("said", Text, nullable=False, server_default=""),
)

job_run = Table(
    "job_run",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job", String(40), nullable=False),
    Column("period", String(40), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("state", String(10), nullable=False),
    Column("lease_until", Moment, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("summary", Text, nullable=False, server_default=""),
    UniqueConstraint("job", "period"),
)

report = Table(
    "report",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(200), nullable=False, unique=True),
    Column("study_id", ForeignKey("study.id"), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("language", String(5), nullable=False),
    Column("as_of", Day, nullable=False),
    Column("known_at", Moment, nullable=False),
    Column("state", String(10), nullable=False),
    Column("ordered_by", String(80), nullable=False),
    Column("ordered_at", Moment, nullable=False),
    Column("definition_version", Integer),
    Column("checkpoint", String(64)),
    Column("sha256", String(64)),
    Column("file", String(200)),
    Column("said", Text, nullable=False, server_default=""),
)
