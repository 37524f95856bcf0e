"""Authorisations (`consents.py`), models and scores (`scoring/registry.py`)."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "authorisations",
        sa.Column("id", sa.Text, primary_key=True),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in ("grantee", "unit", "subject", "purpose", "scope", "granted_on", "expires_on")
        ),
        sa.Column("evidence_sha256", sa.Text, nullable=False),
        sa.Column("single_consent", sa.Integer, nullable=False),
        sa.Column("adverse_notice", sa.Integer, nullable=False),
        sa.Column("uses", sa.Integer),
        sa.Column("revoked_at", sa.Text),
        sa.Column("entry", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "scorecards",
        sa.Column("id", _Big, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False, unique=True),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in ("institution", "model", "version", "feature_set", "feature_set_sha256", "kid")
        ),
        sa.Column("decimals", sa.Integer, nullable=False),
        sa.Column("rules_sha256", sa.Text, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("auditor", "quarter", "registered")),
        sa.Column("entry", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("institution", "model", "version", name="scorecard_once"),
    )
    op.create_table(
        "score_packs",
        sa.Column("id", _Big, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "scores",
        sa.Column("id", _Big, primary_key=True),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in ("model", "institution", "feature_set", "subject", "authorisation", "request_id")
        ),
        sa.Column("pack", sa.BigInteger),
        sa.Column("slot", sa.Integer),
        sa.UniqueConstraint("model", "subject", "authorisation", name="score_once"),
    )
    op.create_index("scores_by_subject", "scores", ["institution", "subject", "feature_set"])
    op.create_index("scores_by_authorisation", "scores", ["authorisation"])
