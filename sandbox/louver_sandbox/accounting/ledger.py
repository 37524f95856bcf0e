"""The append-only ledger of access budgets.

An account is (institution, dataset, purpose, kind, period, window): so many queries a day, so many distinct
predicates a month. Charges are only ever added; nothing is changed, removed or given back, since a failed run
may have leaked. Each row carries the account's running total, so the last row is the balance.

Amounts are integers in the kind's smallest unit. ``queries`` and ``predicate`` count by one; a later kind that is
measured in epsilon brings a decimal scale of its own and is still added up without rounding.

Windows follow the calendar of Asia/Shanghai, UTC+8 without daylight saving time. A clock set back does not open
an earlier window again: an account charges in the latest window it has ever used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, insert, select

from louver_sandbox.privacy.calendar import BEIJING, renewed
from louver_sandbox.privacy.calendar import Period as Period
from louver_sandbox.privacy.calendar import window as window_of
from louver_sandbox.store import schema
from louver_sandbox.store.clock import rfc3339
from louver_sandbox.store.prepared import Prepared

QUERIES = "queries"
"""Kind of account that counts queries."""

PREDICATES = "predicate"
"""Kind of account that counts distinct predicates; its charges carry the predicate's digest as key."""

EVERYBODY = "*"
"""In an institution's place: what counts for all of them together. No institution has such a name."""

EVERY_PURPOSE = "*"
"""In a purpose's place: what counts for all of them together."""

SHANGHAI = BEIJING
"""The calendar of the windows."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a charge is booked on. ``window`` is ``2026-07-01``, ``2026-07``, ``2026`` or ``always``."""

    institution: str
    dataset: str
    purpose: str
    kind: str
    period: Period
    window: str


@dataclass(frozen=True, slots=True)
class Charge:
    """What a request costs. A charge with a ``key`` counts once per window, however often it comes."""

    institution: str
    dataset: str
    purpose: str
    kind: str = QUERIES
    amount: int = 1
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """What policy grants a requester for its purpose: ``amount`` of ``kind`` on ``dataset`` per period."""

    dataset: str
    kind: str
    period: Period
    amount: int


@dataclass(frozen=True, slots=True)
class Balance:
    """An account after a charge. ``refreshes_at`` is when a new window opens; None for never."""

    account: Account
    limit: int
    spent: int
    refreshes_at: datetime | None

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.spent)


class Exhausted(Exception):
    """A charge does not fit into an account; nothing of the request was charged."""

    def __init__(self, account: Account, limit: int, spent: int, refreshes_at: datetime | None) -> None:
        super().__init__(f"{spent} of {limit} {account.kind} spent in this {account.period}")
        self.account = account
        self.limit = limit
        self.spent = spent
        self.refreshes_at = refreshes_at


@dataclass(frozen=True, slots=True)
class _Booking:
    """One row to append, and the balance it leaves. ``amount`` 0 books nothing: the key was paid for before."""

    balance: Balance
    sequence: int
    amount: int
    key: str | None


def charge(
    tx: Connection,
    charges: Sequence[Charge],
    limits: Sequence[Limit],
    now: datetime,
    *,
    request_id: str | None = None,
) -> tuple[Balance, ...]:
    """Book all the charges or none, and return the accounts as they stand after.

    Every charge is booked on one account per period for which its dataset and kind have a limit. A charge
    without any limit is refused: a budget nobody granted is a budget of zero. Raises ``Exhausted`` before
    anything is written, so that the caller may log the refusal in the same transaction.
    """
    bookings = _plan(tx, charges, limits, now)
    rows = [_row(booking, now, request_id) for booking in bookings if booking.amount]
    if rows:
        _INSERT.run(tx, *rows)
    return tuple(booking.balance for booking in bookings)


def preview(tx: Connection, charges: Sequence[Charge], limits: Sequence[Limit], now: datetime) -> tuple[Balance, ...]:
    """What ``charge`` would return or raise, with nothing written."""
    return tuple(booking.balance for booking in _plan(tx, charges, limits, now))


def standing(
    tx: Connection, charges: Sequence[Charge], limits: Sequence[Limit], now: datetime
) -> tuple[Balance, ...]:
    """The accounts that ``charge`` would book on, as they are."""
    return tuple(
        _standing(tx, item, period, limit, now).balance
        for item in charges
        for period, limit in _strictest(item, limits).items()
    )


def balance(tx: Connection, account: Account) -> int:
    """What has been spent on the account, in the kind's smallest unit."""
    row = _SPENT.row(tx, _key(account) | {"window": account.window})
    return 0 if row is None else int(row[0])


def account_for(charge: Charge, period: Period, now: datetime) -> Account:
    """The account a charge made now belongs to, by the calendar alone."""
    window = window_of(period, now)
    return Account(charge.institution, charge.dataset, charge.purpose, charge.kind, period, window)


