"""The judge of fuzzed SQL: each statement is admitted and touches nothing but what was granted, or refused with a code.

    python -m tests.support.fuzzing --count 1000000 --seed 2 --jobs 2

It goes the way of the checker process: parse, bind, decide, plan. The statement made of an admitted one is read by the
engine's own parser (`tests/support/naive_statement.py`) and compared with the grants, which are written here once more
and shared with no code of the product. A refusal has a documented code, none of the words of a library in its texts,
and no literal of the caller's. Whatever else happens is a failure, and named with the statement's seed and number.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import duckdb
from tests.support.fuzzed_sql import COLUMNS, FORBIDDEN, NUMBER_MARK, TEXT_MARK, statement
from tests.support.naive_statement import Touched, touched
from tests.support.policy_questions import BANK_A, TODAY, bundle_of, grant_document, policy
from tests.support.relations import column, enterprise, person, table

from louver.errors import Refused
from louver_sandbox.algebra.types import BOOLEAN, DATE, INTEGER, TEXT
from louver_sandbox.catalog.model import Catalog, Column, Role, SpaceKind, Table, Verb
from louver_sandbox.pipeline import judge
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.stages import Facts, Plan, Request

PAGES = Path(__file__).parents[2] / "docs" / "reference" / "refusals.d"
TYPES = {"key": TEXT, "text": TEXT, "number": INTEGER, "date": DATE, "truth": BOOLEAN}
RIGHTS: dict[str, Any] = {
    "key": {"join_key": True, "aggregate": {"functions": ["count"]}},
    "text": ["group_key", "filter", "order", "join_key"],
    "number": ["filter", "aggregate"],
    "date": ["filter"],
    "truth": ["group_key", "filter"],
}
UNITS = {"gov.firm": [enterprise()], "gov.pay": [person(), enterprise()], "bank_a.loan": [enterprise("id_no")]}
FUNCTIONS = frozenset(
    [
        *(
            "*",
            "+",
            "-",
            "/",
            "//",
            "abs",
            "avg",
            "count",
            "count_star",
            "length",
            "||",
            "list_extract",
            "lower",
            "max",
            "min",
        ),
        *("nullif", "sqrt", "substr", "sum", "trim", "upper"),
    ]
)
"""Every function that the planner writes for these questions. One that is new here is looked at by a person first."""
OF_OWN_ROWS = frozenset(["quantile_cont", "quantile_disc"])
"""Those that return stored values, and stand where nobody else's rows are read but those of tables without subjects."""
FOREIGN = re.compile(
    r"sqlglot|duckdb|Traceback|Expecting|Binder Error|Parser Error|Catalog Error|syntax error at|Invalid expression|"
    r"Error tokenizing|pydantic|\bcol: \d|Required keyword|RecursionError|AttributeError|KeyError|0x[0-9a-f]{6}",
    re.IGNORECASE,
)
"""How libraries speak."""
LONGEST_S = 10.0
AT_ONCE = 2_000


class Bypass(Exception):
    """The statement for the engine touches what was not granted."""


class Told(Exception):
    """A refusal says what it should not."""


@dataclass
class Tally:
    """Verdicts, and failures with the seed and number of their statements."""

    verdicts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.verdicts += other.verdicts
        self.failures += other.failures

    @property
    def admitted(self) -> int:
        """Statements that the engine would have run."""
        return self.verdicts["admitted"]


@cache
def documented() -> frozenset[str]:
    """The codes that have a heading on the pages of refusals."""
    return frozenset(
        code
        for page in PAGES.glob("*.md")
        for code in re.findall(r"^#+ .*?(LVR-\d{4})", page.read_text(encoding="utf-8"), re.M)
    )


def _table(name: str) -> Table:
    columns = [_column(one, kind) for one, kind in COLUMNS.get(name, {"uscc": "key"}).items()]
    columns += [column(FORBIDDEN[name])] if name in FORBIDDEN else []
    space = SpaceKind.GOVERNMENT if name.startswith("gov.") else SpaceKind.INSTITUTION
    made = table(name, columns, UNITS.get(name, ()), space=space)
    if name == "gov.region":
        made = replace(made, columns=tuple(replace(one, level=1) for one in made.columns))
    return replace(made, operable=frozenset(Verb))


def _column(name: str, kind: str) -> Column:
    role = Role.IDENTIFIER if kind == "key" else Role.QUASI_IDENTIFIER
    return replace(column(name, TYPES[kind]), role=role)


@cache
def catalog() -> Catalog:
    """The tables that the bank may use, in part, and two of which it may use nothing."""
    made = [_table(name) for name in dict.fromkeys((*COLUMNS, *FORBIDDEN))]
    return Catalog({one.name: one for one in made}, "catalogue")


@cache
def bundle() -> Bundle:
    """What it was granted."""
    grants = [
        grant_document(
            f"g{number}",
            table=name,
            columns={one: RIGHTS[kind] for one, kind in columns.items()},
            treatment="exact" if name == "gov.region" else "threshold",
            threshold={"person": 10, "enterprise": 5},
        )
        for number, (name, columns) in enumerate(COLUMNS.items())
        if name.startswith("gov.")
    ]
    return bundle_of(policy(*grants, owner="owner"))


