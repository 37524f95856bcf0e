"""The audit of answers under differential privacy as they leave: many releases of two executions, one unit apart.

What an observer sees of a release is made one whole number, so that all that tells the two worlds apart is in its
size. The audit proves a least epsilon from how often numbers are large or small in either world.

`python -m tests.support.line_audit --draws 100000` prints what is proven of every case, `--case sum` of one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

from tests.support.privacy_audit import least_epsilon
from tests.support.private_worlds import (
    DISTRICTS,
    ENTERPRISE,
    MONTHS,
    PERSON,
    charged,
    executed,
    planned,
    rules,
    world,
)
from tests.support.private_worlds import without as left_out
from tests.support.relations import Row, World
from tests.support.seeded_noise import SeededSampler

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.privacy.conversion import epsilon_of
from louver_sandbox.private_core import PrivateRules
from louver_sandbox.release.release import release
from louver_sandbox.stages import Cell, Execution, Plan

Seen = Callable[[Sequence[tuple[Cell, ...]]], int]
"""What an observer makes of the rows of an answer."""

DELTA = Fraction(1, 100)
"""The delta of both what is charged and what is proven; far above that of thresholds."""

SMALLEST = Fraction(1, 100)
RARE = 99
"""A month of so few persons that its group is listed or not."""
ALONE = (
    rules("gov.pay", PERSON, rho=Fraction(1, 2), delta=Fraction(1, 200), rows=3),
    rules("gov.pay", ENTERPRISE, delta=Fraction(1, 200), exempt="employers publish their size"),
)
TWO = (rules("gov.pay", PERSON, rho=Fraction(1, 2)), rules("gov.pay", ENTERPRISE, rho=Fraction(1, 2), rows=4))


@dataclass(frozen=True)
class Audited:
    """A question, the unit that the worlds differ by, and what is looked at. `tight` is the part of the charged
    epsilon that 20,000 draws prove at least; it says that the audit sees something."""

    name: str
    sql: str
    seen: Seen
    rules: tuple[PrivateRules, ...] = ALONE
    unit: UnitType = PERSON
    who: str = "target"
    tight: float = 0.3
    monthly: bool = False
    """Persons are declared to have one row a month, and the target has ten in each of four."""


def added(column: int, smallest: Fraction, rows: Sequence[tuple[Cell, ...]]) -> int:
    """The sum of a column, in its smallest units."""
    return sum(int(Fraction(str(row[column])) / smallest) for row in rows if row[column] is not None)


def listed(key: Cell, rows: Sequence[tuple[Cell, ...]]) -> int:
    """Whether a group is there."""
    return int(any(row[0] == key for row in rows))


def least(column: int, smallest: Fraction, rows: Sequence[tuple[Cell, ...]]) -> int:
    """A single number, in its smallest units; a number that there is none of is far away."""
    ((*row,),) = rows
    return -(10**9) if row[column] is None else int(Fraction(str(row[column])) / smallest)


CASES: tuple[Audited, ...] = (
    Audited("count", "SELECT count(*) FROM gov.pay", partial(added, 0, Fraction(1))),
    Audited("units", "SELECT count(DISTINCT person_id) FROM gov.pay", partial(added, 0, Fraction(1))),
    Audited("sum", "SELECT sum(amount) FROM gov.pay", partial(added, 0, SMALLEST)),
    Audited("average", "SELECT avg(amount) FROM gov.pay", partial(least, 0, SMALLEST), tight=0.01),
    Audited("variance", "SELECT var_pop(amount) FROM gov.pay", partial(least, 0, SMALLEST), tight=0.01),
    Audited(
        "quantile",
        "SELECT quantile_disc(least(floor(greatest(amount, 0) / 10), 10)::INT, 0.9) FROM gov.pay",
        partial(added, 0, Fraction(1)),
        tight=0.01,
    ),
    Audited(
        "groups",
        "SELECT month, count(*) FROM gov.pay GROUP BY month",
        lambda rows: added(1, Fraction(1), [row for row in rows if row[0] == RARE]),
        tight=0.05,
    ),
    Audited(
        "months",
        f"SELECT month, count(*) FROM gov.pay WHERE month IN (1, 2, 3, {RARE}) GROUP BY month",
        partial(added, 1, Fraction(1)),
        monthly=True,
    ),
    Audited(
        "listing",
        f"SELECT uscc, count(*) FROM gov.pay WHERE month = {RARE} GROUP BY uscc",
        partial(listed, "employer"),
        tight=0.05,
    ),
    Audited(
        "sets",
        "SELECT district, count(*) FROM gov.pay GROUP BY ROLLUP (district)",
        lambda rows: added(1, Fraction(1), [row for row in rows if row[0] is None]),
        tight=0.05,
    ),
    Audited(
        "person of two", "SELECT count(*), sum(amount) FROM gov.pay", partial(added, 1, SMALLEST), TWO, tight=0.05
    ),
    Audited(
        "firm of two", "SELECT count(*) FROM gov.pay", partial(added, 0, Fraction(1)), TWO, ENTERPRISE, "employer"
    ),
)


def crowd(months: int, payer: str = "employer") -> list[Row]:
    """Twenty persons with one month each, a target with so many and far more pay than counts, and a firm that pays
    it."""
    rows: list[Row] = [
        {
            "person_id": f"p{n}",
            "uscc": "employer" if n < 8 else "other",
            "district": DISTRICTS[n % 3],
            "amount": 40 + n % 20,
            "month": RARE if n < 6 else 1,
        }
        for n in range(20)
    ]
    target = {"person_id": "target", "uscc": payer, "district": "d1", "amount": 10**6}
    return [*rows, *({**target, "month": RARE} for _ in range(months))]


def once_a_month(of: World) -> World:
    """The world with one row a month declared of persons, whatever they have."""
    _, pay, *_ = of.tables
    declared = replace(pay, units=(replace(pay.units[0], once_per=("month",)), *pay.units[1:]))
    return World(tuple(declared if one is pay else one for one in of.tables), of.rows)


def worlds(of: Audited) -> tuple[World, World]:
    """Without the unit, and with it. Where firms are clipped the target is paid by one of its own, for what is clipped
    away with the others' pay nobody can see."""
    if of.monthly:
        target = crowd(1)[-1]
        rows = [*crowd(0), *({**target, "month": month} for month in (1, 2, 3, RARE) for _ in range(10))]
        whole = once_a_month(world(rows))
        return left_out(whole, of.unit, of.who), whole
    two = of.rules == TWO
    whole = world(crowd(MONTHS if two else 10 * MONTHS, "own" if two and of.unit is PERSON else "employer"))
    return left_out(whole, of.unit, of.who), whole


