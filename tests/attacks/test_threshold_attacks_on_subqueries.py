"""What somebody asks through subqueries, unions and totals who wants to know about one firm.

Each pair of worlds differs in the one firm that is asked about; what leaves must not tell which world it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from tests.support.relations import Ran, Row, firms, question, returns, run

from louver.errors import Refused
from louver_sandbox.plan.plan import plan

CROWD = returns("A", 12) + returns("B", 12)


def ask(sql: str, rows: Sequence[Row], loans: Sequence[Row] = ()) -> Ran:
    world = firms(rows, loans)
    return run(world, question(world, sql))


def seen(sql: str, rows: Sequence[Row], loans: Sequence[Row] = ()) -> object:
    ran = ask(sql, rows, loans)
    return ran.release.rows, ran.release.remainder, ran.release.notices


def target(**changes: object) -> list[Row]:
    """The firm asked about."""
    return [{**returns("A", 1)[0], "uscc": "target", **changes}]


@pytest.mark.parametrize(
    "value",
    [
        "(SELECT avg(revenue) FROM gov.tax WHERE uscc = 'target')",
        "(SELECT sum(revenue) FROM gov.tax WHERE staff > 90)",
        "(SELECT avg(x.revenue) FROM gov.tax x WHERE x.staff = t.staff + 90)",
        "(SELECT count(*) FROM gov.tax WHERE staff > 90 AND revenue > 500)",
    ],
)
def test_a_number_of_one_firm_is_not_compared_with(value: str) -> None:
    """Which constants it lies between would be read off how many rows are left."""
    sql = f"SELECT count(*) FROM gov.tax t WHERE t.revenue >= {value}"
    rich, poor = (CROWD + target(staff=99, revenue=Decimal(amount)) for amount in ("900.00", "1.00"))
    assert seen(sql, rich) == seen(sql, poor)


def test_what_drops_out_of_a_comparison_is_announced_whether_anything_does_or_not() -> None:
    """Rows beside a missing average are left out without a trace, and that some are must not be told."""
    sql = "SELECT count(*) FROM gov.tax t WHERE revenue >= (SELECT avg(x.revenue) FROM gov.tax x WHERE x.staff = t.staff)"
    assert ask(sql, CROWD).release.rows == ask(sql, CROWD + target(staff=99)).release.rows == ((24,),)
    assert ask(sql, CROWD).codes() == ask(sql, CROWD + target(staff=99)).codes() == {"OVER_JUDGED": 1}
    assert ask("SELECT count(*) FROM gov.tax", CROWD).codes() == {}


def test_a_dominated_number_is_not_compared_with_either() -> None:
    """An average over a crowd that one firm makes is that firm's number."""
    sql = "SELECT count(*) FROM gov.tax t WHERE t.staff * 100 >= (SELECT sum(revenue) FROM gov.tax)"
    for amount in ("90000.00", "900000.00"):
        assert ask(sql, CROWD + target(revenue=Decimal(amount))).release.rows == ((None,),)


def test_a_number_of_many_is_compared_with() -> None:
    rows = returns("A", 12) + returns("B", 12, revenue=Decimal("30.00"))
    sql = "SELECT count(*) FROM gov.tax WHERE revenue > (SELECT avg(revenue) FROM gov.tax)"
    assert ask(sql, rows).release.rows == ((12,),)
    sql = (
        "SELECT t.district, count(*) FROM gov.tax t "
        "WHERE t.revenue >= (SELECT 0.5 * avg(x.revenue) FROM gov.tax x WHERE x.district = t.district) GROUP BY 1"
    )
    assert ask(sql, rows).release.rows == (("A", 12), ("B", 12))


def test_a_small_group_of_an_inner_aggregate_does_not_exist() -> None:
    sql = (
        "SELECT count(*) FROM gov.tax t JOIN (SELECT staff, count(*) AS n FROM gov.tax WHERE revenue > 500 "
        "GROUP BY staff) x ON x.staff = t.staff"
    )
    rich, poor = (CROWD + target(revenue=Decimal(amount)) for amount in ("900.00", "1.00"))
    assert seen(sql, rich) == seen(sql, poor)


