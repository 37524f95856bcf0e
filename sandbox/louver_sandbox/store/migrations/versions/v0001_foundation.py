"""The foundation: log, tree, openings, heads, ledger, answers, health."""

import sqlalchemy as sa
from alembic import op

from louver_sandbox.store.migrations.append_only import forbid

revision = "0001"
down_revision = None

_Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ACCOUNT = ("institution", "dataset", "purpose", "kind", "period", "window")
_APPEND_ONLY = ("entries", "nodes", "heads", "ledger")


def upgrade() -> None:
    """Create the tables and the triggers that keep four of them append-only."""
    _create_log()
    _create_ledger()
    _create_answers()
    for table in _APPEND_ONLY:
        for verb in ("UPDATE", "DELETE"):
            forbid(table, verb)
    forbid("openings", "DELETE")


def _create_log() -> None:
    op.create_table(
        "entries",
        sa.Column("index", _Big, primary_key=True, autoincrement=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text),
        sa.Column("institution", sa.Text),
        sa.Column("time", sa.Text, nullable=False),
    )
    op.create_index("entries_by_request", "entries", ["request_id", "institution"])
    op.create_index("entries_by_institution", "entries", ["institution", "index"])
    op.create_index("entries_by_kind", "entries", ["kind", "index"])
    op.create_table(
        "nodes",
        sa.Column("id", _Big, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "openings",
        sa.Column("commitment", sa.Text, primary_key=True),
        sa.Column("field", sa.Text, nullable=False),
        sa.Column("salt", sa.LargeBinary),
        sa.Column("text", sa.Text),
        sa.Column("erased", sa.Text),
        sa.CheckConstraint(
            "(salt IS NULL) = (text IS NULL) AND (salt IS NULL) = (erased IS NOT NULL)", name="opening"
        ),
    )
    op.create_table(
        "heads",
        sa.Column("size", _Big, primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("note", sa.LargeBinary, nullable=False),
        sa.Column("time", sa.Text, nullable=False),
    )


def _create_ledger() -> None:
    op.create_table(
        "ledger",
        *(sa.Column(name, sa.Text, nullable=False) for name in _ACCOUNT),
        sa.Column("sequence", _Big, nullable=False),
        sa.Column("amount", _Big, nullable=False),
        sa.Column("spent", _Big, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.Column("time", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint(*_ACCOUNT, "sequence"),
        sa.UniqueConstraint(*_ACCOUNT, "key", name="ledger_key_once"),
        sa.CheckConstraint("sequence >= 1 AND amount >= 1 AND spent >= amount", name="ledger_grows"),
        sqlite_with_rowid=False,
    )
    op.create_index("ledger_by_request", "ledger", ["request_id"])


def _create_answers() -> None:
    op.create_table(
        "answers",
        sa.Column("institution", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("request_digest", sa.Text, nullable=False),
        sa.Column("question_digest", sa.Text, nullable=False),
        sa.Column("released", sa.LargeBinary, nullable=False),
        sa.Column("outcome_index", _Big, sa.ForeignKey("entries.index"), nullable=False),
        sa.Column("created", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("institution", "request_id"),
    )
    op.create_index("answers_by_question", "answers", ["question_digest", "institution", "outcome_index"])
    health = op.create_table(
        "health",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("beats", _Big, nullable=False),
    )
    op.bulk_insert(health, [{"id": 1, "beats": 0}])
