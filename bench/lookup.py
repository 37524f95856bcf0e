"""One subject, with its authorisation: how long a lookup takes its client, and a credit report of six sections.

The real service with real workers over mutual TLS. One client alone (`alone_p50_ms`), then twenty at once in four
processes (`p50_ms`, `p99_ms`, `per_s`), each lookup about another of the authorised firms and under another request
id, so no stored answer helps; the clients verify every receipt. `report_p50_ms` is one client's report. Answers leave
at marks of 25 ms and 100 ms, so figures come in such steps.

The goal (issue 8) is p50 <= 60 ms and p99 <= 300 ms at twenty clients over a world of a million subjects, which
`--full` makes (some ten minutes); `--persons N` makes another.
"""

import contextlib
import hashlib
import multiprocessing
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

from bench.report import arguments, quantile, report
from bench.support.city import city
from louver.client import Client
from louver_sandbox.demo.city import City
from louver_sandbox.demo.running import running

PERSONS, PERSONS_FULL = 5_000, 1_000_000
FIRMS, WARM, ALONE, REPORTS = 100, 20, 60, 15
CLIENTS, PROCESSES, EACH = 20, 4, 25
TEMPLATE, REPORT, PURPOSE = "enterprise-report@1", "credit-enterprise@1", "LOAN_ORIGINATION"
SCOPE = [
    *("gov.tax_credit", "gov.tax_quarter", "gov.ss_ent_month", "gov.ent_registry"),
    *("gov.pen_penalty", "gov.court_dishonest", "gov.credit_list"),
]
Pair = tuple[str, str]


@dataclass(frozen=True)
class Caller:
    """One client: what it asks about, and when it begins."""

    city: City
    address: str
    pairs: tuple[Pair, ...]
    at: float

    def ask(self) -> list[float]:
        """Seconds of each lookup, one after another over one connection."""
        with self.city.connect(self.address, "bank_a", PURPOSE, timeout=120.0) as bank:
            bank.templates()
            time.sleep(max(0.0, self.at - time.monotonic()))
            return [looked_up(bank, pair) for pair in self.pairs]


def looked_up(bank: Client, pair: Pair) -> float:
    """Seconds that a lookup takes. Raises RuntimeError where it is told nothing."""
    begin = time.monotonic()
    answer = bank.lookup(TEMPLATE, pair[0], authorisation=pair[1])
    if not answer.rows:
        raise RuntimeError("an authorised firm is told nothing of")
    return time.monotonic() - begin


def reported(bank: Client, pair: Pair) -> float:
    """Seconds that a report takes. Raises RuntimeError where it says nothing."""
    begin = time.monotonic()
    if not bank.report(REPORT, pair[0], authorisation=pair[1]).sections:
        raise RuntimeError("the report says nothing")
    return time.monotonic() - begin


def authorised(bank: Client, made: City) -> list[Pair]:
    """Firms with what a lookup reads, each with an authorisation for any number of lookups."""
    files = f"'{made.world}/gov.ent_registry/*.parquet'"
    with duckdb.connect() as engine:
        chosen = f"SELECT uscc FROM read_parquet({files}) WHERE subject_class = 'E' ORDER BY hash(uscc) LIMIT {FIRMS}"
        firms = [str(firm) for (firm,) in engine.execute(chosen).fetchall()]
    today, signed = date.today(), hashlib.sha256(b"signed").hexdigest()
    return [
        (
            firm,
            bank.record_authorisation(
                firm,
                purpose=PURPOSE,
                scope=SCOPE,
                granted_on=today - timedelta(days=1),
                expires_on=today + timedelta(days=30),
                evidence_sha256=signed,
                uses=0,
            ),
        )
        for firm in firms
    ]


def _ask_together(callers: list[Caller]) -> list[float]:
    with ThreadPoolExecutor(len(callers)) as threads:
        return [second for part in threads.map(Caller.ask, callers) for second in part]


def measured(made: City) -> tuple[list[dict[str, object]], dict[str, float]]:
    """The rows of the report and the figures, asked of the service of this city."""
    with running(made.settings.home) as (address, process):
        with made.connect(address, "bank_a", PURPOSE, timeout=120.0) as bank:
            pairs = authorised(bank, made)
            for pair in pairs[:WARM]:
                looked_up(bank, pair)
            before = processor(process.pid)
            alone = [looked_up(bank, pairs[number % FIRMS]) for number in range(ALONE)]
            spent = (processor(process.pid) - before) / ALONE
            reports = [reported(bank, pairs[number]) for number in range(REPORTS)]
        at = time.monotonic() + 8.0
        shares = [
            tuple(pairs[(client * EACH + number) % FIRMS] for number in range(EACH)) for client in range(CLIENTS)
        ]
        callers = [Caller(made, address, share, at) for share in shares]
        groups = [callers[index::PROCESSES] for index in range(PROCESSES)]
        with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
            together = [second for part in pool.map(_ask_together, groups) for second in part]
        took = time.monotonic() - at
    rows: list[dict[str, object]] = [
        {"what": what, "p50 ms": quantile(times, 0.5) * 1e3, "p99 ms": quantile(times, 0.99) * 1e3}
        for what, times in (
            ("lookup, one client", alone),
            (f"lookup, {CLIENTS} clients", together),
            ("report of six sections", reports),
        )
    ]
    figures: dict[str, float] = {
        "alone_p50_ms": round(quantile(alone, 0.5) * 1e3, 1),
        "alone_processor_ms": round(spent * 1e3, 1),
        "p50_ms": round(quantile(together, 0.5) * 1e3, 1),
        "p99_ms": round(quantile(together, 0.99) * 1e3, 1),
        "per_s": round(len(together) / took, 1),
        "report_p50_ms": round(quantile(reports, 0.5) * 1e3, 1),
        "load": round(os.getloadavg()[0], 1),
    }
    return rows, figures


def processor(pid: int) -> float:
    """Seconds of processor time of the service and of every process below it, those that have ended included."""
    spent = 0.0
    for process in (pid, *_below(pid)):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            spent += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return spent


def _below(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *_below(child)]
    return found


def main() -> None:
    """Prints the figures."""
    wanted = arguments(__doc__ or "", persons="how many persons the world has")
    persons = wanted.persons or (PERSONS_FULL if wanted.full else PERSONS)
    with tempfile.TemporaryDirectory() as folder:
        rows, figures = measured(city(Path(folder), persons))
    report("lookups over mutual TLS", rows, {"persons": persons, **figures})


if __name__ == "__main__":
    main()
