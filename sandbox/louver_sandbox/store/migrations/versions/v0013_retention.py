"""What is left of pruned entries, a body that may be emptied where that is there, and counts by the day."""

import sqlalchemy as sa
from alembic import op

from louver_sandbox.store.migrations.append_only import forbid, permit

revision = "0013"
down_revision = "0012"

_Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_SAME = ('"index"', "kind", "time")
_DERIVED = tuple(
    f"audit_{name}" for name in ("words", "terms", "rows", "spans", "blocks", "group_datasets", "groups")
)
_WITHIN = (
    *(f"NEW.{name} = OLD.{name}" for name in _SAME),
    "(NEW.institution = OLD.institution OR (NEW.institution IS NULL AND OLD.institution IS NULL))",
    "NEW.request_id IS NULL",
    "length(NEW.body) = 0",
    'EXISTS (SELECT 1 FROM pruned WHERE entry = OLD."index")',
)
"""The one change of an entry that is allowed."""


def upgrade() -> None:
    """Create the tables, let entries be emptied that stand in one, and have what is searched by made anew."""
    op.create_table(
        "pruned",
        sa.Column("entry", _Big, sa.ForeignKey("entries.index"), primary_key=True, autoincrement=False),
        sa.Column("by", _Big, nullable=False),
        sa.Column("residue", sa.Text, nullable=False),
    )
    op.create_table(
        "audit_days",
        sa.Column("day", sa.Text, nullable=False),
        sa.Column("group_id", _Big, nullable=False),
        sa.Column("entries", _Big, nullable=False),
        sa.PrimaryKeyConstraint("day", "group_id"),
        sqlite_with_rowid=False,
    )
    for table in _DERIVED:
        op.execute(sa.delete(sa.table(table)))
    for verb in ("UPDATE", "DELETE"):
        forbid("pruned", verb)
    permit("entries", " AND ".join(_WITHIN))
