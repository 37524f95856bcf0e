"""What auditors search the log by: rows derived from entries, made anew at any time, believed by nobody.

Entries that say the same of themselves (kind, institution, purpose, verdict, code, treatment, datasets, order of
cost) are one group, and how many of a group there are in all and in each block of neighbours is kept. So entries are
counted from sums, whatever the log's size.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

metadata = MetaData()

_Big = BigInteger().with_variant(Integer(), "sqlite")

FACETS = ("kind", "institution", "purpose", "verdict", "code", "treatment")
"""What a group says once; datasets, of which there may be several, lie beside."""

groups = Table(
    "audit_groups",
    metadata,
    Column("id", _Big, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    *(Column(name, Text, nullable=False) for name in FACETS),
    Column("cost_from", _Big, nullable=False),
    Column("cost_to", _Big, nullable=False),
    Column("entries", _Big, nullable=False),
)
"""``cost_from`` to ``cost_to``: the costs of its ``entries`` lie in there, by powers of two."""

group_datasets = Table(
    "audit_group_datasets",
    metadata,
    Column("dataset", Text, nullable=False),
    Column("group_id", _Big, nullable=False),
    PrimaryKeyConstraint("dataset", "group_id"),
    Index("audit_datasets_by_group", "group_id"),
    sqlite_with_rowid=False,
)

BLOCK = 4096
"""Neighbouring entries that are one block."""

blocks = Table(
    "audit_blocks",
    metadata,
    Column("block", _Big, nullable=False),
    Column("group_id", _Big, nullable=False),
    Column("entries", _Big, nullable=False),
    PrimaryKeyConstraint("block", "group_id"),
    Index("audit_blocks_by_group", "group_id", "block"),
    sqlite_with_rowid=False,
)
"""How many entries of a group a block has."""

spans = Table(
    "audit_spans",
    metadata,
    Column("block", _Big, primary_key=True, autoincrement=False),
    Column("earliest", Text, nullable=False),
    Column("latest", Text, nullable=False),
)
"""Between which times the entries of a block are, whatever the clock did meanwhile."""

days = Table(
    "audit_days",
    metadata,
    Column("day", Text, nullable=False),
    Column("group_id", _Big, nullable=False),
    Column("entries", _Big, nullable=False),
    PrimaryKeyConstraint("day", "group_id"),
    sqlite_with_rowid=False,
)
"""How many entries of a group a day (UTC) has."""

rows = Table(
    "audit_rows",
    metadata,
    Column("entry", _Big, primary_key=True, autoincrement=False),
    Column("group_id", _Big, nullable=False),
    Column("time", Text, nullable=False),
    Column("cost", _Big, nullable=False),
    Column("about", _Big),
    Index("audit_rows_by_about", "about", "entry"),
)
"""``about`` is the entry that this one is about: an outcome's admission, what a look looked at."""

terms = Table(
    "audit_terms",
    metadata,
    Column("id", _Big, primary_key=True),
    Column("word", Text, nullable=False, unique=True),
    Column("entries", _Big, nullable=False),
)

words = Table(
    "audit_words",
    metadata,
    Column("term", _Big, nullable=False),
    Column("entry", _Big, nullable=False),
    PrimaryKeyConstraint("term", "entry"),
    sqlite_with_rowid=False,
)
"""Which words the SQL behind an entry has; erased with the SQL (``index.forget``)."""

cosignatures = Table(
    "cosignatures",
    metadata,
    Column("size", _Big, nullable=False),
    Column("witness", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("line", Text, nullable=False),
    Column("signed", _Big, nullable=False),
    PrimaryKeyConstraint("size", "witness", "key_id"),
)
"""Signature lines of witnesses under the head of a size, and when they were made (POSIX seconds)."""

DERIVED = (words, terms, rows, days, spans, blocks, group_datasets, groups)
"""What follows from the log."""
