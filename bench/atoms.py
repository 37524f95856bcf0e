"""What the atom rule costs the publisher: the same table published with and without it, in a process of its own each.

Eight million rows (200,000 without `--full`) of firms with eight rows each; 40 districts, 20 sections and 30 years of
founding are 24,000 combinations, most of them of a few firms, since places and sections are as uneven as real ones
(Zipf). One sum may be asked for. Processor seconds and peak memory are the child's own (`wait4`), so that a busy
machine does not decide.

Keys: `cpu_x` processor time with atoms over without, `rss_x` peak memory likewise, `atoms` combinations before
merging and `kept` after it, `rows_moved` and `units_moved` shares.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from bench.report import arguments, quantile, report
from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.atoms import AtomRules, Dimension, Grouping, MeasuredColumn
from louver_sandbox.policy.grants import GrantSet
from louver_sandbox.publishing.publish_main import Job
from louver_sandbox.publishing.record_keys import create_key

ROWS, ROWS_FULL = 200_000, 8_000_000
ROWS_PER_FIRM = 8
PAIRS, PAIRS_FULL = 3, 1
DECLARATION = """
table: gov.firm_quarter
space: government
owner: bench
title: returns of firms
share_type: 有条件共享
open_type: 不予开放
operable: [analyse]
refresh: day
as_of: 2026-06-30
source: {kind: parquet, path: firm_quarter.parquet}
units:
  - {type: enterprise, column: uscc, rows_per_unit: unbounded}
columns:
  uscc: {type: text, nullable: false, level: L1, role: id}
  district: {type: text, nullable: false, level: L2, role: qi}
  section: {type: text, nullable: false, level: L2, role: qi}
  founded: {type: date, nullable: false, level: L2, role: time}
  revenue: {type: decimal(2), nullable: false, level: L3, role: val, bounds: [0, 1000000]}
"""
MADE = """
SELECT printf('U%08d', firm) AS uscc,
       printf('3%d%02d', 1 + district // 10, district % 10) AS district,
       chr(65 + section) AS section,
       DATE '1996-01-01' + CAST(hash(firm * 7) % 10950 AS INTEGER) AS founded,
       CAST(100 + hash(i) % 900 AS DECIMAL(12, 2)) AS revenue
FROM (SELECT i, i // {each} AS firm,
             CAST(least(39, floor(pow(40, (hash(i // {each}) % 1000003) / 1000003.0) - 1)) AS INTEGER) AS district,
             CAST(least(19, floor(pow(20, (hash(i // {each} + 5) % 1000003) / 1000003.0) - 1)) AS INTEGER) AS section
      FROM range({rows}) AS rows(i))
"""
RULES = AtomRules(
    dimensions=(
        Dimension.model_validate({"column": "founded", "by": "year"}),
        Dimension(column="section"),
        Dimension(column="district", merge=(Grouping(prefix=2),)),
    ),
    measures=(MeasuredColumn(column="revenue", summed=True),),
    person=10,
    enterprise=5,
    dominance_percent=60,
    p_percent=10,
)
COLUMNS = ("district", "founded", "revenue", "section", "uscc")


@dataclass(frozen=True)
class Run:
    """One publication: processor seconds, seconds by the clock, peak memory in MiB, and what the process told."""

    cpu_s: float
    clock_s: float
    rss_mib: float
    told: Mapping[str, Any]


def publish(folder: Path, atoms: AtomRules | None, number: int) -> Run:
    """A publisher of its own, from nothing."""
    grant = GrantSet(TableName("gov", "firm_quarter"), COLUMNS, None, atoms)
    job = Job((folder / "table.yaml",), folder, folder / "record.key", folder / f"snapshots-{number}", (grant,))
    command = [sys.executable, "-m", "louver_sandbox.publishing.publish_main"]
    with tempfile.TemporaryFile("w+") as told, tempfile.TemporaryFile("w+") as asked:
        asked.write(job.encode())
        asked.seek(0)
        process = subprocess.Popen(command, stdin=asked, stdout=told)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        told.seek(0)
        events = [json.loads(line) for line in told]
    if process.returncode:
        raise SystemExit(f"the publisher refused: {events}")
    return Run(used.ru_utime + used.ru_stime, events[0]["seconds"], used.ru_maxrss / 1024, events[0])


def main() -> None:
    """Make, publish alternately, report."""
    full = arguments(__doc__ or "").full
    rows, pairs = (ROWS_FULL, PAIRS_FULL) if full else (ROWS, PAIRS)
    with tempfile.TemporaryDirectory(prefix="louver-atoms-") as scratch:
        folder = Path(scratch)
        (folder / "table.yaml").write_text(DECLARATION, encoding="utf-8")
        create_key(folder / "record.key")
        with duckdb.connect() as engine:
            made = MADE.format(rows=rows, each=ROWS_PER_FIRM)
            engine.execute(f"COPY ({made}) TO '{folder}/firm_quarter.parquet' (FORMAT parquet)")
        plain, atomic = [], []
        for pair in range(pairs):
            plain.append(publish(folder, None, 2 * pair))
            atomic.append(publish(folder, RULES, 2 * pair + 1))
    partition = atomic[0].told["partition"]
    (units,) = partition["units"]
    kinds = {"without atoms": plain, "with atoms": atomic}
    report(
        f"publishing {rows:,} rows",
        [
            {
                "snapshot": name,
                "processor s": quantile([run.cpu_s for run in runs], 0.5),
                "by the clock s": quantile([run.clock_s for run in runs], 0.5),
                "peak MiB": max(run.rss_mib for run in runs),
            }
            for name, runs in kinds.items()
        ],
        {
            "rows": rows,
            "cpu_s": round(quantile([run.cpu_s for run in atomic], 0.5), 1),
            "cpu_x": round(quantile([a.cpu_s / p.cpu_s for a, p in zip(atomic, plain, strict=True)], 0.5), 2),
            "rss_x": round(max(run.rss_mib for run in atomic) / max(run.rss_mib for run in plain), 2),
            "atoms": partition["atoms"],
            "kept": partition["kept"],
            "rows_moved": round(partition["rows_moved"] / partition["rows"], 4),
            "units_moved": round(units["moved"] / units["units"], 4),
        },
    )


if __name__ == "__main__":
    main()
