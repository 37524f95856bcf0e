"""Every use of every base column is found, with its clause, its function and the way it came."""

from __future__ import annotations

import pytest
from tests.unit.sandbox.test_sql_world import ask

from louver_sandbox.stages import Clause

Row = tuple[str, str, str, tuple[str, ...]]


def uses(sql: str) -> set[Row]:
    return {(use.column, use.clause.value, use.function, use.through) for use in ask(sql).uses}


def named(sql: str) -> set[tuple[str, bool]]:
    return {(use.column, use.literal_unit) for use in ask(sql).uses}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select grade from gov.tax_credit", {("grade", "output", "", ())}),
        ("select upper(grade) from gov.tax_credit", {("grade", "output", "upper", ("upper",))}),
        ("select count(*) from gov.tax_credit", set()),
        ("select count(*) from gov.tax_credit where grade = 'A'", {("grade", "filter", "=", ("=",))}),
        (
            "select count(*) from gov.ent_registry where year(established_on) in (2020, 2021) and status is not null",
            {("established_on", "filter", "year", ("year", "in")), ("status", "filter", "is_null", ("is_null",))},
        ),
        ("select sum(score) from gov.tax_credit", {("score", "aggregate", "sum", ())}),
        ("select avg(defaulted::int) from loan_book", {("defaulted", "aggregate", "avg", ("try_cast",))}),
        ("select count(distinct uscc) from gov.tax_credit", {("uscc", "aggregate", "count", ())}),
        (
            "select date_trunc('month', established_on), count(*) from gov.ent_registry group by 1",
            {("established_on", "group_key", "date_trunc:month", ("date_trunc:month",))},
        ),
        ("select distinct grade from gov.tax_credit", {("grade", "group_key", "", ())}),
        (
            "select grade, sum(score) from gov.tax_credit group by grade order by 2",
            {("grade", "group_key", "", ()), ("score", "aggregate", "sum", ())},
        ),
        (
            "select grade, sum(score) from gov.tax_credit group by grade order by grade, abs(sum(score))",
            {("grade", "group_key", "", ()), ("grade", "order", "", ()), ("score", "aggregate", "sum", ())},
        ),
        (
            "select grade from gov.tax_credit group by grade having sum(score) > 5 and grade <> 'A'",
            {
                ("grade", "group_key", "", ()),
                ("grade", "filter", "<>", ("<>",)),
                ("score", "aggregate", "sum", ()),
                ("score", "aggregate", "sum", ("sum",)),
            },
        ),
        (
            "select count(*) filter (where grade = 'A') from gov.tax_credit",
            {("grade", "filter", "=", ("=",))},
        ),
        (
            "select sum(case when grade = 'A' then score end) from gov.tax_credit",
            {("grade", "filter", "=", ("=", "case")), ("score", "aggregate", "sum", ("case",))},
        ),
        (
            "select sum(score * (grade = 'A')::int) from gov.tax_credit",
            {
                ("grade", "filter", "=", ("=", "try_cast", "*")),
                ("grade", "aggregate", "sum", ("=", "try_cast", "*")),
                ("score", "aggregate", "sum", ("*",)),
            },
        ),
        (
            "select count(*) from gov.tax_credit t join gov.ent_registry r on t.uscc = r.uscc and r.section = 'A'",
            {("uscc", "join_key", "=", ("=",)), ("section", "filter", "=", ("=",))},
        ),
        (
            "select count(*) from gov.tax_credit t join gov.ent_registry r on t.uscc = r.uscc and r.section = r.status",
            {
                ("uscc", "join_key", "=", ("=",)),
                ("section", "filter", "=", ("=",)),
                ("status", "filter", "=", ("=",)),
            },
        ),
        (
            "select (q.worst > 0) as late, count(*) from (select id_no, max(overdue_days) as worst from loan_book "
            "group by id_no) q group by 1",
            {
                ("id_no", "group_key", "", ()),
                ("overdue_days", "aggregate", "max", ()),
                ("overdue_days", "group_key", ">", ("max", ">")),
            },
        ),
        (
            "select l.id_no, q.n from loan_book l join (select uscc, sum(score) as n from gov.tax_credit group by uscc) q "
            "on q.uscc = l.id_no",
            {
                ("id_no", "output", "", ()),
                ("id_no", "join_key", "=", ("=",)),
                ("uscc", "group_key", "", ()),
                ("score", "aggregate", "sum", ()),
            },
        ),
        (
            "select g, n from (select grade as g, count(*) as n from gov.tax_credit group by grade) t where n > 3",
            {("grade", "group_key", "", ())},
        ),
        (
            "select count(*) from gov.tax_credit where uscc in (select uscc from gov.ent_registry where section = 'A')",
            {("uscc", "join_key", "=", ("=",)), ("section", "filter", "=", ("=",))},
        ),
        (
            "select count(*) from gov.tax_credit where grade not in (select section from gov.ent_registry)",
            {("grade", "join_key", "=", ("=",)), ("section", "join_key", "=", ("=",))},
        ),
        (
            "select count(*) from gov.tax_credit t where exists (select 1 from gov.ent_registry r "
            "where r.uscc = t.uscc and r.section > t.grade)",
            {
                ("uscc", "join_key", "=", ("=",)),
                ("section", "filter", ">", (">",)),
                ("grade", "filter", ">", (">",)),
            },
        ),
        (
            "select count(*) from gov.tax_credit where score > (select 0.5 * avg(rating_year) from gov.tax_credit)",
            {("score", "filter", ">", (">",)), ("rating_year", "aggregate", "avg", ())},
        ),
        (
            "select count(*) from gov.tax_credit t where score > (select avg(i.rating_year) from gov.tax_credit i "
            "where i.uscc = t.uscc)",
            {
                ("uscc", "join_key", "=", ("=",)),
                ("uscc", "group_key", "", ()),
                ("score", "filter", ">", (">",)),
                ("rating_year", "aggregate", "avg", ()),
                ("rating_year", "filter", ">", ("avg", ">")),
            },
        ),
        (
            "select g, count(*) from (select grade as g from gov.tax_credit union all select section from "
            "gov.ent_registry) u where g > 'A' group by g",
            {
                ("grade", "filter", ">", (">",)),
                ("section", "filter", ">", (">",)),
                ("grade", "group_key", "", ()),
                ("section", "group_key", "", ()),
            },
        ),
        (
            "select grade, sum(score) from gov.tax_credit group by grade union select section, count(*) from "
            "gov.ent_registry group by section",
            {("grade", "group_key", "", ()), ("score", "aggregate", "sum", ()), ("section", "group_key", "", ())},
        ),
        (
            "select a.grade, a.s / b.s from (select grade, sum(score) s from gov.tax_credit group by grade) a "
            "join (select grade, sum(rating_year) s from gov.tax_credit group by grade) b on a.grade = b.grade",
            {
                ("grade", "group_key", "", ()),
                ("score", "aggregate", "sum", ()),
                ("rating_year", "aggregate", "sum", ()),
            },
        ),
        (
            "select n > 1, avg(s) from (select grade, count(*) n, sum(score) s from gov.tax_credit group by grade) t "
            "where s > 5 and grade <> 'A' group by 1",
            {
                ("grade", "group_key", "", ()),
                ("grade", "filter", "<>", ("<>",)),
                ("score", "aggregate", "sum", ()),
                ("score", "aggregate", "sum", ("sum",)),
            },
        ),
        (
            "select avg(s) from (select uscc, sum(score) s from gov.tax_credit group by uscc) t where s > 5",
            {
                ("uscc", "group_key", "", ()),
                ("score", "aggregate", "sum", ()),
                ("score", "filter", ">", ("sum", ">")),
                ("score", "aggregate", "avg", ("sum",)),
            },
        ),
        (
            "select grade, rank() over (order by abs(sum(score))) from gov.tax_credit group by grade "
            "having round(sum(score), -1) > 5",
            {
                ("grade", "group_key", "", ()),
                ("score", "aggregate", "sum", ()),
                ("score", "aggregate", "sum", ("sum",)),
            },
        ),
        (
            "select grade, rank() over (partition by grade order by sum(score)) from gov.tax_credit group by grade",
            {("grade", "group_key", "", ()), ("score", "aggregate", "sum", ())},
        ),
        (
            "select grade, grouping(grade), count(*) from gov.tax_credit group by rollup (grade) "
            "having grouping(grade) = 0",
            {("grade", "group_key", "", ())},
        ),
    ],
)
def test_uses(sql: str, expected: set[Row]) -> None:
    assert uses(sql) == expected


