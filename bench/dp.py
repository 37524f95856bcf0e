"""What noise costs beside thresholds: `dp` answers against `threshold` answers to the same questions.

The questions of `bench.threshold` over the same firms, end to end through the client over mutual TLS, each under
four purposes of one bank: once where policy protects by thresholds, and with noise where every firm is within what
counts of it (`within`), in more cells than count (`cells over`), and has more rows than count (`rows over`). Both
are processor time of the service and its workers, which other work on the machine inflates less than the clock; pairs
run alternately, and a ratio is the median over the pairs. `ratio_vs_threshold` is the geometric mean `within`.

`coverage_95` is the share of all 95 % intervals `within` that hold the exact number, which plain DuckDB computes from
the same files. Questions whose groups a threshold lists are not in it, and neither are columns computed from several.

A question that ends as a fault has `-` for its ratio, and `faults` counts them; `--memory` says what a worker may use
of it in MiB. Each question's figures go to standard error as soon as they are known.
"""

import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

import duckdb

import louver
from bench.report import Pairs, arguments, paired, quantile, report
from bench.support import noisy_firms
from bench.support.firms import TABLES, Firms, build, publish
from bench.support.noisy_firms import SETTINGS
from bench.threshold import PLAIN_RULES, SHAPES, Shape
from louver.errors import Fault
from louver_sandbox.demo.running import running

FIRMS, FIRMS_FULL = 125_000, 1_000_000
PAIRS, PAIRS_FULL = 3, 5
EPSILON = 0.2
MEMORY_MIB = 1024
NOT_COUNTED = frozenset({"expression", "1,000 codes x 8"})
_TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(root: int) -> float:
    """Processor time so far of a process, its living descendants, and those of them that were waited for."""
    parents: dict[int, int] = {}
    spent: dict[int, float] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(entry.name)] = int(fields[1])
        spent[int(entry.name)] = sum(map(int, fields[11:15])) / _TICKS
    return sum(seconds for process, seconds in spent.items() if _is_below(process, root, parents))


def _is_below(process: int, root: int, parents: dict[int, int]) -> bool:
    while process and process != root:
        process = parents.get(process, 0)
    return process == root


def held(answer: louver.Answer, true: dict[tuple[object, ...], tuple[object, ...]], keys: int) -> Iterator[bool]:
    """Of every interval of an answer, whether the exact number is in it; cells that are not there have none."""
    places = {column.name: place for place, column in enumerate(answer.columns)}
    for column in answer.accuracy:
        place = places[column.column]
        for row, low, high in zip(answer.rows, column.low, column.high, strict=True):
            number = true[row[:keys]][place] if row[:keys] in true else None
            if number is not None and low is not None and high is not None:
                yield float(str(low)) <= float(str(number)) <= float(str(high))


def keyed(
    connection: duckdb.DuckDBPyConnection, shape: Shape, keys: int
) -> dict[tuple[object, ...], tuple[object, ...]]:
    """The exact answer by its keys."""
    return {row[:keys]: row for row in connection.execute(shape.ours(0)).fetchall()}


def files(made: Firms) -> duckdb.DuckDBPyConnection:
    """Plain DuckDB over the sources."""
    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA gov")
    for name in TABLES:
        connection.execute(f"CREATE VIEW {name} AS FROM '{made.city.settings.data / name}/*.parquet'")
    return connection


def measured(
    shape: Shape, bank: louver.Client, purpose: str, numbers: Iterator[int], pairs: int, clock: Callable[[], float]
) -> tuple[Pairs, list[louver.Answer]]:
    """Both once to warm up, then alternately; and the answers with noise. Fault where either is not answered."""
    answers: list[louver.Answer] = []

    def ours() -> object:
        answers.append(bank.analyse(shape.ours(next(numbers)), purpose=purpose))
        return answers[-1]

    def theirs() -> object:
        return bank.analyse(shape.ours(next(numbers)), purpose="RESEARCH")

    ours()
    theirs()
    return paired(ours, theirs, pairs=pairs, clock=clock), answers


def main() -> None:
    """Build, publish, ask, report."""
    given = arguments(
        __doc__ or "", firms="how many firms, of eight rows each", memory=f"MiB of a worker, instead of {MEMORY_MIB}"
    )
    pairs = PAIRS_FULL if given.full else PAIRS
    firms = given.firms or (FIRMS_FULL if given.full else FIRMS)
    memory_mib = given.memory or MEMORY_MIB
    found: dict[tuple[str, str], Pairs | None] = {}
    inside: list[bool] = []
    with tempfile.TemporaryDirectory(prefix="louver-dp-") as scratch:
        grants = partial(noisy_firms.add, epsilon=EPSILON)
        made = build(Path(scratch) / "home", firms, PLAIN_RULES, memory_mib, grants)
        publish(made)
        numbers = count(1)
        with (
            files(made) as plain,
            running(made.city.settings.home) as (address, service),
            made.city.connect(address, "bank_a", "RESEARCH", timeout=120.0) as bank,
        ):
            clock = partial(processor_seconds, service.pid)
            for shape in SHAPES:
                for setting, (purpose, _) in SETTINGS.items():
                    try:
                        pair, answers = measured(shape, bank, purpose, numbers, pairs, clock)
                    except Fault as fault:
                        print(f"{shape.name}, {setting}: {fault}", file=sys.stderr, flush=True)
                        pair, answers = None, []
                    found[shape.name, setting] = pair
                    if setting == "within" and answers and shape.name not in NOT_COUNTED:
                        keys = len(answers[0].columns) - len(answers[0].accuracy)
                        true = keyed(plain, shape, keys)
                        inside += [good for answer in answers for good in held(answer, true, keys)]
                print(shape.name, _row(shape.name, found), file=sys.stderr, flush=True)
    report(
        f"answers with noise over {made.rows:,} rows of {firms:,} units: processor time over that of thresholds",
        [_row(shape.name, found) for shape in SHAPES],
        {
            **{f"ratio_{setting.replace(' ', '_')}": _mean(found, setting) for setting in SETTINGS},
            "ratio_vs_threshold": _mean(found, "within"),
            "ratio_max": round(max(_ratios(found, "within")), 3),
            "faults": sum(pair is None for pair in found.values()),
            "memory_mib": memory_mib,
            "coverage_95": round(sum(inside) / len(inside), 4) if inside else None,
            "intervals": len(inside),
            "rows": made.rows,
            "pairs": pairs,
        },
    )


def _ratios(found: dict[tuple[str, str], Pairs | None], setting: str) -> list[float]:
    return [pair.ratio for (_, of), pair in found.items() if of == setting and pair is not None]


def _mean(found: dict[tuple[str, str], Pairs | None], setting: str) -> float | None:
    ratios = _ratios(found, setting)
    return round(math.exp(sum(map(math.log, ratios)) / len(ratios)), 3) if ratios else None


def _row(shape: str, found: dict[tuple[str, str], Pairs | None]) -> dict[str, object]:
    pairs = {setting: found[shape, setting] for setting in SETTINGS}
    thresholds = [1000 * quantile(pair.theirs, 0.5) for pair in pairs.values() if pair]
    row: dict[str, object] = {"query": shape, "thresholds ms": min(thresholds) if thresholds else None}
    return row | {setting: pair.ratio if pair else None for setting, pair in pairs.items()}


if __name__ == "__main__":
    main()
