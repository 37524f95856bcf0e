"""The left half for a question that names a template: what officers wrote, and nothing of the caller's SQL."""

from __future__ import annotations

from louver_sandbox.catalog.model import Catalog
from louver_sandbox.plan.plan import plan
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.lookups import admit_call
from louver_sandbox.stages import Facts, Plan, Request


def judge_call(request: Request, catalog: Catalog, bundle: Bundle, facts: Facts) -> Plan:
    """Everything that is decided of a call without reading a row. Raises `Refused`."""
    admitted = admit_call(request, catalog, bundle, facts)
    return plan(admitted)
