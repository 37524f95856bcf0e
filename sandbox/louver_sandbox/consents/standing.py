"""What a recorded authorisation says to a lookup, asked in the transaction that commits it (PRIVACY 8).

A revocation that was recorded a moment before counts. Which reason it was stands in the log as a commitment alone.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from louver_sandbox.authorisations.decide import cover
from louver_sandbox.authorisations.model import Lookup, Requester
from louver_sandbox.consents import registry
from louver_sandbox.lookups import LookupRules, Standing
from louver_sandbox.stages import Plan, Request


def stand(tx: Connection, plan: Plan, request: Request, now: datetime) -> Standing:
    """Whether the authorisation that the plan names covers its subject now.

    What reads public columns alone needs none. A request that has used an authorisation before does not use it again.
    """
    rules = _rules(plan)
    if not rules.columns:
        return Standing(covered=True)
    found = registry.find(tx, rules.authorisation)
    lookup = Lookup(
        unit=rules.unit,
        subject=rules.subject,
        institution=request.subject.institution,
        requester=Requester(request.subject.type.value),
        purpose=request.purpose,
        columns=rules.columns,
        sensitive=rules.sensitive,
        restricted=rules.restricted,
        at=now,
        used=registry.uses(tx, rules.authorisation, request.subject.institution, but=request.id),
    )
    coverage = cover(lookup, found)
    expires = found.expires_on if found is not None and coverage.covered else None
    return Standing(coverage.covered, tuple(reason.value for reason in coverage.reasons), expires)


def use(tx: Connection, plan: Plan, request: Request, now: datetime) -> None:
    """Notes that the request uses its authorisation, which may be good for one (逐笔授权)."""
    rules = _rules(plan)
    if rules.columns:
        registry.use(tx, rules.authorisation, request.subject.institution, request.id, now)


def _rules(plan: Plan) -> LookupRules:
    if plan.lookup is None:
        raise ValueError("a plan that is no lookup")
    return plan.lookup.rules
