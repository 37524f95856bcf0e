"""The append-only ledger of privacy loss (PRIVACY 6).

Each charge is booked three times: on the account of everybody together, which the lifetime cap stands on; on the
institution's; and on the institution's for the purpose. An account is one sum since the beginning, whatever windows
and parts policy speaks of; what was spent in a window is the sum now less the sum when the window opened. So nothing
is given back when a policy changes its windows, divides an allowance, or speaks of a new purpose.

Amounts are exact decimals of thirty digits. A charge is rounded up to them once, before it is compared, shown or
booked: fractions of unlike denominators would grow with every charge.

An account charges in the latest day it has ever used, so a clock set back opens no earlier window.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import Literal

from sqlalchemy import Connection, bindparam, insert, select

from louver_sandbox.obligations import PrivacyBalance, PrivacyCharge
from louver_sandbox.privacy.calendar import Period, of_day, opens, renewed, window
from louver_sandbox.privacy.cost import NOTHING, PrivacyCost, composed
from louver_sandbox.privacy.directed import rounded_up
from louver_sandbox.store import schema
from louver_sandbox.store.clock import rfc3339
from louver_sandbox.store.prepared import Prepared

EVERYBODY = "*"
"""Stands for all institutions together; no institution can be called so."""

ANY_PURPOSE = "*"
"""Stands for all purposes of an institution together; no purpose can be called so."""

PLACES = 30
"""Digits after the point of what is booked."""

Scope = Literal["question", "lifetime", "allowance", "purpose"]


@dataclass(frozen=True, slots=True)
class Account:
    """What a charge is booked on."""

    institution: str
    dataset: str
    unit: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Booking:
    """An account's latest charge: the Beijing day it counts in, its amount, and all that was spent with it."""

    account: Account
    sequence: int
    day: str
    cost: PrivacyCost
    spent: PrivacyCost


class Spent(Exception):
    """A charge does not fit; nothing of the request was charged.

    `scope` is the limit that it exceeds, `left` what would fit into that one, `refreshes_at` when it is fresh again.
    """

    def __init__(
        self,
        charge: PrivacyCharge,
        scope: Scope,
        needed: PrivacyCost,
        left: PrivacyCost,
        refreshes_at: datetime | None,
    ) -> None:
        super().__init__(f"a question on {charge.dataset} costs more than the {scope} has left")
        self.charge = charge
        self.scope: Scope = scope
        self.needed = needed
        self.left = left
        self.refreshes_at = refreshes_at


def booked(cost: PrivacyCost) -> PrivacyCost:
    """The amount that the ledger counts for a cost: the same, or more by less than 10^-30."""
    return PrivacyCost(rounded_up(cost.rho, PLACES), rounded_up(cost.delta, PLACES))


def charge(
    tx: Connection,
    charges: Sequence[PrivacyCharge],
    institution: str,
    now: datetime,
    *,
    request_id: str = "",
    dry: bool = False,
) -> tuple[PrivacyBalance, ...]:
    """Books all the charges or none (`dry`: only says what would be); one balance per dataset and kind of unit.

    Raises ``Spent`` before anything is written, so that the caller may log the refusal in the same transaction.
    """
    made: list[Booking] = []
    balances: list[PrivacyBalance] = []
    for one in composed_charges(charges):
        standing = _standings(tx, one, institution, now)
        left = _left(tx, one, standing)
        _check(one, left)
        balances.append(_balance(one, left))
        if one.cost != NOTHING:
            made += [_after(before, one.cost) for before in standing]
    if made and not dry:
        _INSERT.run(tx, *(_row(booking, now, request_id) for booking in made))
    return tuple(balances)


def standing(
    tx: Connection, charges: Sequence[PrivacyCharge], institution: str, now: datetime
) -> tuple[PrivacyBalance, ...]:
    """What is left of everything that a question would be charged to; it costs nothing."""
    return charge(tx, [replace(one, cost=NOTHING) for one in charges], institution, now, dry=True)


