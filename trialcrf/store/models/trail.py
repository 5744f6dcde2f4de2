"""The audit trail: records, the values they commit to, and the head of every chain. Triggers make the first two append-only."""

from sqlalchemy import Column, Index, Integer, String, Table, Text

from trialcrf.store.models.base import metadata

audit_record = Table(
    "audit_record",
    metadata,
    Column("chain", String(60), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", String(27), nullable=False),
    Column("actor", String(80), nullable=False),
    Column("role", String(20), nullable=False),
    Column("organisation", String(200), nullable=False),
    Column("address", String(60), nullable=False),
    Column("op", String(20), nullable=False),
    Column("entity", String(20), nullable=False),
    Column("entity_id", String(40), nullable=False),
    Column("subject", String(40), nullable=False),
    Column("place", String(130), nullable=False),
    Column("reason", Text, nullable=False),
    Column("prompted_by", String(40), nullable=False),
    Column("old_commit", String(64), nullable=False),
    Column("new_commit", String(64), nullable=False),
    Column("prev", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("ix_audit_record_entity_place", "entity", "entity_id", "place"),
    # The pages of the trail go back in time: through a chain, a subject of it, or what one person did in it.
    Index("ix_audit_record_chain_at", "chain", "at", "seq"),
    Index("ix_audit_record_chain_subject_at", "chain", "subject", "at", "seq"),
    Index("ix_audit_record_actor_chain_at", "actor", "chain", "at", "seq"),
)

audit_value = Table(
    "audit_value",
    metadata,
    Column("chain", String(60), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("salt", String(32)),  # none, and no value, once a redaction erased it
    Column("value", Text),
)

chain_head = Table(
    "chain_head",
    metadata,
    Column("chain", String(60), primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
)
