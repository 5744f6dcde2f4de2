"""What oversight leaves behind: monitoring visits and their ledger, locks, what two persons decide together, who may do what at a site."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from trialcrf.store.models.base import Day, Moment, line_of_ledger, metadata

monitoring = Table(
    "monitoring",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site_id", ForeignKey("site.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("planned_on", Day, nullable=False),
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("site_id", "number"),
)

monitoring_entry = Table(
    "monitoring_entry",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("monitoring_id", ForeignKey("monitoring.id"), nullable=False),
    *line_of_ledger(),
    UniqueConstraint("monitoring_id", "number"),
)

lock = Table(
    "lock",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("address", String(200), nullable=False, unique=True),  # study/1, site/2, subject/3, visit/3/M3/1, form/4, item/4/PLACE
    Column("study_id", ForeignKey("study.id"), nullable=False),
    Column("site_id", ForeignKey("site.id")),
    Column("subject_id", ForeignKey("subject.id"), index=True),
    Column("state", String(10), nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_lock_study_id_state", "study_id", "state"),
)

four_eyes = Table(
    "four_eyes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("study.id"), nullable=False),
    Column("site_id", ForeignKey("site.id")),
    Column("subject_id", ForeignKey("subject.id")),
    Column("kind", String(20), nullable=False),
    Column("address", String(200), nullable=False),
    Column("content", Text, nullable=False),
    Column("state", String(10), nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("asked_by", String(80), nullable=False),
    Column("decided_at", Moment),
    Column("decided_by", String(80), nullable=False, server_default=""),
    Index("ix_four_eyes_study_id_state", "study_id", "state"),
)

delegation = Table(
    "delegation",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site_id", ForeignKey("site.id"), nullable=False, index=True),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("tasks", Text, nullable=False),
    Column("starts_on", Day, nullable=False),
    Column("ends_on", Day),
    Column("at", Moment, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("name", String(200), nullable=False),
)

site_name = Table(
    "site_name",
    metadata,
    Column("site_id", ForeignKey("site.id"), primary_key=True),
    Column("digest", String(64), primary_key=True),
)
