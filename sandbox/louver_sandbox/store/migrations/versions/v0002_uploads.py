"""The registry of the institutions' own tables (`uploads/registry.py`)."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_LIVE = sa.text("dropped IS NULL")


def upgrade() -> None:
    """Create the table and the index that keeps live names unique."""
    op.create_table(
        "uploads",
        sa.Column("id", _Big, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("institution", "name", "digest", "columns")),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("created", sa.Text, nullable=False),
        sa.Column("dropped", sa.Text),
    )
    op.create_index("uploads_by_institution", "uploads", ["institution", "name"])
    op.create_index(
        "uploads_live_name",
        "uploads",
        ["institution", "name"],
        unique=True,
        sqlite_where=_LIVE,
        postgresql_where=_LIVE,
    )
