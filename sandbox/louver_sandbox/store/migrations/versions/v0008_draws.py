"""Noise that was drawn for sealed answers (`store.draws`)."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "draws",
        sa.Column("question_digest", sa.Text, nullable=False),
        sa.Column("institution", sa.Text, nullable=False),
        sa.Column("kept", sa.LargeBinary, nullable=False),
        sa.Column("outcome_index", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["outcome_index"], ["entries.index"]),
        sa.PrimaryKeyConstraint("question_digest", "institution"),
    )
