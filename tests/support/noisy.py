"""A small world whose policies ask for noise: firms with one row each, their quarterly returns, and their owners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from tests.support.relations import (
    Ran,
    Row,
    World,
    column,
    enterprise,
    person,
    question,
    record_key,
    run,
    table,
)

from louver_sandbox.algebra.types import BOOLEAN, INTEGER, Kind, Type
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.obligations import NoiseRules, RoundingKind, ThresholdRules
from louver_sandbox.perturbation.keys import COUNT, CellKey, Statistic, StatisticKind, UnitSet, cell_keys
from louver_sandbox.perturbation.keys import combined as combined_keys
from louver_sandbox.perturbation.magnitudes import Contributed
from louver_sandbox.perturbation.named import magnitudes_of, named

SECRET = bytes(range(32))
K = {UnitType.PERSON: 10, UnitType.ENTERPRISE: 5}
TABLES = {UnitType.PERSON: "persons", UnitType.ENTERPRISE: "enterprises"}
NONE = ThresholdRules(K)
NOISE = ThresholdRules(K, noise=NoiseRules(TABLES))
ROUNDED = ThresholdRules(K, noise=NoiseRules(TABLES, RoundingKind.RANDOM, 5))


def firm(number: int, section: str, *, arrears: bool = False, staff: int = 3, revenue: str = "10.00") -> Row:
    return {
        "uscc": f"F{number}",
        "section": section,
        "arrears": arrears,
        "staff": staff,
        "revenue": Decimal(revenue),
        "person_id": f"P{number // 2}",
        "share": number % 3 + 1,
    }


def sections(**sizes: int) -> list[Row]:
    """So many firms in each section, all alike."""
    names = [name for name, size in sizes.items() for _ in range(size)]
    return [firm(number, name) for number, name in enumerate(names)]


def world(firms: Sequence[Row], quarters: int = 4) -> World:
    """`gov.firm` has a row per firm, `gov.return` one per firm and quarter, `gov.owner` one per firm: a person may own
    several. Of shares of owners no bounds are declared."""
    money = Type(Kind.DECIMAL, 2)
    columns = [
        column("uscc", nullable=False),
        column("section"),
        column("arrears", BOOLEAN),
        column("staff", INTEGER, nullable=False, bounds=(Decimal(0), Decimal(20))),
        column("revenue", money, bounds=(Decimal(0), Decimal(50))),
    ]
    firm_table = table("gov.firm", columns, [enterprise("uscc", rows_per_unit=1)])
    returns = table("gov.return", [*columns, column("quarter", INTEGER)], [enterprise("uscc", rows_per_unit=4)])
    owners = table(
        "gov.owner",
        [
            column("uscc", nullable=False),
            column("person_id", nullable=False),
            column("share", INTEGER, nullable=False),
        ],
        [enterprise("uscc", rows_per_unit=1), person("person_id")],
    )
    quarterly = [{**row, "quarter": quarter} for row in firms for quarter in range(quarters)]
    return World((firm_table, returns, owners), {firm_table.name: firms, returns.name: quarterly, owners.name: firms})


def ask(
    sql: str, firms: Sequence[Row], rules: ThresholdRules = NOISE, secret: bytes | None = SECRET, quarters: int = 4
) -> Ran:
    """The question, answered under these rules."""
    made = world(firms, quarters)
    return run(made, question(made, sql, rules=rules), secret)


def key_of(units: Sequence[str], type_: UnitType = UnitType.ENTERPRISE, secret: bytes = SECRET) -> CellKey:
    """The cell key of a count over these units, from nothing but them."""
    keys = [key for unit in units if (key := record_key(unit)) is not None]
    return cell_keys(secret, COUNT)([UnitSet(type_, len(keys), combined_keys(keys))])


def count_of(units: Sequence[str], type_: UnitType = UnitType.ENTERPRISE, secret: bytes = SECRET) -> int:
    """The perturbed number of these units, by definition."""
    return named(TABLES[type_]).perturbed(len(units), key_of(units, type_, secret).noise())


SUMS = replace(NOISE, noise=NoiseRules(TABLES, share=Decimal(2)))


def sum_of(amounts: Mapping[str, int], of: str, secret: bytes = SECRET) -> int:
    """The perturbed sum of what each firm adds, in smallest units, by definition."""
    total, sizes = sum(amounts.values()), sorted(map(abs, amounts.values()), reverse=True)
    keys = [key for unit, amount in amounts.items() if amount and (key := record_key(unit)) is not None]
    statistic = Statistic(StatisticKind.MAGNITUDE, f"{of} = {total} by {sizes[0]} {sizes[1]}")
    cell_key = cell_keys(secret, statistic)([UnitSet(UnitType.ENTERPRISE, len(keys), combined_keys(keys))])
    return magnitudes_of(Decimal(2)).perturbed(total, Contributed(tuple(sizes[:2]), sum(sizes)), cell_key)
