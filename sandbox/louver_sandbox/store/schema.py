"""The tables of the state store, as the code reads and writes them.

The migrations create them; ``tests/unit/sandbox/test_store.py`` compares the two. Times are RFC 3339 text in UTC,
hashes raw bytes, amounts integers. Only types that SQLite and PostgreSQL share are used.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

_Big = BigInteger().with_variant(Integer(), "sqlite")  # only INTEGER can be SQLite's own row number

entries = Table(
    "entries",
    metadata,
    Column("index", _Big, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
    Column("kind", Text, nullable=False),
    Column("request_id", Text),
    Column("institution", Text),
    Column("time", Text, nullable=False),
    Index("entries_by_request", "request_id", "institution"),
    Index("entries_by_institution", "institution", "index"),
    Index("entries_by_kind", "kind", "index"),
)
"""The log. ``body`` is the entry, empty once it was pruned; the other columns repeat parts of it so that it can be
found."""

nodes = Table(
    "nodes",
    metadata,
    Column("id", _Big, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)
"""The tree: hashes of its perfect subtrees, leaves included, by ``audit.tree.NodeId.key``.

One number as key, since SQLite scans the table when asked for a list of pairs. Bodies of old entries can be
pruned without touching this table.
"""

pruned = Table(
    "pruned",
    metadata,
    Column("entry", _Big, ForeignKey("entries.index"), primary_key=True, autoincrement=False),
    Column("by", _Big, nullable=False),
    Column("residue", Text, nullable=False),
)
"""What is left of entries whose bodies are empty (`audit.pruned`), and the entry that says that they were pruned."""

openings = Table(
    "openings",
    metadata,
    Column("commitment", Text, primary_key=True),
    Column("field", Text, nullable=False),
    Column("salt", LargeBinary),
    Column("text", Text),
    Column("erased", Text),
    CheckConstraint("(salt IS NULL) = (text IS NULL) AND (salt IS NULL) = (erased IS NOT NULL)", name="opening"),
)
"""What the log's commitments hide. Erasing empties salt and text and notes the time; the row stays."""

heads = Table(
    "heads",
    metadata,
    Column("size", _Big, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", LargeBinary, nullable=False),
    Column("time", Text, nullable=False),
)
"""Every checkpoint the log has signed; they are what shows that its end was cut off."""

ledger = Table(
    "ledger",
    metadata,
    Column("institution", Text, nullable=False),
    Column("dataset", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("window", Text, nullable=False),
    Column("sequence", _Big, nullable=False),
    Column("amount", _Big, nullable=False),
    Column("spent", _Big, nullable=False),
    Column("key", Text),
    Column("request_id", Text),
    Column("time", Text, nullable=False),
    PrimaryKeyConstraint("institution", "dataset", "purpose", "kind", "period", "window", "sequence"),
    UniqueConstraint("institution", "dataset", "purpose", "kind", "period", "window", "key", name="ledger_key_once"),
    CheckConstraint("sequence >= 1 AND amount >= 1 AND spent >= amount", name="ledger_grows"),
    Index("ledger_by_request", "request_id"),
    sqlite_with_rowid=False,
)
"""Charges. ``spent`` is the account's running total, so that two concurrent charges cannot both be the n-th."""

privacy_ledger = Table(
    "privacy_ledger",
    metadata,
    Column("institution", Text, nullable=False),
    Column("dataset", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("sequence", _Big, nullable=False),
    Column("day", Text, nullable=False),
    Column("rho", Text, nullable=False),
    Column("delta", Text, nullable=False),
    Column("spent_rho", Text, nullable=False),
    Column("spent_delta", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("time", Text, nullable=False),
    PrimaryKeyConstraint("institution", "dataset", "unit", "purpose", "sequence"),
    CheckConstraint("sequence >= 1", name="privacy_ledger_grows"),
    Index("privacy_ledger_by_day", "institution", "dataset", "unit", "purpose", "day", "sequence"),
    Index("privacy_ledger_by_request", "request_id"),
    sqlite_with_rowid=False,
)
"""Privacy loss, in exact decimals: what a charge costs and the account's total since the beginning (`spent_*`).

``*`` as institution is everybody, as purpose any. ``day`` is the Beijing day it counts in.
"""

selections = Table(
    "selections",
    metadata,
    Column("id", _Big, primary_key=True),
    Column("account", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("groups", Text, nullable=False),
    Column("columns", Text, nullable=False),
    Column("operands", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("admission", _Big, nullable=False),
    Column("time", Text, nullable=False),
    Column("expires", Text, nullable=False),
    UniqueConstraint("account", "digest", "groups", "version", name="selection_once"),
    Index("selections_by_columns", "account", "columns", "operands"),
    Index("selections_by_expiry", "account", "expires"),
    Index("selections_by_request", "request_id"),
)
"""What questions have selected, until it expires: ``content`` is a `selections.Selection`, the others name parts."""

selected_ranges = Table(
    "selected_ranges",
    metadata,
    Column("account", Text, nullable=False),
    Column("operand", Text, nullable=False),
    Column("pivot", Integer, nullable=False),
    Column("low", _Big, nullable=False),
    Column("high", _Big, nullable=False),
    Column("selection", _Big, nullable=False),
    PrimaryKeyConstraint("account", "operand", "pivot", "low", "high", "selection"),
    Index("ranges_by_selection", "selection", "operand"),
    sqlite_with_rowid=False,
)
"""The hull of each operand's region in a selection; ``pivot`` is 1 for the operand that a selection is found by."""

answers = Table(
    "answers",
    metadata,
    Column("institution", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("request_digest", Text, nullable=False),
    Column("question_digest", Text, nullable=False),
    Column("released", LargeBinary, nullable=False),
    Column("outcome_index", _Big, ForeignKey("entries.index"), nullable=False),
    Column("created", Text, nullable=False),
    PrimaryKeyConstraint("institution", "request_id"),
    Index("answers_by_question", "question_digest", "institution", "outcome_index"),
)
"""Released answers, by request for retries and by question for asking again."""

draws = Table(
    "draws",
    metadata,
    Column("question_digest", Text, nullable=False),
    Column("institution", Text, nullable=False),
    Column("kept", LargeBinary, nullable=False),
    Column("outcome_index", _Big, ForeignKey("entries.index"), nullable=False),
    PrimaryKeyConstraint("question_digest", "institution"),
)
"""Noise that was drawn for sealed answers, encrypted by the releaser, by the question without its seal."""

qualities = Table(
    "qualities",
    metadata,
    Column("snapshot", Text, primary_key=True),
    Column("table_name", Text, nullable=False),
    Column("data_version", Text, nullable=False),
    Column("told", Text, nullable=False),
    Column("entry", _Big, ForeignKey("entries.index"), nullable=False),
    Index("qualities_by_data", "table_name", "data_version"),
)
"""What is told of the quality of the data in a snapshot, as JSON, and the log entry that says so."""

health = Table(
    "health",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("beats", _Big, nullable=False),
)
"""One row that the health probe writes, to know that writing works."""

APPEND_ONLY = ("entries", "nodes", "heads", "ledger", "privacy_ledger", "pruned")
"""Tables whose rows are never changed or removed; triggers see to it. A body of ``entries`` may be emptied where
``pruned`` has what is left of it."""
