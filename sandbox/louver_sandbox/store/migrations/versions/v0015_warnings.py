"""Subscriptions to warnings, the notices that come of them, and where they are posted (`warnings/tables.py`)."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0013"


def upgrade() -> None:
    """Create the tables."""
    texts = (
        "institution",
        "template",
        "purpose",
        "unit",
        "subject",
        "authorisation",
        "until",
        "request_digest",
        "created",
    )
    op.create_table(
        "warning_subscriptions",
        sa.Column("id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        sa.Column("cancelled", sa.Text),
        sa.Column("evaluated", sa.Text),
        sa.Column("flags", sa.Text, nullable=False),
        sa.Column("entry", sa.BigInteger, nullable=False),
    )
    columns = ["institution", "template", "purpose", "entry"]
    op.create_index("warning_subscriptions_by_template", "warning_subscriptions", columns)
    op.create_index("warning_subscriptions_by_subject", "warning_subscriptions", ["unit", "subject", "institution"])
    op.create_table(
        "warning_notices",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("institution", sa.Text, nullable=False),
        sa.Column("subscription", sa.Text, nullable=False),
        sa.Column("needed", sa.Boolean, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("raised", "cleared", "as_of", "made")),
        sa.Column("entry", sa.BigInteger, nullable=False),
    )
    op.create_index("warning_notices_by_institution", "warning_notices", ["institution", "seq"])
    op.create_table(
        "warning_hooks",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("told", sa.Text, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("next_at", sa.Text, nullable=False),
        sa.Column("entry", sa.BigInteger, nullable=False),
    )
