"""Thousands of answers to one question at once: a public key with thousands of values, each cell of which is a draw.

All cells have the same exact numbers, those that a worker finds of `PEOPLE`; what leaves of each cell has been through
plan, releaser and shape. True is what leaves when nothing is drawn.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from tests.support.private_worlds import DISTRICTS, MONEY, PERSON, executed, planned, rules
from tests.support.relations import Row, World, column, person, table
from tests.support.seeded_noise import SeededSampler, Silent

from louver_sandbox.algebra.types import INTEGER
from louver_sandbox.mechanisms.sampler import Sampler
from louver_sandbox.release.release import release
from louver_sandbox.stages import Execution

DRAWS = int(os.environ.get("LOUVER_INTERVAL_DRAWS", "0"))
"""Of every kind, by command; without it as many as each kind is tried with."""
PEOPLE = 600
RHO = Fraction(1, 50)


def described(people: Sequence[Row] = ()) -> World:
    """`gov.account`: persons with a cell, a district of three, an age and an amount."""
    amount = column("amount", MONEY, bounds=(Decimal(0), Decimal(100)))
    age = column("age", INTEGER, bounds=(Decimal(0), Decimal(127)))
    district = replace(column("district", nullable=False), domain=DISTRICTS)
    of_persons = table(
        "gov.account",
        [column("person_id", nullable=False), column("cell", INTEGER, nullable=False), district, amount, age],
        [person(rows_per_unit=1)],
    )
    return World((of_persons,), {of_persons.name: people})


PERSONS: list[Row] = [
    {
        "person_id": f"p{n}",
        "cell": 0,
        "district": DISTRICTS[n % 3],
        "amount": Decimal(n * 37 % 100),
        "age": 20 + n * 7 % 50,
    }
    for n in range(PEOPLE)
]


@dataclass(frozen=True)
class Seen:
    """How many answers there were, in how many the interval held the true value; the median width, and the width of
    the middle 95 % of the released values."""

    draws: int
    held: int
    width: float
    ideal: float


def seen(select: str, draws: int, *, rho: Fraction = RHO, totals: bool = False) -> Seen:
    """Many answers of what is selected as x, of each value of the key by itself; `totals` adds three districts up."""
    wanted, rows = DRAWS or draws, list[tuple[object, str, str]]()
    execution = copied(select, rho, totals, min(wanted, 2_500))
    true = shown(execution, Silent(), totals)[0][0]
    while len(rows) < wanted:
        rows += shown(execution, SeededSampler(20_261_122 + len(rows)), totals)
    return counted(rows, float(str(true)))


def counted(rows: Sequence[tuple[object, str, str]], true: float) -> Seen:
    """What is seen of answers: the value and the ends of each."""
    slack = 1e-9 * max(1.0, abs(true))
    ends = [(float(low), float(high)) for _, low, high in rows if low]
    held = sum(low - slack <= true <= high + slack for low, high in ends) + len(rows) - len(ends)
    widths = sorted(high - low for low, high in ends)
    values = sorted(float(str(value)) for value, _, _ in rows)
    middle = len(values) // 40
    return Seen(len(rows), held, widths[len(widths) // 2], values[-middle - 1] - values[middle])


def shown(execution: Execution, sampler: Sampler, totals: bool) -> list[tuple[object, str, str]]:
    """The column x and the ends of its interval, of totals alone where there are such."""
    found = release(execution, sampler=sampler)
    names = [one.name for one in found.columns]
    place, level = names.index("x"), names.index("level")
    (of,) = [one for one in found.accuracy if one.column == "x"]
    rows = zip(found.rows, of.low, of.high, strict=True)
    return [(row[place], low, high) for row, low, high in rows if row[level] == int(totals)]


@dataclass(frozen=True)
class Listed:
    """Of so many groups alike, how many a threshold listed, and how many of those with an interval that misses."""

    draws: int
    listed: int
    missed: int


def listed(select: str, draws: int, rho: Fraction) -> Listed:
    """Many groups of which only rows know the names, each of `PEOPLE`: seen are those that a threshold lists."""
    sql = f"SELECT cell, 0 AS level, {select} AS x FROM gov.account GROUP BY cell"
    plan = planned(described(), sql, (rules("gov.account", PERSON, rho=rho, groups=1),))
    of_one = executed(described(PERSONS), plan)
    rows = tuple(tuple((cell, *row[1:]) for cell in range(draws) for row in rows) for rows in of_one.rows)
    execution = replace(of_one, rows=rows)
    (true,) = {value for value, _, _ in shown(of_one_without_threshold(select), Silent(), False)}
    seen_ = shown(execution, SeededSampler(20_261_124), False)
    missed = sum(not float(low) <= float(str(true)) <= float(high) for _, low, high in seen_)
    return Listed(draws, len(seen_), missed)


def of_one_without_threshold(select: str) -> Execution:
    """One group whose name is public."""
    return copied(select, RHO, False, 1)


def copied(select: str, rho: Fraction, totals: bool, cells: int) -> Execution:
    """What a worker says of the people in cell 0, as if every cell had the same."""
    groups, level = ("GROUPING SETS ((cell, district), (cell))", "grouping(district)") if totals else ("cell", "0")
    sql = (
        f"SELECT cell, {level} AS level, {select} AS x FROM gov.account WHERE cell BETWEEN 0 AND {cells - 1} "
        f"GROUP BY {groups}"
    )
    plan = planned(described(), sql, (rules("gov.account", PERSON, rho=rho),))
    of_one = executed(described(PERSONS), plan)
    rows = tuple(tuple((cell, *row[1:]) for cell in range(cells) for row in rows) for rows in of_one.rows)
    return replace(of_one, rows=rows)
