"""Accounts, their roles, what they sign in with, their sessions, how they are reminded, calendar feeds, and what the throttle remembers."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint, false, true

from trialcrf.store.models.base import Day, Moment, metadata

account = Table(
    "account",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("username", String(80), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("email", String(254), nullable=False),
    Column("organisation", String(200), nullable=False),
    Column("language", String(5), nullable=False, server_default="fr"),
    Column("theme", String(10), nullable=False, server_default="auto"),
    Column("shortcuts", String(40), nullable=False, server_default="single"),
    Column("density", String(20), nullable=False, server_default="comfortable"),
    Column("active", Boolean, nullable=False, server_default=true()),
    Column("demo", Boolean, nullable=False, server_default=false()),
    Column("password_hash", String(200)),
    Column("invitation_hash", String(64), unique=True),
    Column("invitation_ends_at", Moment),
    Column("password_set_at", Moment),
    Column("reset_hash", String(64), unique=True, index=True),
    Column("reset_ends_at", Moment),
    Column("created_at", Moment, nullable=False),
)

grant = Table(
    "role_grant",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False, index=True),
    Column("role", String(20), nullable=False),
    Column("study", String(40), nullable=False),
    Column("site", String(10), nullable=False),
    Column("active", Boolean, nullable=False, server_default=true()),
    Column("granted_at", Moment, nullable=False),
    Column("trained_on", Day),
)

session = Table(
    "session",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("account_id", ForeignKey("account.id"), nullable=False, index=True),
    Column("csrf", String(64), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("idle_minutes", Integer, nullable=False, server_default="30"),
    Column("absolute_hours", Integer, nullable=False, server_default="12"),
    Column("proved_at", Moment),
    Column("address", String(60), nullable=False, server_default=""),
    Column("browser", String(40), nullable=False, server_default=""),
)

hospital_link = Table(
    "hospital_link",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False, index=True),
    Column("issuer", String(300), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("made_at", Moment, nullable=False),
    UniqueConstraint("issuer", "subject"),
)

hospital_try = Table(
    "hospital_try",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("state_hash", String(64), nullable=False, unique=True),
    Column("nonce_hash", String(64), nullable=False),
    Column("links_account_id", ForeignKey("account.id")),
    Column("code_id", ForeignKey("link_code.id")),
    Column("next", Text, nullable=False, server_default=""),
    Column("created_at", Moment, nullable=False),
    Column("used_at", Moment),
)

link_code = Table(
    "link_code",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("code_hash", String(64), nullable=False, unique=True),
    Column("created_at", Moment, nullable=False),
    Column("used_at", Moment),
)

reminder_choice = Table(
    "reminder_choice",
    metadata,
    Column("account_id", ForeignKey("account.id"), primary_key=True),
    Column("study", String(40), primary_key=True),
    Column("choice", String(10), nullable=False),
    Column("at", Moment, nullable=False),
)

calendar_feed = Table(
    "calendar_feed",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False, index=True),
    Column("study", String(40), nullable=False),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("keys", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("read_at", Moment),
    Column("revoked_at", Moment),
)

secret = Table(
    "secret",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("value", String(64), nullable=False),
)

sign_in_attempt = Table(
    "sign_in_attempt",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("username", String(80), nullable=False),
    Column("address", String(60), nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_sign_in_attempt_username_at", "username", "at"),
    Index("ix_sign_in_attempt_address_at", "address", "at"),
)

factor = Table(
    "factor",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False, index=True),
    Column("kind", String(10), nullable=False),
    Column("name", String(80), nullable=False),
    Column("credential", String(1400), unique=True),
    Column("secret", Text, nullable=False),
    Column("counter", BigInteger, nullable=False, server_default="0"),
    Column("created_at", Moment, nullable=False),
    Column("confirmed_at", Moment),
    Column("used_at", Moment),
    Column("revoked_at", Moment),
)

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False, index=True),
    Column("code_hash", String(64), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("used_at", Moment),
)

sign_in_step = Table(
    "sign_in_step",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("account_id", ForeignKey("account.id"), index=True),
    Column("purpose", String(10), nullable=False),
    Column("challenge", String(64), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("wrong", Integer, nullable=False, server_default="0"),
    Column("ended_at", Moment),
)

sign_in_address = Table(
    "sign_in_address",
    metadata,
    Column("account_id", ForeignKey("account.id"), primary_key=True),
    Column("address", String(60), primary_key=True),
    Column("at", Moment, nullable=False),
)
