"""Recorded authorisations and their uses (`consents/registry.py`)."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "authorisations",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("grantee", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("granted_on", sa.Text, nullable=False),
        sa.Column("expires_on", sa.Text, nullable=False),
        sa.Column("evidence_sha256", sa.Text, nullable=False),
        sa.Column("single_consent", sa.Integer, nullable=False),
        sa.Column("adverse_notice", sa.Integer, nullable=False),
        sa.Column("uses", _Big),
        sa.Column("recorded", sa.Text, nullable=False),
        sa.Column("revoked_at", sa.Text),
        sa.Column("entry", _Big, nullable=False),
    )
    op.create_index("authorisations_by_grantee", "authorisations", ["grantee", "recorded"])
    op.create_index("authorisations_by_subject", "authorisations", ["unit", "subject"])
    op.create_table(
        "authorisation_uses",
        sa.Column("authorisation", sa.Text, nullable=False),
        sa.Column("institution", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("time", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("authorisation", "institution", "request_id"),
    )
