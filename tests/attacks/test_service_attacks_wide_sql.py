"""What a bank with a certificate tries with wide SQL: joins, unions, several cores, judged inner numbers, totals.

Each story takes the place of an attacker who wants one firm's value or presence, or must not learn what the rules
withhold. Two worlds differ in the one firm that is asked about, or a number that is withheld in one spelling is asked
for in another.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import chain, repeat

import pytest
from tests.support.relations import Row, firms, question, returns, run

from louver.errors import Refused

Seen = tuple[object, ...]
"""What a caller gets to see: rows, remainder and notices, or the code of a refusal."""

CROWD: list[Row] = [
    {**row, "arrears": number % 2 == 0, "staff": 3 + number % 3}
    for number, row in enumerate(returns("A", 20) + returns("B", 20))
]
"""Forty firms in two districts; half of them are in arrears."""

ALL_IN_ARREARS: list[Row] = [{**row, "arrears": True} for row in CROWD]


def target(**known: object) -> list[Row]:
    """The firm asked about. The attacker knows it as the only one with a staff of 99."""
    return [{**returns("A", 1)[0], "uscc": "target", "staff": 99, **known}]


def loan(id_no: str, branch: str = "x", balance: int = 1) -> Row:
    """A row of the attacker's own table."""
    return {"id_no": id_no, "balance": Decimal(balance), "bad": False, "branch": branch}


def seen(sql: str, rows: Sequence[Row], loans: Sequence[Row] = ()) -> Seen:
    world = firms(rows, loans)
    try:
        release = run(world, question(world, sql)).release
    except Refused as refused:
        return (refused.code,)
    return release.rows, release.remainder, [(notice.code, notice.count, notice.rule) for notice in release.notices]


def cells(sql: str, rows: Sequence[Row], loans: Sequence[Row] = ()) -> tuple[tuple[object, ...], ...]:
    """The rows of an answer; none when the question is refused."""
    world = firms(rows, loans)
    try:
        return run(world, question(world, sql)).release.rows
    except Refused:
        return ()


def assert_alike(sql: str, one: Sequence[Row], other: Sequence[Row], loans: Sequence[Row] = ()) -> None:
    assert seen(sql, one, loans) == seen(sql, other, loans)


def assert_not_both(sql: str, rows: Sequence[Row], loans: Sequence[Row] = ()) -> None:
    """Two numbers that one firm's own makes differ do not leave side by side."""
    for row in cells(sql, rows, loans):
        assert None in row, "the difference of the two is one firm's"


# Rows of other firms as weights.


def in_groups(members: Sequence[str], sizes: Sequence[int]) -> list[str]:
    """For each of the members, the label of its group; the groups have these sizes."""
    labels = chain.from_iterable(repeat(f"g{number}", size) for number, size in enumerate(sizes))
    return [label for _, label in zip(members, labels, strict=False)]


def spelled_out(sql: str) -> None:
    """Six firms meet 1, 2, 4, ... 32 others: the number of rows of a cell says which of the six are in it."""
    asked, others = [f"A{number}" for number in range(6)], [f"B{number}" for number in range(63)]
    rows = [{**row, "arrears": row["uscc"] != "A3"} for row in returns("A", 6) + returns("B", 63)]
    labels = in_groups(others, [1, 2, 4, 8, 16, 32])
    loans = [loan(uscc, f"g{number}", 2**number) for number, uscc in enumerate(asked)]
    loans += [loan(uscc, label, -number) for number, (uscc, label) in enumerate(zip(others, labels, strict=True))]
    everyone = {row[1] for row in cells(sql, rows, loans) if row[0] is True}
    assert everyone <= {None}, f"the others' rows have spelled out who is in arrears: {everyone}"


def test_other_subjects_chosen_by_own_labels_are_no_weights() -> None:
    """Each own row meets one firm and each firm one own row, yet the label in common multiplies."""
    spelled_out(
        "SELECT a.arrears, count(*) AS c FROM gov.tax a JOIN bank_a.loan n ON n.id_no = a.uscc AND n.balance > 0 "
        "JOIN bank_a.loan m ON m.branch = n.branch AND m.balance <= 0 JOIN gov.tax b ON b.uscc = m.id_no GROUP BY 1"
    )


