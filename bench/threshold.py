"""What protection costs over eight million rows: `threshold` answers against plain DuckDB.

Ours runs end to end through the client over mutual TLS: check, commit, worker, release, receipt. The alternative
is the same query plus `count(DISTINCT unit)` in a DuckDB of its own over native tables of the same rows, with the
same threads and memory. Each repetition asks with another constant that changes nothing, so no stored answer
helps; pairs run alternately, a ratio is the median over the pairs.

`--all-rules` asks the same with noise and kept totals in every policy (ALL_RULES), and two questions with totals
more. `--firms N` makes other than a million firms, of eight rows each.
"""

import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import duckdb

import louver
from bench.report import Pairs, arguments, paired, quantile, report
from bench.support.firms import TABLES, Firms, build, publish
from louver_sandbox.demo.running import running
from louver_sandbox.settings import Limits

FIRMS = 1_000_000
PAIRS, PAIRS_FULL = 3, 9
PLAIN_RULES = "p_percent: 10"
ALL_RULES = (
    f"{PLAIN_RULES}, totals: complementary, "
    "noise: {method: cell-key, rounding: {mode: random, base: 5}, sums: {share: 2}}"
)

PLAIN_MIB, ALL_RULES_MIB = 1024, 2048
"""Memory of a worker and of the plain DuckDB. A CUBE with record keys of a million firms needs the more."""


@dataclass(frozen=True)
class Shape:
    """A query with `{units}` where plain DuckDB counts the units and `{day}` for the constant that varies."""

    name: str
    sql: str

    def ours(self, number: int) -> str:
        """As the bank asks it."""
        return self.sql.format(units="", day=_day(number))

    def plain(self, number: int) -> str:
        """As an analyst with the tables would, who cares for thresholds as well."""
        return self.sql.format(units=", count(DISTINCT q.uscc) AS units", day=_day(number))


def _day(number: int) -> str:
    return f"{1000 + number // 28:04}-01-{1 + number % 28:02}"


_RETURNS = "FROM gov.tax_quarter q WHERE q.quarter > DATE '{day}'"
_JOINED = "FROM gov.tax_quarter q JOIN gov.ent_registry r USING (uscc) WHERE q.quarter > DATE '{day}'"

SHAPES = (
    Shape("grand total", f"SELECT count(*) AS n, sum(q.revenue) AS revenue{{units}} {_RETURNS}"),
    Shape("by quarter", f"SELECT q.quarter, sum(q.revenue) AS revenue{{units}} {_RETURNS} GROUP BY q.quarter"),
    Shape("rows only", f"SELECT q.zero_declared, count(*) AS n{{units}} {_RETURNS} GROUP BY q.zero_declared"),
    Shape("filter", f"SELECT q.quarter, avg(q.vat_paid) AS vat{{units}} {_RETURNS} AND q.zero_declared GROUP BY ALL"),
    Shape(
        "two sums",
        f"SELECT q.quarter, sum(q.revenue) AS revenue, sum(q.vat_paid) AS vat{{units}} {_RETURNS} GROUP BY q.quarter",
    ),
    Shape(
        "expression",
        "SELECT q.quarter, sum(q.revenue * 0.97) - sum(q.vat_paid) - sum(q.cit_paid) AS rest{units} "
        f"{_RETURNS} GROUP BY q.quarter",
    ),
    Shape(
        "FILTER",
        "SELECT q.quarter, count(*) FILTER (WHERE q.zero_declared) AS zero, avg(q.invoice_cnt) AS invoices{units} "
        f"{_RETURNS} GROUP BY q.quarter",
    ),
    Shape(
        "date_trunc",
        "SELECT date_trunc('year', q.quarter) AS year, sum(q.vat_paid) AS vat{units} "
        f"{_RETURNS} GROUP BY date_trunc('year', q.quarter)",
    ),
    Shape("join, by section", f"SELECT r.section, sum(q.revenue) AS revenue{{units}} {_JOINED} GROUP BY r.section"),
    Shape(
        "quarter x section",
        f"SELECT q.quarter, r.section, sum(q.revenue) AS revenue{{units}} {_JOINED} GROUP BY q.quarter, r.section",
    ),
    Shape(
        "join, filtered",
        "SELECT r.district_code, count(*) AS n, sum(q.vat_paid) AS vat{units} "
        f"{_JOINED} AND r.status = '存续' AND r.subject_class = 'E' GROUP BY r.district_code",
    ),
    Shape(
        "1,000 codes x 8",
        f"SELECT r.industry_code, q.quarter, sum(q.revenue) AS revenue{{units}} {_JOINED} GROUP BY ALL",
    ),
)

