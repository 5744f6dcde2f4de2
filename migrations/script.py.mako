"""${message}

Policy: forward only, and there is no downgrade. A migration is frozen once it is on main: it names tables and columns
itself and never imports the program. Data and trail move together: a migration that touches what was recorded appends
audit records saying so. Every migration runs in the tests from the first version on, with data in it, on both databases.
Before writing one, run `python -m tests.store.make_rows`: it keeps what the version before it stored, for the tests.
`additive = True` says that the version before can go on working while and after this one runs on PostgreSQL: it only adds
tables, columns that may be empty or have a default, and indexes of what is small. What is there keeps its name, its type and
its triggers, and nothing new is asked of a row that the version before writes.
"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None

additive = False


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
