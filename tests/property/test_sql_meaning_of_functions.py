"""What was understood of a function is what DuckDB means by it: the emitted tree gives the rows of the text itself."""

from __future__ import annotations

import duckdb
import pytest
from tests.property.test_sql_meaning import agree, world
from tests.unit.sandbox.test_sql_statements import EVERYWHERE, OWN

__all__ = ["world"]

DIFFERENT = {
    "width_bucket(": "DuckDB has no such function",
    "nvl(": "DuckDB has no such function",
    "exp(": "what is over 10^26 is NULL here",
    " limit ": "which rows a LIMIT keeps is DuckDB's choice where rows tie",
}
"""Statements with these words mean something else to DuckDB, on purpose."""

STATEMENTS = [
    sql for sql in [*OWN["duckdb"].strip().split("\n"), *EVERYWHERE] if not any(words in sql for words in DIFFERENT)
]


@pytest.mark.parametrize("sql", STATEMENTS)
def test_a_statement_means_what_the_engine_means(sql: str, world: duckdb.DuckDBPyConnection) -> None:
    assert agree(sql, world)


def test_most_statements_are_compared() -> None:
    assert len(STATEMENTS) >= 80
