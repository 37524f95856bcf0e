"""One subject, with its authorisation: how long a lookup takes its client, and a credit report of six sections.

The real service with real workers over mutual TLS. One client alone (`alone_p50_ms`), then twenty of two banks at
once in four processes (`p50_ms`, `p99_ms`, `per_s`) who never pause, each lookup about another of the authorised
firms and under another request id, so no stored answer helps; the clients verify every receipt. `report_p50_ms` is
one client's report. Answers leave at marks of 25 ms and 100 ms, so figures come in such steps.

Callers who never pause load any machine fully; people and their programs pause. So lookups also arrive at random
moments (Poisson, seeded) from twenty connections, whether or not earlier ones are answered, at rising rates:
`paced_per_s` is the highest at which the goal below is kept, none refused, with `paced_p50_ms` and `paced_p99_ms`,
counted from the moment at which each was due, and `paced_p99_per_s` the highest that keeps the p99 alone. A machine
is sized by them. The callers are on the same machine and
compete for it.

The goal (issue 8) is p50 <= 60 ms and p99 <= 300 ms at twenty clients over a world of a million subjects, which
`--full` makes (some ten minutes); `--persons N` makes another.
"""

import contextlib
import hashlib
import math
import multiprocessing
import os
import random
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

from bench.report import arguments, quantile, report
from bench.support.callers import OVERLOADED
from bench.support.city import city
from louver.client import Client
from louver.errors import Refused
from louver_sandbox.demo.city import City
from louver_sandbox.demo.running import running

PERSONS, PERSONS_FULL = 5_000, 1_000_000
FIRMS, WARM, ALONE, REPORTS = 100, 20, 60, 15
CLIENTS, PROCESSES, EACH = 20, 4, 25
BANKS = ("bank_a", "bank_b")
RATES, PACED_S = (2, 4, 6, 8, 10, 12, 15, 18, 22, 26, 30), 15.0
"""Lookups a second of all connections together, each rate for so long; the first that misses the p99 ends it."""
GOAL_P50_S, GOAL_P99_S = 0.060, 0.300
TEMPLATE, REPORT, PURPOSE = "enterprise-report@1", "credit-enterprise@1", "LOAN_ORIGINATION"
SCOPE = [
    *("gov.tax_credit", "gov.tax_quarter", "gov.ss_ent_month", "gov.ent_registry"),
    *("gov.pen_penalty", "gov.court_dishonest", "gov.credit_list"),
]
AT_ONCE, START_S = 8, 8.0
"""Lookups under way over one connection; time for all to connect before they begin together."""
Pair = tuple[str, str]


@dataclass(frozen=True)
class Caller:
    """One client: what it asks about, and when it begins."""

    city: City
    address: str
    bank: str
    pairs: tuple[Pair, ...]
    at: float
    due: tuple[float, ...] = ()
    """When each lookup is due, in seconds after the beginning; without, each follows the one before."""

    def ask(self) -> list[float]:
        """Seconds of each lookup over one connection, from when it was due; of one that is turned away infinitely
        many."""
        with self.city.connect(self.address, self.bank, PURPOSE, timeout=120.0) as bank:
            bank.templates()
            time.sleep(max(0.0, self.at - time.monotonic()))
            if not self.due:
                return [looked_up(bank, pair) for pair in self.pairs]
            with ThreadPoolExecutor(AT_ONCE) as threads:
                return list(threads.map(lambda due, pair: self._when_due(bank, due, pair), self.due, self.pairs))

    def _when_due(self, bank: Client, due: float, pair: Pair) -> float:
        time.sleep(max(0.0, self.at + due - time.monotonic()))
        try:
            looked_up(bank, pair)
        except Refused as refused:
            if refused.code != OVERLOADED:
                raise
            return math.inf
        return time.monotonic() - self.at - due


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


def _all(pool: ProcessPoolExecutor, callers: list[Caller]) -> list[float]:
    groups = [callers[index::PROCESSES] for index in range(PROCESSES)]
    return [second for part in pool.map(_ask_together, groups) for second in part]


class Crowd:
    """Twenty connections of two banks, in processes of their own."""

    def __init__(self, made: City, address: str, pairs: Mapping[str, list[Pair]], pool: ProcessPoolExecutor) -> None:
        self._made, self._address, self._pairs, self._pool = made, address, pairs, pool

    def without_pause(self) -> tuple[list[float], float]:
        """Seconds of each lookup where each caller's follows the one before, and how many there are a second."""
        at = time.monotonic() + START_S
        seconds = _all(self._pool, [self._caller(index, EACH, at) for index in range(CLIENTS)])
        return seconds, len(seconds) / (time.monotonic() - at)

    def arriving(self, rate: float) -> list[float]:
        """Seconds of each lookup where so many come a second."""
        at, callers = time.monotonic() + START_S, []
        for index in range(CLIENTS):
            drawn, moment, due = random.Random(1000 * index + int(rate)), 0.0, list[float]()
            while (moment := moment + drawn.expovariate(rate / CLIENTS)) < PACED_S:
                due.append(moment)
            if due:
                callers.append(self._caller(index, len(due), at, tuple(due)))
        return _all(self._pool, callers)

    def _caller(self, index: int, times: int, at: float, due: tuple[float, ...] = ()) -> Caller:
        bank = BANKS[index % len(BANKS)]
        pairs = tuple(self._pairs[bank][(index * EACH + number) % FIRMS] for number in range(times))
        return Caller(self._made, self._address, bank, pairs, at, due)


def paced(crowd: Crowd) -> tuple[list[dict[str, object]], dict[str, float]]:
    """A row for each rate, and the figures of the highest that keeps the goal."""
    rows, figures = list[dict[str, object]](), {"paced_per_s": 0.0, "paced_p99_per_s": 0.0}
    for rate in RATES:
        seconds = crowd.arriving(rate)
        p50, p99 = quantile(seconds, 0.5), quantile(seconds, 0.99)
        rows.append({"what": f"lookup, {rate} a second arriving", "p50 ms": p50 * 1e3, "p99 ms": p99 * 1e3})
        if p99 > GOAL_P99_S:
            break
        figures["paced_p99_per_s"] = rate
        if p50 <= GOAL_P50_S:
            figures |= {"paced_per_s": rate, "paced_p50_ms": round(p50 * 1e3, 1), "paced_p99_ms": round(p99 * 1e3, 1)}
    return rows, figures


def measured(made: City) -> tuple[list[dict[str, object]], dict[str, float]]:
    """The rows of the report and the figures, asked of the service of this city."""
    with running(made.settings.home) as (address, process):
        with made.connect(address, "bank_a", PURPOSE, timeout=120.0) as bank:
            pairs = authorised(bank, made)
            with made.connect(address, BANKS[1], PURPOSE, timeout=120.0) as other:
                both = {BANKS[0]: pairs, BANKS[1]: authorised(other, made)}
            for pair in pairs[:WARM]:
                looked_up(bank, pair)
            before = processor(process.pid)
            alone = [looked_up(bank, pairs[number % FIRMS]) for number in range(ALONE)]
            spent = (processor(process.pid) - before) / ALONE
            reports = [reported(bank, pairs[number]) for number in range(REPORTS)]
        with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
            crowd = Crowd(made, address, both, pool)
            paced_rows, paced_figures = paced(crowd)
            together, per_s = crowd.without_pause()
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
        "per_s": round(per_s, 1),
        **paced_figures,
        "report_p50_ms": round(quantile(reports, 0.5) * 1e3, 1),
        "load": round(os.getloadavg()[0], 1),
    }
    return [*rows, *paced_rows], figures


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