def audit(tx: Connection) -> tuple[str, ...]:
    """What is wrong with the ledger, account by account: gaps, totals that do not add up, days that go back."""
    problems: list[str] = []
    before: Booking | None = None
    for row in tx.execute(_ALL):
        found = booking_of(row[:10])
        if before is None or before.account != found.account:
            before = Booking(found.account, 0, "", NOTHING, NOTHING)
        follows = found.sequence == before.sequence + 1 and found.day >= before.day
        if not follows or found.spent != before.spent + found.cost:
            where = ", ".join((found.account.institution, found.account.dataset, found.account.unit))
            problems.append(
                f"{where}, {found.account.purpose}: charge {found.sequence} does not follow charge {before.sequence}"
            )
        before = found
    return tuple(problems)


def booking_of(columns: Sequence[object]) -> Booking:
    """A row's first ten columns as a booking. Raises ValueError for amounts that are none."""
    institution, dataset, unit, purpose, sequence, day, *amounts = columns
    rho, delta, spent_rho, spent_delta = (Fraction(str(amount)) for amount in amounts)
    account = Account(str(institution), str(dataset), str(unit), str(purpose))
    cost, spent = PrivacyCost(rho, delta), PrivacyCost(spent_rho, spent_delta)
    return Booking(account, int(str(sequence)), str(day), cost, spent)


def amount(value: Fraction) -> str:
    """An amount of the ledger as decimal text, exactly. Raises ValueError for one that has more digits."""
    units, rest = divmod(value * 10**PLACES, 1)
    if rest:
        raise ValueError("the ledger counts thirty digits after the point")
    whole, part = divmod(units, 10**PLACES)
    return f"{whole}.{part:0{PLACES}d}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True)
class _Left:
    """What each limit has left before a charge, and when the window ends."""

    lifetime: PrivacyCost
    allowance: PrivacyCost
    part: PrivacyCost
    refreshes_at: datetime | None


def composed_charges(charges: Sequence[PrivacyCharge]) -> Iterator[PrivacyCharge]:
    """One charge for each dataset and kind of unit, in amounts of the ledger; what is parted adds up."""
    whole: dict[tuple[str, str], list[PrivacyCharge]] = {}
    for one in charges:
        if ANY_PURPOSE in (one.purpose, one.dataset):
            raise ValueError("a charge names its dataset and purpose")
        whole.setdefault((one.dataset, one.terms.unit.value), []).append(one)
    for parts in whole.values():
        if any((part.terms, part.purpose) != (parts[0].terms, parts[0].purpose) for part in parts):
            raise ValueError("one question has one purpose and one set of terms for a kind of unit of a dataset")
        yield replace(parts[0], cost=booked(composed(part.cost for part in parts)))


def _accounts(one: PrivacyCharge, institution: str) -> tuple[Account, Account, Account]:
    """Everybody's, the institution's, and the institution's for the purpose."""
    if institution == EVERYBODY:
        raise ValueError("nobody is called everybody")
    unit = one.terms.unit.value
    return (
        Account(EVERYBODY, one.dataset, unit, ANY_PURPOSE),
        Account(institution, one.dataset, unit, ANY_PURPOSE),
        Account(institution, one.dataset, unit, one.purpose),
    )


def _standings(tx: Connection, one: PrivacyCharge, institution: str, now: datetime) -> tuple[Booking, ...]:
    """The three accounts; a purpose is in the day of its institution, which whatever purpose charges moves on."""
    everybody, all_purposes, purpose = (_standing(tx, account, now) for account in _accounts(one, institution))
    return everybody, all_purposes, replace(purpose, day=all_purposes.day)


def _standing(tx: Connection, account: Account, now: datetime) -> Booking:
    """The account as it stands, in the day that a charge made now would count in."""
    today = window(Period.DAY, now)
    row = _LATEST.row(tx, _key(account))
    found = Booking(account, 0, today, NOTHING, NOTHING) if row is None else booking_of(row)
    return replace(found, day=max(found.day, today))


