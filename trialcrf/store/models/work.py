"""Work to do and work done: planned visits, mails to deliver, runs of jobs, archived reports, pages that were saved, drafts of others."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from trialcrf.store.models.base import Day, Moment, metadata

visit = Table(
    "visit",
    metadata,
    Column("subject_id", ForeignKey("subject.id"), primary_key=True),
    Column("event_oid", String(40), primary_key=True),
    Column("site_id", ForeignKey("site.id"), nullable=False),
    Column("course", String(14), nullable=False),
    Column("target", Day),
    Column("opens", Day),
    Column("closes", Day),
    Column("held_on", String(27), nullable=False, server_default=""),
    Index("ix_visit_site_id_course_closes", "site_id", "course", "closes"),
    Index("ix_visit_site_id_course_opens", "site_id", "course", "opens"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(200), nullable=False, unique=True),
    Column("kind", String(20), nullable=False),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("params", Text, nullable=False),
    Column("role", String(20), nullable=False, server_default=""),
    Column("state", String(10), nullable=False, index=True),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created_at", Moment, nullable=False),
    Column("not_before", Moment),
    Column("claimed_until", Moment),
    Column("settled_at", Moment),
    Column("said", Text, nullable=False, server_default=""),
)

job_run = Table(
    "job_run",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job", String(40), nullable=False),
    Column("period", String(40), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("state", String(10), nullable=False),
    Column("lease_until", Moment, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("summary", Text, nullable=False, server_default=""),
    Column("counts", Text, nullable=False, server_default="{}"),
    Column("next_at", Moment),
    UniqueConstraint("job", "period"),
    Index("ix_job_run_job_ended_at", "job", "ended_at"),
)

report = Table(
    "report",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(200), nullable=False, unique=True),
    Column("study_id", ForeignKey("study.id"), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("site", String(10), nullable=False, server_default=""),
    Column("language", String(5), nullable=False),
    Column("as_of", Day, nullable=False),
    Column("known_at", Moment, nullable=False),
    Column("state", String(10), nullable=False),
    Column("ordered_by", String(80), nullable=False),
    Column("ordered_at", Moment, nullable=False),
    Column("definition_version", Integer),
    Column("checkpoint", String(64)),
    Column("sha256", String(64)),
    Column("file", String(200)),
    Column("said", Text, nullable=False, server_default=""),
    Column("why", Text, nullable=False, server_default=""),
    Column("subject", String(40), nullable=False, server_default=""),  # the only subject that it is about
    Column("case_number", Integer),  # the only serious event that it is about
    Column("dictionary", String(120), nullable=False, server_default=""),  # the dictionaries of the terms in it, by name and version
    Column("progress", Integer, nullable=False, server_default="0"),  # per cent of the drawing
    Column("step", String(40), nullable=False, server_default=""),  # what is being done
    Column("annexes", Text, nullable=False, server_default="[]"),  # JSON: [name, lines, SHA-256] of each file beside it
    Column("eyes", String(200), nullable=False, server_default=""),  # which kinds of forms are in it; none: every kind
    Column("taken_until", Moment),  # until then a worker is at it, which tells so again and again
)

draft = Table(
    "draft",
    metadata,
    Column("account_id", ForeignKey("account.id"), primary_key=True),
    Column("address", String(400), primary_key=True),  # the path that the page is saved to
    Column("page", String(64), primary_key=True),  # the token that was drawn into it: two pages of one form keep two drafts
    Column("site_id", ForeignKey("site.id"), nullable=False, index=True),
    Column("subject_id", ForeignKey("subject.id"), nullable=True, index=True),  # none: a subject about to be enrolled
    Column("version", Integer, nullable=False),  # of the form that the page showed; 0 for a new one
    Column("fields", Text, nullable=False),  # JSON: [name of the box, what is in it], in the page's order
    Column("turn", BigInteger, nullable=False),
    Column("begun_at", Moment, nullable=False),
    Column("kept_at", Moment, nullable=False, index=True),
)

save_token = Table(
    "save_token",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("account_id", ForeignKey("account.id"), primary_key=True),
    Column("digest", String(64), primary_key=True),  # of everything that the page sent, and of its address
    Column("endpoint", String(80), nullable=False),
    Column("location", Text, nullable=False, server_default=""),  # where it was sent on to; none: to the page that it came from
    Column("at", Moment, nullable=False, index=True),
)