def test_other_subjects_chosen_by_own_ranges_are_no_weights() -> None:
    spelled_out(
        "SELECT a.arrears, count(*) AS c FROM gov.tax a JOIN bank_a.loan n ON n.id_no = a.uscc AND n.balance > 0 "
        "JOIN gov.tax b ON b.district = 'B' AND b.score = a.score "
        "JOIN bank_a.loan m ON m.id_no = b.uscc AND -m.balance < n.balance GROUP BY 1"
    )


# Counts that differ by one firm.


@pytest.mark.parametrize(
    "measures",
    [
        "count(*) FILTER (WHERE arrears), count(*) FILTER (WHERE arrears AND staff <> 99)",
        "sum(arrears::INT), sum(CASE WHEN arrears AND staff < 99 THEN 1 ELSE 0 END)",
        "count(CASE WHEN arrears THEN 1 END), count(CASE WHEN arrears AND staff <> 99 THEN 1 END)",
        "avg(arrears::INT), avg((arrears AND staff <> 99)::INT)",
        "sum(arrears::INT), sum(1000 * (arrears AND staff <> 99)::INT)",
    ],
)
def test_two_counts_that_differ_in_one_firm_do_not_leave_together(measures: str) -> None:
    """The same two conditions on sums are refused (LVR-2311)."""
    assert_not_both(f"SELECT {measures} FROM gov.tax", CROWD + target(arrears=True))


def test_two_judged_inner_counts_that_differ_in_one_firm_are_not_compared() -> None:
    sql = (
        "SELECT count(*) FROM gov.tax t JOIN (SELECT district, count(*) FILTER (WHERE arrears) AS a, "
        "count(*) FILTER (WHERE arrears AND staff <> 99) AS b FROM gov.tax GROUP BY district) x "
        "ON x.district = t.district WHERE x.a > x.b"
    )
    assert_alike(sql, CROWD + target(arrears=True), CROWD + target(arrears=False))


# One value under two names.


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sum(a.revenue), sum(b.revenue) FILTER (WHERE a.staff <> 99) FROM gov.tax a JOIN gov.tax b USING (uscc)",
        "SELECT sum(r), sum(m) FILTER (WHERE s <> 99) FROM (SELECT uscc, max(revenue) AS m, avg(revenue) AS r, "
        "max(staff) AS s FROM gov.tax GROUP BY uscc) x",
        "SELECT sum(v), sum(w) FILTER (WHERE s <> 99) FROM (SELECT uscc, revenue AS v, revenue AS w, staff AS s "
        "FROM gov.tax UNION ALL SELECT uscc, revenue, revenue, staff FROM gov.tax) x",
        "SELECT var_pop(a.revenue), avg(a.revenue), sum(b.revenue) FILTER (WHERE a.staff <> 99) FROM gov.tax a "
        "JOIN gov.tax b USING (uscc)",
    ],
)
def test_a_sum_and_the_sum_without_one_firm_under_another_name_do_not_leave_together(sql: str) -> None:
    assert_not_both(sql, CROWD + target(revenue=Decimal("11.00")))


# Having a partner, and having a value.


@pytest.mark.parametrize("kind", ["LEFT", "FULL"])
def test_a_partner_under_a_condition_is_no_value_that_all_may_have(kind: str) -> None:
    """COUNT(b.uscc) counts who has the property; "all of them" leaves and "all but one" does not."""
    sql = f"SELECT count(b.uscc) FROM gov.tax a {kind} JOIN gov.tax b ON b.uscc = a.uscc AND b.arrears"
    assert_alike(sql, ALL_IN_ARREARS + target(arrears=True), ALL_IN_ARREARS + target(arrears=False))


@pytest.mark.parametrize("arrears", [True, False])
def test_a_sum_and_its_average_are_no_count(arrears: bool) -> None:
    """Nobody is told that all, or all but one, have a property; a sum divided by its average is how many have."""
    sql = "SELECT sum(staff) FILTER (WHERE arrears), avg(staff) FILTER (WHERE arrears) FROM gov.tax"
    rows = ALL_IN_ARREARS + target(arrears=arrears, staff=4)
    assert cells("SELECT count(*) FILTER (WHERE arrears) FROM gov.tax", rows) == ((None,),)
    assert_not_both(sql, rows)


# Several cores of one question.

