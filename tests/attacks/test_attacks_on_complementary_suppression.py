"""A bank has an answer with totals from which parts are missing, and subtracts (PRIVACY 5.5, law 1).

With `totals: complementary` the totals stay and further parts are missing instead. The bank knows the answer, how it
is made, and all of the arithmetic; it must not get nearer to a cell of few firms, or to the largest firm of a cell,
than its protection level.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.support.published_tables import Published, Row, breaks_a_rule
from tests.support.relations import RULES_5, Ran, firms, question, run

from louver_sandbox.obligations import Totals
from louver_sandbox.release import complementary
from louver_sandbox.release.release import release
from louver_sandbox.suppression import pattern
from louver_sandbox.suppression.pattern import Pattern, Problem

K = 5
KEEPING = replace(RULES_5, totals=Totals.COMPLEMENTARY)
DISTRICTS = "SELECT district, count(*) AS n, sum(revenue) AS revenue FROM gov.tax GROUP BY ROLLUP (district)"
TWO_WAYS = (
    "SELECT t.district, r.section, count(*) AS n, sum(t.revenue) AS revenue FROM gov.tax t "
    "JOIN gov.registry r USING (uscc) GROUP BY {sets}"
)
SETS = {
    "CUBE (t.district, r.section)": [["district", "section"], ["district"], ["section"], []],
    "ROLLUP (t.district, r.section)": [["district", "section"], ["district"], []],
    "GROUPING SETS ((t.district, r.section), (t.district), (r.section))": [
        ["district", "section"],
        ["district"],
        ["section"],
    ],
}


def some_firms(number: int, district: str, *, first: int = 0, revenue: str = "10.00", quarters: int = 1) -> list[Row]:
    """Firms of one district with the same returns."""
    return [
        {
            "uscc": f"f{first + firm:04}",
            "district": district,
            "arrears": False,
            "revenue": Decimal(revenue),
            "staff": 3,
            "score": None,
        }
        for firm in range(number)
        for _ in range(quarters)
    ]


def city(seed: int) -> list[Row]:
    """Firms of uneven size in uneven districts, each with one to three returns; the registry gives them a section."""
    chance = random.Random(seed)
    return [
        replaced
        for firm in range(90)
        for district in [f"d{min(5, int(chance.paretovariate(0.7)) - 1)}"]
        for _ in range(chance.randint(1, 3) if seed % 2 else 1)
        for replaced in [
            {
                **some_firms(1, district, first=firm)[0],
                "revenue": Decimal(int(chance.lognormvariate(6, 1.2))) / 100,
            }
        ]
    ]


def with_sections(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as the join with the registry makes them."""
    section = {row["uscc"]: row["section"] for row in _registry(rows)}
    return [{**row, "section": section[row["uscc"]]} for row in rows]


def _registry(rows: Sequence[Row]) -> Sequence[Mapping[str, object]]:
    world = firms(rows)
    return next(found for name, found in world.rows.items() if str(name) == "gov.registry")


def ask(rows: Sequence[Row], sql: str, totals: Totals = Totals.COMPLEMENTARY) -> Ran:
    return run(firms(rows), question(firms(rows), sql, rules=replace(RULES_5, totals=totals)))


def one_way(rows: Sequence[Row], ran: Ran) -> Published:
    return Published.of(rows, ["district"], [["district"], []], ran.release.rows)


FIVE_DISTRICTS = [
    *some_firms(3, "few"),
    *some_firms(7, "small", first=100),
    *some_firms(20, "middle", first=200),
    *some_firms(40, "large", first=300),
]


def test_a_lone_small_district_is_no_difference_from_the_city() -> None:
    kept, told = ask(FIVE_DISTRICTS, DISTRICTS, Totals.KEEP_BACK), ask(FIVE_DISTRICTS, DISTRICTS)
    assert (None, 70, Decimal("700.00")) not in kept.release.rows
    assert (None, 70, Decimal("700.00")) in told.release.rows
    assert {row[0] for row in told.release.rows} == {None, "middle", "large"}


def test_what_is_left_over_of_a_total_is_a_cell_that_might_leave() -> None:
    rows = [
        *some_firms(9, "even"),
        *some_firms(30, "large", first=100),
        *some_firms(8, "mixed", first=200),
        # One firm holds nearly all of its district.
        *some_firms(1, "mixed", first=300, revenue="900.00"),
        *some_firms(12, "other", first=400, revenue="90.00"),
    ]
    ran = ask(rows, DISTRICTS)
    seen = one_way(rows, ran)
    assert seen.shows((None,), 1)
    assert not seen.shows(("mixed",), 1)
    for missing in seen.left_over(1):
        left = [row for place in missing for row in seen.cells[place]]
        assert len(missing) > 1
        assert not breaks_a_rule(left, _revenue, K)


