"""Persons who are hit by their own authorisation: which of those that a match brings cover their subjects now.

A list that no statute makes public shows an entry of a person only to whom the person has allowed it (PRIVACY 7). The
authorisations are read in the transaction that charges, so a revocation a moment earlier counts. One that does not
cover anything keeps its place: neither size nor time nor charge tells it from a person who is not on the list.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from louver_sandbox import consents, standing
from louver_sandbox.audit import commitments
from louver_sandbox.audit.entries import Entry
from louver_sandbox.authorisations.decide import cover
from louver_sandbox.authorisations.model import Lookup, Requester
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.policy.matching import MatchAdmitted

MOST = 1_000
"""Authorisations of one match."""
DECISIONS = "authorisations"
"""The text behind a commitment in which an admission says what became of each."""
COVERED = "covered"

Decided = tuple[tuple[str, str | None, str], ...]
"""For each authorisation its id, its subject where it covers it, and the log's word for what it said."""


def decided(tx: Connection, admitted: MatchAdmitted, brought: Sequence[str], request: str, now: datetime) -> Decided:
    """What each authorisation says to this match now. Every look is made, whatever the others found."""
    return tuple(_decided(tx, admitted, identity, request, now) for identity in brought)


def still(tx: Connection, found: Decided, admission: Entry) -> Decided:
    """Those of a match that is tried again: covered now, and covered when it was admitted. An admission whose text
    was erased covers nobody."""
    told = commitments.find(tx, admission.commitments).get(DECISIONS)
    before = {} if told is None else dict(json.loads(told.text))
    return tuple((one, who if before.get(one) == COVERED else None, said) for one, who, said in found)


def used(tx: Connection, admitted: MatchAdmitted, found: Decided, request: str, now: datetime) -> None:
    """Notes that the match uses those that cover their subjects, which may be good for one use (逐笔授权)."""
    for identity, subject, _ in found:
        if subject is not None:
            standing.use(tx, identity, admitted.question.subject.institution, request, now)


def private(found: Decided) -> Mapping[str, str]:
    """What the log keeps behind a commitment, which no receipt tells."""
    return {DECISIONS: json.dumps([[identity, said] for identity, _, said in found])} if found else {}


def _decided(
    tx: Connection, admitted: MatchAdmitted, identity: str, request: str, now: datetime
) -> tuple[str, str | None, str]:
    asked, spec = admitted.question, admitted.spec
    held = consents.find(tx, identity)
    subject = "" if held is None else held.subject
    lookup = Lookup(
        unit=UnitType.PERSON,
        subject=subject,
        institution=asked.subject.institution,
        requester=Requester(asked.subject.type.value),
        purpose=asked.purpose,
        columns={str(spec.table): frozenset((spec.key, *spec.columns))},
        sensitive=admitted.sensitive,
        restricted=True,
        at=now,
        used=standing.uses(tx, identity, asked.subject.institution, but=request),
    )
    coverage = cover(lookup, held)
    return (identity, subject, COVERED) if coverage.covered else (identity, None, coverage.reasons[0].value)
