"""Studies, their published definitions and their sites."""

from sqlalchemy import Column, ForeignKey, Integer, String, Table, Text, UniqueConstraint

from trialcrf.store.models.base import Moment, metadata

study = Table(
    "study",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("oid", String(40), nullable=False, unique=True),
    Column("created_at", Moment, nullable=False),
)

definition = Table(
    "definition",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("study.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("canonical", Text, nullable=False),
    Column("published_at", Moment, nullable=False),
    UniqueConstraint("study_id", "version"),
)

site = Table(
    "site",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("study.id"), nullable=False),
    Column("code", String(10), nullable=False),
    Column("name", String(200), nullable=False),
    Column("zone", String(60), nullable=False),
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("study_id", "code"),
)
