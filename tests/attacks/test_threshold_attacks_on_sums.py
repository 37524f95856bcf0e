"""What somebody hides in a sum: constants, flags, powers, terms that cancel, and sums that can be subtracted.

A sum leaves when every product it adds up may be known by itself; so nothing in it can cover for anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from tests.support.relations import Ran, Row, firms, question, returns, run

from louver.errors import Refused
from louver_sandbox.plan.plan import plan

GIANT = Decimal("90000.00")


def ask(sql: str, rows: Sequence[Row], loans: Sequence[Row] = (), *, protected: bool = True) -> Ran:
    world = firms(rows, loans)
    return run(world, question(world, sql, protected=None if protected else frozenset()))


def with_a_giant(firms: int = 9) -> list[Row]:
    """Small firms and one that has nearly all the revenue."""
    return [*returns("A", firms), {**returns("A", 1)[0], "uscc": "giant", "revenue": GIANT}]


@pytest.mark.parametrize(
    "hidden",
    [
        "revenue + 1000000",
        "1000000 - revenue",
        "staff * 1000000 + revenue",
        "revenue * 0.000001 + staff",
        "CASE WHEN staff > 0 THEN revenue + 1000000 ELSE 1000000 END",
        "revenue + (staff - staff) + 1000000",
        "coalesce(revenue, 0) + 1000000",
    ],
)
def test_nothing_beside_a_giant_covers_it(hidden: str) -> None:
    """With a million for everybody the contributions look alike, and a million times the count is easily taken off."""
    rows = with_a_giant()
    assert ask(f"SELECT sum({hidden}) FROM gov.tax", rows, protected=False).release.rows[0][0] is not None
    ran = ask(f"SELECT sum({hidden}), avg({hidden}) FROM gov.tax", rows)
    assert ran.release.rows == ((None, None),)
    assert ran.codes()["VALUES_WITHHELD"] == 2


def test_terms_that_cancel_do_not_hide_what_is_left() -> None:
    rows = with_a_giant()
    assert ask("SELECT sum(staff - staff + revenue) FROM gov.tax", rows).release.rows == ((None,),)
    assert ask("SELECT sum(revenue - revenue + staff) FROM gov.tax", rows).release.rows == ((30,),)
    with pytest.raises(Refused, match="LVR-2310"):
        ask("SELECT sum(revenue * staff - staff * revenue) FROM gov.tax", rows)


def test_a_flag_as_a_factor_is_a_condition() -> None:
    """x * (1 + 1000000 * flag) spells out the sum over the few that have it."""
    rows = [{**row, "arrears": number < 2} for number, row in enumerate(returns("A", 20))]
    sql = "SELECT sum(staff), sum(revenue * CASE WHEN arrears THEN 1000001 ELSE 1 END) FROM gov.tax"
    assert ask(sql, rows).release.rows == ((60, None),)
    with pytest.raises(Refused, match="LVR-2311"):
        ask("SELECT sum(revenue * (1 + 1000000 * arrears::INT)) FROM gov.tax", rows)


def test_a_number_of_zeros_and_ones_as_a_factor_is_a_flag_too() -> None:
    """Beside sum(x), sum(x * n) lacks the rows where n is zero: those of one firm are never what is left."""
    rows = [{**row, "staff": 0 if number == 0 else 1} for number, row in enumerate(returns("A", 20))]
    exact = ask("SELECT sum(revenue), sum(revenue * staff) FROM gov.tax", rows, protected=False)
    assert exact.release.rows == ((Decimal("200.00"), Decimal("190.00")),)
    ran = ask("SELECT sum(revenue), sum(revenue * staff) FROM gov.tax", rows)
    assert ran.release.rows == ((Decimal("200.00"), None),)
    many = [{**row, "staff": 0 if number < 5 else 1} for number, row in enumerate(returns("A", 20))]
    ran = ask("SELECT sum(revenue), sum(revenue * staff) FROM gov.tax", many)
    assert ran.release.rows == ((Decimal("200.00"), Decimal("150.00")),)


@pytest.mark.parametrize(
    "power",
    [
        "SELECT sum(revenue * revenue * revenue) FROM gov.tax",
        "SELECT sum(revenue), sum(revenue * staff), sum(revenue * staff * staff) FROM gov.tax",
        "SELECT covar_pop(revenue, revenue) FROM gov.tax",
        "SELECT sum(a.revenue * b.revenue) FROM gov.tax a JOIN gov.tax b ON a.uscc = b.uscc",
        "SELECT sum(v * w) FROM (SELECT revenue AS v, 2 * revenue AS w FROM gov.tax) x",
        "SELECT sum(v * revenue) FROM (SELECT uscc, sum(revenue) AS v FROM gov.tax GROUP BY uscc) x "
        "JOIN gov.tax t USING (uscc)",
    ],
)
def test_powers_are_not_summed_whatever_they_are_called(power: str) -> None:
    """As many power sums as firms are their values (Newton)."""
    with pytest.raises(Refused, match="LVR-2310"):
        plan(question(firms(), power))


@pytest.mark.parametrize("rounded", ["round(revenue / 100000)", "(revenue / 100000)::INT", "floor(revenue)"])
def test_rounding_is_a_condition_in_disguise(rounded: str) -> None:
    with pytest.raises(Refused, match="LVR-2310"):
        plan(question(firms(), f"SELECT sum({rounded}) FROM gov.tax"))


def test_a_huge_constant_gives_no_more_than_the_sums_it_packs() -> None:
    rows = with_a_giant(0) + returns("A", 9)
    sql = "SELECT sum(1000000000 * staff + revenue) FROM gov.tax"
    assert ask(sql, rows).release.rows == ((None,),)
    assert ask(sql, returns("A", 9)).release.rows == ((Decimal("27000000090.00"),),)


def test_a_sum_and_the_sum_without_a_few_do_not_leave_together() -> None:
    rows = [{**row, "staff": number} for number, row in enumerate(returns("A", 20))]
    sql = "SELECT sum(revenue), sum(revenue) FILTER (WHERE staff {}) FROM gov.tax"
    assert ask(sql.format("> 0"), rows).release.rows == ((Decimal("200.00"), None),)
    assert ask(sql.format("> 3"), rows).release.rows == ((Decimal("200.00"), None),)
    assert ask(sql.format("> 4"), rows).release.rows == ((Decimal("200.00"), Decimal("150.00")),)
    with pytest.raises(Refused, match="LVR-2311"):
        ask("SELECT sum(revenue) FILTER (WHERE staff > 4), sum(revenue) FILTER (WHERE staff > 5) FROM gov.tax", rows)


def test_parts_beside_the_whole_leave_all_or_not_at_all() -> None:
    """Of three parts one is a giant's: the whole less the two others would be its revenue."""
    rows = [{**row, "district": "abc"[number % 3]} for number, row in enumerate(returns("A", 24))]
    rows = [{**row, "revenue": GIANT} if number == 2 else row for number, row in enumerate(rows)]
    rows += [{**row, "uscc": f"z{row['uscc']}", "district": "z", "revenue": GIANT} for row in returns("A", 9)]
    parts = ", ".join(f"sum(revenue) FILTER (WHERE district = '{name}')" for name in "abc")
    apart = ask(f"SELECT {parts} FROM gov.tax", rows).release.rows
    assert apart == ((Decimal("80.00"), Decimal("80.00"), None),)
    ((whole, *others),) = ask(f"SELECT sum(revenue), {parts} FROM gov.tax", rows).release.rows
    assert whole is not None
    assert others == [None, None, None]