@pytest.mark.parametrize("sets", SETS)
@pytest.mark.parametrize("seed", range(8))
def test_no_linear_program_gets_near_a_cell_of_few(sets: str, seed: int) -> None:
    rows = with_sections(city(seed))
    ran = ask(rows, TWO_WAYS.format(sets=sets))
    seen = Published.of(rows, ["district", "section"], SETS[sets], ran.release.rows)
    assert attacked(seen) == []


@pytest.mark.parametrize("largest_optimal", [0, 120])
def test_nor_does_it_with_three_keys(monkeypatch: pytest.MonkeyPatch, largest_optimal: int) -> None:
    """Whether the cells were chosen by the integer program or step by step."""
    monkeypatch.setattr(pattern, "LARGEST_OPTIMAL", largest_optimal)
    sql = (
        "SELECT t.district, r.section, t.arrears, count(*) AS n, sum(t.revenue) AS revenue FROM gov.tax t "
        "JOIN gov.registry r USING (uscc) GROUP BY CUBE (t.district, r.section, t.arrears)"
    )
    keys = ["district", "section", "arrears"]
    sets = [[key for place, key in enumerate(keys) if number >> place & 1] for number in range(8)]
    for seed in (2, 3):
        rows = [{**row, "arrears": str(row["uscc"])[-1] in "123"} for row in with_sections(city(seed))]
        seen = Published.of(rows, keys, sets, ask(rows, sql).release.rows)
        assert attacked(seen) == []
        assert sum(1 for _ in seen.left_over(1)) > 5


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_none_of_forty_cities_gives_a_cell_away(part: int) -> None:
    recovered, totals = [], 0
    for seed in range(100 + part, 140, 4):
        rows = with_sections(city(seed))
        sets = list(SETS)[seed // 4 % 3]
        ran = ask(rows, TWO_WAYS.format(sets=sets))
        seen = Published.of(rows, ["district", "section"], SETS[sets], ran.release.rows)
        recovered += [(seed, *found) for found in attacked(seen)]
        totals += sum(1 for _ in seen.left_over(1))
    assert recovered == []
    assert totals > 20, "totals that have no withheld parts test nothing"


def attacked(seen: Published) -> list[tuple[str, object]]:
    """The cells of few firms, or of a large one, that are shown, alone or as what is left of a total, or whose
    numbers can be bounded too closely from what is shown."""
    found: list[tuple[str, object]] = []
    for place, interval in seen.intervals(0, lambda _: 1).items():
        few, rows = len(seen.units(place)), len(seen.cells[place])
        # So many rows are those of k firms.
        reached = interval.upper is None or interval.upper >= 100 * K * rows // few
        if few < K and not (reached and (interval.lower or 0) < 100 * rows):
            found.append(("n", place))
    for place, interval in seen.intervals(1, _revenue).items():
        whole = int(100 * sum(map(_revenue, seen.cells[place])))
        near = whole // 10
        apart = (interval.lower or 0) <= whole - near and (interval.upper is None or interval.upper >= whole + near)
        if breaks_a_rule(seen.cells[place], _revenue, K) and not apart:
            found.append(("revenue", place))
    found += [
        ("left over", tuple(missing))
        for missing in seen.left_over(1)
        if len(missing) < 2 or breaks_a_rule([row for place in missing for row in seen.cells[place]], _revenue, K)
    ]
    found += [
        ("shown", place)
        for place in seen.shown
        if len(seen.units(place)) < K or (seen.shows(place, 1) and breaks_a_rule(seen.cells[place], _revenue, K))
    ]
    return found


def _revenue(row: Row) -> Decimal:
    return Decimal(row["revenue"])


def test_the_same_attack_recovers_cells_where_only_those_of_few_are_withheld() -> None:
    given_away = 0
    for seed in range(4):
        rows = with_sections(city(seed))
        sets = next(iter(SETS))
        everything = Published.of(rows, ["district", "section"], SETS[sets], ())
        shown = {
            place: (len(cell), sum(map(_revenue, cell)))
            for place, cell in everything.cells.items()
            if len(everything.units(place)) >= K and not breaks_a_rule(cell, _revenue, K)
        }
        given_away += len(attacked(replace(everything, shown=shown)))
    assert given_away > 10


def test_a_cell_withheld_for_others_looks_like_the_others() -> None:
    ran = ask(FIVE_DISTRICTS, DISTRICTS)
    assert {row[0] for row in ran.release.rows}.isdisjoint({"few", "small"})
    assert [(notice.code, notice.count) for notice in ran.release.notices] == [("CELLS_UNTOLD", 0)]
    assert ran.release.remainder is None


def test_the_notice_is_the_same_whether_one_value_breaks_a_rule_or_two() -> None:
    def notices(second: str) -> Iterator[tuple[str, int, str]]:
        rows = [
            *some_firms(30, "large", revenue="10.00"),
            *some_firms(9, "one", first=100, revenue="1.00"),
            *some_firms(1, "one", first=200, revenue="80.00"),
            *some_firms(9, "two", first=300, revenue="5.00"),
            *some_firms(1, "two", first=400, revenue=second),
        ]
        ran = ask(rows, DISTRICTS)
        # One total leaves, so two parts must not, whichever of them breaks a rule itself.
        assert [row[0] for row in ran.release.rows if row[2] is None] == ["one", "two"]
        return ((notice.code, notice.count, notice.rule) for notice in ran.release.notices)

    assert list(notices("90.00")) == list(notices("11.00"))


def test_sums_of_either_sign_keep_their_totals_back() -> None:
    rows = [*FIVE_DISTRICTS, *some_firms(6, "large", first=900, revenue="-4.00")]
    ran = ask(rows, DISTRICTS)
    shown = {row[0]: row[1:] for row in ran.release.rows}
    assert shown[None] == (76, None), "the number of rows is a sum of no negative parts, the revenue is not"


def test_several_protected_cores_keep_their_totals_back() -> None:
    """One of them might show what another withholds for its totals."""
    both = (
        f"SELECT * FROM ({DISTRICTS}) AS totals UNION ALL "
        "SELECT district, count(*), sum(revenue) FROM gov.tax GROUP BY district"
    )
    assert sorted(ask(FIVE_DISTRICTS, both).release.rows, key=repr) == sorted(
        ask(FIVE_DISTRICTS, both, Totals.KEEP_BACK).release.rows, key=repr
    )


def test_a_pattern_that_is_not_proved_keeps_totals_back() -> None:
    ran = ask(FIVE_DISTRICTS, DISTRICTS)
    unproved = release(ran.execution, lambda problem: None)
    assert unproved.rows == ask(FIVE_DISTRICTS, DISTRICTS, Totals.KEEP_BACK).release.rows


def test_what_a_solver_forgets_is_withheld_by_the_releaser() -> None:
    """A pattern without further cells leaves no total beside the lone withheld part."""

    def careless(problem: Problem) -> Pattern:
        return Pattern(problem.hidden, frozenset(), frozenset())

    rows = release(ask(FIVE_DISTRICTS, DISTRICTS).execution, careless).rows
    assert {row[0] for row in rows} == {"small", "middle", "large"}


def test_one_question_has_one_pattern_however_it_is_written() -> None:
    """Two patterns of one table would show together what each of them withholds."""
    rows = with_sections(city(3))
    asked = ask(rows, TWO_WAYS.format(sets="CUBE (t.district, r.section)")).release.rows
    turned = TWO_WAYS.replace("t.district, r.section, count", "r.section AS s, t.district AS d, count")
    again = ask(random.Random(1).sample(rows, len(rows)), turned.format(sets="CUBE (s, d)")).release.rows
    assert {row[:2] for row in asked} == {(row[1], row[0]) for row in again}
    assert {(row[0], row[1], row[3]) for row in asked} == {(row[1], row[0], row[3]) for row in again}


def test_which_cells_are_hidden_does_not_depend_on_what_else_is_asked() -> None:
    rows = with_sections(city(5))
    counted = TWO_WAYS.replace(", sum(t.revenue) AS revenue", "").format(sets="CUBE (t.district, r.section)")
    both = TWO_WAYS.format(sets="CUBE (t.district, r.section)")
    assert {row[:3] for row in ask(rows, counted).release.rows} == {row[:3] for row in ask(rows, both).release.rows}


def test_a_core_too_large_to_solve_in_time_keeps_its_totals_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(complementary, "MOST_NUMBERS", 9)
    assert (
        ask(FIVE_DISTRICTS, DISTRICTS).release.rows == ask(FIVE_DISTRICTS, DISTRICTS, Totals.KEEP_BACK).release.rows
    ), "five cells of two numbers each"
