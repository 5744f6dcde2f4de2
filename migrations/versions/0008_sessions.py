"""Sessions that are seen and ended: their limits, the last proof, address and browser; and the hospital's sign-in.

Policy: forward only, and there is no downgrade. A migration is frozen once it is on main: it names tables and columns
itself and never imports the program. Data and trail move together: a migration that touches what was recorded appends
audit records saying so. Every migration runs in the tests from the first version on, with data in it, on both databases.

A session that is open meanwhile keeps the limits that it began under, and counts as never proved since: the first page that asks for a
fresh proof asks for the password.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("session", sa.Column("idle_minutes", sa.Integer(), server_default="30", nullable=False))
    op.add_column("session", sa.Column("absolute_hours", sa.Integer(), server_default="12", nullable=False))
    op.add_column("session", sa.Column("proved_at", sa.String(27), nullable=True))
    op.add_column("session", sa.Column("address", sa.String(length=60), server_default="", nullable=False))
    op.add_column("session", sa.Column("browser", sa.String(length=40), server_default="", nullable=False))
    op.create_table(
        "hospital_link",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("issuer", sa.String(length=300), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("made_at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_hospital_link_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hospital_link")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_hospital_link_issuer_subject")),
    )
    op.create_index(op.f("ix_hospital_link_account_id"), "hospital_link", ["account_id"], unique=False)
    op.create_table(
        "link_code",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("used_at", sa.String(27), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_link_code_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_code")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_link_code_code_hash")),
    )
    op.create_table(
        "hospital_try",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("state_hash", sa.String(length=64), nullable=False),
        sa.Column("nonce_hash", sa.String(length=64), nullable=False),
        sa.Column("links_account_id", sa.Integer(), nullable=True),
        sa.Column("code_id", sa.Integer(), nullable=True),
        sa.Column("next", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("used_at", sa.String(27), nullable=True),
        sa.ForeignKeyConstraint(["code_id"], ["link_code.id"], name=op.f("fk_hospital_try_code_id")),
        sa.ForeignKeyConstraint(["links_account_id"], ["account.id"], name=op.f("fk_hospital_try_links_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hospital_try")),
        sa.UniqueConstraint("state_hash", name=op.f("uq_hospital_try_state_hash")),
    )
