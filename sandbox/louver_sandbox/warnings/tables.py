"""Subscriptions, the notices that came of them, and where they are posted, as rows in the state store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    select,
)

from louver_sandbox.catalog.model import UnitType

metadata = MetaData()

subscriptions = Table(
    "warning_subscriptions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("institution", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("authorisation", Text, nullable=False),
    Column("until", Text, nullable=False),
    Column("request_digest", Text, nullable=False),
    Column("created", Text, nullable=False),
    Column("cancelled", Text),
    Column("evaluated", Text),
    Column("flags", Text, nullable=False),
    Column("entry", BigInteger, nullable=False),
    Index("warning_subscriptions_by_template", "institution", "template", "purpose", "entry"),
    Index("warning_subscriptions_by_subject", "unit", "subject", "institution"),
)
"""One subscription a row, under the id of the request that made it. ``until`` is its last day in Beijing,
``evaluated``
what data it was last evaluated on, ``flags`` a JSON list of those that were raised then; ``entry`` the log's about
it.
"""

notices = Table(
    "warning_notices",
    metadata,
    Column("seq", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("institution", Text, nullable=False),
    Column("subscription", Text, nullable=False),
    Column("needed", Boolean, nullable=False),
    Column("raised", Text, nullable=False),
    Column("cleared", Text, nullable=False),
    Column("as_of", Text, nullable=False),
    Column("made", Text, nullable=False),
    Column("entry", BigInteger, nullable=False),
    Index("warning_notices_by_institution", "institution", "seq"),
)
"""One change of flags a row. ``needed`` is whether it may be told under an authorisation alone, ``as_of`` JSON: the
day
of each table it was read from; ``entry`` is that of the evaluation. Nobody is told ``seq``: gaps in it would tell
what is kept back."""

hooks = Table(
    "warning_hooks",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("told", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("next_at", Text, nullable=False),
    Column("entry", BigInteger, nullable=False),
)
"""Where an institution has its notices posted: ``told`` is the last that it has taken, ``next_at`` when the next may
be tried."""

T = TypeVar("T")
_MOST_VARIABLES = 500


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription; `flags` are those that were raised when it was last evaluated."""

    id: str
    institution: str
    template: str
    purpose: str
    unit: UnitType
    subject: str = field(repr=False)
    authorisation: str
    until: date
    created: str
    cancelled: str | None
    flags: tuple[str, ...]
    entry: int


def subscription(row: Row[Any]) -> Subscription:
    """The row as a value."""
    return Subscription(
        id=row.id,
        institution=row.institution,
        template=row.template,
        purpose=row.purpose,
        unit=UnitType(row.unit),
        subject=row.subject,
        authorisation=row.authorisation,
        until=date.fromisoformat(row.until),
        created=row.created,
        cancelled=row.cancelled,
        flags=tuple(json.loads(row.flags)),
        entry=int(row.entry),
    )


def of_subject(tx: Connection, unit: UnitType, subject: str) -> tuple[Subscription, ...]:
    """Every subscription about a subject, the oldest first: for the subject's own access report."""
    this = (_s.unit == unit.value) & (_s.subject == subject)
    return tuple(map(subscription, tx.execute(select(subscriptions).where(this).order_by(_s.entry))))


def told_of(tx: Connection, identities: Sequence[str]) -> Mapping[str, int]:
    """How many changes of flags each of these subscriptions has brought."""
    found: dict[str, int] = {}
    for part in parts(identities):
        for (identity,) in tx.execute(select(notices.c.subscription).where(notices.c.subscription.in_(part))):
            found[identity] = found.get(identity, 0) + 1
    return found


def parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """The items in parts that one statement can name."""
    for start in range(0, len(items), _MOST_VARIABLES):
        yield items[start : start + _MOST_VARIABLES]


_s = subscriptions.c
