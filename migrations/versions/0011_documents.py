"""Documents that are attached to items of forms: what each is, and, apart from that, its bytes.

Policy: forward only, and there is no downgrade. A migration is frozen once it is on main: it names tables and columns
itself and never imports the program. Data and trail move together: a migration that touches what was recorded appends
audit records saying so. Every migration runs in the tests from the first version on, with data in it, on both databases.

The version before can go on: nothing is attached until a study is published that says where, which that version cannot read.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

additive = True


def upgrade() -> None:
    op.create_table(
        "enclosure",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("subject_id", sa.Integer(), nullable=False),
        sa.Column("event_oid", sa.String(length=40), nullable=False),
        sa.Column("event_repeat", sa.Integer(), nullable=False),
        sa.Column("form_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.String(length=130), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=200), server_default="", nullable=False),
        sa.Column("media_type", sa.String(length=80), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("attached_at", sa.String(27), nullable=False),
        sa.Column("attached_by", sa.String(length=80), nullable=False),
        sa.Column("withdrawn", sa.Text(), server_default="", nullable=False),
        sa.Column("withdrawn_at", sa.String(27), nullable=True),
        sa.Column("withdrawn_by", sa.String(length=80), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["form_id"], ["form.id"], name=op.f("fk_enclosure_form_id")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_enclosure_site_id")),
        sa.ForeignKeyConstraint(["subject_id"], ["subject.id"], name=op.f("fk_enclosure_subject_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enclosure")),
    )
    for column in ("form_id", "site_id", "subject_id"):
        op.create_index(op.f(f"ix_enclosure_{column}"), "enclosure", [column], unique=False)
    op.create_table(
        "enclosure_content",
        sa.Column("enclosure_id", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["enclosure_id"], ["enclosure.id"], name=op.f("fk_enclosure_content_enclosure_id")),
        sa.PrimaryKeyConstraint("enclosure_id", name=op.f("pk_enclosure_content")),
    )
