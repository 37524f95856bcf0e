"""`simulate`: the questions of the last days asked again under a draft, and what would have become of them.

Decisions only: no data are read, nothing is charged, and the log's texts are read by this program and shown to
nobody. Both sides are judged today, with the same own tables, so that a difference is the draft's doing. Strangers'
SQL is looked at in checkers, killable processes that hold no data and no keys, one pool per side.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from louver_sandbox import checker, codec, journal
from louver_sandbox.audit.log import MAX_PAGE, AuditLog
from louver_sandbox.auditing.replay import question_of
from louver_sandbox.catalog.model import Catalog, Table
from louver_sandbox.delegates import checker_zygote
from louver_sandbox.drafting.outcomes import Outcome, outcome_of
from louver_sandbox.processes.pool import CheckerFailed, CheckerPool
from louver_sandbox.stages import Case, Facts, Request, Subject, Verdict

KINDS = ("admission", "refusal")
PATIENCE_S = 30.0
"""How long to wait for a checker that is still starting; a service would have refused, a simulation need not."""
AT_THE_EDGE = "LVR-01"
"""Refusals of what was no question of the caller's."""
MOST_EXAMPLES = 100
AHEAD = 8
"""Questions that wait to be judged for each thread; the history is read no further ahead."""

Judge = Callable[[Case], Verdict | None]
"""The verdict on a case; None when a checker could not finish it."""


@dataclass(frozen=True)
class Asked:
    """A question of the history, once, with the entries in which it was asked."""

    request: Request
    entries: tuple[int, ...]


@dataclass
class History:
    """The questions of the last days. `erased` entries have no text any more, `unknown` ones no known requester."""

    asked: list[Asked] = field(default_factory=list)
    erased: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Example:
    """One question whose outcome changes; `entry` is its newest log entry. No SQL."""

    entry: int
    institution: str
    purpose: str
    times: int
    before: Outcome
    after: Outcome


@dataclass
class Simulation:
    """What a draft would have changed: how many questions moved from what to what, with examples of each."""

    asked: int = 0
    distinct: int = 0
    erased: int = 0
    unknown: int = 0
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], list[Example]] = field(default_factory=dict)

    def plain(self) -> Mapping[str, Any]:
        """The whole simulation as plain data."""
        moves = [
            {
                "from": before,
                "to": after,
                "questions": count,
                "examples": [_plain(item) for item in self.examples[(before, after)]],
            }
            for (before, after), count in sorted(self.moves.items(), key=lambda item: (-item[1], item[0]))
        ]
        return {
            "asked": self.asked,
            "distinct": self.distinct,
            "erased": self.erased,
            "unknown_requesters": self.unknown,
            "changed": sum(self.moves.values()),
            "moves": moves,
        }


def _plain(item: Example) -> Mapping[str, Any]:
    return {
        "entry": item.entry,
        "institution": item.institution,
        "purpose": item.purpose,
        "times": item.times,
        "before": item.before.plain(),
        "after": item.after.plain(),
    }


@dataclass
class Reading:
    """A question of the history as it is met, the newest first; `first` is its first meeting."""

    key: object
    request: Request
    entry: int
    first: bool


def meetings(log: AuditLog, since: datetime, known: Mapping[str, Subject], told: History) -> Iterator[Reading]:
    """The questions since a moment as they were asked; what is left out is counted in `told`.

    `known` are the requesters that older refusals do not describe.
    """
    seen: dict[object, Request] = {}
    before: int | None = None
    while page := log.latest(before, MAX_PAGE, kinds=KINDS):
        fresh = [entry for entry in page if journal.moment(entry) >= since]
        for entry, openings in zip(fresh, log.opened(fresh), strict=True):
            if str(entry.fields.get("code", "")).startswith(AT_THE_EDGE) or "verb" in entry.fields:
                continue  # not a question in SQL that was judged
            subject = known.get(str(entry.fields.get("institution", "")))
            if "subject" not in entry.fields and subject is None:
                told.unknown += 1
                continue
            request = question_of(entry, openings, subject)
            if request is None:
                told.erased += 1
                continue
            key = _key(request)
            first = key not in seen
            yield Reading(key, seen.setdefault(key, request), entry.index, first)
        if len(fresh) < len(page):
            return
        before = page[-1].index


def history(log: AuditLog, since: datetime, known: Mapping[str, Subject]) -> History:
    """The questions since a moment, each once."""
    found = History()
    alike: dict[object, list[int]] = {}
    requests: dict[object, Request] = {}
    for met in meetings(log, since, known, found):
        alike.setdefault(met.key, []).append(met.entry)
        requests.setdefault(met.key, met.request)
    found.asked = [Asked(requests[key], tuple(entries)) for key, entries in alike.items()]
    return found


def _key(request: Request) -> object:
    """What makes two questions one: who asks what for which purpose."""
    who = request.subject
    return (who.institution, who.type, who.groups, journal.request_digest(request))


