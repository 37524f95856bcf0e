"""What may leave of a table of cells, by the definitions of PRIVACY 5, from row-level SQL that plain DuckDB runs.

Nothing of the platform is used: units are counted, contributions added up per unit and compared in one SQL statement
per rule, over the rows as a person who knows the query would write them down.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import duckdb


@dataclass(frozen=True)
class Rules:
    """The least number of units of each kind, the largest share of a sum, and the p of p%."""

    k: int
    dominance_percent: int = 60
    p_percent: int = 10


NO_RULES = Rules(0, 100, 0)
"""Everything leaves."""


@dataclass(frozen=True)
class Cells:
    """A question as its rows, and the answer over its cells.

    `rows` has the columns `keys`, one column per kind of unit in `units`, one number per row for each of `parts`, and
    one truth value per row for each of `flags` and `rests`. The rests are rows that two sums together set apart: no
    unit has such a row, or enough units do. `answer` reads the table `cells`: the keys, `n` (rows), `n_<unit>`
    (distinct units), each part's sum, each flag's count and 0 for each rest, null where it may not leave.
    """

    rows: str
    answer: str
    keys: tuple[str, ...] = ()
    units: tuple[str, ...] = ("customer", "supplier")
    parts: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    rests: tuple[str, ...] = ()
    compared: bool = False
    """Values are not shown but compared with other rows; p% then takes the second largest share to be as the largest."""
    before: dict[str, Cells] = field(default_factory=dict)
    """Other tables of cells that `answer` reads, by name."""


def released(connection: duckdb.DuckDBPyConnection, cells: Cells, rules: Rules) -> list[tuple[object, ...]]:
    """The rows that leave under the rules."""
    for name, other in cells.before.items():
        _judge(connection, name, other, rules)
    _judge(connection, "cells", cells, rules)
    return connection.execute(cells.answer).fetchall()


def _listed(keys: tuple[str, ...]) -> str:
    return ", ".join(keys) or "1 AS one"


def _judge(connection: duckdb.DuckDBPyConnection, name: str, cells: Cells, rules: Rules) -> None:
    """Makes the table `name` of the cells that leave; a question without keys keeps its one row, emptied."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE cell_rows AS {cells.rows}")
    measures = [f"count(DISTINCT {unit}) AS n_{unit}" for unit in cells.units]
    measures += [f"sum({part}) AS {part}" for part in cells.parts]
    measures += [f"count(*) FILTER (WHERE {flag}) AS {flag}" for flag in cells.flags]
    measures += [f"0 AS {rest}" for rest in cells.rests]
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT {_listed(cells.keys)}, count(*) AS n, {', '.join(measures)} "
        f"FROM cell_rows GROUP BY {', '.join(cells.keys) or '()'}"
    )
    enough = " AND ".join(f"n_{unit} >= {rules.k}" for unit in cells.units)
    tests = {
        **dict.fromkeys(cells.parts, _compared if cells.compared else _shares),
        **dict.fromkeys(cells.flags, _holders),
    }
    for measure, fails in (tests | dict.fromkeys(cells.rests, _apart)).items():
        for unit in cells.units:
            failing = fails(cells.keys, unit, measure, rules)
            same = " AND ".join(f"{name}.{key} IS NOT DISTINCT FROM f.{key}" for key in cells.keys) or "TRUE"
            connection.execute(f"UPDATE {name} SET {measure} = NULL FROM ({failing}) AS f WHERE {same}")
    if cells.keys:
        connection.execute(f"DELETE FROM {name} WHERE NOT ({enough})")
    else:
        empty = ", ".join(f"{measure} = NULL" for measure in ("n", *cells.parts, *cells.flags, *cells.rests))
        connection.execute(f"UPDATE {name} SET {empty} WHERE NOT ({enough})")


def _shares(keys: tuple[str, ...], unit: str, part: str, rules: Rules) -> str:
    """The cells in which too few units contribute to a sum, one holds too much of it, or two can be told apart."""
    return _unsafe(keys, unit, part, rules, "coalesce(sum(share) FILTER (WHERE place > 2), 0)")


def _compared(keys: tuple[str, ...], unit: str, part: str, rules: Rules) -> str:
    """The same of a sum that other rows are compared with."""
    return _unsafe(keys, unit, part, rules, "(sum(share) - 2 * max(share))")


def _unsafe(keys: tuple[str, ...], unit: str, part: str, rules: Rules, others: str) -> str:
    by = ", ".join((*keys, unit))
    return (
        f"SELECT {_listed(keys)} FROM ("
        f"  SELECT {_listed(keys)}, abs(amount) AS share, "
        f"  row_number() OVER (PARTITION BY {', '.join(keys) or '1'} ORDER BY abs(amount) DESC) AS place "
        f"  FROM (SELECT {by}, sum({part}) AS amount FROM cell_rows WHERE {part} IS NOT NULL GROUP BY {by})) "
        f"GROUP BY {', '.join(keys) or '()'} "
        f"HAVING count(*) FILTER (WHERE share <> 0) < {rules.k} "
        f"OR max(share) * 100 > sum(share) * {rules.dominance_percent} "
        f"OR {others} * 100 < max(share) * {rules.p_percent}"
    )


def _holders(keys: tuple[str, ...], unit: str, flag: str, rules: Rules) -> str:
    """The cells in which too few units have the property, or too few lack it."""
    return (
        f"SELECT {_listed(keys)} FROM (SELECT {', '.join((*keys, unit))}, bool_or({flag}) AS has "
        f"FROM cell_rows GROUP BY {', '.join((*keys, unit))}) GROUP BY {', '.join(keys) or '()'} "
        f"HAVING count(*) FILTER (WHERE has) < {rules.k} OR count(*) FILTER (WHERE NOT has) < {rules.k}"
    )


def _apart(keys: tuple[str, ...], unit: str, rest: str, rules: Rules) -> str:
    """The cells in which some units have such rows, but too few."""
    return (
        f"SELECT {_listed(keys)} FROM cell_rows GROUP BY {', '.join(keys) or '()'} "
        f"HAVING count(DISTINCT {unit}) FILTER (WHERE {rest}) BETWEEN 1 AND {rules.k - 1}"
    )
