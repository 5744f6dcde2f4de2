"""Access: second factors, recovery codes and resets; sessions with limits and proofs; the hospital's sign-in; tokens of saves.

Policy: forward only, and there is no downgrade. A migration is frozen once it is on main: it names tables and columns
itself and never imports the program. Data and trail move together: a migration that touches what was recorded appends
audit records saying so. Every migration runs in the tests from the first version on, with data in it, on both databases.

A session that is open meanwhile keeps the limits that it began under, and counts as never proved since: the first page that asks for a
fresh proof asks for the password.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not by a batch: on SQLite that would make the table anew, to which half of the others point.
    op.add_column("account", sa.Column("password_set_at", sa.String(27), nullable=True))
    op.add_column("account", sa.Column("reset_hash", sa.String(length=64), nullable=True))
    op.add_column("account", sa.Column("reset_ends_at", sa.String(27), nullable=True))
    op.create_index(op.f("ix_account_reset_hash"), "account", ["reset_hash"], unique=True)
    op.create_table(
        "factor",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("credential", sa.String(length=1400), nullable=True),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("counter", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("confirmed_at", sa.String(27), nullable=True),
        sa.Column("used_at", sa.String(27), nullable=True),
        sa.Column("revoked_at", sa.String(27), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_factor_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_factor")),
        sa.UniqueConstraint("credential", name=op.f("uq_factor_credential")),
    )
    op.create_index(op.f("ix_factor_account_id"), "factor", ["account_id"], unique=False)
    op.create_table(
        "recovery_code",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("used_at", sa.String(27), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_recovery_code_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_code")),
    )
    op.create_index(op.f("ix_recovery_code_account_id"), "recovery_code", ["account_id"], unique=False)
    op.create_table(
        "sign_in_step",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("purpose", sa.String(length=10), nullable=False),
        sa.Column("challenge", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("wrong", sa.Integer(), server_default="0", nullable=False),
        sa.Column("ended_at", sa.String(27), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_sign_in_step_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_step")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_sign_in_step_token_hash")),
    )
    op.create_index(op.f("ix_sign_in_step_account_id"), "sign_in_step", ["account_id"], unique=False)
    op.create_table(
        "sign_in_address",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=60), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_sign_in_address_account_id")),
        sa.PrimaryKeyConstraint("account_id", "address", name=op.f("pk_sign_in_address")),
    )
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
    op.create_table(
        "save_token",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("endpoint", sa.String(length=80), nullable=False),
        sa.Column("location", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_save_token_account_id")),
        sa.PrimaryKeyConstraint("token_hash", "account_id", "digest", name=op.f("pk_save_token")),
    )
    op.create_index(op.f("ix_save_token_at"), "save_token", ["at"], unique=False)