def as_it_goes(
    met: Iterator[Reading],
    told: History,
    judge_both: Callable[[Request], tuple[Outcome, Outcome]],
    threads: int,
    examples: int,
    tick: Callable[[], bool],
) -> Iterator[tuple[Simulation, int]]:
    """The simulation so far, and how many different questions of it are judged: whenever `tick` says that it is time,
    and at the end. Questions are judged while the history is still being read. Whoever stops listening stops it."""
    entries: dict[object, list[int]] = {}
    requests: dict[object, Request] = {}
    waiting: dict[object, Future[tuple[Outcome, Outcome]]] = {}
    judged: dict[object, tuple[Outcome, Outcome]] = {}

    def collect(most: int) -> None:
        while len(waiting) > most:
            key, future = next(iter(waiting.items()))
            judged[key] = future.result()
            del waiting[key]

    def so_far() -> tuple[Simulation, int]:
        for key in [key for key, future in waiting.items() if future.done()]:
            judged[key] = waiting.pop(key).result()
        result = Simulation(sum(map(len, entries.values())), len(entries), told.erased, told.unknown)
        for key, (before, after) in judged.items():
            _count(result, Asked(requests[key], tuple(entries[key])), before, after, min(examples, MOST_EXAMPLES))
        return result, len(judged)

    with ThreadPoolExecutor(threads) as pool:
        try:
            for reading in met:
                entries.setdefault(reading.key, []).append(reading.entry)
                if reading.first:
                    requests[reading.key] = reading.request
                    waiting[reading.key] = pool.submit(judge_both, reading.request)
                    collect(AHEAD * threads)
                if tick():
                    yield so_far()
            while waiting:
                collect(len(waiting) - 1)
                if tick():
                    yield so_far()
            yield so_far()
        finally:
            pool.shutdown(cancel_futures=True)


def simulate(
    past: History,
    sides: tuple[Judge, Judge],
    own: Callable[[str], tuple[Table, ...]],
    today: Facts,
    progress: Callable[[int, int], None],
    threads: int = 2,
    examples: int = 3,
    sealing_key: Callable[[str], str] = lambda institution: "",
) -> Simulation:
    """Judges every question by both sides; `progress` hears how many of how many are done. `sealing_key` is the id of
    an institution's key of today."""
    result = Simulation(sum(len(item.entries) for item in past.asked), len(past.asked), past.erased, past.unknown)
    askers = {item.request.subject.institution for item in past.asked}
    tables = {name: own(name) for name in askers}
    facts = {name: replace(today, sealing_key=sealing_key(name)) for name in askers}

    def both(item: Asked) -> tuple[Asked, Outcome, Outcome]:
        asker = item.request.subject.institution
        case = Case(item.request, tables[asker], facts[asker])
        return item, outcome_of(sides[0](case)), outcome_of(sides[1](case))

    with ThreadPoolExecutor(threads) as pool:
        for done, (item, before, after) in enumerate(pool.map(both, past.asked), start=1):
            _count(result, item, before, after, min(examples, MOST_EXAMPLES))
            progress(done, len(past.asked))
    return result


def _count(result: Simulation, item: Asked, before: Outcome, after: Outcome, most: int) -> None:
    move = _move(before, after)
    if move is None:
        return
    result.moves[move] += len(item.entries)
    shown = result.examples.setdefault(move, [])
    if len(shown) < most:
        said = item.request
        shown.append(
            Example(item.entries[0], said.subject.institution, said.purpose, len(item.entries), before, after)
        )


def _move(before: Outcome, after: Outcome) -> tuple[str, str] | None:
    """From what to what a question moved, None where nothing changes for its asker."""
    if before.verdict != after.verdict:
        return before.verdict, after.verdict
    if before.cost != after.cost:
        return before.verdict, f"{after.verdict} at another cost"
    if before.terms != after.terms:
        return before.verdict, f"{after.verdict} under other terms"
    return None


@contextmanager
def judging(catalog: Catalog, content: bytes, size: int, seconds: float) -> Iterator[Judge]:
    """A pool of checkers that judge by this catalogue and this bundle; they end with the block."""
    with Side() as side, side.judging(catalog, content, size, seconds) as judge:
        yield judge


class Side:
    """The other side of simulations: what forks its checkers, which takes seconds to start and is kept for the next.

    Making it waits for the start. Raises `ZygoteFailed`. One simulation at a time: checkers read what they
    judge by when they start, also those that replace others.
    """

    def __init__(self) -> None:
        with ExitStack() as parts:
            self._folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="louver-simulate-")))
            self._zygote = parts.enter_context(checker_zygote(self._folder))
            self._zygote.start()
            self._parts = parts.pop_all()
        self._alone = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends its processes."""
        self._parts.close()

    @contextmanager
    def judging(self, catalog: Catalog, content: bytes, size: int, seconds: float) -> Iterator[Judge]:
        """A pool of checkers that judge by this catalogue and this bundle; they end with the block."""
        with self._alone:
            checker.write_judgement(self._folder, catalog, content)
            try:
                with CheckerPool(self._zygote, size=size) as pool:
                    yield _judge(pool, seconds)
            finally:
                shutil.rmtree(self._folder / "kept", ignore_errors=True)


def _judge(pool: CheckerPool, seconds: float) -> Judge:
    def judge(case: Case) -> Verdict | None:
        asked = checker.case_to_bytes(case)
        for patience in (seconds, PATIENCE_S):
            try:
                return codec.decode(pool.ask(asked, patience), Verdict)
            except CheckerFailed as failed:
                if failed.kind != "busy":
                    return None
        return None

    return judge


def lines(simulation: Simulation) -> Sequence[str]:
    """A simulation for people."""
    told = [
        f"{simulation.asked} questions asked, {simulation.distinct} of them different; "
        f"{sum(simulation.moves.values())} would have come out otherwise"
    ]
    if simulation.erased or simulation.unknown:
        told.append(f"left out: {simulation.erased} erased, {simulation.unknown} of requesters not known any more")
    for (before, after), count in simulation.moves.most_common():
        told.append(f"{count:6}  {before} -> {after}")
        for item in simulation.examples[(before, after)]:
            rule = f"  by {item.after.rule}" if item.after.rule else ""
            told.append(f"          entry {item.entry}  {item.institution}  {item.purpose}  x{item.times}{rule}")
    return told
