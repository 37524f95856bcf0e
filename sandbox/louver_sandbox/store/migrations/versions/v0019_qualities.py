"""What is told of the quality of the data in snapshots (`store.qualities`)."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0015"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "qualities",
        sa.Column("snapshot", sa.Text, primary_key=True),
        sa.Column("table_name", sa.Text, nullable=False),
        sa.Column("data_version", sa.Text, nullable=False),
        sa.Column("told", sa.Text, nullable=False),
        sa.Column("entry", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["entry"], ["entries.index"]),
    )
    op.create_index("qualities_by_data", "qualities", ["table_name", "data_version"])
