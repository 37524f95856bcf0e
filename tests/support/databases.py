"""The state store on each kind of database it can be on, for tests that hold for all of them."""

from __future__ import annotations

import os

import pytest
from tests.support import postgres

SQLITE, POSTGRESQL = "sqlite", "postgresql"
BOTH = (
    SQLITE,
    pytest.param(POSTGRESQL, marks=pytest.mark.skipif(bool(postgres.missing()), reason=postgres.missing())),
)
"""For every change: what is particular to databases."""
AT_LENGTH = BOTH if os.environ.get("LOUVER_SOAK") else (SQLITE,)
"""By command on both, else on SQLite alone: what rests on statements that others have tried on both."""
