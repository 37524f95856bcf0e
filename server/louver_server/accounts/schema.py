"""The tables of the console's own state."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text, text

VERSION: Final = 2
"""Of the tables below."""
STEPS: Final = (
    "ALTER TABLE accounts ADD COLUMN subject TEXT NOT NULL DEFAULT ''",
    "CREATE UNIQUE INDEX one_of_a_subject ON accounts (subject) WHERE subject != ''",
    "ALTER TABLE sessions ADD COLUMN challenge BLOB",
)
"""What makes tables of version 1 those of version 2, besides new tables."""

METADATA: Final = MetaData()
ACCOUNTS: Final = Table(
    "accounts",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("password", Text, nullable=False),
    Column("second_factor", LargeBinary),
    Column("last_step", Integer, nullable=False, default=0),
    Column("enrolled", Boolean, nullable=False),
    Column("locked", Boolean, nullable=False),
    Column("created", Text, nullable=False),
    Column("subject", Text, nullable=False, server_default=""),
    Index("one_of_a_subject", "subject", unique=True, sqlite_where=text("subject != ''")),
)
PASSKEYS: Final = Table(
    "passkeys",
    METADATA,
    Column("account", Text, primary_key=True),
    Column("credential", LargeBinary, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("uses", Integer, nullable=False),
)
SPENT: Final = Table(
    "spent",
    METADATA,
    Column("digest", Text, primary_key=True),
    Column("time", Text, nullable=False, index=True),
)
SESSIONS: Final = Table(
    "sessions",
    METADATA,
    Column("digest", Text, primary_key=True),
    Column("account", Text, nullable=False, index=True),
    Column("stage", Text, nullable=False),
    Column("csrf", Text, nullable=False),
    Column("pending", LargeBinary),
    Column("created", Text, nullable=False),
    Column("seen", Text, nullable=False),
    Column("challenge", LargeBinary),
)
FAILURES: Final = Table(
    "failures",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("who", Text, nullable=False, index=True),
    Column("time", Text, nullable=False),
)
QUESTIONS: Final = Table(
    "questions",
    METADATA,
    Column("request_id", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("profile", Text, nullable=False, index=True),
    Column("sql", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("dialect", Text, nullable=False),
    Column("epsilon", Text, nullable=False),
    Column("accuracy", Text, nullable=False),
    Column("asked", Text, nullable=False),
)
ACTS: Final = Table(
    "acts",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("time", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("about", Text, nullable=False),
)
SEARCHES: Final = Table(
    "searches",
    METADATA,
    Column("account", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("query", Text, nullable=False),
    Column("saved", Text, nullable=False),
)
"""Searches of the log that an auditor keeps by name."""
