"""What somebody does who asks for a value that is withheld inside a function that makes something else of NULL.

A withheld value makes everything that depends on it withheld: no default, comparison or text takes its place.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.support.relations import Ran, Row, firms, question, returns, run

GIANT: list[Row] = [*returns("A", 8), *returns("B", 6), {**returns("B", 7)[6], "revenue": Decimal(9000)}]
"""District B has one firm with nearly all the revenue: its count leaves, its sum does not."""
FEW = returns("A", 3)
ONLY_B = "WHERE district = 'B'"


def ask(expression: str, rows: list[Row] = GIANT, rest: str = "GROUP BY district ORDER BY 1") -> Ran:
    world = firms(rows)
    return run(world, question(world, f"SELECT district, count(*), {expression} FROM gov.tax {rest}"))


@pytest.mark.parametrize(
    ("expression", "in_a"),
    [
        ("sum(revenue)", Decimal("80.00")),
        ("coalesce(sum(revenue), 0)", Decimal("80.00")),
        ("CASE WHEN avg(revenue) > 2000000 THEN 'hi' ELSE 'lo' END", "lo"),
        ("CASE WHEN sum(revenue) IS NULL THEN 'none' ELSE 'some' END", "some"),
        ("sum(revenue) IS NULL", False),
        ("sum(revenue) IS NOT NULL", True),
        ("sum(revenue) IS DISTINCT FROM 80", False),
        ("greatest(sum(revenue), 1)", Decimal("80.00")),
        ("least(sum(revenue), 100)", Decimal("80.00")),
        ("concat('s=', sum(revenue)::text)", "s=80.00"),
        ("nullif(sum(revenue), 7)", Decimal("80.00")),
        ("sum(revenue) IN (80, 90)", True),
        ("sum(revenue) > 1 OR count(*) > 1000", True),
        ("coalesce(sum(revenue) > 1, TRUE) AND count(*) > 1", True),
        ("coalesce(nullif(coalesce(sum(revenue), 0), 0), 1)", Decimal("80.00")),
    ],
)
def test_no_function_makes_an_answer_of_a_withheld_value(expression: str, in_a: object) -> None:
    assert ask(expression).release.rows == (("A", 8, in_a), ("B", 7, None))


def test_what_the_other_side_decides_is_told() -> None:
    assert ask("sum(revenue) > 1 AND count(*) > 1000").release.rows[1] == ("B", 7, False)
    assert ask("sum(revenue) > 1 OR count(*) > 1").release.rows[1] == ("B", 7, True)
    assert ask("CASE WHEN count(*) > 1 THEN 1 ELSE sum(revenue) END").release.rows[1] == ("B", 7, 1)


@pytest.mark.parametrize("condition", ["coalesce(sum(revenue), 0) = 0", "sum(revenue) IS NULL", "sum(revenue) > 1"])
def test_having_never_keeps_a_row_for_its_withheld_value(condition: str) -> None:
    for having in (condition, f"NOT ({condition})"):
        kept = ask("1", rest=f"GROUP BY district HAVING {having} ORDER BY 1").release.rows
        assert "B" not in [row[0] for row in kept]


def test_a_withheld_grand_total_has_no_default() -> None:
    world = firms(FEW)
    sql = "SELECT coalesce(count(*), 0), coalesce(sum(revenue), 0), sum(revenue) IS NULL FROM gov.tax"
    assert run(world, question(world, sql)).release.rows == ((None, None, None),)


def test_a_scalar_subquery_that_is_withheld_has_no_default() -> None:
    sql = (
        "SELECT district, coalesce((SELECT sum(revenue) FROM gov.tax WHERE district = 'B'), 0) "
        "FROM gov.tax GROUP BY district HAVING count(*) = 8"
    )
    world = firms(GIANT)
    assert run(world, question(world, sql)).release.rows == (("A", None),)


def test_a_difference_that_is_withheld_has_no_default() -> None:
    sql = (
        "SELECT district, coalesce(sum(revenue), 0) FROM gov.tax GROUP BY district "
        "UNION ALL SELECT 'all', coalesce(sum(revenue), 0) FROM gov.tax ORDER BY 1"
    )
    world = firms([*returns("A", 8), *returns("B", 6), *returns("C", 2)])
    found = run(world, question(world, sql)).release.rows
    assert found == (("A", Decimal("80.00")), ("B", Decimal("60.00")), ("all", None))


def test_the_remainder_row_has_no_default_either() -> None:
    giant = {**returns("C", 4)[3], "revenue": Decimal(9000)}
    world = firms([*returns("A", 8), *returns("B", 4), *returns("C", 3), giant])
    sql = "SELECT district, count(*), coalesce(sum(revenue), 0) FROM gov.tax GROUP BY district"
    assert run(world, question(world, sql)).release.remainder == (None, 8, None)


def test_the_empty_side_of_a_join_is_an_ordinary_null() -> None:
    parts = "SELECT district, sum(revenue) AS r FROM gov.tax {} GROUP BY district"
    sql = (
        f"SELECT a.district, coalesce(b.r, 0) FROM ({parts.format('')}) AS a "
        f"LEFT JOIN ({parts.format(ONLY_B)}) AS b USING (district) ORDER BY 1"
    )
    world = firms(GIANT)
    assert run(world, question(world, sql)).release.rows == (("A", Decimal("0.00")), ("B", None))