def proven(of: Audited, draws: int, broken: Callable[[Plan], Plan] = lambda made: made) -> tuple[float, float]:
    """The least epsilon that the draws prove, and what is charged, both at `DELTA`."""
    absent, present = worlds(of)
    made = planned(present, of.sql, of.rules)
    cost = float(epsilon_of(charged(made, of.unit), DELTA))
    run = broken(made)
    seen = [
        looks(of.seen, executed(one, run), SeededSampler(seed), draws) for one, seed in ((absent, 1), (present, 2))
    ]
    return least_epsilon(seen[0], seen[1], float(DELTA)), cost


def looks(seen: Seen, execution: Execution, sampler: SeededSampler, draws: int) -> list[int]:
    """What an observer sees of so many releases of one execution."""
    return [seen(release(execution, sampler=sampler).rows) for _ in range(draws)]


def unclipped(made: Plan) -> Plan:
    """A clip that is broken: values far beyond their bounds count as they are, one by one and in a unit's total."""
    return _changed(made, [(f"CAST('{most}.00' AS", "CAST('99999999.00' AS") for most in (100, 300)])


def uncut(made: Plan) -> Plan:
    """A cut that is broken: all of a unit's rows count."""
    return _changed(made, [(", 3)", ", 3000)")])


def unnoised(made: Plan) -> Plan:
    """A partition that leaves as it is: no noise, and every group of one unit is listed."""
    cores = []
    for core in made.cores:
        if core.private is None:
            raise ValueError("a core without noise")
        silent = tuple(replace(one, scale=Fraction(1, 64)) for one in core.private.noisy)
        cores.append(replace(core, private=replace(core.private, noisy=silent, tau=min(1, core.private.tau))))
    return replace(made, cores=tuple(cores))


def _changed(made: Plan, pairs: Iterable[tuple[str, str]]) -> Plan:
    (core,) = made.cores
    text = core.statement
    for before, after in pairs:
        if before not in text:
            raise ValueError("nothing to break in this statement")
        text = text.replace(before, after)
    return replace(made, cores=(replace(core, statement=text),))


def main(arguments: Sequence[str]) -> None:
    """A line for each case as it is done: name, draws in each world, epsilon charged and proven, processor time."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--draws", type=int, default=1_000, help="releases of each of the two worlds")
    parser.add_argument("--case", choices=[one.name for one in CASES], help="this one alone")
    given = parser.parse_args(arguments)
    for of in CASES:
        if given.case in (None, of.name):
            begin = time.process_time()
            found, cost = proven(of, given.draws)
            seconds = time.process_time() - begin
            print(f"{of.name}  {given.draws}  {cost:.3f}  {found:.3f}  {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