def test_a_missing_value_is_a_condition_of_a_sum_of_two() -> None:
    """sum(x + y) lacks the rows without y; beside sum(x) that is the x of those."""
    rows = [{**row, "staff": None if number == 0 else 3} for number, row in enumerate(returns("A", 20))]
    ran = ask("SELECT sum(revenue), sum(revenue + staff) FROM gov.tax", rows)
    assert ran.release.rows == ((Decimal("200.00"), None),)
    complete = ask("SELECT sum(revenue), sum(revenue + staff) FROM gov.tax", returns("A", 20))
    assert complete.release.rows == ((Decimal("200.00"), Decimal("260.00")),)


def test_the_number_an_average_divides_by_is_judged_as_well() -> None:
    """Known sums and averages give their number of values, which may be a count of very few that lack one."""
    rows = [{**row, "score": None if number == 0 else 1.5} for number, row in enumerate(returns("A", 20))]
    assert ask("SELECT count(revenue + score) FROM gov.tax", rows).release.rows == ((None,),)
    assert ask("SELECT avg(revenue + score) FROM gov.tax", rows).release.rows == ((None,),)


def test_variances_need_every_sum_they_are_made_of() -> None:
    rows = [
        {**row, "revenue": Decimal(number), "staff": 2 * number} for number, row in enumerate(returns("A", 12), 1)
    ]
    ran = ask("SELECT var_pop(revenue), stddev_samp(revenue), corr(revenue, staff) FROM gov.tax", rows)
    exact = ask(
        "SELECT var_pop(revenue), stddev_samp(revenue), corr(revenue, staff) FROM gov.tax", rows, protected=False
    )
    assert ran.release.rows[0] == pytest.approx(exact.release.rows[0])
    skewed = [*returns("A", 9), {**returns("A", 1)[0], "uscc": "big", "revenue": Decimal("60.00")}]
    sql = "SELECT avg(revenue), var_pop(revenue), covar_pop(revenue, staff) FROM gov.tax"
    assert ask(sql, skewed).release.rows == ((15.0, None, 0.0),), "the squares of one are most of the sum of squares"


