"""How a migration runs: forward only, in one transaction, and the triggers are made anew and compared at its end."""

from alembic import context
from sqlalchemy import inspect

from trialcrf.store import migrations, triggers
from trialcrf.store.models import metadata
from trialcrf.store.models.base import Day, Moment
from trialcrf.store.transaction import open_engine


def plain_type(kind, value, _autogen):
    """Write a type of ours as the column it is, so that a migration never imports the program as it will be then."""
    if kind == "type" and isinstance(value, Moment | Day):
        return f"sa.String({value.impl.length})"
    return False


def run() -> None:
    url = context.config.get_main_option("sqlalchemy.url")
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            context.configure(connection=connection, target_metadata=metadata, render_item=plain_type, transactional_ddl=True)
            with context.begin_transaction():
                context.run_migrations()
                triggers.renew(connection)
                triggers.check(connection, inspect(connection).get_table_names())
                migrations.note_serving(connection, context.script)
    finally:
        engine.dispose()  # Also where a table was not to be had: whoever tries again opens another.


run()
