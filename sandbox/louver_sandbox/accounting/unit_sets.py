"""The cap on released cells, on the ledger: for each data version of a dataset over all institutions together, and a
share of that for each institution (PRIVACY 5.6).

Both accounts last as long as the data version. A family of cells is paid for once on each: the same sets of units
again are nothing new to anybody who has them, and nothing new to all together once anybody has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from louver_sandbox.accounting import ledger
from louver_sandbox.obligations import CellCharge

EVERYBODY = "*"
"""Stands for all institutions together; no institution can be called so."""

ANY_PURPOSE = "*"
"""The cap asks for no purpose: what has left for one can be put beside what leaves for another."""

ALL_CELLS, OWN_CELLS = "cells", "cells_of_institution"
"""Kinds of account: released to all institutions together, and to one."""


@dataclass(frozen=True, slots=True)
class Cells:
    """One dataset after a charge: what the question has added, and what is left to its institution."""

    dataset: str
    added: int
    left: int


def cost(cells: Iterable[Cells]) -> Mapping[str, int]:
    """What a question has added, by dataset and kind."""
    return {f"{one.dataset} {ALL_CELLS}": one.added for one in cells}


def remaining(cells: Iterable[Cells]) -> Mapping[str, int]:
    """What is left, by dataset and kind."""
    return {f"{one.dataset} {ALL_CELLS}": one.left for one in cells}


class CellsSpent(Exception):
    """More cells than are left; nothing of the request was charged. `scope` is `institution` or `everybody`."""

    def __init__(self, charge: CellCharge, scope: str, needed: int, left: int, limit: int) -> None:
        super().__init__(f"{needed} cells of {charge.dataset} where {left} of {limit} are left")
        self.charge = charge
        self.scope = scope
        self.needed = needed
        self.left = left
        self.limit = limit


def charge(
    tx: Connection,
    charges: Sequence[CellCharge],
    institution: str,
    now: datetime,
    *,
    request_id: str | None = None,
    dry: bool = False,
) -> tuple[Cells, ...]:
    """Books all the charges or none (`dry`: only says what would be); one result per dataset. Raises CellsSpent."""
    items = [item for one in charges for item in _items(one, institution)]
    limits = [limit for one in charges for limit in _limits(one)]
    before = {_account(item, now): ledger.balance(tx, _account(item, now)) for item in items}
    try:
        if dry:
            booked = ledger.preview(tx, items, limits, now)
        else:
            booked = ledger.charge(tx, items, limits, now, request_id=request_id)
    except ledger.Exhausted as exhausted:
        raise _spent(exhausted, charges, before) from None
    after = {balance.account: balance for balance in booked}
    return tuple(_cells(dataset, after, before) for dataset in dict.fromkeys(map(_dataset, charges)))


def _dataset(one: CellCharge) -> str:
    """A dataset in one of its versions, as an account calls it."""
    return f"{one.dataset} {one.version}"


def _items(one: CellCharge, institution: str) -> Iterable[ledger.Charge]:
    for holder, kind in ((EVERYBODY, ALL_CELLS), (institution, OWN_CELLS)):
        yield ledger.Charge(holder, _dataset(one), ANY_PURPOSE, kind, one.cells, one.key)


def _limits(one: CellCharge) -> Iterable[ledger.Limit]:
    for kind, amount in ((ALL_CELLS, one.limit), (OWN_CELLS, one.share)):
        yield ledger.Limit(_dataset(one), kind, ledger.Period.LIFETIME, amount)


def _account(item: ledger.Charge, now: datetime) -> ledger.Account:
    return ledger.account_for(item, ledger.Period.LIFETIME, now)


def _spent(
    exhausted: ledger.Exhausted, charges: Sequence[CellCharge], before: dict[ledger.Account, int]
) -> CellsSpent:
    account = exhausted.account
    asked = [one for one in charges if _dataset(one) == account.dataset]
    left = max(0, exhausted.limit - before[account])
    scope = "everybody" if account.kind == ALL_CELLS else "institution"
    return CellsSpent(asked[0], scope, sum(one.cells for one in asked), left, exhausted.limit)


def _cells(dataset: str, after: dict[ledger.Account, ledger.Balance], before: dict[ledger.Account, int]) -> Cells:
    """What is left to an institution is the less of its share and of what is left to all."""
    mine = [balance for account, balance in after.items() if account.dataset == dataset]
    added = max(balance.spent - before[balance.account] for balance in mine)
    return Cells(dataset.partition(" ")[0], added, min(balance.remaining for balance in mine))