@pytest.mark.parametrize(("few", "leaves"), [(0, False), (2, False), (4, False), (5, True)])
def test_what_a_product_leaves_of_its_factor_is_not_that_of_a_few(few: int, leaves: bool) -> None:
    """x and x * n may be known, each by itself, and x * (1 - n) is the x of the firms without an n."""
    rows = [{**row, "staff": 0 if number < few else 1} for number, row in enumerate(returns("A", 20))]
    ran = ask("SELECT sum(revenue * (1 - staff)), avg(revenue * (1 - staff)) FROM gov.tax", rows)
    assert ran.release.rows == ((Decimal(10 * few), few / 2) if leaves else (None, None),)


def test_a_rate_that_is_nearly_always_the_same_is_taken_off_by_a_constant() -> None:
    """x * (rate - 0.5) is zero for all with the usual rate."""
    rows = [{**row, "score": 1.0 if number == 0 else 0.5} for number, row in enumerate(returns("A", 20))]
    assert ask("SELECT sum(revenue * (score - 0.5)) FROM gov.tax", rows).release.rows == ((None,),)
    assert ask("SELECT sum(revenue * (score - 0.25)) FROM gov.tax", rows).release.rows[0][0] is not None


def test_products_asked_for_in_one_combination_are_not_told_apart() -> None:
    """One firm has no staff. Only beside another sum of the two does the product show that firm's revenue."""
    rows = [{**row, "staff": 0 if number == 0 else 2} for number, row in enumerate(returns("A", 20))]
    net = "sum(revenue * (1 - staff))"
    assert ask(f"SELECT {net} FROM gov.tax", rows).release.rows == ((Decimal("-180.00"),),)
    assert ask(f"SELECT 2 * {net}, avg(revenue * 3 * staff - 3 * revenue) FROM gov.tax", rows).codes() == {}
    assert ask(f"SELECT sum(revenue), {net} FROM gov.tax", rows).release.rows == ((Decimal("200.00"), None),)
    other = ask(f"SELECT {net}, sum(revenue * (1 + staff)) FROM gov.tax", rows)
    assert other.release.rows == ((None, None),)


def test_a_share_of_a_combination_tells_the_rest_of_it() -> None:
    """The part over one district and the whole are the others' too, though every product of theirs is safe."""
    rows = [{**row, "district": "ab"[number % 2]} for number, row in enumerate(returns("A", 20))]
    net = "revenue * (1 - coalesce(staff, 0))"
    sql = f"SELECT sum(CASE WHEN district = 'a' THEN {net} ELSE 0 END), sum({net}) FROM gov.tax"
    few = [{**row, "staff": 1 if number in (1, 3, 5, 7, 9, 11) else 2} for number, row in enumerate(rows)]
    assert ask(sql, few).release.rows == ((None, Decimal("-140.00")),)
    enough = [{**row, "staff": 1 if number in (1, 3, 5, 7, 9) else 2} for number, row in enumerate(rows)]
    assert ask(sql, enough).release.rows == ((Decimal("-100.00"), Decimal("-150.00")),)


def test_constants_of_any_size_are_combined_in_their_proportion() -> None:
    rows = [{**row, "staff": 0 if number < 2 else 1} for number, row in enumerate(returns("A", 20))]
    for constant in ("0.000001", "1000000", "0.333333333333"):
        sql = f"SELECT sum({constant} * revenue - {constant} * revenue * staff) FROM gov.tax"
        assert ask(sql, rows).release.rows == ((None,),)
    sql = "SELECT sum(1.000000000001 * revenue - revenue * staff) FROM gov.tax"
    assert ask(sql, rows).release.rows == ((None,),), "a trace of everybody else hides nobody"
