"""Drafts: what was typed on a page and is not saved yet.

Policy: forward only, and there is no downgrade. A migration is frozen once it is on main: it names tables and columns
itself and never imports the program. Data and trail move together: a migration that touches what was recorded appends
audit records saying so. Every migration runs in the tests from the first version on, with data in it, on both databases.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

additive = True


def upgrade() -> None:
    op.create_table(
        "draft",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=400), nullable=False),
        sa.Column("page", sa.String(length=64), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("subject_id", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.Column("begun_at", sa.String(27), nullable=False),
        sa.Column("kept_at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_draft_account_id")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_draft_site_id")),
        sa.ForeignKeyConstraint(["subject_id"], ["subject.id"], name=op.f("fk_draft_subject_id")),
        sa.PrimaryKeyConstraint("account_id", "address", "page", name=op.f("pk_draft")),
    )
    for column in ("site_id", "subject_id", "kept_at"):
        op.create_index(op.f(f"ix_draft_{column}"), "draft", [column], unique=False)