class Judge:
    """Judges one statement after the other. What the engine's parser has read is not read by it again."""

    def __init__(self) -> None:
        self._parser = duckdb.connect(config={"threads": 1})
        self._seen: dict[str, Touched] = {}

    def verdict(self, sql: str) -> str:
        """`admitted` or a code. Raises `Bypass`, `Told`, or whatever broke."""
        request = Request("r", BANK_A, "RESEARCH", sql)
        started = time.process_time()
        try:
            plan = judge(request, catalog(), bundle(), Facts(TODAY))
        except Refused as refused:
            _well_told(refused, sql)
            return refused.code
        finally:
            if time.process_time() - started > LONGEST_S:
                raise Told(f"no verdict within {LONGEST_S} s")
        self._well_planned(plan)
        return "admitted"

    def _well_planned(self, plan: Plan) -> None:
        of_source = {(one.alias, "main", "data"): str(one.table) for one in plan.sources}
        if strange := set(of_source.values()) - COLUMNS.keys():
            raise Bypass(f"tables: {sorted(strange)}")
        for core in plan.cores:
            if core.statement not in self._seen:
                self._seen[core.statement] = touched(self._parser, core.statement)
            found = self._seen[core.statement]
            if found.statements != 1 or found.sources:
                raise Bypass(f"{found.statements} statements, {sorted(found.sources)}")
            if unplanned := found.tables - of_source.keys():
                raise Bypass(f"tables: {sorted(unplanned)}")
            for name, used in found.columns:
                if used not in COLUMNS[of_source[name]] and not used.startswith("record_key_"):
                    raise Bypass(f"column {used} of {of_source[name]}")
            if canaries := found.names & set(FORBIDDEN.values()):
                raise Bypass(f"columns: {sorted(canaries)}")
            mine = {source for source, name in of_source.items() if name.startswith("bank_a.") or name not in UNITS}
            own = {name for name in OF_OWN_ROWS if found.beside.get(name, frozenset()) <= mine}
            if unknown := found.functions - FUNCTIONS - own:
                raise Bypass(f"functions: {sorted(unknown)}")


def _well_told(refused: Refused, sql: str) -> None:
    if refused.code not in documented():
        raise Told(f"{refused.code} has no page")
    details = [str(value) for value in refused.details.values()]
    said = "\n".join([refused.message, refused.hint, refused.message_zh, refused.hint_zh, *details])
    word = FOREIGN.search(said)
    if word is not None and word[0].lower() not in sql.lower():
        raise Told(f"{refused.code} speaks like a library: {word[0]!r}")
    for literal in literals(sql):
        if literal in said:
            raise Told(f"{refused.code} tells the literal {literal!r}")


def literals(sql: str) -> set[str]:
    """Marked values that stand in literals and nowhere else, where it is plain what is a literal."""
    if sql.count("'") % 2 or '"' in sql or "--" in sql or "/*" in sql or "$$" in sql:
        return set()
    inside, outside = "\0".join(sql.split("'")[1::2]), "\0".join(sql.split("'")[::2])
    texts = {one for one in re.findall(rf"{TEXT_MARK}\d+", inside) if one not in outside}
    return texts | set(re.findall(rf"(?<![\w.])\d{NUMBER_MARK}\d(?![\w.])", outside))


def judged(seed: int, numbers: range) -> Tally:
    """The verdicts on these statements."""
    tally, one = Tally(), Judge()
    for number in numbers:
        sql = statement(seed, number)
        try:
            tally.verdicts[one.verdict(sql)] += 1
        except Exception as broken:  # the whole point is to find out what breaks
            tally.verdicts["FAILED"] += 1
            tally.failures.append(f"{seed}:{number} {type(broken).__name__}: {broken}\n    {sql!r}")
    return tally


def run(count: int, seed: int, processes: int) -> Iterator[Tally]:
    """The tallies of so many statements, in portions. A process that dies is BrokenProcessPool."""
    portions = [range(start, min(start + AT_ONCE, count)) for start in range(0, count, AT_ONCE)]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(judged, [seed] * len(portions), portions)


def main(arguments: Sequence[str] | None = None) -> int:
    """Judges with progress on stderr; the status is 1 when anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.fuzzing")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args(arguments)
    whole, started = Tally(), time.monotonic()
    for tally in run(options.count, options.seed, options.jobs):
        whole.add(tally)
        print(*tally.failures, sep="\n", end="\n" if tally.failures else "", flush=True)
        done = sum(whole.verdicts.values())
        if done % (10 * AT_ONCE) == 0:
            print(f"{done} in {time.monotonic() - started:.0f} s, {len(whole.failures)} failed", file=sys.stderr)
    for name, number in whole.verdicts.most_common():
        print(f"{number:8d}  {name}")
    return 1 if whole.failures else 0


if __name__ == "__main__":
    sys.exit(main())
