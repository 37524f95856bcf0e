"""What auditors search the log by (`auditing/tables.py`), derived from it, and the cosignatures of witnesses."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_FACETS = ("kind", "institution", "purpose", "verdict", "code", "treatment")


def upgrade() -> None:
    """Create the tables; the index follows the log from its first entry on."""
    op.create_table(
        "audit_groups",
        sa.Column("id", _Big, primary_key=True),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in _FACETS),
        sa.Column("cost_from", _Big, nullable=False),
        sa.Column("cost_to", _Big, nullable=False),
        sa.Column("entries", _Big, nullable=False),
    )
    op.create_table(
        "audit_group_datasets",
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("group_id", _Big, nullable=False),
        sa.PrimaryKeyConstraint("dataset", "group_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("audit_datasets_by_group", "audit_group_datasets", ["group_id"])
    op.create_table(
        "audit_blocks",
        sa.Column("block", _Big, nullable=False),
        sa.Column("group_id", _Big, nullable=False),
        sa.Column("entries", _Big, nullable=False),
        sa.PrimaryKeyConstraint("block", "group_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("audit_blocks_by_group", "audit_blocks", ["group_id", "block"])
    op.create_table(
        "audit_spans",
        sa.Column("block", _Big, primary_key=True, autoincrement=False),
        sa.Column("earliest", sa.Text, nullable=False),
        sa.Column("latest", sa.Text, nullable=False),
    )
    op.create_table(
        "audit_rows",
        sa.Column("entry", _Big, primary_key=True, autoincrement=False),
        sa.Column("group_id", _Big, nullable=False),
        sa.Column("time", sa.Text, nullable=False),
        sa.Column("cost", _Big, nullable=False),
        sa.Column("about", _Big),
    )
    op.create_index("audit_rows_by_about", "audit_rows", ["about", "entry"])
    op.create_table(
        "audit_terms",
        sa.Column("id", _Big, primary_key=True),
        sa.Column("word", sa.Text, nullable=False, unique=True),
        sa.Column("entries", _Big, nullable=False),
    )
    op.create_table(
        "audit_words",
        sa.Column("term", _Big, nullable=False),
        sa.Column("entry", _Big, nullable=False),
        sa.PrimaryKeyConstraint("term", "entry"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "cosignatures",
        sa.Column("size", _Big, nullable=False),
        sa.Column("witness", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("line", sa.Text, nullable=False),
        sa.Column("signed", _Big, nullable=False),
        sa.PrimaryKeyConstraint("size", "witness", "key_id"),
    )
