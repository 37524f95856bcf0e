"""Which totals count as known beside a question's cells, and what of it the solver and a row see."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from tests.support.relations import RULES_5, Row, World, column, enterprise, firms, question, run, table
from tests.unit.sandbox.test_policy_unit_sets import MORE, loaded, said

from louver.errors import Refused
from louver_sandbox.algebra.types import INTEGER, Kind, Type
from louver_sandbox.core_plan import AskedSet, CorePlan
from louver_sandbox.obligations import ClassDisclosure, Totals
from louver_sandbox.plan.plan import plan
from louver_sandbox.policy.levels import strictest_totals
from louver_sandbox.service import convert
from louver_sandbox.stages import Plan
from louver_sandbox.suppression import pattern
from louver_sandbox.suppression.pattern import Number, Pattern, Problem, choose, stands
from louver_sandbox.suppression.table import Protection
from louver_sandbox.suppression.wire import (
    Malformed,
    pattern_from_bytes,
    pattern_to_bytes,
    problem_from_bytes,
    problem_to_bytes,
)

KNOWN = replace(RULES_5, totals=Totals.KNOWN)
TAX = "SELECT {keys}, count(*) AS n FROM gov.tax GROUP BY {sets}"

FINES = table(
    "gov.fine",
    [column("uscc", nullable=False), column("day", Type(Kind.DATE)), column("district"), column("amount", INTEGER)],
    [enterprise("uscc", rows_per_unit=1)],
)
MONTHS = (20, 3, 12, 15, 9, 7, 8, 30, 11, 20, 14, 25, 22, 8, 13)


def fines() -> World:
    """Firms fined in fifteen months; in February 2025 only three."""
    rows: list[Row] = [
        {"uscc": f"f{month}-{firm}", "day": date(2025 + month // 12, month % 12 + 1, 5), "district": "w", "amount": 1}
        for month, number in enumerate(MONTHS)
        for firm in range(number)
    ]
    return World((FINES,), {FINES.name: rows})


def planned(sql: str, world: World | None = None) -> Plan:
    return plan(question(world or firms(), sql, rules=KNOWN))


def core(sql: str, world: World | None = None) -> CorePlan:
    (found,) = planned(sql, world).cores
    return found


def test_a_plain_question_is_computed_with_every_total() -> None:
    made = core(TAX.format(keys="district, arrears", sets="district, arrears"))
    assert made.asked == (AskedSet((0, 1), (0, 1)),)
    assert "GROUPING SETS" in made.statement
    assert made.statement == core(TAX.format(keys="district, arrears", sets="CUBE (district, arrears)")).statement


def test_equal_statements_that_show_other_sets_are_other_questions() -> None:
    sets = ("district, arrears", "ROLLUP (district, arrears)", "CUBE (district, arrears)")
    assert len({planned(TAX.format(keys="district, arrears", sets=one)).question for one in sets}) == len(sets)


def test_totals_over_own_labels_are_never_computed() -> None:
    made = core(
        "SELECT t.district, l.branch, count(*) AS n FROM gov.tax t JOIN bank_a.loan l ON l.id_no = t.uscc "
        "GROUP BY t.district, l.branch"
    )
    assert made.asked == (AskedSet((0, 1), (0, 1)),)
    assert made.statement.count("GROUPING SETS") == 1
    assert "()" not in made.statement.split("GROUPING SETS")[1]


def test_what_says_the_side_of_a_union_stays_in_every_set() -> None:
    """Without it the subjects of both sides would be counted together, in other groups than in the question."""
    sql = (
        "SELECT side, district, count(*) AS n FROM (SELECT 'a' AS side, district FROM gov.tax UNION ALL "
        "SELECT 'b', district FROM gov.tax) AS both_sides GROUP BY side, district"
    )
    asked = plan(question(firms(), sql, rules=RULES_5)).cores[0]
    assert core(sql).unit_groups == asked.unit_groups


def test_too_many_totals_are_refused() -> None:
    keys = ["district", "arrears", "staff", "score", "revenue", "uscc", "length(district)"]
    with pytest.raises(Refused) as refused:
        planned(TAX.format(keys=", ".join(keys), sets=", ".join(keys)))
    assert refused.value.code == "LVR-1006"
    assert core(TAX.format(keys=", ".join(keys[:6]), sets=", ".join(keys[:6]))).asked


@pytest.mark.parametrize(
    ("key", "added"),
    [
        ("date_trunc('year', day)", 0),
        ("date_trunc('quarter', day)", 1),
        ("date_trunc('month', day)", 2),
        ("day", 3),
        ("date_trunc('week', day)", 0),
    ],
)
def test_a_period_has_the_longer_ones_that_it_decides(key: str, added: int) -> None:
    made = core(f"SELECT {key} AS period, count(*) AS n FROM gov.fine GROUP BY 1", fines())
    assert made.asked == (AskedSet((0,), tuple(range(added + 1))),)


def test_no_period_is_added_where_cells_are_judged_beside_each_other_on_it() -> None:
    sql = "SELECT date_trunc('month', day) AS m, count(*) AS n FROM gov.fine GROUP BY 1"
    rules = replace(KNOWN, class_disclosure=ClassDisclosure.ALL)
    (made,) = plan(question(fines(), sql, rules=rules)).cores
    assert made.asked == (AskedSet((0,), (0,)),)


def periods(sql: str) -> dict[tuple[object, ...], object]:
    rows = run(fines(), question(fines(), sql, rules=KNOWN)).release.rows
    return {tuple(None if key is None else str(key) for key in row[:-1]): row[-1] for row in rows}


def test_a_month_is_no_difference_of_its_quarter_whoever_asks_for_that() -> None:
    """Another month of the same quarter is withheld, not the smallest of the year."""
    sql = "SELECT {keys}, count(*) AS n FROM gov.fine GROUP BY {sets}"
    quarter, month = "date_trunc('quarter', day)", "date_trunc('month', day)"
    months = periods(sql.format(keys=month, sets=month))
    quarters = periods(sql.format(keys=quarter, sets=quarter))
    both = periods(sql.format(keys=f"{quarter}, {month}", sets=f"ROLLUP ({quarter}, {month})"))
    assert len(months) == len(MONTHS) - 2
    assert {key for (key,) in months}.isdisjoint({"2025-02-01", "2025-03-01"})
    assert quarters[("2025-01-01",)] == sum(MONTHS[:3])
    assert {key[1]: value for key, value in both.items() if key[1]} == {key: n for (key,), n in months.items()}
    assert {key[0]: value for key, value in both.items() if key[0] and not key[1]} == {
        key: n for (key,), n in quarters.items()
    }


def test_a_set_whose_keys_are_decided_by_others_shows_only_its_own() -> None:
    quarter, month = "date_trunc('quarter', day)", "date_trunc('month', day)"
    shown = run(
        fines(),
        question(
            fines(),
            f"SELECT {quarter} AS q, {month} AS m, grouping({quarter}, {month}) AS g, count(*) AS n FROM gov.fine "
            f"GROUP BY GROUPING SETS (({month}), ({quarter}, {month}))",
            rules=KNOWN,
        ),
    ).release.rows
    alone, both = ([row for row in shown if row[2] == bits] for bits in (2, 0))
    assert [row[1:2] + row[3:] for row in alone] == [row[1:2] + row[3:] for row in both]
    assert all(row[0] is None for row in alone)
    assert all(row[0] is not None for row in both)


def test_a_total_beside_its_cells_in_one_question() -> None:
    """Two aggregates of one question are two answers: each has the pattern it would have alone."""
    district = [
        {"uscc": f"{name}{n}", "district": name, "arrears": False, "revenue": None, "staff": 1, "score": None}
        for name, number in (("few", 3), ("small", 7), ("large", 20))
        for n in range(number)
    ]
    world = firms(district)
    sql = (
        "SELECT a.district, a.n, b.n FROM (SELECT district, count(*) AS n FROM gov.tax GROUP BY district) a "
        "CROSS JOIN (SELECT count(*) AS n FROM gov.tax) b"
    )
    assert run(world, question(world, sql, rules=KNOWN)).release.rows == (("large", 20, 30),)


# what is known already


def a_problem(shown: frozenset[int] = frozenset()) -> Problem:
    """A total of four parts; one may not leave."""
    number = Number((20, 3, 2, 7, 8), {1: Protection(1, 7, 10)})
    return Problem((20, 3, 2, 7, 8), ((0, (1, 2, 3, 4)),), frozenset({1}), (number,), (), shown)


def test_what_is_shown_elsewhere_is_not_withheld() -> None:
    assert choose(a_problem()) is not None
    found = choose(a_problem(frozenset({0})))
    assert found is not None
    assert 0 not in found.hidden
    assert len(found.hidden) > 1
    assert stands(a_problem(), found)


@pytest.mark.parametrize("largest_optimal", [0, 120])
def test_levels_that_nothing_can_reach_are_reached_as_far_as_they_can(
    monkeypatch: pytest.MonkeyPatch, largest_optimal: int
) -> None:
    """With all but one part shown, the two that are left have five together, of ten that are wanted."""
    monkeypatch.setattr(pattern, "LARGEST_OPTIMAL", largest_optimal)
    known = a_problem(frozenset({0, 3, 4}))
    found = choose(known)
    assert found is not None
    assert found.hidden == {1, 2}
    assert choose(replace(known, shown=frozenset({0, 2, 3, 4}))) == Pattern(frozenset({1}), frozenset(), frozenset())


def test_a_problem_keeps_what_is_shown_on_the_wire_and_no_pattern_may_withhold_it() -> None:
    asked = a_problem(frozenset({0, 3}))
    assert problem_from_bytes(problem_to_bytes(asked)) == asked
    with pytest.raises(Malformed):
        pattern_from_bytes(pattern_to_bytes(Pattern(frozenset({1, 3}), frozenset(), frozenset())), asked)


def test_any_grant_may_ask_for_it() -> None:
    back, kept, known = Totals.KEEP_BACK, Totals.COMPLEMENTARY, Totals.KNOWN
    assert strictest_totals([kept, kept]) is kept
    assert strictest_totals([kept, back]) is back
    assert strictest_totals([kept, known, back]) is known


def test_it_is_among_the_obligations_that_are_shown() -> None:
    assert "the totals of every table count as known" in convert.obligations(KNOWN)[-1]


@pytest.mark.parametrize(
    ("other", "told"),
    [("totals: known", False), ("totals: complementary", True), ("{totals: known, enterprise: 9}", True)],
)
def test_grants_that_would_withhold_other_cells_are_named(tmp_path: Path, other: str, told: bool) -> None:
    terms = other if other.startswith("{") else f"{{{other}}}"
    more = MORE.replace("treatment: threshold", f"treatment: threshold\n    threshold: {terms}")
    found = said(loaded(tmp_path, "totals: known", more=more))
    assert any("under taxation/other other cells are withheld" in problem for problem in found) is told
