"""Who asked about whom (`inquiries.py`), disputes and corrections, and the credit reports that were made."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables. Of lookups from before nothing is known here but what the log says."""
    texts = ("unit", "subject", "purpose", "template", "authorisation")
    op.create_table(
        "inquiries",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("request_id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        sa.Column("needed", sa.Integer, nullable=False),
        sa.Column("covered", sa.Integer, nullable=False),
        sa.Column("sources", sa.Text, nullable=False),
        sa.Column("admission", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("time", sa.Text, nullable=False),
    )
    op.create_index("inquiries_by_subject", "inquiries", ["unit", "subject", "admission"])
    _corrections()
    op.create_table(
        "disputes",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("institution", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("about", sa.Text, nullable=False),
        sa.Column("told", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("evidence_sha256", "received", "due")),
        sa.Column("settled", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text) for name in ("outcome", "answered_at", "correction")),
        sa.Column("entry", sa.BigInteger, nullable=False),
    )
    op.create_index("disputes_by_institution", "disputes", ["institution", "entry"])
    op.create_index("disputes_by_subject", "disputes", ["unit", "subject"])
    op.create_table(
        "reports",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("request_id", sa.Text, primary_key=True),
        sa.Column("request_digest", sa.Text, nullable=False),
        sa.Column("authorisation", sa.Text, nullable=False),
        sa.Column("needed", sa.Integer, nullable=False),
        sa.Column("told", sa.Integer, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("entry", sa.BigInteger, nullable=False),
    )


def _corrections() -> None:
    texts = ("unit", "subject", "about", "kind", "effective", "received", "due")
    op.create_table(
        "corrections",
        sa.Column("id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        sa.Column("settled", sa.Integer, nullable=False),
        sa.Column("entry", sa.BigInteger, nullable=False),
    )
    op.create_index("corrections_by_subject", "corrections", ["unit", "subject"])
    op.create_table(
        "correction_notices",
        sa.Column("correction", sa.Text, nullable=False),
        sa.Column("institution", sa.Text, nullable=False),
        sa.Column("requests", sa.Text, nullable=False),
        sa.Column("delivered_at", sa.Text),
        sa.PrimaryKeyConstraint("correction", "institution"),
    )
    op.create_index("correction_notices_by_institution", "correction_notices", ["institution", "correction"])
