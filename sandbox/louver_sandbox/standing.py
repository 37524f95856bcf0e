"""What a recorded authorisation says to a lookup, asked in the transaction that commits it (PRIVACY 8), and what has
used it.

A revocation that was recorded a moment before counts. Which reason it was stands in the log as a commitment alone.
Lookups and scorecards use one and the same authorisation up: a lookup by its request, a scorecard by its digest, so
that what is asked again is no second use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    bindparam,
    func,
    insert,
    select,
)

from louver_sandbox import consents, inquiries
from louver_sandbox.authorisations.decide import cover
from louver_sandbox.authorisations.model import Lookup, Requester
from louver_sandbox.lookups import LookupRules, Standing
from louver_sandbox.stages import Plan, Request
from louver_sandbox.store.prepared import Prepared

metadata = MetaData()

authorisation_uses = Table(
    "authorisation_uses",
    metadata,
    Column("authorisation", Text, nullable=False),
    Column("institution", Text, nullable=False),
    Column("used_for", Text, nullable=False),
    Column("time", Text, nullable=False),
    PrimaryKeyConstraint("authorisation", "institution", "used_for"),
)
"""What an authorisation has been used for: the id of a request, or the digest of a scorecard."""


def stand(tx: Connection, plan: Plan, request: Request, now: datetime) -> Standing:
    """Whether the authorisation that the plan names covers its subject now.

    What reads public columns alone needs none. A request that has used an authorisation before does not use it again.
    """
    rules = _rules(plan)
    if not rules.columns:
        return Standing(covered=True)
    found = consents.find(tx, rules.authorisation)
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
        used=uses(tx, rules.authorisation, request.subject.institution, but=inquiries.used_as(request.id)),
    )
    coverage = cover(lookup, found)
    expires = found.expires_on if found is not None and coverage.covered else None
    return Standing(coverage.covered, tuple(reason.value for reason in coverage.reasons), expires)


def use_by_lookup(tx: Connection, plan: Plan, request: Request, now: datetime) -> None:
    """Notes that the request uses its authorisation, which may be good for one (逐笔授权). All sections of a report
    are one use."""
    rules = _rules(plan)
    if rules.columns:
        use(tx, rules.authorisation, request.subject.institution, inquiries.used_as(request.id), now)


def note(tx: Connection, plan: Plan, request: Request, admission: int, now: datetime, *, covered: bool) -> None:
    """Keeps that the institution has asked about the subject, covered or not."""
    asked = request.subject.institution, request.id, request.purpose
    inquiries.note(tx, _rules(plan), asked, admission, now, covered=covered)


def uses(tx: Connection, authorisation: str, institution: str, but: str) -> int:
    """How often it has been used, for what the institution does now aside."""
    counted = _USES.row(tx, {"one": authorisation, "who": institution, "this": but})
    return 0 if counted is None else int(counted[0])


def use(tx: Connection, authorisation: str, institution: str, used_for: str, at: datetime) -> None:
    """Notes what uses it; once, however often it is asked again."""
    if _USED.row(tx, {"one": authorisation, "who": institution, "this": used_for}) is None:
        row = {"authorisation": authorisation, "institution": institution, "used_for": used_for}
        _USE.run(tx, {**row, "time": at.astimezone(UTC).isoformat()})


def used(tx: Connection, identities: Sequence[str]) -> Mapping[str, int]:
    """How often each of these has been used; those that never were are not in it."""
    query = select(_u.authorisation, func.count()).where(_u.authorisation.in_(identities)).group_by(_u.authorisation)
    return {identity: int(times) for identity, times in tx.execute(query)}


def of_authorisation(tx: Connection, identity: str) -> tuple[tuple[str, str], ...]:
    """What has used it, each the id of a request or the digest of a scorecard with the time, the oldest first."""
    query = select(_u.used_for, _u.time).where(_u.authorisation == identity).order_by(_u.time, _u.used_for)
    return tuple((row.used_for, row.time) for row in tx.execute(query))


def _rules(plan: Plan) -> LookupRules:
    if plan.lookup is None:
        raise ValueError("a plan that is no lookup")
    return plan.lookup.rules


_u = authorisation_uses.c
_one = _u.authorisation == bindparam("one")
_this = (_u.institution == bindparam("who")) & (_u.used_for == bindparam("this"))
_USES = Prepared(select(func.count()).select_from(authorisation_uses).where(_one, ~_this))
_USED = Prepared(select(_u.time).where(_one, _this))
_USE = Prepared(insert(authorisation_uses))
