"""What is recorded of subjects: forms as documents, the projection rows that lists need, and queries (their threads are in the trail)."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint, false

from trialcrf.store.models.base import Day, Moment, metadata

subject = Table(
    "subject",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("study.id"), nullable=False),
    Column("site_id", ForeignKey("site.id"), nullable=False, index=True),
    Column("subject_type", String(40), nullable=False),
    Column("number", Integer, nullable=False),
    Column("key", String(40), nullable=False),
    Column("enrolled_on", Day, nullable=False),
    Column("error", Text, nullable=False, server_default=""),
    Column("once", String(80), unique=True),  # the token of the page that enrolled: a page sent twice enrols once
    UniqueConstraint("study_id", "key"),
    UniqueConstraint("site_id", "subject_type", "number"),
)

form = Table(
    "form",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site_id", ForeignKey("site.id"), nullable=False),
    Column("subject_id", ForeignKey("subject.id"), nullable=False),
    Column("event_oid", String(40), nullable=False),
    Column("event_repeat", Integer, nullable=False),
    Column("form_oid", String(40), nullable=False),
    Column("form_repeat", Integer, nullable=False),
    Column("definition_id", ForeignKey("definition.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("document", Text, nullable=False),
    Column("complete", Boolean, nullable=False, server_default=false()),
    Column("error", Text, nullable=False, server_default=""),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("sealed_by", Integer),  # the signature that stands over everything in it; none once anything changed
    Column("signed_by", Integer),  # the newest signature that ever sealed it, whatever changed since
    UniqueConstraint("subject_id", "event_oid", "event_repeat", "form_oid", "form_repeat", name="uq_form_key"),
    Index("ix_form_site_id", "site_id"),
    Index("ix_form_site_id_complete", "site_id", "complete", "updated_at"),
    # All that the queue of signatures counts by: it reads no documents.
    Index("ix_form_site_id_sealed_by", "site_id", "sealed_by", "signed_by", "subject_id", "form_oid", "complete", "error"),
)

enclosure = Table(
    "enclosure",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site_id", ForeignKey("site.id"), nullable=False, index=True),
    Column("subject_id", ForeignKey("subject.id"), nullable=False, index=True),
    Column("event_oid", String(40), nullable=False),
    Column("event_repeat", Integer, nullable=False),
    Column("form_id", ForeignKey("form.id"), nullable=False, index=True),
    Column("place", String(130), nullable=False),
    Column("name", String(200), nullable=False),
    Column("description", String(200), nullable=False, server_default=""),
    Column("media_type", String(80), nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("attached_at", Moment, nullable=False),
    Column("attached_by", String(80), nullable=False),
    Column("withdrawn", Text, nullable=False, server_default=""),
    Column("withdrawn_at", Moment),
    Column("withdrawn_by", String(80), nullable=False, server_default=""),
)

# The bytes of a document lie apart: they never change, while it can be withdrawn; and no list reads them.
enclosure_content = Table(
    "enclosure_content",
    metadata,
    Column("enclosure_id", ForeignKey("enclosure.id"), primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
)

fact = Table(
    "fact",
    metadata,
    Column("form_id", ForeignKey("form.id"), primary_key=True),
    Column("alias", String(40), primary_key=True),
    Column("item", String(40), primary_key=True),
    Column("grp", String(40), primary_key=True),
    Column("row", String(40), primary_key=True),
    Column("text", Text, nullable=False),
    Column("missing", String(10), nullable=False),
)

unique_code = Table(
    "unique_code",
    metadata,
    Column("study_id", ForeignKey("study.id"), primary_key=True),
    Column("item", String(81), primary_key=True),  # FORM.ITEM
    Column("text", String(200), primary_key=True),
    Column("form_id", ForeignKey("form.id"), nullable=False, index=True),
    Column("row", String(40), nullable=False),
)

query = Table(
    "query",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site_id", ForeignKey("site.id"), nullable=False),
    Column("subject_id", ForeignKey("subject.id"), nullable=False, index=True),
    Column("event_oid", String(40), nullable=False),
    Column("event_repeat", Integer, nullable=False),
    Column("form_id", ForeignKey("form.id"), index=True),  # none: the query is about the whole visit
    Column("place", String(130), nullable=False),
    Column("check_oid", String(40), nullable=False),  # none: a person asks
    Column("state", String(10), nullable=False),
    Column("message", Text, nullable=False),
    Column("answer", String(40), nullable=False, server_default=""),
    Column("opened_at", Moment, nullable=False),
    Column("opened_by", String(80), nullable=False, server_default=""),  # none: the program
    Column("assignee", String(80), nullable=False, server_default=""),  # none: whoever answers at the site
    Column("due_on", Day),
    Column("settled_at", Moment),
    Column("settled_by", String(80), nullable=False, server_default=""),  # none: the program, because the value is right now
    Index("ix_query_site_id_state", "site_id", "state"),
)

verification = Table(
    "verification",
    metadata,
    Column("form_id", ForeignKey("form.id"), primary_key=True),
    Column("place", String(130), primary_key=True),
    Column("site_id", ForeignKey("site.id"), nullable=False),
    Column("commitment", String(64), nullable=False),  # to the value that was held against its source, none for a blank
    Column("standing", Boolean, nullable=False),
    Column("at", Moment, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("monitoring_id", ForeignKey("monitoring.id")),
    Index("ix_verification_site_id_standing", "site_id", "standing"),
)