IN_C = CROWD + target(district="C", revenue=Decimal("11.00"))
"""The target is alone in its district, so that all firms less those of A and B are the target."""


def test_a_total_beside_its_parts_is_not_given() -> None:
    """The rule itself, as it is spelled in threshold.md."""
    parts = "SELECT district, sum(revenue) AS s FROM gov.tax GROUP BY district"
    sql = f"SELECT p.district, p.s, w.s FROM ({parts}) p, (SELECT sum(revenue) AS s FROM gov.tax) w"
    assert_not_both(sql, IN_C)


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ("sum(revenue) AS s FROM gov.tax GROUP BY district", "sum(revenue * 1.0) AS s FROM gov.tax"),
        ("sum(2 * revenue) AS s FROM gov.tax GROUP BY district", "sum(revenue) AS s FROM gov.tax"),
        ("sum(revenue) AS s FROM gov.tax GROUP BY district", "sum(coalesce(revenue, 0)) AS s FROM gov.tax"),
        ("count(*) AS s FROM gov.tax GROUP BY district", "sum(1) AS s FROM gov.tax"),
        ("sum(revenue) AS s FROM gov.tax GROUP BY ROLLUP (district)", "sum(revenue) AS s FROM gov.tax"),
        ("sum(revenue) AS s FROM gov.tax GROUP BY district", "sum(x.revenue) AS s FROM (SELECT * FROM gov.tax) x"),
    ],
)
def test_a_total_beside_its_parts_is_not_given_in_any_spelling(parts: str, whole: str) -> None:
    assert_not_both(f"SELECT p.district, p.s, w.s FROM (SELECT district, {parts}) p, (SELECT {whole}) w", IN_C)


def test_the_sums_of_two_cores_over_the_same_rows_are_not_subtracted() -> None:
    """In one core this is refused or withheld; a second select list over the same rows must not undo that."""
    sql = (
        "SELECT a.s, b.s FROM (SELECT sum(revenue) AS s FROM gov.tax) a, "
        "(SELECT sum(revenue) FILTER (WHERE staff <> 99) AS s FROM gov.tax) b"
    )
    assert_not_both(sql, CROWD + target(revenue=Decimal("11.00")))


# What is over released values tells nothing of what was not released.


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT district, c, lag(c) OVER (ORDER BY district), first_value(c) OVER (ORDER BY district) "
        "FROM (SELECT district, count(*) AS c FROM gov.tax GROUP BY district) x",
        "SELECT district, row_number() OVER (ORDER BY district), sum(c) OVER () FROM "
        "(SELECT district, count(*) AS c FROM gov.tax GROUP BY district) x",
        "SELECT count(*), sum(c) FROM (SELECT district, count(*) AS c FROM gov.tax GROUP BY district) x",
        "SELECT count(*) FROM (SELECT district FROM gov.tax UNION SELECT section FROM gov.registry) x",
        "SELECT district FROM gov.tax GROUP BY district HAVING count(*) < 5 OR count(*) IS NULL",
    ],
)
def test_a_withheld_cell_has_no_place_among_the_released(sql: str) -> None:
    """Where the target stands, before, between or behind the others, is the only difference."""
    between, behind = CROWD + target(district="AB"), CROWD + target(district="C")
    assert_alike(sql, between, behind)


def test_null_keys_of_released_tables_meet_nobody_withheld() -> None:
    sql = (
        "SELECT a.district, b.district FROM (SELECT district, count(*) AS c FROM gov.tax WHERE staff = 99 "
        "GROUP BY district) a FULL JOIN (SELECT district, count(*) AS c FROM gov.tax GROUP BY district) b "
        "ON a.district IS NOT DISTINCT FROM b.district"
    )
    rows = CROWD + returns("C", 20)
    assert_alike(sql, rows + target(district="A"), rows + target(district=None))


