"""Writes what this version of the program stores to `rows/NNNN.json`: data for the migrations that come later. Run it before the first one.

`python -m tests.store.make_rows`
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, select

from tests.actions.world import make_world, typed
from trialcrf.actions import enrol, enter, sign_in
from trialcrf.actions.enter import Typed
from trialcrf.actions.records import report
from trialcrf.core.document import FormKey
from trialcrf.store import accounts, forms, migrations

ROWS = Path(__file__).parent / "rows"


def tables_of(engine: Engine) -> MetaData:
    """The tables as the database itself describes them: what the program knows of them may be newer or older."""
    found = MetaData()
    found.reflect(engine)
    found.remove(found.tables["alembic_version"])
    return found


def rows_of(engine: Engine) -> dict[str, list[dict[str, object]]]:
    """Every row of every table, in the order of its key."""
    with engine.connect() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
            for table in tables_of(engine).sorted_tables
        }


def as_text(held: dict[str, list[dict[str, object]]]) -> str:
    """JSON with a line for every row."""
    tables = [
        f"{json.dumps(name)}: [" + ",".join("\n" + json.dumps(row, ensure_ascii=False, sort_keys=True) for row in rows) + "]"
        for name, rows in held.items()
    ]
    return "{\n" + ",\n".join(tables) + "\n}\n"


def main() -> None:
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/old.sqlite3"
        migrations.upgrade(url)
        world = make_world(url, "salt")
        with world.write("trialcrf") as tx:
            found = accounts.find(tx, "ivan")
            assert found
            sign_in.set_password(tx, found.id, "ivan", "a long enough password")
            sign_in.begin(tx, found.id, "127.0.0.1")
            sign_in.note_failure(tx, "ivan", "127.0.0.2")
            report.order(tx, world.published, "fr", tx.at.date(), None, "dana", why="For the rows.")
        one = world.enrol("volunteer", AGREED=(20, 1, 2026), BORN=("", 5, 1980), GENDER="F")
        world.enrol("volunteer", AGREED=(21, 1, 2026), BORN=("", 6, 1981), GENDER="M")
        other = world.enrol("volunteer", "02", AGREED=(20, 1, 2026), BORN=("UNK", "UNK", 1980), GENDER="F")
        days = {f"DAYS__new{n}__{item}": said for n in (1, 2) for item, said in (("DAY", (n, 3, 2026)), ("PINCHES", str(n)))}
        world.save(one, "DIARY", "WEIGH2", typed(None, **days))
        world.save(one, "DIARY", "WEIGH2", typed(1, "SLIP", DAYS__1__PINCHES="5"))
        world.save(one, "DIARY", "WEIGH2", Typed(removed={("DAYS", "2"): "typed twice"}, version=2))
        world.save(one, "PLATE", "MEALS", typed(None, EATEN=(1, 2, 2026, "12:00"), GRAMS="20"))
        world.save(other, "PLATE", "MEALS", typed(None, EATEN=(1, 2, 2026, "12:00"), GRAMS="3"))
        with world.write() as tx:
            stored = forms.read(tx, other.id, FormKey("MEALS", "PLATE"))
            assert stored
            enter.mark_form_error(tx, other, stored, "of another volunteer")
            enrol.mark_subject_error(tx, other, "enrolled twice")
        ROWS.mkdir(exist_ok=True)
        held = rows_of(world.engine)
        revision = ScriptDirectory.from_config(migrations._config("")).get_current_head()
        (ROWS / f"{revision}.json").write_text(as_text(held), encoding="utf-8")
        world.engine.dispose()


if __name__ == "__main__":
    main()
