"""What was spent, day by day, from the ledgers: access budget in units, privacy loss in exact decimals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from sqlalchemy import Column, ColumnElement, Connection, Table, TextClause, select, text

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
    for account in _accounts(tx, schema.ledger, ("institution", "dataset", "purpose", "kind"), of):
        institution, dataset, purpose, kind = account
        if of.kind not in ("", kind):
            continue
        named = dict(zip("abcd", account, strict=True))
        total = int(tx.execute(_BEFORE_ACCESS, named | {"since": "", "until": of.since}).scalar_one())
        for day, charges, amount in tx.execute(_DAYS_OF_ACCESS, named | _span(of)):
            total += int(amount)
            yield Spent(institution, dataset, purpose, kind, day, str(amount), str(total), int(charges))


def _privacy(tx: Connection, of: Accounts) -> Iterator[Spent]:
    for account in _accounts(tx, schema.privacy_ledger, ("institution", "dataset", "unit", "purpose"), of):
        institution, dataset, unit, purpose = account
        kind = f"privacy:{unit}"
        if of.kind not in ("", kind):
            continue
        named = dict(zip("abcd", account, strict=True))
        ended = tx.execute(_BEFORE_PRIVACY, named | {"until": of.since}).one_or_none()
        before, total = (0, Fraction(0)) if ended is None else (int(ended[0]), Fraction(ended[1]))
        for day, last, now in tx.execute(_DAYS_OF_PRIVACY, named | _span(of)):
            amount, charges, total, before = Fraction(now) - total, int(last) - before, Fraction(now), int(last)
            said = privacy.amount(amount), privacy.amount(total)
            yield Spent(institution, dataset, purpose, kind, day, *said, charges)


def _span(of: Accounts) -> dict[str, str]:
    """The wanted days; `~` is after all of them."""
    return {"since": of.since, "until": of.until or "~"}


def _accounts(tx: Connection, table: Table, names: Sequence[str], of: Accounts) -> Iterator[tuple[str, ...]]:
    """The accounts there are, in order: each found from the one before it by the key, not by reading charges."""
    columns = [table.c[name] for name in names]
    chosen = [table.c.institution == of.institution] if of.institution else []
    chosen += [table.c.dataset == of.dataset] if of.dataset else []
    first = select(*columns).order_by(*columns).limit(1)
    found = tx.execute(first.where(*chosen)).one_or_none()
    while found is not None:
        yield tuple(found)
        # One comparison of whole rows would say the same, and SQLite reads every charge of an account for it.
        further = (
            tx.execute(first.where(*_same(columns, found, depth), columns[depth] > found[depth], *chosen))
            for depth in reversed(range(len(columns)))
        )
        found = next((row for one in further if (row := one.one_or_none()) is not None), None)


def _same(columns: Sequence[Column[str]], found: Sequence[str], depth: int) -> list[ColumnElement[bool]]:
    return [column == value for column, value in zip(columns[:depth], found[:depth], strict=True)]


def _named(names: Sequence[str], more: str = "") -> str:
    return " AND ".join(f"l.{name} = :{place}" for name, place in zip(names, "abcd", strict=True)) + more


def _each_day(table: str, same: str, day: str) -> str:
    """The days of one account from one to before another, each found from the one before it. Ledgers keep running
    totals, so the last charge of a day says it all: the work goes with days, whatever was charged on them."""
    return (
        f"WITH RECURSIVE days(day) AS (SELECT min(l.{day}) FROM {table} l WHERE {same} AND l.{day} >= :since "  # noqa: S608 # names of ours
        f"AND l.{day} < :until UNION ALL SELECT (SELECT min(l.{day}) FROM {table} l WHERE {same} AND "
        f"l.{day} > days.day AND l.{day} < :until) FROM days WHERE days.day IS NOT NULL) "
    )


def _days(table: str, same: str, day: str, spent: str) -> TextClause:
    """Of each day, the number of its last charge and what was spent until then."""
    return text(
        _each_day(table, same, day) + ", ends(day, last) AS (SELECT day, "  # noqa: S608 # names of ours
        f"(SELECT max(l.sequence) FROM {table} l WHERE {same} AND l.{day} = days.day) FROM days "
        "WHERE day IS NOT NULL) "
        f"SELECT e.day, e.last, l.{spent} FROM ends e JOIN {table} l ON {same} AND l.{day} = e.day "
        "AND l.sequence = e.last ORDER BY e.day"
    )


_ACCESS = _named(("institution", "dataset", "purpose", "kind"), " AND l.period = 'day'")
_PRIVACY = _named(("institution", "dataset", "unit", "purpose"))
_DAYS_OF_ACCESS = _days("ledger", _ACCESS, '"window"', "spent")
_DAYS_OF_PRIVACY = _days("privacy_ledger", _PRIVACY, "day", "spent_rho")
_BEFORE_ACCESS = text(
    _each_day("ledger", _ACCESS, '"window"')  # noqa: S608 # names of ours
    + "SELECT coalesce(sum((SELECT l.spent FROM ledger l WHERE "
    + _ACCESS
    + ' AND l."window" = days.day ORDER BY l.sequence DESC LIMIT 1)), 0) FROM days WHERE day IS NOT NULL'
)
_BEFORE_PRIVACY = text(
    f"SELECT l.sequence, l.spent_rho FROM privacy_ledger l WHERE {_PRIVACY} AND l.day < :until "  # noqa: S608 # names of ours
    "ORDER BY l.day DESC, l.sequence DESC LIMIT 1"
)
