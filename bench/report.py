"""What every benchmark needs: paired timings, quantiles, facts of the machine, the report.

The contract: within 60 s by default (`--full` for longer), a table, and one JSON object as the last line of standard
output. Nothing here asserts; the figures speak.
"""

import argparse
import json
import math
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

Figures = Mapping[str, float | int | str | None]

WIDE = 200
"""Columns of a table that is written into a file: figures that are cut off are no figures."""


@dataclass(frozen=True)
class Pairs:
    """Timings of two ways to do the same, taken alternately; seconds."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Median over the pairs of our time over theirs: what both suffer from a busy machine cancels out."""
        return statistics.median(a / b for a, b in zip(self.ours, self.theirs, strict=True))


def paired(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    pairs: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Pairs:
    """Runs both `pairs` times, swapping who goes first from pair to pair."""
    taken: tuple[list[float], list[float]] = ([], [])
    for turn in range(pairs):
        for side in (0, 1) if turn % 2 == 0 else (1, 0):
            begin = clock()
            (ours, theirs)[side]()
            taken[side].append(clock() - begin)
    return Pairs(tuple(taken[0]), tuple(taken[1]))


def quantile(values: Sequence[float], q: float) -> float:
    """The smallest value that at least the share `q` of the values does not exceed. ValueError when empty."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


def peak_rss_mib(children: int = 0) -> float:
    """Peak resident memory so far in MiB: this process plus `children` times its largest ended child.

    An upper bound when at most `children` ran at a time (getrusage(2); Linux counts in KiB, macOS in bytes).
    """
    unit = 1 if sys.platform == "darwin" else 1024
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return (own + children * child) * unit / 2**20


def machine() -> dict[str, str | int]:
    """What the figures were taken on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count() or 1,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def arguments(description: str, *switches: tuple[str, str], **figures: str) -> argparse.Namespace:
    """The command line all benchmarks share, `--full`, further switches, and whole numbers (0 if not given), by name
    and use."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--full", action="store_true", help="the long run, beyond 60 seconds")
    for name, use in switches:
        parser.add_argument(f"--{name}", action="store_true", help=use)
    for name, use in figures.items():
        parser.add_argument(f"--{name}", type=int, default=0, help=use)
    return parser.parse_args()


def report(title: str, rows: Sequence[Mapping[str, object]], figures: Figures) -> None:
    """Prints the rows as a table, then the figures as JSON on one line."""
    show(title, rows)
    print(json.dumps({**figures, "machine": machine()}, ensure_ascii=False), flush=True)


def show(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Prints the rows as a table, columns in the order of the first row; for a benchmark with more than one table."""
    table = Table(title=title, title_justify="left")
    for number, name in enumerate(rows[0] if rows else ()):
        table.add_column(name, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)


def _cell(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "-" if value is None else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