def test_copies_of_own_rows_do_not_weigh_an_inner_aggregate() -> None:
    sql = (
        "SELECT count(*) FROM gov.tax WHERE staff < (SELECT count(*) FROM gov.tax t JOIN loan l ON l.id_no = t.uscc)"
    )
    loans = [
        {"id_no": f"A{i}", "balance": Decimal(1), "bad": False, "branch": "x"} for i in range(9) for _ in range(2**i)
    ]
    with pytest.raises(Refused, match="LVR-2309"):
        ask(sql, CROWD, loans)


def test_a_released_number_is_no_weight() -> None:
    sql = (
        "SELECT sum(x.m) FROM gov.tax t JOIN (SELECT district, avg(revenue) AS m FROM gov.tax GROUP BY district) x "
        "ON x.district = t.district"
    )
    with pytest.raises(Refused, match="LVR-2310"):
        plan(question(firms(), sql))


def test_the_others_that_exists_looks_at_are_counted() -> None:
    """Whether some firm of a staff of 99 has returns would be read off everybody else's rows."""
    sql = "SELECT count(*) FROM gov.tax t WHERE EXISTS (SELECT 1 FROM gov.tax x WHERE x.staff = t.staff + 96)"
    there, not_there = CROWD + target(staff=99), CROWD + target(staff=3)
    assert seen(sql, there) == seen(sql, not_there)


@pytest.mark.parametrize(
    "condition",
    [
        "NOT EXISTS (SELECT 1 FROM gov.tax x WHERE x.staff = t.staff + 96)",
        "t.staff + 96 NOT IN (SELECT x.staff FROM gov.tax x WHERE x.staff IS NOT NULL)",
    ],
)
def test_that_nobody_was_found_among_others_is_not_told(condition: str) -> None:
    with pytest.raises(Refused, match="LVR-2312"):
        plan(question(firms(), f"SELECT count(*) FROM gov.tax t WHERE {condition}"))


def test_others_are_found_by_equality_only() -> None:
    sql = "SELECT count(*) FROM gov.tax t WHERE EXISTS (SELECT 1 FROM gov.tax x WHERE x.staff > t.staff)"
    with pytest.raises(Refused, match="LVR-2313"):
        plan(question(firms(), sql))


def test_a_firm_is_asked_about_its_own_rows_elsewhere() -> None:
    rows = CROWD + target()
    for condition, firms_left in (
        ("EXISTS (SELECT 1 FROM gov.registry r WHERE r.uscc = t.uscc AND r.section = 'A')", 9),
        ("NOT EXISTS (SELECT 1 FROM gov.registry r WHERE r.uscc = t.uscc AND r.section = 'A')", 16),
        ("t.uscc IN (SELECT uscc FROM gov.registry WHERE section = 'A')", 9),
        ("t.uscc NOT IN (SELECT uscc FROM gov.registry WHERE section = 'A')", 16),
    ):
        assert ask(f"SELECT count(*) FROM gov.tax t WHERE {condition}", rows).release.rows == ((firms_left,),)


def test_a_union_does_not_count_one_firm_twice_unseen() -> None:
    """All rows, and once more those of the firm asked about: the count less the firms would say if it is there."""
    sql = (
        "SELECT count(*), count(DISTINCT u) FROM (SELECT uscc AS u, district FROM gov.tax "
        "UNION ALL SELECT t.uscc, t.district FROM gov.tax t JOIN loan l ON l.id_no = t.uscc) x WHERE district = 'A'"
    )
    loans: list[Row] = [{"id_no": "target", "balance": Decimal(1), "bad": False, "branch": "x"}]
    assert seen(sql, CROWD + target(), loans) == seen(sql, CROWD + target(district="B"), loans)


def test_a_union_by_source_is_cells_of_either_source() -> None:
    sql = (
        "SELECT source, count(*), sum(v) FROM (SELECT 'tax' AS source, uscc AS u, revenue AS v FROM gov.tax "
        "UNION ALL SELECT 'registry', uscc, NULL FROM gov.registry) x GROUP BY source"
    )
    assert ask(sql, CROWD).release.rows == (("registry", 24, None), ("tax", 24, Decimal("240.00")))


