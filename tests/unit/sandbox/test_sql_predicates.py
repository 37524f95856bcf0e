"""`implies` proves what follows from a query's conditions, and nothing that does not."""

from __future__ import annotations

import pytest
from tests.unit.sandbox.test_sql_world import AS_OF, CATALOG

from louver.errors import Refused
from louver_sandbox.algebra.expressions import Literal, walk
from louver_sandbox.algebra.types import TableName
from louver_sandbox.sql.predicates import bind_predicate, implies

TABLE = CATALOG.tables[TableName("gov", "credit_list")]
REGISTRY = CATALOG.tables[TableName("gov", "ent_registry")]
LOANS = CATALOG.tables[TableName("bank_a", "loan_book")]


def follows(facts: list[str], goal: str, table: object = REGISTRY) -> bool:
    assert table in (REGISTRY, LOANS, TABLE)
    chosen = next(item for item in (REGISTRY, LOANS, TABLE) if item is table)
    return implies([bind_predicate(fact, chosen, 1) for fact in facts], bind_predicate(goal, chosen, 1))


@pytest.mark.parametrize(
    ("facts", "goal"),
    [
        (["status = 'A'"], "status = 'A'"),
        (["status = 'A'"], "status in ('A', 'B')"),
        (["status in ('A', 'B')"], "status in ('C', 'B', 'A')"),
        (["status = 'A'"], "status <> 'B'"),
        (["status = 'A'"], "status is not null"),
        (["status like 'A%'", "status like 'A%'"], "status like 'A%'"),
        (["n_employees > 10"], "n_employees >= 10"),
        (["n_employees > 10"], "n_employees > 9.5"),
        (["n_employees > 10"], "n_employees <> 10"),
        (["n_employees >= 10", "n_employees <= 10"], "n_employees = 10"),
        (["n_employees between 3 and 5"], "n_employees < 6 and n_employees > 2"),
        (["n_employees in (3, 4, 5)", "n_employees > 3"], "n_employees between 4 and 5"),
        (["n_employees not in (1, 2)"], "n_employees <> 2"),
        (["status = 'A' and n_employees > 5"], "n_employees > 4"),
        (["status = 'A' or status = 'B'"], "status in ('A', 'B', 'C')"),
        (["n_employees > 5 or n_employees < 1"], "n_employees <> 3"),
        (["status is null"], "status is null or status = 'A'"),
        (["established_on >= date '2026-04-01'"], "established_on >= :as_of - interval 3 month"),
        (["established_on > '2026-03-30'"], "established_on > date '2026-03-30'"),
        (["year(established_on) = 2026"], "year(established_on) >= 2020"),
        (["1 = 2"], "section = 'X'"),
    ],
)
def test_what_follows(facts: list[str], goal: str) -> None:
    assert follows(facts, goal)


@pytest.mark.parametrize(
    ("facts", "goal"),
    [
        ([], "status = 'A'"),
        (["status = 'A'"], "section = 'A'"),
        (["status <> 'A'"], "status = 'B'"),
        (["status in ('A', 'B')"], "status = 'A'"),
        (["n_employees >= 10"], "n_employees > 10"),
        (["n_employees < 10"], "n_employees is null"),
        (["status is null"], "status <> 'A'"),
        (["status is null"], "status is not null"),
        (["status = 'A' or n_employees > 5"], "status = 'A'"),
        (["not (status = 'A' and n_employees > 5)"], "status <> 'A'"),
        (["established_on >= date '2026-03-01'"], "established_on >= :as_of - interval 3 month"),
        (["coalesce(status, 'A') = 'A'"], "status = 'A'"),
        (["n_employees + 1 > 5"], "n_employees > 5"),
    ],
)
def test_what_does_not_follow(facts: list[str], goal: str) -> None:
    assert not follows(facts, goal)


def test_truth_values() -> None:
    assert follows(["defaulted"], "defaulted = true", LOANS)
    assert follows(["defaulted = true"], "defaulted", LOANS)
    assert not follows(["not defaulted"], "defaulted", LOANS)
    assert follows(["not defaulted"], "defaulted is not null", LOANS)


def test_the_date_of_the_data_is_folded_into_a_constant() -> None:
    predicate = bind_predicate("valid_to >= :as_of and repaired_on is null", TABLE, 7)
    assert AS_OF in [part.value for part in walk(predicate) if isinstance(part, Literal)]


@pytest.mark.parametrize(
    "text",
    ["", "nothing = 1", "status = 'A'; drop table x", "status = 'A' group by status", "count(*) > 1", "status", ":x = 1",
     "status in (select status from gov.ent_registry)", "1 = 1 order by 1", "status = 'A' limit 1"],
)  # fmt: skip
def test_a_predicate_is_one_condition_on_the_tables_own_columns(text: str) -> None:
    with pytest.raises(Refused):
        bind_predicate(text, REGISTRY, 1)
