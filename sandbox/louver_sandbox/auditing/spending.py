"""What was spent, day by day, from the ledgers: access budget in units, privacy loss in exact decimals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from sqlalchemy import ColumnElement, Connection, func, select

from louver_sandbox.accounting import privacy
from louver_sandbox.store import schema

MOST_LINES = 10_000
"""Lines of one answer."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What one account was charged on one Beijing day, and in all until its end.

    ``kind`` is of the access budget (query, predicate, ...), in units, or ``privacy:<unit>``, in rho. ``*`` stands
    for all institutions together, or for all purposes.
    """

    institution: str
    dataset: str
    purpose: str
    kind: str
    day: str
    amount: str
    total: str
    charges: int


@dataclass(frozen=True, slots=True)
class Accounts:
    """Which accounts, and from which day (inclusive) to which (exclusive); empty for all."""

    institution: str = ""
    dataset: str = ""
    kind: str = ""
    since: str = ""
    until: str = ""


def spent(tx: Connection, of: Accounts) -> Iterator[Spent]:
    """The days on which something was charged, account by account, by day; at most ``MOST_LINES``."""
    left = MOST_LINES
    for source in (_access(tx, of), _privacy(tx, of)):
        for line in source:
            if not left:
                return
            left -= 1
            yield line


def _access(tx: Connection, of: Accounts) -> Iterator[Spent]:
    """Every charge is booked by the day whatever other windows it counts in; cells, which no day renews, are not."""
    t = schema.ledger.c
    account = (t.institution, t.dataset, t.purpose, t.kind)
    query = (
        select(*account, t.window, func.sum(t.amount), func.count())
        .where(t.period == "day", *_chosen(of, t.institution, t.dataset))
        .group_by(*account, t.window)
        .order_by(*account, t.window)
    )
    if of.kind:
        query = query.where(t.kind == of.kind)
    last: tuple[str, ...] = ()
    total = 0
    for institution, dataset, purpose, kind, day, amount, charges in tx.execute(query):
        if (institution, dataset, purpose, kind) != last:
            last, total = (institution, dataset, purpose, kind), 0
        total += int(amount)
        if _within(of, day):
            yield Spent(institution, dataset, purpose, kind, day, str(amount), str(total), int(charges))


def _privacy(tx: Connection, of: Accounts) -> Iterator[Spent]:
    t = schema.privacy_ledger.c
    account = (t.institution, t.dataset, t.unit, t.purpose)
    ends = (
        select(*account, t.day, func.max(t.sequence).label("sequence"), func.count().label("charges"))
        .where(*_chosen(of, t.institution, t.dataset))
        .group_by(*account, t.day)
        .subquery()
    )
    same = [ends.c[column.name] == column for column in (*account, t.sequence)]
    query = select(*account, t.day, t.spent_rho, ends.c.charges).join(
        ends, same[0] & same[1] & same[2] & same[3] & same[4]
    )
    last: tuple[str, ...] = ()
    total = Fraction(0)
    for institution, dataset, unit, purpose, day, now, charges in tx.execute(query.order_by(*account, t.sequence)):
        kind = f"privacy:{unit}"
        if (institution, dataset, unit, purpose) != last:
            last, total = (institution, dataset, unit, purpose), Fraction(0)
        spent_now = Fraction(now)
        amount, total = spent_now - total, spent_now
        if _within(of, day) and of.kind in ("", kind):
            said = privacy.amount(amount), privacy.amount(total)
            yield Spent(institution, dataset, purpose, kind, day, *said, int(charges))


def _chosen(of: Accounts, institution: ColumnElement[str], dataset: ColumnElement[str]) -> list[ColumnElement[bool]]:
    wanted = [institution == of.institution] if of.institution else []
    return wanted + ([dataset == of.dataset] if of.dataset else [])


def _within(of: Accounts, day: str) -> bool:
    return of.since <= day and (not of.until or day < of.until)
