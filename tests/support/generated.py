"""The judge of it all: generated queries against everything that can be known about them another way.

    python -m tests.support.generated --count 100000 --seed 1 --jobs 2

For each query: nothing but a coded refusal or an answer; DuckDB gives for our statement what the oracle gives for our
tree, and for the caller's own text what it gives for ours; an admitted query uses no column without a right, as far
as a naive reader of the text can tell; every planned statement is derived again by `plan/verify`; and what leaves is
what the naive protection lets out of the oracle's rows; nearly all of it is compared.

The naive protection finds out by trying values which rows a question can have; the planner has to prove it. Where it
cannot, it withholds more. Such answers are no disagreement, but they are printed, counted apart and must be few
(`MOST_CAREFUL`): what leaves more, or something else, fails.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

import duckdb
from tests.support.generated_queries import query
from tests.support.generated_release import cells_of_few, expected_answer
from tests.support.generated_world import BANK, FACTS, GeneratedWorld, database, engine, world
from tests.support.naive_rights import used_without_right
from tests.support.relations import committed, reply_of

from louver.errors import Refused
from louver_sandbox.algebra.relations import Aggregate, Join, Relation, Union, Window, scans, walk
from louver_sandbox.engines import oracle
from louver_sandbox.engines.duckdb import DuckDbEngine
from louver_sandbox.plan.emit import emit
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.verify import form, read_engine, read_tokens, verify
from louver_sandbox.policy.decide import decide
from louver_sandbox.release.decode import decode
from louver_sandbox.release.release import release
from louver_sandbox.sql.bind import bind
from louver_sandbox.sql.parse import parse
from louver_sandbox.stages import Admitted, Bound, Plan, Request

QUERIES_OF_A_WORLD = 100

KNOWN_DIFFERENCES: Mapping[str, str] = {
    "LIMIT": "which of several equal rows are cut off is the engine's choice in the caller's text; ours breaks ties",
    "row_number(": "peers are numbered as the engine likes in the caller's text; ours breaks ties",
    "lag(": "as row_number",
}
"""What the caller's own text may give otherwise in DuckDB, by what it contains, and why.

