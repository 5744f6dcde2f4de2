"""From entry to locked database: queries of people, verification, seals, locks, decisions of two, redaction, training and delegation.

Policy: forward only, and there is no downgrade. A migration is frozen once it is on main: it names tables and columns
itself and never imports the program. Data and trail move together: a migration that touches what was recorded appends
audit records saying so. Every migration runs in the tests from the first version on, with data in it, on both databases.

Nothing recorded is touched. A query gets the address that its form has, and when and by whom it was settled as the trail tells it; no form
was signed as a whole before, so none is sealed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _tables()
    with op.batch_alter_table("audit_value") as changed:
        changed.alter_column("salt", existing_type=sa.String(length=32), nullable=True)
        changed.alter_column("value", existing_type=sa.Text(), nullable=True)
    for name, columns in (
        ("ix_audit_record_chain_at", ["chain", "at", "seq"]),
        ("ix_audit_record_chain_subject_at", ["chain", "subject", "at", "seq"]),
        ("ix_audit_record_actor_chain_at", ["actor", "chain", "at", "seq"]),
    ):
        op.create_index(name, "audit_record", columns, unique=False)
    op.add_column("role_grant", sa.Column("trained_on", sa.String(10), nullable=True))
    op.add_column("report", sa.Column("eyes", sa.String(length=200), server_default="", nullable=False))
    op.add_column("form", sa.Column("sealed_by", sa.Integer(), nullable=True))
    op.add_column("form", sa.Column("signed_by", sa.Integer(), nullable=True))
    counted = ["site_id", "sealed_by", "signed_by", "subject_id", "form_oid", "complete", "error"]
    op.create_index(op.f("ix_form_site_id_sealed_by"), "form", counted, unique=False)
    _queries(op.get_bind())


def _tables() -> None:
    op.create_table(
        "monitoring",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("planned_on", sa.String(10), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_monitoring_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_monitoring")),
        sa.UniqueConstraint("site_id", "number", name=op.f("uq_monitoring_site_id_number")),
    )
    op.create_table(
        "monitoring_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("monitoring_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("organisation", sa.String(length=200), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["monitoring_id"], ["monitoring.id"], name=op.f("fk_monitoring_entry_monitoring_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_monitoring_entry")),
        sa.UniqueConstraint("monitoring_id", "number", name=op.f("uq_monitoring_entry_monitoring_id_number")),
    )
    op.create_table(
        "verification",
        sa.Column("form_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.String(length=130), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("commitment", sa.String(length=64), nullable=False),
        sa.Column("standing", sa.Boolean(), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("monitoring_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["form_id"], ["form.id"], name=op.f("fk_verification_form_id")),
        sa.ForeignKeyConstraint(["monitoring_id"], ["monitoring.id"], name=op.f("fk_verification_monitoring_id")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_verification_site_id")),
        sa.PrimaryKeyConstraint("form_id", "place", name=op.f("pk_verification")),
    )
    op.create_index(op.f("ix_verification_site_id_standing"), "verification", ["site_id", "standing"], unique=False)
    op.create_table(
        "lock",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=True),
        sa.Column("subject_id", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_lock_site_id")),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_lock_study_id")),
        sa.ForeignKeyConstraint(["subject_id"], ["subject.id"], name=op.f("fk_lock_subject_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lock")),
        sa.UniqueConstraint("address", name=op.f("uq_lock_address")),
    )
    op.create_index(op.f("ix_lock_study_id_state"), "lock", ["study_id", "state"], unique=False)
    op.create_index(op.f("ix_lock_subject_id"), "lock", ["subject_id"], unique=False)
    op.create_table(
        "four_eyes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=True),
        sa.Column("subject_id", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("asked_at", sa.String(27), nullable=False),
        sa.Column("asked_by", sa.String(length=80), nullable=False),
        sa.Column("decided_at", sa.String(27), nullable=True),
        sa.Column("decided_by", sa.String(length=80), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_four_eyes_site_id")),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_four_eyes_study_id")),
        sa.ForeignKeyConstraint(["subject_id"], ["subject.id"], name=op.f("fk_four_eyes_subject_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_four_eyes")),
    )
    op.create_index(op.f("ix_four_eyes_study_id_state"), "four_eyes", ["study_id", "state"], unique=False)
    op.create_table(
        "delegation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("tasks", sa.Text(), nullable=False),
        sa.Column("starts_on", sa.String(10), nullable=False),
        sa.Column("ends_on", sa.String(10), nullable=True),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_delegation_account_id")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_delegation_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delegation")),
    )
    op.create_index(op.f("ix_delegation_site_id"), "delegation", ["site_id"], unique=False)
    op.create_table(
        "site_release",
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("definition_id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("approved_on", sa.String(10), nullable=False),
        sa.Column("effective_on", sa.String(10), nullable=False),
        sa.Column("in_force", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["definition_id"], ["definition.id"], name=op.f("fk_site_release_definition_id")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_site_release_site_id")),
        sa.PrimaryKeyConstraint("site_id", "definition_id", name=op.f("pk_site_release")),
    )
    op.create_table(
        "site_name",
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_site_name_site_id")),
        sa.PrimaryKeyConstraint("site_id", "digest", name=op.f("pk_site_name")),
    )


def _queries(connection: sa.Connection) -> None:
    """The address of a query is that of its form; who settled it and when is what the newest record of its state says."""
    with op.batch_alter_table("query") as changed:
        changed.add_column(sa.Column("subject_id", sa.Integer(), nullable=True))
        changed.add_column(sa.Column("event_oid", sa.String(length=40), nullable=True))
        changed.add_column(sa.Column("event_repeat", sa.Integer(), nullable=True))
        changed.add_column(sa.Column("opened_by", sa.String(length=80), server_default="", nullable=False))
        changed.add_column(sa.Column("assignee", sa.String(length=80), server_default="", nullable=False))
        changed.add_column(sa.Column("due_on", sa.String(10), nullable=True))
        changed.add_column(sa.Column("settled_at", sa.String(27), nullable=True))
        changed.add_column(sa.Column("settled_by", sa.String(length=80), server_default="", nullable=False))
    for column in ("subject_id", "event_oid", "event_repeat"):
        connection.execute(sa.text(f"UPDATE query SET {column} = (SELECT {column} FROM form WHERE form.id = query.form_id)"))
    told = sa.text(
        "SELECT at, op, actor FROM audit_record WHERE entity = 'query' AND place = 'state' AND entity_id = :id ORDER BY seq DESC LIMIT 1"
    )
    settle = sa.text("UPDATE query SET settled_at = :at, settled_by = :by WHERE id = :id")
    for (id_,) in connection.execute(sa.text("SELECT id FROM query WHERE state = 'closed' ORDER BY id")).all():
        last = connection.execute(told, {"id": str(id_)}).first()
        if last is not None:
            connection.execute(settle, {"id": id_, "at": last.at, "by": "" if last.op == "resolve" else last.actor})
    with op.batch_alter_table("query") as changed:
        changed.alter_column("subject_id", existing_type=sa.Integer(), nullable=False)
        changed.alter_column("event_oid", existing_type=sa.String(length=40), nullable=False)
        changed.alter_column("event_repeat", existing_type=sa.Integer(), nullable=False)
        changed.alter_column("form_id", existing_type=sa.Integer(), nullable=True)
        changed.create_foreign_key(op.f("fk_query_subject_id"), "subject", ["subject_id"], ["id"])
        changed.create_index(op.f("ix_query_subject_id"), ["subject_id"], unique=False)
