"""What `acro`, an independent implementation of primary suppression made for output checking, says of a table.

It runs in an environment of its own (`bench/peers/acro.txt`), as it wants an older pandas. Its checks, in its
words: `MinimumThresholdCheck` (rows of a cell), `NKCheck` (the n largest rows over the sum), `PPercentCheck` (the
sum without the two largest rows, over the largest). A row of its tables is a unit of ours: it is given one line
per unit and cell.
"""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
from bench.support.peers import python_of

from louver_sandbox.obligations import ThresholdRules

UNITS, DOMINANCE, P_PERCENT = "MinimumThresholdCheck", "NKCheck", "PPercentCheck"
NULL = "(null)"
_SCRIPT = Path(__file__).parent / "acro_judge.py"

Keys = tuple[str, ...]
Fails = Mapping[Keys, frozenset[str]]


@dataclass(frozen=True)
class Asked:
    """A table for acro: a query for (keys, unit, value), one row per unit and cell; `sum`, `mean` or None to count."""

    sql: str
    keys: int
    aggregate: str | None
    rules: ThresholdRules
    k: int

    def rows(self, where: str = "") -> str:
        """A query for each row's cell, its keys as a JSON list of texts, and its value."""
        names = [f"k{number}" for number in range(self.keys)]
        texts = ", ".join(f"coalesce({name}::VARCHAR, '{NULL}')" for name in names)
        return f"SELECT to_json([{texts}])::VARCHAR AS cell, value FROM ({self.sql}) t({', '.join(names)}, u, value) {where}"


@dataclass(frozen=True)
class Said:
    """The checks that each cell with a unit in it fails, and the cells of fewer than k units whose value is not zero.

    The latter is acro's threshold on the table without zeros: a check that Louver has for sums, and acro has not.
    """

    fails: Fails
    few_contributors: frozenset[Keys]


def judged(connection: duckdb.DuckDBPyConnection, asked: Sequence[Asked], folder: Path) -> list[Said]:
    """All tables in one run of acro."""
    tables = [_written(connection, one, one.rows(), folder / f"{number}.csv") for number, one in enumerate(asked)]
    without_zeros = [
        _written(
            connection, replace(one, aggregate=None), one.rows("WHERE value <> 0"), folder / f"{number}-nonzero.csv"
        )
        for number, one in enumerate(asked)
    ]
    ran = subprocess.run(
        [python_of("acro"), "-I", _SCRIPT],
        input=json.dumps(tables + without_zeros),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = [
        {tuple(json.loads(cell)): frozenset(fails) for cell, fails in said.items()} for said in json.loads(ran.stdout)
    ]
    return [
        Said(fails, frozenset(cell for cell in fails if one.aggregate and UNITS in others.get(cell, {UNITS})))
        for one, fails, others in zip(asked, found, found[len(asked) :], strict=False)
    ]


def _written(connection: duckdb.DuckDBPyConnection, one: Asked, sql: str, file: Path) -> Mapping[str, object]:
    """The rows as a CSV file, and how acro is to judge its cells."""
    connection.execute(f"COPY ({sql}) TO '{file}' (FORMAT csv, HEADER)")
    return {
        "file": str(file),
        "aggregate": one.aggregate,
        "threshold": one.k,
        "share": math.nextafter(one.rules.dominance_percent / 100, 1.0),  # theirs fails at the share, ours above it
        "ratio": one.rules.p_percent / 100,
    }
