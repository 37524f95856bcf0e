"""What the question itself says of a part is no cover for another part, and a row is told as little as a subject."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.support.relations import BANK, Row, firms, question, returns, run

from louver.errors import Refused
from louver_sandbox.algebra.relations import scans
from louver_sandbox.release.withheld import as_null
from louver_sandbox.sql.bind import bind
from louver_sandbox.sql.parse import parse
from louver_sandbox.stages import Request

CROWD = returns("A", 12) + returns("B", 12)
TARGET = {**returns("A", 1)[0], "uscc": "target"}


def seen(sql: str, rows: list[Row]) -> object:
    """Everything that the bank sees."""
    world = firms(rows)
    try:
        release = run(world, question(world, sql)).release
    except Refused as refused:
        return refused.code
    return release.rows, release.remainder, release.notices


def first_row(sql: str, rows: list[Row]) -> tuple[object, ...]:
    """The first row of the answer; what is withheld is None."""
    world = firms(rows)
    return tuple(map(as_null, run(world, question(world, sql)).release.rows[0]))


BY_HAND = [("arrears AND district <> 'W'", (10, 11)), ("arrears OR district = 'W'", (0, 1))]
"""Conditions that leave district W nothing, or everything, and two numbers of firms in arrears in district E."""


def districts(in_arrears: int) -> list[Row]:
    rows = [{**row, "arrears": number % 2 == 0} for number, row in enumerate(CROWD)]
    rows += [{**row, "arrears": number < in_arrears} for number, row in enumerate(returns("E", 12))]
    return rows + returns("W", 30)


@pytest.mark.parametrize(("condition", "of_e"), BY_HAND)
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT district, count(*), {counted} FROM gov.tax GROUP BY ROLLUP (district)",
        "SELECT district, count(*), {counted} FROM gov.tax GROUP BY GROUPING SETS ((district), ())",
        "SELECT x.*, y.* FROM (SELECT district, count(*), {counted} FROM gov.tax GROUP BY district) x "
        "CROSS JOIN (SELECT {counted} FROM gov.tax) y",
        "SELECT x.*, y.* FROM (SELECT district, count(*) FILTER (WHERE arrears) FROM gov.tax GROUP BY district) x "
        "CROSS JOIN (SELECT {counted} FROM gov.tax) y",
    ],
)
def test_a_part_that_the_condition_itself_makes_empty_hides_nobody(
    sql: str, condition: str, of_e: tuple[int, int]
) -> None:
    """The total less A and B is E's count, and W's that is none or all: W was left out, or let in, by hand."""
    asked = sql.format(counted=f"count(*) FILTER (WHERE {condition})")
    assert seen(asked, districts(of_e[0])) == seen(asked, districts(of_e[1]))


def test_the_remainder_does_not_count_what_the_condition_leaves_out() -> None:
    """E and F are too small to be seen, and so is W, whose firms make E's and F's a part of a crowd."""
    sql = "SELECT district, count(*) FILTER (WHERE arrears AND district <> 'W') FROM gov.tax GROUP BY district"

    def world(in_arrears: int) -> list[Row]:
        small = returns("E", 4) + returns("F", 4)
        return CROWD + [{**row, "arrears": number < in_arrears} for number, row in enumerate(small)] + returns("W", 4)

    assert seen(sql, world(7)) == seen(sql, world(8))


def test_a_condition_on_something_else_still_has_its_total() -> None:
    sql = "SELECT district, count(*), count(*) FILTER (WHERE arrears) FROM gov.tax GROUP BY ROLLUP (district)"
    rows = [{**row, "arrears": number % 2 == 0} for number, row in enumerate(CROWD)]
    world = firms(rows)
    assert [None, 24, 12] in [[*map(as_null, row)] for row in run(world, question(world, sql)).release.rows]


LACKING = [
    "SELECT count(*), count(revenue) FROM gov.tax",
    "SELECT district, count(*), count(revenue) FROM gov.tax GROUP BY district",
    "SELECT count(*), sum(revenue), avg(revenue) FROM gov.tax",
    "SELECT count(*), var_pop(revenue), avg(revenue) FROM gov.tax",
    "SELECT count(*), count(revenue) FROM (SELECT revenue FROM gov.tax) x",
]


@pytest.mark.parametrize("sql", LACKING)
def test_the_one_row_that_lacks_a_value_is_not_told(sql: str) -> None:
    """A firm without a revenue in one of two quarters has one in the other, so that all firms have some."""
    rows = [*CROWD, *CROWD, TARGET]

    def has_value(row: Row) -> bool:
        return None not in first_row(sql, [*rows, row])

    assert has_value(TARGET)
    assert not has_value({**TARGET, "revenue": None})


def test_many_subjects_that_lack_some_values_may_be_counted() -> None:
    sql = "SELECT count(*), count(revenue) FROM gov.tax"
    without: list[Row] = [{**row, "revenue": None} for row in CROWD]
    assert first_row(sql, CROWD + without) == (48, 24)


FULL = [
    "SELECT count(*) FROM gov.registry r FULL JOIN gov.tax t ON t.uscc = r.uscc AND t.staff > 90",
    "SELECT count(*) FROM gov.registry r FULL JOIN (SELECT uscc FROM gov.tax WHERE staff > 90) t USING (uscc)",
    "SELECT count(*), sum(t.staff) FROM gov.tax t FULL JOIN gov.registry r ON t.uscc = r.uscc AND t.staff > 90",
    "SELECT side, count(*) FROM (SELECT 'a' AS side FROM gov.registry r FULL JOIN gov.tax t "
    "ON t.uscc = r.uscc AND t.staff > 90 UNION ALL SELECT 'b' FROM gov.registry) x GROUP BY side",
    "SELECT count(*) FROM gov.registry r FULL JOIN gov.tax t ON t.uscc = r.uscc AND t.staff > 90 "
    "FULL JOIN gov.tax s ON s.uscc = r.uscc",
    "SELECT count(*) FROM gov.registry g WHERE g.uscc IN (SELECT r.uscc FROM gov.registry r "
    "FULL JOIN gov.tax t ON t.uscc = r.uscc AND t.staff > 90)",
]


@pytest.mark.parametrize("sql", FULL)
def test_one_match_of_a_full_join_looks_like_none(sql: str) -> None:
    """Both sides are there in full, so that there is one row less where one firm meets itself."""
    assert seen(sql, [*CROWD, TARGET]) == seen(sql, [*CROWD, {**TARGET, "staff": 99}])


def test_many_matches_of_a_full_join_are_counted() -> None:
    sql = "SELECT count(*) FROM gov.registry r FULL JOIN gov.tax t ON t.uscc = r.uscc AND t.staff > 90"
    rows: list[Row] = [*CROWD, *({**row, "staff": 99} for row in returns("C", 6))]
    assert first_row(sql, rows) == (54,)


def test_a_full_join_must_tell_where_rows_meet() -> None:
    """What is never missing says of no row whether its other side is there."""
    sql = "SELECT count(*) FROM gov.registry r FULL JOIN gov.tax t ON coalesce(t.uscc, 'x') = coalesce(r.uscc, 'x')"
    assert seen(sql, CROWD) == "LVR-1303"


def test_whether_the_one_firm_of_a_list_is_known_is_not_told_by_a_full_join() -> None:
    """A bank's list of one firm, beside all firms: one row less where the firm is one of them."""
    sql = "SELECT count(*) FROM gov.registry r FULL JOIN loan l ON l.id_no = r.uscc"
    loans: list[Row] = [
        {"id_no": name, "branch": "east", "bad": False, "balance": Decimal(1)} for name in ("A1", "nobody")
    ]
    answers: list[object] = []
    for listed in loans:
        world = firms(CROWD, [listed])
        try:
            answers.append(run(world, question(world, sql)).release.rows)
        except Refused as refused:
            answers.append(refused.code)
    assert answers[0] == answers[1]


