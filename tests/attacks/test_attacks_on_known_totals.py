"""A bank has a table without totals, and its totals from other answers, its own or another bank's (PRIVACY 5.5).

Each answer is safe by itself. With `totals: known` they must be safe together, in whatever order and by whomever they
were asked; the attacker has all of them and linear programming.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.support import line as lines
from tests.support.exact_cells import exact_cells
from tests.support.lengths import at_length
from tests.support.policy_questions import BANK_A, BANK_B
from tests.support.published_tables import Place, Published, Row, breaks_a_rule
from tests.support.relations import RULES_5, firms, question, run

from louver_sandbox.core_plan import Part
from louver_sandbox.obligations import Totals
from louver_sandbox.plan.plan import plan
from louver_sandbox.release import known_totals
from louver_sandbox.release.cells import judge
from louver_sandbox.release.complementary import Solve
from louver_sandbox.release.withheld import WITHHELD
from louver_sandbox.stages import Plan
from louver_sandbox.suppression.attacker import Interval, attack
from louver_sandbox.suppression.pattern import Number, Pattern, Problem, choose, table_of
from louver_sandbox.suppression.table import Cell, Relation, Table

K = 5
KEYS = ("district", "section")
EVERY = [["district", "section"], ["district"], ["section"], []]
Shown = Mapping[Place, tuple[object, ...]]


@dataclass(frozen=True)
class Asked:
    """One question: its keys, the grouping sets it shows, and how it says so."""

    keys: tuple[str, ...]
    sets: Sequence[Sequence[str]]
    clause: str

    @property
    def sql(self) -> str:
        named = "".join(f"{'t' if key == 'district' else 'r'}.{key}, " for key in self.keys)
        return (
            f"SELECT {named}count(*) AS n, sum(t.revenue) AS revenue FROM gov.tax t "
            f"JOIN gov.registry r USING (uscc) {self.clause}"
        )


BOTH = Asked(KEYS, EVERY[:1], "GROUP BY t.district, r.section")
DISTRICTS = Asked(("district",), [["district"]], "GROUP BY t.district")
SECTIONS = Asked(("section",), [["section"]], "GROUP BY r.section")
ALL = Asked((), [[]], "")
CUBE = Asked(KEYS, EVERY, "GROUP BY CUBE (t.district, r.section)")
ROLLUP = Asked(KEYS, [EVERY[0], EVERY[1], []], "GROUP BY ROLLUP (t.district, r.section)")
QUESTIONS = (BOTH, DISTRICTS, SECTIONS, ALL, CUBE, ROLLUP)


def city(seed: int) -> list[Row]:
    """Some firms of uneven size in uneven districts and sections, with one to three returns."""
    chance = random.Random(seed)
    districts, sections = chance.randint(2, 5), chance.randint(2, 4)
    return [
        row
        for firm in range(chance.randint(30, 90))
        for place in [
            {
                "uscc": f"f{firm:03}",
                "district": f"d{min(districts, int(chance.paretovariate(0.8)))}",
                "section": f"s{min(sections - 1, int(chance.expovariate(0.6)))}",
            }
        ]
        for row in [
            {**place, "revenue": Decimal(int(chance.lognormvariate(6, 1.2))) / 100}
            for _ in range(chance.randint(1, 3) if seed % 2 else 1)
        ]
    ]


@cache
def planned(sql: str, totals: Totals) -> Plan:
    return plan(question(firms(), sql, rules=replace(RULES_5, totals=totals, remainder=False)))


def remembered() -> Solve:
    """The solver, which solves no problem twice: the questions about a city have most of theirs in common, and equal
    problems get equal patterns (which is tested by itself)."""
    found: dict[Hashable, Pattern | None] = {}

    def solve(problem: Problem) -> Pattern | None:
        key = told_apart(problem)
        if key not in found:
            found[key] = choose(problem)
        return found[key]

    return solve


def told_apart(problem: Problem) -> Hashable:
    """All of a problem, by which two are told apart."""

    def number(one: Number) -> Hashable:
        return one.values, tuple(sorted(one.protections.items(), key=lambda item: item[0])), one.most

    parts = {field.name: getattr(problem, field.name) for field in fields(problem)}
    return tuple(
        (name, tuple(map(number, part)) if name in ("of_cells", "of_values") else part)
        for name, part in parts.items()
    )


def answer(rows: Sequence[Row], asked: Asked, totals: Totals, solve: Solve = choose) -> Shown:
    """What leaves: the values of every cell by its keys, without cells of which nothing does."""
    made = planned(asked.sql, totals)
    (core,) = made.cores
    assert made.threshold is not None
    computed = down_from(asked.sets) if totals is Totals.KNOWN else asked.sets
    judged = judge(core, exact_cells(core, rows, asked.keys, computed), made.threshold, solve)
    keys = [column.of for column in core.columns if column.part is Part.KEY]
    found: dict[Place, tuple[object, ...]] = {}
    for row in judged.rows:
        place = dict(zip(asked.keys, (row[core.core_id, name] for name in keys), strict=True))
        values = tuple(row[core.core_id, measure.name] for measure in core.measures)
        found[tuple(map(place.get, KEYS))] = tuple(None if value is WITHHELD else value for value in values)
    return {place: values for place, values in found.items() if any(value is not None for value in values)}


def down_from(sets: Iterable[Sequence[str]]) -> list[list[str]]:
    """The sets with all that are coarser, by definition."""
    found = [
        list(some) for one in sets for size in range(len(one), -1, -1) for some in itertools.combinations(one, size)
    ]
    return [one for place, one in enumerate(found) if one not in found[:place]]


def together(answers: Iterable[Shown]) -> Shown:
    """Everything that some answer shows."""
    found: dict[Place, tuple[object, ...]] = {}
    for one in answers:
        for place, values in one.items():
            before = found.get(place, (None,) * len(values))
            found[place] = tuple(old if new is None else new for new, old in zip(values, before, strict=True))
    return found


def recovered(rows: Sequence[Row], shown: Shown) -> list[tuple[str, object]]:
    """Cells that break a rule and are known exactly, sums of a total's withheld parts that break one, and cells that
    are bounded more closely than the totals alone must bound them."""
    seen = replace(Published.of(rows, KEYS, EVERY, ()), shown=shown)
    found: list[tuple[str, object]] = []
    for column, value in ((0, _one), (1, _revenue)):
        only_totals = replace(seen, shown={place: values for place, values in shown.items() if None in place})
        widest = only_totals.intervals(column, value)
        for place, interval in seen.intervals(column, value).items():
            wanted = _level(seen, place, column)
            if wanted and (
                interval.known or not _reaches(interval, _whole(seen, place, value), wanted, widest[place])
            ):
                found.append(("n" if column == 0 else "revenue", place))
    for missing in seen.left_over(1):
        left = [row for place in missing for row in seen.cells[place]]
        if len(missing) < 2 or breaks_a_rule(left, _revenue, K):
            found.append(("left over", tuple(missing)))
    return found


def _level(seen: Published, place: Place, column: int) -> tuple[int, int] | None:
    """How far below and above a cell that breaks a rule must seem possible, in hundredths."""
    few, rows = len(seen.units(place)), len(seen.cells[place])
    if column == 0:
        return (1, 100 * (K * rows // few - rows)) if few < K else None
    near = _whole(seen, place, _revenue) // 10
    return (near, near) if breaks_a_rule(seen.cells[place], _revenue, K) else None


def _reaches(interval: Interval, value: int, wanted: tuple[int, int], widest: Interval) -> bool:
    lower, upper = wanted
    if widest.lower is not None:
        lower = min(lower, value - widest.lower)
    if widest.upper is not None:
        upper = min(upper, widest.upper - value)
    below = interval.lower is None or value - interval.lower >= lower
    return below and (interval.upper is None or interval.upper - value >= upper)


def _whole(seen: Published, place: Place, value: Any) -> int:
    return int(100 * sum(map(value, seen.cells[place])))


def _one(_: Row) -> int:
    return 1


def _revenue(row: Row) -> Decimal:
    return Decimal(row["revenue"])


def attacked(seeds: Iterable[int], totals: Totals, pair: Sequence[Asked]) -> list[tuple[object, ...]]:
    return [
        (seed, *found)
        for seed in seeds
        for rows in [city(seed)]
        for solve in [remembered()]
        for found in recovered(rows, together(answer(rows, asked, totals, solve) for asked in pair))
    ]


@pytest.mark.parametrize("others", [[DISTRICTS, SECTIONS], [ALL], [CUBE]], ids=["margins", "total", "cube"])
def test_the_attack_recovers_cells_where_only_totals_of_the_same_answer_are_known(others: list[Asked]) -> None:
    assert len(attacked(range(4, 8), Totals.COMPLEMENTARY, [BOTH, *others])) > 2


def test_no_two_answers_give_a_cell_away() -> None:
    assert attacked(range(6), Totals.KNOWN, QUESTIONS) == []


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_nor_in_a_hundred_cities_more(part: int) -> None:
    assert attacked(range(100 + part, at_length(190, 300), 4), Totals.KNOWN, QUESTIONS) == []


@pytest.mark.parametrize("seed", range(2))
def test_a_set_has_the_same_cells_in_every_question(seed: int) -> None:
    """An answer with further sets may show less of them, and never more than the set by itself does."""
    rows = city(seed)
    cube = answer(rows, CUBE, Totals.KNOWN)
    alone = together(answer(rows, asked, Totals.KNOWN) for asked in (BOTH, DISTRICTS, SECTIONS, ALL))
    assert cube.keys() <= alone.keys()
    assert all(value in (None, alone[place][at]) for place, values in cube.items() for at, value in enumerate(values))


def test_nor_does_it_depend_on_the_order_of_keys_rows_or_values() -> None:
    rows = city(3)
    turned = replace(BOTH, keys=("section", "district"), clause="GROUP BY r.section, t.district")
    shuffled = random.Random(1).sample(rows, len(rows))
    tables: list[list[Table]] = [[], []]

    def solving(number: int) -> Solve:
        def solve(problem: Problem) -> Pattern | None:
            tables[number] += [table_of(problem, one, problem.hidden) for one in problem.of_cells]
            return choose(problem)

        return solve

    assert answer(shuffled, turned, Totals.KNOWN, solving(0)) == answer(rows, BOTH, Totals.KNOWN, solving(1))
    # The sets may be solved in another order; what is solved is the same.
    assert sorted(tables[0], key=repr) == sorted(tables[1], key=repr)
    assert len(tables[0]) > 2
    counted = (
        "SELECT t.district, r.section, count(*) AS n FROM gov.tax t JOIN gov.registry r USING (uscc) GROUP BY 1, 2"
    )
    world = firms(rows)
    known = replace(RULES_5, totals=Totals.KNOWN)
    both = BOTH.sql
    assert [row[:3] for row in run(world, question(world, both, rules=known)).release.rows] == [
        row[:3] for row in run(world, question(world, counted, rules=known)).release.rows
    ]


def test_the_engine_computes_the_cells_that_were_judged() -> None:
    """What the tests above judge is what runs."""
    for asked in (BOTH, ROLLUP):
        rows = city(5)
        world = firms(rows)
        section = {
            row["uscc"]: row["section"] for name, found in world.rows.items() for row in found if "section" in row
        }
        rows = [{**row, "section": section[row["uscc"]]} for row in rows]
        ran = run(world, question(world, asked.sql, rules=replace(RULES_5, totals=Totals.KNOWN)))
        released = {
            tuple(dict(zip(asked.keys, row, strict=False)).get(key) for key in KEYS): tuple(row[len(asked.keys) :])
            for row in ran.release.rows
        }
        assert released == answer(rows, asked, Totals.KNOWN)
        assert ran.release.remainder is None


def test_a_solver_that_forgets_cells_hides_whole_lines() -> None:
    def careless(problem: Problem) -> Pattern:
        return Pattern(problem.hidden, frozenset(), frozenset())

    rows = city(1)
    left = answer(rows, BOTH, Totals.KNOWN, careless)
    margins = together(answer(rows, asked, Totals.KNOWN, careless) for asked in (DISTRICTS, SECTIONS, ALL))
    assert [one for one in recovered(rows, together([left, margins])) if one[0] == "left over"] == []


def test_without_a_proof_nothing_of_a_set_with_a_withheld_cell_leaves() -> None:
    rows = city(1)
    assert answer(rows, BOTH, Totals.KNOWN, lambda _: None) == {}
    assert answer(rows, ALL, Totals.KNOWN, lambda _: None) == answer(rows, ALL, Totals.KNOWN)


def test_nor_does_anything_of_a_set_too_large_to_prove(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_totals, "MOST_CELLS", 3)
    assert answer(city(1), BOTH, Totals.KNOWN) == {}


TWO_SIGNS = "SELECT t.district, count(*) AS n, sum(t.revenue) AS revenue FROM gov.tax t GROUP BY t.district"


def test_of_sums_of_either_sign_all_or_nothing_leaves() -> None:
    rows = [
        {"uscc": f"f{firm}", "district": district, "arrears": False, "revenue": amount, "staff": 1, "score": None}
        for firm, (district, amount) in enumerate(
            [("few", Decimal(3))] * 3
            + [("some", Decimal(4))] * 9
            + [("many", Decimal(5))] * 20
            + [("many", Decimal(-1))] * 6
        )
    ]
    world = firms(rows)
    known = replace(RULES_5, totals=Totals.KNOWN)
    assert run(world, question(world, TWO_SIGNS, rules=known)).release.rows == (("many", 26, None),)
    every = [row for row in rows if row["district"] != "few"]
    world = firms(every)
    shown = run(world, question(world, TWO_SIGNS, rules=known)).release.rows
    assert {row[0]: row[2] for row in shown} == {"many": Decimal(94), "some": Decimal(36)}


# through the books: the order of questions, and two banks


TOTAL = "SELECT count(*) AS n, sum(amount) AS total FROM gov.firm"


@pytest.mark.parametrize("totals", ["complementary", "known"])
def test_the_last_section_is_no_difference_in_any_order_between_two_banks(tmp_path: Path, totals: str) -> None:
    found = []
    for number, order in enumerate(itertools.permutations([(lines.SECTIONS, BANK_A), (TOTAL, BANK_B)])):
        folder = tmp_path / str(number)
        folder.mkdir()
        with lines.line(folder) as line:
            line.bundle = lines.firm_policies(totals=totals)
            said = {}
            for place, (sql, who) in enumerate(order):
                receipted = line.pipeline.answer(lines.ask(sql, f"r-{place}", who), lines.call())
                said[sql] = pa.ipc.open_stream(receipted.answer.arrow).read_all().to_pylist()
            found.append(said)
    assert found[0] == found[1], "an answer depends on what was asked before"
    sections, (total,) = found[0][lines.SECTIONS], found[0][TOTAL]
    assert total["n"] == lines.FIRMS
    missing = total["n"] - sum(row["n"] for row in sections)
    # Section C has two firms.
    assert missing == (2 if totals == "complementary" else 10)


def test_plain_linear_programming_is_what_the_attack_is() -> None:
    """The attack finds the lone missing part of a table whose totals are known."""
    cells = [Cell("T", 10), Cell("a", 3), Cell("b", 7)]
    assert attack(Table(tuple(cells), (Relation("T", ("a", "b")),)), ["a"])["a"] == Interval(3, 3)
