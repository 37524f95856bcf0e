"""Questions with noise about the real census, in one process: one person, one row, so that nothing is cut off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import duckdb
from tests.support.relations import World, column, committed, person, question, readings, reply_to, table

from louver_sandbox.algebra.types import INTEGER
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.obligations import Period, PrivacyTerms
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.verify import verify
from louver_sandbox.privacy.conversion import rho_of
from louver_sandbox.privacy.cost import PrivacyCost
from louver_sandbox.private_core import PrivateRules
from louver_sandbox.release.decode import decode
from louver_sandbox.stages import Execution, Treatment

BOUNDS = {
    "age": (0, 90),
    "weeks_worked_in_year": (0, 52),
    "wage_per_hour": (0, 9999),
    "capital_gains": (0, 99999),
    "dividends_from_stocks": (0, 99999),
    "income_gt_50k": (0, 1),
}
"""As SOURCE.md of the data declares them."""
SEXES = ("Female", "Male")
DELTA = Fraction(1, 10**6)


def declared() -> World:
    """The census as a catalogue would declare it, without its rows."""
    numbers = [
        column(name, INTEGER, bounds=(Decimal(low), Decimal(high)), nullable=False)
        for name, (low, high) in BOUNDS.items()
    ]
    sex = replace(column("sex", nullable=False), domain=SEXES)
    who = column("person_id", nullable=False)
    return World((table("gov.census", [who, sex, *numbers], [person(rows_per_unit=1)]),), {})


def rules(epsilon: Fraction, parts: int = 1, delta: Fraction = DELTA) -> PrivateRules:
    """What a policy says that gives so many questions together so much and lists no groups: all of delta is for the
    noise."""
    each = PrivacyCost(rho_of(epsilon, delta).rho / parts)
    terms = PrivacyTerms(UnitType.PERSON, each, each, Period.MONTH, each)
    return PrivateRules("gov.census", UnitType.PERSON, terms, each, delta, 1)


@dataclass(frozen=True)
class Census:
    """The rows, as a worker's snapshot holds them."""

    connection: duckdb.DuckDBPyConnection

    def executed(self, sql: str, epsilon: Fraction, parts: int = 1) -> Execution:
        """What an honest worker says; so many such plans cost at most epsilon together."""
        permit = question(declared(), sql)
        given = replace(permit, treatment=Treatment.DP, threshold=None, private=(rules(epsilon, parts),))
        made = plan(given)
        verify(made, readings(made))
        return decode(reply_to(self.connection, made), committed(made))

    def truth(self, sql: str) -> list[tuple[object, ...]]:
        """The answer with nothing in between."""
        return self.connection.execute(sql.replace("gov.census", "s1.main.data")).fetchall()


@contextmanager
def census(file: Path) -> Iterator[Census]:
    """The rows of the Parquet file."""
    columns = ", ".join(f"CAST({name} AS BIGINT) AS {name}" for name in BOUNDS)
    key = f'hash(row_id) >> 2 AS "{declared().tables[0].units[0].record_key}"'
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("ATTACH ':memory:' AS s1")
        connection.execute(
            f"CREATE TABLE s1.main.data AS SELECT CAST(row_id AS VARCHAR) AS person_id, sex, {columns}, {key} FROM '{file}'"
        )
        yield Census(connection)