WITH_TOTALS = (
    Shape(
        "section and total",
        f"SELECT r.section, count(*) AS n, sum(q.revenue) AS revenue{{units}} {_JOINED} GROUP BY ROLLUP (r.section)",
    ),
    Shape(
        "CUBE",
        "SELECT q.quarter, r.section, sum(q.revenue) AS revenue{units} "
        f"{_JOINED} GROUP BY CUBE (q.quarter, r.section)",
    ),
)


def plain_copy(made: Firms, path: Path, limits: Limits) -> duckdb.DuckDBPyConnection:
    """The same rows as native tables, in a DuckDB with the worker's threads and memory."""
    connection = duckdb.connect(
        str(path), config={"threads": limits.threads_per_worker, "memory_limit": f"{limits.memory_mib}MiB"}
    )
    connection.execute("CREATE SCHEMA gov")
    for name in TABLES:
        connection.execute(f"CREATE TABLE {name} AS FROM '{made.city.settings.data / name}/*.parquet'")
    connection.execute("CHECKPOINT")
    return connection


def measure(
    shape: Shape, bank: louver.Client, plain: duckdb.DuckDBPyConnection, numbers: Iterator[int], pairs: int
) -> Pairs:
    """Both sides once to warm up, then alternately."""

    def ours() -> object:
        return bank.analyse(shape.ours(next(numbers)))

    def theirs() -> object:
        return plain.execute(shape.plain(next(numbers))).fetchall()

    ours()
    theirs()
    return paired(ours, theirs, pairs=pairs)


def timed(act: Callable[[], object]) -> float:
    """Seconds it takes."""
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def main() -> None:
    """Build, publish, ask, report."""
    given = arguments(
        __doc__ or "", ("all-rules", "noise and kept totals, too"), firms="how many firms, instead of a million"
    )
    pairs, firms = PAIRS_FULL if given.full else PAIRS, given.firms or FIRMS
    shapes = (*SHAPES, *WITH_TOTALS) if given.all_rules else SHAPES
    found: dict[str, Pairs] = {}
    with tempfile.TemporaryDirectory(prefix="louver-threshold-") as scratch:
        rules, memory_mib = (ALL_RULES, ALL_RULES_MIB) if given.all_rules else (PLAIN_RULES, PLAIN_MIB)
        made = build(Path(scratch) / "home", firms, rules, memory_mib)
        snapshot_s = timed(lambda: publish(made))
        plain = plain_copy(made, Path(scratch) / "plain.duckdb", made.city.settings.limits)
        numbers = count(1)
        with (
            running(made.city.settings.home) as (address, _),
            made.city.connect(address, "bank_a", "RESEARCH", timeout=120.0) as bank,
        ):
            for shape in shapes:
                found[shape.name] = measure(shape, bank, plain, numbers, pairs)
        plain.close()
    ratios = [one.ratio for one in found.values()]
    rows = [
        {
            "query": name,
            "louver ms": 1000 * quantile(one.ours, 0.5),
            "plain DuckDB ms": 1000 * quantile(one.theirs, 0.5),
            "ratio": one.ratio,
        }
        for name, one in found.items()
    ]
    report(
        f"threshold answers over {made.rows:,} rows of {firms:,} units{', all rules on' if given.all_rules else ''}",
        rows,
        {
            "ratio_geomean": round(math.exp(sum(map(math.log, ratios)) / len(ratios)), 3),
            "ratio_max": round(max(ratios), 3),
            "rows": made.rows,
            "queries": len(shapes),
            "snapshot_s": round(snapshot_s, 1),
            "pairs": pairs,
        },
    )


if __name__ == "__main__":
    main()