@pytest.mark.parametrize("more", ["", " UNION ALL SELECT 'c' FROM gov.tax"])
def test_one_match_of_a_full_join_beside_own_rows_looks_like_none(more: str) -> None:
    """Where a side of the union has no subjects, those who met are not left out for that."""
    sql = (
        "SELECT side, count(*) FROM (SELECT 'a' AS side FROM gov.registry r FULL JOIN gov.tax t ON t.uscc = r.uscc "
        f"AND t.staff > 90 UNION ALL SELECT 'b' FROM loan{more}) x GROUP BY side"
    )
    loans: list[Row] = [{"id_no": name, "branch": "x", "bad": False, "balance": Decimal(1)} for name in "ABC"]

    def answer(target: Row) -> object:
        world = firms([*CROWD, target], loans)
        bound = bind(parse(Request("r-1", BANK, "RESEARCH", sql)), world.catalog)
        protected = frozenset(scan.id for scan in scans(bound.relation) if scan.table.schema == "gov")
        return run(world, question(world, sql, protected=protected)).release

    assert answer(TARGET) == answer({**TARGET, "staff": 99})


def lacking(number: int) -> list[Row]:
    """The first rows have a revenue of zero, or none, so that sums are the same."""
    return [
        {**row, "revenue": None if n < number else Decimal(10 + n % 7 if n > 1 else 0), "staff": 2 + n % 5}
        for n, row in enumerate([*CROWD, *CROWD])
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT x.n, y.m FROM (SELECT count(*) AS n FROM gov.tax) x "
        "CROSS JOIN (SELECT count(revenue) AS m FROM gov.tax) y",
        "SELECT count(revenue), (SELECT count(*) FROM gov.tax) FROM gov.tax",
        "SELECT count(*) FROM gov.tax UNION ALL SELECT count(revenue) FROM gov.tax",
        "SELECT x.district, n, m FROM (SELECT district, count(*) AS n FROM gov.tax GROUP BY district) x "
        "JOIN (SELECT district, count(revenue) AS m FROM gov.tax GROUP BY district) y ON y.district = x.district",
        "SELECT district, count(*), (SELECT count(revenue) FROM gov.tax) FROM gov.tax GROUP BY district",
        "SELECT sum(staff), avg(coalesce(staff, 0)), count(revenue) FROM gov.tax",
        "SELECT count(*), sum(revenue), avg(coalesce(revenue, 0)) FROM gov.tax",
    ],
)
def test_all_rows_counted_elsewhere_do_not_tell_the_few_without_a_value(sql: str) -> None:
    """In another core of the question, or by a sum and an average of what is never missing."""
    assert seen(sql, lacking(1)) == seen(sql, lacking(2))


