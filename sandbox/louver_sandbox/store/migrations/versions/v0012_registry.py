"""The registry as it was logged, suspensions, requests for certificates, and requests for access."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0010"


def upgrade() -> None:
    """Create the tables. What is registered already is logged when the service next looks at it."""
    op.create_table(
        "registrations",
        sa.Column("institution", sa.Text, primary_key=True),
        sa.Column("said", sa.Text, nullable=False),
        sa.Column("entry", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "suspensions",
        sa.Column("id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("institution", "suspended_at", "suspended_by")),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("entry", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text) for name in ("resume_by", "resume_reason", "ended_at", "ended_by")),
    )
    op.create_index("suspensions_by_institution", "suspensions", ["institution", "ended_at"])
    op.create_table(
        "certificate_requests",
        sa.Column("id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("institution", "signer", "key_sha256")),
        sa.Column("request", sa.LargeBinary, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("requested", "state")),
        sa.Column("certificate", sa.LargeBinary),
        sa.Column("entry", sa.BigInteger, nullable=False),
    )
    op.create_index("certificate_requests_by_institution", "certificate_requests", ["institution", "entry"])
    op.create_index("certificate_requests_by_state", "certificate_requests", ["state", "entry"])
    _access_requests()


def _access_requests() -> None:
    asked = ("institution", "about", "columns", "purpose", "legal_basis", "reason", "statement", "department")
    op.create_table(
        "access_requests",
        sa.Column("id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in (*asked, "state", "received", "due")),
        sa.Column("settled", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("answer", "version", "officer")),
        sa.Column("decided_at", sa.Text),
        sa.Column("took", sa.Integer),
        sa.Column("entry", sa.BigInteger, nullable=False),
    )
    op.create_index("access_requests_by_institution", "access_requests", ["institution", "entry"])
    op.create_index("access_requests_by_department", "access_requests", ["department", "state", "due"])
