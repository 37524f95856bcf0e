"""Clients in processes of their own, so that neither the service's interpreter nor each other's holds them up."""

import multiprocessing
import re
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.support.questions import PURPOSE, question
from louver.errors import Refused
from louver_sandbox.demo.city import City

INSTITUTIONS = ("bank_a", "bank_b")
START_S, CONNECT_S = 4.0, 0.04
"""Time for the processes to start, and for each client to connect, before all begin together."""
OVERLOADED = "LVR-3101"


@dataclass(frozen=True)
class Asked:
    """When each question was asked and answered, in seconds of the system's monotonic clock, in order of asking.

    `turned_away` counts the questions refused because the service was busy; their clients went on to the next one.
    """

    times: tuple[tuple[float, float], ...]
    turned_away: int = 0

    @property
    def seconds(self) -> tuple[float, ...]:
        """How long each took its client."""
        return tuple(end - begin for begin, end in self.times)

    @property
    def per_second(self) -> float:
        """Answers per second of all clients together."""
        return len(self.times) / (max(end for _, end in self.times) - min(begin for begin, _ in self.times))


@dataclass(frozen=True)
class Caller:
    """One client: its share of the numbered questions, and when it begins."""

    city: City
    address: str
    institution: str
    numbers: range
    at: float

    def ask(self) -> Asked:
        """Asks one question after another over one connection."""
        times: list[tuple[float, float]] = []
        turned_away = 0
        with self.city.connect(self.address, self.institution, PURPOSE, timeout=120.0) as bank:
            bank.tables()
            time.sleep(max(0.0, self.at - time.monotonic()))
            for number in self.numbers:
                begin = time.monotonic()
                try:
                    bank.analyse(question(number))
                except Refused as refused:
                    if refused.code != OVERLOADED:
                        raise
                    turned_away += 1
                else:
                    times.append((begin, time.monotonic()))
        return Asked(tuple(times), turned_away)


def _joined(parts: Iterable[Asked]) -> Asked:
    every = tuple(parts)
    times = sorted(item for part in every for item in part.times)
    return Asked(tuple(times), sum(part.turned_away for part in every))


def _ask_together(callers: list[Caller]) -> Asked:
    with ThreadPoolExecutor(len(callers)) as threads:
        return _joined(threads.map(Caller.ask, callers))


def ask(city: City, address: str, numbers: range, *, clients: int, processes: int) -> Asked:
    """The numbered questions dealt out to so many clients, who share so many processes."""
    at = time.monotonic() + START_S + CONNECT_S * clients
    callers = [
        Caller(city, address, INSTITUTIONS[index % len(INSTITUTIONS)], numbers[index::clients], at)
        for index in range(clients)
    ]
    groups = [callers[index::processes] for index in range(processes)]
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        return _joined(pool.map(_ask_together, groups))


def rss_mib(pid: int) -> float:
    """Resident memory of one process now, in MiB (proc_pid_status(5), VmRSS)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise ValueError("the process has no resident memory")
    return int(found[1]) / 1024