One more is looked away from in every value: a division of zero by zero is NULL with us and NaN in DuckDB.
"""


MOST_CAREFUL = 1 / 1000
"""So many of the queries may have answers in which more is withheld than the rules ask."""


class Disagreement(Exception):
    """Two ways of knowing something about a query differ."""


class TooCareful(Exception):
    """More is withheld than the rules ask, for want of a proof, and all that leaves may leave."""


@dataclass
class Tally:
    """What became of the queries, and every failure with what is needed to repeat it."""

    verdicts: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    careful: list[str] = field(default_factory=list)

    @property
    def queries(self) -> int:
        """How many have been judged."""
        return self.verdicts.total()

    @property
    def fails(self) -> bool:
        """Whether anything failed, or too many answers are too careful; a single one never is too many."""
        return bool(self.failures) or len(self.careful) > max(1, self.queries * MOST_CAREFUL)

    def add(self, other: Tally) -> None:
        self.verdicts += other.verdicts
        self.checks += other.checks
        self.failures += other.failures
        self.careful += other.careful


def agree(one: Iterable[Sequence[object]], other: Iterable[Sequence[object]]) -> bool:
    """The same rows in any order, numbers up to seven digits whatever their type."""
    mine, theirs = Counter(map(_plain, one)), Counter(map(_plain, other))
    left, right = [*(mine - theirs).elements()], [*(theirs - mine).elements()]
    return len(left) == len(right) and _placed(left, right, _is_close)


def within(left: Iterable[Sequence[object]], allowed: Iterable[Sequence[object]]) -> bool:
    """Whether rows can be made of the allowed ones by taking values and rows away."""
    return _placed([*map(_plain, left)], [*map(_plain, allowed)], lambda mine, its: mine is None or mine == its)


def _placed(
    rows: Sequence[Sequence[object]], places: Sequence[Sequence[object]], fits: Callable[[object, object], bool]
) -> bool:
    """Whether every row has a place of its own whose values it fits."""
    taken: dict[int, int] = {}

    def place(row: int, tried: set[int]) -> bool:
        for number, other in enumerate(places):
            fitting = len(rows[row]) == len(other) and all(map(fits, rows[row], other))
            if number in tried or not fitting:
                continue
            tried.add(number)
            if number not in taken or place(taken[number], tried):
                taken[number] = row
                return True
        return False

    return all(place(row, set()) for row in range(len(rows)))


def _is_close(one: object, other: object) -> bool:
    """Equal, or numbers on two sides of what seven digits are rounded at."""
    if isinstance(one, Seven) and isinstance(other, Seven):
        return math.isclose(float(one), float(other), rel_tol=2e-6)
    return one == other


class Seven(str):
    """A number to seven digits."""

    __slots__ = ()


def _plain(row: Sequence[object]) -> tuple[object, ...]:
    return tuple(map(_value, row))


def _value(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return value
    return Seven(f"{float(value) + 0.0:.7g}") if math.isfinite(value) else None


def _constructs(relation: Relation) -> set[str]:
    """What a tree is made of, for the tally."""
    found = set()
    for node in walk(relation):
        match node:
            case Join():
                found.add(f"{node.kind.value} join")
            case Aggregate():
                inner = any(isinstance(below, Aggregate) for below in walk(node.input))
                found.add("aggregate over aggregates" if inner else "grouping sets" if node.sets else "aggregate")
            case Window() | Union():
                found.add(type(node).__name__.lower())
            case _:
                pass
    return found


@dataclass(frozen=True)
class Judge:
    """One world with its engine."""

    world: GeneratedWorld
    connection: duckdb.DuckDBPyConnection
    parser: DuckDbEngine

    def verdict(self, sql: str, checks: Counter[str]) -> str:
        """What the product says of the query, every check passed. Raises Disagreement, TooCareful, or what broke."""
        try:
            bound = bind(parse(Request("r-1", BANK, "RESEARCH", sql)), self.world.seen)
            self._accounts_for_columns(bound, checks)
            self._means_the_same(bound, sql, checks)
            permit = decide(bound, self.world.bundle, FACTS)
            self._has_rights(bound, sql, checks)
            made = plan(permit)
        except Refused as refused:
            return refused.code
        verify(made, tuple(self.parser.parse(form(core.statement)) for core in made.cores))
        checks["statements derived again"] += len(made.cores)
        checks["several cores"] += len(made.cores) > 1
        checks.update(f"admitted with {name}" for name in _constructs(bound.relation))
        self._leaves_what_may(permit, made, checks)
        return f"admitted {made.treatment.value}"

    def _accounts_for_columns(self, bound: Bound, checks: Counter[str]) -> None:
        used = {(use.scan, use.column) for use in bound.uses}
        if any((scan.id, column) not in used for scan in scans(bound.relation) for column in scan.columns):
            raise Disagreement("a column is read that no use accounts for")
        checks["every column has a use"] += 1

    def _means_the_same(self, bound: Bound, sql: str, checks: Counter[str]) -> None:
        meaning = oracle.answer(bound.relation, self.world.rows)
        statement = emit(
            bound.relation, lambda scan: database(scan.table), tuple(column.type for column in bound.columns)
        )
        text = form(statement)
        if read_engine(self.parser.parse(text)) != read_tokens(text):
            raise Disagreement("the readers of the statement")
        if not agree(self.connection.execute(statement).fetchall(), meaning):
            raise Disagreement("our statement and the oracle")
        checks["statement == oracle"] += 1
        if not any(part in sql for part in KNOWN_DIFFERENCES):
            if not agree(self._without_us(sql, checks), meaning):
                raise Disagreement("the caller's text and the oracle")
            checks["caller's text == oracle"] += 1

    def _without_us(self, sql: str, checks: Counter[str]) -> list[tuple[object, ...]]:
        """What DuckDB gives for the caller's own text. Where its optimizer breaks on that, it is left out."""
        try:
            return self.connection.execute(sql).fetchall()
        except duckdb.InternalException:
            checks["caller's text breaks DuckDB's optimizer"] += 1
            self.connection.execute("PRAGMA disable_optimizer")
            try:
                return self.connection.execute(sql).fetchall()
            finally:
                self.connection.execute("PRAGMA enable_optimizer")

    def _has_rights(self, bound: Bound, sql: str, checks: Counter[str]) -> None:
        # A condition that is FALSE whatever the data takes what stands beside it away, and nothing of that is read.
        read = {f"{scan.table}.{column}" for scan in scans(bound.relation) for column in scan.columns}
        missing = [use for use in used_without_right(sql, self.world.rights) if use.split(" ")[0] in read]
        if missing:
            raise Disagreement(f"rights: {missing}")
        checks["rights"] += 1

    def _leaves_what_may(self, permit: Admitted, made: Plan, checks: Counter[str]) -> None:
        replies = b"".join(reply_of(self.connection, self._here(made, core.statement)) for core in made.cores)
        left = release(decode(replies, committed(made))).rows
        few = cells_of_few(permit, self.world)
        if few is not None:
            positions, withheld = few
            if any(tuple(row[place] for place in positions) in withheld for row in left):
                raise Disagreement("a cell of too few units left")
            checks["no cell of few units"] += 1
        expected = expected_answer(permit, self.world)
        if expected is None:
            checks["released, not compared in full"] += 1
            return
        if not agree(left, expected):
            how = TooCareful if within(left, expected) else Disagreement
            raise how(f"what leaves: {sorted(map(str, left))} and {sorted(map(str, expected))}")
        checks[f"released == naive ({made.treatment.value})"] += 1
        checks["released rows"] += len(left)

    def _here(self, made: Plan, statement: str) -> str:
        for source in made.sources:
            statement = statement.replace(f'"{source.alias}"."main"', f'"{database(source.table)}"."main"')
        return statement


