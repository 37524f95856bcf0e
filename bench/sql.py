"""What it costs to decide: parse, bind, decide, plan and verify, and the verdict's way between two processes.

Over the demo's twenty-five questions: `cold` in a process that has seen no form of question yet, `warm` when it has,
and `remembered` for a question whose verdict the checker still has. `plan_p50_ms` and `plan_p99_ms` are parse to
plan, warm, and `check_p50_ms` everything from the text to the decoded verdict, both over the questions that are
admitted, since a refusal comes sooner; the stages' own rows hold every question that passed them. The alternative is
what sqlglot offers alone, its parse and `qualify` with the same tables as schema, taken in turn with ours:
`ratio_sqlglot` is the median over the questions of ours (parse to verify, verdict encoded) over theirs. `parser` says
which build of sqlglot ran. These times are processor time; no row is read there, so the catalogue has no data.

TPC-H follows, its customers and suppliers being the privacy units: `tpch_answered` and `tpch_refused` of the 22
queries, `tpch_agree` of the 22 that get the answer of plain DuckDB from a bank that holds the rows itself, so that
nothing is protected (scale 0.01), and `plan_largest_ms`, the answered query that takes longest from parse to plan,
warm, in processor time. `--full` asks the answered ones at scale 1 as protected data, for cells of at least 10 and of
3 units: `tpch_protected_agree` of the `tpch_protected_asked` answers hold exactly the safe cells, `tpch_released_k10`
and `tpch_released_k3` queries release a value, and `tpch_ratio_geomean` and `tpch_ratio_max` are our time, end to end
through the client and asked once, over plain DuckDB's for the same text, without counting any unit.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import sqlglot.parser

from bench.report import Figures, arguments, quantile, report, show
from bench.support import deciding, tpch
from bench.support.deciding import Decider, Laps

ROUNDS, ROUNDS_FULL = 40, 400
PROCESSES = 8

Rows = list[dict[str, object]]


def _ms(seconds: Sequence[float], q: float) -> float:
    return 1000 * quantile(seconds, q)


def _row(what: str, before: Sequence[float] | None, after: Sequence[float]) -> dict[str, object]:
    return {
        "what": what,
        "cold p50 ms": None if before is None else _ms(before, 0.5),
        "cold p99 ms": None if before is None else _ms(before, 0.99),
        "warm p50 ms": _ms(after, 0.5),
        "warm p99 ms": _ms(after, 0.99),
    }


def _stage_rows(before: Laps, after: Laps) -> Rows:
    rows = [_row(f"  {name}", before.stages[name], after.stages[name]) for name in deciding.STAGES]
    return [
        *rows,
        _row("  verdict to JSON and back", before.message, after.message),
        _row("parse to plan", before.planned, after.planned),
        _row("text to verdict", before.checked, after.checked),
    ]


def demo(rounds: int) -> tuple[Rows, Figures]:
    """The demo's questions: rows of the table, and figures."""
    cases = tuple(deciding.demo_cases().values())
    made = deciding.judgement()
    with deciding.engine() as reader:
        decider = Decider(made, reader)
        before = deciding.cold(decider, cases, PROCESSES)
        deciding.warm(decider, cases, 1)
        after = deciding.warm(decider, cases, rounds)
        remembered = deciding.kept(made, reader, cases, rounds)
        pairs = deciding.beside_sqlglot(made, decider, cases)
    theirs = [seconds for pair in pairs.values() for seconds in pair.theirs]
    rows = [
        *_stage_rows(before, after),
        _row("a verdict that is remembered", None, remembered),
        _row("sqlglot alone: parse, qualify", None, theirs),
    ]
    return rows, {
        "plan_p50_ms": round(_ms(after.planned, 0.5), 2),
        "plan_p99_ms": round(_ms(after.planned, 0.99), 2),
        "plan_cold_p50_ms": round(_ms(before.planned, 0.5), 2),
        "check_p50_ms": round(_ms(after.checked, 0.5), 2),
        "remembered_p50_ms": round(_ms(remembered, 0.5), 3),
        "ratio_sqlglot": round(median(pair.ratio for pair in pairs.values()), 2),
        "questions": len(cases),
        "admitted": len(after.planned) // rounds,
        "parser": "plain" if str(sqlglot.parser.__file__).endswith(".py") else "compiled",
    }


def main() -> None:
    """Decide, ask TPC-H, report."""
    full = arguments(__doc__ or "").full
    rows, figures = demo(ROUNDS_FULL if full else ROUNDS)
    show("sql", rows)
    with tempfile.TemporaryDirectory(prefix="louver-sql-") as scratch:
        small_rows, small = tpch.small(Path(scratch))
        large_rows, large = tpch.large(Path(scratch)) if full else ([], {})
    if full:
        show("TPC-H at scale 1", large_rows)
    report("TPC-H", small_rows, {**figures, **small, **large})


if __name__ == "__main__":
    main()
