"""Binding: the tower of relations, names per scope, one tree for one meaning, and refusals that point and teach."""

from __future__ import annotations

import pytest
from tests.unit.sandbox.test_sql_world import CATALOG, ask, request

from louver.errors import Refused
from louver_sandbox.algebra.expressions import AggregateCall, Value
from louver_sandbox.algebra.relations import (
    Aggregate,
    Filter,
    Join,
    JoinKind,
    Limit,
    Project,
    Scan,
    Sort,
    scans,
    walk,
)
from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.sql.bind import bind
from louver_sandbox.sql.parse import parse


def refused(sql: str, **parameters: Value) -> Refused:
    with pytest.raises(Refused) as caught:
        ask(sql, **parameters)
    return caught.value


def test_one_select_is_one_tower() -> None:
    bound = ask(
        "select grade, count(*) as n from gov.tax_credit where score > 1 group by grade having count(*) > 2 "
        "order by n desc limit 3 offset 1"
    )
    kinds = [type(node) for node in walk(bound.relation)]
    assert kinds == [Project, Limit, Sort, Filter, Aggregate, Filter, Scan]


@pytest.mark.parametrize(
    ("sql", "limit"),
    [
        ("order by grade fetch first 3 rows only", (3, 0)),
        ("offset 2 rows fetch next :n rows only", (7, 2)),
        ("fetch first row only", (1, 0)),
        ("limit 3 offset 2", (3, 2)),
    ],
)
def test_fetch_first_is_a_limit(sql: str, limit: tuple[int, int]) -> None:
    values: dict[str, Value] = {"n": 7} if ":n" in sql else {}
    bound = ask(f"select distinct grade from gov.tax_credit {sql}", **values)
    (found,) = [node for node in walk(bound.relation) if isinstance(node, Limit)]
    assert (found.count, found.offset) == limit


@pytest.mark.parametrize("sql", ["fetch first 3 rows with ties", "fetch first 10 percent rows only"])
def test_fetch_first_with_ties_or_in_percent_is_refused(sql: str) -> None:
    assert refused(f"select distinct grade from gov.tax_credit order by grade {sql}").code == "LVR-1203"


@pytest.mark.parametrize("text", ["2002-5-01", "2002-05-1", "2002-5-1", "2002-05-01"])
def test_a_date_without_its_zeros_is_that_date(text: str) -> None:
    ours, plain = (
        ask(f"select count(*) from gov.ent_registry where established_on = {written}")
        for written in (f"'{text}'", "date '2002-05-01'")
    )
    assert str(ours.relation).count("2002, 5, 1") == str(plain.relation).count("2002, 5, 1") == 1
    assert ask(f"select count(*) from gov.ent_registry where established_on = cast('{text}' as date)")


@pytest.mark.parametrize("text", ["2002-5-32", "2002-13-1", "2002-005-1", "02-5-1", "2002-5", "2002-5-011"])
def test_what_is_no_date_stays_refused(text: str) -> None:
    assert refused(f"select count(*) from gov.ent_registry where established_on = '{text}'").code == "LVR-1012"


def test_ids_are_unique_and_a_scan_lists_the_used_columns_sorted() -> None:
    bound = ask("select score, grade from gov.tax_credit where uscc = 'x'")
    (scan,) = scans(bound.relation)
    assert scan.columns == ("grade", "score", "uscc")
    many = ask("with a as (select uscc from gov.tax_credit) select count(*) from a x join a y using (uscc)")
    ids = [node.id for node in walk(many.relation) if isinstance(node, Scan | Project | Aggregate)]
    assert len(set(ids)) == len(ids)


def test_columns_nobody_takes_are_not_read() -> None:
    bound = ask("select count(*) from (select * from gov.tax_credit) t where t.grade = 'A'")
    assert scans(bound.relation)[0].columns == ("grade",)
    assert {use.column for use in bound.uses} == {"grade"}


def test_output_names_are_what_the_caller_reads() -> None:
    bound = ask("select grade as 等级, count(*), sum(score), upper(grade), grade from gov.tax_credit group by grade")
    assert [column.name for column in bound.columns] == [
        "等级",
        "count_star()",
        "sum(score)",
        "upper(grade)",
        "grade",
    ]
    twice = ask("select t.uscc, r.uscc from gov.tax_credit t join gov.ent_registry r using (uscc)")
    assert [column.name for column in twice.columns] == ["uscc", "uscc_1"]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("rank() over (order by sum(score) desc)", "rank() OVER (ORDER BY sum(score) DESC)"),
        ("sum(count(*)) over ()", "sum(count_star()) OVER ()"),
        ("count(*) over (partition by grade)", "count_star() OVER (PARTITION BY grade)"),
        ("count(*) / sum(count(*)) over ()", "(count_star() / sum(count_star()) OVER ())"),
        ("(select count(*) from gov.ent_registry)", "count_star()_1"),
        ("(select count(*) as all_firms from gov.ent_registry)", "all_firms"),
        ("(select max(x.section) from gov.ent_registry x)", "max(section)"),
        ("exists (select 1 from gov.ent_registry)", "exists"),
    ],
)
def test_windows_and_subqueries_nobody_named_have_the_names_of_what_they_compute(written: str, name: str) -> None:
    bound = ask(f"select grade, count(*), {written} from gov.tax_credit group by grade")
    assert bound.columns[2].name == name


