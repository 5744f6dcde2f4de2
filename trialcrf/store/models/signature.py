"""Electronic signatures. Triggers make the table append-only: a signature is never changed, only void."""

from sqlalchemy import Column, ForeignKey, Integer, String, Table, Text, UniqueConstraint

from trialcrf.store.models.base import Moment, metadata

signature = Table(
    "signature",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study", String(40), nullable=False),
    Column("site", String(10), nullable=False),
    Column("subject_id", ForeignKey("subject.id"), nullable=False, index=True),
    Column("subject", String(40), nullable=False),
    Column("meaning", String(40), nullable=False),
    Column("actor", String(80), nullable=False),
    Column("name", String(200), nullable=False),
    Column("role", String(20), nullable=False),
    Column("organisation", String(200), nullable=False),
    Column("at", Moment, nullable=False),
    Column("zone", String(60), nullable=False),  # the site's at signing: the time is shown as the signer's clock showed it
    Column("statement", Text, nullable=False),
    Column("covered", Text, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("chain", String(60), nullable=False),
    Column("seq", Integer, nullable=False),
    UniqueConstraint("chain", "seq"),
)