def test_no_partner_looks_like_one_partner_on_one_side_of_a_union_too() -> None:
    """Cells of the other side have no partners at all, which must not excuse those of this side."""
    sql = (
        "SELECT side, count(*) FROM (SELECT 'a' AS side FROM gov.registry r "
        "LEFT JOIN gov.tax t ON t.district = r.section AND t.staff > 90 "
        "UNION ALL SELECT 'b' FROM gov.registry) x GROUP BY side"
    )
    rows = seen(sql, CROWD + target())
    assert rows == seen(sql, CROWD + target(staff=99))
    assert ask(sql, CROWD).release.rows == (("b", 24),)


def test_partners_of_one_firm_do_not_hide_behind_the_rows_of_all() -> None:
    """An outer join's count(*) is one for who has no partner, and twelve for the firm that has."""
    sql = (
        "SELECT count(*), sum(n) FROM (SELECT r.uscc, {} AS n FROM gov.registry r "
        "LEFT JOIN gov.tax t ON t.uscc = r.uscc AND t.staff > 90 GROUP BY r.uscc) x"
    )
    with pytest.raises(Refused, match="LVR-2310"):
        plan(question(firms(), sql.format("count(*)")))
    rows = CROWD + [row for _ in range(12) for row in target(staff=99)]
    assert ask(sql.format("count(t.staff)"), rows).release.rows == ((25, None),)


def test_a_firm_without_partners_is_still_one() -> None:
    """TPC-H 13: how many customers have made how many orders, none included."""
    sql = (
        "SELECT n, count(*) FROM (SELECT r.uscc, count(t.staff) AS n FROM gov.registry r "
        "LEFT JOIN gov.tax t ON t.uscc = r.uscc AND t.district = 'A' GROUP BY r.uscc) x GROUP BY n"
    )
    assert ask(sql, CROWD).release.rows == ((0, 12), (1, 12))


def test_both_sides_of_a_full_join_reach_their_k() -> None:
    sql = "SELECT count(*) FROM gov.tax t FULL JOIN gov.registry r ON r.uscc = t.uscc AND r.section = '{}'"
    assert ask(sql.format("A"), CROWD).release.rows == ((40,),)
    assert ask(sql.format("A") + " WHERE t.uscc IS NULL", CROWD).release.rows == ((None,),)


def test_a_total_does_not_give_away_the_part_that_is_missing() -> None:
    sql = "SELECT district, count(*), sum(revenue) FROM gov.tax GROUP BY ROLLUP (district)"
    one_missing = returns("A", 9) + returns("B", 9) + returns("C", 3)
    assert [row[0] for row in ask(sql, one_missing).release.rows] == ["A", "B"]
    two_missing = one_missing + returns("D", 3)
    assert ask(sql, two_missing).release.rows == (
        ("A", 9, Decimal("90.00")),
        ("B", 9, Decimal("90.00")),
        (None, 24, Decimal("240.00")),
    )


def test_a_total_of_values_does_not_give_away_a_giant() -> None:
    sql = "SELECT district, count(*), sum(revenue) FROM gov.tax GROUP BY ROLLUP (district)"
    rows = (
        returns("A", 60, revenue=Decimal("90.00")) + returns("B", 9) + target(district="B", revenue=Decimal("990.00"))
    )
    assert ask(sql, rows).release.rows == (("A", 60, Decimal("5400.00")), ("B", 10, None), (None, 70, None))


def test_totals_over_own_labels_are_not_told() -> None:
    sql = (
        "SELECT l.branch, count(*) FROM gov.tax t JOIN loan l ON l.id_no = t.uscc "
        "WHERE t.district = 'A' GROUP BY ROLLUP (l.branch)"
    )
    with pytest.raises(Refused, match="LVR-2315"):
        plan(question(firms(), sql))


def test_every_set_says_which_it_is() -> None:
    rows = [{**row, "arrears": number % 2 == 0} for number, row in enumerate(CROWD)]
    sql = "SELECT district, arrears, count(*), grouping(district, arrears) FROM gov.tax GROUP BY CUBE (district, arrears)"
    found = ask(sql, rows).release.rows
    assert len(found) == 9
    assert {row[3] for row in found} == {0, 1, 2, 3}
    assert (None, None, 24, 3) in found
