"""The bank's twenty-five questions, as text; their one home is `policies/cases/queries.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from louver_sandbox.policy.testing import NamedQuery, load_queries

POLICIES = Path(__file__).parents[2] / "policies"

QUERIES: Mapping[str, NamedQuery] = load_queries(POLICIES / "cases" / "queries.yaml")