@pytest.mark.parametrize(
    ("sql", "is_one_subject"),
    [
        ("select count(*) from gov.tax_credit where uscc = '91'", True),
        ("select count(*) from gov.tax_credit where uscc <> '91'", True),
        ("select count(*) from gov.tax_credit where uscc in ('91', '92')", True),
        ("select count(*) from gov.tax_credit where uscc like '91%'", True),
        ("select count(*) from gov.tax_credit where substr(uscc, 1, 9) = '91'", True),
        ("select count(*) from gov.tax_credit where case uscc when '91' then true else false end", True),
        ("select sum(case when uscc = '91' then score end) from gov.tax_credit", True),
        ("select count(*) from (select uscc as a from gov.tax_credit) t where a > '91'", True),
        ("select count(*) from gov.tax_credit t join (select grade, '91' as one from gov.tax_credit group by grade) q "
         "on t.uscc = q.one", True),
        ("select count(*) from gov.tax_credit where uscc is not null", False),
        ("select count(*) from gov.tax_credit t join gov.ent_registry r on t.uscc = r.uscc", False),
        ("select count(distinct uscc) from gov.tax_credit", False),
        ("select grade from gov.tax_credit group by grade having count(distinct uscc) >= 20", False),
        ("select grade, count(distinct uscc) n from gov.tax_credit group by grade having n >= 20 order by n", False),
        ("select n from (select grade, count(distinct uscc) n from gov.tax_credit group by grade) t where n > 9", False),
        ("select grade from gov.tax_credit group by grade having count(distinct nullif(uscc, '91')) >= 20", True),
        ("select grade from gov.tax_credit group by grade having count(*) filter (where uscc = '91') > 0", True),
        ("select uscc from gov.tax_credit group by uscc having uscc = '91'", True),
        ("select n from (select uscc, count(*) n from gov.tax_credit group by uscc) t where uscc > '91'", True),
    ],
)  # fmt: skip
def test_a_unit_beside_a_constant_is_a_question_about_one_subject(sql: str, is_one_subject: bool) -> None:
    assert any(use.literal_unit for use in ask(sql).uses) is is_one_subject