def test_two_windows_nobody_named_have_two_names() -> None:
    bound = ask(
        "select rank() over (order by grade), rank() over (order by grade), grade from gov.tax_credit group by grade"
    )
    names = [column.name for column in bound.columns]
    assert names == ["rank() OVER (ORDER BY grade)", "rank() OVER (ORDER BY grade)_1", "grade"]


def test_star_is_what_the_caller_may_see_and_using_shows_its_column_once() -> None:
    bound = ask("select * from gov.tax_credit t join gov.ent_registry r using (uscc)")
    assert [column.name for column in bound.columns].count("uscc") == 1
    assert len(bound.columns) == 4 + 8 - 1


def test_left_joins_stay_left_joins() -> None:
    bound = ask("select count(*) from gov.ent_registry r left join gov.tax_credit t using (uscc)")
    (join,) = [node for node in walk(bound.relation) if isinstance(node, Join)]
    assert join.kind is JoinKind.LEFT


def test_booleans_are_summed_as_integers_and_doubles_as_decimals_of_the_catalogue() -> None:
    bound = ask("select sum(defaulted), sum(ratio) from loan_book")
    assert [str(column.type) for column in bound.columns] == ["integer", "decimal(4)"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("select count(*) from gov.tax_credit", "SELECT  COUNT( * )\nFROM gov.tax_credit AS t -- all"),
        ("select count(*) from gov.tax_credit", "select count(1) from gov.tax_credit"),
        ("select count(*) as n from gov.tax_credit where grade = 'A'", "select count(*) as n from gov.tax_credit where not (grade <> 'A') and true"),
        ("select count(*) from gov.tax_credit where grade = 'A' and score > 1", "select count(*) from gov.tax_credit t where 1 < t.score and t.grade in ('A')"),
        ("select count(*) from gov.tax_credit where grade in ('A', 'B')", "select count(*) from gov.tax_credit where grade in ('B', 'A', 'B')"),
        ("select count(*) from gov.tax_credit where score between 1 and 2", "select count(*) from gov.tax_credit where score <= 2 and score >= 1"),
        ("select grade, count(*) as n from gov.tax_credit group by grade", "select grade, count(*) as n from gov.tax_credit group by 1"),
        ("select grade, count(*) as n from gov.tax_credit group by grade", "select t.grade, count(*) n from gov.tax_credit t group by all"),
        ("select grade, rating_year, count(*) n from gov.tax_credit group by grade, rating_year", "select grade, rating_year, count(*) n from gov.tax_credit group by rating_year, grade"),
        ("select count(*) from (select uscc as a from gov.tax_credit where grade = 'A') x join gov.ent_registry r on x.a = r.uscc", "with q as (select uscc from gov.tax_credit where grade = 'A') select count(*) from q join gov.ent_registry using (uscc)"),
        ("select count(*) from gov.ent_registry where established_on > date '2026-03-30'", "select count(*) from gov.ent_registry where established_on > date '2026-06-30' - interval 3 month"),
        ("select count(*) from gov.ent_registry where established_on > date '2026-03-30'", "select count(*) from gov.ent_registry where established_on > '2026-03-30'"),
        ("select count(*) from gov.tax_credit where score > 1000000", "select count(*) from gov.tax_credit where score > 1e6"),
        ("select year(established_on) as y, count(*) n from gov.ent_registry group by y", "select extract(year from established_on) as y, count(*) n from gov.ent_registry group by date_part('year', established_on)"),
        ("select count(*) from gov.tax_credit where not grade = 'A'", "select count(*) from gov.tax_credit where grade != 'A'"),
    ],
)  # fmt: skip
def test_two_spellings_of_a_question_are_one_tree(one: str, other: str) -> None:
    first, second = ask(one), ask(other)
    assert first.relation == second.relation
    assert {**first.implied} == {**second.implied}


def test_count_if_is_count_under_a_filter() -> None:
    one = ask("select count_if(grade = 'A') as n from gov.tax_credit")
    assert one.relation == ask("select count(*) filter (where grade = 'A') as n from gov.tax_credit").relation


def test_a_parameter_is_a_typed_constant_and_never_text() -> None:
    asked = ask("select count(*) from gov.tax_credit where grade = :grade", grade="A' or 'a' = 'a")
    assert asked.relation != ask("select count(*) from gov.tax_credit where grade = 'A'").relation
    same = ask("select count(*) from gov.tax_credit where grade = :grade", grade="A")
    assert same.relation == ask("select count(*) from gov.tax_credit where grade = 'A'").relation


