"""The authorisations that institutions have recorded, and what has used them.

Every function takes a connection inside the caller's transaction. A row is never removed: a revocation notes its
time, once. The id is the platform's own and says nothing of anybody.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    func,
    insert,
    select,
    update,
)

from louver_sandbox.authorisations.model import Authorisation
from louver_sandbox.catalog.model import UnitType

metadata = MetaData()

_Big = BigInteger().with_variant(Integer(), "sqlite")

authorisations = Table(
    "authorisations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("grantee", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("granted_on", Text, nullable=False),
    Column("expires_on", Text, nullable=False),
    Column("evidence_sha256", Text, nullable=False),
    Column("single_consent", Integer, nullable=False),
    Column("adverse_notice", Integer, nullable=False),
    Column("uses", _Big),
    Column("recorded", Text, nullable=False),
    Column("revoked_at", Text),
    Column("entry", _Big, nullable=False),
    Index("authorisations_by_grantee", "grantee", "recorded"),
    Index("authorisations_by_subject", "unit", "subject"),
)
"""Consents. ``scope`` is JSON: datasets, each with its columns or null for all; ``entry`` is the log's about it."""

authorisation_uses = Table(
    "authorisation_uses",
    metadata,
    Column("authorisation", Text, nullable=False),
    Column("institution", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("time", Text, nullable=False),
    PrimaryKeyConstraint("authorisation", "institution", "request_id"),
)
"""Which requests an authorisation has been used for."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An authorisation with when it was recorded and the log's entry about it."""

    authorisation: Authorisation
    recorded: datetime
    entry: int
    used: int = 0


def add(tx: Connection, made: Authorisation, recorded: datetime, entry: int) -> None:
    """Keeps an authorisation."""
    scope = {name: None if columns is None else sorted(columns) for name, columns in sorted(made.scope.items())}
    tx.execute(
        insert(authorisations).values(
            id=made.id,
            grantee=made.grantee,
            unit=made.unit.value,
            subject=made.subject,
            purpose=made.purpose,
            scope=json.dumps(scope),
            granted_on=made.granted_on.isoformat(),
            expires_on=made.expires_on.isoformat(),
            evidence_sha256=made.evidence_sha256,
            single_consent=int(made.single_consent),
            adverse_notice=int(made.adverse_notice),
            uses=made.uses,
            recorded=_text(recorded),
            entry=entry,
        )
    )


def find(tx: Connection, identifier: str) -> Authorisation | None:
    """The authorisation of that id, whoever's it is."""
    row = tx.execute(select(*_COLUMNS).where(_a.id == identifier)).one_or_none()
    return None if row is None else _authorisation(*tuple(row))


def of_grantee(tx: Connection, grantee: str, most: int) -> tuple[Recorded, ...]:
    """The newest that an institution has recorded, with how often each was used."""
    used = select(func.count()).where(_u.authorisation == _a.id).scalar_subquery()
    query = (
        select(*_COLUMNS, _a.recorded, _a.entry, used)
        .where(_a.grantee == grantee)
        .order_by(_a.recorded.desc(), _a.id)
        .limit(most)
    )
    return tuple(_recorded(tuple(row)) for row in tx.execute(query))


def revoke(tx: Connection, identifier: str, grantee: str, at: datetime) -> bool:
    """Makes it void from a moment on; whether there was a live one of that institution."""
    live = (_a.id == identifier) & (_a.grantee == grantee) & _a.revoked_at.is_(None)
    return tx.execute(update(authorisations).where(live).values(revoked_at=_text(at))).rowcount == 1


def uses(tx: Connection, identifier: str, institution: str, but: str) -> int:
    """How many requests have used it, this one aside."""
    other = (_u.authorisation == identifier) & ~((_u.institution == institution) & (_u.request_id == but))
    return tx.execute(select(func.count()).select_from(authorisation_uses).where(other)).scalar_one()


def use(tx: Connection, identifier: str, institution: str, request_id: str, at: datetime) -> None:
    """Notes that a request uses it; once, however often it is retried."""
    this = (_u.authorisation == identifier) & (_u.institution == institution) & (_u.request_id == request_id)
    if tx.execute(select(_u.time).where(this)).one_or_none() is None:
        tx.execute(
            insert(authorisation_uses).values(
                authorisation=identifier, institution=institution, request_id=request_id, time=_text(at)
            )
        )


def _recorded(row: tuple[Any, ...]) -> Recorded:
    *held, recorded, entry, used = row
    return Recorded(_authorisation(*held), datetime.fromisoformat(recorded), entry, used)


def _authorisation(
    identifier: str,
    grantee: str,
    unit: str,
    subject: str,
    purpose: str,
    scope: str,
    granted_on: str,
    expires_on: str,
    evidence: str,
    single: int,
    adverse: int,
    most: int | None,
    revoked: str | None,
) -> Authorisation:
    return Authorisation(
        id=identifier,
        unit=UnitType(unit),
        subject=subject,
        grantee=grantee,
        purpose=purpose,
        scope={name: None if found is None else frozenset(found) for name, found in json.loads(scope).items()},
        granted_on=date.fromisoformat(granted_on),
        expires_on=date.fromisoformat(expires_on),
        evidence_sha256=evidence,
        single_consent=bool(single),
        adverse_notice=bool(adverse),
        revoked_at=None if revoked is None else datetime.fromisoformat(revoked),
        uses=most,
    )


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")


_a = authorisations.c
_u = authorisation_uses.c
_COLUMNS = (
    _a.id,
    _a.grantee,
    _a.unit,
    _a.subject,
    _a.purpose,
    _a.scope,
    _a.granted_on,
    _a.expires_on,
    _a.evidence_sha256,
    _a.single_consent,
    _a.adverse_notice,
    _a.uses,
    _a.revoked_at,
)
