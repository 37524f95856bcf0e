"""The line's own cost, then the whole platform: from a question to a receipt its reader can verify.

First without an engine: the real pipeline, checker process and durable state store, and an engine that takes no time
(`p50_ms`, `p99_ms` for one caller, `line_per_s` for eight at once), beside the disk's own fdatasync in the same
folder. Then the real service with real workers over mutual TLS, called from processes of their own: one client
(`end_to_end_p50_ms`), sixteen at once (`queries_per_s_16`), and the service's memory at rest and after `asked`
questions. Every question is another one, so no stored answer helps, and the clients verify every receipt.

`--entries N` asks the line's questions once more over a log of N entries (`grown_*`). `--clients N` lets so many ask
at once, each going on to its next question when it is turned away: `overload_per_s` are the answers a second,
`overload_share` their share of `queries_per_s_16`. `--full` asks 10,000 questions of the service and compares the
first thousand with the last.
"""

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.report import Figures, arguments, quantile, report
from bench.support import instant
from bench.support.callers import Asked, ask, rss_mib
from bench.support.city import city
from bench.support.history import grow
from bench.support.questions import PURPOSE, question
from louver_sandbox.delegates import JudgeInChecker
from louver_sandbox.demo.city import City
from louver_sandbox.demo.running import running
from louver_sandbox.pipeline import Call, Pipeline
from louver_sandbox.premises import utc_now
from louver_sandbox.stages import Answer, Facts, InstitutionType, Plan, Request, Subject
from louver_sandbox.wiring import Platform

PERSONS = 2000
WARM, ALONE, TOGETHER, CALLERS = 40, 200, 200, 8
CLIENTS, CLIENT_PROCESSES = 16, 4
ASKED, ASKED_FULL = 600, 10_000
ASKED_ALONE = 100
CROWD_ASKED = 2_000
EDGE = 1_000
"""Questions at either end of a long run that are compared."""
PATIENCE_S = 30.0
PAGE = 4096
SYNCS = 200
BANK = Subject("bank_a", InstitutionType.BANK, frozenset({"banks"}), "0" * 64)


@dataclass
class Stages:
    """Seconds of each question asked, by stage, and in all without what the simulated engine took."""

    check: list[float] = field(default_factory=list)
    commit: list[float] = field(default_factory=list)
    finish: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)


class Watch(threading.local):
    """When the thread's current question passed the doors between the stages."""

    checked = started = replied = 0.0
    plan: Plan | None = None


