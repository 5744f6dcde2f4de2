"""Dictionaries, limits of laboratories, serious events with their ledger, decisions about the trial, and what more a report says of itself.

Policy: forward only, and there is no downgrade. A migration is frozen once it is on main: it names tables and columns
itself and never imports the program. Data and trail move together: a migration that touches what was recorded appends
audit records saying so. Every migration runs in the tests from the first version on, with data in it, on both databases.

Nothing recorded is touched. The program understands more of an adverse event than before: those answers are projected from what stands.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NEWLY_UNDERSTOOD = (
    "AESTTIM", "AESPEC", "AECGRADE", "AECDAT", "AEAWARE", "AEBIOVIG", "AELNKEX", "AELNKCM", "AELNKLB",
    "AERELPRD", "AERELEXC", "AERELINF", "AERELPRE", "AERELHAR", "AERELCM", "AERELDIS", "AERELOTH",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "dictionary",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("version", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("terms", sa.Integer(), nullable=False),
        sa.Column("loaded_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dictionary")),
        sa.UniqueConstraint("kind", "version", name=op.f("uq_dictionary_kind_version")),
    )
    op.create_table(
        "dictionary_term",
        sa.Column("dictionary_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("code", sa.String(length=20), nullable=False),
        sa.Column("term", sa.String(length=250), nullable=False),
        sa.Column("folded", sa.String(length=250), nullable=False),
        sa.Column("parent_code", sa.String(length=20), server_default="", nullable=False),
        sa.Column("parent_term", sa.String(length=250), server_default="", nullable=False),
        sa.Column("soc", sa.String(length=250), nullable=False),
        sa.Column("grades", sa.Text(), server_default="{}", nullable=False),
        sa.Column("definition", sa.Text(), server_default="", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["dictionary_id"], ["dictionary.id"], name=op.f("fk_dictionary_term_dictionary_id")),
        sa.PrimaryKeyConstraint("dictionary_id", "number", name=op.f("pk_dictionary_term")),
    )
    op.create_index("ix_dictionary_term_dictionary_id_code", "dictionary_term", ["dictionary_id", "code"], unique=False)
    op.create_index("ix_dictionary_term_dictionary_id_folded", "dictionary_term", ["dictionary_id", "folded"], unique=False)
    op.create_table(
        "study_decision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("organisation", sa.String(length=200), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_study_decision_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study_decision")),
        sa.UniqueConstraint("study_id", "number", name=op.f("uq_study_decision_study_id_number")),
    )
    op.create_table(
        "lab_range",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("laboratory", sa.String(length=80), nullable=False),
        sa.Column("analyte", sa.String(length=40), nullable=False),
        sa.Column("sex", sa.String(length=1), server_default="", nullable=False),
        sa.Column("unit", sa.String(length=40), nullable=False),
        sa.Column("low", sa.String(length=40), server_default="", nullable=False),
        sa.Column("high", sa.String(length=40), server_default="", nullable=False),
        sa.Column("valid_from", sa.String(10), nullable=False),
        sa.Column("valid_to", sa.String(10), nullable=True),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_lab_range_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lab_range")),
    )
    op.create_index(op.f("ix_lab_range_site_id"), "lab_range", ["site_id"], unique=False)
    op.create_table(
        "safety_case",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("subject_id", sa.Integer(), nullable=False),
        sa.Column("form_id", sa.Integer(), nullable=False),
        sa.Column("row", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(["form_id"], ["form.id"], name=op.f("fk_safety_case_form_id")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_safety_case_site_id")),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_safety_case_study_id")),
        sa.ForeignKeyConstraint(["subject_id"], ["subject.id"], name=op.f("fk_safety_case_subject_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_safety_case")),
        sa.UniqueConstraint("form_id", "row", name=op.f("uq_safety_case_form_id_row")),
        sa.UniqueConstraint("study_id", "number", name=op.f("uq_safety_case_study_id_number")),
    )
    op.create_index(op.f("ix_safety_case_site_id"), "safety_case", ["site_id"], unique=False)
    op.create_index(op.f("ix_safety_case_subject_id"), "safety_case", ["subject_id"], unique=False)
    op.create_table(
        "attachment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("media_type", sa.String(length=80), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["safety_case.id"], name=op.f("fk_attachment_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachment")),
    )
    op.create_index(op.f("ix_attachment_case_id"), "attachment", ["case_id"], unique=False)
    op.create_table(
        "case_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("organisation", sa.String(length=200), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["safety_case.id"], name=op.f("fk_case_entry_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_entry")),
        sa.UniqueConstraint("case_id", "number", name=op.f("uq_case_entry_case_id_number")),
    )
    op.add_column("report", sa.Column("why", sa.Text(), server_default="", nullable=False))
    op.add_column("report", sa.Column("subject", sa.String(length=40), server_default="", nullable=False))
    op.add_column("report", sa.Column("case_number", sa.Integer(), nullable=True))
    op.add_column("report", sa.Column("dictionary", sa.String(length=120), server_default="", nullable=False))
    op.add_column("report", sa.Column("progress", sa.Integer(), server_default="0", nullable=False))
    op.add_column("report", sa.Column("step", sa.String(length=40), server_default="", nullable=False))
    op.add_column("report", sa.Column("annexes", sa.Text(), server_default="[]", nullable=False))
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
