"""What somebody reads off numbers that stand beside one another: overflows, means beside sums, totals beside parts.

Each pair of worlds differs in one firm; what leaves must not tell which world it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from tests.support.relations import Row, firms, question, returns, run

from louver.errors import Refused

CROWD = returns("A", 12) + returns("B", 12)


def target(**changes: object) -> list[Row]:
    return [{**returns("A", 1)[0], "uscc": "target", **changes}]


def seen(sql: str, rows: list[Row]) -> Any:
    world = firms(rows)
    try:
        ran = run(world, question(world, sql))
    except Refused as refused:
        return refused.code
    return ran.release.rows, ran.release.remainder, ran.release.notices


def amounts(rows: Sequence[Row]) -> list[Row]:
    return [{**row, "revenue": Decimal(10 + number), "staff": 3 + number % 4} for number, row in enumerate(rows)]


@pytest.mark.parametrize(
    "measure",
    [
        "count(staff * 9223372036854775807)",
        "count(staff + 9223372036854775806)",
        "count(*) FILTER (WHERE staff * 9223372036854775807 IS NOT NULL)",
        "count(staff * 5000000000 * 1800000000)",
    ],
)
def test_an_overflow_is_a_comparison_and_no_missing_value(measure: str) -> None:
    """Whether some firm has a staff of more than one: "all have a value" says it of nobody."""
    sql = f"SELECT count(*), {measure} FROM gov.tax"
    crowd = [{**row, "staff": 1} for row in CROWD]
    assert seen(sql, crowd + target(staff=1)) == seen(sql, crowd + target(staff=2))


def test_an_overflow_inside_an_inner_aggregate_is_none_either() -> None:
    crowd = [{**row, "staff": 1} for row in CROWD]
    for made in ("max(staff * 9223372036854775807)", "sum(staff) * 9223372036854775807"):
        sql = f"SELECT count(*), count(m) FROM (SELECT uscc, {made} AS m FROM gov.tax GROUP BY uscc) x"
        assert seen(sql, crowd + target(staff=1)) == seen(sql, crowd + target(staff=2))


@pytest.mark.parametrize(
    ("parts", "total"),
    [
        ("count(*)", "sum(staff), avg(staff)"),
        ("count(*)", "var_pop(revenue), var_samp(revenue)"),
        ("sum(staff), avg(staff)", "count(*)"),
    ],
)
def test_a_sum_and_an_average_are_a_number_of_rows(parts: str, total: str) -> None:
    """sum / avg - 24 is how many firms the one withheld district has."""
    sql = (
        f"SELECT x.*, y.* FROM (SELECT district, {parts} FROM gov.tax GROUP BY district) x "
        f"CROSS JOIN (SELECT {total} FROM gov.tax) y"
    )
    for size in (1, 2, 3):
        rows = amounts(CROWD + returns("E", size))
        found = seen(sql, rows)
        assert isinstance(found, str) or all(None in row for row in found[0]), found


def test_a_sum_and_an_average_under_a_condition_are_a_count() -> None:
    """One firm of E is in arrears: the count is withheld, and sum / avg - 12 says it."""
    rows = [{**row, "arrears": number % 2 == 0} for number, row in enumerate(CROWD)] + [
        {**row, "arrears": number == 0} for number, row in enumerate(returns("E", 12))
    ]
    sql = (
        "SELECT x.*, y.* FROM (SELECT district, count(*) FILTER (WHERE arrears) FROM gov.tax GROUP BY district) x "
        "CROSS JOIN (SELECT sum(revenue) FILTER (WHERE arrears), avg(revenue) FILTER (WHERE arrears) FROM gov.tax) y"
    )
    found = seen(sql, amounts(rows))
    assert isinstance(found, str) or all(row[2] is None or row[3] is None for row in found[0]), found


def test_a_covariance_and_averages_are_a_sum_of_products() -> None:
    """n * (covar + avg * avg), less the sums of the other districts, is the one firm's revenue times staff."""
    sql = (
        "SELECT x.*, y.* FROM (SELECT district, sum(revenue * staff) AS p FROM gov.tax GROUP BY district) x CROSS JOIN "
        "(SELECT covar_pop(revenue, staff), sum(revenue), sum(staff), avg(revenue) FROM gov.tax) y"
    )
    rows = amounts(CROWD)
    rows += [{**returns("E", 1)[0], "revenue": Decimal(22), "staff": 4}]
    found = seen(sql, rows)
    if isinstance(found, str):
        return
    _, _, covariance, revenue, staff, average = found[0][0]
    if None in (covariance, revenue, staff, average):
        return
    number = float(revenue) / average
    products = number * covariance + float(revenue) * staff / number
    assert products - sum(float(row[1]) for row in found[0]) != pytest.approx(22 * 4)


def test_a_constant_of_the_empty_side_is_null_there() -> None:
    """24 of the 25 firms have a partner; 25 would be wrong, and no number is not."""
    sql = (
        "SELECT count(*), count(k) FROM gov.registry r "
        "LEFT JOIN (SELECT uscc, 1 AS k FROM gov.tax WHERE staff < 90) t ON t.uscc = r.uscc"
    )
    found = seen(sql, CROWD + target(staff=99))
    assert found[0][0][1] in (24, None)


def without(rows: list[Row], uscc: str) -> list[Row]:
    return [{**row, "revenue": None} if row["uscc"] == uscc else row for row in rows]


def test_two_parts_that_lack_one_value_each_are_not_told_by_their_total() -> None:
    """Firms A0 and B0 have no revenue in A and B, but one in C: all firms have some, and yet 38 - 36 is one and one."""
    rows = without(without(CROWD, "A0"), "B0") + returns("C", 12)
    rows += [{**returns("C", 1)[0], "uscc": uscc} for uscc in ("A0", "B0")]
    sql = "SELECT district, count(*), count(revenue) FROM gov.tax GROUP BY ROLLUP (district)"
    total = next(row for row in seen(sql, rows)[0] if row[0] is None)
    assert total[2] is None


def test_a_constant_of_the_empty_side_is_counted_where_it_is() -> None:
    """SQL says 12; 24 would be wrong, and no number is not."""
    sql = (
        "SELECT count(*), count(k) FROM gov.registry r "
        "LEFT JOIN (SELECT uscc, 1 AS k FROM gov.tax WHERE district = 'B') t ON t.uscc = r.uscc"
    )
    assert seen(sql, CROWD)[0] in (((24, 12),), ((24, None),))
