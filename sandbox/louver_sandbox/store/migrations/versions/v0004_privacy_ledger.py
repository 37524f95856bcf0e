"""What questions have cost in differential privacy (`accounting/privacy.py`)."""

import sqlalchemy as sa
from alembic import op

from louver_sandbox.store.migrations.append_only import forbid

revision = "0004"
down_revision = "0003"

_Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ACCOUNT = ("institution", "dataset", "unit", "purpose")
_TEXTS = ("day", "rho", "delta", "spent_rho", "spent_delta", "request_id", "time")


def upgrade() -> None:
    """Create the table and the triggers that keep it append-only."""
    op.create_table(
        "privacy_ledger",
        *(sa.Column(name, sa.Text, nullable=False) for name in _ACCOUNT),
        sa.Column("sequence", _Big, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in _TEXTS),
        sa.PrimaryKeyConstraint(*_ACCOUNT, "sequence"),
        sa.CheckConstraint("sequence >= 1", name="privacy_ledger_grows"),
        sqlite_with_rowid=False,
    )
    op.create_index("privacy_ledger_by_day", "privacy_ledger", [*_ACCOUNT, "day", "sequence"])
    op.create_index("privacy_ledger_by_request", "privacy_ledger", ["request_id"])
    for verb in ("UPDATE", "DELETE"):
        forbid("privacy_ledger", verb)