# One firm behind an operator.


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM (SELECT uscc FROM gov.tax WHERE arrears INTERSECT SELECT uscc FROM gov.tax "
        "WHERE staff = 99) x",
        "SELECT k, count(*) FROM (SELECT 'a' AS k, uscc FROM gov.tax UNION ALL SELECT 'b', uscc FROM gov.tax "
        "WHERE staff = 99 AND arrears) x GROUP BY ROLLUP (k)",
        "SELECT k, count(*), count(DISTINCT uscc) FROM (SELECT 'a' AS k, uscc FROM gov.tax UNION ALL "
        "SELECT 'b', uscc FROM gov.tax WHERE staff = 99 AND arrears) x GROUP BY k",
        "SELECT count(*) FROM gov.tax t WHERE EXISTS (SELECT 1 FROM gov.tax x WHERE x.staff = t.staff "
        "AND (x.staff < 90 OR x.arrears))",
        "SELECT count(*) FROM gov.tax t WHERE t.staff NOT IN (SELECT staff FROM gov.tax WHERE arrears GROUP BY staff)",
        "SELECT count(*) FROM gov.tax t WHERE (SELECT sum(x.revenue) FROM gov.tax x WHERE x.arrears AND x.staff = 99) "
        "IS NULL",
        "SELECT avg(revenue) FILTER (WHERE staff = 99 AND arrears), var_samp(revenue) FILTER (WHERE staff = 99 AND "
        "arrears) FROM gov.tax",
        "SELECT count(*), count(nullif(arrears, FALSE)) FILTER (WHERE staff = 99) FROM gov.tax",
        "SELECT count(c) FROM (SELECT uscc, CASE WHEN arrears THEN revenue END AS c FROM gov.tax WHERE staff > 90) x",
        "SELECT count(c) FROM (SELECT uscc, sum(revenue) FILTER (WHERE arrears) AS c FROM gov.tax WHERE staff > 90 "
        "GROUP BY uscc) x",
    ],
)
def test_one_firm_is_not_seen_through_an_operator(sql: str) -> None:
    assert_alike(sql, CROWD + target(arrears=True), CROWD + target(arrears=False))


def test_a_property_that_all_have_is_not_told_by_a_computed_value() -> None:
    """A value that is there only for some is a property, wherever it is computed."""
    for inner in (
        "SELECT uscc, CASE WHEN arrears THEN revenue END AS c FROM gov.tax",
        "SELECT uscc, CASE WHEN arrears THEN revenue END AS c FROM gov.tax UNION ALL SELECT uscc, revenue FROM gov.tax",
        "SELECT uscc, max(CASE WHEN arrears THEN revenue END) AS c FROM gov.tax GROUP BY uscc",
    ):
        sql = f"SELECT count(c) FROM ({inner}) x"
        assert_alike(sql, ALL_IN_ARREARS + target(arrears=True), ALL_IN_ARREARS + target(arrears=False))


def test_own_decoys_around_one_firm_are_not_counted_through_an_outer_join() -> None:
    everyone = [loan(str(row["uscc"])) for row in ALL_IN_ARREARS] + [loan("target")]
    sql = "SELECT count(n.id_no) FROM gov.tax t LEFT JOIN bank_a.loan n ON n.id_no = t.uscc AND t.arrears"
    assert_alike(sql, ALL_IN_ARREARS + target(arrears=True), ALL_IN_ARREARS + target(arrears=False), everyone)


def test_one_own_row_in_a_crowd_does_not_say_where_the_firm_is() -> None:
    sql = (
        "SELECT t.district, count(n.id_no) FROM gov.tax t LEFT JOIN bank_a.loan n ON n.id_no = t.uscc "
        "WHERE t.uscc NOT IN (SELECT id_no FROM bank_a.loan WHERE bad) GROUP BY 1"
    )
    some = returns("A", 20) + returns("B", 20)
    in_a, in_b = (some + target(district=district) for district in "AB")
    assert [row[1] for row in cells(sql, in_a, [loan("target")])] == [None, None]
    assert [row[1] for row in cells(sql, in_b, [loan("target")])] == [None, None]


def test_weights_are_not_packed_into_one_sum_of_conditions() -> None:
    sql = "SELECT sum(CASE WHEN staff = 3 AND arrears THEN 1 WHEN staff = 99 AND arrears THEN 1000 ELSE 0 END) FROM gov.tax"
    assert_alike(sql, CROWD + target(arrears=True), CROWD + target(arrears=False))


def test_statistics_of_overlapping_rows_are_not_given_together() -> None:
    sql = "SELECT regr_slope(revenue, staff) FILTER (WHERE staff <> 99), var_pop(revenue), corr(revenue, staff) FROM gov.tax"
    assert seen(sql, CROWD + target()) == ("LVR-2311",)
