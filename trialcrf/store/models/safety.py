"""Dictionaries, limits of laboratories, serious events and their ledger, decisions about the trial: what safety stands on."""

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from trialcrf.store.models.base import Day, Moment, line_of_ledger, metadata

dictionary = Table(
    "dictionary",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(10), nullable=False),  # ctcae, meddra
    Column("version", String(20), nullable=False),
    Column("source", String(200), nullable=False),  # the name of the file that was loaded
    Column("sha256", String(64), nullable=False),
    Column("terms", Integer, nullable=False),
    Column("loaded_at", Moment, nullable=False),
    UniqueConstraint("kind", "version"),
)

dictionary_term = Table(
    "dictionary_term",
    metadata,
    Column("dictionary_id", ForeignKey("dictionary.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("code", String(20), nullable=False),
    Column("term", String(250), nullable=False),
    Column("folded", String(250), nullable=False),  # without case, accents and punctuation: what is searched
    Column("parent_code", String(20), nullable=False, server_default=""),  # MedDRA: the preferred term of a lowest level term
    Column("parent_term", String(250), nullable=False, server_default=""),
    Column("soc", String(250), nullable=False),
    Column("grades", Text, nullable=False, server_default="{}"),  # JSON: grade to its text, only those that exist
    Column("definition", Text, nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default=""),
    Index("ix_dictionary_term_dictionary_id_folded", "dictionary_id", "folded"),
    Index("ix_dictionary_term_dictionary_id_code", "dictionary_id", "code"),
)

lab_range = Table(
    "lab_range",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site_id", ForeignKey("site.id"), nullable=False, index=True),
    Column("laboratory", String(80), nullable=False),
    Column("analyte", String(40), nullable=False),  # the alias of the item: NEUT, PLAT, ALT
    Column("sex", String(1), nullable=False, server_default=""),
    Column("unit", String(40), nullable=False),
    Column("low", String(40), nullable=False, server_default=""),
    Column("high", String(40), nullable=False, server_default=""),
    Column("valid_from", Day, nullable=False),
    Column("valid_to", Day),
    Column("error", Text, nullable=False, server_default=""),
)

safety_case = Table(
    "safety_case",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("study.id"), nullable=False),
    Column("site_id", ForeignKey("site.id"), nullable=False, index=True),
    Column("subject_id", ForeignKey("subject.id"), nullable=False, index=True),
    Column("form_id", ForeignKey("form.id"), nullable=False),
    Column("row", String(40), nullable=False),
    Column("number", Integer, nullable=False),
    Column("opened_at", Moment, nullable=False),
    UniqueConstraint("form_id", "row"),
    UniqueConstraint("study_id", "number"),
)

case_entry = Table(
    "case_entry",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("case_id", ForeignKey("safety_case.id"), nullable=False),
    *line_of_ledger(),
    UniqueConstraint("case_id", "number"),
)

attachment = Table(
    "attachment",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("case_id", ForeignKey("safety_case.id"), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("media_type", String(80), nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("content", LargeBinary, nullable=False),
)

study_decision = Table(
    "study_decision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("study.id"), nullable=False),
    *line_of_ledger(),
    Column("hash", String(64), nullable=False),
    UniqueConstraint("study_id", "number"),
)
