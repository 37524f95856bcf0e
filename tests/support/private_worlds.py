"""Small worlds of persons and employers for questions under differential privacy, and what their workers would say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from tests.support.relations import Row as StoredRow
from tests.support.relations import (
    World,
    column,
    committed,
    enterprise,
    person,
    question,
    readings,
    reply_to,
    snapshots,
    table,
)

from louver_sandbox.algebra.types import BOOLEAN, INTEGER, Kind, Type
from louver_sandbox.catalog.model import Column, SpaceKind, UnitType
from louver_sandbox.mechanisms.grid import joined
from louver_sandbox.mechanisms.ranks import BRANCHES
from louver_sandbox.mechanisms.sampler import Sampler
from louver_sandbox.obligations import Period, PrivacyTerms
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.verify import verify
from louver_sandbox.privacy.cost import PrivacyCost
from louver_sandbox.private_core import PrivateRanks, PrivateRules
from louver_sandbox.release.decode import decode
from louver_sandbox.release.release import release
from louver_sandbox.stages import Admitted, Execution, Plan, Release, Treatment

MONEY = Type(Kind.DECIMAL, 2)
DISTRICTS = ("d1", "d2", "d3")
MONTHS = 4
"""Rows a person has in `gov.pay` by declaration."""


def world(
    pay: Sequence[StoredRow] = (),
    persons: Sequence[StoredRow] = (),
    estates: Sequence[StoredRow] = (),
    loans: Sequence[StoredRow] = (),
    accounts: Sequence[StoredRow] = (),
) -> World:
    """`gov.account`: persons in one row each. `gov.pay`: persons in up to four rows, each with an employer.
    `gov.person`: one row each. `gov.estate`: of a person or of an enterprise, any number. `bank_a.loan`: the bank's."""
    district = replace(column("district"), domain=DISTRICTS)
    amount = column("amount", MONEY, bounds=(Decimal(0), Decimal(100)))
    area = column("area", Type(Kind.DOUBLE), bounds=(Decimal(-5), Decimal(20)), decimals=1)
    tables = (
        table("gov.account", [_who(), district, amount, column("age", INTEGER)], [person(rows_per_unit=1)]),
        table(
            "gov.pay",
            [_who(), column("uscc"), district, amount, column("month", INTEGER)],
            [person(rows_per_unit=MONTHS), enterprise()],
        ),
        table("gov.person", [_who(), column("sex", BOOLEAN), column("street")], [person(rows_per_unit=1)]),
        table(
            "gov.estate",
            [column("owner", nullable=False), column("kind"), district, area],
            [person("owner", when="kind=P"), enterprise("owner", when="kind=E")],
        ),
        table(
            "bank_a.loan",
            [column("id_no"), column("bad", BOOLEAN), column("mark", INTEGER)],
            space=SpaceKind.INSTITUTION,
        ),
    )
    rows = (accounts, pay, persons, estates, loans)
    return World(tables, {one.name: of for one, of in zip(tables, rows, strict=True)})


def _who() -> Column:
    return column("person_id", nullable=False)


def rules(
    dataset: str,
    unit: UnitType,
    *,
    rho: Fraction = Fraction(1, 4),
    delta: Fraction = Fraction(1, 10**6),
    groups: int = 2,
    rows: int | None = None,
    exempt: str = "",
) -> PrivateRules:
    """What a policy says of a dataset and a kind of unit."""
    each, whole = PrivacyCost(rho, delta), PrivacyCost(100 * rho, 100 * delta)
    terms = PrivacyTerms(unit, whole, whole, Period.MONTH, each)
    return PrivateRules(dataset, unit, None if exempt else terms, each, 2 * delta, groups, rows, exempt)


PERSON, ENTERPRISE = UnitType.PERSON, UnitType.ENTERPRISE
USUAL = (
    rules("gov.account", PERSON),
    rules("gov.pay", PERSON),
    rules("gov.pay", ENTERPRISE, exempt="employers publish their size"),
    rules("gov.person", PERSON),
    rules("gov.estate", PERSON, rows=3),
    rules("gov.estate", ENTERPRISE, rows=5),
)
BOTH = (*(one for one in USUAL if not one.exempt), rules("gov.pay", ENTERPRISE, rows=6))
"""The same with employers protected as well."""


def asked(of: World, sql: str, rules: Iterable[PrivateRules] = USUAL) -> Admitted:
    """The permit of a question under differential privacy."""
    return replace(question(of, sql), treatment=Treatment.DP, threshold=None, private=tuple(rules))


def executed(of: World, made: Plan) -> Execution:
    """What an honest worker says."""
    with snapshots(of, made) as connection:
        return decode(reply_to(connection, made), committed(made))