TALLIES = [
    "SELECT count(*), sum(m) FROM (SELECT uscc, count(*) FILTER (WHERE arrears) AS m FROM gov.tax GROUP BY uscc) x",
    "SELECT count(*), avg(m) FROM (SELECT uscc, count(*) FILTER (WHERE arrears) AS m FROM gov.tax GROUP BY uscc) x",
    "SELECT district, count(*), sum(m) FROM (SELECT uscc, district, count(*) FILTER (WHERE arrears) AS m "
    "FROM gov.tax GROUP BY uscc, district) x GROUP BY district",
    "SELECT count(*), sum(m) FROM (SELECT r.uscc, count(t.uscc) AS m FROM gov.registry r LEFT JOIN gov.tax t "
    "ON t.uscc = r.uscc AND t.arrears GROUP BY r.uscc) x",
    "SELECT count(*), sum(m) FROM (SELECT uscc, count(revenue) AS m FROM gov.tax GROUP BY uscc) x",
    "SELECT count(*), sum(m) FROM "
    "(SELECT uscc, max(CASE WHEN arrears THEN 1 ELSE 0 END) AS m FROM gov.tax GROUP BY uscc) x",
]


@pytest.mark.parametrize("sql", TALLIES)
def test_a_sum_of_counts_inside_is_a_count_as_well(sql: str) -> None:
    """22 or 23 of 24 firms have the property: COUNT(*) FILTER would not tell, nor that all of a district have it."""

    def having(number: int) -> list[Row]:
        return [
            {**row, "arrears": n < number, "revenue": Decimal(10) if n < number else None}
            for n, row in enumerate(CROWD)
        ]

    assert seen(sql, having(22)) == seen(sql, having(23))


def test_a_sum_of_counts_of_all_rows_is_a_number_of_rows() -> None:
    sql = "SELECT count(*), sum(m) FROM (SELECT uscc, count(*) AS m FROM gov.tax GROUP BY uscc) x"
    assert first_row(sql, [*CROWD, *CROWD]) == (24, 48)


@pytest.mark.parametrize(
    ("measure", "right"),
    [
        ("avg(CASE WHEN arrears THEN 1 ELSE 0 END)", 0.25),
        ("avg(coalesce(revenue, 0))", 7.5),
    ],
)
def test_an_average_divides_by_all_rows_that_have_a_value(measure: str, right: float) -> None:
    rows: list[Row] = [
        {**row, "arrears": n % 4 == 0, "revenue": None if n % 4 == 0 else Decimal(10)} for n, row in enumerate(CROWD)
    ]
    assert first_row(
        f"SELECT {measure} FROM gov.tax", rows + [{**row, "uscc": f"z{row['uscc']}"} for row in rows]
    ) == (right,)
