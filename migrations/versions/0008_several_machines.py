"""Several machines: the queue of PostgreSQL lies in the database itself, and a report that is being drawn says until when.

Policy: forward only, and there is no downgrade. A migration is frozen once it is on main: it names tables and columns
itself and never imports the program. Data and trail move together: a migration that touches what was recorded appends
audit records saying so. Every migration runs in the tests from the first version on, with data in it, on both databases.

The tables of the queue are those that huey 3.5 would make itself, had the program the right to; its counters are never used.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

additive = True


def upgrade() -> None:
    op.add_column("report", sa.Column("taken_until", sa.String(27), nullable=True))
    if op.get_bind().dialect.name != "postgresql":
        return  # The queue of SQLite is a file of its own.
    op.execute("CREATE SCHEMA queue")
    op.execute(
        "CREATE TABLE queue.huey_task (id bigserial PRIMARY KEY, queue text NOT NULL, data bytea NOT NULL, "
        "priority double precision NOT NULL DEFAULT 0.0)"
    )
    op.execute("CREATE INDEX huey_task_queue_priority_id ON queue.huey_task (queue, priority DESC, id)")
    op.execute(
        "CREATE TABLE queue.huey_schedule (id bigserial PRIMARY KEY, queue text NOT NULL, data bytea NOT NULL, "
        "timestamp double precision NOT NULL)"
    )
    op.execute("CREATE TABLE queue.huey_kv (queue text NOT NULL, key text NOT NULL, value bytea NOT NULL, PRIMARY KEY (queue, key))")
