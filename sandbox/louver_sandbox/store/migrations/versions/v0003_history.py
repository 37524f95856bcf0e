"""What institutions have selected before (`accounting/history.py`)."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXTS = ("account", "version", "digest", "groups", "columns", "operands", "content", "request_id")


def upgrade() -> None:
    """Create the selections and the ranges of their operands."""
    op.create_table(
        "selections",
        sa.Column("id", _Big, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in _TEXTS),
        sa.Column("admission", _Big, nullable=False),
        sa.Column("time", sa.Text, nullable=False),
        sa.Column("expires", sa.Text, nullable=False),
        sa.UniqueConstraint("account", "digest", "groups", "version", name="selection_once"),
    )
    op.create_index("selections_by_columns", "selections", ["account", "columns", "operands"])
    op.create_index("selections_by_expiry", "selections", ["account", "expires"])
    op.create_index("selections_by_request", "selections", ["request_id"])
    op.create_table(
        "selected_ranges",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("operand", sa.Text, nullable=False),
        sa.Column("pivot", sa.Integer, nullable=False),
        sa.Column("low", _Big, nullable=False),
        sa.Column("high", _Big, nullable=False),
        sa.Column("selection", _Big, nullable=False),
        sa.PrimaryKeyConstraint("account", "operand", "pivot", "low", "high", "selection"),
        sqlite_with_rowid=False,
    )
    op.create_index("ranges_by_selection", "selected_ranges", ["selection", "operand"])
