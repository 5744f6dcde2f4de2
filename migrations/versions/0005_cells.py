"""The chain of cells: answers that stand once in a study, and what more the program understands.

Policy: forward only, and there is no downgrade. A migration is frozen once it is on main: it names tables and columns
itself and never imports the program. Data and trail move together: a migration that touches what was recorded appends
audit records saying so. Every migration runs in the tests from the first version on, with data in it, on both databases.

Nothing recorded is touched. No version before this one knows unique items, so there is no code to hold yet; donation numbers are
understood from now on and are projected from what stands.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NEWLY_UNDERSTOOD = (
    "BEREFID", "CTLOT", "CTSRCDON", "CTSRCLOT", "CTPOOLDI",
    "CTBAG", "CTSPLIT", "CTBAGCEL", "CTBAGVOL", "CTEXPDTC", "CTFILDTC", "CTPLACE",
    "CTRELDEC", "CTRELDTC", "CTRELSPC",
    "CTMVBAG", "CTMVKIND", "CTMVDTC", "CTMVTO", "CTMVVIA",
    "CTINCKND", "CTINCDTC", "CTINCBAG", "CTRECALL",
    "CTSTERAE", "CTSTERAN", "CTSTERFU",
    "CTCHKBAG", "CTCHKDTC", "CTINFBAG", "CTINFTOT", "CTINFVIA",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "unique_code",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("item", sa.String(length=81), nullable=False),
        sa.Column("text", sa.String(length=200), nullable=False),
        sa.Column("form_id", sa.Integer(), nullable=False),
        sa.Column("row", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["form_id"], ["form.id"], name=op.f("fk_unique_code_form_id")),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_unique_code_study_id")),
        sa.PrimaryKeyConstraint("study_id", "item", "text", name=op.f("pk_unique_code")),
    )
    op.create_index(op.f("ix_unique_code_form_id"), "unique_code", ["form_id"], unique=False)
    _project(op.get_bind())


def _project(connection: sa.Connection) -> None:
    """Facts are projections of the documents: rows of those names that no version before this one wrote."""
    names = ("form_id", "alias", "item", "grp", "row", "text", "missing")
    fact = sa.table("fact", *(sa.column(name) for name in names))
    known = {tuple(row) for row in connection.execute(sa.select(*fact.c[:5]).where(fact.c.alias.in_(sorted(NEWLY_UNDERSTOOD))))}
    for definition_id, canonical in connection.execute(sa.text("SELECT id, canonical FROM definition ORDER BY id")).all():
        for form_oid, aliases in _forms(json.loads(canonical)):
            forms = sa.text("SELECT id, document FROM form WHERE definition_id = :definition AND form_oid = :form ORDER BY id")
            rows = []
            for form_id, document in connection.execute(forms, {"definition": definition_id, "form": form_oid}):
                rows += [
                    row for row in _facts(form_id, json.loads(document), aliases) if tuple(row[name] for name in names[:5]) not in known
                ]
            if rows:
                connection.execute(fact.insert(), rows)


def _forms(canonical: dict) -> list[tuple[str, dict[str, list[str]]]]:
    """The forms that ask something newly understood: item to its names."""
    found = []
    for form in canonical["study"]["forms"]:
        items = [item for group in form["groups"] for item in group["items"]]
        aliases = {item["oid"]: sorted(set(NEWLY_UNDERSTOOD).intersection(item.get("aliases", []))) for item in items}
        if any(aliases.values()):
            found.append((form["oid"], aliases))
    return found


def _facts(form_id: int, document: dict, aliases: dict[str, list[str]]) -> list[dict]:
    held = [("", "", document["items"])]
    held += [(group, row["id"], row["items"]) for group, rows in document["rows"].items() for row in rows if not row["error"]]
    found = []
    for group, row, items in held:
        for oid, answer in items.items():
            text, missing = ("", answer["missing"]) if isinstance(answer, dict) else (answer, "")
            found += [
                {"form_id": form_id, "alias": alias, "item": oid, "grp": group, "row": row, "text": text, "missing": missing}
                for alias in aliases.get(oid, [])
            ]
    return found