def judge_world(seed: int, number: int, count: int) -> Tally:
    """The first `count` queries of one world."""
    random = Random(f"{seed}:{number}")
    made = world(random)
    tally = Tally()
    with engine(made) as connection, duckdb.connect(config={"threads": 1}) as second:
        judge = Judge(made, connection, DuckDbEngine(second))
        for place in range(count):
            sql = query(random)
            try:
                tally.verdicts[judge.verdict(sql, tally.checks)] += 1
            except TooCareful as careful:
                tally.verdicts["more withheld than the rules ask"] += 1
                tally.careful.append(f"{seed}:{number}:{place} {careful}\n    {sql}")
            except Exception as broken:  # the whole point is to find out what breaks
                tally.verdicts["FAILED"] += 1
                tally.failures.append(f"{seed}:{number}:{place} {type(broken).__name__}: {broken}\n    {sql}")
    return tally


def _judged(job: tuple[int, int, int]) -> Tally:
    return judge_world(*job)


def jobs_of(count: int, seed: int) -> list[tuple[int, int, int]]:
    """One job per world."""
    worlds = -(-count // QUERIES_OF_A_WORLD)
    return [(seed, number, min(QUERIES_OF_A_WORLD, count - number * QUERIES_OF_A_WORLD)) for number in range(worlds)]


def run(count: int, seed: int, processes: int) -> Iterator[Tally]:
    """The tallies of all worlds, in no order."""
    jobs = jobs_of(count, seed)
    if processes == 1:
        yield from map(_judged, jobs)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(_judged, jobs)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the judge with progress on stderr; the status is 1 when it fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.generated")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), help="stop after this time, at the end of a world"
    )
    options = parser.parse_args(arguments)
    whole, started, shown = Tally(), time.monotonic(), 0
    for tally in run(options.count, options.seed, options.jobs):
        whole.add(tally)
        for told in (*tally.failures, *(f"too careful: {one}" for one in tally.careful)):
            print(told, flush=True)
        done = whole.queries
        if done - shown >= options.count / 100:
            shown, seconds = done, time.monotonic() - started
            found = f"{len(whole.failures)} failed, {len(whole.careful)} too careful"
            print(f"{done} of {options.count} in {seconds:.0f} s, {found}", file=sys.stderr)
        if time.monotonic() - started > options.seconds:
            break
    for name, number in (*whole.verdicts.most_common(), *whole.checks.most_common()):
        print(f"{number:8d}  {name}")
    return 1 if whole.fails else 0


if __name__ == "__main__":
    sys.exit(main())
