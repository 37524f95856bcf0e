"""What has used an authorisation (`standing.py`), with what scorecards have used until now."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the table, and move the uses into it that scores tell of."""
    op.create_table(
        "authorisation_uses",
        sa.Column("authorisation", sa.Text, nullable=False),
        sa.Column("institution", sa.Text, nullable=False),
        sa.Column("used_for", sa.Text, nullable=False),
        sa.Column("time", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("authorisation", "institution", "used_for"),
    )
    op.execute(
        "INSERT INTO authorisation_uses (authorisation, institution, used_for, time) "
        "SELECT DISTINCT authorisation, institution, model, '' FROM scores"
    )
