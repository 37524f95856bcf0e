"""World generator: rows per second over the whole data set, and peak memory including worker processes."""

import tempfile
import time
from pathlib import Path

from rich.progress import Progress

from bench.report import arguments, peak_rss_mib, report
from louver_sandbox.demo.world import TABLES, generate

PERSONS, FULL_PERSONS = 1_500_000, 13_700_000
"""About 25 M rows; with --full 100 M rows in the largest table and 225 M in all (1.6 GB of disk)."""
PROCESSES = 2


def main() -> None:
    options = arguments(__doc__ or "")
    persons = FULL_PERSONS if options.full else PERSONS
    with tempfile.TemporaryDirectory(prefix="louver-world-") as scratch, Progress(transient=True) as bar:
        tasks = {table: bar.add_task(table, total=None) for table in TABLES}

        def show(table: str, done: int, total: int) -> None:
            bar.update(tasks[table], completed=done, total=total)

        begin = time.perf_counter()
        world = generate(persons=persons, out=Path(scratch) / "world", processes=PROCESSES, progress=show)
        seconds = time.perf_counter() - begin
        sizes = {table: sum(part.stat().st_size for part in world.parts(table)) for table in TABLES}
    rows: list[dict[str, object]] = [
        {"table": table, "rows": world.rows[table], "MiB": sizes[table] / 2**20} for table in TABLES
    ]
    rows.append({"table": "all", "rows": world.total_rows, "MiB": sum(sizes.values()) / 2**20})
    report(
        f"{persons:,} persons in {seconds:.1f} s on {PROCESSES} processes",
        rows,
        {
            "rows_per_s": round(world.total_rows / seconds),
            "peak_rss_mib": round(peak_rss_mib(children=PROCESSES)),
            "rows": world.total_rows,
            "largest_table_rows": max(world.rows.values()),
            "seconds": round(seconds, 2),
            "processes": PROCESSES,
        },
    )


if __name__ == "__main__":
    main()