def audit(tx: Connection) -> tuple[str, ...]:
    """What is wrong with the ledger, account by account: gaps in the sequence or totals that do not add up."""
    problems: list[str] = []
    current: tuple[str, ...] = ()
    sequence = spent = 0
    for row in tx.execute(_ALL):
        account = tuple(row[:6])
        if account != current:
            current, sequence, spent = account, 0, 0
        if row.sequence != sequence + 1 or row.spent != spent + row.amount:
            problems.append(f"{', '.join(account)}: charge {row.sequence} does not follow charge {sequence}")
        sequence, spent = row.sequence, row.spent
    return tuple(problems)


def broken(tx: Connection) -> Iterator[str]:
    """Accounts with gaps or wrong totals, found without reading every charge; ``audit`` says where."""
    for row in tx.execute(_BROKEN):
        yield f"{', '.join(row[:6])}: {row.count} charges of {row.spent} do not add up"


def _plan(tx: Connection, charges: Sequence[Charge], limits: Sequence[Limit], now: datetime) -> list[_Booking]:
    """Decide about every charge before any is booked; several charges may meet on one account."""
    bookings: list[_Booking] = []
    latest: dict[Account, _Booking] = {}
    for item in charges:
        if item.amount < 1:
            raise ValueError("a charge is at least 1: nothing is ever given back")
        strictest = _strictest(item, limits)
        if not strictest:
            raise Exhausted(account_for(item, Period.LIFETIME, now), 0, 0, None)
        for period, limit in strictest.items():
            standing = _standing(tx, item, period, limit, now)
            standing = latest.get(standing.balance.account, standing)
            booked = _book(tx, item, standing, bookings)
            latest[booked.balance.account] = booked
            bookings.append(booked)
    return bookings


def _strictest(item: Charge, limits: Sequence[Limit]) -> dict[Period, int]:
    """The limits that apply; where several policies limit the same account, the strictest (PRIVACY 3)."""
    amounts: dict[Period, int] = {}
    for limit in limits:
        if (limit.dataset, limit.kind) == (item.dataset, item.kind):
            amounts[limit.period] = min(limit.amount, amounts.get(limit.period, limit.amount))
    return amounts


def _standing(tx: Connection, item: Charge, period: Period, limit: int, now: datetime) -> _Booking:
    """The account as the ledger has it, as a booking of nothing."""
    account = account_for(item, period, now)
    window, sequence, spent = _LATEST.row(tx, _key(account)) or ("", 0, 0)
    if window >= account.window:
        account = replace(account, window=window)
    else:
        sequence = spent = 0
    opens = renewed(period, account.window)
    return _Booking(Balance(account, limit, spent, opens), sequence, 0, None)


def _book(tx: Connection, item: Charge, standing: _Booking, earlier: Sequence[_Booking]) -> _Booking:
    before = standing.balance
    if item.key is not None and _is_paid(tx, before.account, item.key, earlier):
        return replace(standing, amount=0, key=None)
    if before.spent + item.amount > before.limit:
        raise Exhausted(before.account, before.limit, before.spent, before.refreshes_at)
    after = replace(before, spent=before.spent + item.amount)
    return _Booking(after, standing.sequence + 1, item.amount, item.key)


def _is_paid(tx: Connection, account: Account, key: str, earlier: Sequence[_Booking]) -> bool:
    if any(booking.key == key and booking.balance.account == account for booking in earlier):
        return True
    return _PAID.row(tx, _key(account) | {"window": account.window, "key": key}) is not None


def _row(booking: _Booking, now: datetime, request_id: str | None) -> dict[str, object]:
    account = booking.balance.account
    return _key(account) | {
        "window": account.window,
        "sequence": booking.sequence,
        "amount": booking.amount,
        "spent": booking.balance.spent,
        "key": booking.key,
        "request_id": request_id,
        "time": rfc3339(now),
    }


def _key(account: Account) -> dict[str, object]:
    return {
        "institution": account.institution,
        "dataset": account.dataset,
        "purpose": account.purpose,
        "kind": account.kind,
        "period": str(account.period),
    }


_t = schema.ledger.c
_OF_ACCOUNT = (
    (_t.institution == bindparam("institution"))
    & (_t.dataset == bindparam("dataset"))
    & (_t.purpose == bindparam("purpose"))
    & (_t.kind == bindparam("kind"))
    & (_t.period == bindparam("period"))
)
_OF_WINDOW = _t.window == bindparam("window")
_STANDING = select(_t.window, _t.sequence, _t.spent).where(_OF_ACCOUNT)
_LATEST = Prepared(_STANDING.order_by(_t.window.desc(), _t.sequence.desc()).limit(1))
_SPENT = Prepared(select(_t.spent).where(_OF_ACCOUNT, _OF_WINDOW).order_by(_t.sequence.desc()).limit(1))
_PAID = Prepared(select(_t.sequence).where(_OF_ACCOUNT, _OF_WINDOW, _t.key == bindparam("key")))
_ALL = select(schema.ledger).order_by(*schema.ledger.primary_key.columns)
_ACCOUNT = list(_t)[:6]
_BROKEN = (
    select(*_ACCOUNT, func.count().label("count"), func.max(_t.spent).label("spent"))
    .group_by(*_ACCOUNT)
    .having((func.count() != func.max(_t.sequence)) | (func.sum(_t.amount) != func.max(_t.spent)))
)
_INSERT = Prepared(insert(schema.ledger))
