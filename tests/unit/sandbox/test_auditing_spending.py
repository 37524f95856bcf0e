"""What auditors are told was spent is what was charged, added up by definition, however many charges there were."""

from __future__ import annotations

import random
from collections import defaultdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from louver_sandbox.accounting import privacy
from louver_sandbox.auditing.spending import Accounts, Spent, spent
from louver_sandbox.store import State, schema

BANKS, TABLES, PURPOSES = ("bank_a", "bank_b", "*"), ("gov.t", "gov.u", "gov.v w"), ("P", "*")
Charge = tuple[tuple[str, str, str, str], str, Fraction]


def charges(seed: int, number: int) -> list[Charge]:
    """Charges in the order of their days, of access budget and of privacy loss."""
    draw = random.Random(seed)
    days = sorted(f"2026-{draw.randrange(1, 4):02}-{draw.randrange(1, 29):02}" for _ in range(number))
    made: list[Charge] = []
    for day in days:
        kind = draw.choice(("query", "predicate", "privacy:person", "privacy:enterprise"))
        amount = Fraction(draw.randrange(1, 9), 8) if kind.startswith("privacy") else Fraction(draw.randrange(1, 5))
        made.append(((draw.choice(BANKS), draw.choice(TABLES), draw.choice(PURPOSES), kind), day, amount))
    return made


def fill(state: State, made: list[Charge]) -> None:
    """The charges as the ledgers keep them: with running totals, those of access budgets in each window."""
    access: list[dict[str, Any]] = []
    losses: list[dict[str, Any]] = []
    totals: dict[Any, list[Fraction]] = defaultdict(lambda: [Fraction(0), Fraction(0)])
    for (institution, dataset, purpose, kind), day, amount in made:
        same = {"institution": institution, "dataset": dataset, "purpose": purpose, "time": day, "request_id": "r"}
        of = (institution, dataset, purpose, kind)
        for period, window in (("day", day), ("month", day[:7]), ("lifetime", "always")):
            number = totals[of, window]
            number[0], number[1] = number[0] + 1, number[1] + amount
            row = {**same, "sequence": int(number[0])}
            if not kind.startswith("privacy"):
                more = {"kind": kind, "period": period, "window": window}
                access.append({**row, **more, "amount": int(amount), "spent": int(number[1])})
            elif period == "lifetime":
                told = {"unit": kind.partition(":")[2], "day": day, "rho": privacy.amount(amount)}
                losses.append(
                    {**row, **told, "delta": "0", "spent_rho": privacy.amount(number[1]), "spent_delta": "0"}
                )
    with state.transaction() as tx:
        for table, rows in ((schema.ledger, access), (schema.privacy_ledger, losses)):
            if rows:
                tx.execute(insert(table), rows)


def by_definition(made: list[Charge], of: Accounts) -> set[Spent]:
    found: dict[Any, list[tuple[str, Fraction]]] = defaultdict(list)
    for account, day, amount in made:
        found[account].append((day, amount))
    told = set()
    for (institution, dataset, purpose, kind), each in found.items():
        if of.institution not in ("", institution) or of.dataset not in ("", dataset) or of.kind not in ("", kind):
            continue
        for day in {day for day, _ in each}:
            if day < of.since or (of.until and day >= of.until):
                continue
            today = [amount for at, amount in each if at == day]
            until = sum((amount for at, amount in each if at <= day), Fraction(0))
            say = privacy.amount if kind.startswith("privacy") else str
            told.add(
                Spent(institution, dataset, purpose, kind, day, say(sum(today, Fraction(0))), say(until), len(today))
            )
    return told


FILTERS = (
    Accounts(), Accounts(institution="bank_a"), Accounts(dataset="gov.u", kind="query"), Accounts(kind="privacy:person"),
    Accounts(since="2026-02-01"), Accounts("*", since="2026-01-10", until="2026-02-10"), Accounts("nobody"),
)  # fmt: skip


@pytest.mark.parametrize("number", [0, 1, 300])
def test_days_are_what_was_charged_on_them(tmp_path: Path, number: int) -> None:
    made = charges(3, number)
    with State.open(tmp_path / "state.db") as state:
        fill(state, made)
        with state.reading() as tx:
            for of in FILTERS:
                found = list(spent(tx, of))
                assert set(found) == by_definition(made, of), of
                assert len(found) == len(set(found))
                keys = [(one.kind.startswith("privacy"), one.institution, one.dataset) for one in found]
                assert keys == sorted(keys)


def test_the_work_goes_with_days_and_not_with_charges(tmp_path: Path) -> None:
    """SQLite's own count of steps: twenty times the charges on the same days take hardly more of them."""

    def steps(number: int) -> int:
        path = tmp_path / f"{number}.db"
        made = [
            (("b", "t", "P", "query"), f"2026-01-{day:02}", Fraction(1))
            for day in range(1, 29)
            for _ in range(number)
        ]
        with State.open(path) as state:
            fill(state, made + [(("b", "t", "P", "privacy:person"), day, amount) for _, day, amount in made])
            taken = [0]

            def one() -> int:
                taken[0] += 1
                return 0

            with state.reading() as tx:
                raw = tx.connection.driver_connection
                assert raw is not None
                raw.set_progress_handler(one, 100)
                assert len(list(spent(tx, Accounts()))) == 56
                raw.set_progress_handler(None, 0)
        return taken[0]

    few, many = steps(5), steps(100)
    assert many <= 2 * few + 5, (few, many)
