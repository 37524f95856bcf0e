"""What the authorisations of many subscriptions say at one moment: `standing` for a whole batch.

They are read in the transaction that logs the evaluation, and again in the one that keeps its flags: a revocation in
between counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select

from louver_sandbox import consents, standing
from louver_sandbox.authorisations.decide import cover
from louver_sandbox.authorisations.model import Authorisation, Lookup, Reason, Requester
from louver_sandbox.stages import Subject
from louver_sandbox.warning_plan import WarningPlan
from louver_sandbox.warnings.tables import Subscription, parts


def used_as(subscription: str) -> str:
    """What an authorisation is used by: a subscription is one use, however often it is evaluated."""
    return f"warning:{subscription}"


def reasons(
    tx: Connection, plan: WarningPlan, who: Subject, batch: Sequence[Subscription], now: datetime
) -> Mapping[str, tuple[Reason, ...]]:
    """Why each subscription is not covered now, by its id; nothing of one that is. What reads public columns alone
    needs no authorisation. Of those that share one that is good for fewer, the first have it."""
    if not plan.rules.columns:
        return {one.id: () for one in batch}
    names = sorted({one.authorisation for one in batch})
    held, used = _held(tx, names), _uses(tx, names, who.institution)
    found: dict[str, tuple[Reason, ...]] = {}
    for one in batch:
        uses = used.setdefault(one.authorisation, set())
        lookup = Lookup(
            unit=plan.rules.unit,
            subject=one.subject,
            institution=who.institution,
            requester=Requester(who.type.value),
            purpose=one.purpose,
            columns=plan.rules.columns,
            sensitive=plan.rules.sensitive,
            restricted=plan.rules.restricted,
            at=now,
            used=len(uses - {used_as(one.id)}),
        )
        found[one.id] = cover(lookup, held.get(one.authorisation)).reasons
        if not found[one.id]:
            uses.add(used_as(one.id))
    return found


def use(tx: Connection, plan: WarningPlan, who: Subject, covered: Sequence[Subscription], now: datetime) -> None:
    """Notes that these use their authorisations, each once however often it is evaluated."""
    if not plan.rules.columns:
        return
    used = _uses(tx, sorted({one.authorisation for one in covered}), who.institution)
    time = now.astimezone(UTC).isoformat()
    rows = [
        {
            "authorisation": one.authorisation,
            "institution": who.institution,
            "used_for": used_as(one.id),
            "time": time,
        }
        for one in covered
        if used_as(one.id) not in used.get(one.authorisation, ())
    ]
    if rows:
        tx.execute(insert(standing.authorisation_uses), rows)


def _held(tx: Connection, names: Sequence[str]) -> Mapping[str, Authorisation]:
    return {one.id: one for part in parts(names) for one in consents.find_all(tx, part)}


def _uses(tx: Connection, names: Sequence[str], institution: str) -> dict[str, set[str]]:
    """What the institution has used each of these for."""
    found: dict[str, set[str]] = {}
    for part in parts(names):
        query = select(_u.authorisation, _u.used_for).where(_u.authorisation.in_(part), _u.institution == institution)
        for authorisation, used_for in tx.execute(query):
            found.setdefault(authorisation, set()).add(used_for)
    return found


_u = standing.authorisation_uses.c
