"""`simulate`: the questions of the last days asked again under a draft, and what would have become of them.

Decisions only: no data are read, nothing is charged, and the log's texts are read by this program and shown to
nobody. Both sides are judged today, with the same own tables, so that a difference is the draft's doing. Strangers'
SQL is looked at in checkers, killable processes that hold no data and no keys, one pool per side.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from louver_sandbox import checker, codec, journal
from louver_sandbox.audit.log import MAX_PAGE, AuditLog
from louver_sandbox.auditing.replay import question_of
from louver_sandbox.catalog.model import Catalog, Table
from louver_sandbox.delegates import checker_zygote
from louver_sandbox.processes.pool import CheckerFailed, CheckerPool
from louver_sandbox.stages import Case, Facts, Request, Subject, Verdict

KINDS = ("admission", "refusal")
PATIENCE_S = 30.0
"""How long to wait for a checker that is still starting; a service would have refused, a simulation need not."""
AT_THE_EDGE = "LVR-01"
"""Refusals of what was no question of the caller's."""
MOST_EXAMPLES = 100

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
class Outcome:
    """What becomes of a question: a treatment, a refusal's code or `unfinished`; its cost, and under which terms."""

    verdict: str
    rule: str
    cost: tuple[tuple[str, int], ...]
    terms: str


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
    def told(outcome: Outcome) -> Mapping[str, Any]:
        return {"verdict": outcome.verdict, "rule": outcome.rule, "cost": dict(outcome.cost), "terms": outcome.terms}

    return {
        "entry": item.entry,
        "institution": item.institution,
        "purpose": item.purpose,
        "times": item.times,
        "before": told(item.before),
        "after": told(item.after),
    }


def history(log: AuditLog, since: datetime, known: Mapping[str, Subject]) -> History:
    """The questions since a moment, each once; `known` are the requesters that older refusals do not describe."""
    found = History()
    alike: dict[object, list[int]] = {}
    requests: dict[object, Request] = {}
    before: int | None = None
    while page := log.latest(before, MAX_PAGE, kinds=KINDS):
        fresh = [entry for entry in page if journal.moment(entry) >= since]
        for entry, openings in zip(fresh, log.opened(fresh), strict=True):
            if str(entry.fields.get("code", "")).startswith(AT_THE_EDGE) or "verb" in entry.fields:
                continue  # not a question in SQL that was judged
            subject = known.get(str(entry.fields.get("institution", "")))
            if "subject" not in entry.fields and subject is None:
                found.unknown += 1
                continue
            request = question_of(entry, openings, subject)
            if request is None:
                found.erased += 1
                continue
            key = _key(request)
            alike.setdefault(key, []).append(entry.index)
            requests.setdefault(key, request)
        if len(fresh) < len(page):
            break
        before = page[-1].index
    found.asked = [Asked(requests[key], tuple(entries)) for key, entries in alike.items()]
    return found


def _key(request: Request) -> object:
    """What makes two questions one: who asks what for which purpose."""
    who = request.subject
    return (who.institution, who.type, who.groups, journal.request_digest(request))


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
        return item, _outcome(sides[0](case)), _outcome(sides[1](case))

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


def _outcome(verdict: Verdict | None) -> Outcome:
    if verdict is None:
        return Outcome("unfinished", "", (), "")
    if verdict.plan is None:
        refusal = verdict.refusal
        return Outcome(refusal.code if refusal else "unfinished", refusal.rule if refusal else "", (), "")
    plan = verdict.plan
    cost: Counter[str] = Counter()
    for charge in plan.charges:
        cost[f"{charge.dataset} {charge.kind}"] += charge.amount
    cost.update({f"{cell.dataset} cells": cell.cells for cell in plan.cells})
    limits = sorted({(charge.dataset, charge.kind, charge.limit, charge.further) for charge in plan.charges})
    return Outcome(
        plan.treatment.value,
        ", ".join(plan.policies),
        tuple(sorted(cost.items())),
        repr((plan.threshold, plan.history, limits)),
    )


@contextmanager
def judging(catalog: Catalog, content: bytes, size: int, seconds: float) -> Iterator[Judge]:
    """A pool of checkers that judge by this catalogue and this bundle; they end with the block."""
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="louver-simulate-")))
        checker.write_judgement(folder, catalog, content)
        pool = parts.enter_context(CheckerPool(parts.enter_context(checker_zygote(folder)), size=size))

        def judge(case: Case) -> Verdict | None:
            asked = checker.case_to_bytes(case)
            for patience in (seconds, PATIENCE_S):
                try:
                    return codec.decode(pool.ask(asked, patience), Verdict)
                except CheckerFailed as failed:
                    if failed.kind != "busy":
                        return None
            return None

        yield judge


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