def _left(tx: Connection, one: PrivacyCharge, standing: Sequence[Booking]) -> _Left:
    everybody, institution, purpose = standing
    terms = one.terms
    named = of_day(terms.period, institution.day)
    allowance = _less(terms.allowance, _within(tx, institution, terms.period))
    part = allowance
    if terms.purposes:
        part = _less(terms.purposes.get(one.purpose, NOTHING), _within(tx, purpose, terms.period))
    return _Left(_less(terms.lifetime, everybody.spent), allowance, part, renewed(terms.period, named))


def _within(tx: Connection, standing: Booking, period: Period) -> PrivacyCost:
    """What the account has spent in the window that its day is in."""
    opened = opens(period, of_day(period, standing.day))
    if opened is None:
        return standing.spent
    row = _BEFORE.row(tx, _key(standing.account) | {"opened": opened.date().isoformat()})
    return standing.spent if row is None else _less(standing.spent, booking_of(row).spent)


def _check(one: PrivacyCharge, left: _Left) -> None:
    """Raises ``Spent`` for the limit that it would take longest to wait for.

    The cap of all institutions is looked at last where the institution's own limits have less left: a refusal says
    what is left, and beyond its own limits that would tell it what the others have spent.
    """
    own: tuple[tuple[Scope, PrivacyCost, datetime | None], ...] = (
        ("allowance", left.allowance, left.refreshes_at),
        ("purpose", left.part, left.refreshes_at),
    )
    everybody: tuple[Scope, PrivacyCost, datetime | None] = ("lifetime", left.lifetime, None)
    is_met_first = all(left.lifetime.within(limit) for _, limit, _ in own)
    ordered = (everybody, *own) if is_met_first else (*own, everybody)
    for scope, limit, refreshes_at in (("question", booked(one.terms.most), None), *ordered):
        if not one.cost.within(limit):
            raise Spent(one, scope, one.cost, limit, refreshes_at)


def _balance(one: PrivacyCharge, left: _Left) -> PrivacyBalance:
    return PrivacyBalance(
        one.dataset,
        one.terms.unit,
        one.purpose,
        one.cost,
        _less(left.lifetime, one.cost),
        _less(left.allowance, one.cost),
        _less(left.part, one.cost),
        left.refreshes_at,
        one.terms,
        one.delta,
    )


def _after(before: Booking, cost: PrivacyCost) -> Booking:
    return replace(before, sequence=before.sequence + 1, cost=cost, spent=before.spent + cost)


def _less(limit: PrivacyCost, spent: PrivacyCost) -> PrivacyCost:
    """What is left, never below nothing: a limit that policy has lowered below what was spent leaves nothing."""
    return PrivacyCost(max(Fraction(0), limit.rho - spent.rho), max(Fraction(0), limit.delta - spent.delta))


def _row(booking: Booking, now: datetime, request_id: str) -> dict[str, object]:
    return _key(booking.account) | {
        "sequence": booking.sequence,
        "day": booking.day,
        "rho": amount(booking.cost.rho),
        "delta": amount(booking.cost.delta),
        "spent_rho": amount(booking.spent.rho),
        "spent_delta": amount(booking.spent.delta),
        "request_id": request_id,
        "time": rfc3339(now),
    }


def _key(account: Account) -> dict[str, object]:
    return {
        "institution": account.institution,
        "dataset": account.dataset,
        "unit": account.unit,
        "purpose": account.purpose,
    }


_t = schema.privacy_ledger.c
_OF_ACCOUNT = (
    (_t.institution == bindparam("institution"))
    & (_t.dataset == bindparam("dataset"))
    & (_t.unit == bindparam("unit"))
    & (_t.purpose == bindparam("purpose"))
)
_BOOKING = select(*list(_t)[:10]).where(_OF_ACCOUNT)
_LATEST = Prepared(_BOOKING.order_by(_t.sequence.desc()).limit(1))
_BEFORE = Prepared(_BOOKING.where(_t.day < bindparam("opened")).order_by(_t.day.desc(), _t.sequence.desc()).limit(1))
_ALL = select(schema.privacy_ledger).order_by(*schema.privacy_ledger.primary_key.columns)
_INSERT = Prepared(insert(schema.privacy_ledger))