def test_with_queries_shadow_per_scope_and_never_see_themselves() -> None:
    assert refused("with tax_credit as (select * from tax_credit) select * from tax_credit").code == "LVR-1101"
    bound = ask("with loan_book as (select * from loan_book) select count(*) from loan_book")
    assert scans(bound.relation)[0].table == TableName("bank_a", "loan_book")
    shadowed = ask(
        "with a as (select grade from gov.tax_credit) select count(*) from "
        "(with a as (select section from gov.ent_registry) select section from a) b where section = 'A'"
    )
    assert [str(scan.table) for scan in scans(shadowed.relation)] == ["gov.ent_registry"]


def test_a_view_is_bound_to_its_base_table_with_positions_where_it_is_named() -> None:
    bound = ask("select list_code, count(*)\nfrom gov.blacklist group by list_code")
    (scan,) = scans(bound.relation)
    assert (str(scan.table), scan.columns) == ("gov.credit_list", ("list_code", "polarity"))
    assert [use.at.line for use in bound.uses if use.column == "polarity" and use.at] == [2]


def test_a_view_over_a_table_the_caller_may_not_see_is_unknown() -> None:
    tables = {name: table for name, table in CATALOG.tables.items() if name.name != "credit_list"}
    with pytest.raises(Refused) as caught:
        bind(parse(request("select count(*) from gov.blacklist")), Catalog(tables, ""))
    assert caught.value.code == "LVR-1101"
    assert "credit_list" not in str(caught.value)


def test_a_repeated_aggregate_is_computed_once() -> None:
    bound = ask("select count(*), count(*) + 1 as more from gov.tax_credit having count(*) > 1 order by count(*)")
    (aggregate,) = [node for node in walk(bound.relation) if isinstance(node, Aggregate)]
    assert len(aggregate.measures) == 1
    assert isinstance(aggregate.measures[0].expression, AggregateCall)


@pytest.mark.parametrize(
    ("sql", "code", "place"),
    [
        ("select grade, score, count(*) from gov.tax_credit group by grade", "LVR-1301", (1, 15)),
        ("select nothing from gov.tax_credit", "LVR-1102", (1, 8)),
        ("select t.nothing from gov.tax_credit t", "LVR-1102", (1, 8)),
        ("select grade from gov.tax_credits", "LVR-1101", (1, 19)),
        ("select x.grade from gov.tax_credit t", "LVR-1101", (1, 8)),
        ("select uscc from gov.tax_credit t join gov.ent_registry r on t.uscc = r.uscc", "LVR-1103", (1, 8)),
        ("select 1 from gov.tax_credit t join gov.ent_registry t on true", "LVR-1104", (1, 37)),
        ("select grade,\n  any_value(score)\nfrom gov.tax_credit", "LVR-1202", (2, 3)),
        ("select arg_max(grade, score) from gov.tax_credit", "LVR-1302", (1, 8)),
        ("select nosuch(grade) from gov.tax_credit", "LVR-1201", (1, 8)),
        ("select grade from gov.tax_credit where score > all (select amount from loan_book)", "LVR-1310", (1, 60)),
        ("select upper(score) from gov.tax_credit", "LVR-1304", (1, 8)),
        ("select grade from gov.tax_credit where sum(score) > 1", "LVR-1305", (1, 40)),
        ("select sum(avg(score)) from gov.tax_credit", "LVR-1305", (1, 12)),
        ("select 1 from gov.tax_credit, gov.ent_registry", "LVR-1303", (1, 31)),
        ("select grade from gov.tax_credit order by 2", "LVR-1306", (1, 43)),
        ("select count(*) from gov.tax_credit where grade = :g", "LVR-1010", (1, 51)),
        ("select date 'x' from gov.tax_credit", "LVR-1012", (1, 13)),
    ],
)
def test_a_refusal_points_at_the_place(sql: str, code: str, place: tuple[int, int]) -> None:
    refusal = refused(sql)
    assert (refusal.code, refusal.line, refusal.column) == (code, *place)


def test_the_first_of_several_faults_in_the_text_is_named() -> None:
    assert refused("select any_value(grade), mad(score) from gov.tax_credit").code == "LVR-1202"
    assert refused("select mad(score), any_value(grade) from gov.tax_credit").code == "LVR-1302"


def test_refusals_teach() -> None:
    assert "did you mean grade" in refused("select grad from gov.tax_credit").hint
    assert "JOIN r USING (uscc)" in refused("select 1 from gov.tax_credit t, gov.ent_registry r").hint
    assert refused("select score, count(*) from gov.tax_credit").hint == "wrap it in an aggregate or GROUP BY it"


def test_parameters_must_be_used_and_have_values_that_can_be_constants() -> None:
    assert refused("select count(*) from gov.tax_credit", unused=1).code == "LVR-1011"
    assert refused("select count(*) from gov.tax_credit where score > :x", x=float("nan")).code == "LVR-1012"
    assert refused("select count(*) from gov.tax_credit where grade = :x", x="a\0b").code == "LVR-1012"
    assert refused("select count(*) from gov.tax_credit where rating_year = :x", x=2**80).code == "LVR-1012"
