"""Planned visits as rows for lists, how people are reminded, calendar feeds, and what a run of a job counted.

Policy: forward only, and there is no downgrade. A migration is frozen once it is on main: it names tables and columns
itself and never imports the program. Data and trail move together: a migration that touches what was recorded appends
audit records saying so. Every migration runs in the tests from the first version on, with data in it, on both databases.

Nothing recorded is touched. The rows of `visit` follow from it: `trialcrf init` fills them where subjects have none.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "visit",
        sa.Column("subject_id", sa.Integer(), nullable=False),
        sa.Column("event_oid", sa.String(length=40), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("course", sa.String(length=14), nullable=False),
        sa.Column("target", sa.String(10), nullable=True),
        sa.Column("opens", sa.String(10), nullable=True),
        sa.Column("closes", sa.String(10), nullable=True),
        sa.Column("held_on", sa.String(length=27), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_visit_site_id")),
        sa.ForeignKeyConstraint(["subject_id"], ["subject.id"], name=op.f("fk_visit_subject_id")),
        sa.PrimaryKeyConstraint("subject_id", "event_oid", name=op.f("pk_visit")),
    )
    op.create_index("ix_visit_site_id_course_closes", "visit", ["site_id", "course", "closes"], unique=False)
    op.create_index("ix_visit_site_id_course_opens", "visit", ["site_id", "course", "opens"], unique=False)
    op.create_table(
        "reminder_choice",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("study", sa.String(length=40), nullable=False),
        sa.Column("choice", sa.String(length=10), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_reminder_choice_account_id")),
        sa.PrimaryKeyConstraint("account_id", "study", name=op.f("pk_reminder_choice")),
    )
    op.create_table(
        "calendar_feed",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("study", sa.String(length=40), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("keys", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("read_at", sa.String(27), nullable=True),
        sa.Column("revoked_at", sa.String(27), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_calendar_feed_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_feed")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_calendar_feed_token_hash")),
    )
    op.create_index(op.f("ix_calendar_feed_account_id"), "calendar_feed", ["account_id"], unique=False)
    op.create_table(
        "secret",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("value", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secret")),
    )
    op.add_column("outbox", sa.Column("role", sa.String(length=20), server_default="", nullable=False))
    op.add_column("outbox", sa.Column("not_before", sa.String(27), nullable=True))
    # The states are called as the people who read them call them. These rows are work, not records.
    for old, new in (("waiting", "queued"), ("claimed", "sending"), ("dropped", "cancelled")):
        op.execute(f"UPDATE outbox SET state = '{new}' WHERE state = '{old}'")
    op.add_column("job_run", sa.Column("counts", sa.Text(), server_default="{}", nullable=False))
    op.add_column("job_run", sa.Column("next_at", sa.String(27), nullable=True))
    op.create_index("ix_job_run_job_ended_at", "job_run", ["job", "ended_at"], unique=False)
    op.add_column("report", sa.Column("site", sa.String(length=10), server_default="", nullable=False))
    op.create_index("ix_form_site_id_complete", "form", ["site_id", "complete", "updated_at"], unique=False)
