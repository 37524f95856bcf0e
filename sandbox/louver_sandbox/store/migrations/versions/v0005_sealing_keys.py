"""The institutions' Paillier keys (`sealing/registry.py`)."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "sealing_keys",
        sa.Column("id", _Big, primary_key=True),
        sa.Column("kid", sa.Text, nullable=False, unique=True),
        sa.Column("institution", sa.Text, nullable=False),
        sa.Column("modulus", sa.LargeBinary, nullable=False),
        sa.Column("registered", sa.Text, nullable=False),
        sa.Column("expires", sa.Text, nullable=False),
        sa.Column("entry", sa.BigInteger, nullable=False),
    )
    op.create_index("sealing_keys_by_institution", "sealing_keys", ["institution", "id"])
