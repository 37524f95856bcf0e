"""The verifier reads the text of every function as the engine does: what can be asked can also be let through."""

from __future__ import annotations

import json
from collections.abc import Iterator

import duckdb
import pytest
from tests.unit.sandbox.test_sql_functions import SCALARS, calls, literal

from louver_sandbox.algebra.types import DOUBLE, INTEGER, decimal
from louver_sandbox.engines.duckdb_tree import read_statement
from louver_sandbox.plan.verify import form, read_engine, read_sqlglot, read_tokens
from louver_sandbox.sql.functions import FunctionRule
from louver_sandbox.sql.statistics import OF_TWO, STATISTICS


def agree(text: str) -> bool:
    """Whether our tokens, sqlglot and the engine's parser find the same columns and functions."""
    statement = form(f'SELECT {text} AS "c1" FROM "s1"."main"."data" AS "t1"')
    row = duckdb.execute("SELECT json_serialize_sql(?::VARCHAR)", [statement]).fetchone()
    assert row is not None
    ours, glot = read_tokens(statement), read_sqlglot(statement)
    return ours == read_engine(read_statement(json.loads(row[0]))) and ours.columns == glot.columns


def texts(rule: FunctionRule) -> Iterator[str]:
    """One text per combination of argument types."""
    seen = set()
    for types, values, result in calls(rule):
        if (types, result) not in seen and not (rule.name == "in" and len(types) < 2):
            seen.add((types, result))
            yield rule.emit(
                tuple(
                    literal(value, kind) if index in rule.constants else '"t1"."a"'
                    for index, (value, kind) in enumerate(zip(values, types, strict=True))
                ),
                types,
                result,
            )


@pytest.mark.parametrize("rule", SCALARS, ids=lambda rule: rule.name)
def test_the_three_readings_of_a_function_agree(rule: FunctionRule) -> None:
    for text in list(texts(rule))[:12]:
        assert agree(text), text


@pytest.mark.parametrize("rule", STATISTICS, ids=lambda rule: rule.name)
def test_the_three_readings_of_a_statistic_agree(rule: FunctionRule) -> None:
    columns = ('"t1"."a"', '"t1"."b"')[: 2 if rule.name in OF_TWO else 1]
    for kind in (INTEGER, decimal(2)):
        assert agree(rule.emit(columns, (kind,) * len(columns), DOUBLE))