def planned(of: World, sql: str, rules: Iterable[PrivateRules] = USUAL) -> Plan:
    """The plan, read by the engine's parser as well."""
    made = plan(asked(of, sql, rules))
    verify(made, readings(made))
    return made


def answered(of: World, sql: str, sampler: Sampler, rules: Iterable[PrivateRules] = USUAL) -> Release:
    """The answer with noise from the sampler."""
    return release(executed(of, planned(of, sql, rules)), sampler=sampler)


Cells = dict[tuple[object, ...], tuple[int, ...]]


def cells(made: Plan, execution: Execution) -> list[Cells]:
    """The exact numbers of each noisy core, by the keys of their cells; those of a public domain alone where it is."""
    found: list[Cells] = []
    for core, rows in zip(made.cores, execution.rows, strict=True):
        if core.private is None or not core.private.noisy:
            continue
        keys = len(core.columns) - len(core.private.noisy)
        of = {row[:keys]: tuple(int(str(value)) for value in row[keys:]) for row in rows}
        domain = core.private.domain
        if domain is not None:
            of = {key: numbers for key, numbers in of.items() if all(map(_among, key, domain))}
        found.append(of)
    return found


def _among(value: object, domain: tuple[object, ...]) -> bool:
    return value in domain


def loss(made: Plan, first: Execution, second: Execution) -> Fraction:
    """The rho by which two executions of a plan can be told apart: for Gaussian noise of scale s on numbers that
    differ by x, the sum of x^2 / (2 s^2) (Bun and Steinke 2016, proposition 1.6)."""
    total = Fraction(0)
    noisy = [core.private.noisy for core in made.cores if core.private is not None and core.private.noisy]
    for columns, ours, theirs in zip(noisy, cells(made, first), cells(made, second), strict=True):
        nothing = (0,) * len(columns)
        for key in ours.keys() | theirs.keys():
            pairs = zip(columns, ours.get(key, nothing), theirs.get(key, nothing), strict=True)
            total += sum(
                (Fraction((one - other) ** 2) / (2 * column.scale**2) for column, one, other in pairs), Fraction(0)
            )
    return total + ranked_loss(made, first, second)


def without(of: World, unit: UnitType, who: str) -> World:
    """The world without one unit."""

    def is_theirs(name: str, row: StoredRow) -> bool:
        if unit is PERSON:
            return row.get("person_id") == who or (row.get("owner") == who and row.get("kind") == "P")
        return row.get("uscc") == who or (row.get("owner") == who and row.get("kind") == "E")

    rows = {name: [row for row in found if not is_theirs(str(name), row)] for name, found in of.rows.items()}
    return World(of.tables, rows)


def charged(made: Plan, unit: UnitType) -> PrivacyCost:
    """The most that any dataset is charged for units of a kind."""
    costs = [charge.cost for charge in made.privacy if charge.terms.unit is unit]
    return max(costs, key=lambda cost: cost.rho, default=PrivacyCost(Fraction(0)))


Histogram = dict[tuple[object, ...], int]
"""How many rows count, by the keys of a cell and a bin."""


def histograms(made: Plan, execution: Execution) -> list[tuple[PrivateRanks, Histogram]]:
    """The exact histograms of each noisy core; those of a public domain alone where it is."""
    rows_of = {core.core_id: rows for core, rows in zip(made.cores, execution.rows, strict=True)}
    found: list[tuple[PrivateRanks, Histogram]] = []
    for core in made.cores:
        if core.private is None or not core.private.ranks:
            continue
        own = [] if core.private.noisy else [rows_of[core.core_id]]
        several = own + [rows_of[one.core_id] for one in made.cores if one.ranks_of == core.core_id]
        domain = core.private.domain
        for ranks, rows in zip(core.private.ranks, several, strict=True):
            counts = {row[:-1]: int(str(row[-1])) for row in rows}
            if domain is not None:
                counts = {key: number for key, number in counts.items() if all(map(_among, key[:-1], domain))}
            found.append((ranks, counts))
    return found


def ranked_loss(made: Plan, first: Execution, second: Execution) -> Fraction:
    """The same as `loss` of the trees over bins: every node of every level has noise of its own."""
    total = Fraction(0)
    for (ranks, ours), (_, theirs) in zip(histograms(made, first), histograms(made, second), strict=True):
        moved = {key: ours.get(key, 0) - theirs.get(key, 0) for key in ours.keys() | theirs.keys()}
        for level in range(joined(ranks.segments).levels):
            nodes: dict[tuple[object, ...], int] = {}
            for (*cell, place), number in moved.items():
                node = (*cell, int(str(place)) // BRANCHES**level)
                nodes[node] = nodes.get(node, 0) + number
            total += Fraction(sum(number**2 for number in nodes.values())) / (2 * ranks.scale**2)
    return total
