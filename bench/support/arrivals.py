"""Questions that arrive when they arrive, whether or not earlier ones are answered: what overloads a service.

Each institution's come from a process of its own, at random moments (Poisson, seeded), and a latency counts from the
moment at which the question was due, so that a generator that lags behind flatters nobody.
"""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from multiprocessing.synchronize import Barrier

from bench.support.callers import OVERLOADED
from bench.support.questions import PURPOSE, question
from louver.errors import Refused
from louver_sandbox.demo.city import City

AT_ONCE = 60
"""Calls under way over one connection; the service lets 64 in."""
START_S = 300.0
"""Longest that a process waits for the others to be connected before all begin."""
STRIDE = 1_000_000
"""Numbers of questions between one load and the next, so that no two ask the same."""


@dataclass(frozen=True)
class Load:
    """What one institution asks: so many questions a second, or as many as `callers` can one after another."""

    institution: str
    per_second: float
    seconds: float
    seed: int
    callers: int = 0

    def due(self) -> Iterator[float]:
        """The seconds after the start at which questions are due."""
        drawn, at = random.Random(self.seed), 0.0
        while self.per_second:
            at += drawn.expovariate(self.per_second)
            if at > self.seconds:
                return
            yield at


@dataclass(frozen=True)
class Met:
    """What became of one question: when it was due, how long until the answer or the refusal, and which."""

    due: float
    seconds: float
    answered: bool
    retry_after: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What became of one institution's load, in the order of being due."""

    load: Load
    met: tuple[Met, ...]

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return sum(one.answered for one in self.met) / self.load.seconds

    @property
    def answered(self) -> tuple[float, ...]:
        """How long each answer took."""
        return tuple(one.seconds for one in self.met if one.answered)

    @property
    def refused(self) -> tuple[float, ...]:
        """How long each refusal took."""
        return tuple(one.seconds for one in self.met if not one.answered)


@dataclass(frozen=True)
class Generator:
    """One process's part: a load, the numbers of its questions, and when all begin."""

    city: City
    address: str
    load: Load
    first: int

    def run(self) -> Outcome:
        """Asks, once all are connected, until the load's time is over, and waits for what is under way."""
        with self.city.connect(self.address, self.load.institution, PURPOSE, timeout=120.0) as bank:
            bank.tables()
            numbers = count(self.first)
            _together().wait(START_S)
            at = time.monotonic()

            def ask(due: float) -> Met:
                try:
                    bank.analyse(question(next(numbers)))
                except Refused as refused:
                    if refused.code != OVERLOADED:
                        raise
                    return Met(due, time.monotonic() - at - due, False, refused.retry_after or 0.0)
                return Met(due, time.monotonic() - at - due, True)

            if self.load.callers:
                return Outcome(self.load, tuple(self._closed(ask, at)))
            with ThreadPoolExecutor(AT_ONCE) as threads:
                under_way = []
                for due in self.load.due():
                    time.sleep(max(0.0, at + due - time.monotonic()))
                    under_way.append(threads.submit(ask, due))
                return Outcome(self.load, tuple(one.result() for one in under_way))

    def _closed(self, ask: Callable[[float], Met], at: float) -> list[Met]:

        def one_after_another(number: int) -> list[Met]:
            met: list[Met] = []
            while (now := time.monotonic() - at) < self.load.seconds:
                met.append(ask(now))
                if not met[-1].answered:
                    time.sleep(met[-1].retry_after)
            return met

        with ThreadPoolExecutor(self.load.callers) as threads:
            return sorted(
                (one for part in threads.map(one_after_another, range(self.load.callers)) for one in part),
                key=lambda one: one.due,
            )


_runs = count(1)
_barriers: list[Barrier] = []
"""In a process that asks, what all of them wait at before they begin."""


def _meet_at(barrier: Barrier) -> None:
    _barriers.append(barrier)


def _together() -> Barrier:
    return _barriers[0]


def arrive(city: City, address: str, loads: Sequence[Load]) -> list[Outcome]:
    """Runs the loads together, each in a process of its own."""
    parts = [Generator(city, address, load, 100_000 + next(_runs) * STRIDE) for load in loads]
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(len(parts))
    with ProcessPoolExecutor(len(parts), context, _meet_at, (barrier,)) as pool:
        return list(pool.map(Generator.run, parts))
