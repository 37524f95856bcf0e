"""One set of subjects, one number, whichever engine finds the set: what DuckDB's combined keys lead to is what the
oracle's rows do, which knows no statement, no snapshot and no combined key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest
from tests.support.noisy import SECRET, SUMS, firm, sum_of, world
from tests.support.relations import Row, question, record_key, run

from louver_sandbox.algebra.expressions import ColumnRef, Value
from louver_sandbox.algebra.relations import Aggregate, Scan, walk
from louver_sandbox.catalog.model import PrivacyUnit, UnitType
from louver_sandbox.engines import oracle
from louver_sandbox.obligations import RoundingKind
from louver_sandbox.perturbation.keys import COUNT, UnitSet, cell_keys, combined
from louver_sandbox.perturbation.named import named
from louver_sandbox.perturbation.rounding import Rounding, RoundingMode, rounded

assert SUMS.noise is not None
ROUNDED = replace(SUMS, noise=replace(SUMS.noise, rounding=RoundingKind.RANDOM, base=5))
FIRMS: list[Row] = [
    firm(number, "AB"[number % 2], arrears=number % 3 == 0, staff=number % 4, revenue=f"{10 + number % 7}.25")
    for number in range(40)
]
WORLD = world(FIRMS, quarters=2)


def units_of(scan: Scan, row: Mapping[str, Value]) -> dict[tuple[int, PrivacyUnit], Value]:
    return {(scan.id, unit): row[unit.column] for unit in WORLD.catalog.tables[scan.table].units}


def cells(sql: str) -> tuple[Aggregate, dict[Value, list[oracle.Row]]]:
    """The question's aggregate and, by the oracle, the rows of each of its cells."""
    relation = question(WORLD, sql, rules=ROUNDED).bound.relation
    (core,) = (node for node in walk(relation) if isinstance(node, Aggregate))
    found: dict[Value, list[oracle.Row]] = defaultdict(list)
    for row in oracle.evaluate(core.input, WORLD.rows, units_of):  # type: ignore[arg-type]  # values of a test
        found[oracle.value_of(core.keys[0].expression, row)].append(row)
    return core, found


def firms_of(row: oracle.Row) -> str:
    """The firm that a row belongs to, whichever of its tables declares it."""
    (name,) = {str(value) for (_, unit), value in row.units.items() if unit.type is UnitType.ENTERPRISE}
    return name


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT section, count(*) FROM gov.firm WHERE arrears OR staff > 1 GROUP BY section",
        "SELECT f.section, count(DISTINCT r.uscc) FROM gov.firm f JOIN gov.return r ON r.uscc = f.uscc "
        "WHERE r.quarter = 1 AND f.staff <> 2 GROUP BY f.section",
    ],
)
def test_a_count_has_the_noise_of_the_set_that_the_oracle_finds(sql: str) -> None:
    _, found = cells(sql)
    expected = set()
    for section, rows in found.items():
        units = {firms_of(row) for row in rows}
        keys = [key for unit in units if (key := record_key(unit)) is not None]
        cell_key = cell_keys(SECRET, COUNT)([UnitSet(UnitType.ENTERPRISE, len(keys), combined(keys))])
        noisy = named("enterprises").perturbed(len(keys), cell_key.noise())
        expected.add((section, rounded(noisy, Rounding(RoundingMode.RANDOM, 5), cell_key)))
    assert len(expected) == 2
    assert set(run(WORLD, question(WORLD, sql, rules=ROUNDED), SECRET).release.rows) == expected


def test_a_sum_has_the_noise_of_the_amounts_that_the_oracle_adds_up() -> None:
    sql = "SELECT section, sum(revenue) FROM gov.return WHERE staff > 0 GROUP BY section"
    core, found = cells(sql)
    call = core.measures[0].expression
    assert not isinstance(call, ColumnRef)
    expected = set()
    for section, rows in found.items():
        amounts: dict[str, int] = defaultdict(int)
        for row in rows:
            amounts[firms_of(row)] += int(Decimal(str(oracle.value_of(call.arguments[0], row))) * 100)  # type: ignore[union-attr]  # an aggregate call
        expected.add((section, Decimal(sum_of(amounts, "gov.return.revenue")) / 100))
    assert len(expected) == 2
    assert set(run(WORLD, question(WORLD, sql, rules=SUMS), SECRET).release.rows) == expected
