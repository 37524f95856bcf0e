"""(n,k) dominance of two and (p,q) hold wherever sums do: alone, in averages and variances, beside totals, in
remainders, and for values that rows are compared with."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.support.relations import RULES_5, Row, firms, question, returns, run

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.core_plan import CountedUnit, JudgedTotal
from louver_sandbox.obligations import ThresholdRules
from louver_sandbox.release.levels import sum_protection
from louver_sandbox.release.rules import Contributions, Rule, withheld_by
from louver_sandbox.service import rules_told
from louver_sandbox.suppression.table import Protection

TWO = replace(RULES_5, dominance_of_two=80)
PRIOR = replace(RULES_5, prior_percent=40)
TOTAL = JudgedTotal("s1", ("z1_1",), ("l1_1",), ("e1_1",), ("m1_1",))
GROUP = (CountedUnit(UnitType.ENTERPRISE),)


def verdict(rules: ThresholdRules, largest: int, second: int, whole: int) -> Rule | None:
    return withheld_by([Contributions(9, 9, largest, second, whole)], GROUP, rules, TOTAL)


def test_two_units_may_hold_as_much_as_the_rule_says_and_no_more() -> None:
    assert verdict(TWO, 40, 40, 100) is None
    assert verdict(TWO, 41, 40, 100) is Rule.DOMINANCE
    assert verdict(RULES_5, 41, 40, 100) is None
    assert verdict(TWO, 61, 1, 100) is Rule.DOMINANCE, "the rule of one stands beside it"


def test_whoever_knows_more_beforehand_needs_more_to_be_left() -> None:
    # p / q = 10 / 40: a quarter of the largest must be left.
    assert verdict(PRIOR, 40, 40, 90) is None
    assert verdict(PRIOR, 41, 40, 91) is Rule.P_PERCENT
    assert verdict(RULES_5, 41, 40, 91) is None


def test_protection_levels_are_those_of_the_rules_broken() -> None:
    part = Contributions(9, 9, 45, 45, 100)
    # 20 % of the amount, since 10 of 50; (100/80) (45 + 45) - 100 = 12.5; (10/50) 45 - 10 < 0.
    assert sum_protection(part, replace(TWO, prior_percent=50)) == Protection(20, 20)
    # (100/60) 90 - 100 = 50.
    assert sum_protection(part, replace(TWO, dominance_of_two=60)) == Protection(50, 50)


TWO_BIG = [
    {**row, "revenue": Decimal(revenue)}
    for row, revenue in zip(returns("A", 8), [430, 420, 25, 25, 25, 25, 25, 25], strict=True)
]
CROWD = returns("B", 12) + returns("C", 12)


def values(sql: str, rules: ThresholdRules, rows: list[Row]) -> list[tuple[object, ...]]:
    world = firms(rows)
    return list(run(world, question(world, sql, rules=rules)).release.rows)


@pytest.mark.parametrize("measure", ["sum(revenue)", "avg(revenue)", "sum(revenue) / count(*)"])
def test_both_parts_of_a_value_are_held_to_them(measure: str) -> None:
    sql = f"SELECT district, {measure} FROM gov.tax WHERE district <> 'C' GROUP BY district ORDER BY 1"
    ((_, loose), _), ((_, strict), (_, crowd)) = (values(sql, rules, TWO_BIG + CROWD) for rules in (RULES_5, TWO))
    assert loose is not None
    assert strict is None
    assert crowd is not None


def test_a_total_beside_such_a_part_is_withheld_too() -> None:
    sql = "SELECT district, sum(revenue) FROM gov.tax GROUP BY ROLLUP (district)"
    assert (None, Decimal(1240)) in values(sql, RULES_5, TWO_BIG + CROWD)
    assert (None, None) in values(sql, TWO, TWO_BIG + CROWD)


def test_values_that_rows_are_compared_with_are_held_to_them() -> None:
    """In the engine the second largest counts as the largest: 430 twice of 1000."""
    sql = "SELECT count(*) FROM gov.tax WHERE revenue < (SELECT avg(revenue) FROM gov.tax WHERE district = 'A')"
    assert values(sql, RULES_5, TWO_BIG + CROWD) == [(30,)]
    assert values(sql, TWO, TWO_BIG + CROWD) == [(None,)], "without a value no row is smaller"


def test_explain_tells_them() -> None:
    world = firms(TWO_BIG)
    asked = question(world, "SELECT sum(revenue) FROM gov.tax", rules=replace(TWO, prior_percent=40))
    told = [(rule.rule, rule.count, rule.message) for rule in rules_told.rules(run(world, asked).plan)]
    assert ("dominance", 80, "no two subjects together may hold more than 80 % of a sum") in told
    assert any(rule == "p-percent" and "to within 40 % beforehand" in message for rule, _, message in told)