def test_uses_come_in_the_order_of_the_text_with_their_places() -> None:
    bound = ask("select sum(score)\nfrom gov.tax_credit\nwhere grade = 'A'")
    assert [(use.column, use.at.line, use.at.column) for use in bound.uses if use.at] == [
        ("score", 1, 12),
        ("grade", 3, 7),
    ]


def test_each_use_of_a_table_is_told_apart() -> None:
    bound = ask("select count(*) from gov.tax_credit a join gov.tax_credit b on a.uscc = b.uscc and a.grade = 'A'")
    assert len({use.scan for use in bound.uses if use.clause is Clause.JOIN_KEY}) == 2
    assert len({use.scan for use in bound.uses if use.column == "grade"}) == 1


def implied(sql: str) -> dict[str, int]:
    bound = ask(sql)
    tables = {scan: next(use.table.name for use in bound.uses if use.scan == scan) for scan in bound.implied}
    return {tables[scan]: len(conjuncts) for scan, conjuncts in bound.implied.items()}


def test_conditions_that_every_row_of_the_answer_meets_are_implied() -> None:
    assert implied("select count(*) from gov.tax_credit where grade = 'A' and score > 1") == {"tax_credit": 2}
    assert implied("select count(*) from gov.blacklist where list_code = 'X'") == {"credit_list": 2}
    assert implied("select count(*) from (select score * 2 as s from gov.tax_credit) t where s > 1") == {
        "tax_credit": 1
    }
    inner = "select count(*) from gov.ent_registry r join gov.tax_credit t on t.uscc = r.uscc and t.grade = 'A'"
    assert implied(inner) == {"tax_credit": 1}


def test_conditions_that_only_some_rows_meet_are_not_implied() -> None:
    assert implied("select count(*) filter (where grade = 'A') from gov.tax_credit") == {}
    assert implied("select count(*) from gov.tax_credit where grade = 'A' or score > 1") == {"tax_credit": 1}
    left = (
        "select count(*) from gov.ent_registry r left join gov.tax_credit t on t.uscc = r.uscc "
        "and r.section = 'A' and t.grade = 'A'"
    )
    assert implied(left) == {"tax_credit": 1}
    over = "select count(*) from (select uscc, sum(score) s from gov.tax_credit group by uscc) t where s > 1"
    assert implied(over) == {}


def test_a_condition_on_a_group_key_is_implied() -> None:
    assert implied("select grade, count(*) from gov.tax_credit group by grade having grade = 'A'") == {
        "tax_credit": 1
    }


def test_a_subquery_implies_what_its_rows_meet_and_nothing_of_those_around_it() -> None:
    part = "(select uscc from gov.ent_registry where section = 'A')"
    assert implied(f"select count(*) from gov.tax_credit where uscc in {part}") == {"ent_registry": 1}
    exists = "select 1 from gov.ent_registry r where r.uscc = t.uscc and t.grade = 'A'"
    assert implied(f"select count(*) from gov.tax_credit t where exists ({exists})") == {"tax_credit": 1}
    assert implied(f"select count(*) from gov.tax_credit t where not exists ({exists})") == {}


def test_a_full_join_and_a_union_imply_nothing_across() -> None:
    full = "select count(*) from gov.tax_credit t full join gov.ent_registry r on t.uscc = r.uscc and t.grade = 'A'"
    assert implied(full) == {}
    union = "(select grade as g from gov.tax_credit where score > 1 union all select section from gov.ent_registry)"
    assert implied(f"select count(*) from {union} u where g = 'A'") == {"tax_credit": 1}


def test_a_null_key_of_a_total_and_a_condition_above_a_window_imply_nothing() -> None:
    total = "select grade, count(*) from gov.tax_credit group by rollup (grade) having grade is null"
    assert implied(total) == {}
    ranked = "select grade, rank() over (order by count(*)) from gov.tax_credit group by grade qualify grade = 'A'"
    assert implied(ranked) == {}
