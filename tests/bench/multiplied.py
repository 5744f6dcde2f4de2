"""A trial made larger by copying its people: the lists then have as many rows as those of a registry, in a minute instead of half an hour.

Copied are subjects with their forms, facts, planned visits and queries. What is recorded of them in the trail, and the cases of their
serious events, are not: pages of the trail are measured in a trial that is simulated whole (`tests/bench/trail.py`), and a list of the
day looks at the newest cases alone, however many there are.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

from sqlalchemy import make_url

from trialcrf.store.models import fact, form, query, subject, visit


def multiply(url: str, times: int) -> None:
    """Add so many copies less one of everybody in this SQLite database, at their own sites, under new numbers."""
    name = make_url(url).database
    assert name
    with closing(sqlite3.connect(name)) as connection:
        last = {one.name: connection.execute(f"SELECT max(id) FROM {one.name}").fetchone()[0] or 0 for one in (subject, form, query)}
        number = connection.execute("SELECT max(number) FROM subject").fetchone()[0]
        # What a new person, form or query is called; every other column is copied.
        of_person, of_form, of_query = (f"+ :copy * {last[one]}" for one in ("subject", "form", "query"))
        told = {
            subject: {
                "id": f"id {of_person}", "number": f"number + :copy * {number}", "once": "NULL",
                "key": f"substr(key, 1, length(key) - 3) || printf('%03d', number + :copy * {number})",
            },
            form: {"id": f"id {of_form}", "subject_id": f"subject_id {of_person}"},
            fact: {"form_id": f"form_id {of_form}"},
            visit: {"subject_id": f"subject_id {of_person}"},
            query: {"id": f"id {of_query}", "subject_id": f"subject_id {of_person}", "form_id": f"form_id {of_form}"},
        }  # fmt: skip
        first = {subject: ("id", "subject"), form: ("id", "form"), query: ("id", "query")}
        first |= {fact: ("form_id", "form"), visit: ("subject_id", "subject")}
        for table, changed in told.items():
            columns = [column.name for column in table.columns]
            values = ", ".join(changed.get(column, column) for column in columns)
            by, of = first[table]
            statement = f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT {values} FROM {table.name} WHERE {by} <= {last[of]}"
            for copy in range(1, times):
                connection.execute(statement, {"copy": copy})
        connection.commit()
