"""The demo's twenty-five questions decided again and again in this process, stage by stage, beside sqlglot alone.

All times are the thread's own processor time: nothing here waits, and what else the machine does spoils less.
"""

import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import sqlglot
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify

from bench.report import Pairs, paired
from louver.errors import Refused
from louver_sandbox import codec
from louver_sandbox.catalog.load import catalog_of, load_catalog
from louver_sandbox.catalog.model import Catalog, Column, Role, SpaceKind, Table
from louver_sandbox.checker import Checks, FormReader, Judgement, case_from_bytes, case_to_bytes
from louver_sandbox.demo.city import DECLARATIONS
from louver_sandbox.engines import worker
from louver_sandbox.engines.duckdb import DuckDbEngine
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.verify import verify
from louver_sandbox.policy.bundle import bundle_content, parse_bundle
from louver_sandbox.policy.decide import decide
from louver_sandbox.policy.load import load_library
from louver_sandbox.policy.testing import load_cases
from louver_sandbox.policy.visible import visible
from louver_sandbox.sql.bind import bind
from louver_sandbox.sql.parse import parse
from louver_sandbox.stages import Case, Facts, Plan, Request, Verdict

POLICIES = Path(__file__).parents[2] / "policies"
QUESTIONS = "questions.yaml"
NO_DATA = Path("no-data-is-read-here")
UNREPEATED = (Role.IDENTIFIER, Role.KEY)
STAGES = ("parse", "bind", "decide", "plan", "verify")
PAIRS = 15

Schema = dict[str, object]


def judgement() -> Judgement:
    """The demo's catalogue of registered tables, without data, and its whole policy library."""
    library = load_library([POLICIES / "library"])
    bundle = parse_bundle(bundle_content(library.platform, library.policies))
    declared = load_catalog([DECLARATIONS], NO_DATA).tables.values()
    registered = [table for table in declared if table.space is not SpaceKind.INSTITUTION]
    return Judgement(catalog_of(registered, base=NO_DATA), bundle)


def own_tables() -> tuple[Table, ...]:
    """The bank's loan book as it is after an upload in which no borrower stands twice and no value is missing."""
    declared = load_catalog([DECLARATIONS], NO_DATA).tables.values()
    return tuple(
        replace(table, columns=tuple(map(_uploaded, table.columns)))
        for table in declared
        if table.space is SpaceKind.INSTITUTION
    )


def _uploaded(column: Column) -> Column:
    return replace(column, unique=column.role in UNREPEATED, nullable=False)


def demo_cases() -> Mapping[str, Case]:
    """The questions by name, each as its row in the decision table asks it."""
    own = own_tables()
    found: dict[str, Case] = {}
    for placed in load_cases([POLICIES / "cases"]):
        name = placed.case.query
        if placed.source == QUESTIONS and name is not None and name not in found:
            request = Request(name, placed.subject, placed.purpose, placed.sql, dict(placed.parameters))
            found[name] = Case(request, own, Facts(placed.today))
    return found


@dataclass
class Laps:
    """Seconds of each stage that a question passed.

    Of the questions that are admitted also `planned`, parse to plan, `message`, the verdict to JSON and back, and
    `checked`, everything from the text to the decoded verdict.
    """

    stages: Mapping[str, list[float]] = field(default_factory=lambda: {name: [] for name in STAGES})
    planned: list[float] = field(default_factory=list)
    message: list[float] = field(default_factory=list)
    checked: list[float] = field(default_factory=list)

    def add(self, more: "Laps") -> None:
        """Takes over the seconds of another run."""
        for name, seconds in self.stages.items():
            seconds += more.stages[name]
        self.planned += more.planned
        self.message += more.message
        self.checked += more.checked


class Decider:
    """Decides cases by one judgement, with a stopwatch between the stages."""

    def __init__(self, made: Judgement, engine: FormReader) -> None:
        self._judgement = made
        self._engine = engine

    def decide(self, case: Case, laps: Laps) -> Plan | None:
        """The plan, or None for a question that is refused on the way."""
        bundle = self._judgement.bundle
        began = at = time.thread_time()

        def lap(stage: str) -> None:
            nonlocal at
            before, at = at, time.thread_time()
            laps.stages[stage].append(at - before)

        try:
            parsed = parse(case.request)
            lap("parse")
            seen = visible(self._judgement.with_own(case.own), bundle, case.request.subject)
            bound = bind(parsed, seen)
            lap("bind")
            admitted = decide(bound, bundle, case.facts)
            lap("decide")
            planned = plan(admitted)
            lap("plan")
        except Refused:
            return None
        laps.planned.append(at - began)
        verify(planned, [self._engine.parse(core.statement) for core in planned.cores])
        lap("verify")
        codec.decode(codec.encode(Verdict(planned, None)), Verdict)
        done = time.thread_time()
        laps.message.append(done - at)
        laps.checked.append(done - began)
        return planned


@contextmanager
def engine() -> Iterator[FormReader]:
    """The engine's parser, with an empty memory of forms."""
    with closing(worker.prepare()) as connection:
        yield FormReader(DuckDbEngine(connection))


def cold(decider: Decider, cases: Sequence[Case], processes: int) -> Laps:
    """Every question once in so many new processes, each like a checker that was just forked and has seen no form.

    Call it before anything is decided in this process: what this one remembers, its children would.
    """
    context = multiprocessing.get_context("fork")
    laps = Laps()
    for _ in range(processes):
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=_send_laps, args=(sender, decider, cases))
        child.start()
        sender.close()
        laps.add(receiver.recv())
        child.join()
    return laps


def _send_laps(sender: Connection, decider: Decider, cases: Sequence[Case]) -> None:
    sender.send(warm(decider, cases, 1))


def warm(decider: Decider, cases: Sequence[Case], rounds: int) -> Laps:
    """Every question so often, decided each time from its text."""
    laps = Laps()
    for _ in range(rounds):
        for case in cases:
            decider.decide(case, laps)
    return laps


def kept(made: Judgement, reader: FormReader, cases: Sequence[Case], rounds: int) -> list[float]:
    """Seconds of a checker's work on questions it remembers, from the request's bytes to the reply's."""
    checks = Checks(made, reader)
    requests = [case_to_bytes(case) for case in cases]
    seconds: list[float] = []
    for turn in range(rounds + 1):
        for request in requests:
            began = time.thread_time()
            codec.encode(checks.check(case_from_bytes(request)))
            if turn:
                seconds.append(time.thread_time() - began)
    return seconds


def beside_sqlglot(made: Judgement, decider: Decider, cases: Sequence[Case]) -> Mapping[str, Pairs]:
    """Ours, parse to verify, and sqlglot's parse and `qualify` in turn, for each question that both get through."""
    schema = _schema(made.with_own(own_tables()))
    found: dict[str, Pairs] = {}
    for case in cases:
        sql = case.request.sql
        if decider.decide(case, Laps()) is not None and _qualified(sql, schema):
            found[case.request.id] = paired(
                partial(decider.decide, case, Laps()),
                partial(_qualified, sql, schema),
                pairs=PAIRS,
                clock=time.thread_time,
            )
    return found


def _schema(catalog: Catalog) -> Schema:
    """The tables as sqlglot's optimizer wants them: schema, table, column, type."""
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for name, table in catalog.tables.items():
        columns = {column.name: "TEXT" for column in table.columns}
        schema.setdefault(name.schema, {})[name.name] = columns
    return dict(schema)


def _qualified(sql: str, schema: Schema) -> bool:
    try:
        qualify(sqlglot.parse_one(sql, read="duckdb"), schema=schema, dialect="duckdb")
    except SqlglotError:
        return False
    return True
