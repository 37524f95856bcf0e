"""A question in any dialect has the meaning it has there, shown by the DuckDB question it is equal to, or is refused."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.unit.sandbox.test_sql_world import CATALOG, ask, request

from louver.errors import Refused
from louver_sandbox.algebra.expressions import Call, Literal, Value
from louver_sandbox.algebra.relations import Filter, walk
from louver_sandbox.sql.bind import bind
from louver_sandbox.sql.dialects import BY_NAME, DIALECTS
from louver_sandbox.sql.lexical import LIMITS, gate
from louver_sandbox.sql.parse import parse
from louver_sandbox.sql.spellings import NAMES
from louver_sandbox.stages import Bound

SELECT = "select {} as v from gov.ent_registry"


def ask_in(dialect: str, sql: str, **parameters: Value) -> Bound:
    """The question, in a dialect, against the small catalogue."""
    return bind(parse(replace(request(sql, **parameters), dialect=dialect)), CATALOG)


SAME = [
    # quotes, operators, NULL-safe comparison
    ("mysql", "`section`", "section"),
    ("spark", "`section`", '"section"'),
    ("mysql", '"A"', "'A'"),
    ("spark", "section == 'A'", "section = 'A'"),
    ("duckdb", "section == 'A'", "section = 'A'"),
    ("mysql", "section <=> status", "section is not distinct from status"),
    ("spark", "section <=> null", "section is not distinct from null"),
    ("postgres", "section != 'A'", "section <> 'A'"),
    # division
    ("postgres", "n_employees / 2", "n_employees // 2"),
    ("postgres", "n_employees / 2.0", "n_employees / 2.0"),
    ("postgres", "reg_capital_wan / 2", "reg_capital_wan / 2"),
    ("mysql", "n_employees / 2", "n_employees / 2"),
    ("spark", "n_employees / 2", "n_employees / 2"),
    ("oracle", "n_employees / 2", "n_employees / 2"),
    ("mysql", "n_employees div 2", "n_employees // 2"),
    ("spark", "n_employees div 2", "n_employees // 2"),
    ("oracle", "mod(n_employees, 7)", "n_employees % 7"),
    # NULL in concatenation, and in GREATEST
    ("postgres", "section || status", "section || status"),
    ("spark", "section || status", "section || status"),
    ("mysql", "concat(section, status)", "section || status"),
    ("spark", "concat(section, status)", "section || status"),
    ("postgres", "concat(section, status)", "coalesce(section, '') || coalesce(status, '')"),
    ("oracle", "section || status", "nullif(coalesce(section, '') || coalesce(status, ''), '')"),
    ("oracle", "concat(section, status)", "nullif(coalesce(section, '') || coalesce(status, ''), '')"),
    (
        "mysql",
        "greatest(n_employees, 3)",
        "case when n_employees is null then null else greatest(n_employees, 3) end",
    ),
    ("oracle", "least(n_employees, 3)", "case when n_employees is null then null else least(n_employees, 3) end"),
    ("spark", "greatest(n_employees, 3)", "greatest(n_employees, 3)"),
    # choices
    ("oracle", "nvl(section, 'x')", "coalesce(section, 'x')"),
    ("oracle", "nvl2(section, 'a', 'b')", "case when section is null then 'b' else 'a' end"),
    (
        "oracle",
        "decode(section, 'A', 1, 'B', 2, 0)",
        "case when section = 'A' then 1 when section = 'B' then 2 else 0 end",
    ),
    ("spark", "decode(section, null, 1, 0)", "case when section is null then 1 else 0 end"),
    ("oracle", "decode(section, status, 1)", "case when section is not distinct from status then 1 end"),
    ("mysql", "ifnull(section, 'x')", "coalesce(section, 'x')"),
    ("mysql", "if(section = 'A', 1, 0)", "case when section = 'A' then 1 else 0 end"),
    ("spark", "isnotnull(section)", "section is not null"),
    ("mysql", "isnull(section)", "section is null"),
    # dates
    ("mysql", "datediff(date '2026-01-01', established_on)", "date_diff('day', established_on, date '2026-01-01')"),
    ("spark", "datediff(date '2026-01-01', established_on)", "date_diff('day', established_on, date '2026-01-01')"),
    ("oracle", "date '2026-01-01' - established_on", "date '2026-01-01' - established_on"),
    ("postgres", "date '2026-01-01' - established_on", "date '2026-01-01' - established_on"),
    (
        "mysql",
        "timestampdiff(year, established_on, date '2026-01-01')",
        "extract(year from age(date '2026-01-01', established_on))",
    ),
    (
        "postgres",
        "date_part('year', age(date '2026-01-01', established_on))",
        "extract(year from age(date '2026-01-01', established_on))",
    ),
    (
        "mysql",
        "timestampdiff(day, established_on, date '2026-01-01')",
        "date_diff('day', established_on, date '2026-01-01')",
    ),
    ("mysql", "date_add(established_on, interval 1 month)", "established_on + interval 1 month"),
    ("mysql", "date_sub(established_on, interval 3 day)", "established_on - interval 3 day"),
    ("mysql", "adddate(established_on, interval 3 day)", "established_on + interval 3 day"),
    ("spark", "date_add(established_on, 30)", "established_on + 30"),
    ("spark", "date_sub(established_on, 30)", "established_on - 30"),
    ("spark", "add_months(established_on, -3)", "established_on + interval '-3' month"),
    (
        "oracle",
        "add_months(established_on, 1)",
        "case when established_on = last_day(established_on) then last_day(established_on + interval 1 month) "
        "else established_on + interval 1 month end",
    ),
    ("oracle", "trunc(established_on, 'MM')", "date_trunc('month', established_on)"),
    ("oracle", "trunc(established_on)", "date_trunc('day', established_on)"),
    ("spark", "trunc(established_on, 'YEAR')", "date_trunc('year', established_on)"),
    ("oracle", "to_char(established_on, 'YYYY-MM')", "strftime(established_on, '%Y-%m')"),
    ("postgres", "to_char(established_on, 'YYYYMMDD')", "strftime(established_on, '%Y%m%d')"),
    ("mysql", "date_format(established_on, '%Y-%m')", "strftime(established_on, '%Y-%m')"),
    ("spark", "date_format(established_on, 'yyyy-MM')", "strftime(established_on, '%Y-%m')"),
    ("oracle", "to_date('20200131', 'YYYYMMDD')", "date '2020-01-31'"),
    ("postgres", "to_date('2020-01-31', 'YYYY-MM-DD')", "date '2020-01-31'"),
    ("mysql", "str_to_date('31/01/2020', '%d/%m/%Y')", "date '2020-01-31'"),
    ("spark", "to_date('2020-01-31')", "date '2020-01-31'"),
    ("spark", "to_date(section, 'yyyy-MM-dd')", "cast(section as date)"),
    ("mysql", "date('2020-01-31')", "date '2020-01-31'"),
    ("mysql", "dayofweek(established_on)", "isodow(established_on) % 7 + 1"),
    ("spark", "dayofweek(established_on)", "isodow(established_on) % 7 + 1"),
    ("duckdb", "dayofweek(established_on)", "isodow(established_on) % 7"),
    ("postgres", "extract(dow from established_on)", "isodow(established_on) % 7"),
    ("mysql", "weekday(established_on)", "isodow(established_on) - 1"),
    ("duckdb", "weekday(established_on)", "isodow(established_on) % 7"),
    ("mysql", "weekofyear(established_on)", "week(established_on)"),
    ("mysql", "week(established_on, 3)", "week(established_on)"),
    ("oracle", "extract(year from established_on)", "year(established_on)"),
    # numbers
    ("mysql", "log(n_employees)", "ln(n_employees)"),
    ("spark", "log(n_employees)", "ln(n_employees)"),
    ("postgres", "log(n_employees)", "log10(n_employees)"),
    ("duckdb", "log(n_employees)", "log10(n_employees)"),
    ("mysql", "log(2, n_employees)", "ln(n_employees) / ln(2)"),
    ("mysql", "truncate(reg_capital_wan, 1)", "trunc(reg_capital_wan, 1)"),
    ("spark", "cast(reg_capital_wan as int)", "cast(trunc(reg_capital_wan) as int)"),
    ("postgres", "reg_capital_wan::int", "cast(reg_capital_wan as int)"),
    ("mysql", "cast(section as signed)", "cast(section as bigint)"),
    ("mysql", "cast(section as decimal)", "cast(section as decimal(10, 0))"),
    ("spark", "cast(section as decimal)", "cast(section as decimal(10, 0))"),
    ("oracle", "cast(section as number(10, 2))", "cast(section as decimal(10, 2))"),
    ("oracle", "cast(n_employees as varchar2(10))", "cast(n_employees as varchar)"),
    # texts
    ("mysql", "char_length(section)", "length(section)"),
    ("mysql", "substring(section from 1 for 2)", "substr(section, 1, 2)"),
    ("mysql", "mid(section, 2, 3)", "substr(section, 2, 3)"),
    ("mysql", "locate('b', section)", "strpos(section, 'b')"),
    ("oracle", "instr(section, 'b')", "strpos(section, 'b')"),
    ("postgres", "position('b' in section)", "strpos(section, 'b')"),
    ("mysql", "substring_index(section, '-', 1)", "split_part(section, '-', 1)"),
    ("postgres", "btrim(section, 'xy')", "trim(section, 'xy')"),
    ("mysql", "trim(both 'x' from section)", "trim(section, 'x')"),
    ("oracle", "lpad(section, 5)", "lpad(section, 5, ' ')"),
    ("mysql", "ucase(section)", "upper(section)"),
    # patterns
    ("mysql", "section rlike '^a'", "regexp_matches(section, '^a')"),
    ("mysql", "section not regexp '^a'", "not regexp_matches(section, '^a')"),
    ("spark", "regexp_like(section, '^a')", "section ~ '^a'"),
    ("postgres", "section ~ '^a'", "regexp_matches(section, '^a')"),
    ("postgres", "section !~ '^a'", "not regexp_matches(section, '^a')"),
    ("postgres", "section similar to 'a%'", "section similar to 'a.*'"),
    ("postgres", r"section like 'a\%%'", r"section like 'a\%%' escape '\'"),
    ("oracle", "section like 'a!%' escape '!'", "section like 'a!%' escape '!'"),
]


@pytest.mark.parametrize(("dialect", "written", "meant"), SAME)
def test_a_spelling_means_what_it_means_in_its_dialect(dialect: str, written: str, meant: str) -> None:
    assert ask_in(dialect, SELECT.format(written)).relation == ask(SELECT.format(meant)).relation


AGGREGATES = [
    ("mysql", "stddev(n_employees)", "stddev_pop(n_employees)"),
    ("mysql", "std(n_employees)", "stddev_pop(n_employees)"),
    ("mysql", "variance(n_employees)", "var_pop(n_employees)"),
    ("spark", "std(n_employees)", "stddev_samp(n_employees)"),
    ("postgres", "stddev(n_employees)", "stddev_samp(n_employees)"),
    ("oracle", "variance(n_employees)", "var_samp(n_employees)"),
    ("postgres", "every(n_employees > 1)", "bool_and(n_employees > 1)"),
    ("spark", "some(n_employees > 1)", "bool_or(n_employees > 1)"),
    ("mysql", "sum(if(section = 'A', 1, 0))", "sum(case when section = 'A' then 1 else 0 end)"),
    ("mysql", "sum(section = 'A')", "sum(cast(section = 'A' as int))"),
    ("spark", "count_if(section = 'A')", "count(*) filter (where section = 'A')"),
]


@pytest.mark.parametrize(("dialect", "written", "meant"), AGGREGATES)
def test_an_aggregate_means_what_it_means_in_its_dialect(dialect: str, written: str, meant: str) -> None:
    assert ask_in(dialect, SELECT.format(written)).relation == ask(SELECT.format(meant)).relation


REFUSED = [
    ("mysql", "section || status", "LVR-1320"),
    ("mysql", r"section like 'a\_b'", "LVR-1320"),
    ("mysql", "section = 'it''s'", "LVR-1320"),
    ("spark", "section = 'it''s'", "LVR-1320"),
    ("spark", r"section = 'a\'", "LVR-1320"),
    ("mysql", "length(section)", "LVR-1320"),
    ("mysql", "week(established_on)", "LVR-1320"),
    ("mysql", "extract(week from established_on)", "LVR-1320"),
    ("mysql", "established_on - 30", "LVR-1320"),
    ("mysql", "established_on - date '2020-01-01'", "LVR-1320"),
    ("spark", "established_on - date '2020-01-01'", "LVR-1320"),
    ("mysql", "trim(both 'xy' from section)", "LVR-1320"),
    ("spark", "trim(section, 'x')", "LVR-1320"),
    ("oracle", "section = ''", "LVR-1320"),
    ("oracle", "sysdate", "LVR-1203"),
    ("oracle", "rownum", "LVR-1203"),
    ("mysql", "n_employees // 2", "LVR-1003"),
    ("postgres", "`section`", "LVR-1003"),
    ("postgres", "section == 'A'", "LVR-1003"),
    ("postgres", "section <=> 'A'", "LVR-1003"),
    ("postgres", "section ~* 'a'", "LVR-1003"),
    ("postgres", "section ~~ 'a'", "LVR-1003"),
    ("mysql", "section ~ 'a'", "LVR-1003"),
    ("postgres", "n_employees div 2", "LVR-1007"),
    ("duckdb", "section rlike 'a'", "LVR-1007"),
    ("oracle", "section similar to 'a'", "LVR-1007"),
    ("postgres", "cast(section as numeric)", "LVR-1205"),
    ("oracle", "cast(section as number)", "LVR-1205"),
    ("duckdb", "to_char(established_on, 'YYYY')", "LVR-1201"),
    ("mysql", "strftime(established_on, '%Y')", "LVR-1201"),
    ("postgres", "date_format(established_on, '%Y')", "LVR-1201"),
    ("postgres", "to_char(established_on, 'Day')", "LVR-1204"),
    ("spark", "date_format(established_on, 'YYYY-MM')", "LVR-1204"),
    ("oracle", "to_date('2020-02-30', 'YYYY-MM-DD')", "LVR-1012"),
    ("oracle", "to_date(section, 'YYYYMMDD')", "LVR-1204"),
    ("oracle", "months_between(established_on, established_on)", "LVR-1302"),
    ("oracle", "dayofweek(established_on)", "LVR-1201"),
    ("mysql", "substring_index(section, '-', -1)", "LVR-1204"),
    ("mysql", "timestampdiff(hour, established_on, established_on)", "LVR-1204"),
]


@pytest.mark.parametrize(("dialect", "written", "code"), REFUSED)
def test_what_would_need_a_guess_is_refused(dialect: str, written: str, code: str) -> None:
    with pytest.raises(Refused) as caught:
        ask_in(dialect, SELECT.format(written))
    assert caught.value.code == code


@pytest.mark.parametrize("dialect", ["sqlite", "tsql", "DuckDB", "", "duckdb "])
def test_an_unknown_dialect_is_refused_with_the_list(dialect: str) -> None:
    with pytest.raises(Refused) as caught:
        ask_in(dialect, "select count(*) from gov.tax_credit")
    assert caught.value.code == "LVR-1013"
    assert all(known in caught.value.hint for known in DIALECTS)


NUMBERS = [
    ("9223372036854775807", 2**63 - 1),
    ("-9223372036854775807", -(2**63) + 1),
    ("9223372036854775808", "LVR-1012"),
    ("00042", 42),
    ("1e3", 1000),
    ("1.5e2", 150),
    ("1e17", 10**17),
    ("1e99999", "LVR-1012"),
    (".5", Decimal("0.5")),
    ("5.", 5),
    ("0.000000000001", Decimal("0.000000000001")),
    ("0.0000000000001", "LVR-1012"),
    ("123456789012345.123456789012", Decimal("123456789012345.123456789012")),
    ("1234567890123456.123456789012", "LVR-1012"),
    ("0x10", "LVR-1004"),
    ("1_000", "LVR-1004"),
    ("1e", "LVR-1004"),
    ("1.2.3", "LVR-1004"),
    ("0b1", "LVR-1004"),
]


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
@pytest.mark.parametrize(("written", "meant"), NUMBERS)
def test_a_number_is_exact_up_to_its_limit_and_refused_beyond(written: str, meant: Value, dialect: str) -> None:
    sql = f"select count(*) from gov.ent_registry where reg_capital_wan > {written}"
    if isinstance(meant, str):
        with pytest.raises(Refused) as caught:
            ask_in(dialect, sql)
        assert caught.value.code == meant
        return
    condition = next(node for node in walk(ask_in(dialect, sql).relation) if isinstance(node, Filter)).predicate
    assert isinstance(condition, Call)
    assert isinstance(condition.arguments[1], Literal)
    assert condition.arguments[1].value == meant


def test_nulls_are_ordered_as_the_dialect_orders_them() -> None:
    sql = "select grade, count(*) from gov.tax_credit group by grade order by grade"
    for dialect, ascending, descending in (
        ("duckdb", "last", "last"),
        ("postgres", "last", "first"),
        ("oracle", "last", "first"),
        ("mysql", "first", "last"),
        ("spark", "first", "last"),
    ):
        assert ask_in(dialect, sql).relation == ask(f"{sql} nulls {ascending}").relation
        assert ask_in(dialect, f"{sql} desc").relation == ask(f"{sql} desc nulls {descending}").relation


def test_every_name_that_is_kept_has_a_meaning() -> None:
    assert {dialect: frozenset(names) for dialect, names in NAMES.items()} == dict(BY_NAME)
    assert set(BY_NAME) == set(DIALECTS)


def test_a_view_is_read_in_duckdb_whatever_the_question_is_written_in() -> None:
    sql = "select list_code, count(*) from gov.blacklist group by list_code"
    assert ask_in("mysql", sql).relation == ask(sql).relation


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_the_gate_keeps_the_length_of_the_text_in_every_dialect(dialect: str) -> None:
    quoted = "`a b`" if dialect in ("mysql", "spark") else '"a b"'
    sql = f"select {quoted} /* why */ -- so\r\n, 'x' from t where a != 1\t;"
    source = gate(sql, LIMITS, DIALECTS[dialect])
    assert len(source.text) == len(sql)
    assert '"a b"' in source.text
    assert "'x'" in source.text


@pytest.mark.parametrize(
    ("dialect", "sql", "code"),
    [
        ("mysql", "select 5--3 from t", "LVR-1320"),
        ("mysql", "select 1 /*! union */ from t", "LVR-1004"),
        ("mysql", "select 'a' 'b' from t", "LVR-1004"),
        ("mysql", "select `a``b` from t", "LVR-1320"),
        ("mysql", 'select `a"b` from t', "LVR-1320"),
        ("mysql", 'select "it\'s" from t', "LVR-1320"),
        ("postgres", "select E'a' from t", "LVR-1004"),
        ("postgres", "select $$a$$ from t", "LVR-1003"),
        ("duckdb", "select [1] from t", "LVR-1003"),
        ("oracle", "select q'[a]' from t", "LVR-1004"),
        ("spark", "select 10L from t", "LVR-1004"),
        ("mysql", "select a # comment", "LVR-1003"),
        ("mysql", "select @a from t", "LVR-1003"),
        ("postgres", "select a && b from t", "LVR-1003"),
    ],
)
def test_what_a_dialect_reads_in_its_own_way_does_not_pass_the_gate(dialect: str, sql: str, code: str) -> None:
    with pytest.raises(Refused) as caught:
        gate(sql, LIMITS, DIALECTS[dialect])
    assert caught.value.code == code


@pytest.mark.parametrize(
    "name",
    [
        "ｓｅｃｔｉｏｎ",
        "sесtion",
        "ΑΒ",
        "a\u200bb",
        "a\u202eb",
        "a\u2066b",
        "a\u00a0b",
        "a\ufe0fb",
        "a\u3164b",
        "𝐚",
        "１２",
    ],
)
def test_a_name_that_looks_like_another_is_refused_in_quotes_and_outside(name: str) -> None:
    for written in (f'"{name}"', name):
        with pytest.raises(Refused) as caught:
            gate(f"select {written} from t")
        assert caught.value.code == "LVR-1003"
        assert caught.value.line == 1


@pytest.mark.parametrize("name", ["客户号", "金额（万元）", "société", "名称 1", "μ"])
def test_other_names_in_quotes_pass(name: str) -> None:
    assert gate(f'select "{name}" from t')


def test_a_keyword_in_look_alike_letters_is_no_keyword() -> None:
    for sql in ("ｓelect 1", "sеlect 1", "select 1 ｆｒｏｍ t", "select 1；select 2", "select ‘a’ from t"):
        with pytest.raises(Refused) as caught:
            gate(sql)
        assert caught.value.code == "LVR-1003"
