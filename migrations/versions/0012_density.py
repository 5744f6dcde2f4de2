"""Density: how close together a person wants the pages to be.

Policy: forward only, and there is no downgrade. A migration is frozen once it is on main: it names tables and columns
itself and never imports the program. Data and trail move together: a migration that touches what was recorded appends
audit records saying so. Every migration runs in the tests from the first version on, with data in it, on both databases.

Whoever has an account keeps the pages as they were: comfortable.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

additive = True


def upgrade() -> None:
    # Not by a batch: on SQLite that would make the table anew, to which half of the others point.
    op.add_column("account", sa.Column("density", sa.String(length=20), server_default="comfortable", nullable=False))
