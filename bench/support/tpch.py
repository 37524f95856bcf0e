"""TPC-H for the benchmark `sql`: verdicts, time to plan, agreement with plain DuckDB, and at scale 1 what it costs.

Declarations, rights and texts are those of the tests (`tests/tpc`). Without protection the 22 queries are asked by a
bank that holds the rows itself; with protection what left is compared with the rules applied by definition in SQL.
"""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import duckdb
from tests.support import tpch
from tests.support.installation import service
from tests.support.naive_cells import Rules, released
from tests.support.same_rows import agree
from tests.support.tpc import UNITS, Judge
from tests.support.tpch_cells import CELLS

import louver
from bench.report import Figures, quantile
from louver.errors import Fault, Refused

Result = TypeVar("Result")

SMALL, LARGE = 0.01, 1.0
PLANS = 21
"""Times each query is planned; the first time reads its form, the others find it read."""
RUNS = 3
"""Times plain DuckDB runs each query; the median counts."""
PATIENCE_S = 300.0
LIMITS = {"memory_mib": 4096}
"""What workers may use at scale 1, where an answer is made from six million rows."""

Rows = list[dict[str, object]]


@dataclass(frozen=True)
class Planned:
    """A query's verdict and the processor seconds of each of `PLANS` judgements."""

    verdict: str
    seconds: tuple[float, ...]


def planned(judge: Judge) -> Mapping[int, Planned]:
    """Every query, judged in this process."""
    found: dict[int, Planned] = {}
    for number, sql in tpch.queries().items():
        laps = [_timed(partial(judge.verdict, sql), time.process_time) for _ in range(PLANS)]
        found[number] = Planned(laps[0][0], tuple(seconds for _, seconds in laps))
    return found


def small(scratch: Path) -> tuple[Rows, Figures]:
    """Scale 0.01: verdicts, times to plan, and how many unprotected answers are those of plain DuckDB."""
    data = tpch.generate(scratch / "small", SMALL)
    verdicts = planned(tpch.judge_of(data))
    warm = {number: 1000 * quantile(one.seconds, 0.5) for number, one in verdicts.items()}
    answered = [number for number, one in verdicts.items() if one.verdict == "answered"]
    rows: Rows = [
        {"query": f"TPC-H {number}", "verdict": one.verdict, "plan ms": warm[number]}
        for number, one in verdicts.items()
    ]
    return rows, {
        "tpch_answered": len(answered),
        "tpch_refused": len(verdicts) - len(answered),
        "tpch_agree": unprotected_agreement(scratch / "small-home", data),
        "plan_largest_ms": round(max((warm[number] for number in answered), default=0.0), 2),
    }


def unprotected_agreement(home: Path, data: Path) -> int:
    """How many of the 22 texts get the answer of plain DuckDB from a bank that holds the rows itself."""
    with ExitStack() as stack:
        running = stack.enter_context(service(tpch.install(home, data)))
        owner = stack.enter_context(running.connect(tpch.OWNER, "RESEARCH"))
        plain = stack.enter_context(tpch.plain(data))
        for table in tpch.TABLES:
            owner.upload(table, data / f"{table}.parquet")
        return sum(_agrees(owner, plain, sql) for sql in tpch.queries().values())


def _agrees(owner: louver.Client, plain: duckdb.DuckDBPyConnection, sql: str) -> bool:
    try:
        return agree(owner.analyse(sql).rows, plain.execute(sql).fetchall())
    except (Refused, Fault):
        return False


@dataclass(frozen=True)
class Ran:
    """One protected answer: its rows and values beside the keys, whether they are right, and both sides' seconds.

    `ours` is None where no answer came.
    """

    rows: int
    values: int
    agrees: bool
    ours: float | None
    plain: float

    @property
    def ratio(self) -> float | None:
        """Our time over theirs."""
        return None if self.ours is None else self.ours / self.plain


def large(scratch: Path) -> tuple[Rows, Figures]:
    """Scale 1: what leaves of every answered query under each number of units, and what it costs end to end."""
    data = tpch.generate(scratch / "large", LARGE)
    found = run_protected(scratch / "large-home", data)
    rows: Rows = [
        {
            "query": f"TPC-H {number}, k = {UNITS[purpose]}",
            "rows": ran.rows,
            "values": ran.values,
            "right": "yes" if ran.agrees else "no",
            "louver ms": None if ran.ours is None else 1000 * ran.ours,
            "plain DuckDB ms": 1000 * ran.plain,
            "ratio": ran.ratio,
        }
        for (number, purpose), ran in found.items()
    ]
    ratios = [ran.ratio for ran in found.values() if ran.ratio is not None]
    figures = {
        "tpch_protected_agree": sum(ran.agrees for ran in found.values()),
        "tpch_protected_asked": len(found),
        "tpch_ratio_geomean": round(math.exp(sum(map(math.log, ratios)) / len(ratios)), 2) if ratios else None,
        "tpch_ratio_max": round(max(ratios), 2) if ratios else None,
    }
    released_by = {
        f"tpch_released_k{units}": sum(ran.values > 0 for (_, asked), ran in found.items() if asked == purpose)
        for purpose, units in UNITS.items()
    }
    return rows, {**figures, **released_by}


def run_protected(home: Path, data: Path) -> Mapping[tuple[int, str], Ran]:
    """Every answered query for each purpose; plain DuckDB has native tables, the same threads and memory."""
    found: dict[tuple[int, str], Ran] = {}
    with ExitStack() as stack:
        city = tpch.install(home, data, LIMITS)
        running = stack.enter_context(service(city))
        config: dict[str, str | bool | int | float | list[str]] = {
            "threads": city.settings.limits.threads_per_worker,
            "memory_limit": f"{LIMITS['memory_mib']}MiB",
        }
        plain = stack.enter_context(duckdb.connect(str(home / "plain.duckdb"), config=config))
        for table in tpch.TABLES:
            plain.execute(f"CREATE TABLE {table} AS FROM '{data / table}.parquet'")
        for purpose in UNITS:
            bank = stack.enter_context(city.connect(running.address, tpch.BANK, purpose, timeout=PATIENCE_S))
            for number in CELLS:
                found[number, purpose] = _ran(bank, plain, number, UNITS[purpose])
    return found


def _ran(bank: louver.Client, plain: duckdb.DuckDBPyConnection, number: int, units: int) -> Ran:
    sql = tpch.queries()[number]
    theirs = quantile([_timed(lambda: plain.execute(sql).fetchall())[1] for _ in range(RUNS)], 0.5)
    try:
        answer, ours = _timed(lambda: bank.analyse(sql))
    except (Refused, Fault):
        return Ran(0, 0, False, None, theirs)
    safe = released(plain, CELLS[number], Rules(units))
    values = sum(value is not None for row in answer.rows for value in row[len(CELLS[number].keys) :])
    return Ran(len(answer.rows), values, agree(answer.rows, safe), ours, theirs)


def _timed(act: Callable[[], Result], clock: Callable[[], float] = time.perf_counter) -> tuple[Result, float]:
    """What it gives and the seconds it takes."""
    begin = clock()
    result = act()
    return result, clock() - begin
