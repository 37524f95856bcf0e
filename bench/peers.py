"""Louver beside the SQL package of SmartNoise: the same grouped COUNT and SUM over a million rows, end to end.

Ours runs through the client over mutual TLS: check, commit, worker, release, receipt. Theirs runs in an
environment of its own (`bench/peers/smartnoise-sql.txt`, installed on first use) in the engine it brings for
data frames, with the firms as its `private_id` and at most as many rows of each as there are: parse, rewriting,
query and noise. Neither loading the table there (`smartnoise_load_s`) nor publishing the snapshot here
(`snapshot_s`) is in the times. Pairs run alternately, each with another constant that changes nothing, so that
no stored answer helps; `smartnoise_x` is the median over the pairs of their time over ours for COUNT and SUM
together, `smartnoise_least_x` the smallest of the medians of all questions (`--full`: COUNT and SUM alone,
too), which are also asked of SmartNoise with rows as its unit (`row_privacy`: no work per firm). `counts_apart`
is the largest relative difference between their count of a cell and ours, to see that it is one question.
"""

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import duckdb

import louver
from bench.report import Pairs, arguments, paired, quantile, report
from bench.support.firms import QUARTERS, Firms, build, publish
from bench.support.peers import install
from louver_sandbox.demo.running import running

FIRMS = 125_000
PAIRS, PAIRS_FULL = 3, 9
PEER = "smartnoise-sql"
TABLE = "gov.tax_quarter"

QUESTIONS = {
    "COUNT and SUM": f"SELECT quarter, COUNT(*) AS n, SUM(revenue) AS revenue FROM {TABLE}",
    "COUNT": f"SELECT quarter, COUNT(*) AS n FROM {TABLE}",
    "SUM": f"SELECT quarter, SUM(revenue) AS revenue FROM {TABLE}",
}


def asked(select: str, number: int) -> str:
    """The question with a constant of its own, which no row is below."""
    day = f"{1000 + number // 28:04}-01-{1 + number % 28:02}"
    return f"{select} WHERE quarter > '{day}' GROUP BY quarter ORDER BY quarter"


def description(rows: int, *, per_firm: bool) -> dict[str, Any]:
    """The table as SmartNoise describes tables: keys, bounds and whose rows they are."""
    columns = {
        "uscc": {"type": "string", "private_id": per_firm},
        "quarter": {"type": "string"},
        "revenue": {"type": "float", "lower": 0.0, "upper": 20_000_000.0},
    }
    table = {"row_privacy": not per_firm, "max_ids": len(QUARTERS) if per_firm else 1, "rows": rows, **columns}
    schema, name = TABLE.split(".")
    return {"": {schema: {name: table}}}


@dataclass(frozen=True)
class SmartNoise:
    """A process of SmartNoise with the table loaded, and the seconds that took."""

    process: subprocess.Popen[str]
    loaded_s: float

    def ask(self, sql: str) -> list[list[Any]]:
        """The answer's rows."""
        rows: list[list[Any]] = _exchanged(self.process, json.dumps({"sql": sql}) + "\n")["rows"]
        return rows


class PeerFailed(Exception):
    """The peer's process ended before it answered; what it said is on standard error."""


def _exchanged(process: subprocess.Popen[str], line: str = "") -> Mapping[str, Any]:
    if process.stdin is None or process.stdout is None:
        raise PeerFailed("no pipes")
    process.stdin.write(line)
    process.stdin.flush()
    said = process.stdout.readline()
    if not said:
        raise PeerFailed(f"{PEER} ended with {process.wait()}")
    found: Mapping[str, Any] = json.loads(said)
    return found


@contextmanager
def smartnoise(python: Path, file: Path, rows: int, *, per_firm: bool) -> Iterator[SmartNoise]:
    """SmartNoise over the file, for the length of a `with` block."""
    script = Path(__file__).parent / "support" / "smartnoise.py"
    command = [str(python), "-I", str(script), str(file), json.dumps(description(rows, per_firm=per_firm))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield SmartNoise(process, float(_exchanged(process)["loaded_s"]))
        finally:
            process.kill()


def written(made: Firms, file: Path) -> Path:
    """The rows of the snapshot's own source as the CSV file that the peer can read."""
    source = made.city.settings.data / TABLE
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT uscc, quarter, revenue FROM '{source}/*.parquet') TO '{file}' (FORMAT csv, HEADER)"
        )
    return file


def measured(bank: louver.Client, peer: SmartNoise, select: str, numbers: Iterator[int], pairs: int) -> Pairs:
    """Both once to warm up, then alternately."""

    def ours() -> object:
        return bank.analyse(asked(select, next(numbers)))

    def theirs() -> object:
        return peer.ask(asked(select, next(numbers)))

    ours()
    theirs()
    return paired(ours, theirs, pairs=pairs)


def counts_apart(bank: louver.Client, peer: SmartNoise, number: int) -> float:
    """The largest relative difference of a quarter's number of rows."""
    sql = asked(QUESTIONS["COUNT"], number)
    ours = {str(quarter): int(str(n)) for quarter, n in bank.analyse(sql).rows}
    theirs = {str(date.fromisoformat(quarter)): float(n) for quarter, n in peer.ask(sql)}
    if set(ours) != set(theirs):
        raise PeerFailed(f"other groups: {sorted(set(ours) ^ set(theirs))}")
    return max(abs(theirs[quarter] - n) / n for quarter, n in ours.items())


def timed(act: Callable[[], object]) -> float:
    """Seconds it takes."""
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def main() -> None:
    """Install, build, publish, ask, report."""
    given = arguments(__doc__ or "", firms="how many firms, of eight rows each")
    pairs, firms = PAIRS_FULL if given.full else PAIRS, given.firms or FIRMS
    questions = dict(list(QUESTIONS.items())[: None if given.full else 1])
    python = install(PEER)
    found: dict[tuple[str, str], Pairs] = {}
    with tempfile.TemporaryDirectory(prefix="louver-peers-") as scratch:
        made = build(Path(scratch) / "home", firms)
        snapshot_s = timed(lambda: publish(made))
        file, numbers = written(made, Path(scratch) / "returns.csv"), count(1)
        with (
            running(made.city.settings.home) as (address, _),
            made.city.connect(address, "bank_a", "RESEARCH", timeout=120.0) as bank,
        ):
            for unit, per_firm in (("firm", True), ("row", False)):
                with smartnoise(python, file, made.rows, per_firm=per_firm) as peer:
                    for name, select in questions.items():
                        found[unit, name] = measured(bank, peer, select, numbers, pairs)
                    apart, loaded_s = counts_apart(bank, peer, next(numbers)), peer.loaded_s
    times = {
        key: statistics.median(b / a for a, b in zip(one.ours, one.theirs, strict=True)) for key, one in found.items()
    }
    rows = [
        {
            "question": name,
            "SmartNoise's unit": unit,
            "louver ms": 1000 * quantile(one.ours, 0.5),
            "SmartNoise SQL ms": 1000 * quantile(one.theirs, 0.5),
            "times": times[unit, name],
        }
        for (unit, name), one in found.items()
    ]
    report(
        f"the same question over {made.rows:,} rows of {firms:,} units",
        rows,
        {
            "smartnoise_x": round(times["firm", "COUNT and SUM"], 2),
            "smartnoise_least_x": round(min(times.values()), 2),
            "rows": made.rows,
            "counts_apart": round(apart, 6),
            "smartnoise_load_s": round(loaded_s, 1),
            "snapshot_s": round(snapshot_s, 1),
            "pairs": pairs,
        },
    )


if __name__ == "__main__":
    main()
