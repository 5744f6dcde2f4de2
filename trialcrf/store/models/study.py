"""Studies, their published definitions and their sites."""

from sqlalchemy import Boolean, Column, ForeignKey, Integer, String, Table, Text, UniqueConstraint

from trialcrf.store.models.base import Day, Moment, metadata

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

site_release = Table(
    "site_release",
    metadata,
    Column("site_id", ForeignKey("site.id"), primary_key=True),
    Column("definition_id", ForeignKey("definition.id"), primary_key=True),
    Column("reference", String(200), nullable=False),  # of the approvals, as the authority or the site names them
    Column("approved_on", Day, nullable=False),
    Column("effective_on", Day, nullable=False),
    Column("in_force", Boolean, nullable=False),
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