class Watched:
    """The instant slot, with the times of its run."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def run(self, plan: Plan, call: Call) -> bytes:
        """The made-up reply."""
        self._watch.started = time.perf_counter()
        reply = instant.reply(plan)
        self._watch.replied = time.perf_counter()
        return reply


class Line:
    """The pipeline with an engine that takes no time, and a stopwatch. Threads may share it."""

    def __init__(self, platform: Platform) -> None:
        self._ask = JudgeInChecker(platform.checkers, platform.own_tables.tables, PATIENCE_S, platform.withdrawn)
        self._books = platform.books
        self._watch = Watch()
        self._pipeline = Pipeline(self._judge, self._reserve, platform.books, utc_now, _incident)
        self.stages = Stages()

    def _judge(self, request: Request, facts: Facts) -> Plan:
        self._watch.plan = plan = self._ask(request, facts)
        self._watch.checked = time.perf_counter()
        return plan

    @contextmanager
    def _reserve(self, institution: str, call: Call) -> Iterator[Watched]:
        yield Watched(self._watch)

    def lengthen(self, entries: int, number: int) -> None:
        """Grows the log to so many entries with questions like this one."""
        request, answer = self.ask(number)
        if self._watch.plan is None:
            raise RuntimeError("a question was answered that was not checked")
        grow(self._books, self._watch.plan, request, answer, entries)

    def ask(self, number: int) -> tuple[Request, Answer]:
        """One question from request to receipt. Raises what the pipeline raises."""
        request = Request(os.urandom(16).hex(), BANK, PURPOSE, question(number), received=utc_now())
        begin = time.perf_counter()
        receipted = self._pipeline.answer(request, Call(PATIENCE_S, threading.Event(), _unheard))
        end = time.perf_counter()
        if receipted.stored:
            raise RuntimeError("a stored answer is no measure of the line")
        watch, stages = self._watch, self.stages
        stages.check.append(watch.checked - begin)
        stages.commit.append(watch.started - watch.checked)
        stages.finish.append(end - watch.replied)
        stages.whole.append(end - begin - (watch.replied - watch.started))
        return request, receipted.answer


def _unheard(text: str) -> None:
    """Progress that nobody listens to."""


def _incident(error: Exception) -> str:
    raise error


@dataclass(frozen=True)
class LineFigures:
    """The line without an engine: stages of a caller alone, and questions per second of several together.

    `cpu_ms` is the service process's own processor time per question, the simulated engine's included, the checker's
    not; unlike the other times it does not suffer much from a busy machine. `grown` are the same caller's stages over
    a longer log.
    """

    stages: Stages
    grown: Stages | None
    per_second: float
    cpu_ms: float
    syncs: tuple[float, ...]


def measure_line(made: City, entries: int) -> LineFigures:
    """Asks through the pipeline in this very process; nothing else uses the installation meanwhile."""
    with Platform(made.settings, utc_now, _incident) as platform:
        platform.warm()
        line = Line(platform)
        with ThreadPoolExecutor(CALLERS) as callers:
            list(callers.map(line.ask, range(WARM)))
            line.stages = alone = Stages()
            cpu = time.process_time()
            for number in range(WARM, WARM + ALONE):
                line.ask(number)
            cpu = time.process_time() - cpu
            line.stages = Stages()
            begin = time.perf_counter()
            list(callers.map(line.ask, range(WARM + ALONE, WARM + ALONE + TOGETHER)))
            together = time.perf_counter() - begin
        grown = _over_a_longer_log(line, entries) if entries else None
        syncs = sync_times(made.settings.home)
        return LineFigures(alone, grown, TOGETHER / together, 1000 * cpu / ALONE, syncs)


def _over_a_longer_log(line: Line, entries: int) -> Stages:
    first = WARM + ALONE + TOGETHER
    line.lengthen(entries, first)
    line.stages = Stages()
    for number in range(first + 1, first + 1 + ALONE):
        line.ask(number)
    return line.stages


def sync_times(folder: Path) -> tuple[float, ...]:
    """How long the disk takes to make one more page of a file durable (fdatasync(2))."""
    taken: list[float] = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(SYNCS):
            file.write(os.urandom(PAGE))
            file.flush()
            begin = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - begin)
    return tuple(taken)


@dataclass(frozen=True)
class ServiceFigures:
    """The whole platform over mutual TLS; times in seconds, memory in MiB."""

    alone: tuple[float, ...]
    together: Asked
    crowd: Asked | None
    rss: float
    rss_after: float
    asked: int


def measure_service(made: City, asked: int, crowd: int) -> ServiceFigures:
    """Asks the real service; the numbers go on where the line stopped, for the stored answers outlive it."""
    first = WARM + 2 * ALONE + TOGETHER + 1
    with running(made.settings.home) as (address, service):
        ask(made, address, range(first, first + WARM), clients=2, processes=1)
        rss = rss_mib(service.pid)
        first += WARM
        alone = ask(made, address, range(first, first + ASKED_ALONE), clients=1, processes=1)
        first += ASKED_ALONE
        numbers = range(first, first + max(CLIENTS, asked - ASKED_ALONE - WARM))
        together = ask(made, address, numbers, clients=CLIENTS, processes=CLIENT_PROCESSES)
        after = rss_mib(service.pid)
        flood = range(numbers.stop, numbers.stop + CROWD_ASKED)
        crowded = ask(made, address, flood, clients=crowd, processes=CLIENT_PROCESSES) if crowd else None
    return ServiceFigures(alone.seconds, together, crowded, rss, after, asked)


def _grown(stages: Stages | None) -> Figures:
    """The stages that write, over the longer log."""
    if stages is None:
        return {}
    names = {"grown_p50_ms": stages.whole, "grown_commit_p50_ms": stages.commit, "grown_finish_p50_ms": stages.finish}
    return {name: round(1000 * quantile(values, 0.5), 2) for name, values in names.items()}


def _crowded(service: ServiceFigures) -> Figures:
    """What was answered while far more was asked than can be."""
    if service.crowd is None:
        return {}
    return {
        "overload_per_s": round(service.crowd.per_second, 1),
        "overload_share": round(service.crowd.per_second / service.together.per_second, 2),
        "overload_answered": len(service.crowd.times),
        "overload_turned_away": service.crowd.turned_away,
    }


def _edges(asked: Asked) -> Figures:
    """The first questions of a long run against the last."""
    if len(asked.times) < 2 * EDGE:
        return {}
    first, last = Asked(asked.times[:EDGE]), Asked(asked.times[-EDGE:])
    return {
        f"{name}_{what}": round(value, 1)
        for name, part in (("first", first), ("last", last))
        for what, value in (("per_s", part.per_second), ("p50_ms", 1000 * quantile(part.seconds, 0.5)))
    }


def _row(what: str, seconds: tuple[float, ...] | list[float]) -> dict[str, object]:
    return {"what": what, **{f"p{q} ms": 1000 * quantile(seconds, q / 100) for q in (50, 90, 99)}}


def main() -> None:
    """Build, ask, report."""
    given = arguments(__doc__ or "", entries="log entries to measure over", clients="clients that overload it")
    asked = ASKED_FULL if given.full else ASKED
    with tempfile.TemporaryDirectory(prefix="louver-line-") as scratch:
        made = city(Path(scratch), PERSONS)
        line = measure_line(made, given.entries)
        service = measure_service(made, asked, given.clients)
    stages = line.stages
    rows = [
        _row("line without engine", stages.whole),
        _row("  check: request to plan, in the checker", stages.check),
        _row("  commit: budget and admission, durable", stages.commit),
        _row("  finish: release, outcome durable, receipt", stages.finish),
        _row("the disk's own fdatasync", line.syncs),
        _row("service over mTLS, 1 client", service.alone),
        _row(f"service over mTLS, {CLIENTS} clients", service.together.seconds),
    ]
    p50, sync = quantile(stages.whole, 0.5), quantile(line.syncs, 0.5)
    figures = {
        "p50_ms": round(1000 * p50, 2),
        "p99_ms": round(1000 * quantile(stages.whole, 0.99), 2),
        "service_cpu_ms": round(line.cpu_ms, 2),
        "line_per_s": round(line.per_second, 1),
        "fsync_p50_ms": round(1000 * sync, 3),
        "line_over_fsync": round(p50 / sync, 2),
        "end_to_end_p50_ms": round(1000 * quantile(service.alone, 0.5), 1),
        "queries_per_s_16": round(service.together.per_second, 1),
        "service_rss_mib": round(service.rss, 1),
        "service_rss_after_mib": round(service.rss_after, 1),
        "asked": service.asked,
        **_grown(line.grown),
        **_edges(service.together),
        **_crowded(service),
    }
    report("line", rows, figures)


if __name__ == "__main__":
    main()
