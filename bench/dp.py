"""What noise costs beside thresholds: `dp` answers against `threshold` answers to the same questions.

The questions of `bench.threshold` over the same firms, end to end through the client over mutual TLS, each under
four purposes of one bank: once where policy protects by thresholds, and with noise where every firm is within what
counts of it (`within`), in more cells than count (`cells over`), and has more rows than count (`rows over`). Both
are processor time of the service and its workers, which other work on the machine inflates less than the clock; pairs
run alternately, and a ratio is the median over the pairs. `ratio_vs_threshold` is the geometric mean `within`.

`coverage_95` is the share of all 95 % intervals `within` that hold the exact number, which plain DuckDB computes from
the same files. Questions whose groups a threshold lists are not in it, and neither are columns computed from several.
"""

import math
import os
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
    """Both once to warm up, then alternately; and the answers with noise."""
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
    given = arguments(__doc__ or "", firms="how many firms, of eight rows each")
    pairs = PAIRS_FULL if given.full else PAIRS
    firms = given.firms or (FIRMS_FULL if given.full else FIRMS)
    found: dict[tuple[str, str], Pairs] = {}
    inside: list[bool] = []
    with tempfile.TemporaryDirectory(prefix="louver-dp-") as scratch:
        grants = partial(noisy_firms.add, epsilon=EPSILON)
        made = build(Path(scratch) / "home", firms, PLAIN_RULES, MEMORY_MIB, grants)
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
                    pair, answers = measured(shape, bank, purpose, numbers, pairs, clock)
                    found[shape.name, setting] = pair
                    if setting == "within" and shape.name not in NOT_COUNTED:
                        keys = len(answers[0].columns) - len(answers[0].accuracy)
                        true = keyed(plain, shape, keys)
                        inside += [good for answer in answers for good in held(answer, true, keys)]
    report(
        f"answers with noise over {made.rows:,} rows of {firms:,} units: processor time over that of thresholds",
        [_row(shape.name, found) for shape in SHAPES],
        {
            **{f"ratio_{setting.replace(' ', '_')}": _mean(found, setting) for setting in SETTINGS},
            "ratio_vs_threshold": _mean(found, "within"),
            "ratio_max": round(max(one.ratio for (_, setting), one in found.items() if setting == "within"), 3),
            "coverage_95": round(sum(inside) / len(inside), 4) if inside else None,
            "intervals": len(inside),
            "rows": made.rows,
            "pairs": pairs,
        },
    )


def _mean(found: dict[tuple[str, str], Pairs], setting: str) -> float:
    ratios = [math.log(one.ratio) for (_, of), one in found.items() if of == setting]
    return round(math.exp(sum(ratios) / len(ratios)), 3)


def _row(shape: str, found: dict[tuple[str, str], Pairs]) -> dict[str, object]:
    thresholds = quantile(found[shape, "within"].theirs, 0.5)
    row: dict[str, object] = {"query": shape, "thresholds ms": 1000 * thresholds}
    return row | {setting: found[shape, setting].ratio for setting in SETTINGS}


if __name__ == "__main__":
    main()
